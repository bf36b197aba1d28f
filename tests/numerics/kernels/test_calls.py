"""Calls of one model side by side, cut off, and in forked processes: none changes what another reads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from derive.declaration import load_spec
from derive.errors import TrainingError
from numerics import Continuum
from numerics.kernels import threads
from numerics.kernels.operators import Slab

P0 = {"family": "p0", "cells": 2}
ONE = {"family": "p0", "cells": 1}
IMPLICIT = {
    "name": "grows",
    "equation": {"rate": "h**2 + u", "spacing": "1"},
    "state": {"basis": P0},
    "weight": {"width_out": P0, "width_in": P0, "depth": ONE},
    "bias": {"width": P0, "depth": ONE},
    "integration": {"tableau": "backward-euler", "steps": 4},
    "loss": {"kind": "l2"},
}
ADAPTIVE = {
    **IMPLICIT,
    "equation": {"rate": "h**2 + tanh(u)", "spacing": "1"},
    "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/1000"},
}
SPECS = {"implicit": IMPLICIT, "adaptive": ADAPTIVE}
GOOD, OTHER, HUGE = np.array([[0.2, 0.1]]), np.array([[-0.5, 0.4], [0.1, -2.0]]), np.array([[1e200, 1e200]])


@pytest.fixture(params=SPECS)
def model(request: pytest.FixtureRequest) -> Continuum:
    """Small enough for kernels in plain Python, between whose lines threads may change."""
    made = Continuum.from_spec(load_spec(SPECS[request.param]))
    return made.with_coordinates(0.3 * np.random.default_rng(0).standard_normal(made.size))


def gradient(model: Continuum, x: np.ndarray) -> np.ndarray:
    _, found = model.value_and_gradient(x, 0.5 * x)
    return np.concatenate([slab.coefficients.ravel() for field in found.values() for slab in field.slabs])


def refused(model: Continuum) -> np.ndarray:
    with pytest.raises(TrainingError):
        model(HUGE)
    return np.zeros(0)


def refused_path(model: Continuum) -> np.ndarray:
    try:
        return model.trajectory(HUGE)[1]
    except TrainingError:
        return np.zeros(0)


CALLS: dict[str, Callable[[Continuum], np.ndarray]] = {
    "predict": lambda model: model(GOOD),
    "predict others": lambda model: model(OTHER),
    "gradient": lambda model: gradient(model, GOOD),
    "gradient of others": lambda model: gradient(model, OTHER),
    "trajectory": lambda model: model.trajectory(OTHER)[1],
    "refused": refused,
    "refused trajectory": refused_path,
}


def answers(model: Continuum) -> dict[str, bytes]:
    with np.errstate(all="ignore"):
        return {name: call(model).tobytes() for name, call in CALLS.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_model_answers_the_same_in_threads_as_alone(model: Continuum) -> None:
    expected = answers(model)
    names = list(CALLS) * 8
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool, np.errstate(all="ignore"):
            found = list(pool.map(lambda name: CALLS[name](model).tobytes(), names))
    finally:
        sys.setswitchinterval(interval)
    assert [name for name, answer in zip(names, found) if answer != expected[name]] == []


@pytest.mark.first(1)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_a_call_that_is_cut_off_leaves_the_model_as_it_was(
    model: Continuum, stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, serial = answers(model), set(threads._serial.inside)
    for name in ("forward", "adjoint", "form"):
        original = getattr(Slab, name)
        for after in (1, 2, 4):
            calls = iter(range(after - 1))

            def cut(self: Slab, *given, original=original, calls=calls, **named):
                if next(calls, None) is None:
                    raise stop
                return original(self, *given, **named)

            for call in CALLS.values():
                with monkeypatch.context() as patch, np.errstate(all="ignore"):
                    patch.setattr(Slab, name, cut)
                    try:
                        call(model)
                    except stop:
                        pass
    assert answers(model) == expected
    assert threads._serial.inside == serial


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_gets_its_threads_back_whoever_leaves_first() -> None:
    """Two threads inside at once; the one that came first leaves first."""
    came, leave = threading.Event(), threading.Event()

    def other() -> set[int]:
        with threads.serial_blas():
            came.set()
            leave.wait(10)
            return blas_threads()

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        with threads.serial_blas():
            inside = pool.submit(other)
            assert came.wait(10)
        while_other = blas_threads()
        leave.set()
        assert while_other == inside.result() == {1} != before
        assert blas_threads() == before


CHILD = """
import multiprocessing, os, sys
import numpy as np
from numerics import Continuum
from numerics.kernels import threads

def model():
    made = Continuum.from_spec("gunpoint")
    return made, np.random.default_rng(0).standard_normal((300, 20))

def answer(_=0):
    made, x = model()
    with threads.serial_blas():  # as `fit` holds it while a callback forks
        return made(x).tobytes()

if __name__ == "__main__":
    way = sys.argv[1]
    expected = answer()  # its threads are started
    with threads.serial_blas():
        if way == "loky" or way == "joblib":
            from joblib import Parallel, delayed
            backend = "loky" if way == "loky" else "multiprocessing"
            found = Parallel(n_jobs=2, backend=backend)(delayed(answer)(n) for n in range(3))
        else:
            with multiprocessing.get_context(way).Pool(2) as pool:
                found = pool.map(answer, range(3))
    assert all(one == expected for one in found), "other answers"
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver", "loky", "joblib"])
def test_processes_started_after_use_answer_too(way: str, tmp_path: Path) -> None:
    """A forked child inherits a pool of threads without the threads: it used to wait for them for ever."""
    script = tmp_path / "script.py"
    script.write_text(CHILD)
    root = str(Path(threads.__file__).resolve().parents[2])
    environment = {**os.environ, "CONTINUA_THREADS": "2", "PYTHONPATH": root}
    run = subprocess.run(
        [sys.executable, script, way], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (run.stdout.strip(), run.returncode) == ("equal", 0), run.stderr


def test_a_child_forked_inside_serial_blas_gets_its_threads_back() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("nothing forks here")
    reader, writer = os.pipe()
    with threadpool_limits(2, user_api="blas"):
        with ThreadPoolExecutor(1) as pool, threads.serial_blas():
            pool.submit(threads._serial.enter).result()  # a thread that the child does not have
            child = os.fork()
            if child == 0:
                threads._serial.leave()  # as the end of the block does
                os.write(writer, bytes(sorted(blas_threads())))
                os._exit(0)
            pool.submit(threads._serial.leave).result()
        os.waitpid(child, 0)
        assert set(os.read(reader, 8)) == blas_threads() == {2}
