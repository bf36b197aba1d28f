"""The estimated error of a loss beside the true one, from a solution that no basis and no step has touched."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from numerics.datasets import Records, records
from numerics.levels.goal import estimate
from numerics.model.continuum import Continuum
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


def effectivity(own: Continuum) -> tuple[float, float]:
    found = estimate(own, data())
    error = true_loss() - own.loss(own.prepare(data()))
    print(found.error / error, error, [(w.axis, w.how, w.error/error, (w.change.parts.sum()+w.change.readout)/w.change.difference) for w in found.ways])
    return found.error / error, error


@pytest.mark.parametrize("state", STATES)
def test_the_error_of_the_state(state: str) -> None:
    ratio, error = effectivity(model(STATES[state], "rk4", 8))
    assert 0.5 <= ratio <= 2


@pytest.mark.parametrize("tableau,steps", [("euler", 2), ("euler", 16), ("heun", 2), ("heun", 4), ("midpoint",2),("kutta3",1),("rk4", 1), ("implicit-midpoint", 2), ("backward-euler", 2), ("gauss4",1)])
def test_the_error_of_the_steps(tableau: str, steps: int) -> None:
    ratio, error = effectivity(model({"family": "legendre", "size": 16}, tableau, steps))
    assert 0.5 <= ratio <= 2


@pytest.mark.parametrize("tableau,steps,state", [("euler", 2, "p0"), ("euler", 8,"hat"), ("heun", 2, "lagrange"), ("heun", 1, "legendre")])
def test_both(tableau: str, steps: int, state) -> None:
    ratio, error = effectivity(model(STATES[state], tableau, steps))
    assert 0.5 <= ratio <= 2
