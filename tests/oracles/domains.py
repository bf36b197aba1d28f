"""Networks on squares and cubes, declared, and written out on the whole domain with dense tables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from derive.declaration import load_spec
from numerics import Continuum
from tests.oracles.network import TABLEAUX, basis, breakpoints, convolution, even, gauss, halves, sigmoid

LEGENDRE = {"family": "legendre", "size": 3}
HAT = {"family": "hat", "size": 4}
FOURIER = {"family": "fourier", "size": 5}
FOUR = {"family": "p0", "cells": 4}
ONE = {"family": "p0", "cells": 1}
WIDTH = (-1.0, 1.0)
ONES = np.ones((2, 2))
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """state, outer, inner, bias: one basis an axis. rate: ρ(u, h). whole: z → w_ij of the products along all axes."""

    state: list[dict[str, Any]]
    outer: list[dict[str, Any]]
    inner: list[dict[str, Any]]
    bias: list[dict[str, Any]]
    equation: dict[str, Any] = field(default_factory=dict)
    rate: Callable[[Any, Any], Any] = lambda u, h: 2 * np.tanh(u)
    tableau: str = "heun"
    whole: Callable[[Any], Any] | None = None

    def declared(self, **more: Any) -> dict[str, Any]:
        depth = {"family": "p0", "cells": 2}
        return {
            "name": "domains",
            "equation": {
                "rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2,
                "dimension": len(self.state), **self.equation,
            },
            "state": {"basis": {"axes": self.state}},
            "weight": {"width_out": {"axes": self.outer}, "width_in": {"axes": self.inner}, "depth": depth},
            "bias": {"width": {"axes": self.bias}, "depth": depth},
            "integration": {"tableau": self.tableau, "steps": 4},
            "loss": {"kind": "l2"},
            **more,
        }  # fmt: skip


def both(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What leaves W alone along one axis, for both: numbers of either, z[m, n, …] → w[i, i′, j, j′, …], by loops."""

    def whole(z: Any) -> Any:
        first = [one(np.eye(z.shape[0])[m]) for m in range(z.shape[0])]
        second = [one(np.eye(z.shape[1])[n]) for n in range(z.shape[1])]
        return sum(
            np.multiply.outer(np.einsum("ij,kl->ikjl", first[m], second[n]), z[m, n])
            for m, n in np.ndindex(z.shape[:2])
        )

    return whole


def exchanged(z: Any) -> Any:
    """Four cells: the halves [−1, 0] and [0, 1] change places; the first of every orbit is in the order of rows."""
    w = np.zeros((4, 4, *z.shape[1:]), z.dtype)
    for m, (i, j) in enumerate((i, j) for i in range(2) for j in range(4)):
        w[i, j] = w[i + 2, (j + 2) % 4] = z[m]
    return w


def normal(u: Any, epsilon: float) -> Any:
    """u/√(mean of u² over the channels + ε)."""
    return u / np.sqrt(np.mean(u**2, axis=1, keepdims=True) + epsilon)


HALVES = {"map": ["xi + 1", "xi - 1"], "breakpoints": ["-1", "0", "1"]}

CASES = {
    "square": Case([LEGENDRE, HAT], [HAT, LEGENDRE], [LEGENDRE, LEGENDRE], [LEGENDRE, ONE]),
    "square, perceptron": Case(
        [HAT, {"family": "p0", "cells": 3}], [LEGENDRE, HAT], [HAT, HAT], [LEGENDRE, HAT], {"rate": "mlp"},
        lambda u, h: 2 * (np.tanh(u) - h), "euler",
    ),
    "square, gate, local": Case(
        [LEGENDRE, LEGENDRE], [HAT, LEGENDRE], [LEGENDRE, HAT], [HAT, ONE],
        {"rate": "tanh(u1)*sigmoid(u2) - h*sin(u1)", "local": True},
        lambda u, h: np.tanh(halves(u)[0]) * sigmoid(halves(u)[1]) - h * np.sin(halves(u)[0]), "rk4",
    ),
    "cube": Case([LEGENDRE, HAT, {"family": "p0", "cells": 2}], [ONE, LEGENDRE, ONE], [LEGENDRE, ONE, HAT], [ONE] * 3),
    "torus, translation": Case(
        [FOURIER, FOURIER], [FOURIER, FOURIER], [FOURIER, FOURIER], [ONE, ONE],
        {"symmetry": "translation", "periodic": True}, whole=both(convolution),
    ),
    "square, reflection": Case(
        [LEGENDRE, HAT], [{"family": "legendre", "size": 4}] * 2, [{"family": "legendre", "size": 4}] * 2, [ONE, ONE],
        {"symmetry": "reflection"}, whole=both(even),
    ),
    "square, normalised": Case(
        [LEGENDRE, HAT], [LEGENDRE, LEGENDRE], [HAT, LEGENDRE], [LEGENDRE, ONE],
        {"rate": "sin(u1)*sigmoid(u2) - h", "normalise": "1/10", "local": True},
        lambda u, h: np.sin(normal(halves(u)[0], 0.1)) * sigmoid(normal(halves(u)[1], 0.1)) - h,
    ),
    "square, a map of one's own": Case(
        [FOUR, FOUR], [FOUR, FOUR], [FOUR, FOUR], [ONE, ONE], {"symmetry": HALVES}, whole=both(exchanged)
    ),
    "square, implicit": Case(
        [LEGENDRE, LEGENDRE], [LEGENDRE, ONE], [LEGENDRE, HAT], [ONE, ONE], tableau="implicit-midpoint"
    ),
}  # fmt: skip


def model_of(case: Case, **more: Any) -> Continuum:
    model = Continuum.from_spec(load_spec(case.declared(**more)), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * 0.5)


def on_the_whole(parts: list[np.ndarray]) -> np.ndarray:
    return functools.reduce(np.kron, parts)


def network(case: Case, model: Continuum, fields: Arrays, h: np.ndarray) -> np.ndarray:
    """h(·, 1) as coefficients (n, c, N): every table on the whole domain, Runge–Kutta stages as in textbooks."""
    d = len(case.state)
    axes = [(float(x) for x in nodes) for nodes in model.representation.slabs[0].factors("nodes")]
    lines = [np.array(list(x)) for x in axes]
    x, phi, psi = (on_the_whole([basis(b, WIDTH, p) for b, p in zip(kind, lines)])
                   for kind in (case.state, case.outer, case.bias))  # fmt: skip
    couplings, rules = [], []
    for state, inner, bias, outer, nodes in zip(case.state, case.inner, case.bias, case.outer, lines):
        breaks = np.union1d(breakpoints(state, WIDTH), breakpoints(inner, WIDTH))
        fine, weights = gauss(breaks, 40)
        couplings.append((basis(inner, WIDTH, fine) * weights[:, None]).T @ basis(state, WIDTH, fine))
        if state["family"] == "fourier":
            rules.append(np.full(len(nodes), 2 / len(nodes)))
        elif state["family"] == "p0" and len(nodes) == len(breakpoints(state, WIDTH)) - 1:
            rules.append(np.diff(breakpoints(state, WIDTH)))
        else:
            cuts = functools.reduce(np.union1d, [breakpoints(b, WIDTH) for b in (state, outer, bias)])
            rules.append(gauss(cuts, len(nodes) // (len(cuts) - 1))[1])
            np.testing.assert_allclose(gauss(cuts, len(nodes) // (len(cuts) - 1))[0], nodes, atol=1e-15)
    coupling, weights = on_the_whole(couplings), on_the_whole(rules)
    projector = np.linalg.solve((x * weights[:, None]).T @ x, (x * weights[:, None]).T)
    w, b = fields["W"], fields["b"]
    w = case.whole(w) if case.whole else w
    w = w.reshape(phi.shape[1], coupling.shape[0], *w.shape[2 * d :])
    b = b.reshape(psi.shape[1], *b.shape[d:])
    v = fields["V"].reshape(psi.shape[1], *fields["V"].shape[d:]) if "V" in fields else None

    def slope(h: np.ndarray, element: int) -> np.ndarray:
        at = np.einsum("qj,jcn->qcn", x, h)
        u = np.einsum("qi,ijoc,jl,lcn->qon", phi, w[:, :, element], coupling, h)
        u = u + np.einsum("qi,io->qo", psi, b[:, element])[:, :, None]
        if v is not None:
            u = u + np.einsum("qi,ioc,qcn->qon", psi, v[:, element], at)
        return np.einsum("jq,qcn->jcn", projector, case.rate(u, at))

    a, c, _ = TABLEAUX[case.tableau]
    for step in range(4):
        k: list[np.ndarray] = []
        if case.tableau == "implicit-midpoint":  # a contraction for such small steps
            stage = slope(h, step // 2)
            for _ in range(60):
                stage = slope(h + stage / 8, step // 2)
            k = [stage]
        else:
            for i in range(len(c)):
                k.append(slope(h + sum((a[i][j] * k[j] for j in range(i)), 0 * h) / 4, step // 2))
        h = h + sum(weight * stage for weight, stage in zip(c, k)) / 4
    return h


def random_states(model: Continuum, count: int = 3) -> np.ndarray:
    spec = model.spec
    return np.random.default_rng(2).standard_normal((spec.entry.size, spec.channels, count))
