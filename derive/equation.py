"""The integro-differential equation (1), (2), derived step by step from the discrete layer.

A rate or an activation is any expression of the grammar; ``kinks`` says what its derivatives are at kinks, and
``exact.finite`` how what overflows is rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive import registry
from derive.errors import DerivationError, ExpressionError
from derive.exact import finite
from derive.kinks import derivative, expanded, with_cases

if TYPE_CHECKING:
    from derive.spec import Spec


@dataclass(frozen=True)
class Step:
    """One step of the derivation: a title, the formula as a SymPy object, and the sentence that joins it on."""

    title: str
    formula: Any
    prose: str


@dataclass(frozen=True)
class Equation:
    """∂h/∂δ = ρ(u, h), pointwise in ξ, with every parameter that is not learned an exact number.

    activation: f in the symbol u.  rho: ρ in the real symbols h, u (or u1, u2, … for several pre-activations) and the
    learned parameters.  slopes: symbol → the derivative of ρ with respect to it.
    kappa, r: ρ = r(u) + κ h with κ rational; where ∂ρ/∂h is no rational constant, kappa is None and r is ρ.
    spacing: Δ.  learned: the names of the learned parameters.  steps: the derivation.
    normalise: ε, where ρ takes u/√(ε + mean of u² over the channels) in place of u; None where it takes u.
    activated, spaced: whether the declared rate uses the activation, and Δ.
    """

    rate: str
    activation: Any
    rho: Any
    slopes: Mapping[str, Any]
    kappa: Any
    r: Any
    spacing: Fraction
    steps: tuple[Step, ...]
    learned: tuple[str, ...] = ()
    normalise: Fraction | None = None
    activated: bool = True
    spaced: bool = True

    @property
    def pre_activations(self) -> tuple[str, ...]:
        """The names of the pre-activations: u, or u1, u2, …."""
        return tuple(name for name in self.slopes if name not in ("h", *self.learned))


def pre_activations(count: int) -> tuple[str, ...]:
    """The names in a rate of so many pre-activations a channel."""
    return ("u",) if count == 1 else tuple(f"u{k + 1}" for k in range(count))


def derive(spec: Spec) -> Equation:
    """The equation that a spec declares. Raises ExpressionError and DerivationError."""
    import sympy as sp

    u, h = sp.symbols("u h", real=True)
    learned = tuple(name for name, _ in spec.learned)
    symbols = {n: sp.Symbol(n, real=True) for n in (*pre_activations(spec.pre_activations), "h", *learned)}
    numbers = {name: _rational(value) for name, value in spec.parameters}
    activation = _activation(spec, u, numbers)
    declared = _rate(spec, symbols, numbers, lambda a: activation.xreplace({u: a}), _rational(spec.spacing))
    written = finite.rewritten(declared)
    # Cases come last: SymPy changes conditions when it substitutes into them.
    rho = with_cases(written)
    slopes = {name: derivative(rho, symbol) for name, symbol in symbols.items()}
    slope = expanded(slopes["h"])
    # ρ − κ h does not depend on h, so that it is ρ at h = 0
    alone = finite.rewritten(declared.xreplace({h: sp.Integer(0)})) if slope.is_Rational else None
    kappa, r = (None, rho) if alone is None else (slope, with_cases(alone))
    name, spacing = sp.Function("f"), sp.Symbol("Delta", positive=True)
    abstract = _rate(spec, symbols, numbers, name, spacing)
    uses = abstract.has(name), abstract.has(spacing)
    what = " and ".join(["the activation"] * uses[0] + ["the numbers"] * (uses[1] or bool(numbers)))
    inserted = _inserted(with_cases(declared), rho, kappa, r, what)
    steps = (*from_layers(), *_generalised(abstract, spec.rate, all(uses)), *inserted)
    f = with_cases(finite.rewritten(activation))
    return Equation(spec.rate, f, rho, slopes, kappa, r, spec.spacing, steps, learned, spec.normalise, *uses)


def layer(spec: Spec, length: Fraction) -> tuple[str, str] | None:
    """What one forward Euler step of this length is: ("mlp", g) for h ← g(u), ("residual", g) for h ← h + g(u).

    g: an activation's name, or its expression in u; None for a step that is neither. Of a named rate with s = Δ it is
    the declared activation, known without SymPy. Raises ExpressionError.
    """
    if spec.rate in ("mlp", "residual") and length == spec.spacing and not spec.parameters:
        return spec.rate, spec.activation
    if spec.pre_activations > 1:
        return None
    import sympy as sp

    u, h = symbols = sp.symbols("u h", real=True)
    learned = {name: sp.Symbol(name, real=True) for name, _ in spec.learned}
    numbers = {name: _rational(value) for name, value in spec.parameters}
    activation = _activation(spec, u, numbers)
    names = {**dict(zip("uh", symbols)), **learned}
    rho = _rate(spec, names, numbers, lambda a: activation.xreplace({u: a}), _rational(spec.spacing))
    step = sp.expand_mul(h + _rational(length) * rho)
    for kind, made in (("mlp", step), ("residual", sp.expand_mul(step - h))):
        if made.free_symbols == {u}:
            text = _activation_text(made, u)
            return None if text is None else (kind, text)
    return None


def _activation_text(made: Any, u: Any) -> str | None:
    """The activation's name, or its expression as the grammar has it; None where the grammar has none."""
    import sympy as sp

    from derive.exact.expression import parse

    text = str(made)
    for function in (sp.Max, sp.Min, sp.Abs):
        text = text.replace(f"{function.__name__}(", f"{function.__name__.lower()}(")
    for candidate in (*registry.names("activations"), text):
        try:
            if sp.expand_mul(parse(_text("activations", candidate), {"u": u})) == made:
                return candidate
        except ExpressionError:
            continue
    return None


def _rational(value: Fraction) -> Any:
    import sympy as sp

    return sp.Rational(value.numerator, value.denominator)


def _text(kind: str, given: str) -> str:
    """A registry entry's expression, or the given one."""
    return str(registry.entry(kind, given).EXPRESSION) if given in registry.names(kind) else given


def _activation(spec: Spec, u: Any, numbers: dict[str, Any]) -> Any:
    from derive.exact.expression import parse

    return parse(_text("activations", spec.activation), {**numbers, "u": u})


def _rate(
    spec: Spec, symbols: Mapping[str, Any], numbers: dict[str, Any], f: Callable[[Any], Any], spacing: Any
) -> Any:
    from derive.exact.expression import parse

    names = {**numbers, **symbols, "Delta": spacing}
    return parse(_text("rates", spec.rate), names, {"f": f})


# --- the derivation -----------------------------------------------------------------------------------------


def from_layers() -> tuple[Step, ...]:
    """From one discrete layer to ∂h/∂δ = (f(u) − h)/Δ: the perceptron as forward Euler of a continuum.

    Each formula is computed from the one before it; DerivationError if the last does not lead back to the first.
    """
    import sympy as sp

    i, j, l, n = sp.symbols("i j l N", integer=True, positive=True)
    xi, eta, depth = sp.symbols("xi xi' delta", real=True)
    spacing = sp.Symbol("Delta", positive=True)
    f, h, u, weight, bias = (sp.Function(name) for name in ("f", "h", "u", "W", "b"))
    value, before, matrix, shift = (sp.IndexedBase(name) for name in ("h", "u", "w", "b"))

    layer = sp.Eq(value[l + 1, i], f(before[l, i]))
    total = sp.Eq(before[l, i], sp.Sum(matrix[l, i, j] * value[l, j], (j, 1, n)) + shift[l, i])
    stacked = sp.Eq(h(xi, depth + spacing), f(u(xi, depth)))
    # Neuron j sits at the middle ξ_j of the j-th of N equal cells of [−1, 1]; w_ij = W(ξ, ξ_j) 2/N.
    middle = -1 + (2 * j - 1) / n
    riemann = sp.Sum(weight(xi, middle, depth) * h(middle, depth) * 2 / n, (j, 1, n)) + bias(xi, depth)
    integral = sp.Integral(weight(xi, eta, depth) * h(eta, depth), (eta, -1, 1)) + bias(xi, depth)
    quotient = sp.Eq((stacked.lhs - h(xi, depth)) / spacing, (stacked.rhs - h(xi, depth)) / spacing, evaluate=False)
    limit = sp.Eq(sp.Derivative(h(xi, depth), depth), quotient.rhs, evaluate=False)
    euler = sp.Eq(h(xi, depth + spacing), sp.expand(h(xi, depth) + spacing * limit.rhs), evaluate=False)
    if euler.rhs != stacked.rhs:
        raise _broken("the forward Euler step of the continuum", euler.rhs, stacked.rhs)
    return (
        Step("A layer", layer, "Neuron i of layer l + 1 applies the activation to its pre-activation u."),
        Step(
            "Its pre-activation",
            total,
            "Every neuron j of layer l contributes with a weight; a bias is added.",
        ),
        Step("Layers become depths", stacked, "Layer l sits at the depth δ = l Δ, neuron i at the width ξ."),
        Step(
            "Neurons become widths",
            sp.Eq(u(xi, depth), sp.Limit(riemann, n, sp.oo), evaluate=False),
            "With N neurons at the middles of equal cells and weights w = (2/N) W the sum is a Riemann sum.",
        ),
        Step("The pre-activation, (1)", sp.Eq(u(xi, depth), integral), "Its limit is an integral operator."),
        Step("A difference quotient", quotient, "Take h off both sides and divide by the spacing."),
        Step("The continuum, (2)", limit, "The left side is the forward difference of a derivative in depth."),
        Step("Back again", euler, "Forward Euler with step Δ returns the layer exactly."),
    )


def _generalised(rho: Any, name: str, boxed: bool) -> tuple[Step, ...]:
    """What forward Euler with step Δ makes of a rate; boxed: and how the boxed γ of the note differs."""
    import sympy as sp

    u, h = sp.symbols("u h", real=True)
    spacing = sp.Symbol("Delta", positive=True)
    f = sp.Function("f")
    update = expanded(h + spacing * rho)
    gap = sp.expand(h + spacing * (f(u) - u) / spacing - f(u))
    if gap != h - u:
        raise _broken("the boxed rate's layer less the perceptron's", gap, h - u)
    steps = (
        Step("The declared rate", sp.Eq(sp.Symbol("rho"), rho, evaluate=False), f"The spec declares {name!r}."),
        Step(
            "Its discrete layer",
            sp.Eq(sp.Symbol("h_next"), update, evaluate=False),
            "Forward Euler with step Δ.",
        ),
        Step(
            "The boxed rate is another model",
            sp.Eq(sp.Symbol("h_boxed") - f(u), gap, evaluate=False),
            "γ(u) = (f(u) − u)/Δ applied to the pre-activation misses the perceptron's layer by h − u: "
            "the two agree only where the pre-activation equals the state.",
        ),
    )
    return steps if boxed else steps[:2]


def _inserted(declared: Any, rho: Any, kappa: Any, r: Any, what: str) -> tuple[Step, ...]:
    """The rate with what it leaves open inserted, as it is computed, and its linear part."""
    import sympy as sp

    numbers = Step(
        f"With {what} inserted",
        sp.Eq(sp.Symbol("rho"), declared, evaluate=False),
        "Parameters are exact rational numbers.",
    )
    known = [numbers] if what else []
    if declared != rho:
        same = sp.Eq(sp.Symbol("rho"), rho, evaluate=False)
        known.append(Step("Written so that nothing overflows", same, "The same function, by identities."))
    if kappa is None:
        prose = "∂ρ/∂h is not a rational constant: the rate is kept whole."
        return *known, Step("No constant linear part", sp.Eq(sp.Symbol("r"), r, evaluate=False), prose)
    if kappa == 0:
        return *known, Step("No linear part, ρ = r(u)", sp.Eq(sp.Symbol("r"), r, evaluate=False), "ρ is free of h.")
    h = sp.Symbol("h", real=True)
    split = sp.Eq(sp.Symbol("rho"), sp.Add(r, sp.Mul(kappa, h, evaluate=False), evaluate=False), evaluate=False)
    prose = "∂ρ/∂h = κ is constant, so the linear part is taken out of the quadrature exactly."
    return *known, Step("The linear part, ρ = r(u) + κ h", split, prose)


def _broken(what: str, found: Any, expected: Any) -> DerivationError:
    return DerivationError(
        f"{what}: {found}",
        f"{expected}",
        "this version of SymPy evaluates differently",
        "report it with its version",
    )
