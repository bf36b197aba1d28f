"""A bar on standard error while a run goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from numerics.training.job import Job
from numerics.training.state import Row, Run


@contextlib.contextmanager
def watch(progress: bool, job: Job, run: Run) -> Iterator[Callable[[Row], None]]:
    """A bar on standard error with the loss and the records a second; shows a row when called with it."""
    if not progress:
        yield lambda row: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=job.options.epochs, completed=run.epoch)

        def show(row: Row) -> None:
            parts = [f"objective {row['loss']:.4g}"]
            if "validation" in row:
                parts.append(f"validation {row['validation']:.4g}")
            parts.append(f"{len(job.training) / max(row['seconds'], 1e-9):,.0f} records/s")
            bar.update(task, advance=1, description="  ".join(parts))

        yield show
