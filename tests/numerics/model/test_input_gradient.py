"""Derivatives by the records, against differences of outputs and losses of records that were changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import TrainingError
from numerics import Continuum
from numerics.datasets import records
from numerics.functions.basis import evaluate
from numerics.model.units import Scale, Units
from tests.builders import EVERY, FUNCTION, NUMBERS, THREE, random_model, refused

Array = np.ndarray
STEP = 1e-3  # short: some rates have kinks
STENCIL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}  # of the first derivative, of order 8


def slope(value: Callable[[float], Array]) -> Array:
    """dF/dt at 0."""
    return sum(w * (value(k * STEP) - value(-k * STEP)) for k, w in STENCIL.items()) / STEP


def sample(model: Continuum, count: int = 3, seed: int = 1) -> tuple[Array, Any]:
    """Records of noise, and targets of the model's kind."""
    spec, generator = model.spec, np.random.default_rng(seed)
    x = generator.standard_normal((count, *[6] * spec.dimension, spec.record_channels))
    if spec.comparison.targets == "classes":
        return x, np.arange(count) % int(spec.outputs or 0)
    return x, generator.standard_normal(model(x).shape)


def each_loss(model: Continuum, x: Array, y: Array) -> Array:
    return np.array([model.scores(model.prepare(records(x[n : n + 1], y=y[n : n + 1])))["loss"] for n in range(len(x))])


@pytest.mark.parametrize("name", EVERY)
def test_losses_change_as_the_gradient_says(name: str) -> None:
    """Records are changed in the model's own coordinates: ⟨g, v⟩ = gᵀ M v, M by a rule of this test."""
    model = random_model(EVERY[name])
    x, y = sample(model)
    prepared = model.prepare(records(x, y=y))
    found = model.input_gradient(x, y)
    v = np.random.default_rng(2).standard_normal(found.coefficients.shape)

    def losses(t: float) -> Array:
        moved = prepared.states + t * in_states(model, v)
        own = replace(prepared, states=moved)
        return np.array([model.scores(own.take(np.array([n])))["loss"] for n in range(len(x))])

    expected = np.array([inner(model, g, w) for g, w in zip(found.coefficients, v)])
    np.testing.assert_allclose(slope(losses), expected, rtol=1e-7, atol=1e-9)
    own = np.array([inner(model, g, g) for g in found.coefficients])
    np.testing.assert_allclose(found.squares, own, rtol=1e-10)
    assert repr(found).startswith("InputGradient(3 records, ")


def in_states(model: Continuum, v: Array) -> Array:
    """What functions (N, sizes, …, channels) add to states: those of records without their constant, for lifts."""
    rows = np.moveaxis(v, 0, -1).reshape(-1, model.spec.record_channels, len(v))
    if model.spec.inputs is None:
        return rows.reshape(-1, len(v))
    tables, count = model.representation.readout, len(rows)
    products = tables.get("products/lift", np.eye(count)[None])
    lifted = np.zeros((count, len(products), model.spec.inputs + 1, len(v)))
    lifted[:, :, :-1] = np.einsum("inm,mct->nict", products, rows)
    return lifted.reshape(-1, len(v))


def inner(model: Continuum, g: Array, v: Array) -> float:
    """∫ g v dξ by Gauss points in the cells of every axis."""
    axes = model.representation.slabs[0].axes("entry")
    rules = [gauss(basis.breakpoints) for basis in axes]
    values = [evaluated(model, c, [x for x, _ in rules]) for c in (g, v)]
    total = values[0] * values[1]
    for _, w in rules:
        total = np.tensordot(w, total, 1)
    return float(total.sum())


def gauss(edges: Array, count: int = 40) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(count)
    half = np.diff(edges)[:, None] / 2
    return ((edges[1:] + edges[:-1])[:, None] / 2 + half * x).ravel(), (half * w).ravel()


def evaluated(model: Continuum, c: Array, grid: list[Array]) -> Array:
    for axis, (basis, x) in enumerate(zip(model.representation.slabs[0].axes("entry"), grid)):
        c = np.moveaxis(np.tensordot(evaluate(basis, x), c, (1, axis)), 0, axis)
    return c


@pytest.mark.parametrize("metric", ["L2", "H1"])
def test_samples_in_units_of_their_own(metric: str) -> None:
    """⟨g, v⟩ of polynomials v by Gauss points, and differences of outputs of x + t v, all in the user's units."""
    declared = {**NUMBERS, "readout": {"outputs": 2, "basis": THREE}, "loss": {"kind": "l2"}}
    declared["state"] = {"basis": {"family": "legendre", "size": 5}}
    samples = Scale((3.0,), (20.0,), (-100.0,), (100.0,))
    targets = Scale((1.0, -2.0), (3.0, 40.0), (0.0, 0.0), (1.0, 1.0))
    model = random_model(declared).replace(units=Units(((10.0, 14.0),), samples, targets))
    t = np.linspace(10, 14, 4001)
    xi = (t - 12) / 2
    x = 3 + 20 * np.stack([np.sin(3 * xi), xi**2])
    functional = np.array([[1.0, 0.5], [-2.0, 0.1]])
    found = model.input_gradient(x, xi=t, functional=functional, metric=metric)
    nodes, weights = gauss(np.array([-1.0, 1.0]))
    shown = found(12 + 2 * nodes)[:, :, 0]
    for k in range(4):
        v = np.polynomial.legendre.Legendre.basis(k)
        expected = slope(lambda h: np.sum(functional * model(x + 100 * h * v(xi), xi=t), axis=1)) / 100
        pairing = (shown * v(nodes)) @ weights
        if metric == "H1":
            slopes = np.stack([np.polynomial.legendre.Legendre.fit(nodes, row, 4).deriv()(nodes) for row in shown])
            pairing += (slopes * v.deriv()(nodes)) @ weights
        np.testing.assert_allclose(pairing, expected, rtol=1e-5, atol=1e-7)  # samples are joined by lines


@pytest.mark.parametrize("metric", ["L2", "H1"])
def test_functions_in_closed_form_have_exact_products(metric: str) -> None:
    """⟨g, v⟩ of e^{ξ} and e^{−9ξ} with their derivatives, in closed form: what is paired are dL/d(coefficients)."""
    own = {"family": "custom", "breakpoints": ["-1", "1"], "functions": ["1", "exp(xi)", "exp(-9*xi)"]}
    model = random_model({**NUMBERS, "state": {"basis": own}})
    x, y = sample(model)
    found = model.input_gradient(x, y, metric=metric)
    powers = np.array([0.0, 1.0, -9.0])
    sums = powers[:, None] + powers
    products = np.where(sums == 0, 2.0, 2 * np.sinh(sums) / np.where(sums == 0, 1, sums))  # ∫ e^{aξ} e^{bξ} dξ
    products = products * (1 + np.outer(powers, powers)) if metric == "H1" else products
    bars = model.state_gradient(model.prepare(records(x, y=y))) * len(x)
    size = np.abs(products) @ np.abs(found.coefficients[:, :, 0].T)
    assert np.abs(products @ found.coefficients[:, :, 0].T - bars).max() <= 1e-12 * size.max()


def test_what_has_no_gradient_is_refused() -> None:
    model = random_model(NUMBERS)
    x, y = sample(model)
    refused(lambda: model.input_gradient(x), "records without targets")
    refused(lambda: model.input_gradient(x, y, metric="L1"), "L1")
    refused(lambda: model.input_gradient(x, functional=[1.0, 2.0]), "weights of a functional of shape")
    refused(lambda: random_model(FUNCTION).input_gradient(x, functional=[1.0]), "a model that gives functions")
    jumps = Continuum.from_spec(load_spec({**NUMBERS, "state": {"basis": {"family": "p0", "cells": 4}}}))
    assert jumps.input_gradient(x, y).coefficients.shape == (3, 4, 1)
    refused(lambda: jumps.input_gradient(x, y, metric="H1"), "functions jump")


def test_a_state_that_runs_away_has_no_gradient() -> None:
    """Nor one whose values are finite and whose derivatives are not."""
    equation = {**NUMBERS["equation"], "rate": "tanh(u) + h**3"}
    model = random_model({**NUMBERS, "equation": equation})
    x, y = sample(model)
    x[1] = 1e80
    for given in ({"y": y}, {"functional": np.ones(3)}):
        with np.errstate(all="ignore"), pytest.raises(TrainingError, match="an output of record 1 that is not finite"):
            model.input_gradient(x, **given)
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="a derivative by record 0 that is not finite"):
        random_model(NUMBERS, scale=4).input_gradient(0 * x, functional=np.full(3, 1e308))
