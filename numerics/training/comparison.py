"""What a continuum adds: its scores beside those of the null model, the linear one and, of functions, the identity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.datasets import Records, Source, source
from numerics.model.baselines import Baselines
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

Array = np.ndarray
Scores = dict[str, float]

MOST = 2048  # records, spread over all of them, that the linear model is found from
PENALTIES = np.logspace(-12, 2, 29)  # of the linear model, over the square of the largest singular value
NAMES = {"linear": "the linear model", "null": "the null model", "identity": "the identity"}


def baselines(prepared: Prepared, unit: float = 1.0) -> Baselines:
    """The baselines of prepared records with targets.

    The linear model is ridge regression, its penalty that with the least generalised cross-validation (Golub, Heath
    and Wahba 1979). unit: the weight, as it was given, of a record that ``prepared`` counts as one.
    """
    wanted, marks = prepared.wanted(), prepared.labels
    counts = prepared.counts
    some = np.flatnonzero(counts)  # records that count nothing are no degrees of freedom either
    chosen = some[np.unique(np.linspace(0, len(some) - 1, min(len(some), MOST)).round().astype(int))]
    x, t = prepared.states[:, chosen].T, wanted[:, chosen].T
    average = (wanted * (counts / len(counts))).sum(axis=1)  # no sum overflows
    if marks is not None:  # without the weights of classes
        t, average = np.eye(len(wanted))[marks[chosen]], np.bincount(marks, counts, len(wanted)) / len(marks)
    sizes = [float(np.abs(a).max()) for a in (x, t)]  # LAPACK need not end on what overflows
    x, t = (a / size if 0 < size < np.inf else np.zeros_like(a) for a, size in zip((x, t), sizes))
    own = counts[chosen]
    # One of weight 2 is as two records; weights that are small all together are shares of at least so many (Kish 1965).
    count = max(unit * own.sum(), own.sum() ** 2 / np.sum(own**2))
    middle, mean, roots = np.average(x, 0, own), np.average(t, 0, own), np.sqrt(own)[:, None]
    u, s, vt = np.linalg.svd(roots * (x - middle), full_matrices=False)
    loads, total = u.T @ (roots * (t - mean)), float(np.sum(own[:, None] * (t - mean) ** 2))
    least, slopes = np.inf, np.zeros((x.shape[1], t.shape[1]))
    for penalty in PENALTIES * s[0] ** 2 if s[0] > 0 else ():
        kept = s**2 / (s**2 + penalty)
        free = count - 1 - kept.sum()
        left = total - float(np.sum((kept * (2 - kept))[:, None] * loads**2))
        if free > 0 and (error := left / free**2) < least:
            least, slopes = error, vt.T @ ((kept / np.maximum(s, 1e-300))[:, None] * loads)
    constant = sizes[1] * (mean - middle @ slopes) if sizes[1] < np.inf else mean
    with np.errstate(over="ignore"):
        linear = slopes.T * sizes[1] / sizes[0] if 0 < sizes[0] < np.inf > sizes[1] else np.zeros_like(slopes.T)
    if not (np.isfinite(linear).all() and np.isfinite(constant).all()):
        linear, constant = np.zeros_like(slopes.T), np.asarray(average)
    return Baselines(np.asarray(average), linear, constant)


def compared(model: Continuum, given: Source) -> dict[str, Scores]:
    """By name, the scores of the baselines on records with targets; none for a model that was trained without them."""
    data, spec = source(given), model.spec
    if model.baselines is None:
        return {}
    prepared, found = model.prepare(data), {}
    for name in ("null",) if spec.comparison.targets == "probabilities" else ("linear", "null"):
        found[name] = model.scores_of((_outputs(model, name, part), part) for part in prepared.parts)
    own = data if isinstance(data, Records) and not spec.functional and data.units is None else None
    zero = own is not None and spec.comparison.targets == "not zero" and not all(x.any() for x in own.samples())
    if own is not None and own.channels == spec.output_channels and not own.gaps and not zero:
        itself = model.prepare(replace(own, y=own.x, classes=(), elsewhere=None))
        pairs = zip(itself.parts, prepared.parts)
        found["identity"] = model.scores_of((same.wanted().T, part) for same, part in pairs)
    if spec.comparison.targets == "classes":  # whose baselines say shares, and no logarithms of probabilities
        found = {name: {"accuracy": scores["accuracy"]} for name, scores in found.items()}
    return found


def _outputs(model: Continuum, name: str, prepared: Prepared) -> Array:
    """What a baseline makes of records (N, outputs); of probabilities the logarithms, as outputs are."""
    assert model.baselines is not None
    z = model.baselines.outputs(prepared)[name]
    scores = model.spec.comparison.targets == "probabilities"
    return np.asarray(np.log(np.maximum(z, np.finfo(float).tiny)) if scores else z)


def verdict(scores: Scores, others: dict[str, Scores]) -> str:
    """A sentence where the continuum is not ahead of every baseline; "" where it is."""
    key, sign = ("accuracy", 1) if "accuracy" in scores else ("rmse", -1) if "rmse" in scores else ("loss", -1)
    ahead = [NAMES[name] for name, own in others.items() if sign * (scores[key] - own[key]) <= 0]
    return f"The continuum does not beat {' and '.join(ahead)} on these records." if ahead else ""
