"""Tables with a row a record: a column a sample, or a column a channel whose cells hold all of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.checks import missing, several
from numerics.datasets.points import coordinates, of_index
from numerics.datasets.record import refusal
from numerics.datasets.tables import Given, Table, check_names, quoted, says_number, targets

Array = np.ndarray
TARGETS = ("label", "class", "target", "y")  # names of columns that are hardly ever samples
PLACES = ("id", "time", "t", "timestamp")


def wide(table: Table, label: Sequence[Any] = (), option: str = "") -> Given:
    """Records of a table with a row each. Samples whose columns are named by numbers or times lie at these points.

    label: the columns of targets. option: how a command names one, for messages. Raises DataError for columns that
    would be taken for samples.
    """
    check_names(table, label, "label")
    samples = {name: column for name, column in table.items() if name not in label}
    if not samples:
        raise refusal("a table without samples", "a column a sample", "labels alone", "give the samples, too")
    y = targets(table, label)
    if any(map(_holds_series, samples.values())):
        return Given(nested(samples, option), None, y)
    for name, column in samples.items():
        _check_sample(name, column, option)
    _check_sample_names(list(samples), option)
    x = np.column_stack([np.asarray(column, dtype=np.float64) for column in samples.values()])
    return Given(x, of_index(coordinates(list(samples))), y)


def nested(samples: Table, option: str = "") -> list[Array]:
    """Records (points, channels) of a table whose cells hold all samples of a channel. Raises DataError."""
    flat = [name for name, column in samples.items() if not _holds_series(column)]
    if flat:
        raise refusal(
            f"a column {flat[0]!r} of single values beside columns whose cells hold series", "a column a channel",
            "a target, or a row's name", _apart(flat[0], option),
        )  # fmt: skip
    found = []
    for number, cells in enumerate(zip(*samples.values())):
        if any(map(missing, cells)):
            raise refusal(
                "a cell without samples", "all channels of every record", "a channel that was not recorded",
                "leave the record out", number,
            )  # fmt: skip
        parts = [np.asarray(cell) for cell in cells]
        if len({part.shape for part in parts}) > 1 or parts[0].ndim != 1:
            raise refusal(
                f"channels with samples of shapes {', '.join(str(part.shape) for part in parts)}",
                "all channels of a record at the same points", "channels that were sampled apart from each other",
                "give all channels a value at all points, NaN where one was not sampled", number,
            )  # fmt: skip
        found.append(np.column_stack(parts))
    return found


def _holds_series(column: Array) -> bool:
    return column.dtype == object and several(next((cell for cell in column if not missing(cell)), None))


def _apart(name: Any, option: str) -> str:
    """How a column that is no sample is given."""
    if option:
        return f"name it, {option} {quoted(name)}, or leave the column out"
    return f"give it as y, and x without it: y=table[{name!r}]; or leave the column out"


def _check_sample(name: Any, column: Array, option: str) -> None:
    """Raise DataError for a column that holds anything but numbers."""
    if column.dtype.kind in "iuf":
        return
    first = next((value for value in column.flat if not missing(value)), None)
    fix = _apart(name, option)
    if column.dtype.kind in "mM":
        what, cause = "times", "a table with a row a sample"
        fix = "name the columns, --id COLUMN --time COLUMN" if option else "use datasets.from_long(table, id, time)"
    elif first is None:
        what, cause, fix = "missing values alone", "a sample that was never taken", "leave the column out"
    elif isinstance(first, str) and says_number(first):
        what, cause = f"text, such as {first[:40]!r}", "numbers as texts, or names of classes that are numbers"
        fix = f"convert the column to numbers; {fix}"
    elif isinstance(first, str) and says_number(first.replace(",", ".")):
        what, cause, fix = f"text, such as {first[:40]!r}", "decimal commas", "write numbers as 0.25"
    elif isinstance(first, str | bytes):
        what, cause = f"text, such as {str(first)[:40]!r}", "names of classes or of records beside the samples"
        if option:
            own = quoted(name)
            fix = f"{option} {own} if it is the target, --id {own} if it names the records; or leave the column out"
    elif column.dtype.kind == "c":
        what, cause, fix = "complex numbers", "a spectrum", "give real and imaginary parts as channels"
    else:
        truth = isinstance(first, bool | np.bool_)
        what, cause = "truth values" if truth else f"type {type(first).__name__}", "a target beside the samples"
    raise refusal(f"a column {name!r} of {what}", "a column of numbers a sample", cause, fix)


def _check_sample_names(names: Sequence[Any], option: str) -> None:
    """Raise DataError where the name of a column of numbers says that it is no sample."""
    others = [name for name in names if coordinates([name]) is None]
    for name in others:
        if str(name).lower() in PLACES:
            raise refusal(
                f"a column {name!r} that would be taken for a sample", "a row a record, a column a sample",
                "a table with a row a sample, or rows with names",
                f"name the columns, --id COLUMN --time COLUMN, or leave {name} out" if option
                else f"use datasets.from_long(table, id, time), or leave {name} out",
            )  # fmt: skip
        if str(name).lower() in TARGETS or len(others) < len(names):
            raise refusal(
                f"a column {name!r} that would be taken for a sample", "columns of samples, and what label names",
                "a target beside the samples", _apart(name, option),
            )  # fmt: skip
