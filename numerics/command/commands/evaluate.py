"""``continua evaluate``: scores on records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.models import answering, beside
from numerics.command.options import Data, data_option, device_option, models_argument


@click.command()
@models_argument
@data_option
@click.option("--resample", metavar="WAY[,WAY…]", help="Also at fewer points: half, quarter, random30 (per cent) …")
@device_option
@json_option
@example(
    "continua evaluate fine.npz --data data/test.npz",
    "continua evaluate seed0.npz seed1.npz seed2.npz --data data/test.npz",
    "continua evaluate fine.npz --data data/test.npz --resample half,quarter,random30",
)
def evaluate(models: tuple[Path, ...], data: Data, resample: str | None, device: str, as_json: bool) -> None:
    """Score MODEL on records: loss, and accuracy or rmse, beside what simpler models make of the same coefficients.

    Several models are scored as one: the mean of their outputs, and of classifiers that of their probabilities.
    With --resample also on the same records at fewer points, and how far the outputs move: the root mean square of
    the change over that of the outputs.
    """
    from numerics import datasets
    from numerics.model.answers import evaluate as evaluate_records

    records = data.with_targets()
    found = answering(models, device)
    with console.working("evaluating"), console.about(data.path):
        scores = evaluate_records(found, records)
        rows = _resampled(found, datasets.records(records), resample.split(",")) if resample else {}
    if not rows:
        beside(found, records, {"records": len(records), **scores}, as_json)
    elif as_json:
        console.print_json({"records": len(records), **scores, "resampled": rows})
    else:
        columns = list(next(iter(rows.values())))
        table = [[name, *(f"{row[c]:.6g}" if c in row else "" for c in columns)]
                 for name, row in {"as recorded": scores, **rows}.items()]  # fmt: skip
        console.print_table(["", *columns], table, f"{len(records)} records")


def _resampled(model: Any, records: Any, ways: list[str]) -> dict[str, dict[str, float]]:
    """Scores on records with fewer points, and the relative change of the outputs, functions on one grid."""
    import numpy as np

    from numerics.datasets.sampling import thinned
    if not model.spec.functional:
        records = records.as_functions()
    points = model.sample_points(records)
    others = {way: thinned(records, points, way) for way in ways}
    grid = None if model.spec.functional else model.lines(finer=2)
    before = model(records, at=grid)
    counts = 1.0 if records.weights is None else records.weights.reshape(-1, *[1] * (before.ndim - 1))

    def size(outputs: Any) -> float:
        return float(np.sqrt(np.sum(counts * outputs**2)))

    scale = size(before)
    rows = {}
    for way, fewer in others.items():
        change = size(model(fewer, at=grid) - before)
        scores = model.scores(model.prepare(fewer))
        rows[way] = {**scores, "change of the outputs": change / scale if scale else change}
    return rows
