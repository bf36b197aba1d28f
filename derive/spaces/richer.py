"""Richer bases: how a family's space grows so that it keeps all its functions, and a refinement changes no state."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import Any

from derive import registry
from derive.spec import WIDTH, BasisSpec


def ways(basis: BasisSpec) -> tuple[str, ...]:
    """Out of "cells", "degree" and "size" what may grow; () for a basis that cannot be refined."""
    found: tuple[str, ...] = getattr(registry.entry("bases", basis.family), "RICHER", ())
    return found


def richer(basis: BasisSpec, way: str, chosen: Collection[int] | None = None) -> BasisSpec:
    """A width basis whose space contains that of another one.

    way: "cells" halves the chosen cells, all where none are named, or where the family has trees of cells and cannot
    halve some; "degree" is one more on all cells; "size" about half as many functions again, and odd if it was.
    """
    entry = registry.entry("bases", basis.family)
    if way == "size":
        return BasisSpec(basis.family, **entry.resolve({"size": basis.size + 2 * -(-basis.size // 4)}, WIDTH))
    given: dict[str, Any] = {} if "degree" not in entry.PARAMETERS else {"degree": basis.degree}
    if way == "degree":
        assert basis.degree is not None
        given = {"degree": basis.degree + 1, "breakpoints": basis.cuts(WIDTH)}
        return BasisSpec(basis.family, **entry.resolve(given, WIDTH))
    try:
        return BasisSpec(basis.family, **entry.resolve({**given, "breakpoints": _halved(basis, chosen)}, WIDTH))
    except ValueError:
        return BasisSpec(basis.family, **entry.resolve({**given, "breakpoints": _halved(basis, None)}, WIDTH))


def _halved(basis: BasisSpec, chosen: Collection[int] | None) -> tuple[Fraction, ...]:
    cuts = basis.cuts(WIDTH)
    middles = ((a + b) / 2 for k, (a, b) in enumerate(zip(cuts, cuts[1:])) if chosen is None or k in chosen)
    return tuple(sorted({*cuts, *middles}))
