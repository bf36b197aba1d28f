"""Legendre polynomials by recurrences, and Gauss rules on intervals, whose points are their zeros."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre

Array = np.ndarray


def legendre(t: Array, degree: int) -> Array:
    """P_0 … P_degree at t in [−1, 1]: (degree + 1, len(t)).

    By differences of neighbours from the nearer end (Reinsch), with P_k(−t) = (−1)^k P_k(t): 1 − |t| has no
    rounding error near the ends, where the plain recurrence would magnify one.
    """
    table = np.empty((degree + 1, len(t)))
    table[0] = 1.0
    gap = np.abs(t) - 1.0
    step = np.zeros_like(gap)
    for k in range(degree):
        step = (k * step + (2 * k + 1) * gap * table[k]) / (k + 1)
        table[k + 1] = table[k] + step
    table[1::2] *= np.where(t < 0, -1.0, 1.0)
    return table


def legendre_derivatives(values: Array) -> Array:
    """P_0' … P_n' from P_0 … P_n: P_{k+1}' = P_{k−1}' + (2k + 1) P_k."""
    found = np.zeros_like(values)
    for k in range(len(values) - 1):
        found[k + 1] = (2 * k + 1) * values[k] + (found[k - 1] if k else 0.0)
    return found


@lru_cache(maxsize=64)
def gauss_points(count: int) -> tuple[Array, Array]:
    x, w = roots_legendre(count)
    return x, w


@lru_cache(maxsize=64)
def _nodes_up_to(most: int) -> tuple[Array, Array]:
    """The rules with 1, 2, …, most points behind each other."""
    points, weights = zip(*map(gauss_points, range(1, most + 1)))
    return np.concatenate(points), np.concatenate(weights)


def nodes(counts: Array) -> tuple[Array, Array]:
    """The points in [−1, 1] and the weights of Gauss rules with ``counts`` points, in their order."""
    points, weights = _nodes_up_to(int(counts.max()))
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(counts * (counts - 1) // 2 - (ends - counts), counts)
    return points[places], weights[places]


def gauss(left: Array, right: Array, counts: Array) -> tuple[Array, Array]:
    """The points and weights of Gauss rules with ``counts`` points, one a interval, in the order of the intervals."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    points, weights = np.empty(starts[-1]), np.empty(starts[-1])
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        s, w = gauss_points(int(count))
        half = (right[rows] - left[rows])[:, None] / 2
        places = starts[rows][:, None] + np.arange(count)
        points[places], weights[places] = left[rows][:, None] + half * (1 + s), half * w
    return points, weights
