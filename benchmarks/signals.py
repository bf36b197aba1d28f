"""Classifying signals, as recorded and with points left out: the continuum beside MiniRocket and null baselines.

    python benchmarks/signals.py [RECORD] [--seeds 3]

Six sets of the UCR and UEA archives, their published splits. Test records come as recorded, with every second point,
with every fourth, and with a random 30 %. One declaration serves all sets but for the readout, the mean over the signal
or three moments, and for how far κ reaches: 3-fold cross-validation on the training records decides here. Rate, kernel,
samplings and steps were chosen so, too, on four of the sets. Every run has one thread. MiniRocket (aeon) sees
records interpolated back to the longest grid of the training set; in the second row it sees the exact projection onto
128 hats, and ten resampled copies of every training record. It runs in an environment of its own, ``make rivals``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from sklearn.linear_model import RidgeClassifierCV

from numerics import Continuum, datasets, fit
from numerics.datasets import Records
from numerics.datasets.sampling import Augmentation, thinned
from numerics.pictures.predictions import probabilities

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".venv" / "rivals" / "bin" / "python"
SETS = ("GunPoint", "ArrowHead", "ItalyPowerDemand", "OSULeaf", "JapaneseVowels", "BasicMotions")
WAYS = ("as recorded", "half", "quarter", "random30")
STEPS, BATCH, COPIES, FOLDS = 400, 16, 10, 3
Array = np.ndarray
Scores = dict[str, float]

EDGES = ("1/64", "1/32", "1/16", "1/8", "1/4", "1/2")
SPEC: dict[str, Any] = {
    "name": "signals",
    "precision": "float32",
    "equation": {"rate": "4*sin(u1)*sigmoid(u2) - 2*h", "channels": 32, "local": True},
    "state": {"basis": {"family": "p0", "cells": 128}},
    "weight": {
        "depth": {"family": "p0", "cells": 4},
    },
    "bias": {"width": {"family": "p0", "cells": 1}, "depth": {"family": "p0", "cells": 4}},
    "integration": {"tableau": "euler", "steps": 4},
    "loss": {"kind": "cross-entropy"},
    "training": {
        "optimiser": "adam-coordinatewise", "learning_rate": 0.01, "batch": BATCH, "thin": 0.3, "warp": 0.2
    },
}  # fmt: skip
MEAN: dict[str, Any] = {"family": "p0", "cells": 1}
SETTINGS: dict[str, tuple[dict[str, Any], int]] = {  # the readout's basis, and how many of the edges κ has
    "the mean": (MEAN, 5),
    "three moments": ({"family": "legendre", "size": 3}, 5),
    "the mean, a wide kernel": (MEAN, 6),
}


def declared(train: Records, setting: str = "the mean") -> dict[str, Any]:
    """The declaration for a set's channels and classes."""
    basis, count = SETTINGS[setting]
    edges = EDGES[:count]
    kernel = {"family": "hat", "breakpoints": [*(f"-{e}" for e in reversed(edges)), "0", *edges]}
    return {
        **SPEC,
        "equation": {**SPEC["equation"], "reach": edges[-1]},
        "weight": {**SPEC["weight"], "kernel": kernel},
        "lift": {"inputs": train.channels},
        "readout": {"outputs": len(train.classes), "basis": basis},
    }


def trained(train: Records, seed: int, setting: str) -> Continuum:
    epochs = -(-STEPS // -(-len(train) // BATCH))
    return fit(Continuum.from_spec(declared(train, setting), seed=seed), train, epochs=epochs, seed=seed)


def held_out(name: str, setting: str, fold: int) -> int:
    """How many records of a fold of the training records are classified rightly by what the others taught."""
    train, _ = datasets.load(name)
    labels = np.asarray(train.y)
    order = np.random.default_rng(0).permutation(len(train))
    order = order[np.argsort(labels[order], kind="stable")]
    outside = np.arange(len(train)) % FOLDS == fold
    model = trained(train.take(np.sort(order[~outside])), fold, setting)
    prepared = model.prepare(train.take(np.sort(order[outside])))
    return round(model.scores(prepared)["accuracy"] * len(prepared))


def chosen(name: str, pool: ProcessPoolExecutor) -> tuple[str, dict[str, float]]:
    """The setting that cross-validation on training records prefers, and the shares that it gets right."""
    jobs = [(name, setting, fold) for setting in SETTINGS for fold in range(FOLDS)]
    right = np.reshape(list(pool.map(held_out, *zip(*jobs))), (len(SETTINGS), FOLDS)).sum(axis=1)
    shares = dict(zip(SETTINGS, (right / len(datasets.load(name)[0])).tolist()))
    return max(shares, key=shares.__getitem__), shares


def samplings(points: list[Array], test: Records) -> dict[str, Records]:
    return {way: test if way == WAYS[0] else thinned(test, points, way) for way in WAYS}


def continuum(name: str, seed: int, setting: str) -> tuple[dict[str, Array], float, float, int]:
    """A set's probabilities by sampling; seconds of training and for 1,000 records; the number of coefficients."""
    train, test = datasets.load(name)
    start = time.perf_counter()
    model = trained(train, seed, setting)
    seconds = time.perf_counter() - start
    parts = samplings(model.sample_points(test), test)
    found = {way: probabilities(np.asarray(model(part))) for way, part in parts.items()}
    start = time.perf_counter()
    model(test)
    return found, seconds, 1000 * (time.perf_counter() - start) / len(test), model.size


def accuracy(found: dict[str, Array], y: Array) -> Scores:
    return {way: float(np.mean(p.argmax(axis=1) == y)) for way, p in found.items()}


def grid(data: Records, points: list[Array], count: int) -> Array:
    """Records interpolated to a common grid, (records, channels, points)."""
    at = np.linspace(-1, 1, count)
    return np.stack([[np.interp(at, xi, c) for c in x.T] for xi, x in zip(points, data.samples())])


def rivals(name: str, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """MiniRocket on interpolated records, and on projected ones with resampled copies: sampling → accuracy, seconds."""
    train, test = datasets.load(name)
    hats = {**declared(train), "state": {"basis": {"family": "hat", "size": 128}}}
    model = Continuum.from_spec(hats, seed=0)
    points, generator = model.sample_points(train), np.random.default_rng(seed)
    parts = samplings(model.sample_points(test), test)
    copies = [train, *(Augmentation(thin=0.3)(train, points, generator) for _ in range(COPIES))]
    longest = int(train.lengths.max())

    def projected(data: Records) -> Array:
        states = model.project_samples(data).reshape(128, train.channels + 1, -1)[:, :-1]
        return np.ascontiguousarray(states.transpose(2, 1, 0))

    data = {
        "MiniRocket": {
            "train/x": grid(train, points, longest), "train/y": np.asarray(train.y),
            **{f"test/x/{way}": grid(part, model.sample_points(part), longest) for way, part in parts.items()},
        },
        "MiniRocket, projected, copies": {
            "train/x": np.concatenate([projected(part) for part in copies]),
            "train/y": np.tile(np.asarray(train.y), 1 + COPIES),
            **{f"test/x/{way}": projected(part) for way, part in parts.items()},
        },
    }  # fmt: skip
    found = {}
    for row, arrays in data.items():
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "data.npz", **arrays, **{"test/y": np.asarray(test.y)})
            command = [str(RIVALS), str(HERE / "rivals" / "minirocket.py"), f"{folder}/data.npz", str(seed)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[row] = json.loads(done.stdout.splitlines()[-1])
    return found


def nulls(name: str) -> dict[str, Scores]:
    """The largest class of the training records, and a linear model of the interpolated samples."""
    train, test = datasets.load(name)
    model = Continuum.from_spec(declared(train), seed=0)
    longest, y = int(train.lengths.max()), np.asarray(test.y)
    linear = RidgeClassifierCV(np.logspace(-3, 3, 13))
    linear.fit(grid(train, model.sample_points(train), longest).reshape(len(train), -1), np.asarray(train.y))
    most = np.bincount(np.asarray(train.y)).argmax()
    found: dict[str, Scores] = {"majority": {}, "ridge": {}}
    for way, part in samplings(model.sample_points(test), test).items():
        x = grid(part, model.sample_points(part), longest).reshape(len(part), -1)
        found["majority"][way] = float(np.mean(y == most))
        found["ridge"][way] = float(np.mean(linear.predict(x) == y))
    return found


def line(name: str, row: str, runs: list[Scores], rest: str = "") -> str:
    cells = []
    for way in (*WAYS, "mean"):
        values = [np.mean(list(run.values())) if way == "mean" else run[way] for run in runs]
        spread = f"±{np.std(values, ddof=1):.3f}".replace("±0", "±") if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.3f}{spread:5s}")
    return f"{name:17s} {row:30s} {'  '.join(cells)}  {rest}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        heads = "  ".join(f"{way:10s}" for way in ("recorded", *WAYS[1:], "mean"))
        lines = [f"{'':48s} {heads}  seconds for 1,000 records"]
        print(lines[0])

        def tell(text: str) -> None:
            lines.append(text)
            print(text, flush=True)

        whole: dict[str, list[list[Scores]]] = {}
        seeds = range(given.seeds)
        for name in SETS:
            _, test = datasets.load(name)
            y = np.asarray(test.y)
            rows: dict[str, tuple[list[Scores], str]] = {row: ([found], "") for row, found in nulls(name).items()}
            setting, shares = chosen(name, pool)
            done = list(pool.map(continuum, [name] * given.seeds, seeds, [setting] * given.seeds))
            accuracies = [accuracy(found, y) for found, *_ in done]
            cost = f"{np.median([d[2] for d in done]):.2f}   trained in {np.median([d[1] for d in done]):.0f} s"
            rows["continuum"] = accuracies, cost
            both = {way: np.mean([found[way] for found, *_ in done], axis=0) for way in WAYS}
            rows[f"continuum, {given.seeds} together"] = [accuracy(both, y)], ""
            if RIVALS.exists():
                runs = list(pool.map(rivals, [name] * given.seeds, seeds))
                for row in runs[0]:
                    scores = [{way: found[row][way][0] for way in WAYS} for found in runs]
                    rows[row] = scores, f"{np.median([found[row][WAYS[0]][1] for found in runs]):.2f}"
            for row, (scores, rest) in rows.items():
                tell(line(name, row, scores, rest))
                whole.setdefault(row, []).append(scores)
            tell(f"{'':17s} held-out training records: " + ", ".join(f"{r} {share:.3f}" for r, share in shares.items()))
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
