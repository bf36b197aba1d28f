"""Legendre multiwavelets of degree p on a dyadic tree of cells (Alpert 1993); Haar's wavelets at degree 0.

The first p + 1 functions are polynomials on the whole interval. Every later level adds, for each cell that it halves,
p + 1 functions on the two halves that are orthogonal to all polynomials of degree p there, the n-th of them to n more
powers. All functions are orthogonal, not normalised; with uneven breakpoints the halves are uneven too.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval, Series, legendre_series, trimmed
from derive.spaces.basis import Basis, cellwise
from derive.spaces.sizes import count, resolve_elements

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "Legendre multiwavelets on 1, 2, 4, 8 … cells, orthogonal level by level; Haar at degree 0"
PARAMETERS = ("size", "cells", "degree", "breakpoints")
RICHER = ("cells", "degree")
JUMPS = True


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = cells · (degree + 1), cells a power of two; degree 0 unless told."""
    degree = 0 if given.get("degree") is None else given["degree"]
    told = given.get("cells") is not None or given.get("breakpoints") is not None
    cells = given.get("cells") if told else count(given, "size") // max(degree + 1, 1)
    found = resolve_elements({**given, "degree": degree, "cells": cells}, interval, shared=0, lowest=0)
    if found["cells"] & (found["cells"] - 1):
        raise ValueError(f"{found['cells']} cells: a power of two is needed, every level halves them")
    return found


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """From the coarsest level to the finest, left to right."""
    from derive.exact.legendre import restriction

    assert spec.cells is not None and spec.degree is not None
    breakpoints, degree = spec.cuts(interval), spec.degree

    def on_cells(series: Series, a: Fraction, b: Fraction, first: int, last: int) -> dict[int, Series]:
        """A polynomial on [a, b] on the finest cells first … last − 1."""
        cut = {c: restriction(series, (a, b), (breakpoints[c], breakpoints[c + 1])) for c in range(first, last)}
        return {c: s for c, s in cut.items() if s}

    functions: list[Mapping[int, Any]] = [on_cells(f[0], *interval, 0, spec.cells) for f in cellwise(1, degree)]
    width = spec.cells
    while width > 1:
        half = width // 2
        for first in range(0, spec.cells, width):
            a, b, c = (breakpoints[first + k] for k in (0, half, width))
            for left, right in wavelets(degree, (b - a) / (c - a)):
                functions.append(
                    on_cells(left, a, b, first, first + half) | on_cells(right, b, c, first + half, first + width)
                )
        width = half
    return Basis("multiwavelet", interval, breakpoints, tuple(functions))


def wavelets(degree: int, split: Fraction) -> list[tuple[Series, Series]]:
    """The p + 1 wavelets of a cell that is cut at a part ``split`` of its length, as series on both parts.

    Unit functions of both parts span 2(p + 1) dimensions. A wavelet is orthogonal to the powers 1 … t^p; number n is
    also orthogonal to the n powers that follow, and to all others: Gauss elimination of moments, then Gram–Schmidt.
    """
    each = degree + 1
    lengths = [split] * each + [1 - split] * each
    norms = [length / (2 * (k % each) + 1) for k, length in enumerate(lengths)]
    moments = [_moments(n, split, each) for n in range(2 * each - 1)]
    # vectors in the coordinates of the unit functions, from the null space of all moments down
    found: list[list[Fraction]] = []
    for number in range(degree, -1, -1):
        constraints = moments[: each + number] + [[x * n for x, n in zip(f, norms)] for f in found]
        found.append(_null_vector(constraints, 2 * each))
    return [(trimmed(f[:each]), trimmed(f[each:])) for f in reversed(found)]


def _moments(power: int, split: Fraction, each: int) -> list[Fraction]:
    """∫ x^power P_k over [0, split] and [split, 1], in each part's own coordinate of P_k."""
    row = []
    for start, length in ((Fraction(0), split), (split, 1 - split)):
        # x = start + length (1 + t)/2
        monomials = [Fraction(1)]
        for _ in range(power):
            raised = [Fraction(0)] * (len(monomials) + 1)
            for k, value in enumerate(monomials):
                raised[k] += value * (start + length / 2)
                raised[k + 1] += value * length / 2
            monomials = raised
        series = legendre_series(monomials)
        row += [series[k] * length / (2 * k + 1) if k < len(series) else Fraction(0) for k in range(each)]
    return row


def _null_vector(rows: list[list[Fraction]], size: int) -> list[Fraction]:
    """The vector that ``size`` − 1 independent rows annihilate, scaled to end in one."""
    from flint import fmpq_mat

    from derive.exact.matrix import as_fmpq, as_fraction

    reduced, rank = fmpq_mat(len(rows), size, [as_fmpq(v) for row in rows for v in row]).rref()
    assert rank == size - 1
    pivots = [next(c for c in range(size) if reduced[r, c]) for r in range(rank)]
    free = next(c for c in range(size) if c not in pivots)
    vector = [Fraction(0)] * size
    vector[free] = Fraction(1)
    for r, c in enumerate(pivots):
        vector[c] = -as_fraction(reduced[r, free])
    return vector
