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
from numerics.datasets.tables import Table, says_number

Array = np.ndarray
SEPARATORS = (",", ";", "\t")
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
PADDED = re.compile(r"[+-]?0\d")
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
    words = [n for n, name in enumerate(names) if name in named]
    counted = [n for n, name in enumerate(names) if name not in named]
    texts: list[list[str]] = [[] for _ in words]
    numbers, count = array("d"), 0
    for cells in _rows(reader, len(names)):
        for column, n in zip(texts, words):
            column.append(cells[n].strip())
        own = [cells[n] for n in counted] if words else cells
        try:
            numbers.extend(list(map(float, own)))
        except ValueError:
            wrong = next((k for k, cell in enumerate(own) if not _counts(cell)), None)
            if wrong is not None:
                name, before = names[counted[wrong]], np.array(numbers[wrong :: len(counted)])
                raise _Words(name) if np.isnan(before).all() else _odd(own[wrong], name, reader.line_num) from None
            numbers.extend(math.nan if cell.strip() in EMPTY else float(cell) for cell in own)
        count += 1
    if not count:
        raise refusal("no rows", "a line of names, then a line a row", "an empty selection", "check how it was cut")
    values = np.frombuffer(numbers, dtype=np.float64).reshape(count, len(counted))
    found = {names[n]: values[:, k] for k, n in enumerate(counted)}
    found |= {names[n]: _typed(column) for n, column in zip(words, texts)}
    index = found.get("")
    if index is not None and not np.array_equal(index, np.arange(count)):
        raise refusal(
            "a column without a name", "names in the first line; row numbers, as pandas writes them, have none",
            "an index that pandas wrote, or a separator at the ends of lines", "name the column, or leave it out",
        )  # fmt: skip
    return {name: found[name] for name in names if name}


def _rows(reader: Any, width: int) -> Iterator[list[str]]:
    for cells in reader:
        if len(cells) == width:
            yield cells
        elif cells:
            raise refusal(
                f"{len(cells)} values in line {reader.line_num}", f"{width}, as there are names",
                "decimal commas, a separator inside a text, or a line that was cut short",
                "write numbers as 0.25 and texts in quotation marks",
            )  # fmt: skip


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


def _counts(cell: str) -> bool:
    """Whether a cell is a number, or stands for a missing one."""
    try:
        return cell.strip() in EMPTY or not math.isnan(float(cell))
    except ValueError:
        return False


def _odd(cell: str, name: str, line: int) -> DataError:
    comma = says_number(cell.replace(",", ".", 1))
    return refusal(
        f"{cell[:40]!r} in line {line}, in the column {name!r} of numbers", "a number, or nothing where one is missing",
        "a decimal comma" if comma else "a remark among numbers, or a column of labels",
        "write numbers as 0.25" if comma else f"leave the cell empty, or name the column: --label {name}",
    )  # fmt: skip


def _typed(texts: list[str]) -> Array:
    """Texts, None where one is empty; or numbers where all are written as numbers are: 7 is one, 007 a name."""
    if all(map(WHOLE.fullmatch, texts)):
        return np.array(list(map(int, texts)))
    if all(map(NUMBER.fullmatch, texts)) and not any(map(PADDED.match, texts)):
        return np.array(list(map(float, texts)))
    return np.array([text or None for text in texts], dtype=object)
