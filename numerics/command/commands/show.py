"""``continua show``: what a model is."""

from __future__ import annotations

from pathlib import Path

import click

from numerics.command import console
from numerics.command.console import example, json_option, model_argument


@click.command()
@model_argument
@json_option
@example("continua show fine.npz")
def show(model: Path, as_json: bool) -> None:
    """Say what MODEL is: equation, sizes, levels, history."""
    from numerics.command import describe
    from numerics.model.checkpoint import load

    found = load(model)
    facts = describe.facts(found, _rate_expression)
    if as_json:
        console.print_json(facts)
        return
    click.echo(describe.text(facts, found.spec.operator, model.stat().st_size))


def _rate_expression(rate: str) -> str:
    """A named rate written out; any other rate is an expression already."""
    from derive import registry

    return str(registry.entry("rates", rate).EXPRESSION) if rate in registry.names("rates") else rate
