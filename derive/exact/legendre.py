"""Legendre polynomials in flint's numbers: values, Gauss and Lobatto nodes, series seen on a part of their cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly, fmpz_poly

from derive.exact.matrix import as_fmpq, as_fraction
from derive.exact.series import Interval, Series, trimmed


@lru_cache(maxsize=64)
def gauss_nodes(count: int, precision: int) -> tuple[tuple[arb, arb], ...]:
    """The nodes on [-1, 1], in increasing order, with their weights."""
    with ctx.workprec(precision):
        return tuple(arb.legendre_p_root(count, count - 1 - k, weight=True) for k in range(count))


@lru_cache(maxsize=64)
def lobatto_nodes(count: int, precision: int) -> tuple[tuple[arb, arb], ...]:
    """The Gauss–Lobatto nodes on [-1, 1], in increasing order, with their weights 2/(n (n − 1) P_{n−1}²).

    Between the ends lie the roots of P′_{n−1}, the Gauss–Jacobi nodes for α = β = 1.
    """
    degree = count - 1
    with ctx.workprec(precision):
        slope = fmpz_poly([0])
        for k in range(degree - 1, -1, -2):  # P′_n = Σ (2k + 1) P_k over k = n − 1, n − 3, …
            slope += (2 * k + 1) * _integer_legendre(k, degree)
        roots = sorted((root.real for root, _ in slope.complex_roots()), key=lambda r: float(r.mid()))
        nodes = [arb(-1), *roots, arb(1)]
        return tuple((t, 2 / (legendre_values(t, count)[-1] ** 2 * (count * degree))) for t in nodes)


def _integer_legendre(k: int, scale: int) -> fmpz_poly:
    """2^scale P_k, whose coefficients are integers for k ≤ scale."""
    return fmpz_poly([int(c * 2**scale) for c in fmpq_poly.legendre_p(k).coeffs()])


def legendre_values(t: Any, count: int) -> list[Any]:
    """P₀(t) … P_{count−1}(t) by the three-term recurrence, for a rational or a ball."""
    values = [t * 0 + 1, t]
    for n in range(1, count - 1):
        values.append((t * values[n] * (2 * n + 1) - values[n - 1] * n) / (n + 1))
    return values[:count]


def coefficient_rows(series: Iterable[Series], length: int) -> fmpq_mat:
    """Legendre series below one another, filled with zeros to one length."""
    padded = [[as_fmpq(c) for c in s] + [fmpq(0)] * (length - len(s)) for s in series]
    return fmpq_mat(len(padded), length, [e for row in padded for e in row])


def restriction(series: tuple[Fraction, ...], cell: Interval, part: Interval) -> tuple[Fraction, ...]:
    """The Legendre series on a part of a cell of a polynomial given on the cell."""
    (start, stop), (a, b) = cell, part
    if not series or cell == part:
        return series
    degree = len(series) - 1
    table = restriction_matrix((b - a) / (stop - start), (a + b - start - stop) / (stop - start), degree, degree)
    row = coefficient_rows([series], len(series)) * table
    return trimmed([as_fraction(value) for value in row.entries()])


@lru_cache(maxsize=2048)
def restriction_matrix(scale: Fraction, shift: Fraction, highest: int, degree: int) -> fmpq_mat:
    """R with P_n(scale·s + shift) = Σ_k R_nk P_k(s), for n ≤ highest and k ≤ degree; 0 ≤ |shift| + scale ≤ 1.

    With I_nk = ∫ P_n(t(s)) P_k(s) ds, (2n + 1) P_n = P′_{n+1} − P′_{n−1} and an integration by parts,
    scale (2n + 1) I_nk = [(P_{n+1} − P_{n−1}) P_k] − Σ_{j = k−1, k−3, …} (2j + 1) (I_{n+1,j} − I_{n−1,j}).
    """
    count = highest + degree + 3
    alpha = as_fmpq(scale)
    upper = legendre_values(as_fmpq(shift + scale), count)
    lower = legendre_values(as_fmpq(shift - scale), count)

    def difference(values: Sequence[fmpq], n: int) -> fmpq:
        return values[n + 1] - (values[n - 1] if n else 0)

    columns: list[list[fmpq]] = []
    sums: list[list[fmpq]] = [[fmpq(0)] * count, [fmpq(0)] * count]  # of j = k − 1, k − 3, …: for k − 2 and k − 1
    for k in range(degree + 1):
        rows = highest + degree + 1 - k
        total = sums[0][:rows]
        if k:
            last = columns[-1]
            total = [s + (2 * k - 1) * difference(last, n) for n, s in enumerate(total)]
        sums = [sums[1], total]
        sign = -1 if k % 2 else 1
        columns.append(
            [
                (difference(upper, n) - sign * difference(lower, n) - total[n]) / (alpha * (2 * n + 1))
                for n in range(rows)
            ]
        )
    entries = [columns[k][n] * fmpq(2 * k + 1, 2) for n in range(highest + 1) for k in range(degree + 1)]
    return fmpq_mat(highest + 1, degree + 1, entries)
