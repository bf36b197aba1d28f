"""Handwritten digits (scikit-learn) as functions on a square: 8 × 8 pixels from 0 to 1."""

from __future__ import annotations

from numerics.datasets.record import Records
from numerics.datasets.shipped import sklearn_digits


def parts() -> dict[str, Records]:
    return sklearn_digits((8, 8, 1))
