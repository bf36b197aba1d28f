"""Gradients on a Dask cluster: the bits of one machine, whatever the number of workers and whoever of them dies."""

from __future__ import annotations

import os
import pickle
import signal
import tomllib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import TrainingError
from numerics import Continuum, fit, load
from numerics.command.main import main
from numerics.command.models import cluster as lent
from numerics.datasets import records
from numerics.kernels import cluster
from numerics.kernels.cpu import Solver
from tests.builders import FUNCTION, LIFTED, NUMBERS, SPEC, bumps

distributed = pytest.importorskip("distributed")

RECORDS = bumps(1100)
X, Y = RECORDS["x"], RECORDS["y"]


class Inline:
    """The face of a client whose workers are this process; what goes there is pickled, and cannot be written to."""

    def __init__(self, workers: int = 3) -> None:
        self.workers, self.sent, self.plugins = workers, [0], {}

    def _there(self, value: Any) -> Any:
        buffers: list[Any] = []
        content = pickle.dumps(value, 5, buffer_callback=buffers.append)
        self.sent.append(len(content) + sum(buffer.raw().nbytes for buffer in buffers))
        return pickle.loads(content, buffers=[bytes(buffer.raw()) for buffer in buffers])

    def run(self, function: Callable[[], Any]) -> dict[str, Any]:
        return {f"worker {n}": function() for n in range(self.workers)}

    def nthreads(self) -> dict[str, int]:
        return {f"worker {n}": 1 for n in range(self.workers)}

    def scatter(self, value: Any) -> Any:
        return value

    def wait_for_workers(self, count: int, timeout: float) -> None: ...

    def register_plugin(self, plugin: Any, name: str) -> None:
        plugin.seat = self._there(plugin.seat)
        plugin.setup(None)
        self.plugins[name] = plugin

    def unregister_worker_plugin(self, name: str) -> None:
        self.plugins.pop(name).teardown(None)

    def submit(self, work: Callable[..., Any], *given: Any, pure: bool) -> Any:
        return lambda: work(*self._there(given))

    def gather(self, futures: list[Callable[[], Any]]) -> list[Any]:
        return [future() for future in futures]


@pytest.mark.parametrize("options", [{"batch": 300, "validation": 0.2}, {"optimiser": "lbfgs"}, {"thin": 0.5}], ids=str)
def test_a_run_has_the_bits_of_one_machine(options: dict[str, Any]) -> None:
    model = Continuum.from_spec(tomllib.loads(SPEC))
    x, y, epochs = X[:330], Y[:330], 1 if "optimiser" in options else 2
    expected = fit(model, x, y, epochs=epochs, **options)
    for workers in (1, 2, 4) if "batch" in options else (3,):
        client = Inline(workers)
        found = fit(model, x, y, epochs=epochs, client=client, **options)
        np.testing.assert_array_equal(found.coordinates, expected.coordinates)
        assert [row["loss"] for row in found.history] == [row["loss"] for row in expected.history]
        assert not cluster._seats and not client.plugins


@pytest.mark.parametrize("name", ["functions", "a lift", "adaptive", "checkpoints", "float32"])
def test_every_kind_of_gradient(name: str) -> None:
    y: np.ndarray = np.tanh(X)[:200, :, None]
    declared: dict[str, Any] = {
        "functions": FUNCTION, "a lift": LIFTED, "checkpoints": FUNCTION,
        "float32": {**FUNCTION, "precision": "float32"},
        "adaptive": {**FUNCTION, "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100"}},
    }[name]  # fmt: skip
    y = np.concatenate([y, -y], axis=2) if name == "a lift" else y
    options: dict[str, Any] = {"memory": "checkpoint"} if name == "checkpoints" else {}
    model = Continuum.from_spec(declared)
    expected = fit(model, X[:200], y, epochs=2, batch=150, **options)
    found = fit(model, X[:200], y, epochs=2, batch=150, client=Inline(), **options)
    np.testing.assert_array_equal(found.coordinates, expected.coordinates)


@pytest.mark.parametrize("strategy", ["nested", "v-cycle"])
def test_every_strategy(strategy: str) -> None:
    model, levels = Continuum.from_spec(tomllib.loads(SPEC)), ["pocket", "base"]
    given = {"epochs": 6, "batch": 150, "strategy": strategy, "strategy_levels": levels}
    client = Inline()
    found, expected = (fit(model, X[:200], Y[:200], client=own, **given) for own in (client, None))
    np.testing.assert_array_equal(found.coordinates, expected.coordinates)
    assert not cluster._seats and not client.plugins


def test_a_step_sends_weights_and_the_names_of_records_and_binds_nothing(tmp_path: Any) -> None:
    """The tables are bound once, and the records sent once, if they do not lie in a file."""
    model = Continuum.from_spec(NUMBERS)
    bound = []
    kept = cluster.Bound.__init__
    np.save(tmp_path / "x.npy", X)

    def counting(self: Any, *given: Any, **more: Any) -> None:
        bound.append(type(self))
        kept(self, *given, **more)

    sizes = {}
    for x in (X, np.load(tmp_path / "x.npy", mmap_mode="r")):
        client = Inline(1)
        with mock.patch.object(cluster.Bound, "__init__", counting):
            fit(model, x, Y, epochs=3, batch=550, client=client)
        steps = client.sent[-5:]
        assert len(set(steps)) <= 2
        sizes[type(x)] = steps[-1]
    states = 550 * model.spec.entry.size * 8
    assert sizes[np.ndarray] < 8 * (model.size + 550) + 4000 < states + 8 * model.size < sizes[np.memmap]
    assert len(bound) <= 1 + 2 + 1  # here, and for each of both runs: tables, and tables with records


def test_what_is_refused() -> None:
    model = Continuum.from_spec(tomllib.loads(SPEC))

    def refused(words: str, client: Any, device: str = "cpu") -> None:
        with pytest.raises(TrainingError, match=words):
            fit(model.replace(device=device), X, Y, epochs=1, client=client)

    refused("a client of type str", "tcp://127.0.0.1:8786")
    refused("without workers", Inline(0))
    with mock.patch.object(Inline, "run", lambda self, function: {"worker": {**function(), "numpy": "1.0"}}):
        refused("'numpy': '1.0'", Inline())
    with mock.patch.object(Inline, "run", side_effect=ModuleNotFoundError("No module named 'numerics'")):
        refused("workers that cannot load", Inline())
    with mock.patch.object(Inline, "gather", side_effect=distributed.CancelledError("work")):
        refused("a cluster that lost a step", Inline())
    assert not cluster._seats


def test_the_command_line_says_what_is_wrong(tmp_path: Any) -> None:
    with pytest.raises(TrainingError, match="one of the two"), lent("tcp://127.0.0.1:1", 2):
        pass
    with mock.patch.dict("sys.modules", {"distributed": None}), pytest.raises(TrainingError, match="scaling"):
        with lent(None, 2):
            pass
    with pytest.raises(TrainingError, match="no cluster at nowhere"), lent("nowhere://1", None):
        pass
    with lent(None, None) as client:
        assert client is None


@pytest.mark.slow
@pytest.mark.compiled
def test_processes_give_the_bits_of_one_and_may_be_killed(tmp_path: Any) -> None:
    """Two processes, of which one is killed, and the command that is given their scheduler."""
    model = Continuum.from_spec(tomllib.loads(SPEC))
    options: dict[str, Any] = {"epochs": 2, "batch": 700}
    expected = fit(model, X, Y, **options).coordinates
    killed = []
    (tmp_path / "small.toml").write_text(SPEC)
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    given = ["fit", str(tmp_path / "small.toml"), "--data", str(tmp_path / "data.npz"), "--epochs", "2"]
    with lent(None, 2) as client:

        def kill(model: Continuum, row: dict[str, Any]) -> None:
            if row["epoch"] == 1:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        np.testing.assert_array_equal(fit(model, X, Y, client=client, callback=kill, **options).coordinates, expected)
        assert len(killed) == 1 and killed[0] not in client.run(os.getpid).values()
        out = tmp_path / "model.npz"
        more = ["--batch", "700", "--scheduler", client.scheduler.address, "--out", str(out)]
        done = CliRunner().invoke(main, [*given, *more])
        assert done.exit_code == 0, done.output
        np.testing.assert_array_equal(load(out).coordinates, expected)


def test_gradients_of_states_stay_here() -> None:
    model = Continuum.from_spec(NUMBERS)
    prepared = model.prepare(records(X[:9], y=Y[:9]))
    there = model.running_on(cluster.spread(model.bound, Inline()))
    with mock.patch.object(Inline, "submit", side_effect=AssertionError):
        np.testing.assert_array_equal(there.state_gradient(prepared), model.state_gradient(prepared))
    assert isinstance(there.solver, Solver)
