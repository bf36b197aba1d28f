"""The functions of kernels in a form that compilers turn into vector code: no branch, no call, both precisions alike.

NumPy's and the C library's take one number at a time inside a loop. Here arguments are reduced with exact arithmetic,
exp and log by the bits of a floating-point number, and what is left is a polynomial or a quotient of two, fitted by
``benchmarks/function_forms.py``. ``BOUNDS`` states the errors, which the tests measure. NaN stays NaN.

The bodies are compiled without permission to reassociate: t + MAGIC − MAGIC rounds, and (1 + x) − 1 is not x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

# name → u: |f̃(x) − f(x)| ≤ u ε |f(x)| with the precision's ε, wherever f(x) is finite and at least 2^(2 − bias) in
# size; below that, where exp is 0, the error is at most 2^(2 − bias). Where exp |x| is infinite, so are sinh and cosh.
# Of sin, cos and tan it holds up to |x| = 2^(mantissa/2): further out the phase is not reduced with all the digits it
# needs, sin and cos err by at most 4 ε |x| and stay within ±1, and nothing is said of tan.
BOUNDS = {
    "exp": 1.0, "log": 1.0, "log1p": 1.5, "tanh": 2.5, "sinh": 2.0, "cosh": 1.5, "sin": 2.0, "cos": 2.0, "tan": 2.5,
    "arctan": 2.5, "erf": 3.0,
}  # fmt: skip

Coefficients = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Precision:
    """A floating-point format, and what the functions take in it.

    mantissa: its bits; bias: of the exponent. largest, smallest: arguments between which exp is finite
    and not below 2^(2 − bias). ln2, half_pi: in parts, so short that a product with a quotient up to 2^(mantissa/2) is
    exact. The others: the coefficients, constant term first; a second row is a denominator's.
    """

    real: Any
    mantissa: int
    bias: int
    largest: float
    smallest: float
    ln2: tuple[float, ...]
    half_pi: tuple[float, ...]
    expm1: Coefficients
    log: Coefficients
    sine: Coefficients
    cosine: Coefficients
    atan: Coefficients
    erf: Coefficients
    tanh: Coefficients | None = None  # where it is better than by expm1


FLOAT64 = Precision(
    real=np.float64, mantissa=52, bias=1023, largest=710.0, smallest=-707.7033,
    ln2=(0.6931471805582987, 1.6465949582897082e-12),
    half_pi=(1.5707963276654482, -8.705515692000731e-10, -3.503434396954818e-19, -1.1351118607522202e-28),
    expm1=(
        (
            0.5000000000000001, 0.16666666666666674, 0.04166666666662413, 0.008333333333322295, 0.001388888891721144,
            0.0001984126988632524, 2.4801521299885246e-05, 2.755724263207893e-06, 2.762008643555829e-07,
            2.5109940476060977e-08,
        ),
    ),
    log=(
        (
            0.666666666666667, 0.39999999999898456, 0.2857142862639554, 0.2222221107341037, 0.18182893179241272,
            0.15331598218542578, 0.14617857680445703,
        ),
    ),
    sine=(
        (
            -0.16666666666666666, 0.008333333333333316, -0.00019841269841254996, 2.755731921916845e-06,
            -2.5052107617589075e-08, 1.605897734704217e-10, -7.643971296419268e-13, 2.731456115565297e-15,
        ),
    ),
    cosine=(
        (
            0.041666666666666664, -0.0013888888888887398, 2.4801587298766116e-05, -2.7557317271864545e-07,
            2.0876146282454558e-09, -1.138263262899019e-11,
        ),
    ),
    atan=(
        (
            -0.33333333333333254, 0.19999999999903917, -0.14285714266947883, 0.11111109687211057, -0.090908540690743,
            0.07691080504530319, -0.06649863361213551, 0.05737765754458739, -0.044877743885941276,
            0.022807825528852684,
        ),
    ),
    erf=(
        (
            1.1283791670955126, 2.6437476470094223, 2.9372821821543282, 1.9925118284082963, 0.8948735613242078,
            0.2709283098922341, 0.05385428199216065, 0.0064735470736245046, 0.00038909737904176714,
            7.721884116801907e-06,
        ),
        (
            1.0, 1.7787707653343519, 1.5084547719124988, 0.7697051354534905, 0.2517509669531225, 0.05236215605236781,
            0.006432398103774255, 0.00038901189884613715, 7.722271341622002e-06,
        ),
    ),
)  # fmt: skip

FLOAT32 = Precision(
    real=np.float32, mantissa=23, bias=127, largest=89.0, smallest=-86.6434,
    ln2=(0.69317626953125, -2.9088971132296138e-05),
    half_pi=(1.5703125, 0.0004839897155761719, -1.6298145055770874e-07, 6.07710062827671e-11),
    expm1=(
        (
            0.5, 0.16666576266288757, 0.04166637733578682, 0.008363179862499237, 0.001394109451211989,
        ),
    ),
    log=(
        (
            0.6666668653488159, 0.39988717436790466, 0.2958213984966278,
        ),
    ),
    sine=(
        (
            -0.1666666567325592, 0.008333242498338223, -0.00019822781905531883, 2.6348693609179463e-06,
        ),
    ),
    cosine=(
        (
            0.0416666641831398, -0.001388830365613103, 2.4548020519432612e-05,
        ),
    ),
    atan=(
        (
            -0.333332896232605, 0.19991542398929596, -0.14028844237327576, 0.0853864774107933,
        ),
    ),
    erf=(
        (
            1.1283791065216064, 1.5335696935653687, 0.9318220019340515, 0.2884134352207184, 0.03859974071383476,
        ),
        (
            1.0, 0.7949002385139465, 0.2862578332424164, 0.03863665461540222,
        ),
    ),
    tanh=(
        (1.0, 0.13381005823612213, 0.0034955658484250307, 2.060873157461174e-05, 1.3354206629401233e-08),
        (1.0, 0.4671432077884674, 0.02587689645588398, 0.00032855989411473274, 7.776365009704023e-07),
    ),
)  # fmt: skip


# --- what Python cannot say ---------------------------------------------------------------------------------


def polynomial(row: tuple[float, ...]) -> Callable[[Any], Any]:
    """x → Σ row[k] xᵏ by Horner's rule, products and sums fused where the machine can."""

    @intrinsic
    def horner(typing: Any, x: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            (argument,) = given
            *lower, found = (ir.Constant(argument.type, float(c)) for c in row)
            for c in reversed(lower):
                found = builder.fadd(builder.fmul(found, argument, flags=["contract"]), c, flags=["contract"])
            return found

        return x(x), write

    return horner


@intrinsic
def choose(typing: Any, condition: Any, yes: Any, no: Any) -> Any:
    """``yes if condition else no`` without a branch: both are computed."""

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.select(*given)

    return yes(condition, yes, no), write


def _bits(p: Precision) -> tuple[Any, ...]:
    """Of a number t = MAGIC + k, whose lowest bits are those of the whole number k: 2^(k−1), and whether k is odd;

    and of a positive number its exponent, as t, and its mantissa in [1, 2).
    """
    whole = ir.IntType(p.mantissa + {52: 12, 23: 9}[p.mantissa])

    @intrinsic
    def half_power(typing: Any, t: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            k = builder.add(builder.bitcast(given[0], whole), ir.Constant(whole, p.bias - 1))
            return builder.bitcast(builder.shl(k, ir.Constant(whole, p.mantissa)), given[0].type)

        return t(t), write

    @intrinsic
    def odd(typing: Any, t: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            last = builder.and_(builder.bitcast(given[0], whole), ir.Constant(whole, 1))
            return builder.icmp_unsigned("!=", last, ir.Constant(whole, 0))

        return types.boolean(t), write

    @intrinsic
    def exponent(typing: Any, x: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            shifted = builder.lshr(builder.bitcast(given[0], whole), ir.Constant(whole, p.mantissa))
            marked = builder.or_(shifted, ir.Constant(whole, (p.bias + p.mantissa) << p.mantissa))
            return builder.bitcast(marked, given[0].type)

        return x(x), write

    @intrinsic
    def fraction(typing: Any, x: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kept = builder.and_(builder.bitcast(given[0], whole), ir.Constant(whole, (1 << p.mantissa) - 1))
            return builder.bitcast(builder.or_(kept, ir.Constant(whole, p.bias << p.mantissa)), given[0].type)

        return x(x), write

    return half_power, odd, exponent, fraction


# --- the functions ------------------------------------------------------------------------------------------


def _written(p: Precision) -> dict[str, Callable[..., Any]]:
    """The functions in one precision, by NumPy's names."""
    njit = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
    real = p.real
    zero, half, one, two, infinity, not_a_number = map(real, (0, 0.5, 1, 2, np.inf, np.nan))
    half_power, odd, exponent, fraction = _bits(p)
    magic, per_ln2 = real(1.5 * 2**p.mantissa), real(1 / np.log(2))
    ln2_high, ln2_low = map(real, p.ln2)
    expm1_of, log_of, sine_of, cosine_of, atan_of = (
        polynomial(rows[0]) for rows in (p.expm1, p.log, p.sine, p.cosine, p.atan)
    )

    # e^x = 2^k e^r, r = x − k log 2
    largest, smallest = real(p.largest), real(p.smallest)

    @njit
    def exp(x):
        y = choose(x > largest, largest, choose(x < smallest, smallest, x))
        t = y*per_ln2 + magic
        k = t - magic
        r = (y - k*ln2_high) - k*ln2_low
        scale = half_power(t)
        value = (scale + scale*(r + r*r*expm1_of(r)))*two
        return choose(x < smallest, zero, value)

    # (e^y − 1)/2 = 2^(k − 1) (e^r − 1) + (2^(k − 1) − 1/2): where k = 0 nothing cancels
    @njit
    def half_expm1(y):
        t = y*per_ln2 + magic
        k = t - magic
        r = (y - k*ln2_high) - k*ln2_low
        scale = half_power(t)
        return scale*(r + r*r*expm1_of(r)) + (scale - half)

    flat = real(2 * p.mantissa)

    @njit
    def tanh(x):
        y = two*x
        e = half_expm1(choose(y > flat, flat, choose(y < -flat, -flat, y)))
        return e/(e + one)

    # with few digits a quotient is as good and faster: x P(x²)/Q(x²), and ±1 where tanh is rounded to that
    def tanh_by_quotient(rows: Coefficients) -> Callable[..., Any]:
        above, below, flat = polynomial(rows[0]), polynomial(rows[1]), real(9.02)

        @njit
        def tanh(x):
            y = choose(x > flat, flat, choose(x < -flat, -flat, x))
            z = y*y
            value = y*above(z)/below(z)
            return choose(x > flat, one, choose(x < -flat, -one, value))

        return tanh

    @njit
    def sinh(x):
        a = choose(x < zero, -x, x)
        e = half_expm1(choose(a > largest, largest, a))
        value = e + e/(two*e + one)
        value = choose(a > largest, infinity, value)
        return choose(x < zero, -value, value)

    @njit
    def cosh(x):
        e = exp(choose(x < zero, -x, x))
        return half*e + half/e

    # x = 2^k (1 + f), 1/√2 ≤ 1 + f ≤ √2; log(1 + f) = f − (f²/2 − s (f²/2 + R(s²))), s = f/(2 + f), as in fdlibm
    normal, raised, by = real(2.0 ** (1 - p.bias)), real(2.0 ** (p.mantissa + 2)), real(p.mantissa + 2)
    offset, root = real(2**p.mantissa + p.bias), real(np.sqrt(2))

    @njit
    def log(x):
        y = choose(x < normal, x*raised, x)
        m = fraction(y)
        k = exponent(y) - offset
        k = choose(x < normal, k - by, k)
        k = choose(m > root, k + one, k)
        f = choose(m > root, m*half, m) - one
        s = f/(two + f)
        z = s*s
        square = half*f*f
        value = k*ln2_high - ((square - (s*(square + z*log_of(z)) + k*ln2_low)) - f)
        value = choose(x < infinity, value, x)
        value = choose(x < zero, not_a_number, value)
        return choose(x == zero, -infinity, value)

    @njit
    def log1p(x):
        u = one + x
        value = log(u)
        correction = (x - (u - one))/u
        return choose(u == zero, value, choose(u < infinity, value + correction, value))

    # x = k π/2 + r: with even k sin x is ± sin r, with odd k cos x is; tan takes the nearest k
    per_half_pi, per_pi = real(2 / np.pi), real(1 / np.pi)
    first, next_, third, last = map(real, p.half_pi)

    @njit
    def turned(x, k, bound):
        r = (((x - k*first) - k*next_) - k*third) - k*last
        return choose(r > bound, bound, choose(r < -bound, -bound, r))

    @njit
    def sine(r):
        z = r*r
        return r + r*z*sine_of(z)

    half_turn, quarter = real(np.pi / 2 * 1.001), real(np.pi / 4 * 1.01)

    @njit
    def sin(x):
        t = x*per_pi + magic
        value = sine(turned(x, two*(t - magic), half_turn))
        return choose(odd(t), -value, value)

    @njit
    def cos(x):
        t = (x*per_pi - half) + magic
        value = sine(turned(x, two*(t - magic) + one, half_turn))
        return choose(odd(t), value, -value)

    @njit
    def tan(x):
        t = x*per_half_pi + magic
        r = turned(x, t - magic, quarter)
        z = r*r
        s, c = sine(r), one - (half*z - z*z*cosine_of(z))
        return choose(odd(t), -c, s)/choose(odd(t), s, c)

    # arctan a = base + arctan((a − c)/(1 + c a)) with c = 0, 1, ∞
    low, high, eighth, fourth = (real(v) for v in (np.tan(np.pi / 8), np.tan(3 * np.pi / 8), np.pi / 4, np.pi / 2))

    @njit
    def arctan(x):
        a = choose(x < zero, -x, x)
        above = choose(a > high, -one, choose(a > low, a - one, a))
        below = choose(a > high, a, choose(a > low, a + one, one))
        base = choose(a > high, fourth, choose(a > low, eighth, zero))
        q = above/below
        z = q*q
        value = base + (q + q*z*atan_of(z))
        return choose(x < zero, -value, value)

    # erf a = 1 − exp(−a G(a)): where a is small nothing cancels
    numerator, denominator, far = polynomial(p.erf[0]), polynomial(p.erf[1]), real(6)

    @njit
    def erf(x):
        a = choose(x < zero, -x, x)
        a = choose(a > far, far, a)
        value = -two*half_expm1(-a*(numerator(a)/denominator(a)))
        return choose(x < zero, -value, value)

    return {
        "exp": exp, "tanh": tanh_by_quotient(p.tanh) if p.tanh else tanh, "sinh": sinh, "cosh": cosh, "log": log,
        "log1p": log1p, "sin": sin, "cos": cos, "tan": tan, "arctan": arctan, "erf": erf,
    }  # fmt: skip


def _dispatched(name: str) -> Callable[[Any], Any]:
    """A function that kernels call by this name, compiled for the precision of its argument."""

    def function(x: Any) -> Any:  # where nothing is compiled
        return getattr(np if hasattr(np, name) else math, name)(x)

    @overload(function)
    def chosen(x):
        own = WRITTEN["float32" if x == types.float32 else "float64"][name]
        return lambda x: own(x)

    function.__name__ = name
    return function


WRITTEN = {"float64": _written(FLOAT64), "float32": _written(FLOAT32)}
FUNCTIONS = {name: _dispatched(name) for name in WRITTEN["float64"]}
