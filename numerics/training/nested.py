"""Nested iteration: from level to level, each left as soon as the next one gains more for the same work.

A level is tried against the next one from time to time, after an epoch, on a sample of the training records. There are
L, the loss on the level, L⁺, the loss on the next one with its solver at the same fields, and the lengths of the
gradients of both. Since the last trial training has lowered L by G and L⁺ by G⁺; what they differ by is how much the
discretisation error of the loss, L⁺ − L, has grown. On the next level steps of the same L2 length lower the loss in
proportion to the gradient, at the cost of an epoch there: for the same work by G · ‖∇L⁺‖/‖∇L‖ · work/work⁺. The level
is left when that is more than G⁺, or when G⁺ is no gain at all.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from numerics.model.prepared import Prepared
from numerics.training import optimisers
from numerics.training.job import Job
from numerics.training.ladder import Ladder
from numerics.training.multigrid import Cycle
from numerics.training.state import Run, Stay, exhausted, plan_of

SAMPLE = 256  # records of a trial, spread over all of them
TRIALS = 0.1  # of the work, at most, is spent on trials
SPACING = 0.02  # of the budget lies between two trials at least: losses go up and down


def advanced(ladder: Ladder, run: Run) -> Run:
    """The run where it goes on: on its level, or on a finer one. Between epochs only."""
    while ladder.options.strategy == "nested" and run.place < ladder.last and not run.batch:
        run, leaves = _tried(ladder, run)
        if not leaves:
            return run
        run = _raised(ladder, run)
    return run


def _tried(ladder: Ladder, run: Run) -> tuple[Run, bool]:
    """The run with the work of a trial, where one was due, and whether it leaves its level."""
    stay, share = run.stay, (run.place + 1) / len(ladder.names)
    if run.stopped or exhausted(ladder, run) or run.work >= share * ladder.budget:
        return run, True
    here, there = ladder.job(run.place), ladder.job(run.place + 1)
    size = min(SAMPLE, len(here.training))
    cost = here.flops(size) + there.flops(size)
    if run.work - stay.tried < max(cost / TRIALS, SPACING * ladder.budget):
        return run, False
    began = time.perf_counter()
    loss, steepness = _measured(here, run.vector, size)
    finer, finer_steepness = _measured(there, ladder.transfer(run.place)(run.vector), size)
    run = run.working(cost)
    seconds = run.seconds + time.perf_counter() - began
    found = replace(run, seconds=seconds, stay=replace(stay, tried=run.work, loss=loss, finer=finer))
    if stay.loss is None or stay.finer is None:
        return found, False
    ratio = math.inf if steepness == 0 else finer_steepness / steepness
    gain, gained = max(stay.loss - loss, 0.0), stay.finer - finer
    return found, gained <= 0 or gained < gain * ratio * here.epoch / there.epoch


def _measured(job: Job, vector: np.ndarray, size: int) -> tuple[float, float]:
    """The loss of a sample of the training records, and the length of its gradient in L2."""
    value, gradient = job.model.objective(_sample(job.training, size), vector)
    return value, math.sqrt(optimisers.inner(gradient, gradient))


def _sample(training: Prepared, size: int) -> Prepared:
    if size == len(training):
        return training
    return training.take(np.linspace(0, len(training) - 1, size).round().astype(int))


def _raised(ladder: Ladder, run: Run) -> Run:
    """The run on the next finer level: fields, their average and the optimiser projected there."""
    assert not isinstance(run.optimiser, Cycle)
    transfer, place = ladder.transfer(run.place), run.place + 1
    vector = run.best if exhausted(ladder, run) and run.best is not None else run.vector
    stay = Stay(run.work, run.epoch, run.work)
    return replace(
        run,
        place=place,
        stay=stay,
        optimiser=run.optimiser.moved(transfer, plan_of(ladder, place, stay)),
        vector=transfer(vector),
        average=None if run.average is None else transfer(run.average),
        best=None,
        best_loss=None,
        stale=0,
        stopped="",
    )
