"""Kernels for a GPU that no spec changes, beside those of the generated modules: sums, gathers, maps, updates.

Found by this file's path, as generated ones are. Sums are cut in fixed ways and added in order: equal bits on every
device. Tables and constants are arguments; what is summed is summed in float64.
"""

from __future__ import annotations

from numba import cuda


def sum_segments(segments, blocks, partial, total):  # type: ignore[no-untyped-def]
    """total_e = Σ_p partial_pe of several arrays, by blocks in order. segments: (from, how many, to) of each."""
    for s in range(segments.shape[0]):
        start, size, to = segments[s, 0], segments[s, 1], segments[s, 2]
        for e in range(cuda.grid(1), size, cuda.gridsize(1)):
            value = partial[start + e]
            for p in range(1, blocks):
                value += partial[start + p * size + e]
            total[to + e] = value


def weigh(weights, values):  # type: ignore[no-untyped-def]
    """values_ir ← weights_r values_ir, record by record."""
    for e in range(cuda.grid(1), values.shape[0] * values.shape[1], cuda.gridsize(1)):
        a, r = e // values.shape[1], e % values.shape[1]
        values[a, r] = weights[r] * values[a, r]


def picked(source, which, first, target):  # type: ignore[no-untyped-def]
    """target_ir = source_i,which(first + r): some of the records."""
    for e in range(cuda.grid(1), target.shape[0] * target.shape[1], cuda.gridsize(1)):
        a, r = e // target.shape[1], e % target.shape[1]
        target[a, r] = source[a, which[first + r]]
