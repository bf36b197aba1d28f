"""The symmetries that a declaration has: maps of positions. What they leave, and that the network commutes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies.symmetry.representations import P4M, Array, Element, by_characters, generated, positions

ONCE = {"family": "p0", "cells": 1}


def as_map(images: Sequence[int]) -> dict[str, Any]:
    """The symmetry of a declaration that takes the equal cell i of [−1, 1] to the cell images[i]."""
    n = len(images)
    cuts = [str(Fraction(2 * i, n) - 1) for i in range(n + 1)]
    return {"map": [f"xi + {Fraction(2 * (to - i), n)}" for i, to in enumerate(images)], "breakpoints": cuts}


def square(size: int, g: Element) -> list[int]:
    """Where an element of the square takes its size × size pixels, in rows."""
    return [int(k) for k in positions(size, 2)(g).argmax(axis=0)]


def declared(symmetry: Any, basis: dict[str, Any], bias: dict[str, Any] | None = None, **equation: Any) -> Any:
    """A random continuum of three channels in one basis, with a symmetry or without (None)."""
    narrow = {} if symmetry is None else {"symmetry": symmetry}
    spec = {
        "name": "declared",
        "equation": {"rate": "tanh(u) - h", "channels": 3, **equation, **narrow},
        "input": {"interpolant": "least-squares" if basis["family"] == "fourier" else "constant"},
        "lift": {"inputs": 1},
        "state": {"basis": basis},
        "weight": {"width_out": basis, "width_in": basis, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": bias or ONCE, "depth": ONCE},
        "integration": {"tableau": "heun", "steps": 2},
        "readout": {"outputs": 1},
        "loss": {"kind": "l2"},
    }
    return ct.Continuum.from_spec(spec, seed=0)


def apart(model: Any, x: Array, before: Any, after: Any = None) -> float:
    """How far the network of moved records is from the moved network; after: what outputs do, if not the same."""
    wanted = (after or before)(np.asarray(model(x)))
    return float(np.abs(np.asarray(model(before(x))) - wanted).max() / np.abs(wanted).max())


def numbers() -> list[Number]:
    generator, cells, waves = np.random.default_rng(0), {"family": "p0", "cells": 8}, {"family": "fourier", "size": 9}
    nodes = len(declared(None, waves, periodic=True).representation.slabs[0].factors("nodes")[0])
    pixels = {"family": "p0", "cells": 36}
    maps = [as_map(square(6, g)) for g in P4M]
    turn, mirror = (np.argsort(square(6, g)) for g in P4M)
    cases = {
        "all shifts, 9 waves": (
            declared("translation", waves, periodic=True), nodes, lambda a: np.roll(a, 1, axis=1), 9
        ),
        "a reflection, 8 cells": (declared("reflection", cells, cells), 8, lambda a: a[:, ::-1], 32),
        "shifts by two of 8 cells": (
            declared({"shift": "1/2"}, cells, cells, periodic=True), 8, lambda a: np.roll(a, 2, axis=1), 16
        ),
        "turns and mirrors of 6 × 6": (declared(maps, pixels, pixels), 36, lambda a: a[:, turn][:, mirror], None),
    }  # fmt: skip
    found = []
    for name, (model, points, move, count) in cases.items():
        size = count or int(by_characters(generated(*P4M), positions(6, 2), positions(6, 2)))
        own = model.fields["W"].slabs[0].coefficients.shape[0]
        x = generator.standard_normal((10, points, 1))
        if count == 9:  # what nine waves hold, so that the samples are the function
            kept = np.arange(points // 2 + 1) < 5
            x = np.fft.irfft(np.fft.rfft(x, axis=1) * kept[:, None], points, axis=1)
        found += [
            Number(f"{name}: coefficients of W, less the count by characters", own - size, 0, 0),
            Number(f"{name}: commutes to", apart(model, x, move), 0, 1e-12),
        ]
    return [*found, Number("the last without the symmetry", apart(declared(None, pixels, pixels), x, move), 0.01, 10)]
