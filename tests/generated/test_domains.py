"""Squares and cubes: networks, records and losses against plain NumPy on the whole domain, without products of axes."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics import Continuum
from numerics.model.prepared import Prepared
from tests.builders import coefficients, marked
from tests.oracles.domains import (
    CASES,
    FOURIER,
    ONE,
    WIDTH,
    model_of,
    network,
    on_the_whole,
    random_states,
)
from tests.oracles.network import basis, gauss

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
        multiplier = (
            np.fft.fft2(kernel, axes=(0, 1))
            * np.exp(1j * np.pi * np.add.outer(np.fft.fftfreq(8, 1 / 8), np.fft.fftfreq(8, 1 / 8)))[:, :, None, None]
        )  # the grid starts at −1
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
