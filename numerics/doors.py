"""What users give, checked where it comes in, so that all behind relies on it: numbers, positions, kinds."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from derive.errors import ContinuumError, DataError

Array = np.ndarray


def numbers(
    given: Any,
    what: str,
    shape: tuple[int, ...] | None = None,
    where: str = "",
    error: type[ContinuumError] = DataError,
) -> Array:
    """Real numbers as float64; exact ones too.

    Raises ``error`` for ragged rows, masked values, complex numbers, text and other objects, or another shape.
    """
    check_mask(given, what, where, error)
    try:
        array = np.asarray(given)
        exact = array.dtype == object and all(
            isinstance(value, Real) and not isinstance(value, bool) for value in array.flat
        )
        with np.errstate(over="ignore"):  # what becomes infinite is refused as such
            found = np.asarray(array, dtype=np.float64) if exact or array.dtype.kind in "iuf" else None
    except (ValueError, OverflowError):
        raise error(
            f"{what} with rows of different lengths, or numbers beyond float64",
            "numbers in rows of equal lengths, or a list of arrays",
            "ragged records inside a record", "give every record as its own array", where,
        ) from None  # fmt: skip
    if found is None:
        raise error(
            f"{what} of type {array.dtype}", "real numbers", "text, truth values, complex numbers, or Python objects",
            f"convert {what} to float64", where,
        )  # fmt: skip
    if shape is not None and found.shape != shape:
        raise error(
            f"{what} of shape {found.shape}", f"shape {shape}", "numbers of another model, or an axis too many",
            "give one number for each", where,
        )  # fmt: skip
    return found


def check_mask(given: Any, what: str, where: str = "", error: type[ContinuumError] = DataError) -> None:
    """Refuse arrays, or lists of arrays, with values under a mask, which NumPy would bring to light."""
    parts = given if isinstance(given, list | tuple) else [given]
    if any(map(np.ma.is_masked, parts)):
        raise error(
            f"{what} with masked values", "numbers without a mask", "missing values",
            "leave them out, and give the points of the others", where,
        )  # fmt: skip


def positions(given: Any, count: int) -> Array:
    """Positions (n,) of some of ``count`` records: whole numbers, negative ones from the end, or a truth value each."""
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.array(None)
    if array.dtype == bool and array.shape == (count,):
        array = np.flatnonzero(array)
    whole = array.ndim == 1 and array.dtype.kind in "iu" and array.size > 0
    if not whole or array.min() < -count or array.max() >= count:
        raise DataError(
            f"positions {' '.join(repr(given).split())}", f"whole numbers below {count}, at least one",
            "fractions, an empty selection, or positions in other records", "give np.flatnonzero of a condition",
        )  # fmt: skip
    return array.astype(np.int64)


def instance(given: Any, kind: type, fix: str) -> None:
    """Refuse what is no ``kind``."""
    if not isinstance(given, kind):
        raise DataError(
            f"an object of type {type(given).__name__}", f"a {kind.__name__}",
            "a path, an array, or arguments in another order", fix,
        )  # fmt: skip
