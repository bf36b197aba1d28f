"""Whatever is registered, in any combination: kernels and gradients against the NumPy network of the exact tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from derive import registry
from derive.declaration import load_spec
from derive.spec import BasisSpec, Spec
from numerics import testing, verify
from numerics.kernels import steps as adaptive
from numerics.model.continuum import Continuum
from numerics.networks.continua import from_layers, to_layers
from numerics.networks.layers import Layers
from numerics.verify.references.network import Reference
from tests.oracles.network import TABLEAUX, network, rule

# those that tests/oracles/network.py writes out
FAMILIES = ("p0", "hat", "bspline", "legendre", "chebyshev", "discontinuous", "lagrange", "hierarchical", "fourier")
ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.slow
@ANY
@given(declared=testing.specs(), data=st.data())
def test_states_and_gradients_of_any_spec(declared: dict, data: st.DataObject) -> None:
    spec = load_spec(declared)
    model = data.draw(testing.models(declared))
    prepared = model.prepare(data.draw(testing.records(spec)))
    network = Reference.of(spec)
    fields = {name: [slab.coefficients for slab in f.slabs] for name, f in model.fields.items()}
    states = prepared.states.reshape(-1, spec.channels, len(prepared))
    with np.errstate(over="ignore", invalid="ignore"):
        expected = network.final(fields, states)
    size = float(np.abs(expected).max())
    assume(np.isfinite(size) and size < 100)  # some rates explode; rounding is then amplified in both
    found = model.solver.final(prepared.states).reshape(expected.shape)
    assert np.abs(found - expected).max() <= 1e-11 * max(size, 1.0)
    generator = np.random.default_rng(0)
    ways = {name: [generator.standard_normal(p.shape) for p in parts] for name, parts in fields.items()}
    moved = {name: [p + 1e-30j * d for p, d in zip(parts, ways[name])] for name, parts in fields.items()}
    y = network.final(moved, states)
    if spec.outputs is None:
        z = model.readout_map()[0] @ y.reshape(-1, len(prepared))
    else:
        z = network.readout(moved, y)
    slope = network.loss(z, prepared.wanted()).imag / 1e-30
    _, gradient = model.coefficient_gradient(prepared)
    parts = [(g, d) for name, directions in ways.items() for g, d in zip(gradient[name], directions)]
    scale = np.sqrt(sum(np.sum(g**2) for g, _ in parts) * sum(np.sum(d**2) for _, d in parts))
    assert abs(sum(np.sum(g * d) for g, d in parts) - slope) <= 1e-10 * max(scale, 1e-3)


@pytest.mark.slow
@ANY
@given(
    declared=testing.specs(
        families=FAMILIES, rate=testing.named("rates"),
        tableau=st.sampled_from([name for name in TABLEAUX if name in registry.names("tableaux")]),
    ),
    data=st.data(),
)
def test_states_of_any_spec_are_those_of_the_network_written_out(declared: dict, data: st.DataObject) -> None:
    """Bases, couplings, κ's too, and quadrature written out again; only the rate is the derivation's."""
    spec = load_spec(declared)
    model = data.draw(testing.models(declared))
    size = model.representation.slabs[0].tables["X"].shape[1]
    states = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).standard_normal((size, spec.channels, 2))
    fields = {name: f.slabs[0].coefficients for name, f in model.fields.items()}
    plain = written(spec, declared)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = network(
            plain, *rule(plain), fields["W"], fields["b"], states, TABLEAUX[declared["integration"]["tableau"]],
            Reference.of(spec).rho, fields.get("V"),
        )  # fmt: skip
    largest = float(np.abs(expected).max())
    assume(np.isfinite(largest) and largest < 100)
    found = model.solver.final(states.reshape(-1, 2)).reshape(states.shape)
    assert np.abs(found - expected).max() <= 1e-11 * max(largest, 1.0)


def written(spec: Spec, declared: dict) -> dict:
    """The declaration with every number of its bases along the width told."""
    slab = spec.slabs[0]

    def told(basis: BasisSpec) -> dict:
        numbers = {key: getattr(basis, key) for key in ("family", "size", "cells", "degree")}
        cuts = {} if basis.breakpoints is None else {"breakpoints": list(map(str, basis.breakpoints))}
        return {key: value for key, value in numbers.items() if value is not None} | cuts

    widths = {key: told(slab.weight_out if key == "width_out" else slab.weight_in) for key in declared["weight"]}
    return {
        **declared,
        "state": {"basis": told(slab.state)},
        "weight": {**widths, "depth": declared["weight"]["depth"]},
        "bias": {"width": told(slab.bias_width), "depth": declared["bias"]["depth"]},
    }


@pytest.mark.slow
@ANY
@given(network=testing.networks())
def test_any_network_becomes_a_continuum_and_comes_back(network: Layers) -> None:
    back = to_layers(from_layers(network))
    assert back.widths == network.widths and back.kind == network.kind and back.last == network.last
    for old, new in zip((*network.weights, *network.biases), (*back.weights, *back.biases)):
        assert np.abs(old - new).max() <= 1e-15 * max(1.0, float(np.abs(old).max()))


@pytest.mark.slow
@ANY
@given(given_fields=testing.fields())
def test_smooth_fields_are_projected_as_closely_as_their_basis_allows(given_fields: dict) -> None:
    """Waves of a few periods: three functions along every direction see them roughly, twelve to six digits."""
    xi = np.linspace(-1, 1, 9)
    errors = []
    for size in (3, 12):
        width = {"family": "legendre", "size": size}
        declared = {
            **testing.PLAIN,
            "weight": {"width_out": width, "width_in": width, "depth": width},
            "bias": {"width": width, "depth": width},
        }
        model = Continuum.from_fields(declared, **given_fields)
        points = xi[:, None], np.linspace(0, 1, 5)[None]
        errors.append(np.abs(model.fields["b"](*points) - given_fields["b"](*points)).max())
    assert errors[1] <= 1e-6 and errors[1] <= errors[0]


@pytest.mark.slow
def test_one_line_checks_an_entry_and_finds_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    testing.check("tableaux", "ralston3")
    testing.check("losses", "huber")
    with monkeypatch.context() as patch:
        patch.setattr(verify, "PROPERTIES", [one for one in verify.PROPERTIES if one[0] == "refinement in depth"])
        patch.setattr(adaptive.Method, "step", lambda self, length: self._combined(length, 1.0, self.b * 1.01))
        with pytest.raises(AssertionError, match="refinement in depth: expected order ≥ 3"):
            testing.check("tableaux", "ralston3")


ENTRIES = [(kind, name) for kind in registry.KINDS for name in registry.names(kind) if name != "combination"]


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_has_an_example(kind: str, name: str) -> None:
    assert name in str(testing.example(kind, name)) and load_spec(testing.example(kind, name))
