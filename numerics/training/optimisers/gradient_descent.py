"""Gradient descent with a constant rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numerics.training.optimisers.state import (
    Arrays,
    Blocks,
    Device,
    Info,
    Move,
    Objective,
    Optimiser,
    Plan,
    State,
    Vector,
    check_arrays,
    evaluated,
    stepped,
)


@dataclass(frozen=True, eq=False)
class Descent:
    """vector ← vector − learning_rate · g; on uniform P0 fields this is plain SGD on values, with known factors."""

    blocks: Blocks
    learning_rate: float

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = evaluated(objective, vector, self.blocks)
        return self, *stepped(vector, -self.learning_rate * gradient, value, gradient, self.blocks)

    def moved(self, move: Move, plan: Plan) -> Descent:
        return Descent(plan.blocks, self.learning_rate)

    def to_arrays(self) -> Arrays:
        return {}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Descent:
        check_arrays(arrays, {})
        return self


def _start(plan: Plan) -> State:
    return Descent(plan.blocks, plan.options.learning_rate)


def _on_device(state: Descent, device: Device, ahead: int) -> None:
    device.run("descended", device.size, state.learning_rate, device.gradient, device.vector)


OPTIMISER = Optimiser(_start, on_device=_on_device)
