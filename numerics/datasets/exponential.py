"""Stiff linear terms exactly, the rest by a Runge–Kutta method of order four: v_t = L v + N(v), L diagonal.

ETDRK4 (Cox & Matthews 2002, *Exponential time differencing for stiff systems*), its coefficients as the contour
integrals of Kassam & Trefethen (2005), *Fourth-order time-stepping for stiff PDEs*.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def advanced(start: Array, linear: Array, change: Callable[[Array], Array], time: float, steps: int) -> Array:
    """Coefficients after ``time``, from those at 0, in equal steps. linear: L, real; change: N."""
    h = time / steps
    z = h * linear[..., None] + np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 32)
    whole, half = np.exp(h * linear), np.exp(h * linear / 2)
    q = h * np.mean((np.exp(z / 2) - 1) / z, axis=-1).real
    first = h * np.mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3, axis=-1).real
    middle = h * np.mean((2 + z + np.exp(z) * (z - 2)) / z**3, axis=-1).real
    last = h * np.mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3, axis=-1).real
    v = start
    for _ in range(steps):
        n = change(v)
        a = half * v + q * n
        n_a = change(a)
        b = half * v + q * n_a
        n_b = change(b)
        c = half * a + q * (2 * n_b - n)
        v = whole * v + first * n + 2 * middle * (n_a + n_b) + last * change(c)
    return v
