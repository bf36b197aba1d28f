"""``continua list``: what specs can name, and the data sets."""

from __future__ import annotations

import click

from numerics.command import console
from numerics.command.console import example, json_option

KINDS = ("bases", "rates", "tableaux", "activations", "losses")
DATA = "data"


@click.command("list")
@click.argument("kind", type=click.Choice([*KINDS, DATA]))
@json_option
@example("continua list bases", "continua list data")
def list_(kind: str, as_json: bool) -> None:
    """List the bases, rates, … that specs can name, or the data sets of `continua data`.

    KIND is bases, rates, tableaux, activations, losses or data.
    """
    found = _sets() if kind == DATA else _entries(kind)
    if as_json:
        console.print_json(found)
        return
    for name, summary in found.items():
        click.echo(f"{name:16} {summary}")


def _entries(kind: str) -> dict[str, str]:
    from derive import registry

    return {name: registry.entry(kind, name).SUMMARY for name in registry.names(kind)}


def _sets() -> dict[str, str]:
    from numerics import datasets

    return datasets.summaries()
