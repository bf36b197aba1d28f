"""What a picture shows: its axes, their units, and the numbers that are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import DataError
from numerics.datasets import Records, records
from numerics.functions.field import Field
from numerics.model.continuum import Continuum
from numerics.pictures import fields, studies, training
from numerics.pictures.axes import Frame
from numerics.pictures.records import cases, first_of_each
from tests.builders import EVERY, FUNCTION, NUMBERS, bumps, declare, random_model

UNITS = {"domain": ["0", "12"], "unit": "s"}
HISTORY = (
    {"level": "base", "epoch": 0, "loss": 1.0, "validation": 1.1},
    {"level": "base", "epoch": 1, "loss": 0.5, "validation": 0.7},
    {"level": "fine", "epoch": 0, "loss": 0.4, "validation": None},
)


def labels(figure: Any) -> list[tuple[str, str, str]]:
    return [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


@pytest.fixture(scope="module")
def model() -> Continuum:
    return random_model({**declare(readout={"outputs": 2}), "input": UNITS})


@pytest.fixture(scope="module")
def data() -> Records:
    found = bumps()
    return records(found["x"], xi=np.linspace(0, 12, 20), y=np.array(["left", "right"])[found["y"]])


def test_stages_follow_the_levels() -> None:
    assert [(level, len(rows)) for level, rows in training.stages(HISTORY)] == [("base", 2), ("fine", 1)]
    assert training.stages([{"level": None, "loss": 1.0}])[0][0] == "base"


def test_losses_one_colour_a_level_and_what_became_of_them() -> None:
    figure = training.losses({"run": HISTORY, "again": HISTORY})
    (axes,) = figure.axes
    assert labels(figure) == [("", "epochs so far", "training loss")] and axes.get_yscale() == "log"
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["base", "held-out records", "fine"]  # each once
    assert [list(line.get_xdata()) for line in axes.lines[:3]] == [[1, 2], [1, 2], [3]]
    assert training.said(HISTORY).endswith("from 1 to 0.4; on held-out records it was lowest, 0.7, in epoch 2.")
    below_zero = training.losses({"run": [{"loss": -1.0}, {"loss": -2.0}]})  # as a likelihood may be
    assert below_zero.axes[0].get_yscale() == "linear"


def test_work_and_time_so_far_one_colour_a_level() -> None:
    """Running sums; a level's line begins where the one before it ended."""
    rows = [{**row, "flops": 10 * k, "seconds": float(k)} for k, row in enumerate(HISTORY, 1)]
    figure = training.work({"run": rows})
    work, time = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == ["floating-point operations so far", "seconds so far"]
    assert [list(line.get_xdata()) for line in work.lines] == [[10, 30], [30, 60]]
    assert [list(line.get_xdata()) for line in time.lines] == [[1, 3], [3, 6]]
    losses = [row["loss"] for row in rows]
    assert [list(line.get_ydata()) for line in time.lines] == [losses[:2], losses[1:]]
    assert [text.get_text() for text in work.get_legend().get_texts()] == ["base", "fine"]


def test_a_model_that_was_not_trained_has_no_losses(model: Continuum) -> None:
    with pytest.raises(DataError, match="without a history"):
        model.plot.loss()
    with pytest.raises(DataError, match="without work"):
        model.plot.work()


@pytest.mark.slow
def test_fields_are_drawn_in_the_users_units(model: Continuum) -> None:
    """The rows of a grid are named at their left, once; depths above, the arguments at the axes they belong to."""
    field = model.fields["W"]
    depths = [f"δ = {depth:.3g}" for depth in fields.depths_of(field)]
    twice = field.with_coefficients([2 * s.coefficients for s in field.slabs])
    figure = fields.weights({"before": field, "after": twice}, model.plot.frame)
    names = ("before", "after", "after − before")
    expected = [
        (depth, "ξ′ (s)", f"{name}\nξ (s)" if k == 0 else "") for name in names for k, depth in enumerate(depths)
    ]
    assert len(depths) > 1 and labels(figure) == [*expected, ("", "", "W")]  # the last is the colour bar
    assert figure.axes[0].images[0].get_extent() == [0, 12, 0, 12]
    assert labels(fields.weights({"W": field}))[0][1] == "ξ′"
    assert model.plot.fields().axes[0].get_ylabel() == "base\nξ (s)"


def test_strength_is_the_field_itself_with_one_channel(model: Continuum) -> None:
    values, label = fields.strength(model.fields["W"], 0.5)
    points = np.linspace(-1, 1, fields.GRID)
    assert label == "W" and values.shape == (fields.GRID, fields.GRID)
    for i, j in ((0, 0), (3, 70), (120, 17)):  # first index ξ, second ξ′
        assert values[i, j] == pytest.approx(float(model.fields["W"](points[i], points[j], 0.5)), abs=1e-14)


def test_of_several_channels_the_size_is_drawn() -> None:
    model = random_model({**FUNCTION, "equation": {**FUNCTION["equation"], "channels": 2}})
    values, label = fields.strength(model.fields["W"], 0.5)
    assert values.shape == (fields.GRID, fields.GRID) and (values >= 0).all() and "channels" in label


def _scaled(field: Field, sizes: list[float]) -> Field:
    (slab,) = field.slabs
    return field.with_coefficients([slab.coefficients * np.array(sizes)[:, None, None]])


def test_a_sentence_says_where_a_field_is_strongest(model: Continuum) -> None:
    ones = model.fields["W"].with_coefficients([np.ones_like(s.coefficients) for s in model.fields["W"].slabs])
    assert "about the same at every depth" in fields.said(ones)
    said = fields.said(_scaled(ones, [1.0, 4.0]))
    assert "strongest at δ = 0.75 and weakest, 25% of that, at δ = 0.25" in said


def test_kernels_are_drawn_over_distances_in_the_users_units() -> None:
    spec = EVERY["kernel on a square"]
    square = random_model({**spec, "input": {"domain": [["0", "4"], ["0", "2"]], "unit": ["cm", "mm"]}})
    figure = square.plot.fields()
    assert labels(figure)[0][1:] == ("η − η′ (mm)", "base\nξ − ξ′ (cm)")
    assert figure.axes[0].images[0].get_extent() == [-0.5, 0.5, -1, 1]
    line = {**FUNCTION, "equation": {**FUNCTION["equation"], "reach": "1/2"}, "input": UNITS,
            "weight": {"kernel": {"family": "hat", "size": 3}, "depth": {"family": "p0", "cells": 1}}}  # fmt: skip
    axes = random_model(line).plot.fields().axes[0]
    assert axes.get_xlabel() == "ξ − ξ′ (s)"
    assert axes.lines[0].get_xdata()[[0, -1]].tolist() == [-3, 3]


@pytest.mark.slow
def test_states_are_drawn_over_points_in_the_users_units(model: Continuum, data: Records) -> None:
    figure = model.plot.states(data, [0, 1, 2], ["a", "b", "c"])
    assert labels(figure) == [("a", "ξ (s)", "δ"), ("b", "ξ (s)", ""), ("c", "ξ (s)", ""), ("", "", "h")]
    assert figure.axes[0].get_xlim() == (0, 12)
    mesh = figure.axes[1].collections[0]
    _, values = model.trajectory(data.take([1]), at=np.linspace(0, 12, mesh.get_array().shape[1]))
    np.testing.assert_allclose(mesh.get_array(), values[0, ..., 0], atol=1e-13)
    assert [title for title, *_ in labels(model.plot.states(data))[:-1]] == [f"record {k}" for k in range(4)]


@pytest.mark.slow
def test_states_on_a_square() -> None:
    model = random_model(EVERY["square"])
    x = np.random.default_rng(0).standard_normal((2, 7, 7, 1))
    titles = [title for title, *_ in labels(model.plot.states(records(x)))]
    assert titles == ["δ = 0", "δ = 0.5", "δ = 1"] * 2


def test_records_are_chosen_from_all_classes() -> None:
    x = np.zeros((6, 5))
    y = np.array([1, 1, 1, 1, 0, 2])
    assert first_of_each(records(x, y=y), most=3) == [0, 4, 5]
    assert first_of_each(records(x, xi=None), most=3) == [0, 1, 2]


def test_records_lie_at_their_points_and_without_over_the_domain(data: Records) -> None:
    frame = Frame(((0.0, 12.0),), ("s",))
    figure = cases(data, [0, 1], ["first", "second"], frame)
    assert labels(figure) == [("first", "ξ (s)", ""), ("second", "ξ (s)", "")]
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), data.samples()[1][:, 0])
    bare = cases(records(bumps()["x"]), [0], ["first"], frame)
    for drawn in (figure, bare):
        assert drawn.axes[0].lines[0].get_xdata()[[0, -1]].tolist() == [0, 12]
    squares = cases(records(np.zeros((1, 4, 4, 1))), [0], ["square"])
    assert len(squares.axes[0].images) == 1


# --- studies ------------------------------------------------------------------------------------------------


def test_a_study_has_the_slope_that_is_expected_beside_it() -> None:
    n, e = np.array([4.0, 8.0, 16.0]), np.array([3e-2, 2e-3, 1e-4])
    axes = studies.convergence({"": (n, e)}, "steps", -3).axes[0]
    reference = axes.lines[-1]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("steps", "error")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["slope −3"]
    np.testing.assert_allclose(reference.get_ydata(), 1e-4 * (n / 16) ** -3.0)
    two = studies.convergence({"one": (n, e), "two": (n, 2 * e)}, "t").axes[0]
    assert len(two.lines) == 2
    assert [text.get_text() for text in two.get_legend().get_texts()] == ["one", "two"]
    assert studies.convergence({"": ((4.0,), (0.0,))}, "t", -2).axes[0].get_legend() is None  # nothing to lean on


def test_the_region_of_stability_is_that_of_the_function() -> None:
    """Of the explicit Euler method the disc around −1."""
    axes = studies.stability("euler", [1.0, 1.0], [1.0]).axes[0]
    (path,) = (part for part in axes.collections[1].get_paths())
    assert np.abs(np.abs(path.vertices[:, 0] + 1j * path.vertices[:, 1] + 1) - 1).max() < 0.02
    assert "euler" in axes.get_title()


# --- what a notebook shows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [{**NUMBERS, "input": UNITS}, EVERY["gated"], EVERY["square"]])
def test_models_and_specs_show_themselves(declared: dict[str, Any]) -> None:
    from xml.etree import ElementTree

    model = random_model({**declared, "summary": "a <b> & c"})
    for shown in (model._repr_html_(), model.spec._repr_html_()):
        text = "".join(ElementTree.fromstring(shown.replace("<br>", "<br/>")).itertext()).replace("\u2061", "")
        assert "a <b> & c" in text and "∂h" in text
        assert ("tanh(u" in text) == (declared is EVERY["gated"])
        assert ("activation" in text) == (declared is not EVERY["gated"])
    assert f"{model.size:,}: " in model._repr_html_()


def test_the_rate_of_a_spec_is_typeset() -> None:
    spec = load_spec({**FUNCTION, "equation": {"rate": "tanh(u) - a*h**3/2", "parameters": {"a": "1/2"}}})
    shown = spec._repr_html_()
    assert "**" not in shown and "<msup>" in shown and "<mfrac>" in shown


def test_notebooks_are_told_how_to_show_a_picture(model: Continuum) -> None:
    """By the figure itself: pyplot tells them with its first figure, and not before."""
    formatters = pytest.importorskip("IPython.core.formatters")
    shown, _ = formatters.DisplayFormatter().format(model.plot.fields())
    assert shown["image/png"].startswith(b"\x89PNG")
