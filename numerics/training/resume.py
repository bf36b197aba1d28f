"""Runs in files: what is stored, when, and how a run goes on with the same bits."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from derive.errors import CheckpointError
from derive.spec import Training
from numerics.model import checkpoint, file_format
from numerics.model.checkpoint import save
from numerics.model.continuum import Continuum
from numerics.training import options
from numerics.training.ladder import Ladder
from numerics.training.state import Run, Stay, optimiser_of, trained

DEFAULTS = asdict(Training())  # of options that a stored run does not name


def source_of(model: Continuum, out: str | Path | None) -> Continuum:
    """The model whose run is to be resumed: the one that ``out`` holds, or else the given one."""
    return checkpoint.load(out) if out is not None and Path(out).exists() else model


def past_options(source: Continuum) -> dict[str, Any]:
    """All options of the run that a model holds; none where it holds no run."""
    return {} if source.training is None else {**DEFAULTS, **source.training.get("options", {})}


def resumed(ladder: Ladder, source: Continuum, where: str) -> Run:
    """The run that a model holds. Raises CheckpointError for none, or for another run."""
    if source.training is None:
        raise CheckpointError(
            "no run to resume", "a file, or a model, that `fit` wrote",
            "the run was stopped before its first save, or the model was moved to another level since",
            "start without resuming", where,
        )  # fmt: skip
    _check_same(ladder, source, where)
    stored, place = source.training, ladder.names.index(source.level or "base")
    prefix = "optimiser/"
    try:
        begun = asdict(Stay())
        stay = Stay(**{name: stored.get("stay", begun)[name] for name in begun})
        state = {key.removeprefix(prefix): a for key, a in stored.items() if key.startswith(prefix)}
        run = Run(
            optimiser=optimiser_of(ladder, place, stay).from_arrays(state),
            vector=stored["vector"],
            history=source.history,
            place=place,
            epoch=stored["epoch"],
            batch=stored["batch"],
            total=stored["total"],
            seconds=stored["seconds"],
            average=stored["average"] if ladder.options.averaging else None,
            best=stored.get("best"),
            best_loss=stored["best_loss"],
            stale=stored["stale"],
            stopped=stored["stopped"],
            flops=stored.get("flops", 0),
            work=stored.get("work", 0),
            stay=stay,
            facts=stored.get("facts", {}),
        )
    except KeyError as error:
        raise CheckpointError(
            f"a run without {error}", "what `fit` writes", "another version wrote it", "start without resuming", where
        ) from error
    for coordinates in (run.vector, run.present):
        if coordinates.shape != (size := ladder.job(place).model.size,):
            raise CheckpointError(
                f"{coordinates.size} coordinates", f"{size}, as the spec has coefficients",
                "the file was put together by hand", "start without resuming", where,
            )  # fmt: skip
    return run


def _check_same(ladder: Ladder, source: Continuum, where: str) -> None:
    stored, job = source.training or {}, ladder.job(ladder.start)
    past, present = past_options(source), {**DEFAULTS, **options.stored(job.options)}
    differences = [f"{name}: {past[name]} then, {value} now" for name, value in present.items() if past[name] != value]
    if source.base != job.model.base or (source.level or "base") not in ladder.names:
        differences.append("the spec or its level")
    if stored.get("augment") != (name := job.augment_name):
        differences.append(f"augment: {stored.get('augment')} then, {name} now")
    if stored.get("data") != job.data:
        differences.append("the records")
    if differences:
        raise CheckpointError(
            f"another run ({'; '.join(differences)})", "the spec, the records and the options that it was started with",
            "something changed since; a finished run is not prolonged, its learning rate has decayed",
            "restore them, or train the model itself on: `continua fit MODEL`, fit(load(MODEL), …)", where,
        )  # fmt: skip


class Saver:
    """Writes a run to its file, at most every so many seconds."""

    def __init__(self, ladder: Ladder, out: str | Path | None, every: float) -> None:
        self.ladder, self.out, self.every = ladder, out, every
        self.last = time.monotonic()
        if out is not None:
            file_format.check_writable(out)  # now, rather than after the training

    def __call__(self, run: Run, now: bool = False) -> None:
        if self.out is not None and (now or time.monotonic() - self.last >= self.every):
            save(trained(self.ladder, run), self.out)
            self.last = time.monotonic()
