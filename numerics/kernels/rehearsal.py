"""Which kernels a gradient, or a derivative of outputs, will call, and with which types.

It is gone through with kernels that only take note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

from derive.spec import depth_elements
from numerics.kernels.bound import compiled_kernels
from numerics.kernels.cluster import ClusterBound
from numerics.kernels.compile import Job, ahead, kind
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.operators import Weights
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation, SlabTables

_ready: WeakSet[Bound] = WeakSet()
_ready_along: WeakSet[Bound] = WeakSet()


class Rehearsal(Bound):
    """Tables for kernels that calculate nothing. ``calls``: what would have been called."""

    def __init__(self, representation: Representation, dtype: Any) -> None:
        self.calls: list[Job] = []
        super().__init__(representation, dtype, find=self._of_slab)

    def _of_slab(self, tables: SlabTables, name: str) -> Callable[..., Any]:
        return self._noting(tables.module, f"{name}_{tables.suffix}")

    def common(self, name: str) -> Callable[..., Any]:
        """A kernel that no slab has for itself."""
        return self._noting(self.representation.module, name)

    def _noting(self, path: Path, name: str) -> Callable[..., Any]:
        note = partial(self._note, path, name)
        note.py_func = getattr(load_module(path), name)  # type: ignore[attr-defined]  # whose arguments are looked at
        return note

    def _note(self, path: Path, name: str, *given: Any) -> None:
        self.calls.append((path, name, tuple(map(kind, given))))

    def stepping(self) -> Bound:
        """With a step an element of the depth, where steps are to be found."""
        if not self.open:
            return self
        elements = (np.array([float(b) for b in depth_elements(slab)]) for slab in self.representation.spec.slabs)
        return self.with_steps([list(zip(e[:-1].tolist(), np.diff(e).tolist())) for e in elements])


def gradient(bound: Bound, weights: Callable[[], Sequence[Weights]], operator: Any, constant: Any) -> None:
    """Compile what a gradient calls, as far as nobody has: together, before the first call.

    weights: gives any of the run's; operator, constant: of the readout, see ``Solver.gradient``.
    """

    def through(solver: Solver, states: np.ndarray, targets: np.ndarray) -> None:
        solver.mean_gradient(states, operator, constant, targets)

    _rehearse(bound, _ready, weights, len(constant), through)


def along(bound: Bound, weights: Callable[[], Sequence[Weights]], operator: Any, constant: Any) -> None:
    """The same for derivatives of outputs and of the loss's slope; see ``Solver.tangent`` and ``Solver.curved``."""

    def through(solver: Solver, states: np.ndarray, targets: np.ndarray) -> None:
        solver.tangent(states, operator, constant, solver.weights, operator, constant)
        solver.curved(targets, targets, targets)

    _rehearse(bound, _ready_along, weights, len(constant), through)


def _rehearse(
    bound: Bound, ready: WeakSet[Bound], weights: Callable[[], Sequence[Weights]], outputs: int,
    through: Callable[[Solver, np.ndarray, np.ndarray], None],
) -> None:  # fmt: skip
    """through: what is gone through, with a network, and states and targets of two records."""
    if bound in ready or type(bound) not in (Bound, ClusterBound) or bound.find is not compiled_kernels:
        return
    ready.add(bound)
    spec, rehearsal = bound.representation.spec, Rehearsal(bound.representation, bound.dtype)
    solver = rehearsal.stepping().form(weights())
    with np.errstate(all="ignore"):  # of numbers that nobody wrote
        through(solver, np.zeros((spec.entry_channels * spec.entry.size, 2)), np.zeros((outputs, 2)))
    ahead(rehearsal.calls)
