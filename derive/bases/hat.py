"""Hat functions: continuous and piecewise linear, one at one breakpoint and zero at the others."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval, Series
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_cells

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "continuous, piecewise linear, one function a breakpoint"
PARAMETERS = ("size", "cells", "breakpoints")
RICHER = ("cells",)


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells + 1."""
    return {**resolve_cells(given, interval, 1), "degree": 1}


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The nodal functions; the first and the last are half hats."""
    assert spec.cells is not None
    return Basis("hat", interval, spec.cuts(interval), hats(spec.cells))


def hats(cells: int) -> tuple[dict[int, Series], ...]:
    """The nodal functions, rising and falling on the cells beside their breakpoints."""
    half = Fraction(1, 2)
    found: list[dict[int, Series]] = []
    for node in range(cells + 1):
        sides = {node - 1: (half, half), node: (half, -half)}  # rising (1 + t)/2, falling (1 − t)/2
        found.append({cell: series for cell, series in sides.items() if 0 <= cell < cells})
    return tuple(found)
