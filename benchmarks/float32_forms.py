"""Fits the coefficients of ``derive/program/float32.py`` again and prints them.

Each target is fitted by a polynomial or a quotient of two, near the smallest largest error: linearised least
squares at Chebyshev points in 40 digits, reweighted by the errors (Lawson), then rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Target:
    """What is fitted: ``function`` on [start, stop]; the error is multiplied by ``weight``."""

    function: Function
    start: str
    stop: str
    degrees: tuple[int, int]
    weight: Function


def _relative(function: Function) -> Function:
    return lambda t: 1 / function(t)


def _tanh(t: mp.mpf) -> mp.mpf:
    return mp.tanh(mp.sqrt(t)) / mp.sqrt(t)


def _erf(t: mp.mpf) -> mp.mpf:
    return mp.erf(mp.sqrt(t)) / mp.sqrt(t)


def _sine(t: mp.mpf) -> mp.mpf:
    return mp.sin(2 * mp.pi * mp.sqrt(t)) / mp.sqrt(t)


def _softplus(t: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(-t))


def _power(t: mp.mpf) -> mp.mpf:
    return mp.mpf(2) ** t


# Odd functions are x·F(x²), so that small arguments keep their relative accuracy.
TARGETS = {
    "tanh": Target(_tanh, "0", "81", (4, 4), _relative(_tanh)),
    "erf": Target(_erf, "0", "15.3664", (5, 5), _relative(_erf)),
    "sine": Target(_sine, "0", "0.0625", (4, 0), _relative(_sine)),
    "power": Target(_power, "-0.5", "0.5", (6, 0), _relative(_power)),
    "softplus": Target(_softplus, "0", "17", (5, 6), lambda t: mp.mpf(1)),
}


def fit(target: Target, points: int = 150, sweeps: int = 25) -> tuple[mp.mpf, list[mp.mpf], list[mp.mpf]]:
    """The best sweep's (largest weighted error, numerator, denominator with constant term 1)."""
    p, q = target.degrees
    a, b = mp.mpf(target.start), mp.mpf(target.stop)
    t = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * points)) for k in range(points)]
    values = [target.function(s) for s in t]
    scale = [target.weight(s) for s in t]
    below, lawson = [mp.mpf(1)] * points, [mp.mpf(1)] * points
    best = (mp.inf, [mp.mpf(0)], [mp.mpf(1)])
    for sweep in range(sweeps):
        matrix, right = mp.matrix(points, p + 1 + q), mp.matrix(points, 1)
        for k in range(points):
            w = mp.sqrt(lawson[k]) * scale[k] / below[k]
            for j in range(p + 1):
                matrix[k, j] = w * t[k] ** j
            for j in range(1, q + 1):
                matrix[k, p + j] = -w * values[k] * t[k] ** j
            right[k] = w * values[k]
        solution = mp.lu_solve(matrix.T * matrix, matrix.T * right)
        upper = [solution[j] for j in range(p + 1)]
        lower = [mp.mpf(1)] + [solution[p + j] for j in range(1, q + 1)]
        below = [mp.polyval(lower[::-1], s) for s in t]
        quotient = [mp.polyval(upper[::-1], s) / d for s, d in zip(t, below)]
        errors = [abs(w * (r - f)) for w, r, f in zip(scale, quotient, values)]
        best = min(best, (max(errors), upper, lower), key=lambda found: found[0])
        if sweep >= 2:
            lawson = [weight * error for weight, error in zip(lawson, errors)]
            mean = sum(lawson) / points
            lawson = [weight / mean for weight in lawson]
    return best


def block(name: str) -> str:
    """The coefficients of one target, rounded to float32, as the module holds them."""
    with mp.workdps(40):
        _, upper, lower = fit(TARGETS[name])
        rows = [upper] if len(lower) == 1 else [upper, lower]
        texts = [[float(np.float32(float(c))).hex().replace("0" * 7 + "p", "p") for c in row] for row in rows]
    return f"{name.upper()} = (\n" + "".join(f'    "{" ".join(row)}",\n' for row in texts) + ")"


if __name__ == "__main__":
    for name in TARGETS:
        print(block(name))
