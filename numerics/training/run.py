"""Training: epochs, batches, early stopping, and runs that go on after an interruption with the same bits.

A run is a chain of frozen values, one a batch; whatever the next batch depends on is in the value, and the value is
in the model file. Orders of records are drawn from PCG64 seeded with (seed, epoch), so these two are its state.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import CheckpointError, DataError, TrainingError
from derive.spec import OPTIMISERS, SCHEDULES
from numerics.checks import instance
from numerics.datasets import Records, labels, records
from numerics.datasets.sampling import Augmentation
from numerics.kernels import stability
from numerics.kernels import threads as device
from numerics.model import checkpoint
from numerics.model.checkpoint import save
from numerics.model.continuum import Continuum, Prepared
from numerics.training import optimisers

__all__ = ["Options", "fit", "save", "split"]

WHOLE = ("epochs", "batch", "patience", "seed")
REAL = ("learning_rate", "clip", "averaging", "validation", "weight_decay", "thin", "jitter", "warp")
AUGMENTING = 1 << 32

Row = dict[str, Any]
Callback = Callable[[Continuum, Row], Any]
Augment = Callable[[Records, np.random.Generator], Records]


@dataclass(frozen=True)
class Options:
    """What decides a run, beside the data: a run is only resumed with equal options. batch: None is all records."""

    epochs: int
    optimiser: str
    learning_rate: float
    schedule: str
    clip: float | None
    averaging: float
    batch: int | None
    validation: float
    patience: int | None
    seed: int
    weight_decay: float
    thin: float
    jitter: float
    warp: float

    @property
    def augmentation(self) -> Augmentation:
        return Augmentation(self.thin, self.jitter, self.warp)


@dataclass(frozen=True, eq=False)
class Job:
    """What stays fixed during a run. data: the sha256 of the records; held: those for validation, if any.

    original: the training records as they were given, where every epoch changes them.  augment: the user's change.
    """

    model: Continuum
    options: Options
    data: str
    classes: tuple[labels.Label, ...]
    training: Prepared
    held: Prepared | None
    original: Records | None = None
    augment: Augment | None = None

    def seen(self, epoch: int) -> Prepared:
        """The training records as an epoch sees them."""
        if self.original is None:
            return self.training
        generator = _generator(self.options.seed, AUGMENTING + epoch)
        data = self.original
        if self.augment is not None:
            data = _augmented(self.augment, data, generator)
        if self.options.augmentation:
            data = data if self.model.spec.functional else data.as_functions()
            data = self.options.augmentation(data, self.model.sample_points(data), generator)
        found = replace(self.model.prepare(data), rows=self.training.rows)
        known = self.training.labels
        if known is None or found.labels is None or not np.array_equal(known, found.labels):
            return found
        return replace(found, targets=self.training.targets)  # with weights by all records, those held out too

    @property
    def batches(self) -> int:
        size = self.options.batch or len(self.training)
        return -(-len(self.training) // size)


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


def fit(
    model: Continuum,
    x: Any,
    y: Any = None,
    xi: Any = None,
    *,
    epochs: int | None = None,
    optimiser: str | None = None,
    learning_rate: float | None = None,
    schedule: str | None = None,
    clip: float | None = None,
    averaging: float | None = None,
    batch: int | None = None,
    validation: float | None = None,
    patience: int | None = None,
    seed: int | None = None,
    weight_decay: float | None = None,
    thin: float | None = None,
    jitter: float | None = None,
    warp: float | None = None,
    augment: Augment | None = None,
    callback: Callback | None = None,
    out: str | Path | None = None,
    save_every: float = 10.0,
    resume: bool = False,
    progress: bool = False,
) -> Continuum:
    """The model trained on records: x, y and perhaps their points xi, or a Records as x.

    Options left out are those of the spec's [training]. batch: records a step; validation: the share of records
    held out, class by class, the model with the least loss on them being the one that is returned; patience:
    epochs without improvement there before stopping. callback(model, row) is called after every epoch and may
    return True to stop. schedule: of Adam's rate over the planned steps, "cosine", "constant", "one-cycle" or "steps",
    see ``numerics.training.optimisers.rate``. clip: the L2 norm to which longer gradients, of all fields together, are
    shortened. averaging: d of the mean Σ_k d^k c_k / Σ_k d^k of the fields k steps ago, which is what is validated and
    returned; 0 for the last ones. weight_decay: of Adam, λ of every step's c ← (1 − rate · λ) c, in all fields. thin,
    jitter, warp: sample the training records anew in every epoch, see ``numerics.datasets.sampling.Augmentation``.
    augment(records, generator): as many records in place of the training records, anew in every epoch and before they
    are sampled: their images under a symmetry of the law that they follow (Brandstetter et al. 2022), for one. A row
    holds level, epoch, loss (mean over the epoch, each batch's before its step), seconds and, with a split, validation.

    out: a file that is written at the end and, in between, at most every ``save_every`` seconds.
    resume: go on with the run in ``out`` (if there is none, the model's own) as if it had never stopped; options left
    out are then that run's, but for ``augment``: no file holds a function.

    Raises DataError; TrainingError for options that cannot work and numbers that are not finite (``out`` then keeps
    the last good state); CheckpointError when ``out`` cannot be written, or holds a run with other data or options.
    Ctrl-C saves, then raises KeyboardInterrupt with a message.
    """
    if not hasattr(model, "objective"):  # whatever has the face of a continuum can be trained
        instance(model, Continuum, "give a model, as numerics.load reads it")
    _check_ways(augment, callback, out, save_every)
    given = {
        "epochs": epochs, "optimiser": optimiser, "learning_rate": learning_rate, "schedule": schedule,
        "clip": clip, "averaging": averaging, "batch": batch, "validation": validation, "patience": patience,
        "seed": seed, "weight_decay": weight_decay, "thin": thin, "jitter": jitter, "warp": warp,
    }  # fmt: skip
    source = _source(model, out) if resume else None
    if source is not None:  # options left out are the run's own
        past = (source.training or {}).get("options", {})
        given = {name: past.get(name) if value is None else value for name, value in given.items()}
    job = _job(model, records(x, xi, y), given, augment)
    run = _first(job) if source is None else _resumed(job, source, str(out or ""))
    keep = Saver(job, out, save_every)
    if job.options.optimiser in optimisers.REMARKS:
        print(optimisers.REMARKS[job.options.optimiser], file=sys.stderr)
    try:
        with device.serial_blas(), _watch(progress, job, run) as show:
            while not _finished(job, run):
                steps = _steps(job, run)
                for run in steps:
                    keep(run)
                run = _closed(job, run)
                row = run.history[-1]
                show(row)
                if callback is not None and callback(_trained(job, run), row):
                    break
    except KeyboardInterrupt:
        keep(run, now=True)
        where = f"saved to {out}, where resuming goes on" if out else "nothing was saved: no `out` was given"
        raise KeyboardInterrupt(f"interrupted in epoch {run.epoch + 1}; {where}") from None
    keep(run, now=True)
    return _trained(job, run)


# --- a run --------------------------------------------------------------------------------------------------


def _first(job: Job) -> Run:
    vector = job.model.coordinates
    return Run(_optimiser(job), vector, job.model.history, average=vector if job.options.averaging else None)


def _optimiser(job: Job) -> optimisers.State:
    options = job.options
    steps = options.epochs * job.batches
    return optimisers.start(
        options.optimiser, job.model.blocks, options.learning_rate, steps, options.weight_decay, options.schedule
    )


def _finished(job: Job, run: Run) -> bool:
    patience = job.options.patience
    return run.epoch >= job.options.epochs or run.stopped != "" or (patience is not None and run.stale >= patience)


def _steps(job: Job, run: Run) -> Iterator[Run]:
    """The run after each of the batches that are left of its epoch."""
    count = len(job.training)
    size = job.options.batch or count
    order = _generator(job.options.seed, 1 + run.epoch).permutation(count)
    seen = job.seen(run.epoch)
    for index in range(run.batch, job.batches):
        part = seen.take(order[index * size : (index + 1) * size]) if job.batches > 1 else seen
        began = time.perf_counter()
        state, vector, info = _step(job, run, part)
        run = replace(
            run,
            optimiser=state,
            vector=vector,
            average=_averaged(job, run, vector),
            batch=index + 1,
            total=run.total + info.value * len(part),
            seconds=run.seconds + time.perf_counter() - began,
            stopped=info.stop,
        )
        yield run


def _averaged(job: Job, run: Run, vector: np.ndarray) -> np.ndarray | None:
    """The average with one more step's coordinates: weights (1 − d) d^k / (1 − d^t), k steps ago, which sum to one."""
    if run.average is None:
        return None
    decay, steps = job.options.averaging, run.epoch * job.batches + run.batch + 1
    share = (1 - decay) / (1 - decay**steps)
    return (1 - share) * run.average + share * vector


def _step(job: Job, run: Run, part: Prepared) -> tuple[optimisers.State, np.ndarray, optimisers.Info]:
    clip = job.options.clip

    def objective(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = job.model.objective(part, vector)
        return value, gradient if clip is None else optimisers.clipped(gradient, clip)

    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found, and refused with its place
            return optimisers.step(run.optimiser, objective, run.vector)
    except TrainingError as error:
        where = f"epoch {run.epoch + 1}, batch {run.batch + 1} of {job.batches}"
        found = stability.diagnose(job.model.with_coordinates(run.vector), part.states, part.rows)
        if found is not None:
            raise stability.explained(found, error.given, where) from error
        named = stability.undifferentiable(job.model.with_coordinates(run.vector), part, error.given, where)
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
    }
    run = replace(run, epoch=run.epoch + 1, batch=0, total=0.0, seconds=0.0)
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
            named = stability.undifferentiable(model, job.held, given, where)
            raise named or stability.error(model, job.held.states, given, where, job.held.rows)
        row |= {f"validation {name}": score for name, score in scores.items() if name != "loss"}
        row["validation"] = loss
        if run.best_loss is None or loss < run.best_loss:
            run = replace(run, best=run.present, best_loss=loss, stale=0)
        else:
            run = replace(run, stale=run.stale + 1)
    return replace(run, history=(*run.history, row))


def _trained(job: Job, run: Run) -> Continuum:
    """The model as it stands: the best so far on the validation records, or without these the present one."""
    coordinates = run.present if run.best is None else run.best
    changes = {"history": run.history, "training": _to_training(job, run), "classes": job.classes}
    return job.model.with_coordinates(coordinates, **changes)


# --- stopping and resuming ----------------------------------------------------------------------------------


def _to_training(job: Job, run: Run) -> dict[str, Any]:
    """Everything that resuming needs: JSON-able values, and arrays (which model files keep as entries)."""
    arrays = {f"optimiser/{name}": array for name, array in run.optimiser.to_arrays().items()}
    arrays |= {name: a for name, a in (("average", run.average), ("best", run.best)) if a is not None}
    names = ("epoch", "batch", "total", "seconds", "best_loss", "stale", "stopped")
    scalars = {name: getattr(run, name) for name in names}
    fixed = {"options": asdict(job.options), "augment": _function_name(job.augment), "data": job.data}
    return fixed | scalars | {"vector": run.vector} | arrays


def _source(model: Continuum, out: str | Path | None) -> Continuum:
    """The model whose run is to be resumed: the one that ``out`` holds, or else the given one."""
    return checkpoint.load(out) if out is not None and Path(out).exists() else model


def _resumed(job: Job, source: Continuum, where: str) -> Run:
    """The run that a model holds. Raises CheckpointError for none, or for another run."""
    if source.training is None:
        raise CheckpointError(
            "no run to resume", "a file, or a model, that `fit` wrote",
            "the run was stopped before its first save, or the model was moved to another level since",
            "start without resuming", where,
        )  # fmt: skip
    _check_same(job, source, where)
    stored = source.training
    prefix = "optimiser/"
    try:
        state = {key.removeprefix(prefix): a for key, a in stored.items() if key.startswith(prefix)}
        run = Run(
            optimiser=_optimiser(job).from_arrays(state),
            vector=stored["vector"],
            history=source.history,
            epoch=stored["epoch"],
            batch=stored["batch"],
            total=stored["total"],
            seconds=stored["seconds"],
            average=stored["average"] if job.options.averaging else None,
            best=stored.get("best"),
            best_loss=stored["best_loss"],
            stale=stored["stale"],
            stopped=stored["stopped"],
        )
    except KeyError as error:
        raise CheckpointError(
            f"a run without {error}", "what `fit` writes", "another version wrote it", "start without resuming", where
        ) from error
    for coordinates in (run.vector, run.present):
        if coordinates.shape != (job.model.size,):
            raise CheckpointError(
                f"{coordinates.size} coordinates", f"{job.model.size}, as the spec has coefficients",
                "the file was put together by hand", "start without resuming", where,
            )  # fmt: skip
    return run


def _check_same(job: Job, source: Continuum, where: str) -> None:
    stored = source.training or {}
    past, present = stored.get("options", {}), asdict(job.options)
    differences = [
        f"{name}: {past.get(name)} then, {value} now" for name, value in present.items() if past.get(name) != value
    ]
    if source.base != job.model.base or source.level != job.model.level:
        differences.append("the spec or its level")
    if stored.get("augment") != (name := _function_name(job.augment)):
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

    def __init__(self, job: Job, out: str | Path | None, every: float) -> None:
        self.job, self.out, self.every = job, out, every
        self.last = time.monotonic()
        if out is not None:
            checkpoint.check_writable(out)  # now, rather than after the training

    def __call__(self, run: Run, now: bool = False) -> None:
        if self.out is not None and (now or time.monotonic() - self.last >= self.every):
            save(_trained(self.job, run), self.out)
            self.last = time.monotonic()


# --- data and options ---------------------------------------------------------------------------------------


def _job(model: Continuum, data: Records, given: dict[str, Any], augment: Augment | None) -> Job:
    if data.y is None:
        raise DataError("records without targets", "y", "y was left out", "give y, or records that hold it")
    defaults = model.spec.training
    options = _options({name: getattr(defaults, name) if v is None else v for name, v in given.items()})
    prepared = model.prepare(data)
    kept, held = split(len(prepared), prepared.labels, options.validation, options.seed)
    training = prepared.take(kept) if len(held) else prepared
    if not model.classes and prepared.labels is not None and hasattr(model, "names"):
        found = labels.learned(data.y, data.classes, model.spec.outputs or 0, bool(model.history))
        model = model.replace(classes=found) if found else model
    if options.augmentation and model.spec.interpolant == "constant":
        raise TrainingError(
            "thin, jitter or warp with piecewise-constant records", 'input.interpolant "linear" or "least-squares"',
            "cells have no points that could be left out", "change the interpolant, or train without them",
        )  # fmt: skip
    original = data.take(kept) if options.augmentation or augment is not None else None
    validating = prepared.take(held) if len(held) else None
    job = Job(model, options, digest(data), model.classes, training, validating, original, augment)
    if options.optimiser in optimisers.WHOLE_DATA and job.batches > 1:
        raise TrainingError(
            f"{options.optimiser} with batches of {options.batch} records", "all records in every step",
            "its curvature pairs compare gradients, which must be of one loss", "leave batch out, or use adam",
        )  # fmt: skip
    return job


def _augmented(augment: Augment, data: Records, generator: np.random.Generator) -> Records:
    """What the user's function makes of the records. Raises DataError for what cannot stand in their place."""
    found = augment(data, generator)
    if not isinstance(found, Records) or len(found) != len(data) or found.y is None:
        raise DataError(
            f"augment returned {found!r}", f"{len(data)} records with targets", "a tuple of arrays, or other records",
            "return numerics.records(x, xi, y), a record in place of each",
        )  # fmt: skip
    if found.classes or not data.classes or found.y.dtype.kind not in "iu" or found.y.size != len(data):
        return found
    # Whole numbers without names count the classes as in the records that the function was given.
    y = found.y.ravel()
    if y.min() < 0 or y.max() >= len(data.classes):
        raise DataError(
            f"augment returned classes from {y.min()} to {y.max()}",
            f"whole numbers from 0 to {len(data.classes) - 1}, positions in the classes of its records, or names",
            "classes that are counted from 1, or numbers that are names", "return the y that it was given, or texts",
        )  # fmt: skip
    return replace(found, y=y.astype(np.int64), classes=data.classes)


def _function_name(function: Augment | None) -> str | None:
    """A function's name, which files can hold."""
    if function is None:
        return None
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _check_ways(augment: Any, callback: Any, out: Any, save_every: Any) -> None:
    """The functions, the path and the seconds that ``fit`` is given. Raises TrainingError."""
    seconds = isinstance(save_every, Real) and float(save_every) >= 0
    wrong = [
        (augment is not None and not callable(augment), f"augment {augment!r}", "a function of records, a generator"),
        (callback is not None and not callable(callback), f"callback {callback!r}", "a function of a model and a row"),
        (out is not None and not isinstance(out, str | os.PathLike), f"out {out!r}", "a path"),
        (not seconds, f"save_every {save_every!r}", "seconds, 0 or more"),
    ]
    for bad, given, allowed in wrong:
        if bad:
            raise TrainingError(given, allowed, "arguments in another order", "change it, or leave it out")


def _options(given: Mapping[str, Any]) -> Options:
    """Options as plain numbers, which files can hold. Raises TrainingError for what cannot work."""
    plain = dict(given)
    for name in (*WHOLE, *REAL):
        real = name in REAL
        kind: Any = Real if real else Integral
        value = given[name]
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            allowed = "a number" if real else "a whole number"
            fix = f"give {name} as {allowed}, without quotes"
            raise TrainingError(f"{name} {value!r}", allowed, "quotes, a fraction or a truth value", fix)
        plain[name] = float(value) if real else int(value)
    options = Options(**plain)
    named, known = (
        isinstance(value, str) and value in allowed
        for value, allowed in ((options.optimiser, OPTIMISERS), (options.schedule, SCHEDULES))
    )
    adam = named and options.optimiser.startswith("adam")
    wrong = [
        (options.epochs < 0, f"epochs {options.epochs}", "0 or more"),
        (not named, f"optimiser {options.optimiser!r}", ", ".join(OPTIMISERS)),
        (not 0 < options.learning_rate < math.inf, f"learning_rate {options.learning_rate}", "a positive number"),
        (not known, f"schedule {options.schedule!r}", ", ".join(SCHEDULES)),
        (options.schedule != "cosine" and not adam, f"schedule {options.schedule!r} with {options.optimiser}",
         "adam; gradient-descent keeps its rate, and lbfgs searches along a line"),
        (options.clip is not None and not 0 < options.clip < math.inf, f"clip {options.clip}", "a positive number"),
        (options.clip is not None and options.optimiser == "lbfgs", "clip with lbfgs",
         "adam or gradient-descent; the line search of lbfgs bounds its steps"),
        (not 0 <= options.averaging < 1, f"averaging {options.averaging}", "a decay from 0 to below 1, such as 0.99"),
        (options.batch is not None and options.batch < 1, f"batch {options.batch}", "1 or more records"),
        (not 0 <= options.validation < 1, f"validation {options.validation}", "a share from 0 to below 1"),
        (options.patience is not None and options.patience < 1, f"patience {options.patience}", "1 or more epochs"),
        (options.patience is not None and options.validation == 0, "patience without validation", "validation > 0"),
        (options.seed < 0, f"seed {options.seed}", "0 or more"),
        (not 0 <= options.weight_decay < math.inf, f"weight_decay {options.weight_decay}", "0 or more"),
        (options.weight_decay > 0 and not adam,
         f"weight_decay with {options.optimiser}", "adam; elsewhere a penalty of the loss"),
        (not 0 < options.thin <= 1, f"thin {options.thin}", "a share above 0, at most 1"),
        (not 0 <= options.jitter < math.inf, f"jitter {options.jitter}", "0 or more standard deviations"),
        (not 0 <= options.warp < 1, f"warp {options.warp}", "0 to below 1"),
    ]
    for bad, found, allowed in wrong:
        if bad:
            raise TrainingError(found, allowed, "an option of `fit`, or of the spec's [training]", "change it")
    return options


def split(count: int, labels: np.ndarray | None, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held out), both ascending; of each class the given share, and never all of it.

    labels: (count,) classes, or None for records of one kind. Whole records left over by rounding go to the classes
    with the largest remainders. Raises TrainingError if nothing would be held out of a positive share.
    """
    if not 0 <= share < 1 or (labels is not None and labels.shape != (count,)):
        shape = None if labels is None else labels.shape
        raise TrainingError(
            f"a share of {share} of {count} records, labels of shape {shape}", "0 to below 1, and a label a record",
            "a percentage, or labels of other records", "give validation = 0.2 and every record's label",
        )  # fmt: skip
    if share == 0:
        return np.arange(count), np.arange(0)
    generator = _generator(seed, 0)
    kinds = np.zeros(count, dtype=np.int64) if labels is None else labels
    members = [generator.permutation(np.flatnonzero(kinds == kind)) for kind in np.unique(kinds)]
    quotas = np.array([share * len(indices) for indices in members])
    most = np.array([len(indices) - 1 for indices in members])
    taken = np.minimum(np.floor(quotas).astype(np.int64), most)
    for kind in np.argsort(taken - quotas, kind="stable"):
        if taken.sum() < round(share * count) and taken[kind] < most[kind]:
            taken[kind] += 1
    if taken.sum() == 0:
        raise TrainingError(
            f"validation {share} of {count} records", "a share that holds out a record and keeps one of each class",
            "too few records", "raise validation, or set it to 0",
        )  # fmt: skip
    held = np.sort(np.concatenate([indices[:n] for indices, n in zip(members, taken)]))
    return np.setdiff1d(np.arange(count), held), held


def _generator(seed: int, stream: int) -> np.random.Generator:
    """Stream 0 splits the records, 1 + e orders them in epoch e, AUGMENTING + e samples them anew."""
    return np.random.Generator(np.random.PCG64([seed, stream]))


def digest(data: Records) -> str:
    """The sha256 of records: their samples, points and targets, whatever type of number these came in."""
    found = hashlib.sha256()
    for array in (data.x, data.offsets, data.xi, data.y):
        content = np.array([] if array is None else array)
        if content.dtype.kind in "biu":
            content = content.astype(np.int64)
        elif content.dtype.kind == "f":
            content = content.astype(np.float64)
        found.update(f"{content.dtype.str}{content.shape}".encode() + content.tobytes())
    return found.hexdigest()


# --- progress -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _watch(progress: bool, job: Job, run: Run) -> Iterator[Callable[[Row], None]]:
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
