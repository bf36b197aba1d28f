"""Piecewise constants: one on a cell, zero elsewhere. Orthogonal, discontinuous."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_cells

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "piecewise constant, one function a cell"
PARAMETERS = ("size", "cells", "breakpoints")
RICHER = ("cells",)
JUMPS = True


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells."""
    return {**resolve_cells(given, interval, 0), "degree": 0}


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The indicator functions of the cells."""
    assert spec.cells is not None
    breakpoints = spec.cuts(interval)
    return Basis("p0", interval, breakpoints, tuple({cell: (Fraction(1),)} for cell in range(spec.cells)))
