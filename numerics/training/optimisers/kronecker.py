"""Adam in directions adapted to curvature: second moments as Kronecker products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numerics.training.optimisers.adam import FIELD_DECAY
from numerics.training.optimisers.state import (
    Arrays,
    Factors,
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
)
from numerics.training.optimisers.vectors import FIRST_DECAY
from numerics.training.optimisers.vectors import FLOOR as SMALLEST

FLOOR = 1e-3  # added to a direction's share along an axis, so that the rarest are not stretched further and further
LONGEST = 256  # functions along an axis that is adapted to; with more of them it has one second moment, as a whole
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Kronecker:
    """Adam in the eigenbases of a field's second moments, which are Kronecker products of one factor an axis.

    With a field's gradient as an array G, one axis a basis or a channel, the factor of an axis is the moving average
    of G₍ₐ₎ G₍ₐ₎ᵀ, the axis being the rows of G₍ₐ₎ (Gupta, Koren, Singer, 2018), and its trace that of ‖G‖². An
    eigenvalue over the trace is the share of ‖G‖² in a direction along the axis; the product of the shares, each
    raised by ``FLOOR``, stands for the share of a direction of all axes. What ``adam`` moves the field by, the first
    moment over √‖G‖², is divided by the root of it. So each direction in which gradients were seen moves by about
    the rate, where ``adam-coordinatewise`` does that with each coordinate.

    Another basis of the same space is a rotation of orthonormal coordinates, which turns the eigenbases with it: steps
    are the same functions in every basis. Under refinement the factors converge, and the floor bounds how far
    directions without a gradient are stretched: steps converge too.

    moment: (n,); factors: (m, m) of an axis with m functions or channels; (1, 1), ‖G‖², with more than ``LONGEST``.
    """

    plan: Plan
    moment: Vector
    factors: Factors
    count: int

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = evaluated(objective, vector, self.plan.blocks)
        count, rate = self.count + 1, self.plan.rate(self.count)
        moment = FIRST_DECAY * self.moment + (1 - FIRST_DECAY) * gradient
        parts = [own for block in self.plan.blocks for own in block.arrays(gradient)]
        factors = tuple(map(_averaged, self.factors, parts))
        by, rest = -(rate * self.plan.options.weight_decay) * vector, iter(factors)
        for block in self.plan.blocks:
            own = [next(rest) for _ in block.shapes]
            square = sum(float(np.trace(of[0])) for of in own)
            if square > 0:
                turned = [_turned(part, of, square) for part, of in zip(block.arrays(moment), own)]
                length = rate / (1 - FIRST_DECAY**count) / (math.sqrt(square / (1 - FIELD_DECAY**count)) + SMALLEST)
                by[block.part] -= length * np.concatenate([part.ravel() for part in turned])
        state = replace(self, moment=moment, factors=factors, count=count)
        info = Info(value, math.sqrt(inner(gradient, gradient)), math.sqrt(inner(by, by)), 1)
        return state, finite(vector + by, self.plan.blocks), info

    def moved(self, move: Move, plan: Plan) -> Kronecker:
        """Moments are functions, factors second moments of functions along an axis: T m and T F Tᵀ."""
        pairs = zip(move.of_factors(self.factors), _sizes(plan))
        factors = tuple(tuple(map(_fitting, own, sizes)) for own, sizes in pairs)
        return replace(self, plan=plan, moment=move(self.moment), factors=factors)

    def to_arrays(self) -> Arrays:
        flat = np.concatenate([factor.ravel() for own in self.factors for factor in own])
        # the first version's were called otherwise, and its rate had another meaning: its runs are not resumed
        return {"moment": self.moment, "second": flat, "count": np.array(self.count)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Kronecker:
        check_arrays(arrays, {name: own.shape for name, own in self.to_arrays().items()})
        cuts = np.cumsum([factor.size for own in self.factors for factor in own])[:-1]
        rest = iter(np.split(arrays["second"], cuts))
        factors = tuple(tuple(next(rest).reshape(factor.shape) for factor in own) for own in self.factors)
        return replace(self, moment=arrays["moment"], factors=factors, count=int(arrays["count"]))


def _averaged(factors: tuple[np.ndarray, ...], gradient: np.ndarray) -> tuple[np.ndarray, ...]:
    """The factors of a slab after its next gradient."""
    found = []
    for axis, factor in enumerate(factors):
        rows = gradient.swapaxes(axis, 0).reshape(len(factor), -1)
        found.append(FIELD_DECAY * factor + (1 - FIELD_DECAY) * (rows @ rows.T))
    return tuple(found)


def _turned(moment: np.ndarray, factors: tuple[np.ndarray, ...], square: float) -> np.ndarray:
    """A slab's moment, times (F / tr F)^(−½), damped, along every axis with its factor F.

    A field's slabs are directions of their own: ``square`` is the trace for all of them.
    """
    for axis, factor in enumerate(factors):
        if len(factor) > 1:
            values, basis = np.linalg.eigh(factor)
            share = np.maximum(values, 0) / max(float(np.trace(factor)), TINY)
            moment = _along((basis / np.sqrt(_damped(share))) @ basis.T, moment, axis)
    return moment / math.sqrt(_damped(float(np.trace(factors[0])) / square))


def _damped(share: Any) -> Any:
    """Shares raised by FLOOR; that of a direction which has no others beside it stays 1."""
    return (share + FLOOR) / (1 + FLOOR)


def _along(matrix: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    """A square matrix applied along an axis; on a field's few numbers faster than ``functions.arrays.along``."""
    before = math.prod(values.shape[:axis])
    if before * len(matrix) == values.size:
        found = values.reshape(before, -1) @ matrix.T
    else:
        found = np.matmul(matrix, values.reshape(before, len(matrix), -1))
    return np.reshape(found, values.shape)


def _sizes(plan: Plan) -> list[tuple[int, ...]]:
    """Of the factors of every slab."""
    shapes = [shape for block in plan.blocks for shape in block.shapes]
    return [tuple(n if n <= LONGEST else 1 for n in shape) for shape in shapes]


def _fitting(factor: np.ndarray, size: int) -> np.ndarray:
    """A factor; of an axis that has grown longer than LONGEST, or no longer is, one without directions instead."""
    return factor if len(factor) == size else np.asarray(np.trace(factor) / size * np.eye(size))


def _start(plan: Plan) -> State:
    factors = tuple(tuple(np.zeros((n, n)) for n in sizes) for sizes in _sizes(plan))
    return Kronecker(plan, np.zeros(plan.size), factors, 0)


OPTIMISER = Optimiser(_start, vectors=10)
