"""Projections by outputs (16): what is minimised, against formulas and dense solves, and what reports say of it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.errors import RepresentationError
from numerics import Continuum, fit, project
from numerics.command.main import main
from numerics.datasets import Records, records, write
from numerics.levels import matching
from numerics.levels.distances import distance
from tests.builders import FUNCTION, NUMBERS, ONCE, refused

TWO = {"family": "legendre", "size": 2}
LEVELS = {
    "small": {"weight": {"width_out": TWO, "width_in": TWO}},
    "deep": {"weight": {"depth": {"family": "p0", "cells": 2}}},
    "other": {"state": {"basis": {"family": "legendre", "size": 6}}, "weight": {"width_out": TWO}},
}


def model(base: dict[str, Any], **more: Any) -> Continuum:
    declared = copy.deepcopy({**base, "weight": {**base["weight"], "depth": ONCE}, "levels": LEVELS, **more})
    start = Continuum.from_spec(load_spec(declared), seed=0)
    return start.with_coordinates(0.7 * np.random.default_rng(0).standard_normal(start.size))


def data(old: Continuum, count: int = 9) -> Records:
    generator = np.random.default_rng(1)
    x = generator.standard_normal((count, 7))
    classes, functions = generator.integers(0, 3, count), generator.standard_normal((count, 7))
    return records(x, y=classes if old.spec.functional else functions)


def kullback(z: np.ndarray, wanted: np.ndarray) -> float:
    """Σ p* log(p*/p) of the classes of two models, the mean over the records (N, outputs)."""
    p, q = (np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for a in (wanted, z))
    return float(np.mean(np.sum(p * np.log(p / q), axis=1)))


def squares(z: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean(np.sum((z - wanted) ** 2, axis=1)))


@pytest.mark.parametrize(("base", "apart"), [(NUMBERS, kullback), (FUNCTION, squares)], ids=["classes", "functions"])
def test_outputs_come_nearer_than_those_of_the_nearest_fields(base: dict[str, Any], apart: Any) -> None:
    old = model(base)
    given = data(old)
    plain, new = (project(old, "small", records=given, metric=metric) for metric in ("L2", "outputs"))
    wanted, first, last = (m.outputs(m.prepare(given)) for m in (old, plain, new))
    match = new.report.match
    assert match.apart[0] == pytest.approx(apart(first, wanted), rel=1e-10)
    assert match.apart[-1] == pytest.approx(apart(last, wanted), rel=1e-8)
    assert match.apart[-1] < 0.2 * match.apart[0]
    assert all(b < a for a, b in zip(match.apart, match.apart[1:]))
    assert match.moved["W"] == pytest.approx(distance(plain.fields["W"], new.fields["W"]))
    assert new.report.distance["W"] > plain.report.distance["W"]  # no field is nearer than the L2 projection


def test_a_space_that_contains_the_model_leaves_it_alone() -> None:
    old = model(NUMBERS)
    new = project(old, "deep", records=data(old), metric="outputs")
    assert abs(new.report.match.apart[-1]) <= 1e-14 and new.report.outputs_fields <= 1e-6


def test_another_solver_is_matched_too() -> None:
    old = model(NUMBERS)
    report = project(old, "other", records=data(old), metric="outputs").report
    assert report.match.apart[-1] < 0.5 * report.match.apart[0]


def test_steps_solve_the_damped_equations() -> None:
    """Against a dense solve; the Krylov space of ten directions is the whole space."""
    generator = np.random.default_rng(2)
    factor, gradient = generator.standard_normal((6, 10)), generator.standard_normal(10)
    matrix = factor.T @ factor  # not of full rank
    found = matching.steps(matrix.__matmul__, gradient)
    largest = np.linalg.eigvalsh(matrix)[-1]
    for share, (epsilon, step) in zip(matching.SHARES, found, strict=True):
        assert epsilon == pytest.approx(share * largest, rel=1e-8)
        expected = -np.linalg.solve(matrix + epsilon * np.eye(10), gradient)
        assert np.linalg.norm(step - expected) <= 1e-6 * np.linalg.norm(expected)
    assert matching.steps(matrix.__matmul__, 0 * gradient) == []


def test_the_report_and_the_command(tmp_path: Any) -> None:
    old = model(NUMBERS)
    given = data(old)
    old.save(tmp_path / "m.npz")
    write(tmp_path / "d.npz", given)
    command = ["project", str(tmp_path / "m.npz"), "--level", "small", "--data", str(tmp_path / "d.npz")]
    done = CliRunner().invoke(main, [*command, "--metric", "outputs", "--out", str(tmp_path / "s.npz")])
    assert done.exit_code == 0, done.output
    assert "‖W − W′‖" in done.output and "outputs apart (16)" in done.output
    done = CliRunner().invoke(main, [*command, "--metric", "outputs", "--json", "--out", str(tmp_path / "s.npz")])
    assert '"apart"' in done.output


def test_what_is_refused() -> None:
    old = model(NUMBERS)
    refused(lambda: project(old, "small", metric="output"), "did you mean 'outputs'")
    refused(lambda: project(old, "small", metric="outputs"), "without records")
    refused(lambda: project(old, "small", np.ones((3, 7)), metric="outputs"), "without records and their targets")
    functions = model(FUNCTION)
    with pytest.raises(RepresentationError, match="another state basis"):
        project(functions, "other", records=data(functions), metric="outputs")


def test_a_loss_that_is_not_convex_has_no_distance_of_outputs() -> None:
    """1 − exp(−(z − t)²) lies below its tangents: minimised, such a distance would go to −∞."""
    old = model(NUMBERS, loss={"kind": "1 - exp(-(z - t)**2)"})
    generator = np.random.default_rng(0)
    given = records(3 * generator.standard_normal((9, 12)), y=generator.standard_normal((9, old.spec.outputs or 0)))
    with pytest.raises(RepresentationError, match="not convex"):
        project(old, "small", records=given, metric="outputs")


def test_outputs_of_a_classifier_that_is_certain_come_nearer_too() -> None:
    """There ℓ″ is nearly 0, and its largest eigenvalue no measure of how long steps may be."""
    untrained = model(NUMBERS)
    given = data(untrained)
    certain = fit(untrained, given, optimiser="lbfgs", epochs=60)
    match = project(certain, "small", records=given, metric="outputs").report.match
    assert match.apart[0] > 1 and match.apart[-1] < 0.9 * match.apart[0]
