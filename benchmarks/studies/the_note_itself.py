"""Neural Continua, sentence by sentence: what of the note can be computed, and what comes out.

The note is A. Queiruga, Neural Continua, queiruga.net, 2019. Here are its equations and representations;
``_seeds``: confidence through refinement; ``_speech``: vowels for its last wish, audio signals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

import continua as ct
from benchmarks.studies import Number, _seeds, _speech, mean
from benchmarks.studies._perceptrons import Array

TITLE = "The note itself: which sentences of Neural Continua hold, each with its number"
Step = Callable[[Array, Array], Array]

# --- layers, the boxed equation, Δ


def layers(widths: Sequence[int], seed: int) -> tuple[list[Array], list[Array]]:
    """Weights of variance 1/(width in) and biases of a random perceptron."""
    generator = np.random.default_rng(seed)
    pairs = list(zip(widths, widths[1:]))
    weights = [generator.standard_normal((o, i)) / np.sqrt(i) for i, o in pairs]
    return weights, [generator.standard_normal(o) / 2 for _, o in pairs]


def loop(weights: list[Array], biases: list[Array], x: Array, step: Step) -> Array:
    """A network that knows nothing of continua: h ← step(W h + b, h), layer after layer. x: (records, width)."""
    h = x
    for w, b in zip(weights, biases):
        h = step(h @ w.T + b, h)
    return h


def inputs(width: int, count: int = 20) -> Array:
    """Records (count, width)."""
    return np.random.default_rng(width).standard_normal((count, width))


def values(model: Any, x: Array) -> Array:
    """Of a continuum that is a network, the values of its last layer's neurons."""
    return np.asarray(model(x)).reshape(len(x), -1)


def solved(
    weights: list[Array], biases: list[Array], rate: str = "mlp", steps: int | None = None, tableau: str = "euler",
    spacing: str | None = None,
) -> Any:  # fmt: skip
    """The fields of a tanh network of equal widths, an equal part of the depth a layer, under any rate and solver."""
    count, width = len(weights), len(biases[0])
    model = ct.from_layers(weights, biases, "tanh", last="activation")
    cells, depth = {"family": "p0", "cells": width}, {"family": "p0", "cells": count}
    spec = {
        "name": "boxed",
        "equation": {"rate": rate, "activation": "tanh", "spacing": spacing or f"1/{count}"},
        "input": {"interpolant": "constant"},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, "depth": depth},
        "bias": {"width": cells, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps or count},
        "loss": {"kind": "l2"},
    }
    return ct.Continuum.from_spec(spec).replace(fields=model.fields)


def moved(new: Array, old: Array) -> float:
    """The distance of outputs from others, relative to these."""
    return float(np.linalg.norm(new - old) / np.linalg.norm(old))


def perceptron(u: Array, h: Array) -> Array:
    return np.tanh(u)


def boxed_relu(u: Array, h: Array) -> Array:
    """An Euler step of length Δ of the boxed equation, f(x) = max(x, 0)."""
    return h + np.maximum(u, 0) - u


def equations(long: bool) -> list[Number]:
    seeds = range(10 if long else 3)
    ragged = layers((13, 7, 22, 5), 0)
    x = inputs(13)
    found = values(ct.from_layers(*ragged, "tanh", last="activation"), x)
    exact = np.abs(found - loop(*ragged, x, perceptron)).max()
    x, boxes, wrong, finer = inputs(6), [], [], []
    for seed in seeds:
        own = layers((6,) * 4, seed)
        expected = loop(*own, x, perceptron)
        boxes.append(moved(values(solved(*own, rate="literal"), x), expected))
        wrong.append(moved(values(solved(*own, spacing="1/4"), x), expected))
        finer.append(moved(values(solved(*own, steps=6), x), expected))
    one = layers((6, 6), 0)
    u = x @ one[0][0].T + one[1][0]
    slip = values(solved(*one, rate="literal"), x) - np.tanh(u) - (x - u)
    own = layers((6,) * 4, 0)
    negated = [[-w for w in part] for part in own]
    residual = values(ct.from_layers(*negated, "relu", kind="residual", last="activation"), x)
    return [
        Number("widths 13, 7, 22, 5, constants on cells: continuum less network", float(exact), 0, 1e-13),
        Number("boxed equation, one layer: its gap less (h − u)", float(np.abs(slip).max()), 0, 1e-13),
        mean("boxed equation, three layers of tanh: distance from the network", boxes, 0.5, 10),
        Number("boxed, relu: less the residual network of −W, −b",
               float(np.abs(residual - loop(*own, x, boxed_relu)).max()), 0, 1e-13),
        mean("Δ = 1/(N + 1) for N = 3 layers: distance from the network", wrong, 0.1, 2),
        mean("the network's equation, twice as many steps: outputs move by", finer, 0.1, 1),
    ]  # fmt: skip


# --- solvers and bases of a known continuum


def kernel(xi: Array, xi_: Array, delta: Array) -> Array:
    return np.asarray(np.cos(2 * xi - xi_) * np.exp(-delta))


def bias(xi: Array, delta: Array) -> Array:
    return np.asarray(0.4 * np.sin(2 * xi + delta))


def record(xi: Array) -> Array:
    return np.asarray(np.exp(xi / 2) * np.sin(2 * xi + 0.3))


def smooth(activation: str, basis: dict[str, Any], tableau: str = "rk4", steps: int = 16) -> Any:
    """The continuum of these fields, in a basis of the state and of W's and b's widths, and six polynomials along δ."""
    depth = {"family": "legendre", "size": 6}
    spec = {
        "name": "smooth",
        "equation": {"rate": "residual", "activation": activation, "spacing": "1"},
        "state": {"basis": basis},
        "weight": {"width_out": basis, "width_in": basis, "depth": depth},
        "bias": {"width": basis, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "loss": {"kind": "l2"},
    }
    return ct.Continuum.from_fields(spec, W=kernel, b=bias)


def nystroem(points: Array, activation: Callable[[Array], Array], nodes: int = 40, steps: int = 64) -> Array:
    """h(ξ, 1) at points, without this project: Gauss nodes along ξ, the classical Runge–Kutta method along δ."""
    at, lengths = leggauss(nodes)
    every = np.concatenate([at, points])
    h, s = record(every), 1 / steps

    def rate(h: Array, delta: float) -> Array:
        u = kernel(every[:, None], at, np.array(delta)) @ (lengths * h[:nodes]) + bias(every, np.array(delta))
        return activation(u)

    for n in range(steps):
        k1 = rate(h, n * s)
        k2 = rate(h + s / 2 * k1, (n + 0.5) * s)
        k3 = rate(h + s / 2 * k2, (n + 0.5) * s)
        h = h + s / 6 * (k1 + 2 * k2 + 2 * k3 + rate(h + s * k3, (n + 1) * s))
    return np.asarray(h[nodes:])


def order(sizes: Sequence[int], errors: Sequence[float]) -> float:
    """By the fall of the logarithm of errors, least squares."""
    return float(-np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def cells(count: int) -> dict[str, Any]:
    return {"family": "p0", "cells": count}


XI = np.linspace(-1, 1, 801)


def on_cells(count: int) -> float:
    """What cells, a midpoint each, err by in the middle of a cell, where x is known."""
    middles = -1 + (2 * np.arange(count) + 1) / count
    y = smooth("tanh", cells(count))(record(XI)[None], XI, at=middles)[0, :, 0]
    return float(np.abs(y - nystroem(middles, np.tanh)).max())


def on_polynomials(count: int) -> float:
    """What so many Legendre polynomials err by, inside."""
    points = np.linspace(-0.95, 0.95, 41)
    y = smooth("tanh", {"family": "legendre", "size": count})(record(XI)[None], XI, at=points)[0, :, 0]
    return float(np.abs(y - nystroem(points, np.tanh)).max())


def along_depth(activation: str, tableau: str, sizes: Sequence[int]) -> list[float]:
    """Distances from sixteen times the largest number of steps."""
    x, basis = record(XI)[None], cells(24)
    last = smooth(activation, basis, "rk4", 16 * sizes[-1])(x, XI)
    return [float(np.sqrt(np.mean((smooth(activation, basis, tableau, n)(x, XI) - last) ** 2))) for n in sizes]


def hat_nodes(count: int, degree: int = 32) -> tuple[Array, Array]:
    """Gauss nodes and weights of the cells between so many hats: exact for their products with polynomials."""
    nodes, lengths = leggauss(degree)
    middles = -1 + (2 * np.arange(count - 1) + 1) / (count - 1)
    return (middles[:, None] + nodes / (count - 1)).ravel(), np.tile(lengths / (count - 1), count - 1)


def unseen(basis: dict[str, Any], size: int = 24) -> float:
    """By how much the layer's term f(u) changes, for a part v of the record, ‖v‖ = 1, that W cannot see.

    W has fewer functions along ξ′ than the state: what is orthogonal to all of them does not enter any u.
    """
    spec = {
        "name": "unseen",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1"},
        "input": {"interpolant": "least-squares"},
        "state": {"basis": {"family": "legendre", "size": size}},
        "weight": {"width_out": basis, "width_in": basis, "depth": cells(1)},
        "bias": {"width": basis, "depth": cells(1)},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    }
    model = ct.Continuum.from_spec(spec, seed=0)
    nodes, lengths = hat_nodes(8)
    polynomials = legvander(nodes, size - 1)
    w = model.fields["W"](np.linspace(-0.9, 0.9, 40)[:, None], nodes, np.array(0.5))
    seen = np.linalg.svd((w * lengths) @ polynomials)
    v = polynomials @ seen[2][-1]
    v, x = v / np.sqrt(lengths @ v**2), record(nodes)
    with_it, without = model(np.stack([x + v, x]), nodes)[..., 0]
    return float(np.abs(with_it - without - v).max())


def bases(long: bool) -> list[Number]:
    sizes, counts = (8, 16, 32), (12, 24, 48, 96)
    found = [on_cells(n) for n in counts]
    orders = {
        (activation, tableau): order(sizes, along_depth(activation, tableau, sizes))
        for activation, tableaux in DEPTH.items() for tableau in tableaux
    }  # fmt: skip
    return [
        Number("sums to integrals: order in the width of cells, at their middles",
               order(counts, found), 1.8, 2.2),
        Number("24 polynomials along ξ over 24 cells: error", on_polynomials(24) / found[1], 0, 0.05),
        *(
            Number(f"order along δ, {tableau}, {activation}", value, *WINDOWS[activation, tableau])
            for (activation, tableau), value in orders.items()
        ),
        *(
            Number(f"8 {name} of W, 24 of h: what u sees of one direction", unseen(basis), 0, 1e-11)
            for name, basis in EIGHT.items()
        ),
    ]  # fmt: skip


DEPTH = {"tanh": ("euler", "heun", "rk4"), "softplus": ("rk4",), "relu": ("heun", "rk4")}
WINDOWS = {
    ("tanh", "euler"): (0.85, 1.15), ("tanh", "heun"): (1.85, 2.15), ("tanh", "rk4"): (3.8, 4.3),
    ("softplus", "rk4"): (3.8, 4.3), ("relu", "heun"): (1.4, 2.6), ("relu", "rk4"): (1.4, 2.6),
}  # fmt: skip
EIGHT = {"Legendre polynomials": {"family": "legendre", "size": 8}, "hats": {"family": "hat", "size": 8}}


# --- seeds, and sound


def seeds(long: bool) -> list[Number]:
    found = _seeds.spreads(range(10 if long else 4))
    same = _seeds.bases_apart()
    choices = _seeds.chosen(range(6 if long else 3), list(_seeds.CHOICES)[: None if long else 4])
    windows = {"adam": (0, 1e-9), "adam-coordinatewise": (1e-3, 2)}
    one, two, three, longer, _ = _seeds.WAYS
    error, between, field = (
        {way: float(np.mean(found[what, way])) for way in _seeds.WAYS} for what in ("error", "spread", "field")
    )
    return [
        *(mean(f"{way}: error of y, held out", found["error", way], 0.05, 0.3) for way in _seeds.WAYS),
        *(Number(f"{way}: spread of y between seeds", between[way], 0.01, 0.3) for way in _seeds.WAYS),
        Number("spread of y, refined twice over coarse", between[three] / between[one], 0.3, 1),
        Number("the same over coarse for as long", between[three] / between[longer], 0.3, 1.2),
        Number("spread of W between seeds, coarse", field[one], 0.7, 1.1),
        Number("spread of W between seeds, refined twice", field[three], 0.7, 1.1),
        Number("refined twice: error over spread between seeds", error[three] / between[three], 1, 4),
        mean("first refinement: how far y moves over the error before",
             np.divide(found["step", one], found["error", one]).tolist(), 0.2, 1.2),
        mean("second refinement: the same", np.divide(found["step", two], found["error", two]).tolist(), 0.2, 1.2),
        *(
            Number(f"{optimiser}, {name} for Legendre polynomials: y moves by", gap, *windows[optimiser])
            for optimiser, gaps in same.items() for name, gap in gaps.items()
        ),
        *(mean(f"{name}: error of y, held out", errors, 0.04, 0.3) for name, errors in choices.items()),
    ] + [
        mean("softplus less relu, error of y", np.subtract(choices["softplus"], choices["relu"]).tolist(), -0.1, 0.15)
        for _ in range(long)
    ]  # fmt: skip


def samplings() -> dict[str, Array]:
    """The points of a frame at the rate of the training records, at other rates, and at random."""
    rates = {f"{rate / 1000:g} kHz": _speech.times(rate) for rate in (8000, 16000, 11000, 6000, 4000)}
    return rates | {"uneven": _speech.times(8000, "uneven"), "uneven, half": _speech.times(4000, "uneven")}


def heard(seed: int, each: int = 40, held: int = 100, epochs: int = 30) -> dict[str, dict[str, float]]:
    """Of a continuum and its rivals the shares of held-out vowels that are right; frames and fields from the seed."""
    train, test = _speech.Speech(each, 2 * seed), _speech.Speech(held, 2 * seed + 1)
    model = _speech.learned(train, seed, epochs, warp=0.2)
    return _speech.shares(train, test, {"continuum": model}, samplings())


def speech(long: bool) -> list[Number]:
    found = [heard(seed) for seed in range(6 if long else 2)]
    own = {way: [f[way]["continuum"] for f in found] for way in found[0]}
    rivals = [name for name in found[0]["8 kHz"] if name != "continuum"]
    windows = {"linear, samples": (0.25, 0.45), "nearest record": (0.45, 0.7), "linear, log spectrum": (0.85, 1)}
    off = [abs(f[way]["continuum"] - f["8 kHz"]["continuum"]) for f in found for way in ("16 kHz", "11 kHz")]
    return [
        *(mean(f"vowels at {way}, trained at 8 kHz", shares, 0.65 if "uneven" not in way else 0.5, 1)
          for way, shares in own.items()),
        Number("rates from 8 kHz up: largest change of the share", max(off), 0, 0.05),
        *(mean(f"{name}, 8 kHz", [f["8 kHz"][name] for f in found], *windows.get(name, (0.25, 0.25)))
          for name in rivals),
        *(mean(f"linear, log spectrum, {way}", [f[way]["linear, log spectrum"] for f in found], 0.5, 1)
          for way in ("4 kHz", "uneven", "uneven, half")),
        mean("uneven points: continuum less linear, log spectrum",
             [f["uneven"]["continuum"] - f["uneven"]["linear, log spectrum"] for f in found], 0, 0.3),
        mean("8 kHz: the same", [f["8 kHz"]["continuum"] - f["8 kHz"]["linear, log spectrum"] for f in found], -0.2, 0),
    ]  # fmt: skip


def study(long: bool) -> list[Number]:
    """All numbers."""
    return [*equations(long), *bases(long), *seeds(long), *speech(long)]
