"""Spectra to numbers: the fat content of meat from its absorption at 100 wavelengths, beside linear regression.

    python benchmarks/tecator.py [RECORD]

Prints the root mean square error on the 43 test records, in per cent of fat, and that of 5-fold cross-validation on
the 172 training records, by which the settings were chosen: the continuum's penalty, and the number of splines of the
linear functional regression. Spectra and targets are centred and scaled by the training records. Mean ± spread of 3
seeds, the 3 seeds together, and seconds of training. With RECORD the table is also written to that file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from numerics import Continuum, datasets, fit

Array = np.ndarray
Predict = Callable[[Array, Array, Array, int], Array]  # x, y to train with, x to predict, seed
SEEDS = range(3)
FOLDS = 5
PENALTY = "1/10000"  # chosen among 0, 1e-6 and 1e-4 by cross-validation
SPLINES = 20  # chosen among 10, 20 and 40 by cross-validation
LEGENDRE = {"family": "legendre", "size": 8}
SPEC: dict[str, Any] = {
    "name": "tecator",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1", "channels": 2},
    "lift": {"inputs": 1},
    "state": {"basis": {"family": "legendre", "size": 24}},
    "weight": {
        "width_out": LEGENDRE, "width_in": {"family": "legendre", "size": 24}, "depth": {"family": "p0", "cells": 2},
    },
    "bias": {"width": LEGENDRE, "depth": {"family": "p0", "cells": 2}},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 1, "basis": {"family": "legendre", "size": 12}},
    "loss": {"kind": "l2", "penalty": {"W": PENALTY, "R": PENALTY}},
    "training": {"optimiser": "lbfgs", "epochs": 200},
}  # fmt: skip


def continuum(x: Array, y: Array, new: Array, seed: int) -> Array:
    mean, scale, middle, size = x.mean(axis=0), x.std(), y.mean(), y.std()
    model = fit(Continuum.from_spec(SPEC, seed=seed), (x - mean) / scale, ((y - middle) / size)[:, None])
    found: Array = model((new - mean) / scale)[:, 0] * size + middle
    return found


def linear(x: Array, y: Array, new: Array, seed: int) -> Array:
    """Ridge regression on coefficients in cubic splines, its penalty by cross-validation inside."""
    knots = np.concatenate([[-1] * 3, np.linspace(-1, 1, SPLINES - 2), [1] * 3])
    project = np.linalg.pinv(BSpline(knots, np.eye(SPLINES), 3)(np.linspace(-1, 1, x.shape[1]))).T
    found: Array = RidgeCV(np.logspace(-12, 3, 40)).fit(x @ project, y).predict(new @ project)
    return found


def of_sklearn(make: Callable[[int], Any]) -> Predict:
    return lambda x, y, new, seed: make(seed).fit(x, y).predict(new)


METHODS: dict[str, Predict] = {
    "mean": of_sklearn(lambda seed: DummyRegressor()),
    "random forest": of_sklearn(lambda seed: RandomForestRegressor(300, random_state=seed)),
    "ridge on splines": linear,
    "continuum": continuum,
}


def error(found: Array, y: Array) -> float:
    return float(np.sqrt(np.mean((found - y) ** 2)))


def held_out(predict: Predict, x: Array, y: Array) -> float:
    """The error of cross-validation on the training records."""
    found = np.empty_like(y)
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        found[test] = predict(x[train], y[train], x[test], 0)
    return error(found, y)


def main() -> None:
    train, test = datasets.load("tecator")
    (x, y), (new, truth) = (
        (np.stack(part.samples())[:, :, 0], np.asarray(part.y, dtype=np.float64)) for part in (train, test)
    )
    lines = [f"{'':20s} {'cross-validation':>16s}  {'test':15s} {'3 together':>10s} {'seconds':>8s}"]
    print(lines[0])
    for name, predict in METHODS.items():
        found, seconds = [], []
        for seed in SEEDS:
            start = time.perf_counter()
            found.append(predict(x, y, new, seed))
            seconds.append(time.perf_counter() - start)
        errors = [error(one, truth) for one in found]
        spread = f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f}"
        together = error(np.mean(found, axis=0), truth)
        lines.append(
            f"{name:20s} {held_out(predict, x, y):16.2f}  {spread:15s} {together:10.2f} {np.median(seconds):8.1f}"
        )
        print(lines[-1], flush=True)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
