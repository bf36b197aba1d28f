"""Readouts in closed form, against scikit-learn, SciPy and refits of explicit features.

The features are found from outside: a readout is linear, so that the outputs of one coordinate after the other are the
columns of its matrix.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import RidgeCV

from derive.errors import DataError, TrainingError
from numerics import Continuum, fit, project, refine
from numerics.datasets import Records, read, records
from numerics.estimators.learners import ContinuumClassifier, ContinuumRegressor
from numerics.model import checkpoint
from numerics.model.prepared import Prepared
from numerics.readout.design import Design
from numerics.readout.solve import READOUT, solve_readout
from numerics.training.job import chosen, job_of
from numerics.training.objective import Counted
from tests.builders import EVERY, FUNCTION, NUMBERS, SQUARE, THREE, random_model

Array = np.ndarray

L2 = {**NUMBERS, "loss": {"kind": "l2"}}
MAXIMA = {**EVERY["maxima"], "equation": {**FUNCTION["equation"], "channels": 2}, "loss": {"kind": "l2"}}
SHARES = {**EVERY["shares"], "equation": {**FUNCTION["equation"], "channels": 2}, "loss": {"kind": "l2"}}
POINTWISE = {**EVERY["lift"], "loss": {"kind": "l2"}}
VARYING = {**EVERY["varying lift"], "readout": {"outputs": 2, "width": {"family": "hat", "cells": 3}}}
RELATIVE = {**POINTWISE, "loss": {"kind": "relative-l2"}}
ON_SQUARES = {**SQUARE, "lift": {"inputs": 1}, "readout": {"outputs": 1, "width": {"family": "hat", "cells": 1}}}


def problem(declared: dict[str, Any], count: int = 12, seed: int = 0) -> tuple[Continuum, Prepared]:
    """A random model, and records of noise; of numbers and functions the targets are its outputs with more noise."""
    model = random_model(declared, seed)
    return model, model.prepare(sample(model, count, seed))


def sample(model: Continuum, count: int, seed: int = 0) -> Records:
    spec, generator = model.spec, np.random.default_rng(seed)
    x = generator.standard_normal((count, *[7] * spec.dimension, spec.record_channels))
    if spec.loss == "cross-entropy":
        return records(x, y=np.arange(count) % int(spec.outputs or 0))
    outputs = model(records(x))
    y = outputs + 0.5 * outputs.std() * generator.standard_normal(outputs.shape)
    return records(x, y=np.exp(y) / np.exp(y).sum(axis=1)[:, None] if spec.loss == "kullback-leibler" else y)


def explicit(model: Continuum, prepared: Prepared) -> tuple[Array, Array, Array]:
    """(N, values, coordinates) of the readout's linear map; where in the coordinates it acts, and where freely."""
    found, where, free = [], [], []
    for block in model.blocks:
        for k in range(block.part.start, block.part.stop) if block.name in READOUT else ():
            unit = model.coordinates
            for other in model.blocks:
                unit[other.part] = 0 if other.name in READOUT else unit[other.part]
            unit[k] = 1
            found.append(model.with_coordinates(unit).outputs(prepared))
            where.append(k)
            free.append(block.name == "a")
    return np.stack(found, axis=-1), np.array(where), np.array(free)


def least_squares(a: Array, t: Array, penalties: Array) -> Array:
    """argmin of Σ |a_n c − t_n|² + cᵀ diag(penalties) c, (coordinates,)."""
    rows = a.reshape(-1, a.shape[-1])
    return np.linalg.solve(rows.T @ rows + np.diag(penalties), rows.T @ t.ravel())


def left_out(a: Array, t: Array, penalties: Array, weights: Array) -> float:
    """Σ w |t_n − what a refit without record n says|², over the number of records."""
    found = 0.0
    roots = np.sqrt(weights)[:, None]
    for n in range(len(a)):
        others = np.arange(len(a)) != n
        c = least_squares(a[others] * roots[others, :, None], t[others] * roots[others], penalties)
        found += weights[n] * float(np.sum((t[n] - a[n] @ c) ** 2))
    return found / len(a)


# --- least squares ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [L2, MAXIMA, SHARES], ids=["integrals", "with maxima", "with shares"])
@pytest.mark.parametrize("count", [6, 40], ids=["fewer records than columns", "more"])
def test_numbers_are_regressed_as_scikit_learn_does(declared: dict[str, Any], count: int) -> None:
    model, prepared = problem(declared, count)
    solved = solve_readout(model, prepared)
    a, _, free = explicit(model, prepared)
    mine = a[:, 0, (a[0, 0] != 0) & ~free]  # columns of the first output, which all outputs share
    singular = np.linalg.svd(mine - mine.mean(axis=0), compute_uv=False)
    grid = np.logspace(1, -10, 23) * singular[0] ** 2
    reference = RidgeCV(alphas=grid, gcv_mode="svd").fit(mine, prepared.wanted().T)
    assert solved.penalty == pytest.approx(reference.alpha_ / count)
    assert np.allclose(solved.model.outputs(prepared), reference.predict(mine), atol=1e-9)
    assert solved.left_out == pytest.approx(-3 * reference.best_score_, rel=1e-9)  # a mean over three outputs


@pytest.mark.parametrize(
    "declared", [L2, MAXIMA, POINTWISE, VARYING, ON_SQUARES, RELATIVE],
    ids=["integrals", "maxima", "at points", "varying", "squares", "relative"],
)  # fmt: skip
def test_the_error_left_out_is_that_of_refits_and_least(declared: dict[str, Any]) -> None:
    model, prepared = problem(declared, 9)
    weights = np.random.default_rng(5).uniform(0.2, 2, 9)
    weights[3] = 0
    weighted = Prepared(**{**vars(prepared), "weights": weights / weights.mean()})
    for given, own in ((prepared, np.ones(9)), (weighted, weights / weights.mean())):
        solved = solve_readout(model, given)
        a, where, free = explicit(model, given)
        t = given.wanted().T
        ridge = solved.penalty * len(t) * ~free
        own = own / np.sum(t**2, axis=1) if model.spec.loss == "relative-l2" else own
        error = left_out(a, t, ridge, own)
        reach = np.average(given.offset, weights=own)
        assert solved.left_out == pytest.approx(error + reach, rel=1e-8)
        assert all(left_out(a, t, ridge * step, own) >= error * (1 - 1e-9) for step in (10**0.5, 10**-0.5))
        roots = np.sqrt(own)[:, None]
        c = least_squares(a * roots[:, :, None], t * roots, ridge)
        assert np.allclose(solved.model.outputs(given), a @ c, atol=1e-8)
        assert np.allclose(solved.model.coordinates[where], c, atol=1e-6 * np.abs(c).max())


@pytest.mark.parametrize("declared", [L2, VARYING], ids=["numbers", "functions"])
def test_versions_of_a_record_are_left_out_together(declared: dict[str, Any]) -> None:
    model, prepared = problem(declared, 12)
    weights = np.random.default_rng(5).uniform(0.2, 2, 12)
    weights /= weights.mean()
    prepared = Prepared(**{**vars(prepared), "weights": weights})
    solved = solve_readout(model, prepared, versions=3)
    a, _, free = explicit(model, prepared)
    t, roots, group = prepared.wanted().T, np.sqrt(weights)[:, None], np.arange(12) // 3

    def error(penalty: float) -> float:
        found = 0.0
        for n in range(4):
            own = group != n
            c = least_squares(a[own] * roots[own, :, None], t[own] * roots[own], penalty * 12 * ~free)
            found += float(np.sum(((t - a @ c) * roots)[~own] ** 2))
        return found / 12

    reach = np.average(prepared.offset, weights=weights)
    assert solved.left_out == pytest.approx(error(solved.penalty) + reach, rel=1e-8)
    assert all(error(solved.penalty * step) >= error(solved.penalty) * (1 - 1e-9) for step in (10**0.5, 10**-0.5))


def test_the_readout_is_one_function_in_every_basis() -> None:
    """Cubic polynomials as Legendre's and as Lagrange's: the same penalty, the same outputs, the same R."""
    found = []
    for basis in ({"family": "legendre", "size": 4}, {"family": "lagrange", "degree": 3, "cells": 1}):
        for loss in ("l2", "cross-entropy"):
            other, prepared = problem({**NUMBERS, "loss": {"kind": loss}}, 15)
            model = random_model({**NUMBERS, "readout": {"outputs": 3, "basis": basis}, "loss": {"kind": loss}})
            model = model.replace(fields={**model.fields, **{n: other.fields[n] for n in ("W", "b")}})
            solved = solve_readout(model, prepared)
            r = solved.model.fields["R"](np.linspace(-1, 1, 5))
            found.append((solved.penalty, solved.left_out, solved.model.outputs(prepared), r))
    for first, second in zip(found[:2], found[2:]):
        for one, two in zip(first, second):
            assert np.allclose(one, two, rtol=1e-7)


# --- classes ------------------------------------------------------------------------------------------------


def cross_entropy(a: Array, t: Array, penalty: Array, weights: Array) -> tuple[Array, float]:
    """argmin of Σ w Σ_k t_k log(1/softmax(a c)_k) / Σ w + cᵀ diag(penalty) c, by SciPy's trust region."""
    total = weights.sum()

    def value(c: Array) -> tuple[float, Array]:
        z = a @ c
        chance = np.exp(z - logsumexp(z, axis=1)[:, None])
        losses = t.sum(axis=1) * logsumexp(z, axis=1) - np.sum(t * z, axis=1)
        slope = np.einsum("n,nk,nkc->c", weights, t.sum(axis=1)[:, None] * chance - t, a) / total
        return weights @ losses / total + penalty @ c**2, slope + 2 * penalty * c

    found = minimize(value, np.zeros(a.shape[2]), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    return found.x, float(found.fun)


CLASSES = {
    "classes": NUMBERS,
    "weighted classes": {**NUMBERS, "loss": {"kind": "cross-entropy", "class_weights": ["1", "2", "1/2"]}},
    "probabilities": {**NUMBERS, "loss": {"kind": "kullback-leibler"}},
    "two classes": {**NUMBERS, "readout": {"outputs": 2, "basis": THREE}},
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_regressed_as_scipy_does(name: str) -> None:
    model, prepared = problem(CLASSES[name], 30, 1)
    weights = np.random.default_rng(5).uniform(0.2, 2, 30)
    prepared = Prepared(**{**vars(prepared), "weights": weights / weights.mean()})
    solved = solve_readout(model, prepared)
    a, where, free = explicit(model, prepared)
    t = prepared.wanted().T
    c, least = cross_entropy(a, t, solved.penalty * ~free, weights)
    scores = solved.model.outputs(prepared)
    gaps = scores - a @ c
    assert np.allclose(gaps, gaps.mean(axis=1, keepdims=True), atol=1e-5)  # all outputs may be shifted
    r = solved.model.coordinates[where][~free]
    reached = weights @ (t.sum(axis=1) * logsumexp(scores, axis=1) - np.sum(t * scores, axis=1)) / weights.sum()
    assert reached + solved.penalty * r @ r == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("name", CLASSES)
def test_losses_of_classes_left_out_are_nearly_those_of_refits(name: str) -> None:
    model, prepared = problem(CLASSES[name], 18, 2)
    solved = solve_readout(model, prepared)
    a, _, free = explicit(model, prepared)
    t, found = prepared.wanted().T, 0.0
    for n in range(len(t)):
        others = np.arange(len(t)) != n
        penalty = solved.penalty * ~free * len(t) / others.sum()  # the sum's, over fewer records
        c, _ = cross_entropy(a[others], t[others], penalty, np.ones(others.sum()))
        z = a[n] @ c
        order = np.sum(t[n] * np.log(t[n])) if name == "probabilities" else 0
        found += t[n].sum() * logsumexp(z) - t[n] @ z + order
    assert solved.left_out == pytest.approx(found / len(t), rel=0.02)


def test_losses_of_classes_are_left_out_with_all_versions() -> None:
    model, prepared = problem(NUMBERS, 40, 2)
    solved = solve_readout(model, prepared, versions=2)
    a, _, free = explicit(model, prepared)
    t, found = prepared.wanted().T, 0.0
    for n in range(20):
        own = np.arange(40) // 2 == n
        c, _ = cross_entropy(a[~own], t[~own], solved.penalty * ~free * 40 / 38, np.ones(38))
        z = a[own] @ c
        found += float(np.sum(logsumexp(z, axis=1) - np.sum(t[own] * z, axis=1)))
    assert solved.left_out == pytest.approx(found / 40, rel=0.01)


def test_a_class_without_records_has_finite_scores() -> None:
    model, _ = problem(NUMBERS)
    data = sample(model, 12)
    prepared = model.prepare(records(data.x.reshape(12, 7), y=np.arange(12) % 2))
    z = solve_readout(model, prepared).model.outputs(prepared)
    assert np.isfinite(z).all() and (z.argmax(axis=1) < 2).all()


@pytest.mark.parametrize("declared", [L2, NUMBERS], ids=["numbers", "classes"])
@pytest.mark.parametrize("count", [6, 40], ids=["fewer records than columns", "more"])
def test_of_records_that_are_alike_the_mean_is_said(declared: dict[str, Any], count: int) -> None:
    """Or the shares of the classes; nothing is made of what rounding leaves of their differences."""
    model, prepared = problem(declared, count)
    same = replace(prepared, states=np.repeat(prepared.states[:, :1], count, axis=1))
    for versions in (1, 2):
        solved = solve_readout(model, same, versions).model
        assert not solved.fields["R"].squared_norm()
        outputs, t = solved.outputs(same), prepared.wanted().T
        if declared is NUMBERS:
            outputs = np.exp(outputs - logsumexp(outputs, axis=1)[:, None])
        np.testing.assert_allclose(outputs, np.tile(t.mean(axis=0), (count, 1)), atol=1e-7)


@pytest.mark.parametrize("declared", [L2, NUMBERS], ids=["numbers", "classes"])
def test_records_that_count_nothing_are_none(declared: dict[str, Any]) -> None:
    model, prepared = problem(declared, 4)
    for versions, weights in ((1, [4, 0, 0, 0]), (2, [2, 2, 0, 0])):
        with pytest.raises(TrainingError, match="solved from 1 record"):
            solve_readout(model, replace(prepared, weights=np.array(weights, dtype=float)), versions)
    two = solve_readout(model, replace(prepared, weights=np.array([2.0, 2, 0, 0])))
    assert np.isfinite(two.model.coordinates).all()


def test_trained_fields_have_the_declared_penalty_at_least() -> None:
    """Records that the fields know tell nothing by being left out; fields without a history have seen none."""
    model, prepared = problem({**L2, "loss": {"kind": "l2", "penalty": {"R": "3"}}}, 20)
    free = solve_readout(model, prepared).penalty
    trained = model.replace(history=({"loss": 1.0},))
    assert free < 3 == solve_readout(trained, prepared).penalty
    assert solve_readout(random_model(L2).replace(history=({"loss": 1.0},)), prepared).penalty == free


# --- in training and moves ----------------------------------------------------------------------------------


def test_a_run_solves_once_and_leaves_other_fields_alone(tmp_path: Path) -> None:
    model = random_model(NUMBERS)
    data = sample(model, 20)
    out = tmp_path / "m.npz"
    found = fit(model, data, optimiser="ridge", validation=0.2, out=out)
    (row,) = found.history
    assert row["epoch"] == 1 and "validation accuracy" in row
    trained_on = found.prepare(data.take(held_in(found, data)))
    penalty = row["readout penalty"] * found.fields["R"].squared_norm()
    assert row["loss"] == pytest.approx(found.loss(trained_on) + penalty)
    assert row["loss left out"] == solve_readout(model, model.prepare(data).take(held_in(found, data))).left_out
    for name in ("W", "b"):
        before, after = (m.fields[name].slabs[0].coefficients for m in (model, found))
        assert np.allclose(before, after, rtol=0, atol=1e-15)
    for again in (fit(model, data, out=out, resume=True), checkpoint.load(out)):
        assert np.array_equal(again.coordinates, found.coordinates) and again.history == found.history


@pytest.mark.parametrize("declared", [L2, NUMBERS], ids=["numbers", "classes"])
def test_a_run_takes_a_version_of_the_records_of_every_epoch(declared: dict[str, Any]) -> None:
    model = random_model(declared)
    data = sample(model, 10)
    drawn: list[Records] = []

    def augment(given: Records, generator: np.random.Generator) -> Records:
        drawn.append(records(given.x.reshape(10, 7, -1) + 0.3 * generator.standard_normal((10, 7, 1)), y=given.y))
        return drawn[-1]

    found = fit(model, data, optimiser="ridge", epochs=3, augment=augment)
    versions = [data, *drawn[-3:]]
    x, y = (np.stack([getattr(v, name).reshape(10, -1) for v in versions], axis=1) for name in ("x", "y"))
    whole = records(x.reshape(40, 7, -1), y=y.reshape(40, -1) if declared is L2 else y.ravel())
    expected = solve_readout(model, model.prepare(whole), versions=4)
    assert np.allclose(found.coordinates, expected.model.coordinates, rtol=1e-9, atol=1e-12)
    (row,) = found.history
    assert row["loss"] == pytest.approx(expected.penalised.objective(model.prepare(whole), found.coordinates)[0])
    assert row["loss left out"] == pytest.approx(expected.left_out) and row["readout penalty"] == expected.penalty


def test_few_versions_are_taken_where_nobody_says_how_many() -> None:
    model = random_model(NUMBERS)
    for declared, more, expected in ((300, {}, 10), (300, {"epochs": 300}, 300), (7, {}, 7), (300, {"epochs": 2}, 2)):
        base = replace(model.spec, training=replace(model.spec.training, epochs=declared))
        own = model.replace(base=base)
        assert chosen(own, {"optimiser": "ridge", **more}).epochs == expected
        assert chosen(own, {"optimiser": "adam", **more}).epochs == more.get("epochs", declared)
    drawn: list[int] = []

    def augment(given: Records, generator: np.random.Generator) -> Records:
        drawn.append(len(given))
        return given

    fit(model, sample(model, 6), optimiser="ridge", augment=augment)
    assert drawn.count(6) in (10, 11)  # the one step's records, and perhaps the epoch's own


def test_parts_have_room_for_the_square_of_versions_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two records of four versions and three classes a part, (4 · 3)² numbers each; with the same readout."""
    model, prepared = problem(NUMBERS, 24, 2)
    whole = solve_readout(model, prepared, versions=4)
    monkeypatch.setattr("numerics.datasets.record.AT_ONCE", 2 * 12**2)
    assert [len(part.weights) for part in Design(model, prepared, 4).parts()] == [8, 8, 8]
    found = solve_readout(model, prepared, versions=4)
    assert found.left_out == pytest.approx(whole.left_out, rel=1e-9) and found.penalty == pytest.approx(whole.penalty)


@pytest.mark.parametrize("base", [L2, MAXIMA, NUMBERS, POINTWISE], ids=["numbers", "maxima", "classes", "functions"])
def test_the_history_counts_the_penalty_that_was_chosen(base: dict[str, Any]) -> None:
    """In place of the declared one of the readout, and beside those of other fields: what is reached is a minimum."""
    penalty = {"W": "1/100", "R": {"L2": "1/10", "H1": "1/5"}} if base is not POINTWISE else {"W": "1/100"}
    model = random_model({**base, "loss": {**base["loss"], "penalty": penalty}})
    data = sample(model, 20)
    found = fit(model, data, optimiser="ridge")
    (row,) = found.history
    readout = [found.fields[name].squared_norm() for name in ("R", "Q") if name in found.fields]
    scores = found.scores(found.prepare(data))
    expected = scores["loss"] + row["readout penalty"] * sum(readout) + found.fields["W"].squared_norm() / 100
    assert row["loss"] == pytest.approx(expected, rel=1e-12)
    assert row["loss left out"] > scores["loss"] and not math.isclose(row["loss"], found.loss(found.prepare(data)))
    objective = Counted(job_of(model, data, chosen(model, {"optimiser": "ridge"}), None), model.prepare(data))
    vector, penalised, _ = objective.solved(model.coordinates)
    gradient = penalised(vector)[1]
    for block in model.blocks:
        if block.name in READOUT:
            np.testing.assert_allclose(gradient[block.part], 0, atol=1e-6)


def held_in(model: Continuum, data: Records) -> Array:
    from numerics.training.split import split

    return split(len(data), model.class_labels(data), 0.2, 0)[0]


def test_records_in_files_give_the_same_readout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numerics.datasets.record.AT_ONCE", 64)
    for declared in (NUMBERS, VARYING):
        model = random_model(declared)
        data = sample(model, 30)
        folder = tmp_path / str(model.spec.functional)
        folder.mkdir()
        np.save(folder / "x.npy", data.x.reshape(30, 7, -1))
        np.save(folder / "y.npy", data.y if model.spec.functional else data.y.reshape(30, 7, -1))
        streamed, whole = (fit(model, d, optimiser="ridge") for d in (read(folder), data))
        np.testing.assert_allclose(streamed.coordinates, whole.coordinates, rtol=1e-9, atol=1e-12)


def test_moves_solve_for_the_readout_afterwards() -> None:
    smaller = {"weight": {"width_out": {"family": "legendre", "size": 2}}}
    model = random_model({**NUMBERS, "levels": {"small": smaller}})
    data = sample(model, 25)
    raw, solved = (project(model, "small", records=data, readout=readout) for readout in (False, True))
    expected = solve_readout(raw, raw.prepare(data)).model
    assert np.array_equal(solved.coordinates, expected.coordinates)
    assert solved.report.loss_after == raw.report.loss_after > solved.report.loss_solved
    assert "readout solved for" in str(solved.report) and "readout solved for" in solved.report._repr_html_()
    own = solve_readout(raw, raw.prepare(data))
    assert (solved.report.penalty, solved.report.left_out) == (own.penalty, own.left_out)
    assert f"{own.penalty:.3e}" in str(solved.report) and f"{own.left_out:.3e}" in solved.report._repr_html_()
    assert refine(raw, "base", data, readout=True).report.loss_solved is not None
    with pytest.raises(DataError, match="no records with targets"):
        project(model, "small", data.x.reshape(25, 7), readout=True)


@pytest.mark.parametrize(
    ("declared", "count", "words"),
    [
        (FUNCTION, 5, "a model without one"),
        ({**NUMBERS, "loss": {"kind": "huber"}}, 5, "the loss huber"),
        (NUMBERS, 1, "solved from 1 record"),
    ],
)
def test_what_has_no_closed_form_is_refused(declared: dict[str, Any], count: int, words: str) -> None:
    model = random_model(declared)
    with pytest.raises(TrainingError, match=words):
        fit(model, sample(model, count), optimiser="ridge")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"batch": 4}, "ridge with batches of 4"), ({"strategy": "nested"}, "strategy 'nested' with ridge"),
     ({"clip": 1.0}, "clip with ridge")],
)  # fmt: skip
def test_options_of_steps_are_refused(options: dict[str, Any], words: str) -> None:
    model = random_model(NUMBERS)
    with pytest.raises(TrainingError, match=words):
        fit(model, sample(model, 8), optimiser="ridge", **options)


def test_a_classifier_of_scikit_learn_is_solved_for() -> None:
    x = np.random.default_rng(0).standard_normal((40, 12)).cumsum(axis=1)
    y = np.where(x.mean(axis=1) > 0, "up", "down")
    found = ContinuumClassifier(optimiser="ridge", width=6, depth=2, n_estimators=1, random_state=0).fit(x, y)
    assert found.n_iter_ == 1 and found.score(x, y) > 0.9
    numbers = ContinuumRegressor(optimiser="ridge", width=6, depth=2, n_estimators=1, random_state=0)
    assert numbers.fit(x, x.mean(axis=1)).score(x, x.mean(axis=1)) > 0.9
