"""MG/OPT in full approximation (Nash, 2000): cycles over levels, of which the coarser ones correct the finer (15).

A visit to a level smooths, asks the next coarser level for a correction, and smooths again. The coarser level starts at
v_c = P↓v and minimises L_c(w) − ⟨τ, w⟩, whose gradient there is P↓∇L(v); its change e = w − v_c gives v + α P↑e, and a
line search says how far. Since L_c need not grow as fast as ⟨τ, w⟩, the coarser level stays within a radius, which
follows what the line search has found so far. What smooths is any of the optimisers; L is of the same records on all
levels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from numerics.training import optimisers
from numerics.training.optimisers import Info, Move, Objective, Plan, Product, State, Vector
from numerics.training.optimisers.state import Factors, inner, tried

BEFORE, AFTER = 2, 2  # steps of a visit around the correction
COARSEST = 8  # steps of a visit to the coarsest level
DECREASE, TRIALS = 1e-4, 4  # of the line search: the part of the slope that is enough, and how many steps are tried
NARROWER, WIDER = 0.1, 2.0  # what becomes of a radius at most where a correction was too long, or could be longer

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

    def of_factors(self, factors: Factors) -> Factors:
        return factors


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

    moves: from every level but the finest to the next finer one; plans: what the optimisers were told; radii: how far
    every level but the finest may go in a correction, as an L2 length.
    """

    kind: str
    moves: tuple[Both, ...]
    plans: tuple[Plan, ...]
    states: tuple[State, ...]
    radii: tuple[float, ...]

    def step(self, objectives: Sequence[Objective], vector: Vector) -> tuple[Cycle, Vector, Info]:
        """One cycle. objectives: L of every level; those may remember what they found at the last vector.

        Raises TrainingError for a loss, a gradient or a new vector that is not finite.
        """
        value, gradient = objectives[-1](vector)
        under_way = _UnderWay(self, objectives, list(self.states), list(self.radii))
        found = under_way.visit(self.kind, len(self.states) - 1, objectives[-1], vector, _Region(vector, math.inf))
        size, length = math.sqrt(inner(gradient, gradient)), math.sqrt(inner(found - vector, found - vector))
        info = Info(value, size, length, under_way.evaluations, "" if length else "no step lowers the loss")
        return replace(self, states=tuple(under_way.states), radii=tuple(under_way.radii)), found, info

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All that changes, by level."""
        own = {f"{k}/{name}": a for k, state in enumerate(self.states) for name, a in state.to_arrays().items()}
        return own | {"radii": np.array(self.radii)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Cycle:
        """The cycle with these. Raises CheckpointError for those of another one."""

        def own(k: int) -> dict[str, np.ndarray]:
            return {name.removeprefix(f"{k}/"): a for name, a in arrays.items() if name.startswith(f"{k}/")}

        states = tuple(state.from_arrays(own(k)) for k, state in enumerate(self.states))
        return replace(self, states=states, radii=tuple(map(float, arrays["radii"])))


def start(kind: str, moves: Sequence[Both], plans: Sequence[Plan]) -> Cycle:
    """A cycle before the first one."""
    states = (optimisers.start(plan.blocks, plan.batches, plan.options, plan.span) for plan in plans)
    radii = (steps(level) * plan.options.learning_rate for level, plan in enumerate(plans[:-1]))
    return Cycle(kind, tuple(moves), tuple(plans), tuple(states), tuple(radii))


@dataclass(frozen=True, eq=False)
class _Region:
    """Where a level stays during a correction: not farther from a vector than the radius."""

    middle: Vector
    radius: float

    def kept(self, vector: Vector) -> Vector:
        """The vector, or the one in its direction at the edge."""
        if self.radius == math.inf:
            return vector
        way = vector - self.middle
        distance = math.sqrt(inner(way, way))
        return vector if distance <= self.radius else self.middle + way * (self.radius / distance)


@dataclass
class _UnderWay:
    """One cycle while it goes on."""

    cycle: Cycle
    objectives: Sequence[Objective]
    states: list[State]
    radii: list[float]
    evaluations: int = 0

    def visit(self, kind: str, level: int, objective: Objective, vector: Vector, region: _Region) -> Vector:
        """A level's vector after a visit. objective: of the level, with the correction of (15) where it is coarse."""
        if level == 0:
            return self._smoothed(level, objective, vector, COARSEST, region)
        vector = self._smoothed(level, objective, vector, BEFORE, region)
        vector = self._corrected(kind, level, objective, vector)
        return self._smoothed(level, objective, vector, AFTER, region)

    def _smoothed(self, level: int, objective: Objective, vector: Vector, count: int, region: _Region) -> Vector:
        state = self.states[level].moved(Same(), self.cycle.plans[level])  # the objective is another one each time
        for _ in range(count):
            state, after, info = optimisers.step(state, objective, vector)
            self.evaluations += info.evaluations
            vector = region.kept(after)
            if info.stop or vector is not after:
                break
        self.states[level] = state
        return vector

    def _corrected(self, kind: str, level: int, objective: Objective, vector: Vector) -> Vector:
        """v + α P↑e, of the steps that the line search tries the first one that lowers the loss enough; or v."""
        move = self.cycle.moves[level - 1]
        value, gradient = objective(vector)
        first = move.back(vector)
        region, found = _Region(first, self.radii[level - 1]), first
        below = corrected(self.objectives[level - 1], first, move.back(gradient), 2 * region.radius)
        for own in CYCLES[kind]:
            found = self.visit(own, level - 1, below, found, region)
        direction = move(found - first)
        slope = inner(gradient, direction)
        if slope >= 0:  # no descent: levels that do not nest, or an optimiser on its way from another problem
            return vector
        after, share = self._searched(objective, vector, value, slope, direction)
        far = math.sqrt(inner(found - first, found - first))
        if share < 1:
            self.radii[level - 1] = max(share, NARROWER) * far
        elif far > region.radius / 2:
            self.radii[level - 1] = WIDER * region.radius
        return after

    def _searched(
        self, objective: Objective, vector: Vector, value: float, slope: float, direction: Vector
    ) -> tuple[Vector, float]:
        """v + α d for the first α that lowers the loss enough, and α; v and 0 where none of those tried does."""
        share = 1.0
        for _ in range(TRIALS):
            trial = vector + share * direction
            there, _ = tried(objective, trial)
            self.evaluations += 1
            if there <= value + DECREASE * share * slope:
                return trial, share
            bend = there - value - share * slope
            share *= min(max(-share * slope / (2 * bend), 0.1), 0.5) if math.isfinite(bend) else 0.1
        return vector, 0.0


@dataclass(frozen=True, eq=False)
class Corrected:
    """L_c(w) − ⟨τ, w − first⟩, which has the curvature of L_c.

    Farther from ``first`` than the radius it is infinite, and costs nothing: a line search turns round.
    """

    objective: Objective
    first: Vector
    tau: Vector
    radius: float

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        way = vector - self.first
        if inner(way, way) > self.radius**2:
            return math.inf, np.zeros_like(way)
        value, gradient = self.objective(vector)
        return value - inner(self.tau, way), gradient - self.tau

    def curvature(self, vector: Vector) -> Product:
        return self.objective.curvature(vector)


def corrected(objective: Objective, first: Vector, wanted: Vector, radius: float = math.inf) -> Corrected:
    """L_c with τ = ∇L_c(first) − wanted (15): its gradient at ``first`` is the wanted one."""
    _, own = objective(first)
    return Corrected(objective, first, own - wanted, radius)
