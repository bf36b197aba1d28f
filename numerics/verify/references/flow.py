"""The exact solution of a spec's semi-discrete equation: SciPy's integrators on the NumPy network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import DOP853

Array = np.ndarray
Rate = Callable[[float, Array], Array]  # (depth, values (rows,)) → their derivative
LARGEST = 100.0  # times the start, or 1: a solution beyond it is said to grow without bound
EVALUATIONS = 60_000  # of one piece of the depth
ACCURACY = 1e-12  # of a step, relative
FINE = 2048  # steps of the depth where the rate has kinks or jumps, over which estimates of errors stumble


class Ended(Exception):
    """A solution that cannot be followed to the end. why: "grows without bound" or what else happened."""

    def __init__(self, why: str, depth: float) -> None:
        super().__init__(f"the exact solution {why} at depth {depth:.3g}")


@dataclass(frozen=True)
class Exact:
    """A solution at depth 1, and how far it may be from the true one, relative to its size."""

    final: Array
    noise: float


def follow(pieces: list[tuple[float, float, Rate]], start: Array, smooth: bool, steps: int = FINE) -> Exact:
    """The solution along pieces (start, stop, rate) of the depth, from values (rows,); in so many steps of Heun's

    method where the rate is not smooth. Raises Ended.
    """
    with np.errstate(all="ignore"):
        if smooth:
            y = start
            for first, last, rate in pieces:
                y = _by_dormand(rate, first, last, y)
            return Exact(y, 10 * ACCURACY)
        fine, coarse = (_by_heun(pieces, start, n) for n in (steps, steps // 2))
        return Exact(fine, float(np.abs(fine - coarse).max() / (np.abs(fine).max() or 1.0)))


def _by_dormand(rate: Rate, first: float, last: float, y: Array) -> Array:
    size = max(1.0, float(np.abs(y).max()))
    solver = DOP853(rate, first, y, last, rtol=ACCURACY, atol=ACCURACY * size / 10)
    while solver.status == "running":
        solver.step()
        if solver.status == "failed" or not np.abs(solver.y).max() <= LARGEST * size:
            raise Ended("grows without bound", solver.t)
        if solver.nfev > EVALUATIONS:
            raise Ended(f"takes more than {EVALUATIONS:,} evaluations", solver.t)
    return np.asarray(solver.y)


def _by_heun(pieces: list[tuple[float, float, Rate]], y: Array, steps: int) -> Array:
    size = max(1.0, float(np.abs(y).max()))
    for first, last, rate in pieces:
        many = max(1, round(steps * (last - first)))
        s = (last - first) / many
        for n in range(many):
            k = rate(first + n * s, y)
            y = y + s / 2 * (k + rate(first + (n + 1) * s, y + s * k))
        if not np.abs(y).max() <= LARGEST * size:
            raise Ended("grows without bound", last)
    return y


def constant(rate: Callable[[Any], Array], shape: tuple[int, ...]) -> list[tuple[float, float, Rate]]:
    """One piece, of a rate that does not know the depth and takes states of a shape."""
    return [(0.0, 1.0, lambda _, y: rate(y.reshape(shape)).ravel())]
