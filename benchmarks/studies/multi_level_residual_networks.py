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
EPOCHS, RATES = 36, (0.01, 0.003, 0.03)
WAYS = ("direct", "cycles", "nested", "shorter", "restarts", "shallow")


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


def trained(way: str, seed: int, data: Any, epochs: int = EPOCHS, rate: float = RATES[0]) -> Trained:
    """A way to train: "direct", on 16 layers; "cycles", a third of the epochs on 4, 8 and 16 layers each.

    "shorter", "restarts", "nested" have the work of the cycles: on 16 layers with one cosine, with as many as the
    cycles have (each rounded up to whole epochs), and our own strategy. "shallow": all epochs on 4 layers.
    """
    count, less = len(DEPTHS), max(len(DEPTHS), round(share(len(DEPTHS) - 1) * epochs))
    fine = way in ("direct", "shorter", "restarts")
    model = ct.Continuum.from_spec(declared(), seed=seed, level=FINE if fine else None)
    clock, moved = Clock(), []
    options = {"learning_rate": rate, "seed": seed}
    own = epochs // count if way == "cycles" else -(-less // count)  # of a cycle
    if way in ("cycles", "restarts"):
        for k in range(count):
            if k and way == "cycles":
                before, model = model(data), doubled(model)
                moved.append(float(np.linalg.norm(model(data) - before) / np.linalg.norm(before)))
            model = fitted(model, data, clock, epochs=own, **options)
    else:
        epochs = epochs if way in ("direct", "shallow") else less
        model = fitted(model, data, clock, epochs=epochs, strategy="nested" if way == "nested" else "direct", **options)
    return Trained(model, tuple(clock.rows), tuple(moved))


def warm(data: Any) -> None:
    """Compiles kernels and reads tables, so that no training's seconds hold it."""
    few = data.take(np.arange(64))
    for level in (None, *list(DEPTHS)[1:]):
        fitted(ct.Continuum.from_spec(declared(), level=level), few, epochs=1)


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


def unhalved(seed: int, data: Any, images: Array, count: int) -> tuple[float, float]:
    """How far scores move, relative, where a network trained on 4 layers has each of them twice: with half of its step,

    which is the prolongation, and with all of it.
    """
    model = trained("shallow", seed, data, count).model
    before = run(model, images, 1.0)
    halved, whole = (run(model, images, factor, copies=2) - before for factor in (0.5, 1.0))
    return tuple(float(np.linalg.norm(moved) / np.linalg.norm(before)) for moved in (halved, whole))  # type: ignore


def study(long: bool) -> list[Number]:
    data, test = digits(None if long else 300)
    epochs, seeds = (EPOCHS, range(3)) if long else (9, range(2))
    warm(data)
    rates = {way: chosen(way, data, epochs) if long else RATES[0] for way in ("direct", "cycles", "nested")}
    rates |= dict.fromkeys(("shorter", "restarts", "shallow"), rates["direct"])
    runs = {way: [trained(way, seed, data, epochs, rates[way]) for seed in seeds] for way in WAYS}
    right = {way: [accuracy(r.model, test) for r in own] for way, own in runs.items()}
    losses = {way: [r.rows[-1][1] for r in own] for way, own in runs.items()}
    work = {way: np.array([r.work for r in own]) for way, own in runs.items()}
    there = {
        way: np.array([r.until(loss) for r, loss in zip(runs[way], losses["direct"])]) / work["direct"]
        for way in ("cycles", "nested", "restarts")
    }
    images = np.asarray(test.x).reshape(-1, CELLS, CELLS)
    found = [unhalved(seed, data, images, epochs // 3) for seed in seeds]
    largest = np.bincount(test.y).max() / len(test)
    in_theory = share(len(DEPTHS) - 1)
    return [
        Number("the largest class: accuracy", float(largest), 0, 0.2),
        *(mean(f"{way}: accuracy", right[way], 0.2, 1) for way in WAYS),
        mean("cycles less direct: accuracy", np.subtract(right["cycles"], right["direct"]), -0.01, 0.3),
        mean("nested less direct: accuracy", np.subtract(right["nested"], right["direct"]), -0.01, 0.3),
        mean("shorter less direct: accuracy", np.subtract(right["shorter"], right["direct"]), -0.5, 0.01),
        mean("restarts less direct: accuracy", np.subtract(right["restarts"], right["direct"]), -0.1, 0.3),
        mean("cycles less restarts: accuracy", np.subtract(right["cycles"], right["restarts"]), -0.01, 0.3),
        mean(
            "cycles over direct: operations", work["cycles"][:, 0] / work["direct"][:, 0], in_theory, in_theory + 0.03
        ),
        mean("cycles over direct: CPU seconds", work["cycles"][:, 1] / work["direct"][:, 1], 0, np.inf),
        mean("nested over direct: operations", work["nested"][:, 0] / work["direct"][:, 0], 0.5, 0.65),
        *(
            Number(f"{way}, until direct's last loss: {what}", float(np.median(there[way][:, k])), 0, most)
            for way, fewer in (("cycles", 1), ("nested", 1), ("restarts", np.inf))
            for k, (what, most) in enumerate((("operations", fewer), ("CPU seconds", np.inf)))  # others may be at work
        ),
        *(
            mean(f"last loss, {way} over direct", np.divide(losses[way], losses["direct"]), 0, most)
            for way, most in (("cycles", 1), ("nested", 1.1), ("restarts", 3))
        ),
        mean("a doubling, halved steps: scores moved by", [a for a, _ in found], 0, 0.5),
        mean("a doubling, whole steps: scores moved by", [b for _, b in found], 0.5, 10),
    ]
