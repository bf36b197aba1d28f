"""Squares and cubes: networks, records and losses against plain NumPy on the whole domain, without products of axes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from derive.declaration import load_spec
from derive.errors import DataError, SpecError
from numerics import Continuum, load, project
from numerics.datasets import read, records, write
from numerics.datasets.sampling import Augmentation, thinned
from numerics.levels.adapted import adapt
from numerics.model.prepared import Prepared
from tests.builders import marked
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


def coefficients(model: Continuum) -> Arrays:
    return {name: f.slabs[0].coefficients for name, f in model.fields.items()}


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


COMPILED = ("square, gate, local", "cube")
QUICK = ("square", "square, a map of one's own")
SLOW = [name for name in CASES if name not in QUICK]


@pytest.mark.parametrize("name", marked(CASES, slow=SLOW))
def test_the_network_is_that_of_the_whole_domain(name: str) -> None:
    case = CASES[name]
    model = model_of(case)
    h = random_states(model)
    found = model.solver.final(h.reshape(-1, h.shape[2])).reshape(h.shape)
    expected = network(case, model, coefficients(model), h)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    moved = np.abs(found - h).max()
    assert moved > 0.1  # it does something




@pytest.mark.parametrize("name", marked([n for n in CASES if "implicit" not in n], COMPILED, SLOW))
def test_gradients_are_those_of_the_complex_step(name: str) -> None:
    case = CASES[name]
    model = model_of(case)
    h, generator = random_states(model), np.random.default_rng(3)
    targets = generator.standard_normal(h.shape)
    roots = [np.linalg.cholesky(m).T for m in model.representation.slabs[0].factors("M")]
    root = on_the_whole(roots)
    scaled = np.einsum("ln,ncr->lcr", root, targets).reshape(-1, h.shape[2])
    prepared = Prepared(h.reshape(-1, h.shape[2]), scaled, np.zeros(h.shape[2]), None)
    _, gradient = model.coefficient_gradient(prepared)
    fields = coefficients(model)
    ways = {key: generator.standard_normal(a.shape) for key, a in fields.items()}
    moved = {key: a + 1e-30j * ways[key] for key, a in fields.items()}
    y = network(case, model, moved, h + 0j)
    loss = np.mean(np.sum(np.einsum("ln,ncr->lcr", root, y - targets) ** 2, axis=(0, 1)))
    found = sum(float(np.sum(gradient[key][0] * way)) for key, way in ways.items())
    sizes = [np.sqrt(sum(np.sum(a**2) for a in parts)) for parts in
             ([gradient[key][0] for key in ways], list(ways.values()))]  # fmt: skip
    assert abs(found - loss.imag / 1e-30) <= 1e-13 * sizes[0] * sizes[1]


# --- κ --------------------------------------------------------------------------------------------------------


def kappa(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": "convolution",
        "equation": {"rate": "residual", "activation": "tanh", "channels": 2, "dimension": 2, "reach": "3/8"},
        "state": {"basis": {"axes": [{"family": "p0", "cells": 8}, {"family": "p0", "cells": 16}]}},
        "weight": {
            "kernel": {"axes": [{"family": "p0", "cells": 3}, {"family": "p0", "cells": 6}]},
            "depth": {"family": "p0", "cells": 1},
        },
        "bias": {"width": ONE, "depth": {"family": "p0", "cells": 1}},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    }
    for key, value in changes.items():
        found[key] = {**found[key], **value}
    return found


@pytest.mark.parametrize("periodic", [True, False])
def test_cells_and_kernels_of_cells_are_a_convolution_in_two_dimensions(periodic: bool) -> None:
    """Row 2 of section 7 on a square: 8 × 16 cells, kernels of 3 × 3 of them, zero or circular ends, by loops."""
    given = kappa(equation={"reach": "3/8", "periodic": periodic})
    given["state"]["basis"] = {"family": "p0", "cells": 8}
    given["weight"]["kernel"] = {"family": "p0", "cells": 3}
    model = Continuum.from_spec(load_spec(given), seed=0)
    model = model.with_coordinates(np.random.default_rng(1).standard_normal(model.size))
    h = np.random.default_rng(2).standard_normal((8, 8, 2, 3))
    found = model.solver.final(h.reshape(-1, 3)).reshape(h.shape)
    w, b = coefficients(model)["W"][:, :, 0], coefficients(model)["b"][0, 0, 0]
    size = 1 / 4
    expected = np.empty_like(h)
    for i, j in np.ndindex(8, 8):
        u = np.repeat(b[:, None], 3, axis=1)
        for m, n in np.ndindex(3, 3):
            k, l = i + 1 - m, j + 1 - n  # κ at offset (m − 1) cells sees the cell that lies so far before
            if periodic or (0 <= k < 8 and 0 <= l < 8):
                u = u + size**2 * w[m, n] @ h[k % 8, l % 8]
        expected[i, j] = h[i, j] + np.tanh(u)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("dimension", [2, 3])
def test_convolutions_are_the_integral(dimension: int) -> None:
    """u at every node by brute force, from κ as a field and the state as a function."""
    state = [{"family": "hat", "size": 3}, {"family": "legendre", "size": 3}, {"family": "p0", "cells": 2}][:dimension]
    kernel = [{"family": "hat", "size": 3}, {"family": "legendre", "size": 2}, {"family": "p0", "cells": 1}][:dimension]
    given = kappa(equation={"dimension": dimension, "reach": "1/2", "rate": "u", "spacing": "1"})
    given["state"]["basis"], given["weight"]["kernel"] = {"axes": state}, {"axes": kernel}
    model = Continuum.from_spec(load_spec(given), seed=0)
    model = model.with_coordinates(np.random.default_rng(1).standard_normal(model.size))
    sizes = [basis(b, WIDTH, np.zeros(1)).shape[1] for b in state]
    h = np.random.default_rng(2).standard_normal((*sizes, 2))
    slab = model.representation.slabs[0]
    change = model.solver.final(h.reshape(-1, 1)).reshape(h.shape) - h  # one step of ḣ = A u
    nodes = slab.factors("nodes")
    at_nodes = change
    for axis, (b, x) in enumerate(zip(state, nodes)):
        at_nodes = np.moveaxis(np.tensordot(basis(b, WIDTH, x), at_nodes, (1, axis)), 0, axis)
    u = np.empty((*(len(x) for x in nodes), 2))
    for place in np.ndindex(*(len(x) for x in nodes)):
        points, weights, tables = [], [], []
        for axis, q in enumerate(place):
            node = nodes[axis][q]
            ends = {-0.5, 0.0, 0.5, *(node - c for c in (-1, 0, 1) if abs(node - c) < 0.5)}
            s, ws = gauss(np.array(sorted(ends)), 8)
            inside = (np.abs(node - s) <= 1)[:, None]
            points.append(s)
            weights.append(ws)
            tables.append(basis(state[axis], WIDTH, np.clip(node - s, -1, 1)) * inside)
        values = h
        for axis, table in enumerate(tables):
            values = np.moveaxis(np.tensordot(table, values, (1, axis)), 0, axis)
        kernels = model.fields["W"](*np.ix_(*points), 0.5)
        volume = functools.reduce(np.multiply.outer, weights)
        u[place] = np.einsum("p,poc,pc->o", volume.ravel(), kernels.reshape(-1, 2, 2), values.reshape(-1, 2))
    projected = u + model.fields["b"](*np.ix_(*nodes), 0.5)
    for axis, (b, x) in enumerate(zip(state, nodes)):  # A u, as values at the nodes
        table = basis(b, WIDTH, x)
        weights = {"hat": gauss(np.linspace(-1, 1, 3), len(x) // 2)[1], "p0": np.full(len(x), 2 / len(x)),
                   "legendre": gauss(np.array([-1.0, 1.0]), len(x))[1]}[b["family"]]  # fmt: skip
        projector = table @ np.linalg.solve((table.T * weights) @ table, table.T * weights)
        projected = np.moveaxis(np.tensordot(projector, projected, (1, axis)), 0, axis)
    np.testing.assert_allclose(at_nodes, projected, rtol=0, atol=1e-12 * np.abs(projected).max())


def test_translation_is_the_spectral_convolution_in_two_dimensions() -> None:
    """What translations leave of W multiplies the two-dimensional Fourier coefficients, one by one."""
    case = CASES["torus, translation"]
    model = model_of(replace(case, equation={**case.equation, "rate": "u"}, tableau="euler"))
    model = model.with_coordinates(np.where(np.arange(model.size) < model.fields["W"].slabs[0].coefficients.size,
                                            model.coordinates, 0))  # no bias  # fmt: skip
    line = -1 + 2 * np.arange(8) / 8
    grid = np.random.default_rng(4).standard_normal((1, 8, 8, 2))
    field_ = model.fields["W"]

    def smooth(x: np.ndarray) -> np.ndarray:  # the functions that the state holds
        f = np.fft.fft2(x, axes=(1, 2))
        keep = np.abs(np.fft.fftfreq(8, 1 / 8)) <= 2
        return np.real(np.fft.ifft2(f * keep[:, None, None] * keep[None, :, None], axes=(1, 2)))

    x = smooth(grid)
    states = np.linalg.lstsq(np.kron(*[basis(FOURIER, WIDTH, line)] * 2), x.reshape(64, 2), rcond=None)[0]
    change = model.solver.final(states.reshape(-1, 1)).reshape(25, 2) - states
    found = (np.kron(*[basis(FOURIER, WIDTH, line)] * 2) @ change).reshape(8, 8, 2)
    expected = np.zeros((8, 8, 2), complex)
    spectrum = np.fft.fft2(x[0], axes=(0, 1))
    for depth in (0.25, 0.75):  # the state changes between them by less than the check sees if W is applied to x alone
        kernel = field_(*np.ix_(line, line), 0.0, 0.0, depth).reshape(8, 8, 2, 2) * (2 / 8) ** 2
        multiplier = np.fft.fft2(kernel, axes=(0, 1)) * np.exp(
            1j * np.pi * np.add.outer(np.fft.fftfreq(8, 1 / 8), np.fft.fftfreq(8, 1 / 8))
        )[:, :, None, None]  # the grid starts at −1
        for _ in range(2):  # two Euler steps an element
            expected = np.fft.ifft2(np.einsum("kloc,klc->klo", multiplier, spectrum), axes=(0, 1)) / 4
            spectrum = spectrum + np.fft.fft2(expected, axes=(0, 1))
    final = np.real(np.fft.ifft2(spectrum, axes=(0, 1)))
    np.testing.assert_allclose(found, final - x[0], rtol=0, atol=1e-12 * np.abs(final).max())


@pytest.mark.parametrize(("name", "moves"), [("torus, translation", "shift"), ("square, reflection", "mirror")])
def test_the_network_commutes_with_its_symmetries(name: str, moves: str) -> None:
    model = model_of(CASES[name])
    nodes = model.representation.slabs[0].factors("nodes")
    x = np.random.default_rng(5).standard_normal((2, 8, 8, 2))
    for axis in (1, 2):
        if moves == "shift":  # by a multiple of the distance of the nodes: samples and states at shifted points
            shift = 2 * 3 / len(nodes[axis - 1])
            line = -1 + 2 * np.arange(8) / 8
            first = [line, line]
            second = [line, line]
            second[axis - 1] = np.sort((line + shift + 1) % 2 - 1)
            turned = np.roll(x, int(np.sum(line + shift >= 1)), axis=axis)
            one = model(x, xi=tuple(first), at=tuple(first))
            at = [line, line]
            at[axis - 1] = (line + shift + 1) % 2 - 1
            two = model(turned, xi=tuple(second), at=tuple(at))
        else:
            one = np.flip(model(x), axis=axis)
            two = model(np.flip(x, axis=axis))
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12 * np.abs(one).max())


def test_the_symmetric_weights_are_all_that_there_are() -> None:
    assert coefficients(model_of(CASES["torus, translation"]))["W"].shape == (5, 5, 2, 2, 2)
    assert coefficients(model_of(CASES["square, reflection"]))["W"].shape == (8, 8, 2, 2, 2)


# --- records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [True, False])
def test_records_enter_by_the_projection_of_their_bilinear_interpolant(periodic: bool) -> None:
    given = CASES["square"].declared()
    given["equation"]["periodic"] = periodic
    model = Continuum.from_spec(load_spec(given), seed=0)
    generator = np.random.default_rng(6)
    xi, eta = (np.sort(generator.uniform(-1, 1, n)) for n in (5, 7))
    x = generator.standard_normal((2, 5, 7, 2))
    found = model.project_samples(records(x, xi=(xi, eta))).reshape(3, 4, 2, 2)
    lines, axes, weights = [], [], []
    for points, state in zip((xi, eta), CASES["square"].state):
        around = np.concatenate([[points[-1] - 2], points, [points[0] + 2]]) if periodic else np.concatenate(
            [[-3.0], points, [3.0]])  # fmt: skip
        breaks = np.union1d(breakpoints(state, WIDTH), np.clip(points, -1, 1))
        s, w = gauss(np.union1d(breaks, [-1, 1]), 6)
        lines.append((s, around))
        axes.append(basis(state, WIDTH, s))
        weights.append(w)
    wrap = "wrap" if periodic else "edge"
    for n in range(2):
        around = np.pad(x[n], ((1, 1), (1, 1), (0, 0)), mode=wrap)
        values = RegularGridInterpolator([a for _, a in lines], around)(
            np.stack(np.meshgrid(*[s for s, _ in lines], indexing="ij"), axis=-1)
        )
        loads = np.einsum("pi,p,qj,q,pqc->ijc", axes[0], weights[0], axes[1], weights[1], values)
        masses = [(a.T * w) @ a for a, w in zip(axes, weights)]
        expected = np.einsum("ik,jl,klc->ijc", *map(np.linalg.inv, masses), loads)
        np.testing.assert_allclose(found[:, :, :, n], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("interpolant", ["linear", "constant"])
def test_the_loss_is_the_integral_over_the_square(interpolant: str) -> None:
    given = CASES["square"].declared(input={"interpolant": interpolant})
    model = model_of_declared(given)
    generator = np.random.default_rng(7)
    x, y = generator.standard_normal((2, 2, 4, 6, 2))
    found = model.scores(model.prepare(records(x, y=y)))["loss"]
    lines, cuts = [], []
    for count in (4, 6):
        line = np.linspace(-1, 1, count) if interpolant == "linear" else np.linspace(-1, 1, count + 1)
        cuts.append(gauss(np.union1d(line, np.linspace(-1, 1, 4)), 5))
        lines.append(line)
    (s, ws), (t, wt) = cuts
    outputs = model(x, at=(s, t))
    total = 0.0
    for n in range(2):
        if interpolant == "linear":
            target = RegularGridInterpolator(lines, y[n])(np.stack(np.meshgrid(s, t, indexing="ij"), axis=-1))
        else:
            places = [np.clip(np.searchsorted(line, p, side="right") - 1, 0, len(line) - 2)
                      for line, p in zip(lines, (s, t))]  # fmt: skip
            target = y[n][np.ix_(*places)]
        total += np.einsum("p,q,pqc->", ws, wt, (outputs[n] - target) ** 2) / 2
    assert found == pytest.approx(total, rel=1e-12)


def model_of_declared(given: dict[str, Any]) -> Continuum:
    model = Continuum.from_spec(load_spec(given), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * 0.5)


def test_another_sampling_moves_the_outputs_with_the_square_of_the_distance() -> None:
    model = model_of(CASES["square"])

    def change(n: int) -> float:
        line = np.linspace(-1, 1, n)
        x = np.sin(2 * line)[:, None] * np.cos(3 * line) + line
        return x[None, :, :, None] * np.ones(2)

    at = (np.linspace(-1, 1, 9),) * 2
    truth = model(change(400), at=at)
    errors = [float(np.abs(model(change(n), at=at) - truth).max()) for n in (11, 21, 41)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - 2) < 0.2).all()


def test_records_on_grids_survive_files_selections_and_lists(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    x, y = generator.standard_normal((2, 5, 3, 4, 2))
    grid = (np.array([-1.0, 0.2, 0.9]), np.array([-0.5, 0.0, 0.1, 1.0]))
    data = records(x, xi=grid, y=y)
    write(tmp_path / "data.npz", data)
    found = read(tmp_path / "data.npz")
    assert repr(found) == "Records(5 records, 3×4 points, 2 channels, y float64 (60, 2))"
    some = found.take([3, 1])
    np.testing.assert_array_equal(some.samples()[0], x[3])
    np.testing.assert_array_equal(some.targets()[1], y[1])
    np.testing.assert_array_equal(some.points()[0][1], grid[1])
    ragged = records([x[0], x[1, :2]], xi=[grid, (grid[0][:2], grid[1])], y=[0, 1])
    assert ragged.shapes == [(3, 4), (2, 4)]
    np.testing.assert_array_equal(ragged.take([1]).samples()[0], x[1, :2])
    np.testing.assert_array_equal(ragged.take([1]).points()[0][0], grid[0][:2])
    half = thinned(data, data.points(), "half")
    np.testing.assert_array_equal(half.samples()[2], x[2, ::2, ::2])
    np.testing.assert_array_equal(half.points()[2][1], grid[1][::2])
    drawn = Augmentation(thin=0.5, warp=0.5)(data, data.points(), np.random.default_rng(1))
    assert {shape[0] for shape in drawn.shapes} <= {2, 3} and drawn.dimension == 2


def test_outputs_of_different_grids_are_a_list() -> None:
    model = model_of(CASES["square"])
    x = [np.ones((3, 4, 2)), np.ones((2, 5, 2))]
    found = model(x)
    assert [y.shape for y in found] == [(3, 4, 2), (2, 5, 2)]
    np.testing.assert_allclose(model(x[1][None])[0], found[1], atol=1e-14)


# --- lift and readout ---------------------------------------------------------------------------------------


def test_lifts_and_readouts_vary_over_the_square() -> None:
    """Without weights the state is P(ξ) (x(ξ), 1) and the output R(ξ) h(ξ) + a(ξ); all of them polynomials."""
    given = CASES["square"].declared(
        lift={"inputs": 1, "width": LEGENDRE},
        readout={"outputs": 1, "width": {"axes": [LEGENDRE, {"family": "legendre", "size": 2}]}},
    )
    given["state"]["basis"] = {"family": "legendre", "size": 6}
    model = Continuum.from_fields(
        given,
        P=lambda s, t: np.stack([np.stack([s * t, 1 + 0 * s * t], -1), np.stack([1 - t + 0 * s, s + 0 * t], -1)], -2),
        R=lambda s, t: np.stack([t + 0 * s, 2 + 0 * s * t], axis=-1)[..., None, :],
        a=lambda s, t: (s * t)[..., None],
    )
    line = np.linspace(-1, 1, 5)
    s, t = np.meshgrid(line, line, indexing="ij")
    x = 1 + s - 2 * t
    expected = t * (s * t * x + 1) + 2 * ((1 - t) * x + s) + s * t
    np.testing.assert_allclose(model(x[None, :, :, None])[0, :, :, 0], expected, atol=1e-12)


def test_smooth_maxima_over_the_square() -> None:
    """∫ R_k h + Q m + a, m = (1/β) log of the mean of exp(β h) by the rule, from the final state's coefficients."""
    given = CASES["square"].declared(readout={"outputs": 3, "basis": LEGENDRE, "maximum": "3"})
    model = model_of_declared(given)
    x = np.random.default_rng(12).standard_normal((4, 5, 5, 2))
    final = model.solver.final(model.project_samples(records(x))).reshape(3, 4, 2, 4)
    (state, line), fields = CASES["square"].state, coefficients(model)
    nodes = model.representation.slabs[0].factors("nodes")
    cuts = [np.array([-1.0, 1.0]), np.linspace(-1, 1, 4)]  # the cells of the hats are those of both rules' bases
    cuts[0] = np.union1d(cuts[0], np.linspace(-1, 1, 4))  # W has hats along the first axis
    weights = [gauss(c, len(n) // (len(c) - 1))[1] for c, n in zip(cuts, nodes)]
    values = np.einsum("pi,qj,ijcn->pqcn", basis(state, WIDTH, nodes[0]), basis(line, WIDTH, nodes[1]), final)
    means = np.einsum("p,q,pqcn->cn", *weights, np.exp(3 * values)) / 4
    fine, measure = gauss(np.linspace(-1, 1, 4), 12)
    functions = [basis(b, WIDTH, fine) * measure[:, None] for b in (LEGENDRE, LEGENDRE)]
    whole = np.einsum("pi,qj,ijcn->pqcn", basis(state, WIDTH, fine), basis(line, WIDTH, fine), final)
    expected = np.einsum("pk,ql,kloc,pqcn->no", *functions, fields["R"], whole) + (fields["Q"] @ np.log(means) / 3).T
    np.testing.assert_allclose(model(x), expected + fields["a"], atol=1e-12)
    targets = np.random.default_rng(13).standard_normal((4, 3))
    prepared = model.prepare(records(x, y=targets))
    _, gradient = model.objective(prepared)
    way = np.random.default_rng(14).standard_normal(model.size) / np.sqrt(model.size)
    change = [model.objective(prepared, model.coordinates + step * way)[0] for step in (1e-5, -1e-5)]
    assert (change[0] - change[1]) / 2e-5 == pytest.approx(gradient @ way, rel=1e-7)


# --- the life of a model ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_levels_checkpoints_and_reports(tmp_path: Path) -> None:
    levels = {
        "fine": {"weight": {"width_in": {"axes": [LEGENDRE, {"family": "legendre", "size": 5}]}}},
        "coarse": {"weight": {"width_out": {"axes": [{"family": "hat", "size": 2}, LEGENDRE]}}},
        "state": {"state": {"basis": {"axes": [{"family": "legendre", "size": 5}, {"family": "hat", "size": 7}]}}},
    }
    readout = {"outputs": 2, "basis": {"axes": [LEGENDRE, ONE]}}
    model = model_of_declared(CASES["square"].declared(levels=levels, readout=readout, loss={"kind": "l2"}))
    x, y = np.random.default_rng(9).standard_normal((6, 5, 5, 2)), np.random.default_rng(10).standard_normal((6, 2))
    fine = project(model, "fine", x, y)
    np.testing.assert_allclose(fine(x), model(x), atol=1e-12)
    assert fine.report.distance["W"] < 1e-12 and fine.report.outputs_fields < 1e-12
    back = project(fine, "base")
    np.testing.assert_allclose(back.coordinates, model.coordinates, atol=1e-12)
    coarse = project(model, "coarse", x, y)
    attribution = coarse.report.attribution
    assert coarse.report.distance["W"] > 1e-3 and abs(attribution.defect) < 0.1 * abs(attribution.change)
    assert project(model, "state", x, y).report.outputs_solver > 1e-6
    fine.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(load(tmp_path / "model.npz")(x), fine(x))


@pytest.mark.slow
def test_a_field_is_a_function_of_all_its_variables() -> None:
    """Values at scattered points are those on a grid, and W is Σ w φ_i φ_i′ φ̃_j φ̃_j′ θ_k."""
    model = model_of(CASES["square"])
    w = model.fields["W"]
    points = np.random.default_rng(11).uniform(-1, 1, (4, 6))
    tables = [basis(b, WIDTH, p) for b, p in zip((HAT, LEGENDRE, LEGENDRE, LEGENDRE), points)]
    expected = np.einsum("pa,pb,pc,pd,abcdoe->poe", *tables, w.slabs[0].coefficients[:, :, :, :, 1])
    np.testing.assert_allclose(w(*points, 0.7), expected, atol=1e-13)
    assert model.fields["b"].axes == ("xi", "eta", "delta")
    known = Continuum.from_fields(
        CASES["torus, translation"].declared(),
        W=lambda a, b, c, d, t: np.multiply.outer(np.cos(np.pi * (a - c)) * np.sin(2 * np.pi * (b - d)), ONES),
    )
    found = known.fields["W"](0.3, -0.2, 0.5, 0.1, 0.4)
    np.testing.assert_allclose(found, np.cos(np.pi * -0.2) * np.sin(2 * np.pi * -0.3) * np.ones((2, 2)), atol=1e-13)


@pytest.mark.slow
def test_refinement_of_smooth_fields_converges_spectrally() -> None:
    """The same functions on Legendre states of 4² … 10², against 14²."""

    def solution(n: int) -> np.ndarray:
        given = CASES["square"].declared()
        given["state"]["basis"] = {"family": "legendre", "size": n}
        given["weight"] |= {"width_out": LEGENDRE, "width_in": LEGENDRE}
        given["bias"]["width"] = LEGENDRE
        given["equation"] |= {"channels": 1}
        model = Continuum.from_fields(
            given, W=lambda a, b, c, d, t: 0.4 * (a * d + b * c - 0.5 + 0 * t), b=lambda a, b, t: a * b + 0 * t
        )
        line = np.linspace(-1, 1, 400)
        return model((np.cos(line)[:, None] * np.exp(line / 2))[None, :, :, None], at=(np.linspace(-1, 1, 7),) * 2)

    truth = solution(14)
    errors = [float(np.abs(solution(n) - truth).max()) for n in (4, 6, 8, 10)]
    assert all(b < a / 3 for a, b in itertools.pairwise(errors)) and errors[-1] < 3e-4


# --- messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"equation": {"dimension": 4}}, "dimension"),
        ({"state": {"basis": {"axes": [LEGENDRE]}}}, "state.basis.axes"),
        ({"state": {"basis": {"axes": [LEGENDRE, {"family": "legendre", "size": 0}]}}}, "state.basis.axes[1]"),
        ({"state": {"basis": {"axes": [{"family": "p0", "cells": 100}] * 2}}}, "10000 functions"),
        ({"loss": {"kind": "h1", "weight": "1 + xi**2"}}, "a weight for h1"),
        ({"loss": {"kind": "l2", "weight": ["1 + xi**2"]}}, "loss.weight.axes"),
        ({"input": {"interpolant": "least-squares", "smoothing": "1/100"}}, "smoothing"),
    ],
)
def test_declarations_that_squares_do_not_have(change: dict[str, Any], words: str) -> None:
    given = CASES["square"].declared()
    for key, value in change.items():
        given[key] = {**given.get(key, {}), **value}
    with pytest.raises(SpecError) as error:
        load_spec(given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("x", "xi", "words"),
    [
        (np.ones((2, 5, 2)), None, "a square"),
        (np.ones((2, 5, 5, 1)), None, "channels"),
        (np.ones((2, 5, 4, 2)), (np.linspace(-1, 1, 4), np.linspace(-1, 1, 5)), "along its axis"),
        (np.ones((2, 5, 4, 2)), np.linspace(-1, 1, 5), "axis"),
        (np.ones((2, 2, 2, 2)), (np.array([0.0, 0.0]), np.array([0.0, 1.0])), "xi = 0.0"),
        ([np.ones((2, 2, 2)), np.ones((2, 2))], None, "number of axes"),
        (np.ones((2, 2, 2, 2, 2, 2)), None, "x of shape"),
    ],
)
def test_records_that_are_none_on_a_square(x: Any, xi: Any, words: str) -> None:
    model = model_of(CASES["square"])
    with pytest.raises(DataError) as error:
        model(x, xi)
    assert words in str(error.value)


def test_points_of_one_axis_are_refused() -> None:
    with pytest.raises(DataError, match="one an axis"):
        model_of(CASES["square"])(np.ones((1, 3, 3, 2)), at=np.linspace(-1, 1, 5))


@pytest.mark.slow
def test_adapted_bases_keep_w_to_the_declared_error() -> None:
    model = Continuum.from_fields(
        CASES["square"].declared(),
        W=lambda a, b, c, d, t: np.multiply.outer(np.exp(a * c / 2 + b * d * t), ONES),
    )
    found = adapt(model, error=0.2)
    w = model.fields["W"]
    points = [gauss(np.linspace(-1, 1, 4), 4) for _ in range(4)]
    depths = gauss(np.linspace(0, 1, 3), 2)
    grid = np.ix_(*[p for p, _ in points], depths[0])
    volume = functools.reduce(np.multiply.outer, [*[q for _, q in points], depths[1]])[..., None, None]
    norms = [np.sqrt(np.sum(volume * f**2)) for f in (w(*grid), w(*grid) - found.fields["W"](*grid))]
    assert 1e-3 * norms[0] < norms[1] <= 0.2 * norms[0]
    assert found.size < model.size
    with pytest.raises(DataError, match="symmetries"):
        adapt(model_of(CASES["square, reflection"]))
