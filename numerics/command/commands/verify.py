"""``continua verify``: what the mathematics promises, measured."""

from __future__ import annotations

from pathlib import Path

import click

from numerics import files
from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.generation import derivation


@click.command()
@click.argument("subject", metavar="SPEC|MODEL")
@json_option
@click.option("--full", is_flag=True, help="Also the CUDA kernels, in Numba's simulator.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with the convergence plots.")
@example("continua verify specs/gunpoint.toml", "continua verify model.npz --html verify.html")
def verify(subject: str, as_json: bool, full: bool, page: Path | None) -> None:
    """Measure on a SPEC or a MODEL what the mathematics promises.

    Discrete equivalents, convergence with the order that the spec can reach, derivatives, spaces, code: a table of
    what is expected and what is measured. Exits 1 if a property fails.
    """
    from derive.declaration import load_spec
    from numerics.command import report

    derivation("derive.generate")
    from numerics import verify as verification

    if page is not None:
        console.check_out(page, [subject], (".html",))
    model = None
    if console.is_archive(subject):
        from numerics.model.checkpoint import load

        model = load(subject)
    base = load_spec(subject) if model is None else model.base
    with console.steps() as progress, console.about(subject):
        task = progress.add_task("verifying", total=len(verification.properties(full)) + 1)

        def tell(what: str) -> None:
            progress.update(task, description=f"measuring {what}", advance=1)

        findings = verification.verify(base, model, full, tell)
    if page is not None:
        files.write_if_changed(page, report.verification_page(base.name, findings).encode())
    if as_json:
        console.print_json([vars(finding) for finding in findings])
    else:
        rows = [(f.name, f.expected, f.measured, verification.VERDICTS[f.passed], f.explained) for f in findings]
        console.print_table(("property", "expected", "measured", "verdict", "explained in"), rows)
    if any(finding.passed is False for finding in findings):
        raise click.exceptions.Exit(1)
