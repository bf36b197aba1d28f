"""Classifying signals by shares of random fields above levels, as recorded and with points left out; rockets beside.

    python benchmarks/shares.py [RECORD] [--models 6] [--sets GunPoint …]

The sets, splits and samplings of ``signals.py``. Nothing is trained but the readout, in closed form. Two steps: the
first leaves a channel as it is or takes differences of neighbouring cells, the second convolves with a random κ at one
of four scales, in a basis of hats that is fine in the middle; then the shares of the domain above eight levels. Every
channel is scaled to what the training records make of it, and shifted a little, so that levels stand at other quantiles
in each. The readout's targets are the classes' indicators; a record comes with ten thinned versions, and is left out
with them when the penalty is chosen. One declaration serves all sets. "Together" is the mean of the models.

The rockets (aeon's, in an environment of their own, ``make rivals``) see each record and its ten thinned versions,
too, projected onto 128 hats. Every run has one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from signals import COPIES, HERE, MEAN, RIVALS, SETS, WAYS, line, samplings

from numerics import Continuum, datasets, fit
from numerics.datasets import Records
from numerics.datasets.sampling import Augmentation
from numerics.model.units import learned

Array = np.ndarray
Scores = dict[str, float]

CHANNELS, CELLS, STEPS = 96, 128, {"family": "p0", "cells": 2}
SCALES, HATS = (1, 2, 4, 8), 5  # of κ, in 64ths: the distance of its hats, and how many there are on each side
EDGES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48]  # in 64ths: every scale's hats are sums of these
LEVELS = ["-3/2", "-9/10", "-1/2", "-1/6", "1/6", "1/2", "9/10", "3/2"]  # near a normal law's 1/16, 3/16, …
SHIFT = 1 / 8  # of a channel, at most: half a distance of the levels in the middle
THIN = 0.3
ROCKETS = ("MiniRocket", "MultiRocketHydra")


def declared(train: Records) -> dict[str, Any]:
    """The declaration for a set's channels and classes."""
    edges = [f"{sign}{edge}/64" for sign, order in (("-", -1), ("", 1)) for edge in EDGES[::order]]
    half = len(EDGES)
    return {
        "name": "shares",
        "precision": "float32",
        "equation": {"rate": "2*(u - h)", "channels": CHANNELS, "reach": "3/4", "local": True},
        "input": {"scale": "standard"},
        "lift": {"inputs": train.channels},
        "state": {"basis": {"family": "p0", "cells": CELLS}},
        "weight": {
            "kernel": {"family": "hat", "breakpoints": [*edges[:half], "0", *edges[half:]]},
            "depth": STEPS,
        },
        "bias": {"width": MEAN, "depth": STEPS},
        "integration": {"tableau": "euler", "steps": 2},
        "readout": {
            "outputs": len(train.classes), "basis": MEAN, "shares": {"levels": LEVELS, "width": "1/10"},
        },
        "loss": {"kind": "l2"},
        "training": {"optimiser": "ridge", "thin": THIN, "epochs": COPIES},
    }  # fmt: skip


def drawn(train: Records, seed: int) -> Continuum:
    """A continuum of random κ: its hats have random heights, or, every second channel, differences of those; pairs of

    channels see differences of cells, or none, of one channel of the records, or of a random mixture of several.
    """
    model, generator = Continuum.from_spec(declared(train)), np.random.default_rng(seed)
    at = np.array([*(-edge for edge in EDGES[::-1]), 0, *EDGES]) / 64
    kernels, local = np.zeros((len(at), 2, CHANNELS, CHANNELS)), np.zeros((1, 2, CHANNELS, CHANNELS))
    mixtures = np.zeros((CHANNELS, train.channels + 1))
    for c in range(CHANNELS):
        differences, changes = divmod(c % 4, 2)
        local[0, 0, c, c] = -1 if differences else 1
        kernels[:, 0, c, c] = differences * CELLS / 2 * (at == -2 / CELLS)  # the cell on the right
        heights = np.diff(generator.standard_normal(2 * HATS + 1 + changes), changes)
        knots = SCALES[c // 4 % len(SCALES)] / 64 * np.arange(-HATS - 1, HATS + 2)
        kernels[:, 1, c, c] = np.interp(at, knots, [0, *heights, 0], left=0, right=0)
        count = int(2 ** generator.uniform(0, np.log2(min(train.channels, 9) + 1)))
        seen = generator.choice(train.channels, count, replace=False)
        mixtures[c, seen] = generator.standard_normal(count) if train.channels > 1 else 1
    model = model.replace(units=learned(model.spec, model.units, train, np.arange(len(train))))
    found = _with(model, W=kernels, V=local, P=mixtures)
    y = found.solver.final(found.project_samples(train)).reshape(CELLS, CHANNELS, -1)
    mean, size = y.mean(axis=(0, 2)), y.std(axis=(0, 2))
    kernels[:, 1] /= size[:, None]
    shift = np.zeros((1, 2, CHANNELS))
    shift[0, 1] = generator.uniform(-SHIFT, SHIFT, CHANNELS) - mean / size
    return _with(found, W=kernels, b=shift)


def _with(model: Continuum, **coefficients: Array) -> Continuum:
    fields = {name: model.fields[name].with_coefficients([a]) for name, a in coefficients.items()}
    return model.replace(fields={**model.fields, **fields})


def indicated(train: Records) -> Records:
    """The records with a number for each class, 1 for their own and −1 for others."""
    return replace(train, y=2.0 * np.eye(len(train.classes))[np.asarray(train.y)] - 1, classes=())


def fields(train: Records, parts: dict[str, Records], seed: int) -> tuple[dict[str, Array], float, float]:
    """A model's outputs by sampling; seconds of training, and for 1,000 records."""
    start = time.perf_counter()
    model = fit(drawn(train, seed), indicated(train), seed=seed)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    found = {way: np.asarray(model(replace(part, y=None, classes=()))) for way, part in parts.items()}
    return found, seconds, 1000 * (time.perf_counter() - start) / sum(map(len, parts.values()))


def rockets(train: Records, test: Records, parts: dict[str, Records], seed: int) -> dict[str, tuple[Scores, float]]:
    """The accuracies of every rocket by sampling, and seconds for 1,000 records."""
    model = Continuum.from_spec({**declared(train), "state": {"basis": {"family": "hat", "size": CELLS}}})
    points, generator = model.sample_points(train), np.random.default_rng(seed)
    copies = [train, *(Augmentation(thin=THIN)(train, points, generator) for _ in range(COPIES))]

    def projected(data: Records) -> Array:
        states = model.project_samples(data).reshape(CELLS, train.channels + 1, -1)[:, :-1]
        return np.ascontiguousarray(states.transpose(2, 1, 0))

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data.npz"
        np.savez(
            path, **{"train/x": np.concatenate([projected(part) for part in copies])},
            **{"train/y": np.tile(np.asarray(train.y), 1 + COPIES), "test/y": np.asarray(test.y)},
            **{f"test/x/{way}": projected(part) for way, part in parts.items()},
        )  # fmt: skip
        for name in ROCKETS:
            command = [str(RIVALS), str(HERE / "rivals" / "minirocket.py"), path, str(seed), name]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            done = json.loads(told.splitlines()[-1])
            found[name] = {way: done[way][0] for way in WAYS}, done[WAYS[0]][1]
    return found


def accuracy(found: dict[str, Array], y: Array) -> Scores:
    return {way: float(np.mean(z.argmax(axis=1) == y)) for way, z in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    given = parser.parse_args()
    heads = "  ".join(f"{way:10s}" for way in ("recorded", *WAYS[1:], "mean"))
    lines = [f"{'':48s} {heads}  seconds for 1,000 records"]
    print(lines[0])

    def tell(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    whole: dict[str, list[list[Scores]]] = {}
    for name in given.sets:
        train, test = datasets.load(name)
        y, parts = np.asarray(test.y), samplings(Continuum.from_spec(declared(train)).sample_points(test), test)
        done = [fields(train, parts, seed) for seed in range(given.models)]
        together = {way: np.mean([found[way] for found, *_ in done], axis=0) for way in WAYS}
        cost = f"{np.median([d[2] for d in done]):.2f}   trained in {np.median([d[1] for d in done]):.0f} s"
        rows: dict[str, tuple[list[Scores], str]] = {
            "random fields": ([accuracy(found, y) for found, *_ in done], cost),
            f"random fields, {given.models} together": ([accuracy(together, y)], ""),
        }
        if RIVALS.exists():
            for rocket, (scores, seconds) in rockets(train, test, parts, 0).items():
                rows[f"{rocket}, copies"] = [scores], f"{seconds:.2f}"
        for row, (scores, rest) in rows.items():
            tell(line(name, row, scores, rest))
            whole.setdefault(row, []).append(scores)
    for row, sets in whole.items():
        runs = min(len(scores) for scores in sets)
        means = [{way: float(np.mean([scores[k][way] for scores in sets])) for way in WAYS} for k in range(runs)]
        tell(line("all", row, means))
    if not RIVALS.exists():
        tell("no rival was measured: `make rivals` installs aeon")
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
