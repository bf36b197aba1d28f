"""What must hold of records whose arrays fit together: samples, points, targets and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.checks import plain
from numerics.datasets import labels
from numerics.datasets.labels import Label
from numerics.datasets.record import Records, offsets_of, refusal

Array = np.ndarray


def checked(
    x: Array, offsets: Array, xi: Array | None, y: Array | None, classes: Sequence[Any] | Array,
    grid: Array | None = None,
) -> Records:
    """Records, after everything that can be wrong with arrays that fit together."""
    empty = np.flatnonzero(np.diff(offsets) < 1)
    if len(empty) or not x.shape[1]:
        raise refusal(
            "no samples" if len(empty) else "no channels", "at least one sample and one channel a record",
            "a record from which everything was left out", "leave the record out too", *empty[:1],
        )  # fmt: skip
    gaps = not np.isfinite(x).all()
    if gaps and np.isinf(x).any():
        fix = "leave the point out and give the others with their xi"
        raise odd_sample(np.isinf(x), x, offsets, "an overflow", fix)
    if xi is not None:
        _check_points(xi, offsets, grid)
    found = checked_targets(y, offsets, classes)
    return Records(np.ascontiguousarray(x), offsets, xi, *found, grid, gaps=gaps)


def checked_targets(
    y: Array | None, offsets: Array, classes: Sequence[Any] | Array
) -> tuple[Array | None, tuple[Label, ...]]:
    """Targets of records that lie at offsets, with the names of their classes: of texts, positions in these."""
    found, names = _named(y, class_names(classes), len(offsets) - 1)
    if found is not None:
        _check_targets(found, offsets, names)
    return found, names


def odd_sample(odd: Array, x: Array, offsets: Array, cause: str, fix: str) -> DataError:
    """The refusal of the first sample that is marked (total, channels)."""
    sample, channel = map(int, np.argwhere(odd)[0])
    record = int(np.searchsorted(offsets, sample, side="right")) - 1
    place = f"position {sample - offsets[record]}, channel {channel}"
    return refusal(f"x = {x[sample, channel]} at {place}", "finite numbers", cause, fix, record)


def _check_points(xi: Array, offsets: Array, grid: Array | None) -> None:
    """Raise DataError for points that are not finite, or do not increase along an axis."""
    axes = 1 if grid is None else grid.shape[1]
    ends = offsets if grid is None else offsets_of(grid.ravel())
    wrong = ~np.isfinite(xi)
    wrong[1:] |= ~(np.diff(xi) > 0)
    wrong[ends[1:-1]] = ~np.isfinite(xi[ends[1:-1]])  # where the next list of points begins
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    number = int(np.searchsorted(ends, first, side="right")) - 1
    place, at = first - int(ends[number]), float(xi[first])
    if not np.isfinite(at):
        raise refusal(
            f"xi = {at} at position {place}", "finite numbers, one a sample", "a missing point, or an overflow",
            "leave out the samples whose points are missing", number // axes,
        )  # fmt: skip
    what = "again" if at == xi[first - 1] else f"after {xi[first - 1]}"
    raise refusal(
        f"xi = {at} {what} at position {place}", "increasing numbers, one a sample",
        "points out of order, or a point measured twice",
        "sort the samples by their points and average those that share one", number // axes,
    )  # fmt: skip


def _named(y: Array | None, classes: tuple[Label, ...], count: int) -> tuple[Array | None, tuple[Label, ...]]:
    """Labels that are texts, or of listed classes → positions in these, or else in sorted order; numbers as they are.

    Texts in several columns, or at every sample, can only be numbers.
    """
    if y is None:
        return None, classes
    texts = y.dtype.kind in "US" and y.ndim > 0
    y = _texts(y, "y") if texts else y
    if y.shape not in ((count,), (count, 1)) and texts:
        return labels.as_numbers(y), classes
    if classes and not texts:
        return _positions(y, classes), classes
    if not texts:
        y = y.ravel() if y.dtype.kind == "b" and y.shape == (count, 1) else y
        return (y.astype(np.int64) if y.dtype.kind == "b" and y.ndim != 1 else y), classes
    y = y.ravel()
    order = classes or tuple(np.unique(y).tolist())
    names = labels.Names(order)
    distinct, places = np.unique(y, return_inverse=True)
    said = [names.find(label) for label in distinct.tolist()]
    if None in said:
        label = distinct[said.index(None)]
        raise refusal(
            f"the class {str(label)!r}", f"classes: {labels.listed(order)}",
            "a typing error, or a class that is not listed", "add it to classes", int(np.flatnonzero(y == label)[0]),
        )  # fmt: skip
    return np.array(said, dtype=np.int64)[places.ravel()], order


def _positions(y: Array, classes: tuple[Label, ...]) -> Array:
    """Numbers as positions in listed classes: those that they name, or else, counted from 0, their own.

    Raises DataError where they can be read in both ways, and where they cannot be positions at all.
    """
    if not y.size or y.ndim > 2 or y.dtype.kind not in "biuf":
        return y
    marked = labels.places(y, len(classes))
    if marked is not None:
        return marked
    single = y if y.ndim == 2 and y.shape[1] not in (1, len(classes)) else labels.single(y, len(classes))
    if single.ndim > 1 or (single.dtype.kind == "f" and not (single == np.floor(single)).all()):
        return y
    single = single.astype(np.int64) if single.dtype.kind in "bf" and np.isfinite(single).all() else single
    values = labels.Names(classes).values
    named = None if not values or not all(k in values for k in np.unique(single).tolist()) else values
    counted = single.min() >= 0 and single.max() < len(classes)
    if named is None:
        return single
    found = np.array([named[k] for k in single.tolist()], dtype=np.int64)
    if counted and not np.array_equal(found, single):
        raise refusal(
            f"y from {single.min()} to {single.max()} with the classes {labels.listed(classes)}",
            "texts, or whole numbers that can be read in one way only",
            "y may hold the classes themselves, or their positions counted from 0",
            "leave classes out where y holds the classes; where it holds positions give y = np.array(classes)[y]",
        )  # fmt: skip
    return found


def class_names(given: Sequence[Any] | Array) -> tuple[Label, ...]:
    """The classes 0, 1, … as they are listed, texts, numbers or truth values, each once. Raises DataError."""
    column = hasattr(given, "to_numpy") or isinstance(given, Sequence | np.ndarray)
    try:
        array = plain(given, "classes") if column and not isinstance(given, str) else np.array(None)
    except DataError:  # names of different lengths in lists, or several kinds of them
        array = np.array(None)
    if array.ndim != 1 or array.dtype.kind not in "USiufb":
        raise refusal(
            f"classes of type {type(given).__name__}", "a list of names",
            "one name, names of several kinds, or a set, which has no order", 'write classes = ["first", "second"]',
        )  # fmt: skip
    names = tuple((_texts(array, "classes") if array.dtype.kind in "US" else array).tolist())
    if len(set(names)) < len(names):
        raise refusal(
            f"the class {str(max(names, key=names.count))!r} twice", "every class once", "two lists put together",
            "write each name once, in the order of their numbers",
        )  # fmt: skip
    return names


def categories(listed: Sequence[Any]) -> Sequence[Any]:
    """The categories of a column that has some, in their order, where they are texts."""
    names = plain(listed, "classes") if len(listed) else np.array([])
    return class_names(names) if names.dtype.kind in "US" else ()


def _texts(names: Array, what: str) -> Array:
    """Names as text. Raises DataError for bytes that are none."""
    try:
        found: Array = names.astype(str)
        "".join(found.ravel())  # reads every letter
    except (UnicodeError, SystemError, ValueError):
        raise refusal(
            f"{what} with bytes that are no text", "names in ASCII, or as texts", "another encoding, or a damaged file",
            f"write {what} as an array of str",
        ) from None  # fmt: skip
    return found


def _check_targets(y: Array, offsets: Array, classes: tuple[Label, ...]) -> None:
    count, total = len(offsets) - 1, int(offsets[-1])
    if y.ndim not in (1, 2) or len(y) not in (count, total):
        raise wrong_shape(y, count, total)
    if y.dtype.kind not in "biuf":
        raise refusal(
            f"y of type {y.dtype}", "whole numbers, names or real numbers",
            "complex numbers, dates or Python objects", "convert y to integers, texts or float64",
        )  # fmt: skip
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(y.reshape(len(y), -1).astype(np.float64)).all(axis=1))
    if len(bad):
        record = bad[0] if len(y) == count else np.searchsorted(offsets, bad[0], side="right") - 1
        raise refusal(
            f"y = {y[bad[0]]}", "finite numbers", "a missing target, or an overflow", "leave the record out",
            int(record),
        )  # fmt: skip
    if classes and (y.ndim != 1 or y.dtype.kind == "f" or y.min() < 0 or y.max() >= len(classes)):
        raise refusal(
            f"y of type {y.dtype}, shape {y.shape}, from {y.min()} to {y.max()}, with {len(classes)} classes",
            f"one of {labels.listed(classes)} a record, or whole numbers from 0 to {len(classes) - 1}",
            "classes counted from 1, or names of other data", "give y as texts, or leave classes out",
        )  # fmt: skip


def wrong_shape(y: Array, count: int, total: int) -> DataError:
    return refusal(
        f"y of shape {y.shape} for {count} records with {total} samples in all",
        "classes (samples), numbers (samples [× outputs]), or functions (samples × points × channels)",
        "targets of other records, or an axis too many or too few",
        "give one target a record, or functions the axes of x and one of channels",
    )  # fmt: skip
