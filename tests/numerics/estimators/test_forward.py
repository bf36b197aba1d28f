"""A whole model in another library's words is the model: every kind of it, and of slabs that meet each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numerics import Continuum, from_layers
from numerics.bench.rivals import NumPy
from numerics.estimators.forward import Forward
from numerics.estimators.network import NotComparable
from numerics.functions.sampled_records import default_points
from numerics.model.units import Scale, Units
from tests.builders import EVERY, FUNCTION, random_model

SAMPLES = 7


def difference(model: Continuum, samples: int = SAMPLES) -> float:
    """The largest, to the largest output, for records at the default points."""
    spec, generator = model.spec, np.random.default_rng(0)
    x = generator.standard_normal((3, *(samples,) * spec.dimension, spec.record_channels))
    xi = tuple(default_points(spec.interpolant, samples, periodic) for periodic in spec.periodic)
    at = tuple(np.linspace(-0.9, 0.8, 4 + axis) for axis in range(spec.dimension))
    found = Forward(model, NumPy.library(), np.float64, xi, at).run(np.moveaxis(x, 0, -1))
    wanted = model(x) if spec.functional else model(x, at=at if spec.dimension > 1 else at[0])
    return float(np.abs(np.moveaxis(found, -1, 0) - wanted).max() / np.abs(wanted).max())


@pytest.mark.first(6)
@pytest.mark.parametrize("name", EVERY)
def test_every_kind_of_model(name: str) -> None:
    assert difference(random_model(EVERY[name])) <= 1e-13


@pytest.mark.parametrize("last", ["affine", "activation"])
def test_slabs_whose_states_arrive_in_another_basis(last: str) -> None:
    generator = np.random.default_rng(1)
    weights = [generator.standard_normal(shape) for shape in ((5, 4), (3, 5), (2, 3))]
    model = from_layers(weights, [generator.standard_normal(len(w)) for w in weights], last=last)
    assert difference(model, 4) <= 1e-14


def test_units_are_in_it() -> None:
    model = random_model(FUNCTION)
    scale = Scale((3.0,), (2.0,), (-1.0,), (7.0,))
    assert difference(model.replace(units=Units(None, scale, Scale((200.0,), (50.0,), (0.0,), (1.0,))))) <= 1e-13


@pytest.mark.parametrize(
    ("steps", "says"),
    [({"tableau": "backward-euler", "steps": 2}, "implicit"), ({"tableau": "dopri5", "steps": "adaptive"}, "choose")],
)
def test_steps_that_are_not_the_same_for_all(steps: dict[str, Any], says: str) -> None:
    model = random_model({**FUNCTION, "integration": steps})
    with pytest.raises(NotComparable, match=says):
        difference(model)
