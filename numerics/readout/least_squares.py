"""Ridge regression onto numbers or functions, its penalty by leaving every record out once, exactly."""

from __future__ import annotations

import numpy as np

from numerics.readout.reduced import Reduced

Array = np.ndarray


def solve(reduced: Reduced) -> tuple[Array, Array, float, float]:
    """What minimises the mean of |z − t|² + penalty · ‖R, Q‖²: along (r, outputs) and free (constants, outputs).

    Then the penalty, and the mean squared distance of a record from what all others say of it.
    """
    u, total = reduced.design.constants, reduced.total
    mean, loads = _loads(reduced)
    free = np.linalg.pinv(u) @ mean
    count = len(reduced.design.prepared)
    ridges = reduced.penalties * count
    hats = 1 / (reduced.squares + ridges[:, None])  # of every ridge, what takes loads to the solution
    together = reduced.design.versions * len(u)  # rows that are left out at once
    whole = np.tile(_orthonormal(u) / np.sqrt(total), (reduced.design.versions, 1))
    errors = np.zeros(len(ridges))
    for part in reduced.parts():
        left, weights = part.targets - u @ free, np.repeat(part.weights, len(u)).reshape(-1, together)
        own = part.columns.reshape(len(weights), together, len(loads))
        for k, hat in enumerate(hats):
            gaps = (left - part.columns @ (hat[:, None] * loads)).reshape(-1, together, left.shape[2])
            gaps = _without_own(gaps, own, whole, hat, weights)
            errors[k] += float(np.sum(weights[:, :, None] * gaps**2))
    best = int(np.argmin(errors))
    return hats[best][:, None] * loads, free, float(reduced.penalties[best]), float(errors[best] / count)


def _loads(reduced: Reduced) -> tuple[Array, Array]:
    """Σ w t / Σ w (rows, outputs), and Σ w Zᵀ t (r, outputs) of the reduced columns Z, to which U is orthogonal."""
    rows, outputs = len(reduced.design.constants), reduced.design.outputs
    mean, loads = np.zeros((rows, outputs)), np.zeros((len(reduced.squares), outputs))
    for part in reduced.parts():
        mean += np.tensordot(part.weights, part.targets, 1)
        weighted = part.targets * part.weights[:, None, None]
        loads += part.columns.reshape(len(part.weights) * rows, len(loads)).T @ weighted.reshape(-1, outputs)
    return mean / reduced.total, loads


def _orthonormal(u: Array) -> Array:
    """An orthonormal basis (rows, rank) of what the constants reach."""
    left, values, _ = np.linalg.svd(u, full_matrices=False)
    return np.asarray(left[:, values > 1e-12 * values[0]])


def _without_own(gaps: Array, z: Array, whole: Array, hat: Array, weights: Array) -> Array:
    """t − z with the readout that does not know the record, (I − H)⁻¹ gaps (records, rows, outputs).

    H = S diag(d) Sᵀ W is the record's block of the hat matrix, with those of its versions, S = [U Z] (rows, k) and W
    the weights (records, rows); solved in its rows or, by Woodbury's identity, in its columns, whichever are fewer.
    """
    s = np.concatenate([np.broadcast_to(whole, (len(z), *whole.shape)), z], axis=2)
    d = np.concatenate([np.ones(whole.shape[1]), hat])
    _, rows, columns = s.shape
    st = s.swapaxes(1, 2) * weights[:, None]
    if rows <= columns:
        return np.asarray(np.linalg.solve(np.eye(rows) - (s * d) @ st, gaps))
    inner = np.linalg.solve(np.diag(1 / d) - st @ s, st @ gaps)
    return np.asarray(gaps + s @ inner)
