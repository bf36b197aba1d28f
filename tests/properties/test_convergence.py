"""Convergence of discrete networks to the continuum: depth, width, and the adjoints. Orders are fitted in a window."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from derive.declaration import load_spec
from derive.registry import entry, names
from numerics.model.continuum import Continuum
from numerics.model.layout import kernel_weights
from tests.builders import marked
from tests.oracles.network import basis

pytestmark = pytest.mark.compiled

WEIGHT = lambda xi, xi_, delta: np.cos(2 * xi - xi_) * np.exp(-delta) + 0.3 * xi * xi_  # noqa: E731
BIAS = lambda xi, delta: 0.4 * np.sin(2 * xi + delta)  # noqa: E731
START = lambda xi: np.exp(xi / 2) * np.sin(2 * xi + 0.3)  # noqa: E731


def smooth(family: dict, tableau: str, steps: int, activation: str = "tanh", depth: dict | None = None) -> Continuum:
    """The continuum of WEIGHT and BIAS with rate mlp, Δ = 1/2, represented in a family along ξ and ξ′."""
    depth = depth or {"family": "legendre", "size": 8}
    spec = {
        "name": "smooth",
        "equation": {"rate": "mlp", "activation": activation, "spacing": "1/2"},
        "state": {"basis": family},
        "weight": {"width_out": family, "width_in": family, "depth": depth},
        "bias": {"width": family, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "loss": {"kind": "l2"},
    }
    return Continuum.from_fields(load_spec(spec), W=WEIGHT, b=BIAS)


def state_pieces(model: Continuum):
    return model.representation.slabs[0].basis("state")


def start_coefficients(model: Continuum) -> np.ndarray:
    """The L2 projection of START, by a rule written here."""
    from numerics.functions.basis import evaluate

    tables, pieces = model.representation.slabs[0].tables, state_pieces(model)
    x, w = np.polynomial.legendre.leggauss(64)
    left, right = pieces.breakpoints[:-1, None], pieces.breakpoints[1:, None]
    points = (left + (right - left) * (x + 1) / 2).ravel()
    weights = ((right - left) / 2 * w).ravel()
    values = evaluate(pieces, points)
    return np.linalg.solve(tables["M"], values.T @ (weights * START(points)))[:, None]


def final_values(model: Continuum, points: np.ndarray) -> np.ndarray:
    from numerics.functions.basis import evaluate

    return evaluate(state_pieces(model), points) @ model.solver.final(start_coefficients(model))[:, 0]


POINTS, LENGTHS = np.polynomial.legendre.leggauss(60)


def order(sizes: list[int], errors: list[float]) -> float:
    return -np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize("tableau", marked(names("tableaux"), slow=names("tableaux")))
def test_depth_refinement_has_the_order_of_the_tableau(tableau: str) -> None:
    expected = entry("tableaux", tableau).ORDER
    family = {"family": "legendre", "size": 10}
    exact = final_values(smooth(family, "dopri5", 128), POINTS)
    sizes = {1: [32, 64, 128], 5: [32, 48, 64]}.get(expected, [12, 16, 24, 32])
    errors = [np.sqrt(LENGTHS @ (final_values(smooth(family, tableau, s), POINTS) - exact) ** 2) for s in sizes]
    assert abs(order(sizes, errors) - expected) < 0.15


def semi_discrete(model: Continuum):
    """(5) and the vector–Jacobian products of its right-hand side, for the mlp rate with tanh and Δ = 1/2, in NumPy."""
    family = {"family": "legendre", "size": 10}
    nodes, lengths = np.polynomial.legendre.leggauss(15)
    x = basis(family, (-1.0, 1.0), nodes)
    back = np.linalg.solve((x * lengths[:, None]).T @ x, (x * lengths[:, None]).T)
    mass = (x * lengths[:, None]).T @ x
    w, beta = (model.fields[name].slabs[0].coefficients for name in ("W", "b"))
    w, beta = w[..., 0, 0], beta[..., 0]

    def parts(h, depth):
        theta = basis({"family": "legendre", "size": 8}, (0.0, 1.0), np.array([depth]))[0]
        inner = mass @ h
        return theta, inner, np.tanh(x @ (np.einsum("ijk,k,j->i", w, theta, inner) + beta @ theta))

    def rate(h, depth):
        return 2 * (back @ parts(h, depth)[2] - h)

    def pulled_back(h, depth, bar):
        """λ ↦ (∂F/∂h)ᵀ λ and the integrands of (9) in the coefficients of W."""
        theta, inner, f = parts(h, depth)
        p = x.T @ (2 * (1 - f**2) * (back.T @ bar))
        return mass @ np.einsum("ijk,k,i->j", w, theta, p) - 2 * bar, np.einsum("i,j,k->ijk", p, inner, theta)

    return rate, pulled_back, mass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tableau", "sizes", "expected"),
    [
        ("euler", [32, 64, 128], 1),
        ("heun", [8, 16, 32], 2),
        ("rk4", [8, 16, 32], 4),
        ("implicit-midpoint", [8, 16, 32], 2),
        ("gauss4", [8, 16, 32], 4),
    ],
)
def test_the_gap_between_continuous_and_discrete_adjoint_has_the_order_of_the_tableau(
    tableau: str, sizes: list[int], expected: int
) -> None:
    """Section 5: weight basis fixed, h(δ) by cubic Hermite between the steps, (8) and (9) integrated accurately."""
    gaps = []
    for steps in sizes:
        model = smooth({"family": "legendre", "size": 10}, tableau, steps)
        rate, pulled_back, mass = semi_discrete(model)
        h = start_coefficients(model)
        path = [state[:, 0] for state in model.solver.path(h)[0]]
        zeros = np.zeros((10, 1))
        operator, constant = model.readout_map()
        _, gradients, *_ = model.solver.gradient(h, operator, constant, zeros)
        slab = model.solver.slabs[0]
        discrete = slab.pull_back(gradients[0], kernel_weights(model.fields)[0]).w
        s = 1 / steps
        spline = CubicHermiteSpline(np.linspace(0, 1, steps + 1), path, [rate(y, n * s) for n, y in enumerate(path)])

        def backwards(t, both):
            bar, integrand = pulled_back(spline(1 - t), 1 - t, both[:10])
            return np.concatenate([bar, integrand.ravel()])

        start = np.concatenate([2 * mass @ path[-1], np.zeros(10 * 10 * 8)])  # ∂/∂h of ∫ y²
        grid = np.linspace(0, 1, 4 * steps + 1)
        for t0, t1 in zip(grid, grid[1:]):
            start = rk4(backwards, t0, t1 - t0, start)
        continuous = start[10:].reshape(10, 10, 8).transpose(2, 0, 1)
        gaps.append(np.linalg.norm(continuous - discrete.reshape(continuous.shape)))
    assert abs(order(sizes, gaps) - expected) < 0.2


def rk4(rate, t: float, s: float, y: np.ndarray) -> np.ndarray:
    k1 = rate(t, y)
    k2 = rate(t + s / 2, y + s / 2 * k1)
    k3 = rate(t + s / 2, y + s / 2 * k2)
    k4 = rate(t + s, y + s * k3)
    return y + s / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def leaky(steps: int, n: int) -> np.ndarray:
    """h ← (1 − s/Δ) h + (s/Δ) f(W h + b), an ordinary network of width n, written as a loop over its layers."""
    cells = -1 + (2 * np.arange(n) + 1) / n
    fine, w = np.polynomial.legendre.leggauss(8)
    inside = cells[:, None] + fine / n
    h = (START(inside) * w).sum(axis=1) / 2
    ratio = 2.0 / steps
    for layer in range(steps):
        delta = layer / steps
        weights = WEIGHT(cells[:, None], cells[None, :], delta) * (2 / n)
        h = (1 - ratio) * h + ratio * np.tanh(weights @ h + BIAS(cells, delta))
    return h


@pytest.mark.slow
def test_leaky_networks_converge_to_the_continuum_in_depth_and_in_width() -> None:
    reference = smooth({"family": "legendre", "size": 40}, "rk4", 64)
    depth_errors, width_errors = [], []
    depths = [64, 128, 256]
    fixed = 512
    cells = -1 + (2 * np.arange(fixed) + 1) / fixed
    exact = final_values(reference, cells)
    for steps in depths:
        depth_errors.append(np.sqrt(np.mean((leaky(steps, fixed) - exact) ** 2)))
    assert abs(order(depths, depth_errors) - 1) < 0.1
    widths = [8, 16, 32]
    finest = leaky(64, 1024).reshape(-1)
    for n in widths:
        means = finest.reshape(n, -1).mean(axis=1)
        width_errors.append(np.sqrt(np.mean((leaky(64, n) - means) ** 2)))
    assert abs(order(widths, width_errors) - 2) < 0.2


@pytest.mark.parametrize(
    ("name", "family", "sizes", "expected"),
    [
        ("p0", lambda n: {"family": "p0", "cells": n}, [8, 16, 32], 1),
        ("hat", lambda n: {"family": "hat", "cells": n}, [8, 16, 32], 2),
        ("bspline", lambda n: {"family": "bspline", "degree": 3, "cells": n}, [24, 48, 96], 4),
    ],
)
@pytest.mark.slow
def test_width_refinement_has_the_order_of_the_degree(name: str, family, sizes: list[int], expected: int) -> None:
    exact = final_values(smooth({"family": "legendre", "size": 48}, "rk4", 8), POINTS)
    errors = [np.sqrt(LENGTHS @ (final_values(smooth(family(n), "rk4", 8), POINTS) - exact) ** 2) for n in sizes]
    assert -0.2 < order(sizes, errors) - expected < 0.5


@pytest.mark.slow
def test_legendre_converges_faster_than_any_power() -> None:
    exact = final_values(smooth({"family": "legendre", "size": 48}, "rk4", 8), POINTS)
    sizes = [8, 12, 18, 27]
    errors = [
        np.sqrt(LENGTHS @ (final_values(smooth({"family": "legendre", "size": n}, "rk4", 8), POINTS) - exact) ** 2)
        for n in sizes
    ]
    rates = -np.diff(np.log(errors)) / np.diff(np.log(sizes))
    assert errors[-1] < 1e-6
    assert (np.diff(rates) > 0).all()


@pytest.mark.slow
def test_discontinuous_targets_cost_half_an_order() -> None:
    """Gibbs: the L2 error of a smooth basis at a jump falls like n^(−1/2), refinement or not."""
    from numerics.datasets import records

    xi = np.linspace(-1, 1, 20001)
    jump = np.where(xi > 0.1, 1.0, 0.0)[None]
    errors, sizes = [], [16, 32, 64, 128]
    for n in sizes:
        model = smooth({"family": "legendre", "size": n}, "euler", 2)
        back = np.asarray(model.project_samples(records(jump, xi=xi)))[:, 0]
        values = np.polynomial.legendre.legval(xi, back)
        errors.append(np.sqrt(np.mean((values - jump[0]) ** 2)))
    assert 0.3 < order(sizes, errors) < 0.7


@pytest.mark.slow
def test_another_sampling_moves_the_output_with_the_interpolation_order() -> None:
    model = smooth({"family": "legendre", "size": 12}, "rk4", 8)
    at = np.linspace(-1, 1, 41)
    exact = model(START(np.linspace(-1, 1, 20001))[None], at=at)
    sizes = [20, 40, 80]
    errors = []
    for n in sizes:
        xi = np.sort(np.cos(np.linspace(0, np.pi, n)))
        errors.append(np.abs(model(START(xi)[None], xi=xi, at=at) - exact).max())
    assert abs(order(sizes, errors) - 2) < 0.2
