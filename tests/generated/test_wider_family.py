"""Several pre-activations, a local field, learned parameters, symmetries, lift and readout, against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics import Continuum
from numerics.datasets import records
from numerics.model.prepared import Prepared
from tests.builders import coefficients, marked
from tests.oracles.wider_cases import CASES, Arrays, final, model_of

COMPILED = ("translation", "learned, gate", "normalised, gate, local, h")
SLOW = (*COMPILED, "implicit", "normalised, translation, implicit")


@pytest.mark.first(4)
@pytest.mark.parametrize("name", marked(CASES, COMPILED, SLOW))
def test_states_and_gradients_are_those_of_the_network_written_out(name: str) -> None:
    case = CASES[name]
    model = model_of(case, 0.15 if case.tableau != "heun" else 0.4)
    generator = np.random.default_rng(2)
    size = model.representation.slabs[0].tables["X"].shape[1]
    h, fields = generator.standard_normal((size, 3, 5)), coefficients(model)
    expected = final(case, fields, h)
    found = model.solver.final(h.reshape(-1, 5)).reshape(h.shape)
    assert np.max(np.abs(found - expected)) <= 1e-13 * max(1.0, np.max(np.abs(expected)))

    operator, constant = model.readout_map()
    target = generator.standard_normal((len(constant), 5))
    ways = {key: generator.standard_normal(a.shape) for key, a in fields.items()}
    along = generator.standard_normal(h.shape)
    moved = {key: a + 1e-30j * ways[key] for key, a in fields.items()}
    z = operator @ final(case, moved, h + 1e-30j * along).reshape(-1, 5)
    slope = np.mean(np.sum((z - target) ** 2, axis=0)).imag / 1e-30
    prepared = Prepared(h.reshape(-1, 5), target, np.zeros(5), None)
    _, gradient = model.coefficient_gradient(prepared)
    bars = model.state_gradient(prepared)
    measured = sum(np.sum(gradient[key][0] * ways[key]) for key in ways) + np.sum(bars.reshape(h.shape) * along)
    length = np.sqrt(sum(np.sum(gradient[key][0] ** 2) for key in ways) + np.sum(bars**2))
    assert abs(measured - slope) <= 1e-13 * length * np.sqrt(sum(a.size for a in ways.values()) + along.size)


def test_the_learned_parameters_start_where_they_are_declared() -> None:
    model = Continuum.from_spec(load_spec(CASES["learned"].declared()))
    assert np.array_equal(coefficients(model)["parameters"], [[0.5] * 3, [1 / 3] * 3])


@pytest.mark.slow
def test_adaptive_steps_start_from_the_lifted_records() -> None:
    """Four channels of one: the output is that of many small steps, to the tolerance."""
    found = []
    for integration in ({"steps": "adaptive", "tolerance": "1/100000"}, {"steps": 64}):
        given = {**CASES["gate"].declared(), "lift": {"inputs": 1}, "integration": {"tableau": "dopri5", **integration}}
        given["equation"] = {**given["equation"], "channels": 4}
        given["readout"] = {"outputs": 1}
        model = Continuum.from_spec(load_spec(given), seed=0)
        found.append(model(np.sin(np.linspace(-1, 1, 9) + np.arange(3)[:, None])))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-3 * np.abs(found[1]).max())


# --- lift and readout ---------------------------------------------------------------------------------------


def fourier(values: Any, size: int) -> Any:
    """Coefficients (n, c, N) of samples (N, points, c) at −1 + 2j/points."""
    spectrum = np.fft.rfft(values, axis=1) / values.shape[1]
    found = np.zeros((size, values.shape[2], len(values)))
    found[0] = spectrum[:, 0].real.T
    for k in range(1, size // 2 + 1):  # cos kπξ = (−1)^k cos 2πkj/points
        found[2 * k - 1], found[2 * k] = 2 * (-1) ** k * spectrum[:, k].real.T, -2 * (-1) ** k * spectrum[:, k].imag.T
    return found


@pytest.mark.slow
def test_a_lift_and_a_pointwise_readout_are_affine_at_every_point() -> None:
    case = CASES["translation"]
    declared = case.declared() | {
        "lift": {"inputs": 1}, "readout": {"outputs": 2}, "input": {"interpolant": "least-squares"}
    }  # fmt: skip
    model = Continuum.from_spec(load_spec(declared), seed=1)
    generator = np.random.default_rng(0)
    model = model.with_coordinates(generator.standard_normal(model.size) * 0.3)
    xi = -1 + 2 * np.arange(16) / 16
    x, y = generator.standard_normal((5, 16, 1)), generator.standard_normal((5, 16, 2))
    fields = coefficients(model)

    def loss(given: Arrays) -> Any:
        inputs = fourier(x, 9)
        h = np.einsum("oc,ncr->nor", given["P"][:, :1], inputs)
        h[0] = h[0] + given["P"][:, 1:]
        out = np.einsum("oc,ncr->nor", given["R"], final(case, given, h))
        out[0] = out[0] + given["a"][:, None]
        weights = np.array([2.0, *[1.0] * 8])
        return np.mean(np.einsum("n,nor->r", weights, (out - fourier(y, 9)) ** 2))

    prepared = model.prepare(records(x, xi=xi, y=y))
    value, gradient = model.coefficient_gradient(prepared)
    assert value == pytest.approx(loss(fields), rel=1e-13)
    ways = {key: generator.standard_normal(a.shape) for key, a in fields.items()}
    slope = loss({key: a + 1e-30j * ways[key] for key, a in fields.items()}).imag / 1e-30
    measured = sum(np.sum(gradient[key][0] * ways[key]) for key in ways)
    assert measured == pytest.approx(slope, rel=1e-12)
    assert np.asarray(model(x, xi=xi, at=[0.0, 0.3, 0.5])).shape == (5, 3, 2)
    assert np.allclose(model(x, xi=xi)[:, 3], np.asarray(model(x, xi=xi, at=xi[3:4]))[:, 0])
    with pytest.raises(Exception, match=r"lift\.inputs"):
        model.prepare(records(np.ones((2, 16, 3)), xi=xi))
