"""Squares as users meet them: records on grids, lifts and readouts, the life of a model, messages."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from derive.declaration import load_spec
from derive.errors import DataError, SpecError
from numerics import Continuum, load, project
from numerics.datasets import read, records, write
from numerics.datasets.sampling import Augmentation, thinned
from numerics.levels.adapted import adapt
from tests.builders import coefficients
from tests.oracles.domains import CASES, HAT, LEGENDRE, ONE, ONES, WIDTH, model_of
from tests.oracles.network import basis, breakpoints, gauss

# --- records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [True, False])
def test_records_enter_by_the_projection_of_their_bilinear_interpolant(periodic: bool) -> None:
    given = CASES["square"].declared()
    given["equation"]["periodic"] = periodic
    model = Continuum.from_spec(load_spec(given), seed=0)
    generator = np.random.default_rng(6)
    xi, eta = (np.sort(generator.uniform(-1, 1, n)) for n in (5, 7))
    x = generator.standard_normal((2, 5, 7, 2))
    found = model.project_samples(records(x, xi=(xi, eta))).reshape(3, 4, 2, 2)
    lines, axes, weights = [], [], []
    for points, state in zip((xi, eta), CASES["square"].state):
        around = np.concatenate([[points[-1] - 2], points, [points[0] + 2]]) if periodic else np.concatenate(
            [[-3.0], points, [3.0]])  # fmt: skip
        breaks = np.union1d(breakpoints(state, WIDTH), np.clip(points, -1, 1))
        s, w = gauss(np.union1d(breaks, [-1, 1]), 6)
        lines.append((s, around))
        axes.append(basis(state, WIDTH, s))
        weights.append(w)
    wrap = "wrap" if periodic else "edge"
    for n in range(2):
        around = np.pad(x[n], ((1, 1), (1, 1), (0, 0)), mode=wrap)
        values = RegularGridInterpolator([a for _, a in lines], around)(
            np.stack(np.meshgrid(*[s for s, _ in lines], indexing="ij"), axis=-1)
        )
        loads = np.einsum("pi,p,qj,q,pqc->ijc", axes[0], weights[0], axes[1], weights[1], values)
        masses = [(a.T * w) @ a for a, w in zip(axes, weights)]
        expected = np.einsum("ik,jl,klc->ijc", *map(np.linalg.inv, masses), loads)
        np.testing.assert_allclose(found[:, :, :, n], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("interpolant", ["linear", "constant"])
def test_the_loss_is_the_integral_over_the_square(interpolant: str) -> None:
    given = CASES["square"].declared(input={"interpolant": interpolant})
    model = model_of_declared(given)
    generator = np.random.default_rng(7)
    x, y = generator.standard_normal((2, 2, 4, 6, 2))
    found = model.scores(model.prepare(records(x, y=y)))["loss"]
    lines, cuts = [], []
    for count in (4, 6):
        line = np.linspace(-1, 1, count) if interpolant == "linear" else np.linspace(-1, 1, count + 1)
        cuts.append(gauss(np.union1d(line, np.linspace(-1, 1, 4)), 5))
        lines.append(line)
    (s, ws), (t, wt) = cuts
    outputs = model(x, at=(s, t))
    total = 0.0
    for n in range(2):
        if interpolant == "linear":
            target = RegularGridInterpolator(lines, y[n])(np.stack(np.meshgrid(s, t, indexing="ij"), axis=-1))
        else:
            places = [np.clip(np.searchsorted(line, p, side="right") - 1, 0, len(line) - 2)
                      for line, p in zip(lines, (s, t))]  # fmt: skip
            target = y[n][np.ix_(*places)]
        total += np.einsum("p,q,pqc->", ws, wt, (outputs[n] - target) ** 2) / 2
    assert found == pytest.approx(total, rel=1e-12)


def model_of_declared(given: dict[str, Any]) -> Continuum:
    model = Continuum.from_spec(load_spec(given), seed=0)
    return model.with_coordinates(np.random.default_rng(1).standard_normal(model.size) * 0.5)


def test_another_sampling_moves_the_outputs_with_the_square_of_the_distance() -> None:
    model = model_of(CASES["square"])

    def change(n: int) -> float:
        line = np.linspace(-1, 1, n)
        x = np.sin(2 * line)[:, None] * np.cos(3 * line) + line
        return x[None, :, :, None] * np.ones(2)

    at = (np.linspace(-1, 1, 9),) * 2
    truth = model(change(400), at=at)
    errors = [float(np.abs(model(change(n), at=at) - truth).max()) for n in (11, 21, 41)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (np.abs(orders - 2) < 0.2).all()


def test_records_on_grids_survive_files_selections_and_lists(tmp_path: Path) -> None:
    generator = np.random.default_rng(8)
    x, y = generator.standard_normal((2, 5, 3, 4, 2))
    grid = (np.array([-1.0, 0.2, 0.9]), np.array([-0.5, 0.0, 0.1, 1.0]))
    data = records(x, xi=grid, y=y)
    write(tmp_path / "data.npz", data)
    found = read(tmp_path / "data.npz")
    assert repr(found) == "Records(5 records, 3×4 points, 2 channels, y float64 (60, 2))"
    some = found.take([3, 1])
    np.testing.assert_array_equal(some.samples()[0], x[3])
    np.testing.assert_array_equal(some.targets()[1], y[1])
    np.testing.assert_array_equal(some.points()[0][1], grid[1])
    ragged = records([x[0], x[1, :2]], xi=[grid, (grid[0][:2], grid[1])], y=[0, 1])
    assert ragged.shapes == [(3, 4), (2, 4)]
    np.testing.assert_array_equal(ragged.take([1]).samples()[0], x[1, :2])
    np.testing.assert_array_equal(ragged.take([1]).points()[0][0], grid[0][:2])
    half = thinned(data, data.points(), "half")
    np.testing.assert_array_equal(half.samples()[2], x[2, ::2, ::2])
    np.testing.assert_array_equal(half.points()[2][1], grid[1][::2])
    drawn = Augmentation(thin=0.5, warp=0.5)(data, data.points(), np.random.default_rng(1))
    assert {shape[0] for shape in drawn.shapes} <= {2, 3} and drawn.dimension == 2


def test_outputs_of_different_grids_are_a_list() -> None:
    model = model_of(CASES["square"])
    x = [np.ones((3, 4, 2)), np.ones((2, 5, 2))]
    found = model(x)
    assert [y.shape for y in found] == [(3, 4, 2), (2, 5, 2)]
    np.testing.assert_allclose(model(x[1][None])[0], found[1], atol=1e-14)


# --- lift and readout ---------------------------------------------------------------------------------------


def test_lifts_and_readouts_vary_over_the_square() -> None:
    """Without weights the state is P(ξ) (x(ξ), 1) and the output R(ξ) h(ξ) + a(ξ); all of them polynomials."""
    given = CASES["square"].declared(
        lift={"inputs": 1, "width": LEGENDRE},
        readout={"outputs": 1, "width": {"axes": [LEGENDRE, {"family": "legendre", "size": 2}]}},
    )
    given["state"]["basis"] = {"family": "legendre", "size": 6}
    model = Continuum.from_fields(
        given,
        P=lambda s, t: np.stack([np.stack([s * t, 1 + 0 * s * t], -1), np.stack([1 - t + 0 * s, s + 0 * t], -1)], -2),
        R=lambda s, t: np.stack([t + 0 * s, 2 + 0 * s * t], axis=-1)[..., None, :],
        a=lambda s, t: (s * t)[..., None],
    )
    line = np.linspace(-1, 1, 5)
    s, t = np.meshgrid(line, line, indexing="ij")
    x = 1 + s - 2 * t
    expected = t * (s * t * x + 1) + 2 * ((1 - t) * x + s) + s * t
    np.testing.assert_allclose(model(x[None, :, :, None])[0, :, :, 0], expected, atol=1e-12)


def test_smooth_maxima_over_the_square() -> None:
    """∫ R_k h + Q m + a, m = (1/β) log of the mean of exp(β h) by the rule, from the final state's coefficients."""
    given = CASES["square"].declared(readout={"outputs": 3, "basis": LEGENDRE, "maximum": "3"})
    model = model_of_declared(given)
    x = np.random.default_rng(12).standard_normal((4, 5, 5, 2))
    final = model.solver.final(model.project_samples(records(x))).reshape(3, 4, 2, 4)
    (state, line), fields = CASES["square"].state, coefficients(model)
    nodes = model.representation.slabs[0].factors("nodes")
    cuts = [np.array([-1.0, 1.0]), np.linspace(-1, 1, 4)]  # the cells of the hats are those of both rules' bases
    cuts[0] = np.union1d(cuts[0], np.linspace(-1, 1, 4))  # W has hats along the first axis
    weights = [gauss(c, len(n) // (len(c) - 1))[1] for c, n in zip(cuts, nodes)]
    values = np.einsum("pi,qj,ijcn->pqcn", basis(state, WIDTH, nodes[0]), basis(line, WIDTH, nodes[1]), final)
    means = np.einsum("p,q,pqcn->cn", *weights, np.exp(3 * values)) / 4
    fine, measure = gauss(np.linspace(-1, 1, 4), 12)
    functions = [basis(b, WIDTH, fine) * measure[:, None] for b in (LEGENDRE, LEGENDRE)]
    whole = np.einsum("pi,qj,ijcn->pqcn", basis(state, WIDTH, fine), basis(line, WIDTH, fine), final)
    expected = np.einsum("pk,ql,kloc,pqcn->no", *functions, fields["R"], whole) + (fields["Q"] @ np.log(means) / 3).T
    np.testing.assert_allclose(model(x), expected + fields["a"], atol=1e-12)
    targets = np.random.default_rng(13).standard_normal((4, 3))
    prepared = model.prepare(records(x, y=targets))
    _, gradient = model.objective(prepared)
    way = np.random.default_rng(14).standard_normal(model.size) / np.sqrt(model.size)
    change = [model.objective(prepared, model.coordinates + step * way)[0] for step in (1e-5, -1e-5)]
    assert (change[0] - change[1]) / 2e-5 == pytest.approx(gradient @ way, rel=1e-7)


# --- the life of a model ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_levels_checkpoints_and_reports(tmp_path: Path) -> None:
    levels = {
        "fine": {"weight": {"width_in": {"axes": [LEGENDRE, {"family": "legendre", "size": 5}]}}},
        "coarse": {"weight": {"width_out": {"axes": [{"family": "hat", "size": 2}, LEGENDRE]}}},
        "state": {"state": {"basis": {"axes": [{"family": "legendre", "size": 5}, {"family": "hat", "size": 7}]}}},
    }
    readout = {"outputs": 2, "basis": {"axes": [LEGENDRE, ONE]}}
    model = model_of_declared(CASES["square"].declared(levels=levels, readout=readout, loss={"kind": "l2"}))
    x, y = np.random.default_rng(9).standard_normal((6, 5, 5, 2)), np.random.default_rng(10).standard_normal((6, 2))
    fine = project(model, "fine", x, y)
    np.testing.assert_allclose(fine(x), model(x), atol=1e-12)
    assert fine.report.distance["W"] < 1e-12 and fine.report.outputs_fields < 1e-12
    back = project(fine, "base")
    np.testing.assert_allclose(back.coordinates, model.coordinates, atol=1e-12)
    coarse = project(model, "coarse", x, y)
    attribution = coarse.report.attribution
    assert coarse.report.distance["W"] > 1e-3 and abs(attribution.defect) < 0.1 * abs(attribution.change)
    assert project(model, "state", x, y).report.outputs_solver > 1e-6
    fine.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(load(tmp_path / "model.npz")(x), fine(x))


@pytest.mark.slow
def test_a_field_is_a_function_of_all_its_variables() -> None:
    """Values at scattered points are those on a grid, and W is Σ w φ_i φ_i′ φ̃_j φ̃_j′ θ_k."""
    model = model_of(CASES["square"])
    w = model.fields["W"]
    points = np.random.default_rng(11).uniform(-1, 1, (4, 6))
    tables = [basis(b, WIDTH, p) for b, p in zip((HAT, LEGENDRE, LEGENDRE, LEGENDRE), points)]
    expected = np.einsum("pa,pb,pc,pd,abcdoe->poe", *tables, w.slabs[0].coefficients[:, :, :, :, 1])
    np.testing.assert_allclose(w(*points, 0.7), expected, atol=1e-13)
    assert model.fields["b"].axes == ("xi", "eta", "delta")
    known = Continuum.from_fields(
        CASES["torus, translation"].declared(),
        W=lambda a, b, c, d, t: np.multiply.outer(np.cos(np.pi * (a - c)) * np.sin(2 * np.pi * (b - d)), ONES),
    )
    found = known.fields["W"](0.3, -0.2, 0.5, 0.1, 0.4)
    np.testing.assert_allclose(found, np.cos(np.pi * -0.2) * np.sin(2 * np.pi * -0.3) * np.ones((2, 2)), atol=1e-13)


@pytest.mark.slow
def test_refinement_of_smooth_fields_converges_spectrally() -> None:
    """The same functions on Legendre states of 4² … 10², against 14²."""

    def solution(n: int) -> np.ndarray:
        given = CASES["square"].declared()
        given["state"]["basis"] = {"family": "legendre", "size": n}
        given["weight"] |= {"width_out": LEGENDRE, "width_in": LEGENDRE}
        given["bias"]["width"] = LEGENDRE
        given["equation"] |= {"channels": 1}
        model = Continuum.from_fields(
            given, W=lambda a, b, c, d, t: 0.4 * (a * d + b * c - 0.5 + 0 * t), b=lambda a, b, t: a * b + 0 * t
        )
        line = np.linspace(-1, 1, 400)
        return model((np.cos(line)[:, None] * np.exp(line / 2))[None, :, :, None], at=(np.linspace(-1, 1, 7),) * 2)

    truth = solution(14)
    errors = [float(np.abs(solution(n) - truth).max()) for n in (4, 6, 8, 10)]
    assert all(b < a / 3 for a, b in itertools.pairwise(errors)) and errors[-1] < 3e-4


# --- messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"equation": {"dimension": 4}}, "dimension"),
        ({"state": {"basis": {"axes": [LEGENDRE]}}}, "state.basis.axes"),
        ({"state": {"basis": {"axes": [LEGENDRE, {"family": "legendre", "size": 0}]}}}, "state.basis.axes[1]"),
        ({"state": {"basis": {"axes": [{"family": "p0", "cells": 100}] * 2}}}, "10000 functions"),
        ({"loss": {"kind": "h1", "weight": "1 + xi**2"}}, "a weight for h1"),
        ({"loss": {"kind": "l2", "weight": ["1 + xi**2"]}}, "loss.weight.axes"),
        ({"input": {"interpolant": "least-squares", "smoothing": "1/100"}}, "smoothing"),
    ],
)
def test_declarations_that_squares_do_not_have(change: dict[str, Any], words: str) -> None:
    given = CASES["square"].declared()
    for key, value in change.items():
        given[key] = {**given.get(key, {}), **value}
    with pytest.raises(SpecError) as error:
        load_spec(given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("x", "xi", "words"),
    [
        (np.ones((2, 5, 2)), None, "a square"),
        (np.ones((2, 5, 5, 1)), None, "channels"),
        (np.ones((2, 5, 4, 2)), (np.linspace(-1, 1, 4), np.linspace(-1, 1, 5)), "along its axis"),
        (np.ones((2, 5, 4, 2)), np.linspace(-1, 1, 5), "axis"),
        (np.ones((2, 2, 2, 2)), (np.array([0.0, 0.0]), np.array([0.0, 1.0])), "xi = 0.0"),
        ([np.ones((2, 2, 2)), np.ones((2, 2))], None, "number of axes"),
        (np.ones((2, 2, 2, 2, 2, 2)), None, "x of shape"),
    ],
)
def test_records_that_are_none_on_a_square(x: Any, xi: Any, words: str) -> None:
    model = model_of(CASES["square"])
    with pytest.raises(DataError) as error:
        model(x, xi)
    assert words in str(error.value)


def test_points_of_one_axis_are_refused() -> None:
    with pytest.raises(DataError, match="one an axis"):
        model_of(CASES["square"])(np.ones((1, 3, 3, 2)), at=np.linspace(-1, 1, 5))


@pytest.mark.slow
def test_adapted_bases_keep_w_to_the_declared_error() -> None:
    model = Continuum.from_fields(
        CASES["square"].declared(),
        W=lambda a, b, c, d, t: np.multiply.outer(np.exp(a * c / 2 + b * d * t), ONES),
    )
    found = adapt(model, error=0.2)
    w = model.fields["W"]
    points = [gauss(np.linspace(-1, 1, 4), 4) for _ in range(4)]
    depths = gauss(np.linspace(0, 1, 3), 2)
    grid = np.ix_(*[p for p, _ in points], depths[0])
    volume = functools.reduce(np.multiply.outer, [*[q for _, q in points], depths[1]])[..., None, None]
    norms = [np.sqrt(np.sum(volume * f**2)) for f in (w(*grid), w(*grid) - found.fields["W"](*grid))]
    assert 1e-3 * norms[0] < norms[1] <= 0.2 * norms[0]
    assert found.size < model.size
    with pytest.raises(DataError, match="symmetries"):
        adapt(model_of(CASES["square, reflection"]))
