"""Nodal functions at the Gauss–Legendre points of every cell: one at one point, zero at the others. Orthogonal.

With the points as quadrature X = A = I; between cells the functions jump. Their Legendre coefficients are algebraic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "nodal at Gauss–Legendre points, which are its quadrature: X = A = I"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")
JUMPS = True


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · (degree + 1)."""
    return resolve_elements(given, interval, shared=0, lowest=0)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """ℓ_j = Σ_k (2k + 1)/2 w_j P_k(t_j) P_k on each cell: the rule integrates ℓ_j P_k exactly."""
    from derive.spaces.nodal import nodal

    assert spec.degree is not None
    return nodal("gauss-legendre", interval, spec.cuts(interval), spec.degree, lobatto=False)
