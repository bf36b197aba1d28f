"""Where samples were taken, from what users label them with: numbers, times, durations, or texts that say them.

Points are handed on in the user's units, durations in seconds, times in seconds since a record's first sample. How they
become points of a model's domain is for the model to say.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from numerics.checks import real
from numerics.datasets.labels import NUMBER
from numerics.datasets.record import refusal

Array = np.ndarray
WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
DATE = re.compile(r"\s*\d{4}-\d\d")  # how ISO 8601 begins


def coordinates(labels: Any) -> Array | None:
    """Labels of samples (n,) as whole numbers, float64, times or durations; None for names and other objects."""
    labels = labels.to_timestamp() if hasattr(labels, "to_timestamp") else labels  # pandas' periods: their beginnings
    labels = labels.tz_convert(None) if getattr(labels, "tz", None) is not None else labels
    try:
        array = np.asarray(labels)
    except ValueError:  # lists among them
        return None
    if array.ndim != 1 or not len(array):
        return None
    if array.dtype.kind in "iufmM":
        return array.astype(np.float64) if array.dtype.kind == "f" else array
    if array.dtype.kind not in "OUT":
        return None
    values = array.tolist()
    if all(isinstance(value, str) for value in values):
        return _said(values)
    if all(map(real, values)):
        return np.array(values, dtype=np.int64 if all(isinstance(value, int) for value in values) else np.float64)
    if all(isinstance(value, date) for value in values):
        return np.array(list(map(_universal, values)), dtype="datetime64[us]")
    if all(isinstance(value, timedelta) for value in values):
        return np.array(values, dtype="timedelta64[us]")
    return None


def _said(texts: list[str]) -> Array | None:
    """The numbers or the times that texts say; None for names."""
    if all(map(NUMBER.fullmatch, texts)):
        return np.array(texts).astype(np.int64 if all(map(WHOLE.fullmatch, texts)) else np.float64)
    if not all(map(DATE.match, texts)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of NumPy for times with a zone
            return np.array([text.strip() for text in texts], dtype="datetime64")
    except (ValueError, Warning):
        pass
    try:
        return np.array([_universal(datetime.fromisoformat(text.strip())) for text in texts], dtype="datetime64[us]")
    except ValueError:
        return None


def _universal(moment: date) -> date:
    """A time without its zone, in that of Greenwich."""
    zoned = isinstance(moment, datetime) and moment.tzinfo is not None
    return moment.astimezone(UTC).replace(tzinfo=None) if zoned and isinstance(moment, datetime) else moment


def in_units(found: Array) -> Array:
    """Coordinates of one record's samples (n,) as float64: durations in seconds, times in seconds since the first."""
    if found.dtype.kind == "M":
        unit = "s" if np.datetime_data(found.dtype)[0] in "YMWDhm" else np.datetime_data(found.dtype)[0]
        found = found.astype(f"datetime64[{unit}]")
        found = found - found[0]
    if found.dtype.kind == "m":
        return np.asarray(found / np.timedelta64(1, "s"), dtype=np.float64)
    return found.astype(np.float64)


def of_index(found: Array | None, record: int | None = None) -> Array | None:
    """The points (n,) that the coordinates of an index or of columns give; None for names and for row numbers.

    Whole numbers in steps of one are row numbers. Raises DataError for whole numbers that are not equally spaced:
    they may be points, or row numbers of a selection.
    """
    if found is None or found.dtype.kind not in "iu":
        return None if found is None else in_units(found)
    steps = np.diff(found.astype(np.int64))
    if not len(steps) or (steps == 1).all():
        return None
    if steps[0] > 0 and (steps == steps[0]).all():
        return in_units(found)
    raise refusal(
        f"an index of whole numbers from {found[0]} to {found[-1]}, not equally spaced",
        "points as an index of real numbers, times or durations; whole numbers in equal steps; or xi",
        "points that are whole numbers, or row numbers of a selection",
        "give xi, or the index as float64, where they are points; x as arrays, with .to_numpy(), for equal spacing",
        record,
    )  # fmt: skip
