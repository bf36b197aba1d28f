"""Convex hulls of random points: is a new one inside, from how many on, and what is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import ndtr

from benchmarks.studies._perceptrons import Array

MOST = 2**16  # points that are tried for one new one
TOLERANCE = 1e-9


def separated(points: Array, new: Array) -> tuple[float, Array]:
    """The largest t with y·(new − p) ≥ t for all points p (N, d) and |y_i| ≤ 1, and its y: 0 for a new one inside."""
    apart = new - points
    rows = np.column_stack([-apart, np.ones(len(points))])
    goal = np.append(np.zeros(len(new)), -1.0)
    bounds = [*[(-1, 1)] * len(new), (None, None)]
    found = linprog(goal, A_ub=rows, b_ub=np.zeros(len(points)), bounds=bounds, method="highs")
    return float(-found.fun), found.x[:-1]


def inside(points: Array, new: Array) -> bool:
    """Whether new (d,) is in the convex hull of points (N, d)."""
    return separated(points, new)[0] < TOLERANCE


def gaussian(generator: np.random.Generator, count: int, dimension: int) -> Array:
    return generator.standard_normal((count, dimension))


def ball(generator: np.random.Generator, count: int, dimension: int) -> Array:
    """Uniform in the unit ball."""
    x = generator.standard_normal((count, dimension))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * generator.uniform(size=(count, 1)) ** (1 / dimension)


def entrance(dimension: int, seed: int, draw: Callable[..., Array] = gaussian) -> float:
    """The least N for which a new sample is in the hull of the first N that are drawn; infinite beyond ``MOST``.

    A plane between the new one and those few that mattered so far is one for all until the first that lies beyond it.
    """
    generator = np.random.default_rng((seed, dimension))
    new, points = draw(generator, 1, dimension)[0], draw(generator, MOST, dimension)
    matter = list(range(dimension + 1))
    while True:
        margin, y = separated(points[matter], new)
        if margin < TOLERANCE:
            return max(matter) + 1
        beyond = (new - points) @ y < TOLERANCE
        if not beyond.any():
            return math.inf
        matter.append(int(beyond.argmax()))


def entrances(dimension: int, trials: int, draw: Callable[..., Array] = gaussian) -> Array:
    """N of ``entrance``, one a trial; their median is where half of all new samples are inside."""
    return np.array([entrance(dimension, seed, draw) for seed in range(trials)])


def gaussian_share(dimension: int, count: int) -> float:
    """The probability that a new one of N + 1 points from N(0, I) is in the hull of the others, d = 1, 2, 3.

    By Efron it is 1 − E f₀(N + 1)/(N + 1), f₀ the number of vertices; a facet's plane is at a distance whose density
    is that of N(0, 1/d) on both sides of the origin, and all others lie on one side of it: E f₂ = 2 C(N, d) ∫ Φ^(N−d).
    """
    n, d = count + 1, dimension
    facets = 2 * math.comb(n, d) * quad(lambda h: ndtr(h) ** (n - d) * math.exp(-d * h**2 / 2), -12, 12, epsabs=0)[0]
    facets *= math.sqrt(d / (2 * math.pi))
    vertices = (facets + 4) / 2 if d == 3 else facets  # by Euler's formula for triangles; in a plane they are as many
    return 1 - vertices / n


def wendel(dimension: int, count: int) -> float:
    """The probability that the origin is in the hull of N points of a symmetric distribution (Wendel 1962)."""
    return 1 - sum(math.comb(count - 1, k) for k in range(dimension)) / 2 ** (count - 1)
