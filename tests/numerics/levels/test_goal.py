"""The estimated error of a loss beside the true one, from a solution that no basis and no step has touched."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from derive.spec import Spec
from numerics.datasets import Records, records
from numerics.levels.goal import estimate, on
from numerics.levels.richer import with_state
from numerics.model.continuum import Continuum
from numerics.representation import find
from tests.builders import CIRCLE, EVERY, random_model
from tests.oracles import exact

THREE = {"family": "legendre", "size": 3}
LABELS = np.array([0, 1, 1, 0])
STATES: dict[str, dict[str, Any]] = {
    "legendre": {"family": "legendre", "size": 4},
    "chebyshev": {"family": "chebyshev", "size": 4},
    "p0": {"family": "p0", "cells": 8},
    "uneven p0": {"family": "p0", "breakpoints": ["-1", "-1/2", "-1/3", "0", "1/4", "3/4", "1"]},
    "hat": {"family": "hat", "cells": 4},
    "bspline": {"family": "bspline", "degree": 2, "cells": 2},
    "discontinuous": {"family": "discontinuous", "degree": 1, "cells": 3},
    "lagrange": {"family": "lagrange", "degree": 2, "cells": 2},
    "gauss-legendre": {"family": "gauss-legendre", "degree": 1, "cells": 3},
    "gauss-lobatto": {"family": "gauss-lobatto", "degree": 2, "cells": 2},
    "hierarchical": {"family": "hierarchical", "degree": 2, "cells": 2},
    "multiwavelet": {"family": "multiwavelet", "degree": 1, "cells": 2},
}


def weight(xi: Any, xi_: Any, delta: Any) -> Any:
    return 0.9 * xi * (1 - xi_**2) + 0.6 * (xi**2 - 0.4) * xi_ * (1 + delta) - 0.5 * delta * xi_


def bias(xi: Any, delta: Any) -> Any:
    return 0.3 + 0.5 * xi**2 * delta


def readout(xi: Any) -> Any:
    return np.stack([0.7 * xi - 0.2, 1.1 * xi**2 + 0 * xi], axis=-1)[..., None]


XI = np.linspace(-1, 1, 33)
SAMPLES = np.array([np.sin(2 * XI + k) + 0.3 * k * XI**2 for k in range(4)])


def data() -> Records:
    return records(SAMPLES, y=LABELS)


def model(state: dict[str, Any], tableau: str, steps: int, rate: str = "tanh(u) - h/2") -> Continuum:
    declared = {
        "name": "goal",
        "equation": {"rate": rate, "spacing": "1"},
        "state": {"basis": state},
        "weight": {"width_out": THREE, "width_in": THREE, "depth": {"family": "legendre", "size": 2}},
        "bias": {"width": THREE, "depth": {"family": "legendre", "size": 2}},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": THREE},
        "loss": {"kind": "cross-entropy"},
    }
    return Continuum.from_fields(declared, W=weight, b=bias, R=readout, a=np.array([0.1, -0.2]))


@cache
def true_loss() -> float:
    """Of the model's fields, by SciPy."""
    points, weights, h = exact.final(lambda u, h: np.tanh(u) - h / 2, weight, bias, SAMPLES, np.zeros(0))
    z = np.einsum("nq,qk->nk", h * weights, readout(points)[..., 0]) + [0.1, -0.2]
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), LABELS]))


def true_error(own: Continuum) -> float:
    return true_loss() - own.loss(own.prepare(data()))


# --- the estimate ----------------------------------------------------------------------------------------------


@pytest.mark.first(4)
@pytest.mark.parametrize("state", STATES)
def test_the_error_by_the_state(state: str) -> None:
    own = model(STATES[state], "rk4", 8)
    assert 0.9 <= estimate(own, data()).error / true_error(own) <= 1.2


@pytest.mark.first(3)
@pytest.mark.parametrize(
    ("tableau", "steps"),
    [("euler", 2), ("euler", 16), ("heun", 4), ("implicit-midpoint", 2), ("midpoint", 2), ("kutta3", 1), ("rk4", 1),
     ("backward-euler", 2), ("gauss4", 1)],
)  # fmt: skip
def test_the_error_by_the_steps(tableau: str, steps: int) -> None:
    own = model({"family": "legendre", "size": 16}, tableau, steps)
    assert 0.9 <= estimate(own, data()).error / true_error(own) <= 1.25


@pytest.mark.parametrize(("state", "tableau", "steps"), [("p0", "euler", 2), ("hat", "euler", 8), ("legendre", "heun", 1)])
def test_the_error_by_both(state: str, tableau: str, steps: int) -> None:
    own = model(STATES[state], tableau, steps)
    assert 0.8 <= estimate(own, data()).error / true_error(own) <= 1.25


def _true(own: Continuum, given: Records) -> float:
    """The change of the loss on a much finer solver."""
    spec = replace(own.spec, steps=16 * own.spec.steps, levels=())
    for axis in range(spec.dimension):
        for _ in range(4 - spec.dimension):
            basis = spec.entry.along(axis)
            spec = with_state(spec, axis, find.richer(basis, find.ways(basis)[0]))
    finer = on(own, spec)
    return finer.loss(finer.prepare(given)) - own.loss(own.prepare(given))


def _records(spec: Spec) -> Records:
    t = np.linspace(-1, 1, 12, endpoint=not any(spec.periodic))
    x = np.array([[np.sin(np.pi * t + k + c) for c in range(spec.record_channels)] for k in range(3)])
    x = np.moveaxis(x, 1, 2)
    if spec.dimension == 2:
        x = x[:, :, None] * (1 + 0.3 * t[:, None])
    if spec.functional:
        return records(x, y=np.arange(3))
    return records(x, y=np.ones((*x.shape[:-1], spec.output_channels)) * np.linspace(0.5, 1, 12)[:, None])


@pytest.mark.first(4)
@pytest.mark.parametrize("kind", [*EVERY, "circle"])
def test_every_kind_of_model(kind: str) -> None:
    own = random_model({**EVERY, "circle": CIRCLE}[kind], scale=0.3)
    given = _records(own.spec)
    found = estimate(own, given)
    for way in found.ways:
        assert way.change.parts.sum() + way.change.readout == pytest.approx(way.change.difference, rel=5e-3)
    true = _true(own, given)
    assert abs(found.error - true) <= 0.4 * max(abs(true), found.size / 4)


def test_parts_are_of_third_order_as_good_as_the_difference() -> None:
    """The linearisation leaves out what is cubic in the solvers' difference: a halved rate, an eighth of the defect."""
    defects = []
    for share in (1.0, 0.5):
        own = model(STATES["p0"], "euler", 1)
        own = own.with_coordinates(own.coordinates * share)
        way = estimate(own, data()).sources[None]
        defects.append(abs(way.change.parts.sum() - way.change.difference))
    assert 0 < defects[1] <= defects[0] / 6
