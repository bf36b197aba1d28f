"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from numerics.training.optimisers.state import ROUNDING, Vector

DECREASE, CURVATURE = 1e-4, 0.9  # the strong Wolfe conditions
TRIALS = 30  # evaluations in one line search


@dataclass(frozen=True, eq=False)
class Trial:
    """A point of a line search: its step, value, slope ⟨g, direction⟩ and gradient."""

    step: float
    value: float
    slope: float
    gradient: Vector


def line_search(trial: Callable[[float], Trial], origin: Trial, first: float) -> Trial | None:
    """A step that satisfies the strong Wolfe conditions; failing that (at kinks), one that lowers the value enough.

    Doubles the step until the conditions hold or a minimum is bracketed between ``low`` (the best that lowers
    enough) and ``high``, then narrows the bracket by cubic interpolation. None: no step found lowers the value.
    """
    slack = ROUNDING * abs(origin.value)  # values that differ by less are equal as far as anybody can tell
    low, high, t = origin, None, first
    for _ in range(TRIALS):
        now = trial(t)
        if now.value > origin.value + DECREASE * t * origin.slope + slack or now.value > low.value + slack:
            high = now
        elif abs(now.slope) <= -CURVATURE * origin.slope:
            low = now
            break
        else:
            if now.slope >= 0 if high is None else now.slope * (high.step - low.step) >= 0:
                high = low  # the minimum lies behind
            low = now
        t = 2 * low.step if high is None else _between(low, high)
        if t == low.step:  # the bracket is as narrow as numbers allow
            break
    return low if low.value < origin.value else None


def _between(low: Trial, high: Trial) -> float:
    """Minimiser of the cubic through both ends' values and slopes, kept off the ends; the middle if there is none."""
    width = high.step - low.step
    middle = low.step + 0.5 * width
    if not math.isfinite(high.value):
        return middle
    secant = low.slope + high.slope - 3 * (high.value - low.value) / width
    square = secant**2 - low.slope * high.slope
    if square < 0:
        return middle
    root = math.copysign(math.sqrt(square), width)
    bottom = high.slope - low.slope + 2 * root
    if bottom == 0:
        return middle
    share = 1 - (high.slope + root - secant) / bottom
    return low.step + min(max(share, 0.1), 0.9) * width
