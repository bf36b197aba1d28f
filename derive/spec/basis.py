"""A declared basis: a family and its sizes, resolved and checked, but not built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Interval = tuple[Fraction, Fraction]
WIDTH: Interval = (Fraction(-1), Fraction(1))
COORDINATES = ("xi", "eta", "zeta")  # the names of ξ along the axes


def uniform(interval: Interval, cells: int) -> tuple[Fraction, ...]:
    """The breakpoints of equal cells."""
    start, stop = interval
    return tuple(start + (stop - start) * Fraction(k, cells) for k in range(cells + 1))


@dataclass(frozen=True)
class BasisSpec:
    """A resolved basis: ``size`` functions of a family; see the family's file for the other values.

    of, rows: of the family "combination", the basis that is combined and the exact coefficients.
    axes: of the family "product", the bases along ξ, η and ζ; its functions are their products, the last index first.
    """

    family: str
    size: int
    cells: int | None = None
    degree: int | None = None
    breakpoints: tuple[Fraction, ...] | None = None
    functions: tuple[str, ...] | None = None
    of: BasisSpec | None = None
    rows: tuple[tuple[Fraction, ...], ...] | None = None
    axes: tuple[BasisSpec, ...] | None = None

    def along(self, axis: int) -> BasisSpec:
        """The basis along one axis of the domain."""
        return self if self.axes is None else self.axes[axis]

    def cuts(self, interval: Interval) -> tuple[Fraction, ...]:
        """The breakpoints on an interval: the declared ones, or those of equal cells."""
        return self.breakpoints or uniform(interval, self.cells or 1)


CONSTANT = BasisSpec("p0", 1, cells=1, functions=())


def product(axes: Sequence[BasisSpec]) -> BasisSpec:
    """The basis of a domain with these bases along its axes; of one axis, its own."""
    if len(axes) == 1:
        return axes[0]
    return BasisSpec("product", math.prod(basis.size for basis in axes), axes=tuple(axes))


def of_axis(role: str, axis: int) -> str:
    """The name of a table or basis along an axis: as it is for the first, then with _2 or _3."""
    return role if axis == 0 else f"{role}_{axis + 1}"
