"""The main job on real records with several seeds: ``continua demo`` prints a table, draws a page.

Every seed trains on the base level, refines to ``fine`` and trains on, projects down to ``pocket`` and
polishes there; beside that, a pocket is trained directly for as many epochs in all. Test records are looked at
only to fill in the table; nothing is chosen by them.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numerics import datasets, files
from numerics.command import console, report
from numerics.datasets import Records
from numerics.levels.projection import Report, project
from numerics.levels.refinement import refine
from numerics.model.continuum import Continuum, resolve
from numerics.pictures import fields, training
from numerics.pictures.records import class_name, first_of_each
from numerics.training.run import fit

Array = np.ndarray

SEEDS = range(5)
POLISH = 0.2  # the polish may take this share of the epochs that the models before it had
TIMED_RECORDS = 1000
FOLDS = 5
ALPHAS = np.logspace(-3, 3, 13)
COLUMNS = (
    "representation", "coefficients", "stored bytes", "test accuracy", "objective", "‖W − PW‖",
    "by fields", "of it W (17)", "defect", "by solver", "ms / 1,000",
)  # fmt: skip
MEASURED = ("loss", "distance", "fields part", "part of W", "defect", "solver part")
SHOWN = ("fine, trained on", "pocket, projected", "pocket, polished")
STAGES = (
    "base", "fine, refined", "fine, trained on", "pocket, projected", "pocket, readout solved", "pocket, polished",
    "pocket, trained directly",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Training and test records, whole classes as numbers."""

    train: Records
    test: Records


@dataclass(frozen=True)
class Stage:
    """One model on the way, as one seed found it. report: of the move that led to it, if one did."""

    model: Continuum
    scores: Mapping[str, float]
    loss: float
    report: Report | None


def run(name: str, out: Path) -> None:
    """The whole demonstration: prints the table; writes ``out/report.html``, results, records and models."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    spec = resolve(name)
    with console.working(f"reading {name}"):
        data = Data(*datasets.load(name))
    total = len(SEEDS) * 2 * sum(_epochs(spec))
    with console.steps() as progress:
        task = progress.add_task("training", total=total)

        def advance(*_: Any) -> None:
            progress.advance(task)

        runs = []
        for seed in SEEDS:
            progress.update(task, description=f"training, seed {seed} of {len(SEEDS)}")
            runs.append(one_seed(spec, seed, data, advance))
    for name, part in (("fine, trained on", "fine"), ("pocket, polished", "pocket")):
        runs[0][STAGES.index(name)].model.save(out / f"{part}.npz")
    for part, records in (("train", data.train), ("test", data.test)):
        datasets.write(out / f"{part}.npz", records)
    baselines = {"majority class": majority(data), "ridge on samples": ridge(data)}
    rows = summarise(runs, data.test, out)
    cells = [*baseline_cells(baselines), *(row_cells(row) for row in rows)]
    _print(cells, started)
    results = {"seeds": len(SEEDS), "baselines": baselines, "rows": rows, "peak memory": peak_memory()}
    files.write_if_changed(out / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    page = pictures(spec.name, runs, data, cells)
    files.write_if_changed(out / "report.html", page.encode())
    print(f"pictures: {out / 'report.html'}   models: {out / 'fine.npz'}, {out / 'pocket.npz'}")


def _epochs(spec: Any) -> tuple[int, int, int]:
    """Epochs on base, on fine, and for the polish."""
    base, fine, pocket = spec.training, spec.level("fine").training, spec.level("pocket").training
    return base.epochs, fine.epochs, min(pocket.epochs, int(POLISH * (base.epochs + fine.epochs)))


def one_seed(spec: Any, seed: int, data: Data, callback: Callable[..., Any]) -> list[Stage]:
    """The models of one seed, in the order of STAGES."""
    first, second, polish = _epochs(spec)
    coarse = fit(Continuum.from_spec(spec, seed=seed), data.train, epochs=first, seed=seed, callback=callback)
    fine = refine(coarse, level="fine", records=data.train)
    trained = fit(fine, data.train, epochs=second, seed=seed, callback=callback)
    pocket = project(trained, level="pocket", records=data.train)
    solved = project(trained, level="pocket", records=data.train, readout=True)
    polished = fit(pocket, data.train, epochs=polish, seed=seed, callback=callback)
    direct = Continuum.from_spec(spec, seed=seed, level="pocket")
    direct = fit(direct, data.train, epochs=first + second + polish, seed=seed, callback=callback)
    models = (coarse, fine, trained, pocket, solved, polished, direct)
    reports = (None, fine.report, None, pocket.report, None, None, None)
    return [_stage(m, r, data) for m, r in zip(models, reports)]


def _stage(model: Continuum, moved: Report | None, data: Data) -> Stage:
    return Stage(model, model.scores(model.prepare(data.test)), model.loss(model.prepare(data.train)), moved)


# --- baselines ----------------------------------------------------------------------------------------------


def majority(data: Data) -> float:
    """Test accuracy of always saying the training records' commonest class."""
    classes, counts = np.unique(np.asarray(data.train.y), return_counts=True)
    return float(np.mean(np.asarray(data.test.y) == classes[counts.argmax()]))


def ridge(data: Data) -> float:
    """Test accuracy of ridge regression on raw samples, its penalty chosen on folds of the training set."""
    x, y = _matrix(data.train), np.asarray(data.train.y)
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    kept = [fold != k for k in range(FOLDS)]
    scores = [np.mean([_ridge_accuracy(x[k], y[k], x[~k], y[~k], alpha) for k in kept]) for alpha in ALPHAS]
    return _ridge_accuracy(x, y, _matrix(data.test), np.asarray(data.test.y), ALPHAS[int(np.argmax(scores))])


def _matrix(data: Records) -> Array:
    return np.stack([x.ravel() for x in data.samples()])


def _ridge_accuracy(x: Array, y: Array, x_test: Array, y_test: Array, alpha: float) -> float:
    """Ridge on ±1 targets, one a class, centred; the class with the largest value wins."""
    classes = np.unique(y)
    targets = 2.0 * (y[:, None] == classes) - 1
    mean, level = x.mean(axis=0), targets.mean(axis=0)
    centred = x - mean
    dual = np.linalg.solve(centred @ centred.T + alpha * np.eye(len(x)), targets - level)
    values = (x_test - mean) @ (centred.T @ dual) + level
    return float(np.mean(classes[values.argmax(axis=1)] == y_test))


# --- the table ----------------------------------------------------------------------------------------------


def summarise(runs: Sequence[Sequence[Stage]], data: Records, out: Path) -> list[dict[str, Any]]:
    """One row a stage: sizes, and (mean, spread) over the seeds of everything measured."""
    rows = []
    for index, name in enumerate(STAGES):
        stages = [run[index] for run in runs]
        reports = [s.report for s in stages if s.report is not None]
        parts = [r.attribution for r in reports if r.attribution is not None]
        model = stages[0].model
        rows.append(
            {
                "representation": name,
                "coefficients": model.size,
                "stored bytes": stored_bytes(model, out),
                "test accuracy": spread([s.scores["accuracy"] for s in stages]),
                "loss": spread([s.loss for s in stages]),
                "distance": spread([r.distance["W"] for r in reports]),
                "fields part": spread([r.fields_part for r in reports]),
                "part of W": spread([p.shares["W"].total for p in parts]),
                "defect": spread([p.defect for p in parts]),
                "solver part": spread([r.solver_part for r in reports]),
                "milliseconds": milliseconds(model, data),
            }
        )
    return rows


def spread(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Mean and sample standard deviation; None where nothing was measured."""
    known = [float(v) for v in values if v is not None]
    if not known:
        return None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else 0.0


def stored_bytes(model: Continuum, out: Path) -> int:
    """Bytes of the model's file as it would be given away: without training state and history."""
    path = out / ".measured.npz"
    model.replace(training=None, history=()).save(path)
    count = path.stat().st_size
    path.unlink()
    return count


def milliseconds(model: Continuum, data: Records) -> float:
    """Samples to outputs for 1,000 records (the test records again and again), the quickest of seven calls."""
    samples = data.samples()
    x = np.stack([samples[n % len(samples)] for n in range(TIMED_RECORDS)])
    model(x)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        model(x)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def baseline_cells(baselines: Mapping[str, float]) -> list[list[str]]:
    """Rows of the table for the null baselines."""
    rest = [""] * (len(COLUMNS) - 4)
    return [[name, "", "", f"{accuracy:.3f}", *rest] for name, accuracy in baselines.items()]


def row_cells(row: Mapping[str, Any]) -> list[str]:
    """A row as the table shows it."""
    return [
        row["representation"],
        f"{row['coefficients']:,}",
        f"{row['stored bytes']:,}",
        _pair(row["test accuracy"], ".3f"),
        *(_pair(row[key], ".2g") for key in MEASURED),
        f"{row['milliseconds']:.1f}",
    ]


def _pair(value: tuple[float, float] | None, form: str) -> str:
    return "" if value is None else f"{value[0]:{form}} ± {value[1]:{form}}"


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _print(cells: Sequence[Sequence[str]], started: float) -> None:
    console.print_table(COLUMNS, cells, f"mean ± spread (sample standard deviation) of {len(SEEDS)} seeds")
    print("‖W − PW‖, the change by fields and solver: of the move to that representation, on the training records.")
    print("(17) says which part of the change is W's; its defect is by how much all parts miss the change.")
    print("Stored: the file as given away. ms: samples to outputs.", end=" ")
    print(f"{time.perf_counter() - started:.0f} s in all, peak memory {console.size(peak_memory())}.")


# --- pictures -----------------------------------------------------------------------------------------------


def pictures(name: str, runs: Sequence[Sequence[Stage]], data: Data, cells: Sequence[Sequence[str]]) -> str:
    """The page: table, losses across levels, weight before and after projection, states, right and wrong."""
    fine, pocket, polished = (runs[0][STAGES.index(name)] for name in SHOWN)
    histories = {f"seed {seed}": run[-1].model.history for seed, run in zip(SEEDS, runs)}
    chosen = first_of_each(data.test)
    classes = np.asarray(data.test.y)
    labels = [f"test record {i}, class {class_name(data.test, classes[i])}" for i in chosen]
    weights = {"fine": fine.model.fields["W"], "pocket": pocket.model.fields["W"]}
    assert pocket.report is not None
    moved = pocket.report._repr_html_()
    losses = report.picture(training.losses(histories), "Training loss over the epochs, coloured by level")
    drawn = report.picture(fields.weights(weights, fine.model.plot.frame), "W before and after projection")
    shown = report.picture(fine.model.plot.states(data.test, chosen, labels), f"States of {', '.join(labels)}")
    sections = [
        report.Section("Results", f"Mean ± spread of {len(SEEDS)} seeds.", (report.table(COLUMNS, cells),)),
        report.Section(
            "Loss over time across levels",
            f"One line a seed: base, then fine, then the polish on pocket ({len(SEEDS)} seeds).",
            (losses,),
        ),
        report.Section(
            "Weight field before and after projection", "Seed 0.", (drawn, moved)
        ),
        report.Section(
            "State h(ξ, δ) of a few records",
            "The fine model of seed 0: the record itself at δ = 0, the output at δ = 1.",
            (shown,),
        ),
        *report.right_and_wrong(polished.model, data.test),
    ]
    return report.page(f"{name}: one model, three representations", sections)
