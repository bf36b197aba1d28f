"""Basis functions at run time: values, derivatives, and the maps from sampled records to coefficients.

A basis is *pieces*: breakpoints with local Legendre coefficients (piecewise polynomials), frequencies (Fourier),
or a printed function with a quadrature rule a piece (closed form). Values come from recurrences, never from
expanded monomials; integrals against a sampled record are taken on intervals where both factors are smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_array
from scipy.special import roots_legendre, spherical_jn

from derive.errors import DataError, RepresentationError, advice
from numerics.checks import numbers

Array = np.ndarray

INTERPOLANTS = ("linear", "constant", "least-squares")
EDGE = 1e-12  # points this far outside an interval, by rounding, are taken as its ends
MIDPOINT = 1e-9  # points this close to the cells' midpoints are the midpoints
RANK = 1e-10  # singular values below this fraction of the largest: what they determine drowns in noise
CHUNK = 1 << 21  # values formed at once when many intervals are integrated
ENOUGH = 64  # Gauss points a cell from which on the tables do not say that these integrate a closed form's products
SAMPLES = 32  # Gauss points on an interval that show whether a function is smooth there
EXACT, TOLERABLE = 1e-12, 1e-8  # relative errors of products by a rule: what is aimed at, and what is refused
FINEST = 1e-15  # the shortest interval into which a steep function is cut, as a part of the whole


@dataclass(frozen=True, eq=False)
class Pieces:
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
    ) -> Pieces:
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


# --- values -------------------------------------------------------------------------------------------------


def evaluate(pieces: Pieces, x: Array) -> Array:
    """Values of all functions at points x (n,): (n, size).

    At an inner breakpoint the limit from the right, at the end from the left; Fourier is periodic.
    Raises DataError for points outside the interval.
    """
    return _table(pieces, x, derivative=False)


def evaluate_inside(pieces: Pieces, x: Array, inside: float) -> Array:
    """Values (n, size) at points x of the cell that holds the point ``inside``: at its ends the limits from there."""
    x = _points(x)
    if pieces.kind == "fourier":
        return evaluate(pieces, x)
    cell = int(np.searchsorted(pieces.breakpoints, inside, side="right")) - 1
    return _on_cell(pieces, min(max(cell, 0), pieces.cells - 1), x, False)


def derivative(pieces: Pieces, x: Array) -> Array:
    """First derivatives of all functions at points x (n,): (n, size), with the limits of ``evaluate``."""
    return _table(pieces, x, derivative=True)


def _points(x: Array) -> Array:
    found = np.atleast_1d(numbers(x, "points"))
    if found.ndim > 1:
        raise DataError(f"points of shape {found.shape}", "points (n,)", "an axis too many", "give x.ravel()")
    return found


def _table(pieces: Pieces, x: Array, derivative: bool) -> Array:
    x = _points(x)
    if pieces.kind == "fourier":
        return _fourier(pieces, x, derivative)
    x = _inside(pieces.breakpoints, x)
    if pieces.coefficients is not None and pieces.cells > 1:
        return _on_cells(pieces, _cells(pieces.breakpoints, x), x, derivative)
    found = np.empty((len(x), pieces.size))
    for cell, rows in _by_cell(pieces.breakpoints, x):
        found[rows] = _on_cell(pieces, cell, x[rows], derivative)
    return found


def _on_cells(pieces: Pieces, cells: Array, x: Array, derivative: bool) -> Array:
    """Values or derivatives (n, size) of polynomials at points, each of a cell."""
    index, coefficients = pieces.local
    values = _polynomials(pieces, cells, x, derivative)
    found = np.zeros((len(x), pieces.size))
    found[np.arange(len(x))[:, None], index[cells]] = np.einsum("nwk,kn->nw", coefficients[cells], values)
    return found


def _on_cell(pieces: Pieces, cell: int, x: Array, derivative: bool) -> Array:
    """Values or derivatives (n, size) at points of one cell."""
    if pieces.coefficients is None:
        if derivative or pieces.function is None:
            raise RepresentationError(
                "a derivative of a closed-form basis", "polynomial and Fourier bases",
                "only its values are printed", "use its stiffness matrix",
            )  # fmt: skip
        return pieces.function(cell, x).T
    found: Array = (pieces.coefficients[:, cell] @ _polynomials(pieces, cell, x, derivative)).T
    return found


def _polynomials(pieces: Pieces, cells: int | Array, x: Array, derivative: bool) -> Array:
    """P_0, P_1 … of the cells' own coordinates, or their derivatives by x: (degree + 1, n). cells: one, or of each."""
    assert pieces.coefficients is not None
    a, b = pieces.breakpoints[cells], pieces.breakpoints[cells + 1]
    # (x − middle)/half is x itself on [−1, 1]: P_n' is n²/2 at the ends and would show a lost bit there.
    t = np.clip((x - (a + b) / 2) / ((b - a) / 2), -1.0, 1.0)
    values = legendre(t, pieces.coefficients.shape[2] - 1)
    return _legendre_derivatives(values) * (2 / (b - a)) if derivative else values


def legendre(t: Array, degree: int) -> Array:
    """P_0 … P_degree at t in [−1, 1]: (degree + 1, len(t)).

    By differences of neighbours from the nearer end (Reinsch), with P_k(−t) = (−1)^k P_k(t): 1 − |t| has no
    rounding error near the ends, where the plain recurrence would magnify one.
    """
    table = np.empty((degree + 1, len(t)))
    table[0] = 1.0
    gap = np.abs(t) - 1.0
    step = np.zeros_like(gap)
    for k in range(degree):
        step = (k * step + (2 * k + 1) * gap * table[k]) / (k + 1)
        table[k + 1] = table[k] + step
    table[1::2] *= np.where(t < 0, -1.0, 1.0)
    return table


def _legendre_derivatives(values: Array) -> Array:
    """P_0' … P_n' from P_0 … P_n: P_{k+1}' = P_{k−1}' + (2k + 1) P_k."""
    found = np.zeros_like(values)
    for k in range(len(values) - 1):
        found[k + 1] = (2 * k + 1) * values[k] + (found[k - 1] if k else 0.0)
    return found


def _fourier(pieces: Pieces, x: Array, derivative: bool) -> Array:
    frequencies, angle = _angles(pieces, x)
    found = np.empty((len(x), pieces.size))
    cosine, sine = np.cos(angle), np.sin(angle)
    if derivative:
        found[:, 0], found[:, 1::2], found[:, 2::2] = 0.0, -frequencies * sine, frequencies * cosine
    else:
        found[:, 0], found[:, 1::2], found[:, 2::2] = 1.0, cosine, sine
    return found


def _angles(pieces: Pieces, x: Array) -> tuple[Array, Array]:
    """Angular frequencies (K,) and angles (n, K), reduced to [−π, π] before π enters."""
    start, stop = pieces.breakpoints[0], pieces.breakpoints[-1]
    k = np.arange(1, (pieces.size + 1) // 2)
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


# --- integrals over intervals -----------------------------------------------------------------------------


def _moments(pieces: Pieces, left: Array, right: Array) -> Array:
    """∫ χ_j and ∫ χ_j s over intervals inside the cells, s from −1 to 1 on each: (2, intervals, size)."""
    if pieces.kind == "fourier":
        return _fourier_moments(pieces, left, right)
    found = np.empty((2, len(left), pieces.size))
    counts = _gauss_counts(pieces, left, right)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        s, w = _gauss(int(count))
        tested = np.stack([w, w * s])
        size = max(1, CHUNK // (len(s) * pieces.size))
        for part in (rows[i : i + size] for i in range(0, len(rows), size)):
            middle, half = (left[part] + right[part]) / 2, (right[part] - left[part]) / 2
            values = evaluate(pieces, (middle[:, None] + half[:, None] * s).ravel())
            sums = tested @ values.reshape(len(part), len(s), pieces.size)
            found[:, part] = sums.transpose(1, 0, 2) * half[:, None]
    return found


def _fourier_moments(pieces: Pieces, left: Array, right: Array) -> Array:
    """∫ e^{iωx} = h e^{iωm} j₀(ωh/2) and ∫ e^{iωx} s = i h e^{iωm} j₁(ωh/2): nothing cancels for small ωh."""
    frequencies, angle = _angles(pieces, (left + right) / 2)
    length = right - left
    z = frequencies * length[:, None] / 2
    even, odd = length[:, None] * spherical_jn(0, z), length[:, None] * spherical_jn(1, z)
    cosine, sine = np.cos(angle), np.sin(angle)
    found = np.zeros((2, len(left), pieces.size))
    found[0, :, 0] = length
    found[0, :, 1::2], found[0, :, 2::2] = cosine * even, sine * even
    found[1, :, 1::2], found[1, :, 2::2] = -sine * odd, cosine * odd
    return found


@lru_cache(maxsize=64)
def _gauss(count: int) -> tuple[Array, Array]:
    x, w = roots_legendre(count)
    return x, w


def _gauss_counts(pieces: Pieces, left: Array, right: Array) -> Array:
    """Gauss points an interval needs for χ_j times a linear function: exact, or to far below rounding."""
    if pieces.coefficients is None:
        return np.full(len(left), pieces.smooth_degree // 2 + 2)
    degree = pieces.coefficients.shape[2] - 1
    halvings, where = np.unique(np.ceil(np.log2(_fractions(pieces, left, right))), return_inverse=True)
    enough = np.array([_points_for(degree, float(2.0**e)) for e in halvings])
    return enough[where]


def _fractions(pieces: Pieces, left: Array, right: Array) -> Array:
    """Which part of its cell every interval is."""
    cells = np.searchsorted(pieces.breakpoints, (left + right) / 2, side="right") - 1
    found: Array = (right - left) / np.diff(pieces.breakpoints)[np.clip(cells, 0, pieces.cells - 1)]
    return found


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


# --- rules -------------------------------------------------------------------------------------------------


def rule(*bases: Pieces, degree: int = 0, frequency: float = 0.0, cuts: Array | None = None) -> tuple[Array, Array]:
    """Gauss points and weights (n,) on the cells that the bases share: products of any two of their functions, and of

    one with a polynomial of a degree times waves of angular frequencies up to ``frequency``, to rounding.

    cuts: more breakpoints. Raises RepresentationError for a closed-form basis that no rule integrates.
    """
    edges = union(*(basis.smooth for basis in bases), *([] if cuts is None else [cuts]))
    left, right = edges[:-1], edges[1:]
    own = np.max([degrees(basis, left, right) for basis in bases], axis=0)
    return gauss(left, right, (own + np.maximum(own, degree + _wave_degrees(frequency, left, right))) // 2 + 1)


def gauss(left: Array, right: Array, counts: Array) -> tuple[Array, Array]:
    """The points and weights of Gauss rules with ``counts`` points, one a interval, in the order of the intervals."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    points, weights = np.empty(starts[-1]), np.empty(starts[-1])
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        s, w = _gauss(int(count))
        half = (right[rows] - left[rows])[:, None] / 2
        places = starts[rows][:, None] + np.arange(count)
        points[places], weights[places] = left[rows][:, None] + half * (1 + s), half * w
    return points, weights


def union(*breakpoints: Array) -> Array:
    """All breakpoints, increasing; those within rounding of each other are one."""
    found = np.unique(np.concatenate(breakpoints))
    return np.asarray(found[np.append(True, np.diff(found) > 8 * np.finfo(np.float64).eps * np.abs(found).max())])


def degrees(pieces: Pieces, left: Array, right: Array) -> Array:
    """The degree of the polynomials that the functions are, to rounding, on intervals inside the cells of ``smooth``:

    whole numbers (intervals,).
    """
    if pieces.kind == "fourier":
        length = pieces.breakpoints[-1] - pieces.breakpoints[0]
        return _wave_degrees(2 * np.pi * (pieces.size // 2) / length, left, right)
    if pieces.coefficients is None:
        return np.full(len(left), pieces.smooth_degree)
    highest = pieces.coefficients.shape[2] - 1
    halvings, where = np.unique(np.ceil(np.log2(_fractions(pieces, left, right))), return_inverse=True)
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


def _resolved(pieces: Pieces) -> Array:
    """Breakpoints that cut the cells of closed forms until the functions are polynomials on every interval.

    Halving where SAMPLES points do not resolve a function sees nothing of a peak that lies between them: the exact
    Gram matrix tells, and the search begins again on finer intervals; without one it begins on fine ones.
    """
    for parts in (256,) if pieces.gram is None else (1, 4, 16, 64, 256, 1024):
        steps = np.arange(parts) / parts
        whole = pieces.breakpoints
        start = np.append((whole[:-1, None] + np.diff(whole)[:, None] * steps).ravel(), whole[-1])
        edges = _halved(pieces, start)
        wrong = _missed(pieces, edges, SAMPLES)
        if wrong <= EXACT:
            return edges
    if wrong <= TOLERABLE:
        return edges
    raise RepresentationError(
        f"a custom basis whose products no quadrature rule gives (relative error {wrong:.1e})",
        "functions that some thousand points show", "a function that is zero but for a narrow peak, or is singular",
        "put breakpoints around the place where it is steep",
    )  # fmt: skip


def _missed(pieces: Pieces, edges: Array, count: int) -> float:
    """How far products by ``count`` Gauss points on every interval are from the exact ones, to the functions' norms."""
    if pieces.gram is None:
        return 0.0
    x, w = gauss(edges[:-1], edges[1:], np.full(len(edges) - 1, count))
    values, size = evaluate(pieces, x), np.sqrt(np.diag(pieces.gram))
    return float(np.max(np.abs((values.T * w) @ values - pieces.gram) / np.outer(size, size)))


def _halved(pieces: Pieces, edges: Array) -> Array:
    """The intervals, halved until SAMPLES Gauss points on each show every function as a polynomial."""
    s, w = _gauss(SAMPLES)
    transform = (legendre(s, SAMPLES - 1) * w)[-SAMPLES // 8 :] * np.sqrt(SAMPLES)  # of the last few coefficients
    total, size = edges[-1] - edges[0], np.zeros(pieces.size)
    done, left, right = [edges[:1]], edges[:-1], edges[1:]
    while len(left):
        x = left[:, None] + (right - left)[:, None] * (1 + s) / 2
        values = evaluate(pieces, x.ravel()).reshape(*x.shape, pieces.size)
        size = np.maximum(size, np.abs(values).max(axis=(0, 1)))
        tails = np.linalg.norm(transform @ values, axis=1) * ((right - left) / total)[:, None]
        rough = (tails > 4e-15 * np.where(size > 0, size, 1)).any(axis=1) & (right - left > FINEST * total)
        done.append(right[~rough])
        middle = (left[rough] + right[rough]) / 2
        left, right = np.concatenate([left[rough], middle]), np.concatenate([middle, right[rough]])
    return np.unique(np.concatenate(done))


# --- samples to functions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segments:
    """A sampled record's interpolant on intervals [left, right] that follow each other from −1 to 1.

    On each it is the straight line from sample ``first`` at ``start`` to sample ``last`` at ``stop``, which may
    lie outside the interval; equal samples at both ends make a constant.
    """

    left: Array
    right: Array
    start: Array
    stop: Array
    first: Array
    last: Array

    def cut(self, breakpoints: Array) -> _Segments:
        """The same interpolant on intervals that no breakpoint divides."""
        edges = np.union1d(np.append(self.left, self.right[-1]), breakpoints[1:-1])
        left, right = edges[:-1], edges[1:]
        at = np.clip(np.searchsorted(self.left, left, side="right") - 1, 0, len(self.left) - 1)
        return _Segments(left, right, self.start[at], self.stop[at], self.first[at], self.last[at])


def _segments(xi: Array, interpolant: str, periodic: bool) -> _Segments:
    count = len(xi)
    index = np.arange(count)
    if interpolant == "constant":
        edges = (2 * np.arange(count + 1) - count) / count
        return _Segments(edges[:-1], edges[1:], edges[:-1], edges[1:], index, index)
    if periodic:
        nodes = np.concatenate([[xi[-1] - 2], xi, [xi[0] + 2]])
        owner = np.concatenate([[count - 1], index, [0]])
    else:
        nodes = np.concatenate([[-1.0], xi, [1.0]])
        owner = np.concatenate([[0], index, [count - 1]])
    left, right = np.clip(nodes[:-1], -1, 1), np.clip(nodes[1:], -1, 1)
    kept = right > left
    columns = (left, right, nodes[:-1], nodes[1:], owner[:-1], owner[1:])
    return _Segments(*(column[kept] for column in columns))


def default_points(interpolant: str, n: int, periodic: bool) -> Array:
    """Where n samples without points lie (n,).

    The midpoints of n equal cells for "constant", −1 + 2j/n if periodic, else equally spaced from −1 to 1, and
    a single one in the middle.
    """
    _check_interpolant(interpolant, INTERPOLANTS)
    if not isinstance(n, int | np.integer) or n < 1:
        raise DataError(f"{n!r} samples", "a whole number from 1", "an empty record", "leave the record out")
    if interpolant == "constant" or (n == 1 and not periodic):
        return (2 * np.arange(n) + 1 - n) / n
    if periodic:
        return (2 * np.arange(n) - n) / n
    return np.linspace(-1, 1, n)


def check_points(xi: Array, periodic: bool = False) -> Array:
    """The points as float64 (n,), those that are outside by rounding at the ends.

    Raises DataError unless they increase within [−1, 1], and do not close a period.
    """
    xi = numbers(xi, "points")
    allowed = "increasing numbers from -1 to 1, one a sample"
    if xi.ndim != 1 or not len(xi):
        cause = "no samples, or an axis too many"
        raise DataError(f"points of shape {xi.shape}", allowed, cause, "give one list of numbers")
    wrong = np.flatnonzero(~((xi >= -1 - EDGE) & (xi <= 1 + EDGE)))
    if len(wrong):
        raise DataError(
            f"xi = {xi[wrong[0]]} at position {wrong[0]}", allowed,
            "coordinates in other units, or a missing value",
            "map coordinates t from a to b: xi = 2*(t - a)/(b - a) - 1; leave missing points out",
        )  # fmt: skip
    if xi.max() > 1 or xi.min() < -1:
        xi = np.clip(xi, -1, 1)
    wrong = np.flatnonzero(np.diff(xi) <= 0)
    if len(wrong):
        at = wrong[0] + 1
        what = "again" if xi[at] == xi[at - 1] else f"after {xi[at - 1]}"
        raise DataError(
            f"xi = {xi[at]} {what} at position {at}", allowed,
            "points out of order, or a point measured twice",
            "sort the samples by their points and average those that share one",
        )  # fmt: skip
    if periodic and xi[-1] - xi[0] >= 2:
        raise DataError(
            "both xi = -1 and xi = 1", "one of them: on a periodic domain they are the same point",
            "the closing sample repeats the first", "leave the last sample out",
        )  # fmt: skip
    return xi


def sample_functional(pieces: Pieces, xi: Array, interpolant: str, periodic: bool) -> Array:
    """B (size, n) with Σ_s B_js x_s = ∫ χ_j I[x] dξ for samples x at points xi (n,); see ``projection``.

    interpolant: "linear" or "constant". Exact to rounding for polynomials and Fourier.
    """
    xi = check_points(xi, periodic)
    _check_interpolant(interpolant, INTERPOLANTS[:2])
    if interpolant == "constant":
        _check_midpoints(xi)
    parts = _segments(xi, interpolant, periodic)
    if pieces.kind != "fourier":
        parts = parts.cut(pieces.smooth)
    mean, slope = _moments(pieces, parts.left, parts.right)
    span = 2 * (parts.stop - parts.start)
    # Differences first: they are exact between close points, whose midpoint is not.
    middle = (((parts.left - parts.start) + (parts.right - parts.start)) / span)[:, None]
    rise = ((parts.right - parts.left) / span)[:, None]
    last, first = middle * mean + rise * slope, (1 - middle) * mean - rise * slope
    found: Array = _gathered(parts.last, last, len(xi)) + _gathered(parts.first, first, len(xi))
    return found.T


def _gathered(owner: Array, rows: Array, count: int) -> Array:
    """(count, …): the sums of the rows that belong to each owner."""
    places = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(count, len(owner)))
    return np.asarray(places @ rows)


@dataclass(frozen=True)
class Compared:
    """Samples' interpolants and functions of a basis at the points of a rule along one axis, so scaled that sums of

    squares over the rows are integrals. A row is the value at a point, or the slope there.

    first, last: the samples that a row is made of (rows,); rise: what counts their difference (rows,), where the point
    lies between them, or for slopes one over their distance.
    scale: roots of the rule's weights (rows,); functions: (rows, size), times these.
    """

    first: Array
    last: Array
    rise: Array
    slopes: bool
    scale: Array
    functions: Array

    def samples(self, values: Array, axis: int) -> Array:
        """The interpolants' rows along an axis of arrays of samples. Differences first: they do not cancel."""
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        first, last = np.take(values, self.first, axis), np.take(values, self.last, axis)
        difference = self.rise.reshape(shape) * (last - first)
        return np.asarray(self.scale.reshape(shape) * (difference if self.slopes else first + difference))


def compared(
    pieces: Pieces, xi: Array, interpolant: str, periodic: bool, weight: Pieces | None = None, slopes: bool = False
) -> Compared:
    """Of samples at points xi (n,) and a basis: ∫ |I[x] − h|², with the one function of ``weight`` as a factor where

    there is one; or ∫ |∂I[x] − ∂h|², for ``slopes``. Exact to rounding; see ``sample_functional``.
    """
    parts = _segments(check_points(xi, periodic), interpolant, periodic)
    parts = parts.cut(pieces.smooth if weight is None else union(pieces.smooth, weight.smooth))
    counts = np.maximum(degrees(pieces, parts.left, parts.right), 1) + 1
    if weight is not None:
        counts += degrees(weight, parts.left, parts.right) // 2 + 1
    x, w = gauss(parts.left, parts.right, counts)
    start, stop, first, last = (np.repeat(a, counts) for a in (parts.start, parts.stop, parts.first, parts.last))
    scale = np.sqrt(w if weight is None else w * np.maximum(evaluate(weight, x)[:, 0], 0.0))
    if slopes:
        return Compared(first, last, 1 / (stop - start), True, scale, scale[:, None] * derivative(pieces, x))
    return Compared(first, last, (x - start) / (stop - start), False, scale, scale[:, None] * evaluate(pieces, x))


def _check_interpolant(interpolant: str, allowed: tuple[str, ...]) -> None:
    if interpolant not in allowed:
        raise DataError(f"interpolant {interpolant!r}", ", ".join(allowed), *advice(interpolant, allowed))


def _check_midpoints(xi: Array) -> None:
    away = np.abs(xi - default_points("constant", len(xi), False))
    if away.max() > MIDPOINT:
        at = int(away.argmax())
        raise DataError(
            f"xi = {xi[at]} at position {at} of {len(xi)} samples",
            f"the midpoints of {len(xi)} equal cells, or no points, for interpolant \"constant\"",
            "samples at points of their own, which are not means over equal cells",
            'declare interpolant = "linear", or leave the points out',
        )  # fmt: skip


def projection(
    pieces: Pieces, mass: Array, xi: Array, interpolant: str, periodic: bool, smoothing: float | None = None
) -> Array:
    """The coefficients' matrix P (size, n): coefficients = P x for a record's samples x at points xi (n,).

    mass: the exact Gram matrix, rounded (size, size). interpolant: "linear", the L2 projection of the
    piecewise-linear interpolant, constant beyond the outer samples, wrapping if periodic; "constant", that of
    the step function on n equal cells; "least-squares", the function of the basis nearest to the samples.
    smoothing: λ > 0 for "least-squares", which then minimises 2/n Σ|h(ξ_s) − x_s|² + λ ∫h².
    One sample is a constant. Raises DataError for points that are duplicate, unsorted or outside, or that do not
    determine the coefficients.
    """
    _check_interpolant(interpolant, INTERPOLANTS)
    xi = check_points(xi, periodic)
    if interpolant == "least-squares" and len(xi) > 1:
        return _least_squares(pieces, mass, xi, smoothing)
    kind = "linear" if interpolant == "least-squares" else interpolant
    loads = sample_functional(pieces, xi, kind, periodic)
    diagonal = positive_diagonal(mass)
    return np.asarray(cho_solve(cho_factor(mass), loads) if diagonal is None else loads / diagonal[:, None])


def positive_diagonal(matrix: Array) -> Array | None:
    """The diagonal (n,) of a diagonal matrix with positive entries there; None for any other."""
    diagonal = np.diag(matrix)
    alone = np.count_nonzero(matrix) == np.count_nonzero(diagonal) and bool((diagonal > 0).all())
    return diagonal if alone else None


def _least_squares(pieces: Pieces, mass: Array, xi: Array, smoothing: float | None) -> Array:
    """In L2-orthonormal coordinates, so that the rank and λ do not depend on how the functions are scaled."""
    root = np.linalg.cholesky(mass)
    scale = np.sqrt(2 / len(xi))
    values = scale * solve_triangular(root, evaluate(pieces, xi).T, lower=True).T
    left, singular, right = np.linalg.svd(values, full_matrices=False)
    kept = singular > RANK * singular[0]
    if smoothing:
        gains = singular / (singular**2 + smoothing)
    elif kept.sum() == pieces.size:
        gains = 1 / singular
    else:
        raise DataError(
            f"{len(xi)} points that determine {kept.sum()} of {pieces.size} coefficients (the rank)",
            f"points of rank {pieces.size}, or a smoothing",
            "too few points, or a gap in which some functions of the basis are alone",
            'declare input.smoothing, a smaller basis, or interpolant = "linear"',
        )
    found: Array = scale * solve_triangular(root.T, (right.T * gains) @ left.T, lower=False)
    return found
