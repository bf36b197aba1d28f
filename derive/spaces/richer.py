"""Richer bases: how a family's space grows so that it keeps all its functions, and a refinement changes no state."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from derive import registry
from derive.spec import WIDTH, BasisSpec


def ways(basis: BasisSpec) -> tuple[str, ...]:
    """Out of "cells", "degree" and "size" what may grow; () for a basis that cannot be refined."""
    found: tuple[str, ...] = getattr(registry.entry("bases", basis.family), "RICHER", ())
    return found


def richer(basis: BasisSpec, way: str, cuts: Sequence[Fraction] | None = None) -> BasisSpec:
    """A width basis whose space contains that of another one.

    way: "cells" takes other breakpoints, ``cuts``, the present ones among them; without any, or where the family has a
    tree of cells that these do not fit, all cells are halved. "degree" is one more on all cells, "size" about half as
    many functions again, and odd if it was.
    """
    entry = registry.entry("bases", basis.family)
    if way == "size":
        return BasisSpec(basis.family, **entry.resolve({"size": basis.size + 2 * -(-basis.size // 4)}, WIDTH))
    own = basis.cuts(WIDTH)
    given: dict[str, Any] = {} if "degree" not in entry.PARAMETERS else {"degree": basis.degree}
    if way == "degree":
        assert basis.degree is not None
        given = {"degree": basis.degree + 1, "breakpoints": own}
        return BasisSpec(basis.family, **entry.resolve(given, WIDTH))
    halved = tuple(sorted({*own, *((a + b) / 2 for a, b in zip(own, own[1:]))}))
    try:
        return BasisSpec(basis.family, **entry.resolve({**given, "breakpoints": cuts or halved}, WIDTH))
    except ValueError:
        return BasisSpec(basis.family, **entry.resolve({**given, "breakpoints": halved}, WIDTH))
