"""Smooth maxima beside the functionals of a readout: values, gradients, limits, and what a model goes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import DerivationError, RepresentationError, SpecError
from derive.program import maximum
from numerics import Continuum, load, project
from numerics.datasets import records
from numerics.functions.rules import rule as points_of
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.model.layout import kernel_weights
from numerics.model.prepared import Prepared
from numerics.networks.continua import to_layers
from tests.builders import marked
from tests.oracles.network import TABLEAUX, basis, gauss, network, rule

LEGENDRE = {"family": "legendre", "size": 4}
ONE = {"family": "p0", "cells": 1}
SPEC = {
    "name": "peaks",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2},
    "state": {"basis": {"family": "legendre", "size": 6}},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONE},
    "bias": {"width": LEGENDRE, "depth": ONE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 3, "basis": {"family": "legendre", "size": 2}, "maximum": "5/2"},
    "loss": {"kind": "cross-entropy"},
    "levels": {
        "more": {"weight": {"width_out": {"family": "legendre", "size": 5}}},
        "finer": {"state": {"basis": {"family": "legendre", "size": 9}}},
        "less": {"readout": {"basis": ONE}},
    },
}
CELLS = {"family": "p0", "cells": 8}
CIRCLE = {
    **SPEC,
    "name": "circle",
    "equation": {**SPEC["equation"], "periodic": True, "symmetry": ["reflection", {"shift": "1/4"}]},
    "state": {"basis": CELLS},
    "weight": {"width_out": CELLS, "width_in": CELLS, "depth": ONE},
    "bias": {"width": ONE, "depth": ONE},
    "readout": {"outputs": 3, "basis": ONE, "maximum": "4"},
    "levels": {},
}


def changed(readout: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**SPEC, **parts, "readout": {"outputs": 3, **readout}, "levels": {}}


def shaken(declared: dict[str, Any], scale: float = 0.4) -> Continuum:
    model = Continuum.from_spec(load_spec(declared), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * scale)


def outputs(declared: dict[str, Any], fields: dict[str, Any], h: Any) -> Any:
    """z (outputs, N), everything written out: (1/β) log of the mean of exp(β y) at the nodes, channel by channel."""
    nodes, weights = rule(declared)
    y = network(declared, nodes, weights, fields["W"], fields["b"], h, TABLEAUX["heun"], lambda u, at: 2 * np.tanh(u))
    values = np.einsum("qj,jcn->qcn", basis(declared["state"]["basis"], (-1.0, 1.0), nodes), y)
    top = values.real.max(axis=0)
    numerator, _, denominator = declared["readout"]["maximum"].partition("/")
    beta = int(numerator) / int(denominator or 1)
    peaks = top + np.log(np.einsum("q,qcn->cn", weights / 2, np.exp(beta * (values - top)))) / beta
    fine, lengths = gauss(np.linspace(-1, 1, 41), 8)  # cells of fifths and of eighths
    zeta, chi = (basis(declared[key]["basis"], (-1.0, 1.0), fine) for key in ("readout", "state"))
    means = np.einsum("ioc,qi,q,qj,jcn->on", fields["R"], zeta, lengths, chi, y)
    return means + fields["Q"] @ peaks + fields["a"][:, None]


STATES = {"legendre": LEGENDRE, "p0": CELLS, "hat": {"family": "hat", "cells": 5}}


@pytest.mark.parametrize("family", marked(STATES, compiled=["p0"], slow=["p0"]))
def test_outputs_and_gradients_are_those_written_out(family: str) -> None:
    """Against a complex step, in all coefficients and in the records; softmax and its logarithm written out, too."""
    declared = {**SPEC, "state": {"basis": STATES[family]}, "levels": {}}
    model = shaken(declared)
    generator = np.random.default_rng(2)
    size = model.representation.slabs[0].tables["X"].shape[1]
    h, fields = generator.standard_normal((size, 2, 70)), {n: f.slabs[0].coefficients for n, f in model.fields.items()}
    targets = np.eye(3)[generator.integers(0, 3, 70)].T.copy()
    prepared = Prepared(h.reshape(-1, 70), targets, np.zeros(70), None)
    expected = outputs(declared, fields, h)
    assert np.max(np.abs(model.outputs(prepared).T - expected)) <= 1e-13 * np.max(np.abs(expected))

    ways = {key: generator.standard_normal(a.shape) for key, a in fields.items()}
    along = generator.standard_normal(h.shape)
    z = outputs(declared, {key: a + 1e-30j * ways[key] for key, a in fields.items()}, h + 1e-30j * along)
    slope = np.mean(np.log(np.sum(np.exp(z), axis=0)) - np.sum(targets * z, axis=0)).imag / 1e-30
    _, gradient = model.coefficient_gradient(prepared)
    bars = model.state_gradient(prepared).reshape(h.shape)
    measured = sum(np.sum(gradient[key][0] * ways[key]) for key in ways) + np.sum(bars * along)
    length = np.sqrt(sum(np.sum(g[0] ** 2) for g in gradient.values()) + np.sum(bars**2))
    assert abs(measured - slope) <= 1e-13 * length * np.sqrt(sum(a.size for a in ways.values()) + along.size)


def test_the_maximum_converges_to_its_integral() -> None:
    """mpmath's quadrature of ½ ∫ exp(β y) dξ; a model that does nothing to a cubic, with more and more nodes."""
    cubic = [0.3, -1.0, 0.5, 0.8]  # of Legendre polynomials

    def y(xi: Any) -> Any:
        return sum(c * mpmath.legendre(k, xi) for k, c in enumerate(cubic))

    exact = float(mpmath.log(mpmath.quad(lambda xi: mpmath.exp(4 * y(xi)), [-1, 0, 1]) / 2) / 4)
    errors = []
    for nodes in (6, 9, 12, 24):
        declared = changed({"basis": ONE, "maximum": "4"}, state={"basis": LEGENDRE, "quadrature": nodes})
        model = Continuum.from_fields(declared, Q=np.array([[1.0, 0.0]] * 3))
        states = np.stack([cubic, np.zeros(4)], axis=1).reshape(8, 1)
        errors.append(abs(model.outputs(Prepared(states, None, np.zeros(1), None))[0, 0] - exact))
    assert errors[0] > 10 * errors[1] > 100 * errors[2] and errors[3] <= 1e-14


def test_it_is_the_mean_of_blunt_and_the_maximum_of_sharp_ones() -> None:
    values = np.random.default_rng(3).standard_normal((2 * 8, 5))
    for beta, expected, off in (
        ("1/1000000", values.reshape(8, 2, 5).mean(axis=0), 1e-5),
        ("1000", values.reshape(8, 2, 5).max(axis=0), 0.003),
    ):
        declared = changed({"basis": ONE, "maximum": beta}, state={"basis": CELLS})
        model = Continuum.from_fields(declared, Q=np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        found = model.outputs(Prepared(values, None, np.zeros(5), None)).T[:2]
        assert np.max(np.abs(found - expected)) <= off


def test_large_states_overflow_nothing() -> None:
    """exp(1000 · 10⁶) is no number; m rises by a constant that is added to y, and the gradient stays what it was."""
    declared = changed({"basis": ONE, "maximum": "1000"}, state={"basis": CELLS}, loss={"kind": "l2"})
    model = Continuum.from_fields(declared, Q=np.array([[1.0, 0.0]] * 3))
    values = np.random.default_rng(3).standard_normal((2 * 8, 5)) / 1000
    for sign in (1, -1):
        z = [model.outputs(Prepared(values + k, None, np.zeros(5), None)) for k in (0.0, sign * 1e6)]
        assert np.max(np.abs(z[1] - z[0] - sign * 1e6)) <= 1e-8
        with np.errstate(all="raise"):
            bars = [
                model.state_gradient(Prepared(values + k, (a - 1).T.copy(), np.zeros(5), None))
                for k, a in zip((0.0, sign * 1e6), z)
            ]
        assert np.max(np.abs(bars[1] - bars[0])) <= 1e-6 * np.max(np.abs(bars[0]))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_shares_of_a_maximum_add_up_to_one(kind: Any) -> None:
    """However large the states are: m, which single precision rounds by 0.03 at 10⁶, is in no exponential."""
    declared = changed({"basis": ONE, "maximum": "5"}, state={"basis": CELLS})
    model = Continuum.from_spec(declared)
    bound = Bound(model.representation, kind, find=plain_kernels)
    solver = bound.form(kernel_weights(model.fields))
    values = np.random.default_rng(5).standard_normal((16, 7))
    for size in (1.0, 1e4, 1e6, 1e30):
        y = np.ascontiguousarray(values + size, dtype=kind)
        features, at_nodes = solver._features(y)
        given, bar = np.zeros_like(features), np.empty_like(y)
        given[16:] = 1
        solver._beside_adjoint(given, at_nodes, bar)
        shares = bar.reshape(8, 2, 7)
        e = np.exp(5 * (y.reshape(8, 2, 7).astype(float) - y.reshape(8, 2, 7).max(axis=0)))
        assert np.abs(shares - e / e.sum(axis=0)).max() <= 20 * np.finfo(kind).eps


def test_shifts_and_reflections_leave_it_alone() -> None:
    model = shaken(CIRCLE)
    states = np.random.default_rng(4).standard_normal((8, 2, 6))
    moved = [states, np.roll(states, 1, axis=0), np.roll(states, 3, axis=0), states[::-1]]
    found = [model.outputs(Prepared(s.reshape(16, 6).copy(), None, np.zeros(6), None)) for s in moved]
    assert np.std(found[0]) > 0.1
    assert all(np.max(np.abs(other - found[0])) <= 1e-12 for other in found[1:])


@pytest.mark.slow
def test_it_goes_through_files_and_levels(tmp_path: Path) -> None:
    """A level with more fields alone moves no output; a finer state moves it little, another readout as predicted."""
    model = shaken(SPEC, 0.2)
    xi = np.linspace(-1, 1, 41)
    data = records(np.stack([np.sin((2 + k) * xi) for k in range(6)])[:, :, None] * [1.0, 0.5], np.arange(6) % 3)
    model.save(tmp_path / "peaks.npz")
    again = load(tmp_path / "peaks.npz")
    assert np.array_equal(again(data), model(data))
    assert np.array_equal(again.fields["Q"].slabs[0].coefficients, model.fields["Q"].slabs[0].coefficients)
    more = project(model, "more", records=data)
    assert more.report.outputs_fields <= 1e-12 and more.report.distance["Q"] == 0
    finer = project(model, "finer", records=data)
    assert finer.report.outputs_fields <= 1e-12 < finer.report.outputs_solver < 0.05
    less = project(model, "less", records=data)
    assert less.report.distance["R"] > 0
    assert less.report.attribution.total == pytest.approx(less.report.fields_part, rel=1e-3)
    assert np.array_equal(less.fields["Q"].slabs[0].coefficients, model.fields["Q"].slabs[0].coefficients)


@pytest.mark.parametrize(
    ("readout", "said"),
    [
        ({"basis": ONE, "maximum": "0"}, "above 0"),
        ({"basis": ONE, "maximum": "-1"}, "above 0"),
        ({"basis": ONE, "maximum": "10000"}, "at most 1000"),
        ({"basis": ONE, "maximum": 1e4}, "at most 1000"),
        ({"basis": ONE, "maximum": True}, "readout.maximum"),
    ],
)
def test_what_is_no_sharpness_is_refused(readout: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(changed(readout))
    assert said in str(error.value)


def test_a_maximum_belongs_to_functionals_and_to_all_levels() -> None:
    with pytest.raises(SpecError, match="beside functionals"):
        load_spec(changed({"maximum": "4"}, loss={"kind": "l2"}))
    with pytest.raises(SpecError, match=r"readout\.maximum"):
        load_spec({**SPEC, "levels": {"sharper": {"readout": {"maximum": "8"}}}})


def test_no_discrete_network_of_the_common_kinds_has_one() -> None:
    cells = {"state": {"basis": CELLS}, "weight": {"width_out": CELLS, "width_in": CELLS, "depth": ONE}}
    declared = changed({"basis": CELLS, "maximum": "4"}, **cells, bias={"width": CELLS, "depth": ONE})
    declared |= {"equation": {"rate": "mlp", "spacing": "1"}, "integration": {"tableau": "euler", "steps": 1}}
    with pytest.raises(RepresentationError, match="smooth maxima"):
        to_layers(Continuum.from_spec(declared))


def test_a_maximum_that_does_not_rise_with_its_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maximum, "VALUE", "sqrt(S)/beta")
    with pytest.raises(DerivationError, match="rises"):
        maximum.derive.__wrapped__()


def test_random_starts_are_one_function_on_every_mesh() -> None:
    """The same maxima's weights whatever the bases."""
    first = Continuum.from_spec(SPEC, seed=7)
    second = Continuum.from_spec(SPEC, seed=7, level="finer")
    assert np.array_equal(first.fields["Q"].slabs[0].coefficients, second.fields["Q"].slabs[0].coefficients)
    x, _ = points_of(first.fields["R"].slabs[0].bases[0])
    assert np.allclose(first.fields["R"](x), second.fields["R"](x), atol=1e-13)
