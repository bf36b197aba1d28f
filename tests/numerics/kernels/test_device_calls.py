"""What calls of a model on a GPU cost in launches, allocations and copies, and what is refused before they begin."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from derive.errors import ContinuumError, DataError, RepresentationError, TrainingError
from numerics import Continuum, fit
from numerics.datasets import source
from numerics.kernels import launch, threads
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch, flight
from numerics.kernels.specialised import specialised
from numerics.model.prepared import Prepared
from tests.builders import ROOT
from tests.oracles import lockstep

P0, HAT, ONE = {"family": "p0", "cells": 3}, {"family": "hat", "cells": 3}, {"family": "p0", "cells": 1}
SPEC = {
    "name": "calls", "precision": "float32", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": HAT}, "weight": {"width_out": P0, "width_in": P0, "depth": ONE},
    "bias": {"width": P0, "depth": ONE}, "integration": {"tableau": "heun", "steps": 4},
    "readout": {"outputs": 2, "basis": HAT}, "loss": {"kind": "cross-entropy"},
}  # fmt: skip
X, Y = np.random.default_rng(0).standard_normal((5, 7)), np.array([0, 1, 1, 0, 1])
SMALL = Launch(records=3, threads=(1, 2), blocks=2)  # two launches of a tile each


def made(**more: Any) -> tuple[Continuum, Prepared]:
    model = Continuum.from_spec(SPEC | more, seed=0)
    return model, model.prepare(source(X, y=Y))


def on_device(model: Continuum, launch: Launch = SMALL) -> Continuum:
    return model.running_on(CudaBound(model.representation, model.spec.precision, launch=launch))


# --- counts -------------------------------------------------------------------------------------------------

# launches; downloads wait for the device. A second call finds the memory of the first one.
COUNTS = {
    "operators": {"uploads": 1, "allocations": 2, "launches": 1},
    "outputs": {"uploads": 1, "allocations": 1, "copies": 1, "launches": 1, "downloads": 1},
    "objective": {"uploads": 2, "allocations": 2, "copies": 1, "launches": 11, "downloads": 1},
    "objective with weights": {"uploads": 2, "allocations": 2, "copies": 1, "launches": 12, "downloads": 1},
}


def test_what_calls_cost() -> None:
    model, prepared = made()
    weighted = Prepared(prepared.states, prepared.targets, prepared.offset, prepared.labels, weights=np.ones(5))
    with lockstep.device() as machine:
        device = on_device(model, Launch(threads=(2, 2)))
        calls = {
            "operators": lambda: device.replace().running_on(device.bound).solver,
            "outputs": lambda: device.solver.outputs(prepared.states, *device.readout_map()),
            "objective": lambda: device.objective(prepared, device.coordinates),
            "objective with weights": lambda: device.objective(weighted, device.coordinates),
        }
        found = {}
        for name, call in calls.items():
            for _ in range(3):
                machine.count.clear()
                call()
            found[name] = dict(machine.count)
    found["outputs"]["allocations"] = found["outputs"].get("allocations", 0)
    assert found == COUNTS


def test_launches_of_many_records_take_the_memory_of_one() -> None:
    model, prepared = made()
    with lockstep.device():
        held = []
        for size in (5, 1):  # records of a launch
            device = on_device(model, Launch(records=size, threads=(1, 2), blocks=1))
            device.objective(prepared, device.coordinates)
            held.append(device.bound.arenas[0].bytes)
    assert held[1] < held[0]  # but for the records themselves, 5 and 1 at a time


# --- the same numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [{}, {"precision": "float64"}])
def test_weighted_records_are_those_of_the_cpu(spec: dict[str, str]) -> None:
    model, prepared = made(**spec)
    weighted = Prepared(
        prepared.states, prepared.targets, prepared.offset, prepared.labels, weights=np.array([0, 3.0, 1, 0.5, 0.5])
    )
    loss, slope = model.objective(weighted)
    with lockstep.device():
        there, other = on_device(model).objective(weighted)
    exact = 1e-12 if spec else 1e-5
    assert abs(there - loss) < exact and np.abs(other - slope).max() < exact * np.abs(slope).max()


SQUARE = {"equation": SPEC["equation"] | {"channels": 2}, "lift": {"inputs": 1}, "loss": {"kind": "l2"}}
SIZES = {
    "readout": {}, "many steps": {"integration": {"tableau": "euler", "steps": 11}},
    "functions": {name: SQUARE[name] for name in ("equation", "lift", "loss")} | {"readout": {"outputs": 1}},
    "no readout": {"loss": {"kind": "l2"}, "readout": {}},
}  # fmt: skip


@pytest.mark.parametrize("memory", ["stored", "checkpoint"])
@pytest.mark.parametrize("name", SIZES)
def test_a_gradient_takes_what_is_said_before(name: str, memory: str) -> None:
    spec = {key: value for key, value in (SPEC | SIZES[name]).items() if value}
    y = Y if "outputs" in spec.get("readout", {}) and "lift" not in spec else X[:, :, None]
    model = Continuum.from_spec(spec, seed=0)
    prepared = model.prepare(source(X, y=y))
    host = model.objective(prepared)[1]
    with lockstep.device():
        device = on_device(model, Launch(records=8, threads=(1, 2), blocks=2))
        device = device.running_on(device.bound.keeping(memory))
        readout = model.readout_map() if model.spec.outputs is not None else device.bound.comparison
        slope = device.objective(prepared)[1]
        needed = device.solver.device_bytes(len(prepared), dict(zip(("operator", "constant"), readout)))
        (arena,) = device.bound.arenas
    assert np.allclose(slope, host, atol=1e-5 * np.abs(host).max())
    assert 0.5 * needed < arena.bytes <= needed


def test_checkpoints_take_less_memory() -> None:
    model, prepared = made(integration={"tableau": "heun", "steps": 25})
    taken = []
    for memory in ("stored", "checkpoint"):
        with lockstep.device():
            device = on_device(model)
            device = device.running_on(device.bound.keeping(memory))
            device.objective(prepared)
            taken.append(device.bound.arenas[0].bytes)
    assert taken[1] < 0.6 * taken[0]


def test_the_largest_array_that_blocks_sum_says_how_many_they_are() -> None:
    model, _ = made(readout={"outputs": 40, "basis": HAT})
    operator, constant = model.readout_map()
    with lockstep.device(), mock.patch("numerics.kernels.cuda.PARTIALS", 2 * operator.size - 1):
        device = on_device(model, Launch(records=8, threads=(1, 2)))
        assert all(np.prod(slab.shapes["operators"]) < operator.size for slab in device.bound.slabs)
        assert device.solver.blocks(5, {"operator": operator, "constant": constant}) == 1


def test_what_is_compared_without_a_readout_has_no_gradient() -> None:
    """Its matrix has (n · c)² numbers, which no block holds for itself."""
    model = Continuum.from_spec({name: a for name, a in SPEC.items() if name != "readout"} | {"loss": {"kind": "l2"}})
    with lockstep.device() as machine:
        device = on_device(model)
        slope = device.objective(prepared := model.prepare(source(X, y=X[:, :, None])))[1]
        assert "readout_adjoint" not in {name for name, _ in machine.launched}
    assert np.allclose(slope, model.objective(prepared)[1], atol=1e-6)


def test_checkpoints_change_no_bit() -> None:
    model, prepared = made()
    with lockstep.device():
        device = on_device(model)
        sparing = device.running_on(device.bound.keeping("checkpoint"))
        both = [own.objective(prepared) for own in (device, sparing)]
        assert sparing.bound.slabs[0].kept_bytes(5) < device.bound.slabs[0].kept_bytes(5)
    assert both[0][0] == both[1][0] and np.array_equal(both[0][1], both[1][1])


def test_blocks_without_room_for_gradients_of_their_own_leave_the_forward_alone() -> None:
    """As many blocks work on a forward as there are tiles; partial gradients share fewer."""
    model, prepared = made()
    with lockstep.device(), mock.patch("numerics.kernels.cuda.PARTIALS", 1):
        device = on_device(model, Launch(records=8, threads=(1, 2)))
        readout = dict(zip(("operator", "constant"), device.readout_map()))
        assert device.solver.blocks(5, readout) == 1 and device.bound.launch.grid(5) == 2
        slope = device.objective(prepared)[1]
    assert np.allclose(slope, model.objective(prepared)[1], atol=1e-6)


# --- what is refused ----------------------------------------------------------------------------------------


def test_a_device_array_of_another_precision_is_refused() -> None:
    model, prepared = made()
    with lockstep.device() as machine:
        device, given = on_device(model), machine.to_device(prepared.states)
        with pytest.raises(DataError, match="float64 on the GPU") as raised:
            device.solver._final(given)
        assert "float32" in str(raised.value) and "convert it there" in str(raised.value)


def test_too_little_memory_is_said_before_anything_is_lost() -> None:
    model, prepared = made()
    with lockstep.device() as machine, mock.patch.object(threads, "LITTLE", 0):
        device = on_device(model)
        device.solver
        machine.free = 1000
        with pytest.raises(TrainingError) as raised:
            device.objective(prepared)
        said = str(raised.value)
        assert "a gradient over 5 records" in said and "are free" in said and 'training.memory = "checkpoint"' in said
        machine.free = 10**9
        assert np.isfinite(device.objective(prepared)[0])


def test_memory_that_is_not_given_back_yet_counts_as_free() -> None:
    with lockstep.device() as machine:
        machine.free, machine.pending["bytes"] = 1000, 900
        launch.check_memory(500, 0, "a gradient")
        with pytest.raises(TrainingError):
            launch.check_memory(1001, 0, "a gradient")


def test_nothing_to_do_is_a_launch_that_does_nothing() -> None:
    with lockstep.device() as machine:
        device = on_device(made()[0])
        device.bound.run("placed", 0, machine.to_device(np.zeros(2)), 0, 0)


class CudaAPIError(Exception):
    """Named as numba-cuda's."""


def failing(said: str) -> Any:
    def fail(*given: Any) -> Any:
        raise CudaAPIError(f"[1] Call to cuda results in CUDA_ERROR_{said}")

    return fail


def test_a_late_fault_names_the_kernels_that_it_can_be_of() -> None:
    model, prepared = made()
    with lockstep.device():
        device = on_device(model)
        device.solver
        flight.landed()
        with mock.patch.object(lockstep.DeviceArray, "copy_to_host", failing("ILLEGAL_ADDRESS")):
            with pytest.raises(RepresentationError) as raised:
                device.objective(prepared)
    said = str(raised.value)
    for part in ("a copy from the device", "formed_adjoint_1", "readout", "CUDA_LAUNCH_BLOCKING=1"):
        assert part in said, part


def test_a_fault_of_a_launch_that_waits_is_of_that_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")
    flight.launched("an_earlier_one")
    with pytest.raises(RepresentationError) as raised, flight.watched("the launch of this_one"):
        failing("ILLEGAL_ADDRESS")()
    assert raised.value.where == "the launch of this_one" and "an_earlier_one" not in str(raised.value)


def test_a_refused_launch_names_its_kernel_and_memory_that_is_gone_is_said() -> None:
    model, prepared = made()
    told = {"LAUNCH_OUT_OF_RESOURCES": "the launch of formed_forward_1", "OUT_OF_MEMORY": "no memory left on the GPU"}
    for error, said in told.items():
        with lockstep.device():
            device = on_device(model)
            device.solver
            run = lockstep.Kernel.__getitem__

            def refusing(self: Any, given: Any, run: Any = run, error: str = error) -> Any:
                return failing(error) if self.__name__ == "formed_forward_1" else run(self, given)

            with mock.patch.object(lockstep.Kernel, "__getitem__", refusing):
                with pytest.raises(ContinuumError, match=said):
                    device.objective(prepared)


def test_errors_of_others_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="plain"), flight.watched("anything"):
        raise ValueError("plain")


CUDA = pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs the extra cuda")


@CUDA
@pytest.mark.parametrize(
    ("driver", "compiler", "devices", "said"),
    [
        ("CUDA driver library cannot be found", True, [], "no working NVIDIA driver: CUDA driver library"),
        (None, False, [1], "NVVM"),
        (None, True, [], "finds no GPU"),
        (None, True, [1], None),
    ],
)
def test_what_is_missing_has_its_own_words(driver: Any, compiler: bool, devices: list[int], said: str | None) -> None:
    from numba import cuda

    with (
        mock.patch.object(cuda, "cuda_error", lambda: driver),
        mock.patch.object(cuda.cudadrv.nvvm, "is_available", lambda: compiler),
        mock.patch.object(cuda, "gpus", devices),
    ):
        found = launch.missing()
    assert found is None if said is None else re.search(said, found[0])


def test_records_reach_the_device_by_a_copy_for_all() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(70.0), "c": np.float64([7])}
    with lockstep.device() as machine:
        sent = launch.together(arrays, np.dtype("float32"), launch.Arena(np.dtype("float32")).empty)
        assert machine.count["uploads"] == 1
        for name, a in arrays.items():
            back = launch.to_host(sent[name])
            assert back.dtype == np.float32 and np.array_equal(back, a)


def test_records_are_the_same_in_any_launches() -> None:
    model, prepared = made(precision="float64")
    with lockstep.device():
        found = [on_device(model, Launch(n, (1, 2), 2)).objective(prepared)[1] for n in (2, 5)]
    assert np.allclose(*found, rtol=1e-13, atol=1e-15)


# --- the kernels that no spec changes -------------------------------------------------------------------------

LINE, ROWS, TABLE = (1, "f8"), (2, "i8"), (2, "f8")
KINDS: dict[str, tuple[Any, ...]] = {  # of their arguments: (axes, type), "own": the model's precision
    "sum_segments": (ROWS, "i8", (1, "own"), (1, "own")),
    "weigh": ((1, "own"), (2, "own")),
    "picked": ((2, "own"), (1, "i8"), LINE, "i8", (2, "own")),
    "mapped": (ROWS, (1, "i8"), LINE, "f8", LINE, (1, "own")),
    "mapped_long": (ROWS, (1, "i8"), LINE, "f8", (1, "own"), LINE),
    "along": (TABLE, LINE, "i8", "i8", "i8", "i8"),
    "placed": (LINE, "i8", "i8"),
    "moved": (LINE, "i8"),
    "mean_loss": ((1, "own"), "b1", (1, "own"), LINE, LINE, LINE),
    "squares": (ROWS, LINE, LINE),
    "penalised": (ROWS, LINE, LINE, LINE, LINE),
    "shortened": (LINE, "f8", LINE),
    "averaged": ("f8", LINE, LINE),
    "descended": ("f8", LINE, LINE),
    "adam_lengths": (ROWS, LINE, "f8", "f8", "f8", "f8", LINE, LINE),
    "adam_of_fields": (ROWS, LINE, "f8", "f8", LINE, LINE, LINE),
    "adam_of_coordinates": (*("f8",) * 6, *(LINE,) * 4),
    "affine_in": (TABLE, LINE, (2, "own"), (2, "own")),
    "affine_out": (TABLE, LINE, (2, "own"), (2, "own")),
}


@CUDA
@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_they_compile_for_a_device(name: str) -> None:
    """None is needed: to PTX, in both precisions."""
    import numba
    from numba import cuda

    from numerics.kernels import device_kernels

    scalars = {"i8": numba.int64, "f8": numba.float64, "b1": numba.boolean}
    for own in (numba.float32, numba.float64):
        types = [
            scalars[kind] if isinstance(kind, str) else numba.types.Array(scalars.get(kind[1], own), kind[0], "C")
            for kind in KINDS[name]
        ]
        text, _ = cuda.compile_ptx(specialised(getattr(device_kernels, name), (128, 1)), tuple(types), cc=(9, 0))
        assert ".entry" in text


@pytest.mark.parametrize("optimiser", ["adam", "adam-coordinatewise", "gradient-descent"])
def test_they_are_launched_with_these_kinds_of_arguments(optimiser: str) -> None:
    """And no kernel of a model in single precision is ever given a double: what would be compiled anew, and slow."""
    options = {"optimiser": optimiser, "clip": 0.1, "averaging": 0.5, "batch": 3, "epochs": 1}
    penalised = SPEC | {"loss": {"kind": "cross-entropy", "penalty": {"W": "1/10"}}}
    with lockstep.device() as machine, mock.patch("numerics.kernels.cuda.Launch", lambda: SMALL):
        model = Continuum.from_spec(penalised, seed=0).replace(device="cuda")
        with mock.patch("numerics.model.resident.LONG", 1):
            model = fit(model, X, Y, weights=np.ones(5), **options)
        model(machine.to_device(X.astype(np.float32)))
    ours = {name: [kinds for other, kinds in machine.launched if other == name] for name, _ in machine.launched}
    for name, found in ours.items():
        allowed = KINDS.get(name)
        for kinds in found:
            if allowed is None:
                assert {kind[1] if isinstance(kind, tuple) else kind for kind in kinds} <= {"f4", "i8", "b1"}, name
            else:
                ready = [(own[0], "f4") if own[-1] == "own" else own for own in allowed]
                assert list(kinds) == ready or name.startswith("mapped"), (name, kinds)
    wanted = {"adam_of_fields": "adam", "adam_of_coordinates": "adam-coordinatewise", "descended": "gradient-descent"}
    assert set(KINDS) - set(ours) <= {"adam_lengths", *(name for name, of in wanted.items() if of != optimiser)}


def test_every_one_of_them_is_looked_at() -> None:
    from numerics.kernels import device_kernels

    own = {name for name, value in vars(device_kernels).items() if getattr(value, "__module__", "").endswith("kernels")}
    assert own == KINDS.keys()


@CUDA
@pytest.mark.slow
def test_machine_code_is_kept_between_processes_and_never_run_damaged(tmp_path: Path) -> None:
    def other() -> str:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "tests.oracles.fake_device", "averaged"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    assert [other().strip() for _ in range(2)] == ["compiled", "loaded"]
    (kept,) = tmp_path.glob("averaged_*.nbc")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    assert other().strip() == "compiled"
