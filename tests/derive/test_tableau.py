"""Order conditions, stability and the elimination of the linear part, against series and NumPy loops."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
import scipy.optimize
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive import registry, tableau
from derive.errors import DerivationError
from derive.explain.tableaux import named_tableau
from derive.spec import TableauSpec


def spec(a: list[list[str]], b: str, c: str, order: int) -> TableauSpec:
    """Strictly lower rows, filled with zeros."""
    stages = len(b.split())
    rows = tuple(tuple(F(x) for x in (*row, *["0"] * (stages - len(row)))) for row in a)
    return TableauSpec("test", rows, tuple(map(F, b.split())), tuple(map(F, c.split())), order)


EULER = spec([[]], "1", "0", 1)
MIDPOINT = spec([[], ["1/2"]], "0 1", "0 1/2", 2)
HEUN = spec([[], ["1"]], "1/2 1/2", "0 1", 2)
RK4 = spec([[], ["1/2"], ["0", "1/2"], ["0", "0", "1"]], "1/6 1/3 1/3 1/6", "0 1/2 1/2 1", 4)
# Butcher's method of order five, six stages
FIVE = spec(
    [[], ["1/4"], ["1/8", "1/8"], ["0", "-1/2", "1"], ["3/16", "0", "0", "9/16"],
     ["-3/7", "2/7", "12/7", "-12/7", "8/7"]],
    "7/90 0 32/90 12/90 32/90 7/90", "0 1/4 1/4 1/2 3/4 1", 5,
)  # fmt: skip
ALL = [EULER, MIDPOINT, HEUN, RK4, FIVE]


def test_numbers_of_trees() -> None:
    assert [len(tableau.trees(n)) for n in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]


def test_conditions_are_named_and_distinct() -> None:
    found = {c.name: c.right for c in tableau.conditions(5)}
    assert len(found) == 17
    assert found["Σ b_i"] == 1
    assert found["Σ b_i c_i^2"] == F(1, 3)
    assert found["Σ b_i c_i a_ij c_j"] == F(1, 8)
    assert found["Σ b_i a_ij c_j a_ik c_k"] == F(1, 20)


@pytest.mark.parametrize("given", ALL)
def test_orders(given: TableauSpec) -> None:
    tableau.check(given)
    assert tableau.order(given.a, given.b) == given.order


@pytest.mark.parametrize("name", registry.names("tableaux"))
def test_registered_tableaux(name: str) -> None:
    given = named_tableau(name)
    tableau.check(given)
    assert tableau.order(given.a, given.b) == registry.entry("tableaux", name).ORDER


@pytest.mark.slow
def test_conditions_agree_with_taylor_series() -> None:
    """For y' = y² t + 1 the error of one step starts at s^(p + 1); an oracle without trees."""
    s = sp.Symbol("s")

    def slope(t, y):
        return y**2 * (t + 1) + t

    solution = sp.Integer(1)
    t = sp.Symbol("t")
    for _ in range(7):  # Picard
        solution = 1 + sp.integrate(sp.expand(slope(t, solution)), (t, 0, t))
        solution = sum(sp.expand(solution).coeff(t, k) * t**k for k in range(8))
    for method in ALL:
        stages = []
        for i, row in enumerate(method.a):
            y = 1 + s * sum(sp.Rational(x.numerator, x.denominator) * k for x, k in zip(row, stages))
            stages.append(sp.expand(slope(sp.Rational(method.c[i].numerator, method.c[i].denominator) * s, y)))
        end = 1 + s * sum(sp.Rational(x.numerator, x.denominator) * k for x, k in zip(method.b, stages))
        error = sp.expand(end - solution.subs(t, s))
        first = next(k for k in range(1, 8) if error.coeff(s, k) != 0)
        assert first == method.order + 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec([[], ["1"]], "1 0", "0 1", 2), "Σ b_i c_i = 0"),
        (spec([[], ["1"]], "1 1", "0 1", 1), "Σ b_i = 2"),
        (spec([[], ["1"]], "1/2 1/2", "0 1/2", 2), "c_2 = 1/2"),
        (
            spec([[], ["1/2"], ["0", "1/2"], ["0", "0", "1"]], "1/6 1/3 1/3 1/6", "0 1/2 1/2 1", 5),
            "is claimed",
        ),
        (spec([[]], "1", "0", 6), "order = 6"),
    ],
)
def test_wrong_claims_name_what_fails(given: TableauSpec, expected: str) -> None:
    with pytest.raises(DerivationError, match="fix") as caught:
        tableau.check(given)
    assert expected in str(caught.value)


def test_the_fix_names_the_order_that_holds() -> None:
    with pytest.raises(DerivationError, match="declare order = 1"):
        tableau.check(spec([[], ["1"]], "1 0", "0 1", 2))


def test_conditions_hold_for_symbols() -> None:
    """Two stages, order two, leave b₂ free: the one-parameter family."""
    a, b = sp.symbols("a21 b2")
    table = [[0, 0], [a, 0]]
    left = [c.left(table, [1 - b, b]) for c in tableau.conditions(2)]
    assert sp.expand(left[0]) == 1 and sp.solve(left[1] - sp.Rational(1, 2), a) == [1 / (2 * b)]


@pytest.mark.first(5)
@pytest.mark.parametrize("name", registry.names("tableaux"))
def test_stability_function(name: str) -> None:
    given = named_tableau(name)
    z, n = sp.Symbol("z"), len(given.b)
    matrix = sp.Matrix([[sp.sympify(str(x)) for x in row] for row in given.a])
    b = sp.Matrix([[sp.sympify(str(x)) for x in given.b]])
    inner = (sp.eye(n) - z * matrix).LUsolve(sp.ones(n, 1))
    above, below = (sum(sp.sympify(str(c)) * z**k for k, c in enumerate(p)) for p in tableau.stability_function(given))
    assert sp.simplify(1 + z * (b * inner)[0] - above / below) == 0
    assert (below == 1) == given.explicit


IMPLICIT = {"backward-euler": True, "implicit-midpoint": False, "gauss4": False, "sdirk2": True}


def test_all_implicit_tableaux_are_tested() -> None:
    assert {name for name in registry.names("tableaux") if not named_tableau(name).explicit} == set(IMPLICIT)


@pytest.mark.parametrize(("name", "damping"), IMPLICIT.items())
def test_implicit_tableaux_are_stable_in_the_left_half_plane(name: str, damping: bool) -> None:
    """|R| ≤ 1 on the imaginary axis with poles on the right: A-stable. R → 0 at infinity: L-stable."""
    above, below = ([float(c) for c in p][::-1] for p in tableau.stability_function(named_tableau(name)))
    y = 1j * np.geomspace(1e-3, 1e6, 4001)
    assert (np.abs(np.polyval(above, y)) <= np.abs(np.polyval(below, y)) * (1 + 1e-9)).all()
    assert (np.roots(below).real > 0).all()
    assert (abs(np.polyval(above, -1e9) / np.polyval(below, -1e9)) < 1e-6) == damping


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gauss4", ((0, 2),)), ("sdirk2", ((0, 1), (1, 2))), ("kutta3", ((0, 1), (1, 2), (2, 3)))],
)
def test_stages_that_are_solved_for_together(name: str, expected: tuple) -> None:
    assert named_tableau(name).groups == expected


def test_stable() -> None:
    assert tableau.stable(EULER, F(-2), F(1)) and not tableau.stable(EULER, F(-2), F(101, 100))
    assert tableau.stable(RK4, F(-1), F(27, 10)) and not tableau.stable(RK4, F(-1), F(28, 10))
    assert tableau.stable(HEUN, F(0), F(100))


def test_euler_step_of_the_spacing_cancels_the_old_state() -> None:
    rows = tableau.combination(EULER, F(-3), F(1, 3))
    assert rows == ((F(1), F(0)), (F(0), F(1, 3)))


def test_without_linear_part_it_is_the_tableau() -> None:
    rows = tableau.combination(RK4, F(0), F(1, 5))
    for row, coefficients in zip(rows, (*RK4.a, RK4.b)):
        assert row == (F(1), *(F(1, 5) * c for c in coefficients))


@pytest.mark.parametrize("name", IMPLICIT)
def test_an_implicit_step_with_the_linear_part_eliminated(name: str) -> None:
    """H and h_{n+1} of ḣ = sin h − 5 h, the stages found by SciPy's root finder from (7) as it stands."""
    given, s, start = named_tableau(name), 0.25, np.array([0.7, -1.2])
    a, b = np.array([[float(v) for v in row] for row in given.a]), np.array([float(v) for v in given.b])

    def left(flat: np.ndarray) -> np.ndarray:
        states = start + s * a @ (k := flat.reshape(len(b), 2))
        return np.ravel(np.sin(states) - 5 * states - k)

    k = scipy.optimize.fsolve(left, np.zeros(2 * len(b)), xtol=1e-14).reshape(len(b), 2)
    states = start + s * a @ k
    rows = np.array([[float(v) for v in row] for row in tableau.combination(given, F(-5), F(1, 4))])
    again = rows[:, :1] * start + rows[:, 1:] @ np.sin(states)
    assert np.abs(again - np.vstack([states, start + s * b @ k])).max() <= 1e-13


def test_a_singular_linear_part_is_refused() -> None:
    with pytest.raises(DerivationError, match="singular"):
        tableau.combination(named_tableau("backward-euler"), F(4), F(1, 4))


entries = st.fractions(min_value=-2, max_value=2, max_denominator=6)


@given(data=st.data(), stages=st.integers(1, 5), kappa=entries, step=entries)
def test_combination_is_the_step(data, stages, kappa, step) -> None:
    """Against (7) done stage by stage in exact arithmetic, for random tableaux."""
    a = [[data.draw(entries) if j < i else F(0) for j in range(stages)] for i in range(stages)]
    b = [data.draw(entries) for _ in range(stages)]
    given = TableauSpec("random", tuple(map(tuple, a)), tuple(b), tuple(F(0) for _ in b), 1)

    def source(x):
        return x * x - 1

    start = F(1, 3)
    slopes, states, moved = [], [], []
    for i in range(stages):
        states.append(start + step * sum(a[i][j] * slopes[j] for j in range(i)))
        moved.append(source(states[-1]))
        slopes.append(moved[-1] + kappa * states[-1])
    states.append(start + step * sum(x * k for x, k in zip(b, slopes)))
    rows = tableau.combination(given, kappa, step)
    assert len(rows) == stages + 1
    for i, row in enumerate(rows):
        assert len(row) == stages + 1 and not any(row[i + 1 :])
        assert row[0] * start + sum(g * m for g, m in zip(row[1:], moved)) == states[i]


def test_combination_on_arrays() -> None:
    """Two steps of RK4 for ḣ = tanh h − 2h against a loop."""
    h = np.linspace(-1, 1, 7)
    expected = h.copy()
    for _ in range(2):
        k = []
        for row in RK4.a:
            x = expected + 0.25 * sum((float(c) * v for c, v in zip(row, k)), np.zeros(7))
            k.append(np.tanh(x) - 2 * x)
        expected = expected + 0.25 * sum(float(c) * v for c, v in zip(RK4.b, k))
    rows = [[float(x) for x in row] for row in tableau.combination(RK4, F(-2), F(1, 4))]
    for _ in range(2):
        moved: list[np.ndarray] = []
        for i, row in enumerate(rows):
            state = row[0] * h + sum((g * m for g, m in zip(row[1:], moved)), np.zeros(7))
            if i < 4:
                moved.append(np.tanh(state))
        h = state
    assert np.abs(h - expected).max() < 1e-15


@pytest.mark.parametrize(("name", "expected"), [("euler", 1.0), ("heun", 1.0), ("ssprk33", 1.0), ("ssprk54", 1.50818)])
def test_strong_stability_is_preserved_up_to_the_known_step(name: str, expected: float) -> None:
    """The radius of absolute monotonicity (Kraaijevanger 1991): r K (I + r K)⁻¹ ≥ 0 and (I + r K)⁻¹ e ≥ 0 up to it."""
    entry = registry.entry("tableaux", name)
    stages = len(entry.B)
    k = np.zeros((stages + 1, stages + 1))
    k[:stages, :stages] = [[float(F(v)) for v in row] for row in entry.A]
    k[stages, :stages] = [float(F(v)) for v in entry.B]

    def monotone(r: float) -> bool:
        inverse = np.linalg.inv(np.eye(stages + 1) + r * k)
        return bool((r * k @ inverse >= -1e-9).all() and (inverse.sum(axis=1) >= -1e-9).all())

    low, high = 0.0, 4.0
    for _ in range(50):
        low, high = ((low + high) / 2, high) if monotone((low + high) / 2) else (low, (low + high) / 2)
    assert abs(low - expected) <= 1e-4
