"""What ``to_layers`` writes: a loop over the layers gives the model's outputs, whatever the model stands on.

The oracle is the loop and nothing else: the records' values at the nodes go in, the outputs or y at the nodes come out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derive.declaration import load_spec
from derive.errors import RepresentationError
from numerics import Continuum, from_layers, testing, to_layers
from numerics.functions.basis import evaluate
from numerics.functions.sampled_records import default_points, projection
from numerics.networks.layers import KINDS, Layers
from numerics.representation.tables import kron
from tests.oracles.layers import ACTIVATIONS, conv, outputs

CELLS = {"family": "p0", "cells": 4}
ONE = {"family": "p0", "cells": 1}
UNEVEN = {"family": "p0", "breakpoints": ["-1", "-3/7", "0", "1/3", "1"]}
NODAL = (UNEVEN, {"family": "gauss-lobatto", "size": 4}, {"family": "gauss-legendre", "size": 3},
         {"family": "discontinuous", "cells": 2, "degree": 1}, {"family": "p0", "cells": 5})  # fmt: skip

OWN = {"-u + tanh(u)": lambda u: np.tanh(u) - u, "tanh(u)/2": lambda u: np.tanh(u) / 2,
       "tanh(3*u/2)": lambda u: np.tanh(1.5 * u)}  # fmt: skip


def model_of(declared: dict[str, Any], seed: int = 0) -> Continuum:
    model = Continuum.from_spec(load_spec(declared), seed=0)
    noise = np.random.default_rng(seed).standard_normal(model.size)
    return model.with_coordinates(2 * noise / np.linalg.norm(noise))


def records(model: Continuum, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three records of seven samples along every axis, and what the network is given of them."""
    spec, generator = model.spec, np.random.default_rng(seed)
    x = generator.standard_normal((3, *(7,) * spec.dimension, spec.record_channels))
    slab = model.representation.slabs[0]
    axes = list(zip(slab.axes("entry"), slab.factors("gram/entry")))
    points = default_points(spec.interpolant, 7, spec.periodic[0])
    given = kron([projection(*axis, points, spec.interpolant, spec.periodic[0], None) for axis in axes])
    if not slab.entry:  # else coefficients are what is given
        nodes = slab.factors("nodes")
        given = kron([evaluate(pieces, own) for (pieces, _), own in zip(axes, nodes)]) @ given
    return x, np.einsum("qs,rsc->rqc", given, x.reshape(3, -1, spec.record_channels)).reshape(3, -1)


def at_nodes(model: Continuum, x: np.ndarray) -> np.ndarray:
    """The model's answers: numbers, or y at the last slab's nodes."""
    spec = model.spec
    if spec.functional:
        return model(x)
    nodes = model.representation.slabs[-1].factors("nodes")
    return model(x, at=nodes[0] if spec.dimension == 1 else tuple(nodes)).reshape(len(x), -1)


def loop(network: Layers, v: np.ndarray) -> np.ndarray:
    """The network written out, for inputs (records, neurons), of convolutions (records, samples · channels)."""
    f = {**ACTIVATIONS, **OWN}[network.activation]
    if network.length is None:
        return outputs(network.weights, network.biases, f, v, network.kind, network.last)
    h = v.reshape(len(v), network.length, -1)
    for w, b in zip(network.weights[: network.inner], network.biases):
        h = f(conv(w, b, h, network.ends)) + (h if network.kind == "residual" else 0)
    if network.last == "affine":
        return h.mean(axis=1) @ network.weights[-1].T + network.biases[-1]
    return h.reshape(len(v), -1)


def check(model: Continuum, seed: int = 0) -> Layers:
    """The exported layers are the model, and their import is the layers."""
    network = to_layers(model)
    x, v = records(model, seed)
    expected = at_nodes(model, x)
    limit = 1e-12 * max(1.0, np.abs(expected).max())
    assert np.abs(loop(network, v) - expected).max() <= limit
    again = from_layers(network)
    given_back = again(v if network.length is None else v.reshape(3, network.length, -1))
    if network.last == "activation" and network.length is None:
        n = network.widths[-1]
        given_back = again(v, at=-1 + (2 * np.arange(n) + 1) / n)
    assert np.abs(given_back.reshape(expected.shape) - expected).max() <= limit
    second = to_layers(again)
    assert second.widths == network.widths or network.length is not None
    return network


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    """Euler steps with s = Δ on any bases, with a W or a κ, a V, a lift, a readout."""
    kind = draw(st.sampled_from(KINDS))
    state = draw(st.sampled_from([None, st.sampled_from(NODAL)])) if kind == "mlp" else st.sampled_from(NODAL)
    declared = draw(
        testing.specs(
            state=state, tableau=st.just("euler"), rate=st.just(kind), loss=st.just("l2"),
            activation=st.sampled_from(sorted(set(ACTIVATIONS))),
        )
    )  # fmt: skip
    declared["equation"] |= {"spacing": "1/4"}
    if draw(st.integers(0, 3)):  # coarse fields, for which one node a function of the state is enough
        declared["bias"]["width"] = draw(st.sampled_from([ONE, {"family": "legendre", "size": 2}]))
        declared["weight"] |= {} if "kernel" in declared["weight"] else {"width_out": {"family": "hat", "cells": 1}}
    declared["equation"].pop("normalise", None)
    declared.pop("readout", None)
    width = draw(testing.bases(periodic=declared["equation"]["periodic"]))
    declared |= draw(st.sampled_from([
        {}, {"readout": {"outputs": 2, "basis": width}}, {"readout": {"outputs": 2, "basis": ONE}},
        {"readout": {"outputs": 3}},
        {"readout": {"outputs": 2, "width": width}},
    ]))  # fmt: skip
    if kind == "mlp":
        declared |= draw(st.sampled_from([{}, {"lift": {"inputs": 1}}, {"lift": {"inputs": 2, "width": width}}]))
    declared["input"] = {"interpolant": draw(st.sampled_from(["linear", "constant"]))}
    return declared


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(declared=declarations(), seed=st.integers(0, 99))
def test_any_model_that_is_a_network_is_exported_exactly(declared: dict[str, Any], seed: int) -> None:
    """All but residual networks that have more nodes than states: there A f is no longer f."""
    model = model_of(declared, seed)
    nodes, size = model.representation.slabs[0].tables["X"].shape
    if model.spec.rate == "residual" and nodes > size:
        with pytest.raises(RepresentationError, match=f"{nodes} nodes for {size} functions"):
            to_layers(model)
    else:
        check(model, seed)


def plain(**changes: Any) -> dict[str, Any]:
    """A perceptron of two layers on four cells, with another table here and there."""
    declared = {
        "name": "exported", "equation": {"rate": "mlp", "activation": "tanh", "spacing": "1/2"},
        "input": {"interpolant": "constant"}, "state": {"basis": CELLS},
        "weight": {"width_out": CELLS, "width_in": CELLS, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": CELLS, "depth": {"family": "p0", "cells": 2}},
        "integration": {"tableau": "euler", "steps": 2}, "loss": {"kind": "l2"},
    }  # fmt: skip
    return {**declared, **{k: {**declared.get(k, {}), **v} for k, v in changes.items()}}


TWO = [{"family": "p0", "cells": 4}, {"family": "p0", "cells": 6}, {"family": "p0", "cells": 3}]
COARSE = {"width_out": [ONE, {"family": "hat", "cells": 1}], "width_in": [{"family": "legendre", "size": 2}, ONE],
          "depth": [ONE, ONE]}  # fmt: skip
SHORT = {"family": "legendre", "size": 2}
SQUARE = {"equation": {"dimension": 2}, "integration": {"steps": 1}}
CASES = {
    "coarse weights: applied factor by factor": plain(
        state={"basis": {"family": "p0", "cells": 40}}, weight={"width_out": ONE, "width_in": ONE}),
    "slabs with coarse weights": plain(
        state={"basis": TWO}, weight=COARSE, bias={"width": [ONE, CELLS], "depth": [ONE, ONE]}),
    "uneven cells": plain(state={"basis": UNEVEN}),
    "uneven cells with a kernel": plain(
        equation={"reach": "1/2"}, state={"basis": UNEVEN}) | {"weight": {
            "kernel": SHORT, "depth": {"family": "p0", "cells": 2}}},
    "reflection": plain(equation={"symmetry": "reflection"}),
    "shifts of cells": plain(
        equation={"symmetry": {"shift": "1/2"}, "periodic": True}, bias={"width": ONE}),
    "a translation, in frequencies": plain(
        equation={"symmetry": "translation", "periodic": True}, bias={"width": ONE}, state={
            "basis": {"family": "fourier", "size": 5}}, weight={
            "width_out": {"family": "fourier", "size": 5}, "width_in": {"family": "fourier", "size": 5}}),
    "smooth states": plain(state={"basis": {"family": "legendre", "size": 5}}),
    "Gauss–Lobatto, residual": plain(
        equation={"rate": "residual"}, state={"basis": {"family": "gauss-lobatto", "size": 5}}),
    "two nodes a cell": plain(state={"quadrature": 8}),
    "residual with half steps": plain(equation={"rate": "residual"}, integration={"steps": 4}),
    "the printed equation": plain(equation={"rate": "literal"}),
    "a rate of one's own": plain(equation={"rate": "2*(max(u, 0) - h)"}),
    "a parameter": plain(equation={"activation": "tanh(a*u)", "parameters": {"a": "3/2"}}),
}  # fmt: skip
for dimension in (2, 3):
    square = {"width_out": SHORT, "width_in": SHORT}
    CASES[f"{dimension} axes"] = plain(
        equation={"dimension": dimension, "channels": 2, "local": True}, state={"basis": {"family": "p0", "cells": 2}},
        weight=square, bias={"width": SHORT},
    )  # fmt: skip
CASES["a square of smooth states, reflected"] = plain(
    equation={"dimension": 2, "symmetry": "reflection"}, state={"basis": {"family": "legendre", "size": 3}},
    weight=square, bias={"width": ONE}, readout={"outputs": 2, "basis": SHORT})  # fmt: skip
CASES["a square with a kernel"] = plain(
    equation={"dimension": 2, "reach": "1/2", "channels": 2, "periodic": True}) | {"weight": {
        "kernel": SHORT, "depth": {"family": "p0", "cells": 2}}, "bias": {"width": ONE, "depth": ONE}}  # fmt: skip


@pytest.mark.first(5)
@pytest.mark.parametrize("name", CASES)
def test_kinds_of_models_that_are_networks(name: str) -> None:
    check(model_of(CASES[name], 3))


def test_the_order_of_neurons_is_place_by_place() -> None:
    """Two channels: a record (places, channels) read row by row is the network's input."""
    model = model_of(plain(equation={"channels": 2}))
    x = np.random.default_rng(0).standard_normal((5, 4, 2))
    np.testing.assert_allclose(
        loop(to_layers(model), x.reshape(5, 8)).reshape(5, 4, 2), model(x, at=[-0.75, -0.25, 0.25, 0.75]), atol=1e-13
    )


def test_single_precision_exports_what_it_was_given() -> None:
    model = model_of(plain())
    single = Continuum.from_spec(load_spec({**plain(), "precision": "float32"}))
    single = single.replace(fields=model.fields)
    for mine, theirs in zip(to_layers(single).weights, to_layers(model).weights):
        assert np.array_equal(mine, theirs)


@pytest.mark.first(5)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"integration": {"tableau": "heun"}}, "tableau heun"),
        ({"integration": {"tableau": "backward-euler"}}, "tableau backward-euler"),
        ({"integration": {"steps": 4}}, "Δ = 1/2 in steps of 1/4"),
        ({"integration": {"steps": 1}, "weight": {"depth": ONE}, "bias": {"depth": ONE}}, "in steps of 1"),
        ({"weight": {"depth": {"family": "p0", "breakpoints": ["0", "1/4", "1"]}}, "bias": {"depth": ONE}},
         "in steps of 1/4 and 3/4"),
        ({"equation": {"rate": "tanh(u)*h"}}, "the rate tanh"),
        ({"equation": {"rate": "tanh(u1) - u2*h"}}, "the rate tanh"),
        ({"equation": {"rate": "a*tanh(u)", "learned": {"a": "1"}}}, "the rate a"),
        ({"equation": {"channels": 2, "normalise": "1/10"}}, "normalised"),
        ({"integration": {"tableau": "dopri5", "steps": "adaptive"}}, "records choose"),
        ({"equation": {"rate": "residual"}, "state": {"quadrature": 8}}, "8 nodes for 4 functions"),
        ({"equation": {"rate": "residual"}, "lift": {"inputs": 2}}, "a lift before"),
        ({"equation": {"rate": "residual"}, "state": {"basis": TWO}, "weight": COARSE,
          "bias": {"width": [ONE, CELLS], "depth": [ONE, ONE]}}, "change their basis"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused_with_the_reason(changes: dict[str, Any], says: str) -> None:
    model = model_of(plain(**changes))
    with pytest.raises(RepresentationError) as error:
        to_layers(model)
    assert says in error.value.given
