"""``continua predict``: outputs for records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from derive.errors import DataError
from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.models import answering, points_in
from numerics.command.options import Data, data_option, device_option, models_argument


@click.command()
@models_argument
@data_option
@click.option("--out", type=click.Path(path_type=Path), help="An .npz, .zarr or .csv for outputs (default: print).")
@click.option("--at", type=click.Path(path_type=Path), help="An .npy with the points to give functions at.")
@device_option
@json_option
@example("continua predict pocket.npz --data data/test.npz --out predictions.npz")
def predict(
    models: tuple[Path, ...], data: Data, out: Path | None, at: Path | None, device: str, as_json: bool
) -> None:
    """Outputs of MODEL for records at any sampling.

    A classifier's outputs are scores, the logarithms of probabilities up to a constant; the class with the highest
    comes with them, as `label` in --out. Several models give the mean of their outputs, and of classifiers that of
    their probabilities.
    """
    from numerics.model.answers import predict as answer

    if out is not None:
        console.check_out(out, [data.path, *models, at], (".npz", ".zarr", ".csv"))
    records = data.read()
    found = answering(models, device)
    with console.working("predicting"), console.about(data.path):
        points = None if at is None else _points(at, found)
        y = None if out and not as_json else found(records, at=points)
        if out is not None:
            answer(found, records, at=points, out=out)
            click.echo(f"{out}: {len(records)} records", err=as_json)
    labels = None if y is None else found.labels(y)
    if y is not None and not as_json:
        for n, values in enumerate(y):
            said = [] if labels is None else [str(labels[n])]
            record = records.names[n] if records.names else str(n)
            click.echo(" ".join([record, *said, *(f"{v:.6g}" for v in values.ravel())]))
    if y is not None and as_json:
        chosen = {} if labels is None else {"label": labels.tolist()}
        named = {"record": list(records.names)} if records.names else {}
        console.print_json({**named, "y": [values.tolist() for values in y], **chosen})


def _points(path: Path, model: Any) -> Any:
    """The points in an .npy, for a model whose outputs are functions."""
    if model.spec.functional:
        raise DataError(
            f"--at for a model that gives {model.spec.outputs} numbers a record", "a model that gives functions",
            "its readout integrates the function away", "leave --at out",
        )  # fmt: skip
    if model.spec.dimension > 1:
        raise DataError(
            f"--at for functions on {model.spec.dimension} axes", "the records' own points, or Python",
            "points of one axis", "leave --at out, or call the model with at=(first, second)",
        )  # fmt: skip
    return points_in(path)
