"""Gauss–Newton in a trust region: steps by Steihaug's conjugate gradients in the L2 inner product."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from numerics.training.optimisers.state import (
    PRODUCT,
    ROUNDING,
    Arrays,
    Blocks,
    Info,
    Move,
    Objective,
    Optimiser,
    Plan,
    Product,
    State,
    Vector,
    check_arrays,
    evaluated,
    finite,
    inner,
    tried,
)

PRODUCTS = 50  # of one step at most
FORCING = 0.5  # the largest share of the gradient that may be left of it
ACCEPTED, GOOD = 1e-4, 0.75  # decreases, as shares of those predicted, that a step needs, and that widen the region
SHRINK, GROW = 0.25, 4.0
SHORTEST = 1e-12  # a region whose radius is this share of the first one's holds no step that lowers the loss


@dataclass(frozen=True, eq=False)
class Piece:
    """A straight piece p + t d, 0 ≤ t ≤ ``length``, of the way that conjugate gradients take from 0.

    slope, curvature: ⟨q′(p), d⟩ and ⟨d, H d⟩ of the model q(p) = ⟨g, p⟩ + ½⟨p, H p⟩; value: q(p).
    """

    start: Vector
    direction: Vector
    length: float
    slope: float
    curvature: float
    value: float

    def at(self, t: float) -> tuple[Vector, float]:
        """A point of the piece, and q there."""
        return self.start + t * self.direction, self.value + t * (self.slope + t * self.curvature / 2)


def way(product: Product, gradient: Vector, radius: float, residual: float) -> list[Piece]:
    """The way of conjugate gradients for H p = −g from 0 (Steihaug, 1983): as far as the radius, or a residual.

    Norms grow along it and q falls, so that its part inside any smaller radius is what would have been found for that.
    Where ⟨d, H d⟩ ≤ 0 it goes on for ever.
    """
    p, rest = np.zeros_like(gradient), gradient
    d, square, pieces = -gradient, inner(gradient, gradient), list[Piece]()
    value = 0.0
    while len(pieces) < PRODUCTS and math.sqrt(square) > residual:
        image = product(d)
        curvature = inner(d, image)
        bent = curvature > ROUNDING * inner(d, d)
        length = square / curvature if bent else math.inf
        pieces.append(Piece(p, d, length, -square, curvature, value))
        if not bent:
            break
        p, value = pieces[-1].at(length)
        if inner(p, p) >= radius**2:
            break
        rest = rest + length * image
        last, square = square, inner(rest, rest)
        d = (square / last) * d - rest
    return pieces


def within(pieces: list[Piece], radius: float) -> tuple[Vector, float, bool]:
    """The last point of the way whose norm is at most the radius, q there, and whether the radius ends it."""
    for piece in pieces:
        p, d = piece.start, piece.direction
        pp, pd, dd = inner(p, p), inner(p, d), inner(d, d)
        if math.isinf(piece.length) or pp + piece.length * (2 * pd + piece.length * dd) > radius**2:
            t = (math.sqrt(pd**2 + dd * (radius**2 - pp)) - pd) / dd
            return *piece.at(t), True
    return *pieces[-1].at(pieces[-1].length), False


@dataclass(frozen=True, eq=False)
class GaussNewton:
    """The minimiser of the Gauss–Newton model in a ball, by conjugate gradients in the L2 inner product.

    Needs the whole data at every step; a step takes up to ``PRODUCTS`` products, of which each costs about two
    gradients. learning_rate is the L2 radius of the first ball; after that the model's agreement with the loss sets it.
    radius: of the next ball; first: ‖gradient‖ at the start, on which the accuracy of the steps depends; value,
    gradient: at the present vector, when known.
    """

    blocks: Blocks
    learning_rate: float
    radius: float
    first: float | None
    value: float | None
    gradient: Vector | None

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient, evaluations = self.value, self.gradient, 0
        if value is None or gradient is None:
            value, gradient = evaluated(objective, vector, self.blocks)
            evaluations = 1
        norm = math.sqrt(inner(gradient, gradient))
        state = replace(self, value=value, gradient=gradient, first=self.first or norm)
        if norm == 0:
            return state, vector, Info(value, norm, 0.0, evaluations, "the gradient is zero")
        # as accurate as the gradient is small: from linear to superlinear convergence
        share = min(FORCING, math.sqrt(norm / (state.first or norm)))
        pieces = way(objective.curvature(vector), gradient, self.radius, share * norm)
        radius = self.radius
        while radius > SHORTEST * self.learning_rate:
            step, predicted, ended = within(pieces, radius)
            if -predicted <= ROUNDING * abs(value):
                return state, vector, Info(value, norm, 0.0, evaluations, "no decrease above rounding is left")
            found, turned = tried(objective, vector + step)
            evaluations += 1
            agreement = (found - value) / predicted if math.isfinite(found) and np.isfinite(turned).all() else -math.inf
            length = math.sqrt(inner(step, step))
            if agreement > GOOD and ended:
                radius *= GROW
            elif not agreement > 1 - GOOD:
                radius = SHRINK * length
            if agreement > ACCEPTED:
                moved = finite(vector + step, self.blocks)
                reached = replace(state, radius=radius, value=found, gradient=turned)
                return reached, moved, Info(value, norm, length, evaluations)
        return state, vector, Info(value, norm, 0.0, evaluations, "no step lowers the loss")

    def moved(self, move: Move, plan: Plan) -> GaussNewton:
        """The radius is an L2 length on every level."""
        return GaussNewton(plan.blocks, self.learning_rate, self.radius, None, None, None)

    def to_arrays(self) -> Arrays:
        found = {"radius": np.array(self.radius)}
        if self.value is not None and self.gradient is not None:
            found |= {"first": np.array(self.first), "value": np.array(self.value), "gradient": self.gradient}
        return found

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> GaussNewton:
        known = "value" in arrays
        shapes: dict[str, tuple[int, ...]] = {"radius": ()}
        at = {"first": (), "value": (), "gradient": (self.blocks[-1].part.stop,)}
        check_arrays(arrays, shapes | (at if known else {}))
        return replace(
            self,
            radius=float(arrays["radius"]),
            first=float(arrays["first"]) if known else None,
            value=float(arrays["value"]) if known else None,
            gradient=arrays["gradient"] if known else None,
        )


def _start(plan: Plan) -> State:
    rate = plan.options.learning_rate
    return GaussNewton(plan.blocks, rate, rate, None, None, None)


OPTIMISER = Optimiser(_start, vectors=2 * PRODUCTS + 10, gradients=1 + PRODUCT * PRODUCTS, whole_data=True)
