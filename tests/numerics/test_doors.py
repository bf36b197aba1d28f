"""Every public door, with all that can be wrong with what is given: the plain form's answer, or a readable refusal.

Nothing else may happen: no bare exception from inside, no imaginary part, mask or fraction that silently goes, no
argument that is changed.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import ContinuumError, DataError, SpecError, TrainingError
from numerics import Continuum, datasets, fit, from_layers, from_sklearn, load, project, refine, to_layers
from numerics.checks import positions
from numerics.command import report
from numerics.datasets import records
from numerics.functions import basis as run_time_basis
from numerics.functions import sampled_records as samples
from numerics.levels import projection
from numerics.levels.adapted import adapt
from numerics.model import checkpoint, file_format
from numerics.networks import files as network_files
from numerics.networks import ordering
from numerics.networks.layers import Layers, layers
from numerics.testing import bases, example
from numerics.training.split import split
from tests.oracles.forms import CLASSES, NO_CLASSES, REFUSED, SAME, Y

LEGENDRE, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
SPEC = {
    "name": "doors",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": LEGENDRE},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONCE},
    "bias": {"width": LEGENDRE, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": LEGENDRE},
    "loss": {"kind": "cross-entropy"},
    "levels": {"small": {"weight": {"width_out": {"family": "legendre", "size": 2}}}},
}
FUNCTION = {**SPEC, "name": "functions", "loss": {"kind": "l2"}}
del FUNCTION["readout"], FUNCTION["levels"]
GENERATOR = np.random.default_rng(0)
X, XI = GENERATOR.standard_normal((6, 9)), np.linspace(-1, 1, 9)
YF = GENERATOR.standard_normal((6, 9))
W = [GENERATOR.standard_normal((5, 4)), GENERATOR.standard_normal((3, 5))]
B = [GENERATOR.standard_normal(5), GENERATOR.standard_normal(3)]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A classifier ``m``, a model ``f`` of functions, and what belongs to them."""
    m, f = Continuum.from_spec(SPEC, seed=0), Continuum.from_spec(FUNCTION, seed=0)
    return {
        "m": m, "f": f, "own": m.prepare(records(X, y=Y)), "other": f.prepare(records(X, xi=None, y=YF)),
        "basis": m.representation.slabs[0].basis("state"), "net": layers(W, B, "tanh"),
    }  # fmt: skip


# --- arrays: one table of forms for every argument that is one ------------------------------------------------


ARRAYS: dict[str, tuple[np.ndarray, Callable[[dict[str, Any], Any], Any]]] = {
    "model(x)": (X, lambda k, a: k["m"](a)),
    "model(x, xi)": (XI, lambda k, a: k["m"](X, a)),
    "model(x, xi), a row each": (np.tile(XI, (6, 1)), lambda k, a: k["m"](X, a)),
    "model(x, at=…)": (XI, lambda k, a: k["f"](X, at=a)),
    "trajectory": (X, lambda k, a: k["m"].trajectory(a)[1]),
    "trajectory(at=…)": (XI, lambda k, a: k["f"].trajectory(X, at=a)[1]),
    "prepare": (X, lambda k, a: k["m"].prepare(a).states),
    "project_samples": (X, lambda k, a: k["m"].project_samples(a)),
    "value_and_gradient, functions": (YF, lambda k, a: k["f"].value_and_gradient(X, a)[0]),
    "with_coordinates": (np.linspace(-1, 1, 30), lambda k, a: k["m"].with_coordinates(a)(X)),
    "labels": (X[:, :2], lambda k, a: k["m"].labels(a)),
    "from_fields, R": (np.eye(2)[:, :1], lambda k, a: field_of("R", lambda xi: a)),
    "from_fields, a": (np.array([0.5, -1.0]), lambda k, a: field_of("a", a)),
    "a field's points": (XI, lambda k, a: k["m"].fields["W"](a, 0.3, 0.5)),
    "a field's depths": (XI**2, lambda k, a: k["m"].fields["W"](0.1, 0.3, a)),
    "with_coefficients": (np.ones((4, 1, 1)), lambda k, a: outputs_with(k["m"], "b", [a])),
    "records, functions": (YF, lambda k, a: records(X, y=a).y),
    "layers, weights": (W[0], lambda k, a: from_layers([a, W[1]], B)(X[:, :4])),
    "layers, biases": (B[0], lambda k, a: from_layers(W, [a, B[1]])(X[:, :4])),
    "evaluate": (XI, lambda k, a: run_time_basis.evaluate(k["basis"], a)),
    "derivative": (XI, lambda k, a: run_time_basis.derivative(k["basis"], a)),
    "evaluate_inside": (XI, lambda k, a: run_time_basis.evaluate_inside(k["basis"], a, 0.0)),
    "check_points": (XI, lambda k, a: samples.check_points(a)),
    "sample_functional": (XI, lambda k, a: samples.sample_functional(k["basis"], a, "linear", False)),
    "projection": (XI, lambda k, a: samples.projection(k["basis"], np.eye(4), a, "linear", False)),
    "least squares": (XI, lambda k, a: samples.projection(k["basis"], np.eye(4), a, "least-squares", False, 0.1)),
}
TARGETS = ("value_and_gradient, functions", "records, functions")  # in which texts are the numbers that they say
# A field takes arrays of points of any shape; the points of a cell are taken as they are; an infinite bias saturates.
FINE = {
    ("a field's points", "an axis too many"), ("a field's depths", "an axis too many"),
    ("evaluate_inside", "NaN"), ("evaluate_inside", "infinity"), ("with_coefficients", "infinity"),
    ("with_coordinates", "infinity"), *((door, form) for door in TARGETS for form in ("text", "bytes")),
}  # fmt: skip
POINTS = ("check_points", "sample_functional", "projection", "least squares")  # points that have to increase


def field_of(name: str, value: Any) -> Any:
    return Continuum.from_fields(SPEC, **{name: value}).fields[name].slabs[0].coefficients


def outputs_with(model: Continuum, name: str, coefficients: Any) -> Any:
    return model.replace(fields={**model.fields, name: model.fields[name].with_coefficients(coefficients)})(X)


def unchanged(given: Any, before: Any) -> bool:
    if not isinstance(given, np.ndarray | list | tuple):
        return True
    return repr(given) == repr(before)


@pytest.mark.parametrize("form", SAME)
@pytest.mark.parametrize("door", ARRAYS)
def test_other_forms_of_the_same_numbers_give_the_same_answer(made: dict[str, Any], door: str, form: str) -> None:
    plain, call = ARRAYS[door]
    given = SAME[form](plain)
    before = copy.deepcopy(given)
    assert np.array_equal(call(made, given), call(made, plain))
    assert unchanged(given, before)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("door", sorted(ARRAYS.keys() - {"model(x, xi)", "model(x, xi), a row each"}))
def test_small_types_are_converted_before_anything_is_computed(made: dict[str, Any], door: str, kind: type) -> None:
    plain, call = ARRAYS[door]
    given = np.array([0, 1]).astype(kind) if door in POINTS else np.round(np.abs(plain)).astype(kind)
    assert np.array_equal(call(made, given), call(made, given.astype(np.float64)))


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.parametrize("door", ARRAYS)
def test_what_is_no_such_array_is_refused(made: dict[str, Any], door: str, form: str) -> None:
    if (door, form) in FINE:
        return
    plain, call = ARRAYS[door]
    given = REFUSED[form](plain)
    before = copy.deepcopy(given) if isinstance(given, np.ndarray | list) else given
    with warnings.catch_warnings(), pytest.raises(ContinuumError) as error:
        warnings.simplefilter("error")
        call(made, given)
    assert unchanged(given, before)
    assert all((error.value.given, error.value.allowed, error.value.cause, error.value.fix))


def test_numbers_that_are_not_finite_are_found_later(made: dict[str, Any]) -> None:
    """Finding them needs the work itself: a model with such a weight refuses to give an output."""
    w = made["m"].fields["W"].slabs[0].coefficients * np.nan
    with pytest.raises(TrainingError, match="not finite"):
        outputs_with(made["m"], "W", [w])


# --- targets and classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", CLASSES)
def test_classes_in_other_forms(made: dict[str, Any], form: str) -> None:
    m = made["m"]
    assert m.value_and_gradient(X, CLASSES[form])[0] == m.value_and_gradient(X, Y)[0]
    assert fit(m, X, CLASSES[form], epochs=1).history[0]["loss"] == fit(m, X, Y, epochs=1).history[0]["loss"]


@pytest.mark.parametrize("form", NO_CLASSES)
def test_targets_that_are_no_classes(made: dict[str, Any], form: str) -> None:
    for call in (made["m"].value_and_gradient, lambda x, y: fit(made["m"], x, y, epochs=1)):
        with pytest.raises(DataError):
            call(X, NO_CLASSES[form])


@pytest.mark.parametrize(
    "names", ["ab", {"a", "b"}, {"a": 0, "b": 1}, 3, None, ["a"], ["a", "a"], [["a", "b"]], ["\ud800", b"\xff"]]
)
def test_class_names_are_a_list_with_each_name_once(names: Any) -> None:
    with pytest.raises(DataError):
        records(X, y=Y, classes=names)
    with pytest.raises(DataError):
        from_layers(W, B, classes=[*names, "c"] if isinstance(names, list) and len(names) > 1 else names)


def test_what_a_model_calls_its_outputs_is_read_again(made: dict[str, Any], tmp_path: Path) -> None:
    """Data may name fewer classes than there are outputs, and not more; targets that are numbers have no names."""
    with pytest.raises(DataError, match="3 classes: run, swim, walk"):
        fit(made["m"], records(X, y=Y, classes=["run", "swim", "walk"]), epochs=1, out=tmp_path / "m.npz")
    assert not (tmp_path / "m.npz").exists()
    done = fit(made["m"], records(X, y=["run"] * 6), epochs=1, out=tmp_path / "m.npz")
    again = load(tmp_path / "m.npz")
    assert again.classes == done.classes == ("run", "class 1")
    assert again.labels([[0.0, 1.0], [1.0, 0.0]]).tolist() == ["class 1", "run"]
    assert np.array_equal(again.prepare(records(X, y=["run"] * 6)).labels, [0] * 6)


def test_a_model_is_not_moved_under_its_own_feet(made: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="name 'small'"):
        adapt(project(made["m"], "small"), name="small")


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="longdouble is float64 here")
def test_targets_that_become_infinite_are_refused() -> None:
    with pytest.raises(DataError, match="finite numbers"):
        records(X, y=np.full(6, np.longdouble("1e400")))


def test_functions_of_records_that_differ_in_length(made: dict[str, Any]) -> None:
    x = [np.ones(3), np.ones(4)]
    for y in ([np.ones((3, 1)), np.ones((4, 2))], [np.ones(3), np.ones(3)], [["a"] * 3, ["b"] * 4], [None, None],
              [np.ones(3) + 1j, np.ones(4)], [np.ma.masked_array(np.ones(3), [1, 0, 0]), np.ones(4)]):  # fmt: skip
        with pytest.raises(DataError):
            made["f"].value_and_gradient(x, y)
    parts = [np.arange(3.0), np.arange(4.0)]
    columns = [part[:, None] for part in parts]
    assert made["f"].value_and_gradient(x, parts)[0] == made["f"].value_and_gradient(x, columns)[0]


# --- numpy's numbers as options, and what is no option ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [("epochs", np.int64(2), 2), ("batch", np.int32(2), 2), ("seed", np.uint8(3), 3),
     ("learning_rate", np.float32(0.5), 0.5), ("learning_rate", Fraction(1, 2), 0.5),
     ("learning_rate", 1, 1.0), ("validation", np.float16(0.5), 0.5)],
)  # fmt: skip
def test_a_run_with_options_of_numpy_is_saved_and_resumed(
    made: dict[str, Any], tmp_path: Path, name: str, value: Any, plain: Any
) -> None:
    options = {"epochs": 2, "out": tmp_path / "m.npz"}
    done = fit(made["m"], X, Y, **{**options, name: value})
    assert load(tmp_path / "m.npz").training["options"][name] == plain
    again = fit(made["m"], X, Y, **{**options, name: plain, "resume": True})
    assert np.array_equal(done.coordinates, again.coordinates)


OPTIONS: dict[str, list[Any]] = {
    "epochs": [-1, 1.5, 1.0, "3", True, np.nan, [1], np.array(1)],
    "optimiser": ["sgd", 3, ["adam"], b"adam", np.array(["adam", "lbfgs"])],
    "learning_rate": [0, -1, np.nan, np.inf, "0.1", 1j, True, [0.1], np.array(0.1)],
    "batch": [0, -1, 2.5, "2", True],
    "validation": [-0.1, 1, 1.5, np.nan, "0.1", True, 1j, [0.5]],
    "patience": [0, -1, 1.5, "1", True],
    "seed": [-1, 1.5, "a", True],
    "save_every": [-1, "a", np.nan, None, 1j],
    "augment": ["x", 3],
    "callback": ["x", 3],
    "out": [3, [], b"m.npz", "/proc/none/m.npz", "a\0b", "."],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OPTIONS.items() for value in values])
def test_options_of_fit(made: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(ContinuumError):
        fit(made["m"], X, Y, **{"epochs": 1, **({"validation": 0.4} if name == "patience" else {}), name: value})


# --- everything else: a call that is wrong ------------------------------------------------------------------

MODELS: dict[str, Callable[[Any], Any]] = {
    "fit": lambda m: fit(m, X, Y), "project": lambda m: project(m, "small"), "refine": lambda m: refine(m, "small"),
    "to_layers": to_layers, "adapt": adapt, "order": ordering.order, "permuted": lambda m: ordering.order(m),
    "model_page": report.model_page, "save": lambda m: checkpoint.save(m, "m.npz"), "from_sklearn": from_sklearn,
    "from_spec": Continuum.from_spec, "from_fields": Continuum.from_fields, "load_spec": load_spec,
}  # fmt: skip
PATHS: dict[str, Callable[[Any], Any]] = {
    "load": load, "read records": datasets.read, "read a network": network_files.read, "read a file": file_format.read,
    "check_writable": file_format.check_writable, "write records": lambda p: datasets.write(p, records(X)),
    "save": lambda p: checkpoint.save(from_layers(W, B), p), "load a data set": datasets.load,
    "from_spec": Continuum.from_spec,
}  # fmt: skip


@pytest.mark.parametrize("given", [None, 3, [], X, (X, Y), 1j], ids=["none", "3", "list", "array", "pair", "complex"])
@pytest.mark.parametrize("door", MODELS)
def test_no_model(door: str, given: Any) -> None:
    with pytest.raises(ContinuumError):
        MODELS[door](given)


@pytest.mark.parametrize("given", [None, 3, [], b"m.npz", "a\0b", ".", "", "/proc/none/m.npz"])
@pytest.mark.parametrize("door", PATHS)
def test_no_path(door: str, given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContinuumError):
        PATHS[door](given)
    assert list(tmp_path.iterdir()) == []


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    # data given twice, or to nobody
    "points beside Records": lambda k: k["m"](records(X), XI),
    "targets beside Records": lambda k: fit(k["m"], records(X, y=Y), 1 - Y),
    "classes beside Records": lambda k: records(records(X), y=None, classes=["a", "b"]),
    "records and x": lambda k: project(k["m"], "small", X, records=records(X)),
    "targets alone": lambda k: project(k["m"], "small", y=Y),
    "points alone": lambda k: project(k["m"], "small", xi=XI),
    "fit without records": lambda k: fit(k["m"], None, Y),
    "a path as records": lambda k: refine(k["m"], "small", "data.npz"),
    "a pair as records": lambda k: refine(k["m"], "small", (X, Y)),
    "records of two channels": lambda k: k["m"](np.zeros((6, 9, 2))),
    "records without channels": lambda k: k["m"](np.zeros((6, 9, 0))),
    "records without points": lambda k: k["m"](np.zeros((6, 0))),
    "no records": lambda k: k["m"](np.zeros((0, 9))),
    "an array to be written": lambda k: datasets.write("x.npz", X),
    # prepared by somebody else
    "objective of Records": lambda k: k["m"].objective(records(X, y=Y)),
    "objective of nothing": lambda k: k["m"].objective(None),
    "another model's objective": lambda k: k["m"].objective(k["other"]),
    "another model's gradient": lambda k: k["m"].coefficient_gradient(k["other"]),
    "another model's outputs": lambda k: k["f"].outputs(k["own"]),
    "another model's loss": lambda k: k["m"].loss(k["other"]),
    "another model's scores": lambda k: k["f"].scores(k["own"]),
    # names
    "a metric": lambda k: k["m"].value_and_gradient(X, Y, metric=["L2"]),
    "a norm": lambda k: k["m"].fields["W"].norm(2),
    "a distance's norm": lambda k: projection.distance(k["m"].fields["W"], k["m"].fields["W"], "L3"),
    "no level": lambda k: Continuum.from_spec(SPEC, level=""),
    "a list of levels": lambda k: Continuum.from_spec(SPEC, level=["small"]),
    "a level's position": lambda k: project(k["m"], 0),
    "an array of levels": lambda k: project(k["m"], np.array(["small", "base"])),
    "an interpolant": lambda k: samples.sample_functional(k["basis"], XI, "cubic", False),
    "an interpolant's points": lambda k: samples.default_points("cubic", 3, False),
    "a kind of entries": lambda k: example("bakes", "legendre"),
    "a basis": lambda k: example("bases", "nope"),
    "bases as a word": lambda k: bases("legendre"),
    "a kind of network": lambda k: from_layers(W, B, kind=["mlp"]),
    "an activation": lambda k: from_layers(W, B, activation=3),
    "levels as a number": lambda k: from_layers(W, B, levels=3),
    "a network's name": lambda k: from_layers(W, B, name="a/b"),
    "the name of an adapted level": lambda k: adapt(k["m"], name="a b"),
    "base as an adapted level": lambda k: adapt(k["m"], name="base"),
    # numbers
    "true as a seed": lambda k: Continuum.from_spec(SPEC, seed=True),
    "an error in words": lambda k: adapt(k["m"], "0.1"),
    "an imaginary error": lambda k: adapt(k["m"], 0.1j),
    "two errors": lambda k: adapt(k["m"], np.array([0.1, 0.2])),
    "points of no samples": lambda k: samples.default_points("linear", 0, False),
    "points of half a sample": lambda k: samples.default_points("constant", 1.5, False),
    "a share of two": lambda k: split(6, Y, 2.0, 0),
    "a share that is none": lambda k: split(6, Y, float("nan"), 0),
    "labels of other records": lambda k: split(6, Y[:3], 0.5, 0),
    # fields
    "a field twice": lambda k: k["m"].fields["b"].with_coefficients([np.ones((4, 1, 1))] * 2),
    "coefficients without slabs": lambda k: k["m"].fields["b"].with_coefficients(np.ones((4, 1, 1))),
    "no coefficients": lambda k: k["m"].fields["b"].with_coefficients(None),
    "the inner product with an array": lambda k: k["m"].fields["b"].inner(X),
    "the distance to an array": lambda k: projection.distance(k["m"].fields["b"], X),
    "the distance of W and b": lambda k: projection.distance(k["m"].fields["W"], k["m"].fields["b"]),
    "the distance of W and R": lambda k: projection.distance(k["m"].fields["W"], k["m"].fields["R"]),
    "coordinates too short": lambda k: k["m"].with_coordinates(np.ones(29)),
    "coordinates too long": lambda k: k["m"].with_coordinates(np.ones(31)),
    "one constant for two outputs": lambda k: field_of("a", 1.0),
    "a constant too few": lambda k: field_of("a", [1.0]),
    "a field as a word": lambda k: field_of("W", "sin"),
    "a constant as a function": lambda k: field_of("a", lambda: 1.0),
    # networks
    "Layers beside biases": lambda k: from_layers(k["net"], B),
    "Layers beside an activation": lambda k: from_layers(k["net"], activation="relu"),
    "Layers made by hand": lambda k: from_layers(Layers((W[0], W[1].T), tuple(B), "tanh")),
    "an imaginary part in Layers": lambda k: from_layers(Layers((W[0] + 1j, W[1]), tuple(B), "tanh")),
    "matrices without lists": lambda k: from_layers(W[0], B[0]),
    "no matrices": lambda k: from_layers([], []),
    "matrices as a word": lambda k: from_layers("ab", B),
    "matrices as a generator": lambda k: from_layers((w for w in W), B),
    "numbers as matrices": lambda k: from_layers([1.0, 2.0], B),
    "nothings as matrices": lambda k: from_layers([None, None], B),
    "no inputs": lambda k: from_layers([np.zeros((5, 0)), W[1]], B),
    "a neuron twice": lambda k: ordering.permuted(k["net"], 0, [0, 0, 1, 2, 3]),
    "a neuron left out": lambda k: ordering.permuted(k["net"], 0, [0, 1]),
    "truth as an order": lambda k: ordering.permuted(k["net"], 0, np.ones(5, bool)),
    "the last layer's order": lambda k: ordering.permuted(k["net"], 1, [0, 1, 2]),
    "a layer from the end": lambda k: ordering.distances(k["net"], -1),
    "a layer's name": lambda k: ordering.distances(k["net"], "0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_calls_that_are_wrong(made: dict[str, Any], case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContinuumError):
        WRONG[case](made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "chosen",
    [
        [6],
        [-7],
        [0.0],
        [],
        np.arange(0),
        ["a"],
        None,
        [None],
        [[0, 1]],
        0,
        [1j],
        [True, False],
        slice(2),
        [[1], [1, 2]],
    ],
    ids=repr,
)
def test_positions_that_are_none(made: dict[str, Any], chosen: Any) -> None:
    for taken in (made["own"], records(X, y=Y)):
        with pytest.raises(DataError, match="positions"):
            taken.take(chosen)


def test_positions(made: dict[str, Any]) -> None:
    for chosen, plain in (([-1, 0], [5, 0]), (np.arange(6) > 3, [4, 5]), (np.array([2], "u1"), [2]), ((1, 1), [1, 1])):
        assert np.array_equal(records(X).take(chosen).x, X[plain].reshape(-1, 1))
        assert np.array_equal(made["own"].take(chosen).states, made["own"].states[:, plain])
    assert positions([True] * 3, 3).tolist() == [0, 1, 2]


# --- functions as fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [lambda x, y, d: (x + y + d) * 1j, lambda x, y, d: 1j, lambda x, y, d: "x", lambda x, y, d: None,
     lambda x, y, d: np.ones((3, 3)), lambda x, y, d: [[1], [1, 2]],
     lambda x, y, d: np.ma.masked_array(x + y + d, x + y + d > 0), lambda x, y, d: np.ones(4),
     lambda x, y, d: x / (x - x.ravel()[0]) + y + d, lambda x, y, d: d.ravel()],
)  # fmt: skip
def test_functions_that_give_no_field(function: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"), pytest.raises(SpecError, match="W"):
        field_of("W", function)


def test_functions_may_change_their_arguments() -> None:
    def spoils(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> np.ndarray:
        found = np.sin(x) * y + d
        x *= 0
        return found

    assert np.array_equal(field_of("W", spoils), field_of("W", lambda x, y, d: np.sin(x) * y + d))


def test_a_function_without_its_channels_is_not_taken_for_one_of_the_depth() -> None:
    """sin(ξ) on an axis of 24 points and one of δ with as many: NumPy would align the first with the second."""
    two = {**SPEC, "equation": {**SPEC["equation"], "channels": 2}, "name": "channels"}
    with pytest.raises(SpecError, match="for the field W"):
        Continuum.from_fields(two, W=lambda x, y, d: np.sin(x))
    constant = Continuum.from_fields(two, W=lambda x, y, d: [[1.0, 2.0], [3.0, 4.0]]).fields["W"](0.1, 0.2, 0.3)
    assert np.max(np.abs(constant - [[1, 2], [3, 4]])) <= 1e-13


# --- files of networks --------------------------------------------------------------------------------------


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    path, entries = tmp_path / "n.npz", {"W0": W[0], "b0": B[0], "W1": W[1], "b1": B[1], "activation": "tanh"}
    np.savez(path, **entries)
    whole = path.read_bytes()
    assert np.array_equal(network_files.read(path).weights[1], W[1])
    for changed in ({"W0": W[0] + 1j}, {"W0": W[0].astype(str)}, {"activation": 3.5}, {"activation": ["tanh"]},
                    {"activation": b"tanh"}, {"kind": 3}, {"W2": W[0]}, {"b0": B[0][:3]}):  # fmt: skip
        np.savez(path, **{**entries, **changed})
        with pytest.raises(DataError) as error:
            network_files.read(path)
        assert "n.npz" in error.value.where
    for content in (b"", b"PK\3\4 no archive", whole[:-30], whole[:200], np.arange(3).tobytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"n\.npz"):
            network_files.read(path)
    np.save(tmp_path / "n.npy", X)
    with pytest.raises(DataError, match=r"not an \.npz archive"):
        network_files.read(tmp_path / "n.npy")
