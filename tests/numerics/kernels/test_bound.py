"""Tables are bound once a run: a step converts and uploads weights and records, and no call changes what is bound."""

from __future__ import annotations

import gc
import pickle
from collections import Counter
from typing import Any
from unittest import mock

import numpy as np
import pytest

from numerics import Continuum, fit, load
from numerics.datasets import records
from numerics.kernels import bind, bound, cpu
from numerics.kernels.bound import BoundSlab
from numerics.kernels.cpu import Bound, Solver
from numerics.model.prepared import Prepared
from tests.builders import marked
from tests.oracles import lockstep

P0 = {"family": "p0", "cells": 3}
HAT = {"family": "hat", "cells": 3}
ONE = {"family": "p0", "cells": 1}


def declared(**tables: Any) -> dict[str, Any]:
    return {
        "name": "bound",
        "precision": "float32",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
        "state": {"basis": HAT},
        "weight": {"width_out": P0, "width_in": P0, "depth": ONE},
        "bias": {"width": P0, "depth": ONE},
        "integration": {"tableau": "heun", "steps": 2},
        **tables,
    }


MAXIMA = {"outputs": 2, "basis": HAT, "maximum": "4"}
SPECS = {
    "functions": declared(loss={"kind": "l2"}),
    "classes, maxima": declared(readout=MAXIMA, loss={"kind": "cross-entropy"}),
    "lift, local, readout": declared(
        equation={"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 2, "local": True},
        lift={"inputs": 1}, readout={"outputs": 1}, loss={"kind": "relative-l2"},
    ),
    "slabs": declared(
        state={"basis": [HAT, P0, HAT]}, weight={"width_out": [P0] * 2, "width_in": [P0] * 2, "depth": [ONE] * 2},
        bias={"width": [P0] * 2, "depth": [ONE] * 2}, loss={"kind": "l2"},
    ),
    "implicit": declared(integration={"tableau": "implicit-midpoint", "steps": 2}, loss={"kind": "l2"}),
}  # fmt: skip
X = np.random.default_rng(0).standard_normal((5, 7))


def made(name: str, **changes: Any) -> tuple[Continuum, Prepared]:
    """A model, and records with targets for it."""
    model = Continuum.from_spec({**SPECS[name], **changes}, seed=0)
    wanted = len(model.readout_map()[1])
    generator = np.random.default_rng(1)
    targets = np.eye(2)[[0, 1, 1, 0, 1]].T.copy() if "classes" in name else generator.standard_normal((wanted, 5))
    return model, Prepared(model.project_samples(records(X)), targets, np.zeros(5), None)


# --- once a run ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_a_step_binds_and_converts_nothing(name: str) -> None:
    """As many tables are converted for six steps as for one."""
    model, _ = made(name)
    y = np.arange(5) % 2 if "classes" in name else X
    counts = []
    for epochs in (1, 6):
        count: Counter[str] = Counter()

        def counting(what: str, function: Any, count: Counter[str] = count) -> Any:
            def counted(*given: Any, **named: Any) -> Any:
                count[what] += 1
                return function(*given, **named)

            return counted

        with (
            mock.patch.object(bind, "_alive", {}),
            mock.patch.object(bound, "converted", counting("converted", bound.converted)),
            mock.patch.object(cpu, "converted", counting("converted", cpu.converted)),
            mock.patch.object(Bound, "__init__", counting("bound", Bound.__init__)),
            mock.patch.object(BoundSlab, "_converted", counting("slabs", BoundSlab._converted)),
            mock.patch.object(Solver, "mean_gradient", counting("steps", Solver.mean_gradient)),
        ):
            fit(model.replace(), X, y, epochs=epochs, optimiser="adam")
        assert count.pop("steps") == epochs
        counts.append(count)
    assert counts[0] == counts[1]
    assert counts[0]["bound"] == 1 and counts[0]["converted"] > 10


@pytest.mark.parametrize("name", SPECS)
def test_a_step_reads_no_table_but_the_bound_ones(name: str) -> None:
    """The representation's own tables of the kernels may be spoilt once they are bound."""
    model, prepared = made(name)
    model = pickle.loads(pickle.dumps(model))  # with tables of its own
    vector = model.coordinates
    expected = [model.objective(prepared, vector * size) for size in (1, 0.5)]
    for slab in model.bound.slabs:
        read = {name for kernel in slab.kernels.values() for name in kernel.arguments}
        for key, table in slab.tables.tables.items():
            if table.dtype == np.float64 and (key in read or key.startswith("constants/")):
                table[...] = np.nan
    for size, (loss, gradient) in zip((1, 0.5), expected):
        again, other = model.objective(prepared, vector * size)
        assert again == loss and np.array_equal(other, gradient) and np.isfinite(loss)


def test_steps_of_a_run_share_their_tables() -> None:
    model, prepared = made("slabs")
    model.objective(prepared)  # rehearsed
    used = []
    gradient = Solver.mean_gradient

    def watched(self: Solver, *given: Any) -> Any:
        used.append([array for slab in self.slabs for array in slab.bound.values()])
        return gradient(self, *given)

    with mock.patch.object(Solver, "mean_gradient", watched):
        for size in (1.0, 0.5, 0.25):
            model.objective(prepared, size * model.coordinates)
    assert all(first is second for other in used[1:] for first, second in zip(used[0], other, strict=True))


def test_models_of_one_representation_share_their_tables_as_long_as_they_live() -> None:
    first, _ = made("functions")
    second = first.with_coordinates(0.5 * first.coordinates)
    assert first.bound is second.bound
    double, _ = made("functions", precision="float64")
    assert double.bound is not first.bound
    key = id(first.representation), "float32", "cpu"
    assert bind._alive[key] is first.bound
    del first, second
    gc.collect()
    assert key not in bind._alive


def test_tables_stay_where_they_are_when_models_go_elsewhere(tmp_path: Any) -> None:
    model, prepared = made("slabs")
    expected = model.objective(prepared)
    content = pickle.dumps(model)
    model.save(tmp_path / "m.npz")
    for other in (pickle.loads(content), load(tmp_path / "m.npz")):
        loss, gradient = other.objective(prepared)
        assert other.bound is not model.bound
        assert loss == expected[0] and np.array_equal(gradient, expected[1])
    assert b"Bound" not in content


@pytest.mark.parametrize("name", SPECS)
def test_no_call_changes_what_is_bound(name: str) -> None:
    model, prepared = made(name)

    def state() -> dict[tuple[int, str], bytes]:
        slabs = model.bound.slabs
        found = {(k, n): np.asarray(a).tobytes() for k, slab in enumerate(slabs) for n, a in slab.bound.items()}
        return found | {(k, "operators"): bytes(len(slab.operators)) for k, slab in enumerate(slabs)}

    before = state()
    model.objective(prepared, 0.5 * model.coordinates)
    model(X)
    model.trajectory(X)
    model.solver.gradient(prepared.states, *model.readout_map(), prepared.wanted())
    model.bound.with_steps([taken[:1] for taken in model.bound.steps])
    model.bound.unshared()
    assert state() == before


# --- on a GPU -----------------------------------------------------------------------------------------------


@pytest.mark.first(1)
@pytest.mark.parametrize("name", marked(SPECS, slow=("slabs", "implicit")))
def test_a_step_on_a_device_uploads_weights_and_records(name: str) -> None:
    """Counted on a machine of the tests; and the gradients are those of the CPU."""
    model, prepared = made(name, precision="float64")
    vector = 0.5 * model.coordinates
    expected = model.objective(prepared, vector)
    with lockstep.device() as machine:
        there = model.replace(device="cuda")
        there.objective(prepared, vector)
        machine.count.clear()
        loss, gradient = there.objective(prepared, vector)
        assert machine.count["uploads"] == len(model.bound.slabs) + 1  # the weights of every slab, and the records
        assert machine.count["downloads"] == 1 + (name == "implicit")  # losses and gradients; what Newton leaves
    assert abs(loss - expected[0]) <= 1e-12 * abs(expected[0])
    assert np.abs(gradient - expected[1]).max() <= 1e-12 * np.abs(expected[1]).max()


def test_every_precision_has_its_own_smallest_normal_number() -> None:
    """Below it reciprocals overflow (IEEE 754): 2⁻¹⁰²² and 2⁻¹²⁶; other numbers are rounded."""
    numbers = np.array([0.0, 1.0, 2.0**-1022, 1 / 3])
    assert bound.exact_numbers(numbers, np.dtype("float64")).tolist() == numbers.tolist()
    single = bound.exact_numbers(numbers, np.dtype("float32"))
    assert single.dtype == np.float32
    assert single.tolist() == [0.0, 1.0, 2.0**-126, float(np.float32(1 / 3))]
