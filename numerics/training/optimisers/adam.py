"""Adam with one second moment a field, so that its steps do not depend on the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from numerics.training.optimisers.state import (
    Arrays,
    Info,
    Objective,
    Optimiser,
    Plan,
    State,
    Vector,
    check_arrays,
    evaluated,
    stepped,
)

FIRST_DECAY, FLOOR = 0.9, 1e-8  # Adam's usual constants; the floor bounds its quotient
COORDINATE_DECAY = 0.999  # of a coordinate's second moment, as usual
FIELD_DECAY = 0.95  # ‖g‖² averages over a whole field; remembering large early gradients would only shorten steps


@dataclass(frozen=True, eq=False)
class Adam:
    """Adam, its rate following a schedule over the planned steps.

    With one second moment a field, the mean of ‖g‖² in L2, a step moves each field by an L2 length of about the
    learning rate, never more than 1.2 times it and in the first step exactly it, on every mesh: refining a field
    does not change its steps.
    ``coordinatewise`` keeps one second moment a coordinate, as usual; then a step depends on the mesh, the length
    of the first one growing like the square root of the number of coefficients.

    moment: (n,), second: (fields,) or (n,); count: steps done.  weight_decay: λ of c ← (1 − rate · λ) c, beside the
    step (Loshchilov and Hutter, 2019); in these coordinates it shrinks the fields' L2 norms alike on every mesh.
    """

    plan: Plan
    coordinatewise: bool
    moment: Vector
    second: Vector
    count: int

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = evaluated(objective, vector, self.plan.blocks)
        count, room = self.count + 1, np.square(gradient)  # long vectors: what is no longer needed is written over
        decay = COORDINATE_DECAY if self.coordinatewise else FIELD_DECAY
        square = room if self.coordinatewise else np.array([np.sum(room[part]) for _, part in self.plan.blocks])
        square *= 1 - decay
        second = decay * self.second
        second += square
        scale = np.sqrt(second / (1 - decay**count)) + FLOOR
        moment = FIRST_DECAY * self.moment
        moment += np.multiply(gradient, 1 - FIRST_DECAY, out=room)
        length = self.plan.rate(self.count)
        change = np.multiply(moment, -length / (1 - FIRST_DECAY**count), out=room)
        if self.coordinatewise:
            change /= scale
        else:
            for own, (_, part) in zip(scale, self.plan.blocks):
                change[part] /= own
        if self.plan.options.weight_decay:
            change -= length * self.plan.options.weight_decay * vector
        state = replace(self, moment=moment, second=second, count=count)
        return state, *stepped(vector, change, value, gradient, self.plan.blocks)

    def to_arrays(self) -> Arrays:
        return {"moment": self.moment, "second": self.second, "count": np.array(self.count)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Adam:
        check_arrays(arrays, {"moment": self.moment.shape, "second": self.second.shape, "count": ()})
        return replace(self, moment=arrays["moment"], second=arrays["second"], count=int(arrays["count"]))


def start(plan: Plan, coordinatewise: bool = False) -> State:
    """Adam before its first step."""
    second = np.zeros(plan.size if coordinatewise else len(plan.blocks))
    return Adam(plan, coordinatewise, np.zeros(plan.size), second, 0)


OPTIMISER = Optimiser(start)
