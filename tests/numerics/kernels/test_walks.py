"""Adaptive steps: what a step costs, and steps, states and gradients beside a loop in NumPy that finds its own."""

from __future__ import annotations

import warnings
from functools import wraps
from typing import Any

import numpy as np
import pytest
from scipy.integrate import RK45, solve_ivp

from derive.declaration import load_spec
from numerics import Continuum
from numerics.kernels import cpu, threads
from numerics.kernels.bound import arguments, plain_kernels
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.steps import Method
from numerics.model.layout import kernel_weights

ONE = {"family": "p0", "cells": 1}
SPEC: dict[str, Any] = {
    "name": "walks",
    "equation": {"rate": "tanh(u)*h - 3*h", "spacing": "1", "channels": 3},
    "state": {"basis": ONE},
    "weight": {"width_out": ONE, "width_in": ONE, "depth": {"family": "p0", "breakpoints": ["0", "1/3", "1"]}},
    "bias": {"width": ONE, "depth": {"family": "hat", "cells": 1}},
    "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100000"},
    "loss": {"kind": "l2"},
}
HEUN = {"a": [["1"]], "b": ["1/2", "1/2"], "c": ["0", "1"], "order": 2, "embedded": ["1", "0"]}
TRAPEZIUM = {"a": [["0", "0"], ["1/2", "1/2"]], "b": ["1/2", "1/2"], "c": ["0", "1"], "order": 2,
             "embedded": ["0", "1"]}  # fmt: skip
A = [*([*row[:i]] for i, row in enumerate(RK45.A)), [*RK45.B]]
C = [*RK45.C, 1.0]


def model_of(seed: int = 0, scale: float = 2.0, **integration: Any) -> Continuum:
    spec = {**SPEC, "integration": {**SPEC["integration"], **integration}}
    made = Continuum.from_spec(load_spec(spec))
    return made.with_coordinates(scale * np.random.default_rng(seed).standard_normal(made.size))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, 7))


# --- the loop


def rate(w, beta, depth: float, inside: float, h):
    """W is constant on each of two elements and b linear; a constant W on [−1, 1] doubles."""
    k = 0 if inside < 1 / 3 else 1
    u = 2 * w[0, 0, k] @ h + (beta[0, 0] * (1 - depth) + beta[0, 1] * depth)[:, None]
    return np.tanh(u) * h - 3 * h


def step(w, beta, h, start: float, length: float):
    slopes: list[np.ndarray] = []
    for row, c in zip(A, C):
        inner = h + length * sum((a * k for a, k in zip(row, slopes)), 0 * h)
        slopes.append(rate(w, beta, start + c * length, start + length / 2, inner))
    error = length * sum(e * k for e, k in zip(-RK45.E, slopes))
    return h + length * sum(b * k for b, k in zip(RK45.B, slopes)), error


def norm(h) -> np.ndarray:
    return np.sqrt(2 * np.sum(h**2, axis=0))


def found(w, beta, h, tolerance: float) -> tuple[list[tuple[float, float]], int, np.ndarray]:
    """Steps, how many were tried, and the states at the end."""
    steps, tried, length = [], 0, 1 / 3
    for start, stop in ((0.0, 1 / 3), (1 / 3, 1.0)):
        at = start
        while at < stop:
            rest = stop - at
            trial = length if length < 0.6 * rest else rest if length >= rest else rest / 2
            after, error = step(w, beta, h, at, trial)
            worst = (norm(error) / (tolerance * (1 + np.maximum(norm(h), norm(after))))).max()
            tried += 1
            if worst <= 1:
                steps.append((at, trial))
                h, at = after, stop if trial == rest else at + trial
            length = trial * min(5.0, max(0.2, 0.9 * worst ** (-1 / 5)))
    return steps, tried, h


def weights(model: Continuum) -> tuple[np.ndarray, np.ndarray]:
    return tuple(model.fields[name].slabs[0].coefficients for name in ("W", "b"))  # type: ignore[return-value]


def test_steps_and_states_are_those_of_a_loop(x: np.ndarray) -> None:
    model = model_of()
    steps, _, end = found(*weights(model), x, 1e-5)
    given = x.copy()
    (taken,) = model.solver.find_steps(x)
    assert np.array_equal(x, given) and len(taken) == len(steps) >= 6
    assert np.abs(np.array(taken) - steps).max() <= 1e-9
    assert np.abs(model.solver.final(x) - end).max() <= 1e-12 * np.abs(end).max()


def test_the_gradient_is_that_of_the_loop_over_its_steps(x: np.ndarray) -> None:
    """½ Σ |h(1) − t|² by a complex step; the model's loss is the mean of 2 |h − t|² over the records."""
    model, targets = model_of(), np.ones_like(x)
    own, generator = weights(model), np.random.default_rng(2)
    along = [generator.standard_normal(a.shape) for a in own]
    h = x.astype(complex)
    for start, length in model.solver.find_steps(x)[0]:
        h, _ = step(*(a + 1e-30j * v for a, v in zip(own, along)), h, start, length)
    wanted = np.sum((h - targets) ** 2).imag / 1e-30 * 2 / x.shape[1]
    _, slopes = model.value_and_gradient(x.T[:, None], targets.T[:, None], metric="coefficients")
    parts = [slopes[name].slabs[0].coefficients for name in ("W", "b")]
    size = np.sqrt(sum(np.sum(g**2) for g in parts) * sum(np.sum(v**2) for v in along))
    assert abs(sum(np.sum(g * v) for g, v in zip(parts, along)) - wanted) <= 1e-13 * size


# --- what it costs


class Counted:
    """Kernels in plain Python; counts: stages that they have gone through, by what they do."""

    def __init__(self) -> None:
        self.counts = {"forward": 0, "adjoint": 0}

    def __call__(self, tables: Any, name: str) -> Any:
        kernel = plain_kernels(tables, name)
        names = arguments(kernel)

        @wraps(kernel)
        def counting(*given: Any) -> None:
            kind = name.removeprefix("formed_").removeprefix("factors_")
            if kind in self.counts:
                steps, rows, _ = given[names.index("combine")].shape
                self.counts[kind] += steps * (rows - 1)
            kernel(*given)

        counting.py_func = kernel  # type: ignore[attr-defined]  # whose arguments are looked at
        return counting


def counting(model: Continuum) -> tuple[Solver, dict[str, int]]:
    find = Counted()
    return Bound(model.representation, find=find).form(kernel_weights(model.fields)), find.counts


def gradient(solver: Solver, x: np.ndarray) -> tuple[np.ndarray, ...]:
    losses, (back,), *_ = solver.mean_gradient(x, *solver.bound.comparison, np.ones_like(x))
    return losses, back.w, back.beta


def test_a_step_of_dormand_and_prince_costs_six_stages(x: np.ndarray) -> None:
    """An element's first slope, and six for each step tried; of a gradient six more and six back for each one taken."""
    model = model_of()
    steps, tried, _ = found(*weights(model), x, 1e-5)
    assert tried > len(steps)
    for call in (Solver.final, Solver.find_steps, Solver.settled):
        solver, counts = counting(model)
        call(solver, x)
        assert counts == {"forward": 6 * tried + 2, "adjoint": 0}
    solver, counts = counting(model)
    gradient(solver, x)
    assert counts == {"forward": 6 * (tried + len(steps)) + 2, "adjoint": 6 * len(steps)}


def test_a_slope_outlives_a_step_that_was_too_long(x: np.ndarray) -> None:
    """Heun's method with Euler's inside shares no stage of two steps: two for a step taken, one for every other try."""
    model = model_of(tableau=HEUN, tolerance="1/1000")
    solver, counts = counting(model)
    (taken,) = solver.find_steps(x)
    tried = counts["forward"] - len(taken)
    assert len(taken) < tried < 2 * len(taken)
    flow = lambda depth, y: rate(*weights(model), depth, depth, y.reshape(3, -1)).ravel()  # noqa: E731
    ends = x.ravel()
    for span in ((0, 1 / 3), (1 / 3, 1)):
        ends = solve_ivp(flow, span, ends, method="DOP853", rtol=1e-11, atol=1e-12, max_step=0.01).y[:, -1]
    assert np.abs(model.solver.final(x) - ends.reshape(3, -1)).max() <= 2e-2


@pytest.mark.parametrize(
    ("tableau", "repeats", "stages"), [("dopri5", True, 6), (HEUN, False, 2), (TRAPEZIUM, False, 2)]
)
def test_which_last_stages_are_the_next_first_ones(tableau: Any, repeats: bool, stages: int) -> None:
    method = Method.of(model_of(tableau=tableau).spec.tableau, -3.0)
    assert method.repeats is repeats and len(method.taken.b) == stages
    assert np.allclose(method.taken.step(0.1)[-1], method.step(0.1)[-1][: stages + 1], rtol=1e-15)
    both = np.vstack([method.step(0.1), method.error(0.1)[-1:]])
    assert np.abs(method.tried(0.1) - both).max() <= 1e-15
    assert np.abs(method.step(np.array([0.1, 0.2]))[1] - method.step(0.2)).max() <= 1e-15


def test_stages_that_are_solved_for_take_adaptive_steps(x: np.ndarray) -> None:
    loose, tight = (model_of(tableau=TRAPEZIUM, tolerance=t, scale=1.0).solver for t in ("1/100", "1/1000"))
    assert len(loose.find_steps(x)[0]) < len(tight.find_steps(x)[0])
    _, _, end = found(*weights(model_of(scale=1.0)), x, 1e-9)
    assert np.abs(tight.final(x) - end).max() <= 1e-2


# --- tiles, memory


def two_slabs() -> Continuum:
    wide = [ONE, {"family": "p0", "cells": 2}]
    once = [ONE] * 2
    spec = {
        **SPEC,
        "weight": {"width_out": wide, "width_in": ONE, "depth": once},
        "bias": {"width": ONE, "depth": once},
    }
    made = Continuum.from_spec(load_spec(spec))
    return made.with_coordinates(np.random.default_rng(0).standard_normal(made.size))


@pytest.mark.parametrize("make", [model_of, two_slabs])
def test_it_is_the_same_however_records_are_cut_and_memory_is_spent(
    make: Any, x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make()
    weights = kernel_weights(model.fields)
    assert len(weights) == (2 if make is two_slabs else 1)

    def all_of(bound: Bound) -> list[np.ndarray]:
        solver = bound.form(weights)
        operator, constant = bound.comparison
        own = solver.weighted_gradient(x, operator, constant, np.ones_like(x), np.arange(7.0))
        back, *_, states = solver.pull_back(x, operator, constant, np.ones((len(constant), 7)))
        slabs = [a for slab in (*own[1], *back) for a in slab.arrays.values()]
        outputs = solver.outputs(x, operator, constant), solver.features(x)
        return [*gradient_of(solver), own[0], *slabs, states, *outputs, solver.final(x)]

    def gradient_of(solver: Solver) -> list[np.ndarray]:
        losses, back, *_ = solver.mean_gradient(x, *solver.bound.comparison, np.ones_like(x))
        return [losses, *(a for slab in back for a in slab.arrays.values())]

    bound = Bound(model.representation, find=plain_kernels)
    wanted, others = all_of(bound), [all_of(bound.keeping("checkpoint"))]
    for where, name, size in ((cpu, "TILE", 3), (threads, "TWO_THREADS", 0)):  # three tiles, two halves
        with monkeypatch.context() as cut:
            cut.setattr(where, name, size)
            others.append(all_of(bound))
    for found in others:
        for a, b in zip(wanted, found, strict=True):
            assert np.abs(a - b).max() <= 1e-13 * max(1, np.abs(a).max())


def test_single_precision_takes_the_same_way(x: np.ndarray) -> None:
    model = model_of(tolerance="1/1000")
    single = Bound(model.representation, np.float32, find=plain_kernels).form(kernel_weights(model.fields))
    (steps,), (wanted,) = single.find_steps(x), model.solver.find_steps(x)
    assert len(steps) == len(wanted) and np.abs(np.array(steps) - wanted).max() <= 1e-3
    end = single.final(x)
    assert end.dtype == np.float32 and np.abs(end - model.solver.final(x)).max() <= 1e-4


def test_a_step_that_overflows_is_shortened_in_silence(x: np.ndarray) -> None:
    """Of a trial that is far too long nothing is said: its error is not finite, and the next one is shorter."""
    spec = {**SPEC, "equation": {**SPEC["equation"], "rate": "u - h**9"}}
    model = Continuum.from_spec(spec, seed=0)
    records = 1.8 * np.sign(x)
    with warnings.catch_warnings(), threads.serial_blas():
        warnings.simplefilter("error")
        found = model.solver.final(np.ascontiguousarray(records))
    assert np.isfinite(found).all() and np.abs(found).max() < 1.8


def test_a_step_that_is_too_long_for_newton_is_shortened() -> None:
    """Squares grow: over the whole depth the implicit stages have no solution, over a part of it they do."""
    found = {}
    for name, tableau in {"implicit": TRAPEZIUM, "explicit": "dopri5"}.items():
        spec = {**SPEC, "equation": {**SPEC["equation"], "rate": "h**2 + u", "channels": 1},
                "weight": {**SPEC["weight"], "depth": ONE},
                "integration": {"tableau": tableau, "steps": "adaptive", "tolerance": "1/1000"}}  # fmt: skip
        model = Continuum.from_spec(spec, seed=0)
        records = np.linspace(0.3, 0.9, 7)[None]
        with threads.serial_blas():
            found[name] = model.with_coordinates(np.zeros(model.size)).solver.final(records)
    exact = records / (1 - records)  # of h′ = h² at depth 1
    assert np.abs(found["explicit"] / exact - 1).max() < 0.02
    assert np.abs(found["implicit"] / exact - 1).max() < 0.05
