"""Which records a run holds out, and the streams of random numbers that it draws from."""

from __future__ import annotations

import numpy as np

from derive.errors import TrainingError

AUGMENTING = 1 << 32


def split(count: int, labels: np.ndarray | None, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out), both ascending; of each class the given share, and never all of it.

    labels: (count,) classes, or None for records of one kind. Whole records left over by rounding go to the classes
    with the largest remainders. Raises TrainingError if nothing would be held out of a positive share.
    """
    if not 0 <= share < 1 or (labels is not None and labels.shape != (count,)):
        shape = None if labels is None else labels.shape
        raise TrainingError(
            f"a share of {share} of {count} records, labels of shape {shape}", "0 to below 1, and a label a record",
            "a percentage, or labels of other records", "give validation = 0.2 and every record's label",
        )  # fmt: skip
    if share == 0:
        return np.arange(count), np.arange(0)
    generator = generator_of(seed, 0)
    kinds = np.zeros(count, dtype=np.int64) if labels is None else labels
    members = [generator.permutation(np.flatnonzero(kinds == kind)) for kind in np.unique(kinds)]
    quotas = np.array([share * len(indices) for indices in members])
    most = np.array([len(indices) - 1 for indices in members])
    taken = np.minimum(np.floor(quotas).astype(np.int64), most)
    for kind in np.argsort(taken - quotas, kind="stable"):
        if taken.sum() < round(share * count) and taken[kind] < most[kind]:
            taken[kind] += 1
    if taken.sum() == 0:
        raise TrainingError(
            f"validation {share} of {count} records", "a share that holds out a record and keeps one of each class",
            "too few records", "raise validation, or set it to 0",
        )  # fmt: skip
    held = np.sort(np.concatenate([indices[:n] for indices, n in zip(members, taken)]))
    return np.setdiff1d(np.arange(count), held), held


def generator_of(seed: int, stream: int) -> np.random.Generator:
    """Stream 0 splits the records, 1 + e orders them in epoch e, AUGMENTING + e samples them anew."""
    return np.random.Generator(np.random.PCG64([seed, stream]))
