"""A bar on standard error while a run goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from numerics.training.ladder import Ladder
from numerics.training.state import Run, epochs


@contextlib.contextmanager
def watch(progress: bool, ladder: Ladder, run: Run) -> Iterator[Callable[[Run], None]]:
    """A bar on standard error with the loss and the records a second; shows a run's last row when called with it."""
    if not progress:
        yield lambda run: None
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
        task = bar.add_task("", total=ladder.options.epochs, completed=round(epochs(ladder, run)))

        def show(run: Run) -> None:
            row, job = run.history[-1], ladder.job(run.place)
            parts = [f"{row['level']}, {run.work:.3g} flops"] if len(ladder.names) > 1 else []
            parts.append(f"objective {row['loss']:.4g}")
            if "validation" in row:
                parts.append(f"validation {row['validation']:.4g}")
            parts.append(f"{len(job.training) / max(row['seconds'], 1e-9):,.0f} records/s")
            bar.update(task, completed=round(epochs(ladder, run)), description="  ".join(parts))

        yield show
