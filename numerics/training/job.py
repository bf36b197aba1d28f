"""What stays fixed while a run is on a level: the model, the options, and the records as every epoch sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from derive.errors import DataError, TrainingError
from derive.spec import OPTIONS, Training
from numerics.datasets import Records, Source, labels
from numerics.kernels import cluster
from numerics.levels.projection import moved
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared, alternating
from numerics.model.units import learned
from numerics.training import optimisers
from numerics.training.comparison import baselines
from numerics.training.options import augmentation, options_of
from numerics.training.split import AUGMENTING, generator_of, split

Augment = Callable[[Records, np.random.Generator], Records]


@dataclass(frozen=True, eq=False)
class Job:
    """What stays fixed on a level. data: the sha256 of the records; held: those for validation, if any.

    original: the training records as they were given, where every epoch changes them.  augment: the user's change.
    bound: the tables on the workers of a cluster, where these compute the gradients.
    """

    model: Continuum
    options: Training
    data: str
    classes: tuple[labels.Label, ...]
    training: Prepared
    held: Prepared | None
    original: Records | None = None
    augment: Augment | None = None
    bound: cluster.ClusterBound | None = None

    def spread_over(self, client: Any) -> Job:
        """The job whose gradients the workers of a cluster compute, if there is a client. Raises TrainingError."""
        if client is None:
            return self
        if self.training.weights is not None:
            raise TrainingError(
                "weights of records with a cluster", "one of the two", "workers compute mean losses",
                "train on this machine, or leave weights out",
            )  # fmt: skip
        bound = cluster.spread(self.model.bound, client)
        return replace(self, model=self.model.running_on(bound), bound=bound).at_work(self.training)

    def at_work(self, seen: Prepared) -> Job:
        """The job for steps on an epoch's records; the workers of a cluster have these then."""
        if self.bound is None:
            return self
        bound = self.bound.holding(seen.states, seen.wanted(), seen.rows)
        return self if bound is self.bound else replace(self, model=self.model.running_on(bound), bound=bound)

    def done(self) -> None:
        """Nothing of the run is needed on a cluster any more."""
        if self.bound is not None:
            self.bound.leave()

    def seen(self, epoch: int) -> Prepared:
        """The training records as an epoch sees them."""
        if self.original is None:
            return self.training
        generator = generator_of(self.options.seed, AUGMENTING + epoch)
        data = self.original
        if self.augment is not None:
            data = _augmented(self.augment, data, generator)
        if augmentation(self.options):
            data = self.model.taken(data)
            data = data if self.model.spec.functional else data.as_functions()
            data = augmentation(self.options)(data, self.model.sample_points(data), generator)
        found = replace(self.model.prepare(data), rows=self.training.rows, weights=self.training.weights)
        known = self.training.labels
        if known is None or found.labels is None or not np.array_equal(known, found.labels):
            return found
        return replace(found, targets=self.training.targets)  # with weights by all records, those held out too

    @property
    def versions(self) -> tuple[Prepared, int]:
        """The training records, each with what every epoch makes of it behind it; and how many each one is then."""
        if self.original is None:
            return self.training, 1
        found = [self.training, *(self.seen(epoch) for epoch in range(self.options.epochs))]
        return alternating(found), len(found)

    @property
    def augment_name(self) -> str | None:
        """The name of the user's function, which files can hold."""
        if self.augment is None:
            return None
        own = getattr(self.augment, "__qualname__", type(self.augment).__qualname__)
        return f"{self.augment.__module__}.{own}"

    @property
    def batches(self) -> int:
        size = self.options.batch or len(self.training)
        return -(-len(self.training) // size)

    def flops(self, records: int, gradients: int = 1) -> int:
        """The floating-point operations of gradients over so many records; 0 for a model that does not count them."""
        return flops(self._flops, records, gradients)

    @property
    def epoch_flops(self) -> int:
        """The floating-point operations of an epoch's gradients."""
        return self.flops(len(self.training), self.batches)

    @cached_property
    def _flops(self) -> tuple[int, int]:
        own = getattr(self.model, "representation", None)
        return (0, 0) if own is None else own.flops


def flops(own: tuple[int, int], records: int, gradients: int) -> int:
    """Of gradients over so many records, from what each change of weights takes and each record."""
    weights, each = own
    return gradients * weights + records * each


def chosen(model: Continuum, given: Mapping[str, Any]) -> Training:
    """The options of a run: those that are given, over the model's own. Raises TrainingError.

    Epochs that are left out, or declared as many as by default, are few where one step takes the records of all.
    """
    defaults = model.spec.training
    found = options_of({name: getattr(defaults, name) if (v := given.get(name)) is None else v for name in OPTIONS})
    few = optimisers.find(found.optimiser).versions
    unsaid = given.get("epochs") is None and defaults.epochs == Training().epochs
    return replace(found, epochs=few) if few and unsaid else found


def job_of(
    model: Continuum, data: Source, options: Training, augment: Augment | None
) -> Job:
    """The job of training a model on records. Raises DataError and TrainingError."""
    if not data.known:
        raise DataError("records without targets", "y", "y was left out", "give y, or records that hold it")
    optimiser = optimisers.find(options.optimiser)
    optimiser.check(model.spec)
    if hasattr(model, "units") and not model.history:
        kept, held = split(len(data), model.class_labels(data), options.validation, options.seed)
        _check_some(data.weights, kept, held)
        model = model.replace(units=learned(model.spec, model.units, data, kept))
    training, validating, kept = _prepared(model, data, options)
    if hasattr(model, "baselines"):
        model = model.replace(baselines=baselines(training, _unit(data, kept)))
    if not model.classes and training.labels is not None and hasattr(model, "names"):
        y = np.concatenate(list(data.pieces("y")))
        found = labels.learned(y, data.classes, model.spec.outputs or 0, bool(model.history))
        model = model.replace(classes=found) if found else model
    if augmentation(options) and model.spec.interpolant == "constant":
        raise TrainingError(
            "thin, jitter or warp with piecewise-constant records", 'input.interpolant "linear" or "least-squares"',
            "cells have no points that could be left out", "change the interpolant, or train without them",
        )  # fmt: skip
    changing = bool(augmentation(options)) or augment is not None
    if optimiser.whole_data and changing and not optimiser.versions:
        raise TrainingError(
            f"{options.optimiser} with records that every epoch changes", "the same records in every step",
            "it compares values of different steps, which must be of one loss",
            "leave augment, thin, jitter and warp out, or use adam",
        )  # fmt: skip
    original = _kept(data, kept) if changing else None
    job = Job(
        _keeping(model, options), options, digest(data), model.classes, training, validating, original, augment
    )  # fmt: skip
    if optimiser.whole_data and job.batches > 1:
        raise TrainingError(
            f"{options.optimiser} with batches of {options.batch} records", "all records in every step",
            "it compares values of different steps, which must be of one loss, or solves for all records at once",
            "leave batch out, or use adam",
        )  # fmt: skip
    return job


def on_level(job: Job, level: str, data: Source) -> Job:
    """The job on another level, with the same records."""
    model = moved(job.model, level)
    training, held, kept = _prepared(model, data, job.options)
    if model.baselines is None:
        model = model.replace(baselines=baselines(training, _unit(data, kept)))
    return replace(job, model=_keeping(model, job.options), training=training, held=held, bound=None)


def _unit(data: Source, kept: np.ndarray) -> float:
    """The weight of records that count one among those to train on."""
    return 1.0 if data.weights is None else float(np.mean(data.weights[kept]))


def _prepared(model: Continuum, data: Source, options: Training) -> tuple[Prepared, Prepared | None, np.ndarray]:
    """The records to train on, those held out, if any, and where the first were in the data."""
    prepared = model.prepare(data)
    kept, held = split(len(prepared), prepared.labels, options.validation, options.seed)
    if not len(held):
        return prepared, None, kept
    _check_some(data.weights, kept, held)
    training, validating = prepared.chosen(kept), prepared.chosen(held)
    if data.weights is not None:  # whose means are one on either side
        training, validating = (part.weighted(part.weights) for part in (training, validating))
    return training, validating, kept


def _keeping(model: Continuum, options: Training) -> Continuum:
    """The model that keeps as much of a sweep as the options say."""
    return model if options.memory == "stored" else model.running_on(model.bound.keeping(options.memory))


def _augmented(augment: Augment, data: Records, generator: np.random.Generator) -> Records:
    """What the user's function makes of the records. Raises DataError for what cannot stand in their place."""
    found = augment(data, generator)
    if not isinstance(found, Records) or len(found) != len(data) or not found.known:
        raise DataError(
            f"augment returned {found!r}", f"{len(data)} records with targets", "a tuple of arrays, or other records",
            "return numerics.records(x, y, xi), a record in place of each",
        )  # fmt: skip
    counted = found.y is not None and found.y.dtype.kind in "iu" and found.y.size == len(data)
    if found.y is None or found.classes or not data.classes or not counted:
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


def _kept(data: Source, kept: np.ndarray) -> Records:
    """The training records, which every epoch changes. Raises TrainingError for those that are read part by part."""
    if not isinstance(data, Records):
        raise TrainingError(
            "augment, thin, jitter or warp with records that are read part by part", "records in memory",
            "every epoch changes all records before they are projected, which is done once for those in files",
            "write the changed records to a file, or train without them",
        )  # fmt: skip
    return data.take(kept)


def _check_some(weights: np.ndarray | None, kept: np.ndarray, held: np.ndarray) -> None:
    """Raise DataError where no record that is trained on counts, or none that is held out."""
    for own, what in ((kept, "all records but held-out ones"), (held, "all held-out records")):
        if weights is not None and len(own) and not weights[own].any():
            raise DataError(
                f"weights that are zero for {what}", "a positive weight among these",
                "few records that count, all on one side of the split", "choose another seed, or give more weight",
            )  # fmt: skip


def digest(data: Source) -> str:
    """The sha256 of records: their samples, points and targets, whatever type of number these came in; and weights."""
    found = hashlib.sha256(b"" if data.weights is None else data.weights.tobytes())
    named: list[tuple[Source, str]] = [(data, name) for name in ("x", "offsets", "xi", "y")]
    if isinstance(data, Records) and data.elsewhere is not None:
        named += [(data.elsewhere, name) for name in ("x", "offsets", "xi")]
    for own, name in named:
        pieces = map(_as_hashed, own.pieces(name))
        first, second = next(pieces, np.array([])), next(pieces, None)
        rows = len(first) if second is None else len(first) * len(own) // own.cuts[0].stop
        found.update(f"{first.dtype.str}{(rows, *first.shape[1:])}".encode())
        for piece in (first, second):
            found.update(b"" if piece is None else np.ascontiguousarray(piece).data)
        for piece in pieces:
            found.update(np.ascontiguousarray(piece).data)
    return found.hexdigest()


def _as_hashed(array: np.ndarray) -> np.ndarray:
    """Numbers as they are hashed: whole ones and truth values as int64, others as float64."""
    kind = array.dtype.kind
    return array.astype(np.int64 if kind in "biu" else np.float64 if kind == "f" else array.dtype, copy=False)
