"""MG/OPT in full approximation (Nash, 2000): cycles over levels, of which the coarser ones correct the finer (15).

A visit to a level smooths, asks the next coarser level for a correction, and smooths again. The coarser level starts at
v_c = P↓v and minimises L_c(w) − ⟨τ, w⟩, whose gradient there is P↓∇L(v); its change e = w − v_c is a direction v + α P↑e,
and a line search says how far. What smooths is any of the optimisers; L is of the same records on all levels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from numerics.training import optimisers
from numerics.training.optimisers import Info, Move, Objective, Plan, State, Vector, inner

BEFORE, AFTER = 1, 1  # steps of a visit around the correction
COARSEST = 8  # steps of a visit to the coarsest level
DECREASE, TRIALS = 1e-4, 4  # of the line search: the part of the slope that is enough, and how many steps are tried

# What a visit asks of the next coarser level, one visit after the other.
CYCLES: Mapping[str, tuple[str, ...]] = {
    "v-cycle": ("v-cycle",), "w-cycle": ("w-cycle", "w-cycle"), "f-cycle": ("f-cycle", "v-cycle"),
}  # fmt: skip


class Both(Move, Protocol):
    """P↑ from a level to the next finer one; ``back`` is P↓, its adjoint in L2."""

    @property
    def back(self) -> Move: ...


class Same:
    """The move of what stays on its level."""

    def __call__(self, vector: Vector) -> Vector:
        return vector

    def of_squares(self, vector: Vector) -> Vector:
        return vector


def visits(kind: str, levels: int) -> list[int]:
    """How often a cycle comes to every level, the coarsest first."""
    if levels == 1:
        return [1]
    below = [visits(own, levels - 1) for own in CYCLES[kind]]
    return [*map(sum, zip(*below)), 1]


def steps(level: int) -> int:
    """Of the optimiser in a visit to a level, 0 being the coarsest."""
    return BEFORE + AFTER if level else COARSEST


def gradients(level: int) -> int:
    """That a visit takes where the first trial of the line search is good enough."""
    return BEFORE + AFTER + 1 if level else COARSEST


@dataclass(frozen=True, eq=False)
class Cycle:
    """A cycle with the optimisers of its levels, the coarsest first.

    moves: from every level but the finest to the next finer one; plans: what the optimisers were told.
    """

    kind: str
    moves: tuple[Both, ...]
    plans: tuple[Plan, ...]
    states: tuple[State, ...]

    def step(self, objectives: Sequence[Objective], vector: Vector) -> tuple[Cycle, Vector, Info]:
        """One cycle. objectives: L of every level; those may remember what they found at the last vector.

        Raises TrainingError for a loss, a gradient or a new vector that is not finite.
        """
        value, gradient = objectives[-1](vector)
        under_way = _UnderWay(self, objectives, list(self.states))
        found = under_way.visit(self.kind, len(self.states) - 1, objectives[-1], vector)
        size, length = math.sqrt(inner(gradient, gradient)), math.sqrt(inner(found - vector, found - vector))
        info = Info(value, size, length, under_way.evaluations, "" if length else "no step lowers the loss")
        return replace(self, states=tuple(under_way.states)), found, info

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All that changes, by level."""
        return {f"{k}/{name}": a for k, state in enumerate(self.states) for name, a in state.to_arrays().items()}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Cycle:
        """The cycle with these. Raises CheckpointError for those of another one."""
        def own(k: int) -> dict[str, np.ndarray]:
            return {name.removeprefix(f"{k}/"): a for name, a in arrays.items() if name.startswith(f"{k}/")}

        return replace(self, states=tuple(state.from_arrays(own(k)) for k, state in enumerate(self.states)))


def start(kind: str, moves: Sequence[Both], plans: Sequence[Plan]) -> Cycle:
    """A cycle before the first one."""
    states = (optimisers.start(plan.blocks, plan.batches, plan.options, plan.span) for plan in plans)
    return Cycle(kind, tuple(moves), tuple(plans), tuple(states))


@dataclass
class _UnderWay:
    """One cycle while it goes on."""

    cycle: Cycle
    objectives: Sequence[Objective]
    states: list[State]
    evaluations: int = 0

    def visit(self, kind: str, level: int, objective: Objective, vector: Vector) -> Vector:
        """A level's vector after a visit. objective: of the level, with the correction of (15) where it is coarse."""
        if level == 0:
            return self._smoothed(level, objective, vector, COARSEST)
        vector = self._smoothed(level, objective, vector, BEFORE)
        vector = self._corrected(kind, level, objective, vector)
        return self._smoothed(level, objective, vector, AFTER)

    def _smoothed(self, level: int, objective: Objective, vector: Vector, count: int) -> Vector:
        state = self.states[level].moved(Same(), self.cycle.plans[level])  # the objective is another one each time
        for _ in range(count):
            state, vector, info = optimisers.step(state, objective, vector)
            self.evaluations += info.evaluations
            if info.stop:
                break
        self.states[level] = state
        return vector

    def _corrected(self, kind: str, level: int, objective: Objective, vector: Vector) -> Vector:
        """v + α P↑e, of the steps that the line search tries the first one that lowers the loss enough; or v."""
        move = self.cycle.moves[level - 1]
        value, gradient = objective(vector)
        first = move.back(vector)
        below = corrected(self.objectives[level - 1], first, move.back(gradient))
        found = first
        for own in CYCLES[kind]:
            found = self.visit(own, level - 1, below, found)
        direction = move(found - first)
        slope, length = inner(gradient, direction), 1.0
        for _ in range(TRIALS if slope < 0 else 0):
            trial = vector + length * direction
            there, _ = objective(trial)
            self.evaluations += 1
            if there <= value + DECREASE * length * slope:
                return trial
            bend = there - value - length * slope
            length *= min(max(-length * slope / (2 * bend), 0.1), 0.5) if math.isfinite(bend) else 0.1
        return vector


def corrected(objective: Objective, first: Vector, wanted: Vector) -> Objective:
    """L_c(w) − ⟨τ, w⟩ of (15), whose gradient at ``first`` is the wanted one; up to a number that is the same for all w.

    With τ = ∇L_c(first) − wanted.
    """
    _, own = objective(first)
    tau = own - wanted

    def shifted(vector: Vector) -> tuple[float, Vector]:
        value, gradient = objective(vector)
        return value - inner(tau, vector - first), gradient - tau

    return shifted
