"""The order of a convergence study, judged where it can be seen.

An error C n^(−p) + … follows its first term only when n is large, and is lost in the truth's own error when n is larger
still. Between the two the local slopes −d log e / d log n settle: there the order is read. What the slopes do at the
fine end tells a fault from a study that ends too early: slopes that settle below the order that is promised, or fall
away from it, are a failure; slopes that still rise towards it say that it was not reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from derive.errors import TrainingError

CLEAR = {True: 20.0, False: 5.0}  # times the truth's error: below, a study measures the truth; an envelope sees less
SETTLED = 0.02  # a change of the local slope that says nothing
ENOUGH = 4  # sizes above the truth's error, to say that their slopes have settled
WIDE = 8.0  # the range of sizes over which errors that jump up and down are looked at

MOST = 1e3  # of a relative error: longer steps than a method is stable for

Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass
class Study:
    """Errors at growing sizes. noise: the truth's own error, in the errors' unit."""

    noise: float
    sizes: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether a larger size says more."""
        return not self.errors or self.errors[-1] > self.noise

    def add(self, size: float, measure: Callable[[], float]) -> None:
        """One more size. Before the first that can be used, methods may be unstable, or find no stages."""
        try:
            with np.errstate(all="ignore"):
                error = measure()
        except TrainingError:
            if self.errors:
                raise
            return
        if self.errors or error < MOST:
            self.sizes.append(size)
            self.errors.append(error)


@dataclass(frozen=True)
class Judgement:
    """passed: None where the order was not reached. curve: the sizes and errors that were looked at."""

    passed: bool | None
    measured: str
    curve: Curve


def judge(
    sizes: Sequence[float], errors: Sequence[float], expected: float, slack: float, noise: float, regular: bool = True
) -> Judgement:
    """Whether errors at growing sizes fall with an order. noise: the truth's own error, in the errors' unit.

    regular: whether errors follow a power of the size in the end; those of functions with kinks jump up and down by
    where the kinks lie, and only their envelope does.
    """
    floor = CLEAR[regular] * noise
    if not errors:
        return Judgement(False, "no finite numbers, at any size", ((), ()))
    if not np.isfinite(errors).all():
        return Judgement(False, f"an error of {errors[int(np.argmin(np.isfinite(errors)))]}", ((), ()))
    count = next((k for k, e in enumerate(errors) if e <= floor), len(errors))
    n, e = np.array(sizes[:count], float), np.array(errors[:count], float)
    curve = tuple(map(float, n)), tuple(map(float, e))
    fallen = count < len(errors)  # the error after the last one is lost in the truth's
    if fallen and count < 2 and max(errors[count:]) <= floor:
        return Judgement(True, f"error {errors[-1]:.0e}: rounding at once", curve)
    if fallen and count and np.log(e[-1] / floor) / np.log(sizes[count] / n[-1]) >= expected - slack:
        local = "" if count < 2 else f"order {_slope(n[-2:], e[-2:]):.2f}, then "
        return Judgement(True, f"{local}rounding from {sizes[count]:g} on, error {errors[-1]:.0e}", curve)
    if count < 2:
        return Judgement(None, f"not reached: the truth is known to {noise:.0e}, the error is {errors[0]:.0e}", curve)
    if not regular:
        e = np.maximum.accumulate(e[::-1])[::-1]  # the envelope
    return _by_slopes(n, e, curve, expected, slack, regular)


def _by_slopes(n: np.ndarray, e: np.ndarray, curve: Curve, expected: float, slack: float, regular: bool) -> Judgement:
    start = max(0, len(n) - 3) if regular else int(np.searchsorted(n, n[-1] / WIDE * 0.999))
    order, last = _slope(n[start:], e[start:]), _slope(n[-2:], e[-2:])
    text = f"order {order:.2f} from {n[start]:g} to {n[-1]:g}, error {e[-1]:.0e}"
    falls_away = regular and last < expected - slack - 0.35
    if order >= expected - slack and not falls_away:
        return Judgement(True, text, curve)
    ends = range(max(0, len(n) - 4), len(n) - 1) if regular or len(n) < 7 else range(0, len(n) - 1, (len(n) - 1) // 3)
    cuts = [*ends, len(n) - 1]
    local = [_slope(n[a : b + 1], e[a : b + 1]) for a, b in zip(cuts, cuts[1:])]
    said = ", ".join(f"{s:.2f}" for s in local)
    if len(n) < ENOUGH or _limit(local) >= expected - slack:
        why = "are all there are" if len(n) < ENOUGH else "still rise"
        return Judgement(None, f"not reached: local orders {said} {why} at {n[-1]:g}, error {e[-1]:.0e}", curve)
    return Judgement(False, f"{text}; local orders {said}", curve)


def _limit(local: Sequence[float]) -> float:
    """Where growing slopes go: their differences are taken for a geometric sequence, as those of p − C/n are."""
    if len(local) < 2 or local[-1] - local[-2] <= SETTLED:
        return local[-1]
    change = local[-1] - local[-2]
    before = local[-2] - local[-3] if len(local) > 2 else 0.0
    return local[-1] + change**2 / (before - change) if before > change else np.inf


def _slope(n: np.ndarray, e: np.ndarray) -> float:
    return -float(np.polyfit(np.log(n), np.log(e), 1)[0])
