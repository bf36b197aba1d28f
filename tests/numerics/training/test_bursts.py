"""Training on a GPU is that on the host to rounding, without copies between steps, and goes on after interruptions."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any
from unittest import mock

import numpy as np
import pytest

from derive.errors import TrainingError
from numerics import Continuum, fit, load
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch
from numerics.training import bursts
from tests.oracles import lockstep

P0, HAT, ONE = {"family": "p0", "cells": 3}, {"family": "hat", "cells": 3}, {"family": "p0", "cells": 1}
SPEC: dict[str, Any] = {
    "name": "bursts", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": HAT}, "weight": {"width_out": HAT, "width_in": P0, "depth": ONE},
    "bias": {"width": P0, "depth": ONE}, "integration": {"tableau": "euler", "steps": 2},
    "readout": {"outputs": 2, "basis": HAT}, "loss": {"kind": "cross-entropy"},
}  # fmt: skip
LIFTED = SPEC | {
    "equation": SPEC["equation"] | {"channels": 2}, "lift": {"inputs": 1}, "readout": {"outputs": 1},
    "loss": {"kind": "l2"},
}  # fmt: skip
LEGENDRE = [{"family": "legendre", "degree": degree} for degree in (2, 4)]
UNSEEN = SPEC | {"state": {"basis": LEGENDRE[0]}, "readout": {"outputs": 2, "basis": LEGENDRE[1]}}
X, Y = np.random.default_rng(0).standard_normal((5, 7)), np.array([0, 1, 1, 0, 1])
ONE_THREAD = Launch(records=3, threads=(1, 1), blocks=2)  # the same text, without turns between threads


@pytest.fixture(autouse=True)
def nothing_there() -> None:
    """Jobs of earlier tests may wait for the collector of garbage."""
    bursts._stations.clear()


def trained(spec: dict[str, Any], device: str, y: np.ndarray = Y, **options: Any) -> Continuum:
    model = Continuum.from_spec(spec, seed=0).replace(device=device)
    with mock.patch("numerics.kernels.cuda.Launch", lambda: ONE_THREAD):
        return fit(model, X, y, **{"epochs": 2, "learning_rate": 0.05, **options})


SHARES = {"levels": ["0", "1/3"], "width": "1/4"}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "adam": (SPEC, {}),
    "adam, batches": (SPEC, {"batch": 2, "epochs": 3}),
    "coordinatewise, clipped": (SPEC, {"optimiser": "adam-coordinatewise", "clip": 0.01, "batch": 3}),
    "descent, averaged": (SPEC, {"optimiser": "gradient-descent", "averaging": 0.5, "batch": 3}),
    "decay, schedule, clipped": (SPEC, {"weight_decay": 0.1, "warmup": 1, "clip": 0.01, "batch": 4}),
    "penalties": (SPEC | {"loss": {"kind": "cross-entropy", "penalty": {"W": "1/10", "R": "1/5"}}}, {"batch": 3}),
    "weights": (SPEC, {"weights": np.array([1, 0, 2.0, 0.5, 3]), "batch": 3}),
    "validation": (SPEC, {"validation": 0.4, "batch": 2}),
    "shares": (SPEC | {"readout": SPEC["readout"] | {"shares": SHARES}}, {"batch": 3}),
    "functions, lift": (LIFTED, {"batch": 3, "y": X[:, :, None]}),
    "checkpoints": (SPEC | {"integration": {"tableau": "heun", "steps": 4}}, {"memory": "checkpoint", "batch": 4}),
    "a readout of more functions than the state has": (UNSEEN, {}),
    "changing records": (SPEC, {"jitter": 0.1, "batch": 3}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_training_on_the_host_to_rounding(name: str) -> None:
    spec, options = CASES[name]
    host = trained(spec, "cpu", **options)
    by_host = mock.patch("numerics.training.run._advanced", side_effect=AssertionError("a step by the host"))
    with lockstep.device(), by_host:
        there = trained(spec, "cuda", **options)
    assert np.allclose(there.coordinates, host.coordinates, rtol=1e-10, atol=1e-12)
    for mine, other in zip(there.history, host.history, strict=True):
        assert mine.keys() == other.keys() and mine["flops"] == other["flops"]
        for key in mine.keys() - {"seconds", "level"}:
            assert mine[key] == pytest.approx(other[key], rel=1e-10), key


def test_threads_of_a_block_work_together() -> None:
    """Sums over chunks, long rows of the maps and losses, by several threads in any order."""
    host = trained(SPEC, "cpu", epochs=1, clip=0.01, batch=3)
    own = mock.patch("numerics.kernels.cuda.Launch", lambda: Launch(records=8, threads=(2, 2), blocks=2))
    model = Continuum.from_spec(SPEC, seed=0)
    with lockstep.device(3), own, mock.patch("numerics.model.resident.LONG", 1):
        with mock.patch("numerics.model.resident.CHUNK", 8):
            there = fit(model.replace(device="cuda"), X, Y, epochs=1, learning_rate=0.05, clip=0.01, batch=3)
    assert np.allclose(there.coordinates, host.coordinates, rtol=1e-10, atol=1e-12)


def test_steps_of_a_burst_copy_nothing() -> None:
    """As many copies and allocations for six steps as for two; another burst finds all where it left it."""
    counts = []
    for epochs in (2, 6):
        with lockstep.device() as machine:
            trained(SPEC, "cuda", batch=3, epochs=1)
            machine.count.clear()
            trained(SPEC, "cuda", batch=3, epochs=epochs)
            counts.append(dict(machine.count))
    per_epoch = {name: (counts[1][name] - counts[0][name]) / 4 for name in counts[0]}
    # two steps an epoch: the records' order goes up, and what the host knows of the run comes down
    assert per_epoch["uploads"] == per_epoch["downloads"] == 1 and per_epoch["allocations"] == 0
    assert per_epoch["launches"] == 2 * 23 + 1 and per_epoch["copies"] == 2


def test_an_interrupted_run_goes_on_with_the_same_bits(tmp_path: Any) -> None:
    options = {"batch": 2, "epochs": 4, "averaging": 0.9, "validation": 0.2}
    with lockstep.device(), mock.patch.object(bursts, "STEPS", 2):
        whole = trained(SPEC, "cuda", **options)

        def stop(model: Continuum, row: dict[str, Any]) -> bool:
            return len(model.history) == 2

        trained(SPEC, "cuda", out=tmp_path / "m.npz", callback=stop, **options)
        again = trained(SPEC, "cuda", out=tmp_path / "m.npz", resume=True, **options)
    assert np.array_equal(again.coordinates, whole.coordinates)
    assert load(tmp_path / "m.npz").size == whole.size


@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_stays_on_the_device_when_a_run_is_over(stopped: bool) -> None:
    """But for the model's tables; nor when it was interrupted, and no garbage has to be collected for that."""
    seen: list[weakref.ref[Any]] = []
    bounds: list[CudaBound] = []

    def look(model: Continuum, row: dict[str, Any]) -> None:
        bounds.append(model.bound)
        seen.extend(weakref.ref(station.there.arena) for station in bursts._stations.values() if station is not None)
        if stopped:
            raise KeyboardInterrupt

    gc.collect()
    gc.disable()
    try:
        with lockstep.device() as machine, contextlib.suppress(KeyboardInterrupt):
            machine.pending["bytes"] = 7
            trained(SPEC, "cuda", batch=2, validation=0.4, callback=look)
        assert machine.pending["bytes"] == 0 and seen and not bursts._stations and not bounds[0].arenas
        assert {own() for own in seen} == {None}
    finally:
        gc.enable()


@pytest.mark.parametrize("length", [1, 2, 32])
def test_bursts_of_any_length_give_the_same_bits(length: int) -> None:
    with lockstep.device():
        expected = trained(SPEC, "cuda", batch=2)
        with mock.patch.object(bursts, "STEPS", length):
            found = trained(SPEC, "cuda", batch=2)
    assert np.array_equal(found.coordinates, expected.coordinates)


def test_numbers_that_are_not_finite_have_their_place() -> None:
    """The host goes through the steps of a burst that failed, and says where and why as it always does."""
    said = []
    for device in ("cpu", "cuda"):
        with lockstep.device(), pytest.raises(TrainingError) as raised:
            trained(LIFTED, device, X[:, :, None], optimiser="gradient-descent", learning_rate=1e300, batch=3)
        said.append(raised.value)
    assert said[0].where == said[1].where and "epoch 1, batch 2 of 2" in said[0].where


@pytest.mark.parametrize("options", [{"optimiser": "lbfgs"}, {"optimiser": "kronecker", "batch": 3}])
def test_what_no_burst_can_do_is_the_hosts(options: dict[str, Any]) -> None:
    host = trained(SPEC, "cpu", **options)
    with lockstep.device():
        there = trained(SPEC, "cuda", **options)
    assert np.allclose(there.coordinates, host.coordinates, rtol=1e-7, atol=1e-9)


def test_records_for_which_there_is_no_room_go_there_batch_by_batch(capsys: pytest.CaptureFixture[str]) -> None:
    """Which is found and said once."""
    host = trained(SPEC, "cpu", batch=3)
    refused = mock.patch.object(bursts.Station, "see", side_effect=TrainingError("records", "", "", ""))
    with lockstep.device(), refused as asked:
        capsys.readouterr()
        there = trained(SPEC, "cuda", batch=3)
        assert asked.call_count == 1 and capsys.readouterr().err.count("goes on batch by batch") == 1
    assert np.allclose(there.coordinates, host.coordinates, rtol=1e-10)


@pytest.mark.parametrize("memory", ["stored", "checkpoint"])
@pytest.mark.parametrize("spec", [SPEC, LIFTED])
def test_what_a_burst_takes_was_asked_for_before(spec: dict[str, Any], memory: str) -> None:
    asked, taken = {}, []

    def note(bound: CudaBound, needed: int, what: str) -> None:
        asked[what] = needed

    def look(model: Continuum, row: dict[str, Any]) -> None:
        taken.extend(station.there.arena.bytes for station in bursts._stations.values() if station is not None)

    steps = spec | {"integration": {"tableau": "euler", "steps": 9}}
    y = Y if spec is SPEC else X[:, :, None]
    with lockstep.device(), mock.patch.object(CudaBound, "check_memory", note):
        trained(steps, "cuda", y, batch=4, epochs=1, memory=memory, callback=look)
    needed = asked["a gradient over 4 records"]
    assert len(taken) == 1 and 0.5 * needed < taken[0] <= needed


def test_records_that_are_left_are_given_back_before_others_are_measured() -> None:
    held = []

    def look(bound: CudaBound, needed: int, what: str) -> None:
        held.extend(station.there.held for station in bursts._stations.values() if station is not None)

    with lockstep.device(), mock.patch.object(CudaBound, "check_memory", look):
        trained(SPEC, "cuda", jitter=0.1, epochs=3)
    assert held == [None] * len(held) and len(held) > 2


def test_a_level_that_was_left_keeps_nothing_on_the_device() -> None:
    at_once = []

    def look(model: Continuum, row: dict[str, Any]) -> None:
        at_once.append((row["level"], len(bursts._stations)))

    levels = SPEC | {"levels": {"four": {"integration": {"steps": 4}}}}
    with lockstep.device():
        trained(levels, "cuda", epochs=4, strategy="nested", callback=look)
    assert len({level for level, _ in at_once}) > 1 and {count for _, count in at_once} == {1}


def test_a_run_without_epochs_asks_for_no_device() -> None:
    """What is given back at its end is not made for that, and here there is none."""
    model = Continuum.from_spec(SPEC, seed=0).replace(device="cuda")
    assert len(fit(model, X, Y, epochs=0).history) == 0
