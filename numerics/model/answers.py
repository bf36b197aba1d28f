"""Scores and outputs of all records, in memory or not: what ``continua evaluate`` and ``continua predict`` do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import of_axis
from numerics import stores
from numerics.datasets import Records, Source, source
from numerics.model import points
from numerics.model.continuum import Continuum, together
from numerics.model.ensemble import Ensemble
from numerics.model.listed import write_csv

Array = np.ndarray
Model = Continuum | Ensemble


def evaluate(model: Model, x: Any, y: Any = None, xi: Any = None, *, weights: Any = None) -> dict[str, float]:
    """Loss, and accuracy or rmse, on records that ``fit`` takes. Raises DataError and TrainingError."""
    prepared: Any = model.prepare(source(x, xi=xi, y=y, weights=weights))
    return model.scores(prepared)


def predict(model: Model, x: Any, xi: Any = None, *, at: Any = None, out: str | Path | None = None) -> Any:
    """Outputs for records that ``fit`` takes, as a call of the model returns them; with ``out`` in a file instead.

    out: an .npz or a .zarr, with y, a classifier's label and record, what a table called them; of records that differ
    in length y (total, channels), offsets and xi. Or a .csv, with a row a record, and of functions a row a point. It is
    written part by part, whole or not at all; returned is then None. at: see ``Continuum``.
    Raises DataError, for an ``out`` that cannot be written too, and TrainingError.
    """
    data = source(x, xi=xi)
    if out is None:
        return together(model.answers(data, at))
    if not isinstance(out, str | Path) or (Path(out).is_dir() and Path(out).suffix.lower() != ".zarr"):
        raise DataError(f"out {out!r}", "a new file", "a folder, or no path", "give the name of an .npz, .zarr or .csv")
    if Path(out).suffix.lower() == ".zarr" and Path(out).exists():
        raise DataError(
            f"out {str(out)!r}, which exists", "a new name", "outputs of an earlier call",
            "remove it, or choose another name",
        )  # fmt: skip
    try:
        if Path(out).suffix.lower() == ".csv":
            write_csv(Path(out), model, data, at)
        else:
            _write_arrays(Path(out), model, data, at)
    except OSError as error:
        raise DataError(
            f"{error.strerror or error}", "a folder that can be written to, on a disk with room",
            "a typing error, missing permissions or a full disk", "choose another path", str(out),
        ) from error  # fmt: skip
    return None


def _write_arrays(out: Path, model: Model, data: Source, at: Any) -> None:
    own = at is None and not model.spec.functional
    if own and isinstance(data, Records) and data.dimension > 1 and len(data.alike()) > 1:
        raise DataError(
            "functions on different grids, for a file", "records on one grid, or points `at`",
            "a file has no place for several grids", "give at=(first, second), or leave out and write the list",
        )  # fmt: skip
    with stores.written(out) as writer:
        _write(writer, model, data, at)


def _write(writer: stores.Writer, model: Model, data: Source, at: Any) -> None:
    if not isinstance(data, Records):
        _write_parts(writer, model, data, at)
        return
    y: Any = together(model.answers(data, at))
    writer.whole("y", np.concatenate(y) if isinstance(y, list) else y)
    labels = model.labels(y)
    if labels is not None:
        writer.whole("label", labels)
    if data.names:
        writer.whole("record", np.array(data.names))
    if isinstance(y, list):
        writer.whole("offsets", np.cumsum([0, *(len(values) for values in y)]))
    if at is None and isinstance(y, list) and data.xi is not None:
        writer.whole("xi", data.xi)
    _write_points(writer, model, at)


def _write_parts(writer: stores.Writer, model: Model, data: Source, at: Any) -> None:
    """Outputs of records of equal lengths; of a classifier's only the labels are held."""
    parts, labels = model.answers(data, at), []
    first = next(parts)

    def shown() -> Iterator[Array]:
        for y in chain((first,), parts):
            chosen = model.labels(y)
            if chosen is not None:
                labels.append(chosen)
            yield y

    writer.parts("y", (len(data), *first.shape[1:]), first.dtype, shown())
    if labels:
        writer.whole("label", np.concatenate(labels))
    _write_points(writer, model, at)


def _write_points(writer: stores.Writer, model: Model, at: Any) -> None:
    """The points along every axis that were asked for."""
    for axis, xi in enumerate(() if at is None else points.wanted(model.spec, at)):
        writer.whole(of_axis("xi", axis), xi)
