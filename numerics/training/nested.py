"""Nested iteration: from level to level, each left when it no longer makes a better start for the next one.

What a level is worth to the next one is found by trial, from time to time: its fields and its optimiser move there and
take a few steps on a sample of the training records. The loss R that is left after them is what L⁺, the loss on the
next level with its solver, keeps of the discretisation error |L⁺ − L| once the next level has gained what it gains at
once. (L⁺ alone says little: where a coarse solver is far from the fine one it stays high while the fields learn what a
few steps on the next level bring to light.) A level is left when training on it lowers R too little for its work: at
less than the pace that over the whole budget would divide it by exp(PACE).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from derive.errors import TrainingError
from numerics.training import optimisers
from numerics.training.job import Job
from numerics.training.ladder import Ladder
from numerics.training.multigrid import Cycle
from numerics.training.objective import Counted
from numerics.training.state import Run, Stay, exhausted, plan_of

STEPS = 8  # of a trial on the next level
FEWEST, MOST = 16, 128  # records of a trial, spread over all of them
COST = 0.002  # of the budget: what a trial takes where so few records will do
TRIALS = 0.2  # of the work on coarse levels, at most, is spent on trials; where one costs more there are none
PACE = 4.0


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
    stay, most = run.stay, (run.place + 1) / len(ladder.names) * ladder.budget
    if run.stopped or exhausted(ladder, run) or run.work >= most:
        return run, True
    since, there = run.work - stay.tried, ladder.job(run.place + 1)
    size = _size(there, COST * ladder.budget)
    least = there.flops(STEPS * size, STEPS) / TRIALS
    if least > ladder.budget / len(ladder.names) or since < least:
        return run, False
    began = time.perf_counter()
    rest, flops = _rest(ladder, run, size)
    run = replace(run.working(flops), seconds=run.seconds + time.perf_counter() - began)
    if rest is None or stay.rest is None:
        return replace(run, stay=replace(stay, tried=run.work, rest=stay.rest if rest is None else rest)), False
    slow = stay.rest - rest < PACE * since / ladder.budget * abs(rest)
    return replace(run, stay=replace(stay, tried=run.work, rest=min(rest, stay.rest))), slow


def _size(there: Job, cost: float) -> int:
    """How many records a trial takes that should cost so much."""
    affordable = int(cost / STEPS / (there.flops(len(there.training)) / len(there.training)))
    return min(len(there.training), MOST, max(FEWEST, affordable))


def _rest(ladder: Ladder, run: Run, size: int) -> tuple[float | None, int]:
    """What is left of the loss after a few steps on the next level, None where they fail; and their work."""
    there = ladder.job(run.place + 1)
    chosen = np.linspace(0, len(there.training) - 1, size).round().astype(int)
    objective = Counted(there, there.training.take(chosen))
    moved = _raised(ladder, run)
    state, vector = moved.optimiser, moved.vector
    assert not isinstance(state, Cycle)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(STEPS):
                state, vector, info = optimisers.step(state, objective, vector)
                if info.stop:
                    break
            rest = objective(vector)[0]
    except TrainingError:  # a blow-up there; on the level itself nothing is wrong
        return None, objective.flops
    return rest if math.isfinite(rest) else None, objective.flops


def _raised(ladder: Ladder, run: Run) -> Run:
    """The run on the next finer level: fields, their average and the optimiser projected there."""
    assert not isinstance(run.optimiser, Cycle)
    transfer, place = ladder.transfer(run.place), run.place + 1
    best = run.best if exhausted(ladder, run) else None
    vector, average = (run.vector, run.average) if best is None else (best, best)
    stay = Stay(run.work, run.epoch, run.work)
    return replace(
        run,
        place=place,
        stay=stay,
        optimiser=run.optimiser.moved(transfer, plan_of(ladder, place, stay)),
        vector=transfer(vector),
        average=None if run.average is None or average is None else transfer(average),
        best=None,
        best_loss=None,
        stale=0,
        stopped="",
    )
