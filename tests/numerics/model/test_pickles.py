"""Models go through pickle, joblib, copies and other processes, whatever their bases, and answer the same there."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive import registry
from derive.errors import ContinuumError, DataError
from numerics import Continuum, Ensemble, cross_validate, fit, project
from numerics.datasets import records
from numerics.testing import PERIODIC, declarations
from tests.builders import ROOT, SPECS, marked

CUSTOM = {"family": "custom", "breakpoints": ["-1", "0", "1"], "functions": ["1", "xi", "exp(xi)"]}
FOUR, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
X = np.random.default_rng(0).standard_normal((6, 9))
Y = np.arange(6) % 2


def declared(family: str) -> dict[str, Any]:
    """A classifier whose state and weight are of a family."""
    found = declarations(family, periodic=family in PERIODIC)
    basis = CUSTOM if family == "custom" else found[min(3, len(found) - 1)]
    return {
        "name": f"pickled-{family}",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "periodic": family in PERIODIC},
        "state": {"basis": basis},
        "weight": {"width_out": basis, "width_in": basis, "depth": ONCE},
        "bias": {"width": basis, "depth": ONCE},
        "integration": {"tableau": "heun", "steps": 2},
        "readout": {"outputs": 2, "basis": basis},
        "loss": {"kind": "cross-entropy"},
        "training": {"optimiser": "lbfgs", "epochs": 2},
    }


def through_joblib(model: Any) -> Any:
    joblib = pytest.importorskip("joblib")
    stream = io.BytesIO()
    joblib.dump(model, stream)
    stream.seek(0)
    return joblib.load(stream)


WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "the oldest protocol of copies": lambda m: pickle.loads(pickle.dumps(m, 2)),
    "joblib": through_joblib,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


class Estimator:
    """As users wrap a model, to be cloned and searched over by others."""

    def __init__(self, spec: Any, epochs: int = 2) -> None:
        self.spec, self.epochs = spec, epochs

    def fit(self, x: Any, y: Any) -> Estimator:
        self.model_ = fit(Continuum.from_spec(self.spec, seed=0), x, y, epochs=self.epochs)
        return self

    def predict(self, x: Any) -> Any:
        return self.model_.labels(self.model_(x))


def answers(model: Continuum, x: np.ndarray) -> np.ndarray:
    """What a process is asked for; it has to be found by name there."""
    return np.asarray(model(x))


def refuses(model: Continuum) -> None:
    model(np.zeros((2, 3, 4)))


def same(first: Continuum, second: Continuum) -> None:
    assert np.array_equal(first(X), second(X))
    assert np.array_equal(first.coordinates, second.coordinates)
    assert (first.base, first.level, first.classes, first.history) == (
        second.base, second.level, second.classes, second.history,
    )  # fmt: skip
    for name, field in first.fields.items():  # their functions, too
        points = [np.array([0.2, 0.7]) for _ in field.axes]  # of ξ and of depth
        assert np.array_equal(field(*points), second.fields[name](*points))


COMPILED = ("legendre", "custom")


@pytest.mark.first(4)
@pytest.mark.parametrize("family", marked(registry.names("bases"), COMPILED, COMPILED))
def test_every_family_goes_through_pickles_and_copies(family: str) -> None:
    if family == "combination":
        pytest.skip("it stands for other families' functions")
    model = Continuum.from_spec(declared(family), seed=0)
    fresh = pickle.dumps(model)
    model(X)  # now it holds kernels, compiled ones or not, which stay behind
    assert len(pickle.dumps(model)) == len(fresh)
    for way in WAYS.values():
        same(way(model), model)


@pytest.mark.first(3)
@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.toml")))
def test_checked_in_models_go_through_pickles(name: str) -> None:
    """Symmetries, convolutions, lifts, slabs, squares: their fields and tables, without compiling anything."""
    model = Continuum.from_spec(SPECS / f"{name}.toml", seed=0)
    for found in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(found.coordinates, model.coordinates) and found.base == model.base
        assert found.representation.digest == model.representation.digest
        assert found.representation.arrays.keys() == model.representation.arrays.keys()
        for own, field in model.fields.items():
            points = [np.array([0.1, 0.2]) for _ in field.axes]
            assert np.array_equal(field(*points), found.fields[own](*points))


@pytest.fixture(scope="module")
def custom() -> Continuum:
    return fit(Continuum.from_spec(declared("custom"), seed=0), X, Y + 1)


@pytest.mark.compiled
@pytest.mark.slow
def test_what_comes_back_is_trained_on_with_the_same_bits(custom: Continuum) -> None:
    for way in WAYS.values():
        found = fit(way(custom), X, Y + 1, epochs=2)
        assert np.array_equal(found.coordinates, fit(custom, X, Y + 1, epochs=2).coordinates)
        assert np.array_equal(found.labels(found(X)), fit(custom, X, Y + 1, epochs=2).labels(found(X)))


@pytest.mark.compiled
@pytest.mark.slow
def test_copies_do_not_share_what_they_compute(custom: Continuum) -> None:
    other = copy.deepcopy(custom)
    other.fields["b"].slabs[0].coefficients[:] = 0
    assert not np.array_equal(other(X), custom(X))
    assert np.array_equal(pickle.loads(pickle.dumps(custom))(X), custom(X))


@pytest.mark.compiled
@pytest.mark.slow
def test_pickles_hold_no_code_and_no_paths(custom: Continuum, tmp_path: Path) -> None:
    custom(X)
    names = {argument for operation, argument, _ in pickletools.genops(pickle.dumps(custom)) if argument is not None}
    words = [str(word) for word in names if isinstance(word, str)]
    assert not any("Path" in word or str(tmp_path.parent.parent) in word for word in words)
    assert not any(word.startswith(("numba", "_thread", "concurrent")) for word in words)


@pytest.mark.compiled
@pytest.mark.slow
def test_everything_that_users_hold(custom: Continuum) -> None:
    data = records(X, y=Y + 1)
    prepared = custom.prepare(data)
    both = Ensemble([custom, custom])
    small = {"small": {"weight": {"width_out": FOUR}}}
    moved = project(Continuum.from_spec({**declared("legendre"), "levels": small}, seed=0), "small", X, Y)
    crossed = cross_validate(declared("custom"), X, Y, folds=2, epochs=1)
    held = (data, prepared, both, moved, moved.report, crossed, custom.fields["W"], custom.spec, custom.representation)
    for found, given in zip(pickle.loads(pickle.dumps(held)), held):
        assert type(found) is type(given)
    again = pickle.loads(pickle.dumps(both))
    assert np.array_equal(again(X), both(X))
    report = pickle.loads(pickle.dumps(moved)).report
    assert str(report) == str(moved.report) and report.distance == moved.report.distance
    assert report.attribution.to_dict() == moved.report.attribution.to_dict()


@pytest.mark.compiled
@pytest.mark.slow
def test_estimators_around_a_model(custom: Continuum) -> None:
    joblib = pytest.importorskip("joblib")
    estimator = Estimator(declared("custom")).fit(X, Y + 1)
    for way in WAYS.values():
        assert np.array_equal(way(estimator).predict(X), estimator.predict(X))
    threads = joblib.Parallel(2, prefer="threads")(joblib.delayed(answers)(custom, x[None]) for x in X)
    np.testing.assert_allclose(np.concatenate(threads), custom(X), atol=1e-14)


def test_errors_come_back_from_other_processes_as_they_are() -> None:
    for kind in ContinuumError.__subclasses__():
        error = kind("given", "allowed", "cause", "fix", "where")
        found = pickle.loads(pickle.dumps(error))
        assert type(found) is kind and str(found) == str(error)


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_models_answer_in_other_processes(custom: Continuum, way: str) -> None:
    with multiprocessing.get_context(way).Pool(1) as pool:
        assert np.array_equal(pool.apply(answers, (custom, X)), custom(X))
        with pytest.raises(DataError, match="4 channels"):
            pool.apply(refuses, (custom,))


@pytest.mark.compiled
@pytest.mark.slow
def test_a_pickle_is_read_by_another_interpreter(custom: Continuum, tmp_path: Path) -> None:
    """With nothing imported beforehand, as joblib.load is used in a service."""
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(custom))
    np.save(tmp_path / "x.npy", X)
    text = "import pickle, numpy as np; m = pickle.load(open('m.pkl', 'rb')); np.save('y.npy', m(np.load('x.npy')))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {text}"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300)
    assert np.array_equal(np.load(tmp_path / "y.npy"), custom(X))
