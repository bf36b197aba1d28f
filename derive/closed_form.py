"""Expressions of one variable on one cell: branches resolved, values and integrals enclosed by flint's balls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import acb, arb, ctx

from derive.bases import Series, legendre_series
from derive.errors import DerivationError
from derive.exact import NEGLIGIBLE, PRECISIONS, as_fmpq

XI = sp.Symbol("xi", real=True)

# A function of a ball; with True it answers with a non-finite ball where it is not analytic on all of the ball.
Evaluator = Callable[[acb, bool], acb]

FUNCTIONS: Mapping[str, Evaluator] = {
    "exp": lambda z, analytic: z.exp(),
    "log": lambda z, analytic: z.log(analytic=analytic),
    "sin": lambda z, analytic: z.sin(),
    "cos": lambda z, analytic: z.cos(),
    "tan": lambda z, analytic: z.tan(),
    "sinh": lambda z, analytic: z.sinh(),
    "cosh": lambda z, analytic: z.cosh(),
    "tanh": lambda z, analytic: z.tanh(),
    # Through logarithms, whose cuts flint knows: atan z = (log(1 + iz) − log(1 − iz))/2i.
    "atan": lambda z, analytic: (
        ((1 + z * acb(0, 1)).log(analytic=analytic) - (1 - z * acb(0, 1)).log(analytic=analytic)) / acb(0, 2)
    ),
    "erf": lambda z, analytic: z.erf(),
    "sigmoid": lambda z, analytic: 1 / (1 + (-z).exp()),
    "softplus": lambda z, analytic: (1 + z.exp()).log(analytic=analytic),
}
DEPTH = 40  # halvings of a cell before a sign counts as undecided


def local_expression(function: Series | Any, a: Fraction, b: Fraction) -> Any:
    """A basis function on the cell [a, b], however it is stored, as a SymPy expression in ξ."""
    if not isinstance(function, tuple):
        return function
    total = sp.Poly(0, XI, domain="QQ")
    for k, coefficient in enumerate(function):
        if coefficient:
            total += sp.Rational(coefficient) * sp.legendre_poly(k, XI, polys=True)
    t = (2 * XI - sp.Rational(a + b)) / sp.Rational(b - a)
    return total.compose(sp.Poly(t, XI, domain="QQ")).as_expr()


def polynomial_series(expression: Any, a: Fraction, b: Fraction) -> Series | None:
    """A polynomial with rational coefficients as its Legendre series on [a, b]; None for anything else."""
    polynomial = _rational_polynomial(expression)
    if polynomial is None:
        return None
    inner = sp.Poly(sp.Rational((b - a) / 2) * XI + sp.Rational((a + b) / 2), XI, domain="QQ")
    return legendre_series([Fraction(int(c.p), int(c.q)) for c in reversed(polynomial.compose(inner).all_coeffs())])


def _rational_polynomial(expression: Any) -> Any:
    if not expression.is_polynomial(XI):
        return None
    polynomial = sp.Poly(expression, XI)
    return polynomial.set_domain("QQ") if all(c.is_Rational for c in polynomial.all_coeffs()) else None


def resolve_branches(expression: Any, a: Fraction, b: Fraction) -> Any:
    """The expression on (a, b) without abs, sign, min and max. ``DerivationError`` where one changes its branch."""
    if not expression.args:
        return expression
    arguments = [resolve_branches(argument, a, b) for argument in expression.args]
    if isinstance(expression, sp.Abs):
        return _sign(arguments[0], a, b, expression) * arguments[0]
    if isinstance(expression, sp.sign):
        return sp.Integer(_sign(arguments[0], a, b, expression))
    if isinstance(expression, sp.Max | sp.Min):
        chosen = arguments[0]
        for other in arguments[1:]:
            side = _sign(chosen - other, a, b, expression)
            chosen = chosen if (side >= 0) == isinstance(expression, sp.Max) else other
        return chosen
    return expression.func(*arguments)


def _sign(expression: Any, a: Fraction, b: Fraction, whole: Any) -> int:
    """The one sign of an expression inside (a, b); it may vanish at the ends."""
    expression = sp.expand(expression)
    if expression == 0:
        return 0
    polynomial = _rational_polynomial(expression)
    if polynomial is not None:
        found = _polynomial_sign(polynomial, a, b)
    else:
        with ctx.workprec(PRECISIONS[0]):
            found = _enclosed_sign(compiled(expression), compiled(sp.diff(expression, XI)), a, b, DEPTH)
    if found is None:
        raise DerivationError(
            f"{whole} on the cell ({a}, {b})",
            "functions that are smooth inside every cell",
            f"{expression} changes its sign there",
            "add the point where it does to breakpoints",
        )
    return found


def _polynomial_sign(polynomial: Any, a: Fraction, b: Fraction) -> int | None:
    low, high = sp.Rational(a), sp.Rational(b)
    for factor, multiplicity in polynomial.sqf_list()[1]:
        if multiplicity % 2 and factor.count_roots(low, high) > (factor.eval(low) == 0) + (factor.eval(high) == 0):
            return None
    # A zero of even order may sit at one of these points, but a polynomial of degree n has n zeros at most.
    points = (low + (high - low) * sp.Rational(k, polynomial.degree() + 2) for k in range(1, polynomial.degree() + 2))
    return next(int(sp.sign(value)) for value in map(polynomial.eval, points) if value != 0)


def _enclosed_sign(f: Evaluator, slope: Evaluator, a: Fraction, b: Fraction, depth: int) -> int | None:
    cell = acb(_ball(a).union(_ball(b)))
    value = f(cell, False).real
    if value > 0 or value < 0:
        return 1 if value > 0 else -1
    gradient = slope(cell, False).real
    if gradient > 0 or gradient < 0:
        # Monotone: the ends decide, and an end that is zero does not count.
        ends = [f(acb(_ball(end)), False).real for end in (a, b)]
        signs = {1 if end > 0 else -1 for end in ends if not (end.contains(0) and end.rad() < NEGLIGIBLE)}
        return signs.pop() if len(signs) == 1 else None
    if depth == 0:
        return None
    left = _enclosed_sign(f, slope, a, (a + b) / 2, depth - 1)
    return left if left is not None and left == _enclosed_sign(f, slope, (a + b) / 2, b, depth - 1) else None


def _ball(value: Fraction) -> arb:
    return arb(as_fmpq(value))


@lru_cache(maxsize=4096)
def compiled(expression: Any) -> Evaluator:
    """A smooth SymPy expression in ξ as a function of balls, at whatever precision is current when it is called."""
    if expression == XI:
        return lambda z, analytic: z
    if expression.is_Rational:
        number = as_fmpq(Fraction(int(expression.p), int(expression.q)))
        return lambda z, analytic: acb(number)
    if expression is sp.pi:
        return lambda z, analytic: acb(arb.pi())
    if expression is sp.E:
        return lambda z, analytic: acb(arb.const_e())
    parts = [compiled(argument) for argument in expression.args]
    if expression.is_Add or expression.is_Mul:
        return _fold(parts, product=expression.is_Mul)
    if expression.is_Pow:
        return _power(parts, expression.exp)
    function = FUNCTIONS.get(type(expression).__name__)
    if function is None:
        raise DerivationError(
            f"{expression}, a function that has no enclosure",
            ", ".join(sorted(FUNCTIONS)),
            "a basis function uses something else",
            "write it with the functions above",
        )
    return lambda z, analytic: function(parts[0](z, analytic), analytic)


def _fold(parts: list[Evaluator], product: bool) -> Evaluator:
    def evaluate(z: acb, analytic: bool) -> acb:
        total = parts[0](z, analytic)
        for part in parts[1:]:
            total = total * part(z, analytic) if product else total + part(z, analytic)
        return total

    return evaluate


def _power(parts: list[Evaluator], exponent: Any) -> Evaluator:
    base = parts[0]
    if exponent.is_Integer:
        power = int(exponent)
        return lambda z, analytic: base(z, analytic) ** power
    if exponent == sp.S.Half:
        return lambda z, analytic: base(z, analytic).sqrt(analytic=analytic)
    if parts[0] is compiled(sp.E):
        return lambda z, analytic: parts[1](z, analytic).exp()
    return lambda z, analytic: base(z, analytic).pow(parts[1](z, analytic), analytic=analytic)


def evaluator(function: Series | Any, a: Fraction, b: Fraction) -> Evaluator:
    """A basis function on the cell [a, b], however it is stored, as a function of balls."""
    if not isinstance(function, tuple):
        result: Evaluator = compiled(function)
        return result
    coefficients = [as_fmpq(c) for c in function]
    slope, shift = as_fmpq(2 / (b - a)), as_fmpq((a + b) / (a - b))

    def clenshaw(z: acb, analytic: bool) -> acb:
        t = z * slope + shift
        first, second = acb(0), acb(0)
        for k in range(len(coefficients) - 1, -1, -1):
            first, second = coefficients[k] + t * first * (2 * k + 1) / (k + 1) - second * (k + 1) / (k + 2), first
        return first

    return clenshaw


def value(function: Evaluator, point: arb) -> arb:
    """f(point). ``DerivationError`` where it is not real."""
    found = function(acb(point), False)
    if found.is_finite() and not found.imag.contains(0):
        raise DerivationError(
            f"a function with the value {found.str(6)} at {point.str(6)}",
            "real functions",
            "a root or a logarithm of a negative number",
            "change the function or its breakpoints",
        )
    return found.real


def product_integral(f: Evaluator, g: Evaluator, a: Fraction, b: Fraction) -> arb:
    """∫ f g over [a, b], enclosed (Petras' algorithm with Gauss–Legendre rules, as flint has it)."""
    integral = acb.integral(lambda z, analytic: f(z, analytic) * g(z, analytic), as_fmpq(a), as_fmpq(b))
    return integral.real
