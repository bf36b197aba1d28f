"""Comma-separated values: a line of names, then a line a row, in UTF-8. Semicolons or tabs may stand for commas.

A column whose first value is a number is one of numbers, where empty cells are missing ones. Columns that an option
names, and others, keep their texts; those of whole numbers alone, or of real numbers alone, become these.
"""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.datasets.labels import NUMBER
from numerics.datasets.record import refusal
from numerics.datasets.tables import Table, quoted, says_number

Array = np.ndarray
SEPARATORS = (",", ";", "\t")
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
PADDED = re.compile(r"[+-]?0\d")
BLOCK = 1 << 14  # cells that are texts at a time
EMPTY = ("", "NA", "N/A", "NaN", "nan", "null", "None")


def read(path: Path, named: Sequence[str] = ()) -> tuple[Table, Sequence[str], Sequence[str]]:
    """The columns of a file by their names. named: those that keep their texts. Raises DataError naming the line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            return _table(stream, named), (), ()
    except _Words as found:
        return read(path, [*named, found.column])
    except (UnicodeDecodeError, csv.Error) as error:
        text = isinstance(error, csv.Error)
        raise refusal(
            f"a file that cannot be read: {error}", "text in UTF-8, values separated by commas",
            "an open quotation mark, or another kind of file" if text else "another encoding or kind of file",
            "write it again as CSV" if text else "save it in UTF-8",
        ) from None  # fmt: skip


class _Words(Exception):
    """A column that holds words: it is read again, as one of texts."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def _table(stream: Any, named: Sequence[str]) -> Table:
    first = stream.readline()
    stream.seek(0)
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(stream, delimiter=separator, strict=True)
    names = [name.strip() for name in next(reader, [])]
    _check_header(names)
    columns: list[Any] = [[] if name in named else array("d") for name in names]
    for lines, rows in _blocks(reader, len(names)):
        for column, cells, name in zip(columns, zip(*rows), names):
            if name in named:
                column.extend(map(str.strip, cells))
            else:
                column.extend(_numbers(cells, name, lines, column))
    if not len(columns[0]):
        raise refusal("no rows", "a line of names, then a line a row", "an empty selection", "check how it was cut")
    found = {name: np.array(column) if name not in named else _typed(column) for name, column in zip(names, columns)}
    index = found.get("")
    if index is not None and not np.array_equal(index, np.arange(len(index))):
        raise refusal(
            "a column without a name", "names in the first line; row numbers, as pandas writes them, have none",
            "an index that pandas wrote, or a separator at the ends of lines", "name the column, or leave it out",
        )  # fmt: skip
    return {name: found[name] for name in names if name}


def _blocks(reader: Any, width: int) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Rows of as many cells, with the lines that they end in, so many at a time that their texts need little room."""
    lines, rows = [], []
    for cells in reader:
        if len(cells) == width:
            lines.append(reader.line_num)
            rows.append(cells)
        elif cells:
            raise refusal(
                f"{len(cells)} values in line {reader.line_num}", f"{width}, as there are names",
                "decimal commas, a separator inside a text, or a line that was cut short",
                "write numbers as 0.25 and texts in quotation marks",
            )  # fmt: skip
        if len(rows) * width >= BLOCK:
            yield lines, rows
            lines, rows = [], []
    if rows:
        yield lines, rows


def _check_header(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    numbers = [float(name) for name in names if NUMBER.fullmatch(name)]
    records = len(numbers) == len(names) and any(a >= b for a, b in zip(numbers, numbers[1:]))
    if not names or records:
        raise refusal(
            "a first line of numbers that do not increase" if names else "an empty file",
            "the names of the columns in the first line", "a table without names" if names else "nothing was written",
            "write a first line of names: label,0,1,2 and so on" if names else "write the file again",
        )  # fmt: skip
    if twice is not None:
        raise refusal(
            f"two columns named {twice!r}", "every name once", "tables put side by side",
            "give the columns names of their own",
        )  # fmt: skip


def _numbers(cells: Sequence[str], name: str, lines: Sequence[int], before: array[float]) -> list[float]:
    """The numbers of a column's cells, NaN for those that are empty. Raises _Words where they are none."""
    written = not any("_" in cell for cell in cells)  # which Python reads as digits' separators, and no table means so
    try:
        if written:
            return list(map(float, cells))
    except ValueError:
        pass
    found: list[float] = []
    for cell, line in zip(cells, lines):
        try:
            found.append(math.nan if cell.strip() in EMPTY else float(cell.replace("_", "x")))
        except ValueError:
            raise _Words(name) if all(map(math.isnan, [*before, *found])) else _odd(cell, name, line) from None
    return found


def _odd(cell: str, name: str, line: int) -> DataError:
    comma = says_number(cell.replace(",", ".", 1))
    return refusal(
        f"{cell[:40]!r} in line {line}, in the column {name!r} of numbers", "a number, or nothing where one is missing",
        "a decimal comma" if comma else "a remark among numbers, or a column of labels",
        "write numbers as 0.25" if comma else f"leave the cell empty, or name the column: --label {quoted(name)}",
    )  # fmt: skip


def _typed(texts: list[str]) -> Array:
    """Texts, None where one is empty; or numbers where all are written as numbers are: 7 is one, 007 a name."""
    if all(map(WHOLE.fullmatch, texts)):
        return np.array(list(map(int, texts)))
    if all(map(NUMBER.fullmatch, texts)) and not any(map(PADDED.match, texts)):
        return np.array(list(map(float, texts)))
    return np.array([text or None for text in texts], dtype=object)
