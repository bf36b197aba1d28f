"""The loss of some records as a function of a level's coordinates, and what it has cost."""

from __future__ import annotations

import numpy as np

from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared
from numerics.readout.solve import READOUT, solve_readout
from numerics.training import optimisers
from numerics.training.job import Job

PRODUCT = 2  # gradients that cost as much as a product with the Gauss–Newton matrix


class Counted:
    """The mean loss of a part of the records with its gradient, clipped where the options say so, and its curvature.

    It counts the floating-point operations, and remembers what it found at the last vector, which must not change.
    """

    def __init__(self, job: Job, part: Prepared) -> None:
        self.job, self.part, self.flops = job, part, 0
        self._last: tuple[np.ndarray, tuple[float, np.ndarray]] | None = None

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        if self._last is None or self._last[0] is not vector:
            value, gradient = self.job.model.objective(self.part, vector)
            clip = self.job.options.clip
            found = value, gradient if clip is None else optimisers.clipped(gradient, clip)
            self.flops += self.job.flops(len(self.part), 1)
            self._last = vector, found
        return self._last[1]

    def curvature(self, vector: np.ndarray) -> optimisers.Product:
        """v → H v, of the Gauss–Newton matrix H at a vector."""
        found = Curvature.of(self.job.model.with_coordinates(vector), self.part)

        def product(direction: np.ndarray) -> np.ndarray:
            self.flops += self.job.flops(len(self.part), PRODUCT)
            return found.product(direction)

        return product

    def solved(self, vector: np.ndarray) -> np.ndarray:
        """The coordinates with the readout that all records and their versions determine, all others as they are."""
        prepared, versions = self.job.versions
        model = solve_readout(self.job.model.with_coordinates(vector), prepared, versions).model
        self.flops += self.job.flops(len(prepared), 1)  # at most: it is a forward sweep, with sums over the records
        found, coordinates = vector.copy(), model.coordinates
        for block in model.blocks:
            if block.name in READOUT:
                found[block.part] = coordinates[block.part]
        return found
