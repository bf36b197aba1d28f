"""What a readout is linear in: of every record a matrix, in L2-orthonormal coordinates of the readout's fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics import stores
from numerics.datasets.record import cuts
from numerics.functions.field import FieldSlab
from numerics.kernels import threads
from numerics.model import layout
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Part:
    """Some records: columns (records, rows, slopes), targets (records, rows, outputs), weights (records,)."""

    columns: Array
    targets: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class Design:
    """A readout as a linear map: of every record, each output has values X s + U a in the loss's coordinates.

    X (rows, slopes) are the record's columns and s, for every output, the coordinates of R and Q, in which Euclidean
    norms are those of L2. U (rows, constants) are the same for all records, a the coordinates of the field a. An output
    that is a number has one row, and U = 1. versions: how many records, one behind the other, are the same one changed.
    """

    model: Continuum
    prepared: Prepared
    versions: int = 1

    @property
    def outputs(self) -> int:
        """How many outputs share the columns."""
        return int(self.model.spec.outputs or 0)

    @property
    def least(self) -> float:
        """The least penalty to be tried.

        To fields that were trained on the records none is unknown, and leaving it out of the readout alone flatters:
        such a readout is penalised at least as declared. Other fields have seen nothing.
        """
        declared = [float(p.weight) for p in self.model.spec.penalties if p.field == "R"]
        return max(declared, default=0.0) if self.model.history else 0.0

    @cached_property
    def features(self) -> Array:
        """What the readout takes of every record (rows of y and beside it, N); in a file, where the records are.

        Raises TrainingError where it is not finite.
        """
        solver, given = self.model.solver, self.prepared
        rows, found = given.rows, None
        for cut, part in zip(_parts(given), given.parts):
            own = solver.features(part.states)
            self.model.finite(own.T, part.states, None if rows is None else rows[cut])
            if found is None:
                found = stores.room(len(own), len(given), isinstance(given.states, np.memmap))
            found[:, cut] = own
        assert found is not None
        return found

    @cached_property
    def constants(self) -> Array:
        """U (rows, constants)."""
        (slab,) = self.model.fields["a"].slabs
        if self.model.spec.functional:
            return np.ones((1, 1))
        rep = self.model.representation
        found = (rep.root @ layout.along_state(rep, "readout")[1]).T
        return slab.pull_back_orthonormal(found.reshape(*_sizes(slab), -1)).reshape(len(found), -1).T

    def parts(self) -> Iterator[Part]:
        """All records, part by part."""
        wanted, rows, count = self.prepared.wanted(), len(self.constants), len(self.prepared)
        weights = self.prepared.counts
        if self.model.spec.comparison.targets == "not zero":  # errors relative to the target
            weights = weights / np.einsum("kn,kn->n", wanted, wanted)
        each = rows * self.slopes * self.versions
        if self.model.spec.comparison.scores:  # a record's versions and classes are left out by a square of both
            each = max(each, (self.versions * self.outputs) ** 2)
        for group in cuts(count // self.versions, each):
            cut = slice(group.start * self.versions, group.stop * self.versions)
            targets = wanted[:, cut].reshape(rows, self.outputs, -1).transpose(2, 0, 1)
            with threads.serial_blas():
                yield Part(self._columns(self.features[:, cut]), targets, weights[cut])

    @property
    def slopes(self) -> int:
        """How many coordinates R and Q have for every output."""
        return sum(self.model.fields[name].slabs[0].coefficients.size // self.outputs for name in self._penalised)

    @property
    def _penalised(self) -> tuple[str, ...]:
        return tuple(name for name in ("R", "Q") if name in self.model.fields)

    def _columns(self, features: Array) -> Array:
        """X of some records (records, rows, slopes), functions of R first and channels last; then those of Q."""
        rep, spec, count = self.model.representation, self.model.spec, features.shape[1]
        (slab,) = self.model.fields["R"].slabs
        if spec.functional:
            gram = rep.readout_gram
            y = features[: gram.shape[1] * spec.channels].reshape(gram.shape[1], -1)
            seen = (gram @ y).reshape(len(gram), 1, spec.channels, count)
        else:
            products, _ = layout.along_state(rep, "readout")
            y = features.reshape(len(rep.root), -1)
            seen = np.stack([(rep.root @ p) @ y for p in products]).reshape(len(products), -1, spec.channels, count)
        functions, rows = seen.shape[:2]
        given = seen.transpose(0, 3, 1, 2).reshape(*_sizes(slab), count * rows, spec.channels)
        own = slab.pull_back_orthonormal(given).reshape(functions, count, rows, spec.channels)
        found = own.transpose(1, 2, 0, 3).reshape(count, rows, -1)
        if "Q" in self._penalised:
            found = np.concatenate([found, features[-spec.beside * spec.channels :].T[:, None]], axis=2)
        return np.ascontiguousarray(found)

    def with_solution(self, slopes: Array, constants: Array) -> Continuum:
        """The model with the readout of these coordinates (slopes, outputs) and (constants, outputs)."""
        (r,), (a,) = (self.model.fields[name].slabs for name in ("R", "a"))
        width = r.coefficients.size // self.outputs
        channels = self.model.spec.channels
        own = slopes[:width].reshape(-1, channels, self.outputs).swapaxes(1, 2)
        found = {"R": r.at(own.reshape(r.coefficients.shape)), "a": a.at(constants.reshape(a.coefficients.shape))}
        if "Q" in self._penalised:
            found["Q"] = np.ascontiguousarray(slopes[width:].T)
        fields = {name: f.holding([found[name]]) if name in found else f for name, f in self.model.fields.items()}
        return self.model.replace(fields=fields)


def _sizes(slab: FieldSlab) -> tuple[int, ...]:
    """How many functions a field has along every axis; of a constant, none."""
    return tuple(basis.size for basis in slab.bases)


def _parts(prepared: Prepared) -> list[slice]:
    """Where ``Prepared.parts`` lie among all records."""
    ends = np.cumsum([0, *(len(part) for part in prepared.parts)])
    return [slice(int(start), int(stop)) for start, stop in zip(ends[:-1], ends[1:])]
