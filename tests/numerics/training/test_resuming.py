"""Runs that are killed or stopped and go on with the same bits, and what is saved when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import CheckpointError
from numerics import datasets
from numerics.model import checkpoint, file_format
from numerics.training.run import fit
from tests.oracles.classifier import (
    Killed,
    killing,
    problem,
    same,
    stand_in_files,  # noqa: F401
)

# --- resuming -----------------------------------------------------------------------------------------------

RUNS = st.fixed_dictionaries(
    {"optimiser": st.sampled_from(["adam", "adam-coordinatewise", "kronecker", "gradient-descent", "lbfgs"])},
    optional={
        "batch": st.integers(3, 50),
        "validation": st.sampled_from([0.2, 0.3]),
        "seed": st.integers(0, 5),
        "averaging": st.sampled_from([0.5, 0.9]),
        "clip": st.sampled_from([0.05, 0.3]),
        "schedule": st.sampled_from(["constant", "one-cycle", "steps"]),
        "warmup": st.integers(1, 4),
    },
)


@given(options=RUNS, kill=st.integers(2, 14), patience=st.booleans())
def test_a_killed_run_goes_on_with_the_same_bits(tmp_path_factory, options, kill: int, patience: bool) -> None:
    """Killed anywhere, in the middle of an epoch too: every number equals the undisturbed run's."""
    if options["optimiser"] == "lbfgs":
        for name in ("batch", "clip", "schedule", "warmup"):
            options.pop(name, None)
        kill += 8  # its first step, before which there is nothing to save, takes several evaluations
    if options["optimiser"] == "gradient-descent":
        options.pop("schedule", None)
        options.pop("warmup", None)
    if patience and "validation" in options:
        options["patience"] = 2
    model, data = problem()
    expected = fit(model, data, **options)
    out = tmp_path_factory.mktemp("run") / "m.npz"
    try:
        fit(killing(model, kill), data, out=out, save_every=0, **options)
    except Killed:
        pass
    resumed = fit(model, data, out=out, resume=True, **options)
    assert same(resumed, expected)
    assert same(checkpoint.load(out), expected)


def test_a_callback_that_raises_leaves_a_run_to_resume(tmp_path: Path) -> None:
    model, data = problem()

    def callback(_: Any, row: dict[str, Any]) -> None:
        if row["epoch"] == 3:
            raise Killed

    options = {"batch": 10, "validation": 0.2}
    with pytest.raises(Killed):
        fit(model, data, out=tmp_path / "m.npz", save_every=0, callback=callback, **options)
    resumed = fit(model, data, out=tmp_path / "m.npz", resume=True, **options)
    assert same(resumed, fit(model, data, **options))


def test_a_run_stopped_in_memory_goes_on_without_a_file() -> None:
    model, data = problem()
    half = fit(model, data, callback=lambda _, row: row["epoch"] == 2)
    assert len(half.history) == 2
    assert same(fit(half, data, resume=True), fit(model, data))
    assert not same(half, fit(model, data))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    model, data = problem()
    done = fit(model, data, out=tmp_path / "m.npz")
    before = (tmp_path / "m.npz").read_bytes()
    assert same(fit(model, data, out=tmp_path / "m.npz", resume=True), done)
    assert (tmp_path / "m.npz").read_bytes() == before


def test_a_second_run_appends_to_the_history() -> None:
    model, data = problem()
    twice = fit(fit(model, data, epochs=2), data, epochs=3)
    assert [row["epoch"] for row in twice.history] == [1, 2, 1, 2, 3]


def test_other_data_options_specs_and_files_are_not_resumed(tmp_path: Path) -> None:
    model, data = problem()
    out = tmp_path / "m.npz"
    with pytest.raises(CheckpointError, match="no run to resume"):
        fit(model, data, out=out, resume=True)
    fit(model, data, out=out, epochs=2)
    _, other = problem(seed=1)
    with pytest.raises(CheckpointError, match="the records"):
        fit(model, other, out=out, epochs=2, resume=True)
    changed = datasets.records(np.stack(data.samples()), y=1 - data.y)
    with pytest.raises(CheckpointError, match="the records"):
        fit(model, changed, out=out, epochs=2, resume=True)
    moved = datasets.records(np.stack(data.samples()), xi=np.linspace(-1, 0.9, 7), y=data.y)
    with pytest.raises(CheckpointError, match="the records"):
        fit(model, moved, out=out, epochs=2, resume=True)
    for options in ({"epochs": 3}, {"learning_rate": 0.04}, {"batch": 5}, {"seed": 1}, {"optimiser": "lbfgs"}):
        with pytest.raises(CheckpointError, match=f"{next(iter(options))}: .* then, .* now"):
            fit(model, data, out=out, resume=True, **{"epochs": 2, **options})
    with pytest.raises(CheckpointError, match="spec or its level"):
        fit(replace(model, level="fine"), data, out=out, epochs=2, resume=True)
    header, arrays = file_format.read(out)
    file_format.write(out, header, {key: a for key, a in arrays.items() if key != "vector"})
    with pytest.raises(CheckpointError, match="without 'vector'"):
        fit(model, data, out=out, epochs=2, resume=True)


# --- saving and interrupting --------------------------------------------------------------------------------


def test_ctrl_c_saves_says_so_and_the_run_goes_on(tmp_path: Path) -> None:
    model, data = problem()
    out = tmp_path / "m.npz"

    def interrupt(_: Any, row: dict[str, Any]) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"interrupted in epoch 4; saved to .*m\.npz"):
        fit(model, data, out=out, callback=interrupt, batch=10)
    assert len(checkpoint.load(out).history) == 3
    assert same(fit(model, data, out=out, resume=True, batch=10), fit(model, data, batch=10))
    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        fit(model, data, callback=interrupt)


def test_saves_are_as_rare_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = problem()
    clock, saved = [0.0], []
    monkeypatch.setattr("numerics.training.resume.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("numerics.training.resume.save", lambda found, path: saved.append(found.training["epoch"]))

    def callback(*_: Any) -> None:
        clock[0] += 1.0

    fit(model, data, out=tmp_path / "m.npz", epochs=35, save_every=10, callback=callback)
    assert saved == [10, 20, 30, 35]


def test_an_unwritable_place_is_found_before_training(tmp_path: Path) -> None:
    model, data = problem()
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(CheckpointError, match="folder"):
        fit(killing(model, 1), data, out=tmp_path / "folder.npz")


def test_the_model_in_the_file_is_the_best_so_far_not_the_last(tmp_path: Path) -> None:
    model, data = problem()
    found = []

    def callback(now: Any, row: dict[str, Any]) -> None:
        found.append((row["validation"], now.coordinates))

    done = fit(
        model, data, validation=0.3, learning_rate=2.0, epochs=20, out=tmp_path / "m.npz", callback=callback
    )  # fmt: skip
    losses = [loss for loss, _ in found]
    best = int(np.argmin(losses))
    assert best < 19
    assert np.array_equal(done.coordinates, found[best][1])
    assert np.array_equal(checkpoint.load(tmp_path / "m.npz").coordinates, done.coordinates)
    assert not np.array_equal(done.training["vector"], done.coordinates)
