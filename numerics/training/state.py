"""Where a run stands, and the model that it has made so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from numerics.model.continuum import Continuum
from numerics.training import multigrid, optimisers
from numerics.training.ladder import Ladder
from numerics.training.optimisers import Plan, Span
from numerics.training.options import stored

Row = dict[str, Any]


@dataclass(frozen=True)
class Stay:
    """A run's time on its level. entered, epoch: the work and the epochs before; tried: the work up to the last trial.

    rest: the least that a trial has left of the loss on the next level, None before the first one.
    """

    entered: int = 0
    epoch: int = 0
    tried: int = 0
    rest: float | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """Where a run stands.

    place: of the level in its ladder; epoch: epochs completed, on all levels; batch: batches completed since; total:
    the sum over their records of the loss, seconds: their time, flops: their floating-point operations, work: those of
    the whole run; vector: orthonormal coordinates; average: their moving average, None where none is kept; best,
    best_loss, stale: of the validation split on this level, stale being the epochs since the best; stopped: why the
    optimiser gave up, or "".  facts: what the last step said beside its value.
    """

    optimiser: optimisers.State | multigrid.Cycle
    vector: np.ndarray
    history: tuple[Row, ...]
    place: int = 0
    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    seconds: float = 0.0
    average: np.ndarray | None = None
    best: np.ndarray | None = None
    best_loss: float | None = None
    stale: int = 0
    stopped: str = ""
    flops: int = 0
    work: int = 0
    stay: Stay = Stay()
    facts: Mapping[str, float] = field(default_factory=dict)

    def working(self, flops: int) -> Run:
        """The run with some more work."""
        return replace(self, flops=self.flops + flops, work=self.work + flops)

    @property
    def present(self) -> np.ndarray:
        """What is validated and returned: the average, where one is kept, or the coordinates after the last step."""
        return self.vector if self.average is None else self.average


def first(ladder: Ladder) -> Run:
    """A run before its first step."""
    model, place = ladder.job(ladder.start).model, ladder.start
    vector, averages = model.coordinates, bool(ladder.options.averaging)
    return Run(optimiser_of(ladder, place, Stay()), vector, model.history, place, average=vector if averages else None)


def optimiser_of(ladder: Ladder, place: int, stay: Stay) -> optimisers.State | multigrid.Cycle:
    """The optimiser before its first step on a level, or those of a cycle."""
    if ladder.cycles:
        moves = [ladder.transfer(level) for level in range(place)]
        return multigrid.start(ladder.options.strategy, moves, _plans(ladder))
    plan = plan_of(ladder, place, stay)
    return optimisers.start(plan.blocks, plan.batches, plan.options, plan.span)


def plan_of(ladder: Ladder, place: int, stay: Stay) -> Plan:
    """What the optimiser of a level is told: in nested iteration its schedule runs over the work of all levels."""
    job = ladder.job(place)
    if ladder.options.strategy == "direct":
        return Plan(job.model.blocks, job.batches, job.options)
    step = job.epoch_flops / job.batches
    return Plan(
        job.model.blocks, job.batches, job.options,
        Span(ladder.budget / step, stay.entered / step - stay.epoch * job.batches),
    )  # fmt: skip


def _plans(ladder: Ladder) -> list[Plan]:
    """What the optimisers of a cycle are told: of how many steps each, in all the cycles that there is work for."""
    jobs = ladder.at_work(ladder.last)
    counts = multigrid.visits(ladder.options.strategy, len(jobs))
    cycles = ladder.budget * jobs[-1].batches / _cycled_flops(ladder)
    return [
        Plan(job.model.blocks, job.batches, job.options, Span(cycles * count * multigrid.steps(level)))
        for level, (job, count) in enumerate(zip(jobs, counts))
    ]


def _cycled_flops(ladder: Ladder) -> int:
    """The operations of a pass over the records in cycles."""
    jobs = ladder.at_work(ladder.last)
    counts = multigrid.visits(ladder.options.strategy, len(jobs))
    return sum(n * multigrid.gradients(level) * job.epoch_flops for level, (job, n) in enumerate(zip(jobs, counts)))


def finished(ladder: Ladder, run: Run) -> bool:
    """Whether nothing is left to do; never within an epoch, whose row is still to come."""
    if run.batch or run.place < ladder.last:
        return False
    rest = ladder.options.epochs - epochs(ladder, run)
    last = 1.0 if not ladder.cycles else _cycled_flops(ladder) / ladder.epoch_flops  # of what one more pass would do
    spent = rest <= 0 if ladder.options.strategy == "direct" or not run.work else rest < last / 2
    return spent or run.stopped != "" or exhausted(ladder, run)


def epochs(ladder: Ladder, run: Run) -> float:
    """How much a run has done: epochs, or those of the finest level that take the same work."""
    return run.epoch if ladder.options.strategy == "direct" else run.work / ladder.epoch_flops


def exhausted(ladder: Ladder, run: Run) -> bool:
    """Whether the held-out records have not improved for as long as they may on this level."""
    patience = ladder.options.patience
    return patience is not None and run.stale >= patience


def to_training(ladder: Ladder, run: Run) -> dict[str, Any]:
    """Everything that resuming needs: JSON-able values, and arrays (which model files keep as entries)."""
    job = ladder.job(run.place)
    arrays = {f"optimiser/{name}": array for name, array in run.optimiser.to_arrays().items()}
    arrays |= {name: a for name, a in (("average", run.average), ("best", run.best)) if a is not None}
    names = ("epoch", "batch", "total", "seconds", "best_loss", "stale", "stopped", "flops", "work", "facts")
    scalars = {name: getattr(run, name) for name in names}
    fixed = {"options": stored(job.options), "augment": job.augment_name, "data": job.data, "stay": asdict(run.stay)}
    return fixed | scalars | {"vector": run.vector} | arrays


def trained(ladder: Ladder, run: Run) -> Continuum:
    """The model as it stands: the best so far on the validation records, or without these the present one."""
    job = ladder.job(run.place)
    coordinates = run.present if run.best is None else run.best
    changes = {"history": run.history, "training": to_training(ladder, run), "classes": job.classes}
    return job.model.with_coordinates(coordinates, **changes)
