"""What tables of all forms share: columns by their names, those of targets, and what becomes of a table.

In ``wide_tables`` a row is a record, in ``long_tables`` a sample.
"""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from derive.errors import advice
from numerics.checks import plain
from numerics.datasets.points import coordinates
from numerics.datasets.record import refusal

Array = np.ndarray
Table = Mapping[Any, Array]
SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Given:
    """What a table holds: x and the points as ``records`` takes them, targets where a column was named.

    names: of the records, where a column has them.
    """

    x: Any
    xi: Any = None
    y: Any = None
    names: tuple[str, ...] = ()


def says_number(text: Any) -> bool:
    """Whether a name or a cell is a number, or text that says one."""
    found = coordinates([text])
    return found is not None and found.dtype.kind in "iuf"


def quoted(name: Any) -> str:
    """A column's name as a shell takes it."""
    return shlex.quote(str(name))


def check_names(table: Table, names: Sequence[Any], role: str) -> None:
    """Raise DataError for a name that no column has. role: what the columns are named for."""
    known = list(map(str, table))
    for name in names:
        if isinstance(name, Hashable) and name in table:
            continue
        headless = bool(known) and all(map(says_number, known))
        raise refusal(
            f"no column {name!r}, as {role} names it",
            f"one of {', '.join(known[:SHOWN])}{', …' if len(known) > SHOWN else ''}",
            *advice(
                str(name), known,
                "a table without names in its first line" if headless else "a typing error, or the name of an index",
                "write the names of the columns into the first line" if headless
                else "name a column; of an index pandas' reset_index() makes one",
            ),
        )  # fmt: skip


def targets(table: Table, label: Sequence[Any]) -> Any:
    """The columns of targets: None, one (records,), or several (records, outputs)."""
    if len(label) < 2:
        return table[label[0]] if label else None
    return np.column_stack([plain(table[name], f"the column {name!r}") for name in label])
