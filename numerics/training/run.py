"""Training: epochs, batches, early stopping, and runs that go on after an interruption with the same bits.

A run is a chain of frozen values, one a batch; whatever the next batch depends on is in the value, and the value is
in the model file. Orders of records are drawn from PCG64 seeded with (seed, epoch), so these two are its state.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import TrainingError
from derive.spec import OPTIONS
from numerics.checks import instance
from numerics.datasets import source
from numerics.kernels import stability, threads
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared
from numerics.model.trouble import undifferentiable
from numerics.training import bursts, nested, optimisers
from numerics.training.job import Augment, Job
from numerics.training.ladder import Ladder
from numerics.training.multigrid import Cycle
from numerics.training.objective import Counted
from numerics.training.options import check_names, check_ways, with_options
from numerics.training.progress import watch
from numerics.training.resume import Saver, past_options, resumed, source_of
from numerics.training.split import generator_of
from numerics.training.state import Row, Run, finished, first, share, trained

Callback = Callable[[Continuum, Row], Any]


@with_options
def fit(
    model: Continuum,
    x: Any,
    y: Any = None,
    xi: Any = None,
    *,
    y_xi: Any = None,
    weights: Any = None,
    augment: Augment | None = None,
    callback: Callback | None = None,
    client: Any = None,
    out: str | Path | None = None,
    save_every: float = 10.0,
    resume: bool = False,
    progress: bool = False,
    **options: Any,
) -> Continuum:
    """The model trained on records: x, y and perhaps their points xi, or a Records as x.

    y_xi: the points of target functions that were not sampled where x was. Mapped NumPy arrays, Zarr's and Dask's are
    read part by part, but for these; what training needs of them, coefficients and targets, is then in a file in the
    folder for temporary files (TMPDIR), and the result has the same bits.

    weights: what each record counts (records,), see ``records``; held-out ones count so, too.

    Options left out are those of the spec's [training]:

    {options}

    validation is held out class by class, and the model with the least loss on it is the one that is returned.
    schedule: see ``numerics.training.optimisers.schedules``. averaging: d of the mean Σ_k d^k c_k / Σ_k d^k of the
    fields k steps ago, which is what is validated and returned; 0 for the last ones. weight_decay: λ of every step's
    c ← (1 − rate · λ) c. thin, jitter, warp: see ``numerics.datasets.sampling.Augmentation``.

    augment(records, generator): as many records in place of the training records, anew in every epoch and before they
    are sampled: their images under a symmetry of the law that they follow (Brandstetter et al. 2022), for one.
    callback(model, row) is called after every epoch and may return True to stop. A row holds level, epoch, loss (mean
    over the epoch, each batch's before its step), seconds, flops and, with a split, validation; with ridge the penalty
    of the readout that was chosen, which the loss counts, and the mean loss of records left out.

    client: a ``dask.distributed.Client``, whose cluster's workers compute the gradients, block by block: with the bits
    of one machine, whatever their number. They keep the records; those in files travel batch by batch.
    out: a file that is written at the end and, in between, at most every ``save_every`` seconds.
    resume: go on with the run in ``out`` (if there is none, the model's own) as if it had never stopped; options left
    out are then that run's, but for ``augment``: no file holds a function.

    Raises DataError; TrainingError for options that cannot work and numbers that are not finite (``out`` then keeps
    the last good state); CheckpointError when ``out`` cannot be written, or holds a run with other data or options.
    Ctrl-C saves, then raises KeyboardInterrupt with a message.
    """
    if not hasattr(model, "objective"):  # whatever has the face of a continuum can be trained
        instance(model, Continuum, "give a model, as numerics.load reads it")
    check_ways(augment, callback, out, save_every)
    check_names(options, OPTIONS, "a typing error, or an option of another version")
    given = {name: options.get(name) for name in OPTIONS}
    earlier = source_of(model, out) if resume else None
    if earlier is not None:  # options left out are the run's own
        past = past_options(earlier)
        given = {name: past.get(name) if value is None else value for name, value in given.items()}
    if earlier is not None and hasattr(model, "units"):
        model = model.replace(units=earlier.units)  # in which its coordinates are
    ladder = Ladder.of(model, source(x, xi=xi, y=y, y_xi=y_xi, weights=weights), given, augment)
    run = first(ladder) if earlier is None else resumed(ladder, earlier, str(out or ""))
    keep = Saver(ladder, out, save_every)
    _say_once(optimisers.find(ladder.options.optimiser).remark)
    if found := _found(model, ladder.job(ladder.start).model):
        print(found, file=sys.stderr)
    ladder.spread_over(client)
    try:
        with threads.serial_blas(), watch(progress, ladder, run) as show:
            while not finished(ladder, run := _going_on(ladder, run)):
                steps = _steps(ladder.at_work(run.place), run)
                for run in steps:
                    keep(run)
                run = _closed(ladder.job(run.place), run)
                show(run)
                if callback is not None and callback(trained(ladder, run), run.history[-1]):
                    break
    except KeyboardInterrupt:
        keep(run, now=True)
        where = f"saved to {out}, where resuming goes on" if out else "nothing was saved: no `out` was given"
        raise KeyboardInterrupt(f"interrupted in epoch {run.epoch + 1}; {where}") from None
    finally:
        ladder.done()
        for job in ladder.jobs:
            bursts.leave(job)
    keep(run, now=True)
    return trained(ladder, run)


def _going_on(ladder: Ladder, run: Run) -> Run:
    """The run on the level where it goes on; of one that it leaves nothing stays on a GPU."""
    after = nested.advanced(ladder, run)
    if after.place != run.place:
        bursts.leave(ladder.job(run.place))
    return after


@cache
def _say_once(remark: str) -> None:
    """Say what there is to know of an optimiser, whatever it trains: once is enough for a process."""
    if remark:
        print(remark, file=sys.stderr)


def _found(before: Continuum, after: Continuum) -> str:
    """The domain that the records' points have told, in words; "" where it was known, or is that of ξ."""
    if getattr(before, "units", None) == getattr(after, "units", None) or before.units.domain == after.units.domain:
        return ""
    return (
        f"the domain is {after.units.describe(after.spec)}, as far as the points of the records reach; "
        "declare input.domain to choose another"
    )


def _steps(jobs: Sequence[Job], run: Run) -> Iterator[Run]:
    """The run after each of the batches that are left of its epoch. jobs: of the levels at work, the run's own last."""
    job = jobs[-1]
    count = len(job.training)
    size = job.options.batch or count
    seen, several = [one.seen(run.epoch) for one in jobs], job.batches > 1
    jobs = [one.at_work(own) for one, own in zip(jobs, seen)]
    order = generator_of(job.options.seed, 1 + run.epoch).permutation(count) if several else None
    parts = [None if order is None else order[k * size : (k + 1) * size] for k in range(job.batches)]
    while run.batch < job.batches:
        run = bursts.advanced(jobs, seen, run, parts[run.batch :]) or _advanced(jobs, seen, run, parts[run.batch])
        yield run


def _advanced(jobs: Sequence[Job], seen: Sequence[Prepared], run: Run, chosen: np.ndarray | None) -> Run:
    """The run after one more batch. chosen: its records, None for all that are seen."""
    objectives = [Counted(one, own if chosen is None else own.take(chosen)) for one, own in zip(jobs, seen)]
    began = time.perf_counter()
    state, vector, info = _step(objectives, run)
    return replace(
        run,
        optimiser=state,
        vector=vector,
        average=_averaged(jobs[-1], run, vector),
        batch=run.batch + 1,
        total=run.total + info.value * len(objectives[-1].part),
        seconds=run.seconds + time.perf_counter() - began,
        stopped=info.stop,
        facts=info.facts,
    ).working(sum(own.flops for own in objectives))


def _averaged(job: Job, run: Run, vector: np.ndarray) -> np.ndarray | None:
    """The average with one more step's coordinates."""
    if run.average is None:
        return None
    own = share(job.options.averaging, run.epoch * job.batches + run.batch + 1)
    return (1 - own) * run.average + own * vector


def _step(objectives: Sequence[Counted], run: Run) -> tuple[optimisers.State | Cycle, np.ndarray, optimisers.Info]:
    """One step on some records, or one cycle."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found, and refused with its place
            if isinstance(run.optimiser, Cycle):
                return run.optimiser.step(objectives, run.vector)
            return optimisers.step(run.optimiser, objectives[-1], run.vector)
    except TrainingError as error:
        job, part = objectives[-1].job, objectives[-1].part
        where = f"epoch {run.epoch + 1}, batch {run.batch + 1} of {job.batches}"
        model = job.model.with_coordinates(run.vector)
        found = stability.diagnose(model.solver, part.states, part.rows)
        if found is not None:
            raise stability.explained(found, error.given, where) from error
        named = undifferentiable(model, part, error.given, where)
        if named is not None:
            raise named from error
        raise _placed(error, where) from error


def _placed(error: TrainingError, where: str) -> TrainingError:
    """The error with its place in the run; what it says of records is counted within that."""
    within = f"; within it {error.where}" if error.where else ""
    return TrainingError(error.given, error.allowed, error.cause, error.fix, f"{where}{within}")


def _closed(job: Job, run: Run) -> Run:
    """The run after its epoch's last batch: validated, with one more row of history."""
    row: Row = {
        "level": job.model.level or "base",
        "epoch": run.epoch + 1,
        "loss": run.total / len(job.training),
        "seconds": run.seconds,
        "flops": run.flops,
        **run.facts,
    }
    run = replace(run, epoch=run.epoch + 1, batch=0, total=0.0, seconds=0.0, flops=0, facts={})
    if job.held is not None:
        model = job.model.with_coordinates(run.present)
        try:
            scores = model.scores(job.held)
        except TrainingError as error:
            where = f"epoch {run.epoch}, validation"
            raise _placed(error, where) from error
        loss = scores["loss"]
        if not math.isfinite(loss):
            given, where = f"a loss of {loss}", f"epoch {run.epoch}, validation"
            named = undifferentiable(model, job.held, given, where)
            raise named or stability.error(model.solver, job.held.states, given, where, job.held.rows)
        row |= {f"validation {name}": score for name, score in scores.items() if name != "loss"}
        row["validation"] = loss
        if run.best_loss is None or loss < run.best_loss:
            run = replace(run, best=run.present, best_loss=loss, stale=0)
        else:
            run = replace(run, stale=run.stale + 1)
    return replace(run, history=(*run.history, row))
