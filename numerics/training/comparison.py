"""What a continuum adds: its scores beside those of the null model, the linear one and, of functions, the identity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.datasets import Records, records
from numerics.model.baselines import Baselines
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

Array = np.ndarray
Scores = dict[str, float]

MOST = 2048  # records, spread over all of them, that the linear model is found from
PENALTIES = np.logspace(-12, 2, 29)  # of the linear model, over the square of the largest singular value
NAMES = {"linear": "the linear model", "null": "the null model", "identity": "the identity"}


def baselines(prepared: Prepared) -> Baselines:
    """The baselines of prepared records with targets.

    The linear model is ridge regression, its penalty that with the least generalised cross-validation (Golub, Heath
    and Wahba 1979).
    """
    wanted = prepared.wanted()
    if prepared.labels is not None:  # without their weights
        wanted = np.eye(len(wanted))[prepared.labels].T
    chosen = np.unique(np.linspace(0, len(prepared) - 1, min(len(prepared), MOST)).round().astype(int))
    x, t = prepared.states[:, chosen].T, wanted[:, chosen].T
    middle, mean, count = x.mean(axis=0), t.mean(axis=0), len(chosen)
    u, s, vt = np.linalg.svd(x - middle, full_matrices=False)
    loads, total = u.T @ (t - mean), float(np.sum((t - mean) ** 2))
    least, slopes = np.inf, np.zeros((x.shape[1], t.shape[1]))
    for penalty in PENALTIES * s[0] ** 2 if s[0] > 0 else ():
        kept = s**2 / (s**2 + penalty)
        free = count - 1 - kept.sum()
        left = total - float(np.sum((kept * (2 - kept))[:, None] * loads**2))
        if free > 0 and (error := left / free**2) < least:
            least, slopes = error, vt.T @ ((kept / np.maximum(s, 1e-300))[:, None] * loads)
    return Baselines(np.asarray(wanted.mean(axis=1)), slopes.T, mean - middle @ slopes)


def compared(model: Continuum, data: Records) -> dict[str, Scores]:
    """By name, the scores of the baselines on records with targets; none for a model that was trained without them."""
    data, spec = records(data), model.spec
    if model.baselines is None:
        return {}
    prepared = model.prepare(data)
    outputs = model.baselines.outputs(prepared)
    if spec.comparison.targets == "probabilities":  # of which outputs are the logarithms, and a line none
        outputs = {"null": np.log(np.maximum(outputs["null"], np.finfo(float).tiny))}
    if not spec.functional and data.channels == spec.output_channels and data.units is None:
        outputs["identity"] = model.prepare(replace(data, y=data.x, classes=(), elsewhere=None)).wanted().T
    found = {name: model.scores_of(z, prepared) for name, z in outputs.items()}
    if spec.comparison.targets == "classes":  # whose baselines say shares, and no logarithms of probabilities
        found = {name: {"accuracy": scores["accuracy"]} for name, scores in found.items()}
    return found


def verdict(scores: Scores, others: dict[str, Scores]) -> str:
    """A sentence where the continuum is not ahead of every baseline; "" where it is."""
    key, sign = ("accuracy", 1) if "accuracy" in scores else ("rmse", -1) if "rmse" in scores else ("loss", -1)
    ahead = [NAMES[name] for name, own in others.items() if sign * (scores[key] - own[key]) <= 0]
    return f"The continuum does not beat {' and '.join(ahead)} on these records." if ahead else ""
