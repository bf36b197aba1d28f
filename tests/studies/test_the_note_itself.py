"""The mathematics of the study: an equation solved by other means, an operator by quadrature, sounds one by one."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad, solve_ivp
from scipy.signal import freqs

from benchmarks.studies import _seeds, _smooth, _speech
from benchmarks.studies import the_note_itself as study


def test_the_boxed_equation_is_the_residual_network_of_negated_weights() -> None:
    """relu and softplus, and that no other network is meant: tanh is not of the kind."""
    u = sp.Symbol("u", real=True)
    gap = sp.Max(u, 0) - u - sp.Max(-u, 0)
    assert [gap.subs(u, value) for value in (-sp.Rational(7, 3), 0, sp.Rational(5, 2))] == [0, 0, 0]
    assert sp.simplify(sp.exp(sp.log(1 + sp.exp(u)) - u) - (1 + sp.exp(-u))) == 0
    weights, biases = study.layers((3, 3, 3), 1)
    h = x = study.inputs(3, 2)
    for w, b in zip(weights, biases):
        h = h + np.maximum(-(h @ w.T + b), 0)
    assert study.loop(weights, biases, x, study.boxed_relu) == pytest.approx(h, abs=1e-14)


def test_the_reference_solves_the_integro_differential_equation() -> None:
    xi = np.linspace(-1, 1, 401)  # Simpson's rule, and an integrator that chooses its steps
    weights = np.ones(401) * 2 / 3
    weights[1::2] *= 2
    weights[[0, -1]] /= 2
    weights /= 200

    def rate(delta: float, h: np.ndarray) -> np.ndarray:
        w = np.cos(2 * xi[:, None] - xi) * np.exp(-delta)
        return np.tanh(w @ (weights * h) + 0.4 * np.sin(2 * xi + delta))

    start = np.exp(xi / 2) * np.sin(2 * xi + 0.3)
    expected = solve_ivp(rate, (0, 1), start, rtol=1e-10, atol=1e-12).y[::50, -1]
    assert _smooth.nystroem(xi[::50], np.tanh) == pytest.approx(expected, abs=1e-8)


def test_nodes_of_hats_integrate_hats_times_polynomials() -> None:
    nodes, lengths = _smooth.hat_nodes(8)
    ends = np.linspace(-1, 1, 8)
    for k in (0, 3):
        hat = np.eye(8)[k]
        found = lengths @ (np.interp(nodes, ends, hat) * nodes**10)
        cells = zip(ends[:-1], ends[1:])
        expected = sum(quad(lambda t: np.interp(t, ends, hat) * t**10, a, b)[0] for a, b in cells)
        assert found == pytest.approx(expected, abs=1e-14)


def test_what_w_does_not_see_does_not_change_u() -> None:
    assert all(_smooth.unseen(basis) < 1e-12 for basis in _smooth.EIGHT.values())


def test_the_operator_is_its_integral() -> None:
    x = _seeds.functions(1, 3)
    for k in (0, 20, 64):
        expected = quad(
            lambda t: np.exp(-2 * (_seeds.XI[k] - t) ** 2) * np.sin(np.interp(t, _seeds.XI, x[0])), -1, 1, limit=200
        )[0]
        assert _seeds.operator(x)[0, k] == pytest.approx(expected, abs=1e-3)


def test_spread_is_the_standard_deviation_over_the_size() -> None:
    values = np.array([[3.0, 1.0], [5.0, 1.0], [4.0, 1.0]])
    assert _seeds.spread(values) == pytest.approx(np.sqrt((1 + 0) / 2) / np.sqrt((9 + 25 + 16 + 3) / 6))
    assert _seeds.spread(np.random.default_rng(0).standard_normal((20, 5000))) == pytest.approx(1, abs=0.02)


def test_formants_are_resonances_one_after_the_other() -> None:
    f, formants = np.linspace(50, 3400, 9), np.array([270.0, 2290.0, 3010.0])
    found = np.ones(9)
    for pole, width in zip(formants, (60, 100, 150)):
        _, response = freqs([pole**2], [1, width, pole**2], worN=f)  # s = i f, in Hz
        found = found * np.abs(response)
    assert _speech.gain(f, formants) == pytest.approx(found)


def test_vowels_are_sums_of_cosines_of_norm_one_below_the_highest_frequency() -> None:
    speech = _speech.Speech(2, 0)
    t = 0.0123
    k = 5
    pairs = zip(speech.amplitudes[k], speech.frequencies[k], speech.phases[k])
    expected = sum(a * np.cos(2 * np.pi * f * t + p) for a, f, p in pairs)
    assert speech.at(np.array([0, t]), noise=0)[k, 1] == pytest.approx(expected)
    assert np.sum(speech.amplitudes**2, axis=1) / 2 == pytest.approx(np.ones(8))
    assert np.all(speech.amplitudes[speech.frequencies >= 3400] == 0)
    assert speech.frequencies[:, 0].min() > 100 and speech.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_points_of_a_frame() -> None:
    assert np.diff(_speech.times(8000)) == pytest.approx(np.full(128, 1 / 8000))
    uneven = _speech.times(4000, "uneven")
    assert len(uneven) == 65 and np.all(np.diff(uneven) > 0)
    assert _speech.resampled(uneven[None], uneven)[0] == pytest.approx(_speech.times(8000))  # the identity is linear
