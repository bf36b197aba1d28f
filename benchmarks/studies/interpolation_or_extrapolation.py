"""Interpolation or extrapolation: the identity on even numbers, convex hulls, codes of digits, numbers on images.

``_identity``: bits in, bits out · ``_hulls``: when a new sample is inside · ``_digits``: paths and printed numbers.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2

from benchmarks.studies import Number
from benchmarks.studies._digits import inside_shares, midpoints, printed, read_errors
from benchmarks.studies._hulls import ball, entrances, gaussian, gaussian_share, inside, wendel
from benchmarks.studies._identity import WAYS, learned, perceptron_learned, shares
from benchmarks.studies._perceptrons import Array, of_seeds

TITLE = "Interpolation or extrapolation: even numbers, convex hulls, codes of digits, numbers on images"

# --- Marcus' identity


def identities(long: bool) -> list[Number]:
    seeds = range(6 if long else 2)
    plain = [perceptron_learned(s) for s in seeds]
    found = [shares(model) for model, _ in plain]
    numbers = [
        of_seeds("perceptron: even numbers right", [f["even"] for f in found], 0.99, 1),
        of_seeds("perceptron: odd numbers right", [f["odd"] for f in found], 0, 0),
        of_seeds("perceptron: last bits right", [f["last bit"] for f in found], 0, 0),
        Number("perceptron: largest move of the last bit's weights", max(moved for _, moved in plain), 0, 0),
    ]
    for way in WAYS:
        found = [shares(learned(way, s)) for s in seeds]
        window = {"any W(ξ, ξ′)": (0, 0), "any W(ξ, ξ′), states added": (0.5, 1)}.get(way, (0.99, 1))
        numbers += [
            of_seeds(f"{way}: even numbers right", [f["even"] for f in found], 0.99, 1),
            of_seeds(f"{way}: odd numbers right", [f["odd"] for f in found], *window),
        ]
    return numbers


# --- convex hulls


def share_inside(dimension: int, count: int, trials: int) -> float:
    """Of new samples from N(0, I), how many are in the hull of so many others, by linear programming."""
    generator = np.random.default_rng((dimension, count))
    draws = (gaussian(generator, count + 1, dimension) for _ in range(trials))
    return float(np.mean([inside(x[1:], x[0]) for x in draws]))


def bound(dimension: int) -> float:
    """2^(d/2)/d, the number of samples from which on, in the limit, a new one is said to be inside."""
    return float(2 ** (dimension / 2) / dimension)


def halfway(dimension: int, trials: int, seed: int = 0) -> tuple[float, float]:
    """N at which half of new Gaussian samples are inside, and the spread of its logarithm by resampling."""
    found = entrances(dimension, trials)
    again = np.random.default_rng(seed).choice(found, (200, trials))
    return float(np.median(found)), float(np.log(np.median(again, axis=1)).std())


def vertices_only(dimension: int, count: int, trials: int) -> float:
    """How often all of so many uniform points of a ball are vertices of their hull."""
    generator = np.random.default_rng((7, dimension))
    sets = [ball(generator, count, dimension) for _ in range(trials)]
    return float(np.mean([not any(inside(np.delete(x, k, axis=0), x[k]) for k in range(count)) for x in sets]))


def at_least(dimension: int) -> float:
    """Fewer samples than this never have half of new ones inside.

    A new x can be inside only if one of N lies beyond the plane through x across it, which has a probability of
    min(1, N Φ(−|x|)) at most; its mean over x is 1/2.
    """
    lengths = np.sqrt(chi2.ppf((np.arange(20000) + 0.5) / 20000, dimension))
    return float(brentq(lambda n: np.minimum(1, n * ndtr(-lengths)).mean() - 0.5, 1, 1e12))


def hulls(long: bool) -> list[Number]:
    trials, sizes = (400, (2, 4, 6, 8, 10, 12)) if long else (60, (2, 4, 6, 8))
    exact = {d: next(n for n in range(d + 1, 99) if gaussian_share(d, n) >= 0.5) for d in (1, 2, 3)}
    drawn = np.random.default_rng(1).standard_normal((4 * trials, 12, 4))
    origin = float(np.mean([inside(x, np.zeros(4)) for x in drawn])) - wendel(4, 12)
    apart = share_inside(3, 15, 4 * trials) - gaussian_share(3, 15)
    half = {d: halfway(d, trials) for d in sizes}
    growth = np.polyfit(sizes, np.log([half[d][0] for d in sizes]), 1)[0]
    of_ball = float(np.median(entrances(4, trials, ball)))
    # Of the windows for N the lower end is proved; the upper one, 4^d, only says that it is not out of reach.
    many, error = int(10**0.75 * 2**5), 1.5 / np.sqrt(4 * trials)  # three standard errors
    return [
        *(Number(f"half inside, d = {d}, in closed form: N", n, *window) for (d, n), window in zip(
            exact.items(), ((3, 3), (11, 11), (27, 27)))),
        Number("d = 3, N = 15: share inside less the closed form", apart, -error, error),
        Number("d = 4, N = 12: origin inside less Wendel's share", origin, -error, error),
        *(Number(f"half inside, d = {d}: N", n, at_least(d), 4.0**d, n * spread) for d, (n, spread) in half.items()),
        Number("growth of that N with every dimension", float(np.exp(growth)), np.exp(0.5), 4),
        Number("that N over 2^(d/2)/d: d = 8 over d = 4", half[8][0] / bound(8) / (half[4][0] / bound(4)), 2, 40),
        Number("ball, half inside, d = 4: N over 2^(d/2)/d", of_ball / bound(4), 50, 1000),
        Number(f"ball, d = 10, {many} points: all are vertices", vertices_only(10, many, 40 if long else 5), 0, 0.9),
    ]  # fmt: skip


# --- manifolds, digits, printed numbers


def flat(count: int, ambient: int, generator: np.random.Generator) -> Array:
    """Points of a line in a space of many dimensions."""
    return generator.uniform(-1, 1, (count, 1)) * np.ones(ambient)


def curved(count: int, ambient: int, generator: np.random.Generator) -> Array:
    """Points of a closed curve: cos kt, sin kt; every one is a vertex of any hull of them."""
    t = generator.uniform(0, 2 * np.pi, (count, 1)) * np.arange(1, ambient // 2 + 1)
    return np.concatenate([np.cos(t), np.sin(t)], axis=1)


def manifolds(long: bool) -> list[Number]:
    trials, found = 400 if long else 100, []
    for name, draw, expected in (("line", flat, 19 / 21), ("closed curve", curved, 0.0)):
        generator = np.random.default_rng(2)
        sets = [draw(21, 16, generator) for _ in range(trials)]
        share = float(np.mean([inside(x[1:], x[0]) for x in sets]))
        margin = 3 * np.sqrt(expected * (1 - expected) / trials)
        found.append(
            Number(f"{name} in 16 dimensions, N = 20: share inside", share, expected - margin, expected + margin)
        )
    seeds = range(5 if long else 1)
    moved = [midpoints(s) for s in seeds]
    held = [inside_shares(s, 200 if long else 60) for s in seeds]
    new = np.random.default_rng(0).choice(100, 20, replace=False)
    images = printed(16)
    printed_share = np.mean([inside(np.delete(images, k, axis=0), images[k]) for k in new[:5]])
    seventies = np.arange(70, 80)
    return [
        *found,
        of_seeds("test digits inside the training digits' hull, pixels", [h["pixels"] for h in held], 0, 0.1),
        of_seeds("the same, codes of eight numbers", [h["codes"] for h in held], 0, 0.5),
        *(
            of_seeds(f"halfway between digits, {name}: distance to training", [m[name] for m in moved], *window)
            for name, window in (("pixels", (1.15, 1.35)), ("components", (1.05, 1.25)), ("code", (1.05, 1.25)))
        ),
        of_seeds("the code's distance over the components'", [m["code"] / m["components"] for m in moved], 0.9, 1.1),
        Number("numbers on images of 512 pixels: share inside", float(printed_share), 0, 0),
        Number("the dimension of all of them", float(np.linalg.matrix_rank(images - images[0])), 18, 18),
        Number("new numbers, read with weights for every pixel: error", read_errors(new)[0], 0, 1e-8),
        Number("the same without any of 70 … 79 shown: error", read_errors(seventies)[0], 0.5, 30),
        Number("read with weights that both places share: error", read_errors(seventies)[1], 0, 1e-8),
    ]  # fmt: skip


def study(long: bool) -> list[Number]:
    """All numbers."""
    return [*identities(long), *hulls(long), *manifolds(long)]
