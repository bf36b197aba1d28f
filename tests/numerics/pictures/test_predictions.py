"""Predictions against the truth, by counting and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.errors import DataError
from numerics.datasets import records
from numerics.pictures import predictions
from tests.builders import EVERY, FUNCTION, NUMBERS, declare, random_model

RNG = np.random.default_rng(0)
NAMES = ("calm", "shaken", "broken")


def test_probabilities_do_not_overflow() -> None:
    p = predictions.probabilities(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]))
    np.testing.assert_allclose(p, [[0.5, 0.5], [0.25, 0.75]], atol=1e-15)


def test_confusion_counts_pairs() -> None:
    truth, guess = RNG.integers(0, 3, 50), RNG.integers(0, 3, 50)
    found = predictions.confusion(truth, guess, 3)
    for i in range(3):
        for j in range(3):
            assert found[i, j] == sum(t == i and g == j for t, g in zip(truth, guess))


def test_calibration_is_the_mean_of_every_bin() -> None:
    p = predictions.probabilities(3 * RNG.standard_normal((200, 3)))
    p[0] = [1, 0, 0]  # the upper end belongs to the last bin
    truth = RNG.integers(0, 3, 200)
    sure, right, counts = predictions.calibration(p, truth)
    rows: dict[int, list[tuple[float, bool]]] = {}
    for own, label in zip(p, truth):
        rows.setdefault(min(9, int(10 * own.max())), []).append((own.max(), own.argmax() == label))
    expected = [(*np.mean(rows[k], axis=0), len(rows[k])) for k in sorted(rows)]
    np.testing.assert_allclose(np.transpose([sure, right, counts]), expected, atol=1e-12)


def test_the_surest_mistakes_come_first_and_the_narrowest_right_answers() -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    truth = np.array([1, 1, 1, 1])
    assert predictions.surest_mistakes(p, truth).tolist() == [0, 1]
    assert predictions.narrow_answers(p, truth).tolist() == [3, 2]
    assert predictions.case_labels(p, truth, ("a", "b"), [0]) == ["record 0: is b, said a (90%)"]


def test_a_sentence_about_classes() -> None:
    p = np.eye(3)[[0, 0, 0, 1, 2]]
    said = predictions.said_of_classes(p, np.array([0, 1, 1, 1, 2]), NAMES)
    assert said.startswith("3 of 5 records are right (60.0%); ") and "by 0.40 in the mean" in said
    assert said.endswith("Most often shaken is taken for calm, 2 times.")
    assert "taken for" not in predictions.said_of_classes(np.eye(3), np.arange(3), NAMES)


def test_sentences_about_numbers_and_functions() -> None:
    truth = np.array([[0.0], [2.0]])
    said = predictions.said_of_numbers(truth, truth + np.array([[0.1], [-0.3]]))
    assert said == "The root mean square error is 0.224, 22.4% of their spread; record 1 is farthest off."
    errors = predictions.relative_errors([np.ones((4, 1)), 2 * np.ones((4, 1))], [np.zeros((4, 1)), np.ones((4, 1))])
    np.testing.assert_allclose(errors, [1, 0.5])
    assert predictions.said_of_functions(errors).endswith("largest, 100.00%, of record 0.")
    assert predictions.spread(np.array([3.0, 1.0, 2.0, 5.0, 4.0]), 3) == [1, 0, 3]
    assert predictions.spread(np.array([1.0])) == [0]


# --- of models ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_classes_by_name() -> None:
    y = np.array(NAMES)[np.arange(12) % 3]
    model = random_model({**declare(), "input": {"domain": ["0", "8"], "unit": "s"}}).replace(classes=NAMES)
    data = records(RNG.standard_normal((12, 9)), xi=np.linspace(0, 8, 9), y=y)
    figure = model.plot.predictions(data)
    confusion, calibration, *mistakes = figure.axes
    assert [text.get_text() for text in confusion.get_yticklabels()] == list(NAMES)
    counts = np.array([int(text.get_text()) for text in confusion.texts]).reshape(3, 3)
    said = model.labels(model(data))
    assert said is not None
    for i, true in enumerate(NAMES):
        for j, name in enumerate(NAMES):
            assert counts[i, j] == np.sum((y == true) & (said == name))
    assert calibration.get_xlabel() == "confidence"
    shown = [axes for axes in mistakes if axes.get_title()]
    assert shown and all("said" in axes.get_title() and axes.get_xlabel() == "ξ (s)" for axes in shown)
    assert len(shown) == min(4, int(np.sum(said != y)))


@pytest.mark.slow
def test_no_mistakes_are_no_pictures() -> None:
    model = random_model(NUMBERS)
    x = RNG.standard_normal((6, 9))
    labels = model(x).argmax(axis=1)
    model = model.replace(classes=(0, 1, 2))
    assert len(model.plot.predictions(records(x, y=labels)).axes) == 2


@pytest.mark.slow
def test_numbers_in_the_users_units() -> None:
    declared = {**NUMBERS, "loss": {"kind": "l2"}, "readout": {**NUMBERS["readout"], "outputs": 2}}
    model, x = random_model(declared), RNG.standard_normal((5, 9))
    y = RNG.standard_normal((5, 2))
    figure = model.plot.predictions(records(x, y=y))
    for k, axes in enumerate(figure.axes):
        drawn = axes.collections[0].get_offsets()
        np.testing.assert_allclose(drawn, np.transpose([y[:, k], model(x)[:, k]]))
        assert axes.get_title() == f"output {k}: rmse {np.sqrt(np.mean((y - model(x))[:, k] ** 2)):.3g}"


@pytest.mark.slow
def test_functions_with_their_differences() -> None:
    model = random_model({**FUNCTION, "input": {"domain": ["0", "8"], "unit": "s"}})
    x, t = RNG.standard_normal((3, 9)), np.linspace(0, 8, 9)
    y = RNG.standard_normal((3, 9, 1))
    figure = model.plot.predictions(records(x, xi=t, y=y))
    errors = [np.sqrt(np.sum((a - b) ** 2) / np.sum(a**2)) for a, b in zip(y, model(x, t))]
    order = np.argsort(errors)
    assert [axes.get_title() for axes in figure.axes[:3]] == [f"record {k}: {errors[k]:.1%}" for k in order]
    for column, k in enumerate(order):
        truth, said = figure.axes[column].lines
        np.testing.assert_allclose(truth.get_xdata(), t)
        np.testing.assert_allclose(truth.get_ydata(), y[k, :, 0])
        np.testing.assert_allclose(said.get_ydata(), model(x, t)[k, :, 0])
        gap = figure.axes[3 + column].lines[0]
        np.testing.assert_allclose(gap.get_ydata(), model(x, t)[k, :, 0] - y[k, :, 0])
        assert figure.axes[3 + column].get_xlabel() == "ξ (s)"


@pytest.mark.slow
def test_functions_that_are_known_elsewhere() -> None:
    model = random_model(FUNCTION)
    x, at = RNG.standard_normal((3, 9)), np.linspace(-0.5, 0.5, 4)
    y = [RNG.standard_normal((4, 1)) for _ in range(3)]
    data = records(x, y=None)
    figure = model.plot.predictions(replace(data, elsewhere=records(y, xi=[at, at, at + 0.1])))
    for axes in figure.axes[:3]:
        k = int(axes.get_title().split()[1].rstrip(":"))
        where = at + 0.1 * (k == 2)
        np.testing.assert_allclose(axes.lines[0].get_xdata(), where)
        np.testing.assert_allclose(axes.lines[1].get_ydata(), model(x[k : k + 1], at=where)[0, :, 0])


@pytest.mark.slow
def test_functions_on_squares() -> None:
    model = random_model(EVERY["square"])
    x = RNG.standard_normal((2, 7, 7, 1))
    figure = model.plot.predictions(records(x, y=x))
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    found = model(x)
    first = int(figure.axes[0].get_title().split()[1].rstrip(":"))
    np.testing.assert_allclose(shown[0], x[first, ..., 0])
    assert any(np.allclose(values, found[first, ..., 0] - x[first, ..., 0]) for values in shown)


@pytest.mark.parametrize("declared", [NUMBERS, FUNCTION])
def test_records_without_targets_are_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="records with y"):
        random_model(declared).plot.predictions(np.zeros((2, 9)))
