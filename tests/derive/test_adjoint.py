"""Both adjoints: the continuous one by exact integration of polynomial fields, the discrete one by NumPy."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive import adjoint, tableau
from derive.spec import TableauSpec

S = adjoint.symbols()
XI, ETA, DEPTH = S.xi, S.eta, S.depth
POLYNOMIALS = {
    "h": lambda x, d: 1 + x * d,
    "lambda": lambda x, d: x - d**2,
    "W": lambda x, y, d: x + 2 * y * d,
    "b": lambda x, d: d - x,
    "V": lambda x, d: 1 - x,
    "eta": lambda x, d: d * x + x**2,
    "Omega": lambda x, y, d: x * y - d,
    "beta": lambda x, d: x**2,
    "nu": lambda x, d: x - d,
}


def rate(u, h):
    return u**2 - 3 * u * h


def inserted(expression):
    """The fields replaced by polynomials, ρ by ``rate``, every integral done exactly."""
    for name, f in POLYNOMIALS.items():
        expression = expression.replace(S.fields[name], f)
    u, h = sp.symbols("u h")
    parts = {S.rho: rate(u, h), S.rho_u: rate(u, h).diff(u), S.rho_h: rate(u, h).diff(h)}
    for function, value in parts.items():
        expression = expression.replace(function, lambda p, q, v=value: v.subs({u: p, h: q}, simultaneous=True))
    return sp.expand(sp.expand(expression).doit())


def double(expression):
    return sp.integrate(sp.expand(expression), (XI, -1, 1), (DEPTH, 0, 1))


@pytest.mark.slow
def test_gateaux_derivative_of_polynomial_fields() -> None:
    """d/dε of the Lagrangian with everything inserted first, against the pairing that the derivation found."""
    e = sp.Symbol("e")
    fields = dict(POLYNOMIALS)
    moved = {
        name: (lambda *a, f=fields[name], g=fields[direction]: f(*a) + e * g(*a))
        for name, direction in (("h", "eta"), ("W", "Omega"), ("b", "beta"), ("V", "nu"))
    }
    h = moved["h"](XI, DEPTH)
    u = sp.integrate(sp.expand(moved["W"](XI, ETA, DEPTH) * moved["h"](ETA, DEPTH)), (ETA, -1, 1))
    u = sp.expand(u + moved["V"](XI, DEPTH) * h + moved["b"](XI, DEPTH))
    density = POLYNOMIALS["lambda"](XI, DEPTH) * (rate(u, h) - sp.diff(h, DEPTH))
    expected = double(sp.expand(density).coeff(e, 1))

    found = adjoint.continuous()
    adjoint_factor = inserted(found.equation.rhs - found.equation.lhs)
    pairing = adjoint_factor * POLYNOMIALS["eta"](XI, DEPTH)
    pairing += inserted(found.gradients["b"]) * POLYNOMIALS["beta"](XI, DEPTH)
    pairing += inserted(found.gradients["V"]) * POLYNOMIALS["nu"](XI, DEPTH)
    kernel = inserted(found.gradients["W"]) * POLYNOMIALS["Omega"](XI, ETA, DEPTH)
    pairing += sp.integrate(sp.expand(kernel), (ETA, -1, 1))
    edge = inserted(found.boundary)
    ends = sp.integrate(sp.expand(edge.subs(DEPTH, 1) - edge.subs(DEPTH, 0)), (XI, -1, 1))
    assert sp.expand(double(pairing) + ends - expected) == 0
    assert expected != 0


@pytest.mark.slow
def test_every_step_has_the_same_value() -> None:
    """The Gateaux derivative before and after Fubini and integration by parts differ by the boundary alone."""
    steps = {s.title: s.formula for s in adjoint.continuous().steps}
    before = inserted(steps["Its Gateaux derivative"].function)
    after = inserted(steps["Fubini and integration by parts"].function)
    found = adjoint.continuous()
    for name, direction in (("b", "beta"), ("V", "nu")):
        after += inserted(found.gradients[name]) * POLYNOMIALS[direction](XI, DEPTH)
    kernel = inserted(found.gradients["W"]) * POLYNOMIALS["Omega"](XI, ETA, DEPTH)
    after += sp.integrate(sp.expand(kernel), (ETA, -1, 1))
    edge = inserted(found.boundary)
    ends = sp.integrate(sp.expand(edge.subs(DEPTH, 1) - edge.subs(DEPTH, 0)), (XI, -1, 1))
    assert sp.expand(double(before) - double(after) - ends) == 0


def test_the_equations_as_written() -> None:
    found = adjoint.continuous()
    h, lam, w, v = (S.fields[n] for n in ("h", "lambda", "W", "V"))
    u = adjoint.pre_activation()
    here = S.rho_u(u, h(XI, DEPTH)) * lam(XI, DEPTH)
    assert found.gradients == {"W": here * h(ETA, DEPTH), "b": here, "V": here * h(XI, DEPTH)}
    assert found.boundary == -lam(XI, DEPTH) * S.fields["eta"](XI, DEPTH)
    assert found.equation.lhs == -sp.Derivative(lam(XI, DEPTH), DEPTH)
    local = S.rho_h(u, h(XI, DEPTH)) * lam(XI, DEPTH) + v(XI, DEPTH) * here
    rest = sp.expand(found.equation.rhs - local)
    assert isinstance(rest, sp.Integral)
    assert rest.function.has(w(ETA, XI, DEPTH)) and rest.function.has(lam(ETA, DEPTH))


entries = st.fractions(min_value=-2, max_value=2, max_denominator=6)


def random_tableau(data, stages: int) -> TableauSpec:
    a = tuple(tuple(data.draw(entries) if j < i else F(0) for j in range(stages)) for i in range(stages))
    b = tuple(data.draw(entries) for _ in range(stages))
    return TableauSpec("random", a, b, tuple(F(0) for _ in b), 1)


@given(data=st.data(), stages=st.integers(1, 5), kappa=entries)
def test_reverse_sweep_against_complex_step(data, stages: int, kappa: F) -> None:
    """h̄_n of a step with ḣ = tanh(B h) + κ h, from the tables of ``discrete``."""
    given = random_tableau(data, stages)
    step = F(1, 4)
    rng = np.random.default_rng(stages)
    matrix, start, cotangent = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)

    def loop(h):
        k = []
        for i in range(stages):
            x = h + float(step) * sum((float(given.a[i][j]) * k[j] for j in range(i)), 0 * h)
            k.append(np.tanh(matrix @ x) + float(kappa) * x)
        return h + float(step) * sum(float(c) * v for c, v in zip(given.b, k))

    forward = tableau.combination(given, kappa, step)
    reverse = adjoint.discrete(forward)
    states, moved = [], []
    for row in forward[:-1]:
        states.append(float(row[0]) * start + sum((float(g) * m for g, m in zip(row[1:], moved)), 0 * start))
        moved.append(np.tanh(matrix @ states[-1]))
    state_bar = [np.zeros(3) for _ in range(stages)] + [cotangent]
    for j in reversed(range(stages)):
        moved_bar = sum(float(reverse[i][j + 1]) * state_bar[i] for i in range(j + 1, stages + 1))
        state_bar[j] = matrix.T @ ((1 - np.tanh(matrix @ states[j]) ** 2) * moved_bar)
    before_bar = sum(float(row[0]) * bar for row, bar in zip(reverse, state_bar))

    direction = rng.normal(size=3)
    slope = np.imag(cotangent @ loop(start + 1e-30j * direction)) / 1e-30
    scale = np.linalg.norm(before_bar) * np.linalg.norm(direction)
    assert abs(slope - before_bar @ direction) <= 1e-13 * max(scale, 1)


def test_the_reverse_table_is_the_forward_one() -> None:
    """Transposition: the coefficient by which m_j enters H_i is the one by which H̄_i enters m̄_j."""
    given = TableauSpec("heun", ((F(0), F(0)), (F(1), F(0))), (F(1, 2), F(1, 2)), (F(0), F(1)), 2)
    forward = tableau.combination(given, F(-2), F(1, 3))
    assert adjoint.discrete(forward) == forward


@pytest.mark.parametrize("stages", [1, 2, 4])
def test_classical_form(stages: int) -> None:
    """(10): μ_i = s b_i λ + s Σ_j a_ji J_j μ_j, λ_n = λ_{n+1} + Σ J_i μ_i."""
    steps = {s.title: s.formula for s in adjoint.classical(stages)}
    step, after = sp.symbols("s lambda_next")
    for i in range(stages):
        expected = step * sp.Symbol(f"b{i + 1}") * after
        for j in range(i + 1, stages):
            expected += step * sp.Symbol(f"a{j + 1}{i + 1}") * sp.Symbol(f"J{j + 1}") * sp.Symbol(f"mu{j + 1}")
        assert sp.expand(steps[f"Stage {i + 1}"].rhs - expected) == 0
    expected = after + sum(sp.Symbol(f"J{i + 1}") * sp.Symbol(f"mu{i + 1}") for i in range(stages))
    assert sp.expand(steps["The state before"].rhs - expected) == 0


@given(data=st.data(), stages=st.integers(1, 4), kappa=entries)
def test_both_discrete_forms_agree(data, stages: int, kappa: F) -> None:
    """(10) with J = r′ + κ and the combination form, for a scalar linear rate, in exact arithmetic."""
    given = random_tableau(data, stages)
    step, slopes, after = F(1, 3), [data.draw(entries) for _ in range(stages)], F(5, 7)
    mu: dict[int, F] = {}
    for i in reversed(range(stages)):
        mu[i] = step * given.b[i] * after
        mu[i] += step * sum(given.a[j][i] * (slopes[j] + kappa) * mu[j] for j in range(i + 1, stages))
    before = after + sum((slopes[i] + kappa) * mu[i] for i in range(stages))
    table = adjoint.discrete(tableau.combination(given, kappa, step))
    bars = [F(0)] * stages + [after]
    for j in reversed(range(stages)):
        bars[j] = slopes[j] * sum(table[i][j + 1] * bars[i] for i in range(j + 1, stages + 1))
    assert sum(row[0] * bar for row, bar in zip(table, bars)) == before
