"""Records: sampled functions with their targets, as arrays, as .npz files, and real ones that other packages ship.

Every record is a function on [−1, 1], known at points of its own, or on a square or a cube, known on a grid. All of
them are kept behind each other and cut by offsets, so that records of equal and of different lengths are one thing.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError, advice
from derive.spec import of_axis
from numerics import files
from numerics.checks import check_mask, instance, numbers, plain, positions, rows, several, warn
from numerics.datasets import labels
from numerics.datasets.labels import Label
from numerics.functions.samples import check_points

Array = np.ndarray

KEYS = ("x", "xi", "xi_2", "xi_3", "y", "offsets", "classes")
FREELY_UNFOLDED, RATIO = 1 << 24, 100  # bytes of arrays in an archive of any size, and how much larger they may be
LAYOUT = (
    "x (samples × points [× channels]), x (total [× channels]) with offsets (samples + 1), "
    "or x (samples × points × points [× points] × channels)"
)
UNIT = 0.1  # points from below this to above one less it, and none below zero, are those of [0, 1]
Grid = tuple[Array, ...]  # points along every axis


@dataclass(frozen=True, eq=False)
class Records:
    """Sampled functions, checked: made by ``records`` and ``read``.

    x: (total, channels), the samples of all records behind each other; offsets: (records + 1,), where each starts.
    xi: the points (total,), or None where the interpolant's default points are meant; those of grids axis after axis.
    grid: of records on squares and cubes, the points along every axis (records, 2 or 3); None for intervals.
    y: None; labels or numbers (records,) or (records, outputs), as they were given; functions (total, channels).
    classes: what labels that are texts name, or what was listed; y is then positions in it (records,).
    column: whether they came as (records, 1), which could as well be one record; it is for a model to say.
    """

    x: Array
    offsets: Array
    xi: Array | None = None
    y: Array | None = None
    classes: tuple[Label, ...] = ()
    grid: Array | None = None
    column: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        n = self.lengths
        span = f"{n[0]}" if len(set(n)) == 1 else f"{n.min()} to {n.max()}"
        if self.grid is not None and len(set(self.shapes)) == 1:
            span = "×".join(map(str, self.shapes[0]))
        y = "no targets" if self.y is None else f"y {self.y.dtype} {self.y.shape}"
        return f"Records({len(self)} records, {span} points, {self.channels} channels, {y})"

    @property
    def channels(self) -> int:
        return int(self.x.shape[1])

    @property
    def lengths(self) -> Array:
        """The number of points of every record (records,)."""
        return np.diff(self.offsets)

    @property
    def dimension(self) -> int:
        """How many axes the records' domain has: 1, 2 or 3."""
        return 1 if self.grid is None else int(self.grid.shape[1])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The numbers of points along every axis, of every record."""
        return [tuple(map(int, sizes)) for sizes in (self.lengths[:, None] if self.grid is None else self.grid)]

    @property
    def functions(self) -> bool:
        """Whether the targets are functions, sampled at the records' points."""
        return self.y is not None and len(self.y) == len(self.x) != len(self)

    def samples(self) -> list[Array]:
        """Every record's samples (points, channels), on grids (points, points[, points], channels)."""
        return self._cut(self.x)

    def points(self) -> list[Any]:
        """Every record's points (points,), on grids one such array an axis; None for the interpolant's default ones."""
        return [grid if grid is None or self.dimension > 1 else grid[0] for grid in self.grids()]

    def grids(self) -> list[Grid | None]:
        """Every record's points along every axis, None for the interpolant's default points."""
        if self.xi is None:
            return [None] * len(self)
        sizes = np.array(self.shapes)
        parts = np.split(self.xi, np.cumsum(sizes.ravel())[:-1])
        count = self.dimension
        return [tuple(parts[n : n + count]) for n in range(0, len(parts), count)]

    def targets(self) -> list[Array]:
        """Every record's target function, as its samples are. Raises DataError where targets are not functions."""
        y = self.y
        if y is not None and len(y) == len(self.x):
            return self._cut(y.reshape(len(y), -1))
        if y is not None and self.grid is None and y.ndim == 2 and (self.lengths == y.shape[1]).all():
            return [row[:, None].astype(np.float64) for row in y]
        raise DataError(
            "no targets" if y is None else f"targets of shape {y.shape} for {len(self)} records",
            "functions: y (samples × points × channels), one value for every sample of x",
            "the data are for numbers or classes, the spec for functions",
            "declare readout.outputs, or give y at the points of x",
        )

    def as_functions(self) -> Records:
        """The same records, their targets (records, points) as functions of one channel. Raises as ``targets``."""
        return replace(self, y=np.concatenate([part.reshape(-1, part.shape[-1]) for part in self.targets()]))

    def take(self, indices: Sequence[int] | Array) -> Records:
        """Some of the records, in the given order. Raises DataError for positions that are none."""
        index = positions(indices, len(self))
        rows, offsets = _rows_of(self.offsets, index)
        y = None if self.y is None else self.y[rows if self.functions else index]
        own = rows if self.grid is None else _rows_of(_offsets(self.grid.sum(axis=1)), index)[0]
        grid = None if self.grid is None else self.grid[index]
        xi = None if self.xi is None else self.xi[own]
        return Records(self.x[rows], offsets, xi, y, self.classes, grid, self.column)

    def _cut(self, values: Array) -> list[Array]:
        parts = [values[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:])]
        return parts if self.grid is None else [part.reshape(*sizes, -1) for part, sizes in zip(parts, self.grid)]


def _offsets(lengths: Sequence[int] | Array) -> Array:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _rows_of(offsets: Array, index: Array) -> tuple[Array, Array]:
    """The rows of some of the records, in the given order, and the offsets that they then have."""
    lengths = np.diff(offsets)[index]
    found = _offsets(lengths)
    return np.repeat(offsets[:-1][index] - found[:-1], lengths) + np.arange(found[-1]), found


# --- from arrays --------------------------------------------------------------------------------------------


def records(x: Any, xi: Any = None, y: Any = None, classes: Sequence[Any] | Array = ()) -> Records:
    """Records from arrays, or from lists of arrays when they differ in length.

    x: (samples, points[, channels]), or a list of (points[, channels]). xi: points (points,), shared, or one row or
    list a sample. y: labels of classes (whole numbers, texts, truth values; one-hot rows), numbers, or functions
    (samples, points, channels) or a list of (points[, channels]); what they mean is for a model's loss to say.
    classes: the classes in their order, which whole numbers in y name, or where that is not possible count from 0.
    Records on squares and cubes are (samples, points, points[, points], channels), or a list of arrays with their
    channels; xi is then one list of points an axis, shared, or such lists for every sample.
    Columns and frames of pandas are taken too; an index of numbers gives the points, where xi does not.
    A Records stands for itself. Raises DataError naming the record.
    """
    if not isinstance(x, Records):
        return _records(x, xi, y, classes, "")
    if xi is not None or y is not None or np.size(classes):
        raise _refuse(
            "Records beside points, targets or classes", "Records alone, or x with its xi and y",
            "Records hold their own", "leave the others out, or put all into the Records",
        )  # fmt: skip
    return x


def _records(x: Any, xi: Any, y: Any, classes: Sequence[Any] | Array, file: str) -> Records:
    with located(file):
        parts = _parts(x, "x")
        column = rows(x) is None and len(parts) > 1 and all(part.shape == (1, 1) for part in parts) and np.ndim(x) == 2
        if column and _is_one(len(parts), xi, y):
            parts, column = [np.concatenate(parts)], False
        elif column:
            column = not _are_many(len(parts), xi, y)
        xi = _index_points(x) if xi is None else xi
        listed = not isinstance(classes, list | tuple | np.ndarray) or len(classes) > 0
        classes = classes if listed else _categories(y)
        dimensions = {part.ndim - 1 for part in parts}
        if len(dimensions) > 1:
            raise _refuse(
                f"records on domains of {' and '.join(map(str, sorted(dimensions)))} axes", "one number of axes",
                "a record without its channels", "give every record its channels as the last axis",
            )  # fmt: skip
        lengths = [math.prod(part.shape[:-1]) for part in parts]
        channels = {part.shape[-1] for part in parts}
        if len(channels) > 1:
            raise _refuse(
                f"records with {', '.join(map(str, sorted(channels)))} channels", "one number of channels",
                "an axis too many, or channels × points instead of points × channels",
                "give every record as (points, channels)",
            )  # fmt: skip
        flat = np.concatenate([part.reshape(count, part.shape[-1]) for part, count in zip(parts, lengths)])
        if dimensions == {1}:
            where = None if xi is None else _flat_points(xi, lengths)
            found = _checked(flat, _offsets(lengths), where, _flat_targets(y, lengths), classes)
            return replace(found, column=True) if column else found
        grid = np.array([part.shape[:-1] for part in parts])
        where = None if xi is None else _grid_points(xi, grid)
        return _checked(flat, _offsets(lengths), where, _grid_targets(y, grid), classes, grid)


def _parts(given: Any, name: str) -> list[Array]:
    """Records as (points, channels)."""
    listed = rows(given)
    if listed is None:
        array = numbers(given, name)
        if not 2 <= array.ndim <= 5:
            raise _refuse(
                f"{name} of shape {array.shape}", LAYOUT, "a single record, or an axis too many",
                f"write {name}[None] for one record" if isinstance(given, np.ndarray) else f"write [{name}]",
            )  # fmt: skip
        return list(array[:, :, None] if array.ndim == 2 else array) or _no_records()
    found = []
    for number, part in enumerate(listed):
        array = numbers(part, name, where=f"record {number}")
        if not 1 <= array.ndim <= 4:
            raise _refuse(
                f"{name} of shape {array.shape}",
                "a list of arrays (points), (points, channels) or (points, points[, points], channels)",
                "a single record, or an axis too many", "put the record's samples into one array", number,
            )  # fmt: skip
        found.append(array[:, None] if array.ndim == 1 else array)
    return found or _no_records()


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


def _index_points(x: Any) -> Any:
    """The points that records of pandas carry: a frame's columns, or the indices of a list of columns; or None.

    Raises DataError for an index of numbers that is neither points nor equally spaced, so that none is lost.
    """
    listed = rows(x)
    if listed is None:
        if getattr(getattr(x, "index", None), "nlevels", 1) > 1:
            raise _refuse(
                "a frame whose index has several levels", "a row a record, or a list of frames (points, channels)",
                "records that lie behind each other", "write [part.to_numpy() for _, part in x.groupby(level=0)]",
            )  # fmt: skip
        return _points_of(getattr(x, "columns", None), None)
    found = [_points_of(getattr(part, "index", None), number) for number, part in enumerate(listed)]
    alone = next((n for n, points in enumerate(found) if points is None), None)
    if all(points is None for points in found) or alone is None:
        return None if alone is not None else found
    raise _refuse(
        "records with points in their index beside others without", "points for all records, or for none",
        "an index that was lost on the way, or row numbers", "give xi, one list of points a record", alone,
    )  # fmt: skip


def _points_of(index: Any, record: int | None) -> Array | None:
    """The points in an index of numbers; None for row numbers, names and equal spacing, which needs no points."""
    if not hasattr(index, "to_numpy") or type(index).__name__ == "RangeIndex":
        return None
    values = index.to_numpy()
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iufmM" or not len(values):
        return None
    if values.dtype.kind == "f" and np.isfinite(values).all() and np.abs(values).max() <= 1:
        return values
    steps = np.diff(values if values.dtype.kind == "f" else values.astype(np.int64)).astype(np.float64)
    if not len(steps) or (steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0)):
        return None
    raise _refuse(
        f"an index from {values[0]} to {values[-1]}, not equally spaced", "an index of points from -1 to 1, or xi",
        "coordinates in other units, or row numbers of a selection",
        "give xi, the index mapped to [-1, 1]; or x as arrays, with .to_numpy(), for equally spaced samples", record,
    )  # fmt: skip


def _no_records() -> list[Array]:
    raise _refuse("no records", "at least one record", "an empty selection", "check how the data were cut")


def _flat_points(xi: Any, lengths: list[int]) -> Array:
    """Points of all records behind each other, from shared points, rows, or a list."""
    listed = rows(xi) or []
    nested = any(map(several, listed))
    array = None if nested else numbers(xi, "xi")
    if array is not None and array.ndim == 1 and all(n == len(array) for n in lengths):
        return np.tile(array, len(lengths))
    own = listed if array is None else list(np.atleast_1d(array))
    if len(own) != len(lengths) or not all(map(several, own)):
        shape = f"{len(own)} lists" if array is None else f"shape {array.shape}"
        raise _refuse(
            f"xi of {shape} for {len(lengths)} records", "shared points (points), or one row or list a record",
            "points of other records, or a missing axis", "give the points of every sample",
        )  # fmt: skip
    found = [numbers(row, "xi", where=f"record {number}") for number, row in enumerate(own)]
    for number, (row, count) in enumerate(zip(found, lengths)):
        if row.shape != (count,):
            raise _refuse(
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
            raise _refuse("xi of another form", allowed, cause, fix, record)
        found = [numbers(part, "xi") for part in given]
        for part, size in zip(found, sizes):
            if part.shape != (size,):
                raise _refuse(
                    f"xi of shape {part.shape} for {size} samples along its axis", "one point a sample",
                    "axes in another order", "give the points in the order of the axes of x", record,
                )  # fmt: skip
        return found

    listed = isinstance(xi, list | tuple)
    shared = listed and len(xi) == axes and all(several(part) and not any(map(several, part)) for part in xi)
    own = [xi] * count if shared else xi
    if not listed or len(own) != count:
        raise _refuse(f"xi of type {type(xi).__name__}", allowed, "points in pairs", fix)
    return np.concatenate([part for n, row in enumerate(own) for part in points(row, grid[n], n)])


def _grid_targets(y: Any, grid: Array) -> Array | None:
    """Targets with one row a record, or for functions on the grids one row a sample."""
    if y is None:
        return None
    check_mask(y, "y")
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
        raise _wrong_shape(array, len(grid), total)
    return array


def _flat_targets(y: Any, lengths: list[int]) -> Array | None:
    """Targets with one row a record, or for functions one row a sample."""
    if y is None:
        return None
    check_mask(y, "y")
    given = rows(y)
    if given and all(map(several, given)):
        parts = [plain(part, "y") for part in given]
        if [len(part) for part in parts] == lengths and (len(set(lengths)) > 1 or parts[0].ndim == 2):
            try:
                return np.concatenate([part.reshape(len(part), -1) for part in parts])
            except ValueError:
                raise _refuse(
                    "y with functions of different numbers of channels", "one number of channels",
                    "a channel that was left out of some", "give every channel of every function",
                ) from None  # fmt: skip
    array = plain(y, "y")
    if len(set(lengths)) > 1:
        return array
    if array.ndim == 3 and array.shape[:2] == (len(lengths), lengths[0]):
        return array.reshape(sum(lengths), -1)
    if array.ndim == 2 and len(array) == sum(lengths):  # as Records hold them
        return array
    if array.ndim and len(array) != len(lengths):  # functions of rectangular records come as three axes
        raise _wrong_shape(array, len(lengths), sum(lengths))
    return array


# --- checks -------------------------------------------------------------------------------------------------


def _checked(
    x: Array, offsets: Array, xi: Array | None, y: Array | None, classes: Sequence[Any] | Array,
    grid: Array | None = None,
) -> Records:
    """Records, after everything that can be wrong with arrays that fit together."""
    empty = np.flatnonzero(np.diff(offsets) < 1)
    if len(empty) or not x.shape[1]:
        raise _refuse(
            "no samples" if len(empty) else "no channels", "at least one sample and one channel a record",
            "a record from which everything was left out", "leave the record out too", *empty[:1],
        )  # fmt: skip
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        record = int(np.searchsorted(offsets, bad[0], side="right")) - 1
        channel = int(np.flatnonzero(~np.isfinite(x[bad[0]]))[0])
        raise _refuse(
            f"x = {x[bad[0], channel]} at position {bad[0] - offsets[record]}, channel {channel}", "finite numbers",
            "a missing value, or an overflow", "leave the point out and give the others with their xi", record,
        )  # fmt: skip
    if xi is not None:
        xi = _checked_points(xi, offsets, grid)
    found, names = _named(y, class_names(classes), len(offsets) - 1)
    if found is not None:
        _check_targets(found, offsets, names)
    return Records(np.ascontiguousarray(x), offsets, xi, found, names, grid)


def _checked_points(xi: Array, offsets: Array, grid: Array | None) -> Array:
    """The points of all records, those that are outside by rounding at the ends."""
    axes = 1 if grid is None else grid.shape[1]
    ends = offsets if grid is None else _offsets(grid.ravel())
    before: dict[int, tuple[Array, Array]] = {}
    found = []
    for number, (a, b) in enumerate(zip(ends[:-1], ends[1:])):
        record, axis = divmod(number, axes)
        if axis not in before or not np.array_equal(before[axis][0], xi[a:b]):  # records mostly share their points
            try:
                before[axis] = xi[a:b], check_points(xi[a:b])
            except DataError as error:
                raise _refuse(error.given, error.allowed, error.cause, error.fix, record) from None
        found.append(before[axis][1])
    for axis in range(axes):
        _warn_of_half(np.concatenate(found[axis::axes]))
    return np.concatenate(found)


def _warn_of_half(points: Array) -> None:
    """Say so where the points of all records fill [0, 1]: they are seldom meant for the right half of [−1, 1]."""
    if len(points) > 2 and points.min() >= 0 and points.min() <= UNIT and points.max() >= 1 - UNIT:
        warn(
            f"all points xi lie from {points.min():g} to {points.max():g}, and records on [-1, 1]: left of the points "
            "each record goes on as a constant. If they are meant for the whole domain, give xi = 2*xi - 1"
        )


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
        raise _refuse(
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
        raise _refuse(
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
        raise _refuse(
            f"classes of type {type(given).__name__}", "a list of names",
            "one name, names of several kinds, or a set, which has no order", 'write classes = ["first", "second"]',
        )  # fmt: skip
    names = tuple((_texts(array, "classes") if array.dtype.kind in "US" else array).tolist())
    if len(set(names)) < len(names):
        raise _refuse(
            f"the class {str(max(names, key=names.count))!r} twice", "every class once", "two lists put together",
            "write each name once, in the order of their numbers",
        )  # fmt: skip
    return names


def _categories(y: Any) -> tuple[Label, ...]:
    """The categories of a column that has some, in their order, where they are texts."""
    found = getattr(getattr(y, "dtype", None), "categories", None)
    names = np.array([]) if found is None else plain(found, "classes")
    return class_names(names) if names.dtype.kind in "US" else ()


def _texts(names: Array, what: str) -> Array:
    """Names as text. Raises DataError for bytes that are none."""
    try:
        found: Array = names.astype(str)
        "".join(found.ravel())  # reads every letter
    except (UnicodeError, SystemError, ValueError):
        raise _refuse(
            f"{what} with bytes that are no text", "names in ASCII, or as texts", "another encoding, or a damaged file",
            f"write {what} as an array of str",
        ) from None  # fmt: skip
    return found


def _check_targets(y: Array, offsets: Array, classes: tuple[Label, ...]) -> None:
    count, total = len(offsets) - 1, int(offsets[-1])
    if y.ndim not in (1, 2) or len(y) not in (count, total):
        raise _wrong_shape(y, count, total)
    if y.dtype.kind not in "biuf":
        raise _refuse(
            f"y of type {y.dtype}", "whole numbers, names or real numbers",
            "complex numbers, dates or Python objects", "convert y to integers, texts or float64",
        )  # fmt: skip
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(y.reshape(len(y), -1).astype(np.float64)).all(axis=1))
    if len(bad):
        record = bad[0] if len(y) == count else np.searchsorted(offsets, bad[0], side="right") - 1
        raise _refuse(
            f"y = {y[bad[0]]}", "finite numbers", "a missing target, or an overflow", "leave the record out",
            int(record),
        )  # fmt: skip
    if classes and (y.ndim != 1 or y.dtype.kind == "f" or y.min() < 0 or y.max() >= len(classes)):
        raise _refuse(
            f"y of type {y.dtype}, shape {y.shape}, from {y.min()} to {y.max()}, with {len(classes)} classes",
            f"one of {labels.listed(classes)} a record, or whole numbers from 0 to {len(classes) - 1}",
            "classes counted from 1, or names of other data", "give y as texts, or leave classes out",
        )  # fmt: skip


def _wrong_shape(y: Array, count: int, total: int) -> DataError:
    return _refuse(
        f"y of shape {y.shape} for {count} records with {total} samples in all",
        "classes (samples), numbers (samples [× outputs]), or functions (samples × points × channels)",
        "targets of other records, or an axis too many or too few",
        "give one target a record, or functions the axes of x and one of channels",
    )  # fmt: skip


def _refuse(given: str, allowed: str, cause: str, fix: str, record: Any = None) -> DataError:
    return DataError(given, allowed, cause, fix, "" if record is None else f"record {record}")


@contextlib.contextmanager
def located(file: str) -> Iterator[None]:
    """Errors inside also name the file."""
    try:
        yield
    except DataError as error:
        where = ", ".join(part for part in (file, error.where) if part)
        raise DataError(error.given, error.allowed, error.cause, error.fix, where) from None


# --- files --------------------------------------------------------------------------------------------------


def read(path: str | Path) -> Records:
    """Records from an .npz with x and perhaps xi, y, offsets, classes; no Python object is ever loaded.

    Raises DataError naming the file and the record.
    """
    with located(str(path)):
        arrays = archive(path, _check_keys)
        x, y, classes = arrays["x"], arrays.get("y"), arrays.get("classes", np.array([], dtype=str))
        if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "US"):
            raise _refuse(
                f"classes of type {classes.dtype}, shape {classes.shape}", "a list of names",
                "numbers, or one name only", "write classes as an array of texts",
            )  # fmt: skip
        if "offsets" not in arrays:
            return _records(x, _file_points(arrays), y, classes, "")
        return _ragged(x, arrays["offsets"], arrays.get("xi"), y, classes)


def _file_points(arrays: Mapping[str, Array]) -> Any:
    """The points in a file: xi, or for grids xi, xi_2 and perhaps xi_3, which all records share."""
    others = [arrays[name] for name in ("xi_2", "xi_3") if name in arrays]
    if not others and arrays["x"].ndim < 4:
        return arrays.get("xi")
    found = [arrays[name] for name in ("xi", "xi_2", "xi_3") if name in arrays]
    return found or None


def _ragged(x: Array, offsets: Array, xi: Array | None, y: Array | None, classes: Array) -> Records:
    x = numbers(x, "x")
    if x.ndim not in (1, 2):
        raise _refuse(
            f"x of shape {x.shape} with offsets", "x (total [× channels])",
            "a rectangular x needs no offsets", "leave the offsets out, or put all samples behind each other",
        )  # fmt: skip
    fits = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 1
    if not fits or offsets[0] != 0 or offsets[-1] != len(x) or (offsets[1:] < offsets[:-1]).any():
        raise _refuse(
            f"offsets of type {offsets.dtype}, shape {offsets.shape}: {str(offsets).replace(chr(10), '')}",
            f"increasing whole numbers from 0 to {len(x)}, the length of x",
            "lengths instead of offsets, samples that were left out, or lengths that are no whole numbers",
            "write np.append(0, np.cumsum(lengths)), lengths being whole numbers",
        )  # fmt: skip
    if xi is not None and xi.shape != (len(x),):
        raise _refuse(
            f"xi of shape {xi.shape} for {len(x)} samples", "xi (total): one point a sample",
            "samples or points were left out on one side only", "leave both out",
        )  # fmt: skip
    points = None if xi is None else numbers(xi, "xi")
    return _checked(x.reshape(len(x), -1), offsets.astype(np.int64), points, y, classes)


def archive(file: str | Path, check: Callable[[list[str]], None]) -> dict[str, Array]:
    """The arrays of an .npz whose names pass a check. Raises DataError for any other file."""
    if not isinstance(file, str | os.PathLike):
        raise _refuse(f"a path of type {type(file).__name__}", "a path", "another argument", "give the path of an .npz")
    path = Path(file)
    if not path.exists():
        raise _refuse("no such file", "an .npz", "a typing error", "check the path")
    if path.is_dir() or not zipfile.is_zipfile(path):
        raise _no_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name.removesuffix(".npy"): name for name in archive.namelist()}
            check(list(entries))
            _check_size(archive, path.stat().st_size)
            # Entries are read whole, so that their checksums are verified.
            streams = {key: io.BytesIO(archive.read(file)) for key, file in entries.items()}
            return {key: np.lib.format.read_array(s, allow_pickle=False) for key, s in streams.items()}
    except DataError:
        raise
    except Exception as e:  # damaged archives and array headers fail in more ways than can be listed
        objects = "Object arrays" in str(e) or "pickled" in str(e)
        raise _refuse(
            "an array of Python objects" if objects else f"an archive that cannot be read: {e}",
            "arrays of numbers, and of texts for classes",
            "lists of different lengths were saved as they are" if objects else "the file was cut short or damaged",
            "put all samples behind each other, with offsets" if objects else "write the file again",
        ) from e  # fmt: skip


def _no_archive(path: Path) -> DataError:
    """What else a file is, and how it becomes an .npz."""
    allowed = "an .npz, as np.savez writes it"
    if path.is_dir():
        return _refuse("a folder", allowed, "the name of a file left out", "give one of the files in it")
    with open(path, "rb") as stream:
        head = stream.read(512)
    given = f"{path.stat().st_size} bytes that are not an .npz archive"
    npz = path.with_suffix(".npz").name
    if head.startswith(b"\x93NUMPY"):
        fix = f'np.savez("{npz}", x=np.load("{path.name}")), with y where there are targets'
        return _refuse(f"{given}, but a single array", allowed, "np.save instead of np.savez", fix)
    if head.startswith(b"PK") or not head:
        return _refuse(given, allowed, "the file was cut short", "write or copy it again")
    if b"\0" not in head and len(head.decode("utf-8", "ignore").encode()) > len(head) - 4:
        fix = (
            f'in Python: a = np.loadtxt("{path.name}", delimiter=","); np.savez("{npz}", x=a[:, 1:], y=a[:, 0]), '
            "where every line is a target with its samples"
        )
        return _refuse(f"{given}, but text", allowed, "a table such as CSV", fix)
    return _refuse(given, allowed, "another kind of file", f'read it in Python, then np.savez("{npz}", x=…, y=…)')


def _check_size(archive: zipfile.ZipFile, stored: int) -> None:
    """Refuse an archive that unfolds to far more than measurements do, before anything is unfolded."""
    size = sum(entry.file_size for entry in archive.infolist())
    usual = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    other = [entry.filename for entry in archive.infolist() if entry.compress_type not in usual]
    if size > max(FREELY_UNFOLDED, RATIO * stored) or other:
        raise _refuse(
            f"{other[0]} in another compression" if other else f"{stored} bytes that unfold to {size}",
            f"arrays as np.savez or np.savez_compressed writes them, at most {RATIO} times as large as the file",
            "a damaged or forged file, or records that are all zeros", "write it with np.savez",
        )  # fmt: skip


def _check_keys(names: list[str]) -> None:
    unknown = sorted(set(names) - set(KEYS))
    if unknown:
        near = difflib.get_close_matches(unknown[0].lower(), KEYS, 1)
        raise _refuse(
            f"an array named {unknown[0]!r}", ", ".join(KEYS), "a typing error, or a file of another kind",
            f"name it {near[0]!r}" if near else "write the records under these names",
        )  # fmt: skip
    if "x" not in names:
        raise _refuse(
            f"arrays {', '.join(names) or 'none'}, but no x", LAYOUT, "a file of another kind", "write x",
        )  # fmt: skip


def write(path: str | Path, data: Records) -> None:
    """Write records as an .npz, whole or not at all: beside it, flushed, then renamed. Raises DataError."""
    instance(data, Records, "make them with numerics.datasets.record.records")
    stream = io.BytesIO()
    try:
        entries: dict[str, Any] = _packed(data)
        np.savez(stream, **entries)
        files.write_whole(path, stream.getvalue())
    except (OSError, TypeError, ValueError) as error:  # the latter two for what is no path
        raise DataError(
            f"{getattr(error, 'strerror', None) or error}",
            "a folder that exists and can be written to, on a disk with room",
            "a typing error, missing permissions or a full disk", "choose another path", str(path),
        ) from error  # fmt: skip


def _packed(data: Records) -> dict[str, Array]:
    """The arrays of a file: rectangular where all records have the same length, with shared points where they do."""
    count, lengths = len(data), data.lengths
    arrays: dict[str, Array | None] = {"x": data.x, "xi": data.xi, "y": data.y}
    if data.grid is not None:
        arrays |= _packed_grids(data)
    elif (lengths == lengths[0]).all():
        x = data.x.reshape(count, lengths[0], -1)
        xi = None if data.xi is None else data.xi.reshape(count, -1)
        shared = xi is not None and (xi == xi[0]).all()
        flat = data.channels == 1 and (lengths[0] > 1 or data.column)  # (n, 1) could be one record of n points
        arrays["x"] = x[:, :, 0] if flat else x
        arrays["xi"] = xi[0] if shared and xi is not None else xi
        if data.functions and data.y is not None:
            arrays["y"] = data.y.reshape(count, lengths[0], -1)
    else:
        arrays["offsets"] = data.offsets
    if data.classes:
        names = np.array(list(map(labels.text, data.classes)))
        # Names, which can be read in one way only: positions of classes 1, 2, … could be their names, too.
        arrays |= {"classes": names, "y": None if data.y is None else names[data.y]}
    return {name: array for name, array in arrays.items() if array is not None}


def _packed_grids(data: Records) -> dict[str, Array | None]:
    shape, grids = data.shapes[0], data.grids()
    first = grids[0]
    same = first is None or all(all(map(np.array_equal, first, other or ())) for other in grids)
    if not same or set(data.shapes) != {shape}:
        raise ValueError("records on different grids, which only Python takes, as lists")
    arrays: dict[str, Array | None] = {"x": data.x.reshape(len(data), *shape, -1), "xi": None}
    for axis, xi in enumerate(first or ()):
        arrays[of_axis("xi", axis)] = xi
    if data.functions and data.y is not None:
        arrays["y"] = data.y.reshape(len(data), *shape, -1)
    return arrays


# --- real records -------------------------------------------------------------------------------------------

SERIES = ("GunPoint", "ArrowHead", "ItalyPowerDemand", "OSULeaf", "JapaneseVowels", "BasicMotions", "Tecator")
DIGITS, IMAGES = "digits", "digits2d"
BURGERS = "burgers"
TRAINING_DIGITS = 898  # of 1,797, in their order: the halves of scikit-learn's own example
INK = 16.0  # the darkest pixel


def names() -> tuple[str, ...]:
    """The data sets that ``load`` knows."""
    return (*(name.lower() for name in SERIES), DIGITS, IMAGES, BURGERS)


def parts(name: str) -> dict[str, Records]:
    """"train" and "test" of a data set, and of burgers the test records at more points too. Raises DataError."""
    if str(name).lower() == BURGERS:
        from numerics.datasets import burgers

        return burgers.load()
    return dict(zip(("train", "test"), load(name)))


def load(name: str) -> tuple[Records, Records]:
    """(train, test) of a real data set, with the published split; upper and lower case are the same.

    The series are those of the UCR and UEA archives that sktime ships: GunPoint, ArrowHead, ItalyPowerDemand,
    OSULeaf (classes, one channel), JapaneseVowels (12 channels, 7 to 29 points), BasicMotions (6 channels), and
    Tecator (a number to predict). Digits are scikit-learn's: 64 pixels in [0, 1], row by row; the first 898
    train, the last 899 test; digits2d are the same as functions on a square, 8 × 8 × 1. Burgers are solutions of
    Burgers' equation, made here. Nothing is downloaded. Raises DataError for an unknown name or a missing package.
    """
    known = {s.lower(): s for s in (*SERIES, DIGITS, IMAGES, BURGERS)}
    wanted = str(name).lower()
    if wanted not in known:
        raise DataError(
            f"data set {name!r}", ", ".join(known),
            *advice(name, known, "a typing error", "choose one of these, or write your own .npz"),
        )  # fmt: skip
    if wanted == BURGERS:
        found = parts(wanted)
        return found["train"], found["test"]
    if wanted in (DIGITS, IMAGES):
        return _digits(images=wanted == IMAGES)
    folder = _package("sktime") / "datasets" / "data" / known[wanted]
    train, test = (_series(folder / f"{folder.name}_{part}.ts") for part in ("TRAIN", "TEST"))
    return train, test


def _package(name: str) -> Path:
    """The folder of an installed package, without importing it (sktime takes seconds)."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise DataError(
            f"the package {name} is not installed", "the extra `data`", "the package was installed without it",
            'pip install "neural-continua[data]"',
        )  # fmt: skip
    return Path(found.origin).parent


def _digits(images: bool) -> tuple[Records, Records]:
    _package("sklearn")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = (pixels / INK).reshape(-1, 8, 8, 1) if images else pixels / INK
    whole = records(x, None, labels, [str(digit) for digit in range(10)])
    order = np.arange(len(whole))
    return whole.take(order[:TRAINING_DIGITS]), whole.take(order[TRAINING_DIGITS:])


def _series(path: Path) -> Records:
    """Records from a .ts file: a header, then a line a record, its channels and its label separated by colons."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read: {error.strerror}", "an sktime that ships its data",
            "another version of sktime", 'pip install --upgrade "neural-continua[data]"',
        ) from error  # fmt: skip
    header: dict[str, list[str]] = {}
    x, labels = [], []
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("@"):
            key, *values = line[1:].split()
            header[key.lower()] = values
        elif not line.startswith("#"):
            *channels, label = line.split(":")
            x.append(np.array([channel.split(",") for channel in channels], dtype=np.float64).T)
            labels.append(label.strip())
    y, classes = _labels(labels, header)
    return _records(x, None, y, classes, path.name)


def _labels(labels: list[str], header: Mapping[str, list[str]]) -> tuple[Array, list[str]]:
    """Numbers for a regression, else names in the header's order."""
    if header.get("targetlabel", ["false"])[0] == "true":
        return np.array(labels, dtype=np.float64), []
    return np.array(labels), header["classlabel"][1:]
