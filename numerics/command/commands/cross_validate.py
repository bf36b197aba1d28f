"""``continua cross-validate``: scores on folds of the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from derive.errors import SpecError
from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.options import Data, data_option, training_options


@click.command("cross-validate")
@click.argument("spec")
@data_option
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Parts of the records.")
@click.option("--vary", multiple=True, metavar="KEY=VALUE,VALUE…", help="Compare values of a key of SPEC; repeatable.")
@training_options
@json_option
@example(
    "continua cross-validate specs/gunpoint.toml --data data/train.npz --epochs 50",
    "continua cross-validate specs/gunpoint.toml --data data/train.npz --vary training.learning_rate=0.03,0.1",
)
def cross_validate(
    spec: str, data: Data, folds: int, vary: tuple[str, ...], as_json: bool, **overrides: Any
) -> None:
    """Score SPEC on every fold of the records, trained on the others.

    Classes are shared out evenly; --seed draws the folds, and the same first fields for all of them. Options override
    the spec's [training]. With --vary all combinations of the values are tried on the same folds, and the
    best is marked: the highest mean accuracy, then the least loss. Writes nothing.
    """
    from numerics.training import cross_validation

    records = data.with_targets()
    candidates = _candidates(spec, vary)
    given = {"seed": 0, **{name: value for name, value in overrides.items() if value is not None}}
    _check_once(given, candidates[0][0])
    total = folds * sum(given.get("epochs", declared.training.epochs) for _, declared in candidates)
    found = []
    with console.steps() as progress, console.about(data.path):
        task = progress.add_task("training", total=total)

        def advance(*_: Any) -> None:
            progress.advance(task)

        for _, declared in candidates:
            report = cross_validation.cross_validate(declared, records, folds=folds, callback=advance, **given)
            found.append(report)
    best = max(found, key=lambda report: report.rank)
    if as_json:
        settings = [
            {"setting": setting, "folds": list(report.scores), "mean": report.mean, "deviation": report.deviation,
             "best": report is best} for (setting, _), report in zip(candidates, found)
        ]  # fmt: skip
        console.print_json({"records": len(records), "folds": folds, "seed": given["seed"], "settings": settings})
        return
    rows = []
    for (setting, _), report in zip(candidates, found):
        name = ", ".join(f"{key} = {value}" for key, value in setting.items()) or "as declared"
        cells = [f"{mean:.4g} ± {report.deviation[score]:.2g}" for score, mean in report.mean.items()]
        rows.append([f"{'→' if report is best and vary else ' '} {name}", *cells])
    console.print_table(["", *best.mean], rows, f"{len(records)} records in {folds} folds")


def _candidates(spec: str, vary: tuple[str, ...]) -> list[tuple[dict[str, Any], Any]]:
    """The settings that --vary asks for, each with its Spec."""
    from derive.declaration import load_spec, read_toml
    from numerics.model.continuum import resolve
    from numerics.training.cross_validation import varied

    if not vary:
        return [({}, resolve(spec))]
    choices = {}
    for option in vary:
        key, _, values = option.partition("=")
        if not key or not values or key in choices:
            raise SpecError(
                f"--vary {option}", "KEY=VALUE,VALUE…, every key once", "a key without values, or given twice",
                "write --vary training.learning_rate=0.003,0.01",
            )  # fmt: skip
        choices[key] = [_value(text) for text in values.split(",")]
    with console.about(spec):
        return [(setting, load_spec(declared)) for setting, declared in varied(read_toml(spec), choices)]


def _check_once(given: Mapping[str, Any], varied: Mapping[str, Any]) -> None:
    """Raise SpecError for an option that is varied, too."""
    for name in given:
        if f"training.{name}" in varied:
            option = f"--{name.replace('_', '-')}"
            raise SpecError(
                f"{option} and --vary training.{name}", "one of the two", "an option overrides what the spec says",
                f"leave {option} out",
            )  # fmt: skip


def _value(text: str) -> Any:
    """A value as TOML reads it, and what TOML does not read as text: names, exact numbers such as 1/10."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
