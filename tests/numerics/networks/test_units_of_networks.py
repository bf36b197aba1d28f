"""Discrete networks take records as they were measured: scales are in their first and last layers, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from derive.errors import RepresentationError
from numerics import Continuum, from_layers, to_layers
from numerics.model.units import Scale, Units
from tests.oracles.layers import conv, outputs

SAMPLES, TARGETS = Scale((3.0,), (2.0,), (-1.0,), (7.0,)), Scale((-4.0, 9.0), (3.0, 0.5), (0.0, 0.0), (1.0, 1.0))


def scaled(model: Continuum) -> Continuum:
    return model.replace(units=Units(None, SAMPLES, TARGETS if model.spec.functional else SAMPLES))


@pytest.mark.parametrize("last", ["affine", "activation"])
def test_of_a_perceptron(last: str) -> None:
    generator = np.random.default_rng(0)
    weights = [generator.standard_normal(shape) for shape in ((5, 4), (2, 5))]
    model = scaled(from_layers(weights, [np.ones(5), np.ones(2)], last=last))
    network, x = to_layers(model), generator.normal(3, 2, (6, 4))
    assert network.last == "affine"  # what scales the outputs back
    found = outputs(network.weights, network.biases, np.tanh, x)
    assert np.abs(found - model(x).reshape(6, 2)).max() <= 1e-13


@pytest.mark.parametrize("ends", ["circular", "zeros"])
def test_of_convolutions(ends: str) -> None:
    """A shift of samples with zeros beyond the ends is no stencil: then the network is matrices."""
    generator = np.random.default_rng(1)
    weights = [generator.standard_normal(shape) for shape in ((2, 1, 3), (2, 2, 3), (2, 2))]
    model = scaled(from_layers(weights, [np.ones(2)] * 3, "tanh", ends=ends, length=8))
    network, x = to_layers(model), generator.normal(3, 2, (6, 8, 1))
    assert (network.length is None) == (ends == "zeros")
    if network.length is None:
        found = outputs(network.weights, network.biases, np.tanh, x[..., 0])
    else:
        h = x
        for w, b in zip(network.weights[:-1], network.biases):
            h = np.tanh(conv(w, b, h, ends))
        found = h.mean(axis=1) @ network.weights[-1].T + network.biases[-1]
    assert np.abs(found - model(x)).max() <= 1e-13


def test_a_residual_network_has_no_place_for_them() -> None:
    model = from_layers([np.eye(4), np.ones((2, 4))], [np.zeros(4), np.zeros(2)], kind="residual")
    with pytest.raises(RepresentationError, match="samples that are scaled before a residual network"):
        to_layers(scaled(model))
