"""Fits the coefficients of ``numerics/kernels/functions.py`` again and prints them.

Each target is fitted by a polynomial or a quotient of two, near the smallest largest error: linearised least
squares at Chebyshev points in 40 digits, reweighted by the errors (Lawson), then rounded to each precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Target:
    """What is fitted: ``function`` on [start, stop]; the error is multiplied by ``weight``.

    degrees: of numerator and denominator, by precision.
    """

    function: Function
    start: str
    stop: str
    weight: Function
    degrees: Mapping[str, tuple[int, int]]


def _series(function: Function, lead: Function, power: int) -> Function:
    """(f(x) − lead(x))/x^power of x, for functions of x."""
    return lambda x: (function(x) - lead(x)) / x**power


def _in_square(function: Function) -> Function:
    """The same, of z = x²."""
    return lambda z: function(mp.sqrt(z))


def _one(_: mp.mpf) -> mp.mpf:
    return mp.mpf(1)


def _expm1(r: mp.mpf) -> mp.mpf:
    return mp.expm1(r) / r**2 - 1 / r


def _log(z: mp.mpf) -> mp.mpf:
    """log((1 + s)/(1 − s)) = 2s + s z F(z), z = s²."""
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) / s - 2) / z


def _erf(a: mp.mpf) -> mp.mpf:
    """erf a = 1 − exp(−a F(a))."""
    return -mp.log(mp.erfc(a)) / a


def _tanh(z: mp.mpf) -> mp.mpf:
    """tanh x = x F(z), z = x²."""
    x = mp.sqrt(z)
    return mp.tanh(x) / x


_SINE = _in_square(_series(mp.sin, lambda x: x, 3))
_COSINE = _in_square(_series(mp.cos, lambda x: 1 - x**2 / 2, 4))
_ATAN = _in_square(_series(mp.atan, lambda x: x, 3))


def _degrees(double: int, single: int) -> dict[str, tuple[int, int]]:
    return {"float64": (double, 0), "float32": (single, 0)}


# By the name of their field in a ``Precision``.
TARGETS = {
    "expm1": Target(_expm1, "-0.3466", "0.3466", _one, _degrees(9, 4)),
    "log": Target(_log, "0", "0.02944", _one, _degrees(6, 2)),
    "sine": Target(_SINE, "0", "2.4675", _one, _degrees(7, 3)),
    "cosine": Target(_COSINE, "0", "0.6169", _one, _degrees(5, 2)),
    "atan": Target(_ATAN, "0", "0.1716", _one, _degrees(9, 3)),
    "erf": Target(_erf, "0", "6", lambda a: 1 / _erf(a), {"float64": (9, 8), "float32": (4, 3)}),
    "tanh": Target(_tanh, "0", "81", lambda z: 1 / _tanh(z), {"float32": (4, 4)}),
}


def fit(
    target: Target, degrees: tuple[int, int], points: int = 150, sweeps: int = 25
) -> tuple[mp.mpf, list[mp.mpf], list[mp.mpf]]:
    """The best sweep's (largest weighted error, numerator, denominator with constant term 1)."""
    p, q = degrees
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


def coefficients(name: str, precision: str) -> tuple[float, tuple[tuple[float, ...], ...]]:
    """(largest weighted error, the rows of coefficients) of one target, rounded to a precision."""
    target, kind = TARGETS[name], np.dtype(precision).type
    with mp.workdps(60):
        error, upper, lower = fit(target, target.degrees[precision])
        rows = [upper] if len(lower) == 1 else [upper, lower]
    return float(error), tuple(tuple(float(kind(float(c))) for c in row) for row in rows)


if __name__ == "__main__":
    for name, target in TARGETS.items():
        for precision in target.degrees:
            error, rows = coefficients(name, precision)
            print(f"{name}, {precision}, {error:.1e}", *(f"    {row}" for row in rows), sep="\n", flush=True)
