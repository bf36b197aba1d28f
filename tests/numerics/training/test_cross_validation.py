"""Cross-validation: folds by counting, scores against a loop, comparisons of settings, refusals."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import DataError, SpecError, TrainingError
from numerics import Continuum, Ensemble, cross_validate, evaluate, fit
from numerics.command.main import main
from numerics.datasets import records, write
from numerics.training.cross_validation import CrossValidation, partition, varied
from tests.builders import marked

LEGENDRE, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
TOML = """
name = "folded"
[equation]
rate = "residual"
spacing = "1/2"
[state]
basis = { family = "legendre", size = 4 }
[weight]
width_out = { family = "legendre", size = 4 }
width_in = { family = "legendre", size = 4 }
depth = { family = "p0", cells = 1 }
[bias]
width = { family = "legendre", size = 4 }
depth = { family = "p0", cells = 1 }
[integration]
tableau = "heun"
steps = 2
[readout]
outputs = 2
basis = { family = "legendre", size = 4 }
[loss]
kind = "cross-entropy"
[training]
epochs = 5
learning_rate = 0.1
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("folds") / "folded.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def slopes() -> Any:
    """Noisy lines that rise or fall, by name, eleven and six of them."""
    generator = np.random.default_rng(0)
    up = generator.permutation(np.arange(17) < 11)
    x = np.where(up, 1, -1)[:, None] * np.linspace(-1, 1, 9) + generator.standard_normal((17, 9))
    return records(x, y=np.where(up, "up", "down"))


@pytest.mark.slow
@given(
    counts=st.lists(st.sampled_from([0, *range(2, 20)]), min_size=1, max_size=4).filter(any),
    folds=st.integers(2, 6),
    seed=st.integers(0, 3),
)
def test_folds_share_records_and_classes_evenly(counts: list[int], folds: int, seed: int) -> None:
    labels = np.random.default_rng(9).permutation(np.repeat(np.arange(len(counts)), counts))
    if folds > len(labels):
        return
    fold = partition(len(labels), labels, folds, seed)
    for members in (fold, *(fold[labels == kind] for kind in range(len(counts)))):
        sizes = [np.sum(members == k) for k in range(folds)]
        assert sum(sizes) == len(members) and max(sizes) - min(sizes) <= 1
    assert np.array_equal(fold, partition(len(labels), labels, folds, seed))
    if len(labels) > 20:
        assert not np.array_equal(fold, partition(len(labels), labels, folds, seed + 1))


def test_scores_are_of_models_that_never_saw_the_fold(spec: Path, slopes: Any) -> None:
    """Every fold's model, trained here on records that a loop chose."""
    report = cross_validate(spec, slopes, folds=3, seed=4, learning_rate=0.2)
    fold = partition(17, slopes.y, 3, 4)
    expected = []
    for held in range(3):
        others = [n for n in range(17) if fold[n] != held]
        model = fit(Continuum.from_spec(spec, seed=4), slopes.take(others), learning_rate=0.2, seed=4)
        outputs = model(slopes.take([n for n in range(17) if fold[n] == held]))
        truth = slopes.y[fold == held]
        losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(truth)), truth]
        expected.append((losses.mean(), np.mean(outputs.argmax(axis=1) == truth)))
    found = np.array([(row["loss"], row["accuracy"]) for row in report.scores])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose([report.mean[k] for k in ("loss", "accuracy")], found.mean(axis=0))
    spread = np.sqrt(((found - found.mean(axis=0)) ** 2).sum(axis=0) / 2)
    np.testing.assert_allclose([report.deviation[k] for k in ("loss", "accuracy")], spread)
    assert f"accuracy {report.mean['accuracy']:.4g} ± " in str(report)


def test_weights_count_in_training_and_in_scores(spec: Path, slopes: Any) -> None:
    """Beside a model trained here on two folds, and the mean loss of the third, written out."""
    x, names, weights = slopes.x.reshape(17, 9), np.array(slopes.classes)[slopes.y], np.arange(17) % 3
    report = cross_validate(spec, x, names, weights=weights, folds=3, seed=4)
    fold = partition(17, slopes.y, 3, 4)
    others, held = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
    model = fit(Continuum.from_spec(spec, seed=4), slopes.take(others), weights=weights[others], seed=4)
    outputs, truth = model(slopes.take(held)), slopes.y[held]
    losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(truth)), truth]
    expected = np.average(losses, weights=weights[held])
    assert report.scores[0]["loss"] == pytest.approx(expected, rel=1e-12) != pytest.approx(losses.mean(), rel=1e-3)
    assert evaluate(model, x[held], names[held], weights=weights[held])["loss"] == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_is_refused(spec: Path, slopes: Any) -> None:
    alone = slopes.take([*np.flatnonzero(slopes.y == 1)[:5], np.flatnonzero(slopes.y == 0)[0]])
    for data, options, kind, words in (
        (slopes, {"folds": 1}, TrainingError, "1 folds of 17 records"),
        (slopes, {"folds": 18}, TrainingError, "2 to 17"),
        (slopes, {"folds": 0.2}, TrainingError, "0.2 folds"),
        (slopes, {"out": "m.npz"}, TrainingError, "'out'"),
        (slopes, {"learning_rates": 0.1}, TrainingError, "learning_rate"),
        (slopes, {"epochs": -1}, TrainingError, "epochs -1"),
        (alone, {}, TrainingError, "a single record of class"),
        (records(np.zeros((6, 9))), {}, DataError, "without targets"),
    ):
        with pytest.raises(kind, match=words):
            cross_validate(spec, data, **options)


@pytest.mark.parametrize("backend", marked(("threading", "dask", "loky"), compiled=("loky",), slow=("dask", "loky")))
def test_folds_side_by_side_have_the_same_scores(backend: str, spec: Path, slopes: Any) -> None:
    """By any backend of joblib."""
    joblib = pytest.importorskip("joblib")
    expected = cross_validate(spec, slopes, folds=3, epochs=2)
    both = Ensemble([Continuum.from_spec(spec, seed=seed) for seed in (0, 1)])
    outputs, scores = both(slopes), both.scores(both.prepare(slopes))
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            distributed = pytest.importorskip("distributed")
            stack.enter_context(distributed.Client(processes=False, n_workers=1, dashboard_address=None))
        stack.enter_context(joblib.parallel_config(backend=backend, n_jobs=2))
        with mock.patch.object(joblib, "Parallel", wraps=joblib.Parallel) as used:
            assert cross_validate(spec, slopes, folds=3, epochs=2) == expected
            np.testing.assert_array_equal(both(slopes), outputs)
            assert both.scores(both.prepare(slopes)) == scores
    assert used.call_count == 3


def test_settings_are_all_combinations_of_values() -> None:
    declared = {"training": {"epochs": 5}, "loss": {"kind": "l2"}}
    found = list(varied(declared, {"training.epochs": [1, 2], "loss.penalty.W": ["1/10", "1/100"]}))
    assert [setting for setting, _ in found] == [
        {"training.epochs": e, "loss.penalty.W": w} for e in (1, 2) for w in ("1/10", "1/100")
    ]
    assert found[3][1] == {"training": {"epochs": 2}, "loss": {"kind": "l2", "penalty": {"W": "1/100"}}}
    assert declared == {"training": {"epochs": 5}, "loss": {"kind": "l2"}}
    with pytest.raises(SpecError, match="kind is a value"):
        list(varied(declared, {"loss.kind.W": [1]}))


def test_the_command_takes_the_options_of_training(spec: Path, slopes: Any) -> None:
    data = spec.parent / "data.npz"
    write(data, slopes)
    options = ["cross-validate", str(spec), "--data", str(data), "--folds", "2", "--epochs", "1", "--seed", "3"]
    done = CliRunner().invoke(main, [*options, "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["settings"]
    assert row["folds"] == list(cross_validate(spec, slopes, folds=2, seed=3, epochs=1).scores)
    done = CliRunner().invoke(main, [*options, "--vary", "training.epochs=1,2"])
    assert done.exit_code == 2 and "--epochs and --vary training.epochs" in done.output


@pytest.mark.slow
def test_the_command_compares_settings_and_marks_the_best(spec: Path, slopes: Any) -> None:
    data = spec.parent / "data.npz"
    write(data, slopes)

    def run(*options: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["cross-validate", str(spec), "--data", str(data), "--folds", "3", *options])
        assert done.exit_code == code, done.output
        return done.output

    vary = ["--vary", "training.learning_rate=0.000001,0.1", "--vary", "loss.penalty.W=1/1000,10"]
    found = json.loads(run(*vary, "--json"))
    assert [row["setting"]["training.learning_rate"] for row in found["settings"]] == [1e-6, 1e-6, 0.1, 0.1]
    for row in found["settings"]:
        rate, penalty = row["setting"].values()
        text = TOML.replace("learning_rate = 0.1", f"learning_rate = {rate}")
        other = spec.with_name("other.toml")
        other.write_text(text.replace('"cross-entropy"', f'"cross-entropy"\npenalty = {{ W = "{penalty}" }}'))
        report = cross_validate(other, slopes, folds=3)
        assert row["mean"] == report.mean and row["deviation"] == report.deviation and len(row["folds"]) == 3
    order = [(row["mean"]["accuracy"], -row["mean"]["loss"]) for row in found["settings"]]
    assert [row["best"] for row in found["settings"]] == [rank == max(order) for rank in order]
    text = run(*vary)
    marked = [line for line in text.splitlines() if line.lstrip().startswith("→")]
    best = found["settings"][[row["best"] for row in found["settings"]].index(True)]
    assert len(marked) == 1 and f"training.learning_rate = {best['setting']['training.learning_rate']}" in marked[0]
    assert "as declared" in run() and "→" not in run()
    for wrong, words in (
        ("training.epochs", "a key without values"),
        ("training.epochs=few", "a whole number"),
        ("training.epoch=3", "did you mean 'epochs'"),
        ("name.x=3", "name is a value"),
    ):
        assert words in run("--vary", wrong, code=2)


def test_better_is_the_higher_accuracy_then_the_lower_loss() -> None:
    reports = [
        CrossValidation(tuple({"loss": loss, "accuracy": accuracy} for accuracy in (share - 0.1, share + 0.1)))
        for loss, share in ((0.5, 0.8), (0.1, 0.7), (0.9, 0.8))
    ]
    assert sorted(reports, key=lambda report: report.rank) == [reports[1], reports[2], reports[0]]
    without = [CrossValidation(({"loss": loss, "rmse": 1.0},)) for loss in (3.0, 2.0)]
    assert max(without, key=lambda report: report.rank) is without[1]
