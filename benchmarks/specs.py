"""The checked-in specs on the data that they were written for, beside two null baselines.

    python benchmarks/specs.py [RECORD]

Prints test accuracy and training seconds, mean ± spread of 3 seeds, and the accuracy of the majority class and of a
ridge classifier on the records' coefficients in the state's basis (penalty by cross-validation on training records).
With RECORD the table is also written to that file. Nothing is chosen by the test records.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifierCV

from numerics import Continuum, datasets, fit
from numerics.command.demo import Data, majority

DATA = {
    "mlp": "ArrowHead",
    "vowels": "JapaneseVowels",
    "digits": "digits",
    "digits2d": "digits2d",
    "custom": "ItalyPowerDemand",
    "stiff": "ItalyPowerDemand",
    "gunpoint": "GunPoint",
    "leaves": "OSULeaf",
    "motions": "BasicMotions",
}
SEEDS = range(3)


def row(spec: str, data: str) -> str:
    train, test = datasets.load(data)
    scores, seconds = [], []
    for seed in SEEDS:
        model = Continuum.from_spec(f"specs/{spec}.toml", seed=seed)
        start = time.perf_counter()
        model = fit(model, train, seed=seed)
        seconds.append(time.perf_counter() - start)
        scores.append(model.scores(model.prepare(test))["accuracy"])
    first, second = (model.prepare(part) for part in (train, test))
    commonest = majority(Data(train, test))
    ridge = RidgeClassifierCV(np.logspace(-4, 4, 17)).fit(first.states.T, first.labels)
    linear = ridge.score(second.states.T, second.labels)
    spread = f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}"
    baselines = f"{commonest:8.3f} {linear:8.3f}"
    return f"{spec:10s} {data:18s} {baselines}  {spread:15s} {model.size:7,d} {np.median(seconds):8.1f}"


def main() -> None:
    baselines = f"{'majority':>8s} {'ridge':>8s}"
    lines = [f"{'spec':10s} {'data':18s} {baselines}  {'trained':15s} {'coeff.':>7s} {'seconds':>8s}"]
    print(lines[0])
    for spec, data in DATA.items():
        lines.append(row(spec, data))
        print(lines[-1], flush=True)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
