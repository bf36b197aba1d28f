"""``continua doctor``: what works on this machine."""

from __future__ import annotations

import click

from numerics.command import console
from numerics.command.console import example, json_option


@click.command()
@json_option
@example("continua doctor")
def doctor(as_json: bool) -> None:
    """Say what works on this machine, and why not.

    Exits 1 if anything that is needed is broken.
    """
    from numerics.command import doctor as doctors

    findings = doctors.examine()
    if as_json:
        console.print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:8} {finding.what:24} {finding.says}")
    if not doctors.healthy(findings):
        raise click.exceptions.Exit(1)
