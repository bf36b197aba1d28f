"""``continua check``: a spec, read and refused or resolved."""

from __future__ import annotations

import click

from numerics.command import console
from numerics.command.console import example, json_option


@click.command()
@click.argument("spec")
@json_option
@example("continua check specs/gunpoint.toml")
def check(spec: str, as_json: bool) -> None:
    """Read SPEC and refuse what cannot work; warn of depth functions that no stage sees."""
    from derive.declaration import load_spec
    from derive.spaces import stages
    from derive.spec import to_dict
    from numerics import checks

    read = load_spec(spec)
    ladder = [("", read), *((f"levels.{name}.", own) for name, own in read.levels)]
    for found in (one for prefix, own in ladder for one in stages.check(own, prefix)):
        checks.warn(found)
    if as_json:
        console.print_json(to_dict(read))
        return
    levels = ", ".join(name for name, _ in read.levels) or "none"
    click.echo(f"{read.name}: {read.rate}, {read.activation}, {read.solver}; levels: {levels}")
