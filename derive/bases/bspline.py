"""B-splines of degree p on open (clamped) knots: p − 1 continuous derivatives, a partition of unity."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval, legendre_series
from derive.spaces.basis import Basis
from derive.spaces.sizes import count, resolve_cells

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "B-splines of a degree (3 unless told) on clamped knots, as smooth as the degree allows"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells",)


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells + degree."""
    degree = count(given, "degree", default=3)
    return {**resolve_cells(given, interval, degree), "degree": degree}


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """Every function by Cox–de Boor on exact polynomials, cell by cell."""
    assert spec.cells is not None and spec.degree is not None
    breakpoints = spec.cuts(interval)
    knots = (breakpoints[0],) * spec.degree + breakpoints + (breakpoints[-1],) * spec.degree
    functions: list[dict[int, tuple[Fraction, ...]]] = [{} for _ in range(spec.size)]
    for cell in range(spec.cells):
        for offset, monomials in enumerate(_on_cell(knots, cell + spec.degree, spec.degree)):
            functions[cell + offset][cell] = legendre_series(monomials)
    return Basis("bspline", interval, breakpoints, tuple(functions))


def _on_cell(knots: tuple[Fraction, ...], span: int, degree: int) -> list[list[Fraction]]:
    """The degree + 1 functions that live on [knots[span], knots[span + 1]], as polynomials in its coordinate t."""
    middle, half = (knots[span] + knots[span + 1]) / 2, (knots[span + 1] - knots[span]) / 2
    current = [[Fraction(1)]]
    for p in range(1, degree + 1):
        raised = [[Fraction(0)] * (p + 1) for _ in range(p + 1)]
        for i, polynomial in enumerate(current):
            # B_{j,p−1} adds to B_{j,p} with the weight (ξ − left)/(right − left), and the rest of it to B_{j−1,p}.
            left, right = knots[span - p + 1 + i], knots[span + 1 + i]
            rise = [(middle - left) / (right - left), half / (right - left)]
            fall = [1 - rise[0], -rise[1]]
            for k, value in enumerate(polynomial):
                for power, (down, up) in enumerate(zip(fall, rise)):
                    raised[i][k + power] += value * down
                    raised[i + 1][k + power] += value * up
        current = raised
    return current
