"""Bases: finite lists of functions on an interval, smooth between breakpoints (section 2).

A family is a file of ``derive/bases``. It has

- ``SUMMARY``, one line, and ``PARAMETERS``, the keys of a declaration it understands, out of size, cells, degree,
  breakpoints, functions, of and rows;
- ``JUMPS = True`` where the functions are discontinuous between cells;
- ``RICHER``, of size, cells and degree those that give a space with all functions of this one when they grow, cells by
  being halved; without it a refinement cannot change the basis;
- ``resolve(given, interval) -> dict`` that completes and checks a declaration (``ValueError`` with a message);
- ``build(spec, interval) -> Basis``.

``functions[j]`` maps the cells where function j is not zero to either a polynomial, as its coefficients in Legendre
polynomials of the cell's own coordinate t = 2(ξ − a)/(b − a) − 1, or a SymPy expression in ``enclosure.XI``;
``expressions`` turns those that are polynomials into the former. Everything else follows from this.

Reading this module imports neither SymPy nor flint: declarations are checked without them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from derive import registry
from derive.exact.series import Interval, Series
from derive.exact.surd import Exact
from derive.spec import WIDTH, BasisSpec

if TYPE_CHECKING:
    from derive.exact.matrix import ExactMatrix
    from derive.spaces.rules import Rule


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

    def cell_of(self, point: Exact) -> int:
        """The cell of a point; at an inner breakpoint the one on the right, at the end the last."""
        return min(max(bisect_right(self.breakpoints, point) - 1, 0), self.cells - 1)

    def bounds(self, cell: int) -> Interval:
        """Both ends of a cell."""
        return self.breakpoints[cell], self.breakpoints[cell + 1]

    def expression(self, j: int) -> Any:
        """Function j of ``functions`` as a SymPy expression in ``enclosure.XI``, by cells where there are several."""
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


def cellwise(cells: int, degree: int) -> tuple[dict[int, Series], ...]:
    """P_0 … P_degree of every cell's own coordinate, cell by cell."""
    return tuple({cell: (Fraction(0),) * n + (Fraction(1),)} for cell in range(cells) for n in range(degree + 1))
