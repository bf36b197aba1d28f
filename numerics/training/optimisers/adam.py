"""Adam with one second moment a field, so that its steps do not depend on the mesh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from numerics.training.optimisers.state import (
    Arrays,
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
    finite,
)
from numerics.training.optimisers.vectors import FIRST_DECAY, FLOOR, adam_of_coordinates, adam_of_field

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

    def numbers(self, done: int) -> tuple[float, float, float, float]:
        """Of the step after so many: the second moment's decay, and what its text in ``vectors`` says of the rest."""
        count, rate = done + 1, self.plan.rate(done)
        decay = COORDINATE_DECAY if self.coordinatewise else FIELD_DECAY
        return decay, 1 / (1 - decay**count), rate / (1 - FIRST_DECAY**count), rate * self.plan.options.weight_decay

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = evaluated(objective, vector, self.plan.blocks)
        count, numbers = self.count + 1, self.numbers(self.count)
        moment, second, moved = (np.empty(len(a)) for a in (self.moment, self.second, vector))
        square, way = 0.0, 0.0
        for n, part in enumerate([slice(None)] if self.coordinatewise else [own.part for own in self.plan.blocks]):
            one, update = (part, adam_of_coordinates) if self.coordinatewise else (slice(n, n + 1), adam_of_field)
            new = moment[part], second[one], moved[part]
            found = update(gradient[part], vector[part], *numbers, self.moment[part], self.second[one], new)
            square, way = square + found[0], way + found[1]
        state = replace(self, moment=moment, second=second, count=count)
        info = Info(value, math.sqrt(square), math.sqrt(way), 1)
        return state, finite(moved, self.plan.blocks), info

    def moved(self, move: Move, plan: Plan) -> Adam:
        """Moments are functions; second moments of coordinates variances, which projecting independent ones adds."""
        second = move.of_squares(self.second) if self.coordinatewise else self.second
        return replace(self, plan=plan, moment=move(self.moment), second=second)

    def to_arrays(self) -> Arrays:
        return {"moment": self.moment, "second": self.second, "count": np.array(self.count)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Adam:
        check_arrays(arrays, {"moment": self.moment.shape, "second": self.second.shape, "count": ()})
        return replace(self, moment=arrays["moment"], second=arrays["second"], count=int(arrays["count"]))


def start(plan: Plan, coordinatewise: bool = False) -> State:
    """Adam before its first step."""
    second = np.zeros(plan.size if coordinatewise else len(plan.blocks))
    return Adam(plan, coordinatewise, np.zeros(plan.size), second, 0)


def on_device(state: Adam, device: Device, ahead: int) -> None:
    """The step after ``ahead`` more than the state has done, with its arrays on a GPU."""
    decay, unbiased, length, shrink = state.numbers(state.count + ahead)
    moment, second, chunks = device.arrays["moment"], device.arrays["second"], device.chunks
    if state.coordinatewise:
        given = device.gradient, moment, second, device.vector
        own = FIRST_DECAY, decay, unbiased, length, shrink, FLOOR
        device.run("adam_of_coordinates", device.size, *own, *given)
        return
    device.squares(device.gradient, device.partial)
    numbers = decay, unbiased, length, FLOOR
    device.run_rows("adam_lengths", 1, chunks, device.partial, *numbers, second, device.scales)
    own = device.scales, FIRST_DECAY, shrink, device.gradient, moment, device.vector
    device.run_rows("adam_of_fields", len(chunks), chunks, *own)


OPTIMISER = Optimiser(start, on_device=on_device)
