"""The readout that minimises the loss, solved for at once; all other fields stay as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.readout.solve import check_solvable
from numerics.training.optimisers.state import (
    Arrays,
    Blocks,
    Info,
    Move,
    Optimiser,
    Plan,
    State,
    Vector,
    check_arrays,
    evaluated,
    inner,
)

VERSIONS = 10  # changed records for every one, where nobody says how many epochs


@dataclass(frozen=True, eq=False)
class Ridge:
    """One step, which ends the run: ridge regression, or its like for the loss; see ``numerics.readout``.

    Of records that epochs change it takes the records themselves and as many changed ones as there are epochs; for the
    penalty a record is left out with all of its own.
    """

    blocks: Blocks

    def step(self, objective: Any, vector: Vector) -> tuple[State, Vector, Info]:
        """objective: has ``solved``, the vector with the best readout and for what. The value is that where it ends."""
        solved, penalised, facts = objective.solved(vector)
        value, gradient = evaluated(penalised, solved, self.blocks)
        norm, length = (math.sqrt(inner(v, v)) for v in (gradient, solved - vector))
        return self, solved, Info(value, norm, length, 1, "the readout is solved for", facts)

    def moved(self, move: Move, plan: Plan) -> Ridge:
        return Ridge(plan.blocks)

    def to_arrays(self) -> Arrays:
        return {}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Ridge:
        check_arrays(arrays, {})
        return self


def _start(plan: Plan) -> State:
    return Ridge(plan.blocks)


OPTIMISER = Optimiser(_start, vectors=2, gradients=2, whole_data=True, versions=VERSIONS, check=check_solvable)
