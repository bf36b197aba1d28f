"""Lifts and readouts that vary along ξ, L(ξ) = Σ_i L_i ψ_i(ξ): exact products, whole networks, symmetries, levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import legendre

from derive.declaration import Reader, load_spec, read_basis
from derive.errors import SpecError
from derive.spaces import basis as bases
from derive.spaces.transfer import products
from derive.spec import WIDTH as INTERVAL
from numerics import Continuum, load, project
from numerics.datasets import records
from numerics.functions.basis import evaluate
from numerics.model.prepared import Prepared
from numerics.networks.continua import to_layers
from numerics.representation.find import run_time_basis
from tests.builders import marked
from tests.oracles.network import TABLEAUX, basis, gauss, network, rule

WIDTH = (-1.0, 1.0)
ONE = {"family": "p0", "cells": 1}
LEGENDRE = {"family": "legendre", "size": 3}
HAT = {"family": "hat", "cells": 2}
WAVES = {"family": "fourier", "size": 3}
SPEC = {
    "name": "along",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 3},
    "input": {"interpolant": "least-squares"},
    "lift": {"inputs": 2, "width": LEGENDRE},
    "state": {"basis": {"family": "legendre", "size": 6}},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONE},
    "bias": {"width": LEGENDRE, "depth": ONE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "width": HAT},
    "loss": {"kind": "l2"},
}
# points that determine a record, for each kind of state
POINTS = {"legendre": np.linspace(-1, 1, 23), "fourier": np.arange(-10, 10) / 10, "p0": np.arange(-15, 16, 2) / 16}
FINE, LENGTHS = gauss(np.linspace(-1, 1, 9), 16)


def states(family: str) -> dict[str, Any]:
    """SPEC with a state of this family, and widths of other ones."""
    chosen: dict[str, dict[str, Any]] = {
        "legendre": {},
        "fourier": {
            "equation": {**SPEC["equation"], "periodic": True},
            "state": {"basis": {"family": "fourier", "size": 7}},
            "weight": {"width_out": WAVES, "width_in": WAVES, "depth": ONE},
            "bias": {"width": ONE, "depth": ONE},
            "lift": {"inputs": 2, "width": WAVES},
        },
        "p0": {
            "state": {"basis": {"family": "p0", "cells": 8}},
            "weight": {"width_out": {"family": "p0", "cells": 8}, "width_in": HAT, "depth": ONE},
            "bias": {"width": {"family": "p0", "cells": 4}, "depth": ONE},
            "readout": {"outputs": 2, "width": {"family": "p0", "cells": 2}},
        },
    }
    return {**SPEC, **chosen[family], "name": f"along-{family}"}


def shaken(declared: dict[str, Any], scale: float = 0.4) -> Continuum:
    model = Continuum.from_spec(load_spec(declared), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * scale)


def coefficients(model: Continuum) -> dict[str, Any]:
    return {name: f.slabs[0].coefficients for name, f in model.fields.items()}


def projected(state: dict[str, Any], values: Any) -> Any:
    """Coefficients (n, …) of the L2 projection of values (points of ``FINE``, …)."""
    chi = basis(state, WIDTH, FINE)
    return np.tensordot(np.linalg.solve((chi.T * LENGTHS) @ chi, chi.T * LENGTHS), values, 1)


def output(declared: dict[str, Any], fields: dict[str, Any], x: Any) -> Any:
    """Coefficients (n, outputs, N) for records of coefficients x (n, inputs, N), everything written out."""
    state = declared["state"]["basis"]
    chi, psi = basis(state, WIDTH, FINE), basis(declared["lift"]["width"], WIDTH, FINE)
    at = np.tensordot(chi, x, 1)
    lift = np.einsum("qi,icf->qcf", psi, fields["P"])
    values = np.einsum("qcf,qfn->qcn", lift[:, :, :-1], at) + lift[:, :, -1:]
    h = network(
        declared, *rule(declared), fields["W"], fields["b"], projected(state, values), TABLEAUX["heun"],
        lambda u, at: 2 * np.tanh(u),
    )  # fmt: skip
    zeta = basis(declared["readout"]["width"], WIDTH, FINE)
    ends = np.einsum("qi,ioc,qcn->qon", zeta, fields["R"], np.tensordot(chi, h, 1))
    return projected(state, ends + np.einsum("qi,io->qo", zeta, fields["a"])[:, :, None])


@pytest.mark.parametrize("family", marked(["p0", "fourier", "legendre"], ["legendre"], ["legendre"]))
def test_outputs_losses_and_gradients_are_those_written_out(family: str) -> None:
    """From samples to the loss ∫ |y − y*|², against NumPy and its complex step."""
    declared = states(family)
    model = shaken(declared)
    generator, xi = np.random.default_rng(2), POINTS[family]
    chi = basis(declared["state"]["basis"], WIDTH, xi)
    size = chi.shape[1]
    x, targets = generator.standard_normal((size, 2, 5)), generator.standard_normal((size, 2, 5))
    sampled, wanted = (np.einsum("pj,jcn->npc", chi, part) for part in (x, targets))
    data = records(sampled, wanted, xi)
    fields = coefficients(model)
    expected = output(declared, fields, x)
    places = np.linspace(-0.93, 0.96, 11)
    found = np.asarray(model(data, at=places))
    wanted = np.einsum("pj,jon->npo", basis(declared["state"]["basis"], WIDTH, places), expected)
    assert np.max(np.abs(found - wanted)) <= 1e-12 * np.max(np.abs(wanted))

    def loss(given: dict[str, Any]) -> Any:
        gap = np.tensordot(basis(declared["state"]["basis"], WIDTH, FINE), output(declared, given, x) - targets, 1)
        return np.mean(np.einsum("q,qon->n", LENGTHS, gap**2))

    value, gradient = model.coefficient_gradient(model.prepare(data))
    assert value == pytest.approx(loss(fields), rel=1e-12)
    ways = {key: generator.standard_normal(a.shape) for key, a in fields.items()}
    slope = loss({key: a + 1e-30j * ways[key] for key, a in fields.items()}).imag / 1e-30
    measured = sum(np.sum(gradient[key][0] * ways[key]) for key in ways)
    length = np.sqrt(sum(np.sum(gradient[key][0] ** 2) for key in ways) * sum(np.sum(way**2) for way in ways.values()))
    assert abs(measured - slope) <= 1e-12 * length


NODAL = {"family": "gauss-legendre", "cells": 2, "degree": 1}
OWN = {"family": "custom", "functions": ["1", "exp(xi/2)"]}


@pytest.mark.parametrize("state", [{"family": "legendre", "size": 4}, {"family": "p0", "cells": 3}, WAVES, NODAL],
                         ids=lambda s: s["family"])  # fmt: skip
@pytest.mark.parametrize("factor", [LEGENDRE, HAT, WAVES, NODAL, OWN], ids=lambda s: s["family"])
def test_products_are_exact(factor: dict[str, Any], state: dict[str, Any]) -> None:
    """h → the projection of ψ_i h against Gauss points on the cells of both."""
    psi, chi = (bases.build(read_basis(Reader("t"), given, "t", INTERVAL, True)) for given in (factor, state))
    run_time = [run_time_basis(b) if b.kind != "closed-form" else None for b in (psi, chi)]
    cuts = sorted({float(c) for c in (*psi.breakpoints, *chi.breakpoints)})

    def table(k: int, xi: float) -> Any:
        if run_time[k] is None:
            return np.array([1.0, np.exp(xi / 2)])
        return evaluate(run_time[k], np.array([xi]))[0]

    found = [matrix.to_float() for matrix in products(psi, chi)]
    assert len(found) == psi.size
    mass = np.zeros((chi.size, chi.size))
    loads = np.zeros((psi.size, chi.size, chi.size))
    for a, b in zip(cuts, cuts[1:]):
        nodes, weights = legendre.leggauss(30)
        for node, weight in zip(nodes, weights):
            xi = (a + b) / 2 + (b - a) / 2 * node
            p, c = table(0, xi), table(1, xi)
            mass += (b - a) / 2 * weight * np.multiply.outer(c, c)
            loads += (b - a) / 2 * weight * np.einsum("i,j,l->ijl", p, c, c)
    for matrix, one in zip(found, loads):
        expected = np.linalg.solve(mass, one)
        assert np.max(np.abs(matrix - expected)) <= 1e-13 * max(1.0, np.max(np.abs(expected)))


@pytest.mark.slow
def test_one_constant_function_is_what_a_lift_and_a_readout_without_a_width_are() -> None:
    plain = {**SPEC, "lift": {"inputs": 2}, "readout": {"outputs": 2}, "name": "plain"}
    constant = {**SPEC, "lift": {"inputs": 2, "width": ONE}, "readout": {"outputs": 2, "width": ONE}, "name": "once"}
    first, second = (Continuum.from_spec(declared, seed=3) for declared in (plain, constant))
    fields = dict(second.fields)
    for name in ("P", "R", "a"):
        fields[name] = fields[name].with_coefficients([first.fields[name].slabs[0].coefficients[None]])
    x = np.random.default_rng(0).standard_normal((4, 23, 2))
    assert np.max(np.abs(first(x) - second.replace(fields=fields)(x))) <= 1e-13


@pytest.mark.slow
def test_given_functions_are_projected_and_evaluated() -> None:
    """h = (x₁, ξ x₂, 1 + ξ) at every point, and back: a model whose W is zero does nothing else."""

    def lift(xi: Any) -> Any:
        found = np.zeros((*np.shape(xi), 3, 3))
        found[..., 0, 0], found[..., 1, 1], found[..., 2, 2] = 1, xi, 1 + xi
        return found

    model = Continuum.from_fields(
        {**SPEC, "readout": {"outputs": 2, "width": LEGENDRE}}, P=lift,
        R=lambda xi: np.stack([np.stack([xi**2, 1 + 0 * xi, 0 * xi], -1), np.stack([0 * xi, 0 * xi, xi], -1)], -2),
        a=lambda xi: np.stack([xi, 1 - xi**2], -1),
    )  # fmt: skip
    xi = np.linspace(-1, 1, 23)
    x = np.stack([1 + xi, 2 * xi], axis=1)[None]
    found = model(x, xi=xi)[0]
    np.testing.assert_allclose(found[:, 0], xi**2 * (1 + xi) + 2 * xi**2 + xi, atol=1e-12)
    np.testing.assert_allclose(found[:, 1], xi * (1 + xi) + 1 - xi**2, atol=1e-12)
    assert model.fields["P"](0.5).shape == (3, 3)


def test_random_starts_are_one_function_on_every_mesh() -> None:
    """Functions of three Legendre modes more or less, projected."""
    wider = {**SPEC, "lift": {"inputs": 2, "width": {"family": "legendre", "size": 5}}, "name": "wider"}
    first, second = (coefficients(Continuum.from_spec(declared, seed=4))["P"] for declared in (SPEC, wider))
    np.testing.assert_allclose(second[:3], first, atol=1e-13)
    assert np.abs(second[3:]).max() > 1e-3


def test_symmetries_leave_the_functions_that_do_not_change() -> None:
    """Even polynomials under a reflection; the network then commutes with it, and constants under translations."""
    even = {**SPEC, "equation": {**SPEC["equation"], "symmetry": "reflection"}, "name": "even",
            "readout": {"outputs": 2, "width": {"family": "legendre", "size": 4}}}  # fmt: skip
    model = shaken(even)
    assert model.fields["P"].slabs[0].coefficients.shape == (2, 3, 3)
    assert model.fields["a"].slabs[0].coefficients.shape == (2, 2)
    xi, x = np.linspace(-1, 1, 23), np.random.default_rng(0).standard_normal((4, 23, 2))
    found, mirrored = model(x, xi=xi), model(x[:, ::-1], xi=xi)
    assert np.max(np.abs(found - mirrored[:, ::-1])) <= 1e-12 * np.max(np.abs(found))
    assert np.max(np.abs(model.fields["P"](xi) - model.fields["P"](xi[0]))) > 0.01  # and does vary
    periodic = {**states("fourier"), "name": "still"}
    periodic["equation"] = {**periodic["equation"], "symmetry": "translation"}
    periodic["readout"] = {"outputs": 2, "width": WAVES}
    still = load_spec(periodic)
    assert still.lift_width.size == still.readout_width.size == 1
    constant = {**periodic, "lift": {"inputs": 2}, "name": "constant"}
    first, plain = (Continuum.from_spec(declared, seed=5) for declared in (periodic, constant))
    np.testing.assert_allclose(first.fields["P"](0.3), plain.fields["P"].slabs[0].coefficients, atol=1e-14)
    odd = {"inputs": 2, "width": {"family": "custom", "functions": ["xi", "xi**3"]}}
    with pytest.raises(SpecError, match=r"lift\.width"):
        load_spec({**even, "lift": odd})


@pytest.mark.slow
def test_widths_go_through_files_and_levels(tmp_path: Path) -> None:
    finer = {"lift": {"width": {"family": "legendre", "size": 5}}, "readout": {"width": {"family": "hat", "cells": 4}}}
    coarser = {"lift": {"width": {"family": "legendre", "size": 2}}}
    model = shaken({**SPEC, "levels": {"finer": finer, "coarser": coarser}}, 0.2)
    x = np.random.default_rng(5).standard_normal((6, 23, 2))
    model.save(tmp_path / "along.npz")
    assert np.array_equal(load(tmp_path / "along.npz")(x), model(x))
    y = np.random.default_rng(6).standard_normal((6, 23, 2))
    more = project(model, "finer", x=x, y=y)
    assert more.report.outputs_fields <= 1e-12
    assert max(more.report.distance.values()) <= 1e-12
    assert more.report.attribution.total == pytest.approx(0, abs=1e-12) == more.report.fields_part
    back = project(more, "base", x=x)
    assert np.max(np.abs(back(x) - model(x))) <= 1e-12
    less = project(model, "coarser", x=x)
    gone = model.fields["P"].slabs[0].coefficients[2] * np.sqrt(2 / 5)
    assert less.report.distance["P"] == pytest.approx(np.sqrt(np.sum(gone**2)), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"readout": {"outputs": 2, "width": HAT, "basis": HAT}}, "leave one of the two out"),
        ({"readout": {"outputs": 2, "width": WAVES}}, "periodic = true"),
        ({"lift": {"inputs": 2, "width": "legendre"}}, "lift.width"),
        ({"lift": {"inputs": 2, "depth": ONE}}, "lift.depth"),
        ({"levels": {"other": {"lift": {"inputs": 1}}}}, "lift.inputs"),
        ({"levels": {"other": {"readout": {"outputs": 1}}}}, "readout.outputs"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        load_spec({**SPEC, **changes})
    assert said in str(error.value)


def test_prepared_records_are_a_model_s_own() -> None:
    model = Continuum.from_spec(SPEC)
    prepared = model.prepare(records(np.zeros((2, 23, 2))))
    assert prepared.states.shape == (6 * 3 * 3, 2)
    with pytest.raises(Exception, match="another model"):
        model.outputs(Prepared(prepared.states[: 6 * 3], None, np.zeros(2), None))


def random_model(declared: dict[str, Any]) -> Continuum:
    model = Continuum.from_spec(declared)
    return model.with_coordinates(np.random.default_rng(0).standard_normal(model.size))


def test_a_lift_that_varies_along_the_width_is_part_of_the_first_layer() -> None:
    """As a matrix: a stencil would be the same everywhere."""
    cells = {"family": "p0", "cells": 8}
    declared = {
        **SPEC, "name": "stencils", "input": {"interpolant": "constant"}, "state": {"basis": cells},
        "equation": {"rate": "mlp", "spacing": "1", "channels": 2, "reach": "1/8", "periodic": True},
        "weight": {"kernel": ONE, "depth": ONE}, "bias": {"width": ONE, "depth": ONE},
        "integration": {"tableau": "euler", "steps": 1}, "lift": {"inputs": 1, "width": cells},
        "readout": {"outputs": 2},
    }  # fmt: skip
    model = random_model(declared)
    network, x = to_layers(model), np.random.default_rng(1).standard_normal((3, 8))
    (w, last), (b, constant) = network.weights, network.biases
    expected = np.tanh(x @ w.T + b) @ last.T + constant
    middles = -1 + (2 * np.arange(8) + 1) / 8
    np.testing.assert_allclose(model(x, at=middles), expected.reshape(3, 8, 2), rtol=0, atol=1e-13)


@pytest.mark.parametrize("changes", [{"lift": {"inputs": 2}}, {"readout": {"outputs": 2}}], ids=["lift", "readout"])
def test_layers_take_over_a_lift_and_are_followed_by_a_readout(changes: dict[str, Any]) -> None:
    cells = {"family": "p0", "cells": 6}
    declared = {
        "name": "layers", "equation": {"rate": "mlp", "spacing": "1"}, "input": {"interpolant": "constant"},
        "state": {"basis": cells}, "weight": {"width_out": cells, "width_in": cells, "depth": ONE},
        "bias": {"width": cells, "depth": ONE}, "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"}, **changes,
    }  # fmt: skip
    model = random_model(declared)
    network = to_layers(model)
    x = np.random.default_rng(1).standard_normal((3, 6, model.spec.record_channels))
    h = np.tanh(x.reshape(3, -1) @ network.weights[0].T + network.biases[0])
    if network.last == "affine":
        h = h @ network.weights[1].T + network.biases[1]
    middles = -1 + (2 * np.arange(6) + 1) / 6
    answers = model(x if model.spec.inputs else x[..., 0], at=middles)
    np.testing.assert_allclose(answers.reshape(3, -1), h, rtol=0, atol=1e-13)
