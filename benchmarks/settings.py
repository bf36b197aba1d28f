"""How the settings of specs/gunpoint.toml were chosen: 5-fold cross-validation on the 50 training records, repeated.

    python benchmarks/settings.py [RECORD]

Prints mean accuracy and loss on the held-out folds for every candidate, of the fine model and the polished pocket,
and chooses the highest sum of the two accuracies. Splits and seeds differ between repeats; the test records
are never used. With RECORD the table is also written to that file.
"""

from __future__ import annotations

import itertools
import os
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"

import numpy as np

from derive.declaration import load_spec
from numerics import Continuum, fit, project, refine
from numerics.datasets import load

FOLDS = 5
REPEATS = 3
CANDIDATES = {
    "activation": ("gelu", "relu"),
    "rate": ("mlp", "residual"),
    "penalty": ("1/1000", "1/300", "1/100"),
    "epochs": (150, 300),
}
POLISH = 0.2


def declared(setting: dict[str, Any]) -> dict[str, Any]:
    """The checked-in declaration with these settings."""
    found = tomllib.loads((Path(__file__).parent.parent / "specs" / "gunpoint.toml").read_text(encoding="utf-8"))
    found["equation"] |= {"activation": setting["activation"], "rate": setting["rate"]}
    found["loss"]["penalty"] = {"W": setting["penalty"], "R": setting["penalty"]}
    found["training"] |= {"epochs": setting["epochs"]}
    return found


def score(setting: dict[str, Any]) -> tuple[float, float, float]:
    """On the held-out folds: mean accuracy and loss of the fine model, accuracy of the polished pocket."""
    spec = load_spec(declared(setting))
    train, _ = load("GunPoint")
    labels = np.asarray(train.y)
    found = []
    for repeat in range(REPEATS):
        order = np.random.default_rng(repeat).permutation(len(train))
        order = order[np.argsort(labels[order], kind="stable")]
        folds = np.arange(len(train)) % FOLDS  # stratified: neighbours in ``order`` share a class
        for fold in range(FOLDS):
            inside, outside = train.take(order[folds != fold]), train.take(order[folds == fold])
            model = fit(Continuum.from_spec(spec, seed=FOLDS * repeat + fold), inside)
            fine = fit(refine(model, "fine"), inside)
            pocket = fit(project(fine, "pocket"), inside, epochs=int(POLISH * 2 * setting["epochs"]))
            scores = fine.scores(fine.prepare(outside))
            polished = pocket.scores(pocket.prepare(outside))
            found.append((scores["accuracy"], scores["loss"], polished["accuracy"]))
    accuracy, loss, small = np.mean(found, axis=0)
    return float(accuracy), float(loss), float(small)


def main() -> None:
    settings = [dict(zip(CANDIDATES, values)) for values in itertools.product(*CANDIDATES.values())]
    lines = ["fine: accuracy, loss; pocket: accuracy"]
    with ProcessPoolExecutor(2) as pool:
        found = []
        for (accuracy, loss, small), setting in zip(pool.map(score, settings), settings):
            found.append((accuracy + small, setting))
            lines.append(f"{accuracy:.3f} {loss:.3f}  {small:.3f}  {setting}")
            print(lines[-1], flush=True)
    lines.append(f"chosen: {max(found, key=lambda pair: pair[0])[1]}")
    print(lines[-1])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
