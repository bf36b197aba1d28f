"""Activations, named rates and their derivatives against formulas at 50 digits, in both precisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numerics.kernels import bound, compile
from numerics.verify.references.formulas import Array
from numerics.verify.references.network import value
from numerics.verify.subject import Subject

SECTION = "functions"
DIGITS = 50
AT = (-11.3, -4.7, -2.2, -0.9, -0.13, 0.0, 0.07, 0.6, 1.4, 3.1, 5.9, 12.4)  # 0: where rectifiers have their kinks
SINGLE = 2e-6  # what the rate may err by in float32, relative to 1 + |f|
Formula = Callable[[Any], Any]


def _formulas() -> dict[str, tuple[Formula, Formula]]:
    """name → f and f′, of mpmath's numbers; at a kink f′ is that from the left."""
    import mpmath as mp

    def density(u: Any) -> Any:
        return mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi)

    def logistic(u: Any) -> Any:
        return 1 / (1 + mp.exp(-u))

    return {
        "tanh": (mp.tanh, lambda u: mp.sech(u) ** 2),
        "sigmoid": (logistic, lambda u: logistic(u) * logistic(-u)),
        "silu": (lambda u: u * logistic(u), lambda u: logistic(u) * (1 + u * logistic(-u))),
        "gelu": (lambda u: u * mp.ncdf(u), lambda u: mp.ncdf(u) + u * density(u)),
        "softplus": (lambda u: mp.log1p(mp.exp(u)), logistic),
        "relu": (lambda u: u if u > 0 else u * 0, lambda u: mp.mpf(int(u > 0))),
        "leaky-relu": (lambda u: u if u > 0 else u / 100, lambda u: mp.mpf(1) if u > 0 else mp.mpf(1) / 100),
        "sin": (mp.sin, mp.cos),
        "identity": (lambda u: u, lambda u: mp.mpf(1)),
    }


RATES: dict[str, Callable[[Any, Any, Any], Any]] = {  # f(u), u and h → Δ ρ
    "mlp": lambda f, u, h: f - h, "residual": lambda f, u, h: f, "literal": lambda f, u, h: f - u
}  # fmt: skip


def functions(subject: Subject) -> None:
    """The activation and its derivative, where it is a named one and the rate has one; a named rate's value."""
    import mpmath as mp
    import sympy as sp

    from derive.kinks import derivative

    spec, equation = subject.spec, subject.reference.equation
    known = _formulas().get(spec.activation)
    if spec.rate not in RATES:
        return
    if known is not None:
        u = sp.Symbol("u", real=True)
        f = equation.activation
        names = ("value", "derivative")
        for name, expression, truth in zip(names, (f, derivative(f, u)), known):
            gap = _gap(value(expression, {"u": np.array(AT)}) + np.zeros(len(AT)), truth, 1.0)
            subject.at_most(SECTION, f"{spec.activation}: its {name} at {DIGITS} digits", gap, 4e-16 * 8, "README.md")
        with mp.workdps(DIGITS):
            h = 0.37
            values = [(known[0](mp.mpf(x)), mp.mpf(x), mp.mpf(h)) for x in AT]
            exact = [RATES[spec.rate](*given) / _mp(spec.spacing) for given in values]
            sizes = [1 + sum(map(abs, given)) / _mp(spec.spacing) for given in values]  # of what may cancel
        found = (
            subject.reference.rho(np.array(AT)[None], np.full((1, len(AT)), h))[0]
            if spec.normalise is None
            else value(equation.rho, {"u": np.array(AT), "h": h})
        )
        error = max(abs(a - float(b)) / float(size) for a, b, size in zip(found, exact, sizes))
        subject.at_most(SECTION, f"the rate {spec.rate}", float(error), 4e-15, "README.md")


def slopes(subject: Subject) -> None:
    """∂ρ/∂u and ∂ρ/∂h of any rate against differences of ρ at 50 digits."""
    import mpmath as mp

    equation = subject.reference.equation
    generator = np.random.default_rng(31)
    names = [*equation.slopes]
    worst = 0.0
    rho = _at_digits(equation.rho, names)
    for _ in range(8):
        point = [mp.mpf(float(x)) for x in generator.uniform(-2, 2, len(names))]
        for k, name in enumerate(names):
            found = _at_digits(equation.slopes[name], names)(*point)
            with mp.workdps(DIGITS):
                step = mp.mpf(10) ** -12

                def moved(by: Any, k: int = k, point: Any = point) -> Any:
                    return rho(*(x + by * (j == k) for j, x in enumerate(point)))

                exact = (8 * (moved(step) - moved(-step)) - moved(2 * step) + moved(-2 * step)) / (12 * step)
                worst = max(worst, float(abs(found - exact) / (1 + abs(exact))))
    subject.at_most(SECTION, f"derivatives of the rate at {DIGITS} digits", worst, 1e-15, "README.md")


def single(subject: Subject) -> None:
    """The rate in float32, printed and compiled as kernels are, at arguments of every size."""
    equation = subject.reference.equation
    names = [*equation.slopes]
    rate = _compiled(equation.rho, names)
    worst = 0.0
    rho, slopes_of = _at_digits(equation.rho, names), [_at_digits(equation.slopes[name], names) for name in names]
    for shift in range(len(names)):
        points = {name: np.roll(np.array(AT, dtype=np.float32), 5 * k * shift) for k, name in enumerate(names)}
        found = rate(points)
        assert found.dtype == np.float32
        for n in range(len(AT)):
            at = [float(points[name][n]) for name in names]
            exact = float(rho(*at))
            size = 1 + abs(exact) + sum(abs(x) + abs(x * float(slope(*at))) for x, slope in zip(at, slopes_of))
            worst = max(worst, abs(float(found[n]) - exact) / size)
    subject.at_most(SECTION, "the rate in float32", worst, SINGLE, "README.md")


def _compiled(expression: Any, names: list[str]) -> Callable[[dict[str, Array]], Array]:
    """An expression's values by the names of its symbols, with the functions that compiled kernels have."""
    from derive.emit.cpu import Cpu
    from derive.emit.scalar import Scalar, indent, local
    from derive.emit.tables import nearest
    from derive.program.scalar import Constants, tree

    scalar = Scalar(Constants(), Cpu.calls)
    (text,) = scalar.print((tree(expression),))
    each = [*(f"{local(name)} = values[{k}, i]" for k, name in enumerate(names)), *scalar.lines, f"out[i] = {text}"]
    lines = [*scalar.constants.load(scalar.used), "for i in range(out.size):", *indent(each)]
    head = ["import math", "", "import numpy as np", "", "", "def rate(values, constants, out):"]
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "rate.py")
        module.write_text("\n".join([*head, *indent(lines), ""]), encoding="utf-8")
        rate = compile.compiled(module, "rate")

    def values(points: dict[str, Array]) -> Array:
        given = np.stack([points[name] for name in names])
        out: Array = np.empty_like(given[0])
        rate(given, bound.exact_numbers(nearest(scalar.constants.values), out.dtype), out)
        return out

    return values


def _gap(found: Array, truth: Formula, floor: float) -> float:
    import mpmath as mp

    with mp.workdps(DIGITS):
        exact = [float(truth(mp.mpf(x))) for x in AT]
    return float(max(abs(a - b) / (floor + abs(b)) for a, b in zip(found, exact)))


def _mp(number: Any) -> Any:
    import mpmath as mp

    return mp.mpf(number.numerator) / number.denominator


def _at_digits(expression: Any, names: list[str]) -> Callable[..., Any]:
    """An expression as a function of mpmath's numbers, in the order of the names."""
    import mpmath as mp
    import sympy as sp

    own = {
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        "hypot": mp.hypot,
        "over": lambda a, b: a / b if b else 0 * a,
    }
    function = sp.lambdify([sp.Symbol(name, real=True) for name in names], expression, [own, "mpmath"])

    def at(*given: Any) -> Any:
        with mp.workdps(DIGITS):
            found = function(*(mp.mpf(x) for x in given))
            return mp.nan if isinstance(found, mp.mpc) else mp.mpf(found)  # outside the domain of a root or logarithm

    return at
