"""What rows are compared with: basis functions, quadrature and projections, written out once more.

Nothing here comes from the derivation or from ``numerics.functions``: functions follow the formulas of their
families, integrals are Gauss sums with far more points than needed, projections are dense least squares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from scipy.interpolate import BSpline

from derive.spec import BasisSpec
from numerics.verify.references.network import value

Array = np.ndarray
Values = Callable[[Array], Array]  # points (n,) → (n, size), at breakpoints from the right
Interval = tuple[Fraction, Fraction]

WIDTH: Interval = (Fraction(-1), Fraction(1))
SPARE = 4  # Gauss points on every cell, beyond what polynomials there need
MORE = 24  # those of what is no polynomial
TURN = 4  # points for every wave
HALVINGS = 6  # of a cell of one's own functions, at most


@lru_cache(maxsize=256)
def gauss_points(count: int) -> tuple[Array, Array]:
    """Points and weights on [−1, 1]."""
    t, w = legendre.leggauss(count)
    return t, w


@dataclass(frozen=True, eq=False)
class Functions:
    """The functions of a declared basis. values: their formulas; breakpoints: between which they are smooth.

    points: Gauss points a cell that integrate products of two of them; fitted: those that determine a function.
    """

    size: int
    breakpoints: Array
    values: Values
    points: int
    fitted: int

    def slopes(self, x: Array) -> Array:
        """First derivatives (n, size) at points inside the cells: of the Legendre series through the values."""
        found = np.empty((len(x), self.size))
        cells = cell_of(self.breakpoints, x)
        for cell in np.unique(cells):
            a, b = self.breakpoints[cell], self.breakpoints[cell + 1]
            t, weights = gauss_points(self.fitted)
            table = legendre.legvander(t, self.fitted - 1)
            values = self.values((a + b) / 2 + (b - a) / 2 * t)
            series = (np.arange(self.fitted) + 0.5)[:, None] * (table.T * weights) @ values
            noise = 2e-15 * np.arange(1, self.fitted + 1)[:, None] * np.abs(series).max(axis=0)
            series[np.abs(series) < noise] = 0.0  # rounding, which slopes would magnify
            here = cells == cell
            at = (2 * x[here] - a - b) / (b - a)
            found[here] = legendre.legval(at, legendre.legder(series)).reshape(self.size, -1).T * 2 / (b - a)
        return found


def cell_of(breakpoints: Array, x: Array) -> Array:
    return np.clip(np.searchsorted(breakpoints, x, side="right") - 1, 0, len(breakpoints) - 2)


class NoReference(Exception):
    """What a spec has has no formula here that it could be measured against."""


@lru_cache(maxsize=256)
def functions(declared: BasisSpec, interval: Interval = WIDTH) -> Functions:
    """The functions of a basis on an interval."""
    if declared.family == "combination":
        assert declared.of is not None and declared.rows is not None
        of = functions(declared.of, interval)
        rows = np.array([[float(v) for v in row] for row in declared.rows])
        return Functions(declared.size, of.breakpoints, lambda x: of.values(x) @ rows.T, of.points, of.fitted)
    breaks = np.array([float(b) for b in declared.cuts(interval)])
    degree = DEGREES.get(declared.family, declared.size - 1 if declared.degree is None else declared.degree)
    values = FAMILIES.get(declared.family, _cellwise)(declared, breaks, degree)
    if declared.family == "custom":
        return _resolved(Functions(declared.size, breaks, values, MORE, MORE))
    if declared.family == "fourier":
        degree = TURN * (declared.size // 2) + MORE
    return Functions(declared.size, breaks, values, degree + SPARE, degree + 1)


def _resolved(found: Functions) -> Functions:
    """On cells that are halved until their products are integrated."""
    before = gram(found)
    for _ in range(HALVINGS):
        ends = found.breakpoints
        found = replace(found, breakpoints=np.sort(np.append(ends, (ends[:-1] + ends[1:]) / 2)))
        now = gram(found)
        if np.abs(now - before).max() <= 1e-14 * np.abs(now).max():
            break
        before = now
    return found


def _coordinate(breaks: Array, x: Array) -> tuple[Array, Array]:
    """The cell of every point, and its coordinate from −1 to 1 there."""
    cell = cell_of(breaks, x)
    a, b = breaks[cell], breaks[cell + 1]
    return cell, (2 * x - a - b) / (b - a)


def _legendre(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    return lambda x: legendre.legvander(_coordinate(breaks, x)[1], degree)


def _chebyshev(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    return lambda x: np.cos(np.arange(degree + 1) * np.arccos(np.clip(_coordinate(breaks, x)[1], -1, 1))[:, None])


def _fourier(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    count = declared.size // 2

    def values(x: Array) -> Array:
        angles = np.pi * _coordinate(breaks, x)[1][:, None] * np.arange(1, count + 1)
        waves = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(len(x), -1)
        return np.hstack([np.ones((len(x), 1)), waves])

    return values


def _cellwise(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    """Functions cell by cell; of continuous ones the last of a cell is the first of the next."""
    if declared.family not in LOCAL:
        raise NoReference(f"no formulas of {declared.family}, add them in numerics/verify/references/formulas.py")
    local, shared = LOCAL[declared.family]

    def values(x: Array) -> Array:
        cell, t = _coordinate(breaks, x)
        table = local(t, degree)
        found = np.zeros((len(x), declared.size))
        columns = (cell * (table.shape[1] - shared))[:, None] + np.arange(table.shape[1])
        np.put_along_axis(found, columns, table, axis=1)
        return found

    return values


def _nodal(t: Array, nodes: Array) -> Array:
    """Π_{m ≠ n} (t − t_m)/(t_n − t_m)."""
    found = np.ones((len(t), len(nodes)))
    for n, node in enumerate(nodes):
        for other in np.delete(nodes, n):
            found[:, n] *= (t - other) / (node - other)
    return found


def lobatto(degree: int) -> Array:
    """±1 and the zeros of P′_degree."""
    return np.concatenate([[-1.0], np.sort(legendre.legroots(legendre.legder(np.eye(degree + 1)[degree]))), [1.0]])


DEGREES = {"p0": 0, "hat": 1}
# functions of a cell's coordinate, and how many of them two cells share
LOCAL: dict[str, tuple[Callable[[Array, int], Array], int]] = {
    "p0": (lambda t, degree: np.ones((len(t), 1)), 0),
    "discontinuous": (lambda t, degree: legendre.legvander(t, degree), 0),
    "gauss-legendre": (lambda t, degree: _nodal(t, gauss_points(degree + 1)[0]), 0),
    "hat": (lambda t, degree: _nodal(t, np.array([-1.0, 1.0])), 1),
    "lagrange": (lambda t, degree: _nodal(t, np.linspace(-1, 1, degree + 1)), 1),
    "gauss-lobatto": (lambda t, degree: _nodal(t, lobatto(degree)), 1),
}


def _bspline(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    knots = np.concatenate([[breaks[0]] * degree, breaks, [breaks[-1]] * degree])
    spline = BSpline(knots, np.eye(declared.size), degree)
    return lambda x: np.asarray(spline(x))


def _hierarchical(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    """Hats, and degree by degree ∫ P_{k−1} = (P_k − P_{k−2})/(2k − 1) of every cell."""

    def values(x: Array) -> Array:
        cell, t = _coordinate(breaks, x)
        found = [np.interp(x, breaks, row) for row in np.eye(len(breaks))]
        table = legendre.legvander(t, max(degree, 1))
        for k in range(2, degree + 1):
            bubble = (table[:, k] - table[:, k - 2]) / (2 * k - 1)
            found += [np.where(cell == c, bubble, 0.0) for c in range(len(breaks) - 1)]
        return np.stack(found, axis=1)

    return values


def _custom(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    """One's own expressions, by NumPy."""
    from derive.exact.enclosure import XI
    from derive.exact.expression import parse

    own = [parse(text, {"xi": XI, "delta": XI}) for text in declared.functions or ()]
    return lambda x: np.stack([np.broadcast_to(value(function, {XI.name: x}), x.shape) for function in own], axis=1)


def _multiwavelets(declared: BasisSpec, breaks: Array, degree: int) -> Values:
    """Polynomials on the whole; then, level by level, on the halves of every cell what is orthogonal to those there.

    Wavelet n is orthogonal to n more powers, and to its sisters, and ends in the Legendre polynomial of degree p.
    """
    each, found = degree + 1, []
    found.append([(0, len(breaks) - 1, np.eye(each))])
    width = len(breaks) - 1
    while width > 1:
        for first in range(0, len(breaks) - 1, width):
            middle, last = first + width // 2, first + width
            both = _wavelets(each, (breaks[middle] - breaks[first]) / (breaks[last] - breaks[first]))
            found.append([(first, middle, both[:, :each]), (middle, last, both[:, each:])])
        width //= 2

    def values(x: Array) -> Array:
        cell, columns = cell_of(breaks, x), []
        for parts in found:
            table = np.zeros((len(x), each))
            for first, last, series in parts:
                here = (cell >= first) & (cell < last)
                t = (2 * x[here] - breaks[first] - breaks[last]) / (breaks[last] - breaks[first])
                table[here] = legendre.legvander(t, degree) @ series.T
            columns.append(table)
        return np.hstack(columns)

    return values


def _wavelets(each: int, split: float) -> Array:
    """Coefficients (each, 2 · each) in the Legendre polynomials of [0, split] and [split, 1]."""
    t, w = gauss_points(2 * each)
    x = np.concatenate([split * (1 + t) / 2, split + (1 - split) * (1 + t) / 2])
    weights = np.concatenate([w * split / 2, w * (1 - split) / 2])
    table = np.kron(np.eye(2), legendre.legvander(t, each - 1))
    moments = (legendre.legvander(2 * x - 1, 2 * each - 2).T * weights) @ table  # span the powers
    found: list[Array] = []
    for number in range(each - 1, -1, -1):
        rows = np.vstack([moments[: each + number], *(((f @ table.T) * weights @ table)[None] for f in found)])
        null = np.linalg.svd(rows / np.linalg.norm(rows, axis=1, keepdims=True))[2][-1]
        found.append(null / null[-1])
    return np.array(found[::-1])


FAMILIES: dict[str, Callable[[BasisSpec, Array, int], Values]] = {
    "legendre": _legendre, "chebyshev": _chebyshev, "fourier": _fourier, "bspline": _bspline,
    "hierarchical": _hierarchical, "custom": _custom, "multiwavelet": _multiwavelets,
}  # fmt: skip


# --- integrals ----------------------------------------------------------------------------------------------


def gauss(breakpoints: Sequence[float] | Array, points: int) -> tuple[Array, Array]:
    """Gauss points and weights on every cell, (Q,) each."""
    ends = np.unique(np.asarray(breakpoints, dtype=float))
    t, w = gauss_points(points)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (1 + t)).ravel(), (half * w).ravel()


def common(*bases: Functions, cuts: Sequence[float] | Array = ()) -> tuple[Array, Array]:
    """A rule for products of functions of some bases, and of what is smooth between other cuts."""
    ends = np.concatenate([*(basis.breakpoints for basis in bases), np.asarray(cuts, dtype=float)])
    return gauss(ends, max(basis.points for basis in bases))


def gram(first: Functions, second: Functions | None = None) -> Array:
    """⟨p_i, q_j⟩."""
    second = second or first
    x, w = common(first, second)
    return np.asarray((first.values(x).T * w) @ second.values(x))


def stiffness(basis: Functions) -> Array:
    """⟨p_i′, p_j′⟩, the derivatives taken inside the cells."""
    x, w = common(basis)
    slopes = basis.slopes(x)
    return np.asarray((slopes.T * w) @ slopes)


def projected(basis: Functions, rule: tuple[Array, Array], values: Array) -> Array:
    """Coefficients (size, …) of the L2 projection of values (Q, …) at a rule's points, by dense least squares."""
    x, w = rule
    root = np.sqrt(w)
    flat = values.reshape(len(x), -1) * root[:, None]
    q, r = np.linalg.qr(basis.values(x) * root[:, None])
    found = np.linalg.solve(r, q.T @ flat)
    return np.asarray(found.reshape(basis.size, *values.shape[1:]))


def along(matrix: Array, values: Array, axis: int) -> Array:
    """A matrix applied along one axis of an array."""
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)


# --- samples ------------------------------------------------------------------------------------------------


def interpolant(kind: str, periodic: bool, xi: Array, at: Array) -> Array:
    """Values (n, samples) at points of the interpolants of unit samples: linear, or constant on equal cells."""
    count = len(xi)
    if kind == "constant" or count == 1:
        cells = np.clip(np.floor((at + 1) / 2 * count).astype(int), 0, count - 1)
        return np.asarray(np.eye(count)[cells])
    period = 2 if periodic else None
    columns: list[Array] = [np.interp(at, xi, row, period=period) for row in np.eye(count)]
    return np.asarray(np.stack(columns, axis=1))


def cuts(kind: str, periodic: bool, xi: Array) -> Array:
    """Where such interpolants are not smooth, with the ends."""
    if kind == "constant":
        return np.linspace(-1, 1, len(xi) + 1)
    return np.asarray(np.concatenate([[-1.0], xi, [1.0]]))


def samples_matrix(basis: Functions, kind: str, periodic: bool, xi: Array, smoothing: float | None = None) -> Array:
    """(size, samples): samples → coefficients, as section 3 has it."""
    if kind == "least-squares" and len(xi) > 1:
        rows, right = [np.sqrt(2 / len(xi)) * basis.values(xi)], [np.sqrt(2 / len(xi)) * np.eye(len(xi))]
        if smoothing:
            x, w = common(basis)
            rows.append(np.sqrt(smoothing * w)[:, None] * basis.values(x))
            right.append(np.zeros((len(x), len(xi))))
        return np.asarray(np.linalg.lstsq(np.vstack(rows), np.vstack(right), rcond=None)[0])
    kind = "linear" if kind == "least-squares" else kind
    rule = gauss(np.append(basis.breakpoints, cuts(kind, periodic, xi)), basis.fitted + 2)  # products with lines
    return projected(basis, rule, interpolant(kind, periodic, xi, rule[0]))


def slopes_of(ends: Array, values: Array, x: Array) -> Array:
    """Derivatives (Q, …) of what is smooth between ends, from values at the points of ``gauss`` on them."""
    count = len(x) // (len(ends) - 1)
    t, weights = gauss_points(count)
    table, rises = legendre.legvander(t, count - 1), []
    for k in range(count):
        rises.append(legendre.legval(t, legendre.legder(np.eye(count)[k])) if k else np.zeros(count))
    matrix = np.array(rises).T @ ((np.arange(count) + 0.5)[:, None] * table.T * weights)
    parts = values.reshape(len(ends) - 1, count, -1)
    found = np.einsum("qp,cpr->cqr", matrix, parts) * (2 / np.diff(ends))[:, None, None]
    return np.asarray(found.reshape(values.shape))


def gap(truth: Array, found: Array) -> float:
    """The largest difference, relative where numbers are above one; infinite for another shape."""
    if truth.shape != found.shape:
        return float("inf")
    return float(np.abs(truth - found).max() / max(1.0, float(np.abs(truth).max())))
