"""``continua data``: a real data set in files."""

from __future__ import annotations

from pathlib import Path

import click

from numerics.command import console
from numerics.command.console import example, json_option


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write to.")
@json_option
@example("continua data gunpoint --out data/gunpoint")
def data(name: str, out: Path, as_json: bool) -> None:
    """Write a real data set as train.npz and test.npz.

    The split is the published one. `continua list data` has the names; burgers and vorticity are solved here, and
    come with test records at other resolutions too.
    """
    from numerics import datasets

    work = "solving" if name in {"burgers", "vorticity"} else "reading"
    with console.working(f"{work} {name}"):
        parts = datasets.parts(name)
    out.mkdir(parents=True, exist_ok=True)
    for part, found in parts.items():
        datasets.write(out / f"{part}.npz", found)
    if as_json:
        written = {part: {"file": str(out / f"{part}.npz"), "records": len(r)} for part, r in parts.items()}
        console.print_json(written)
        return
    for part, found in parts.items():
        click.echo(f"{out / part}.npz: {len(found)} records")
