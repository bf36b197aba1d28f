"""How the settings of specs/gunpoint.toml were chosen: 5-fold cross-validation on the 50 training records alone.

    python benchmarks/settings.py

Prints mean validation accuracy and loss of the fine model over the folds, for every candidate.
The test records are never loaded.
"""

from __future__ import annotations

import itertools
import os
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"

import numpy as np

from derive.spec import load_spec
from numerics import Continuum, fit, refine
from numerics.datasets import load

FOLDS = 5
SEEDS = (0,)
CANDIDATES = {
    "optimiser": ("adam", "adam-coordinatewise"),
    "learning_rate": (0.01, 0.03),
    "epochs": (300, 1000),
    "penalty": ("0", "1/100"),
    "spacing": ("1/2", "1/8"),
}


def declared(setting: dict[str, Any]) -> dict[str, Any]:
    """The checked-in declaration with these settings."""
    found = tomllib.loads((Path(__file__).parent.parent / "specs" / "gunpoint.toml").read_text(encoding="utf-8"))
    found["equation"]["spacing"] = setting["spacing"]
    found["loss"]["penalty"] = {"W": setting["penalty"]}
    found["training"] = {key: setting[key] for key in ("optimiser", "learning_rate", "epochs")}
    return found


def score(setting: dict[str, Any]) -> tuple[float, float]:
    """Mean accuracy and loss on the held-out folds, of the fine model."""
    spec = load_spec(declared(setting))
    train, _ = load("GunPoint")
    labels = np.asarray(train.y)
    order = np.random.default_rng(0).permutation(len(train))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.arange(len(train)) % FOLDS  # stratified: neighbours in ``order`` share a class
    found = []
    for seed, fold in itertools.product(SEEDS, range(FOLDS)):
        inside, outside = train.take(order[folds != fold]), train.take(order[folds == fold])
        model = fit(Continuum.from_spec(spec, seed=seed), inside)
        fine = fit(refine(model, "fine"), inside)
        scores = fine.scores(fine.prepare(outside))
        found.append((scores["accuracy"], scores["loss"]))
    return tuple(np.mean(found, axis=0))


def main() -> None:
    settings = [dict(zip(CANDIDATES, values)) for values in itertools.product(*CANDIDATES.values())]
    with ProcessPoolExecutor(2) as pool:
        for (accuracy, loss), setting in zip(pool.map(score, settings), settings):
            print(f"{accuracy:.3f}  {loss:.3f}  {setting}", flush=True)


if __name__ == "__main__":
    main()
