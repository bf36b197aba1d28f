"""Points and shapes that are legal and seldom meant: said, used, or refused in words, and never taken silently."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.errors import ContinuumWarning, DataError
from numerics import Continuum, Ensemble, datasets, fit, from_layers
from numerics.command.main import main
from numerics.datasets import records
from numerics.functions.sampled_records import check_points, default_points
from numerics.model.units import PLAIN

FOUR, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
CURVES = {
    "name": "curves",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": FOUR},
    "weight": {"width_out": FOUR, "width_in": FOUR, "depth": ONCE},
    "bias": {"width": FOUR, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "loss": {"kind": "l2"},
}
FIVE = {"family": "fourier", "size": 5}
ROUND = {
    **CURVES,
    "name": "round",
    "equation": {**CURVES["equation"], "periodic": True},
    "state": {"basis": FIVE},
    "weight": {"width_out": FIVE, "width_in": FIVE, "depth": ONCE},
    "bias": {"width": FIVE, "depth": ONCE},
}
X = np.random.default_rng(0).standard_normal((6, 9))


@pytest.fixture(scope="module")
def curves() -> Continuum:
    return Continuum.from_spec(CURVES, seed=0)


@pytest.fixture(scope="module")
def around() -> Continuum:
    return Continuum.from_spec(ROUND, seed=0)


def silent(call: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


# --- units ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "xi", [np.linspace(0, 1, 9), np.linspace(0, 1, 9, endpoint=False) + 0.05, [np.linspace(0.01, 0.98, 9)] * 6]
)
def test_the_unit_interval_is_said(curves: Continuum, xi: Any) -> None:
    with pytest.warns(ContinuumWarning, match="input.domain") as caught:
        found = curves(X, xi)
    assert caught[0].filename == __file__  # the caller's line, not ours
    one = [np.asarray(xi)] * 6 if np.ndim(xi) == 1 else xi
    for record, row, answer in zip(X, one, found):  # and the half domain is what it computes: a constant on the left
        extended = np.concatenate([[record[0]], record]), np.concatenate([[-1.0], row])
        np.testing.assert_allclose(curves(extended[0][None], extended[1])[0, 1:], answer, atol=1e-13)


@pytest.mark.parametrize(
    "xi", [np.linspace(-1, 1, 9), np.linspace(0, 0.5, 9), np.linspace(0.5, 1, 9), np.linspace(-1, 0, 9),
           np.linspace(-0.01, 1, 9), [np.linspace(0, 1, 9)] * 5 + [np.linspace(-1, 1, 9)]],
)  # fmt: skip
def test_other_points_need_no_word(curves: Continuum, xi: Any) -> None:
    silent(lambda: curves(X, xi))


def test_axes_of_grids_have_units_too() -> None:
    x, spec = np.ones((2, 4, 5, 1)), load_spec("specs/digits2d.toml")
    with pytest.warns(ContinuumWarning):
        PLAIN.taken(spec, records(x, xi=(np.linspace(-1, 1, 4), np.linspace(0, 1, 5))))
    silent(lambda: PLAIN.taken(spec, records(x, xi=(np.linspace(-1, 1, 4), np.linspace(0, 0.5, 5)))))


def test_the_command_line_warns_in_one_line(curves: Continuum, tmp_path: Path) -> None:
    curves.save(tmp_path / "m.npz")
    np.savez(tmp_path / "d.npz", x=X, xi=np.linspace(0, 1, 9), y=X)
    for command in ("evaluate", "predict"):
        result = CliRunner().invoke(main, [command, str(tmp_path / "m.npz"), "--data", str(tmp_path / "d.npz")])
        assert result.exit_code == 0
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("warning: all points xi lie from 0 to 1")


def test_points_outside_by_rounding_are_the_ends(curves: Continuum) -> None:
    for end in (1.0000000000000018, 1 + 9e-13):
        xi = np.linspace(-end, end, 9)
        assert np.array_equal(curves.taken(X, xi=xi).xi, np.tile(np.clip(xi, -1, 1), 6))
        assert np.array_equal(curves(X, xi, at=[0.3]), curves(X, np.clip(xi, -1, 1), at=[0.3]))
        assert np.array_equal(check_points(xi), np.clip(xi, -1, 1)) and xi[-1] == end
        curves(X, at=xi)
    for xi in ([-1, 0, 1 + 2e-12], [-1.1, 0, 1]):
        with pytest.raises(DataError, match="at position"):
            curves(X[:, :3], xi)
    with pytest.raises(DataError, match="again"):
        curves(X[:, :3], [-1, 1, 1.0000000000000018])


def test_no_points_give_no_values(curves: Continuum) -> None:
    for at in ([], np.array([]), (np.array([]),), np.zeros(0, np.float32)):
        assert curves(X, at=at).shape == (6, 0, 1)
        assert curves.trajectory(X, at=at)[1].shape == (6, 3, 0, 1)


# --- closed records -------------------------------------------------------------------------------------------


def test_records_that_close_themselves_are_said(around: Continuum) -> None:
    turn = np.linspace(0, 2 * np.pi, 17)
    closed = np.stack([np.sin(turn + k) for k in range(4)])
    with pytest.warns(ContinuumWarning, match="leave their last sample out"):
        around(closed)
    with pytest.warns(ContinuumWarning):
        fit(around, closed, closed, epochs=1)
    fixed = silent(lambda: around(closed[:, :-1]))
    # The fix is right: the same periodic functions, at points given in another way.
    given = silent(lambda: around(closed[:, :-1], default_points("linear", 16, True)))
    assert np.array_equal(fixed, given)


@pytest.mark.parametrize("kind", ["open", "one open", "constant", "an edge of nothing", "points given", "short"])
def test_other_records_around_need_no_word(around: Continuum, kind: str) -> None:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    x = np.stack([np.sin(turn + k) for k in range(4)])
    bump = np.exp(-9 * (turn - 3) ** 2) * (np.abs(turn - 3) < 2)
    closed = np.concatenate([x, x[:, :1]], axis=1)
    given: Any = {
        "open": (x,), "one open": ([*closed[:3], x[3]],), "constant": (np.ones((4, 16)),),
        "an edge of nothing": (np.stack([bump, 2 * bump]),), "points given": (closed, np.linspace(-1, 0.9, 17)),
        "short": (np.array([[1.0, 2.0, 1.0]]),),
    }[kind]  # fmt: skip
    silent(lambda: around(*given))


def test_closed_records_on_an_interval_are_what_they_are(curves: Continuum) -> None:
    silent(lambda: curves(np.sin(np.linspace(0, 2 * np.pi, 17))[None]))


# --- one record or many ---------------------------------------------------------------------------------------


def test_one_column_is_asked_about(curves: Continuum, tmp_path: Path) -> None:
    column = X[0][:, None]
    np.savez(tmp_path / "d.npz", x=column)
    for call in (lambda: curves(column), lambda: fit(curves, column, column), lambda: curves(records(column)),
                 lambda: curves(datasets.read(tmp_path / "d.npz")), lambda: curves.trajectory(column),
                 lambda: Ensemble([curves])(column), lambda: curves(records(column).take([0, 1]))):  # fmt: skip
        with pytest.raises(DataError, match=r"one record of \d points and one channel, or \d records"):
            call()
    one, many = records(column[None]), records(column[:, None])  # what the fix says
    assert (curves(one).shape, curves(many).shape) == ((1, 9, 1), (9, 1, 1))
    for data in (one, many, records(column)):
        datasets.write(tmp_path / "d.npz", data)
        again = datasets.read(tmp_path / "d.npz")
        assert (len(again), again.column) == (len(data), data.column)


def test_networks_of_one_input_take_one_column() -> None:
    """As scikit-learn's do: (n, 1) is n records of the one number that the network reads."""
    generator = np.random.default_rng(0)
    weights, biases = [generator.standard_normal(s) for s in ((1, 1), (1, 1))], [np.ones(1), np.ones(1)]
    x = generator.standard_normal((7, 1))
    expected = np.tanh(x @ weights[0].T + biases[0]) @ weights[1].T + biases[1]
    np.testing.assert_allclose(from_layers(weights, biases)(x), expected, atol=1e-14)


def test_points_and_targets_say_which_it_is() -> None:
    column, xi = X[0][:, None], np.linspace(-1, 1, 9)
    for found in (records(column, xi=xi), records(column, xi=xi.tolist()), records(column, y=column[None]),
                  records(column, y=[1.0]), records([column]), records(column.tolist()[:1])):  # fmt: skip
        assert len(found) == 1 and not found.column
    for found in (records(column, xi=xi[:, None]), records(column, y=np.arange(9)), records(list(column)),
                  records(column, xi=[[p] for p in xi])):  # fmt: skip
        assert len(found) == 9 and not found.column
    assert len(records(np.ones((1, 1)))) == 1


def test_a_record_of_several_channels_without_its_axis() -> None:
    two = {**CURVES, "name": "two", "equation": {**CURVES["equation"], "channels": 2}}
    model = Continuum.from_spec(two, seed=0)
    with pytest.raises(DataError, match="without the axis of the records") as error:
        model(np.ones((9, 2)))
    assert error.value.fix == "write x[None] for one record"
    with pytest.raises(DataError, match="belong to another spec"):
        model(np.ones((9, 3)))
    with pytest.raises(DataError, match="fits when swapped") as error:
        model(np.ones((4, 2, 9)))
    assert error.value.fix == "give layout='channels_first' to records"
    assert np.array_equal(model(records(np.ones((4, 2, 9)), layout="channels_first")), model(np.ones((4, 9, 2))))


# --- pandas ----------------------------------------------------------------------------------------------------


def test_gaps_in_frames_are_named(curves: Continuum) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 3.0]})
    assert records(frame).gaps
    with pytest.raises(DataError, match="record 1"):
        curves(frame)
    assert records(frame.iloc[[0, 2]]).x.tolist() == [[1.0], [1.0], [3.0], [3.0]]


def test_a_single_column_is_no_list_of_records() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"write \[x\]"):
        records(pandas.Series(X[0]))
    assert len(records([pandas.Series(X[0])])) == 1
    assert records(pandas.DataFrame({"value": X[0]})).column


def test_grids_with_columns_of_points() -> None:
    pandas = pytest.importorskip("pandas")
    x, axes = np.ones((2, 3, 4, 1)), (np.linspace(-1, 1, 3), np.linspace(-1, 1, 4))
    shifted = tuple(pandas.Series(axis, index=np.arange(len(axis)) + 7) for axis in axes)
    assert np.array_equal(records(x, xi=shifted).xi, records(x, xi=axes).xi)
    assert np.array_equal(records(x, xi=[shifted, shifted]).xi, records(x, xi=axes).xi)
    for xi in (([], []), [], ((), axes[1])):
        with pytest.raises(DataError):
            records(x, xi=xi)
    for y in ([], pandas.Series([], dtype=float), pandas.Series([1.0, 2.0], index=[5, 6])):
        if len(y) == 2:
            assert records(x, y=y).y.tolist() == [1.0, 2.0]
        else:
            with pytest.raises(DataError):
                records(x, y=y)
