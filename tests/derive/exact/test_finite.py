"""Values and derivatives that are finite where they ought to be: kernels' text against mpmath over wide arguments."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction as F
from functools import cache
from types import SimpleNamespace
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import equation, registry
from derive.emit import cpu
from derive.emit.scalar import Scalar, indent, local
from derive.emit.tables import nearest
from derive.exact import finite
from derive.program.scalar import Constants, tree
from numerics.kernels.bound import exact_numbers
from numerics.kernels.compile import FASTMATH
from numerics.kernels.words import meant
from tests.builders import marked

# As users write them; on the left sides of the identities in ``derive.exact.finite``, alone and inside of others.
RECOGNISED = (
    "1/(1+exp(-u))", "exp(u)/(1+exp(u))", "2/(1+exp(-2*u))-1", "u/(1+exp(-u))", "1/(3+2*exp(-u))", "1/(1+exp(-u))**3",
    "(exp(u)-exp(-u))/(exp(u)+exp(-u))", "(1-exp(-2*u))/(1+exp(-2*u))", "sinh(u)/cosh(u)", "1/cosh(u)**2",
    "sinh(u)**2/cosh(u)**2", "abs(sinh(u))/cosh(u)", "(2*exp(u)+3)/(5*exp(u)+1)", "exp(-u)/(1+exp(-u))**2",
    "exp(u)/(1+exp(3*u))", "(exp(u)-1)/(exp(3*u)+1)", "exp(u)/(1+exp(u)+exp(h))", "exp(u)/(exp(u)+exp(h))",
    "log(1+exp(u))", "log(cosh(u))", "log(exp(u)+exp(-h)+3)", "log(sigmoid(u))", "log(1-sigmoid(u))", "log(2*exp(u))",
    "log((1+exp(u))*exp(h))", "exp(u/2)/sqrt(1+exp(u))", "u/(1+abs(u))", "exp(u)/(1+exp(u))*exp(-h)/(1+exp(-h))",
    "sqrt(u**2+h**2)", "sqrt(u**2+1/100)", "1/sqrt(u**2+h**2+1)", "(u**2+h**2)**(3/2)", "sqrt((u-h)**2+4*h**2)",
    "u/sqrt(1+u**2)", "sqrt(u**2*h**2+exp(2*h))", "sqrt(abs(h))+u", "abs(u)**(2/3)", "sqrt(u**2)", "sqrt(softplus(u))",
    "tanh(exp(u))", "exp(-exp(u))", "exp(-u**4)", "atan(exp(u))", "erf(u**3)", "1/(1+u**4)", "tanh(log(1+exp(u)))",
)  # fmt: skip
ARGUMENTS = (0.0, 1.0, -1.0, 0.3, -7.5, 30.0, -30.0, 95.0, -95.0, 400.0, -800.0, 1e4, -1e4, 1e-30, 1e-300, -1e-300)


class TooLarge(Exception):
    """An exponential that no number, however long, is good for."""


def _limited(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def of(x: Any) -> Any:
        if abs(x) > 1e5:
            raise TooLarge
        return function(x)

    return of


def _bounded(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: mpmath.sign(x) if abs(x) > 1e5 else function(x)


REFERENCE: dict[str, Any] = {
    "abs": abs, "sign": mpmath.sign, "max": max, "min": min, "sqrt": mpmath.sqrt, "log": mpmath.log,
    "atan": mpmath.atan, "sin": mpmath.sin, "cos": mpmath.cos, "tanh": _bounded(mpmath.tanh),
    "erf": _bounded(mpmath.erf), "exp": _limited(mpmath.exp), "cosh": _limited(mpmath.cosh),
    "sinh": _limited(mpmath.sinh), "sigmoid": _limited(lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": _limited(lambda x: mpmath.log1p(mpmath.exp(x))), "mpf": mpmath.mpf,
}  # fmt: skip


def exact(text: str, u: Any, h: Any) -> Any:
    """The text as it stands, but for a difference that would take thousands of digits."""
    plain = text.replace("log(1-sigmoid(u))", "-log(1+exp(u))")
    numbers = re.sub(r"(?<![\w.])(\d+)(?![\w.])", r"mpf(\1)", plain)
    return eval(numbers, {**REFERENCE, "u": u, "h": h})


def slope(text: str, which: str, u: Any, h: Any) -> Any:
    """A central difference, far narrower than what changes the derivative and far wider than the working precision."""
    width = mpmath.mpf(10) ** -25 * (abs(u if which == "u" else h) or mpmath.mpf(10) ** -20)
    du, dh = (width, 0) if which == "u" else (0, width)
    return (exact(text, u + du, h + dh) - exact(text, u - du, h - dh)) / (2 * width)


def printed(expressions: Sequence[Any], kind: Any) -> tuple[Callable[..., Any], np.ndarray]:
    """A function (u, h, constants, out) that fills ``out`` with values, from a kernel's own printer, and constants."""
    constants = Constants()
    scalar = Scalar(constants, cpu.Cpu.calls)
    texts = scalar.print(tuple(map(tree, expressions)))
    body = [*constants.load(scalar.used), *(f"{local(x)} = {x}" for x in "uh"), *scalar.lines]
    body += [f"out[{k}] = {text}" for k, text in enumerate(texts)]
    lines = ["def found(u, h, constants, out):", *indent(body)]
    space: dict[str, Any] = {"np": np, "math": math}
    exec("\n".join(lines), space)
    return space["found"], exact_numbers(nearest(constants.values), np.dtype(kind))


def digits(*arguments: float) -> int:
    """Enough to see a tiny argument beside 1."""
    return 400 if any(0 < abs(x) < 1e-20 for x in arguments) else 60


def values(expressions: Sequence[Any], kind: Any) -> Callable[[float, float], np.ndarray]:
    """Values of expressions in plain Python, by (u, h)."""
    function, constants = printed(expressions, kind)

    def at(u: float, h: float) -> np.ndarray:
        out = np.empty(len(expressions), kind)
        with np.errstate(all="ignore"):
            function(kind(u), kind(h), constants, out)
        return out

    return at


@cache
def derived(text: str) -> equation.Equation:
    declared = SimpleNamespace(
        rate=text, activation="tanh", spacing=F(1), parameters=(), pre_activations=1, learned=(), normalise=None
    )
    return equation.derive(declared)


def expressions(text: str) -> tuple[Any, Any, Any]:
    found = derived(text)
    return found.rho, found.slopes["u"], found.slopes["h"]


def compare(text: str, kind: Any, found: Sequence[Any], u: Any, h: Any) -> None:
    """Values and both derivatives at a point, where the true ones are numbers of that kind."""
    largest, eps = float(np.finfo(kind).max) / 1e6, float(np.finfo(kind).eps)
    point = mpmath.mpf(float(u)), mpmath.mpf(float(h))
    with mpmath.workdps(digits(*map(float, point))):
        try:
            value = exact(text, *point)
            true = [value, slope(text, "u", *point), slope(text, "h", *point)]
        except (TooLarge, ZeroDivisionError):
            return
    if abs(value) > largest:
        return
    size = 1 + abs(float(u)) + abs(float(h))
    for name, got, expected in zip(("value", "by u", "by h"), found, true):
        if abs(expected) < largest:
            error = abs(float(got) - float(expected))
            # a fractional power is exp(p log a): the logarithm of the smallest argument is -690
            bound = (2000 if "(2/3)" in text else 40) * eps * size * (1 + abs(float(expected)))
            assert error <= bound, (name, kind, u, h, got, float(expected))


def points(text: str, kind: Any) -> list[tuple[float, float]]:
    """Every argument with some others; where a root or a modulus has its kink, only the value has an answer."""
    others = (0.7, -1e4, 1e-300)
    pairs = [(u, h) for u in ARGUMENTS for h in others] + [(u, h) for h in ARGUMENTS for u in others]
    kinked = "abs" in text or "sqrt" in text
    return [(u, h) for u, h in pairs if not (kinked and 0 in (kind(u), kind(h)))]


@pytest.mark.first(6)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("text", marked(RECOGNISED, slow=[t for k, t in enumerate(RECOGNISED) if k % 4]))
def test_recognised_forms_and_their_derivatives(text: str, kind: Any) -> None:
    found = values(expressions(text), kind)
    for u, h in points(text, kind):
        compare(text, kind, found(u, h), kind(u), kind(h))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", registry.names("activations"))
def test_activations_and_their_derivatives(name: str, kind: Any) -> None:
    text = str(registry.entry("activations", name).EXPRESSION)
    found = values(expressions(text), kind)
    for u in ARGUMENTS:
        if kind(u) != 0 or "max" not in text:
            compare(text, kind, found(u, 0), kind(u), kind(0))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_compiled_code_computes_the_same(kind: Any) -> None:
    """All forms in one function, compiled as kernels are; and none of their derivatives is NaN or infinite."""
    chosen = [t for t in RECOGNISED if "**(3/2)" not in t]
    each = [e for text in chosen for e in expressions(text)]
    (function, constants), plain = printed(each, kind), values(each, kind)
    compiled = numba.njit(error_model="numpy", fastmath=FASTMATH)(meant(function))
    for u, h in [(u, h) for u in ARGUMENTS[:12] for h in (0.0, 0.7, -95.0)]:
        expected, got = plain(u, h), np.empty(len(each), kind)
        compiled(kind(u), kind(h), constants, got)
        finite_value = np.repeat(np.isfinite(expected[::3]), 3)
        assert np.isfinite(got[finite_value]).all(), [(chosen[k // 3], u, h) for k in np.flatnonzero(~np.isfinite(got))]
        scale = (1 + np.abs(expected)) * (1 + abs(u) + abs(h))
        near = np.abs(got - expected) <= 100 * np.finfo(kind).eps * scale
        assert near[finite_value].all(), [(chosen[k // 3], u, h) for k in np.flatnonzero(~near & finite_value)]


@pytest.mark.parametrize(
    ("text", "slope_by_u"),
    [("sqrt(abs(h))+u", 1), ("sqrt(u**2+h**2)", 0), ("abs(u)**(2/3)", 0), ("sqrt(u**2+2*u*h+3*h**2)", 0)],
)
def test_the_derivative_at_the_zero_of_a_root_is_zero(text: str, slope_by_u: int) -> None:
    for kind in (np.float64, np.float32):
        assert values(expressions(text), kind)(0, 0).tolist() == [0, slope_by_u, 0]


def test_what_is_no_number_stays_none() -> None:
    found = values(expressions("sqrt(u**2+h**2)+tanh(exp(u))"), np.float64)(math.nan, 1)
    assert np.isnan(found).all()


def test_functions_of_numbers_are_numbers() -> None:
    u = sp.Symbol("u", real=True)
    for text in ("exp(-9)*tanh(u)", "exp(-exp(27))*u", "softplus(3)*u/sigmoid(2)"):
        found = derived(text)
        assert tree(found.rho).key and found.rho.free_symbols == {u}


def texts(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["u", "h", "u", "h", "2", "1/3"])
    inner = texts(depth - 1)
    one = (
        "tanh({})", "exp({})", "sigmoid({})", "softplus({})", "sin({})", "atan({})", "erf({})", "abs({})",
        "sqrt(abs({}))", "log(1+exp({}))", "1/(1+exp(-({})))", "1/cosh({})", "({})**2", "({})**3", "abs({})**(2/3)",
    )  # fmt: skip
    two = (
        "({})+({})", "({})*({})", "({})-({})", "max({},{})", "min({},{})", "({})/(1+({})**2)", "({})/(1+exp({}))",
        "sqrt(({})**2+({})**2)", "exp({})/(1+exp({}))", "log(exp({})+exp({}))", "({})/(1+abs({}))",
    )  # fmt: skip
    single = st.builds(lambda form, a: form.format(a), st.sampled_from(one), inner)
    double = st.builds(lambda form, a, b: form.format(a, b), st.sampled_from(two), inner, inner)
    return single | double


@pytest.mark.slow
@settings(max_examples=30)
@given(text=texts(1) | texts(2), u=st.sampled_from(ARGUMENTS), h=st.sampled_from(ARGUMENTS), single=st.booleans())
def test_a_finite_rate_has_finite_derivatives(text: str, u: float, h: float, single: bool) -> None:
    """Wherever value and derivative are numbers that the precision has; a value that is one is found, too."""
    kind = np.float32 if single else np.float64
    largest = float(np.finfo(kind).max) / 1e6
    value, *slopes = values(expressions(text), kind)(u, h)
    point = mpmath.mpf(float(kind(u))), mpmath.mpf(float(kind(h)))
    with mpmath.workdps(digits(*map(float, point))):
        try:
            if abs(exact(text, *point)) > largest:
                return
            true = [slope(text, "u", *point), slope(text, "h", *point)]
        except (TooLarge, ZeroDivisionError):
            return
    assert np.isfinite(value)
    assert all(np.isfinite(got) for got, expected in zip(slopes, true) if abs(expected) < largest)


def test_rewriting_is_an_identity() -> None:
    """Exactly, at random rational points, with thirty digits; and it changes every one of the first forms."""
    u, h = sp.symbols("u h", real=True)
    generator = np.random.default_rng(0)

    def value(e: Any, at: dict[Any, Any]) -> Any:
        roots = e.replace(finite.hypot(), lambda a, b: sp.sqrt(a**2 + b**2))
        return roots.subs(at).rewrite(sp.exp).evalf(30)

    from derive.exact.expression import parse

    for text in RECOGNISED[:6] + RECOGNISED[10:36:3]:
        raw = parse(text, {"u": u, "h": h})
        at = {x: sp.Rational(int(generator.integers(-300, 300)), 97) for x in (u, h)}
        expected, got = value(raw, at), value(finite.rewritten(raw), at)
        assert abs(expected - got) <= 1e-24 * (1 + abs(expected)), text
    assert str(finite.rewritten(parse("u*(exp(u)-exp(-u))/(exp(u)+exp(-u))", {"u": u}))) == "u*tanh(u)"
