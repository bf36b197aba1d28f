"""Floating-point operations of a gradient against numbers counted by hand, and against numbers that count themselves."""

from __future__ import annotations

from fractions import Fraction
from typing import Any



from derive.declaration import load_spec



from numerics.model.continuum import Continuum
from tests.builders import declare

CELLS = {"family": "p0", "cells": 4}
LAYERS: dict[str, Any] = {
    "name": "layers",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": CELLS},
    "weight": {"width_out": CELLS, "width_in": CELLS, "depth": {"family": "p0", "cells": 2}},
    "bias": {"width": CELLS, "depth": {"family": "p0", "cells": 2}},
    "integration": {"tableau": "euler", "steps": 4},
    "readout": {"outputs": 2, "basis": CELLS},
    "loss": {"kind": "cross-entropy"},
}


def test_of_layers_counted_by_hand() -> None:
    """Four Euler steps of four numbers: products E h and Eᵀ p, the gradient p hᵀ, tanh and its slope, and sums.

    A product that is added counts two, anything else one.
    """
    step = {
        "u = E h": 2 * 4 * 4,
        "m = 2 tanh(u + e)": 4 * 3,
        "p = (2 − 2 tanh²) v, added to the bias's gradient": 4 * (4 + 1),
        "p hᵀ": 2 * 4 * 4,
        "Eᵀ p": 2 * 4 * 4,
        "H = h and h + s m, forwards and back": 2 * (2 * 4 + 2 * 2 * 4),
    }
    readout = 3 * 2 * 2 * 4  # R y, and with z̄ both gradients
    formed = {
        "w_s = Σ_k θ_k w_k, at two depths": 2 * 2 * 2 * 16,
        "w_s C of a diagonal C": 2 * 2 * 4 * 4,
        "β_s": 2 * 2 * 2 * 4,
    }
    model = Continuum.from_spec(load_spec(LAYERS))
    assert model.representation.flops == (2 * sum(formed.values()), 4 * sum(step.values()) + readout)


def test_a_level_with_a_quarter_of_the_layers_takes_a_quarter_of_the_work() -> None:
    deep = declare(integration={"steps": 16}, levels={"coarse": {"integration": {"steps": 4}}})
    spec = load_spec(deep)
    fine, coarse = (Continuum.from_spec(spec, level=name).representation.flops for name in (None, "coarse"))
    heads = 3 * 2 * 3 * spec.slabs[-1].state.size
    assert Fraction(fine[1] - heads, coarse[1] - heads) == 4
