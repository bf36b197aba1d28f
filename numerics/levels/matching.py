"""Projection by what it does: the fields of a smaller space whose outputs differ least on given records (16).

Outputs z are compared with those of the larger model, z*, by D(z) = ℓ(z) − ℓ(z*) − ⟨ℓ′(z*), z − z*⟩: what the loss ℓ
has beyond its tangent at z*. It is ½⟨z − z*, ℓ″ (z − z*)⟩ to second order, the quadratic form of (16); of squared
distances it is |z − z*|², of cross-entropy the Kullback–Leibler divergence of the two models' classes, which does not
level off where the larger model is certain. Steps minimise its Gauss–Newton model with ε‖step‖², J taken at the small
model, so that levels may differ in every basis and in the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from derive.errors import RepresentationError, TrainingError
from numerics.datasets import Records
from numerics.kernels.cpu import Solver
from numerics.levels.distances import distance
from numerics.model.continuum import Continuum
from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared

Array = np.ndarray

ROUNDS = 8  # in which J is taken anew, at most
ENOUGH = 0.9  # a round that leaves more than this share of D is the last one
DIRECTIONS = 15  # of the Krylov space of a round: products with the Gauss–Newton matrix
BELOW = 1e-5  # of the sizes: how far a convex loss seems to lie below its tangents, by rounding
SHARES = tuple(10.0**-k for k in range(-6, 8))  # ε over the largest eigenvalue, nearly 0 where classes are certain


@dataclass(frozen=True)
class Match:
    """What a projection by outputs did. apart: the mean of D after the L2 projection, and after every round.

    damping: ε of every round.  moved: ‖F′ − PF‖ by field, in L2.
    """

    apart: tuple[float, ...]
    damping: tuple[float, ...]
    moved: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Divergence:
    """D of outputs z (outputs, N) from z*. solver: knows the loss; counts: what each record does (N,), of mean one."""

    solver: Solver
    targets: Array
    wanted: Array
    counts: Array

    def mean(self, outputs: Array) -> float:
        """Over the records. Raises RepresentationError where the loss lies below a tangent: it is not convex."""
        (now, _), (then, slope) = (self.solver.differentiated(z, self.targets) for z in (outputs, self.wanted))
        along = np.sum(slope * (outputs - self.wanted), axis=0, dtype=np.float64)
        found = float(np.mean(self.counts * (now.astype(np.float64) - then - along)))
        size = float(np.mean(self.counts * (np.abs(now) + np.abs(then) + np.abs(along))))
        if found < -BELOW * size:
            raise RepresentationError(
                'metric "outputs" with a loss that is not convex', "a convex loss, such as l2 or cross-entropy",
                "what is beyond its tangent does not measure how far outputs are apart", "project in L2, and train on",
            )  # fmt: skip
        return max(found, 0.0)

    def slope(self, outputs: Array) -> Array:
        """The mean's derivative by the outputs, (outputs, N)."""
        now, then = (self.solver.differentiated(z, self.targets)[1] for z in (outputs, self.wanted))
        return np.asarray((now.astype(np.float64) - then) * self.counts / outputs.shape[1])


def matched(old: Continuum, projected: Continuum, data: Records) -> tuple[Continuum, Match]:
    """The projected model, moved within its space so that its outputs on the records are nearest to the old one's.

    Raises RepresentationError for functions as outputs in other bases, which the loss compares in other coordinates;
    DataError for records without targets.
    """
    states = old.spec.slabs[-1].state, projected.spec.slabs[-1].state
    if not old.spec.functional and states[0] != states[1]:
        raise RepresentationError(
            'metric "outputs" with another state basis, and functions as outputs', "a level with the same last state",
            "functions in other bases have no common coordinates for the loss",
            "change weights and biases on the level alone, or project in L2",
        )  # fmt: skip
    prepared = projected.prepare(data)
    divergence = Divergence(
        projected.solver, prepared.wanted(), old.outputs(old.prepare(data)).T, prepared.counts
    )  # fmt: skip
    model, apart, damping = projected, [divergence.mean(projected.outputs(prepared).T)], []
    for _ in range(ROUNDS):
        curvature = Curvature.of(model, prepared)
        gradient = curvature.adjoint(divergence.slope(model.outputs(prepared).T))
        found = [(apart[-1], 0.0, model)]
        for share, step in steps(curvature.of_loss, gradient):
            moved = model.with_coordinates(model.coordinates + step)
            found.append((_size(divergence, moved, prepared), share, moved))
        least = min(found, key=lambda one: one[0])
        if least[2] is model:
            break
        apart.append(least[0])
        damping.append(least[1])
        model = least[2]
        if apart[-1] > ENOUGH * apart[-2]:
            break
    moved_by = {name: distance(f, model.fields[name]) for name, f in projected.fields.items()}
    return model, Match(tuple(apart), tuple(damping), moved_by)


def _size(divergence: Divergence, model: Continuum, prepared: Prepared) -> float:
    """Infinite where the solver has no answer at a step that was tried."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = divergence.mean(model.solver.outputs(prepared.states, *model.readout_map()))
    except TrainingError:  # implicit stages that cannot be solved for
        return math.inf
    return found if math.isfinite(found) else math.inf


def steps(product: Callable[[Array], Array], gradient: Array) -> list[tuple[float, Array]]:
    """ε and the step −(H + ε)⁻¹ g, for ε by the spectrum: shares of its largest eigenvalue, as Lanczos finds it.

    All come from one Krylov space, in which H is a tridiagonal matrix T: −‖g‖ Q (T + ε)⁻¹ e₁.
    """
    size = float(np.linalg.norm(gradient))
    if size == 0:
        return []
    basis, diagonal, beside = [gradient / size], list[float](), list[float]()
    for k in range(min(DIRECTIONS, gradient.size)):
        image = product(basis[k])
        diagonal.append(float(image @ basis[k]))
        for _ in range(2):  # orthogonal to all before, which rounding alone would not keep
            image = image - np.array(basis).T @ (np.array(basis) @ image)
        beside.append(float(np.linalg.norm(image)))
        if not beside[-1] > 1e-12 * max(map(abs, diagonal)):
            break
        basis.append(image / beside[-1])
    count = len(diagonal)
    t = np.diag(diagonal) + np.diag(beside[: count - 1], 1) + np.diag(beside[: count - 1], -1)
    values, vectors = np.linalg.eigh(t)
    directions = vectors.T @ np.array(basis[:count])
    found = []
    for share in SHARES:
        epsilon = share * float(values[-1])
        found.append((epsilon, -size * (vectors[0] / (np.abs(values) + epsilon)) @ directions))
    return found
