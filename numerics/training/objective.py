"""The loss of some records as a function of a level's coordinates, and what it has cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared
from numerics.readout.solve import READOUT, solve_readout
from numerics.training import optimisers
from numerics.training.job import Job
from numerics.training.optimisers.state import PRODUCT

Penalised = Callable[[np.ndarray], tuple[float, np.ndarray]]


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

    def solved(self, vector: np.ndarray) -> tuple[np.ndarray, Penalised, Mapping[str, float]]:
        """The coordinates with the readout that all records and their versions determine, all others as they are.

        Then the objective with the penalty that was chosen, and what is to be said of it.
        """
        prepared, versions = self.job.versions
        solved = solve_readout(self.job.model.with_coordinates(vector), prepared, versions)
        self.flops += self.job.flops(len(prepared), 2)  # at most: one is a forward sweep, with sums over the records
        found, coordinates = vector.copy(), solved.model.coordinates
        for block in solved.model.blocks:
            if block.name in READOUT:
                found[block.part] = coordinates[block.part]
        return found, partial(solved.penalised.objective, prepared), solved.facts
