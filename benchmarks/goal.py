"""Goal-oriented refinement beside uniform refinement, to the same true error of the loss: functions, steps, seconds.

    python benchmarks/goal.py [--out RECORD]

Two continua of known fields. *local*: W has a narrow bump in ξ and ξ′ and acts strongly in the first part of the depth;
*smooth*: W is a polynomial. Of each the true loss comes from a much finer solver. ``refine(model, tolerance=…)`` goes
first; the error that it truly reaches is what the plain ways have to reach: all cells halved and all steps doubled
together, and, chosen with the truth at hand, the fewest functions times steps out of all uniform pairs. Seconds: a
gradient over the records on the final solver, and the way there, with all that had to be derived and compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

RECORDS, POINTS = 64, 65
FINEST = 8  # halvings at most
Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """A declaration, the fields, a tolerance, and the finer solver that tells the truth."""

    declared: dict[str, Any]
    fields: dict[str, Any]
    tolerance: float
    truth: dict[str, Any]


BUMP = ["-1", "5/8", "11/16", "3/4", "1"]
EARLY = ["0", "1/16", "1"]


def _declared(state: dict[str, Any], width: dict[str, Any], depth: dict[str, Any], tableau: str, steps: int) -> dict:
    return {
        "name": "goal",
        "equation": {"rate": "tanh(u) - h/2", "spacing": "1"},
        "state": {"basis": state},
        "weight": {"width_out": width, "width_in": width, "depth": depth},
        "bias": {"width": {"family": "legendre", "size": 3}, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 3}},
        "loss": {"kind": "cross-entropy"},
    }


def _bump(xi: Any) -> Any:
    return np.maximum(1 - 16 * np.abs(xi - 11 / 16), 0)


def _early(xi: Any, xi_: Any, delta: Any) -> Any:
    return np.where(delta < 1 / 16, 30.0, 1.0) * (9 * _bump(xi) * _bump(xi_) * 4 + _bump(xi) * (1 - xi_ / 3) * 0)


def _polynomial(xi: Any, xi_: Any, delta: Any) -> Any:
    return 0.9 * xi * (1 - xi_**2) + 0.6 * (xi**2 - 0.4) * xi_ * (1 + delta) - 0.5 * delta * xi_


COMMON = {
    "b": lambda xi, delta: 0.3 + 0.5 * xi**2 + 0 * delta,
    "R": lambda xi: np.stack([0.7 * xi - 0.2, 1.1 * xi**2 + 0 * xi], axis=-1)[..., None],
    "a": np.array([0.1, -0.2]),
}
PROBLEMS = {
    "local": Problem(
        _declared({"family": "hat", "cells": 4}, {"family": "hat", "breakpoints": BUMP},
                  {"family": "p0", "breakpoints": EARLY}, "heun", 4),
        {"W": _early, **COMMON}, 1e-4,
        {"state": {"basis": {"family": "discontinuous", "cells": 128, "degree": 3}},
         "integration": {"tableau": "rk4", "steps": 128}},
    ),
    "smooth": Problem(
        _declared({"family": "hat", "cells": 4}, {"family": "legendre", "size": 3},
                  {"family": "legendre", "size": 2}, "heun", 4),
        {"W": _polynomial, **COMMON}, 1e-5,
        {"state": {"basis": {"family": "discontinuous", "cells": 64, "degree": 3}},
         "integration": {"tableau": "rk4", "steps": 64}},
    ),
}  # fmt: skip
