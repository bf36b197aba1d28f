"""Bases adapted to a field: how much they keep, and that they are a level like any other."""

from __future__ import annotations

import numpy as np
import pytest

from derive.errors import DataError
from numerics import Continuum, fit, load, project
from numerics.datasets import records
from numerics.levels.adapted import adapt

HAT = {"family": "hat", "cells": 9}
SPEC = {
    "name": "adapted",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2},
    "state": {"basis": {"family": "legendre", "size": 8}},
    "weight": {"width_out": HAT, "width_in": {"family": "legendre", "size": 7}, "depth": {"family": "p0", "cells": 2}},
    "bias": {"width": HAT, "depth": {"family": "p0", "cells": 2}},
    "integration": {"tableau": "heun", "steps": 4},
    "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 3}},
    "loss": {"kind": "cross-entropy"},
}


def low_rank() -> Continuum:
    """W is a sum of two products of functions, in every pair of channels."""

    def weight(xi, xi_, delta):
        first = np.cos(2 * xi) * np.sin(xi_) * (1 + delta)
        second = xi * np.cos(3 * xi_) * (1 - delta)
        mix = np.array([[1.0, 0.5], [-0.3, 2.0]])
        return first[..., None, None] * mix + second[..., None, None] * mix.T

    return Continuum.from_fields(SPEC, W=weight, b=lambda xi, delta: np.stack([xi + 0 * delta, 0 * xi + delta], -1))


def data(count: int = 10):
    generator = np.random.default_rng(0)
    return records(generator.standard_normal((count, 12, 2)), y=generator.integers(0, 2, count))


@pytest.mark.slow
def test_a_field_of_rank_two_needs_two_functions_and_keeps_its_outputs(tmp_path) -> None:
    model = low_rank()
    small = adapt(model, error=1e-6, records=data())
    assert small.fields["W"].slabs[0].coefficients.shape[:2] == (2, 2)
    assert small.report.distance["W"] <= 1e-6 * small.report.norm["W"]
    assert small.report.outputs_solver == 0
    x = data().samples()
    assert np.max(np.abs(small(x) - model(x))) <= 1e-5 * np.max(np.abs(model(x)))
    small.save(tmp_path / "small.npz")
    assert np.array_equal(load(tmp_path / "small.npz")(x), small(x))
    back = project(small, "base")
    assert np.max(np.abs(back(x) - small(x))) <= 1e-12


@pytest.mark.first(1)
@pytest.mark.parametrize("error", [0.5, 0.1, 0.01])
def test_the_error_is_kept(error: float) -> None:
    start = Continuum.from_spec(SPEC, seed=0)
    model = start.with_coordinates(np.random.default_rng(0).standard_normal(start.size))
    report = adapt(model, error=error).report
    assert report.distance["W"] <= error * report.norm["W"]
    assert report.coefficients[1] <= report.coefficients[0]


@pytest.mark.slow
def test_the_level_trains_and_bad_errors_are_refused() -> None:
    small = adapt(low_rank(), error=0.1)
    trained = fit(small, data(), optimiser="lbfgs", learning_rate=0.1, epochs=15)
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    with pytest.raises(DataError, match="between 0 and 1"):
        adapt(small, error=5)
