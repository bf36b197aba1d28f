"""Steps as long as Adam's in L2, in directions adapted to curvature: second moments as Kronecker products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

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

FLOOR = 0.01  # of a direction's root mean square, as a share of the field's: what is smaller is not stretched further
TINY = float(np.finfo(np.float64).tiny)
LONGEST = 256  # functions along an axis that is adapted to; with more, all of them have one second moment


@dataclass(frozen=True, eq=False)
class Kronecker:
    """Adam in the eigenbases of a field's second moments, which are Kronecker products: one factor an axis.

    With the gradient of a field as an array G, one axis a basis or a channel, the factor of an axis is the moving
    average F of G₍ₐ₎ G₍ₐ₎ᵀ (Gupta et al., 2018), G₍ₐ₎ having the axis as rows; its trace is ‖g‖². In the eigenbases of all
    axes an eigenvalue over the trace is the share of ‖g‖² that falls to a direction, and the product over the axes
    stands for the second moment there. The first moment is divided by its root, with a floor relative to ‖g‖, and each
    field moves along the result by the L2 length that ``adam`` moves it by.

    A change of basis of the same space is a rotation of orthonormal coordinates, which turns eigenbases with it: steps
    are the same functions in every basis. Under refinement F converges, and the floor keeps directions whose gradient
    vanishes from being stretched without a bound: steps converge too.

    moment: (n,); factors: (n, n) an axis of every slab, (1, 1), ‖G‖², where it has more than ``LONGEST`` functions.
    """

    plan: Plan
    moment: Vector
    factors: Factors
    count: int

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = evaluated(objective, vector, self.plan.blocks)
        count, rate = self.count + 1, self.plan.rate(self.count)
        moment = FIRST_DECAY * self.moment + (1 - FIRST_DECAY) * gradient
        arrays = [own for block in self.plan.blocks for own in block.arrays(gradient)]
        factors = tuple(map(_averaged, self.factors, arrays))
        by = -(rate * self.plan.options.weight_decay) * vector
        rest = iter(factors)
        for block in self.plan.blocks:
            own = [next(rest) for _ in block.shapes]
            square = sum(float(np.trace(of[0])) for of in own)
            if square > 0:
                parts = map(_turned, block.arrays(moment), own, [square] * len(own))
                way, first = np.concatenate([part.ravel() for part in parts]), moment[block.part]
                length = rate / (1 - FIRST_DECAY**count) * math.sqrt(inner(first, first))
                length /= math.sqrt(square / (1 - FIELD_DECAY**count)) + SMALLEST
                by[block.part] -= (length / math.sqrt(inner(way, way))) * way
        state = replace(self, moment=moment, factors=factors, count=count)
        info = Info(value, math.sqrt(inner(gradient, gradient)), math.sqrt(inner(by, by)), 1)
        return state, finite(vector + by, self.plan.blocks), info

    def moved(self, move: Move, plan: Plan) -> Kronecker:
        """Moments are functions, factors their second moments along an axis: T m and T F Tᵀ."""
        moved = zip(move.of_factors(self.factors), _sizes(plan))
        factors = tuple(tuple(map(_fitting, own, sizes)) for own, sizes in moved)
        return replace(self, plan=plan, moment=move(self.moment), factors=factors)

    def to_arrays(self) -> Arrays:
        flat = [factor.ravel() for own in self.factors for factor in own]
        return {"moment": self.moment, "factors": np.concatenate(flat), "count": np.array(self.count)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Kronecker:
        check_arrays(arrays, {name: own.shape for name, own in self.to_arrays().items()})
        rest = iter(np.split(arrays["factors"], np.cumsum([f.size for own in self.factors for f in own])[:-1]))
        factors = tuple(tuple(next(rest).reshape(factor.shape) for factor in own) for own in self.factors)
        return replace(self, moment=arrays["moment"], factors=factors, count=int(arrays["count"]))


def _averaged(factors: tuple[np.ndarray, ...], gradient: np.ndarray) -> tuple[np.ndarray, ...]:
    """A slab's factors with its gradient."""
    found = []
    for axis, factor in enumerate(factors):
        rows = gradient.swapaxes(axis, 0).reshape(len(factor), -1)
        found.append(FIELD_DECAY * factor + (1 - FIELD_DECAY) * (rows @ rows.T))
    return tuple(found)


def _turned(moment: np.ndarray, factors: tuple[np.ndarray, ...], square: float) -> np.ndarray:
    """A slab's moment, divided by √(s + FLOOR²) in the eigenbases of its factors.

    s: of every direction, its share of ``square``, the field's second moment: that of the slab, times those of the axes.
    """
    share, bases = np.trace(factors[0]) / square, {}
    for axis, factor in enumerate(factors):
        own = np.ones(1)
        if len(factor) > 1:
            values, bases[axis] = np.linalg.eigh(factor)
            own = np.maximum(values, 0) / max(np.trace(factor), TINY)
            moment = _along(bases[axis].T, moment, axis)
        share = np.multiply.outer(share, own)
    moment = moment / np.sqrt(share + FLOOR**2)
    for axis, basis in bases.items():
        moment = _along(basis, moment, axis)
    return moment


def _along(matrix: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    """A square matrix applied along an axis, without the copies of ``arrays.along``."""
    before = math.prod(values.shape[:axis])
    if before * len(matrix) == values.size:
        return (values.reshape(before, -1) @ matrix.T).reshape(values.shape)
    return np.matmul(matrix, values.reshape(before, len(matrix), -1)).reshape(values.shape)


def _sizes(plan: Plan) -> list[tuple[int, ...]]:
    """Of the factors of every slab."""
    shapes = [shape for block in plan.blocks for shape in block.shapes]
    return [tuple(n if n <= LONGEST else 1 for n in shape) for shape in shapes]


def _fitting(factor: np.ndarray, size: int) -> np.ndarray:
    """A factor of an axis that has become longer or shorter than LONGEST: as a whole, or equal in all directions."""
    if len(factor) == size:
        return factor
    return np.trace(factor) / size * np.eye(size)


def _start(plan: Plan) -> State:
    factors = tuple(tuple(np.zeros((n, n)) for n in sizes) for sizes in _sizes(plan))
    return Kronecker(plan, np.zeros(plan.size), factors, 0)


OPTIMISER = Optimiser(_start, vectors=10)
