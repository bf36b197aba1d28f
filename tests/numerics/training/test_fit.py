"""Training: resuming bit for bit, stopping, splitting, and refusing. Mostly on a linear classifier that stands in
for a continuum, so that hundreds of runs are quick; the last part trains a continuum."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.declaration import load_spec
from derive.errors import CheckpointError, DataError, TrainingError
from numerics import datasets
from numerics.model import checkpoint, file_format
from numerics.model.continuum import Continuum
from numerics.training.run import _say_once, fit
from numerics.training.split import split
from tests.oracles.classifier import (
    Array,
    Classifier,
    Killed,
    Part,
    killing,
    problem,
    same,
    stand_in_files,  # noqa: F401
)

# --- epochs -------------------------------------------------------------------------------------------------


def test_an_epoch_sees_every_record_once_in_a_seeded_order() -> None:
    model, data = problem(count=23)
    seen: list[Array] = []

    class Watched(Classifier):
        def objective(self, part: Part, v: Array) -> tuple[float, Array]:
            seen.append(part.x[:, 0])
            return super().objective(part, v)

    watched = Watched(model.coordinates)
    fit(watched, data, batch=5, epochs=2, seed=3)
    assert [len(part) for part in seen] == [5, 5, 5, 5, 3] * 2
    everything = np.sort(np.stack(data.samples())[:, 0, 0])
    first, second = np.concatenate(seen[:5]), np.concatenate(seen[5:])
    assert np.array_equal(np.sort(first), everything) and np.array_equal(np.sort(second), everything)
    assert not np.array_equal(first, second)
    once = list(seen)
    seen.clear()
    fit(watched, data, batch=5, epochs=2, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(once, seen))


def test_rows_hold_the_epochs_mean_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = problem(count=23)
    part = model.prepare(data)
    done = fit(model, data, optimiser="gradient-descent", epochs=1)
    assert done.history[0]["loss"] == pytest.approx(model.objective(part, model.coordinates)[0], rel=1e-14)
    assert done.history[0].keys() == {"level", "epoch", "loss", "seconds", "flops"}
    losses = []

    class Watched(Classifier):
        def objective(self, part: Part, v: Array) -> tuple[float, Array]:
            found = super().objective(part, v)
            losses.append(len(part) * found[0])
            return found

    done = fit(Watched(model.coordinates), data, batch=10, epochs=1, validation=0.2)
    assert done.history[0]["loss"] == pytest.approx(sum(losses) / 18, rel=1e-14)
    assert {"validation", "validation accuracy"} < done.history[0].keys()


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_training_trains(optimiser: str) -> None:
    model, data = problem()
    part = model.prepare(data)
    done = fit(model, data, optimiser=optimiser, epochs=300, learning_rate=0.1)
    assert np.linalg.norm(model.objective(part, done.coordinates)[1]) < 1e-3
    if optimiser == "lbfgs":  # stops by itself when nothing is left to do
        assert len(done.history) < 60 and done.training["stopped"]


def test_no_epochs_change_nothing(continuum: Continuum, waves: Any) -> None:
    done = fit(continuum, waves, epochs=0)
    np.testing.assert_allclose(done.coordinates, continuum.coordinates, rtol=1e-14)
    assert done.history == continuum.history


def test_patience_stops_early() -> None:
    model, data = problem()
    done = fit(model, data, validation=0.3, learning_rate=2.0, epochs=200, patience=4)
    losses = [row["validation"] for row in done.history]
    assert len(losses) < 200 and int(np.argmin(losses)) == len(losses) - 5


def test_lists_arrays_and_records_are_the_same_data() -> None:
    model, data = problem()
    x = np.stack(data.samples())[:, :, 0]
    assert same(fit(model, x, data.y, epochs=2), fit(model, data, epochs=2))


def test_the_mesh_dependent_optimiser_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    model, data = problem()
    _say_once.cache_clear()
    fit(model, data, epochs=1)
    assert capsys.readouterr() == ("", "")
    for _ in range(2):
        fit(model, data, epochs=1, optimiser="adam-coordinatewise")
    assert capsys.readouterr().err.count("depend on the mesh") == 1


def test_progress_shows_loss_and_throughput(capsys: pytest.CaptureFixture[str]) -> None:
    model, data = problem()
    fit(model, data, epochs=4, validation=0.2, progress=True)
    shown = capsys.readouterr()
    assert re.search(r"4/4 .* objective \d.* validation \d.* records/s", shown.err) and not shown.out


def test_what_is_returned_and_validated_is_the_mean_of_the_steps() -> None:
    """Against the sum over all steps that defines it; the steps themselves are those of the run that keeps none."""
    model, data = problem(count=23)
    options = {"batch": 10, "epochs": 4, "validation": 0.2, "seed": 3}
    steps: list[Array] = []

    class Watched(Classifier):
        def objective(self, part: Part, v: Array) -> tuple[float, Array]:
            steps.append(v)
            return super().objective(part, v)

    last = fit(Watched(model.coordinates), data, **options)
    seen: list[Array] = []
    done = fit(
        model, data, averaging=0.7, callback=lambda now, row: seen.append(now.training["average"]), **options
    )  # fmt: skip
    after = [*steps[1:], last.training["vector"]]
    assert np.array_equal(done.training["vector"], after[-1]) and len(after) == 8
    for epoch, average in enumerate(seen, 1):
        weights = 0.7 ** np.arange(2 * epoch)[::-1]
        expected = weights @ np.array(after[: 2 * epoch]) / weights.sum()
        np.testing.assert_allclose(average, expected, rtol=0, atol=1e-14)
        held = model.prepare(data).take(split(23, data.y, 0.2, 3)[1])
        loss = replace(model, coordinates=expected).scores(held)["loss"]
        assert done.history[epoch - 1]["validation"] == pytest.approx(loss, rel=1e-12)
    best = int(np.argmin([row["validation"] for row in done.history]))
    assert np.array_equal(done.coordinates, seen[best])
    plain = fit(model, data, averaging=0.7, batch=10, epochs=2)
    assert np.array_equal(plain.coordinates, plain.training["average"])


def test_a_run_without_its_average_is_not_resumed(tmp_path: Path) -> None:
    model, data = problem()
    out = tmp_path / "m.npz"
    fit(model, data, out=out, epochs=2, averaging=0.9)
    header, arrays = file_format.read(out)
    for changed in ({}, {"average": np.zeros(3)}):
        file_format.write(out, header, {key: a for key, a in arrays.items() if key != "average"} | changed)
        with pytest.raises(CheckpointError, match="3 coordinates" if changed else "without 'average'"):
            fit(model, data, out=out, resume=True)


# --- refusing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["loss", "gradient", "validation"])
def test_what_is_not_finite_stops_with_its_place_and_keeps_the_file(tmp_path: Path, what: str) -> None:
    model, data = problem()
    calls = 0

    class Unstable(Classifier):
        def objective(self, part: Part, v: Array) -> tuple[float, Array]:
            nonlocal calls
            calls += 1
            loss, gradient = super().objective(part, v)
            if calls == 8 and what != "validation":
                return (math.nan, gradient) if what == "loss" else (loss, gradient * np.nan)
            return loss, gradient

        def scores(self, part: Part) -> dict[str, float]:
            found = super().scores(part)
            return {**found, "loss": math.inf} if calls >= 8 and what == "validation" else found

    out = tmp_path / "m.npz"
    place = "epoch 2" if what == "validation" else "epoch 2, batch 4 of 4"
    with pytest.raises(TrainingError, match=place):
        fit(Unstable(model.coordinates), data, batch=10, validation=0.2, out=out, save_every=0)
    kept = checkpoint.load(out)
    assert len(kept.history) == 1 and np.isfinite(kept.training["vector"]).all()
    assert kept.training["batch"] == (4 if what == "validation" else 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": -1}, "epochs -1"),
        ({"optimiser": "adamw"}, "adam, adam-coordinatewise, kronecker, lbfgs"),
        ({"learning_rate": 0.0}, "learning_rate 0.0"),
        ({"learning_rate": math.nan}, "learning_rate nan"),
        ({"batch": 0}, "batch 0"),
        ({"validation": 1.0}, "validation 1.0"),
        ({"patience": 3}, "patience without validation"),
        ({"patience": 0, "validation": 0.1}, "patience 0"),
        ({"seed": -1}, "seed -1"),
        ({"optimiser": "lbfgs", "batch": 7}, "lbfgs with batches of 7"),
        ({"optimiser": "gauss-newton", "batch": 7}, "gauss-newton with batches of 7"),
        ({"optimiser": "gauss-newton", "clip": 1.0}, "clip with gauss-newton"),
        ({"schedule": "cosin"}, "cosine, constant, one-cycle, steps"),
        ({"schedule": 3}, "schedule 3"),
        ({"schedule": "steps", "optimiser": "gradient-descent"}, "gradient-descent keeps its rate"),
        ({"clip": 0.0}, "clip 0.0"),
        ({"clip": "1"}, "clip '1'"),
        ({"clip": 1.0, "optimiser": "lbfgs"}, "clip with lbfgs"),
        ({"averaging": 1.0}, "averaging 1.0"),
        ({"averaging": -0.1}, "averaging -0.1"),
        ({"warmup": 0}, "warmup 0"),
        ({"warmup": 2.0}, "a whole number"),
        ({"warmup": 2, "optimiser": "lbfgs"}, "warmup with lbfgs"),
        ({"warm_up": 2}, "did you mean 'warmup'"),
        ({"validation": 0.001}, "validation 0.001 of 41"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], said: str) -> None:
    model, data = problem()
    with pytest.raises(TrainingError, match=said):
        fit(model, data, **options)


def test_records_without_targets() -> None:
    model, data = problem()
    with pytest.raises(DataError, match="without targets"):
        fit(model, np.stack(data.samples())[:, :, 0])


# --- splitting ----------------------------------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    share=st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9]),
    seed=st.integers(0, 3),
)
def test_splits_are_stratified(counts: list[int], share: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    try:
        kept, held = split(len(labels), labels, share, seed)
    except TrainingError:
        assert all(n == 1 or share * n < 1 for n in counts)
        return
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(labels)))
    found = Counter(labels[held].tolist())
    for kind, count in enumerate(counts):
        assert found[kind] <= count - 1
        assert found[kind] >= min(math.floor(share * count), count - 1)
        assert found[kind] <= math.ceil(share * count)
    again = split(len(labels), labels, share, seed)
    assert np.array_equal(again[1], held)


def test_splits_differ_by_seed_and_work_without_classes() -> None:
    kept, held = split(50, None, 0.2, 0)
    assert len(held) == 10 and len(kept) == 40
    assert not np.array_equal(held, split(50, None, 0.2, 1)[1])
    kept, held = split(50, None, 0.0, 0)
    assert len(kept) == 50 and not len(held)


# --- a continuum --------------------------------------------------------------------------------------------

SMALL, ONCE = {"family": "legendre", "size": 4}, {"family": "p0", "cells": 1}
SPEC = {
    "name": "trained",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "legendre", "size": 6}},
    "weight": {"width_out": SMALL, "width_in": SMALL, "depth": ONCE},
    "bias": {"width": SMALL, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": SMALL},
    "loss": {"kind": "cross-entropy", "penalty": {"W": "1/1000"}},
    "training": {"optimiser": "adam", "epochs": 8, "learning_rate": 0.1},
}


@pytest.fixture(scope="module")
def continuum() -> Continuum:
    return Continuum.from_spec(load_spec(SPEC), seed=2)


@pytest.fixture(scope="module")
def waves() -> Any:
    """Two classes that a slope tells apart, with noise; every record sampled at points of its own."""
    generator = np.random.default_rng(4)
    points = [np.sort(generator.uniform(-1, 1, generator.integers(8, 15))) for _ in range(60)]
    labels = generator.permutation(np.repeat(["down", "up"], 30))
    signs = np.where(labels == "up", 1.0, -1.0)
    x = [s * xi + 0.3 * generator.standard_normal(len(xi)) for s, xi in zip(signs, points)]
    return datasets.records(x, xi=points, y=labels)


KILLED = [
    {"batch": 16, "validation": 0.2},
    {"optimiser": "lbfgs"},
    {"optimiser": "gauss-newton"},
    {"batch": 16, "schedule": "one-cycle", "clip": 0.1, "averaging": 0.8},
]


@pytest.mark.first(1)
@pytest.mark.parametrize("options", KILLED)
def test_a_continuum_killed_in_the_middle_goes_on_with_the_same_bits(
    continuum: Continuum, waves: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    expected = fit(continuum, waves, **options)
    out = tmp_path / "m.npz"
    with pytest.raises(Killed):
        fit(killing(continuum, 7), waves, out=out, save_every=0, **options)
    resumed = fit(Continuum.from_spec(load_spec(SPEC), seed=2), waves, out=out, resume=True, **options)
    assert same(resumed, expected) and same(checkpoint.load(out), expected)
    assert resumed.classes == ("down", "up")
    assert np.array_equal(resumed(waves), expected(waves))


@pytest.mark.slow
def test_a_continuum_learns(continuum: Continuum, waves: Any) -> None:
    prepared = continuum.prepare(waves)
    for optimiser, epochs in (("adam", 60), ("lbfgs", 30), ("gauss-newton", 10)):
        done = fit(continuum, waves, optimiser=optimiser, epochs=epochs)
        assert done.loss(prepared) < 0.3 * continuum.loss(prepared)
        assert done.scores(prepared)["accuracy"] > 0.95
    assert continuum.history == () and continuum.training is None


def test_a_riesz_step_on_uniform_p0_is_plain_sgd_with_known_factors() -> None:
    """Section 5's check by hand: dL/dw and the L2 gradient differ by the cells' measure, (2/n)² for W, 2/n for b."""
    cells = {"family": "p0", "cells": 5}
    spec = {
        **SPEC, "name": "by-hand", "state": {"basis": cells}, "loss": {"kind": "cross-entropy"},
        "weight": {"width_out": cells, "width_in": cells, "depth": ONCE}, "bias": {"width": cells, "depth": ONCE},
        "readout": {"outputs": 2, "basis": cells},
    }  # fmt: skip
    model = Continuum.from_spec(load_spec(spec), seed=0)
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((7, 11)), generator.integers(0, 2, 7)
    _, gradient = model.value_and_gradient(x, y, metric="coefficients")
    done = fit(model, x, y, optimiser="gradient-descent", learning_rate=0.3, epochs=1)
    for name, measure in (("W", 2 / 5 * 2 / 5), ("b", 2 / 5), ("R", 2 / 5), ("a", 1.0)):
        before, after, g = (m[name].slabs[0].coefficients for m in (model.fields, done.fields, gradient))
        assert np.allclose(after, before - 0.3 / measure * g, rtol=0, atol=1e-14)


@pytest.mark.first(1)
@pytest.mark.parametrize("cells", [4, 8, 16])
def test_a_gradient_is_clipped_at_its_norm_as_a_function(cells: int) -> None:
    """One step of gradient descent, clipped: every field moves by −rate · clip · g/‖g‖, ‖·‖ the fields' own L2 norm."""
    basis = {"family": "hat", "cells": cells}
    spec = {
        **SPEC, "name": "clipped", "weight": {"width_out": basis, "width_in": basis, "depth": ONCE},
        "bias": {"width": basis, "depth": ONCE},
    }  # fmt: skip
    model = Continuum.from_spec(load_spec(spec), seed=0)
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((7, 11)), generator.integers(0, 2, 7)
    _, gradient = model.value_and_gradient(x, y)
    size = math.sqrt(sum(g.squared_norm() for g in gradient.values()))
    for clip in (0.3 * size, 2 * size):
        done = fit(model, x, y, optimiser="gradient-descent", learning_rate=0.3, epochs=1, clip=clip)
        for name, g in gradient.items():
            before, after, step = (f.slabs[0].coefficients for f in (model.fields[name], done.fields[name], g))
            assert np.allclose(after, before - 0.3 * min(clip / size, 1) * step, rtol=0, atol=1e-13)


@pytest.mark.parametrize("optimiser", ["lbfgs", "gauss-newton"])
def test_what_compares_steps_needs_the_same_records_in_all(continuum: Continuum, optimiser: str) -> None:
    x, y = np.zeros((6, 20)), np.arange(6) % 2
    for changing in ({"thin": 0.5}, {"augment": lambda data, generator: data}):
        with pytest.raises(TrainingError, match="records that every epoch changes"):
            fit(continuum, x, y, optimiser=optimiser, epochs=1, **changing)
