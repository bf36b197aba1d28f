"""Outputs as the rows of a table, as other programs and `continua`'s own readers of .csv take them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics import files
from numerics.datasets import Source
from numerics.model import points
from numerics.model.continuum import Continuum
from numerics.model.ensemble import Ensemble


def write_csv(path: Path, model: Continuum | Ensemble, data: Source, at: Any) -> None:
    """A row a record: its name or number, a classifier's label, the outputs; of functions a row a point: record, xi, y.

    Part by part, whole or not at all. Raises DataError for functions of more than one axis, and OSError.
    """
    if not model.spec.functional and model.spec.dimension > 1:
        raise DataError(
            f"functions on {model.spec.dimension} axes, for a .csv", "an .npz or a .zarr",
            "rows of a table have no place for grids", f"write {path.with_suffix('.npz').name}",
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as stream:
        for row in _rows(model, data, at):
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(row)
            stream.write(line.getvalue().encode())


def _rows(model: Continuum | Ensemble, data: Source, at: Any) -> Iterator[list[Any]]:
    """The names of the columns, then the rows."""
    functional, number = model.spec.functional, 0
    for cut, outputs in zip(data.cuts, model.answers(data, at)):
        labels = model.labels(outputs)
        grids: list[Any] = []
        if not functional and at is not None:
            grids = [points.wanted(model.spec, at)[0]] * len(outputs)
        elif not functional:
            grids = model.sample_points(data.part(cut))
        if number == 0:
            yield _names(model, outputs[0].shape[-1], labels is not None)
        for n, values in enumerate(outputs):
            record = data.names[number] if data.names else number
            if functional:
                yield [record, *([] if labels is None else [labels[n]]), *values.tolist()]
            else:
                yield from ([record, float(xi), *value.tolist()] for xi, value in zip(grids[n], values))
            number += 1


def _names(model: Any, count: int, labelled: bool) -> list[str]:
    """The columns' names: of scores those of the classes."""
    outputs = ["y"] if count == 1 else [f"y{k}" for k in range(count)]
    if labelled:
        outputs = [f"score of {name}" for name in model.labels(np.eye(count))]
    first = ["record", *(["label"] if labelled else [])] if model.spec.functional else ["record", "xi"]
    return first + outputs
