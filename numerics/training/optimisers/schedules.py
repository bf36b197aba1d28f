"""How a learning rate changes over the planned steps: one function a schedule, of the share of the steps that are done.

A new schedule is a function and its line in SHAPES, and its name in ``derive.spec.training``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

WARM_UP, COLD = 0.3, 1 / 25  # of one-cycle: the share of its steps that warm up, and the factor where they start


def rate(schedule: str, learning_rate: float, done: float, steps: float) -> float:
    """The rate after ``done`` of ``steps`` steps, for one of SCHEDULES."""
    return learning_rate * SHAPES[schedule](min(done / max(steps, 1), 1.0))


def constant(share: float) -> float:
    """One all the time."""
    return 1.0


def cosine(share: float) -> float:
    """Half a cosine from one down to zero."""
    return 0.5 * (1 + math.cos(math.pi * share))


def one_cycle(share: float) -> float:
    """Linear from 1/25 to one over the first 30 % of the steps, then half a cosine to zero (Smith and Topin, 2019)."""
    if share < WARM_UP:
        return COLD + (1 - COLD) * share / WARM_UP
    return cosine((share - WARM_UP) / (1 - WARM_UP))


def steps(share: float) -> float:
    """A tenth from half of the steps on, a hundredth from three quarters on."""
    return float(0.1 ** ((share >= 0.5) + (share >= 0.75)))


SHAPES: dict[str, Callable[[float], float]] = {
    "cosine": cosine, "constant": constant, "one-cycle": one_cycle, "steps": steps,
}  # fmt: skip
