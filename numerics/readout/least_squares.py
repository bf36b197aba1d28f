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
    whole = _orthonormal(u) / np.sqrt(total)
    errors = np.zeros(len(ridges))
    for part in reduced.parts():
        left = part.targets - u @ free
        for k, hat in enumerate(hats):
            gaps = left - part.columns @ (hat[:, None] * loads)
            gaps = _without_own(gaps, part.columns, whole, hat, part.weights)
            errors[k] += float(part.weights @ np.sum(gaps**2, axis=(1, 2)))
    best = int(np.argmin(errors))
    return hats[best][:, None] * loads, free, float(reduced.penalties[best]), float(errors[best] / count)


def _loads(reduced: Reduced) -> tuple[Array, Array]:
    """Σ w t / Σ w (rows, outputs), and Σ w Zᵀ t (r, outputs) of the reduced columns Z, to which U is orthogonal."""
    rows, outputs = len(reduced.design.constants), reduced.design.outputs
    mean, loads = np.zeros((rows, outputs)), np.zeros((len(reduced.squares), outputs))
    for part in reduced.parts():
        mean += np.tensordot(part.weights, part.targets, 1)
        weighted = part.targets * part.weights[:, None, None]
        loads += part.columns.reshape(-1, len(loads)).T @ weighted.reshape(-1, outputs)
    return mean / reduced.total, loads


def _orthonormal(u: Array) -> Array:
    """An orthonormal basis (rows, rank) of what the constants reach."""
    left, values, _ = np.linalg.svd(u, full_matrices=False)
    return np.asarray(left[:, values > 1e-12 * values[0]])


def _without_own(gaps: Array, z: Array, whole: Array, hat: Array, weights: Array) -> Array:
    """t − z with the readout that does not know the record, (I − H)⁻¹ gaps (records, rows, outputs).

    H = w S diag(d) Sᵀ is the record's block of the hat matrix, S = [U Z] (rows, k); solved in its rows or, by
    Woodbury's identity, in its columns, whichever are fewer.
    """
    s = np.concatenate([np.broadcast_to(whole, (len(z), *whole.shape)), z], axis=2)
    d = np.concatenate([np.ones(whole.shape[1]), hat])
    w = weights[:, None, None]
    _, rows, columns = s.shape
    st = s.swapaxes(1, 2)
    if rows <= columns:
        return np.asarray(np.linalg.solve(np.eye(rows) - w * ((s * d) @ st), gaps))
    inner = np.linalg.solve(np.diag(1 / d) - w * (st @ s), st @ gaps)
    return np.asarray(gaps + w * (s @ inner))
