"""From a sampled record to coefficients: interpolants, their exact integrals against a basis, and the projection.

Integrals against a record are taken on intervals where the interpolant and the basis are both smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_array

from derive.errors import DataError, advice
from numerics.checks import numbers
from numerics.functions.arrays import positive_diagonal
from numerics.functions.basis import EDGE, Basis, derivative, evaluate
from numerics.functions.legendre import gauss
from numerics.functions.rules import degrees, moments, union

Array = np.ndarray
INTERPOLANTS = ("linear", "constant", "least-squares")
MIDPOINT = 1e-9  # points this close to the cells' midpoints are the midpoints
RANK = 1e-10  # singular values below this fraction of the largest: what they determine drowns in noise


@dataclass(frozen=True)
class Segments:
    """Sampled records' interpolants on intervals [left, right], each record's behind each other from −1 to 1.

    On each it is the straight line from sample ``first`` at ``start`` to sample ``last`` at ``stop``, which may
    lie outside the interval; equal samples at both ends make a constant. record: whose it is.
    """

    left: Array
    right: Array
    start: Array
    stop: Array
    first: Array
    last: Array
    record: Array

    def cut(self, breakpoints: Array) -> Segments:
        """The same interpolants on intervals that no breakpoint divides."""
        inner = breakpoints[1:-1]
        before = np.searchsorted(inner, self.left, side="right")
        more = np.maximum(np.searchsorted(inner, self.right, side="left") - before, 0)
        at = np.repeat(np.arange(len(more)), more + 1)
        part = np.arange(len(at)) - np.repeat(np.cumsum(more + 1) - more - 1, more + 1)
        left, right = self.left[at], self.right[at]
        begun, ended = part > 0, part < more[at]
        left[begun], right[ended] = inner[(before[at] + part - 1)[begun]], inner[(before[at] + part)[ended]]
        others = (self.start, self.stop, self.first, self.last, self.record)
        return Segments(left, right, *(column[at] for column in others))

    def lines(self) -> tuple[Array, Array]:
        """What counts last − first at an interval's middle, and from there to its right end, beside the first sample.

        Differences first: they are exact between close points, whose midpoint is not.
        """
        span = 2 * (self.stop - self.start)
        return ((self.left - self.start) + (self.right - self.start)) / span, (self.right - self.left) / span


def segments(xi: Array, interpolant: str, periodic: bool, offsets: Array | None = None) -> Segments:
    """The interpolants of samples at points xi (n,): of one record, or of those that ``offsets`` cut."""
    offsets = np.array([0, len(xi)]) if offsets is None else offsets
    first, last = offsets[:-1], offsets[1:] - 1
    count = offsets[1:] - first
    if interpolant == "constant":
        record = np.repeat(np.arange(len(count)), count)
        index = np.arange(len(xi))
        cell, n = index - first[record], count[record]
        left, right = (2 * cell - n) / n, (2 * (cell + 1) - n) / n
        return Segments(left, right, left, right, index, index, record)
    record = np.repeat(np.arange(len(count)), count + 1)  # before, between and beyond the samples
    head, tail = first + np.arange(len(count)), offsets[1:] + np.arange(len(count))
    to = np.arange(len(record)) - record
    owner = to - 1
    owner[head], to[tail] = (last, first) if periodic else (first, last)
    start, stop = xi[owner], xi[to]
    start[head], stop[tail] = (xi[last] - 2, xi[first] + 2) if periodic else (-1.0, 1.0)
    left, right = np.clip(start, -1, 1), np.clip(stop, -1, 1)
    kept = right > left
    return Segments(*(column[kept] for column in (left, right, start, stop, owner, to, record)))


def default_points(interpolant: str, n: int, periodic: bool) -> Array:
    """Where n samples without points lie (n,).

    The midpoints of n equal cells for "constant", −1 + 2j/n if periodic, else equally spaced from −1 to 1, and
    a single one in the middle.
    """
    _check_interpolant(interpolant, INTERPOLANTS)
    if not isinstance(n, int | np.integer) or n < 1:
        raise DataError(f"{n!r} samples", "a whole number from 1", "an empty record", "leave the record out")
    if interpolant == "constant" or (n == 1 and not periodic):
        return (2 * np.arange(n) + 1 - n) / n
    if periodic:
        return (2 * np.arange(n) - n) / n
    return np.linspace(-1, 1, n)


def check_points(xi: Array, periodic: bool = False) -> Array:
    """The points as float64 (n,), those that are outside by rounding at the ends.

    Raises DataError unless they increase within [−1, 1], and do not close a period.
    """
    xi = numbers(xi, "points")
    allowed = "increasing numbers from -1 to 1, one a sample"
    if xi.ndim != 1 or not len(xi):
        cause = "no samples, or an axis too many"
        raise DataError(f"points of shape {xi.shape}", allowed, cause, "give one list of numbers")
    wrong = np.flatnonzero(~((xi >= -1 - EDGE) & (xi <= 1 + EDGE)))
    if len(wrong):
        raise DataError(
            f"xi = {xi[wrong[0]]} at position {wrong[0]}", allowed,
            "coordinates in other units, or a missing value",
            "map coordinates t from a to b: xi = 2*(t - a)/(b - a) - 1; leave missing points out",
        )  # fmt: skip
    if xi.max() > 1 or xi.min() < -1:
        xi = np.clip(xi, -1, 1)
    wrong = np.flatnonzero(np.diff(xi) <= 0)
    if len(wrong):
        at = wrong[0] + 1
        what = "again" if xi[at] == xi[at - 1] else f"after {xi[at - 1]}"
        raise DataError(
            f"xi = {xi[at]} {what} at position {at}", allowed,
            "points out of order, or a point measured twice",
            "sort the samples by their points and average those that share one",
        )  # fmt: skip
    if periodic and xi[-1] - xi[0] >= 2:
        raise DataError(
            "both xi = -1 and xi = 1", "one of them: on a periodic domain they are the same point",
            "the closing sample repeats the first", "leave the last sample out",
        )  # fmt: skip
    return xi


def sample_functional(basis: Basis, xi: Array, interpolant: str, periodic: bool) -> Array:
    """B (size, n) with Σ_s B_js x_s = ∫ χ_j I[x] dξ for samples x at points xi (n,); see ``projection``.

    interpolant: "linear" or "constant". Exact to rounding for polynomials and Fourier.
    """
    xi = check_points(xi, periodic)
    _check_interpolant(interpolant, INTERPOLANTS[:2])
    if interpolant == "constant":
        _check_midpoints(xi)
    parts = segments(xi, interpolant, periodic)
    if basis.kind != "fourier":
        parts = parts.cut(basis.smooth)
    mean, slope = moments(basis, parts.left, parts.right)
    middle, rise = (a[:, None] for a in parts.lines())
    last, first = middle * mean + rise * slope, (1 - middle) * mean - rise * slope
    found: Array = _gathered(parts.last, last, len(xi)) + _gathered(parts.first, first, len(xi))
    return found.T


def _gathered(owner: Array, rows: Array, count: int) -> Array:
    """(count, …): the sums of the rows that belong to each owner."""
    places = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(count, len(owner)))
    return np.asarray(places @ rows)


@dataclass(frozen=True)
class Compared:
    """Samples' interpolants and functions of a basis at the points of a rule along one axis, so scaled that sums of

    squares over the rows are integrals. A row is the value at a point, or the slope there.

    first, last: the samples that a row is made of (rows,); rise: what counts their difference (rows,), where the point
    lies between them, or for slopes one over their distance.
    scale: roots of the rule's weights (rows,); functions: (rows, size), times these.
    """

    first: Array
    last: Array
    rise: Array
    slopes: bool
    scale: Array
    functions: Array

    def samples(self, values: Array, axis: int) -> Array:
        """The interpolants' rows along an axis of arrays of samples. Differences first: they do not cancel."""
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        first, last = np.take(values, self.first, axis), np.take(values, self.last, axis)
        difference = self.rise.reshape(shape) * (last - first)
        return np.asarray(self.scale.reshape(shape) * (difference if self.slopes else first + difference))


def compared(
    basis: Basis, xi: Array, interpolant: str, periodic: bool, weight: Basis | None = None, slopes: bool = False
) -> Compared:
    """Of samples at points xi (n,) and a basis: ∫ |I[x] − h|², with the one function of ``weight`` as a factor where

    there is one; or ∫ |∂I[x] − ∂h|², for ``slopes``. Exact to rounding; see ``sample_functional``.
    """
    parts = segments(check_points(xi, periodic), interpolant, periodic)
    parts = parts.cut(basis.smooth if weight is None else union(basis.smooth, weight.smooth))
    counts = np.maximum(degrees(basis, parts.left, parts.right), 1) + 1
    if weight is not None:
        counts += degrees(weight, parts.left, parts.right) // 2 + 1
    x, w = gauss(parts.left, parts.right, counts)
    start, stop, first, last = (np.repeat(a, counts) for a in (parts.start, parts.stop, parts.first, parts.last))
    scale = np.sqrt(w if weight is None else w * np.maximum(evaluate(weight, x)[:, 0], 0.0))
    if slopes:
        return Compared(first, last, 1 / (stop - start), True, scale, scale[:, None] * derivative(basis, x))
    return Compared(first, last, (x - start) / (stop - start), False, scale, scale[:, None] * evaluate(basis, x))


def _check_interpolant(interpolant: str, allowed: tuple[str, ...]) -> None:
    if interpolant not in allowed:
        raise DataError(f"interpolant {interpolant!r}", ", ".join(allowed), *advice(interpolant, allowed))


def _check_midpoints(xi: Array) -> None:
    away = np.abs(xi - default_points("constant", len(xi), False))
    if away.max() > MIDPOINT:
        at = int(away.argmax())
        raise DataError(
            f"xi = {xi[at]} at position {at} of {len(xi)} samples",
            f"the midpoints of {len(xi)} equal cells, or no points, for interpolant \"constant\"",
            "samples at points of their own, which are not means over equal cells",
            'declare interpolant = "linear", or leave the points out',
        )  # fmt: skip


def projection(
    basis: Basis, mass: Array, xi: Array, interpolant: str, periodic: bool, smoothing: float | None = None
) -> Array:
    """The coefficients' matrix P (size, n): coefficients = P x for a record's samples x at points xi (n,).

    mass: the exact Gram matrix, rounded (size, size). interpolant: "linear", the L2 projection of the
    piecewise-linear interpolant, constant beyond the outer samples, wrapping if periodic; "constant", that of
    the step function on n equal cells; "least-squares", the function of the basis nearest to the samples.
    smoothing: λ > 0 for "least-squares", which then minimises 2/n Σ|h(ξ_s) − x_s|² + λ ∫h².
    One sample is a constant. Raises DataError for points that are duplicate, unsorted or outside, or that do not
    determine the coefficients.
    """
    _check_interpolant(interpolant, INTERPOLANTS)
    xi = check_points(xi, periodic)
    if interpolant == "least-squares" and len(xi) > 1:
        return _least_squares(basis, mass, xi, smoothing)
    kind = "linear" if interpolant == "least-squares" else interpolant
    loads = sample_functional(basis, xi, kind, periodic)
    diagonal = positive_diagonal(mass)
    return np.asarray(cho_solve(cho_factor(mass), loads) if diagonal is None else loads / diagonal[:, None])


def _least_squares(basis: Basis, mass: Array, xi: Array, smoothing: float | None) -> Array:
    """In L2-orthonormal coordinates, so that the rank and λ do not depend on how the functions are scaled."""
    root = np.linalg.cholesky(mass)
    scale = np.sqrt(2 / len(xi))
    values = scale * solve_triangular(root, evaluate(basis, xi).T, lower=True).T
    left, singular, right = np.linalg.svd(values, full_matrices=False)
    kept = singular > RANK * singular[0]
    if smoothing:
        gains = singular / (singular**2 + smoothing)
    elif kept.sum() == basis.size:
        gains = 1 / singular
    else:
        raise DataError(
            f"{len(xi)} points that determine {kept.sum()} of {basis.size} coefficients (the rank)",
            f"points of rank {basis.size}, or a smoothing",
            "too few points, or a gap in which some functions of the basis are alone",
            'declare input.smoothing, a smaller basis, or interpolant = "linear"',
        )
    found: Array = scale * solve_triangular(root.T, (right.T * gains) @ left.T, lower=False)
    return found
