"""Polynomials of degree p on every cell, with jumps: Legendre polynomials of each cell. Orthogonal, not normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis, cellwise
from derive.spaces.sizes import resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "polynomials of a degree on every cell, discontinuous between cells"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")
JUMPS = True


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · (degree + 1)."""
    return resolve_elements(given, interval, shared=0, lowest=0)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """P_0 … P_p of the cell's coordinate, cell by cell."""
    assert spec.cells is not None and spec.degree is not None
    return Basis("discontinuous", interval, spec.cuts(interval), cellwise(spec.cells, spec.degree))
