"""Coefficients that lie as kernels read them are handed on as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numerics import Continuum
from numerics.kernels.operators import Weights
from numerics.model import layout

WAVES = {"family": "fourier", "size": 3}
P0 = {"family": "p0", "cells": 2}
SQUARE = {
    "name": "layout",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2, "dimension": 2},
    "state": {"basis": P0},
    "weight": {"width_out": P0, "width_in": P0, "depth": P0},
    "bias": {"width": P0, "depth": P0},
    "integration": {"tableau": "euler", "steps": 2},
    "loss": {"kind": "l2"},
}
CIRCLE = {
    **SQUARE,
    "equation": {**SQUARE["equation"], "dimension": 1, "periodic": True, "symmetry": "translation", "local": True},
    "state": {"basis": WAVES},
    "weight": {"width_out": WAVES, "width_in": WAVES, "depth": P0},
    "bias": {"width": {"family": "p0", "cells": 1}, "depth": P0},
}
INTERVAL = {**SQUARE, "equation": {**SQUARE["equation"], "dimension": 1, "local": True}}


@pytest.mark.parametrize("declared", [SQUARE, CIRCLE, INTERVAL], ids=["square", "circle", "interval"])
def test_weights_are_views_of_coefficients_that_have_their_order(declared: dict[str, Any]) -> None:
    model = Continuum.from_spec(declared, seed=0)
    given = layout.coefficients(model.fields)
    moved: layout.Coefficients = {}
    for name, own in given.items():
        moved[name] = [layout.room(name, c.shape, model.spec.dimension, np.float32) for c in own]
        for room, c in zip(moved[name], own):
            room[...] = c
    for plain, ours in zip(layout.weights_of(given), layout.weights_of(moved)):
        kernel = ours.given(np.dtype(np.float32))
        for name, a in plain.given(np.dtype(np.float32)).items():
            assert np.array_equal(kernel[name], a)
            assert any(np.shares_memory(kernel[name], room) for own in moved.values() for room in own), name


def test_gradients_come_back_in_the_order_of_the_coefficients() -> None:
    """Weights taken for gradients become the coefficients again."""
    for declared in (SQUARE, CIRCLE, INTERVAL):
        given = layout.coefficients(Continuum.from_spec(declared, seed=0).fields)
        weights = [Weights(**own.arrays) for own in layout.weights_of(given)]
        for name, own in layout.weight_gradients(given, weights).items():
            assert all(map(np.array_equal, own, given[name])), name
