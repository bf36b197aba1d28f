"""The maps from coordinates to what kernels take are those that the model itself computes, and go back transposed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numerics import Continuum
from numerics.model import layout
from numerics.model.arrangement import Arrangement
from tests.builders import random_model
from tests.oracles.cuda_cases import DECLARED

P0, HAT, ONE = {"family": "p0", "cells": 3}, {"family": "hat", "cells": 3}, {"family": "p0", "cells": 1}
BASE: dict[str, Any] = {
    "name": "arranged", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2},
    "state": {"basis": HAT}, "weight": {"width_out": HAT, "width_in": P0, "depth": HAT},
    "bias": {"width": HAT, "depth": ONE}, "integration": {"tableau": "heun", "steps": 6}, "loss": {"kind": "l2"},
}  # fmt: skip
SPECS = {
    "functions": BASE,
    "numbers, maxima": BASE | {"readout": {"outputs": 3, "basis": HAT, "maximum": "4"}},
    "shares": BASE | {"readout": {"outputs": 3, "basis": HAT, "shares": {"levels": ["-1/2", "1/3"], "width": "1/4"}}},
    "lift and readout": BASE | {"lift": {"inputs": 1}, "readout": {"outputs": 2}},
    "two slabs, local": BASE | {
        "equation": BASE["equation"] | {"local": True}, "bias": {"width": [HAT] * 2, "depth": [ONE] * 2},
        "weight": {"width_out": [HAT, P0], "width_in": [P0] * 2, "depth": [ONE] * 2},
    },
    **{name: DECLARED[name] for name in ("gate, translation, local, lift", "square, translation, local, lift",
                                         "convolution, gate, local", "cube, implicit")},
}  # fmt: skip


def turned(found: Arrangement, vector: np.ndarray) -> np.ndarray:
    """The three vectors after the turns, in NumPy."""
    rooms = np.zeros((3, found.size))
    rooms[0] = vector
    for turn in found.turns:
        cut = slice(turn.at, turn.at + turn.size)
        given = rooms[turn.source, cut].reshape(-1, turn.matrix.shape[1], turn.after)
        rooms[turn.target, cut] = np.einsum("ij,bja->bia", turn.matrix, given).ravel()
    return rooms.ravel()


@pytest.mark.parametrize("name", SPECS)
def test_it_gives_what_kernels_take(name: str) -> None:
    model = random_model(SPECS[name]) if "name" not in SPECS[name] else Continuum.from_spec(SPECS[name], seed=1)
    vector = np.random.default_rng(0).standard_normal(model.size)
    given = model.coefficients_at(vector)
    wanted = {f"{k}/{n}": a for k, own in enumerate(layout.weights_of(given)) for n, a in own.arrays.items()}
    if model.spec.outputs is not None:
        operator, constant = layout.readout_map(model.representation, given)
        wanted |= {"operator": operator, "constant": constant}
    found = Arrangement.of(model)
    assert {n: tuple(a.shape) for n, a in wanted.items()} == {n: tuple(s) for n, s in found.shapes.items()}
    flat = np.concatenate([wanted[n].ravel() for n in found.shapes])
    assert np.allclose(found.matrix @ turned(found, vector), flat, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", ["numbers, maxima", "lift and readout", "two slabs, local"])
def test_gradients_go_back_by_its_transpose(name: str) -> None:
    model = Continuum.from_spec(SPECS[name], seed=1)
    found, generator = Arrangement.of(model), np.random.default_rng(0)
    vector, bar = generator.standard_normal(model.size), generator.standard_normal(found.matrix.shape[0])
    rooms = (found.matrix.T @ bar).reshape(3, -1)
    for turn in (t.transposed for t in reversed(found.turns)):
        cut = slice(turn.at, turn.at + turn.size)
        given = rooms[turn.source, cut].reshape(-1, turn.matrix.shape[1], turn.after)
        rooms[turn.target, cut] = np.einsum("ij,bja->bia", turn.matrix, given).ravel()
    there = float(bar @ (found.matrix @ turned(found, vector)))
    assert np.isclose(there, float(rooms[0] @ vector), rtol=1e-12)
