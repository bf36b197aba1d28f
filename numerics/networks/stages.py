"""Stage operators as matrices, whatever a slab's plan: what kernels form, or apply factor by factor or block by block.

Kernels keep operators in the shape that costs least: Φ w C formed, w alone, or the numbers of w's blocks, in their own
precision and on their own device. Who wants the matrix asks here, and gets it from coefficients and tables in float64.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from numerics.kernels import threads
from numerics.kernels.operators import Weights
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.representation.tables import Arrays, SlabTables, kron

Array = np.ndarray


@dataclass(frozen=True)
class Stage:
    """u = operator h + bias at a slab's nodes (4), for the first stage of a step; neurons are (place, channel).

    operator: E = Φ w C + V X, (nodes · c′, functions · c), of the state's functions, or, where ``arrives``, of those in
    which the state arrives from the slab before. bias: (nodes · c′,).
    """

    slab: SlabTables
    arrives: bool
    operator: Array
    bias: Array


def first_stages(model: Continuum, nodes: Sequence[int] | None = None) -> Iterator[Stage]:
    """The first stage of every step, in the order of depth.

    nodes: at which the operators are wanted, where that is not at all of them. Raises TrainingError where one operator
    alone does not fit into memory.
    """
    channels = model.spec.channels
    for slab, weights in zip(model.representation.slabs, kernel_weights(model.fields)):
        tables = slab.tables
        chosen = np.arange(len(tables["Psi"]))[... if nodes is None else list(nodes)]
        for step, rows in enumerate(zip(tables["operator_index"][:, 0], tables["bias_index"][:, 0])):
            arrives = slab.entry and step == 0
            yield Stage(slab, arrives, *_stage(slab, weights, rows, arrives, chosen, channels))


def _stage(
    slab: SlabTables, weights: Weights, rows: tuple[int, int], arrives: bool, nodes: Array, channels: int
) -> tuple[Array, Array]:
    """E (chosen nodes · c′, functions · c) and the bias (nodes · c′,) for a row of θ and one of ϑ."""
    tables = slab.tables
    phi = kron(slab.factors("Phi"))[nodes]
    inner, x = (
        (tables["C_entry"], tables["X_entry"]) if arrives else (kron(slab.factors("C")), kron(slab.factors("X")))
    )
    psi = tables["Psi"]
    beta = psi @ (tables["vartheta"][rows[1]] @ weights.beta).reshape(psi.shape[1], -1)
    shape = len(nodes), beta.shape[1], inner.shape[1], channels
    threads.room(8 * math.prod(shape), "a stage operator as a matrix")
    found = np.empty(shape)
    mixed = np.tensordot(tables["theta"][rows[0]], weights.w, 1)
    for (o, c), w in _weight(tables, mixed, (phi.shape[1], len(inner)), shape[1], channels):
        found[:, o, :, c] = phi @ (w @ inner)
    if weights.v is not None:
        v = psi[nodes] @ np.tensordot(tables["vartheta"][rows[1]], weights.v, 1)
        found += np.einsum("qoc,qj->qojc", v.reshape(len(nodes), shape[1], channels), x[nodes])
    return found.reshape(len(nodes) * shape[1], -1), beta.ravel()


def _weight(
    tables: Arrays, mixed: Array, shape: tuple[int, int], wide: int, channels: int
) -> Iterator[tuple[tuple[int, int], Any]]:
    """w from channel c to pre-activation o, (functions of φ, functions of φ̃) in the order of Φ and C, for all (o, c).

    mixed: Σ_k θ_k w_k, (m · c′, m′ · c), or the coefficients of what blocks hold, (size, c′ · c).  shape: of w.
    """
    if "w_entries" not in tables:
        w = mixed.reshape(len(mixed) // wide, wide, mixed.shape[1] // channels, channels)
        yield from (((o, c), w[:, o, :, c]) for o, c in np.ndindex(wide, channels))
        return
    numbers = tables["w_waves"] @ mixed if "w_waves" in tables else mixed
    rows, columns, which, factors = _places(tables)
    for k, own in enumerate(numbers.T):
        yield divmod(k, channels), coo_array((factors * own[which], (rows, columns)), shape=shape)


def _places(tables: Arrays) -> tuple[Array, Array, Array, Array]:
    """Rows and columns of what blocks put into w, which number stands there, and what it is multiplied by."""
    entries = defaultdict(list)
    for (m, start, i, j, _), value in zip(tables["w_entries"].tolist(), tables["w_values"].tolist()):
        entries[start].append((m, i, j, value))
    found = [
        (first + i, left + j, m, value)
        for first, _, left, _, start in tables["w_blocks"].tolist()
        for m, i, j, value in entries[start]
    ]
    rows, columns, which, factors = (np.array(part) for part in zip(*found))
    return rows, columns, which, factors
