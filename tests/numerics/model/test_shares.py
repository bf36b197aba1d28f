"""Shares of the domain above levels beside the functionals of a readout: values, gradients, limits, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import RepresentationError, SpecError
from numerics import Continuum, fit, load, project
from numerics.datasets import records
from numerics.model.curvature import Curvature
from numerics.model.prepared import Prepared
from numerics.networks.continua import to_layers
from numerics.verify import verify
from tests.builders import marked
from tests.oracles.network import TABLEAUX, basis, gauss, network, rule

LEGENDRE = {"family": "legendre", "size": 4}
ONE = {"family": "p0", "cells": 1}
CELLS = {"family": "p0", "cells": 8}
SHARES = {"levels": ["-1/2", "1/4", "1"], "width": "1/5"}
SPEC = {
    "name": "shares",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2},
    "state": {"basis": {"family": "legendre", "size": 6}},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONE},
    "bias": {"width": LEGENDRE, "depth": ONE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 3, "basis": {"family": "legendre", "size": 2}, "shares": SHARES},
    "loss": {"kind": "cross-entropy"},
    "levels": {
        "more": {"weight": {"width_out": {"family": "legendre", "size": 5}}},
        "finer": {"state": {"basis": {"family": "legendre", "size": 9}}},
        "less": {"readout": {"basis": ONE}},
    },
}


def changed(readout: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**SPEC, **parts, "readout": {"outputs": 3, **readout}, "levels": {}}


def shaken(declared: dict[str, Any], scale: float = 0.4) -> Continuum:
    model = Continuum.from_spec(load_spec(declared), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * scale)


def number(text: str) -> float:
    above, _, below = text.partition("/")
    return int(above) / int(below or 1)


def shares(declared: dict[str, Any], values: Any, weights: Any) -> Any:
    """Level by level, channel by channel: the mean over the nodes of 1/(1 + exp((ℓ − y)/ε))."""
    own, rows = declared["readout"]["shares"], []
    for level in own["levels"]:
        for c in range(values.shape[1]):
            row = 0
            for q, weight in enumerate(weights):
                row = row + weight / 2 / (1 + np.exp((number(level) - values[q, c]) / number(own["width"])))
            rows.append(row)
    return np.array(rows)


def outputs(declared: dict[str, Any], fields: dict[str, Any], h: Any) -> Any:
    """z (outputs, N), everything written out."""
    nodes, weights = rule(declared)
    y = network(declared, nodes, weights, fields["W"], fields["b"], h, TABLEAUX["heun"], lambda u, at: 2 * np.tanh(u))
    values = np.einsum("qj,jcn->qcn", basis(declared["state"]["basis"], (-1.0, 1.0), nodes), y)
    fine, lengths = gauss(np.linspace(-1, 1, 41), 8)  # cells of fifths and of eighths
    zeta, chi = (basis(declared[key]["basis"], (-1.0, 1.0), fine) for key in ("readout", "state"))
    means = np.einsum("ioc,qi,q,qj,jcn->on", fields["R"], zeta, lengths, chi, y)
    return means + fields["Q"] @ shares(declared, values, weights) + fields["a"][:, None]


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


def test_outputs_change_as_the_tangent_says() -> None:
    """Of every level for itself, against a complex step of what is written out."""
    declared = {**SPEC, "levels": {}}
    model, generator = shaken(declared), np.random.default_rng(3)
    h, fields = generator.standard_normal((6, 2, 5)), {n: f.slabs[0].coefficients for n, f in model.fields.items()}
    way = generator.standard_normal(model.size)
    moved = {key: fields[key] + 1e-30j * own[0] for key, own in model.coefficients_at(way).items()}
    expected = outputs(declared, moved, h).imag / 1e-30
    prepared = Prepared(h.reshape(-1, 5), np.zeros((3, 5)), np.zeros(5), None)
    _, found = Curvature.of(model, prepared).tangent(way)
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))


def still(state: dict[str, Any], levels: list[str], width: str) -> Continuum:
    """A model that gives the shares of its one channel, as they are."""
    own = {"levels": levels, "width": width}
    declared = changed({"basis": ONE, "shares": own}, state={"basis": state}, loss={"kind": "l2"})
    declared["equation"] = {**SPEC["equation"], "channels": 1}
    return Continuum.from_fields(declared, Q=np.eye(3))


def shares_of(model: Continuum, coefficients: list[float]) -> Any:
    states = np.zeros((model.spec.slabs[0].state.size, 1))
    states[: len(coefficients), 0] = coefficients
    return model.outputs(Prepared(states, None, np.zeros(1), None))[0]


def test_shares_converge_to_their_integrals() -> None:
    """mpmath's quadrature of ½ ∫ 1/(1 + exp((ℓ − y)/ε)) dξ; a cubic, with more and more nodes."""
    cubic, levels = [0.3, -1.0, 0.5, 0.8], ["-1/2", "0", "3/4"]
    gaps = []
    for size in (8, 16, 32):
        model = still({"family": "legendre", "size": size}, levels, "1/4")
        found = shares_of(model, cubic)

        def y(xi: Any) -> Any:
            return sum(a * mpmath.legendre(k, xi) for k, a in enumerate(cubic))

        with mpmath.workdps(20):
            truth = [
                mpmath.quad(lambda xi, l=l: 1 / (1 + mpmath.exp((mpmath.mpf(number(l)) - y(xi)) * 4)), [-1, 0, 1]) / 2
                for l in levels
            ]
        gaps.append(max(abs(float(t) - f) for t, f in zip(truth, found)))
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-5


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
def test_narrow_steps_count_cells() -> None:
    """On cells, shares are means over cells; of steps much narrower than what is between values and levels, counts."""
    model = still(CELLS, ["-1", "0", "1/2"], "1/1000")  # exp overflows here, as it may
    values = np.array([-2.0, -0.5, 0.25, 0.75, 3.0, -0.1, 0.1, 0.9])
    assert np.allclose(shares_of(model, list(values)), [np.mean(values > level) for level in (-1, 0, 0.5)], atol=1e-15)
    assert [*shares_of(model, [1e30] * 8), *shares_of(model, [-1e30] * 8)] == [1, 1, 1, 0, 0, 0]


@pytest.mark.slow
def test_they_go_through_files_and_levels(tmp_path: Path) -> None:
    """A level with more fields alone moves no output; a finer state moves it little, another readout as predicted."""
    model = shaken(SPEC, 0.2)
    xi = np.linspace(-1, 1, 41)
    data = records(np.stack([np.sin((2 + k) * xi) for k in range(6)])[:, :, None] * [1.0, 0.5], np.arange(6) % 3)
    model.save(tmp_path / "shares.npz")
    again = load(tmp_path / "shares.npz")
    assert again.spec == model.spec and np.array_equal(again(data), model(data))
    more = project(model, "more", records=data)
    assert more.report.outputs_fields <= 1e-12 and more.report.distance["Q"] == 0
    finer = project(model, "finer", records=data)
    assert finer.report.outputs_fields <= 1e-12 < finer.report.outputs_solver < 0.05
    less = project(model, "less", records=data)
    assert less.report.attribution.total == pytest.approx(less.report.fields_part, rel=1e-3)


@pytest.mark.parametrize("optimiser", ["ridge", "adam"])
def test_they_train(optimiser: str) -> None:
    """Records that differ in the share of the domain where they are large, and in no mean."""
    generator = np.random.default_rng(0)
    wide = generator.integers(0, 2, 60)
    x = np.stack([np.roll(np.where(np.arange(40) < (20 if w else 10), 1.0, 0.0), generator.integers(40)) for w in wide])
    x = (x - x.mean(axis=1, keepdims=True))[:, :, None] + 0.05 * generator.standard_normal((60, 40, 1))
    own = {"basis": ONE, "shares": {"levels": ["0"], "width": "1/20"}}
    declared = changed(own, state={"basis": {"family": "p0", "cells": 20}}, bias={"width": ONE, "depth": ONE})
    declared["equation"] = {**SPEC["equation"], "channels": 1}
    declared["readout"]["outputs"] = 2
    model = fit(Continuum.from_fields(declared), x, wide, optimiser=optimiser, epochs=60, learning_rate=0.3)
    assert model.scores(model.prepare(records(x, wide)))["accuracy"] == 1


def test_verify_measures_them() -> None:
    found = verify(load_spec(changed({"basis": ONE, "shares": SHARES})))
    rows = [row for row in found if "shares" in row.name]
    assert rows and all(row.passed for row in rows)


@pytest.mark.parametrize(
    ("readout", "said"),
    [
        ({"basis": ONE, "shares": ["0", "1"]}, "a table of levels and a width"),
        ({"basis": ONE, "shares": {"levels": ["0", "1"]}}, "width"),
        ({"basis": ONE, "shares": {"levels": [], "width": "1"}}, "a list of 1 to 1000"),
        ({"basis": ONE, "shares": {"levels": ["1", "0"], "width": "1"}}, "increase"),
        ({"basis": ONE, "shares": {"levels": ["0", "0"], "width": "1"}}, "increase"),
        ({"basis": ONE, "shares": {"levels": ["0"], "width": "0"}}, "1/1000 or more"),
        ({"basis": ONE, "shares": {"levels": ["0"], "width": "1", "height": "1"}}, "height"),
        ({"basis": ONE, "shares": {"levels": ["x"], "width": "1"}}, "readout.shares.levels"),
        ({"basis": ONE, "shares": SHARES, "maximum": "4"}, "one of the two"),
    ],
)
def test_what_are_no_shares_is_refused(readout: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(changed(readout))
    assert said in str(error.value)


def test_shares_belong_to_functionals_and_to_all_levels() -> None:
    with pytest.raises(SpecError, match="beside functionals"):
        load_spec(changed({"shares": SHARES}, loss={"kind": "l2"}))
    with pytest.raises(SpecError, match=r"readout\.shares"):
        load_spec({**SPEC, "levels": {"other": {"readout": {"shares": {"levels": ["0"], "width": "1"}}}}})


def test_no_discrete_network_of_the_common_kinds_has_them() -> None:
    cells = {"state": {"basis": CELLS}, "weight": {"width_out": CELLS, "width_in": CELLS, "depth": ONE}}
    declared = changed({"basis": CELLS, "shares": SHARES}, **cells, bias={"width": CELLS, "depth": ONE})
    declared |= {"equation": {"rate": "mlp", "spacing": "1"}, "integration": {"tableau": "euler", "steps": 1}}
    with pytest.raises(RepresentationError, match="shares above levels"):
        to_layers(Continuum.from_spec(declared))
