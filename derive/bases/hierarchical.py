"""Hierarchical functions: hats, and on every cell the integrals of Legendre polynomials up to degree p. Continuous."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.bases.hat import hats
from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "hats, then integrated Legendre polynomials cell by cell; raising the degree only adds functions"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · degree + 1."""
    return resolve_elements(given, interval, shared=1, lowest=1)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The hats, then degree by degree (P_k − P_{k−2})/(2k − 1) = ∫ P_{k−1} dt of every cell, zero at its ends."""
    assert spec.cells is not None and spec.degree is not None
    functions: list[Mapping[int, Any]] = [*hats(spec.cells)]
    for k in range(2, spec.degree + 1):
        scale = Fraction(1, 2 * k - 1)
        bubble = (Fraction(0),) * (k - 2) + (-scale, Fraction(0), scale)
        functions += [{cell: bubble} for cell in range(spec.cells)]
    return Basis("hierarchical", interval, spec.cuts(interval), tuple(functions))
