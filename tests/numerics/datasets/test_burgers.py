"""The solver of Burgers' equation against refinement and against the closed form of Cole and Hopf."""

from __future__ import annotations

import numpy as np
import pytest

from derive.errors import DataError
from numerics.datasets import burgers
from numerics.datasets import records as make_records


@pytest.fixture(scope="module")
def records() -> tuple[np.ndarray, np.ndarray]:
    start = burgers.initial(np.random.default_rng(5), 4)
    return start, burgers.solve(start)


@pytest.mark.slow
def test_refining_the_steps_or_the_grid_changes_nothing(records: tuple[np.ndarray, np.ndarray]) -> None:
    start, stop = records
    found = np.fft.irfft(stop, burgers.POINTS, axis=1)
    finer = np.fft.irfft(burgers.solve(start, steps=4 * burgers.STEPS), burgers.POINTS, axis=1)
    assert np.abs(found - finer).max() <= 1e-8
    coarse = np.fft.irfft(burgers.solve(start[:, :257] / 2), 512, axis=1)
    assert np.abs(found[:, ::2] - coarse).max() <= 1e-12
    errors = [np.abs(np.fft.irfft(burgers.solve(start, steps=n) - stop, burgers.POINTS)).max() for n in (25, 50)]
    assert 2.5 <= np.log2(errors[0] / errors[1]) <= 5  # of the order four, before its asymptotic range


def test_the_solution_is_cole_s_and_hopf_s(records: tuple[np.ndarray, np.ndarray]) -> None:
    """u = −2ν φ_x/φ with φ = exp(−∫u/2ν), which the heat equation moves."""
    start, stop = records
    count, k = 4096, np.arange(2049)
    for before, after in zip(start, stop):
        spectrum = np.zeros(2049, dtype=complex)
        spectrum[: len(before)] = before * count / burgers.POINTS
        spectrum[1:] /= 1j * k[1:]
        phi = np.fft.rfft(np.exp(-np.fft.irfft(spectrum, count) / (2 * burgers.VISCOSITY)))
        phi *= np.exp(-burgers.VISCOSITY * k**2)
        expected = -2 * burgers.VISCOSITY * np.fft.irfft(1j * k * phi, count) / np.fft.irfft(phi, count)
        assert np.abs(np.fft.irfft(after, burgers.POINTS) - expected[::4]).max() <= 1e-8


def test_initial_values_have_the_declared_spectrum() -> None:
    start = np.abs(burgers.initial(np.random.default_rng(0), 4000)) ** 2
    k = np.arange(1, 129)
    wanted = 2 * (25 / (k**2 + 25) / np.pi * burgers.POINTS / 2) ** 2
    assert np.allclose(np.mean(start, axis=0)[1:129] / wanted, 1, atol=0.15)
    assert not start[:, 0].any() and not start[:, 129:].any()


def test_samples_hold_what_their_points_resolve(records: tuple[np.ndarray, np.ndarray]) -> None:
    start, _ = records
    coarse, fine = burgers.sampled(start, 128), burgers.sampled(start, 512)
    low = np.fft.rfft(fine, axis=1)[:, :64] / 4
    assert np.allclose(np.fft.rfft(coarse, axis=1)[:, :64], low, atol=1e-12)
    assert np.abs(np.fft.rfft(coarse, axis=1)[:, 64]).max() <= 1e-12


def test_images_are_solutions_again(records: tuple[np.ndarray, np.ndarray]) -> None:
    """An image's second half is what the solver makes of its first half."""
    start, stop = (spectrum.copy() for spectrum in records)
    xi = -1 + np.arange(burgers.POINTS) / 512
    x, y = (np.fft.irfft(spectrum, burgers.POINTS, axis=1) for spectrum in (start, stop))
    made = burgers.images(make_records(x, xi=xi, y=y[:, :, None]), np.random.default_rng(2))
    np.testing.assert_array_equal(made.points()[3], xi)
    before, after = np.stack(made.samples())[:, :, 0], np.stack(made.targets())[:, :, 0]
    again = np.fft.irfft(burgers.solve(np.fft.rfft(before, axis=1)), burgers.POINTS, axis=1)
    assert np.abs(again - after).max() <= 1e-8
    speed = before.mean(axis=1)
    assert len(set(np.round(speed, 6))) == 4 and np.abs(speed).max() < 5 * burgers.BOOST
    plain = [np.allclose(image - c, own, atol=1e-9) for image, c, own in zip(before, speed, x)]
    mirrored = [np.allclose(c - image[-np.arange(1024)], own, atol=1e-9) for image, c, own in zip(before, speed, x)]
    assert [a or b for a, b in zip(plain, mirrored)] == [True] * 4 and any(plain) and any(mirrored)


@pytest.mark.parametrize("x, xi", [(np.ones((2, 8, 2)), None), (np.ones((2, 8)), np.linspace(-1, 1, 8))])
def test_images_need_records_of_burgers_equation(x: np.ndarray, xi: np.ndarray | None) -> None:
    with pytest.raises(DataError, match="even grid"):
        burgers.images(make_records(x, xi=xi, y=np.ones((2, 8, 1))), np.random.default_rng(0))
