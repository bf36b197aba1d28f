"""Records sampled in other ways, in `evaluate --resample` and in training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import CheckpointError, DataError, TrainingError
from derive.spec import Training
from numerics import Continuum, fit, load
from numerics.command.main import main
from numerics.datasets import Records, records, write
from numerics.datasets.sampling import Augmentation, thinned
from numerics.functions.field import Block
from numerics.training.split import split

SPEC: dict[str, Any] = {
    "name": "sampled",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "legendre", "size": 8}},
    "weight": {
        "width_out": {"family": "legendre", "size": 3}, "width_in": {"family": "legendre", "size": 3},
        "depth": {"family": "p0", "cells": 1},
    },
    "bias": {"width": {"family": "legendre", "size": 3}, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 3}},
    "loss": {"kind": "cross-entropy"},
    "training": {"optimiser": "adam", "epochs": 4, "learning_rate": 0.1, "batch": 4},
}  # fmt: skip
XI = np.linspace(-1, 1, 41)


def data(count: int = 10, functions: bool = False) -> Any:
    generator = np.random.default_rng(0)
    phase = generator.uniform(0, 1, (count, 1))
    x = np.sin(2 * XI + phase)
    return records(x, xi=XI, y=x[:, :, None] ** 2 if functions else np.arange(count) % 2)


def points(found: Any) -> list[np.ndarray]:
    return [np.asarray(xi) for xi in found.points()]


def test_every_second_and_every_fourth() -> None:
    found = data()
    half, quarter = (thinned(found, points(found), way) for way in ("half", "quarter"))
    np.testing.assert_array_equal(half.points()[0], XI[::2])
    np.testing.assert_array_equal(quarter.samples()[3], found.samples()[3][::4])
    np.testing.assert_array_equal(half.y, found.y)
    short = records([np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([5.0])])
    ends = [np.array([-1.0, 1.0]), np.array([-1.0, 0.0, 1.0]), np.array([0.0])]
    assert [len(x) for x in thinned(short, ends, "quarter").samples()] == [2, 2, 1]


def test_a_random_share_is_another_one_for_every_record_and_seed() -> None:
    found = data()
    one, same, other = (thinned(found, points(found), "random30", seed) for seed in (0, 0, 1))
    assert set(one.lengths) == {12}
    np.testing.assert_array_equal(one.xi, same.xi)
    assert not np.array_equal(one.xi, other.xi)
    assert not np.array_equal(one.points()[0], one.points()[1])
    for n, (xi, x) in enumerate(zip(one.points(), one.samples())):
        np.testing.assert_array_equal(x[:, 0], found.samples()[n][np.searchsorted(XI, xi), 0])


def test_target_functions_lose_the_same_points() -> None:
    found = data(functions=True)
    fewer = thinned(found, points(found), "random50")
    for x, y in zip(fewer.samples(), fewer.targets()):
        np.testing.assert_allclose(y, x**2)


@pytest.mark.parametrize("way", ["third", "random0", "random", "random300", 2])
def test_other_ways_are_refused(way: Any) -> None:
    found = data()
    with pytest.raises(DataError, match="random"):
        thinned(found, points(found), way)


def test_augmented_records_are_what_the_words_say() -> None:
    found = data(200)
    generator = np.random.default_rng(1)
    thin = Augmentation(thin=0.3)(found, points(found), generator)
    assert thin.lengths.min() >= 12 and thin.lengths.max() > 36 and len(set(thin.lengths)) > 3
    bent = Augmentation(warp=0.5)(found, points(found), generator)
    slopes = np.concatenate([np.diff(xi) / np.diff(XI) for xi in bent.points()])
    assert slopes.min() >= 0.5 and slopes.max() <= 1.5 and slopes.std() > 0.05
    ends = np.array([xi[[0, -1]] for xi in bent.points()])
    np.testing.assert_allclose(ends, np.tile([-1.0, 1.0], (200, 1)), atol=1e-12)
    np.testing.assert_array_equal(bent.x, found.x)
    noisy = Augmentation(jitter=0.1)(found, points(found), generator)
    assert abs((noisy.x - found.x).std() / (0.1 * found.x.std()) - 1) < 0.05
    np.testing.assert_array_equal(noisy.xi, found.xi)


def test_training_sees_new_samplings_and_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    model, found = Continuum.from_spec(SPEC, seed=0), data()
    plain = fit(model, found)
    ways = {"thin": 0.4, "jitter": 0.1, "warp": 0.2, "weight_decay": 0.1}
    whole = fit(model, found, **ways)
    assert not np.array_equal(plain.coordinates, whole.coordinates)
    assert np.array_equal(whole.coordinates, fit(model, found, **ways).coordinates)

    def stop(_: Any, row: dict[str, Any]) -> bool:
        return bool(row["epoch"] == 2)

    out = tmp_path / "m.npz"
    fit(model, found, **ways, out=out, callback=stop)
    resumed = fit(model, found, out=out, resume=True)
    assert np.array_equal(resumed.coordinates, whole.coordinates)


def noisy(found: Records, generator: np.random.Generator) -> Records:
    noise = 0.1 * generator.standard_normal((len(found), 41))
    return records(found.x.reshape(len(found), -1) + noise, found.y, XI)


def test_training_sees_what_a_function_of_the_user_makes_of_records(tmp_path: Path) -> None:
    model, found = Continuum.from_spec(SPEC, seed=0), data()
    seen: list[Records] = []

    def augment(given: Records, generator: np.random.Generator) -> Records:
        assert given.x.tobytes() == found.x.tobytes()  # those that were given, not the last epoch's
        seen.append(noisy(given, generator))
        return seen[-1]

    one = fit(model, found, augment=augment, epochs=1)
    assert len(seen) == 1
    assert np.array_equal(one.coordinates, fit(model, seen[0], epochs=1).coordinates)
    flipped = records(found.x.reshape(10, -1), xi=XI, y=1 - found.y)
    other = fit(model, found, augment=lambda *_: flipped, epochs=1)  # labels are the function's too
    assert np.array_equal(other.coordinates, fit(model, flipped, epochs=1).coordinates)

    whole = fit(model, found, augment=noisy, thin=0.5)
    out = tmp_path / "m.npz"
    fit(model, found, augment=noisy, thin=0.5, out=out, callback=lambda _, row: row["epoch"] == 2)
    with pytest.raises(CheckpointError, match=r"test_sampling\.noisy then, None now"):
        fit(model, found, out=out, resume=True)
    assert np.array_equal(fit(model, found, augment=noisy, out=out, resume=True).coordinates, whole.coordinates)


def test_functions_of_one_channel_need_no_axis_for_it() -> None:
    """Targets (records, points) are sampled with their records, as (records, points, 1) are."""
    spec = {**SPEC, "name": "curves", "loss": {"kind": "l2"}}
    del spec["readout"]
    model, x = Continuum.from_spec(spec, seed=0), data().x.reshape(10, -1)
    y = np.sin(2 * x)
    flat, full = records(x, xi=XI, y=y), records(x, xi=XI, y=y[:, :, None])
    for options in ({"thin": 0.5}, {"jitter": 0.1, "augment": noisy}, {"thin": 0.5, "validation": 0.3}):
        first, second = (fit(model, given, epochs=2, **options) for given in (flat, full))
        assert np.array_equal(first.coordinates, second.coordinates)
    with pytest.raises(DataError, match="functions"):
        fit(model, records(x, xi=XI, y=y[:, :4]), epochs=1, thin=0.5)


def test_held_out_records_are_not_augmented() -> None:
    model, found = Continuum.from_spec(SPEC, seed=0), data()
    counts = set()

    def augment(given: Records, generator: np.random.Generator) -> Records:
        counts.add(len(given))
        return noisy(given, generator)

    trained = fit(model, found, augment=augment, validation=0.2)
    kept, held = split(10, found.y, 0.2, 0)
    assert counts == {len(kept)}
    assert trained.history[-1]["validation"] == pytest.approx(trained.loss(trained.prepare(found.take(held))))


@pytest.mark.parametrize("made", [None, 3, data(4), records(data().x.reshape(10, -1), xi=XI)])
def test_what_cannot_stand_in_for_records_is_refused(made: Any) -> None:
    with pytest.raises(DataError, match="augment returned"):
        fit(Continuum.from_spec(SPEC, seed=0), data(), augment=lambda *_: made)


def test_weight_decay_shrinks_fields_in_l2() -> None:
    """With a rate that decays by half a cosine, c is multiplied by Π (1 − rate_k λ), the gradient's steps apart."""
    from numerics.training import optimisers

    vector = np.array([1.0, -2.0, 3.0])
    options = Training(learning_rate=0.1, epochs=4, weight_decay=0.5)
    state = optimisers.start((Block("W", slice(0, 3), ((3,),)),), 1, options)
    expected = vector
    for k in range(4):
        state, vector, _ = state.step(lambda v: (0.0, np.zeros(3)), vector)
        expected = expected * (1 - 0.5 * 0.05 * (1 + np.cos(np.pi * k / 4)))
    np.testing.assert_allclose(vector, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "wrong", [{"thin": 0}, {"thin": 1.5}, {"warp": 1}, {"jitter": -1}, {"weight_decay": -1},
              {"weight_decay": 0.1, "optimiser": "lbfgs", "batch": None}],
)  # fmt: skip
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        fit(Continuum.from_spec(SPEC, seed=0), data(), **wrong)


def test_cells_have_no_points_to_leave_out() -> None:
    model = Continuum.from_spec({**SPEC, "input": {"interpolant": "constant"}}, seed=0)
    found = records(np.ones((4, 8)), y=np.array([0, 1, 0, 1]))
    with pytest.raises(TrainingError, match="piecewise-constant"):
        fit(model, found, thin=0.5)


def test_the_command_compares_samplings(tmp_path: Path) -> None:
    model = fit(Continuum.from_spec(SPEC, seed=0), data())
    model.save(tmp_path / "m.npz")
    write(tmp_path / "d.npz", data())
    arguments = ["evaluate", str(tmp_path / "m.npz"), "--data", str(tmp_path / "d.npz"), "--resample"]
    done = CliRunner().invoke(main, [*arguments, "half,random30", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert set(found["resampled"]) == {"half", "random30"}
    fewer = thinned(data(), points(data()), "half")
    expected = load(tmp_path / "m.npz")(fewer) - model(data())
    change = np.linalg.norm(expected) / np.linalg.norm(model(data()))
    assert found["resampled"]["half"]["change of the outputs"] == pytest.approx(change, rel=1e-6)
    done = CliRunner().invoke(main, [*arguments, "half"])
    assert "as recorded" in done.output and "change of the outputs" in done.output
    done = CliRunner().invoke(main, [*arguments, "third"])
    assert done.exit_code == 2 and "random30" in done.output


def test_the_command_counts_weights_at_fewer_points(tmp_path: Path) -> None:
    """As it counts records that are there so often."""
    model, counts = fit(Continuum.from_spec(SPEC, seed=0), data(), epochs=1), np.arange(len(data())) % 3
    model.save(tmp_path / "m.npz")
    found = []
    for given in (data().weighted(counts), data().take(np.repeat(np.arange(len(counts)), counts))):
        write(tmp_path / "d.npz", given)
        arguments = ["evaluate", str(tmp_path / "m.npz"), "--data", str(tmp_path / "d.npz"), "--resample", "half"]
        done = CliRunner().invoke(main, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        found.append(json.loads(done.output)["resampled"]["half"])
    assert found[0] == pytest.approx(found[1], rel=1e-10)


def test_records_keep_what_is_said_of_them() -> None:
    given = replace(data().weighted(np.arange(len(data()))), names=tuple(map(str, range(len(data())))))
    changed = Augmentation(thin=0.5)(given, points(given), np.random.default_rng(0))
    for found in (thinned(given, points(given), "half"), changed):
        np.testing.assert_array_equal(found.weights, given.weights)
        assert found.names == given.names
