"""``continua plot``: a model on one page."""

from __future__ import annotations

from pathlib import Path

import click

from numerics import files
from numerics.command import console
from numerics.command.console import example, model_argument
from numerics.command.options import Data, some_data_option


@click.command()
@model_argument
@some_data_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("model.html"), show_default=True)
@example("continua plot fine.npz --data data/test.npz --out fine.html")
def plot(model: Path, data: Data | None, out: Path) -> None:
    """Draw MODEL on one HTML page.

    Training, weight field and, with records, states and cases.
    """
    from numerics.command import report
    from numerics.model.checkpoint import load

    console.check_out(out, [data.path if data else None, model], (".html",))
    with console.working("drawing"):
        records = None if data is None else data.read()
        page = report.model_page(load(model), records)
    files.write_if_changed(out, page.encode())
    click.echo(str(out))
