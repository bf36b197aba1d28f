"""``continua fit``: training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from derive.errors import CheckpointError, SpecError
from numerics.command import console
from numerics.command.console import example, json_option
from numerics.command.models import beside, cluster, on_device
from numerics.command.options import Data, data_option, device_option, out_option, training_options


@click.command()
@click.argument("spec")
@data_option
@out_option
@click.option("--resume", is_flag=True, help="Go on from the last save of --out, bit for bit.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained and for how long; write nothing.")
@click.option("--level", help="The level to train on (default: base, or the model's own).")
@training_options
@click.option("--save-every", type=click.FloatRange(0), default=10, show_default=True, help="Seconds between saves.")
@click.option("--scheduler", metavar="ADDRESS", help="Spread gradients over the Dask cluster of this scheduler.")
@click.option("--workers", type=click.IntRange(1), help="Spread gradients over so many processes of this machine.")
@device_option
@json_option
@example(
    "continua data gunpoint --out data",
    "continua fit specs/gunpoint.toml --data data/train.npz --out coarse.npz",
)
def fit(
    spec: str,
    data: Data,
    out: Path,
    resume: bool,
    dry_run: bool,
    level: str | None,
    scheduler: str | None,
    workers: int | None,
    device: str,
    as_json: bool,
    save_every: float,
    **overrides: Any,
) -> None:
    """Train SPEC and write the model.

    SPEC is a TOML file, the name of a generated spec, or a model to train on. Options override the spec's
    [training]; with --resume those left out are the run's own. Ctrl-C and SIGTERM save and stop; a harder kill
    loses what came after the last save. DATA may be a folder whose records are larger than memory, and --scheduler a
    Dask cluster: the model has the same bits.
    """
    from numerics.readout.solve import FACTS
    from numerics.training.run import fit as train

    records = data.with_targets()
    given = {key: value for key, value in overrides.items() if value is not None}
    trains_on = console.is_archive(spec)
    console.check_out(out, [data.path, None if trains_on else spec])
    if out.exists() and not resume and not (trains_on and out.samefile(spec)):
        raise CheckpointError(
            f"--out {out}, which exists", "a new name, or --resume to go on with the run in it",
            "--resume was left out, or a name used twice", "add --resume, choose another name, or move the file",
        )  # fmt: skip
    model = on_device(_start(spec, level, given.get("seed")), device)
    _check_level(level, given.get("strategy", model.base.training.strategy), trains_on)
    with console.about(data.path):
        if dry_run:
            console.print_facts(_dry_run(model, records, given), as_json)
            return
        options = {**given, "out": out, "resume": resume, "save_every": save_every, "progress": not as_json}
        with cluster(scheduler, workers) as client:
            model = train(model, records, client=client, **options)
        facts = {"model": str(out), "epochs": len(model.history), **model.scores(model.prepare(records))}
        facts |= {name: model.history[-1][name] for name in FACTS if name in model.history[-1]}
        beside(model, records, facts, as_json)


def _check_level(level: str | None, strategy: str, trains_on: bool) -> None:
    """Refuse --level beside a strategy, which says by itself where it begins. Raises SpecError."""
    if level is not None and strategy != "direct" and not trains_on:
        raise SpecError(
            f"--level {level} with strategy {strategy}", "one of the two", "a strategy begins on a level of its own",
            "leave --level out, or name the levels: --strategy-levels coarse,fine",
        )  # fmt: skip


def _start(spec: str, level: str | None, seed: int | None) -> Any:
    """The model that training starts from: a new one, or a saved one."""
    from numerics.model.checkpoint import load
    from numerics.model.continuum import Continuum

    if console.is_archive(spec):
        model = load(spec)
        if level not in (None, model.level or "base"):
            raise SpecError(
                f"--level {level} with a model at level {model.level or 'base'}", "the model's own level",
                "training does not move a model between levels",
                "use `continua refine` or `continua project` first",
            )  # fmt: skip
        return model
    from numerics.model.continuum import resolve

    base = resolve(spec)
    chosen = None if level in (None, "base") else level
    return Continuum.from_spec(base, seed=base.training.seed if seed is None else seed, level=chosen)


def _dry_run(model: Any, records: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What training would do and take, from the gradients of one batch (the second one: the first may compile).

    Where steps are solved for, it is what they take at most. What is solved for at once takes one step, with all
    versions of the records that epochs would see.
    """
    import numpy as np

    from numerics.levels.projection import moved
    from numerics.model.units import learned
    from numerics.training import optimisers
    from numerics.training.job import chosen
    from numerics.training.ladder import names_of
    from numerics.training.options import augmentation

    settings = chosen(model, given)
    if (finest := names_of(model, settings)[-1]) != (model.level or "base"):  # in whose epochs a strategy counts
        model = moved(model, finest)
    if not model.history:
        model = model.replace(units=learned(model.spec, model.units, records, np.arange(len(records))))
    prepared = model.prepare(records)
    batch = min(settings.batch or len(prepared), len(prepared))
    part = prepared.take(np.arange(batch))
    model.objective(part)
    start = time.perf_counter()
    loss, _ = model.objective(part)
    optimiser = optimisers.find(settings.optimiser)
    epochs = min(settings.epochs, 1) if optimiser.versions else settings.epochs
    versions = 1 + settings.epochs if optimiser.versions and augmentation(settings) else 1
    seconds = (time.perf_counter() - start) * -(-len(prepared) // batch) * optimiser.gradients * versions
    vectors = optimiser.vectors * 8 * model.size
    most = {"gradients an epoch, at most": optimiser.gradients} if optimiser.gradients > 1 else {}
    most |= {"versions of a record": versions} if versions > 1 else {}
    return {
        "model": repr(model), "records": len(prepared), "coefficients": model.size, "epochs": epochs,
        "loss": loss, **most, "seconds an epoch": seconds, "seconds in all": seconds * epochs,
        "memory (MiB)": (console.peak_memory() + vectors) / 2**20,
    }  # fmt: skip
