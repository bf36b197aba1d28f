"""The estimators with their defaults beside scikit-learn's on a common grid.

    python benchmarks/estimators.py [RECORD]

Test accuracies, mean ± spread of 3 seeds, and seconds a fit, on the sensor records of tests/oracles/sensors.py and on
published sets with their splits. The others see every record on a grid of as many points as the longest one has:
majority class, ridge classifier, support vectors with Gaussian kernels, and a random forest, standardised, with their
defaults. Nothing is chosen by test records.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import continua as ct
from tests.oracles import sensors

SETS = ("sensor", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "ArrowHead", "BasicMotions")
SEEDS = range(3)


def parts(name: str) -> tuple[Any, Any]:
    """Training and test: samples, their points or None, labels."""
    if name == "sensor":
        made = [sensors.oscillations(count, seed) for count, seed in ((150, 0), (600, 1))]
        return tuple((list(x[:, :, None]), [t] * len(x), y) for x, t, y in made)  # type: ignore[return-value]
    return tuple(  # type: ignore[return-value]
        (part.samples(), None if part.xi is None else part.points(), part.y) for part in ct.datasets.load(name)
    )


def rows(part: Any, count: int) -> np.ndarray:
    """Every record on a grid of so many points over its own length, channels behind each other."""
    found = []
    for n, x in enumerate(part[0]):
        xi = np.linspace(0, 1, len(x)) if part[1] is None else part[1][n]
        found.append(np.concatenate([np.interp(np.linspace(xi[0], xi[-1], count), xi, column) for column in x.T]))
    return np.array(found)


def row(name: str) -> str:
    train, test = parts(name)
    scores, seconds = [], []
    for seed in SEEDS:
        began = time.perf_counter()
        model = ct.ContinuumClassifier(random_state=seed).fit(train[0], train[2], t=train[1])
        seconds.append(time.perf_counter() - began)
        scores.append(float(np.mean(model.predict(test[0], t=test[1]) == test[2])))
    count = max(map(len, train[0]))
    grids = rows(train, count), rows(test, count)
    others = []
    forest = RandomForestClassifier(random_state=0)
    for other in (DummyClassifier(), RidgeClassifierCV(np.logspace(-4, 4, 17)), SVC(), forest):
        fitted = make_pipeline(StandardScaler(), other).fit(grids[0], train[2])
        others.append(f"{fitted.score(grids[1], test[2]):8.3f}")
    spread = f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}"
    return f"{name:18s} {len(train[0]):6d} {' '.join(others)}  {spread:15s} {np.median(seconds):8.1f}"


def main() -> None:
    names = " ".join(f"{name:>8s}" for name in ("majority", "ridge", "SVC", "forest"))
    lines = [f"{'data':18s} {'train':>6s} {names}  {'continuum':15s}  seconds"]
    print(lines[0])
    for name in SETS:
        lines.append(row(name))
        print(lines[-1], flush=True)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
