"""Which kernels a gradient will call, and with which types: it is gone through with kernels that only take note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from derive.spec import depth_elements
from numerics.kernels.compile import Job, ahead, kind
from numerics.kernels.solver import Solver, Weights
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation, SlabTables

_done: set[str] = set()  # digests


class Rehearsal(Solver):
    """A solver that calculates nothing. ``calls``: what it would have called."""

    def __init__(self, representation: Representation, dtype: Any) -> None:
        self.calls: list[Job] = []
        super().__init__(representation, dtype, kernels=self._of_slab)

    def _of_slab(self, tables: SlabTables, name: str) -> Callable[..., Any]:
        return self._noting(tables.module, f"{name}_{tables.suffix}")

    def _common(self, name: str) -> Callable[..., Any]:
        return self._noting(self.representation.module, name)

    def _noting(self, path: Path, name: str) -> Callable[..., Any]:
        note = partial(self._note, path, name)
        note.py_func = getattr(load_module(path), name)  # type: ignore[attr-defined]  # whose arguments are looked at
        return note

    def _note(self, path: Path, name: str, *given: Any) -> None:
        self.calls.append((path, name, tuple(map(kind, given))))

    def going(self) -> Rehearsal:
        """With a step an element of the depth, where steps are to be found."""
        if not self.open:
            return self
        elements = (np.array([float(b) for b in depth_elements(slab)]) for slab in self.representation.spec.slabs)
        return self.with_steps([list(zip(e[:-1].tolist(), np.diff(e).tolist())) for e in elements])


def gradient(
    representation: Representation,
    new_solver: Callable[[], Solver],
    weights: Callable[[], Sequence[Weights]],
    readout: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> None:
    """Compile what a gradient by ``new_solver`` calls, as far as nobody has; asked again in a process, do nothing."""
    if representation.digest in _done:
        return
    solver = new_solver()
    if not solver.compiles:
        return
    _done.add(representation.digest)
    rehearsal = Rehearsal(representation, solver.dtype)
    going = rehearsal.form(weights()).going()
    spec, (operator, constant) = representation.spec, readout()
    states, targets = np.zeros((spec.entry_channels * spec.entry.size, 2)), np.zeros((len(constant), 2))
    _, totals, *_ = going.gradient(states, operator, constant, targets)
    for slab, total, own in zip(going.slabs, totals, going.weights):
        slab.pull_back(total, own)
    ahead(rehearsal.calls)
