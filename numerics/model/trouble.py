"""Losses and gradients that are not finite where the states are: which record's, and what makes them so."""

from __future__ import annotations

import numpy as np

from derive.errors import TrainingError
from numerics.kernels import stability
from numerics.kernels.cpu import Solver
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared


def undifferentiable(model: Continuum, prepared: Prepared, given: str, where: str = "") -> TrainingError | None:
    """The error for states that are finite, and a loss or a gradient that is not: which record's, and of what.

    None where there is nothing of the kind. The one record is followed with the kernels as plain Python.
    """
    try:
        record = _first_record(model, prepared) if isinstance(model.solver, Solver) else None
    except TrainingError:  # states that no steps follow to the end: that error says why
        return None
    if record is None:
        return None
    part = prepared.take(np.array([record]))
    assert part.rows is not None
    name, wanted = int(part.rows[0]), part.wanted()
    return stability.undifferentiable(model.solver, part.states, model.readout_map(), wanted, name, given, where)


def _first_record(model: Continuum, prepared: Prepared) -> int | None:
    """The first record whose loss or gradient is not finite, by halves: a sum shows what is in it."""

    def wrong(start: int, stop: int) -> bool:
        with np.errstate(all="ignore"):
            loss, gradient = model.coefficient_gradient(prepared.take(np.arange(start, stop)))
        return not (np.isfinite(loss) and all(np.isfinite(g).all() for parts in gradient.values() for g in parts))

    start, stop = 0, len(prepared)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (start, middle) if wrong(start, middle) else (middle, stop)
    return start if wrong(start, stop) else None
