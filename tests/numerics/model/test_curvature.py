"""Derivatives of outputs and Gauss–Newton products, against complex steps of networks written out in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.model.continuum import Continuum
from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared
from numerics.verify.references.network import Reference
from tests.builders import EVERY, FUNCTION, NUMBERS, ONCE, P0, THREE, declare, marked, random_model
from tests.oracles.network import TABLEAUX, basis, breakpoints, gauss, network, rule

Array = np.ndarray
TINY = 1e-30
SLABS = {"basis": [{"family": "hat", "cells": 4}, {"family": "hat", "cells": 3}, THREE]}
GATE = {"rate": "u1*sigmoid(u2) - a*h", "learned": {"a": "1/2"}, "channels": 2, "local": True}
MODELS: dict[str, dict[str, Any]] = {
    **EVERY,
    "learned, two slabs": {**NUMBERS, "equation": GATE, "state": SLABS},
    "perceptron, two slabs": {**NUMBERS, "equation": {**FUNCTION["equation"], "rate": "mlp"}, "state": SLABS},
    "implicit": {**NUMBERS, "equation": GATE, "integration": {"tableau": "gauss4", "steps": 2}},
    "implicit, one after the other": {
        **NUMBERS, "equation": {**GATE, "normalise": "1/100"}, "integration": {"tableau": "sdirk2", "steps": 2},
    },
    "reflection": {
        **FUNCTION, "equation": {**FUNCTION["equation"], "symmetry": "reflection"},
        "bias": {"width": ONCE, "depth": ONCE},
    },
}  # fmt: skip


def given(model: Continuum, records: int = 4) -> tuple[Array, Array]:
    """Random states and targets, (rows, records)."""
    generator, spec = np.random.default_rng(1), model.spec
    states = generator.standard_normal((spec.entry_channels * spec.entry.size, records))
    rows = len(model.readout_map()[1])
    targets = generator.standard_normal((rows, records))
    return states, np.eye(rows)[generator.integers(0, rows, records)].T.copy() if spec.readout else targets


def written_out(model: Continuum, fields: Any, states: Array) -> Array:
    """What the loss compares, by the network of NumPy, whatever numbers the fields' coefficients are."""
    spec, reference = model.spec, Reference.of(model.spec)
    y = reference.final(fields, states.reshape(-1, spec.entry_channels, states.shape[1]))
    if spec.functional:
        return reference.readout(fields, y)
    z = y if spec.outputs is None else reference.output(fields, y)
    return np.einsum("ln,nor->lor", model.representation.root, z).reshape(-1, states.shape[1])


def moved(model: Continuum, direction: Array) -> dict[str, list[Array]]:
    """The fields' coefficients, a tiny imaginary step along a direction of the coordinates."""
    from numerics.model.layout import whole

    along = model.coefficients_at(direction)
    return {
        name: whole(f, [s.coefficients + 1j * TINY * a for s, a in zip(f.slabs, along[name])], model.spec.dimension)
        for name, f in model.fields.items()
    }


@pytest.mark.parametrize("plan", ["formed", "factors"])
@pytest.mark.parametrize("name", marked(MODELS, slow=[name for name in MODELS if name not in ("numbers", "gated")]))
def test_derivatives_of_outputs_are_complex_steps_and_adjoint(name: str, plan: str) -> None:
    model = random_model(MODELS[name])
    if plan == "formed" and not all(slab.formable for slab in model.representation.slabs):
        pytest.skip("their operators are never formed")
    model = model.running_on(Bound(model.representation, plan=plan, find=plain_kernels))
    states, targets = given(model)
    curvature, generator = Curvature.of(model, Prepared(states, targets, np.zeros(4), None)), np.random.default_rng(2)
    for _ in range(2):
        way, bar = generator.standard_normal(model.size), generator.standard_normal(targets.shape)
        outputs, turned = curvature.tangent(way)
        expected = written_out(model, moved(model, way), states)
        assert np.abs(outputs - expected.real).max() <= 1e-12 * np.abs(expected.real).max()
        size = np.abs(expected.imag / TINY).max()
        assert np.abs(turned - expected.imag / TINY).max() <= 1e-12 * size
        back = curvature.adjoint(bar)
        assert abs(np.sum(turned * bar) - way @ back) <= 1e-12 * np.linalg.norm(turned) * np.linalg.norm(bar)


def test_products_are_those_of_the_matrix_written_out() -> None:
    """Jᵀ ℓ″ J + 2λ, J column by column, ℓ″ = diag(p) − ppᵀ of cross-entropy, records with weights."""
    declared = declare(loss={"kind": "cross-entropy", "penalty": {"W": "1/50"}}, integration={"steps": 2})
    model = random_model(declared)
    states, targets = given(model, 5)
    weights = np.array([0.5, 2, 0, 1, 1.5])
    state, readout = declared["state"]["basis"], declared["readout"]["basis"]
    fine, lengths = gauss(breakpoints(state, (-1.0, 1.0)), 24)
    g = (basis(readout, (-1.0, 1.0), fine) * lengths[:, None]).T @ basis(state, (-1.0, 1.0), fine)

    def outputs(direction: Array) -> Array:
        w, beta, r, a = (own[0] for own in moved(model, direction).values())
        h = states.reshape(-1, 1, 5)
        y = network(declared, *rule(declared), w, beta, h, TABLEAUX["heun"], lambda u, h: 2 * np.tanh(u))
        return np.einsum("ioc,ij,jcn->on", r, g, y) + a[:, None]

    columns = [outputs(way) for way in np.eye(model.size)]
    jacobian = np.array([column.imag / TINY for column in columns])  # (size, outputs, N)
    p = np.exp(columns[0].real) / np.exp(columns[0].real).sum(axis=0)
    expected = np.zeros((model.size, model.size))
    for n in range(5):
        hessian = np.diag(p[:, n]) - np.outer(p[:, n], p[:, n])
        expected += weights[n] / 5 * jacobian[:, :, n] @ hessian @ jacobian[:, :, n].T
    blocks = {block.name: block.part for block in model.blocks}
    expected[blocks["W"], blocks["W"]] += 2 / 50 * np.eye(blocks["W"].stop - blocks["W"].start)
    curvature = Curvature.of(model, Prepared(states, targets, np.zeros(5), None, weights=weights))
    generator = np.random.default_rng(3)
    for way in generator.standard_normal((3, model.size)):
        found = curvature.product(way)
        assert np.linalg.norm(found - expected @ way) <= 1e-12 * np.linalg.norm(expected @ way)


CONVEX = {"function": "l2", "numbers": "cross-entropy", "square": "l2", "maxima": "huber", "gated": "log-cosh"}


@pytest.mark.parametrize("name", marked(CONVEX, slow=["square", "maxima", "gated"]))
def test_products_are_symmetric_and_not_negative(name: str) -> None:
    penalty = {"W": "1/100", "b": {"L2": "1/50"}}
    model = random_model({**MODELS[name], "loss": {"kind": CONVEX[name], "penalty": penalty}})
    curvature = Curvature.of(model, Prepared(*given(model), np.zeros(4), None))
    ways = np.random.default_rng(4).standard_normal((3, model.size))
    found = ways @ np.array([curvature.product(way) for way in ways]).T
    assert np.abs(found - found.T).max() <= 1e-13 * np.abs(found).max()
    assert np.linalg.eigvalsh(found)[0] >= -1e-13 * np.abs(found).max()


# ∂L/∂z in NumPy, for complex z too.
SLOPES = {
    "l2": lambda z, t: 2 * (z - t),
    "huber": lambda z, t: np.where(np.abs(np.real(z) - t) <= 1, z - t, np.sign(np.real(z) - t)),
    "log-cosh": lambda z, t: np.tanh(z - t),
    "cross-entropy": lambda z, t: t.sum(axis=0) * np.exp(z) / np.exp(z).sum(axis=0) - t,
    "kullback-leibler": lambda z, t: np.exp(z) / np.exp(z).sum(axis=0) - t,
    "(z - t)**4 + exp(z*t)": lambda z, t: 4 * (z - t) ** 3 + t * np.exp(z * t),
    "relative-l2": lambda z, t: (z - t) / np.sqrt(np.sum((z - t) ** 2, axis=0) * np.sum(t**2, axis=0)),
}


@pytest.mark.parametrize("loss", SLOPES)
def test_second_derivatives_of_losses_are_complex_steps_of_the_first(loss: str) -> None:
    model = random_model({**(FUNCTION if loss == "relative-l2" else NUMBERS), "loss": {"kind": loss}})
    generator = np.random.default_rng(5)
    rows = len(model.readout_map()[1])
    z, t, v = generator.standard_normal((3, rows, 6))
    if loss in ("cross-entropy", "kullback-leibler"):
        t = np.abs(t) / np.abs(t).sum(axis=0)
        z[0, 0] = 400.0
    z[1, 1] += 3  # beyond Huber's threshold
    expected = SLOPES[loss](z + 1j * TINY * v, t).imag / TINY
    found = model.solver.curved(z, t, v)
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()


def test_a_record_that_is_met_exactly_has_no_curvature_in_a_norm() -> None:
    model = random_model({**FUNCTION, "loss": {"kind": "relative-l2"}})
    z = np.ones((len(model.readout_map()[1]), 1))
    assert np.array_equal(model.solver.curved(z, z, z), 0 * z)


def test_states_that_are_computed_again_give_the_same_bits() -> None:
    model = random_model(declare(integration={"tableau": "heun", "steps": 6}))
    prepared = Prepared(*given(model), np.zeros(4), None)
    again = model.running_on(model.bound.keeping("checkpoint"))
    way = np.random.default_rng(6).standard_normal(model.size)
    first, second = (Curvature.of(one, prepared).product(way) for one in (model, again))
    assert np.array_equal(first, second)


@pytest.mark.compiled
@pytest.mark.slow
def test_machine_code_in_single_precision_and_many_tiles() -> None:
    cells = declare(
        equation={"rate": "tanh(u)*h - h**2/3"}, state={"basis": P0}, weight={"width_out": P0, "width_in": P0},
        bias={"width": P0},
    )  # fmt: skip
    models = [random_model({**cells, "integration": {**cells["integration"], **more}}) for more in ({},)]
    single = Continuum.from_spec(load_spec({**cells, "precision": "float32"})).with_coordinates(models[0].coordinates)
    prepared = Prepared(*given(models[0], 300), np.zeros(300), None)
    way = np.random.default_rng(7).standard_normal(models[0].size)
    exact, rough = (Curvature.of(one, prepared).product(way) for one in (models[0], single))
    assert np.linalg.norm(rough - exact) <= 1e-5 * np.linalg.norm(exact)
    plainly = models[0].running_on(Bound(models[0].representation, find=plain_kernels))
    few = prepared.take(np.arange(5))
    expected, found = (Curvature.of(one, few).product(way) for one in (plainly, models[0]))
    assert np.linalg.norm(found - expected) <= 1e-13 * np.linalg.norm(expected)
