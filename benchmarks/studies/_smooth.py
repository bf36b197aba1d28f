"""A continuum of known fields, solved by other means; in other bases, with other tableaux, and where W sees nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

import continua as ct
from benchmarks.studies._perceptrons import Array

XI = np.linspace(-1, 1, 801)  # the points of the record
EIGHT = {"Legendre polynomials": {"family": "legendre", "size": 8}, "hats": {"family": "hat", "size": 8}}


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
