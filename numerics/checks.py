"""What users give, checked where it comes in, so that all behind relies on it: numbers, labels, positions, kinds.

Columns and frames of pandas and its like are taken as what NumPy makes of them; none of these is imported.
"""

from __future__ import annotations

import sys
import warnings
from datetime import date, timedelta
from numbers import Integral, Real
from typing import Any

import numpy as np

from derive.errors import ContinuumError, ContinuumWarning, DataError

Array = np.ndarray
OURS = ("numerics", "derive", "continua")


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
    if type(given) is np.ndarray and given.dtype == np.float64 and shape in (None, given.shape):
        return given
    check_mask(given, what, where, error)
    try:
        array = np.asarray(given)
        odd = [value for value in array.flat if not real(value)] if array.dtype == object else []
        exact = array.dtype == object and not odd
        with np.errstate(over="ignore"):  # what becomes infinite is refused as such
            found = np.asarray(array, dtype=np.float64) if exact or array.dtype.kind in "iuf" else None
    except ValueError:
        raise error(
            f"{what} with rows of different lengths", "numbers in rows of equal lengths",
            "rows that differ inside one array, such as points without all their channels",
            "make the rows equally long; records that differ are a list of arrays", where,
        ) from None  # fmt: skip
    except OverflowError:
        raise error(
            f"{what} with numbers beyond float64", "real numbers up to 1.8e308", "whole numbers of many digits",
            "scale them, or take their logarithms", where,
        ) from None  # fmt: skip
    if found is None:
        kind = f"{array.dtype}, with {_short(odd[0])}" if odd else str(array.dtype)
        raise error(f"{what} of type {kind}", "real numbers", *_no_numbers(array.dtype.kind, odd[:1], what), where)
    if shape is not None and found.shape != shape:
        raise error(
            f"{what} of shape {found.shape}", f"shape {shape}", "numbers of another model, or an axis too many",
            "give one number for each", where,
        )  # fmt: skip
    return found


def _no_numbers(kind: str, odd: list[Any], what: str) -> tuple[str, str]:
    """Why an array of a kind, among its objects these, holds no real numbers, and what to do."""
    first = odd[0] if odd else None
    if odd and missing(first):
        return "missing values", "leave the points without a value out, and give the points of the others"
    if kind in "UST" or isinstance(first, str | bytes):
        return "text", f"convert {what} to float64, where the texts say numbers"
    if kind == "b" or isinstance(first, bool | np.bool_):
        return "truth values", f"convert {what} to float64, where they are meant as 0 and 1"
    if kind == "c" or isinstance(first, complex | np.complexfloating):
        return "complex numbers", "give real and imaginary parts as real numbers"
    if kind in "mM" or isinstance(first, date | timedelta | np.datetime64 | np.timedelta64):
        return "times", "convert them to numbers, such as seconds"
    return "rows of named fields" if kind == "V" else "Python objects", f"convert {what} to float64"


def real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT or pandas' NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (
        isinstance(value, float | np.floating) and bool(np.isnan(value))
    )


def gaps(column: Array) -> Array:
    """Where the values of a column (n,) are missing (n,)."""
    if column.dtype.kind == "f":
        return np.asarray(np.isnan(column))
    known = column.dtype != object or all(kind in (str, int, bool, bytes) for kind in set(map(type, column)))
    return np.zeros(len(column), dtype=bool) if known else np.array(list(map(missing, column)))


def _short(value: Any) -> str:
    return " ".join(repr(value).split())[:60]


def plain(given: Any, what: str) -> Array:
    """Targets as an array of numbers, truth values or texts, whatever kind of column they came in.

    Raises DataError naming the record for missing values, texts among numbers, and other objects.
    """
    check_mask(given, what)
    try:
        array = np.asarray(given)
        if array.dtype.kind == "T":  # NumPy's texts of any length
            array = array.astype(object)
    except (ValueError, OverflowError):
        raise DataError(
            f"{what} with rows of different lengths or shapes", "one row a record, or functions at the points of x",
            "target functions that are sampled elsewhere than the records, or one missing", "give y at the points of x",
        ) from None  # fmt: skip
    if array.dtype != object or not array.size:
        return array
    for kind, dtype in ((str, np.str_), (bytes, np.bytes_), (bool | np.bool_, np.bool_)):
        if all(isinstance(value, kind) for value in array.flat):
            return array.astype(dtype)
    if all(map(real, array.flat)) and not any(map(missing, array.flat)):
        whole = all(isinstance(value, Integral) for value in array.flat)
        small = whole and all(abs(int(value)) < 1 << 63 for value in array.flat)
        try:
            return array.astype(np.int64 if small else np.float64)
        except OverflowError:
            return np.full(array.shape, np.inf)  # which is refused as such
    wrong = next((n for n, value in enumerate(array.flat) if missing(value)), None)
    first = array.flat[0 if wrong is None else wrong]
    record = "" if wrong is None or not array.ndim else f"record {wrong // max(1, array.size // len(array))}"
    raise DataError(
        f"{what} of type object, with {_short(first)}", "whole numbers, names or real numbers, all of one kind",
        "texts among numbers, or Python objects" if wrong is None else "a missing target",
        f"convert {what} to numbers or texts" if wrong is None else "leave the record out", record,
    )  # fmt: skip


def rows(given: Any) -> list[Any] | None:
    """The parts of a list, a tuple or a column that holds arrays; None for an array and for anything else."""
    if isinstance(given, list | tuple):
        return list(given)
    array = given if isinstance(given, np.ndarray) else _array(given)
    if array is None or array.dtype != object or array.ndim == 0:
        return None
    return list(array) if array.ndim > 1 or any(map(several, array)) else None


def several(part: Any) -> bool:
    """Whether something has rows of its own, rather than being a number or a text."""
    if isinstance(part, str | bytes):
        return False
    return isinstance(part, list | tuple) or bool(getattr(part, "ndim", 0))


def _array(given: Any) -> Array | None:
    try:
        return np.asarray(given)
    except (ValueError, OverflowError):
        return None


def warn(said: str | ContinuumWarning) -> None:
    """Warn the caller of this package of what is legal and seldom meant."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in OURS:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(said, ContinuumWarning, stacklevel=depth)


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
        empty, truth = array.shape == (0,), array.dtype == bool
        raise DataError(
            f"positions {' '.join(repr(given).split())}", f"whole numbers below {count}, at least one",
            "a condition that no record meets" if empty
            else "a condition on other records" if truth else "fractions, or positions in other records",
            "select at least one record" if empty
            else f"give a truth value for each of the {count} records" if truth
            else "give np.flatnonzero of a condition on these records",
        )  # fmt: skip
    return array.astype(np.int64)


def instance(given: Any, kind: type, fix: str) -> None:
    """Refuse what is no ``kind``."""
    if not isinstance(given, kind):
        raise DataError(
            f"an object of type {type(given).__name__}", f"a {kind.__name__}",
            "a path, an array, or arguments in another order", fix,
        )  # fmt: skip
