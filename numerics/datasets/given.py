"""Records from what users give: arrays, lists of arrays, and tables; of any package, as ``containers`` reads them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.archive import located
from numerics.checks import check_mask, numbers, plain, rows, several
from numerics.datasets import containers
from numerics.datasets.checked import categories, checked, wrong_shape
from numerics.datasets.containers import LAYOUTS
from numerics.datasets.long_tables import long
from numerics.datasets.record import Records, offsets_of, refusal

Array = np.ndarray
SHOWN = 6  # numbers in a message
LAYOUT = (
    "x (samples × points [× channels]), x (total [× channels]) with offsets (samples + 1), "
    "or x (samples × points × points [× points] × channels)"
)


def records(
    x: Any,
    y: Any = None,
    xi: Any = None,
    classes: Sequence[Any] | Array = (),
    y_xi: Any = None,
    layout: str = LAYOUTS[0],
    weights: Any = None,
) -> Records:
    """Records from arrays, or from lists of arrays when they differ in length.

    x: (samples, points[, channels]), or a list of (points[, channels]). xi: points (points,), shared, or one row or
    list a sample. y: labels of classes (whole numbers, texts, truth values; one-hot rows), numbers, or functions
    (samples, points, channels) or a list of (points[, channels]); what they mean is for a model's loss to say.
    y_xi: the points of target functions that were not sampled where x was; y is then given as x is, with them.
    classes: the classes in their order, which whole numbers in y name, or where that is not possible count from 0.
    Records on squares and cubes are (samples, points, points[, points], channels), or a list of arrays with their
    channels; xi is then one list of points an axis, shared, or such lists for every sample.
    weights: what each record counts (records,), over their mean, in losses, scores and scales; a record of weight 2 is
    as two of them. None where all count alike.
    layout: "channels_last", or "channels_first" where x is (samples, channels, points), or a list of (channels,
    points), as PyTorch, aeon and sktime have it; functions in y are then the same way.
    Arrays of any package that NumPy can read, and frames and columns of pandas, polars and PyArrow, are taken too: a
    frame has a row a record; in a list, or under an index of two levels, a row a point. An index of numbers, times or
    durations gives the points where xi does not, times in seconds since the record's first.
    A Records stands for itself, but for weights, which may be given beside it; what ``source`` would read part by part
    is read whole. Raises DataError naming the record.
    """
    if getattr(x, "mapped", False):
        x = x.whole()
    if not isinstance(x, Records):
        found = from_given(x, xi, y if y_xi is None else None, classes, "", layout)
        found = found if y_xi is None else with_targets_at(found, y, y_xi, layout)
        return found if weights is None else found.weighted(weights)
    if xi is not None or y is not None or np.size(classes) or y_xi is not None:
        raise refusal(
            "Records beside points, targets or classes", "Records alone, or x with its xi and y",
            "Records hold their own", "leave the others out, or put all into the Records",
        )  # fmt: skip
    return x if weights is None else x.weighted(weights)


def with_targets_at(data: Records, y: Any, y_xi: Any, layout: str = LAYOUTS[0]) -> Records:
    """Records with target functions at points of their own. Raises DataError."""
    if y is None:
        raise refusal("points of targets without targets", "y with its points y_xi", "y was left out", "give y")
    targets = from_given(y, y_xi, None, (), "", layout)
    if len(targets) != len(data):
        raise refusal(
            f"{len(targets)} target functions for {len(data)} records", "one function a record",
            "targets of other records, or a record without an axis", "give y as (samples, points[, channels])",
        )  # fmt: skip
    if targets.dimension != data.dimension:
        raise refusal(
            f"target functions on {targets.dimension} axes, records on {data.dimension}", "one domain for both",
            "an axis of channels taken for one of points", "give y as x is",
        )  # fmt: skip
    return replace(data, elsewhere=without_gaps(targets))


def without_gaps(targets: Records) -> Records:
    """Target functions, which have a value wherever they have a point. Raises DataError for others."""
    if targets.gaps:
        sample = int(np.argmax(np.isnan(targets.x).any(axis=1)))
        record = int(np.searchsorted(targets.offsets, sample, side="right")) - 1
        raise refusal("y = nan", "finite numbers", "a missing target", "leave its point out of y and y_xi", record)
    return targets


def from_long(
    table: Any,
    id: Any = None,
    time: Any = None,
    channels: Any = (),
    label: Any = (),
    classes: Sequence[Any] | Array = (),
) -> Records:
    """Records from a table with a row a sample: a frame of pandas, polars or PyArrow, or columns by their names.

    id: the column that names the record, whose rows may lie anywhere; None where all rows are one record. time: the
    column of points, which need not be sorted: numbers in units of your own, durations, or times, which count in
    seconds from the record's first. Without, rows are evenly spaced. channels: one name or several, by default the
    columns that have no other role. label: the column of targets, or several of numbers; the same in all rows of a
    record, or real numbers that are not: functions. classes: as in ``records``.
    Records come in the order of their first rows. Raises DataError naming the column or the record.
    """
    samples, targets = (list(given) if isinstance(given, list | tuple) else [given] for given in (channels, label))
    found = long(containers.table(table), id, time, samples, targets)
    return replace(from_given(found.x, found.xi, found.y, classes, ""), names=found.names)


def from_given(
    x: Any, xi: Any, y: Any, classes: Sequence[Any] | Array, file: str, layout: str = LAYOUTS[0]
) -> Records:
    with located(file):
        _check_no_path(x)
        lone = f"write {'x[None]' if isinstance(x, np.ndarray) else '[x]'}"
        taken = containers.samples(x, layout)
        x, xi = taken.x, taken.xi if xi is None else containers.points(xi)
        y, ordered = containers.targets(y, layout)
        parts = _parts(x, lone)
        column = isinstance(parts, np.ndarray) and parts.shape[1:] == (1, 1) and len(parts) > 1 and np.ndim(x) == 2
        if column and _is_one(len(parts), xi, y):
            parts, column = [np.concatenate(parts)], False
        elif column:
            column = not _are_many(len(parts), xi, y)
        listed = not isinstance(classes, list | tuple | np.ndarray) or len(classes) > 0
        classes = classes if listed else categories(ordered)
        shapes = [parts.shape[1:]] if isinstance(parts, np.ndarray) else [part.shape for part in parts]
        dimensions = {len(shape) - 1 for shape in shapes}
        if len(dimensions) > 1:
            raise refusal(
                f"records on domains of {' and '.join(map(str, sorted(dimensions)))} axes", "one number of axes",
                "a record without its channels", "give every record its channels as the last axis",
            )  # fmt: skip
        channels = sorted({shape[-1] for shape in shapes})
        if len(channels) > 1:
            said = f"{', '.join(map(str, channels[:SHOWN]))}{', …' if len(channels) > SHOWN else ''}"
            if len({shape[0] for shape in shapes}) == 1:
                raise _swapped(f"records with {said} channels, and {shapes[0][0]} points each", layout)
            raise refusal(
                f"records with {said} channels", "one number of channels", "a channel that some records have not",
                "give every record as (points, channels), with the same channels",
            )  # fmt: skip
        grid = np.array([shape[:-1] for shape in shapes])
        grid = np.tile(grid, (len(parts), 1)) if isinstance(parts, np.ndarray) else grid
        lengths = grid.prod(axis=1)
        flat = _behind([parts] if isinstance(parts, np.ndarray) else parts)
        if dimensions == {1}:
            try:
                where = None if xi is None else _flat_points(xi, lengths)
            except DataError:
                if not _fits(xi, np.broadcast_to([shape[-1] for shape in shapes], len(parts))):
                    raise
                raise _swapped(f"as many points xi as channels, x of shape {shapes[0]} a record", layout) from None
            found = checked(flat, offsets_of(lengths), where, _flat_targets(y, lengths, layout), classes)
            return replace(found, column=True) if column else found
        where = None if xi is None else _grid_points(xi, grid)
        return checked(flat, offsets_of(lengths), where, _grid_targets(y, grid), classes, grid)


def _check_no_path(x: Any) -> None:
    if isinstance(x, str | bytes | os.PathLike):
        raise refusal(
            f"x of type {type(x).__name__}", "samples", "the name of a file instead of what is in it",
            "read it: numerics.datasets.read(path)",
        )  # fmt: skip


def _parts(given: Any, lone: str) -> Array | list[Array]:
    """Records as (points, channels): one array of all of them where they came as one, or else a list.

    lone: how a single record is given.
    """
    listed = rows(given)
    if listed is None:
        array = numbers(given, "x")
        if not 2 <= array.ndim <= 5:
            raise refusal(
                f"x of shape {array.shape}", LAYOUT, "a single record, or an axis too many", f"{lone} for one record"
            )
        if not len(array):
            raise _no_records()
        return array[:, :, None] if array.ndim == 2 else array
    found = []
    for number, part in enumerate(listed):
        array = numbers(part, "x", where=f"record {number}")
        if not 1 <= array.ndim <= 4:
            raise refusal(
                f"x of shape {array.shape}",
                "a list of arrays (points), (points, channels) or (points, points[, points], channels)",
                "a single record, or an axis too many", "put the record's samples into one array", number,
            )  # fmt: skip
        found.append(array[:, None] if array.ndim == 1 else array)
    if not found:
        raise _no_records()
    return found


def _swapped(given: str, layout: str) -> DataError:
    """The refusal of shapes that fit with points and channels the other way round."""
    other = LAYOUTS[1 - LAYOUTS.index(layout)]
    forms = "(points, channels)", "(channels, points)"
    return refusal(
        given, f"records {forms[LAYOUTS.index(layout)]}, as layout={layout!r} means",
        f"records {forms[LAYOUTS.index(other)]}: they fit when swapped", f"give layout={other!r} to records",
    )  # fmt: skip


def _fits(xi: Any, lengths: Array) -> bool:
    try:
        _flat_points(xi, lengths)
    except DataError:
        return False
    return True


def _behind(parts: Sequence[Array]) -> Array:
    """Samples (total, channels) of arrays whose last axis is the channels, behind each other, and copied."""
    return np.concatenate([part.reshape(math.prod(part.shape[:-1]), part.shape[-1]) for part in parts])


def _is_one(count: int, xi: Any, y: Any) -> bool:
    """Whether x of (n, 1) is one record of n points, by its points or its target."""
    return _shape(xi) == (count,) or _shape(y)[:1] == (1,)


def _are_many(count: int, xi: Any, y: Any) -> bool:
    """Whether x of (n, 1) is n records of a single point, by their points or their targets."""
    return _shape(xi)[:1] == (count,) or _shape(y) == (count,)


def _shape(given: Any) -> tuple[int, ...]:
    """The shape of points or targets; of rows that may differ in length (rows, 0)."""
    listed = rows(given)
    if listed is not None and any(map(several, listed)):
        return len(listed), 0
    return () if given is None else np.shape(given)


def _no_records() -> DataError:
    return refusal("no records", "at least one record", "an empty selection", "check how the data were cut")


def _flat_points(xi: Any, lengths: Array) -> Array:
    """Points of all records behind each other, from shared points, rows, or a list."""
    listed = rows(xi) or []
    nested = any(map(several, listed))
    array = None if nested else numbers(xi, "xi")
    if array is not None and array.ndim == 1 and (lengths == len(array)).all():
        return np.tile(array, len(lengths))
    if array is not None and array.ndim == 2 and len(array) == len(lengths) and (lengths == array.shape[1]).all():
        return array.flatten()
    own = listed if array is None else list(np.atleast_1d(array))
    if len(own) != len(lengths) or not all(map(several, own)):
        shape = f"{len(own)} lists" if array is None else f"shape {array.shape}"
        raise refusal(
            f"xi of {shape} for {len(lengths)} records", "shared points (points), or one row or list a record",
            "points of other records, or a missing axis", "give the points of every sample",
        )  # fmt: skip
    found = [numbers(row, "xi", where=f"record {number}") for number, row in enumerate(own)]
    for number, (row, count) in enumerate(zip(found, lengths)):
        if row.shape != (count,):
            raise refusal(
                f"xi of shape {row.shape} for {count} samples", "one point a sample",
                "samples or points were left out on one side only", "leave both out", number,
            )  # fmt: skip
    return np.concatenate(found)


def _grid_points(xi: Any, grid: Array) -> Array:
    """Points of all grids behind each other, axis after axis, from shared ones or from every record's."""
    count, axes = grid.shape
    allowed = f"{axes} lists of points, one an axis, or such lists for every record"
    fix = f"write xi=({', '.join(('first', 'second', 'third')[:axes])})"

    def points(given: Any, sizes: Array, record: int) -> list[Array]:
        if not isinstance(given, list | tuple) or len(given) != axes:
            cause = "the points of one axis alone"
            raise refusal("xi of another form", allowed, cause, fix, record)
        found = [numbers(part, "xi") for part in given]
        for part, size in zip(found, sizes):
            if part.shape != (size,):
                raise refusal(
                    f"xi of shape {part.shape} for {size} samples along its axis", "one point a sample",
                    "axes in another order", "give the points in the order of the axes of x", record,
                )  # fmt: skip
        return found

    listed = isinstance(xi, list | tuple)
    shared = listed and len(xi) == axes and all(several(part) and not any(map(several, part)) for part in xi)
    if shared and (grid == grid[0]).all():
        return np.tile(np.concatenate(points(xi, grid[0], 0)), count)
    own = [xi] * count if shared else xi
    if not listed or len(own) != count:
        raise refusal(f"xi of type {type(xi).__name__}", allowed, "points in pairs", fix)
    return np.concatenate([part for n, row in enumerate(own) for part in points(row, grid[n], n)])


def _grid_targets(y: Any, grid: Array) -> Array | None:
    """Targets with one row a record, or for functions on the grids one row a sample."""
    if y is None:
        return None
    check_mask(y, "y")
    same = (grid == grid[0]).all()
    if same and isinstance(y, np.ndarray) and y.dtype.kind in "iuf" and y.shape[:-1] == (len(grid), *grid[0]):
        return _behind([y])
    shapes = [tuple(sizes) for sizes in grid.tolist()]
    given = rows(y) or ([] if getattr(y, "ndim", 0) < 3 else list(y))
    if given and all(map(several, given)):
        parts = [plain(part, "y") for part in given]
        if [part.shape[:-1] for part in parts] == shapes:
            return np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    array, total = plain(y, "y"), int(grid.prod(axis=1).sum())
    if array.ndim == 2 and len(array) == total:  # as Records hold them
        return array
    if not array.ndim or len(array) != len(grid) or array.ndim > 2:
        raise wrong_shape(array, len(grid), total)
    return array


def _flat_targets(y: Any, lengths: Array, layout: str) -> Array | None:
    """Targets with one row a record, or for functions one row a sample."""
    if y is None:
        return None
    check_mask(y, "y")
    total, equal = int(lengths.sum()), bool((lengths == lengths[0]).all())
    given = rows(y)
    if given and all(map(several, given)):
        parts = [plain(part, "y") for part in given]
        if [len(part) for part in parts] == lengths.tolist() and (not equal or parts[0].ndim == 2):
            try:
                return np.concatenate([part.reshape(len(part), -1) for part in parts])
            except ValueError:
                raise refusal(
                    "y with functions of different numbers of channels", "one number of channels",
                    "a channel that was left out of some", "give every channel of every function",
                ) from None  # fmt: skip
    array = plain(y, "y")
    if not equal:
        return array
    if array.ndim == 3 and array.shape[::2] == (len(lengths), lengths[0]) != array.shape[:2]:
        raise _swapped(f"y of shape {array.shape} for {len(lengths)} records of {lengths[0]} points", layout)
    if array.ndim == 3 and array.shape[:2] == (len(lengths), lengths[0]):
        return array.reshape(total, -1)
    if array.ndim == 2 and len(array) == total:  # as Records hold them
        return array
    if array.ndim and len(array) != len(lengths):  # functions of rectangular records come as three axes
        raise wrong_shape(array, len(lengths), total)
    return array
