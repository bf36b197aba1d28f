"""Cycles of doubling depth (Chang et al. 2017) on a convolutional residual network, beside nested iteration and nulls.

A cycle trains with a cosine from the full learning rate to nothing; between two cycles every layer is copied and its
step halved, which is a prolongation of fields that are constant on the depth's cells.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number, mean

Array = np.ndarray

TITLE = "Multi-level residual networks: what do cycles of doubling depth save at equal accuracy?"
DEPTHS = {"base": 4, "eight": 8, "sixteen": 16}
FINE, CELLS, TAPS, CHANNELS = "sixteen", 8, 3, 8
EPOCHS, RATES = 24, (0.01, 0.03, 0.1)


def declared() -> dict[str, Any]:
    """h ← h + (s/Δ) tanh(κ ∗ h + b) with s = Δ on four layers: 3 × 3 taps on 8 × 8 pixels, zeros around them."""

    def level(layers: int) -> dict[str, Any]:
        depth = {"family": "p0", "cells": layers}
        return {"weight": {"depth": depth}, "bias": {"depth": depth}, "integration": {"steps": layers}}

    base = level(DEPTHS["base"])
    return {
        "name": "multi-level",
        "precision": "float32",
        "equation": {
            "dimension": 2, "rate": "residual", "activation": "tanh", "spacing": f"1/{DEPTHS['base']}",
            "channels": CHANNELS, "reach": f"{TAPS}/{CELLS}",
        },
        "input": {"interpolant": "constant"},
        "lift": {"inputs": 1},
        "state": {"basis": {"family": "p0", "cells": CELLS}},
        "weight": {"kernel": {"family": "p0", "cells": TAPS}, **base["weight"]},
        "bias": {"width": {"family": "p0", "cells": 1}, **base["bias"]},
        "integration": {"tableau": "euler", **base["integration"]},
        "readout": {"outputs": 10, "basis": {"family": "p0", "cells": 4}},
        "loss": {"kind": "cross-entropy"},
        "training": {"optimiser": "adam-coordinatewise", "batch": 64},
        "levels": {name: level(layers) for name, layers in DEPTHS.items() if name != "base"},
    }  # fmt: skip


def doubled(model: ct.Continuum) -> ct.Continuum:
    """The model on the next level: every layer twice, with half of its step."""
    names = list(DEPTHS)
    return ct.refine(model, level=names[names.index(model.level or "base") + 1])


def share(interpolations: int) -> float:
    """The work of cycles of equally many epochs over that of as many on the finest level, if layers are all of it."""
    return sum(0.5**k for k in range(interpolations + 1)) / (interpolations + 1)


# --- the network, layer by layer in NumPy


def run(model: ct.Continuum, images: Array, factor: float, copies: int = 1) -> Array:
    """Scores (N, 10) of images (N, 8, 8) by the network of the model's fields: each layer so many times, with a factor

    in front of its tanh; s/Δ is what the model itself has.
    """
    kappa, b, P, R, a = (model.fields[name].slabs[0].coefficients for name in ("W", "b", "P", "R", "a"))
    h = np.einsum("ci,nxyi->nxyc", P[:, :-1], images[..., None]) + P[:, -1]
    cell, wide = 2 / CELLS, TAPS // 2
    for layer in range(kappa.shape[2]):
        for _ in range(copies):
            padded = np.pad(h, ((0, 0), (wide, wide), (wide, wide), (0, 0)))
            u = np.zeros_like(h) + b[0, 0, layer]
            for i in range(TAPS):
                for j in range(TAPS):  # κ at ξ − ξ′ > 0 sees what lies before ξ
                    seen = padded[:, TAPS - 1 - i :, TAPS - 1 - j :][:, :CELLS, :CELLS]
                    u += cell**2 * seen @ kappa[i, j, layer].T
            h = h + factor * np.tanh(u)
    blocks = h.reshape(len(h), len(R), CELLS // len(R), len(R), CELLS // len(R), CHANNELS).sum(axis=(2, 4))
    return cell**2 * np.einsum("nijc,ijkc->nk", blocks, R) + a


# --- training, with what it takes


@dataclass(frozen=True)
class Trained:
    """A model with, epoch by epoch, its level, loss, operations and CPU seconds until then, and outputs moved by

    every change of level, relative.
    """

    model: ct.Continuum
    rows: tuple[tuple[str, float, float, float], ...]
    moved: tuple[float, ...] = ()

    @property
    def work(self) -> tuple[float, float]:
        """Operations and CPU seconds in all."""
        return self.rows[-1][2], self.rows[-1][3]

    def until(self, loss: float) -> tuple[float, float]:
        """Operations and CPU seconds until the finest level has a loss; infinite where it never has."""
        reached = (row[2:] for row in self.rows if row[0] == FINE and row[1] <= loss)
        return next(reached, (math.inf, math.inf))


class Clock:
    """Collects the rows of one training after the other."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float, float]] = []
        self.flops = 0.0
        self.began = time.process_time()

    def __call__(self, model: ct.Continuum, row: Any) -> None:
        self.flops += row["flops"]
        seconds = time.process_time() - self.began
        self.rows.append((row["level"], row["loss"], self.flops, seconds))


def fitted(model: ct.Continuum, data: Any, clock: Clock | None = None, **options: Any) -> ct.Continuum:
    """A training with a cosine of its own; Adam's remark is not shown."""
    with contextlib.redirect_stderr(io.StringIO()):
        return ct.fit(model, data, callback=clock, **options)


def digits(count: int | None = None) -> tuple[Any, Any]:
    """Training and test digits; count: of the training digits, the first so many."""
    train, test = ct.datasets.load("digits2d")
    return (train if count is None else train.take(np.arange(count))), test


def trained(way: str, seed: int, data: Any, epochs: int = EPOCHS, rate: float = 0.03, **options: Any) -> Trained:
    """A way to train: "direct", on 16 layers; "shorter", the same with the epochs whose work is that of the cycles;

    "cycles", a third of the epochs on 4, 8 and 16 layers each; "nested", our strategy with the work of the cycles;
    "shallow", 4 layers only.
    """
    less = max(1, round(share(len(DEPTHS) - 1) * epochs))
    level = FINE if way in ("direct", "shorter") else None
    model = ct.Continuum.from_spec(declared(), seed=seed, level=level)
    options = {"learning_rate": rate, "seed": seed, **options}
    strategy = "nested" if way == "nested" else "direct"
    fitted(model, data, epochs=0, strategy=strategy)  # kernels are compiled, tables read
    clock, moved = Clock(), []
    if way == "cycles":
        for k in range(len(DEPTHS)):
            model = fitted(model, data, clock, epochs=epochs // len(DEPTHS), **options)
            if k < len(DEPTHS) - 1:
                before, model = model(data), doubled(model)
                moved.append(float(np.linalg.norm(model(data) - before) / np.linalg.norm(before)))
    else:
        epochs = less if way in ("shorter", "nested") else epochs
        model = fitted(model, data, clock, epochs=epochs, strategy=strategy, **options)
    return Trained(model, tuple(clock.rows), tuple(moved))


def accuracy(model: ct.Continuum, data: Any) -> float:
    return float(ct.evaluate(model, data)["accuracy"])


def chosen(way: str, data: Any, epochs: int, rates: Sequence[float] = RATES) -> float:
    """The learning rate with the least loss on a fifth of the training digits, held out; a third of the epochs."""
    held = data.take(np.arange(0, len(data), 5))
    rest = data.take(np.flatnonzero(np.arange(len(data)) % 5))

    def loss(rate: float) -> float:
        model = trained(way, 100, rest, max(3, epochs // 3), rate).model
        return float(model.scores(model.prepare(held))["loss"])

    return min(rates, key=loss)
