"""Linear algebra on arrays of coefficients, one axis a basis."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def positive_diagonal(matrix: Array) -> Array | None:
    """The diagonal (n,) of a diagonal matrix with positive entries there; None for any other."""
    diagonal = np.diag(matrix)
    alone = np.count_nonzero(matrix) == np.count_nonzero(diagonal) and bool((diagonal > 0).all())
    return diagonal if alone else None


def along(matrix: Array, values: Array, axis: int) -> Array:
    """A matrix applied along one axis of an array."""
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
