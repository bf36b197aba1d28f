"""The adjoint, twice: of the continuum (8), (9) and of its discretisation in depth (10), each from a Lagrangian.

Both are derived for one channel, with every sign and every integral explicit; with channels the products become
matrix products, and the factors that multiply λ are transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from derive.equation import Step
from derive.errors import DerivationError
from derive.tableau import Table

# --- the continuum ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Continuous:
    """The adjoint of (1), (2) as SymPy objects in ξ, ξ′, δ and the functions of ``fields``.

    lagrangian: the integral of λ (ρ − ∂h/∂δ).  equation: (8), solved for −∂λ/∂δ.  gradients: (9), by "W", "b", "V".
    boundary: what integration by parts leaves, to be taken at δ = 1 less δ = 0 and integrated over ξ.
    steps: the derivation.
    """

    lagrangian: Any
    equation: Any
    gradients: dict[str, Any]
    boundary: Any
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Symbols:
    """The coordinates and functions of the continuous derivation. ρ, ρ_u, ρ_h are functions of (u, h)."""

    xi: Any
    eta: Any
    depth: Any
    rho: Any
    rho_u: Any
    rho_h: Any
    fields: dict[str, Any]


@cache
def symbols() -> Symbols:
    """One set of symbols; ρ is a function whose partial derivatives are functions again, named ρ_u and ρ_h."""
    import sympy as sp

    class rho_u(sp.Function):  # type: ignore[misc]
        nargs = 2

    class rho_h(sp.Function):  # type: ignore[misc]
        nargs = 2

    class rho(sp.Function):  # type: ignore[misc]
        nargs = 2

        def fdiff(self, argindex: int = 1) -> Any:
            return (rho_u, rho_h)[argindex - 1](*self.args)

    xi, eta, depth = sp.symbols("xi xi' delta", real=True)
    names = ("h", "lambda", "W", "b", "V", "eta", "Omega", "beta", "nu")
    return Symbols(xi, eta, depth, rho, rho_u, rho_h, {name: sp.Function(name) for name in names})


def pre_activation() -> Any:
    """(1): u(ξ, δ) as an integral operator on h."""
    import sympy as sp

    s, f = symbols(), symbols().fields
    kernel = f["W"](s.xi, s.eta, s.depth) * f["h"](s.eta, s.depth)
    local = f["V"](s.xi, s.depth) * f["h"](s.xi, s.depth) + f["b"](s.xi, s.depth)
    return sp.Integral(kernel, (s.eta, -1, 1)) + local


def lagrangian_density() -> Any:
    """λ (ρ(u, h) − ∂h/∂δ): the constraint (2), weighted; the Lagrangian is the loss plus its integral."""
    import sympy as sp

    s, f = symbols(), symbols().fields
    state = f["h"](s.xi, s.depth)
    return f["lambda"](s.xi, s.depth) * (s.rho(pre_activation(), state) - sp.Derivative(state, s.depth))


def _perturbed(expression: Any, size: Any) -> Any:
    """h → h + ε η, W → W + ε Ω, b → b + ε β, V → V + ε ν."""
    f = symbols().fields
    for name, direction in (("h", "eta"), ("W", "Omega"), ("b", "beta"), ("V", "nu")):
        field, change = f[name], f[direction]
        expression = expression.replace(field, lambda *a, f=field, g=change: f(*a) + size * g(*a))
    return expression


def density_variation() -> Any:
    """d/dε at ε = 0 of the density in the direction (η, Ω, β, ν), expanded."""
    import sympy as sp

    size = sp.Symbol("epsilon", real=True)
    changed = _perturbed(lagrangian_density(), size).doit(integrals=False)
    slope = sp.diff(changed, size).subs(size, 0).doit(integrals=False)
    return sp.expand(_linear_integrals(sp.expand(slope)))


def _linear_integrals(expression: Any) -> Any:
    """∫ (p + q) = ∫ p + ∫ q, and vanishing integrands dropped."""
    import sympy as sp

    def split(integral: Any) -> Any:
        terms = sp.Add.make_args(sp.expand(integral.function))
        return sp.Add(*(sp.Integral(t, *integral.limits) for t in terms if t != 0))

    return expression.replace(lambda e: isinstance(e, sp.Integral), split)


def fubini(term: Any) -> Any:
    """A factor times ∫ W(ξ, ξ′) η(ξ′) dξ′, under ∫ dξ: the two integrals change places, and ξ, ξ′ their names.

    Turns g(ξ) ∫ W(ξ, ξ′) η(ξ′) dξ′ into η(ξ) ∫ W(ξ′, ξ) g(ξ′) dξ′: the integrals over ξ of both are equal.
    """
    import sympy as sp

    s = symbols()
    integrals = [factor for factor in sp.Mul.make_args(term) if isinstance(factor, sp.Integral)]
    (integral,) = integrals
    outside = term / integral
    swap = {s.xi: s.eta, s.eta: s.xi}
    exchanged = _renamed(outside, swap) * integral.function.xreplace(swap)
    moved = symbols().fields["eta"](s.xi, s.depth)
    return moved * sp.Integral(exchanged / moved, (s.eta, -1, 1))


def _renamed(expression: Any, swap: dict[Any, Any]) -> Any:
    """ξ ↔ ξ′, with the bound ξ′ of inner integrals renamed first, so that nothing is captured."""
    import sympy as sp

    s = symbols()
    inner = sp.Symbol("xi''", real=True)

    def fresh(integral: Any) -> Any:
        return sp.Integral(integral.function.xreplace({s.eta: inner}), (inner, -1, 1))

    return expression.replace(lambda e: isinstance(e, sp.Integral), fresh).xreplace(swap)


def by_parts(term: Any) -> tuple[Any, Any]:
    """g ∂η/∂δ under ∫ dδ = [boundary] − ∫ integral: returns (g η, (∂g/∂δ) η), checked by the product rule."""
    import sympy as sp

    s = symbols()
    state_change = symbols().fields["eta"](s.xi, s.depth)
    slope = sp.Derivative(state_change, s.depth)
    factor = term.coeff(slope)
    boundary, integral = factor * state_change, sp.Derivative(factor, s.depth).doit() * state_change
    if sp.expand(sp.diff(boundary, s.depth) - integral - term) != 0:
        raise _failed("the product rule in δ", sp.diff(boundary, s.depth) - integral, term)
    return boundary, integral


def abbreviated(expression: Any) -> Any:
    """The expression with u(ξ, δ) in place of the integral that defines it, and ρ's arguments left out."""
    import sympy as sp

    s = symbols()
    swap = {s.xi: s.eta, s.eta: s.xi}
    u, here = sp.Function("u"), pre_activation()
    for written, at in ((here, s.xi), (_renamed(here, swap), s.eta)):
        expression = expression.xreplace({written: u(at, s.depth)})
        for rate in (s.rho, s.rho_u, s.rho_h):
            arguments = (u(at, s.depth), s.fields["h"](at, s.depth))
            expression = expression.xreplace({rate(*arguments): sp.Function(rate.__name__)(at, s.depth)})
    return expression


@cache
def continuous() -> Continuous:
    """(8) and (9), by the Gateaux derivative of the Lagrangian, Fubini and integration by parts in δ."""
    import sympy as sp

    s, f = symbols(), symbols().fields
    width, depth = (s.xi, -1, 1), (s.depth, 0, 1)
    at = (s.xi, s.depth)
    eta, omega = f["eta"](*at), f["Omega"](s.xi, s.eta, s.depth)
    slope = sp.Derivative(eta, s.depth)

    density = lagrangian_density()
    terms = sp.Add.make_args(density_variation())
    collected, boundary = [], sp.Integer(0)
    fixed: dict[str, Any] = {"W": [], "b": [], "V": []}
    for term in terms:
        integrals = [x for x in sp.Mul.make_args(term) if isinstance(x, sp.Integral)]
        if term.has(slope):
            edge, inside = by_parts(term)
            boundary += edge
            collected.append(-inside)
        elif integrals and integrals[0].function.has(omega):
            fixed["W"].append(term / integrals[0] * integrals[0].function.coeff(omega))
        elif integrals and integrals[0].function.has(f["eta"]):
            collected.append(fubini(term))
        elif term.has(f["beta"]):
            fixed["b"].append(term.coeff(f["beta"](*at)))
        elif term.has(f["nu"]):
            fixed["V"].append(term.coeff(f["nu"](*at)))
        else:
            collected.append(term)
    inside = sp.Add(*collected)
    adjoint_slope = sp.Derivative(f["lambda"](*at), s.depth)
    factor = sp.Add(*(sp.expand(t / eta) for t in collected))
    equation = sp.Eq(-adjoint_slope, factor - adjoint_slope, evaluate=False)
    if equation.rhs.has(sp.Derivative, eta):
        raise _failed("the adjoint equation", equation.rhs, "an expression free of ∂λ/∂δ and of η")
    gradients = {name: sp.Add(*found) for name, found in fixed.items()}
    lagrangian = sp.Integral(density, width, depth)
    steps = (
        Step("The Lagrangian", lagrangian,
             "Add to the loss the equation (2), weighted by λ: on solutions nothing is added."),
        Step("Its Gateaux derivative", sp.Integral(sp.Add(*terms), width, depth),
             "Differentiate by ε at 0 with h + ε η, W + ε Ω, b + ε β, V + ε ν."),
        Step("Fubini and integration by parts", sp.Integral(inside, width, depth),
             "The terms in η: exchange ξ and ξ′ so that η leaves the inner integral; move ∂/∂δ from η to λ."),
        Step("What is left at the ends of depth", boundary,
             "At δ = 1 the loss cancels it when λ is its functional derivative; at δ = 0 it is dL/dx = λ."),
        Step("The adjoint equation, (8)", equation, "The factor of η vanishes for every η."),
        *(Step(f"dL/d{name}, (9)", gradients[name], f"The factor of the variation of {name}.") for name in fixed),
    )  # fmt: skip
    return Continuous(lagrangian, equation, gradients, boundary, steps)


def _failed(what: str, found: Any, expected: Any) -> DerivationError:
    return DerivationError(
        f"{what}: {found}",
        f"{expected}",
        "this version of SymPy evaluates differently",
        "report it with its version",
    )


# --- one step in depth --------------------------------------------------------------------------------------


def discrete(combination: Table) -> Table:
    """The reverse sweep of one step, in the layout of ``tableau.combination``: G of shape (S + 1, S + 1) with

        m̄_j = G[S][j + 1] h̄_{n+1} + Σ_i G[i][j + 1] H̄_i,   h̄_n = G[S][0] h̄_{n+1} + Σ_i G[i][0] H̄_i,

    i, j = 0 … S − 1. H̄_i is what the stage's rate returns for m̄_i (11). For an explicit tableau only i > j count; for
    an implicit one these are linear equations, the transposes of those that Newton's method solves.
    """
    return tuple(
        tuple(combination[place[0]][place[1]] if place else Fraction(0) for place in row)
        for row in rules(len(combination) - 1)
    )


@cache
def rules(stages: int) -> tuple[tuple[tuple[int, int] | None, ...], ...]:
    """Which entry of the combination multiplies which multiplier in the reverse sweep; None where none does.

    From the Lagrangian of the stages: its derivatives by the m_j and by h_n, set to zero.
    """
    import sympy as sp

    lagrangian, s = stage_lagrangian(stages)
    targets = [s["h"], *s["m"]]
    equations = [sp.expand(sp.diff(lagrangian, target)) for target in targets]
    position = {symbol: place for place, symbol in s["entries"].items()}
    table = []
    for multiplier in s["H_bar"]:
        factors = [equation.coeff(multiplier) for equation in equations]
        table.append(tuple(None if factor == 0 else position[factor] for factor in factors))
    return tuple(table)


def stage_lagrangian(stages: int) -> tuple[Any, dict[str, Any]]:
    """The Lagrangian of one step in combination form, and its symbols.

    Σ_i H̄_i (α_i h_n + Σ_j γ_ij m_j − H_i) + Σ_j m̄_j (F_j(H_j) − m_j), the last H being h_{n+1}. Returned symbols:
    "h", lists "H", "m", "H_bar", "m_bar", and "entries" (i, column) → α_i or γ_i,column−1.
    """
    import sympy as sp

    h = sp.Symbol("h")
    state = [sp.Symbol(f"H{i}") for i in range(stages + 1)]
    moved = [sp.Symbol(f"m{i}") for i in range(stages)]
    state_bar = [sp.Symbol(f"H_bar{i}") for i in range(stages + 1)]
    moved_bar = [sp.Symbol(f"m_bar{i}") for i in range(stages)]
    entries = {(i, 0): sp.Symbol(f"alpha{i}") for i in range(stages + 1)}
    entries |= {(i, j + 1): sp.Symbol(f"gamma{i}_{j}") for i in range(stages + 1) for j in range(stages)}
    lagrangian = sp.Integer(0)
    for i in range(stages + 1):
        known = sum(entries[i, j + 1] * moved[j] for j in range(stages))
        lagrangian += state_bar[i] * (entries[i, 0] * h + known - state[i])
    for j in range(stages):
        lagrangian += moved_bar[j] * (sp.Function(f"F{j}")(state[j]) - moved[j])
    return lagrangian, {
        "h": h,
        "H": state,
        "m": moved,
        "H_bar": state_bar,
        "m_bar": moved_bar,
        "entries": entries,
    }


@cache
def classical(stages: int, explicit: bool = True) -> tuple[Step, ...]:
    """(10) from the Lagrangian of (7) for a tableau with symbolic entries: the μ_i, then λ_n."""
    import sympy as sp

    step, before, after = sp.symbols("s lambda_n lambda_next")
    h = sp.Symbol("h_n")
    k = [sp.Symbol(f"k{i + 1}") for i in range(stages)]
    mu = [sp.Symbol(f"mu{i + 1}") for i in range(stages)]
    slope = [sp.Symbol(f"J{i + 1}") for i in range(stages)]
    a = {(i, j): sp.Symbol(f"a{i + 1}{j + 1}") for i in range(stages) for j in range(i if explicit else stages)}
    b = [sp.Symbol(f"b{i + 1}") for i in range(stages)]
    end = h + step * sum(b[i] * k[i] for i in range(stages))
    inner = [
        h + step * sum((entry * k[j] for (row, j), entry in a.items() if row == i), sp.Integer(0))
        for i in range(stages)
    ]
    # F_i enters through its slope J_i alone: dF_i(H_i) = J_i dH_i
    lagrangian = after * end + sum(mu[i] * (slope[i] * inner[i] - k[i]) for i in range(stages))
    steps = [Step("The Lagrangian of a step", lagrangian, "Every stage is a constraint with a multiplier μ.")]
    for i in reversed(range(stages)):
        value = sp.expand(sp.diff(lagrangian, k[i]) + mu[i])
        steps.append(Step(f"Stage {i + 1}", sp.Eq(mu[i], value), f"The derivative by k_{i + 1} vanishes."))
    source = sp.Eq(before, sp.expand(sp.diff(lagrangian, h)))
    steps.append(Step("The state before", source, "The derivative by h_n is λ_n."))
    return tuple(steps)
