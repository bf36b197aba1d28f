"""Bases: finite lists of functions on an interval, smooth between breakpoints (section 2); one family a file.

A family's file has

- ``SUMMARY``, one line, and ``PARAMETERS``, the keys of a declaration it understands, out of size, cells, degree,
  breakpoints, functions, of and rows;
- ``JUMPS = True`` where the functions are discontinuous between cells;
- ``resolve(given, interval) -> dict`` that completes and checks a declaration (``ValueError`` with a message);
- ``build(spec, interval) -> Basis``.

``functions[j]`` maps the cells where function j is not zero to either a polynomial, as its coefficients in Legendre
polynomials of the cell's own coordinate t = 2(ξ − a)/(b − a) − 1, or a SymPy expression in ``closed_form.XI``;
``from_expressions`` turns expressions that are polynomials into the former. Everything else follows from this.

Reading this module imports neither SymPy nor flint: declarations are checked without them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from derive import registry
from derive.errors import DerivationError
from derive.exact.surd import Exact
from derive.spec import BasisSpec, uniform

if TYPE_CHECKING:
    from derive.exact.matrix import ExactMatrix
    from derive.spaces.products import Rule

Interval = tuple[Fraction, Fraction]
Series = tuple[Fraction, ...]
WIDTH: Interval = (Fraction(-1), Fraction(1))


@dataclass(frozen=True)
class Combination:
    """Functions Σ_j T_ij g_j. matrix: T (size × size of ``of``), exact but not rational; of: the g_j, rational."""

    matrix: ExactMatrix
    of: Basis


@dataclass(frozen=True, eq=False)
class Basis:
    """Functions on an interval; see the module. Two bases are equal when they are the same object (``build`` caches).

    family: the file's name.  breakpoints: cells + 1 of them, from one end of the interval to the other.
    period: the length after which every function repeats, for a trigonometric basis (functions 1, cos, sin, …).
    combination: set instead of ``functions`` where piecewise polynomials have irrational coefficients.
    nodes: of a nodal basis, the points and weights of its own quadrature rule, one function a point.
    """

    family: str
    interval: Interval
    breakpoints: tuple[Fraction, ...]
    functions: tuple[Mapping[int, Any], ...]
    period: Fraction | None = None
    combination: Combination | None = None
    nodes: Rule | None = None

    @property
    def size(self) -> int:
        """The number of functions."""
        return self.combination.matrix.shape[0] if self.combination else len(self.functions)

    @property
    def cells(self) -> int:
        """The number of cells."""
        return len(self.breakpoints) - 1

    @cached_property
    def kind(self) -> str:
        """What the functions are: "polynomial" (piecewise), "fourier" or "closed-form"."""
        if self.period is not None:
            return "fourier"
        series = all(isinstance(f, tuple) for function in self.functions for f in function.values())
        return "polynomial" if series else "closed-form"

    @cached_property
    def degree(self) -> int | None:
        """The highest degree on any cell; None if some function is not a polynomial."""
        if self.kind != "polynomial":
            return None
        if self.combination is not None:
            return self.combination.of.degree
        return max((len(f) - 1 for function in self.functions for f in function.values()), default=0)

    @cached_property
    def active(self) -> tuple[tuple[int, ...], ...]:
        """For each cell the functions that are not zero there."""
        found: list[list[int]] = [[] for _ in range(self.cells)]
        for j, function in enumerate(self.functions):
            for cell in function:
                found[cell].append(j)
        return tuple(map(tuple, found))

    @cached_property
    def continuous(self) -> bool:
        """Whether every function is continuous at every inner breakpoint."""
        from derive.spaces.products import evaluate_at

        inner = zip(self.breakpoints, self.breakpoints[1:], self.breakpoints[2:])
        jumps = (evaluate_at(self, b, (b, c)) - evaluate_at(self, b, (a, b)) for a, b, c in inner)
        return not any(jump.nonzero().any() for jump in jumps)

    def cell_of(self, point: Exact) -> int:
        """The cell of a point; at an inner breakpoint the one on the right, at the end the last."""
        return min(max(bisect_right(self.breakpoints, point) - 1, 0), self.cells - 1)

    def bounds(self, cell: int) -> Interval:
        """Both ends of a cell."""
        return self.breakpoints[cell], self.breakpoints[cell + 1]

    def expression(self, j: int) -> Any:
        """Function j of ``functions`` as a SymPy expression in ``closed_form.XI``, by cells where there are several."""
        import sympy as sp

        from derive.exact.enclosure import XI, local_expression

        parts = []
        for cell in range(self.cells):
            a, b = self.bounds(cell)
            parts.append((local_expression(self.functions[j].get(cell, ()), a, b), sp.Rational(b) > XI))
        parts[-1] = (parts[-1][0], sp.true)
        return sp.Piecewise(*parts) if self.cells > 1 else parts[0][0]


def build(spec: BasisSpec, interval: tuple[Fraction | int, Fraction | int] = WIDTH) -> Basis:
    """The basis that a resolved declaration describes, on an interval; the same object for equal arguments."""
    return _build(spec, (Fraction(interval[0]), Fraction(interval[1])))


@lru_cache(maxsize=256)
def _build(spec: BasisSpec, interval: Interval) -> Basis:
    basis: Basis = registry.entry("bases", spec.family).build(spec, interval)
    return basis


def from_expressions(
    family: str, interval: Interval, breakpoints: tuple[Fraction, ...], expressions: Sequence[Any]
) -> Basis:
    """The basis of SymPy expressions in ``closed_form.XI``; abs, sign, min and max are resolved cell by cell.

    Errors: ``DerivationError`` for one that changes its branch inside a cell.
    """
    from derive.exact.enclosure import polynomial_series, resolve_branches

    functions = []
    for expression in expressions:
        function = {}
        for cell, (a, b) in enumerate(zip(breakpoints, breakpoints[1:])):
            smooth = resolve_branches(expression, a, b)
            if smooth != 0:
                series = polynomial_series(smooth, a, b)
                function[cell] = smooth if series is None else series
        functions.append(function)
    return Basis(family, interval, breakpoints, tuple(functions))


def weighted(weight: Basis, basis: Basis) -> Basis:
    """The functions of a basis, each times the one function of ``weight``, on the cells of both.

    Errors: ``DerivationError`` for a weight that is negative somewhere.
    """
    import sympy as sp

    from derive.exact.enclosure import local_expression, resolve_branches

    for cell in range(weight.cells):
        a, b = weight.bounds(cell)
        factor = local_expression(weight.functions[0].get(cell, ()), a, b)
        if resolve_branches(sp.Abs(factor, evaluate=False), a, b) != factor:
            raise DerivationError(
                f"the weight {factor} on ({a}, {b})", "a weight that is not negative", "a sign",
                "a loss would reward errors there: change the sign", "loss.weight",
            )  # fmt: skip
    return multiplied(weight, 0, basis)


def multiplied(factor: Basis, index: int, basis: Basis) -> Basis:
    """The functions of a basis, each times one function of ``factor``, on the cells of both."""
    import sympy as sp

    from derive.exact.enclosure import local_expression, polynomial_series

    if basis.combination is not None:
        inner = multiplied(factor, index, basis.combination.of)
        combination = Combination(basis.combination.matrix, inner)
        return Basis("product", basis.interval, inner.breakpoints, (), combination=combination)
    breakpoints = tuple(sorted({*factor.breakpoints, *basis.breakpoints}))
    functions: list[dict[int, Any]] = [{} for _ in basis.functions]
    for cell, (a, b) in enumerate(zip(breakpoints, breakpoints[1:])):
        place = factor.cell_of(a)
        value = local_expression(factor.functions[index].get(place, ()), *factor.bounds(place))
        place = basis.cell_of(a)
        for found, function in zip(functions, basis.functions):
            if place in function and value != 0:
                product = value * local_expression(function[place], *basis.bounds(place))
                series = polynomial_series(sp.expand(product), a, b)
                found[cell] = product if series is None else series
    return Basis("product", basis.interval, breakpoints, tuple(functions))


def legendre_series(monomials: Sequence[Fraction]) -> Series:
    """Coefficients of 1, t, t², … → coefficients of P₀(t), P₁(t), P₂(t), …"""
    series: list[Fraction] = []
    for coefficient in reversed(monomials):  # Horner's rule
        series = times_t(series)
        series[0] += coefficient
    return trimmed(series)


def times_t(series: Sequence[Fraction]) -> list[Fraction]:
    """The Legendre series times t, one longer: t P_k = ((k + 1) P_{k+1} + k P_{k−1})/(2k + 1)."""
    found = [Fraction(0)] * (len(series) + 1)
    for k, value in enumerate(series):
        if value:
            found[k + 1] += value * Fraction(k + 1, 2 * k + 1)
            if k:
                found[k - 1] += value * Fraction(k, 2 * k + 1)
    return found


def cellwise(cells: int, degree: int) -> tuple[dict[int, Series], ...]:
    """P_0 … P_degree of every cell's own coordinate, cell by cell."""
    return tuple({cell: (Fraction(0),) * n + (Fraction(1),)} for cell in range(cells) for n in range(degree + 1))


def trimmed(series: Sequence[Fraction]) -> Series:
    """Without the zeros at the end."""
    length = len(series)
    while length and not series[length - 1]:
        length -= 1
    return tuple(series[:length])


def resolve_elements(given: Mapping[str, Any], interval: Interval, shared: int, lowest: int) -> dict[str, Any]:
    """Size, cells and degree of cells that hold degree + 1 functions each, ``shared`` of them with the next cell.

    One cell unless cells or breakpoints say otherwise; the degree, ``lowest`` at least, follows from the size if one is
    given, and is 2 where nothing tells it.
    """
    cells = {"cells": given.get("cells"), "breakpoints": given.get("breakpoints")}
    if cells == {"cells": None, "breakpoints": None}:
        cells["cells"] = 1
    found = resolve_cells(cells, interval, 0)
    degree = given.get("degree")
    if degree is None and given.get("size") is None and cells != {"cells": 1, "breakpoints": None}:
        degree = 2
    if degree is None:
        size = count(given, "size")
        degree, rest = divmod(size - shared, found["cells"])
        degree -= 1 - shared
        if rest or degree < lowest:
            example = found["cells"] * (max(degree, lowest) + 1 - shared) + shared
            raise ValueError(f"size = {size} over {found['cells']} cells; {example} would do")
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < lowest:
        raise ValueError(f"degree = {degree!r}: a whole number from {lowest} is needed")
    size = found["cells"] * (degree + 1 - shared) + shared
    if count(given, "size", default=size) != size:
        raise ValueError(f"size = {given['size']}, but {found['cells']} cells of degree {degree} have {size} functions")
    return {**found, "size": size, "degree": degree}


def resolve_cells(given: Mapping[str, Any], interval: Interval, extra: int) -> dict[str, Any]:
    """Size, cells and breakpoints of a piecewise basis with size = cells + extra, from any of them that determine it.

    Breakpoints that cut equal cells are dropped, so that equal bases have equal declarations.
    """
    counts = {}
    if given.get("cells") is not None:
        counts["cells"] = count(given, "cells")
    if given.get("size") is not None:
        counts["size"] = count(given, "size") - extra
    breakpoints = given.get("breakpoints")
    if breakpoints is not None:
        breakpoints = check_breakpoints(breakpoints, interval)
        counts["breakpoints"] = len(breakpoints) - 1
    if not counts:
        raise ValueError("the number of cells is missing: give size, cells or breakpoints")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} mean {value} cells" for key, value in counts.items())
        raise ValueError(f"{listed}; size must be cells + {extra}" if extra else f"{listed}; they must agree")
    cells = next(iter(counts.values()))
    if cells < 1:
        raise ValueError(f"size = {cells + extra}: at least {extra + 1} functions are needed for one cell")
    if breakpoints == uniform(interval, cells):
        breakpoints = None
    return {"size": cells + extra, "cells": cells, "degree": None, "breakpoints": breakpoints, "functions": ()}


def check_breakpoints(breakpoints: Iterable[Fraction], interval: Interval) -> tuple[Fraction, ...]:
    """The breakpoints as a tuple, if they increase from one end of the interval to the other."""
    found = tuple(Fraction(b) for b in breakpoints)
    if len(found) < 2 or found[0] != interval[0] or found[-1] != interval[1]:
        raise ValueError(f"breakpoints must start at {interval[0]} and end at {interval[1]}")
    for left, right in zip(found, found[1:]):
        if left >= right:
            raise ValueError(f"breakpoints must increase: {right} follows {left}")
    return found


def count(given: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A positive whole number from a declaration; ``ValueError`` where it is missing and has no default."""
    if given.get(key) is None:
        if default is None:
            raise ValueError(f"{key} is missing")
        return default
    value = given[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} = {value!r}: a positive whole number is needed")
    return value
