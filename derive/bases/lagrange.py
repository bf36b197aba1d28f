"""Lagrange functions of degree p: one at one of p + 1 equally spaced nodes of a cell, zero at the rest. Continuous."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval, Series, legendre_series
from derive.spaces.basis import Basis
from derive.spaces.sizes import resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "continuous finite elements of a degree, equally spaced nodes; hat is degree 1"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · degree + 1."""
    return resolve_elements(given, interval, shared=1, lowest=1)


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The nodal functions from left to right; a function at a breakpoint lives on both sides of it."""
    assert spec.cells is not None and spec.degree is not None
    breakpoints = spec.cuts(interval)
    local = _on_cell(spec.degree)
    functions: list[dict[int, Series]] = [{} for _ in range(spec.size)]
    for cell in range(spec.cells):
        for n, series in enumerate(local):
            functions[cell * spec.degree + n][cell] = series
    return Basis("lagrange", interval, breakpoints, tuple(functions))


def _on_cell(degree: int) -> list[Series]:
    """Π_{m ≠ n} (t − t_m)/(t_n − t_m) with t_n = −1 + 2n/p."""
    nodes = [Fraction(2 * n, degree) - 1 for n in range(degree + 1)]
    found = []
    for node in nodes:
        monomials = [Fraction(1)]
        for other in nodes:
            if other != node:
                raised = [Fraction(0), *monomials]
                lowered = [*monomials, Fraction(0)]
                monomials = [(up - other * same) / (node - other) for up, same in zip(raised, lowered)]
        found.append(legendre_series(monomials))
    return found
