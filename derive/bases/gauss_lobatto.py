"""Nodal functions at the Gauss–Lobatto points of every cell: continuous spectral elements.

With the points as quadrature X = A = I, and the rule's mass is the lumped one, diagonal and not quite the exact mass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "nodal at Gauss–Lobatto points, continuous, lumped mass: X = A = I"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · degree + 1."""
    return resolve_elements(given, interval, shared=1, lowest=1)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The interpolation functions of the points; one at a breakpoint lives on both sides of it."""
    from derive.spaces.nodal import nodal

    assert spec.degree is not None
    return nodal("gauss-lobatto", interval, spec.cuts(interval), spec.degree, lobatto=True)
