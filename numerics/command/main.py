"""``continua``: from a declaration to a trained model, and from one representation of it to another."""

from __future__ import annotations

import click

from numerics.command.commands import ALL
from numerics.command.console import Commands

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="neural-continua", message="%(prog)s %(version)s")
def main() -> None:
    """Neural networks as continua: derive, generate, train, refine and project."""


for command in ALL:
    main.add_command(command)
