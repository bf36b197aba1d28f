"""The mathematics of the study: slopes beside complex steps, steps beside SciPy's, the scales of gradients."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.neural_odes import equation as equations
from benchmarks.studies.neural_odes import misleading, solving
from benchmarks.studies.neural_odes.equation import Equation


def small() -> tuple[Equation, np.ndarray, np.ndarray]:
    x, targets = np.random.default_rng(0).standard_normal((2, 3, 4))
    return Equation.random(1, [1.0, 2.0, 4.0], 1.5), x, targets


def test_polynomials_are_those_of_the_depth() -> None:
    equation, *_ = small()
    depth = np.array([0.0, 0.3, 1.0])
    s = 2 * depth - 1
    np.testing.assert_allclose(equation.polynomials(depth), np.stack([1 + 0 * s, s, 1.5 * s**2 - 0.5], -1), atol=1e-15)
    K = np.einsum("k,kij->ij", equation.polynomials(0.3), equation.K)
    assert np.linalg.norm(K, 2) <= 1.5


def test_adjoint_is_the_slope_of_the_rate() -> None:
    equation, h, bar = small()
    back, grown = equation.adjoint(0.3, h, bar)
    along = np.random.default_rng(2).standard_normal(h.shape)
    assert np.sum(back * along) == pytest.approx(np.sum(bar * equation.rate(0.3, h + 1e-30j * along).imag) / 1e-30)
    turn = np.random.default_rng(3).standard_normal(grown.shape)
    moved = equation.holding(equation.vector + 1e-30j * turn).rate(0.3, h).imag / 1e-30
    assert grown @ turn == pytest.approx(np.sum(bar * moved))


def test_steps_are_those_of_the_method() -> None:
    equation, x, _ = small()
    from scipy.integrate import RK45

    solver = RK45(lambda d, h: equation.rate(d, h.reshape(x.shape)).ravel(), 0, x.ravel(), 1, first_step=0.1, rtol=1e-2)
    solver.step()
    np.testing.assert_allclose(equation.stepped(x, [(0.0, solver.t)]).ravel(), solver.y, rtol=1e-13)


def test_the_continuum_is_the_equation() -> None:
    equation, x, targets = small()
    model = equation.model(8)
    end = equations.solved(model, x)
    np.testing.assert_allclose(end, equation.final(x), atol=1e-7)
    np.testing.assert_allclose(end, equation.stepped(x, equations.taken(model, x)), atol=1e-13)
    loss, found = equations.gradient(model, x, targets)
    assert loss == pytest.approx(0.5 * np.sum((end - targets) ** 2))
    assert misleading.relative(found, misleading.true_gradient(equation, x, targets)) < 1e-7
    assert solving.exactness(equation, x, targets) < 1e-14


def test_all_tries_are_counted() -> None:
    equation, x, _ = small()
    count, tries = solving.evaluations(equation, x, 4)
    assert tries >= len(equations.taken(equation.model(4), x)) >= 2
    assert count == 6 * tries + 1


def test_what_an_error_costs_lies_between_tolerances() -> None:
    assert solving.at_error([1e-2, 1e-4], [10, 40], 1e-3) == pytest.approx(20)


@pytest.mark.parametrize("way", ["reconstructed", "kept"])
def test_continuous_adjoints_meet_where_nothing_contracts(way: str) -> None:
    equation, x, targets = misleading.case(0, 1.0)
    wanted = misleading.true_gradient(equation, x, targets)
    found = misleading.kept(equation, x, targets, 6)
    if way == "reconstructed":
        back, found = misleading.reconstructed(equation, x, targets, 6)
        assert misleading.relative(back, x) < 1e-5
    assert misleading.relative(found, wanted) < 1e-4
