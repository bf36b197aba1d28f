"""What several commands do with models: where they run, and how they move between levels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from derive.errors import DataError, TrainingError
from numerics import files
from numerics.command import console
from numerics.command.options import Data

Command = Callable[..., Any]
CONNECTING = 20  # seconds in which a scheduler has to answer


def on_device(model: Any, name: str) -> Any:
    """The model with its kernels on a device. Raises RepresentationError saying what is missing there."""
    if name == "cpu":
        return model
    from numerics.kernels import launch

    launch.require()
    return model.replace(device=name)


@contextlib.contextmanager
def cluster(scheduler: str | None, workers: int | None) -> Iterator[Any]:
    """A client of the Dask cluster at an address, or of one with so many workers on this machine; None for neither.

    Raises TrainingError for both, an address at which there is none, and where Dask is not installed.
    """
    if scheduler is None and workers is None:
        yield None
        return
    if scheduler is not None and workers is not None:
        raise TrainingError(
            "--scheduler and --workers", "one of the two", "workers of a cluster that runs already",
            "leave --workers out: the cluster has its own; it starts workers on this machine",
        )  # fmt: skip
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise TrainingError(
            "a cluster, and Dask is not installed", "the extra `scaling`", "the package was installed without it",
            'pip install "neural-continua[scaling]"',
        ) from error  # fmt: skip
    with contextlib.ExitStack() as stack:
        try:
            place: Any = scheduler
            if workers is not None:
                local = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
                place = stack.enter_context(local)
            client = stack.enter_context(Client(place, timeout=CONNECTING))
        except (OSError, ValueError, RuntimeError) as error:  # no address, nobody there, workers that do not start
            raise TrainingError(
                f"no cluster at {scheduler}: {error}" if scheduler else f"workers that do not start: {error}",
                "the address of a scheduler, such as tcp://host:8786", "a typing error, or a scheduler that has ended",
                "start one with `dask scheduler`, or use --workers",
            ) from error  # fmt: skip
        yield client


def move_to(
    move: Command, path: Path, level: str, data: Data | None, readout: bool, out: Path, as_json: bool
) -> None:
    """What ``refine`` and ``project`` do: move the model in a file, report, and write it."""
    from numerics.model.checkpoint import load

    console.check_out(out, [data.path if data else None, path])
    records = None if data is None else data.read()
    with console.working(f"moving to {level}"), console.about(data.path if data else path):
        moved = move(load(path), level, records=records, readout=readout)
    if not as_json:
        click.echo(str(moved.report))
    moved.save(out)
    if as_json:
        console.print_json({"model": str(out), **report_dict(moved.report)})


def approach(
    refine: Command, path: Path, tolerance: Any, limit: int | None, data: Data | None, out: Path, page: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Refine the model in a file to a tolerance, report, and write it, and a page of where its error sits."""
    from numerics.command import report
    from numerics.model.checkpoint import load

    console.check_out(out, [data.path if data else None, path])
    if page is not None:
        console.check_out(page, [data.path if data else None, path, out], (".html",))
    records = None if data is None else data.with_targets()
    more = {} if limit is None else {"limit": limit}
    with console.working("refining"), console.about(data.path if data else path):
        moved = refine(load(path), records=records, tolerance=tolerance, **more)
    if not as_json:
        click.echo(str(moved.report))
    moved.save(out)
    if page is not None:
        files.write_if_changed(page, report.refinement_page(moved).encode())
    if as_json:
        found = moved.report
        rows = [one.row for one in found.rounds]
        console.print_json({"model": str(out), "level": moved.level, "error": found.error, "sampling": found.sampling,
                            "rounds": rows})  # fmt: skip


def beside(model: Any, records: Any, facts: dict[str, Any], as_json: bool) -> None:
    """Print facts with a model's scores on records, then those of its baselines, and whether it is ahead of them."""
    from numerics.training.comparison import NAMES, compared, verdict

    first = model.models[0] if hasattr(model, "models") else model
    others = compared(first, records)
    if as_json:
        console.print_json({**facts, "baselines": others})
        return
    console.print_facts(facts, as_json)
    for name, scores in others.items():
        said = "  ".join(f"{score} {value:.6g}" for score, value in scores.items())
        click.echo(f"{NAMES[name]:18} {said}")
    if (sentence := verdict(facts, others)) != "":
        click.echo(sentence)


def report_dict(report: Any) -> dict[str, Any]:
    """A report's numbers, with the parts that it computes from them."""
    numbers = {name: getattr(report, name) for name in type(report).__dataclass_fields__ if name != "frame"}
    numbers["attribution"] = None if report.attribution is None else report.attribution.to_dict()
    numbers["match"] = None if report.match is None else asdict(report.match)
    return {**numbers, "fields_part": report.fields_part, "solver_part": report.solver_part}


def answering(paths: tuple[Path, ...], device: str) -> Any:
    """The model in a file, or the ensemble of those in several."""
    from numerics.model.checkpoint import load
    from numerics.model.ensemble import Ensemble

    models = [on_device(load(path), device) for path in paths]
    return models[0] if len(models) == 1 else Ensemble(tuple(models))


def points_in(path: Path) -> Any:
    """The points in an .npy, one list for all records. Raises DataError."""
    import numpy as np

    try:
        points = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        points = None
    allowed = "an .npy with a list of points of the domain, in its units"
    if not isinstance(points, np.ndarray):
        kind = "an archive of several arrays" if points is not None else "a file that is not an .npy"
        fix = "write the points alone: np.save(\"points.npy\", xi)"
        raise DataError(kind, allowed, "another kind of file", fix, str(path))
    if points.ndim != 1 or points.dtype.kind not in "iuf" or not points.size:
        raise DataError(
            f"an array of type {points.dtype}, shape {points.shape}", allowed, "points of every record, or none",
            "one list of numbers for all records: its shape is (points,)", str(path),
        )  # fmt: skip
    return points
