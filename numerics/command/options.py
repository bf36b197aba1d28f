"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from derive.errors import DataError
from derive.spec import OPTIONS, Option

out_option = click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
models_argument = click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
level_option = click.option("--level", required=True, help="A level that the spec declares, or base.")
readout_option = click.option("--readout", is_flag=True, help="Then solve for the readout, on the records.")
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where kernels run.",
)


def exact_number(text: str) -> Fraction:
    """A number written as 1/1000, 0.001 or 1e-3."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(f"{text!r}: a number such as 1/1000 or 0.001 is needed") from error


@dataclass(frozen=True)
class Data:
    """Where records are: a file or a folder, and the columns of a table that have a role."""

    path: Path
    label: tuple[str, ...]
    id: str | None
    time: str | None

    def read(self) -> Any:
        """The records. Raises DataError naming the file."""
        from numerics import datasets

        return datasets.read(self.path, self.label, self.id, self.time)

    def with_targets(self) -> Any:
        """The records, as ``read``. Raises DataError where they have no targets."""
        records = self.read()
        if not records.known:
            table = self.path.suffix.lower() in (".csv", ".parquet", ".arff")
            raise DataError(
                "records without targets", "records with labels, numbers or functions to learn",
                "--label was left out" if table else "the file holds samples only",
                "name the column of targets: --label COLUMN" if table else "use `predict`, or add y to the file",
                str(self.path),
            )  # fmt: skip
        return records


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data and what names the columns of a table, as one argument ``data`` of type Data."""
    return _data(command, required=True, said="Records")


def some_data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """As ``data_option``, for commands that can do without; ``data`` is None then."""
    return _data(command, required=False, said="Records to measure on")


def _data(command: Callable[..., Any], required: bool, said: str) -> Callable[..., Any]:
    @functools.wraps(command)
    def run(*, data: Path | None, label: tuple[str, ...], id: str | None, time: str | None, **others: Any) -> Any:
        if data is None and (label or id is not None or time is not None):
            raise click.UsageError("--label, --id and --time name columns of --data")
        return command(data=None if data is None else Data(data, label, id, time), **others)

    kinds = (
        "an .npz with x, and perhaps y, xi; a table, .csv, .parquet or .arff; .ts; a folder of .wav files; or, read "
        "part by part, a folder of x.npy … or a Zarr group"
    )
    options = (
        click.option("--data", required=required, type=click.Path(path_type=Path), help=f"{said}: {kinds}."),
        click.option("--label", metavar="COLUMN", multiple=True, help="Of a table: the targets; repeatable."),
        click.option("--id", metavar="COLUMN", help="Of a table with a row a sample: the record."),
        click.option("--time", metavar="COLUMN", help="Of a table with a row a sample: its point."),
    )
    found: Callable[..., Any] = run
    for option in reversed(options):
        found = option(found)
    return found


class Names(click.ParamType):  # type: ignore[type-arg]
    """Names with commas between them."""

    name = "NAME,NAME"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(name.strip() for name in str(value).split(","))


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of training, as the table of ``derive.spec.training`` has them."""
    for name, option in reversed(list(OPTIONS.items())):
        command = click.option(f"--{name.replace('_', '-')}", type=_type(option), help=option.help)(command)
    return command


def _type(option: Option) -> Any:
    if option.kind is tuple:
        return Names()
    if option.choices:
        return click.Choice(option.choices)
    kind: Any = click.IntRange if option.kind is int else click.FloatRange
    most = None if option.high == math.inf else option.high
    return kind(option.low, most, min_open=option.above, max_open=option.below)
