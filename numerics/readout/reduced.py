"""A readout's columns without what its constants explain, along their principal directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from numerics.readout.design import Design, Part

Array = np.ndarray

NEGLIGIBLE = 1e-13  # part of the largest squared singular value below which a direction is rounding
ROUNDING = 1e-29  # part of the columns' own squares that is left of columns which are alike in all records
PENALTIES = np.logspace(1, -10, 23)  # that are tried, over the largest squared singular value


@dataclass(frozen=True, eq=False)
class Reduced:
    """(X − U B) V for all records, by an eigendecomposition of Σ w (X − U B)ᵀ(X − U B) = V diag(squares) Vᵀ.

    explained: B (constants, slopes), which leaves columns orthogonal to the constants; directions: V (slopes, r);
    squares (r,), descending, none where the constants explain all; total: Σ w, the number of records where weights
    have the mean 1.
    """

    design: Design
    explained: Array
    directions: Array
    squares: Array
    total: float

    def parts(self) -> Iterator[Part]:
        """As the design's, columns along the directions (records, rows, r)."""
        for part in self.design.parts():
            yield Part(self._along(part.columns), part.targets, part.weights)

    def _along(self, columns: Array) -> Array:
        centred = columns - self.design.constants @ self.explained
        along = centred.reshape(-1, centred.shape[2]) @ self.directions
        return np.asarray(along.reshape(*centred.shape[:2], len(self.squares)))

    @property
    def penalties(self) -> Array:
        """Those that are tried, in the metric of the fields, over the mean of the records; descending."""
        grid = PENALTIES * (self.squares[0] if len(self.squares) else 1.0) / len(self.design.prepared)
        return np.unique(np.maximum(grid, self.design.least))[::-1]

    def coordinates(self, along: Array, free: Array) -> tuple[Array, Array]:
        """Slopes and constants of a solution (r, outputs) and (constants, outputs) for the reduced columns."""
        slopes = self.directions @ along
        return slopes, free - self.explained @ slopes


def reduced(design: Design) -> Reduced:
    """The reduced columns of a readout."""
    u, total, mean, own = design.constants, 0.0, np.zeros((len(design.constants), design.slopes)), 0.0
    for part in design.parts():
        total += float(part.weights.sum())
        mean += np.tensordot(part.weights, part.columns, 1)
        own += float(part.weights @ np.einsum("nrs,nrs->n", part.columns, part.columns))
    explained = np.linalg.pinv(u) @ (mean / total)
    count, width = len(design.prepared) * len(u), design.slopes
    rows, gram = [], np.zeros((0 if count <= width else width, width))
    for part in design.parts():
        centred = (part.columns - u @ explained) * np.sqrt(part.weights)[:, None, None]
        flat = centred.reshape(-1, width)
        if count <= width:  # few records: their own singular vectors, without the squares of p columns
            rows.append(flat)
        else:
            gram += flat.T @ flat
    if rows:
        _, values, vectors = np.linalg.svd(np.concatenate(rows), full_matrices=False)
        squares, directions = values**2, vectors.T
    else:
        squares, directions = (a[..., ::-1] for a in np.linalg.eigh(gram))
    kept = squares > max(NEGLIGIBLE * squares[0], ROUNDING * own)
    return Reduced(design, explained, np.ascontiguousarray(directions[:, kept]), squares[kept], total)
