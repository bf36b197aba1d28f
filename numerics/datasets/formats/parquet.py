"""Parquet files, read by PyArrow, polars or whatever of them is installed; columns keep the types that they have."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from derive.errors import DataError
from numerics.datasets import containers
from numerics.datasets.record import refusal
from numerics.datasets.tables import Table

READERS: tuple[Literal["pyarrow", "polars"], ...] = ("pyarrow", "polars")
INDEX = "__index_level_"


def read(path: Path, named: Sequence[str] = ()) -> tuple[Table, Sequence[str], Sequence[str]]:
    """The columns of a file by their names, without those of an index that pandas adds. Raises DataError."""
    import narwhals

    backend = next((name for name in READERS if importlib.util.find_spec(name) is not None), None)
    if backend is None:
        raise DataError(
            "a .parquet file, and no package that reads it", f"{' or '.join(READERS)}, as the extra `data` brings",
            "the package was installed without it", 'pip install "neural-continua[data]"',
        )  # fmt: skip
    try:
        frame = narwhals.read_parquet(str(path), backend=backend)
    except Exception as error:  # each package has its own
        raise refusal(
            f"a file that {backend} cannot read: {str(error).splitlines()[0]}", "a .parquet file",
            "a file of another kind, cut short or damaged", "write it again",
        ) from error  # fmt: skip
    found = containers.table(frame.to_native())
    found = {name: column for name, column in found.items() if name in named or not name.startswith(INDEX)}
    return found, (), ()
