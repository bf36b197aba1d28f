"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from derive.spec import OPTIONS, Option

out_option = click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
data_option = click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Records: an .npz with x, and perhaps y, xi; or a folder of x.npy …, or a Zarr group, read part by part.",
)
some_data_option = click.option("--data", type=click.Path(path_type=Path), help="Records to measure on.")
models_argument = click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
level_option = click.option("--level", required=True, help="A level that the spec declares, or base.")
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where kernels run.",
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of training, as the table of ``derive.spec.training`` has them."""
    for name, option in reversed(list(OPTIONS.items())):
        command = click.option(f"--{name.replace('_', '-')}", type=_type(option), help=option.help)(command)
    return command


def _type(option: Option) -> Any:
    if option.choices:
        return click.Choice(option.choices)
    kind: Any = click.IntRange if option.kind is int else click.FloatRange
    most = None if option.high == math.inf else option.high
    return kind(option.low, most, min_open=option.above, max_open=option.below)
