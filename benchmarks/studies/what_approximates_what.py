"""What approximates what: a bump, functions of known Barron norm, frequencies, sawteeth and compositions.

Networks are perceptrons as continua; spectral approximations are the toolkit's own projections: a continuum whose
fields are zero returns its record as the state's basis holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import sici

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies._compositions import composed, errors_in_eight, generic
from benchmarks.studies._perceptrons import Array, of_seeds, perceptron, trained

TITLE = "What approximates what: bumps, Barron's functions, frequencies, sawteeth and compositions"

# --- a bump: two jumps


EDGE = 0.5  # the bump is 1 on [−1/2, 1/2]
GIBBS = sici(np.pi)[0] / np.pi - 0.5  # what a Fourier series overshoots a jump by, over the jump


def bump(x: Array) -> Array:
    return (np.abs(x) < EDGE).astype(float)


def projected(family: str, size: int) -> Any:
    """A continuum whose output is the L2 projection of its record, constant between samples, on a basis."""
    once = {"family": "p0", "cells": 1}
    return ct.Continuum.from_fields({
        "name": "projection",
        "equation": {"rate": "tanh(u)", "spacing": "1", "periodic": family == "fourier"},
        "input": {"interpolant": "constant"},
        "state": {"basis": {"family": family, ("cells" if family == "p0" else "size"): size}},
        "weight": {"width_out": once, "width_in": once, "depth": once},
        "bias": {"width": once, "depth": once},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    })  # fmt: skip


def projected_bump(family: str, size: int, x: Array) -> Array:
    """The bump as a basis holds it, at points; its record is four samples."""
    return projected(family, size)(np.array([[0.0, 1.0, 1.0, 0.0]]), at=x)[0, :, 0]


def trapezoid(ramp: float) -> Any:
    """A network of four relus: ramps of a width, centred at the jumps."""
    kinks = np.array([-EDGE - ramp / 2, -EDGE + ramp / 2, EDGE - ramp / 2, EDGE + ramp / 2])
    return ct.from_layers([np.ones((4, 1)), np.array([[1, -1, -1, 1]]) / ramp], [-kinks, [0.0]], "relu")


def squared_error(found: Callable[[Array], Array], breaks: Sequence[float] = (), parts: int = 200) -> float:
    """‖found − bump‖² on [−1, 1], with Gauss points between equal parts, the jumps, and more breaks."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    ends = np.unique([*np.linspace(-1, 1, parts + 1), *breaks])
    middles, halves = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
    x = (middles[:, None] + halves[:, None] * nodes).ravel()
    return float(np.sum((halves[:, None] * weights).ravel() * (found(x) - bump(x)) ** 2))


def learned_bump(units: int, seed: int, epochs: int = 600) -> Any:
    """A shallow relu network trained on 128 samples of the bump."""
    x = np.linspace(-1, 1, 128)[:, None]
    return trained(perceptron((1, units, 1), "relu", seed), x, bump(x[:, 0]), epochs, 0.02)


def bumps(long: bool) -> list[Number]:
    error = {
        family: size * squared_error(partial(projected_bump, family, size))
        for family, size in (("fourier", 101), ("legendre", 101), ("p0", 50))
    }
    near = EDGE - np.linspace(0, 0.05, 4000)
    high = {family: projected_bump(family, 201, near).max() - 1 for family in ("fourier", "legendre")}
    samples, ramp = np.linspace(-1, 1, 200), 0.01
    steep = trapezoid(ramp)
    ramps = squared_error(
        lambda x: steep(x[:, None])[:, 0], [s * EDGE + d * ramp / 2 for s in (-1, 1) for d in (-1, 1)]
    )
    exact = trapezoid(0.001)(samples[:, None])[:, 0] - bump(samples)
    nodes = np.cos(np.pi * (np.arange(33) + 0.5) / 33)
    outside = np.polynomial.Polynomial.fit(nodes, projected_bump("legendre", 33, nodes), 32, domain=[-1, 1])
    learned = [learned_bump(32, s) for s in range(10 if long else 4)]
    waves = squared_error(partial(projected_bump, "fourier", 97))
    errors = np.array([squared_error(lambda x, m=m: m(x[:, None])[:, 0]) for m in learned])
    far = np.array([m(np.linspace(1e4, 2e4, 9)[:, None])[:, 0] for m in learned])
    bends = np.abs(np.diff(far, 2)).max(axis=1) / np.abs(far).max(axis=1)
    return [
        Number("four relus with ramps of width ε: L2² over ε/6", ramps / (ramp / 6), 1 - 1e-9, 1 + 1e-9),
        Number("the same on 200 samples: largest difference", float(np.abs(exact).max()), 0, 1e-12),
        Number("fourier: n · L2², 4/π² in the limit", error["fourier"], 0.38, 0.43),
        Number("legendre: n · L2², √3/π in the limit", error["legendre"], 0.52, 0.58),
        Number("cells with a jump in their middle: n · L2²", error["p0"], 1 - 1e-9, 1 + 1e-9),
        Number("fourier, 201 functions: overshoot", float(high["fourier"]), GIBBS - 0.003, GIBBS + 0.003),
        Number("legendre, 201 functions: overshoot", float(high["legendre"]), GIBBS - 0.003, GIBBS + 0.003),
        Number("legendre, 33 functions, at 3/2: log10 |value|", float(np.log10(abs(outside(1.5)))), 8, 14),
        of_seeds("32 relus, trained: L2² over that of 97 waves", errors / waves, 3, 40),
        Number("32 relus, trained: largest bend far outside, relative", float(bends.max()), 0, 1e-9),
    ]  # fmt: skip


# --- Barron: an integral over frequencies, sampled


def sampled_gaussian(dimension: int, units: int, spread: float, generator: np.random.Generator) -> Any:
    """(1/n) Σ cos(ω·x), ω from N(0, spread² I): a network of n units whose mean is exp(−spread² |x|²/2)."""
    omega = spread * generator.standard_normal((units, dimension))
    last = np.full((1, units), 1 / units)
    return ct.from_layers([omega, last], [np.full(units, np.pi / 2), [0.0]], "sin")


def unit_variance(dimension: int, spread: float) -> tuple[float, float]:
    """For x from N(0, I): the mean variance of one unit, which is n · error² of n of them, and the mean of f²."""
    s = spread**2
    norm = (1 + 2 * s) ** (-dimension / 2)
    return (1 + (1 + 4 * s) ** (-dimension / 2)) / 2 - norm, norm


def barron_errors(dimension: int, sizes: Sequence[int], draws: int, spread: float) -> Array:
    """Mean squared errors (draws, sizes) on 2,000 points from N(0, I)."""
    generator = np.random.default_rng((0, dimension))
    x = generator.standard_normal((2000, dimension))
    wanted = np.exp(-(spread**2) * np.sum(x**2, axis=1) / 2)
    models = [[sampled_gaussian(dimension, n, spread, generator) for n in sizes] for _ in range(draws)]
    return np.array([[np.mean((model(x)[:, 0] - wanted) ** 2) for model in row] for row in models])


def fixed_space(dimension: int, most: int = 3000) -> tuple[Array, Array]:
    """n, and the worst error of the n lowest frequencies on the torus for functions of Barron norm 1: that of the

    first one left out, cos(2πk·x)/(2π|k|), for which a network needs one unit.
    """
    reach = int(1.5 * most ** (1 / dimension)) + 2
    squares = np.meshgrid(*[np.arange(-reach, reach + 1.0) ** 2] * dimension, sparse=True)
    norms = np.sqrt(np.sort(sum(squares).ravel()))
    counts = np.unique(np.geomspace(3, most, 12).astype(int))
    return counts, 1 / (2 * np.pi * norms[counts] * np.sqrt(2))


def exponent(sizes: Sequence[int] | Array, values: Array) -> float:
    """p of the power size^p that fits values best."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def barron(long: bool) -> list[Number]:
    sizes, draws, found = (16, 64, 256), 40 if long else 12, []
    for d in (2, 8, 32):
        errors = barron_errors(d, sizes, draws, d**-0.5).mean(axis=0)
        constant = float(np.mean(errors * sizes) / unit_variance(d, d**-0.5)[0])
        found += [
            Number(f"sampled units, d = {d}: exponent of n", exponent(sizes, errors) / 2, -0.62, -0.38),
            Number("the same: n · error² over its expectation", constant, 0.75, 1.25),
        ]
    relative = {(d, s): np.sqrt(np.divide(*unit_variance(d, s))) for d in (2, 32) for s in (1.0, d**-0.5)}
    even, steep = relative[32, 32**-0.5] / relative[2, 2**-0.5], relative[32, 1.0] / relative[2, 1.0]
    return [
        *found,
        Number("relative error, f of |x|²/d: d = 32 over d = 2", float(even), 0.67, 1.5),
        Number("the same, f of |x|²: over 3^(30/4)", float(steep) / 3**7.5, 0.8, 2),
        *(
            Number(f"fixed frequencies, d = {d}: exponent · d", d * exponent(*fixed_space(d)), -1.1, -0.9)
            for d in (1, 2, 4)
        ),
    ]


# --- spectral bias: which frequencies are learned first

FREQUENCIES, EVERY = (1, 2, 4, 8), 4
HAT = "max(u, 0) - 2*max(u - 1, 0) + max(u - 2, 0)"
LEARNERS = {"relu": ("relu", 0), "tanh": ("tanh", 0), "hat": (HAT, 0), "Fourier features": ("relu", 8)}


def left(learner: str, seed: int, epochs: int) -> Array:
    """Amplitudes of every frequency that are left, (epochs / EVERY, frequencies); in the target each is 1.

    Networks of two hidden layers of 48; Fourier features are cos πkx and sin πkx, k to 8, in place of x.
    """
    activation, most = LEARNERS[learner]
    x = np.linspace(-1, 1, 128, endpoint=False)[:, None]
    phases = np.random.default_rng((seed, 1)).uniform(0, 2 * np.pi, len(FREQUENCIES))
    y = np.sin(np.pi * x * FREQUENCIES + phases).sum(axis=1)
    angles = np.pi * x * np.arange(1, most + 1)
    inputs = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) if most else x
    waves, found = np.exp(-1j * np.pi * x * FREQUENCIES) * 2 / len(x), []

    def note(model: Any, row: dict[str, Any]) -> None:
        if row["epoch"] % EVERY == 0:
            found.append(np.abs((y - model(inputs)[:, 0]) @ waves))

    model = perceptron((inputs.shape[1], 48, 48, 1), activation, seed)
    trained(model, inputs, y, epochs, 0.01, schedule="constant", callback=note)
    return np.array(found)


def halved(amplitudes: Array) -> Array:
    """Epochs until less than half of each frequency is left; all of them where that does not come."""
    below = amplitudes < 0.5
    return np.where(below.any(axis=0), below.argmax(axis=0) + 1, len(amplitudes)) * float(EVERY)


def spectral(long: bool) -> list[Number]:
    seeds, epochs = (6, 2000) if long else (2, 400)
    times = {name: np.array([halved(left(name, s, epochs)) for s in range(seeds)]) for name in LEARNERS}
    windows = {"relu": (8, 1000), "tanh": (8, 1000), "hat": (2, 60), "Fourier features": (0.2, 2)}
    what = "epochs to halve frequency 8 over 1"
    return [
        *(of_seeds(f"{name}: {what}", rows[:, -1] / rows[:, 0], *windows[name]) for name, rows in times.items()),
        of_seeds("frequency 8: epochs of relu over the hat's", times["relu"][:, -1] / times["hat"][:, -1], 1.5, 100),
    ]


# --- depth: a sawtooth, expressed and learned


def sawtooth(depth: int) -> Any:
    """The tent map 2·relu(x) − 4·relu(x − 1/2), composed: 2^(depth − 1) teeth on [0, 1] of two relus a layer."""
    first, tent = np.ones((2, 1)), np.array([[2.0, -4.0]])
    return ct.from_layers([first, *[first @ tent] * (depth - 1), tent], [np.array([0, -0.5])] * depth + [[0.0]], "relu")


def teeth(depth: int, x: Array) -> Array:
    return 1 - np.abs(2 * np.mod(x * 2 ** (depth - 1), 1) - 1)


def pieces(model: Any) -> int:
    """Linear pieces of x ↦ model(x) on [−1, 1], as a grid of 20,001 points sees them."""
    bends = np.abs(np.diff(model(np.linspace(-1, 1, 20001)[:, None])[:, 0], 2)) > 1e-9
    return 1 + int(bends[0]) + int(np.sum(bends[1:] & ~bends[:-1]))


DEEP, SHALLOW = (1, 16, 16, 16, 16, 1), (1, 288, 1)  # 865 coefficients each


def learned_teeth(widths: Sequence[int], depth: int, seed: int, epochs: int = 1000) -> float:
    """The share of the variance of a sawtooth that is left after training from a random start."""
    x = np.linspace(0, 1, 129)[:, None]
    y = teeth(depth, x[:, 0])
    model = trained(perceptron(widths, "relu", seed), x, y, epochs, 0.005)
    return float(np.mean((model(x)[:, 0] - y) ** 2) / y.var())


def depths(long: bool) -> list[Number]:
    x = np.linspace(0, 1, 1025)
    drawn = [pieces(perceptron(DEEP, "relu", s)) for s in range(20)]
    deep, shallow = (np.array([learned_teeth(w, 3, s) for s in range(10 if long else 3)]) for w in (DEEP, SHALLOW))
    apart = float(np.abs(sawtooth(8)(x[:, None])[:, 0] - teeth(8, x)).max())
    found = [
        Number("128 teeth of 16 relus: largest difference", apart, 0, 1e-11),
        of_seeds("64 relus in four layers, drawn: pieces", drawn, 16, 128),
        of_seeds("4 teeth learned by one layer: variance left", shallow, 0.3, 1),
        of_seeds("4 teeth learned by four layers: variance left", deep, 0, 0.6),
        Number("the same: share of starts that leave less than 1 %", float(np.mean(deep < 0.01)), 0.1, 0.9),
    ]
    if long:
        many = [learned_teeth(DEEP, 6, s) for s in range(10)]
        found.append(of_seeds("32 teeth learned by four layers: variance left", many, 0.7, 1.1))
    return found


# --- compositions


def compositions(long: bool) -> list[Number]:
    ratios = {
        name: [np.divide(*errors_in_eight(f(s), s)) for s in range(6 if long else 2)]
        for name, f in (("composition", lambda seed: composed), ("generic function", generic))
    }
    what = "error of a deep network over a kernel's"
    return [
        of_seeds(f"composition: {what}", ratios["composition"], 0.5, 1.5),
        of_seeds(f"generic function: {what}", ratios["generic function"], 1.5, 8),
    ]


def study(long: bool) -> list[Number]:
    """All numbers."""
    return [*bumps(long), *barron(long), *spectral(long), *depths(long), *compositions(long)]
