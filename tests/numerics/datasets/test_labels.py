"""What targets mean: the loss says it. Labels by name, by value, by position; texts as numbers; pandas' columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import CheckpointError, DataError
from numerics import Continuum, Ensemble, cross_validate, datasets, fit, from_layers, load
from numerics.command import report as reports
from numerics.command.main import main
from numerics.datasets import labels, records
from numerics.model import file_format

Array = np.ndarray

FOUR, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
SPEC = {
    "name": "three",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": FOUR},
    "weight": {"width_out": FOUR, "width_in": FOUR, "depth": ONCE},
    "bias": {"width": FOUR, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 3, "basis": FOUR},
    "loss": {"kind": "cross-entropy"},
    "training": {"optimiser": "adam", "epochs": 12, "learning_rate": 0.3},
}
NUMBERS = {**SPEC, "name": "one", "readout": {"outputs": 1, "basis": FOUR}, "loss": {"kind": "l2"}}
FUNCTIONS = {**NUMBERS, "name": "curves"}
del FUNCTIONS["readout"]

GENERATOR = np.random.default_rng(3)
K = np.arange(30) % 3  # the true classes: bumps at three places
PLACES = np.linspace(-1, 1, 15)
X = np.exp(-9 * (PLACES - np.array([-0.6, 0.0, 0.6])[K][:, None]) ** 2) + 0.4 * GENERATOR.standard_normal((30, 15))
Z = 30 * np.tanh(X.mean(axis=1)) + 5  # numbers to predict, whose order as texts is another


@pytest.fixture(scope="module")
def three() -> Continuum:
    return Continuum.from_spec(SPEC, seed=0)


@pytest.fixture(scope="module")
def one() -> Continuum:
    return Continuum.from_spec(NUMBERS, seed=0)


@pytest.fixture(scope="module")
def curves() -> Continuum:
    return Continuum.from_spec(FUNCTIONS, seed=0)


def loss_of(model: Continuum, y: Any, x: Any = X) -> float:
    return model.value_and_gradient(x, y)[0]


# --- labels of classes --------------------------------------------------------------------------------------

LABELS: dict[str, Array] = {
    "whole numbers from 0": K,
    "from 1": K + 1,
    "with a sign": K - 1,
    "far apart": np.array([10, -7, 300])[K],
    "small": K.astype(np.uint8),
    "fractions that are whole": K.astype(np.float32),
    "fractions from 1": K + 1.0,
    "texts": np.array(["oak", "ash", "elm"])[K],
    "texts of numbers": (K + 1).astype(str),
    "texts of fractions": (K + 1.0).astype(str),
    "bytes": np.array([b"oak", b"ash", b"elm"])[K],
}


@pytest.mark.first(4)
@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_as_they_were_given(three: Continuum, kind: str, tmp_path: Path) -> None:
    y = LABELS[kind]
    trained = fit(three, X, y)
    trained.save(tmp_path / "m.npz")
    truth = y.astype(str) if y.dtype.kind == "S" else y
    order = np.unique(truth)  # outputs stand for the labels in their order
    for model in (trained, load(tmp_path / "m.npz")):
        z = model(X)
        found = model.labels(z)
        assert found.dtype.kind == truth.dtype.kind.replace("u", "i")
        assert np.array_equal(found, order[z.argmax(axis=1)])
        right = np.mean(found == truth)
        assert right > 0.6
        for part in (slice(None), K != 2, K == 1):  # some of the classes, which must keep their places
            scores = model.scores(model.prepare(records(X[part], y=y[part])))
            assert scores["accuracy"] == np.mean(found[part] == truth[part])


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_truth_values_come_back_too(shape: tuple[int, ...], tmp_path: Path) -> None:
    two = Continuum.from_spec({**SPEC, "name": "two", "readout": {"outputs": 2, "basis": FOUR}}, seed=0)
    y = K == 1
    trained = fit(two, X, y.reshape(shape), out=tmp_path / "m.npz")
    found = load(tmp_path / "m.npz").labels(trained(X))
    assert found.dtype == bool and np.mean(found == y) > 0.7
    for same in (y, y.astype(int), y.astype(str), y.astype(object), np.eye(2)[y.astype(int)]):
        assert trained.scores(trained.prepare(records(X, y=same)))["accuracy"] == np.mean(found == y)


def test_numbers_name_classes_that_are_numbers_and_else_count_them(three: Continuum) -> None:
    named = fit(three, X, (K + 1).astype(str))
    for y in (K + 1, K + 1.0, (K + 1).astype(np.int8), (K + 1).astype(object), (K + 1).astype(str),
              (K + 1.0).astype(str)):  # fmt: skip
        assert np.array_equal(named.prepare(records(X, y=y)).labels, K)
    assert np.array_equal(named.prepare(records(X[K < 2], y=K[K < 2] + 1)).labels, K[K < 2])
    with pytest.raises(DataError, match="the class 0") as error:
        named.prepare(records(X, y=K))
    assert error.value.allowed == "the classes of the training data: 1, 2, 3" and error.value.where == "record 0"
    counted = fit(three, X, np.array(["oak", "ash", "elm"])[K])
    assert np.array_equal(counted.prepare(records(X, y=[0] * 30)).labels, [0] * 30)  # the first is "ash"
    with pytest.raises(DataError, match="whole numbers from 0 to 2"):
        counted.prepare(records(X, y=K + 1))


def test_a_model_of_numbers_reads_texts_by_their_value(three: Continuum) -> None:
    """Its classes 0, 1, 2 need no names: "1" and "2" are the second and third, not the first two in their order."""
    trained = fit(three, X, K)
    assert trained.classes == ()
    some = K > 0
    for y in (K[some].astype(str), K[some].astype(float), K[some].astype(float).astype(str)):
        assert np.array_equal(trained.prepare(records(X[some], y=y)).labels, K[some])
    with pytest.raises(DataError, match="'3'"):
        trained.prepare(records(X, y=(K + 1).astype(str)))
    again = fit(trained, X, K.astype(str), epochs=1)
    assert again.classes == () and np.array_equal(again.prepare(records(X, y=K)).labels, K)


def test_more_names_than_outputs_are_named(three: Continuum) -> None:
    for call in (lambda y: loss_of(three, y), lambda y: fit(three, X, y, epochs=1)):
        with pytest.raises(DataError, match="5 classes: ash, elm, fir, oak, yew"):
            call(np.array(["oak", "ash", "elm", "yew", "fir"])[np.arange(30) % 5])


def test_names_that_no_label_has_are_fillers(three: Continuum) -> None:
    two = fit(three, X[K < 2], (K[K < 2] + 1).astype(str))
    assert two.classes == ("1", "2", "class 2")
    assert np.array_equal(two.prepare(records(X[K < 2], y=K[K < 2] + 1)).labels, K[K < 2])


@pytest.mark.parametrize(
    ("y", "classes", "expected"),
    [
        ([0, 1, 2, 2], ["a", "b", "c"], [0, 1, 2, 2]),
        ([1, 2, 3, 3], ["1", "2", "3"], [0, 1, 2, 2]),
        ([1, 2, 3, 3], [3, 2, 1], [2, 1, 0, 0]),
        ([0, 1, 2, 0], ["1", "2", "3"], [0, 1, 2, 0]),  # 0 names no class
        ([0, 1, 2, 0], ["0", "1", "2"], [0, 1, 2, 0]),  # both readings are one
        ([1.0, 3.0, 2.0, 1.0], ["1", "2", "3"], [0, 2, 1, 0]),
        ([[1, 0], [0, 1], [0, 1], [1, 0]], ["a", "b"], [0, 1, 1, 0]),
        ([True, False, True, True], ["no", "yes"], [1, 0, 1, 1]),
        (["b", "a", "b", "b"], ["b", "a"], [0, 1, 0, 0]),
    ],
)
def test_listed_classes(y: Any, classes: Any, expected: Any) -> None:
    found = records(np.ones((4, 2)), y=y, classes=classes)
    assert np.array_equal(found.y, expected) and found.classes == tuple(classes)


@pytest.mark.parametrize(("y", "classes"), [([1, 2, 1, 2], ["1", "2", "3"]), ([1, 1, 1, 1], [1, 2])])
def test_what_can_be_read_in_two_ways_is_refused(y: Any, classes: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="read in one way only"):
        records(np.ones((4, 2)), y=y, classes=classes)
    fixed = records(np.ones((4, 2)), np.array(classes)[y].astype(str), classes=[str(name) for name in classes])
    assert np.array_equal(fixed.y, y)
    datasets.write(tmp_path / "data.npz", fixed)  # files of ours can be read in one way only
    assert np.array_equal(datasets.read(tmp_path / "data.npz").y, y)


def test_augmented_records_keep_their_classes(three: Continuum) -> None:
    """A function that hands on whole numbers means those that it was given, whatever classes the model knows."""
    named = fit(three, X, (K + 1).astype(str), epochs=1)
    data = records(X, y=(K + 1).astype(str))

    def same(given: Any, generator: Any) -> Any:
        return records(np.stack(given.samples())[:, :, 0], y=given.y)

    assert np.array_equal(fit(named, data, epochs=2, augment=same).coordinates, fit(named, data, epochs=2).coordinates)
    signed = {"validation": 0.3, "epochs": 2, "optimiser": "adam"}
    plain = fit(three, X, K - 1, **signed)
    assert np.array_equal(fit(three, X, K - 1, augment=same, **signed).coordinates, plain.coordinates)


def test_cross_validation_and_ensembles_with_labels_from_one(three: Continuum) -> None:
    first, second = (cross_validate(SPEC, X, y, folds=3, epochs=4) for y in (K, K + 1))
    assert first.scores == second.scores
    texts, numbers = fit(three, X, (K + 1).astype(str)), fit(three, X, K + 1.0)
    both = Ensemble([texts, numbers])
    assert both.scores(both.prepare(records(X, y=K + 1)))["accuracy"] > 0.6


def test_pages_call_classes_by_the_models_names(three: Continuum, monkeypatch: pytest.MonkeyPatch) -> None:
    names = np.array(["oak", "ash", "elm"])
    trained = fit(three, X, names[K])
    other = records(X, y=names[K], classes=["oak", "elm", "ash"])  # another order than the model's
    guess, written = trained.labels(trained(X)), []
    cases = reports.records.cases
    monkeypatch.setattr(reports.records, "cases", lambda data, indices, under, frame: written.extend(under) or
                        cases(data, indices, under, frame))  # fmt: skip
    reports.right_and_wrong(trained, other)
    assert len(written) >= 8
    for words in written:
        i = int(words.removeprefix("record ").partition("\n")[0])
        assert words.startswith(f"record {i}\nis {names[K][i]}, said {guess[i]} (")


def test_networks_keep_the_type_of_their_classes() -> None:
    weights, biases = [np.eye(3), np.eye(3)], [np.zeros(3), np.zeros(3)]
    for classes in ([3, 1, 2], ["a", "b", "c"], np.array([0.5, 1.5, 2.5])):
        found = from_layers(weights, biases, classes=classes).labels(np.eye(3))
        assert np.array_equal(found, classes) and found.dtype == np.asarray(classes).dtype


def test_models_of_before_and_files_with_mixed_classes(three: Continuum, tmp_path: Path) -> None:
    trained = fit(three, X, (K + 1).astype(str), epochs=1)
    trained.save(tmp_path / "m.npz")
    header, arrays = file_format.read(tmp_path / "m.npz")
    assert header.pop("format", 1) == 1 and header["classes"] == ["1", "2", "3"]  # as they always were
    for classes in (["1", 2, 3], [1, 2.0, 3], [None] * 3, [[1], [2], [3]], [0, 0, 1]):
        file_format.write(tmp_path / "bad.npz", {**header, "classes": classes}, arrays)
        with pytest.raises(CheckpointError):
            load(tmp_path / "bad.npz")


# --- numbers ------------------------------------------------------------------------------------------------

SAID: dict[str, Callable[[Array], Any]] = {
    "texts": lambda y: y.astype(str),
    "a list of texts": lambda y: [repr(float(v)) for v in y],
    "a column": lambda y: y[:, None],
    "a column of texts": lambda y: y.astype(str)[:, None],
    "bytes": lambda y: np.array([str(v) for v in y], dtype="S"),
    "objects": lambda y: y.astype(object),
    "blanks": lambda y: [f" {v} " for v in y],
}


@pytest.mark.first(2)
@pytest.mark.parametrize("form", SAID)
def test_numbers_as_texts_are_numbers(one: Continuum, form: str) -> None:
    plain, said = fit(one, X, Z), fit(one, X, SAID[form](Z))
    assert np.array_equal(plain.coordinates, said.coordinates) and said.classes == ()
    scores = [m.scores(m.prepare(records(X, y=y)))["rmse"] for m, y in ((plain, Z), (said, SAID[form](Z)))]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("y", ["oak", "1,5", "nan", "inf", "1_000", "", "0x10", "1e999"])
def test_other_texts_are_no_numbers(one: Continuum, y: str) -> None:
    for call in (lambda t: loss_of(one, t), lambda t: fit(one, X, t, epochs=1)):
        with pytest.raises(DataError, match="for a loss of numbers") as error:
            call(["1.5"] * 4 + [y] + ["2"] * 25)
        assert repr(y) in error.value.given and error.value.where == "record 4"


def test_positions_of_named_classes_are_no_numbers(one: Continuum) -> None:
    with pytest.raises(DataError, match="'b' for a loss of numbers"):
        loss_of(one, None, records(X, y=K, classes=["b", "a", "c"]))
    numbered = records(X, y=K, classes=["4", "2", "0"])
    assert loss_of(one, None, numbered) == loss_of(one, 4.0 - 2 * K)


def test_functions_as_texts(curves: Continuum) -> None:
    y = np.sin(X)
    for given in (y, y.astype(str), y[:, :, None].astype(str), y.astype(object), list(y.astype(str))):
        assert loss_of(curves, given) == loss_of(curves, y)
    with pytest.raises(DataError, match="for a loss of numbers"):
        loss_of(curves, np.full((30, 15), "a"))
    for y in (K, K.astype(str)):
        with pytest.raises(DataError, match="functions"):
            loss_of(curves, y)


def test_numbers_are_no_functions(one: Continuum, three: Continuum) -> None:
    ragged = [np.ones(3), np.ones(4)]
    for model in (one, three):
        with pytest.raises(DataError, match="functions as targets"):
            model.value_and_gradient(ragged, ragged)


def test_equal_targets_of_another_type_are_one_run(three: Continuum, one: Continuum, tmp_path: Path) -> None:
    for model, y, types in ((three, K, (np.int8, np.uint16, ">i4", object)), (one, np.round(Z), (np.float32, ">f8"))):
        path = tmp_path / f"{model.base.name}.npz"
        done = fit(model, X, y, epochs=2, out=path)
        for kind in types:
            again = fit(model, X, y.astype(kind), epochs=2, out=path, resume=True)
            assert np.array_equal(again.coordinates, done.coordinates)
        with pytest.raises(CheckpointError, match="the records"):
            fit(model, X, np.roll(y, 1), epochs=2, out=path, resume=True)


# --- what pandas and NumPy have columns for -------------------------------------------------------------------


def columns(name: str, values: Array) -> Any:
    """Labels in a column of some package."""
    if name == "StringDType":
        if not hasattr(np.dtypes, "StringDType"):
            pytest.skip("NumPy 2 has texts of any length")
        return values.astype(str).astype(np.dtypes.StringDType())
    pandas = pytest.importorskip("pandas")
    kinds: dict[str, Callable[[], Any]] = {
        "Series": lambda: pandas.Series(values, index=np.arange(len(values))[::-1]),
        "objects": lambda: pandas.Series(values, dtype=object),
        "string": lambda: pandas.Series(values.astype(str), dtype="string"),
        "category": lambda: pandas.Series(values).astype("category"),
        "Categorical": lambda: pandas.Categorical(values),
        "Index": lambda: pandas.Index(values),
        "a frame": lambda: pandas.DataFrame({"label": values}),
        "dummies": lambda: pandas.get_dummies(values),
        "Int64": lambda: pandas.Series(values, dtype="Int64"),
    }
    return kinds[name]()


NAMED = ("Series", "objects", "string", "category", "Categorical", "Index", "a frame", "dummies", "StringDType")


@pytest.mark.first(6)
@pytest.mark.parametrize("column", NAMED)
@pytest.mark.parametrize("kind", ["texts", "from 1"])
def test_columns_of_labels(three: Continuum, kind: str, column: str) -> None:
    y = LABELS[kind]
    given = columns(column, y)
    trained = fit(three, X, given, epochs=3)
    assert np.array_equal(trained.coordinates, fit(three, X, y, epochs=3).coordinates)
    if column not in ("dummies", "a frame"):
        said = trained.labels(trained(X))
        truth = y.astype(str) if column in ("string", "StringDType") else y
        assert np.array_equal(np.asarray(said == given), said == truth)


@pytest.mark.parametrize("column", ["Series", "objects", "Int64", "a frame", "category"])
def test_columns_of_numbers(one: Continuum, column: str) -> None:
    y = np.round(Z).astype(int)
    assert loss_of(one, columns(column, y)) == loss_of(one, y)


def test_categories_keep_their_order_and_those_without_records(three: Continuum) -> None:
    pandas = pytest.importorskip("pandas")
    y = pandas.Categorical(np.array(["oak", "ash", "elm"])[K], categories=["oak", "elm", "ash"])
    some = K < 2
    trained = fit(three, X[some], y[some], epochs=2)
    assert trained.classes == ("oak", "elm", "ash")
    assert np.array_equal(trained.prepare(records(X, y=y)).labels, y.codes)


@pytest.mark.parametrize("gap", ["None", "NaN", "NA", "category", "Int64", "string"])
def test_gaps_in_columns_are_named(three: Continuum, gap: str) -> None:
    pandas = pytest.importorskip("pandas")
    names = np.array(["oak", "ash", "elm"], dtype=object)[K]
    names[4] = {"None": None, "NA": pandas.NA}.get(gap, np.nan)
    y: Any = {
        "category": lambda: pandas.Categorical(names),
        "Int64": lambda: pandas.Series([*K[:4], None, *K[5:]], dtype="Int64"),
        "string": lambda: pandas.Series(names, dtype="string"),
    }.get(gap, lambda: names)()
    with pytest.raises(DataError, match="missing target") as error:
        fit(three, X, y, epochs=1)
    assert error.value.where == "record 4"


# --- on the command line --------------------------------------------------------------------------------------


def run(*arguments: Any, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code and "Traceback" not in result.output, (result.output, result.exception)
    return result.stdout if code == 0 else result.stderr


@pytest.mark.slow
def test_files_of_labels_and_of_texts(three: Continuum, one: Continuum, tmp_path: Path) -> None:
    three.save(tmp_path / "three.ckpt")
    one.save(tmp_path / "one.npz")
    files = {"texts": (K + 1).astype(str), "numbers": K + 1, "values": Z, "said": Z.astype(str), "count": K}
    for name, y in files.items():
        np.savez(tmp_path / f"{name}.npz", x=X, y=y)
    place = {name: tmp_path / f"{name}.npz" for name in files}
    run("fit", tmp_path / "three.ckpt", "--data", place["texts"], "--out", tmp_path / "trained.ckpt")
    model = load(tmp_path / "trained.ckpt")
    expected = float(np.mean(model(X).argmax(axis=1) == K))
    for name in ("texts", "numbers"):
        scores = json.loads(run("evaluate", tmp_path / "trained.ckpt", "--data", place[name], "--json"))
        assert scores["accuracy"] == expected > 0.6
    refused = run("evaluate", tmp_path / "trained.ckpt", "--data", place["count"], code=2)
    assert "the class 0" in refused and "1, 2, 3" in refused
    run("fit", tmp_path / "three.ckpt", "--data", place["numbers"], "--out", tmp_path / "whole.npz")
    run("predict", tmp_path / "whole.npz", "--data", place["numbers"], "--out", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as stored:
        assert stored["label"].dtype.kind == "i" and np.mean(stored["label"] == K + 1) == expected
    for name in ("values", "said"):
        run("fit", tmp_path / "one.npz", "--data", place[name], "--out", tmp_path / f"{name}-model.npz")
    first, second = (load(tmp_path / f"{name}-model.npz") for name in ("values", "said"))
    assert np.array_equal(first.coordinates, second.coordinates)
    assert "for a loss of numbers" in run(
        "fit", tmp_path / "one.npz", "--data", _named(tmp_path), "--out", tmp_path / "x.npz", code=2
    )


def _named(folder: Path) -> Path:
    np.savez(folder / "named.npz", x=X, y=np.array(["oak", "ash", "elm"])[K])
    return folder / "named.npz"


def test_words() -> None:
    assert [labels.text(label) for label in (1, 1.0, 1.5, True, "1.0", np.float64(2))] == [
        "1", "1", "1.5", "True", "1.0", "2",
    ]  # fmt: skip
    assert labels.listed(range(20)).endswith("11, …")


def test_one_hot_rows_are_places_whatever_the_classes_are_called(three: Continuum) -> None:
    """Where the one stands is a position: it is not looked up among names that are numbers."""
    for names in ((1, 2, 3), ("2", "0", "1"), (2.0, 1.0, 0.0)):
        model = three.replace(classes=names)
        for part in (slice(None), np.flatnonzero(K > 0)):
            prepared = model.prepare(records(X[part], y=np.eye(3)[K[part]]))
            assert np.array_equal(prepared.labels, K[part]), names
        listed = records(X[K > 0], y=np.eye(3, dtype=int)[K[K > 0]], classes=list(names))
        assert np.array_equal(listed.y, K[K > 0]), names


def test_a_users_augmentation_gives_positions_numbers_or_rows(three: Continuum, one: Continuum) -> None:
    """What it returns is read as before the epoch: nothing is a position by chance, and nothing ends in a traceback."""
    names = np.array(["a", "b", "c"])[K]

    def after(model: Continuum, y: Any, change: Callable[[datasets.Records], Any]) -> Array:
        def augment(data: datasets.Records, _: np.random.Generator) -> datasets.Records:
            return records(X, y=change(data))

        return fit(model, X, y, epochs=2, augment=augment).coordinates

    wanted = fit(three, X, names, epochs=2).coordinates
    for change in (
        lambda data: data.y, lambda data: data.y[:, None], lambda data: names, lambda data: np.eye(3)[data.y],
        lambda data: data.y.astype(float),
    ):  # fmt: skip
        assert np.array_equal(after(three, names, change), wanted)
    for step in (-1, 1):
        with pytest.raises(DataError, match=f"augment returned classes from {min(step, 0) or 1} to"):
            after(three, names, lambda data, step=step: data.y + step)
    wanted = fit(one, X, Z, epochs=2).coordinates
    for change in (lambda data: data.y, lambda data: np.array(data.classes)[data.y].astype(float)):
        assert np.array_equal(after(one, Z.astype(str), change), wanted)
