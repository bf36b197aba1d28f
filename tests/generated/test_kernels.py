"""The generated kernels against independent NumPy: identities, an oracle network, and every kind of derivative."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.declaration import load_spec
from numerics.datasets import records
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from numerics.model.prepared import Prepared
from tests.builders import FOURIER, P0, declare, random_model
from tests.oracles.network import TABLEAUX, basis, breakpoints, gauss, network, rule

RATES = {
    "mlp": lambda f, delta: lambda u, h: (f(u) - h) / delta,
    "residual": lambda f, delta: lambda u, h: f(u) / delta,
    "literal": lambda f, delta: lambda u, h: (f(u) - u) / delta,
    "tanh(u)*h - h**2/3": lambda f, delta: lambda u, h: np.tanh(u) * h - h**2 / 3,
    "sin(u) - h**3/3": lambda f, delta: lambda u, h: np.sin(u) - h**3 / 3,
    "sin(u) - h/2": lambda f, delta: lambda u, h: np.sin(u) - h / 2,
}


def coefficients(model: Continuum) -> tuple[np.ndarray, np.ndarray]:
    return model.fields["W"].slabs[0].coefficients, model.fields["b"].slabs[0].coefficients


def reference_state(declared: dict, w: np.ndarray, beta: np.ndarray, h: np.ndarray) -> np.ndarray:
    equation = declared["equation"]
    f = {"tanh": np.tanh, "sin": np.sin}[equation["activation"]]
    spacing = {"1/2": 0.5, "1/4": 0.25}[equation["spacing"]]
    rate = RATES[equation["rate"]](f, spacing)
    return network(declared, *rule(declared), w, beta, h, TABLEAUX[declared["integration"]["tableau"]], rate)


CASES = {
    "legendre heun": declare(),
    "mlp": declare(equation={"rate": "mlp"}),
    "literal rk4": declare(equation={"rate": "literal"}, integration={"tableau": "rk4"}),
    "two channels": declare(equation={"channels": 2}),
    "own rate": declare(equation={"rate": "tanh(u)*h - h**2/3"}, integration={"tableau": "rk4"}),
    "own rate, split": declare(equation={"rate": "sin(u) - h/2", "activation": "sin"}),
    "p0": declare(
        equation={"rate": "mlp"}, state={"basis": P0}, weight={"width_out": P0, "width_in": P0}, bias={"width": P0}
    ),
    "p0, h at nodes": declare(
        equation={"rate": "tanh(u)*h - h**2/3"}, state={"basis": P0}, weight={"width_out": P0, "width_in": P0},
        bias={"width": P0},
    ),
    "hat": declare(state={"basis": {"family": "hat", "cells": 9}}),
    "bspline": declare(state={"basis": {"family": "bspline", "degree": 3, "cells": 6}}),
    "fourier": declare(
        equation={"periodic": True}, state={"basis": FOURIER},
        weight={"width_out": FOURIER, "width_in": FOURIER}, bias={"width": FOURIER},
    ),
    "uneven cells": declare(
        state={"basis": {"family": "hat", "breakpoints": ["-1", "-1/3", "1/10", "3/4", "1"]}},
        weight={"width_out": {"family": "p0", "breakpoints": ["-1", "1/7", "1"]}},
    ),
    "gauss4": declare(integration={"tableau": "gauss4", "steps": 2}),
    "mlp, backward euler": declare(
        equation={"rate": "mlp", "spacing": "1/4"}, integration={"tableau": "backward-euler"}
    ),
    "own rate, sdirk2": declare(equation={"rate": "sin(u) - h**3/3"}, integration={"tableau": "sdirk2"}),
    "two channels, midpoint": declare(equation={"channels": 2}, integration={"tableau": "implicit-midpoint"}),
    "p0, gauss4": declare(
        equation={"rate": "sin(u) - h**3/3"}, state={"basis": P0}, weight={"width_out": P0, "width_in": P0},
        bias={"width": P0}, integration={"tableau": "gauss4", "steps": 2},
    ),
}  # fmt: skip

# Machine code of every kind of operation, once: explicit and implicit, in both plans, with tables of all structures.
# Implicit kernels of the other plan take a minute to compile; those of specs/stiff.toml are, where it is verified.
COMPILED = (
    ("legendre heun", "formed"), ("legendre heun", "factors"), ("p0, h at nodes", "formed"), ("fourier", "factors"),
    ("two channels, midpoint", "formed"),
)  # fmt: skip
QUICK = ("two channels", "own rate")


def cases(*without: str) -> list[object]:
    """Every case under both plans; the few that are compiled take seconds each, and `make quick` runs none of these."""
    found = []
    for case, plan in ((case, plan) for case in CASES if case not in without for plan in ("formed", "factors")):
        marks = [pytest.mark.compiled] if (case, plan) in COMPILED else []
        slow = case not in QUICK
        found.append(pytest.param(case, plan, marks=[*marks, pytest.mark.slow] if slow else marks))
    return found


@pytest.mark.parametrize(("case", "plan"), cases())
def test_the_forward_kernel_is_the_network_written_out(case: str, plan: str) -> None:
    declared = CASES[case]
    model = random_model(declared)
    channels = declared["equation"]["channels"]
    n = model.representation.slabs[0].tables["X"].shape[1]
    h = np.random.default_rng(1).standard_normal((n, channels, 7))
    solver = Bound(model.representation, plan=plan).form(kernel_weights(model.fields))
    found = solver.final(h.reshape(-1, 7)).reshape(n, channels, 7)
    expected = reference_state(declared, *coefficients(model), h)
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))


def cross_entropy(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.log(np.sum(np.exp(z), axis=0)) - z[labels, np.arange(z.shape[1])]


def reference_loss(declared: dict, parts: list[np.ndarray], h: np.ndarray, labels: np.ndarray) -> complex:
    """Mean cross-entropy of the network written out, for complex coefficients too."""
    w, beta, r, a = parts
    y = reference_state(declared, w, beta, h)
    fine, weights = gauss(breakpoints(declared["state"]["basis"], (-1.0, 1.0)), 24)
    zeta = basis(declared["readout"]["basis"], (-1.0, 1.0), fine)
    g = (zeta * weights[:, None]).T @ basis(declared["state"]["basis"], (-1.0, 1.0), fine)
    z = np.einsum("ioc,ij,jcn->on", r, g, y) + a[:, None]
    return np.mean(cross_entropy(z, labels))


@pytest.mark.parametrize(("case", "plan"), cases("hat", "bspline", "uneven cells"))
def test_the_gradient_is_the_complex_step_derivative(case: str, plan: str) -> None:
    """Row "gradient against complex step" of section 7, on a random direction in all coefficients and the input."""
    declared = CASES[case]
    model = random_model(declared)
    c = declared["equation"]["channels"]
    n = model.representation.slabs[0].tables["X"].shape[1]
    generator = np.random.default_rng(2)
    h = generator.standard_normal((n, c, 6))
    labels = generator.integers(0, 3, 6)
    parts = [model.fields[name].slabs[0].coefficients for name in ("W", "b", "R", "a")]
    directions = [generator.standard_normal(p.shape) for p in parts]
    ahead = generator.standard_normal(h.shape)
    step = 1e-30
    moved = [p + 1j * step * d for p, d in zip(parts, directions)]
    expected = reference_loss(declared, moved, h + 1j * step * ahead, labels).imag / step

    model = model.running_on(Bound(model.representation, plan=plan))
    prepared = Prepared(h.reshape(-1, 6), np.eye(3)[labels].T.copy(), np.zeros(6), labels)
    _, gradient = model.coefficient_gradient(prepared)
    bar_states = model.state_gradient(prepared)
    found = sum(np.sum(gradient[name][0] * d) for name, d in zip(("W", "b", "R", "a"), directions))
    found += np.sum(bar_states.reshape(h.shape) * ahead)
    size = np.sqrt(sum(np.sum(gradient[name][0] ** 2) for name in ("W", "b", "R", "a")) + np.sum(bar_states**2))
    length = np.sqrt(sum(np.sum(d**2) for d in directions) + np.sum(ahead**2))
    assert abs(found - expected) <= 1e-13 * size * length


@pytest.mark.parametrize("case", ["legendre heun", "own rate", "p0", "hat"])
def test_dot_product_of_tangent_and_adjoint(case: str) -> None:
    """⟨J v, w⟩ = ⟨v, Jᵀ w⟩ with the tangent by the complex step of the kernels' own text."""
    model = random_model(CASES[case])
    generator = np.random.default_rng(3)
    bound = Bound(model.representation, np.complex128, plan="formed", find=plain_kernels)
    weights = kernel_weights(model.fields)
    direction = generator.standard_normal(weights[0].w.shape)
    slab = bound.slabs[0]
    h = generator.standard_normal((slab.sizes["state"], 3)).astype(complex)
    moved = slab.form(type(weights[0])(weights[0].w + 1e-30j * direction, weights[0].beta))
    tangent = moved.forward(h, keep=False)[0].imag / 1e-30
    slab = slab.form(weights[0])
    _, kept = slab.forward(h, keep=True)
    bar = generator.standard_normal(tangent.shape)
    gradient = slab.empty_gradient()
    slab.adjoint(bar.astype(complex), kept, gradient)
    back = slab.pull_back(gradient, weights[0]).w
    left, right = np.sum(tangent * bar), np.sum(direction * back)
    assert abs(left - right) <= 1e-12 * np.linalg.norm(tangent) * np.linalg.norm(bar)


@pytest.mark.compiled
@pytest.mark.slow
def test_taylor_remainder_has_slope_two() -> None:
    model = random_model(declare())
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((9, 30)), generator.integers(0, 3, 9)
    prepared = model.prepare(records(x, y=y))
    v = generator.standard_normal(model.size)
    v /= np.linalg.norm(v)
    start = model.coordinates
    loss, gradient = model.objective(prepared)
    steps = np.geomspace(1e-4, 1e-2, 7)
    remainders = [abs(model.with_coordinates(start + t * v).loss(prepared) - loss - t * (gradient @ v)) for t in steps]
    slope = np.polyfit(np.log(steps), np.log(remainders), 1)[0]
    assert abs(slope - 2) <= 0.05


WIDTHS = st.lists(st.integers(1, 6), min_size=2, max_size=5)


@pytest.mark.slow
@given(widths=WIDTHS, seed=st.integers(0, 100), activation=st.sampled_from(["tanh", "relu", "sin"]))
def test_p0_mlp_euler_is_the_perceptron_of_any_widths(widths: list[int], seed: int, activation: str) -> None:
    """Row 1 of section 7: slabs with bases of their own, one Euler step of s = Δ each, plain Python kernels."""
    model, layers = perceptron(widths, activation, np.random.default_rng(seed))
    x = np.random.default_rng(seed + 1).standard_normal((3, widths[0]))
    f = {"tanh": np.tanh, "relu": lambda u: np.maximum(u, 0), "sin": np.sin}[activation]
    expected = x.T
    for weight, bias in layers:
        expected = f(weight @ expected + bias[:, None])
    solver = Bound(model.representation, find=plain_kernels).form(kernel_weights(model.fields))
    assert np.max(np.abs(solver.final(x.T.copy()) - expected)) <= 1e-13 * max(1.0, np.max(np.abs(expected)))


def perceptron(widths: list[int], activation: str, generator: np.random.Generator):
    """A random perceptron and the continuum that it is (section 2: w_ij = (n/2) W_ij)."""
    layers = len(widths) - 1
    cells = [{"family": "p0", "cells": n} for n in widths]
    once = {"family": "p0", "cells": 1}
    spec = {
        "name": "perceptron",
        "equation": {"rate": "mlp", "activation": activation, "spacing": f"1/{layers}"},
        "input": {"interpolant": "constant"},
        "state": {"basis": cells},
        "weight": {"width_out": cells[1:], "width_in": cells[:-1], "depth": [once] * layers},
        "bias": {"width": cells[1:], "depth": [once] * layers},
        "integration": {"tableau": "euler", "steps": layers},
        "loss": {"kind": "l2"},
    }
    model = Continuum.from_spec(load_spec(spec))
    drawn, fields = [], {}
    for n, m in zip(widths, widths[1:]):
        drawn.append((generator.standard_normal((m, n)) / np.sqrt(n), generator.standard_normal(m)))
    for name in ("W", "b"):
        slabs = []
        for slab, (weight, bias) in zip(model.fields[name].slabs, drawn):
            value = weight * weight.shape[1] / 2 if name == "W" else bias
            slabs.append(replace(slab, coefficients=value.reshape(slab.coefficients.shape)))
        fields[name] = type(model.fields[name])(name, tuple(slabs), model.fields[name].axes)
    return model.replace(fields=fields), drawn


@pytest.mark.slow
@pytest.mark.compiled
def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(declare())
    generator = np.random.default_rng(5)
    prepared = model.prepare(records(generator.standard_normal((700, 20)), y=generator.integers(0, 3, 700)))
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CONTINUA_THREADS", threads)
        found.append(model.objective(prepared))
    for loss, gradient in found[1:]:
        assert loss == found[0][0]
        assert np.array_equal(gradient, found[0][1])


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize(("case", "count"), [("legendre heun", 7), ("p0", 1)])
def test_halves_of_records_and_stages_are_the_whole(case: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(CASES[case])
    x = np.random.default_rng(8).standard_normal((count, 23, CASES[case]["equation"]["channels"]))
    prepared = model.prepare(records(x, y=np.arange(count) % 3))
    whole = model.objective(prepared, model.coordinates)
    monkeypatch.setattr("numerics.kernels.threads.TWO_THREADS", 0)
    halves = model.objective(prepared, model.coordinates)
    assert len(model.solver._blocks(count)) == min(count, 2)
    np.testing.assert_allclose(halves[0], whole[0], rtol=1e-14)
    np.testing.assert_allclose(halves[1], whole[1], rtol=0, atol=1e-14 * np.linalg.norm(whole[1]))


@pytest.mark.compiled
@pytest.mark.slow
def test_single_precision_stays_within_its_error_budget() -> None:
    declared = declare()
    double, single = random_model(declared), random_model({**declared, "precision": "float32"})
    generator = np.random.default_rng(6)
    data = records(generator.standard_normal((40, 25)), y=generator.integers(0, 3, 40))
    (loss, gradient), (loss32, gradient32) = (m.objective(m.prepare(data)) for m in (double, single))
    assert abs(loss - loss32) <= 2e-6 * max(1, abs(loss))
    assert np.linalg.norm(gradient - gradient32) <= 2e-5 * np.linalg.norm(gradient)


@pytest.mark.compiled
@pytest.mark.slow
def test_a_rate_that_nobody_has_seen_trains_without_generated_modules(tmp_path, monkeypatch) -> None:
    """No kernel is a template: with no generated module in reach, a new rate is derived, compiled and trained."""
    from numerics import fit
    from numerics.representation import find

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    find._representation.cache_clear()
    declared = declare(equation={"rate": "cos(u)*exp(-h**2) - a*atan(h + u)", "parameters": {"a": "3/7"}})
    generator = np.random.default_rng(7)
    x = generator.standard_normal((30, 1)) * np.sin(np.linspace(0, 3, 20)) + 0.1 * generator.standard_normal((30, 20))
    y = (x[:, 10] > 0).astype(int)
    model = Continuum.from_spec(load_spec(declared), seed=1)
    trained = fit(model, x, y, epochs=300)
    assert list(tmp_path.iterdir())
    prepared = model.prepare(records(x, y=y))
    assert trained.loss(prepared) < 0.8 * model.loss(prepared)
    find._representation.cache_clear()
    assert os.path.isdir(tmp_path)


@pytest.mark.parametrize("tableau", ["heun", "implicit-midpoint"])
def test_one_signature_is_one_text(tableau: str) -> None:
    """Numbers are data: kernels of rates that differ by one are shared, unless a printer uses the number itself."""
    from derive import equation
    from derive.emit.cpu import Cpu
    from derive.emit.loops import of_slab
    from derive.galerkin import semidiscrete
    from derive.program import build as program

    texts: dict[str, set[str]] = {}
    for value in ("1", "2", "3", "1/2", "1/1024", "7/3"):
        declared = declare(
            equation={"rate": "a*tanh(u)**2 - h + a", "parameters": {"a": value}}, integration={"tableau": tableau}
        )
        spec = load_spec(declared)
        made = equation.derive(spec)
        (form,) = semidiscrete(spec, made)
        chains = tuple(
            program.build(made, form.structures, form.entry, plan, form.groups is not None) for plan in program.PLANS
        )
        printed = [kernel.text().partition(' """')[2] for kernel in of_slab(chains, "1", Cpu)]
        bare = "\n".join(line.partition("#")[0] for text in printed for line in text.splitlines())
        texts.setdefault(program.signature(chains), set()).add(bare)
    assert all(len(found) == 1 for found in texts.values())
    assert len(texts) < 6
