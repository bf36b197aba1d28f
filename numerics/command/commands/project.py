"""``continua project``: to any level."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from numerics.command.console import example, json_option, model_argument
from numerics.command.models import move_to
from numerics.command.options import Data, level_option, out_option, readout_option, some_data_option


@click.command()
@model_argument
@level_option
@some_data_option
@click.option(
    "--metric", type=click.Choice(("L2", "outputs")), default="L2", show_default=True,
    help="What is kept as well as possible: the fields, or the outputs on the data.",
)  # fmt: skip
@readout_option
@out_option
@json_option
@example("continua project fine.npz --level pocket --data data/train.npz --out pocket.npz")
def project(
    model: Path, level: str, data: Data | None, metric: str, readout: bool, out: Path, as_json: bool
) -> None:  # fmt: skip
    """Move MODEL to any level, as well as that allows.

    Its fields become their best L2 approximations there, or with --metric outputs those whose outputs on the data are
    nearest to the model's. Prints ‖W − PW‖ and, with data, the change of the loss and which field it comes from, before
    it writes.
    """
    from numerics.levels.projection import project as move

    move_to(partial(move, metric=metric), model, level, data, readout, out, as_json)
