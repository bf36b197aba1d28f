"""``continua demo``: the main job, from a spec to a table."""

from __future__ import annotations

from pathlib import Path

import click

from numerics.command.console import example
from numerics.command.generation import generate_all, generated_root


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True)
@example("continua demo --out out/demo")
def demo(out: Path) -> None:
    """Run the main job on real records, from spec to table.

    Derives and generates the spec gunpoint; with 5 seeds trains, refines, trains on, projects and polishes; prints
    one table, and writes report.html, results.json, the records and two models to --out.
    """
    from numerics.command import demo as demonstration

    path = Path(__file__).resolve().parents[3] / "specs" / "gunpoint.toml"
    if path.is_file():  # a checkout; an installed package carries the modules and the spec inside them
        generate_all((str(path),), generated_root((str(path),)), write=True)
    demonstration.run("gunpoint", out)
