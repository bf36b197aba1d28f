"""The exact solution of (2), without bases and steps: values at many Gauss points, and SciPy's integrator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

Array = np.ndarray
Function = Callable[..., Any]


def nodes(samples: int, cuts: Array, each: int = 6) -> tuple[Array, Array]:
    """Gauss points (n,) between equally spaced samples on [−1, 1] and cuts, and their weights."""
    edges = np.unique(np.concatenate([np.linspace(-1, 1, samples), cuts]))
    s, w = np.polynomial.legendre.leggauss(each)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1] + edges[1:])[:, None] / 2 + half * s).ravel(), (half * w).ravel()


def final(
    rate: Callable[[Array, Array], Array], weight: Function, bias: Function, samples: Array, cuts: Array
) -> tuple[Array, Array, Array]:
    """h(ξ, 1) of records, of one channel: points (n,), their weights (n,), values (records, n).

    rate(u, h); weight(ξ, ξ′, δ), bias(ξ, δ); samples (records, points), equally spaced on [−1, 1] and joined by lines;
    cuts: where a function is not smooth, beside the samples.
    """
    points, weights = nodes(samples.shape[1], cuts)
    start = np.array([np.interp(points, np.linspace(-1, 1, len(x)), x) for x in samples])

    def slope(delta: float, flat: Array) -> Array:
        h = flat.reshape(start.shape)
        kernel = np.broadcast_to(weight(points[:, None], points[None, :], delta), (len(points), len(points)))
        u = h @ (kernel * weights).T + bias(points, delta)
        return rate(u, h).ravel()

    found = solve_ivp(slope, (0.0, 1.0), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
    return points, weights, found.y[:, -1].reshape(start.shape)
