"""Neural Continua, sentence by sentence: what of the note can be computed, and what comes out.

The note is A. Queiruga, Neural Continua, queiruga.net, 2019. Here are its equations; ``_smooth``: solvers and bases
of a known continuum · ``_seeds``: learning, confidence through refinement · ``_speech``: vowels for its last wish.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number, _seeds, _smooth, _speech, mean
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
    weights: list[Array], biases: list[Array], rate: str = "mlp", steps: int | None = None, spacing: str | None = None
) -> Any:
    """The fields of a tanh network of equal widths under any rate, in so many Euler steps and with any Δ."""
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
        "integration": {"tableau": "euler", "steps": steps or count},
        "loss": {"kind": "l2"},
    }
    return ct.Continuum.from_spec(spec).replace(fields=model.fields)


def moved(new: Array, old: Array) -> float:
    """The distance of outputs from others, relative to these."""
    return float(np.linalg.norm(new - old) / np.linalg.norm(old))


def perceptron(u: Array, h: Array) -> Array:
    """A layer's step."""
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


def bases() -> list[Number]:
    sizes, counts = (8, 16, 32), (12, 24, 48, 96)
    found = [_smooth.on_cells(n) for n in counts]
    orders = {
        (activation, tableau): _smooth.order(sizes, _smooth.along_depth(activation, tableau, sizes))
        for activation, tableaux in DEPTH.items() for tableau in tableaux
    }  # fmt: skip
    return [
        Number("sums to integrals: order in the width of cells, at their middles",
               _smooth.order(counts, found), 1.8, 2.2),
        Number("24 polynomials along ξ over 24 cells: error", _smooth.on_polynomials(24) / found[1], 0, 0.05),
        *(
            Number(f"order along δ, {tableau}, {activation}", value, *WINDOWS[activation, tableau])
            for (activation, tableau), value in orders.items()
        ),
        *(
            Number(f"8 {name} of W, 24 of h: what u sees of one direction", _smooth.unseen(basis), 0, 1e-11)
            for name, basis in _smooth.EIGHT.items()
        ),
    ]  # fmt: skip


DEPTH = {"tanh": ("euler", "heun", "rk4"), "softplus": ("rk4",), "relu": ("heun", "rk4")}
WINDOWS = {
    ("tanh", "euler"): (0.85, 1.15), ("tanh", "heun"): (1.85, 2.15), ("tanh", "rk4"): (3.8, 4.3),
    ("softplus", "rk4"): (3.8, 4.3), ("relu", "heun"): (1.4, 2.6), ("relu", "rk4"): (1.4, 2.6),
}  # fmt: skip


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
    numbers = [
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
    ]  # fmt: skip
    if long:
        apart = np.subtract(choices["softplus"], choices["relu"]).tolist()
        numbers.append(mean("softplus less relu, error of y", apart, -0.1, 0.15))
    return numbers


def speech(long: bool) -> list[Number]:
    found = [_speech.heard(seed) for seed in range(6 if long else 2)]
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
    return [*equations(long), *bases(), *seeds(long), *speech(long)]
