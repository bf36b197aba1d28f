"""Expressions of one variable on one cell: branches resolved, values and integrals enclosed by flint's balls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq

from derive.errors import DerivationError
from derive.exact.legendre import coefficient_rows, gauss_nodes, legendre_values
from derive.exact.matrix import NEGLIGIBLE, PRECISIONS, as_fmpq
from derive.exact.series import Interval, Series, legendre_series

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
ELLIPSES = (16.0, 8.0, 4.0, 2.5, 1.75, 1.375)  # sums ρ of the half axes; exact doubles


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
            f"{expression} changes its sign there, or cannot be shown not to",
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


def _ball(value: Fraction | fmpq | arb) -> arb:
    return value if isinstance(value, arb) else arb(as_fmpq(value))


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
    return lambda z, analytic: base(z, analytic).pow(parts[1](z, analytic), analytic=analytic)


@dataclass(frozen=True)
class Side:
    """Functions on one cell, however they are stored: the left or the right factors of products."""

    functions: tuple[Series | Any, ...]
    cell: Interval

    @property
    def guard(self) -> int:
        """Bits that the recurrence for the polynomials may lose: log₂(1 + √2) a degree on the cell, and some."""
        return 2 * max((len(f) for f in self.functions if isinstance(f, tuple)), default=0)

    def values(self, points: Sequence[Any], matrix: Any = arb_mat) -> Any:
        """(points × functions), in ``arb_mat``, or in ``fmpq_mat`` for polynomials at rational points."""
        a, b = self.cell
        series = [j for j, f in enumerate(self.functions) if isinstance(f, tuple)]
        table = [[0] * len(self.functions) for _ in points]
        if series:
            length = max(len(self.functions[j]) for j in series)
            scale, shift = as_fmpq(2 / (b - a)), as_fmpq((a + b) / (a - b))
            polynomials = matrix([legendre_values(x * scale + shift, length) for x in points])
            block = polynomials * matrix(coefficient_rows([self.functions[j] for j in series], length)).transpose()
            for row, entries in enumerate(block.tolist()):
                for j, entry in zip(series, entries):
                    table[row][j] = entry
        for j, function in enumerate(self.functions):
            if not isinstance(function, tuple):
                f = compiled(function)
                for row, x in enumerate(points):
                    table[row][j] = _real(f(acb(x), False), x)
        return matrix(len(points), len(self.functions), [e for row in table for e in row])

    def bounds(self, region: acb, analytic: bool) -> list[arb]:
        """Upper bounds of |f| on a region, not finite where f is not analytic on all of it and that is asked for."""
        a, b = self.cell
        t = (region * as_fmpq(2 / (b - a)) + as_fmpq((a + b) / (a - b))).abs_upper()
        growth = t + (t * t + 1).sqrt()  # |P_k(t)| ≤ ρ^k on the Bernstein ellipse ρ, and t is inside this one
        return [
            sum((abs(as_fmpq(c)) * growth**k for k, c in enumerate(f) if c), arb(0)).abs_upper()
            if isinstance(f, tuple)
            else compiled(f)(region, analytic).abs_upper()
            for f in self.functions
        ]


def product_integrals(left: Side, right: Side, a: Any, b: Any) -> arb_mat:
    """∫ f_i g_j over [a, b], (left × right), to about the current precision, by Gauss rules with proven errors.

    a, b: rational, or balls.

    For |F| ≤ M inside the ellipse ρ around [-1, 1] the n-point rule errs by at most 64/15 M ρ^(2 − 2n)/(1 − ρ⁻²)
    (Rabinowitz; Trefethen, Approximation Theory, theorem 19.3). Pieces where no ellipse will do are halved.
    ``DerivationError`` where halving does not help: the product has a pole there, or too many of them nearby.
    """
    goal = ctx.prec
    total = arb_mat(len(left.functions), len(right.functions))
    waiting = [(a, b, 0)]
    halvings = 0
    with ctx.workprec(goal + left.guard + right.guard):
        # A function that is not real is not analytic on any ellipse either: say the simpler thing.
        for side in (left, right):
            side.values([_ball(a + (b - a) * k / 5) for k in (1, 2, 4)])
        while waiting:
            low, high, depth = waiting.pop()
            found = _gauss_integrals(left, right, low, high, goal)
            if found is not None:
                total = total + found
            elif depth < 2 * goal and halvings < 8 * goal:
                middle = (low + high) / 2
                halvings += 1
                waiting += [(low, middle, depth + 1), (middle, high, depth + 1)]
            else:
                raise _not_integrable(left, right, low)
    return total


def _gauss_integrals(left: Side, right: Side, a: Any, b: Any, goal: int) -> arb_mat | None:
    middle, half = _ball((a + b) / 2), _ball((b - a) / 2)
    best: tuple[int, arb, list[arb], list[arb]] | None = None
    for radius in ELLIPSES:
        rho = arb(radius)
        region = acb(middle + half * arb(0, (rho + 1 / rho) / 2), half * arb(0, (rho - 1 / rho) / 2))
        bounds = left.bounds(region, True), right.bounds(region, True)
        if all(bound.is_finite() for side in bounds for bound in side):
            error = half * 64 / (15 * (1 - rho**-2))
            size = _largest(bounds[0]) * _largest(bounds[1]) * error + arb(2) ** -goal
            bits = goal + float((size.log() / arb(2).log()).abs_upper() if size > 1 else 0)
            count = 8 * math.ceil((bits / (2 * math.log2(radius)) + 2) / 8)
            if count <= goal + left.guard + right.guard + 64 and (best is None or count < best[0]):
                best = count, error * rho ** (2 - 2 * count), *bounds
    if best is None:
        return _negligible(left, right, a, b, goal)
    count, error, first, second = best
    nodes = gauss_nodes(count, ctx.prec)
    points = [middle + half * x for x, _ in nodes]
    weighted = arb_mat([[e * (half * w) for e in row] for row, (_, w) in zip(left.values(points).tolist(), nodes)])
    errors = arb_mat([[arb(0, error * f * g) for g in second] for f in first])
    return weighted.transpose() * right.values(points) + errors


def _negligible(left: Side, right: Side, a: Any, b: Any, goal: int) -> arb_mat | None:
    """Balls around zero, where a piece is so short that it does not count."""
    region = acb(_ball(a).union(_ball(b)))
    first, second = left.bounds(region, False), right.bounds(region, False)
    if not _largest(first) * _largest(second) * _ball(b - a) < arb(2) ** (-goal - 8):
        return None
    return arb_mat([[arb(0, f * g * _ball(b - a)) for g in second] for f in first])


def _largest(bounds: list[arb]) -> arb:
    largest = bounds[0]
    for bound in bounds[1:]:
        largest = largest.max(bound)
    return largest


def _real(found: acb, point: Any) -> arb:
    if found.is_finite() and not found.imag.contains(0):
        raise DerivationError(
            f"a function with the value {found.str(6)} at {point.str(6)}",
            "real functions",
            "a root or a logarithm of a negative number",
            "change the function or its breakpoints",
        )
    return found.real


def _not_integrable(left: Side, right: Side, point: Any) -> DerivationError:
    written = {str(f) for side in (left, right) for f in side.functions if not isinstance(f, tuple)}
    return DerivationError(
        f"products of {', '.join(sorted(written))} near {float(_ball(point).mid()):.6g}",
        "products with a finite integral",
        "a function is not bounded there, or not smooth",
        "change the function, or add a breakpoint",
    )
