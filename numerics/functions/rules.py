"""Integrals of basis functions: Gauss rules on the cells that bases share, and moments over intervals inside the cells.

How many points an interval needs follows from how smooth the functions are there, and is enough for rounding.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import spherical_jn

from numerics.functions.basis import Basis, angles, evaluate
from numerics.functions.legendre import gauss, gauss_points

Array = np.ndarray
CHUNK = 1 << 21  # values formed at once when many intervals are integrated


def moments(basis: Basis, left: Array, right: Array) -> Array:
    """∫ χ_j and ∫ χ_j s over intervals inside the cells, s from −1 to 1 on each: (2, intervals, size)."""
    if basis.kind == "fourier":
        return _fourier_moments(basis, left, right)
    found = np.empty((2, len(left), basis.size))
    counts = counts_for_lines(basis, left, right)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        s, w = gauss_points(int(count))
        tested = np.stack([w, w * s])
        size = max(1, CHUNK // (len(s) * basis.size))
        for part in (rows[i : i + size] for i in range(0, len(rows), size)):
            middle, half = (left[part] + right[part]) / 2, (right[part] - left[part]) / 2
            values = evaluate(basis, (middle[:, None] + half[:, None] * s).ravel())
            sums = tested @ values.reshape(len(part), len(s), basis.size)
            found[:, part] = sums.transpose(1, 0, 2) * half[:, None]
    return found


def _fourier_moments(basis: Basis, left: Array, right: Array) -> Array:
    """∫ e^{iωx} = h e^{iωm} j₀(ωh/2) and ∫ e^{iωx} s = i h e^{iωm} j₁(ωh/2): nothing cancels for small ωh."""
    frequencies, angle = angles(basis, (left + right) / 2)
    length = right - left
    z = frequencies * length[:, None] / 2
    even, odd = length[:, None] * spherical_jn(0, z), length[:, None] * spherical_jn(1, z)
    cosine, sine = np.cos(angle), np.sin(angle)
    found = np.zeros((2, len(left), basis.size))
    found[0, :, 0] = length
    found[0, :, 1::2], found[0, :, 2::2] = cosine * even, sine * even
    found[1, :, 1::2], found[1, :, 2::2] = -sine * odd, cosine * odd
    return found


def counts_for_lines(basis: Basis, left: Array, right: Array) -> Array:
    """Gauss points an interval needs for χ_j times a linear function: exact, or to far below rounding."""
    if basis.kind == "fourier":
        return (degrees(basis, left, right) + 1) // 2 + 1
    if basis.coefficients is None:
        return np.full(len(left), basis.smooth_degree // 2 + 2)
    degree = basis.coefficients.shape[2] - 1
    halvings, where = np.unique(np.ceil(np.log2(cell_of(basis, left, right)[1])), return_inverse=True)
    enough = np.array([_points_for(degree, float(2.0**e)) for e in halvings])
    return enough[where]


def cell_of(basis: Basis, left: Array, right: Array) -> tuple[Array, Array]:
    """In which cell every interval lies, and which part of it the interval is."""
    cells = np.searchsorted(basis.breakpoints, (left + right) / 2, side="right") - 1
    cells = np.clip(cells, 0, basis.cells - 1)
    return cells, (right - left) / np.diff(basis.breakpoints)[cells]


@lru_cache(maxsize=1024)
def _points_for(degree: int, fraction: float) -> int:
    """Points for P_degree times a linear function, to 1e-18, on an interval that is a fraction of P's cell.

    The error of Q points is below 64/15 · max|f| ρ^(−2Q) / (1 − ρ⁻²), the maximum over the Bernstein ellipse ρ
    of the interval, whose points are at most ε = fraction (ρ + 1/ρ)/2 away from the cell; there
    |P_n| ≤ exp(n arccosh(1 + ε)). Never more than ⌈(degree + 2)/2⌉, which is exact.
    """
    rho = np.geomspace(1.5, 1e8, 80)
    growth = degree * np.arccosh(1 + fraction * (rho + 1 / rho) / 2) + np.log1p(rho)
    bound = (growth + np.log(64 / 15 / (1 - rho**-2)) + 18 * np.log(10)) / (2 * np.log(rho))
    return min((degree + 3) // 2, int(np.ceil(bound.min())))


def rule(*bases: Basis, degree: int = 0, frequency: float = 0.0, cuts: Array | None = None) -> tuple[Array, Array]:
    """Gauss points and weights (n,) on the cells that the bases share: products of any two of their functions, and of

    one with a polynomial of a degree times waves of angular frequencies up to ``frequency``, to rounding.

    cuts: more breakpoints. Raises RepresentationError for a closed-form basis that no rule integrates.
    """
    edges = union(*(basis.smooth for basis in bases), *([] if cuts is None else [cuts]))
    left, right = edges[:-1], edges[1:]
    own = np.max([degrees(basis, left, right) for basis in bases], axis=0)
    return gauss(left, right, (own + np.maximum(own, degree + _wave_degrees(frequency, left, right))) // 2 + 1)


def union(*breakpoints: Array) -> Array:
    """All breakpoints, increasing; those within rounding of each other are one."""
    found = np.unique(np.concatenate(breakpoints))
    return np.asarray(found[np.append(True, np.diff(found) > 8 * np.finfo(np.float64).eps * np.abs(found).max())])


def degrees(basis: Basis, left: Array, right: Array) -> Array:
    """The degree of the polynomials that the functions are, to rounding, on intervals inside the cells of ``smooth``:

    whole numbers (intervals,).
    """
    if basis.kind == "fourier":
        length = basis.breakpoints[-1] - basis.breakpoints[0]
        return _wave_degrees(2 * np.pi * (basis.size // 2) / length, left, right)
    if basis.coefficients is None:
        return np.full(len(left), basis.smooth_degree)
    highest = basis.coefficients.shape[2] - 1
    halvings, where = np.unique(np.ceil(np.log2(cell_of(basis, left, right)[1])), return_inverse=True)
    return np.array([_degree_on(highest, float(2.0**e)) for e in halvings])[where]


@lru_cache(maxsize=1024)
def _degree_on(degree: int, fraction: float) -> int:
    """The degree to which P_degree is a polynomial, to 1e-18, on an interval that is a fraction of its cell.

    Legendre coefficient k of f is below (2k + 1) max|f| ρ^(−k) π, see ``_points_for`` for the maximum.
    """
    rho = np.geomspace(1.5, 1e8, 80)
    growth = degree * np.arccosh(1 + fraction * (rho + 1 / rho) / 2)
    bound = (growth + np.log(np.pi * (2 * degree + 1)) + 18 * np.log(10)) / np.log(rho)
    return min(degree, int(np.ceil(bound.min())))


def _wave_degrees(frequency: float, left: Array, right: Array) -> Array:
    """The degree to which cos and sin of an angular frequency are polynomials on intervals (intervals,)."""
    if not frequency:
        return np.zeros(len(left), dtype=np.int64)
    halvings, where = np.unique(np.ceil(4 * np.log2(frequency * (right - left) / 2)), return_inverse=True)
    return np.array([_wave_degree(float(2.0 ** (e / 4))) for e in halvings])[where]


@lru_cache(maxsize=1024)
def _wave_degree(z: float) -> int:
    """e^{izt} = Σ (2k + 1) i^k j_k(z) P_k(t): the first k from z on with |(2k + 1) j_k(z)| < 1e-18 / z."""
    k = np.arange(int(z), int(1.5 * z) + 60)
    with np.errstate(under="ignore"):
        small = np.abs((2 * k + 1) * spherical_jn(k, z)) * max(z, 1.0) < 1e-18
    return int(k[np.argmax(small)])
