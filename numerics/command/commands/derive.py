"""``continua derive``: the derivation of a spec, or what is known of a tableau."""

from __future__ import annotations

from pathlib import Path

import click

from derive.errors import SpecError
from numerics.command import console
from numerics.command.console import example
from numerics.command.generation import derivation


@click.command()
@click.argument("spec", required=False)
@click.option("--matrices", is_flag=True, help="Print the exact matrices as well.")
@click.option("--format", "form", type=click.Choice(["text", "html", "latex"]), default="text", show_default=True)
@click.option("--diff", "other", help="Another spec: print what changes in the mathematics and in the kernels.")
@click.option("--tableau", help="A tableau instead of a spec: its order conditions and its stability.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="With --tableau: draw |R| ≤ 1 as PNG or SVG.")
@example(
    "continua derive specs/gunpoint.toml",
    "continua derive specs/gunpoint.toml --format html > gunpoint.html",
    "continua derive specs/gunpoint.toml --diff other.toml",
    "continua derive --tableau rk4 --plot rk4.png",
)
def derive(
    spec: str | None, matrices: bool, form: str, other: str | None, tableau: str | None, picture: Path | None
) -> None:
    """Print the derivation of SPEC, step by step.

    The page of --format html needs no network; the document of --format latex is for xelatex or lualatex.
    """
    from derive.declaration import load_spec

    if (spec is None) == (tableau is None) or (picture is not None and tableau is None):
        raise SpecError(
            "SPEC and --tableau" if spec else "neither SPEC nor --tableau", "one of the two; --plot with --tableau",
            "an argument left out, or one too many", "see `continua derive --help`",
        )  # fmt: skip
    if tableau is not None:
        tableaux = derivation("derive.explain.tableaux")
        click.echo(tableaux.tableau_text(tableau), nl=False)
        if picture is not None:
            from derive.tableau import stability_function
            from numerics.command import report

            console.check_out(picture, [], (".png", ".svg", ".pdf"))
            above, below = ([float(c) for c in p] for p in stability_function(tableaux.named_tableau(tableau)))
            report.stability(tableau, above, below, picture)
        return
    assert spec is not None
    read = load_spec(spec)
    if other is not None:
        second = load_spec(other)
        with console.working(f"deriving {read.name} and {second.name}"), console.about(spec):
            text = derivation("derive.generate").diff(read, second)
        click.echo(text)
        return
    with console.working(f"deriving {read.name}"), console.about(spec):
        explain = derivation("derive.explain.pages")
        text = getattr(explain, form)(read, matrices=matrices)
    click.echo(text)
