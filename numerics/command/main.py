"""``continua``: from a declaration to a trained model, and from one representation of it to another.

Commands import what they need when they run, so that ``--help`` is quick and ``predict`` never imports SymPy.
"""

from __future__ import annotations

import configparser
import importlib
import os
from pathlib import Path
from typing import Any

import click

from derive.errors import GenerationError, SpecError
from numerics import files
from numerics.command import commands, console
from numerics.command.console import Commands, example, json_option, model_argument

KINDS = ("bases", "rates", "tableaux", "activations", "losses")
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="neural-continua", message="%(prog)s %(version)s")
def main() -> None:
    """Neural networks as continua: derive, generate, train, refine and project."""


# --- declarations -------------------------------------------------------------------------------------------


@main.command()
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


@main.command("list")
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


@main.command()
@click.argument("spec")
@json_option
@example("continua check specs/gunpoint.toml")
def check(spec: str, as_json: bool) -> None:
    """Read SPEC and refuse what cannot work; warn of depth functions that no stage sees."""
    from derive.declaration import load_spec
    from derive.spaces import stages
    from derive.spec import to_dict
    from numerics import checks as doors

    read = load_spec(spec)
    ladder = [("", read), *((f"levels.{name}.", own) for name, own in read.levels)]
    for found in (one for prefix, own in ladder for one in stages.check(own, prefix)):
        doors.warn(found)
    if as_json:
        console.print_json(to_dict(read))
        return
    levels = ", ".join(name for name, _ in read.levels) or "none"
    click.echo(f"{read.name}: {read.rate}, {read.activation}, {read.solver}; levels: {levels}")


@main.command()
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
        explain = _derivation("derive.explain.pages")
        click.echo(explain.tableau_text(tableau), nl=False)
        if picture is not None:
            from derive.tableau import stability_function
            from numerics.command import report

            console.check_out(picture, [], (".png", ".svg", ".pdf"))
            above, below = ([float(c) for c in p] for p in stability_function(explain.named_tableau(tableau)))
            report.stability(tableau, above, below, picture)
        return
    assert spec is not None
    read = load_spec(spec)
    if other is not None:
        second = load_spec(other)
        with console.working(f"deriving {read.name} and {second.name}"), console.about(spec):
            text = _derivation("derive.generate").diff(read, second)
        click.echo(text)
        return
    with console.working(f"deriving {read.name}"), console.about(spec):
        explain = _derivation("derive.explain.pages")
        text = getattr(explain, form)(read, matrices=matrices)
    click.echo(text)


@main.command()
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


def generate_all(specs: tuple[str, ...], root: Path, write: bool) -> list[str]:
    """Derive specs and bring their folders up to date; the names of the files that differ, as folder/file."""
    from derive.declaration import load_spec

    derive_files = _derivation("derive.generate").generate
    changed = []
    read = [load_spec(spec) for spec in specs]
    names = [spec.name for spec in read]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"two specs called {twice[0]!r}", "a name of its own for every spec",
            "their modules would go to the same folder", "rename one of them",
        )  # fmt: skip
    with console.steps() as progress:
        task = progress.add_task("generating", total=len(read))
        for path_given, spec in zip(specs, read):
            progress.update(task, description=f"generating {spec.name}")
            with console.about(path_given):
                derived = derive_files(spec)
            folder = root / spec.name
            if write:
                names = files.write_together(folder, derived, "manifest.json")
            else:
                names = [name for name, content in derived.items() if files.differs(folder / name, content)]
            changed += [f"{spec.name}/{name}" for name in names]
            progress.advance(task)
    return changed


def _derivation(module: str) -> Any:
    """A module of ``derive`` that needs SymPy. Raises GenerationError where that does not import."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise GenerationError(
            str(error), "SymPy and python-flint", "an incomplete or damaged installation",
            "`pip install sympy python-flint`; `continua doctor` says what else is missing",
        ) from error  # fmt: skip


def generated_root(specs: tuple[str, ...]) -> Path:
    """Where CONTINUA_GENERATED points; else ``generated/`` for the checkout's specs, ``./continua_generated``."""
    if os.environ.get("CONTINUA_GENERATED"):
        return Path(os.environ["CONTINUA_GENERATED"])
    home = Path(__file__).resolve().parents[2]
    setup = configparser.ConfigParser()
    setup.read(home / "setup.cfg", encoding="utf-8")
    ours = setup.get("metadata", "name", fallback="") == "neural-continua" and (home / "generated").is_dir()
    if ours and all(home in Path(spec).resolve().parents for spec in specs):
        return home / "generated"
    return Path("continua_generated")


for command in commands.ALL:
    main.add_command(command)


@main.command()
@model_argument
@json_option
@example("continua show fine.npz")
def show(model: Path, as_json: bool) -> None:
    """Say what MODEL is: equation, sizes, levels, history."""
    from numerics.command import describe
    from numerics.model.checkpoint import load

    facts = describe.facts(load(model), _rate_expression)
    if as_json:
        console.print_json(facts)
        return
    click.echo(describe.text(facts, model.stat().st_size))


def _rate_expression(rate: str) -> str:
    """A named rate written out; any other rate is an expression already."""
    from derive import registry

    return str(registry.entry("rates", rate).EXPRESSION) if rate in registry.names("rates") else rate


@main.command()
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

    _derivation("derive.generate")
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


@main.command()
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


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True)
@example("continua demo --out out/demo")
def demo(out: Path) -> None:
    """Run the main job on real records, from spec to table.

    Derives and generates the spec gunpoint; with 5 seeds trains, refines, trains on, projects and polishes; prints
    one table, and writes report.html, results.json, the records and two models to --out.
    """
    from numerics.command import demo as demonstration

    path = Path(__file__).resolve().parents[2] / "specs" / "gunpoint.toml"
    if path.is_file():  # a checkout; an installed package carries the modules and the spec inside them
        generate_all((str(path),), generated_root((str(path),)), write=True)
    demonstration.run("gunpoint", out)
