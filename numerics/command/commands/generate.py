"""``continua generate``: kernels, tables and derivations of specs."""

from __future__ import annotations

from pathlib import Path

import click

from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.generation import generate_all, generated_root


@click.command()
@click.argument("specs", nargs=-1, required=True)
@click.option("--into", type=click.Path(path_type=Path), help="The folder that holds the specs' folders.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if anything is stale.")
@json_option
@example("continua generate specs/gunpoint.toml", "git diff generated/")
def generate(specs: tuple[str, ...], into: Path | None, only_check: bool, as_json: bool) -> None:
    """Write the kernels and tables of SPECS.

    With them come a manifest and the derivation. They go where CONTINUA_GENERATED points; else to generated/ for specs
    of this project's checkout, and to ./continua_generated/ for others. Files are written only if they change.
    """
    root = into or generated_root(specs)
    changed = generate_all(specs, root, write=not only_check)
    if as_json:
        console.print_json({"into": str(root), "stale" if only_check else "written": changed})
    elif only_check:
        for name in changed:
            click.echo(f"stale: {root / name}")
    else:
        click.echo("\n".join(f"wrote {root / name}" for name in changed) or f"{root}: nothing changed")
    if only_check and changed:
        click.echo("run `continua generate` on these specs", err=True)
        raise click.exceptions.Exit(1)
