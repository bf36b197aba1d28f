"""Baselines beside a continuum, against scikit-learn, SciPy and averages written out here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression, Ridge

from derive.errors import CheckpointError
from numerics import Continuum, fit, load, project
from numerics.command.main import main
from numerics.datasets import records
from numerics.model import file_format
from numerics.model.prepared import Prepared
from numerics.training.comparison import PENALTIES, baselines, compared, verdict
from tests.builders import FUNCTION, LIFTED, declare

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 9))
CLASSES = np.array(["a", "b", "c"])[(X.sum(axis=1) > 0).astype(int) + (X[:, 0] > 1)]
NUMBERS = {**declare(readout={"outputs": 2, "scale": "standard"}), "loss": {"kind": "l2"}}
QUICK = {"epochs": 2, "optimiser": "adam"}


def trained(declared: dict[str, Any], y: Any, **options: Any) -> Continuum:
    return fit(Continuum.from_spec(declared, seed=0), X, y, **QUICK, **options)


def test_the_linear_model_is_ridge_regression_with_the_best_penalty() -> None:
    """Slopes against scikit-learn's at every penalty; the error that is least, by leaving its definition as it is."""
    prepared = trained(NUMBERS, RNG.standard_normal((40, 2))).prepare(records(X, y=RNG.standard_normal((40, 2))))
    x, t = prepared.states.T, prepared.wanted().T
    first = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0]
    errors, models = [], []
    for penalty in PENALTIES * first**2:
        model = Ridge(alpha=penalty, solver="svd").fit(x, t)
        centred = x - x.mean(axis=0)
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T)
        left = np.sum((t - model.predict(x)) ** 2)
        errors.append(left / (len(x) - 1 - np.trace(hat)) ** 2)
        models.append(model)
    best = models[int(np.argmin(errors))]
    found = baselines(prepared)
    np.testing.assert_allclose(found.linear, best.coef_, atol=1e-8)
    np.testing.assert_allclose(found.constant, best.intercept_, atol=1e-8)
    np.testing.assert_allclose(found.mean, t.mean(axis=0), atol=1e-14)


def test_classes() -> None:
    model = trained(declare(), CLASSES, validation=0.25)
    fresh, truth = RNG.standard_normal((200, 9)), np.array(["a", "b", "c"])
    labels = truth[(fresh.sum(axis=1) > 0).astype(int) + (fresh[:, 0] > 1)]
    found = compared(model, records(fresh, y=labels))
    names, counts = np.unique(CLASSES, return_counts=True)
    assert found["null"] == {"accuracy": np.mean(labels == names[counts.argmax()])}
    assert found["null"]["accuracy"] < found["linear"]["accuracy"] <= 1 and set(found) == {"null", "linear"}


def test_numbers_are_compared_in_their_units() -> None:
    y = np.array([1.0, 1e3]) * (X[:, :2] + 0.1 * RNG.standard_normal((40, 2))) + 50
    model = trained(NUMBERS, y)
    fresh = RNG.standard_normal((30, 9))
    truth = np.array([1.0, 1e3]) * fresh[:, :2] + 50
    found = compared(model, records(fresh, y=truth))
    null = np.sqrt(np.mean(np.sum((truth - y.mean(axis=0)) ** 2, axis=1)))
    assert found["null"]["rmse"] == pytest.approx(null, rel=1e-10)
    states = model.project_samples(records(X)).T, model.project_samples(records(fresh)).T
    line = LinearRegression().fit(states[0], y)  # 40 records and 5 coefficients: hardly any penalty
    rmse = np.sqrt(np.mean(np.sum((line.predict(states[1]) - truth) ** 2, axis=1)))
    assert found["linear"]["rmse"] == pytest.approx(rmse, rel=0.05)


def test_functions_are_compared_with_what_they_come_from() -> None:
    """A shift by a constant: the identity misses by it, the linear model finds it."""
    scaled = {**LIFTED, "readout": {"outputs": 1, "scale": "standard"}, "input": {"scale": "robust"}}
    for declared in (FUNCTION, scaled):
        grid = np.linspace(-1, 1, 9)
        x = RNG.standard_normal((40, 1)) * np.sin(grid) + RNG.standard_normal((40, 1))
        model = fit(Continuum.from_spec(declared, seed=0), x, x + 5, **QUICK)
        found = compared(model, records(x, y=x + 5))
        assert found["identity"]["rmse"] == pytest.approx(5 * np.sqrt(2), rel=1e-6)
        assert found["linear"]["rmse"] < 0.2 < found["null"]["rmse"]
        elsewhere = records(x, y=x + 5, y_xi=grid)
        assert compared(model, elsewhere)["identity"]["rmse"] == pytest.approx(5 * np.sqrt(2), rel=1e-6)


def test_probabilities_have_a_null_model_alone() -> None:
    p = RNG.dirichlet([1, 2, 3], 40)
    model = trained({**declare(), "loss": {"kind": "kullback-leibler"}}, p)
    found = compared(model, records(X, y=p))
    mean = p.mean(axis=0)
    assert set(found) == {"null"}
    assert found["null"]["loss"] == pytest.approx(np.mean(np.sum(p * np.log(p / mean), axis=1)), rel=1e-9)


def test_the_verdict_is_plain() -> None:
    others = {"linear": {"accuracy": 0.9}, "null": {"accuracy": 0.5}}
    assert verdict({"accuracy": 0.95, "loss": 1.0}, others) == ""
    assert "the linear model" in verdict({"accuracy": 0.9, "loss": 0.0}, others)
    assert "the linear model and the null" in verdict({"accuracy": 0.4, "loss": 0.0}, others)
    assert verdict({"rmse": 1.0, "loss": 9.0}, {"identity": {"rmse": 2.0, "loss": 1.0}}) == ""
    assert "the identity" in verdict({"rmse": 2.0, "loss": 0.0}, {"identity": {"rmse": 1.0, "loss": 1.0}})


def test_files_and_levels_keep_them(tmp_path: Path) -> None:
    model = trained(declare(levels={"fine": {"integration": {"steps": 8}}, "wide": {"state": {"basis": {
        "family": "legendre", "size": 7}}}}), CLASSES)  # fmt: skip
    model.save(tmp_path / "m.npz")
    data = records(X, y=CLASSES)
    assert compared(load(tmp_path / "m.npz"), data) == compared(model, data)
    assert compared(project(model, "fine"), data) == compared(model, data)
    assert compared(project(model, "wide"), data) == {}  # whose records have other coefficients
    header, arrays = file_format.read(tmp_path / "m.npz")
    file_format.write(tmp_path / "bad.npz", header, {**arrays, "baselines/mean": np.zeros(2)})
    with pytest.raises(CheckpointError, match="baselines"):
        load(tmp_path / "bad.npz")


def test_the_command_line_shows_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=CLASSES)
    trained(declare(), CLASSES).save(tmp_path / "m.npz")
    run, given = CliRunner(), [str(tmp_path / "m.npz"), "--data", str(tmp_path / "d.npz")]
    said = run.invoke(main, ["evaluate", *given])
    assert said.exit_code == 0 and "the linear model   accuracy" in said.stdout
    assert "does not beat the linear model" in said.stdout  # after two epochs
    found = json.loads(run.invoke(main, ["evaluate", *given, "--json"]).stdout)
    assert set(found["baselines"]) == {"linear", "null"}


def test_the_identity_is_left_out_where_it_has_no_error() -> None:
    gaps = np.stack([X, X], axis=-1)
    gaps[3, 2, 1] = np.nan
    two = {**FUNCTION, "equation": {**FUNCTION["equation"], "channels": 2}, "input": {"missing": "unsampled"}}
    model = fit(Continuum.from_spec(two), gaps, np.stack([X, -X], axis=-1), **QUICK)
    assert set(compared(model, records(gaps, np.stack([X, -X], axis=-1)))) == {"linear", "null"}
    zero = X.copy()
    zero[2] = 0
    relative = {**FUNCTION, "loss": {"kind": "relative-l2"}}
    model = fit(Continuum.from_spec(relative), zero, X, **QUICK)
    assert set(compared(model, records(zero, X))) == {"linear", "null"}


@pytest.mark.parametrize("size", [1e308, 1e-308, 0.0])
def test_records_at_the_ends_of_the_numbers_have_baselines_too(size: float) -> None:
    """LAPACK need not end on what is not finite."""
    model = Continuum.from_spec(NUMBERS)
    states = size * np.random.default_rng(0).uniform(-1, 1, (5, 6))
    states[:, 3] = size
    for y in (np.ones((2, 6)), np.full((2, 6), 1e308) * [[1], [-1]]):
        found = baselines(Prepared(states, y, np.zeros(6), None))
        assert found.fit(model.spec) and all(np.isfinite(a).all() for a in vars(found).values())
