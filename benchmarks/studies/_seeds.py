"""Confidence through refinement: one operator learned from several starts, on a coarse level and on finer ones."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legvander

import continua as ct
from benchmarks.studies._perceptrons import Array

XI = np.linspace(-1, 1, 65)
WAYS = (  # functions along ξ and ξ′, cells along δ
    "4 × 1", "refined to 8 × 2", "refined to 12 × 4", "4 × 1 for as long", "12 × 4 at once",
)  # fmt: skip
ITERATIONS = 60
NOISE = 0.05
Found = dict[tuple[str, str], list[float]]


def functions(count: int, seed: int) -> Array:
    """Random smooth functions at XI (count, 65): six polynomials, coefficients falling like 1/(1 + k)."""
    drawn = np.random.default_rng(seed).standard_normal((count, 6)) / (1 + np.arange(6))
    return np.asarray(drawn @ legvander(XI, 5).T)


def operator(x: Array) -> Array:
    """y(ξ) = ∫ exp(−2(ξ − ξ′)²) sin(x(ξ′)) dξ′, by a quadrature on the records' points."""
    weights = np.full(len(XI), XI[1] - XI[0])
    weights[[0, -1]] /= 2
    return np.asarray(np.sin(x) @ (weights[:, None] * np.exp(-2 * (XI[:, None] - XI) ** 2)))


def records(count: int, seed: int, noise: float = NOISE) -> tuple[Array, Array]:
    """Records and targets; noise: smooth functions, of this size beside the targets' standard deviation."""
    x = functions(count, seed)
    y = operator(x)
    added = functions(count, seed + 1000)
    return x, y + noise * y.std() / added.std() * added


def fields(width: dict[str, Any], depth: dict[str, Any]) -> dict[str, Any]:
    """The part of a declaration that says in which functions of ξ, ξ′ and δ the fields are."""
    return {"weight": {"width_out": width, "width_in": width, "depth": depth}, "bias": {"width": width, "depth": depth}}


def on(family: str, size: int) -> dict[str, Any]:
    """A basis of so many functions."""
    return {"family": family, "size": size}


def declared(base: dict[str, Any] | None = None, activation: str = "tanh") -> dict[str, Any]:
    """The coarse model with two finer levels, which contain it, or one on other functions; the solver is the same."""
    coarse, middle, fine = (fields(on("legendre", n), on("p0", k)) for n, k in ((4, 1), (8, 2), (12, 4)))
    return {
        "name": "seeds",
        "equation": {"rate": "residual", "activation": activation, "spacing": "1/2", "channels": 4, "local": True},
        "lift": {"inputs": 1},
        "state": {"basis": on("legendre", 16)},
        **(base or coarse),
        "integration": {"tableau": "heun", "steps": 4},
        "readout": {"outputs": 1},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": ITERATIONS},
        "levels": {} if base else {"middle": middle, "fine": fine},
    }


def fitted(model: Any, x: Array, y: Array, **options: Any) -> Any:
    """The model trained on, without remarks."""
    with contextlib.redirect_stderr(io.StringIO()):
        return ct.fit(model, x, y, XI, **options)


def learned(seed: int, x: Array, y: Array) -> dict[str, Any]:
    """All ways from one start, which is one function on every level; the last three have had as many iterations."""
    coarse = fitted(ct.Continuum.from_spec(declared(), seed=seed), x, y)
    middle = fitted(ct.refine(coarse, level="middle"), x, y)
    fine = fitted(ct.refine(middle, level="fine"), x, y)
    starts = (ct.Continuum.from_spec(declared(), seed=seed, level=level) for level in (None, "fine"))
    whole = (fitted(start, x, y, epochs=3 * ITERATIONS) for start in starts)
    return dict(zip(WAYS, (coarse, middle, fine, *whole)))


def size(values: Array) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def spread(values: Array) -> float:
    """Of several functions (seeds, …): their standard deviation about their mean, over their size.

    0 where they agree, 1 where they are drawn independently around 0.
    """
    deviation = np.sqrt(np.sum((values - values.mean(axis=0)) ** 2, axis=0) / (len(values) - 1))
    return size(deviation) / size(values)


def spreads(seeds: Sequence[int], count: int = 100) -> Found:
    """("error", way): of every seed, relative; ("spread" or "field", way): between seeds, of y and of W; and

    ("step", way): of every seed how far refining and training on has moved y, relative.
    """
    x, y = records(count, 0)
    new = functions(200, 1)
    true = operator(new)
    grid = np.ix_(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21), np.linspace(0.05, 0.95, 10))
    models = [learned(seed, x, y) for seed in seeds]
    outputs = {way: np.stack([m[way](new, XI)[..., 0] for m in models]) for way in WAYS}
    found: Found = {}
    for way, z in outputs.items():
        found["error", way] = [size(own - true) / size(true) for own in z]
        found["spread", way] = [spread(z)]
        found["field", way] = [spread(np.stack([m[way].fields["W"](*grid) for m in models]))]
    for before, after in zip(WAYS, WAYS[1:3]):
        found["step", before] = [size(b - a) / size(true) for a, b in zip(outputs[before], outputs[after])]
    return found


CHOICES = {  # eight functions along ξ and ξ′, two along δ, and the activation
    "polynomials along ξ, cells along δ": (on("legendre", 8), on("p0", 2), "tanh"),
    "polynomials along both": (on("legendre", 8), on("legendre", 2), "tanh"),
    "hats along ξ, cells along δ": (on("hat", 8), on("p0", 2), "tanh"),
    "cells along both": (on("p0", 8), on("p0", 2), "tanh"),
    "relu": (on("legendre", 8), on("p0", 2), "relu"),
    "softplus": (on("legendre", 8), on("p0", 2), "softplus"),
}


def chosen(seeds: Sequence[int], names: Sequence[str] = tuple(CHOICES)) -> dict[str, list[float]]:
    """Of every choice and seed the error of y, held out, relative."""
    x, y = records(100, 0)
    new = functions(200, 1)
    true, found = operator(new), {}
    for name in names:
        width, depth, activation = CHOICES[name]
        spec = declared(fields(width, depth), activation)
        models = [fitted(ct.Continuum.from_spec(spec, seed=seed), x, y, epochs=2 * ITERATIONS) for seed in seeds]
        found[name] = [size(model(new, XI)[..., 0] - true) / size(true) for model in models]
    return found


SAME = {  # the space of the first eight Legendre polynomials
    "Gauss–Lobatto": on("gauss-lobatto", 8),
    "Lagrange, equally spaced": {"family": "lagrange", "degree": 7, "cells": 1},
}


def bases_apart(epochs: int = 60, rate: float = 0.1) -> dict[str, dict[str, float]]:
    """How far outputs after training move, relative, where W's and b's functions of ξ are others of the same space."""
    x, y = records(100, 0)
    new = functions(200, 1)
    found: dict[str, dict[str, float]] = {}
    for optimiser in ("adam", "adam-coordinatewise"):
        outputs = []
        for basis in (on("legendre", 8), *SAME.values()):
            model = ct.Continuum.from_spec(declared(fields(basis, on("p0", 2))), seed=0)
            trained = fitted(model, x, y, optimiser=optimiser, epochs=epochs, learning_rate=rate)
            outputs.append(trained(new, XI)[..., 0])
        found[optimiser] = {name: size(z - outputs[0]) / size(outputs[0]) for name, z in zip(SAME, outputs[1:])}
    return found
