"""Marcus' identity: bits in, the same bits out, learned from even numbers; continua whose weights are shared or not."""

from __future__ import annotations

from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies._perceptrons import Array, perceptron, trained

BITS, CHANNELS = 8, 8
SWAP = {
    "map": ["xi", "xi + 1/4", "xi - 1/4", "xi"],
    "breakpoints": ["-1", "-1/4", "0", "1/4", "1"],
}  # cells 4 and 5 change places
WAYS: dict[str, dict[str, Any]] = {
    "any W(ξ, ξ′)": {},
    "any W(ξ, ξ′), states added": {"rate": "tanh(u)"},
    "W(ξ − ξ′) on a circle": {"periodic": True, "symmetry": {"shift": "1/4"}},
    "κ(ξ − ξ′), three cells": {"reach": "3/8"},
    "W of all orders of bits": {"periodic": True, "symmetry": [{"shift": "1/4"}, SWAP]},
}


def numbers(odd: bool) -> Array:
    """All even or all odd numbers of eight bits, (128, 8); the last bit is the one that tells them apart."""
    return np.array([[n >> k & 1 for k in range(BITS - 1, -1, -1)] for n in range(odd, 2**BITS, 2)], dtype=float)


def declare(way: str) -> dict[str, Any]:
    """One layer of eight channels on eight cells, tanh; the lift and the readout are the same at every bit."""
    cells, once = {"family": "p0", "cells": BITS}, {"family": "p0", "cells": 1}
    equation = {"rate": "tanh(u) - h", "spacing": "1", "channels": CHANNELS, **WAYS[way]}
    kernel = "reach" in equation
    return {
        "name": "identity",
        "equation": equation,
        "input": {"interpolant": "constant"},
        "lift": {"inputs": 1},
        "state": {"basis": cells},
        "weight": {
            **({"kernel": {"family": "p0", "cells": 3}} if kernel else {"width_out": cells, "width_in": cells}),
            "depth": once,
        },
        "bias": {"width": once if kernel or "symmetry" in equation else cells, "depth": once},
        "integration": {"tableau": "euler", "steps": 1},
        "readout": {"outputs": 1},
        "loss": {"kind": "l2"},
    }


def said(model: Any, bits: Array) -> Array:
    """The bits that a model answers with, (N, 8)."""
    return (model(bits).reshape(len(bits), BITS) > 0.5).astype(float)


def learned(way: str, seed: int, epochs: int = 600, rate: float = 0.01) -> Any:
    """A continuum trained on the even numbers."""
    even = numbers(False)
    return trained(ct.Continuum.from_spec(declare(way), seed=seed), even, even[..., None], epochs, rate)


def perceptron_learned(seed: int, epochs: int = 300) -> tuple[Any, float]:
    """A perceptron 8 → 32 → 8 trained on the even numbers; how far its weights of the last bit have moved."""
    even = numbers(False)
    before = perceptron((BITS, 32, BITS), "tanh", seed)
    after = trained(before, even, even, epochs, 0.03)
    moved = [np.abs(ct.to_layers(m).weights[0][:, -1]) for m in (before, after)]
    return after, float(np.abs(moved[1] - moved[0]).max())


def shares(model: Any) -> dict[str, float]:
    """Of even numbers how many are right; of odd ones, how many, how many but for the last bit, and that bit."""
    even, odd = numbers(False), numbers(True)
    right = said(model, odd) == odd
    return {
        "even": float((said(model, even) == even).all(axis=1).mean()),
        "odd": float(right.all(axis=1).mean()),
        "other bits": float(right[:, :-1].all(axis=1).mean()),
        "last bit": float(right[:, -1].mean()),
    }
