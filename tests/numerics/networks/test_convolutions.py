"""Networks of convolutions in and out: outputs against loops written out, stencils to rounding, files, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.errors import DataError
from numerics import Continuum, from_layers, load, project, to_layers
from numerics.command.main import main
from numerics.networks import ordering
from numerics.networks.files import arrays, read
from numerics.networks.layers import Layers
from numerics.verify.network import smoothness
from numerics.verify.subject import Subject
from tests.oracles.layers import conv

N = 11


def network(sizes: list[tuple[int, int, int]], seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    weights = [generator.standard_normal(size) / np.sqrt(size[1] * size[2]) for size in sizes]
    return weights, [generator.standard_normal(len(w)) / 2 for w in weights]


@pytest.mark.parametrize("ends", ["zeros", "circular"])
def test_a_perceptron_of_convolutions(ends: str) -> None:
    """Channels and stencils of different sizes, then the mean and an affine layer."""
    weights, biases = network([(4, 2, 5), (3, 4, 3), (4, 3, 1)])
    generator = np.random.default_rng(1)
    last = generator.standard_normal((3, 4)), generator.standard_normal(3)
    model = from_layers([*weights, last[0]], [*biases, last[1]], "tanh", ends=ends, length=N)
    x = generator.standard_normal((5, N, 2))
    h = x
    for w, b in zip(weights, biases):
        h = np.tanh(conv(w, b, h, ends))
    np.testing.assert_allclose(model(x), h.mean(axis=1) @ last[0].T + last[1], rtol=0, atol=1e-13)
    found = to_layers(model)
    assert (found.ends, found.length, found.last, found.widths[0], found.widths[-1]) == (ends, N, "affine", 2, 3)
    np.testing.assert_allclose(found.weights[0], weights[0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.weights[1][:3, :, 1:4], weights[1], rtol=0, atol=1e-15)
    again = from_layers(found)
    np.testing.assert_allclose(again(x), model(x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("ends", ["zeros", "circular"])
def test_residual_convolutions_with_a_function_as_output(ends: str) -> None:
    weights, biases = network([(2, 2, 3)] * 4, 2)
    model = from_layers(weights, biases, "relu", kind="residual", last="activation", ends=ends, length=N)
    h = x = np.random.default_rng(3).standard_normal((3, N, 2))
    for w, b in zip(weights, biases):
        h = h + np.maximum(conv(w, b, h, ends), 0)
    np.testing.assert_allclose(model(x), h, rtol=0, atol=1e-13)
    found = to_layers(model)
    for first, second in zip((*found.weights, *found.biases), (*weights, *biases)):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-15)


def test_fewer_channels_at_the_end_are_cut_again() -> None:
    weights, biases = network([(4, 1, 3), (2, 4, 3)], 4)
    model = from_layers(weights, biases, "tanh", last="activation", ends="zeros", length=N)
    x = np.random.default_rng(5).standard_normal((3, N, 1))
    expected = np.tanh(conv(weights[1], biases[1], np.tanh(conv(weights[0], biases[0], x, "zeros")), "zeros"))
    np.testing.assert_allclose(model(x), expected, rtol=0, atol=1e-13)
    assert to_layers(model).weights[1].shape == (2, 4, 3)


@pytest.mark.first(1)
@pytest.mark.parametrize(("cells", "ends"), [(16, "zeros"), (16, "circular"), (32, "zeros")])
def test_a_smooth_kernel_is_a_long_stencil_on_any_grid(cells: int, ends: str) -> None:
    """κ in three hats on [−1/4, 1/4], exported at the grid of the state: the same network, written as a loop."""
    declared: dict[str, Any] = {
        "name": "smooth",
        "equation": {"rate": "mlp", "activation": "tanh", "spacing": "1/2", "channels": 2, "reach": "1/4",
                     "periodic": ends == "circular"},
        "input": {"interpolant": "constant"},
        "state": {"basis": {"family": "p0", "cells": 16}},
        "weight": {"kernel": {"family": "hat", "size": 3}, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": {"family": "p0", "cells": 2}},
        "integration": {"tableau": "euler", "steps": 2},
        "loss": {"kind": "l2"},
        "levels": {"fine": {"state": {"basis": {"family": "p0", "cells": 32}}}},
    }  # fmt: skip
    model = Continuum.from_spec(load_spec(declared), seed=0)
    model = model.with_coordinates(np.random.default_rng(6).standard_normal(model.size))
    if cells == 32:
        model = project(model, "fine")
    found = to_layers(model)
    reached = 5 if cells == 16 else 9  # a cell beside the reach is seen with half of its width
    assert found.weights[0].shape == (2, 2, reached) and found.length == cells
    h = x = np.random.default_rng(7).standard_normal((3, cells, 2))
    for w, b in zip(found.weights, found.biases):
        h = np.tanh(conv(w, b, h, ends))
    np.testing.assert_allclose(model(x), h, rtol=0, atol=1e-13)


def test_files_carry_stencils(tmp_path: Path) -> None:
    weights, biases = network([(2, 1, 3), (2, 2, 3)], 8)
    given = Layers(tuple(weights), tuple(biases), "tanh", "mlp", "activation", "circular", N)
    np.savez(tmp_path / "n.npz", **arrays(given))
    found = read(tmp_path / "n.npz")
    assert (found.ends, found.length) == ("circular", N)
    done = CliRunner().invoke(main, ["import", str(tmp_path / "n.npz"), "--out", str(tmp_path / "m.npz")])
    assert done.exit_code == 0, done.output
    x = np.random.default_rng(9).standard_normal((2, N, 1))
    np.testing.assert_allclose(load(tmp_path / "m.npz")(x), from_layers(given)(x), rtol=0, atol=1e-14)
    done = CliRunner().invoke(main, ["export", str(tmp_path / "m.npz"), "--out", str(tmp_path / "e.npz")])
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(read(tmp_path / "e.npz").weights[1], weights[1], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ends": None}, "it was left out"),
        ({"length": None}, "convolutions without their length"),
        ({"length": 1}, "no longer than the signal"),
        ({"weights": [np.ones((2, 2, 4))]}, "odd numbers"),
        ({"weights": [np.ones((2, 2))]}, "out × in × K"),
        ({"length": 2.5}, "how many samples"),
    ],
)
def test_bad_stencils_are_refused(changes: dict[str, Any], says: str) -> None:
    given = {"weights": [np.ones((2, 2, 3))], "biases": [np.ones(2)], "last": "activation", "ends": "zeros",
             "length": N, **changes}  # fmt: skip
    with pytest.raises(DataError) as caught:
        from_layers(**given)
    assert says in str(caught.value)


@pytest.mark.parametrize("ends", ["zeros", "circular"])
def test_a_constant_in_the_lift_is_a_bias_only_where_nothing_ends(ends: str) -> None:
    """Beyond the ends there are zeros, and no constant: such layers are matrices."""
    weights, biases = network([(3, 1, 3), (3, 3, 3)], 10)
    model = from_layers(weights, biases, last="activation", ends=ends, length=N)
    shifted = model.fields["P"].with_coefficients([model.fields["P"].slabs[0].coefficients + 1])
    model = model.replace(fields={**model.fields, "P": shifted})
    found = to_layers(model)
    x = np.random.default_rng(11).standard_normal((4, N, 1))
    h = x if ends == "circular" else x.reshape(4, N)
    for w, b in zip(found.weights, found.biases):
        h = np.tanh(conv(w, b, h, ends) if ends == "circular" else h @ w.T + b)
    np.testing.assert_allclose(model(x), h.reshape(4, N, 3), rtol=0, atol=1e-13)


@pytest.mark.parametrize("ends", ["zeros", "circular"])
def test_stencils_as_long_as_the_signal_come_back(ends: str) -> None:
    """Zeros beyond the ends allow 2 n − 1 weights; a circle has n."""
    weights, biases = network([(2, 2, 5 if ends == "zeros" else 3)] * 2, 12)
    model = from_layers(weights, biases, last="activation", ends=ends, length=3)
    found = to_layers(model)
    for mine, theirs in zip(found.weights, weights):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-15)


def varied(**changes: Any) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "name": "varied",
        "equation": {"rate": "mlp", "activation": "tanh", "spacing": "1", "channels": 2, "reach": "1/3"},
        "input": {"interpolant": "constant"}, "state": {"basis": {"family": "p0", "cells": 6}},
        "weight": {"kernel": {"family": "p0", "cells": 3}, "depth": {"family": "p0", "cells": 1}},
        "bias": {"width": {"family": "p0", "cells": 1}, "depth": {"family": "p0", "cells": 1}},
        "integration": {"tableau": "euler", "steps": 1}, "loss": {"kind": "l2"},
    }  # fmt: skip
    return {**declared, **{key: {**declared.get(key, {}), **value} for key, value in changes.items()}}


HALF = {"family": "p0", "cells": 2}


@pytest.mark.first(3)
@pytest.mark.parametrize(
    ("changes", "stencil"),
    [
        ({}, True),
        ({"equation": {"local": True}}, True),  # 1 × 1 beside the stencil: its middle
        ({"readout": {"outputs": 3, "basis": {"family": "p0", "cells": 1}}}, True),
        ({"bias": {"width": HALF}}, False),
        ({"bias": {"width": HALF}, "equation": {"local": True}}, False),
        ({"readout": {"outputs": 3, "basis": HALF}}, False),
        ({"state": {"basis": {"family": "p0", "breakpoints": ["-1", "-1/2", "0", "1/4", "1/2", "1"]}}}, False),
        ({"equation": {"periodic": True, "reach": "1"}}, False),  # the opposite cell is met from both sides
    ],
)
def test_layers_that_say_more_than_stencils_are_matrices(changes: dict[str, Any], stencil: bool) -> None:
    model = Continuum.from_spec(varied(**changes))
    model = model.with_coordinates(np.random.default_rng(13).standard_normal(model.size))
    found = to_layers(model)
    assert (found.length is not None) == stencil
    cells = model.spec.entry.size
    x = np.random.default_rng(14).standard_normal((3, cells, 2))
    if model.spec.entry.breakpoints:
        nodes = model.representation.slabs[0].tables["nodes"]
        cuts = [float(b) for b in model.spec.entry.breakpoints]
        fine = np.repeat(x, np.rint(np.diff(cuts) * 4).astype(int), axis=1)  # as samples on eight equal cells
        expected, answers = model(fine, at=nodes), x
    else:
        expected, answers = model(x), x
    if stencil:
        h = np.tanh(conv(found.weights[0], found.biases[0], answers, "zeros"))
        h = h if found.last == "activation" else h.mean(axis=1) @ found.weights[1].T + found.biases[1]
    else:
        h = np.tanh(answers.reshape(3, -1) @ found.weights[0].T + found.biases[0])
        h = h if found.last == "activation" else h @ found.weights[1].T + found.biases[1]
    np.testing.assert_allclose(expected, h.reshape(expected.shape), rtol=0, atol=1e-13)


def test_an_order_of_convolutions_is_refused_with_the_reason(tmp_path: Path) -> None:
    weights, biases = network([(2, 1, 3), (2, 2, 3)], 15)
    given = Layers(tuple(weights), tuple(biases), "tanh", "mlp", "activation", "zeros", N)
    np.savez(tmp_path / "n.npz", **arrays(given))
    done = CliRunner().invoke(main, ["import", str(tmp_path / "n.npz"), "--order", "--out", str(tmp_path / "m.npz")])
    assert done.exit_code == 2 and "which has its order" in done.stderr and not (tmp_path / "m.npz").exists()
    for work in (ordering.order, lambda n: ordering.permuted(n, 0, np.arange(2)), lambda n: ordering.distances(n, 0)):
        with pytest.raises(DataError, match="convolutions"):
            work(given)


def test_the_question_whether_it_is_a_continuum_is_not_put_to_channels() -> None:
    """Convolutions, and models whose neurons are places with channels: the study of smoothness leaves them out."""
    weights, biases = network([(2, 1, 3), (2, 2, 3)], 16)
    model = from_layers(weights, biases, last="activation", ends="zeros", length=N)
    subject = Subject.of(model.base, model)
    smoothness(subject)
    assert not subject.findings
