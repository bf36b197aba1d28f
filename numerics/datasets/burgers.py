"""Burgers' equation u_t + u u_x = ν u_xx on a circle: records u(·, 0) → u(·, 1), by a spectral solver.

The circle x ∈ [0, 2π) is the width, ξ = x/π − 1. Initial values are random, with the spectrum 25/(k² + 25) of the
benchmark of *Fourier Neural Operator for Parametric Partial Differential Equations* (Li et al. 2021).
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from derive.errors import DataError
from numerics.datasets.exponential import advanced
from numerics.datasets.given import records
from numerics.datasets.record import Records

Array = np.ndarray

VISCOSITY = 0.1
POINTS = 1024  # of the solver
STEPS = 400  # over the time 1: the error is then 1e-9
FREQUENCIES = np.arange(1, 129)  # of the initial values
DEVIATIONS = 25 / (FREQUENCIES**2 + 25) / np.pi
TRAINING, TESTING = 1000, 200
RESOLUTIONS = (128, 256, 512)
BOOST = 0.2  # standard deviation of the velocities that ``images`` adds
CHUNK = 100  # records that are solved at once


def initial(generator: np.random.Generator, count: int, deviations: Array = DEVIATIONS) -> Array:
    """Fourier coefficients, as ``rfft`` over ``POINTS`` has them, of random initial values (count, POINTS/2 + 1).

    u(x, 0) = Σ_k deviations[k − 1] (a_k cos kx + b_k sin kx) with a_k, b_k standard normal.
    """
    a, b = generator.standard_normal((2, count, len(deviations))) * deviations
    found = np.zeros((count, POINTS // 2 + 1), dtype=complex)
    found[:, 1 : len(deviations) + 1] = POINTS / 2 * (a - 1j * b)
    return found


def solve(start: Array, viscosity: float = VISCOSITY, steps: int = STEPS, time: float = 1.0) -> Array:
    """The Fourier coefficients (records, n/2 + 1) at the time, from those at 0.

    Diffusion is exact, the quadratic term is freed of aliasing by the rule of two thirds.
    """
    count = 2 * (start.shape[1] - 1)
    k = np.arange(start.shape[1])
    slope = np.where(k <= count // 3, -0.5j * k, 0)

    def change(v: Array) -> Array:
        u = scipy.fft.irfft(v, count, axis=1)
        return np.asarray(slope * scipy.fft.rfft(u * u, axis=1))

    return advanced(start, -viscosity * k.astype(float) ** 2, change, time, steps)


def sampled(coefficients: Array, points: int) -> Array:
    """Values (records, points) on an even grid that starts at x = 0, of what the grid resolves: frequencies below half.

    Without that filter the frequencies up to 128 of the initial values would fold back at 128 points, where the exact
    solution of the folded record is 0.30 % off.
    """
    kept = coefficients[:, : points // 2 + 1] * (points / (2 * (coefficients.shape[1] - 1)))
    kept[:, -1] = 0
    return np.asarray(scipy.fft.irfft(kept, points, axis=1))


def load() -> dict[str, Records]:
    """"train" and "test" at 128 points, and the test records at 256 and 512."""
    start = initial(np.random.default_rng(0), TRAINING + TESTING)
    chunks = np.split(start, range(CHUNK, len(start), CHUNK))
    return parts(start, np.concatenate([solve(chunk) for chunk in chunks]))


def parts(start: Array, stop: Array) -> dict[str, Records]:
    """The parts that ``load`` names, of Fourier coefficients at both times; the last records are those for testing."""
    trained, *finer = RESOLUTIONS
    grids = {"train": trained, "test": trained} | {f"test-{points}": points for points in finer}
    found = {}
    for name, points in grids.items():
        chosen = slice(TRAINING) if name == "train" else slice(TRAINING, None)
        xi = -1 + 2 * np.arange(points) / points
        found[name] = records(sampled(start[chosen], points), xi=xi, y=sampled(stop[chosen], points)[:, :, None])
    return found


def images(data: Records, generator: np.random.Generator) -> Records:
    """Records on even grids of (0, 2π) under random symmetries of the equation: ``fit(…, augment=burgers.images)``.

    Half of them are reflected, u(x) → −u(−x), and all are seen from a moving frame: u(x, t) → c + u(x − c t, t) with c
    normal, its standard deviation ``BOOST``, solves the equation too. At t = 1 that is a shift, exact for what the grid
    resolves. Such images spare records (Brandstetter, Welling, Worrall 2022, *Lie Point Symmetry Data Augmentation for
    Neural PDE Solvers*). Raises DataError for other records.
    """
    points = data.lengths[:1].sum()
    even = -1 + 2 * np.arange(points) / max(points, 1)
    grids = (even if xi is None else xi for xi in data.points())
    elsewhere = any(xi.shape != even.shape or np.abs(xi - even).max() > 1e-9 for xi in grids)
    if elsewhere or data.channels != 1 or not data.functions:
        raise DataError(
            f"{data!r} for images under the symmetries of Burgers' equation",
            "a velocity and its solution on the even grid −1, −1 + 2/n, …, the same for all records",
            "other data, or points of their own", "give the records of `continua data burgers`",
        )  # fmt: skip
    x, y = (np.stack(values)[:, :, 0] for values in (data.samples(), data.targets()))
    mirrored = generator.integers(0, 2, len(data)) == 1
    for values in (x, y):
        values[mirrored] = -np.roll(values[mirrored, ::-1], 1, axis=1)
    speed = BOOST * generator.standard_normal((len(data), 1))
    turned = scipy.fft.rfft(y, axis=1) * np.exp(-1j * np.arange(points // 2 + 1) * speed)
    return records(x + speed, xi=even, y=(scipy.fft.irfft(turned, points, axis=1) + speed)[:, :, None])
