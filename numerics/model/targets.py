"""What a loss can compare: targets for which it has no value, or a meaningless one, are refused by their record."""

from __future__ import annotations

import numpy as np

from derive.errors import DataError

Array = np.ndarray
ROUNDING = 1e-3  # by which probabilities may miss 1: written with three digits they do


def check(kind: str, targets: Array) -> None:
    """Raise DataError for a record of prepared targets (components, N) that are not what a loss compares."""
    if kind == "not zero":
        _check_sizes(targets)
    elif kind == "probabilities":
        _check_probabilities(targets)


def _check_sizes(targets: Array) -> None:
    zero = np.einsum("kn,kn->n", targets, targets) == 0
    if zero.any():
        raise DataError(
            "a target that is zero, or of which the state's basis represents nothing", "targets other than zero",
            "an error relative to ‖y*‖ = 0 has no value", "leave the record out, or declare the loss l2",
            f"record {int(np.argmax(zero))}",
        )  # fmt: skip


def _check_probabilities(targets: Array) -> None:
    low, total = targets.min(axis=0), targets.sum(axis=0)
    wrong = ~((low >= 0) & (np.abs(total - 1) <= ROUNDING))
    if wrong.any():
        n = int(np.argmax(wrong))
        raise DataError(
            f"targets whose smallest is {low[n]:.6g} and whose sum is {total[n]:.6g}",
            "probabilities: numbers that are not negative and add up to 1",
            "scores, counts or logarithms in place of probabilities",
            "divide the targets of every record by their sum, or declare another loss", f"record {n}",
        )  # fmt: skip
