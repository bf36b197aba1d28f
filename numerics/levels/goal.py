"""The error of the loss, estimated and attributed: what richer solvers would change of it, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from derive.errors import RepresentationError
from derive.spec import BasisSpec, Spec
from numerics.checks import instance
from numerics.datasets import Source
from numerics.levels.attribution import cells_of
from numerics.levels.residuals import Change, Line, Stepped, change
from numerics.levels.richer import with_state
from numerics.model.continuum import Continuum
from numerics.model.inputs import linear_goal
from numerics.representation import find

Array = np.ndarray
HALVINGS = 2  # of the steps: cheap, and the mean over records of the error of one may be near a change of its sign


@dataclass(frozen=True, eq=False)
class Way:
    """A richer solver and what it would change of the loss.

    axis: along which its state is richer, None for shorter steps. how: "cells", "degree", "size" or "steps". drop: what
    one halving of cells or steps leaves of an error, in theory; halvings: how many these are. edges: of the cells along
    every axis.
    """

    axis: int | None
    how: str
    drop: float
    halvings: int
    change: Change
    edges: tuple[Array, ...]

    @property
    def scale(self) -> float:
        """From the change to the whole error: the richer solver has an error, too."""
        return 1 / (1 - self.drop**self.halvings)

    @property
    def error(self) -> float:
        """What the loss would change by on a solver without this error."""
        return self.scale * (float(self.change.parts.sum()) + self.change.readout)

    @property
    def projection(self) -> float:
        """The part of ``error`` that comes from the projection of the records."""
        return self.scale * float(self.change.parts[0].sum())

    @property
    def indicators(self) -> Array:
        """How much is there to gain, of every cell along the axis, or of every step."""
        parts = self.change.parts
        if self.axis is None:
            return np.asarray(np.abs(parts[1:].reshape(len(parts) - 1, -1).sum(axis=1)))
        others = tuple(k for k in range(parts.ndim) if k != self.axis + 1)
        return np.asarray(np.abs(parts).sum(axis=others))


@dataclass(frozen=True, eq=False)
class Estimate:
    """The error of a model's mean loss on records: what it would change by on the exact solution of (2).

    goal: the loss without penalties, which no solver changes, or another functional. ways: that were tried, some an
    axis and one for the steps.
    """

    goal: float
    ways: tuple[Way, ...]

    @cached_property
    def sources(self) -> dict[int | None, Way]:
        """By axis, and None for the steps, the way that would change the loss most."""
        return {way.axis: way for way in sorted(self.ways, key=lambda way: abs(way.error))}

    @property
    def error(self) -> float:
        """F(h) − F(h_Δ)."""
        return sum(way.error for way in self.sources.values())

    @property
    def size(self) -> float:
        """Σ |error| over the sources: what a tolerance is compared with, so that errors do not hide one another."""
        return sum(abs(way.error) for way in self.sources.values())


def estimate(model: Continuum, records: Source, functional: Any = None) -> Estimate:
    """The error of the loss by dual-weighted residuals, whose richer solvers are derived where nobody has them.

    Along every axis each way in which the family of the state grows is tried, and the steps are quartered. The order of
    a method says what a richer solver leaves: 4^−(m+1) of an error of degree m when cells are halved (the loss sees
    products of the errors of a state and of an adjoint), 2^−p of that of a tableau of order p.
    functional: weights of another goal, the mean over the records of Σ w z of a model's numbers z, in the user's units;
    (outputs,), or (N, outputs). Records then need no targets.
    Raises RepresentationError for adaptive steps, states whose bases change along the depth or cannot grow, and
    DataError for records without targets and a functional that is none.
    """
    check(model)
    own = Stepped(model, model.prepare(records))
    if functional is None:
        own.prepared.wanted()
    else:
        weights, constant = linear_goal(model, functional, len(records))
        own = replace(own, functional=weights, constant=constant)
    lines = _lines(model.spec, model, model)
    shorter = change(own, replace(own, share=2**HALVINGS), lines)
    edges = tuple(line.edges for line in lines)
    ways = [Way(None, "steps", 2.0**-model.spec.tableau.order, HALVINGS, shorter, edges)]
    for axis in range(model.spec.dimension):
        basis = model.spec.entry.along(axis)
        for how in find.ways(basis):
            other = on(model, with_state(model.spec, axis, find.richer(basis, how)))
            lines = _lines(model.spec, model, other)
            found = change(own, replace(own, model=other, prepared=other.prepare(records)), lines)
            ways.append(Way(axis, how, drop(basis, how), 1, found, edges))
    made = Estimate(shorter.goal, tuple(ways))
    if not np.isfinite(made.size):
        model.outputs(own.prepared)  # says which record, and where
        raise RepresentationError(
            f"an error of {made.size}", "a finite one", "a richer solver on which a state grows without bound",
            "take shorter steps or an implicit tableau first, or scale the records",
        )  # fmt: skip
    return made


def drop(basis: BasisSpec, how: str) -> float:
    """What is left of an error when all cells are halved; of more functions a cell it is taken to be nothing."""
    return 4.0 ** -((basis.degree or 0) + 1) if how == "cells" else 0.0


def on(model: Continuum, spec: Spec) -> Continuum:
    """The model on a solver of its own: the fields are the same functions, in the same bases."""
    bare = replace(spec, levels=())
    return model.replace(base=bare, level=None, stored=find.representation(bare))


def check(model: Continuum) -> None:
    """Raise RepresentationError for a model whose solver cannot be refined, saying why."""
    instance(model, Continuum, "give a model, as numerics.load reads it")
    spec = model.spec
    if spec.tolerance is not None:
        raise RepresentationError(
            f"a model with adaptive steps, to {spec.tolerance}", "fixed steps: these are refined where they are",
            "its steps are found anew for all records", "move it to a level with a number of steps, or lower "
            "integration.tolerance",
        )  # fmt: skip
    if any(slab.state != spec.entry for slab in spec.slabs):
        raise RepresentationError(
            "a model whose state has other bases at other depths", "one state basis",
            "a network of layers, whose steps are its layers", "declare a level with one state basis, and project",
        )  # fmt: skip
    for axis in range(spec.dimension):
        family = spec.entry.along(axis).family
        if not find.ways(spec.entry.along(axis)):
            raise RepresentationError(
                f"a state of the family {family}", "a family that can grow and keep its functions, such as legendre, "
                "hat or p0", "its functions are a list that somebody wrote",
                "declare a level with another state basis, and project",
            )  # fmt: skip


def _lines(spec: Spec, model: Continuum, richer: Continuum) -> tuple[Line, ...]:
    """The axes of the domain, with the state's own cells, or with equal ones."""
    found = []
    for axis, (old, new) in enumerate(zip(*(m.representation.slabs[-1].axes("state") for m in (model, richer)))):
        edges = cells_of(old)
        same = spec.entry.along(axis) == richer.spec.entry.along(axis)
        found.append(Line(old, old if same else new, edges))
    return tuple(found)

