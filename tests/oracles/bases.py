"""Bases by declaration, and their values and integrals by mpmath at 50 digits."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import mpmath
import sympy as sp

from derive import registry
from derive.exact.enclosure import XI
from derive.spaces import basis as bases
from derive.spec import BasisSpec

WIDTH = (Fraction(-1), Fraction(1))
DEPTH = (Fraction(1, 3), Fraction(3, 4))
DIGITS = 60
SIZES = (1, 2, 3, 4, 5, 6, 7)
CUSTOM = (
    ["1", "xi", "abs(xi)"],
    ["exp(xi)", "max(xi, 0)*sin(2*xi)", "1/(xi**2 + 1)"],
    ["tanh(2*xi)", "xi**2", "sqrt(2 + xi)", "erf(xi)"],
)


def declare(family: str, interval=WIDTH, **given) -> BasisSpec:
    """The resolved declaration of a basis."""
    given = {k: tuple(map(Fraction, v)) if k == "breakpoints" else v for k, v in given.items()}
    return BasisSpec(family, **registry.entry("bases", family).resolve(given, interval))


def make(family: str, interval=WIDTH, **given) -> bases.Basis:
    """The basis of a declaration."""
    return bases.build(declare(family, interval, **given), interval)


def examples(family: str, interval=WIDTH) -> list[bases.Basis]:
    """Small bases of a family; one that nobody has listed here is tried with every size up to 7."""
    start, stop = interval
    inner = [start + (stop - start) * part for part in (Fraction(1, 2), Fraction(4, 5))]
    if family == "combination":
        rows = tuple(tuple(map(Fraction, row)) for row in (("1", "-1/2", "0", "3"), ("0", "1", "1/3", "1")))
        return [make(family, interval, of=declare(of, interval, size=4), rows=rows) for of in ("hat", "legendre")]
    if family == "custom":
        if start < 0:
            return [make(family, interval, functions=f, breakpoints=(start, 0, stop)) for f in CUSTOM]
        moved = [[text.replace("abs(xi)", "abs(xi - 1/2)") for text in f] for f in CUSTOM]  # |ξ| is ξ here
        return [make(family, interval, functions=f, breakpoints=(start, Fraction(1, 2), stop)) for f in moved]
    found = []
    for size in SIZES:
        try:
            found.append(make(family, interval, size=size))
        except ValueError:
            continue
    if "breakpoints" in registry.entry("bases", family).PARAMETERS:
        cuts = (start, *inner, stop)
        try:
            found.append(make(family, interval, breakpoints=cuts))
        except ValueError:  # a family that wants 2, 4, 8 … cells
            found.append(make(family, interval, breakpoints=(start, (start + inner[0]) / 2, *inner, stop)))
    if family == "bspline":
        found.append(make(family, interval, degree=1, cells=3))
        found.append(make(family, interval, degree=4, breakpoints=(start, *inner, stop)))
    assert found, f"no size up to {SIZES[-1]} makes a basis of the family {family}"
    return found[-3:]


def families() -> tuple[str, ...]:
    """Every family there is a file for."""
    return registry.names("bases")


@cache
def nodes(count: int = 100) -> tuple[tuple[mpmath.mpf, mpmath.mpf], ...]:
    """Gauss–Legendre nodes and weights at 60 digits, by Newton's method."""
    with mpmath.workdps(DIGITS):
        found = []
        for k in range(count):
            x = mpmath.cos(mpmath.pi * (k + mpmath.mpf(3) / 4) / (count + mpmath.mpf(1) / 2))
            for _ in range(8):
                before, value = mpmath.mpf(1), x
                for n in range(1, count):
                    before, value = value, ((2 * n + 1) * x * value - n * before) / (n + 1)
                slope = count * (x * value - before) / (x * x - 1)
                x -= value / slope
            found.append((x, 2 / ((1 - x * x) * slope * slope)))
        return tuple(found)


@cache
def numeric(basis: bases.Basis, derivative: int = 0):
    """The functions, or their derivatives, as mpmath functions on every cell: [cell][j]."""
    if basis.nodes is not None:
        return nodal(basis, derivative)
    table = []
    for a, b in zip(basis.breakpoints, basis.breakpoints[1:]):
        row = []
        for j in range(basis.size):
            expression = basis.expression(j)
            if isinstance(expression, sp.Piecewise):
                middle = sp.Rational((a + b) / 2)
                expression = next(e for e, where in expression.args if where == True or where.subs(XI, middle) == True)  # noqa: E712
            expression = sp.diff(expression, XI, derivative) if derivative else expression
            row.append(sp.lambdify(XI, expression, modules="mpmath"))
        table.append(row)
    return table


def nodal(basis: bases.Basis, derivative: int):
    """Lagrange's polynomials Π (ξ − x_m)/(x_j − x_m) through nodes found by mpmath, cell by cell."""
    count, lobatto = basis.degree + 1, basis.family == "gauss-lobatto"
    with mpmath.workdps(DIGITS):
        if lobatto:
            inner = mpmath.polyroots(_slope(count - 1), maxsteps=500, extraprec=400) if count > 2 else []
            local = sorted([mpmath.mpf(-1), *(mpmath.re(r) for r in inner), mpmath.mpf(1)])
        else:
            local = sorted(_roots(count))
        table = []
        for cell, (a, b) in enumerate(zip(basis.breakpoints, basis.breakpoints[1:])):
            places = [exact(a) + exact(b - a) * (t + 1) / 2 for t in local]
            row = [lambda x: mpmath.mpf(0)] * basis.size
            for j, place in enumerate(places):
                expression = sp.Integer(1)
                for other in places:
                    if other != place:
                        expression *= (XI - sp.Float(other, DIGITS)) / sp.Float(place - other, DIGITS)
                number = cell * (count - lobatto) + j
                row[number] = sp.lambdify(XI, sp.diff(expression, XI, derivative), modules="mpmath")
            table.append(row)
    return table


def _roots(count: int) -> list[mpmath.mpf]:
    """The roots of P_count by Newton's method."""
    found = []
    for k in range(count):
        x = mpmath.cos(mpmath.pi * (k + mpmath.mpf(3) / 4) / (count + mpmath.mpf(1) / 2))
        for _ in range(10):
            x -= mpmath.legendre(count, x) / mpmath.diff(lambda t: mpmath.legendre(count, t), x)
        found.append(x)
    return found


def _slope(degree: int) -> list[mpmath.mpf]:
    """The coefficients of P′_degree, highest power first."""
    polynomial = sp.Poly(sp.diff(sp.legendre(degree, XI), XI), XI)
    return [mpmath.mpf(int(c.p)) / int(c.q) for c in polynomial.all_coeffs()]


@cache
def tabulated(basis: bases.Basis, derivative: int, a: Fraction, b: Fraction) -> list[list[mpmath.mpf]]:
    """Every function, or its derivative, at the 100 Gauss points between two points of one cell: [j][point]."""
    with mpmath.workdps(DIGITS):
        middle, half = exact((a + b) / 2), exact((b - a) / 2)
        functions = numeric(basis, derivative)[basis.cell_of(a)]
        return [[mpmath.mpf(f(middle + half * x)) for x, _ in nodes()] for f in functions]


def integrals(p: bases.Basis, q: bases.Basis, derivative: int = 0) -> list[list[mpmath.mpf]]:
    """∫ p_i q_j by 100 Gauss points on every common cell."""
    with mpmath.workdps(DIGITS):
        total = mpmath.zeros(p.size, q.size)
        union = sorted({*p.breakpoints, *q.breakpoints})
        for a, b in zip(union, union[1:]):
            right, half = tabulated(q, derivative, a, b), exact((b - a) / 2)
            for i, values in enumerate(tabulated(p, derivative, a, b)):
                left = [value * w * half for value, (_, w) in zip(values, nodes())] if any(values) else ()
                for j, others in enumerate(right):
                    if left and any(others):
                        total[i, j] += mpmath.fdot(left, others)
        return total


def exact(value: Fraction) -> mpmath.mpf:
    """A fraction at the current precision."""
    return mpmath.mpf(value.numerator) / value.denominator


def number(entry) -> mpmath.mpf:
    """A rational or the middle of a ball, as mpmath's."""
    if hasattr(entry, "p"):
        return mpmath.mpf(int(entry.p)) / int(entry.q)
    mantissa, exponent = entry.mid().man_exp()
    return mpmath.mpf((int(mantissa), int(exponent)))


def assert_equal(matrix, expected, tolerance=1e-30) -> None:
    """Entries agree to 1e-30 absolute, and the doubles are the nearest ones."""
    with mpmath.workdps(DIGITS):
        table = matrix.to_float()
        for i in range(matrix.shape[0]):
            for j in range(matrix.shape[1]):
                difference = abs(number(matrix[i, j]) - expected[i, j])
                assert difference < tolerance, (i, j, matrix[i, j], expected[i, j])
                if abs(expected[i, j]) > 1e-30:
                    assert table[i, j] == float(expected[i, j])
                else:
                    assert table[i, j] == 0 or abs(table[i, j]) < 1e-30
