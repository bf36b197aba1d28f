"""Records as the solver sees them: coefficients of what was sampled, and targets in the loss's coordinates.

Training prepares its records once, and takes parts of them from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import Spec
from numerics import stores
from numerics.checks import instance, positions
from numerics.datasets import Records, Source, labels
from numerics.datasets.labels import Label
from numerics.datasets.record import counted, cuts
from numerics.model import targets
from numerics.model.projected import coefficients, nearest_functions, projected
from numerics.representation.tables import Representation

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    """Records as the solver sees them.

    states: (entry size · channels, N), the coefficients of x(ξ); targets: (outputs, N) in the loss's coordinates, of
    classes with their weights, or None where the records have none; offset: per record, the part of the loss that no
    coefficient can change (N,), and apart: its parts by the channels of the targets (channels, N); labels: classes, or
    None; rows: which of the records that were prepared these are (N,), where they were taken from more, for messages;
    weights: what a record counts (N,), with mean one over those that were prepared; None where all count alike.
    """

    states: Array
    targets: Array | None
    offset: Array
    labels: Array | None
    rows: Array | None = None
    apart: Array | None = None
    weights: Array | None = None

    def __len__(self) -> int:
        return int(self.states.shape[1])

    def weighted(self, weights: Array | None) -> Prepared:
        """The records with what each of them counts (N,), whatever its mean. Raises DataError where none counts."""
        if weights is None:
            return replace(self, weights=None)
        if not weights.any():
            raise DataError(
                "weights that are zero for all of these records", "a positive weight among them",
                "a split or a selection without any that counts", "choose another seed, or give more records weight",
            )  # fmt: skip
        return replace(self, weights=weights / weights.mean())

    @property
    def counts(self) -> Array:
        """What each record counts (N,), where all count alike one."""
        return np.ones(len(self)) if self.weights is None else self.weights

    def wanted(self) -> Array:
        """The targets. Raises DataError where there are none."""
        if self.targets is None:
            raise DataError("records without targets", "y", "y was left out", "give y, or records that hold it")
        return self.targets

    @property
    def parts(self) -> Iterator[Prepared]:
        """Parts of the records, one after the other, that are worked on at once."""
        for cut in cuts(len(self), max(len(a) for a in (self.states, self.targets) if a is not None)):
            yield self if len(self) == cut.stop - cut.start else self._at(cut, np.arange(cut.start, cut.stop))

    def take(self, indices: Array) -> Prepared:
        """Some of the records, in the given order. Raises DataError for positions that are none."""
        indices = positions(indices, len(self))
        found = self._at(indices, np.arange(len(self))[indices])
        targets = None if found.targets is None else np.ascontiguousarray(found.targets)
        return replace(found, states=np.ascontiguousarray(found.states), targets=targets)

    def _at(self, where: slice | Array, rows: Array) -> Prepared:
        return Prepared(
            self.states[:, where],
            None if self.targets is None else self.targets[:, where],
            self.offset[where],
            None if self.labels is None else self.labels[where],
            rows if self.rows is None else self.rows[where],
            None if self.apart is None else self.apart[:, where],
            None if self.weights is None else self.weights[where],
        )

    def chosen(self, indices: Array) -> Prepared:
        """As ``take``; of records whose coefficients lie in a file, in another file."""
        if not isinstance(self.states, np.memmap):
            return self.take(indices)
        gathered = _Gathered(len(indices), True)
        for cut in cuts(len(indices), len(self.states)):
            gathered.add(cut, self.take(indices[cut]))
        rows = indices if self.rows is None else self.rows[indices]
        return replace(gathered.all, rows=rows, weights=None if self.weights is None else self.weights[indices])


def alternating(parts: Sequence[Prepared]) -> Prepared:
    """Several versions of the same records, those of each one behind each other."""

    def joined(arrays: Sequence[Any]) -> Any:
        first = arrays[0]
        return None if first is None else np.stack(arrays, axis=-1).reshape(*first.shape[:-1], -1)

    return Prepared(*(joined([getattr(part, field.name) for part in parts]) for field in fields(Prepared)))


class _Gathered:
    """Parts that are put together. mapped: whether in files."""

    def __init__(self, count: int, mapped: bool) -> None:
        self.count, self.mapped = count, mapped
        self.all: Prepared

    def add(self, cut: slice, part: Prepared) -> None:
        """The next part."""
        if cut.start == 0:
            states, targets = (None if a is None else self._room(len(a)) for a in (part.states, part.targets))
            labels = None if part.labels is None else np.empty(self.count, part.labels.dtype)
            assert states is not None
            apart = None if part.apart is None else self._room(len(part.apart))
            self.all = Prepared(states, targets, np.empty(self.count), labels, apart=apart)
        for mine, own in zip(self._arrays(self.all), self._arrays(part)):
            if mine is not None:
                mine[..., cut] = own

    def _room(self, rows: int) -> Array:
        return stores.room(rows, self.count, self.mapped)

    def _arrays(self, prepared: Prepared) -> tuple[Array | None, ...]:
        return prepared.states, prepared.targets, prepared.offset, prepared.labels, prepared.apart


def prepare(
    rep: Representation, data: Source, taken: Callable[[Records], Records], classes: Sequence[Label], trained: bool
) -> Prepared:
    """Project records and their targets, part by part. Raises DataError naming the record.

    taken: gives records in the model's units; classes: a model's; trained: whether it has seen records, so that it
    knows all of its classes. Coefficients of records that are larger than memory lie in a file, too.
    """
    gathered, found = _Gathered(len(data), data.mapped), None
    for cut in data.cuts:
        part = data.part(cut)
        with counted(cut.start):
            own = taken(part)
            states = coefficients(rep, own)
            found = _classes(rep.spec, data, own, classes, trained) if found is None else found
            ready = _compared(rep, own, states, found and (found[0][cut], found[1]))
        if len(own) == len(data) and not data.mapped:
            return ready.weighted(data.weights)
        gathered.add(cut, ready)
    return gathered.all.weighted(data.weights)


def _classes(
    spec: Spec, data: Source, first: Records, known: Sequence[Label], trained: bool
) -> tuple[Array, Array] | None:
    """The class of every record (N,), and what each class counts (outputs, 1); None where there are no classes.

    first: some of the records; known: the model's classes.
    """
    if not first.known or not spec.functional:
        return None
    if first.y is None or len(first.y) != len(first):
        raise DataError(
            "functions as targets", f"{spec.outputs} numbers a record, as readout.outputs declares",
            "a spec for numbers or classes with data for functions", "leave readout.basis out, or give numbers",
        )  # fmt: skip
    found = class_labels(spec, data, known, trained)
    return None if found is None else (found, _class_weights(spec, np.bincount(found, data.weights, spec.outputs or 0)))


def class_labels(spec: Spec, data: Source, classes: Sequence[Label], trained: bool) -> Array | None:
    """The classes of records as a model counts them (N,); None for a loss of something else. See ``prepare``."""
    if spec.comparison.targets != "classes" or data.y is None:
        return None
    pieces = list(data.pieces("y"))
    y = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return labels.indices(y, data.classes, classes, spec.outputs or 0, trained)


def _compared(rep: Representation, data: Records, states: Array, classed: tuple[Array, Array] | None) -> Prepared:
    """Records with these coefficients and their targets. classed: see ``_classes``."""
    spec, count = rep.spec, len(data)
    if not data.known:
        return Prepared(states, None, np.zeros(count), None)
    if not spec.functional:
        prepared = _functions(rep, data, states)
        targets.check(spec.comparison.targets, prepared.wanted())
        return prepared
    assert spec.outputs is not None and data.y is not None
    if classed is not None:
        found, weights = classed
        hot = np.ascontiguousarray(np.eye(spec.outputs)[found].T)
        return Prepared(states, weights * hot, np.zeros(count), found)
    y = labels.as_numbers(data.y, data.classes).reshape(count, -1)
    if y.shape[1] != spec.outputs:
        raise DataError(
            f"targets with {y.shape[1]} numbers a record",
            f"{spec.outputs}, as readout.outputs declares",
            "the data belong to another spec",
            "change readout.outputs, or use the data it was written for",
        )
    targets.check(spec.comparison.targets, y.T)
    return Prepared(states, np.ascontiguousarray(y.T), np.zeros(count), None)


def _functions(rep: Representation, data: Records, states: Array) -> Prepared:
    """Records whose targets are functions."""
    spec = rep.spec
    if data.classes and data.y is not None:
        data = replace(data, y=labels.as_numbers(data.y, data.classes), classes=())
    elsewhere = data.elsewhere
    if elsewhere is not None:
        data, values = elsewhere, elsewhere.x
    else:
        values = np.asarray(data.as_functions().y)
    channels = spec.output_channels
    key = "equation.channels" if spec.outputs is None else "readout.outputs"
    if values.shape[1] != channels:
        raise DataError(
            f"targets with {values.shape[1]} channels", f"{channels}, as {key} declares",
            "one channel left out, or the data of another spec", "give every channel of y",
        )  # fmt: skip
    if spec.interpolant == "least-squares":  # the fit itself is the target function
        found = projected(rep, "state", data, values)
        nearest = np.tensordot(rep.root, found.reshape(len(rep.root), -1), 1).reshape(-1, len(data))
        return Prepared(states, np.ascontiguousarray(nearest), np.zeros(len(data)), None)
    nearest, distances = nearest_functions(rep, data, values)
    if spec.comparison.distance is None:  # no sum of what can be reached and what cannot: the reachable part counts
        distances = np.zeros_like(distances)
    return Prepared(states, nearest, distances.sum(axis=0), None, apart=distances)


def _class_weights(spec: Spec, counts: Array) -> Array:
    """What a record of each class counts (outputs, 1), which the loss reads from its targets; counts: the classes',

    with the weights of their records.

    "balanced" is N/(K n_k) for n_k of N records and K classes that have any: the mean loss over the records is then the
    mean over the classes of the mean loss in each.
    """
    if spec.class_weights == "balanced":
        sizes = np.count_nonzero(counts) * counts
        found: Array = np.divide(counts.sum(), sizes, out=np.zeros(len(counts)), where=sizes > 0)
        return found[:, None]
    return np.array([[float(weight)] for weight in spec.class_weights or (1,) * len(counts)])


def check_own(spec: Spec, prepared: Prepared) -> None:
    """Raise DataError for what another model, or nobody, prepared: kernels look at no shapes."""
    instance(prepared, Prepared, "give model.prepare(records)")
    numbers_out = spec.outputs if spec.functional else spec.output_channels * spec.slabs[-1].state.size
    wanted = spec.entry_channels * spec.entry.size, numbers_out
    found = len(prepared.states), wanted[1] if prepared.targets is None else len(prepared.targets)
    if found != wanted:
        raise DataError(
            f"prepared records of {found[0]} coefficients and {found[1]} targets", f"{wanted[0]} and {wanted[1]}",
            "they were prepared by another model", "prepare the records with this one",
        )  # fmt: skip
