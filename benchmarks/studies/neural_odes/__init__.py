"""Neural ODEs (Chen et al. 2018): a continuum with adaptive steps beside SciPy, diffrax, torchdiffeq and torchdyn.

``equation``: one equation as NumPy and as a continuum · ``solving``: outputs, gradients, evaluations, seconds, memory
of all of them · ``misleading``: what the continuous adjoint loses where the flow contracts · ``learning``: a spiral,
and speech. The libraries come from ``make rivals``; without it, and in the short form, their rows are left out.
"""

from __future__ import annotations

from benchmarks.studies import Number
from benchmarks.studies.neural_odes import learning, misleading, solving

TITLE = "Neural ODEs: do solvers agree, what does each gradient cost, and when does the continuous adjoint mislead?"


def study(long: bool) -> list[Number]:
    return [
        *solving.numbers(range(5 if long else 2), long),
        *misleading.numbers(range(5 if long else 2), long),
        *learning.numbers(range(3 if long else 2), long),
    ]
