"""Weka's attribute-relation files with one attribute a sample, read by SciPy; the single nominal one is the label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from numerics.datasets.record import refusal
from numerics.datasets.tables import Table


def read(path: Path, named: Sequence[str] = ()) -> tuple[Table, Sequence[str], Sequence[str]]:
    """The columns of a file by their names, the name of its nominal attribute, and the classes that it lists.

    Raises DataError.
    """
    from scipy.io import arff

    try:
        with open(path, encoding="utf-8") as stream:
            rows, meta = arff.loadarff(stream)
    except (arff.ArffError, NotImplementedError, ValueError, StopIteration, UnicodeDecodeError) as error:
        relational = isinstance(error, NotImplementedError)
        raise refusal(
            f"a file that SciPy cannot read: {error}", "numeric attributes, one a sample, and a nominal one",
            "text or relational attributes" if relational else "another kind of file, or one cut short",
            "use the .ts file of the same records, which the archives have, too" if relational else "write it again",
        ) from None  # fmt: skip
    nominal = [name for name in meta.names() if meta[name][0] == "nominal"]
    found = {name: _texts(rows[name]) if name in nominal else rows[name] for name in meta.names()}
    return found, nominal, list(meta[nominal[0]][1]) if len(nominal) == 1 else []


def _texts(column: np.ndarray) -> np.ndarray:
    return np.array([None if text == b"?" else text.decode() for text in column.tolist()], dtype=object)
