"""L-BFGS: the two-loop recursion in the L2 inner product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from numerics.training.optimisers.line_search import Trial, line_search
from numerics.training.optimisers.state import (
    ROUNDING,
    Arrays,
    Blocks,
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
    inner,
    tried,
)

PAIRS = 10  # of steps and gradient differences that L-BFGS remembers


@dataclass(frozen=True, eq=False)
class Lbfgs:
    """L-BFGS: the two-loop recursion in the L2 inner product, with a strong-Wolfe line search.

    Needs the whole data at every step. learning_rate is the L2 length of the first trial step; after that the
    curvature sets it. steps, changes: the last pairs (s, y); value, gradient: at the present vector, when known.
    """

    blocks: Blocks
    learning_rate: float
    steps: tuple[Vector, ...]
    changes: tuple[Vector, ...]
    value: float | None
    gradient: Vector | None

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        evaluations = 0

        def line(direction: Vector) -> Callable[[float], Trial]:
            def trial(t: float) -> Trial:
                nonlocal evaluations
                evaluations += 1
                value, gradient = tried(objective, vector + t * direction)
                if not (math.isfinite(value) and np.isfinite(gradient).all()):
                    return Trial(t, math.inf, math.inf, gradient)
                return Trial(t, value, inner(gradient, direction), gradient)

            return trial

        value, gradient = self.value, self.gradient
        if value is None or gradient is None:
            value, gradient = evaluated(objective, vector, self.blocks)
            evaluations = 1
        norm = math.sqrt(inner(gradient, gradient))
        state = replace(self, value=value, gradient=gradient)
        if norm == 0:
            return state, vector, Info(value, norm, 0.0, evaluations, "the gradient is zero")
        found = None
        if self.steps:
            direction = two_loop(gradient, self.steps, self.changes)
            slope = inner(gradient, direction)
            if 0 <= -slope <= ROUNDING * abs(value):
                return state, vector, Info(value, norm, 0.0, evaluations, "no decrease above rounding is left")
            if slope < 0:
                found = line_search(line(direction), Trial(0.0, value, slope, gradient), 1.0)
        if found is None:  # without pairs, or with pairs that mislead: the gradient alone
            state = replace(state, steps=(), changes=())
            direction = -gradient
            first = self.learning_rate / norm
            found = line_search(line(direction), Trial(0.0, value, -(norm**2), gradient), first)
        if found is None:
            return state, vector, Info(value, norm, 0.0, evaluations, "no step lowers the loss")
        moved, change = found.step * direction, found.gradient - gradient
        info = Info(value, norm, math.sqrt(inner(moved, moved)), evaluations)
        return state._advanced(moved, change, found), finite(vector + moved, self.blocks), info

    def _advanced(self, moved: Vector, change: Vector, found: Trial) -> Lbfgs:
        """The state at the new point; a pair without positive curvature would spoil the recursion and is left out."""
        steps, changes = self.steps, self.changes
        if _curved(moved, change):
            steps, changes = (*steps, moved)[-PAIRS:], (*changes, change)[-PAIRS:]
        return replace(self, steps=steps, changes=changes, value=found.value, gradient=found.gradient)

    def moved(self, move: Move, plan: Plan) -> Lbfgs:
        """The pairs that curve upwards there, too."""
        pairs = [(move(s), move(y)) for s, y in zip(self.steps, self.changes)]
        kept = [pair for pair in pairs if _curved(*pair)]
        steps, changes = tuple(s for s, _ in kept), tuple(y for _, y in kept)
        return Lbfgs(plan.blocks, self.learning_rate, steps, changes, None, None)

    def to_arrays(self) -> Arrays:
        size = self.blocks[-1].part.stop
        found = {
            "steps": np.reshape(self.steps, (len(self.steps), size)),
            "changes": np.reshape(self.changes, (len(self.changes), size)),
        }
        if self.value is not None and self.gradient is not None:
            found |= {"value": np.array(self.value), "gradient": self.gradient}
        return found

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Lbfgs:
        size = self.blocks[-1].part.stop
        pairs = len(arrays["steps"]) if "steps" in arrays else 0
        shapes: dict[str, tuple[int, ...]] = {"steps": (pairs, size), "changes": (pairs, size)}
        known = "value" in arrays
        check_arrays(arrays, shapes | ({"value": (), "gradient": (size,)} if known else {}))
        return replace(
            self,
            steps=tuple(arrays["steps"]),
            changes=tuple(arrays["changes"]),
            value=float(arrays["value"]) if known else None,
            gradient=arrays["gradient"] if known else None,
        )


def _curved(step: Vector, change: Vector) -> bool:
    """Whether a pair has a curvature above rounding."""
    return inner(step, change) > ROUNDING * inner(change, change)


def two_loop(gradient: Vector, steps: tuple[Vector, ...], changes: tuple[Vector, ...]) -> Vector:
    """−H g with the inverse Hessian H of the pairs, its first guess ⟨s, y⟩/⟨y, y⟩ of the last pair."""
    direction, room = -gradient, np.empty_like(gradient)
    curvatures = [inner(s, y) for s, y in zip(steps, changes)]
    factors = []
    for s, y, curvature in zip(reversed(steps), reversed(changes), reversed(curvatures)):
        factor = inner(s, direction) / curvature
        factors.append(factor)
        direction -= np.multiply(y, factor, out=room)
    direction *= curvatures[-1] / inner(changes[-1], changes[-1])
    for s, y, factor, curvature in zip(steps, changes, reversed(factors), curvatures):
        direction += np.multiply(s, factor - inner(y, direction) / curvature, out=room)
    return direction


def _start(plan: Plan) -> State:
    return Lbfgs(plan.blocks, plan.options.learning_rate, (), (), None, None)


OPTIMISER = Optimiser(_start, vectors=30, whole_data=True)
