"""What estimators are given: scikit-learn's rows, or records at any points."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from numerics.datasets import Records, records
from numerics.datasets.points import coordinates


def records_of(estimator: Any, X: Any, t: Any, first: bool = False) -> Records:
    """Records of what an estimator was given; first: in ``fit``, which says how many samples rows without points have.

    Raises DataError, and scikit-learn's ValueError and TypeError.
    """
    if t is not None or not _rectangular(X):
        return records(X, xi=t)
    nan = "allow-nan" if estimator.missing == "unsampled" else True
    try:
        x = validate_data(estimator, X, reset=first, dtype=np.float64, ensure_all_finite=nan, allow_nd=True)
    except ValueError as error:
        if nan is True and "NaN" in str(error):
            fix = 'missing="unsampled" takes NaN for a point where that channel was not sampled'
            raise ValueError(f"{error}\n{fix}") from None
        raise
    return records(x[:, :, None] if x.ndim == 2 else x)


def tagged(estimator: Any, tags: Any) -> Any:
    """scikit-learn's tags of an estimator of records."""
    tags.input_tags.allow_nan = estimator.missing == "unsampled"
    tags.input_tags.three_d_array = True
    return tags


def _rectangular(X: Any) -> bool:
    """Whether an array or a table was given, which scikit-learn checks; a frame's columns may be points instead."""
    columns = getattr(X, "columns", ())
    if len(columns) and type(columns).__name__ != "RangeIndex" and coordinates(columns) is not None:
        return False
    if not isinstance(X, list | tuple):
        return not isinstance(X, Records)
    try:
        flat = np.ndim(np.asarray(X)) > 0
    except ValueError:  # rows of different lengths
        return False
    return flat and not any(hasattr(part, "iloc") for part in X)  # whose index may be points
