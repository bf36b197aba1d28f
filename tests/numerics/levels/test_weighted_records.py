"""Records that count more than others, in everything that is measured on them: as if they were there several times."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics import Continuum, datasets, project, refine
from numerics.datasets import Records, records
from numerics.levels.goal import estimate
from numerics.training.comparison import compared
from numerics.training.run import fit
from tests.builders import FUNCTION, NUMBERS, ONCE, refused

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 7))
COUNTS = np.array([1, 0, 3, 1, 2, 1, 0, 2])
TIMES = np.repeat(np.arange(8), COUNTS)
TWO, THREE = {"family": "legendre", "size": 2}, {"family": "legendre", "size": 3}
LEVELS = {
    "small": {"weight": {"width_out": TWO, "width_in": TWO}},
    "other": {"weight": {"width_out": {"family": "hat", "cells": 2}}},  # compared at the stages
    "solver": {"state": {"basis": {"family": "hat", "cells": 8}}},
}
TARGETS = {
    "classes": np.array(["a", "b", "c"])[np.arange(8) % 3], "numbers": X[:, :2] ** 2, "functions": X[:, ::-1] / 2,
}  # fmt: skip
BASES: dict[str, dict[str, Any]] = {
    "classes": NUMBERS,
    "numbers": {**NUMBERS, "readout": {"outputs": 2, "basis": THREE}, "loss": {"kind": "l2"}},
    "functions": FUNCTION,
}


def model(name: str, **more: Any) -> Continuum:
    base = BASES[name]
    declared = copy.deepcopy({**base, "weight": {**base["weight"], "depth": ONCE}, "levels": LEVELS, **more})
    start = Continuum.from_spec(load_spec(declared), seed=0)
    found = start.with_coordinates(0.7 * np.random.default_rng(0).standard_normal(start.size))
    return found.replace(classes=("a", "b", "c")) if name == "classes" else found


def both(name: str) -> tuple[Records, Records]:
    """Records with weights, and records that are there so often."""
    y = TARGETS[name].copy()
    return records(X, y=y, weights=7 * COUNTS), records(X[TIMES], y=y[TIMES])


@pytest.mark.parametrize("name", BASES)
def test_losses_and_scores(name: str) -> None:
    own = model(name)
    weighted, repeated = (own.prepare(data) for data in both(name))
    assert own.loss(weighted) == pytest.approx(own.loss(repeated), rel=1e-12)
    assert own.loss(weighted) == pytest.approx(own.objective(weighted)[0], rel=1e-12)
    assert own.scores(weighted) == pytest.approx(own.scores(repeated), rel=1e-12)
    sums = own.state_gradient(weighted)
    np.testing.assert_allclose(sums[:, 2], 3 * own.state_gradient(repeated)[:, 1], rtol=1e-10)


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("level", LEVELS)
def test_moves(name: str, level: str) -> None:
    weighted, repeated = (project(model(name), level, records=data).report for data in both(name))
    for part in ("loss_before", "loss_between", "loss_after"):
        assert getattr(weighted, part) == pytest.approx(getattr(repeated, part), rel=1e-12)
    for part in ("outputs_fields", "outputs_solver"):
        assert getattr(weighted, part) == pytest.approx(getattr(repeated, part), rel=1e-9, abs=1e-13)
    assert weighted.attribution.rule == repeated.attribution.rule
    assert weighted.attribution.change == pytest.approx(repeated.attribution.change, rel=1e-9, abs=1e-13)
    for field, share in repeated.attribution.shares.items():
        assert weighted.attribution.shares[field].total == pytest.approx(share.total, rel=1e-9, abs=1e-13)


def test_moves_of_factors() -> None:
    """Whose effects on the states are paired record by record."""
    equation = {**FUNCTION["equation"], "dimension": 2}
    own = model("functions", equation=equation, levels={"other": LEVELS["other"]})
    x = RNG.standard_normal((4, 3, 3, 1))
    times = np.array([0, 1, 1, 1, 3])
    given = records(x, y=x**2, weights=[1, 3, 0, 1]), records(x[times], y=x[times] ** 2)
    weighted, repeated = (project(own, "other", records=data).report.attribution for data in given)
    assert "trapezoidal" in weighted.rule
    assert weighted.shares["W"].total == pytest.approx(repeated.shares["W"].total, rel=1e-9)


@pytest.mark.parametrize("name", BASES)
def test_projection_by_outputs(name: str) -> None:
    found = [project(model(name), "small", records=data, metric="outputs") for data in both(name)]
    np.testing.assert_allclose(found[0].report.match.apart, found[1].report.match.apart, rtol=1e-6)
    np.testing.assert_allclose(found[0].coordinates, found[1].coordinates, atol=1e-6)


def test_readouts_that_are_solved_for() -> None:
    """But for the penalty: of a record that is there twice, one is left out at a time."""
    weighted, repeated = (records(X, y=X[:, :2] ** 2, weights=w) for w in (2 * np.ones(8), None))
    first, second = (project(model("numbers"), "small", records=data, readout=True) for data in (weighted, repeated))
    np.testing.assert_allclose(first.coordinates, second.coordinates, atol=1e-10)
    third = project(model("numbers"), "small", records=weighted.weighted(COUNTS), readout=True)
    assert np.abs(third.coordinates - second.coordinates).max() > 1e-3


@pytest.mark.parametrize("name", BASES)
def test_errors_of_the_loss(name: str) -> None:
    own = model(name)
    weighted, repeated = (estimate(own, data) for data in both(name))
    assert weighted.goal == pytest.approx(repeated.goal, rel=1e-12)
    assert weighted.error == pytest.approx(repeated.error, rel=1e-8)
    reports = [refine(own, tolerance=abs(weighted.error) / 2, records=data).report for data in both(name)]
    assert len(reports[0].rounds) == len(reports[1].rounds) and reports[0].error == pytest.approx(reports[1].error)
    assert reports[0].sampling == pytest.approx(reports[1].sampling, rel=1e-8)


def test_baselines() -> None:
    """A record of weight 3 is as three, for the linear model's penalty, too; one that counts nothing is as none."""
    own, y, some = model("numbers").replace(history=()), TARGETS["numbers"], np.flatnonzero(COUNTS)
    without = records(X[some], y=y[some], weights=COUNTS[some])
    found = []
    for data in (*both("numbers"), without):
        trained = fit(own, data, epochs=1, optimiser="adam")
        found.append(compared(trained, data))
    for name in ("linear", "null"):  # the linear model errs by rounding here
        for others in found[1:]:
            assert found[0][name] == pytest.approx(others[name], rel=1e-8, abs=1e-7)


def test_files_keep_weights(tmp_path: Path) -> None:
    for data in (records(X, weights=COUNTS), records([X[0], X[1, :4]], weights=[1, 2])):
        datasets.write(tmp_path / "records.npz", data)
        found = datasets.read(tmp_path / "records.npz")
        np.testing.assert_array_equal(found.weights, data.weights)
        np.testing.assert_array_equal(found.take([1]).weights, data.weights[1:2])


def test_weights_of_mapped_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    streamed = datasets.source(np.load(tmp_path / "x.npy", mmap_mode="r"), y=X[:, :2] ** 2, weights=COUNTS)
    own = model("numbers")
    assert own.loss(own.prepare(streamed)) == own.loss(own.prepare(records(X, y=X[:, :2] ** 2, weights=COUNTS)))
    assert streamed.take([2, 1]).weights.tolist() == [3, 0]


def test_records_of_which_none_counts_are_refused() -> None:
    data = records(X, y=X[:, :2], weights=COUNTS)
    refused(lambda: model("numbers").prepare(data.take([1, 6])), "weights that are zero")
    for wrong in (np.ones(7), -np.ones(8), np.zeros(8), np.full(8, np.nan), ["a"] * 8, np.ones((8, 1))):
        refused(lambda: records(X, weights=wrong), "weights")
