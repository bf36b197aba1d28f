"""Where a run stands, and the model that it has made so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.model.continuum import Continuum
from numerics.training import optimisers
from numerics.training.job import Job
from numerics.training.options import stored

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """Where a run stands.

    epoch: epochs completed; batch: batches completed since; total: the sum over their records of the loss, seconds:
    their time; vector: orthonormal coordinates; average: their moving average, None where none is kept; best,
    best_loss, stale: of the validation split, stale being the epochs since the best; stopped: why the optimiser gave
    up, or "".
    """

    optimiser: optimisers.State
    vector: np.ndarray
    history: tuple[Row, ...]
    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    seconds: float = 0.0
    average: np.ndarray | None = None
    best: np.ndarray | None = None
    best_loss: float | None = None
    stale: int = 0
    stopped: str = ""

    @property
    def present(self) -> np.ndarray:
        """What is validated and returned: the average, where one is kept, or the coordinates after the last step."""
        return self.vector if self.average is None else self.average


def first(job: Job) -> Run:
    """A run before its first step."""
    vector = job.model.coordinates
    return Run(optimiser_of(job), vector, job.model.history, average=vector if job.options.averaging else None)


def optimiser_of(job: Job) -> optimisers.State:
    """The optimiser before its first step."""
    return optimisers.start(job.model.blocks, job.batches, job.options)


def to_training(job: Job, run: Run) -> dict[str, Any]:
    """Everything that resuming needs: JSON-able values, and arrays (which model files keep as entries)."""
    arrays = {f"optimiser/{name}": array for name, array in run.optimiser.to_arrays().items()}
    arrays |= {name: a for name, a in (("average", run.average), ("best", run.best)) if a is not None}
    names = ("epoch", "batch", "total", "seconds", "best_loss", "stale", "stopped")
    scalars = {name: getattr(run, name) for name in names}
    fixed = {"options": stored(job.options), "augment": job.augment_name, "data": job.data}
    return fixed | scalars | {"vector": run.vector} | arrays


def trained(job: Job, run: Run) -> Continuum:
    """The model as it stands: the best so far on the validation records, or without these the present one."""
    coordinates = run.present if run.best is None else run.best
    changes = {"history": run.history, "training": to_training(job, run), "classes": job.classes}
    return job.model.with_coordinates(coordinates, **changes)
