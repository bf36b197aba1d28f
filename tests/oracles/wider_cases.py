"""Networks of the wider family, declared, and written out: gates, learned parameters, symmetries, norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from derive.declaration import load_spec
from numerics import Continuum
from tests.oracles.network import TABLEAUX, convolution, even, halves, network, rule, sigmoid

CELLS = {"family": "p0", "cells": 8}
LEGENDRE = {"family": "legendre", "size": 4}
FOURIER = {"family": "fourier", "size": 7}
ONE = {"family": "p0", "cells": 1}
Arrays = dict[str, Any]


def normal(u: Any) -> Any:
    """The values at a node over the root of the mean of their squares, and a hundredth."""
    total = np.zeros((len(u), u.shape[2]), u.dtype)
    for c in range(u.shape[1]):
        total = total + u[:, c] * u[:, c]
    return u / np.sqrt(total / u.shape[1] + 0.01)[:, None]


@dataclass(frozen=True)
class Case:
    """equation: keys of the declaration. rate: ρ(u, h, parameters) in NumPy. whole: what W's coefficients mean."""

    rate: Callable[[Any, Any, Any], Any]
    equation: dict[str, Any]
    state: dict[str, Any] = field(default_factory=lambda: {"family": "legendre", "size": 6})
    width: dict[str, Any] = field(default_factory=lambda: LEGENDRE)
    bias: dict[str, Any] | None = None
    tableau: str = "heun"
    whole: Callable[[Any], Any] = lambda z: z

    def declared(self) -> dict[str, Any]:
        bias = self.bias or self.width
        depth = {"family": "p0", "cells": 2}
        return {
            "name": "wider",
            "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 3, **self.equation},
            "state": {"basis": self.state},
            "weight": {"width_out": self.width, "width_in": self.width, "depth": depth},
            "bias": {"width": bias, "depth": depth},
            "integration": {"tableau": self.tableau, "steps": 4},
            "loss": {"kind": "l2"},
        }


def circulant(z: Any) -> Any:
    """A shift by two of eight cells repeats every coefficient four times."""
    w = np.zeros((8, 8, *z.shape[1:]), z.dtype)
    for m, (i, j) in enumerate((i, j) for i in range(2) for j in range(8)):
        for turn in range(0, 8, 2):
            w[(i + turn) % 8, (j + turn) % 8] = z[m]
    return w


def by_orbits(moves: list[list[int]]) -> Any:
    """Coefficients that are equal wherever one of some permutations of cells takes a pair (i, j) to another."""

    def whole(z: Any) -> Any:
        n = len(moves[0])
        w = np.full((n, n, *z.shape[1:]), np.nan, z.dtype)
        m = 0
        for pair in np.ndindex(n, n):
            if np.isnan(w[pair]).any():
                orbit = [pair]
                for i, j in orbit:
                    orbit += [(g[i], g[j]) for g in moves if (g[i], g[j]) not in orbit]
                for i, j in orbit:
                    w[i, j] = z[m]
                m += 1
        assert m == len(z)
        return w

    return whole


HALVES = {"map": ["-1 - xi", "xi"], "breakpoints": ["-1", "0", "1"]}  # mirrors one half, leaves the other alone
SWAP = {"map": ["xi + 1", "xi - 1"], "breakpoints": ["-1", "0", "1"]}
FIRST_TWO = {"map": ["xi + 1/4", "xi - 1/4", "xi"], "breakpoints": ["-1", "-3/4", "-1/2", "1"]}

CASES = {
    "gate": Case(lambda u, h, p: halves(u)[0] * sigmoid(halves(u)[1]), {"rate": "u1*sigmoid(u2)"}),
    "gate and h": Case(
        lambda u, h, p: np.sin(halves(u)[0]) * np.tanh(halves(u)[1]) - h * np.cos(halves(u)[1]),
        {"rate": "sin(u1)*tanh(u2) - h*cos(u2)"},
    ),
    "three": Case(
        lambda u, h, p: np.sin(u[:, :3]) * np.cos(u[:, 3:6]) + np.tanh(u[:, 6:]) - h,
        {"rate": "sin(u1)*cos(u2) + tanh(u3) - h"},
    ),
    "local": Case(lambda u, h, p: 2 * np.tanh(u), {"local": True}),
    "local, cells": Case(
        lambda u, h, p: np.tanh(u) * h, {"rate": "tanh(u)*h", "local": True}, state=CELLS, width=CELLS
    ),
    "local, gate, constant": Case(
        lambda u, h, p: halves(u)[0] * sigmoid(halves(u)[1]) - h / 2, {"rate": "u1*sigmoid(u2) - h/2", "local": True},
        bias=ONE,
    ),
    "learned": Case(
        lambda u, h, p: np.exp(p[0])[:, None] * np.tanh(u) - p[1][:, None] * h,
        {"rate": "exp(a)*tanh(u) - b*h", "learned": {"a": "1/2", "b": "1/3"}},
    ),
    "learned, gate": Case(
        lambda u, h, p: p[0][:, None] * halves(u)[0] * sigmoid(halves(u)[1]),
        {"rate": "a*u1*sigmoid(u2)", "learned": {"a": "1"}, "local": True},
    ),
    "translation": Case(
        lambda u, h, p: halves(u)[0] * sigmoid(halves(u)[1]) - h,
        {"rate": "u1*sigmoid(u2) - h", "local": True, "symmetry": "translation", "periodic": True},
        state={"family": "fourier", "size": 9}, width=FOURIER, bias=ONE, whole=convolution,
    ),
    "reflection": Case(
        lambda u, h, p: 2 * np.tanh(u), {"symmetry": "reflection"}, bias=ONE, whole=even
    ),
    "shift": Case(
        lambda u, h, p: 2 * np.tanh(u), {"symmetry": {"shift": "1/2"}, "periodic": True},
        state=CELLS, width=CELLS, bias=ONE, whole=circulant,
    ),
    "normalised": Case(
        lambda u, h, p: np.tanh(p[0][:, None] * normal(u)) - h,
        {"rate": "tanh(a*u) - h", "learned": {"a": "2"}, "normalise": "1/100"},
    ),
    "normalised, gate, local, h": Case(
        lambda u, h, p: np.sin(normal(halves(u)[0])) * sigmoid(normal(halves(u)[1])) * np.cos(h),
        {"rate": "sin(u1)*sigmoid(u2)*cos(h)", "local": True, "normalise": "1/100"},
    ),
    "normalised, cells": Case(
        lambda u, h, p: 2 * np.sin(normal(u)), {"activation": "sin", "normalise": "1/100"}, state=CELLS, width=CELLS
    ),
    "normalised, translation, implicit": Case(
        lambda u, h, p: normal(halves(u)[0]) * sigmoid(normal(halves(u)[1])) - h,
        {"rate": "u1*sigmoid(u2) - h", "local": True, "symmetry": "translation", "periodic": True,
         "normalise": "1/100"},
        state={"family": "fourier", "size": 9}, width=FOURIER, bias=ONE, whole=convolution, tableau="implicit-midpoint",
    ),
    "map": Case(
        lambda u, h, p: halves(u)[0] * sigmoid(halves(u)[1]) - h,
        {"rate": "u1*sigmoid(u2) - h", "local": True, "symmetry": [HALVES, SWAP]},
        state=CELLS, width=CELLS, bias=ONE, whole=by_orbits([[3, 2, 1, 0, 4, 5, 6, 7], [4, 5, 6, 7, 0, 1, 2, 3]]),
    ),
    "implicit": Case(
        lambda u, h, p: halves(u)[0] * sigmoid(halves(u)[1]) - p[0][:, None] * h,
        {"rate": "u1*sigmoid(u2) - a*h", "learned": {"a": "1"}, "local": True}, tableau="implicit-midpoint",
    ),
}  # fmt: skip


def model_of(case: Case, scale: float = 0.4) -> Continuum:
    model = Continuum.from_spec(load_spec(case.declared()), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * scale)


def final(case: Case, fields: Arrays, h: Any) -> Any:
    """The state at the end, with everything written out again."""
    declared = case.declared()
    parameters = fields.get("parameters")
    return network(
        declared, *rule(declared), case.whole(fields["W"]), fields["b"], h, TABLEAUX[case.tableau],
        lambda u, at: case.rate(u, at, parameters), fields.get("V"),
    )  # fmt: skip
