"""``continua refine``: to a level that contains the model."""

from __future__ import annotations

from pathlib import Path

import click

from numerics.command.console import example, json_option, model_argument
from numerics.command.models import move_to
from numerics.command.options import Data, level_option, out_option, readout_option, some_data_option


@click.command()
@model_argument
@level_option
@some_data_option
@readout_option
@out_option
@json_option
@example("continua refine coarse.npz --level fine --data data/train.npz --out fine.npz")
def refine(model: Path, level: str, data: Data | None, readout: bool, out: Path, as_json: bool) -> None:
    """Move MODEL to a level that contains it.

    Its fields stay as they are, and with the solver unchanged so does what they compute. Prints the fields
    part and the solver part of the change before it writes.
    """
    from numerics.levels.refinement import refine as move

    move_to(move, model, level, data, readout, out, as_json)
