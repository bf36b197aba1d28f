"""Handwritten digits (scikit-learn): records of 64 pixels from 0 to 1, row by row."""

from __future__ import annotations

from numerics.datasets.record import Records
from numerics.datasets.shipped import sklearn_digits


def parts() -> dict[str, Records]:
    return sklearn_digits((64,))
