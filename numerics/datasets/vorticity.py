"""Navier–Stokes on a periodic square: records ω(·, 0) → ω(·, T) of a fluid's vorticity, by a spectral solver.

ω_t + u·∇ω = ν Δω on (0, 1)², u = (ψ_y, −ψ_x), −Δψ = ω. Initial values are Gaussian with the covariance
(−Δ + 49)^(−5/2) of *Fourier Neural Operator for Parametric Partial Differential Equations* (Li et al. 2021), scaled to
mean zero and variance one. Theirs is a forced fluid; this one is left alone: the equation is the same everywhere.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from numerics.datasets.exponential import advanced
from numerics.datasets.given import records
from numerics.datasets.record import Records

Array = np.ndarray

VISCOSITY = 1e-3
TIME = 2.0
POINTS = 64  # of the solver, along both axes
STEPS = 40  # the error is then 4e-6, that of the grid 3e-6
HIGHEST = 16  # frequency of the initial values along an axis
TRAINING, TESTING = 1000, 200
RESOLUTIONS = (64, 32, 128)
CHUNK = 50  # records that are solved at once


def initial(generator: np.random.Generator, count: int, points: int = POINTS) -> Array:
    """Fourier coefficients, as ``rfft2`` has them on ``points`` × ``points``, of random vorticities.

    White noise on a grid has coefficients of equal variance; each is scaled to its own.
    """
    first, second = _frequencies(points)
    kept = np.maximum(abs(first), second) <= HIGHEST
    kept[0, 0] = False
    deviations = kept * (4 * np.pi**2 * (first**2 + second**2) + 49) ** -1.25
    of_all = np.where((second == 0) | (second == points // 2), 1, 2) * deviations**2  # a pair of waves is stored once
    noise = scipy.fft.rfft2(generator.standard_normal((count, points, points)))
    return np.asarray(noise * deviations * points / np.sqrt(of_all.sum()))


def solve(start: Array, viscosity: float = VISCOSITY, steps: int = STEPS, time: float = TIME) -> Array:
    """The Fourier coefficients (records, n, n/2 + 1) of the vorticity at ``time``, from those at 0.

    Diffusion is exact, the product is freed of aliasing by the rule of two thirds.
    """
    points = start.shape[1]
    first, second = _frequencies(points)
    dx, dy = 2j * np.pi * first, 2j * np.pi * second
    laplacian = -4 * np.pi**2 * (first**2 + second**2)
    inverse = np.divide(-1, laplacian, out=np.zeros_like(laplacian), where=laplacian != 0)  # ψ of ω
    kept = np.maximum(abs(first), second) <= points // 3

    def change(omega: Array) -> Array:
        psi = inverse * omega
        u, v, w = (scipy.fft.irfft2(f, (points, points)) for f in (-dy * psi, dx * psi, omega))
        return np.asarray(kept * (dx * scipy.fft.rfft2(u * w) + dy * scipy.fft.rfft2(v * w)))

    return advanced(start, viscosity * laplacian, change, time, steps)


def _frequencies(points: int) -> tuple[Array, Array]:
    """Along the first axis, a column, and along the second, a row, as ``rfft2`` orders them."""
    return scipy.fft.fftfreq(points, 1 / points)[:, None], np.arange(points // 2 + 1.0)[None, :]


def sampled(coefficients: Array, points: int) -> Array:
    """Values (records, points, points) on an even grid that starts at 0, of the frequencies that it resolves."""
    given = coefficients.shape[1]
    half = min(given, points) // 2
    found = np.zeros((len(coefficients), points, points // 2 + 1), dtype=complex)
    found[:, :half, :half] = coefficients[:, :half, :half]
    found[:, 1 - half :, :half] = coefficients[:, 1 - half :, :half]
    return np.asarray(scipy.fft.irfft2(found * (points / given) ** 2, (points, points)))


def load() -> dict[str, Records]:
    """"train" and "test" at 64 × 64 points, and the test records at 32 × 32 and 128 × 128."""
    start = initial(np.random.default_rng(0), TRAINING + TESTING)
    stop = np.concatenate([solve(chunk) for chunk in np.split(start, range(CHUNK, len(start), CHUNK))])
    trained, *others = RESOLUTIONS
    grids = {"train": trained, "test": trained} | {f"test-{points}": points for points in others}
    found = {}
    for name, points in grids.items():
        chosen = slice(TRAINING) if name == "train" else slice(TRAINING, None)
        line = np.arange(points) / points
        x, y = (sampled(values[chosen], points)[..., None] for values in (start, stop))
        found[name] = records(x, y=y, xi=(line, line))
    return found
