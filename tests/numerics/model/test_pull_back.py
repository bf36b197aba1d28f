"""Derivatives by what a model gives, pulled back to its coordinates and states: against differences of the outputs."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.model import adjoint
from tests.builders import EVERY, random_model


@pytest.mark.first(4)
@pytest.mark.parametrize(
    "name", ["numbers", "function", "lift", "maxima", "frequencies", "varying lift", "kernel on a square"]
)
def test_against_differences(name: str) -> None:
    model, generator = random_model(EVERY[name]), np.random.default_rng(1)
    spec = model.spec
    states = generator.standard_normal((spec.entry_channels * spec.entry.size, 4))
    bar = generator.standard_normal(adjoint.outputs(model, states).shape)
    of_coordinates, of_states = adjoint.pull_back(model, states, bar)
    way, move, step = generator.standard_normal(model.size), generator.standard_normal(states.shape), 1e-3

    def along(t: float) -> float:
        moved = model.with_coordinates(model.coordinates + t * way)
        return float(np.sum(bar * adjoint.outputs(moved, states + t * move)))

    near, far = ((along(t) - along(-t)) / (2 * t) for t in (step, 2 * step))
    expected = (4 * near - far) / 3  # to the fourth power of the step
    assert of_coordinates @ way + np.sum(of_states * move) == pytest.approx(expected, rel=1e-8)
