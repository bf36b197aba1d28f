"""Containers that users hand over, as NumPy's arrays and lists of these: frames, columns, panels, tensors.

Frames and columns of pandas, polars and PyArrow are read through narwhals. An array is whatever has ``__array__``,
``__array_interface__`` or DLPack. Of these packages only narwhals is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from derive.errors import advice
from numerics.checks import rows, several
from numerics.datasets.long_tables import all_or_none, channels_of, panel
from numerics.datasets.points import coordinates, in_units, of_index
from numerics.datasets.record import refusal
from numerics.datasets.tables import Given, Table
from numerics.datasets.wide_tables import wide

Array = np.ndarray
LAYOUTS = ("channels_last", "channels_first")  # as Keras calls them
PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__")
SINGLE = (str, bytes, int, float, complex, type(None), np.generic)
OURS = (np.ndarray, list, tuple, *SINGLE)


def samples(x: Any, layout: str) -> Given:
    """Samples as an array or a list of arrays, and the points that an index or the names of columns give.

    layout: of arrays; frames say themselves what their rows and columns are, and have a row a point in lists.
    """
    if layout not in LAYOUTS:
        known = " or ".join(map(repr, LAYOUTS))
        raise refusal(f"layout={layout!r}", known, *advice(layout, LAYOUTS, "another word", "use one of these"))
    frame = _native(x)
    if _is_frame(frame):
        return _of_frame(x)
    array = x if isinstance(x, list | tuple) else _array(x) if frame is None else _column(frame)
    listed = rows(array)
    if listed is None:
        return Given(_moved(array, 1, layout))
    parts = [_record(part, number, layout) for number, part in enumerate(listed)]
    return Given([part for part, _ in parts], all_or_none([points for _, points in parts]) if parts else None)


def targets(y: Any, layout: str) -> tuple[Any, Any]:
    """Targets as arrays or lists of them, and the categories of a column that has some, in their order, or ()."""
    if isinstance(y, list | tuple):
        single = all(isinstance(part, SINGLE) for part in y[:1])
        return y if single else [_moved(_plain(part), 0, layout) for part in y], ()
    categories = getattr(getattr(y, "dtype", None), "categories", None)
    listed = hasattr(categories, "__len__")  # what pandas and polars' Enum list; other orders are those of chance
    return _moved(_plain(y), 1, layout), list(categories) if listed and categories is not None else ()


def points(xi: Any) -> Any:
    """Points as they are; durations in seconds, times in seconds since the first of a list."""
    xi = _plain(xi)
    if not isinstance(xi, list | tuple | np.ndarray) or (isinstance(xi, np.ndarray) and not xi.ndim) or not len(xi):
        return xi
    if isinstance(xi, np.ndarray) and xi.dtype.kind not in "mMO":
        return xi
    if several(xi[0]) or not isinstance(xi[0], (*SINGLE, date, timedelta)):
        return list(map(points, xi))
    timed = isinstance(xi[0], date | timedelta | np.datetime64 | np.timedelta64)
    found = coordinates(xi) if timed else None
    return xi if found is None else in_units(found)


def table(given: Any) -> Table:
    """The columns of a frame, or of a mapping, by their names. Raises DataError for anything else."""
    if isinstance(given, Mapping):
        found = {name: np.asarray(_plain(column)) for name, column in given.items()}
        if len({column.shape for column in found.values()}) > 1 or any(column.ndim != 1 for column in found.values()):
            shapes = ", ".join(f"{name} {column.shape}" for name, column in found.items())
            raise refusal(
                f"columns of shapes {shapes}", "columns (rows,) of equal lengths", "columns of other tables",
                "give a value a row in every column",
            )  # fmt: skip
        return found
    frame = _native(given)
    if not _is_frame(frame):
        raise refusal(
            f"a table of type {type(given).__name__}", "a frame of pandas, polars or PyArrow, or columns by name",
            "an array, whose columns have no names", "use records(x, y, xi) for arrays",
        )  # fmt: skip
    return {name: _column(frame.get_column(name)) for name in frame.columns}


def _native(given: Any) -> Any:
    """A frame or a column as narwhals sees it; None for what it does not know. Raises DataError for lazy frames."""
    if isinstance(given, OURS) or (isinstance(given, Mapping) and not hasattr(given, "columns")):
        return None
    import narwhals
    from narwhals.exceptions import DuplicateError

    try:
        found = narwhals.from_native(given, pass_through=True, allow_series=True)
    except DuplicateError:
        names = list(given.columns)
        twice = next(name for name in names if names.count(name) > 1)
        raise refusal(
            f"a frame with two columns {twice!r}", "every column once", "tables put side by side",
            "give the columns names of their own, or the samples with .to_numpy()",
        ) from None  # fmt: skip
    if isinstance(found, narwhals.LazyFrame):
        raise refusal(
            f"a lazy frame of type {type(given).__name__}", "a frame with its values", "a query that has not run",
            "run it: .collect()",
        )  # fmt: skip
    return found if isinstance(found, narwhals.DataFrame | narwhals.Series) else None


def _is_frame(found: Any) -> bool:
    return hasattr(found, "get_column")


def _column(series: Any) -> Array:
    """A column (rows,) as NumPy has it: missing numbers are NaN, other missing values None, NaN or NA."""
    found = series.to_numpy()
    if found.dtype == object and str(series.dtype).startswith("Decimal"):
        found = np.array([np.nan if value is None else float(value) for value in found])
    if found.ndim > 1:  # polars' arrays of one length
        cells = np.empty(len(found), dtype=object)
        cells[:] = list(found)
        return cells
    return np.asarray(found)


def _of_frame(x: Any) -> Given:
    """A frame by itself: a row a record, or with an index of two levels a row a sample."""
    depths = {name: getattr(getattr(x, name, None), "nlevels", 1) for name in ("index", "columns")}
    if depths == {"index": 2, "columns": 1}:
        return panel(table(x), x.index.get_level_values(0), x.index.get_level_values(1))
    for kind, depth in depths.items():
        if depth > 1:
            raise refusal(
                f"a frame with {depth} levels in its {kind}",
                "one level; an index may have two, record and time, with a row a sample",
                "channels and points side by side" if kind == "columns" else "groups of records",
                "give a list of frames (points, channels)" if kind == "columns"
                else "join the outer levels into one name a record",
            )  # fmt: skip
    return wide(table(x))


def _record(part: Any, number: int, layout: str) -> tuple[Any, Array | None]:
    """One record of a list, and the points in its index."""
    frame = _native(part)
    if frame is None:
        return _moved(_array(part), 0, layout), None
    index = getattr(part, "index", None)
    labels = index if hasattr(index, "to_numpy") else None
    found = None if labels is None else coordinates(labels)
    if labels is not None and found is None and not all(isinstance(label, str) for label in labels):
        raise refusal(
            f"an index of {type(labels[0]).__name__}s", "an index of numbers, times, durations or names",
            "labels of several kinds, or no points", "give xi, or x with .reset_index(drop=True)",
            number,
        )  # fmt: skip
    return channels_of(table(part)) if _is_frame(frame) else _column(frame), of_index(found, number)


def _plain(given: Any) -> Any:
    """A frame, a column or an array of any package as NumPy's array; other things as they are."""
    frame = _native(given)
    if frame is None:
        return _array(given)
    if not _is_frame(frame):
        return _column(frame)
    columns = list(table(given).values())
    return np.column_stack(columns) if columns else np.empty((0, 0))


def _array(given: Any) -> Any:
    """NumPy's array of what has ``__array__``, ``__array_interface__`` or DLPack; other things as they are."""
    if isinstance(given, OURS) or not any(hasattr(given, name) for name in PROTOCOLS):
        return given
    if hasattr(given, "detach") and hasattr(given, "cpu"):  # a tensor of PyTorch, without its history, where NumPy is
        given = given.detach().cpu()
    own = any(hasattr(given, name) for name in PROTOCOLS[:2])
    failed: Exception | None = None
    readers: list[Callable[[Any], Array]] = [np.asarray] if own else []
    readers += [_of_host, np.from_dlpack] if hasattr(given, PROTOCOLS[2]) else []
    for read in readers:
        try:
            return read(given)
        except Exception as error:  # whatever another package raises
            failed = failed or error
    raise refusal(
        f"an array of type {type(given).__name__} that NumPy cannot read: {failed}", "numbers in the memory of the CPU",
        "numbers of a kind that NumPy does not have, or memory of another device",
        "convert it to float32 and move it to the CPU",
    ) from failed  # fmt: skip


def _of_host(given: Any) -> Array:
    """By DLPack from any device, with NumPy 2.1 or later."""
    return np.from_dlpack(given, device="cpu")


def _moved(given: Any, axis: int, layout: str) -> Any:
    """Arrays with channels on this axis as those with channels last; what has no axis of channels as it is."""
    if layout == LAYOUTS[0]:
        return given
    listed = isinstance(given, list | tuple)
    found = np.asarray(given) if listed and several(given[0]) else given
    return np.moveaxis(found, axis, -1) if np.ndim(found) > axis + 1 else given
