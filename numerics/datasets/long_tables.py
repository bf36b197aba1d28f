"""Tables with a row a sample: a column that names the record, perhaps one of times, and a column a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.checks import gaps, missing, several
from numerics.datasets.points import coordinates, in_units, of_index
from numerics.datasets.record import offsets_of, refusal
from numerics.datasets.tables import Given, Table, check_names, quoted, targets

Array = np.ndarray


def long(
    table: Table, id: Any, time: Any = None, channels: Sequence[Any] = (), label: Sequence[Any] = (), option: str = ""
) -> Given:
    """Records of a table with a row a sample, in the order of their first rows, samples in the order of their times.

    id: the column that names the record, None where all rows are one; time: the column of points; channels: the
    columns of samples, () for all that have no other role; label: the columns of targets, the same in all rows of a
    record, or real numbers that are not: functions. option: how a command names one, for messages. Raises DataError.
    """
    others = [name for name in (id, time) if name is not None]
    for names, role in ((others, "id or time"), (label, "label"), (channels, "channels")):
        check_names(table, names, role)
    roles = [*others, *label, *channels]
    chosen = list(channels or (name for name in table if name not in roles))
    _check_roles(roles, chosen)
    x = channels_of({name: table[name] for name in chosen}, option)
    ids = np.zeros(len(x), dtype=np.int64) if id is None else _ids(table[id], id)
    rows, offsets = grouped(ids)
    names = ids[rows[offsets[:-1]]].astype(str).tolist()
    xi = None
    if time is not None:
        times = _times(table[time], time)
        rows = in_order(rows, offsets, times)
        xi = [in_units(part) for part in _parts(times[rows], offsets)]
        _check_times(xi, names)
    y = _labels(table, label, rows, offsets, names)
    return Given(_parts(x[rows], offsets), xi, y, () if id is None else tuple(names))


def panel(table: Table, ids: Any, times: Any) -> Given:
    """Records of a table of channels with a row a sample, under an index of two levels, record and time."""
    x = channels_of(table)
    rows, offsets = grouped(np.asarray(ids).astype(str))
    found = coordinates(times)
    if found is None:
        return Given(_parts(x[rows], offsets))
    rows = in_order(rows, offsets, found)
    points = [of_index(part, number) for number, part in enumerate(_parts(found[rows], offsets))]
    return Given(_parts(x[rows], offsets), all_or_none(points))


def all_or_none(points: Sequence[Array | None]) -> list[Array] | None:
    """Points of all records, or None where none has any. Raises DataError where some have and others have not."""
    found = [part for part in points if part is not None]
    if len(found) == len(points):
        return found
    if not found:
        return None
    alone = next(number for number, part in enumerate(points) if part is None)
    raise refusal(
        "records with points in their index beside others without", "points for all records, or for none",
        "an index that was lost on the way, or row numbers", "give xi, one list of points a record", alone,
    )  # fmt: skip


def grouped(ids: Array) -> tuple[Array, Array]:
    """The rows of every record behind each other, and the records' offsets, in the order of their first rows."""
    _, first, group = np.unique(ids, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    record = place[group.ravel()]
    return np.argsort(record, kind="stable"), offsets_of(np.bincount(record))


def in_order(rows: Array, offsets: Array, times: Array) -> Array:
    """The rows of every record in the order of their times, those at one time as they came."""
    record = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return rows[np.lexsort((times[rows], record))]


def _parts(values: Array, offsets: Array) -> list[Array]:
    return np.split(values, offsets[1:-1])


def _check_roles(roles: Sequence[Any], chosen: Sequence[Any]) -> None:
    twice = next((name for name in roles if roles.count(name) > 1), None)
    if twice is not None:
        raise refusal(
            f"the column {twice!r} in two roles", "columns of their own for id, time, label and channels",
            "a name given twice", "name another column",
        )  # fmt: skip
    if not chosen:
        raise refusal(
            "a table without channels", "columns of samples beside id, time and label",
            "samples that were left out, or the label of every sample", "give a column of samples",
        )  # fmt: skip


def channels_of(table: Table, option: str = "") -> Array:
    """Samples (rows, channels) of columns of numbers. option: how a command names a label. Raises DataError."""
    for name, column in table.items():
        _check_channel(name, column, option)
    if not table or not len(next(iter(table.values()))):
        raise refusal(
            "a table without rows" if table else "a table without columns", "a row a sample, a column a channel",
            "an empty selection", "check how the data were cut",
        )  # fmt: skip
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in table.values()])


def _check_channel(name: Any, column: Array, option: str) -> None:
    """Raise DataError for a column that holds anything but numbers."""
    if column.dtype.kind in "iuf":
        return
    first = next((value for value in column.flat if not missing(value)), None)
    named = f"{option} {quoted(name)}" if option else f"label={name!r}"
    fix = f"name it, {named}, where it is the target; or leave the column out"
    if several(first):
        what, cause, fix = "series", "a table with a row a record", "name neither id nor time"
    elif isinstance(first, str | bytes):
        what, cause = f"text, such as {str(first)[:40]!r}", "names of classes, or remarks"
    elif first is None:
        what, cause, fix = "missing values alone", "a channel that was not recorded", "leave the column out"
    else:
        what, cause = f"type {column.dtype if column.dtype != object else type(first).__name__}", "no channel"
    raise refusal(f"a column {name!r} of {what}", "a column of numbers a channel", cause, fix)


def _ids(column: Array, name: Any) -> Array:
    """Names of records that can be sorted. Raises DataError for missing ones."""
    lost = np.flatnonzero(gaps(column))
    if len(lost):
        raise refusal(
            f"no value in row {lost[0]} of the column {name!r}", "the record's name in every row",
            "a name that is in a record's first row only", "fill the column",
        )  # fmt: skip
    return column if column.dtype != object else np.array(list(map(str, column)))


def _times(column: Array, name: Any) -> Array:
    """Points as numbers, times or durations. Raises DataError for missing ones and for other texts."""
    found = coordinates(column)
    if found is not None and not (np.isnat(found) if found.dtype.kind in "mM" else np.isnan(found)).any():
        return found
    values = column.tolist()
    row = next((row for row, value in enumerate(values) if missing(value) or coordinates([value]) is None), 0)
    lost = missing(values[row])
    raise refusal(
        f"no time in row {row} of the column {name!r}" if lost
        else f"the time {str(values[row])[:60]!r} in row {row} of the column {name!r}",
        "numbers, durations, or times such as 2026-01-31 12:00:00, all of one kind",
        "a missing value" if lost else "dates in another form, or a column of names",
        "leave the row out" if lost else "write times in the form of ISO 8601, or name another column",
    )  # fmt: skip


def _check_times(xi: Sequence[Array], names: Sequence[str]) -> None:
    for record, points in enumerate(xi):
        twice = np.flatnonzero(np.diff(points) == 0)
        if len(twice):
            raise refusal(
                f"two rows at {points[twice[0]]:g} in the record {names[record]!r}", "one row a time",
                "two records of one name, or channels in rows of their own",
                "name records by a column that tells them apart, and give channels as columns", record,
            )  # fmt: skip


def _labels(table: Table, label: Sequence[Any], rows: Array, offsets: Array, names: Sequence[str]) -> Any:
    """Targets: one a record where all its rows have the same, functions where they are real numbers that change."""
    found = {name: table[name][rows] for name in label}
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    changes = {name: np.flatnonzero(_differ(column, column[starts])) for name, column in found.items()}
    changing = next((name for name, where in changes.items() if len(where)), None)
    if changing is None:
        return targets({name: column[offsets[:-1]] for name, column in found.items()}, label)
    if all(column.dtype.kind == "f" for column in found.values()):
        return _parts(np.column_stack(list(found.values())), offsets)
    column, where = found[changing], int(changes[changing][0])
    record = int(np.searchsorted(offsets, where, side="right")) - 1
    raise refusal(
        f"{_shown(column[offsets[record]])} and {_shown(column[where])} in the column {changing!r} "
        f"of the record {names[record]!r}",
        "one label a record, or functions as real numbers", "a label that is missing in some rows, or no label",
        "fill the column, or name another one", record,
    )  # fmt: skip


def _differ(column: Array, first: Array) -> Array:
    """Where values are others than a record's first; missing ones are alike."""
    lost, lost_first = gaps(column), gaps(first)
    found: Array = lost != lost_first
    known = ~(lost | lost_first)
    found[known] = column[known] != first[known]
    return found


def _shown(label: Any) -> str:
    return "no value" if missing(label) else repr(str(label))
