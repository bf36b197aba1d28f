"""Matrices of exact numbers: rationals, or real numbers that can be enclosed as tightly as anyone asks.

A rational matrix is a flint ``fmpq_mat``. Any other is a *recipe*, a function that encloses it in a flint ``arb_mat``
at the current working precision. Nothing is rounded on the way to a table: ``to_float`` raises the precision until
both ends of every ball round to the same double.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from derive.errors import DerivationError
from derive.exact.surd import Exact, Surd

PRECISIONS = (192, 384, 768, 1536, 3072, 6144)  # bits
SINGULAR = 1536  # bits that do not tell a matrix from a singular one: it is called singular
NEGLIGIBLE = 1e-40  # an entry that may be zero and is smaller than this, is zero


class ExactMatrix:
    """A (rows × columns) matrix of exact numbers; built by the functions below, combined with ``@``, ``-``, ``.T``.

    Errors: ``DerivationError`` when a matrix is singular, or when 6144 bits do not settle a question about it.
    """

    def __init__(
        self, shape: tuple[int, int], rational: fmpq_mat | None = None, recipe: Callable[[], arb_mat] | None = None
    ) -> None:
        self.shape = shape
        self._rational = rational
        self._recipe = recipe
        self._known: tuple[int, arb_mat] | None = None
        self._rounded: np.ndarray | None = None
        self._pattern: np.ndarray | None = None

    @property
    def rational(self) -> bool:
        """Whether the entries are stored as rationals."""
        return self._rational is not None

    def enclosure(self) -> arb_mat:
        """Balls around the entries, computed with the current working precision of flint or a higher one."""
        if self._rational is not None:
            return arb_mat(self._rational)
        if self._known is None or self._known[0] < ctx.prec:
            assert self._recipe is not None
            self._known = (ctx.prec, self._recipe())
        return self._known[1]

    def __matmul__(self, other: ExactMatrix) -> ExactMatrix:
        shape = (self.shape[0], other.shape[1])
        if self._rational is not None and other._rational is not None:
            return ExactMatrix(shape, self._rational * other._rational)
        return ExactMatrix(shape, recipe=lambda: self.enclosure() * other.enclosure())

    def __sub__(self, other: ExactMatrix) -> ExactMatrix:
        if self._rational is not None and other._rational is not None:
            return ExactMatrix(self.shape, self._rational - other._rational)
        return ExactMatrix(self.shape, recipe=lambda: self.enclosure() - other.enclosure())

    @property
    def T(self) -> ExactMatrix:
        """The transpose."""
        shape = (self.shape[1], self.shape[0])
        if self._rational is not None:
            return ExactMatrix(shape, self._rational.transpose())
        return ExactMatrix(shape, recipe=lambda: self.enclosure().transpose())

    def scaled(self, rows: ExactMatrix | None = None, columns: ExactMatrix | None = None) -> ExactMatrix:
        """diag(rows) · self · diag(columns); the factors are matrices of one column (or one row)."""
        factors = [f for f in (rows, columns) if f is not None]
        if self._rational is not None and all(f.rational for f in factors):
            return ExactMatrix(self.shape, _scale(self._rational, *(f and f._rational for f in (rows, columns))))
        return ExactMatrix(
            self.shape, recipe=lambda: _scale(self.enclosure(), *(f and f.enclosure() for f in (rows, columns)))
        )

    def solve(self, other: ExactMatrix) -> ExactMatrix:
        """self⁻¹ · other, for a square matrix."""
        if self.rational and self.is_diagonal():
            return other.scaled(rows=self._reciprocal_diagonal())
        shape = (self.shape[1], other.shape[1])
        if self._rational is not None and other._rational is not None:
            try:
                return ExactMatrix(shape, self._rational.solve(other._rational))
            except ZeroDivisionError:
                raise _singular(self.shape) from None
        return ExactMatrix(shape, recipe=lambda: self._solve(other))

    def _solve(self, other: ExactMatrix) -> arb_mat:
        # Wide balls may contain a singular matrix where the matrix is not: then the precision is raised here.
        for precision in (ctx.prec, *(p for p in PRECISIONS if ctx.prec < p <= SINGULAR)):
            with ctx.workprec(precision):
                try:
                    return self.enclosure().solve(other.enclosure())
                except ZeroDivisionError:
                    continue
        raise _singular(self.shape)

    def inverse(self) -> ExactMatrix:
        """self⁻¹."""
        return self.solve(identity(self.shape[0]))

    def _reciprocal_diagonal(self) -> ExactMatrix:
        assert self._rational is not None
        entries = [self._rational[i, i] for i in range(self.shape[0])]
        if not all(entries):
            raise _singular(self.shape)
        return ExactMatrix((len(entries), 1), fmpq_mat(len(entries), 1, [1 / e for e in entries]))

    def entries(self) -> tuple[Any, ...]:
        """All entries, row by row: ``fmpq``, or ``arb`` that settle every zero and have at least 30 digits."""
        return tuple(self._settled(_zeros_known).entries())

    def __getitem__(self, index: tuple[int, int]) -> Any:
        return self.entries()[index[0] * self.shape[1] + index[1]]

    def as_fractions(self) -> list[list[Fraction]] | None:
        """The rows, where every entry is rational or proven to be near a whole number; else None."""
        if self._rational is not None:
            values = [as_fraction(e) for e in self._rational.entries()]
        else:
            balls = self.entries()
            whole = [round(float(e.mid())) for e in balls]
            if not all((e - n).contains(0) and e.rad() < NEGLIGIBLE for e, n in zip(balls, whole)):
                return None
            values = [Fraction(n) for n in whole]
        return [values[k : k + self.shape[1]] for k in range(0, len(values), self.shape[1])]

    def chosen(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> ExactMatrix:
        """Some of the rows and columns, in the given order."""
        r = list(range(self.shape[0]) if rows is None else rows)
        c = list(range(self.shape[1]) if columns is None else columns)

        def pick(matrix: Any, kind: Any) -> Any:
            return kind(len(r), len(c), [matrix[i, j] for i in r for j in c])

        if self._rational is not None:
            return ExactMatrix((len(r), len(c)), pick(self._rational, fmpq_mat))
        return ExactMatrix((len(r), len(c)), recipe=lambda: pick(self.enclosure(), arb_mat))

    def to_float(self) -> np.ndarray:
        """(rows, columns) float64, not to be written to: the nearest doubles, proven."""
        if self._rounded is None:
            self._rounded = self._nearest()
            self._rounded.flags.writeable = False
        return self._rounded

    def _nearest(self) -> np.ndarray:
        if self._rational is not None:
            values: list[float | None] = [_nearest_of_rational(e) if e else 0.0 for e in self._rational.entries()]
        else:
            values = [None] * (self.shape[0] * self.shape[1])
            for precision in PRECISIONS:
                with ctx.workprec(precision):
                    # What is decided stays: else entries that decay like aⁿ would ask for ever more digits of nothing.
                    balls = self.enclosure().entries()
                    values = [nearest(ball) if v is None else v for v, ball in zip(values, balls, strict=True)]
                if None not in values:
                    break
            else:
                raise _unsettled()
        return np.array(values, dtype=np.float64).reshape(self.shape)

    def nonzero(self) -> np.ndarray:
        """(rows, columns) bool: which entries are not zero. A ball around 0 of radius < 1e-40 counts as 0."""
        if self._pattern is None:
            found = [not e.contains(0) if isinstance(e, arb) else bool(e) for e in self.entries()]
            self._pattern = np.array(found, dtype=bool).reshape(self.shape)
            self._pattern.flags.writeable = False
        return self._pattern

    def largest(self) -> float:
        """An upper bound of the largest absolute value, wider than it by 1e-40 at most (before its own rounding)."""
        bounds = (e.abs_upper() if isinstance(e, arb) else abs(e) for e in self.entries())
        return max((_up(b) for b in bounds), default=0.0)

    def is_diagonal(self) -> bool:
        """Whether every entry off the diagonal is zero."""
        return not (self.nonzero() & ~np.eye(*self.shape, dtype=bool)).any()

    def is_identity(self) -> bool:
        """Whether this is the identity matrix."""
        if self.shape[0] != self.shape[1] or not self.is_diagonal():
            return False
        diagonal = [e - 1 for e in self.entries()[:: self.shape[0] + 1]]
        return all(e.contains(0) and e.rad() < NEGLIGIBLE if isinstance(e, arb) else not e for e in diagonal)

    def _settled(self, accept: Callable[[arb_mat], bool]) -> Any:
        if self._rational is not None:
            return self._rational
        for precision in PRECISIONS:
            with ctx.workprec(precision):
                matrix = self.enclosure()
                if accept(matrix):
                    return matrix
        raise _unsettled()


def rational(rows: Iterable[Sequence[Fraction | fmpq | int]], columns: int | None = None) -> ExactMatrix:
    """The matrix of these rows; ``columns`` is needed only where there may be no row."""
    table = [[as_fmpq(e) for e in row] for row in rows]
    width = len(table[0]) if columns is None else columns
    return ExactMatrix((len(table), width), fmpq_mat(len(table), width, [e for row in table for e in row]))


def single(value: Exact) -> ExactMatrix:
    """The 1 × 1 matrix of a number."""
    if not isinstance(value, Surd):
        return rational([[value]])

    def recipe() -> arb_mat:
        return arb_mat(1, 1, [as_fmpq(value.a) + as_fmpq(value.b) * arb(value.d).sqrt()])

    return ExactMatrix((1, 1), recipe=recipe)


def identity(size: int) -> ExactMatrix:
    """The identity matrix."""
    return ExactMatrix((size, size), fmpq_mat(size, size, [int(i == j) for i in range(size) for j in range(size)]))


def zeros(rows: int, columns: int) -> ExactMatrix:
    """The zero matrix."""
    return ExactMatrix((rows, columns), fmpq_mat(rows, columns))


def stack(parts: Sequence[ExactMatrix]) -> ExactMatrix:
    """The matrices below one another."""
    shape = (sum(p.shape[0] for p in parts), parts[0].shape[1])
    if all(p.rational for p in parts):
        return ExactMatrix(shape, fmpq_mat(*shape, [e for p in parts for e in p.entries()]))
    return ExactMatrix(shape, recipe=lambda: arb_mat(*shape, [e for p in parts for e in p.enclosure().entries()]))


def kron(parts: Sequence[ExactMatrix]) -> ExactMatrix:
    """The Kronecker product of matrices, the index of the last one running first."""
    if len(parts) == 1:
        return parts[0]
    shape = math.prod(p.shape[0] for p in parts), math.prod(p.shape[1] for p in parts)

    def multiplied(lists: Sequence[Any], kind: Any) -> Any:
        found, size = list(lists[0].entries()), parts[0].shape
        for other, (rows, columns) in zip(lists[1:], (p.shape for p in parts[1:])):
            entries = list(other.entries())
            found = [
                found[i * size[1] + j] * entries[k * columns + l]
                for i in range(size[0]) for k in range(rows) for j in range(size[1]) for l in range(columns)
            ]  # fmt: skip
            size = size[0] * rows, size[1] * columns
        return kind(*shape, found)

    if all(p.rational for p in parts):
        return ExactMatrix(shape, multiplied([p._rational for p in parts], fmpq_mat))
    return ExactMatrix(shape, recipe=lambda: multiplied([p.enclosure() for p in parts], arb_mat))


def collected(
    shape: tuple[int, int],
    first: ExactMatrix,
    second: ExactMatrix,
    terms: Sequence[tuple[int, int, int, int, fmpq]],
) -> ExactMatrix:
    """The matrix whose entry (row, column) is the sum of factor · first[a] · second[b] over the terms

    (row, column, a, b, factor); a and b count the entries of the two matrices row by row.
    """

    def summed(left: Sequence[Any], right: Sequence[Any], kind: Any) -> Any:
        values = [kind(0)] * (shape[0] * shape[1])
        for row, column, a, b, factor in terms:
            values[row * shape[1] + column] += left[a] * right[b] * factor
        return values

    if first._rational is not None and second._rational is not None:
        values = summed(first._rational.entries(), second._rational.entries(), fmpq)
        return ExactMatrix(shape, fmpq_mat(*shape, values))
    return ExactMatrix(
        shape, recipe=lambda: arb_mat(*shape, summed(first.enclosure().entries(), second.enclosure().entries(), arb))
    )


def as_fmpq(value: Fraction | fmpq | int) -> fmpq:
    """A rational as flint's."""
    return fmpq(value.numerator, value.denominator) if isinstance(value, Fraction) else fmpq(value)


def as_fraction(value: fmpq) -> Fraction:
    """A rational as Python's."""
    return Fraction(int(value.p), int(value.q))


def nearest(ball: arb) -> float | None:
    """The double that is nearest to every number in the ball, 0 for a negligible ball around 0; None if undecided."""
    if not ball.is_finite():
        return None
    low, high = _nearest_of_end(ball.lower()), _nearest_of_end(ball.upper())
    if low == high:
        return low
    if ball.contains(0):
        return 0.0 if ball.rad() < NEGLIGIBLE else None
    # A number that ends just where two doubles meet is never decided: then either of them is as near as 1e-40.
    return _nearest_of_end(ball.mid()) if ctx.prec == PRECISIONS[-1] and ball.rad() < NEGLIGIBLE else None


def _nearest_of_end(end: arb) -> float:
    mantissa, exponent = (int(part) for part in end.man_exp())
    try:  # Python divides integers with one correct rounding, subnormal results included
        return float(mantissa << exponent) if exponent >= 0 else mantissa / (1 << -exponent)
    except OverflowError:  # beyond the largest double
        return math.copysign(math.inf, mantissa)


def _nearest_of_rational(value: fmpq) -> float:
    return int(value.p) / int(value.q)


def _up(bound: Any) -> float:
    value = _nearest_of_end(bound) if isinstance(bound, arb) else _nearest_of_rational(bound)
    return float(np.nextafter(value, np.inf)) if value else 0.0


def _zeros_known(matrix: arb_mat) -> bool:
    # For |entry| > 1 thirty digits are relative to the entry.
    return all(
        e.is_finite() and e.rad() < (NEGLIGIBLE if e.contains(0) else 1e-32 * max(1.0, float(e.abs_upper())))
        for e in matrix.entries()
    )


def _scale(matrix: Any, rows: Any, columns: Any) -> Any:
    left = rows.entries() if rows is not None else [fmpq(1)] * matrix.nrows()
    table = [[e * f for e in row] for row, f in zip(matrix.tolist(), left, strict=True)]
    if columns is not None:
        table = [[e * f for e, f in zip(row, columns.entries(), strict=True)] for row in table]
    return type(matrix)(matrix.nrows(), matrix.ncols(), [e for row in table for e in row])


def _singular(shape: tuple[int, int]) -> DerivationError:
    return DerivationError(
        f"a singular {shape[0]} × {shape[1]} matrix",
        "an invertible one",
        "the functions of a basis are linearly dependent, or there are fewer quadrature points than functions",
        "remove the function that the others can represent",
    )


def _unsettled() -> DerivationError:
    return DerivationError(
        f"numbers that {PRECISIONS[-1]} bits of precision do not settle",
        "functions whose integrals can be enclosed",
        "a function with a singularity inside a cell or at its end",
        "add a breakpoint at the singularity, or use a smoother function",
    )
