"""The CUDA kernels against the CPU's text run as plain Python: in lockstep, and a few by Numba's own simulator."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest

from derive.emit.cpu import Cpu
from derive.emit.cuda import Cuda
from derive.emit.loops import of_module, of_slab
from derive.errors import RepresentationError
from derive.program import build as programs
from derive.program import loss as losses
from numerics.kernels import cuda as runner
from numerics.kernels import device_tables, launch
from numerics.kernels.launch import Launch
from numerics.verify import simulator
from tests.builders import ROOT, marked
from tests.oracles import lockstep
from tests.oracles.cuda_cases import (
    CASES,
    DECLARED,
    SMALL,
    Draw,
    compare,
    compare_declared,
    equation,
    representation,
    results,
)


@pytest.fixture(scope="module")
def simulated() -> Iterator[Callable[[str], dict[str, float]]]:
    """case/plan, or a declared case → quantity → largest relative difference, by Numba's simulator in a process of its

    own: it polls a thread of Python for every thread, and takes ten times as long.
    """
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "tests.oracles.cuda_cases"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:

        def answer(name: str) -> dict[str, float]:
            print(name, file=process.stdin, flush=True)
            watch = threading.Timer(900, process.kill)
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            assert line, f"{name}: the simulator's process has ended; stderr says why, and if nothing, it took too long"
            return json.loads(line)  # type: ignore[no-any-return]

        yield answer


def check(name: str, plan: str, found: dict[str, float]) -> None:
    tolerance = 1e-12 if CASES[name].precision == "float64" else 3e-6
    assert {key: value for key, value in found.items() if not value <= tolerance} == {}
    wanted = {"final", "losses", "bar_operator", "bar_constant", "bar_states", "0/bar_operators", "0/bar_biases"}
    assert wanted | {"0/mean w", "0/mean beta", "0/path 1"} <= found.keys()
    # implicit stages see an arriving state by its projection, which needs no operator of its own
    assert ("1/bar_operator_entry" in found) == (CASES[name].entry and plan == "formed" and not CASES[name].groups)


def test_threads_of_the_simulator_that_ask_at_once_get_one_array() -> None:
    kept, found = simulator._Once(), []

    def ask() -> None:
        array = kept.get("a line")
        if array is None:
            time.sleep(0.01)  # time for the others, which would make arrays of their own
            kept["a line"] = array = object()
        found.append(array)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


QUICK = ("h nonlinear", "two channels")


@pytest.mark.parametrize("plan", programs.PLANS)
@pytest.mark.parametrize("name", marked(CASES, slow=[name for name in CASES if name not in QUICK]))
def test_the_kernels_equal_the_cpu_kernels(name: str, plan: str, tmp_path: Path) -> None:
    with lockstep.device():
        check(name, plan, compare(name, plan, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", DECLARED)
def test_the_kernels_of_declared_specs_equal_the_cpu_kernels(name: str) -> None:
    with lockstep.device():
        assert {key: value for key, value in compare_declared(name).items() if not value <= 1e-12} == {}


@pytest.mark.slow
def test_a_row_of_overlapping_blocks_is_one_threads() -> None:
    """Four threads share the rows of two channels: no two of them add to one row without a barrier."""
    with lockstep.device():
        found = compare_declared("convolution, gate, local", replace(SMALL, threads=(2, 4)))
    assert {key: value for key, value in found.items() if not value <= 1e-12} == {}


def test_results_do_not_depend_on_the_order_of_threads_and_blocks(tmp_path: Path) -> None:
    case, found = CASES["residual, heun"], []
    made = representation(case, tmp_path / "module", Draw(1))
    for seed in range(2):
        with lockstep.device(seed):
            found.append(results(runner.CudaBound(made, case.precision, "formed", case.launch), case, Draw(2)))
    assert all(np.array_equal(one, other) for one, other in zip(found[0].values(), found[1].values(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("own", [Launch(spread=0), Launch(), Launch(threads=(4, 8), spread=0)])
def test_blocks_of_the_usual_shapes_compute_the_same(own: Launch, tmp_path: Path) -> None:
    with lockstep.device():
        check("residual, heun", "factors", compare("residual, heun", "factors", tmp_path, own))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "plan"), [("entry, two channels", "factors"), ("workspace", "formed"), ("implicit, nodal", "formed")]
)
def test_the_simulated_kernels_equal_the_cpu_kernels(simulated, name: str, plan: str) -> None:
    check(name, plan, simulated(f"{name}/{plan}"))


@pytest.mark.slow
def test_the_simulated_kernels_of_a_declared_spec_equal_the_cpu_kernels(simulated) -> None:
    found = simulated("gate, translation, local, lift")
    assert {key: value for key, value in found.items() if not value <= 1e-12} == {}


@pytest.mark.first(3)
@pytest.mark.parametrize("name", CASES)
def test_both_targets_number_their_constants_alike(name: str) -> None:
    """One table of constants serves both modules, and what is printed for the CPU alone has some of its own."""
    case = CASES[name]
    for entry in (False, case.entry):
        made = equation(case.rate)
        chains = tuple(
            programs.build(made, case.structures, entry, plan, bool(case.groups))  # type: ignore[arg-type]
            for plan in programs.PLANS
        )
        there, here = ({k.name: k.constants for k in of_slab(chains, "1", target)} for target in (Cuda, Cpu))
        assert there.items() <= here.items() and all("tangent" in name for name in here.keys() - there.keys())
    there, here = ({k.name: k.constants for k in of_module(losses.derive(case.loss), target)} for target in (Cuda, Cpu))
    assert there.items() <= here.items() and here.keys() - there.keys() == {"curvature"}


@pytest.mark.slow
def test_kernels_are_generic_text(tmp_path: Path) -> None:
    """No float literal, no module-level value, no call but math, range, min and the CUDA intrinsics."""
    representation(CASES["functions"], tmp_path / "functions", Draw(1))
    text = (tmp_path / "functions" / "cuda.py").read_text(encoding="utf-8")
    code = "\n".join(line.partition("#")[0] for line in re.sub(r'""".*?"""', "", text, flags=re.S).splitlines())
    assert not re.search(r"\d\.\d|\d\.(?!\w)|\de-?\d", code)
    assert not re.search(r"^\w+ *=", code, flags=re.M)
    calls = {c for c in re.findall(r"([\w.]+)\(", code) if not re.match(r"(formed|factors)_", c)}
    assert {c for c in calls if "." not in c} <= {
        "range", "min", "lift", "lift_adjoint", "readout", "readout_adjoint", "depth_adjoint", "clear",
        "loss", "maximum", "maximum_adjoint", "share", "share_adjoint", "product", "summed",
    }  # fmt: skip
    assert {c for c in calls if "." in c and not c.startswith("math.")} <= {
        "cuda.syncthreads", "cuda.shared.array", "cuda.local.array", "cuda.grid", "cuda.gridsize"
    }  # fmt: skip


def test_the_printed_text_does_not_depend_on_the_run(tmp_path: Path) -> None:
    for k in range(2):
        representation(CASES["two channels"], tmp_path / str(k), Draw(1))
    assert (tmp_path / "0" / "cuda.py").read_bytes() == (tmp_path / "1" / "cuda.py").read_bytes()


def test_a_banded_table_knows_the_rows_that_meet_a_column() -> None:
    runs = np.array([[1, 3], [0, 0], [0, 2], [2, 4]])
    assert device_tables.columns(runs, 5).tolist() == [[2, 3], [0, 3], [0, 4], [3, 4], [0, 0]]


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        (("numba-cuda is not installed", 'pip install "neural-continua[cuda]"'), "neural-continua[cuda]"),
        (("the driver finds no GPU", "run on a machine with an NVIDIA GPU, or use --device cpu"), "no GPU"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, lack: tuple[str, str], said: str) -> None:
    monkeypatch.setattr(launch, "missing", lambda: lack)
    with pytest.raises(RepresentationError, match=re.escape(said)):
        runner.CudaBound(None)  # type: ignore[arg-type]


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    assert launch.missing() == ("numba-cuda is not installed", 'pip install "neural-continua[cuda]"')


def test_the_solver_keeps_the_cpu_solvers_interface() -> None:
    from numerics.kernels.cpu import Bound, Solver
    from numerics.kernels.operators import Slab

    for name in ("final", "path", "gradient", "mean_gradient", "outputs", "losses", "started", "differentiated"):
        ours, theirs = (inspect.signature(getattr(c, name)) for c in (runner.CudaSolver, Solver))
        assert list(ours.parameters) == list(theirs.parameters)
    ours, theirs = (inspect.signature(c.form) for c in (runner.CudaBound, Bound))
    assert list(ours.parameters) == list(theirs.parameters)
    ours, theirs = (inspect.signature(c.pull_back) for c in (runner.CudaSlab, Slab))
    assert list(ours.parameters) == list(theirs.parameters)
