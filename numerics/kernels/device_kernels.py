"""Kernels for a GPU that no spec changes, beside those of the generated modules: sums, gathers, maps, updates.

Found by this file's path, as generated ones are. Sums are cut in fixed ways, and their order does not depend on the
device. Tables and constants are arguments. What is done to coordinates is done in float64; blocks' sums, weights and
records stay in the model's precision.
"""

from __future__ import annotations

import math

from numba import cuda


def sum_segments(segments, blocks, partial, total):
    """total_e = Σ_p partial_pe of several arrays, by blocks in order. segments: (from, how many, to) of each."""
    for s in range(segments.shape[0]):
        start, size, to = segments[s, 0], segments[s, 1], segments[s, 2]
        for e in range(cuda.grid(1), size, cuda.gridsize(1)):
            value = partial[start + e]
            for p in range(1, blocks):
                value += partial[start + p * size + e]
            total[to + e] = value


def weigh(weights, values):
    """values_ir ← weights_r values_ir, record by record."""
    for e in range(cuda.grid(1), values.shape[0] * values.shape[1], cuda.gridsize(1)):
        a, r = e // values.shape[1], e % values.shape[1]
        values[a, r] = weights[r] * values[a, r]


def picked(source, which, at, offset, target):
    """target_ir = source_i,which(at_0 + offset + r): some of the records."""
    first = int(at[0]) + offset
    for e in range(cuda.grid(1), target.shape[0] * target.shape[1], cuda.gridsize(1)):
        a, r = e // target.shape[1], e % target.shape[1]
        target[a, r] = source[a, which[first + r]]


# --- maps of vectors ------------------------------------------------------------------------------------------


def mapped(rows, which, values, scale, source, target):
    """target_i = scale Σ_e values_e source_which(e): a sparse matrix, a thread a row. rows: (i, from, to) of each."""
    for row in range(cuda.grid(1), rows.shape[0], cuda.gridsize(1)):
        total = 0.0
        for e in range(rows[row, 1], rows[row, 2]):
            total += values[e] * source[which[e]]
        target[rows[row, 0]] = scale * total


def mapped_long(rows, which, values, scale, source, target):
    """The same, a block a row: of rows with many entries."""
    room = cuda.shared.array(1024, values.dtype)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    for row in range(cuda.blockIdx.x, rows.shape[0], cuda.gridDim.x):
        total = 0.0
        for e in range(rows[row, 1] + thread, rows[row, 2], threads):
            total += values[e] * source[which[e]]
        room[thread] = total
        cuda.syncthreads()
        if thread == 0:
            for k in range(1, threads):
                total += room[k]
            target[rows[row, 0]] = scale * total
        cuda.syncthreads()


def along(table, vector, begin, after, size, to):
    """vector[to + bia] = Σ_j table_ij vector[begin + bja]: a matrix along an axis. after, size: of a, of all bia."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        a, i, b = e % after, e // after % table.shape[0], e // (after * table.shape[0])
        total = 0.0
        for j in range(table.shape[1]):
            total += table[i, j] * vector[begin + (b * table.shape[1] + j) * after + a]
        vector[to + e] = total


# --- a step of training ---------------------------------------------------------------------------------------


def placed(at, first, step):
    """at = (first, step): of the records of a step in their order, and of its loss; moved on by ``moved``."""
    if cuda.grid(1) == 0:
        at[0], at[1] = first, step


def moved(at, records):
    """at for the next step, after one with so many records."""
    if cuda.grid(1) == 0:
        at[0], at[1] = at[0] + records, at[1] + 1


def mean_loss(losses, weighted, weights, penalties, at, target):
    """target_at(1) = the mean of the losses, with weights where these are given, and the penalties: one block."""
    room = cuda.shared.array(1024, target.dtype)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    total = 0.0
    for r in range(thread, losses.shape[0], threads):
        total += weights[r] * losses[r] if weighted else losses[r]
    room[thread] = total
    cuda.syncthreads()
    if thread == 0:
        for k in range(1, threads):
            total += room[k]
        total = total / losses.shape[0]
        for k in range(penalties.shape[0]):
            total += penalties[k]
        target[int(at[1])] = total


def squares(chunks, vector, partial):
    """partial_k = Σ v² over the k-th chunk of a vector, a block each. chunks: (from, to, field)."""
    room = cuda.shared.array(1024, vector.dtype)
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    for k in range(cuda.blockIdx.x, chunks.shape[0], cuda.gridDim.x):
        total = 0.0
        for n in range(chunks[k, 0] + thread, chunks[k, 1], threads):
            total += vector[n] * vector[n]
        room[thread] = total
        cuda.syncthreads()
        if thread == 0:
            for j in range(1, threads):
                total += room[j]
            partial[k] = total
        cuda.syncthreads()


def penalised(chunks, rates, partial, vector, gradient):
    """Of the penalties rate ‖field‖²: the slope 2 rate v joins the gradient, partial_k = Σ v² becomes rate Σ v²."""
    for k in range(cuda.blockIdx.x, chunks.shape[0], cuda.gridDim.x):
        rate = rates[chunks[k, 2]]
        if cuda.threadIdx.x == 0:
            partial[k] = rate * partial[k]
        for n in range(chunks[k, 0] + cuda.threadIdx.x, chunks[k, 1], cuda.blockDim.x):
            gradient[n] += 2.0 * rate * vector[n]


def shortened(partial, longest, vector):
    """A vector, shortened to a norm of ``longest`` where it is longer. partial: of the sum of its squares."""
    total = 0.0
    for k in range(partial.shape[0]):
        total += partial[k]
    norm = math.sqrt(total)
    if norm > longest:
        for n in range(cuda.grid(1), vector.shape[0], cuda.gridsize(1)):
            vector[n] = vector[n] * (longest / norm)


def averaged(share, vector, average):
    """average ← (1 − share) average + share vector."""
    for n in range(cuda.grid(1), vector.shape[0], cuda.gridsize(1)):
        average[n] = (1.0 - share) * average[n] + share * vector[n]


# --- what optimisers do ---------------------------------------------------------------------------------------


def descended(rate, gradient, vector):
    """vector ← vector − rate gradient."""
    for n in range(cuda.grid(1), vector.shape[0], cuda.gridsize(1)):
        vector[n] = vector[n] - rate * gradient[n]


def adam_lengths(chunks, partial, decay, unbiased, length, floor, second, scales):
    """Every field's second moment with the squares of its gradient, and what its first moment is multiplied by.

    One thread.
    """
    if cuda.grid(1) == 0:
        for f in range(second.shape[0]):
            square = 0.0
            for k in range(chunks.shape[0]):
                if chunks[k, 2] == f:
                    square += partial[k]
            second[f] = decay * second[f] + (1.0 - decay) * square
            scales[f] = length / (math.sqrt(unbiased * second[f]) + floor)


def adam_of_fields(chunks, scales, decay, shrink, gradient, moment, vector):
    """Adam's step with one second moment a field. decay: of the first moment."""
    for k in range(cuda.blockIdx.x, chunks.shape[0], cuda.gridDim.x):
        scale = scales[chunks[k, 2]]
        for n in range(chunks[k, 0] + cuda.threadIdx.x, chunks[k, 1], cuda.blockDim.x):
            moment[n] = decay * moment[n] + (1.0 - decay) * gradient[n]
            vector[n] = vector[n] - scale * moment[n] - shrink * vector[n]


def adam_of_coordinates(first, decay, unbiased, length, shrink, floor, gradient, moment, second, vector):
    """Adam's step with one second moment a coordinate. first, decay: of the first and the second moment."""
    for n in range(cuda.grid(1), vector.shape[0], cuda.gridsize(1)):
        g = gradient[n]
        moment[n] = first * moment[n] + (1.0 - first) * g
        second[n] = decay * second[n] + (1.0 - decay) * (g * g)
        vector[n] = vector[n] - length * moment[n] / (math.sqrt(unbiased * second[n]) + floor) - shrink * vector[n]


# --- samples and answers --------------------------------------------------------------------------------------


def affine_in(matrix, offset, source, target):
    """target_ir = offset_i + Σ_j matrix_ji source_rj: records as users have them → as kernels do."""
    for e in range(cuda.grid(1), target.shape[0] * target.shape[1], cuda.gridsize(1)):
        i, r = e % target.shape[0], e // target.shape[0]
        total = offset[i]
        for j in range(matrix.shape[0]):
            total += matrix[j, i] * source[r, j]
        target[i, r] = total


def affine_out(matrix, offset, source, target):
    """target_ri = offset_i + Σ_j matrix_ji source_jr: what kernels make of records → as users have it."""
    for e in range(cuda.grid(1), target.shape[0] * target.shape[1], cuda.gridsize(1)):
        i, r = e % target.shape[1], e // target.shape[1]
        total = offset[i]
        for j in range(matrix.shape[0]):
            total += matrix[j, i] * source[j, r]
        target[r, i] = total
