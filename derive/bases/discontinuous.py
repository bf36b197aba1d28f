"""Polynomials of degree p on every cell, with jumps: Legendre polynomials of each cell. Orthogonal, not normalised."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.bases import Basis, Interval, resolve_elements, uniform

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "polynomials of a degree on every cell, discontinuous between cells"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
JUMPS = True


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · (degree + 1)."""
    return resolve_elements(given, interval, shared=0, lowest=0)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """P_0 … P_p of the cell's coordinate, cell by cell."""
    assert spec.cells is not None and spec.degree is not None
    breakpoints = spec.breakpoints or uniform(interval, spec.cells)
    functions = tuple(
        {cell: (Fraction(0),) * n + (Fraction(1),)} for cell in range(spec.cells) for n in range(spec.degree + 1)
    )
    return Basis("discontinuous", interval, breakpoints, functions)
