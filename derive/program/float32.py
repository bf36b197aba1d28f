"""Float32 forms of the usual functions: quotients of polynomials, which compilers turn into vector code.

Only + − · / min max floor occur: no branch, no call, no bit pattern, no step that reassociation could spoil.
The coefficients are float32 numbers, found by ``benchmarks/float32_forms.py``. Each form states its error
bound over all finite float32 arguments; the tests measure it. float64 kernels use the exact functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from derive.exact.finite import chain, hypot, over

TANH = (
    "0x1.000000p+0 0x1.120b02p-3 0x1.ca2bbap-9 0x1.59c1d4p-16 0x1.cad8d8p-27",
    "0x1.000000p+0 0x1.de5acap-2 0x1.a7f792p-6 0x1.588520p-12 0x1.a17d8cp-21",
)
ERF = (
    "0x1.20dd74p+0 0x1.85f37ep-3 0x1.b01decp-5 0x1.ed9048p-9 0x1.2ab88ep-12 0x1.1328c2p-19",
    "0x1.000000p+0 0x1.01100ap-1 0x1.d363cep-4 0x1.ea8274p-7 0x1.30c012p-10 0x1.3f8980p-15",
)
SINE = (
    "0x1.921fb6p+2 -0x1.4abbc2p+5 0x1.4668b0p+6 -0x1.324ccap+6 0x1.3daff4p+5",
)  # fmt: skip
POWER = (
    "0x1.000000p+0 0x1.62e430p-1 0x1.ebfbdap-3 0x1.c6aed4p-5 0x1.3b2dbcp-7 0x1.5f456ap-10 0x1.41d30ap-13",
)  # fmt: skip
SOFTPLUS = (
    "0x1.62e430p-1 -0x1.b5efe4p-3 0x1.bc87d0p-6 -0x1.ce5e8ap-10 0x1.eafdd4p-15 -0x1.a83ea4p-21",
    "0x1.000000p+0 0x1.a6c0dep-2 0x1.40c66cp-3 0x1.263958p-5 0x1.629ec2p-8 0x1.68dbc4p-12 0x1.65ae44p-14",
)


@dataclass(frozen=True)
class Form:
    """The float32 form of one function.

    name: the SymPy function's class name.  build: argument → form, both SymPy.
    absolute, relative: (a₀, a₁) and (r₀, r₁) of the bound
    |form(u) − f(u)| ≤ a₀ + a₁|u| + (r₀ + r₁|u|)|f(u)| in float32, for |u| ≤ limit.
    """

    name: str
    build: Callable[[Any], Any]
    absolute: tuple[float, float]
    relative: tuple[float, float]
    limit: float = float(2**127)


def coefficients(row: str) -> tuple[Fraction, ...]:
    """The exact values of a row of hexadecimal float32 numbers, constant term first."""
    return tuple(Fraction(float.fromhex(text)) for text in row.split())


def float32_form(expression: Any) -> Any:
    """The expression with the functions that have a form replaced by it; other functions are left alone.

    So are those below a root, a logarithm or a fraction bar, and what is multiplied by such: a form that misses zero by
    1e-7 has the wrong sign there, or the wrong size; and those whose form would be too long: it repeats its argument
    many times.
    What surrounds a form is rebuilt without evaluation: SymPy would distribute powers over its factors.
    """
    if not expression.free_symbols or not expression.args:
        return expression  # numbers are rounded once, and no function of them is computed in a kernel
    if _delicate(expression) or (expression.is_Mul and any(map(_delicate, expression.args))):
        return _rebuilt(expression, _only_limits)
    form = FORMS.get(type(expression).__name__)
    if form is not None:
        found = form.build(*map(float32_form, expression.args))
        if _length(found) < LONGEST:
            return found
    return _rebuilt(expression, float32_form)


def _only_limits(expression: Any) -> Any:
    return _rebuilt(expression, _only_limits) if expression.args and expression.free_symbols else expression


def _rebuilt(expression: Any, write: Callable[[Any], Any]) -> Any:
    """The expression with its arguments written anew, and what float32 needs to know beside them."""
    import sympy as sp

    if isinstance(expression, sp.Piecewise):
        # conditions choose between branches: they keep their exact arguments
        branches = [(write(value), condition) for value, condition in expression.args]
        changed = any(new is not old for (new, _), (old, _) in zip(branches, expression.args))
        return sp.Piecewise(*branches, evaluate=False) if changed else expression
    args = [write(a) for a in expression.args]
    if isinstance(expression, (over(), hypot())):
        args.append(sp.Rational(1, 2**126))  # the smallest number whose reciprocal is one
    elif all(new is old for new, old in zip(args, expression.args)):
        return expression
    elif isinstance(expression, chain()):
        args.append(expression.args[0])  # an approximation misses zero
    return expression.func(*args, evaluate=False)


def _delicate(expression: Any) -> bool:
    """Whether it is a root, logarithm or quotient of a function that has a form."""
    import sympy as sp

    if isinstance(expression, over()):
        return _has_form(expression.args[1])
    whole = expression.is_Pow and expression.exp.is_Integer and expression.exp.is_positive
    return (isinstance(expression, sp.log) or (expression.is_Pow and not whole)) and _has_form(expression.args[0])


def _has_form(expression: Any) -> bool:
    return type(expression).__name__ in FORMS or any(map(_has_form, expression.args))


LONGEST = 20_000  # symbols, numbers and operations of a form


def _length(expression: Any) -> int:
    """How many there are, counted up to ``LONGEST``."""
    length = 1
    for a in expression.args:
        if length < LONGEST:
            length += _length(a)
    return length


# --- pieces of forms ----------------------------------------------------------------------------------------


def _add(*terms: Any) -> Any:
    import sympy as sp

    return sp.Add(*terms, evaluate=False)


def _mul(*factors: Any) -> Any:
    import sympy as sp

    return sp.Mul(*factors, evaluate=False)


def _number(text: str) -> Any:
    """The float32 number nearest to a decimal text, exactly."""
    import numpy as np
    import sympy as sp

    return _rational(Fraction(float(np.float32(sp.Float(text, 30)))))


def _rational(value: Fraction) -> Any:
    import sympy as sp

    return sp.Rational(value.numerator, value.denominator)


def _floor(x: Any) -> Any:
    import sympy as sp

    return sp.floor(x, evaluate=False)


def _clamp(x: Any, low: Any, high: Any) -> Any:
    import sympy as sp

    return sp.Max(low, sp.Min(high, x, evaluate=False), evaluate=False)


def _horner(row: str, t: Any) -> Any:
    *lower, result = (_rational(c) for c in coefficients(row))
    for c in reversed(lower):
        result = _add(c, _mul(t, result))
    return result


def _odd(rows: tuple[str, ...], x: Any) -> Any:
    """x P(x²) / Q(x²)."""
    import sympy as sp

    square = sp.Pow(x, 2, evaluate=False)
    numerator = _mul(x, _horner(rows[0], square))
    return _divided(numerator, _horner(rows[1], square)) if len(rows) == 2 else numerator


def _divided(numerator: Any, denominator: Any) -> Any:
    import sympy as sp

    return _mul(numerator, sp.Pow(denominator, -1, evaluate=False))


# --- the forms ----------------------------------------------------------------------------------------------


def _tanh(u: Any) -> Any:
    return _odd(TANH, _clamp(u, -_number("9"), _number("9")))


def _erf(u: Any) -> Any:
    return _odd(ERF, _clamp(u, -_number("3.92"), _number("3.92")))


def _sigmoid(u: Any) -> Any:
    """(1 + tanh(u/2))/2."""
    half = _number("0.5")
    return _add(half, _mul(half, _tanh(_mul(half, u))))


def _softplus(u: Any) -> Any:
    """max(u, 0) + log(1 + exp(−|u|))."""
    import sympy as sp

    t = sp.Min(_number("17"), sp.Abs(u, evaluate=False), evaluate=False)
    tail = _divided(_horner(SOFTPLUS[0], t), _horner(SOFTPLUS[1], t))
    return _add(sp.Max(0, u, evaluate=False), tail)


def _phase(u: Any) -> Any:
    """u/2π less the nearest integer: in [−1/2, 1/2], but for rounding."""
    turns = _mul(_number("0.15915494309189533577"), u)
    return _add(turns, _mul(-1, _floor(_add(turns, _number("0.5")))))


def _sin(u: Any) -> Any:
    """sin 2πφ with the phase φ folded into [−1/4, 1/4]."""
    import sympy as sp

    half, quarter = _number("0.5"), _number("0.25")
    phase = _phase(u)
    folded = sp.Min(phase, _add(half, _mul(-1, phase)), evaluate=False)
    folded = sp.Max(folded, _add(-half, _mul(-1, phase)), evaluate=False)
    # the last clamp matters for huge arguments, whose phase is lost: the result stays in [−1, 1]
    return _odd(SINE, _clamp(folded, -quarter, quarter))


def _cos(u: Any) -> Any:
    """sin 2π(1/4 − |φ|)."""
    import sympy as sp

    quarter = _number("0.25")
    shifted = _add(quarter, _mul(-1, sp.Abs(_phase(u), evaluate=False)))
    return _odd(SINE, _clamp(shifted, -quarter, quarter))


def _exp(u: Any) -> Any:
    """(2^k 2^r)² with k + r = u/(2 log 2), |r| ≤ 1/2.

    2^(k + 63) is the product of 1 + b_i (2^(2^i) − 1) over the bits b_i of k + 63.
    Half the exponent is scaled, so that no partial product overflows, in whatever order it is formed.
    """
    import sympy as sp

    # below: 2^−126 instead of a subnormal number; above: infinity
    v = _clamp(_mul(_number("0.72134752044448170368"), u), -_number("63"), _number("64.484375"))
    k = _floor(_add(v, _number("0.5")))
    r = _add(v, _mul(-1, k))
    first, rest = POWER[0].split(maxsplit=1)
    assert float.fromhex(first) == 1
    shifted = _add(k, 63)
    factors = []
    for i in range(7):
        halved = _floor(_mul(sp.Rational(1, 2), shifted))
        bit = _add(shifted, _mul(-2, halved))
        factors.append(_add(1, _mul(bit, _number(str(2 ** (2**i) - 1)))))
        shifted = halved
    scale = _mul(sp.Rational(1, 2**63), *factors)
    # a sum inside the square: SymPy would take the square of a product into its factors, where it overflows
    return sp.Pow(_add(scale, _mul(scale, r, _horner(rest, r))), 2, evaluate=False)


FORMS = {
    form.name: form
    for form in (
        Form("tanh", _tanh, (0.0, 0.0), (2.0**-21, 0.0)),
        Form("erf", _erf, (0.0, 0.0), (2.0**-21, 0.0)),
        Form("sigmoid", _sigmoid, (2.0**-22, 0.0), (0.0, 0.0)),
        Form("softplus", _softplus, (2.0**-22, 0.0), (2.0**-23, 0.0)),
        Form("sin", _sin, (2.0**-21, 2.0**-23), (0.0, 0.0)),
        Form("cos", _cos, (2.0**-21, 2.0**-23), (0.0, 0.0)),
        Form("exp", _exp, (2.0**-126, 0.0), (2.0**-21, 2.0**-23), limit=88.0),
    )
}
