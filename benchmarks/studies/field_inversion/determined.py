"""Which parts of the fields the records determine: rank, spectrum and resolution of the Gauss–Newton operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre

from benchmarks.studies import Number
from benchmarks.studies._perceptrons import of_seeds
from benchmarks.studies.field_inversion.problem import (
    CELLS,
    SIZE,
    Array,
    Asked,
    declare,
    distance,
    hessian,
    inputs,
    inverted,
    stiffness,
    truth,
)


def rank(matrix: Array) -> int:
    values = np.linalg.eigvalsh(matrix)
    return int((values > 1e-10 * values[-1]).sum())


def moments(x: Array) -> Array:
    """∫ of the records (N, cells) times orthonormal Legendre polynomials, (N, SIZE), by their antiderivatives."""
    edges = np.linspace(-1, 1, CELLS + 1)
    series = [legendre.legint(np.eye(SIZE)[k]) * np.sqrt(k + 0.5) for k in range(SIZE)]
    return np.asarray(x @ np.stack([np.diff(legendre.legval(edges, one)) for one in series], axis=1))


def seen(x: Array) -> Array:
    """The projector Π (SIZE, SIZE) onto what W is applied to by some record."""
    u, s, _ = np.linalg.svd(moments(x).T, full_matrices=False)
    u = u[:, s > 1e-10 * s[0]]
    return np.asarray(u @ u.T)


def missed(known: Any, x: Array) -> float:
    """‖W* − W*Π‖/‖W*‖: what no number of records from the same span says of W*."""
    w = known.coordinates[: SIZE**2].reshape(SIZE, SIZE)
    return float(np.linalg.norm(w - w @ seen(x)) / np.linalg.norm(w))


def resolution(matrix: Array) -> Array:
    """V Vᵀ of the eigenvectors that records see: what they make of a field, row by row a resolution kernel."""
    values, vectors = np.linalg.eigh(matrix)
    kept = vectors[:, values > 1e-10 * values[-1]]
    return np.asarray(kept @ kept.T)


def noise_ratio(count: int, noise: float, seed: int) -> float:
    """‖error‖² of the least-squares fields over its expectation, 2 s σ²/N · tr H⁻¹; s: the size of a cell."""
    known = truth(declare())
    asked = Asked.of(known, inputs(count, SIZE, 1), noise, seed)
    found = inverted(known, asked, 0.0, stiffness(known, "L2"), 4)
    expected = 2 * (2 / CELLS) * asked.noise**2 / count * np.trace(np.linalg.inv(hessian(known, asked)))
    return float(np.sum((found.coordinates - known.coordinates) ** 2) / expected)


def spectrum(size: int) -> Array:
    """Eigenvalues, from large to small, with so many polynomials in every direction."""
    known = truth(declare(size=size))
    return np.asarray(np.linalg.eigvalsh(hessian(known, Asked.of(known, inputs(60, SIZE, 2))))[::-1])


def of_depth(scale: float, layers: int = 4) -> tuple[float, float, int]:
    """Largest eigenvalues for fields that are the same at all depths, and for those whose mean over the depth is zero;

    and how many directions lie above 10⁻⁴ of the first, of all.
    """
    known = truth(declare("tanh(u)", layers=layers), scale)
    matrix = hessian(known, Asked.of(known, inputs(60, SIZE, 2)))
    mean = np.kron(np.eye(known.size // layers), np.full((layers, layers), 1 / layers))
    rest = np.eye(known.size) - mean
    values = np.linalg.eigvalsh(matrix)
    first, second = (float(np.linalg.eigvalsh(p @ matrix @ p)[-1]) for p in (mean, rest))
    return first, second, int((values > 1e-4 * values[-1]).sum())


def numbers(long: bool) -> list[Number]:
    known = truth(declare())
    zero, plain = known.with_coordinates(0 * known.coordinates), stiffness(known, "L2")
    found = []
    for waves, count in ((3, 2), (3, 4), (3, 200), (SIZE, 4), (SIZE, 200)):
        own, wanted = rank(hessian(known, Asked.of(known, inputs(count, waves, 0)))), SIZE * min(count, waves + 1)
        found.append(Number(f"{count} records of {waves} waves: rank of Gauss–Newton", own, wanted, wanted))
    asked = Asked.of(known, inputs(50, 3, 0))
    whole = np.kron(np.eye(SIZE), seen(asked.x))
    kernels = np.abs(resolution(hessian(known, asked))[: SIZE**2, : SIZE**2] - whole).max()
    found.append(Number("resolution kernels less 1 ⊗ Π", float(kernels), 0, 1e-9))
    for waves, count in ((3, 20), (3, 200), (4, 20), (5, 20), (SIZE, 20)):
        asked = Asked.of(known, inputs(count, waves, 0))
        gap, least = distance(inverted(zero, asked, 0.0, plain), known), missed(known, asked.x)
        found.append(Number(f"{count} records of {waves} waves: error of W from 0", gap, least - 1e-6, least + 1e-6))
    ratios = [noise_ratio(40, 0.01, s) for s in range(40 if long else 10)]
    found.append(of_seeds("1 % of noise: squared error over its expectation", ratios, 0.6, 1.4))
    coarse, fine = spectrum(8)[:12], spectrum(12)[:12]
    scales = np.array([0.05, 0.1, 0.2])
    parts = np.array([of_depth(s)[:2] for s in scales])
    varied, whole_depth = of_depth(1.0), 4 * known.size
    slope = float(np.polyfit(np.log(scales), np.log(parts[:, 1] / parts[:, 0]), 1)[0])
    found += [
        Number("8² to 12² polynomials: change of the largest eigenvalue", float(fine[0] / coarse[0] - 1), -0.1, 0.1),
        Number("and of the first twelve, at most", float(np.abs(fine / coarse - 1).max()), 0.1, 1),
        Number("four layers: eigenvalue of what varies along δ, power of ‖W*‖", slope, 1.8, 2.2),
        Number("four layers, ‖W*‖ not small: that eigenvalue over the mean's", varied[1] / varied[0], 1e-3, 1),
        Number("four layers: share of directions above 10⁻⁴ of the first", varied[2] / whole_depth, 0.25, 1),
    ]
    return found
