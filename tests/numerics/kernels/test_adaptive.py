"""Adaptive steps: their errors against SciPy, their gradients against the complex step of a loop over those steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from derive.declaration import load_spec
from derive.errors import SpecError, TrainingError
from numerics import Continuum, fit, project, refine
from numerics.datasets import records
from numerics.kernels import steps as adaptive
from numerics.kernels.operators import norms
from numerics.kernels.steps import Method
from numerics.model.prepared import Prepared
from tests.oracles.network import basis

HAT = {"family": "hat", "cells": 3}
SPEC = {
    "name": "adaptive",
    "equation": {"rate": "tanh(u)*h - a*h**3 - 3*h", "spacing": "1", "parameters": {"a": "2"}},
    "state": {"basis": {"family": "legendre", "size": 5}},
    "weight": {"width_out": HAT, "width_in": HAT, "depth": {"family": "p0", "breakpoints": ["0", "1/3", "1"]}},
    "bias": {"width": HAT, "depth": {"family": "hat", "cells": 1}},
    "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100000"},
    "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 3}},
    "loss": {"kind": "cross-entropy"},
    "levels": {
        "loose": {"integration": {"tolerance": "1/100"}},
        "fixed": {"integration": {"tableau": "rk4", "steps": 64}},
        "rich": {"weight": {"width_in": {"family": "hat", "cells": 6}}},
        "poor": {"weight": {"width_out": {"family": "legendre", "size": 3}}},
    },
}
NODES, LENGTHS = np.polynomial.legendre.leggauss(12)


def declared(**integration) -> dict:
    """The spec with fixed levels' steps replaced by a number, where the base has one."""
    return {**SPEC, "integration": {**SPEC["integration"], **integration}, "levels": {}}


def random_model(spec: dict = SPEC, scale: float = 1.5, seed: int = 0) -> Continuum:
    model = Continuum.from_spec(load_spec(spec), seed=0)
    return model.with_coordinates(scale * np.random.default_rng(seed).standard_normal(model.size))


class Network:
    """(4), (5) of SPEC in NumPy: hats, Legendre polynomials and a rule of its own."""

    def __init__(self, model: Continuum) -> None:
        nodes = np.array(model.representation.slabs[0].tables["nodes"])  # where the rate is sampled
        cuts = np.linspace(-1, 1, 4)
        per = len(nodes) // 3
        x, w = np.polynomial.legendre.leggauss(per)
        assert np.allclose(np.sort(nodes), np.concatenate([a + (b - a) * (x + 1) / 2 for a, b in zip(cuts, cuts[1:])]))
        self.weights = np.concatenate([(b - a) / 2 * w for a, b in zip(cuts, cuts[1:])])
        self.x = np.polynomial.legendre.legvander(nodes, 4)
        self.back = np.linalg.solve((self.x.T * self.weights) @ self.x, self.x.T * self.weights)
        self.phi = basis(HAT, (-1.0, 1.0), nodes)
        fine = np.concatenate([a + (b - a) * (NODES + 1) / 2 for a, b in zip(cuts, cuts[1:])])
        lengths = np.concatenate([(b - a) / 2 * LENGTHS for a, b in zip(cuts, cuts[1:])])
        self.coupling = (basis(HAT, (-1.0, 1.0), fine) * lengths[:, None]).T @ np.polynomial.legendre.legvander(fine, 4)

    def rate(self, w, beta, h, depth: float, inside: float):
        k = 0 if inside < 1 / 3 else 1
        bias = self.phi @ (beta[:, 0, 0] * (1 - depth) + beta[:, 1, 0] * depth)
        u = self.phi @ w[:, :, k, 0, 0] @ self.coupling @ h + bias[:, None]
        at = self.x @ h
        return self.back @ (np.tanh(u) * at - 2 * at**3 - 3 * at)


DOPRI_A = [[], [1 / 5], [3 / 40, 9 / 40], [44 / 45, -56 / 15, 32 / 9],
           [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
           [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
           [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]]  # fmt: skip
DOPRI_C = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]
MODES = np.array([1, 1 / 3, 1 / 5, 1 / 7, 1 / 9]) * 2


@pytest.fixture
def model() -> Continuum:
    return random_model()


@pytest.fixture
def start() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((5, 70))


def exact(model: Continuum, start: np.ndarray) -> np.ndarray:
    network = Network(model)
    w, beta = (model.fields[name].slabs[0].coefficients for name in ("W", "b"))
    ends = []
    for h in start.T:
        for low, high in ((0, 1 / 3), (1 / 3, 1)):
            inside = (low + high) / 2
            flow = lambda d, y, i=inside: network.rate(w, beta, y[:, None], d, i)[:, 0]  # noqa: E731
            h = solve_ivp(flow, (low, high), h, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        ends.append(h)
    return np.array(ends).T


@pytest.mark.slow
def test_the_error_follows_the_tolerance(model: Continuum, start: np.ndarray) -> None:
    truth = exact(model, start[:, :6])
    for tolerance in ("1/100", "1/10000", "1/1000000", "1/100000000"):
        integration = {"tolerance": tolerance}
        made = Continuum.from_spec(load_spec(declared(**integration))).with_coordinates(model.coordinates)
        solver = made.solver.settled(start[:, :6])
        found = solver.final(start[:, :6])
        error = np.sqrt(np.sum(MODES[:, None] * (found - truth) ** 2, axis=0))
        size = 1 + np.sqrt(np.sum(MODES[:, None] * start[:, :6] ** 2, axis=0))
        value = float(tolerance.split("/")[0]) / float(tolerance.split("/")[1])
        (steps,) = solver.steps
        assert error.max() <= 3 * value * size.max()
        assert steps[0][0] == 0 and any(s == pytest.approx(1 / 3) for s, _ in steps)  # no step crosses a jump of W
        assert sum(length for _, length in steps) == pytest.approx(1, abs=1e-14)


@pytest.mark.slow
@pytest.mark.compiled
def test_a_tighter_tolerance_takes_more_steps_and_every_call_the_same(model: Continuum, start: np.ndarray) -> None:
    counts = []
    for tolerance in ("1/100", "1/100000", "1/100000000"):
        made = Continuum.from_spec(load_spec(declared(tolerance=tolerance))).with_coordinates(model.coordinates)
        first = made.solver.final(start)
        counts.append(len(made.solver.settled(start).steps[0]))
        assert np.array_equal(first, made.solver.final(start))
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.slow
@pytest.mark.compiled
def test_any_number_of_threads_finds_the_same_steps(
    model: Continuum, start: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CONTINUA_THREADS", threads)
        found.append((model.solver.final(start), model.solver.find_steps(start)))
    assert all(np.array_equal(a, found[0][0]) and b == found[0][1] for a, b in found)


@pytest.mark.compiled
@pytest.mark.slow
def test_the_gradient_is_exact_for_the_steps_taken(model: Continuum, start: np.ndarray) -> None:
    """Complex step of Dormand and Prince's method written out over the same steps."""
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, start.shape[1])
    prepared = Prepared(start, np.eye(2)[labels].T.copy(), np.zeros(len(labels)), labels)
    loss, gradient = model.coefficient_gradient(prepared)
    (steps,) = model.solver.find_steps(start)
    network = Network(model)
    parts = {name: f.slabs[0].coefficients for name, f in model.fields.items()}
    directions = {name: generator.standard_normal(v.shape) for name, v in parts.items()}
    moved = {name: v + 1e-30j * directions[name] for name, v in parts.items()}
    h = start.astype(complex)
    for at, length in steps:
        k: list[np.ndarray] = []
        for row, c in zip(DOPRI_A, DOPRI_C):
            stage = h + length * sum((a * m for a, m in zip(row, k)), 0 * h)
            k.append(network.rate(moved["W"], moved["b"], stage, at + c * length, at + length / 2))
        h = h + length * sum(b * m for b, m in zip(DOPRI_A[-1], k))
    z = np.einsum("ioc,i,in->on", moved["R"], MODES[:3], h[:3]) + moved["a"][:, None]
    expected = np.mean(np.log(np.sum(np.exp(z), axis=0)) - z[labels, np.arange(len(labels))])
    assert abs(loss - expected.real) <= 1e-12 * abs(loss)
    found = sum(np.sum(gradient[name][0] * d) for name, d in directions.items())
    size = np.sqrt(sum(np.sum(gradient[name][0] ** 2) for name in directions))
    length = np.sqrt(sum(np.sum(d**2) for d in directions.values()))
    assert abs(found - expected.imag / 1e-30) <= 1e-13 * size * length


def test_the_error_row_is_the_difference_of_both_methods() -> None:
    """h_{n+1} by b̄ and by the embedded weights, for ḣ = sin h − 3 h, against the two methods in a loop."""
    tableau = load_spec(SPEC).tableau
    method, s, h = Method.of(tableau, -3.0), 0.2, 0.7
    k: list[float] = []
    states = []
    for row in DOPRI_A:
        states.append(h + s * sum(a * m for a, m in zip(row, k)))
        k.append(np.sin(states[-1]) - 3 * states[-1])
    fourth = [5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40]
    ends = [s * float(np.dot(weights, k)) for weights in ([*DOPRI_A[-1], 0], fourth)]
    moved = np.append(h, np.sin(states))
    assert method.step(s)[-1] @ moved == pytest.approx(h + ends[0], rel=1e-15)
    assert method.error(s)[-1] @ moved == pytest.approx(ends[0] - ends[1], rel=1e-9)
    assert method.step(s)[:-1] @ moved == pytest.approx(states, rel=1e-14)


@pytest.mark.slow
def test_adaptive_models_train_save_move_and_show_their_steps(tmp_path) -> None:
    generator = np.random.default_rng(3)
    x = generator.standard_normal((16, 1)) * np.linspace(-1, 1, 12) + 0.2 * generator.standard_normal((16, 12))
    y = (x[:, 11] > 0).astype(int)
    model = fit(Continuum.from_spec(load_spec(SPEC), seed=0), x, y, optimiser="lbfgs", learning_rate=0.1, epochs=16)
    prepared = model.prepare(records(x, y=y))
    assert model.scores(prepared)["accuracy"] >= 0.95
    model.save(tmp_path / "model.npz")
    from numerics import load

    assert np.array_equal(load(tmp_path / "model.npz")(x), model(x))
    fine = refine(model, level="rich")
    assert np.abs(fine(x) - model(x)).max() <= 1e-11 * np.abs(model(x)).max()
    for level, small in (("loose", 0.05), ("fixed", 1e-3)):
        moved = project(model, level=level, x=x, y=y)
        assert moved.report.outputs_fields == 0 and moved.report.outputs_solver <= small
    poor = project(model, level="poor", x=x, y=y)
    assert np.isfinite(poor.report.attribution.total)
    depths, values = model.trajectory(x[:3])
    (steps,) = model.solver.find_steps(model.project_samples(records(x[:3])))
    assert depths[0] == 0 and depths[-1] == 1 and len(depths) == len(values[0]) == len(steps) + 1
    assert "dopri5 to 1/100000" in repr(model)


def test_a_state_that_explodes_is_reported_with_its_depth() -> None:
    spec = {**declared(), "equation": {"rate": "h**2 + tanh(u)", "spacing": "1"}}
    model = random_model(spec, scale=0.1)
    with pytest.raises(TrainingError, match=r"record 1, of norm [0-9.e+]+ .*\n.*at depth 0\.[0-9]+"):
        model.solver.final(np.array([[0.1, 3.0]]) * np.eye(5, 1))


@pytest.mark.slow
def test_a_record_that_explodes_in_training_is_named_within_its_batch() -> None:
    spec = {**declared(), "equation": {"rate": "h**2 + tanh(u)", "spacing": "1"}}
    model = random_model(spec, scale=0.1)
    x = np.full((3, 4), 0.1)
    x[2] = 30.0
    with pytest.raises(TrainingError, match=r"epoch 1, batch 1 of 1; within it record 2, of norm"):
        fit(model, x, [0, 1, 1], epochs=1)


SQUARE = {
    "name": "square",
    "equation": {"rate": "h - h**3 + u", "spacing": "1", "dimension": 2},
    "state": {"basis": {"axes": [{"family": "p0", "breakpoints": ["-1", "-9/10", "1"]}, {"family": "p0", "cells": 3}]}},
    "weight": {"width_out": HAT, "width_in": HAT, "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": HAT, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/1000000"},
    "loss": {"kind": "l2"},
}


def test_squares_take_adaptive_steps() -> None:
    """Without weights every coefficient of piecewise constants goes its own way: h e^δ / √(1 + h² (e^{2δ} − 1))."""
    model = Continuum.from_spec(load_spec(SQUARE))
    model = model.with_coordinates(np.zeros(model.size))
    h = np.random.default_rng(0).standard_normal((6, 4))
    found = model.solver.final(h)
    assert np.abs(found - h * np.e / np.sqrt(1 + h**2 * (np.e**2 - 1))).max() <= 1e-5
    (steps,) = model.solver.find_steps(h)
    assert 3 <= len(steps) <= 50


def test_errors_on_squares_are_measured_in_the_area() -> None:
    """‖h‖ of piecewise constants on uneven cells is the sum of h² times the cells' areas."""
    model = Continuum.from_spec(load_spec(SQUARE))
    h = np.random.default_rng(1).standard_normal((6, 4))
    areas = np.outer([0.1, 1.9], [2 / 3] * 3).ravel()
    expected = np.sqrt(areas @ h**2)
    assert np.abs(norms(model.solver.slabs[0], h) - expected).max() <= 1e-14


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_steps_without_end_are_stopped_and_blamed_on_their_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stiff rate on which an explicit method crawls."""
    monkeypatch.setattr(adaptive, "MOST", 60)
    spec = {**SQUARE, "equation": {**SQUARE["equation"], "rate": "10000*h*(1 - h**2)"}}
    model = Continuum.from_spec(load_spec(spec))
    h = np.zeros((6, 3))
    h[2, 1] = 0.5
    with pytest.raises(TrainingError, match=r"record 1(.|\n)*60 steps tried(.|\n)*stiff"):
        model.solver.final(h)


@pytest.mark.parametrize(
    ("integration", "words"),
    [
        ({"tableau": "rk4"}, "embedded weights: dopri5"),
        ({"tolerance": "0"}, "between 0 and 1"),
        ({"tolerance": 1.5}, "between 0 and 1"),
        ({"steps": "many"}, "integration.steps"),
        ({"tableau": {"a": [["1"]], "b": ["1/2", "1/2"], "c": ["0", "1"], "order": 2, "embedded": ["1"]}}, "2 weights"),
        ({"tableau": {"a": [["1"]], "b": ["1/2", "1/2"], "c": ["0", "1"], "order": 2, "embedded": ["1/2", "1/2"]}},
         "not b"),
    ],
)  # fmt: skip
def test_declarations_that_cannot_work(integration: dict, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_spec(declared(**integration))


def test_adaptive_steps_need_one_state_basis() -> None:
    states = [{"family": "legendre", "size": n} for n in (5, 4, 3)]
    once = [{"family": "p0", "cells": 1}] * 2
    spec = {**declared(), "state": {"basis": states}, "weight": {**SPEC["weight"], "depth": once},
            "bias": {**SPEC["bias"], "depth": once}}  # fmt: skip
    with pytest.raises(SpecError, match="one state basis"):
        load_spec(spec)


@pytest.mark.slow
def test_own_methods_with_embedded_weights() -> None:
    """Heun with Euler inside."""
    heun = {"a": [["1"]], "b": ["1/2", "1/2"], "c": ["0", "1"], "order": 2, "embedded": ["1", "0"]}
    model = random_model(declared(tableau=heun, tolerance="1/10000"))
    start = np.random.default_rng(1).standard_normal((5, 4))
    error = np.abs(model.solver.final(start) - exact(model, start)).max()
    assert error <= 1e-3 and len(model.solver.find_steps(start)[0]) > 10
