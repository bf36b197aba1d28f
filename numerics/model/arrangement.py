"""From a model's orthonormal coordinates to all that kernels take of its fields, and back, as linear maps in data.

What kernels read, the weights of every slab and the readout, is linear in the coordinates: first L⁻ᵀ along every axis
whose Gram matrix M = L Lᵀ is not diagonal, then a sparse matrix, which holds the diagonal ones, where each coefficient
lies and what a readout makes of its fields. Gradients go back by the transposed maps. On a GPU both are kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from numerics.model import layout
from numerics.model.continuum import Continuum

Array = np.ndarray
ROOMS = 3  # vectors one after the other: the coordinates, and two in turn with what matrices along axes make of them


@dataclass(frozen=True, eq=False)
class Turn:
    """A matrix along an axis of a slab's coordinates, from one of the three vectors to another.

    at: where the slab's coordinates begin in each; after: how many numbers an index of the axis has.
    """

    matrix: Array
    at: int
    size: int
    after: int
    source: int
    target: int

    @property
    def transposed(self) -> Turn:
        """The way back."""
        return Turn(np.ascontiguousarray(self.matrix.T), self.at, self.size, self.after, self.target, self.source)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """shapes: of what kernels take, by name: "k/w" and the like of slab k, "operator" and "constant".

    matrix: (their numbers in this order, 3 size), after the turns.
    """

    size: int
    shapes: Mapping[str, tuple[int, ...]]
    turns: tuple[Turn, ...]
    matrix: Any

    @classmethod
    def of(cls, model: Continuum) -> Arrangement:
        """Of a model; its coefficients are not looked at."""
        turns, places, scales = _turned(model)
        weights = layout.weights_of(places)  # of places: what comes out says where each number lies
        shapes, which = {}, []
        for k, own in enumerate(weights):
            for name, a in own.arrays.items():
                shapes[f"{k}/{name}"] = a.shape
                which.append(a.ravel())
        columns = np.concatenate(which).astype(np.int64)
        taken = np.ones(len(columns)), columns, np.arange(len(columns) + 1)
        parts = [sparse.csr_matrix(taken, (len(columns), ROOMS * model.size))]
        for name, (shape, rows) in _readout(model, places).items():
            parts.append(rows)
            shapes[name] = shape
        matrix = sparse.vstack(parts, format="csr") @ sparse.diags(scales)
        return cls(model.size, shapes, turns, matrix.tocsr())


def _turned(model: Continuum) -> tuple[tuple[Turn, ...], layout.Coefficients, Array]:
    """The turns; of every coefficient where it lies afterwards, shaped as coefficients; what it is multiplied by."""
    turns: list[Turn] = []
    places: layout.Coefficients = {name: [] for name in model.fields}
    scales = np.ones(ROOMS * model.size)
    for name, slab, part in model.pieces:
        shape, lies = slab.coefficients.shape, 0
        scale, others = slab.inverses
        for axis, inverse in others:
            target = 2 if lies == 1 else 1
            turns.append(Turn(np.ascontiguousarray(inverse.T), part.start, slab.coefficients.size,
                              math.prod(shape[axis + 1 :]), lies, target))  # fmt: skip
            lies = target
        start = lies * model.size + part.start
        places[name].append(start + np.arange(slab.coefficients.size, dtype=np.float64).reshape(shape))
        scales[start : start + slab.coefficients.size] = np.broadcast_to(scale, shape).ravel()
    return tuple(turns), places, scales


def _readout(model: Continuum, places: layout.Coefficients) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Of operator and constant, unless the model has no readout: their shapes, and the matrices that give them."""
    found, size = {}, ROOMS * model.size
    for name, (shape, parts) in layout.readout_parts(model.representation).items():
        rows = []
        for of, table, own in parts:  # what is made of field ``of``: a table of its functions, at ``own`` rows
            at = places[of][0].reshape(table.shape[1], -1).astype(np.int64)
            each = sparse.coo_matrix(sparse.kron(table, sparse.identity(at.shape[1])))
            rows.append(sparse.coo_matrix((each.data, (own.ravel()[each.row], at.ravel()[each.col])),
                                          (math.prod(shape), size)))  # fmt: skip
        found[name] = shape, sum(rows[1:], rows[0])
    return found
