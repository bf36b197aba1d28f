"""Moves between levels in orthonormal coordinates: what a run's vectors, and those of its optimiser, become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from numerics.functions.arrays import along
from numerics.functions.field import FieldSlab
from numerics.levels.fields import changes
from numerics.model.continuum import Continuum
from numerics.representation import find

Array = np.ndarray
Factors = tuple[tuple[Array, ...], ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """A field's slab: its shape on the level it comes from, and T of the axes along which it changes."""

    shape: tuple[int, ...]
    tables: tuple[tuple[int, Array], ...]

    def moved(self, values: Array, squared: bool) -> Array:
        """Its coordinates on the other level, flat."""
        found = values.reshape(self.shape)
        for axis, table in self.tables:
            found = along(table**2 if squared else table, found, axis)
        return found.ravel()

    def factors(self, given: tuple[Array, ...]) -> tuple[Array, ...]:
        """T F Tᵀ of the axes."""
        found = list(given)
        for axis, table in self.tables:
            if len(found[axis]) == table.shape[1]:
                found[axis] = table @ found[axis] @ table.T
        return tuple(found)

    @property
    def back(self) -> Piece:
        """The adjoint."""
        shape = list(self.shape)
        for axis, table in self.tables:
            shape[axis] = len(table)
        return Piece(tuple(shape), tuple((axis, table.T) for axis, table in self.tables))


@dataclass(frozen=True, eq=False)
class Transfer:
    """T: the L2 projection (13) of all fields, from one level's orthonormal coordinates to another's.

    Its entries are inner products of the functions of both, so that the adjoint is the projection the other way.
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def between(cls, old: Continuum, new: Continuum) -> Transfer:
        """From one model's level to another's."""
        return cls(tuple(_pieces(old, new)))

    @property
    def back(self) -> Transfer:
        """Tᵀ, from the other level to this one."""
        return Transfer(tuple(piece.back for piece in self.pieces))

    def __call__(self, vector: Array) -> Array:
        """Coordinates of functions."""
        return self._moved(vector, squared=False)

    def of_squares(self, vector: Array) -> Array:
        """(T ∘ T) v: the variances of projected coordinates, from those of independent ones."""
        return self._moved(vector, squared=True)

    def of_factors(self, factors: Factors) -> Factors:
        """T F Tᵀ of every slab's axes: second moments along an axis, of what moves.

        A factor of another size than its axis, such as the number for an axis as a whole, stays.
        """
        return tuple(piece.factors(own) for piece, own in zip(self.pieces, factors))

    def _moved(self, vector: Array, squared: bool) -> Array:
        cuts = np.cumsum([int(np.prod(piece.shape)) for piece in self.pieces])[:-1]
        parts = zip(self.pieces, np.split(vector, cuts))
        return np.concatenate([piece.moved(values, squared) for piece, values in parts])


def _pieces(old: Continuum, new: Continuum) -> Iterator[Piece]:
    for name, field in old.fields.items():
        for k, (source, target) in enumerate(zip(field.slabs, new.fields[name].slabs)):
            tables = tuple(
                (axis, _orthonormal(source, target, axis, find.transfer(*keys, old.base)))
                for axis, keys in changes(old, new.representation, name, k)
            )
            yield Piece(source.coefficients.shape, tables)


def _orthonormal(source: FieldSlab, target: FieldSlab, axis: int, transfer: Array) -> Array:
    """Lᵀ′ P L⁻ᵀ of one axis: from orthonormal coordinates to orthonormal coordinates."""
    (_, old), (_, new) = source.factored[axis], target.factored[axis]
    right = transfer / old if old.ndim == 1 else np.linalg.solve(old, transfer.T).T
    return np.ascontiguousarray(right * new[:, None] if new.ndim == 1 else new.T @ right)
