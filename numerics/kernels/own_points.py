"""Many sampled records on an interval at once, each at points of its own.

What ``sampled_records`` gives as a matrix for points that records share is computed here with their samples, for the
intervals of all records in one array. On an interval that no breakpoint divides few functions of a basis are not zero:
sums over a record's intervals are formed of those, cell by cell, and then combined.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from numerics.functions.arrays import positive_diagonal
from numerics.functions.basis import Basis, cells_at, derivative, evaluate, in_cells
from numerics.functions.legendre import nodes
from numerics.functions.rules import cell_of, counts_for_lines, degrees
from numerics.functions.sampled_records import Segments, segments
from numerics.kernels.cache import jit

Array = np.ndarray


BATCH = 32  # points whose polynomials are formed side by side
STEP, VALUE, SIGN, BEFORE, SLOPE, ROWS = (n * BATCH for n in range(1, 7))  # what is kept of them, |t| − 1 at first


@dataclass(frozen=True, eq=False)
class _Local:
    """Functions of a basis, or their slopes, at points x of records, which lie record by record and left to right.

    cells: which one each point is in; record: whose it is (points,); records: how many there are.
    """

    basis: Basis
    x: Array
    cells: Array
    record: Array
    records: int
    slopes: bool = False

    @cached_property
    def table(self) -> Array:
        """Of closed forms: (points, size)."""
        return (derivative if self.slopes else evaluate)(self.basis, self.x)

    @cached_property
    def waves(self) -> tuple[Array, Array, float]:
        """Of Fourier: the first cosine and sine at the points, and their angular frequency."""
        start, stop = self.basis.breakpoints
        half = (stop - start) / 2
        angle = np.pi * ((self.x - (start + stop) / 2) / half)
        return np.cos(angle), np.sin(angle), np.pi / half

    @cached_property
    def inside(self) -> tuple[Array, Array, Array]:
        """Of polynomials: the points in their cells, which cell of which record each is in, and a slope's factor."""
        t, half = in_cells(self.basis, self.cells, self.x)
        return t, self.record * self.basis.cells + self.cells, 1 / half if self.slopes else np.ones_like(half)

    def sums(self, values: Array) -> Array:
        """Σ over a record's points of χ_j times values (points, channels): (records, size, channels)."""
        given, size = np.ascontiguousarray(values.T), self.basis.size
        if self.basis.kind == "closed-form":
            starts = _starts(self.record)
            return np.stack([np.add.reduceat(self.table * row[:, None], starts) for row in given], axis=-1)
        if self.basis.coefficients is None:
            found = np.zeros((self.records, size, len(given)))
            wave_sums(*self.waves, given, self.record, self.slopes, found)
            return found
        _, cells, width = self.basis.coefficients.shape
        t, place, scale = self.inside
        sums = np.zeros((self.records * cells, width, len(given)))
        polynomial_sums(t, given * scale, place, self.slopes, sums)
        own = sums.reshape(self.records, cells, width, -1)
        return np.asarray(np.tensordot(own, self.basis.coefficients, ((1, 2), (1, 2))).swapaxes(1, 2))

    def values(self, coefficients: Array) -> Array:
        """Functions with a record's coefficients (records, size, channels) at its points: (points, channels)."""
        if self.basis.kind == "closed-form":
            return np.asarray(np.einsum("pk,pkc->pc", self.table, coefficients[self.record]))
        found = np.empty((coefficients.shape[2], len(self.x)))
        if self.basis.coefficients is None:
            wave_values(*self.waves, np.ascontiguousarray(coefficients), self.record, self.slopes, found)
            return found.T
        own = np.tensordot(coefficients, self.basis.coefficients, (1, 0)).transpose(0, 2, 3, 1)
        t, place, scale = self.inside
        polynomial_values(t, np.ascontiguousarray(own.reshape(-1, *own.shape[2:])), place, self.slopes, found)
        return np.asarray((found * scale).T)


def _starts(place: Array) -> Array:
    """Where another place begins."""
    return np.flatnonzero(np.append(True, place[1:] != place[:-1]))


def _run(p: int, place: Array) -> int:
    """How many points from p on are worked on together: they are of one place."""
    m = 1
    while m < BATCH and p + m < len(place) and place[p + m] == place[p]:
        m += 1
    return m


def _begin(p: int, t: Array, place: Array, work: Array) -> int:
    """Set the rows of ``work`` to P_0 at points from p on; how many these are, which are of one place."""
    m: int = run(p, place)
    for i in range(m):
        work[i] = abs(t[p + i]) - 1.0
        work[SIGN + i] = 1.0 if t[p + i] >= 0 else -1.0
    for i in range(m, BATCH):
        work[i] = work[SIGN + i] = 0.0
    for i in range(BATCH):
        work[STEP + i], work[VALUE + i], work[BEFORE + i], work[SLOPE + i] = 0.0, 1.0, 0.0, 0.0
    return m


def _advance(k: int, slopes: bool, work: Array) -> None:
    """P_k → P_{k+1} at |t|, as ``legendre`` forms them, and P_k' → P_{k+1}' where slopes are wanted."""
    if slopes:
        for i in range(BATCH):
            raised = work[BEFORE + i] + (2 * k + 1) * work[VALUE + i]
            work[BEFORE + i] = work[SLOPE + i]
            work[SLOPE + i] = raised
    old, new = k / (k + 1), (2 * k + 1) / (k + 1)
    for i in range(BATCH):
        work[STEP + i] = old * work[STEP + i] + new * work[i] * work[VALUE + i]
        work[VALUE + i] += work[STEP + i]


def _add_up(t: Array, values: Array, place: Array, slopes: bool, sums: Array) -> None:
    """sums (places, degree + 1, channels): Σ P_k(t) values (channels, points) over the points of every place."""
    channels = len(values)
    work = np.empty(ROWS + 2 * BATCH * channels)  # behind the rows: of every channel the values, then times the signs
    p = 0
    while p < len(t):
        m = begin(p, t, place, work)
        for c in range(channels):
            even = ROWS + 2 * BATCH * c
            for i in range(BATCH):
                given = values[c, p + i] if i < m else 0.0
                work[even + i], work[even + BATCH + i] = given, work[SIGN + i] * given
        for k in range(sums.shape[1]):
            if k > 0:
                advance(k - 1, slopes, work)
            for c in range(channels):
                counted = ROWS + 2 * BATCH * c + (k + slopes) % 2 * BATCH
                total = 0.0
                if slopes:
                    for i in range(m):
                        total += work[SLOPE + i] * work[counted + i]
                else:
                    for i in range(m):  # not BATCH, of which a chain of sums is made instead of a sum of vectors
                        total += work[VALUE + i] * work[counted + i]
                sums[place[p], k, c] += total
        p += m


def _combine(t: Array, own: Array, place: Array, slopes: bool, found: Array) -> None:
    """found (channels, points): Σ P_k(t) own, the coefficients of a point's place (places, degree + 1, channels)."""
    channels = len(found)
    work = np.empty(ROWS + 2 * BATCH * channels)  # behind the rows: of every channel the sums for even and odd P_k
    p = 0
    while p < len(t):
        m = begin(p, t, place, work)
        work[ROWS:] = 0.0
        for k in range(own.shape[1]):
            if k > 0:
                advance(k - 1, slopes, work)
            for c in range(channels):
                factor, counted = own[place[p], k, c], ROWS + 2 * BATCH * c + (k + slopes) % 2 * BATCH
                if slopes:
                    for i in range(BATCH):
                        work[counted + i] += work[SLOPE + i] * factor
                else:
                    for i in range(BATCH):
                        work[counted + i] += work[VALUE + i] * factor
        for c in range(channels):
            even = ROWS + 2 * BATCH * c
            for i in range(m):
                found[c, p + i] = work[even + i] + work[SIGN + i] * work[even + BATCH + i]
        p += m


def _turn(work: Array, p: int, m: int, cosine: Array, sine: Array) -> None:
    """The next cosines and sines: those of the angles' multiples, by one turn more."""
    for i in range(m):
        c, s = work[i], work[BATCH + i]
        work[i] = c * cosine[p + i] - s * sine[p + i]
        work[BATCH + i] = s * cosine[p + i] + c * sine[p + i]


def _add_waves(
    cosine: Array, sine: Array, frequency: float, values: Array, place: Array, slopes: bool, sums: Array
) -> None:
    """sums (places, size, channels): Σ of 1, cos, sin, cos 2 … times values (channels, points) over places' points."""
    work = np.empty(2 * BATCH)
    p = 0
    while p < len(place):
        m = run(p, place)
        for i in range(m):
            work[i], work[BATCH + i] = 1.0, 0.0
        if not slopes:
            for c in range(len(values)):
                for i in range(m):
                    sums[place[p], 0, c] += values[c, p + i]
        for k in range(1, (sums.shape[1] + 1) // 2):
            turn(work, p, m, cosine, sine)
            for c in range(len(values)):
                even, odd = 0.0, 0.0
                for i in range(m):
                    even += work[i] * values[c, p + i]
                    odd += work[BATCH + i] * values[c, p + i]
                if slopes:
                    even, odd = -k * frequency * odd, k * frequency * even
                sums[place[p], 2 * k - 1, c] += even
                sums[place[p], 2 * k, c] += odd
        p += m


def _combine_waves(
    cosine: Array, sine: Array, frequency: float, own: Array, place: Array, slopes: bool, found: Array
) -> None:
    """found (channels, points): Σ of 1, cos, sin, cos 2 … times the coefficients of a point's place."""
    work = np.empty(2 * BATCH)
    p = 0
    while p < len(place):
        m = run(p, place)
        for i in range(m):
            work[i], work[BATCH + i] = 1.0, 0.0
            for c in range(len(found)):
                found[c, p + i] = 0.0 if slopes else own[place[p], 0, c]
        for k in range(1, (own.shape[1] + 1) // 2):
            turn(work, p, m, cosine, sine)
            for c in range(len(found)):
                even, odd = own[place[p], 2 * k - 1, c], own[place[p], 2 * k, c]
                if slopes:
                    even, odd = k * frequency * odd, -k * frequency * even
                for i in range(m):
                    found[c, p + i] += even * work[i] + odd * work[BATCH + i]
        p += m


ORDER = {"reassoc", "contract", "nsz"}  # sums in the order that the processor's vectors have
run, begin = jit(_run, nogil=True), jit(_begin, nogil=True)
advance, turn = jit(_advance, nogil=True, fastmath=ORDER), jit(_turn, nogil=True, fastmath=ORDER)
polynomial_sums, polynomial_values = (jit(f, nogil=True, fastmath=ORDER) for f in (_add_up, _combine))
wave_sums, wave_values = (jit(f, nogil=True, fastmath=ORDER) for f in (_add_waves, _combine_waves))


def projected(basis: Basis, mass: Array, xi: Array, offsets: Array, x: Array, periodic: bool) -> Array:
    """The coefficients of records' L2 projections (records, size, channels), for interpolant "linear".

    xi: checked points (total,); offsets: where each record begins (records + 1,); x: samples (total, channels).
    """
    parts, count = segments(xi, "linear", periodic, offsets).cut(basis.smooth), len(offsets) - 1
    middle, half = _ends(parts, x)
    counts = counts_for_lines(basis, parts.left, parts.right)
    each = np.repeat(np.arange(len(counts)), counts)
    s, w = nodes(counts)
    length = (parts.right - parts.left) / 2
    points = ((parts.left + parts.right) / 2)[each] + length[each] * s
    cells, _ = cell_of(basis, parts.left, parts.right)
    local = _Local(basis, points, cells[each], parts.record[each], count)
    loads = local.sums((w * length[each])[:, None] * (middle[each] + half[each] * s[:, None]))
    diagonal = positive_diagonal(mass)
    if diagonal is not None:
        return np.asarray(loads / diagonal[:, None])
    flat = loads.swapaxes(0, 1)
    return np.asarray(cho_solve(cho_factor(mass), flat.reshape(basis.size, -1)).reshape(flat.shape).swapaxes(0, 1))


def _ends(parts: Segments, x: Array) -> tuple[Array, Array]:
    """The interpolants in the middle of every interval, and how far they rise from there to its right end."""
    middle, rise = (a[:, None] for a in parts.lines())
    first = x[parts.first]
    difference = x[parts.last] - first
    return first + middle * difference, rise * difference


def nearest(
    basis: Basis, orthonormal: Array, norms: Array | None, xi: Array, offsets: Array, x: Array, periodic: bool
) -> tuple[Array, Array]:
    """The functions that are nearest to records' piecewise-linear interpolants, in coordinates (records, n, channels),

    and the squares of their distances (records, channels). orthonormal: (size, n), the functions that coordinates
    count; norms: their squares in H1 (n,), where that is the norm, and None for L2. Exact as
    ``sampled_records.compared`` is.
    """
    parts = segments(xi, "linear", periodic, offsets).cut(basis.smooth)
    cells, _ = cell_of(basis, parts.left, parts.right)
    counts = np.maximum(degrees(basis, parts.left, parts.right), 1) + 1
    each = np.repeat(np.arange(len(counts)), counts)
    s, w = nodes(counts)
    half = ((parts.right - parts.left) / 2)[each]
    points = parts.left[each] + half * (1 + s)
    weight, record = (half * w)[:, None], parts.record[each]
    middle, rise = _ends(parts, x)
    seen = [(_Local(basis, points, cells[each], record, len(offsets) - 1), middle[each] + rise[each] * s[:, None])]
    if norms is not None:
        steep = (x[parts.last] - x[parts.first]) / (parts.stop - parts.start)[:, None]
        seen.append((_Local(basis, points, cells[each], record, len(offsets) - 1, True), steep[each]))
    scale = np.ones((1, 1)) if norms is None else norms[:, None]
    found = orthonormal.T @ sum(local.sums(weight * values) for local, values in seen) / scale
    gaps = [weight * (values - local.values(orthonormal @ found)) ** 2 for local, values in seen]
    return np.sqrt(scale) * found, np.add.reduceat(sum(gaps), _starts(record), axis=0)


def at_points(basis: Basis, coefficients: Array, xi: Array, offsets: Array) -> Array:
    """Functions with coefficients (records, size, channels) at every record's points xi (total,): (total, channels)."""
    count = np.diff(offsets)
    cells = np.zeros(len(xi), dtype=np.int64) if basis.coefficients is None else cells_at(basis, xi)
    return _Local(basis, xi, cells, np.repeat(np.arange(len(count)), count), len(count)).values(coefficients)
