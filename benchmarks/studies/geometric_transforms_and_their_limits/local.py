"""Errors against the distance from the training records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import rankdata

import continua as ct
from benchmarks.studies import Number, mean

Array = np.ndarray

DIGITS = Path(__file__).parents[3] / "specs" / "digits.toml"


def distances(x: Array, records: Array) -> Array:
    """From every row of x to every record (N, M)."""
    return np.sqrt(np.maximum(np.sum(x**2, 1)[:, None] + np.sum(records**2, 1) - 2 * x @ records.T, 0))


def told_apart(score: Array, wrong: Array) -> float:
    """The chance that a wrong one has a higher score than a right one (Mann and Whitney's); ½ if it says nothing."""
    ranks = rankdata(score)[wrong]
    return float((ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(ranks) * np.sum(~wrong)))


def by_distance(seed: int, count: int = 200) -> tuple[Array, Array, Array]:
    """Digits that were not trained with: distance from the nearest of ``count`` training records, whether the

    continuum is wrong, and whether the nearest record's class is: each (N,).
    """
    parts = ct.datasets.load("digits")
    x = np.concatenate([part.samples() for part in parts])[..., 0]
    y = np.concatenate([part.y for part in parts])
    order = np.random.default_rng(seed).permutation(len(x))
    known, new = order[:count], order[count:]
    model = ct.fit(ct.Continuum.from_spec(DIGITS, seed=seed), x[known], y[known])
    far = distances(x[new], x[known])
    return far.min(1), model.labels(model(x[new])) != y[new], y[known][far.argmin(1)] != y[new]


def numbers(seeds: range) -> list[Number]:
    found = [by_distance(seed) for seed in seeds]
    quarters = np.array([[wrong[q].mean() for q in np.array_split(np.argsort(far), 4)] for far, wrong, _ in found])
    apart = [told_apart(far, wrong) for far, wrong, _ in found]
    return [
        mean("digits: error in the quarter nearest to the 200 training records", quarters[:, 0], 0, 0.02),
        mean("error in the farthest quarter", quarters[:, 3], 0.1, 0.4),
        mean("that a wrong one is farther than a right one: chance, ½ by nothing", apart, 0.7, 1),
        mean("error over all", [wrong.mean() for _, wrong, _ in found], 0.04, 0.15),
        mean("the same of the nearest record's class", [nearest.mean() for *_, nearest in found], 0.02, 0.1),
    ]
