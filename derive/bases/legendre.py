"""Legendre polynomials P₀ … P_{n−1} of the interval's coordinate t in [-1, 1]. Orthogonal, not normalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis, cellwise
from derive.spaces.sizes import count

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "Legendre polynomials on the whole interval; spectral accuracy for smooth functions"
PARAMETERS = ("size", "degree")
RICHER = ("size",)


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = degree + 1."""
    if given.get("size") is None and given.get("degree") is None:
        raise ValueError("size is missing: the number of polynomials")
    degree = given.get("degree")
    if degree is not None and (not isinstance(degree, int) or isinstance(degree, bool) or degree < 0):
        raise ValueError(f"degree = {degree!r}: a whole number from 0 is needed")
    size = count(given, "size", default=None if degree is None else degree + 1)
    if degree is not None and degree != size - 1:
        raise ValueError(f"size = {size} and degree = {degree}: size must be degree + 1")
    return {"size": size, "cells": 1, "degree": size - 1, "breakpoints": None, "functions": ()}


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """P_n(t), which are their own Legendre coefficients."""
    return Basis("legendre", interval, interval, cellwise(1, spec.size - 1))
