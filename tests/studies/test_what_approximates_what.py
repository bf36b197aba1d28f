"""The mathematics of the study: norms, variances and widths against formulas and counts of their own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.studies import _compositions
from benchmarks.studies import what_approximates_what as study


def test_projections_of_the_bump_are_those_of_its_series() -> None:
    x = np.linspace(-1, 1, 41)
    odd = np.arange(1, 7, 2)
    series = 0.5 + np.cos(np.pi * np.outer(x, odd)) @ (2 * np.sin(odd * np.pi / 2) / (odd * np.pi))
    np.testing.assert_allclose(study.projected_bump("fourier", 13, x), series, atol=1e-13)
    polynomials = [np.polynomial.legendre.Legendre.basis(k) for k in range(9)]
    integrals = [p.integ()(0.5) - p.integ()(-0.5) for p in polynomials]
    series = sum((2 * k + 1) / 2 * c * p(x) for k, (c, p) in enumerate(zip(integrals, polynomials)))
    np.testing.assert_allclose(study.projected_bump("legendre", 9, x), series, atol=1e-13)


def test_squared_errors_meet_closed_forms() -> None:
    assert study.squared_error(lambda x: 0 * x) == pytest.approx(1)
    assert study.squared_error(lambda x: x**2) == pytest.approx(2 / 5 - 2 * 2 * 0.5**3 / 3 + 1)
    model = study.trapezoid(0.1)
    ends = [s * 0.5 + d * 0.05 for s in (-1, 1) for d in (-1, 1)]
    assert study.squared_error(lambda x: model(x[:, None])[:, 0], ends) == pytest.approx(0.1 / 6, rel=1e-12)


def test_the_variance_of_a_unit_is_that_of_drawn_ones() -> None:
    generator = np.random.default_rng(5)
    x, omega = generator.standard_normal((2, 400_000, 3))
    omega *= 0.7
    f = np.exp(-(0.7**2) * np.sum(x**2, axis=1) / 2)
    variance, norm = study.unit_variance(3, 0.7)
    assert np.mean((np.cos(np.sum(x * omega, axis=1)) - f) ** 2) == pytest.approx(variance, rel=0.01)
    assert np.mean(f**2) == pytest.approx(norm, rel=0.01)


def test_a_sampled_network_is_a_mean_of_waves() -> None:
    drawn = np.random.default_rng(3).standard_normal((5, 2)) / 2
    x = np.random.default_rng(4).standard_normal((6, 2))
    model = study.sampled_gaussian(2, 5, 0.5, np.random.default_rng(3))
    np.testing.assert_allclose(model(x)[:, 0], np.cos(x @ drawn.T).mean(axis=1), atol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_first_wave_left_out_is_found_by_counting(dimension: int) -> None:
    counts, errors = study.fixed_space(dimension, most=60)
    lengths = sorted(np.linalg.norm(k) for k in itertools.product(range(-31, 32), repeat=dimension))
    np.testing.assert_allclose(errors, [1 / (2 * np.pi * lengths[n] * np.sqrt(2)) for n in counts])


def test_sawteeth_and_pieces() -> None:
    x = np.linspace(0, 1, 65)
    composed = x
    for _ in range(4):
        composed = np.where(composed < 0.5, 2 * composed, 2 - 2 * composed)
    np.testing.assert_allclose(study.sawtooth(4)(x[:, None])[:, 0], composed, atol=1e-13)
    np.testing.assert_allclose(study.teeth(4, x), composed, atol=1e-13)
    assert study.pieces(study.trapezoid(0.13)) == 5


def test_epochs_to_halve_count_from_one() -> None:
    amplitudes = np.array([[0.9, 0.4, 1.0], [0.4, 0.6, 1.0]])
    assert study.halved(amplitudes).tolist() == [2 * study.EVERY, study.EVERY, 2 * study.EVERY]


def test_both_functions_of_eight_variables_are_as_rough() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8))

    def node(a: float, b: float) -> float:
        return float(np.sin(a - b + a * b))

    tree = [node(node(node(*r[:2]), node(*r[2:4])), node(node(*r[4:6]), node(*r[6:]))) for r in x]
    np.testing.assert_allclose(_compositions.composed(x), tree)
    ends = 3 * np.random.default_rng(9).uniform(-1, 1, (1000, 8))[:, 0]
    found = _compositions.roughness(lambda x: np.sin(3 * x[:, 0]))
    assert found == pytest.approx(np.mean(9 * np.cos(ends) ** 2) / np.sin(ends).var())
    rough = [_compositions.roughness(f) for f in (_compositions.composed, _compositions.generic(0))]
    assert rough[0] == pytest.approx(rough[1], rel=0.01)
