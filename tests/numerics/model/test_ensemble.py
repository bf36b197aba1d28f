"""Ensembles: means of probabilities and of functions, against loops over the models; what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import DataError, RepresentationError
from numerics import Continuum, Ensemble
from numerics.command.main import main
from numerics.datasets import records, write

LEGENDRE, HAT, ONCE = {"family": "legendre", "size": 4}, {"family": "hat", "cells": 5}, {"family": "p0", "cells": 1}
SPEC: dict[str, Any] = {
    "name": "one-of-several",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": LEGENDRE},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONCE},
    "bias": {"width": LEGENDRE, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 3, "basis": LEGENDRE},
    "loss": {"kind": "cross-entropy"},
}
FUNCTION = {**{key: value for key, value in SPEC.items() if key != "readout"}, "loss": {"kind": "l2"}}
OTHER = {"state": {"basis": HAT}, "equation": {"rate": "mlp", "activation": "sin", "spacing": "1"}}
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.standard_normal((8, 11)), np.array([0, 1, 2, 2, 1, 0, 0, 1])


def models(spec: dict[str, Any]) -> list[Continuum]:
    """Two seeds of one spec, and a model with another equation on another state."""
    found = [Continuum.from_spec({**spec, **changes}, seed=k) for k, changes in enumerate(({}, {}, OTHER))]
    return [m.with_coordinates(3 * m.coordinates) for m in found]


@pytest.fixture(scope="module")
def classifiers() -> list[Continuum]:
    return models(SPEC)


def probabilities(outputs: np.ndarray) -> np.ndarray:
    return np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)


def test_classifiers_are_averaged_by_their_probabilities(classifiers: list[Continuum]) -> None:
    ensemble = Ensemble(classifiers)
    expected = sum(probabilities(m(X)) for m in classifiers) / 3
    np.testing.assert_allclose(np.exp(ensemble(X)), expected, rtol=1e-13)
    assert np.array_equal(ensemble.labels(ensemble(X)), expected.argmax(axis=1))
    scores = ensemble.scores(ensemble.prepare(records(X, y=Y)))
    assert scores["accuracy"] == np.mean(expected.argmax(axis=1) == Y)
    assert scores["loss"] == pytest.approx(-np.mean(np.log(expected[np.arange(8), Y])), rel=1e-12)
    alone = probabilities(Ensemble(classifiers[:1])(X))
    np.testing.assert_allclose(alone, probabilities(classifiers[0](X)), rtol=1e-13)


def test_probabilities_that_underflow_stay_finite(classifiers: list[Continuum]) -> None:
    sure = [m.with_coordinates(np.concatenate([m.coordinates[:-3], [0, 2000.0, 900.0]])) for m in classifiers]
    found = Ensemble(sure)(X)
    assert np.isfinite(found).all() and (found[:, 0] < -1900).all()


def test_functions_are_averaged_point_by_point_whatever_their_bases() -> None:
    found = models(FUNCTION)
    at = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(Ensemble(found)(X, at=at), sum(m(X, at=at) for m in found) / 3, rtol=0, atol=1e-14)
    xi = [np.linspace(-1, 1, n) for n in (5, 9)]
    ragged = [np.sin(points) for points in xi]
    for mean, *parts in zip(Ensemble(found)(ragged, xi), *(m(ragged, xi) for m in found)):
        np.testing.assert_allclose(mean, sum(parts) / 3, rtol=0, atol=1e-14)


def test_the_loss_of_a_mean_function_is_its_distance() -> None:
    """∫ |ȳ − y*|² by quadrature between the samples, for a state of polynomials."""
    pair = models(FUNCTION)[:2]
    ensemble, target = Ensemble(pair), np.sin(3 * np.linspace(-1, 1, 11) + np.arange(8)[:, None])
    nodes, weights = np.polynomial.legendre.leggauss(8)
    cuts = np.linspace(-1, 1, 11)
    at = (cuts[:-1, None] + (nodes + 1) * 0.1).ravel()
    gap = ensemble(X, at=at)[:, :, 0] - np.array([np.interp(at, cuts, y) for y in target])
    expected = np.mean(gap**2 @ np.tile(weights * 0.1, 10))
    scores = ensemble.scores(ensemble.prepare(records(X, xi=cuts, y=target)))
    assert scores["loss"] == pytest.approx(expected, rel=1e-12) and scores["rmse"] == pytest.approx(expected**0.5)


def test_what_does_not_belong_together_is_refused(classifiers: list[Continuum]) -> None:
    first = classifiers[0]
    two = Continuum.from_spec({**SPEC, "readout": {"outputs": 2, "basis": LEGENDRE}})
    for others, kind, words in (
        ([], DataError, "no models"),
        (["m.npz"], DataError, "type str"),
        (3, DataError, "type int"),
        ([first, two], RepresentationError, "outputs 2 of model 2, 3 of model 1"),
        ([first, first.replace(classes=("a", "b", "c"))], RepresentationError, "classes"),
        ([first, models(FUNCTION)[0]], RepresentationError, "'l2' of model 2"),
    ):
        with pytest.raises(kind, match=words):
            Ensemble(others)
    functions = Ensemble(models(FUNCTION))
    with pytest.raises(RepresentationError, match="2 state bases"):
        functions.scores(functions.prepare(records(X, y=X)))
    pair = Ensemble(classifiers[:2])
    for wrong in (first.prepare(records(X, y=Y)), Ensemble(classifiers).prepare(records(X, xi=None, y=Y))):
        with pytest.raises(DataError, match="those of 2 models"):
            pair.scores(wrong)


def test_commands_take_several_models(classifiers: list[Continuum], tmp_path: Path) -> None:
    files = [str(tmp_path / f"{k}.npz") for k in range(3)]
    for model, file in zip(classifiers, files):
        model.save(file)
    data = str(tmp_path / "data.npz")
    write(data, records(X, y=Y))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(main, [*arguments, "--data", data, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    ensemble = Ensemble(classifiers)
    found = run("evaluate", *files, "--resample", "half")
    expected = ensemble.scores(ensemble.prepare(records(X, y=Y)))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert found["resampled"]["half"]["change of the outputs"] > 0
    found = run("predict", *files)
    np.testing.assert_allclose(found["y"], ensemble(X), rtol=1e-12)
    assert found["label"] == ensemble.labels(ensemble(X)).tolist()
    out = CliRunner().invoke(main, ["predict", *files, "--data", data, "--out", files[2]])
    assert out.exit_code == 2 and "also read" in out.output
    models(FUNCTION)[0].save(files[1])
    out = CliRunner().invoke(main, ["evaluate", *files, "--data", data])
    assert out.exit_code == 2 and "of model 2" in out.output
