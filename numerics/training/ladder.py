"""The levels of a run, from coarse to fine: a job for each, and what its steps cost of all that the run may spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from derive.errors import TrainingError, advice
from derive.spec import Spec, Training
from numerics.datasets import Source
from numerics.levels.coordinates import Transfer
from numerics.levels.projection import moved
from numerics.model.continuum import Continuum
from numerics.representation import find
from numerics.training.job import Augment, Job, chosen, flops, job_of, on_level
from numerics.training.multigrid import CYCLES


class Ladder:
    """The levels of a strategy. names: from coarse to fine; start: the place of the level where a run begins.

    Without a strategy there is one level, the model's own. Jobs are made when a run first comes to their level: records
    are projected there.
    """

    def __init__(self, names: tuple[str, ...], start: int, job: Job, data: Source) -> None:
        self.names, self.start, self.data, self.client = names, start, data, None
        self._jobs, self._transfers = {start: job}, dict[int, Transfer]()

    @classmethod
    def of(
        cls, model: Continuum, data: Source, given: Mapping[str, Any], augment: Augment | None
    ) -> Ladder:
        """The ladder of training a model on records. Raises DataError and TrainingError."""
        options = chosen(model, given)
        if options.strategy in CYCLES and options.clip is not None:
            raise TrainingError(
                f"clip {options.clip:g} with strategy {options.strategy!r}", "one of the two",
                "levels correct each other by whole gradients, and a line search bounds the corrections",
                "leave clip out",
            )  # fmt: skip
        names, own = names_of(model, options), model.level or "base"
        start = names.index(own) if options.strategy == "direct" else _start(model, names, options)
        if options.strategy != "direct":
            model = moved(model, names[start])
        return cls(names, start, job_of(model, data, options, augment), data)

    @property
    def options(self) -> Training:
        """What is the same on all levels."""
        return self._jobs[self.start].options

    @property
    def last(self) -> int:
        """The place of the finest level."""
        return len(self.names) - 1

    def job(self, place: int) -> Job:
        """The job on a level."""
        if place not in self._jobs:
            made = on_level(self._jobs[self.start], self.names[place], self.data)
            self._jobs[place] = made.spread_over(self.client)
        return self._jobs[place]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Those that the run has come to."""
        return tuple(self._jobs.values())

    def at_work(self, place: int) -> list[Job]:
        """The jobs of the levels that take part where a run is on one, which is the last: of a cycle all."""
        return [self.job(k) for k in range(0 if self.cycles else place, place + 1)]

    @property
    def cycles(self) -> bool:
        """Whether all levels take part in every step."""
        return self.options.strategy in CYCLES

    def spread_over(self, client: Any) -> None:
        """The workers of a cluster compute gradients, if there is a client. Raises TrainingError."""
        self.client = client
        self._jobs = {place: job.spread_over(client) for place, job in self._jobs.items()}

    def done(self) -> None:
        """Nothing of the run is needed on a cluster any more."""
        for job in self.jobs:
            job.done()

    def transfer(self, place: int) -> Transfer:
        """From a level to the next finer one."""
        if place not in self._transfers:
            self._transfers[place] = Transfer.between(self.job(place).model, self.job(place + 1).model)
        return self._transfers[place]

    @property
    def epoch_flops(self) -> int:
        """The work of an epoch on the finest level, in floating-point operations; nothing is prepared there."""
        job, name = self._jobs[self.start], self.names[self.last]
        base = job.model.base
        found = find.representation(base if name == "base" else base.level(name), base)
        return flops(found.flops, len(job.training), job.batches)

    @property
    def budget(self) -> int:
        """The work of all epochs."""
        return self.options.epochs * self.epoch_flops


def names_of(model: Continuum, options: Training) -> tuple[str, ...]:
    """The levels of a strategy, from coarse to fine. Raises TrainingError for those that there are not."""
    if options.strategy == "direct" and not options.strategy_levels:
        return (model.level or "base",)
    known = ("base", *(name for name, _ in model.base.levels))
    for name in options.strategy_levels or ():
        if name not in known:
            raise TrainingError(
                f"the level {name!r} of a strategy", ", ".join(known),
                *advice(name, known, "a level that the spec does not declare", "declare it, or leave it out"),
            )  # fmt: skip
    if options.strategy == "direct":
        return (model.level or "base",)
    if len(known) == 1:
        raise TrainingError(
            f"strategy {options.strategy!r} without levels", "a spec with levels, from coarse to fine",
            "[levels] is missing", 'declare levels, or use strategy = "direct"',
        )  # fmt: skip
    return _finer_and_finer(model.base, options.strategy_levels or known, options.strategy_levels is not None)


def _finer_and_finer(base: Spec, names: tuple[str, ...], wanted: bool) -> tuple[str, ...]:
    """The names without levels that take less work than one before them, such as one to project to in the end.

    Raises TrainingError for these where they are wanted.
    """
    found, most = [], 0
    for name in names:
        work = sum(find.representation(base if name == "base" else base.level(name), base).flops)
        if work >= most:
            found.append(name)
            most = work
        elif wanted:
            raise TrainingError(
                f"strategy_levels {', '.join(names)}", "levels from coarse to fine",
                f"a step on {name} takes less work than one on {found[-1]}", f"leave {name} out, or put it first",
            )  # fmt: skip
    if len(found) == 1:
        raise TrainingError(
            f"levels of which none takes more work than {found[0]}", "a level that is finer", "the spec declares "
            "levels to project to alone", 'declare one, or use strategy = "direct"',
        )  # fmt: skip
    return tuple(found)


def _start(model: Continuum, names: tuple[str, ...], options: Training) -> int:
    """Where a strategy begins: cycles on the finest level, a trained model on its own, any other on the coarsest.

    Raises TrainingError for a trained model on none of the levels.
    """
    if options.strategy in CYCLES:
        return len(names) - 1
    own = model.level or "base"
    if model.history and own not in names:
        raise TrainingError(
            f"a model that was trained on {own}, and a strategy on {', '.join(names)}", "a strategy with that level",
            "it would lose what it has learned beyond the first of these", f"write {own} into strategy_levels, or "
            f"project to {names[0]} first",
        )  # fmt: skip
    return names.index(own) if model.history else 0
