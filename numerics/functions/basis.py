"""Basis functions at run time: values and derivatives.

A basis is breakpoints with local Legendre coefficients (piecewise polynomials), frequencies (Fourier), or a printed
function with a quadrature rule a piece (closed form). Values come from recurrences, never from expanded monomials.
Closed forms that are steep are cut here into intervals on which they are polynomials to rounding. Their integrals are
those of ``rules``; what samples make of them is in ``sampled_records``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError
from numerics.checks import numbers
from numerics.functions.legendre import gauss, gauss_points, legendre, legendre_derivatives

Array = np.ndarray
EDGE = 1e-12  # points this far outside an interval, by rounding, are taken as its ends
ENOUGH = 64  # Gauss points a cell from which on the tables do not say that these integrate a closed form's products
SAMPLES = 32  # Gauss points on an interval that show whether a function is smooth there
EXACT, TOLERABLE = 1e-12, 1e-8  # relative errors of products by a rule: what is aimed at, and what is refused
FINEST = 1e-15  # the shortest interval into which a steep function is cut, as a part of the whole


@dataclass(frozen=True, eq=False)
class Basis:
    """A basis of ``size`` functions on [breakpoints[0], breakpoints[-1]].

    kind: "polynomial" with coefficients (size, cells, degree + 1) of P_k(2(x − a)/(b − a) − 1) on each cell
    [a, b]; "fourier", the functions 1, cos, sin, cos, sin, … of 2πk(x − middle)/length; or "closed-form" with
    function(cell, x) → (size, len(x)), ``points``, the Gauss points a cell that integrate its products, or ENOUGH
    where the derivation found no fewer, and gram, the exact Gram matrix where the tables hold it.
    """

    kind: str
    breakpoints: Array
    coefficients: Array | None
    size: int
    function: Callable[[int, Array], Array] | None = None
    points: int = 0
    gram: Array | None = None

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Array],
        function: Callable[[int, Array], Array] | None = None,
        gram: Array | None = None,
    ) -> Basis:
        """From the arrays that the tables hold ("kind", "breakpoints" and what the kind needs).

        Raises RepresentationError when they do not fit together.
        """
        kind = str(arrays["kind"])
        breakpoints = np.asarray(arrays["breakpoints"], dtype=np.float64)
        if breakpoints.ndim != 1 or len(breakpoints) < 2 or not (np.diff(breakpoints) > 0).all():
            raise _misfit(f"breakpoints {breakpoints}", "at least two increasing numbers")
        if kind == "fourier":
            return cls(kind, breakpoints, None, int(arrays["size"]))
        if kind == "closed-form":
            if function is None:
                raise _misfit("a closed-form basis without its function", "the function printed for it")
            middle = (breakpoints[:1] + breakpoints[1:2]) / 2
            return cls(kind, breakpoints, None, len(function(0, middle)), function, int(arrays["points"]), gram)
        coefficients = np.asarray(arrays.get("coefficients"))
        if kind != "polynomial" or coefficients.ndim != 3 or coefficients.shape[1] != len(breakpoints) - 1:
            raise _misfit(
                f"kind {kind!r}, {len(breakpoints) - 1} cells, coefficients of shape {coefficients.shape}",
                "kind polynomial, fourier or closed-form; coefficients (size, cells, degree + 1)",
            )
        return cls(kind, breakpoints, coefficients.astype(np.float64), len(coefficients))

    def same(self, other: Basis) -> bool:
        """Whether the other has the same functions, as far as breakpoints and coefficients say."""
        if (self.kind, self.size) != (other.kind, other.size) or self.kind == "closed-form":
            return False
        pairs = (self.breakpoints, other.breakpoints), (self.coefficients, other.coefficients)
        return all(own is others is None or np.array_equal(own, others) for own, others in pairs)  # type: ignore[arg-type]

    @property
    def cells(self) -> int:
        """The number of cells."""
        return len(self.breakpoints) - 1

    @cached_property
    def local(self) -> tuple[Array, Array]:
        """Of polynomials, the functions that are not zero on each cell (cells, width), filled up with others; and their

        coefficients there (cells, width, degree + 1).
        """
        assert self.coefficients is not None
        silent = ~(self.coefficients != 0).any(axis=2)
        width = max(1, int((~silent).sum(axis=0).max()))
        index = np.argsort(silent, axis=0, kind="stable")[:width].T
        return index, self.coefficients[index, np.arange(self.cells)[:, None]]

    @cached_property
    def smooth(self) -> Array:
        """Breakpoints between which every function is, to rounding, a polynomial of ``smooth_degree``; the cells' own,

        and for closed forms that are steep there as many more as they need. Raises RepresentationError for a function
        that no rule integrates.
        """
        return _resolved(self) if self.steep else self.breakpoints

    @cached_property
    def steep(self) -> bool:
        """Whether closed forms need more than the tables' points: these are measured against the largest function."""
        if self.kind != "closed-form":
            return False
        return self.points >= ENOUGH or _missed(self, self.breakpoints, self.points) > EXACT

    @property
    def smooth_degree(self) -> int:
        """Of closed forms: the degree of ``smooth``. Coefficients from ``points`` on have squares below rounding, so
        those from twice as many on are themselves.
        """
        return SAMPLES - 1 if self.steep else 2 * self.points - 1


def _misfit(given: str, allowed: str) -> RepresentationError:
    cause = "the tables were edited or damaged"
    return RepresentationError(given, allowed, cause, "run `continua generate` again")


def evaluate(basis: Basis, x: Array) -> Array:
    """Values of all functions at points x (n,): (n, size).

    At an inner breakpoint the limit from the right, at the end from the left; Fourier is periodic.
    Raises DataError for points outside the interval.
    """
    return _table(basis, x, derivative=False)


def evaluate_inside(basis: Basis, x: Array, inside: Any) -> Array:
    """Values (n, size) at points x of the cell that holds the point ``inside``: at its ends the limits from there.

    x may be (rows, points), with an ``inside`` (rows, 1) for each: (rows · points, size).
    """
    if basis.kind == "fourier":
        return evaluate(basis, np.ravel(x))
    cells = np.searchsorted(basis.breakpoints, inside, side="right") - 1
    if np.ndim(cells) == 0:
        return _on_cell(basis, min(max(int(cells), 0), basis.cells - 1), _points(x), False)
    cells, found = np.clip(cells, 0, basis.cells - 1), np.empty((*x.shape, basis.size))
    for cell in np.unique(cells):
        rows = cells[:, 0] == cell
        found[rows] = _on_cell(basis, int(cell), x[rows].ravel(), False).reshape(-1, x.shape[1], basis.size)
    return found.reshape(-1, basis.size)


def derivative(basis: Basis, x: Array) -> Array:
    """First derivatives of all functions at points x (n,): (n, size), with the limits of ``evaluate``."""
    return _table(basis, x, derivative=True)


def _points(x: Array) -> Array:
    found = np.atleast_1d(numbers(x, "points"))
    if found.ndim > 1:
        raise DataError(f"points of shape {found.shape}", "points (n,)", "an axis too many", "give x.ravel()")
    return found


def _table(basis: Basis, x: Array, derivative: bool) -> Array:
    x = _points(x)
    if basis.kind == "fourier":
        return _fourier(basis, x, derivative)
    x = _inside(basis.breakpoints, x)
    if basis.coefficients is not None and basis.cells > 1:
        return _on_cells(basis, _cells(basis.breakpoints, x), x, derivative)
    found = np.empty((len(x), basis.size))
    for cell, rows in _by_cell(basis.breakpoints, x):
        found[rows] = _on_cell(basis, cell, x[rows], derivative)
    return found


def _on_cells(basis: Basis, cells: Array, x: Array, derivative: bool) -> Array:
    """Values or derivatives (n, size) of polynomials at points, each of a cell."""
    index, coefficients = basis.local
    values = _polynomials(basis, cells, x, derivative)
    found = np.zeros((len(x), basis.size))
    found[np.arange(len(x))[:, None], index[cells]] = np.einsum("nwk,kn->nw", coefficients[cells], values)
    return found


def _on_cell(basis: Basis, cell: int, x: Array, derivative: bool) -> Array:
    """Values or derivatives (n, size) at points of one cell."""
    if basis.coefficients is None:
        if derivative or basis.function is None:
            raise RepresentationError(
                "a derivative of a closed-form basis", "polynomial and Fourier bases",
                "only its values are printed", "use its stiffness matrix",
            )  # fmt: skip
        return basis.function(cell, x).T
    found: Array = (basis.coefficients[:, cell] @ _polynomials(basis, cell, x, derivative)).T
    return found


def _polynomials(basis: Basis, cells: int | Array, x: Array, derivative: bool) -> Array:
    """P_0, P_1 … of the cells' own coordinates, or their derivatives by x: (degree + 1, n). cells: one, or of each."""
    assert basis.coefficients is not None
    t, half = in_cells(basis, cells, x)
    values = legendre(t, basis.coefficients.shape[2] - 1)
    return legendre_derivatives(values) * (1 / half) if derivative else values


def in_cells(basis: Basis, cells: int | Array, x: Array) -> tuple[Array, Array]:
    """The cells' own coordinates in [−1, 1] of points x (n,), and half the cells' lengths."""
    a, b = basis.breakpoints[cells], basis.breakpoints[cells + 1]
    half = (b - a) / 2
    # (x − middle)/half is x itself on [−1, 1]: P_n' is n²/2 at the ends and would show a lost bit there.
    return np.clip((x - (a + b) / 2) / half, -1.0, 1.0), half


def _fourier(basis: Basis, x: Array, derivative: bool) -> Array:
    frequencies, angle = angles(basis, x)
    found = np.empty((len(x), basis.size))
    cosine, sine = np.cos(angle), np.sin(angle)
    if derivative:
        found[:, 0], found[:, 1::2], found[:, 2::2] = 0.0, -frequencies * sine, frequencies * cosine
    else:
        found[:, 0], found[:, 1::2], found[:, 2::2] = 1.0, cosine, sine
    return found


def angles(basis: Basis, x: Array) -> tuple[Array, Array]:
    """Angular frequencies (K,) and angles (n, K), reduced to [−π, π] before π enters."""
    start, stop = basis.breakpoints[0], basis.breakpoints[-1]
    k = np.arange(1, (basis.size + 1) // 2)
    if not np.isfinite(x).all():
        raise _outside(x[~np.isfinite(x)][0], start, stop)
    half = (stop - start) / 2
    turns = k * ((x - (start + stop) / 2) / half)[:, None]
    return np.pi * k / half, np.pi * (turns - 2 * np.rint(turns / 2))


def _inside(breakpoints: Array, x: Array) -> Array:
    start, stop = breakpoints[0], breakpoints[-1]
    wrong = ~((x >= start - EDGE) & (x <= stop + EDGE))
    if wrong.any():
        raise _outside(x[wrong][0], start, stop)
    inside: Array = np.clip(x, start, stop)
    return inside


def _outside(point: float, start: float, stop: float) -> DataError:
    return DataError(
        f"the point {point}", f"points from {start:g} to {stop:g}",
        "a coordinate in other units", "scale the coordinates to this interval",
    )  # fmt: skip


def cells_at(basis: Basis, x: Array) -> Array:
    """The cell of every point x (n,) inside."""
    return _cells(basis.breakpoints, x)


def _cells(breakpoints: Array, x: Array) -> Array:
    """The cell of every point; within rounding of a breakpoint a point is the breakpoint."""
    reach = 4 * np.finfo(np.float64).eps * np.max(np.abs(breakpoints))
    return np.asarray(np.searchsorted(breakpoints[1:-1] - reach, x, side="right"))


def _by_cell(breakpoints: Array, x: Array) -> Iterator[tuple[int, Array | slice]]:
    """Every cell that holds points, with their rows."""
    if len(breakpoints) == 2:
        yield 0, slice(None)
        return
    cells = _cells(breakpoints, x)
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    for cell, rows in zip(found, np.split(order, starts[1:])):
        yield int(cell), rows


def _resolved(basis: Basis) -> Array:
    """Breakpoints that cut the cells of closed forms until the functions are polynomials on every interval.

    Halving where SAMPLES points do not resolve a function sees nothing of a peak that lies between them: the exact
    Gram matrix tells, and the search begins again on finer intervals; without one it begins on fine ones.
    """
    for parts in (256,) if basis.gram is None else (1, 4, 16, 64, 256, 1024):
        steps = np.arange(parts) / parts
        whole = basis.breakpoints
        start = np.append((whole[:-1, None] + np.diff(whole)[:, None] * steps).ravel(), whole[-1])
        edges = _halved(basis, start)
        wrong = _missed(basis, edges, SAMPLES)
        if wrong <= EXACT:
            return edges
    if wrong <= TOLERABLE:
        return edges
    raise RepresentationError(
        f"a custom basis whose products no quadrature rule gives (relative error {wrong:.1e})",
        "functions that some thousand points show", "a function that is zero but for a narrow peak, or is singular",
        "put breakpoints around the place where it is steep",
    )  # fmt: skip


def _missed(basis: Basis, edges: Array, count: int) -> float:
    """How far products by ``count`` Gauss points on every interval are from the exact ones, to the functions' norms."""
    if basis.gram is None:
        return 0.0
    x, w = gauss(edges[:-1], edges[1:], np.full(len(edges) - 1, count))
    values, size = evaluate(basis, x), np.sqrt(np.diag(basis.gram))
    return float(np.max(np.abs((values.T * w) @ values - basis.gram) / np.outer(size, size)))


def _halved(basis: Basis, edges: Array) -> Array:
    """The intervals, halved until SAMPLES Gauss points on each show every function as a polynomial."""
    s, w = gauss_points(SAMPLES)
    transform = (legendre(s, SAMPLES - 1) * w)[-SAMPLES // 8 :] * np.sqrt(SAMPLES)  # of the last few coefficients
    total, size = edges[-1] - edges[0], np.zeros(basis.size)
    done, left, right = [edges[:1]], edges[:-1], edges[1:]
    while len(left):
        x = left[:, None] + (right - left)[:, None] * (1 + s) / 2
        values = evaluate(basis, x.ravel()).reshape(*x.shape, basis.size)
        size = np.maximum(size, np.abs(values).max(axis=(0, 1)))
        tails = np.linalg.norm(transform @ values, axis=1) * ((right - left) / total)[:, None]
        rough = (tails > 4e-15 * np.where(size > 0, size, 1)).any(axis=1) & (right - left > FINEST * total)
        done.append(right[~rough])
        middle = (left[rough] + right[rough]) / 2
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
    return np.unique(np.concatenate(done))
