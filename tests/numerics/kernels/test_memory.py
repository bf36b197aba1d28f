"""Gradients that keep some states and compute the rest again have the bits of those that keep every stage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import ContinuumError
from numerics import Continuum, fit
from numerics.datasets import records

P0 = {"family": "p0", "cells": 3}


def declared(steps: int, tableau: str = "heun", **more: Any) -> dict[str, Any]:
    depth = {"family": "p0", "cells": steps}
    return {
        "name": "deep", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/8"},
        "state": {"basis": P0}, "weight": {"width_out": P0, "width_in": P0, "depth": depth},
        "bias": {"width": P0, "depth": depth}, "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": P0}, "loss": {"kind": "l2"}, **more,
    }  # fmt: skip


DATA = np.random.default_rng(0).standard_normal((7, 12))
TARGETS = np.random.default_rng(1).standard_normal((7, 2))


@pytest.mark.parametrize(("steps", "tableau"), [(1, "euler"), (11, "heun"), (16, "rk4"), (5, "implicit-midpoint")])
def test_the_same_bits(steps: int, tableau: str) -> None:
    model = Continuum.from_spec(load_spec(declared(steps, tableau)), seed=2)
    prepared = model.prepare(records(DATA, y=TARGETS))
    loss, slope = model.objective(prepared)
    sparing = model.running_on(model.bound.keeping("checkpoint"))
    assert sparing.bound.slabs[0].kept_bytes(7) > 0  # asked before there are operators, which changes nothing
    again, slope_again = sparing.objective(prepared)
    assert again == loss and np.array_equal(slope_again, slope) and np.abs(slope).max() > 0


def test_slabs_of_their_own_bases() -> None:
    """A slab whose state arrives in another basis keeps its stages; the one before does not have to."""
    bases = [P0, P0, {"family": "p0", "cells": 4}]
    spec = declared(4) | {"integration": {"tableau": "heun", "steps": 16}, "state": {"basis": bases}}
    model = Continuum.from_spec(load_spec(spec), seed=2)
    assert [slab.tables.entry for slab in model.bound.slabs] == [False, True]
    prepared = model.prepare(records(DATA, y=TARGETS))
    sparing = model.running_on(model.bound.keeping("checkpoint"))
    assert np.array_equal(model.objective(prepared)[1], sparing.objective(prepared)[1])


def test_memory_grows_with_the_root_of_the_steps() -> None:
    bound = {steps: Continuum.from_spec(load_spec(declared(steps)), seed=0).bound for steps in (16, 256)}

    def kept(steps: int, memory: str) -> int:
        return bound[steps].keeping(memory).slabs[0].kept_bytes(100)

    assert kept(256, "stored") == 16 * kept(16, "stored")
    assert kept(256, "checkpoint") <= 4.1 * kept(16, "checkpoint")
    assert kept(256, "checkpoint") <= kept(256, "stored") / (math.sqrt(256) / 2)


def test_training_is_the_same() -> None:
    model = Continuum.from_spec(load_spec(declared(9)), seed=0)
    data = records(DATA, y=TARGETS)
    stored, sparing = (fit(model, data, epochs=3, memory=memory) for memory in ("stored", "checkpoint"))
    assert np.array_equal(stored.coordinates, sparing.coordinates)
    with pytest.raises(ContinuumError, match="stored, checkpoint"):
        fit(model, data, epochs=1, memory="none")
