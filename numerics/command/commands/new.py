"""``continua new``: a commented spec."""

from __future__ import annotations

from pathlib import Path

import click

from derive.errors import SpecError
from numerics import files
from numerics.command.console import example


@click.command()
@click.argument("name")
@example("continua new waves", "continua check waves.toml")
def new(name: str) -> None:
    """Write NAME.toml, a spec with a comment on every key."""
    from derive.declaration import NAMES
    from derive.spec import NAME
    from numerics.command.template import TEMPLATE

    if not NAME.fullmatch(Path(name).name.removesuffix(".toml")):
        raise SpecError(
            f"the name {name!r}", NAMES, "the name is also a folder's", "choose such a name",
        )  # fmt: skip
    path = Path(name.removesuffix(".toml") + ".toml")
    if path.exists():
        raise SpecError(str(path), "a name that is still free", "it exists", "choose another name, or move the file")
    files.write_if_changed(path, TEMPLATE.replace("NAME", path.stem).encode())
    click.echo(f"{path}: read it, change it, then `continua check {path}`")
