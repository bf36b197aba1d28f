"""The parts of ``benchmarks/gpu.sh``: ``python -m benchmarks.gpu PART``, one of them, to standard output.

With NUMBA_ENABLE_CUDASIM=1 every part runs in Numba's simulator on tiny sizes, where times mean nothing.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.kernels import declared
from numerics import Continuum, fit
from numerics.datasets import source
from numerics.kernels import launch as launching
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch, to_device
from numerics.model.resident import Resident
from numerics.verify.simulator import steady
from tests.builders import plain
from tests.oracles import cuda_cases

DRY = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
LAUNCH = Launch(records=3, threads=(1, 1), blocks=2) if DRY else Launch()
RECORDS = 3 if DRY else 600  # of a case: several blocks of the usual shape; other parts have fewer
SMALL = ("h nonlinear/formed", "entry, two channels/factors", "gate, translation, local, lift")
TIMED = ((2, 3),) if DRY else ((64, 32), *((state, records) for state in (64, 128, 256) for records in (4096, 65536)))
STEPS = 2 if DRY else 8  # which torch.compile unrolls
REPEATS, ROUNDS = (1, 1) if DRY else (10, 5)
GRADIENT, STEPPED = 1e-4, 1e-3  # relative differences in float32: of a gradient, and of where an epoch leads
HAT = {"family": "hat", "cells": 3}
SHARES = {
    "name": "shares", "precision": "float32", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": HAT}, "weight": {"width_out": HAT, "width_in": HAT, "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": HAT, "depth": {"family": "p0", "cells": 1}}, "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": HAT, "shares": {"levels": ["0", "1/3"], "width": "1/4"}},
    "loss": {"kind": "cross-entropy"},
}  # fmt: skip
EXACT = {"float64": 1e-12, "float32": 5e-5}  # relative differences of what is computed


# --- ceilings -----------------------------------------------------------------------------------------------


def ceilings() -> None:
    """What the machine is, and what large products and copies attain on it."""
    from numba import cuda

    for name in ("numba", "numba-cuda", "numpy", "torch"):
        with_it = importlib.util.find_spec(name.replace("-", "_")) is not None
        print(f"{name} {importlib.metadata.version(name) if with_it else 'is not installed'}")
    context = cuda.current_context()
    free, total = context.get_memory_info()
    room = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    print(f"{_name()}, capability {context.device.compute_capability}, {room}")
    size = 2**10 if DRY else 2**28
    first, second = (cuda.device_array(size, np.float32) for _ in range(2))
    milliseconds = timed(lambda: second.copy_to_device(first))
    print(f"a copy on the device: {2 * first.nbytes / milliseconds / 1e6:.0f} GB/s")
    if not DRY and importlib.util.find_spec("torch"):
        products()


def products() -> None:
    """Matrix products by cuBLAS, as PyTorch calls it."""
    import torch

    a = torch.randn(8192, 8192, device="cuda")
    for name, tensor_cores in (("float32", False), ("TF32", True)):
        torch.backends.cuda.matmul.allow_tf32 = tensor_cores
        torch.matmul(a, a)
        torch.cuda.synchronize()
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(REPEATS):
            torch.matmul(a, a)
        stop.record()
        torch.cuda.synchronize()
        print(f"products, {name}: {2 * 8192**3 * REPEATS / start.elapsed_time(stop) / 1e9:.1f} TFlop/s")


def _name() -> str:
    from numba import cuda

    name = getattr(cuda.current_context().device, "name", b"the simulator")
    return name.decode() if isinstance(name, bytes) else str(name)


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds of a call on the device, by its events: the median of rounds of calls, after one for nothing."""
    from numba import cuda

    call()
    cuda.synchronize()
    found = []
    for _ in range(ROUNDS):
        start, stop = cuda.event(), cuda.event()
        start.record()
        for _ in range(REPEATS):
            call()
        stop.record()
        stop.synchronize()
        found.append(cuda.event_elapsed_time(start, stop) if not DRY else 1.0)
    return statistics.median(found) / REPEATS


# --- cases --------------------------------------------------------------------------------------------------


def cases() -> None:
    """Every case in the tests' list: both plans against the CPU's text, and twice."""
    names = [f"{name}/{plan}" for name in cuda_cases.CASES for plan in ("formed", "factors")] + [*cuda_cases.DECLARED]
    names = [SMALL[0]] if DRY else names
    wrong, began = 0, time.perf_counter()
    for name, said, fine in _each(names):
        wrong += not fine
        print(f"{'ok   ' if fine else 'WRONG'} {name}: {said}")
    print(f"{len(names)} cases, {wrong} wrong, {time.perf_counter() - began:.0f} s")
    if wrong:
        raise SystemExit(1)


def _each(names: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Compiling takes longest, so processes share it; each has the device for itself as long as it needs."""
    if DRY:
        yield from map(checked, names)
        return
    with ProcessPoolExecutor(min(16, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(checked, name) for name in names]):
            yield done.result()


def checked(name: str) -> tuple[str, str, bool]:
    """A case: what was found, and whether it is as it should be."""
    try:
        gap, tolerance, same = compared(name)
    except Exception as error:  # the other cases go on
        return name, " ".join(f"{type(error).__name__}: {error}".split())[:300], False
    return name, f"{gap:.1e} from the CPU's text, {'equal' if same else 'OTHER'} bits twice", gap <= tolerance and same


def compared(name: str) -> tuple[float, float, bool]:
    """The largest relative difference from the CPU's text, what is allowed, and whether two runs have equal bits."""
    case, _, plan = name.partition("/")
    if plan:
        own = cuda_cases.CASES[case]
        with tempfile.TemporaryDirectory() as folder:
            made = cuda_cases.representation(own, Path(folder) / "module", cuda_cases.Draw(1))
            run = partial(cuda_cases.results, case=own, records=RECORDS)
            host = run(Bound(made, own.precision, plan, plain_kernels), draw=cuda_cases.Draw(2))
            both = [run(CudaBound(made, own.precision, plan, LAUNCH), draw=cuda_cases.Draw(2)) for _ in range(2)]
        tolerance = EXACT[own.precision]
    else:
        gaps = [cuda_cases.compare_declared(case, LAUNCH) for _ in range(2)]
        return max(gaps[0].values()), EXACT["float64"], gaps[0] == gaps[1]
    gap = max(float(np.max(np.abs(both[0][key] - a)) / np.max(np.abs(a))) for key, a in host.items())
    return gap, tolerance, all(np.array_equal(both[0][key], both[1][key]) for key in host)


def small() -> None:
    """Three small cases, for a tool that watches every access."""
    for name in SMALL[:1] if DRY else SMALL:
        _, said, fine = checked(name)
        print(f"{name}: {said}")
        if not fine:
            raise SystemExit(1)


# --- times --------------------------------------------------------------------------------------------------


def times() -> None:
    """Forward and forward + gradient, all on the device; then the same by torch.compile, as far as there is time."""
    print(f"{'':14s}{'state':>6s}{'records':>8s}  {'work':10s}{'ms':>10s}{'TFlop/s':>9s}")
    for state, records in TIMED:
        model = _network(state)
        device = model.running_on(CudaBound(model.representation, "float32", launch=LAUNCH))
        for work, call in ours(device, records).items():
            _say("ours", model, records, work, timed(call))
    if DRY or not importlib.util.find_spec("torch"):
        print("torch.compile: not measured")
        return
    for state, records in TIMED:
        for work, found in beside(_network(state), records).items():
            for name, took in found.items():
                _say(f"torch {name}", _network(state), records, work, took)


def _network(state: int) -> Continuum:
    """A residual network of matrices of its own for every step."""
    case = {"state": state, "steps": STEPS, "kind": "cells", "rate": "residual", "activation": "tanh", "channels": 1,
            "dimension": 1, "tableau": "euler"}  # fmt: skip
    return Continuum.from_spec(declared(f"{state}", case, "float32"), seed=0)


def _say(who: str, model: Continuum, records: int, work: str, took: float) -> None:
    operations = model.representation.flops[1] * records / (3 if work == "forward" else 1)
    state = model.spec.entry.size
    print(f"{who:14s}{state:6d}{records:8d}  {work:10s}{took:10.3f}{operations / took / 1e9:9.2f}")


def ours(model: Continuum, records: int) -> dict[str, Callable[[], Any]]:
    """Calls with records, weights and results on the device: final states, and a whole gradient of the coordinates."""
    generator = np.random.default_rng(0)
    size = model.spec.entry.size
    x, y = generator.standard_normal((records, size)), generator.standard_normal((records, 2))
    prepared = model.prepare(source(x, y=y))
    there, bound, solver = Resident(model, {}, 1), model.bound, model.solver
    assert isinstance(bound, CudaBound)
    there.upload({"vector": model.coordinates})
    there.hold(prepared)
    each = [to_device(prepared.states[:, part], bound.dtype) for part in solver._launches(records)]

    def forward() -> None:
        for states in each:
            with solver._at_work() as own:
                own._final(states)

    def gradient() -> None:
        there.begin(None)
        there.evaluate(records, everything=True)

    return {"forward": forward, "gradient": gradient}


def beside(model: Continuum, records: int, device: str = "cuda") -> dict[str, dict[str, float]]:
    """Work → name → milliseconds of the same network by torch.compile, in float32 and with TF32 products."""
    import torch

    from numerics.bench.compare import _case, program
    from numerics.bench.rivals import TorchCompiled
    from numerics.estimators.network import Network

    class OnDevice(TorchCompiled):
        @classmethod
        def library(cls) -> Any:
            base = super().library()
            return replace(base, given=lambda a: base.given(a).to(device))

        def _given(self, name: str) -> Any:
            return super()._given(name).to(device)

    form, case = program(model.spec, model).form, _case(model, records)
    found: dict[str, dict[str, float]] = {"forward": {}, "gradient": {}}
    for name, tensor_cores in (("float32", False), ("TF32", True)):
        torch.backends.cuda.matmul.allow_tf32 = tensor_cores
        torch._dynamo.reset()
        rival = OnDevice(lambda library: Network(model.solver.slabs[0], form, library), case)
        for work in found:
            found[work][name] = _torch_timed(getattr(rival, work)(), device)
    return found


def _torch_timed(call: Callable[[], Any], device: str) -> float:
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    for _ in range(3):
        call()
    wait()
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(REPEATS):
            call()
        wait()
        found.append((time.perf_counter() - start) * 1e3 / REPEATS)
    return statistics.median(found)


# --- training -----------------------------------------------------------------------------------------------


def training() -> None:
    """One gradient and a few steps on the device beside the host's; then milliseconds of a step on both."""
    wrong = 0
    for name, (base, x, y, options) in _trained().items():
        with mock.patch("numerics.kernels.cuda.Launch", lambda: LAUNCH):
            gaps = _gradients_apart(base, x, y, options.get("weights")), _steps_apart(base, x, y, options)
        fine = gaps[0] < GRADIENT and gaps[1] < STEPPED
        wrong += not fine
        said = f"gradient {gaps[0]:.1e}, coordinates after training {gaps[1]:.1e} apart"
        print(f"{'ok   ' if fine else 'WRONG'} {name}: {said}")
    if wrong:
        raise SystemExit(1)
    base, x, y, options = _trained()["plain"]
    for device, launch in (("cpu", LAUNCH), ("cuda", LAUNCH), *([] if DRY else [("cuda", replace(LAUNCH, spread=0))])):
        with mock.patch("numerics.kernels.cuda.Launch", partial(lambda own: own, launch)):
            model = fit(base.replace(device=device), x, y, **options | {"epochs": 2 if DRY else 6})
        took = statistics.median(row["seconds"] for row in model.history[1:])
        cut = "" if device == "cpu" else f", {launch.shaped(options['batch']).tile} a block"
        print(f"{device}: {1e3 * took / -(-len(x) // options['batch']):.3f} ms a step, {options['batch']} records{cut}")


def _trained() -> dict[str, tuple[Continuum, Any, Any, dict[str, Any]]]:
    """Name → model, records, targets and options: Burgers' network on random functions, and a classifier by shares."""
    generator = np.random.default_rng(0)
    count = 4 if DRY else 300
    if DRY:
        base, (x, y) = _network(2), generator.standard_normal((2, count, 2))
    else:
        base = Continuum.from_spec("burgers", seed=0)
        x = generator.standard_normal((count, 64, 1))
        y = np.roll(x, 1, axis=1) / 2
    options = {"epochs": 1, "batch": 2 if DRY else 20, "optimiser": "adam"}
    more = {"weights": generator.random(count) + 0.5, "clip": 0.1, "averaging": 0.9}
    classes = Continuum.from_spec(SHARES, seed=0)
    return {
        "plain": (base, x, y, options),
        "weights, clip, averaging": (base, x, y, options | more),
        "shares": (classes, generator.standard_normal((count, 9)), np.arange(count) % 2, options),
    }


def _gradients_apart(model: Continuum, x: Any, y: Any, weights: Any) -> float:
    """The largest difference of a gradient on the device from the host's, relative to the largest coordinate of it."""
    prepared = model.prepare(source(x, y=y, weights=weights))
    expected = model.objective(prepared)[1]
    there = Resident(model.replace(device="cuda"), {}, 1)
    there.upload({"vector": model.coordinates})
    there.hold(prepared)
    there.begin(None)
    there.evaluate(len(prepared), everything=True)
    return _apart(there.gradient.copy_to_host(), expected)


def _steps_apart(model: Continuum, x: Any, y: Any, options: dict[str, Any]) -> float:
    """The same of how far an epoch moves the coordinates."""
    host, there = (fit(model.replace(device=name), x, y, **options).coordinates for name in ("cpu", "cuda"))
    return _apart(there - model.coordinates, host - model.coordinates)


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


PARTS = {part.__name__: part for part in (ceilings, cases, small, times, training)}

if __name__ == "__main__":
    missing = launching.missing()
    if missing is not None:
        raise SystemExit("; ".join(missing))
    if DRY:
        steady()
    with plain() if DRY else contextlib.nullcontext():  # the host's kernels, which machine code is not worth here
        PARTS[sys.argv[1]]()
