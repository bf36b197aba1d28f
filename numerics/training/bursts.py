"""Steps that stay on a GPU: several of them between two copies, where the host would take them one by one.

Coordinates, records and what an optimiser remembers lie on the device; after a burst the run comes back as the host
knows it, so that saving, resuming, validating and averaging are the same everywhere. What a burst cannot do, and steps
in which a number is not finite, are the host's, which says what went wrong and where.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from derive.errors import TrainingError
from numerics.kernels.cuda import CudaBound
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared
from numerics.model.resident import Resident
from numerics.training import multigrid, optimisers
from numerics.training.job import Job
from numerics.training.state import Run, share

STEPS = 32  # of a burst, at most: the loss is read, and a run may be saved, as often

_stations: WeakKeyDictionary[Job, Station | None] = WeakKeyDictionary()  # None where the device has no room for one


def advanced(
    jobs: Sequence[Job], seen: Sequence[Prepared], run: Run, parts: Sequence[np.ndarray | None]
) -> Run | None:
    """The run after some of the batches that are left of its epoch; None where the host is to take the next step.

    parts: the records of each batch, None for all.
    """
    job, own = jobs[-1], seen[-1]
    if len(jobs) > 1 or not _possible(job, own, run):
        return None
    try:
        station = _stations[job] if job in _stations else _stations.setdefault(job, Station(job, run))
        if station is None:
            return None
        station.see(own)
        return station.advanced(job, run, parts[:STEPS])
    except TrainingError as error:  # no room for all records: batch by batch, if there is room for these
        _stations[job] = None
        said = "training goes on batch by batch, with copies to the GPU and back in every step"
        print(f"{said}: {error}", file=sys.stderr)
        return None


def leave(job: Job) -> None:
    """Give back what the job has on the device: its run goes on at another level, or is over."""
    _stations.pop(job, None)
    bound = vars(job.model).get("bound")  # if there is one: none is made to be given back
    if isinstance(bound, CudaBound):
        bound.release()


def _possible(job: Job, seen: Prepared, run: Run) -> bool:
    """Whether kernels do all that a step consists of."""
    model, options = job.model, job.options
    if not isinstance(model, Continuum) or isinstance(run.optimiser, multigrid.Cycle):
        return False
    if type(model.bound) is not CudaBound:
        return False
    return (
        optimisers.find(options.optimiser).on_device is not None
        and not model.bound.open
        and not any(slab.implicit for slab in model.bound.slabs)
        and all(penalty.norm == "L2" for penalty in model.spec.penalties)
        and not isinstance(seen.states, np.memmap)
    )


class Station:
    """A job on the device. seen: the records there; at: the run there, as the host knows it.

    It does not hold the job, with which it ends.
    """

    def __init__(self, job: Job, run: Run) -> None:
        assert isinstance(job.model, Continuum) and isinstance(job.model.bound, CudaBound)
        self.options, self.batches, self.bound = job.options, job.batches, job.model.bound
        each = job.options.batch or len(job.training)
        arrays = {name: a.shape for name, a in self._arrays(run).items() if name != "vector"}
        self.there = Resident(job.model, arrays, STEPS)
        self.there.check_memory(each)
        self.seen: Prepared | None = None
        self.at: Run | None = None

    def _arrays(self, run: Run) -> dict[str, np.ndarray]:
        """What a step changes."""
        assert not isinstance(run.optimiser, multigrid.Cycle)
        found = {name: a for name, a in run.optimiser.to_arrays().items() if a.ndim}
        average = {} if run.average is None else {"average": run.average}
        return found | average | {"vector": run.vector}

    def see(self, seen: Prepared) -> None:
        """Have these records on the device. Raises TrainingError where there is no room for them."""
        if seen is not self.seen:
            self.seen = None
            self.there.release()  # so that what the others have counts as free
            numbers = seen.states.size + seen.wanted().size + len(seen)
            self.bound.check_memory(numbers * self.bound.dtype.itemsize, f"{len(seen):,} records")
            self.there.hold(seen)
            self.seen = seen

    def advanced(self, job: Job, run: Run, parts: Sequence[np.ndarray | None]) -> Run | None:
        """The run after these batches; None where a number is not finite, with the run as it was."""
        began, at, self.at = time.perf_counter(), self.at, None
        assert self.seen is not None
        if at is None or at.vector is not run.vector or at.optimiser is not run.optimiser:
            self.there.upload(self._arrays(run))
        chosen = [part for part in parts if part is not None]
        self.there.begin(np.concatenate(chosen) if chosen else None)
        sizes = [len(self.seen) if part is None else len(part) for part in parts]
        for ahead, size in enumerate(sizes):
            self._step(run, ahead, size, not chosen)
        found = self.there.download()
        losses = found.pop("losses")[: len(parts)]
        if not (np.isfinite(losses).all() and all(np.isfinite(a).all() for a in found.values())):
            return None
        after = self._landed(run, found, losses, parts)
        flops = sum(job.flops(size, 1) for size in sizes)
        self.at = replace(after, seconds=run.seconds + time.perf_counter() - began).working(flops)
        return self.at

    def _step(self, run: Run, ahead: int, size: int, everything: bool) -> None:
        there, options = self.there, self.options
        there.evaluate(size, everything)
        if options.clip is not None:
            there.clip(options.clip)
        update = optimisers.find(options.optimiser).on_device
        assert update is not None
        update(run.optimiser, there, ahead)
        if run.average is not None:
            own = share(options.averaging, run.epoch * self.batches + run.batch + 1 + ahead)
            there.run("averaged", there.size, own, there.vector, there.arrays["average"])

    def _landed(
        self, run: Run, found: dict[str, np.ndarray], losses: np.ndarray, parts: Sequence[np.ndarray | None]
    ) -> Run:
        """The run as the host knows it."""
        assert self.seen is not None and not isinstance(run.optimiser, multigrid.Cycle)
        total, weights = run.total, self.seen.weights
        for loss, part in zip(losses, parts):
            which = slice(None) if part is None else part
            offset = self.seen.offset[which] * (1 if weights is None else weights[which])
            total += (float(loss) + float(np.mean(offset))) * len(offset)
        vector, average = found.pop("vector"), found.pop("average", None)
        state = run.optimiser.to_arrays()
        numbers = {name: a + len(parts) for name, a in state.items() if not a.ndim}  # steps that are done
        optimiser = run.optimiser.from_arrays(found | numbers)
        done = run.batch + len(parts)
        return replace(run, optimiser=optimiser, vector=vector, average=average, batch=done, total=total)
