"""The solver of Navier–Stokes on a square against refinement, exact solutions and the equation written out."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.datasets import vorticity


@pytest.fixture(scope="module")
def records() -> tuple[np.ndarray, np.ndarray]:
    start = vorticity.initial(np.random.default_rng(5), 2)
    return start, vorticity.solve(start)


def values(coefficients: np.ndarray) -> np.ndarray:
    return np.fft.irfft2(coefficients, axes=(1, 2))


def finer(coefficients: np.ndarray) -> np.ndarray:
    """The same functions on twice the points along both axes."""
    full = np.fft.fft2(values(coefficients))
    half, wide = full.shape[1] // 2, np.zeros((len(full), *(2 * n for n in full.shape[1:])), dtype=complex)
    low = np.r_[:half, -half + 1 : 0]
    wide[np.ix_(range(len(full)), low, low)] = 4 * full[np.ix_(range(len(full)), low, low)]
    return np.fft.rfft2(np.fft.ifft2(wide).real)


def test_refining_the_steps_or_the_grid_changes_little(records: tuple[np.ndarray, np.ndarray]) -> None:
    start, stop = records
    found = values(stop)
    assert np.abs(found - values(vorticity.solve(start, steps=2 * vorticity.STEPS))).max() <= 5e-5
    fine = values(vorticity.solve(finer(start), steps=vorticity.STEPS * 3 // 2))[:, ::2, ::2]
    assert np.abs(found - fine).max() <= 5e-5
    few, more, many = (values(vorticity.solve(start, steps=steps, time=0.5)) for steps in (8, 16, 64))
    errors = [np.abs(found - many).max() for found in (few, more)]
    assert 3.5 <= np.log2(errors[0] / errors[1]) <= 5  # of the order four


def test_vorticities_of_one_wave_number_only_decay() -> None:
    """Where Δω = −λω, u·∇ω is zero: ω(t) = exp(−νλt) ω(0)."""
    x = np.arange(64) / 64
    a, b = np.meshgrid(x, x, indexing="ij")
    waves = [(5, 0), (0, 5), (3, 4), (4, -3), (-4, 3)]
    factors = np.random.default_rng(0).standard_normal(len(waves))
    start = sum(c * np.cos(2 * np.pi * (m * a + n * b) + k) for k, (c, (m, n)) in enumerate(zip(factors, waves)))
    stop = values(vorticity.solve(np.fft.rfft2(start[None]), steps=200))[0]
    decay = np.exp(-vorticity.VISCOSITY * 100 * np.pi**2 * vorticity.TIME)
    assert np.abs(stop - decay * start).max() <= 1e-9


def test_the_solution_solves_the_equation_written_out(records: tuple[np.ndarray, np.ndarray]) -> None:
    """ω_t = −u·∇ω + ν Δω, all in differences of order eight over space, and over time of order four."""
    start, _ = records
    around = [values(vorticity.solve(finer(start), steps=100, time=1 + k * 0.01)) for k in (-2, -1, 0, 1, 2)]
    change = (around[0] - 8 * around[1] + 8 * around[3] - around[4]) / 0.12
    omega = around[2]

    def slope(f: np.ndarray, axis: int) -> np.ndarray:
        pairs = zip((4 / 5, -1 / 5, 4 / 105, -1 / 280), (1, 2, 3, 4))
        return 128 * sum(c * (np.roll(f, -s, axis) - np.roll(f, s, axis)) for c, s in pairs)

    k = 2 * np.pi * np.fft.fftfreq(128, 1 / 128)
    squares = k[:, None] ** 2 + k**2
    squares[0, 0] = np.inf
    psi = np.fft.ifft2(np.fft.fft2(omega) / squares).real
    u, v = slope(psi, 2), -slope(psi, 1)
    viscous = vorticity.VISCOSITY * (slope(slope(omega, 1), 1) + slope(slope(omega, 2), 2))
    expected = viscous - u * slope(omega, 1) - v * slope(omega, 2)
    assert np.abs(change - expected).max() <= 2e-3 * np.abs(expected).max()
    assert np.abs(expected - viscous).max() > 0.5 * np.abs(expected).max()


def test_initial_values_have_the_declared_spectrum_and_variance() -> None:
    start = np.fft.fft2(values(vorticity.initial(np.random.default_rng(0), 2000))) / 64**2
    power = np.mean(np.abs(start) ** 2, axis=0)
    assert abs(power.sum() - 1) <= 0.03
    for m, n in [(1, 0), (0, 3), (2, -2), (5, 7)]:
        wanted = ((4 * np.pi**2 + 49) / (4 * np.pi**2 * (m**2 + n**2) + 49)) ** 2.5
        assert abs(power[m, n] / power[0, 1] / wanted - 1) <= 0.15, (m, n)
    assert power[0, 0] == pytest.approx(0, abs=1e-30) and power[20, 3] == pytest.approx(0, abs=1e-30)


def test_samples_hold_what_their_points_resolve(records: tuple[np.ndarray, np.ndarray]) -> None:
    start, _ = records
    fine, same, coarse = (vorticity.sampled(start, points) for points in (128, 64, 32))
    np.testing.assert_allclose(same, values(start), atol=1e-12)
    np.testing.assert_allclose(fine[:, ::2, ::2], same, atol=1e-12)
    low = np.r_[:16, -15:0]
    kept = np.fft.fft2(same)[np.ix_(range(2), low, low)] / 4
    np.testing.assert_allclose(np.fft.fft2(coarse)[np.ix_(range(2), low, low)], kept, atol=1e-9)
