"""``continua list``: what specs can name."""

from __future__ import annotations

import click

from numerics.command import console
from numerics.command.console import example, json_option

KINDS = ("bases", "rates", "tableaux", "activations", "losses")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@json_option
@example("continua list bases")
def list_(kind: str, as_json: bool) -> None:
    """List the bases, rates, … that specs can name.

    KIND is bases, rates, tableaux, activations or losses.
    """
    from derive import registry

    found = {name: registry.entry(kind, name).SUMMARY for name in registry.names(kind)}
    if as_json:
        console.print_json(found)
        return
    for name, summary in found.items():
        click.echo(f"{name:14} {summary}")
