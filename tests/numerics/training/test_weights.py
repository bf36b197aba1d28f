"""Records that count more than others: as if they were there several times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.errors import CheckpointError, DataError
from numerics import Continuum, fit
from numerics.datasets import records
from numerics.training.split import split
from tests.builders import FUNCTION, LIFTED, declare, random_model

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 9))
COUNTS = np.array([1, 0, 3, 1, 2, 1, 0, 2])
TIMES = np.repeat(np.arange(8), COUNTS)
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "classes": (declare(readout={"outputs": 3}), np.array(["a", "b", "c"])[np.arange(8) % 3]),
    "class weights": (declare(loss={"class_weights": [1, 2, 3]}), np.array(["a", "b", "c"])[np.arange(8) % 3]),
    "balanced": (declare(loss={"class_weights": "balanced"}), np.array(["a", "b", "c"])[np.arange(8) % 3]),
    "numbers": ({**declare(readout={"outputs": 2, "scale": "standard"}), "loss": {"kind": "l2"}}, X[:, :2] ** 2),
    "functions": ({**LIFTED, "readout": {"outputs": 1, "scale": "standard"}}, X[:, ::-1].copy()),
    "states": ({**FUNCTION, "loss": {"kind": "l2"}}, X[:, ::-1].copy()),
    "own loss": ({**declare(readout={"outputs": 2}), "loss": {"kind": "sqrt(1 + (z - t)**2)"}}, X[:, :2]),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_weighted_sums(name: str) -> None:
    """Against the gradients of single records, added here."""
    declared, y = CASES[name]
    model = random_model(declared)
    prepared = model.prepare(records(X, y=y))
    weights = RNG.uniform(0, 2, 8)
    loss, gradient = model.objective(replace(prepared, weights=weights))
    each = [model.objective(prepared.take(np.array([n]))) for n in range(8)]
    assert loss == pytest.approx(sum(w * own for w, (own, _) in zip(weights, each)) / 8, rel=1e-10)
    np.testing.assert_allclose(gradient, sum(w * own for w, (_, own) in zip(weights, each)) / 8, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_whole_weights_are_repetitions(name: str) -> None:
    declared, y = CASES[name]
    declared = {**declared, "input": {"scale": "standard"}}
    options = {"epochs": 4, "optimiser": "adam", "learning_rate": 0.05}
    weighted = fit(Continuum.from_spec(declared, seed=0), X, y, weights=7 * COUNTS, **options)
    repeated = fit(Continuum.from_spec(declared, seed=0), X[TIMES], y[TIMES], **options)
    np.testing.assert_allclose(weighted(X), repeated(X), rtol=0, atol=1e-8)
    for mine, theirs in zip(weighted.history, repeated.history):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-8)


def test_batches_validation_and_augmentation_keep_the_weights() -> None:
    declared, y = CASES["numbers"]
    options = {"epochs": 3, "optimiser": "adam", "batch": 3, "validation": 0.25, "jitter": 0.0, "thin": 0.9}
    first = fit(Continuum.from_spec(declared, seed=0), X, y, weights=COUNTS, **options)
    again = fit(Continuum.from_spec(declared, seed=0), X, y, weights=2 * COUNTS, **options)
    plain = fit(Continuum.from_spec(declared, seed=0), X, y, **options)
    np.testing.assert_allclose(first.coordinates, again.coordinates, atol=1e-12)
    assert np.abs(first.coordinates - plain.coordinates).max() > 1e-6


def test_held_out_records_count_as_their_weights_say() -> None:
    """A held-out record of weight 3 is as three of them, in what decides which model is the best."""
    declared, y = CASES["numbers"]
    options: dict[str, Any] = {"epochs": 2, "optimiser": "adam", "validation": 0.25}
    trained = fit(Continuum.from_spec(declared, seed=0), X, y, weights=1 + COUNTS, **options)
    _, held = split(8, None, 0.25, trained.spec.training.seed)
    own = trained.prepare(records(X, y=y, weights=1 + COUNTS).take(held))
    best = min(row["validation"] for row in trained.history)
    assert trained.scores(own)["loss"] == pytest.approx(best, rel=1e-12)
    assert trained.scores(trained.prepare(records(X, y=y).take(held)))["loss"] != pytest.approx(best, rel=1e-6)


def test_what_makes_no_weights_is_refused(tmp_path: Any) -> None:
    declared, y = CASES["numbers"]
    model = Continuum.from_spec(declared)
    for wrong in (np.ones(7), -np.ones(8), np.zeros(8), np.full(8, np.nan), ["a"] * 8, np.ones((8, 1))):
        with pytest.raises(DataError, match="weights"):
            fit(model, X, y, weights=wrong, epochs=1)
    fit(model, X, y, weights=COUNTS, epochs=1, out=tmp_path / "m.npz")
    with pytest.raises(CheckpointError, match="the records"):
        fit(model, X, y, weights=COUNTS + 1, epochs=1, out=tmp_path / "m.npz", resume=True)


def test_weights_on_one_side_of_the_split_alone_are_refused() -> None:
    declared, y = CASES["numbers"]
    model = Continuum.from_spec({**declared, "input": {"scale": "standard"}})
    given = []
    for record in range(8):
        with pytest.raises(DataError, match="weights that are zero") as refusal:
            fit(model, X, y, weights=np.eye(8)[record], epochs=1, validation=0.25, optimiser="adam")
        given.append(refusal.value.given)
    assert sum("but held-out" in words for words in given) == 2


def test_balanced_classes_count_the_weights_of_their_records() -> None:
    """N/(K n_k), n_k the weights of a class: the factors that the repeated records have; none where nothing counts."""
    model = Continuum.from_spec(declare(loss={"class_weights": "balanced"}))
    for weights, expected in (([1, 1, 3, 3], [2, 2, 2 / 3, 2 / 3]), ([0, 0, 1, 2], [0, 0, 1, 1])):
        data = records(X[:4], y=[0, 0, 1, 1], weights=weights)
        np.testing.assert_allclose(model.prepare(data).wanted().sum(axis=0), expected, rtol=1e-14)


def test_the_linear_baseline_counts_records_as_their_weights_say() -> None:
    """Its penalty follows from how many there are: noisy numbers that few records and many do not fit alike."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((12, 9))
    y = x[:, :2] + 2 * generator.standard_normal((12, 2))
    counts = np.array([1, 0, 5, 1, 1, 4, 0, 1, 3, 1, 1, 2])
    options = {"epochs": 1, "optimiser": "adam"}
    made = Continuum.from_spec({**declare(readout={"outputs": 2}), "loss": {"kind": "l2"}}, seed=0)
    weighted = fit(made, x, y, weights=counts, **options).baselines
    times = np.repeat(np.arange(12), counts)
    repeated = fit(made, x[times], y[times], **options).baselines
    once = fit(made, x[counts > 0], y[counts > 0], weights=counts[counts > 0] / 1000, **options).baselines
    for name in ("mean", "linear", "constant"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-9)
    assert np.abs(once.linear - repeated.linear).max() > 1e-3  # small weights are those of few records
    assert np.abs(once.linear).max() > 1e-3  # and yet of some


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_baseline_counts_the_records_to_train_on(seed: int) -> None:
    """Those held out may weigh more or less: its penalty is that of the kept ones alone, each as often as it counts."""
    generator = np.random.default_rng(5)
    x = generator.standard_normal((40, 9))
    y = x[:, :2] + 2 * generator.standard_normal((40, 2))
    counts = np.where(np.arange(40) % 5 == 0, 20, 1)
    made = Continuum.from_spec({**declare(readout={"outputs": 2}), "loss": {"kind": "l2"}}, seed=0)
    weighted = fit(made, x, y, weights=counts, epochs=0, validation=0.25, seed=seed).baselines
    kept, held = split(40, None, 0.25, seed)
    assert len(held) == 10
    times = np.repeat(kept, counts[kept])
    repeated = fit(made, x[times], y[times], epochs=0).baselines
    for name in ("mean", "linear", "constant"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-9)
