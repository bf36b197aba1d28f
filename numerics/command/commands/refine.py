"""``continua refine``: to a level that contains the model, or to a solver whose error is small enough."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from numerics.command.console import example, json_option, model_argument
from numerics.command.models import approach, move_to
from numerics.command.options import Data, exact_number, out_option, readout_option, some_data_option


@click.command()
@model_argument
@click.option("--level", help="A level that the spec declares, or base.")
@click.option(
    "--tolerance", type=exact_number, metavar="NUMBER", help="The error of the loss that the solver may make: 1/1000."
)
@click.option("--limit", type=click.IntRange(1), help="With --tolerance: functions of the state, and steps, at most.")
@click.option("--page", type=click.Path(path_type=Path), help="With --tolerance: a page of where the error sits.")
@some_data_option
@readout_option
@out_option
@json_option
@example(
    "continua refine coarse.npz --level fine --data data/train.npz --out fine.npz",
    "continua refine coarse.npz --tolerance 1/1000 --data data/train.npz --out fine.npz --page errors.html",
)
def refine(
    model: Path, level: str | None, tolerance: Fraction | None, limit: int | None, page: Path | None,
    data: Data | None, readout: bool, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Move MODEL to a level that contains it, or refine its solver until the loss is right.

    Its fields stay as they are. With --level, what they compute stays too where the solver is unchanged; prints the
    fields part and the solver part of the change before it writes. With --tolerance, state and steps are refined where
    dual-weighted residuals say that the error of the loss on the records sits, until it is below; prints every round.
    """
    from numerics.levels.refinement import refine as move

    if (level is None) == (tolerance is None):
        raise click.UsageError("give --level, or --tolerance with --data")
    if tolerance is not None:
        if readout:
            raise click.UsageError("--readout goes with --level")
        approach(move, model, tolerance, limit, data, out, page, as_json)
        return
    if limit is not None or page is not None:
        raise click.UsageError("--limit and --page go with --tolerance")
    assert level is not None
    move_to(move, model, level, data, readout, out, as_json)
