"""Exact integrals and values of basis functions: Gram matrices, couplings, quadrature rules, tables (section 2).

Products of piecewise polynomials are rational. A polynomial against cos and sin is a sum of spherical Bessel values,
any other product is enclosed by rigorous quadrature; see ``exact`` for how enclosures become doubles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from derive.errors import DerivationError
from derive.exact.enclosure import XI, Side, product_integrals
from derive.exact.legendre import coefficient_rows, restriction_matrix
from derive.exact.matrix import PRECISIONS, ExactMatrix, as_fmpq, as_fraction, rational, single
from derive.exact.series import Interval, trimmed
from derive.exact.surd import Exact
from derive.spaces.basis import Basis
from derive.spaces.rules import Rule


@lru_cache(maxsize=1024)
def gram(p: Basis, q: Basis) -> ExactMatrix:
    """⟨p_i, q_j⟩, (size of p × size of q), on their common interval."""
    if p.interval != q.interval:
        raise DerivationError(
            f"bases on {_show(p.interval)} and {_show(q.interval)}",
            "two bases on one interval",
            "the inner product of functions that live in different places",
            "take both in the same slab and direction",
        )
    if p.combination is not None:
        return p.combination.matrix @ gram(p.combination.of, q)
    if q.combination is not None:
        return gram(q, p).T
    if p.kind == q.kind == "fourier":
        return _fourier_gram(p, q)
    shape = (p.size, q.size)
    known = [[fmpq(0)] * q.size for _ in range(p.size)]
    for a, b in _common_cells(p, q):
        _add_polynomials(known, p, q, a, b)
    exact = fmpq_mat(*shape, [e for row in known for e in row])
    if p.kind == q.kind == "polynomial":
        return ExactMatrix(shape, exact)
    return ExactMatrix(shape, recipe=lambda: arb_mat(exact) + _enclosed_gram(p, q))


def stiffness(p: Basis) -> ExactMatrix:
    """⟨p_i′, p_j′⟩, (size × size), the derivatives taken inside the cells."""
    if p.kind == "fourier":
        assert p.period is not None
        # ⟨cos′, cos′⟩ = (2πk/L)² L/2; the constant has none.
        factors = [fmpq(2 * ((j + 1) // 2) ** 2) / as_fmpq(p.period) for j in range(p.size)]
        diagonal = rational([[f if i == j else fmpq(0) for j in range(p.size)] for i, f in enumerate(factors)])
        return ExactMatrix(diagonal.shape, recipe=lambda: diagonal.enclosure() * (arb.pi() ** 2))
    if p.combination is not None:
        return p.combination.matrix @ stiffness(p.combination.of) @ p.combination.matrix.T
    return gram(_derivative(p), _derivative(p))


def evaluate(p: Basis, rule: Rule) -> ExactMatrix:
    """p_j(ξ_q), (Q × size); at an inner breakpoint the limit from the right, at the end from the left."""
    return _values(p, rule.points, _located(p, rule))


def evaluate_at(p: Basis, point: Exact, inside: Interval) -> ExactMatrix:
    """p_j(point), (1 × size); at a breakpoint the limit from inside the interval ``inside``."""
    cell = p.cell_of(point)
    if point == p.breakpoints[cell] and point >= inside[1]:
        cell = max(cell - 1, 0)
    return _values(p, single(point), [cell])


@lru_cache(maxsize=256)
def continuous(p: Basis) -> bool:
    """Whether every function is continuous at every inner breakpoint."""
    inner = zip(p.breakpoints, p.breakpoints[1:], p.breakpoints[2:])
    jumps = (evaluate_at(p, b, (b, c)) - evaluate_at(p, b, (a, b)) for a, b, c in inner)
    return not any(jump.nonzero().any() for jump in jumps)


def _common_cells(p: Basis, q: Basis) -> Iterator[Interval]:
    union = sorted({*p.breakpoints, *q.breakpoints})
    yield from zip(union, union[1:])


def _add_polynomials(known: list[list[fmpq]], p: Basis, q: Basis, a: Fraction, b: Fraction) -> None:
    """Adds the integrals over [a, b] of all products of polynomials."""
    first, second = (_series_on(basis, basis.cell_of(a)) for basis in (p, q))
    if not first or not second:
        return
    degree = min(max(len(s) for s in found.values()) for found in (first, second)) - 1
    left = _restricted(p, first, a, b, degree)
    right = _restricted(q, second, a, b, degree)
    # ∫ P_k² over the cell is (b − a)/(2k + 1).
    norms = fmpq_mat(degree + 1, 1, [as_fmpq((b - a) / (2 * k + 1)) for k in range(degree + 1)])
    block = left * fmpq_mat(right.ncols(), right.nrows(), _scaled_transpose(right, norms))
    for row, i in enumerate(first):
        for column, j in enumerate(second):
            known[i][j] += block[row, column]


def _scaled_transpose(matrix: fmpq_mat, factors: fmpq_mat) -> list[fmpq]:
    return [matrix[row, k] * factors[k, 0] for k in range(matrix.ncols()) for row in range(matrix.nrows())]


def _series_on(p: Basis, cell: int) -> dict[int, tuple[Fraction, ...]]:
    found = {j: p.functions[j][cell] for j in p.active[cell]}
    return {j: f for j, f in found.items() if isinstance(f, tuple) and p.kind != "fourier"}


def _restricted(p: Basis, series: dict[int, tuple[Fraction, ...]], a: Fraction, b: Fraction, degree: int) -> fmpq_mat:
    """Legendre coefficients up to ``degree`` on [a, b], inside p's cell, of polynomials given on the cell."""
    start, stop = p.bounds(p.cell_of(a))
    length = max(len(s) for s in series.values())
    table = coefficient_rows(series.values(), length)
    if (start, stop) == (a, b):
        kept = min(length, degree + 1)
        cut = [[row[k] if k < kept else fmpq(0) for k in range(degree + 1)] for row in table.tolist()]
        return fmpq_mat(len(cut), degree + 1, [e for row in cut for e in row])
    scale, shift = (b - a) / (stop - start), (a + b - start - stop) / (stop - start)
    return table * restriction_matrix(scale, shift, length - 1, degree)


def _fourier_gram(p: Basis, q: Basis) -> ExactMatrix:
    assert p.period is not None
    norms = [p.period, p.period / 2]
    return rational([[norms[min(i, 1)] if i == j else 0 for j in range(q.size)] for i in range(p.size)])


def _enclosed_gram(p: Basis, q: Basis) -> arb_mat:
    """The part of the Gram matrix that is not polynomial × polynomial, at the current precision."""
    if q.kind == "fourier" and p.kind == "polynomial":
        return _fourier_coupling(p, q)
    if p.kind == "fourier" and q.kind == "polynomial":
        return _fourier_coupling(q, p).transpose()
    table = [[arb(0)] * q.size for _ in range(p.size)]
    for a, b in _common_cells(p, q):
        (first, left), (second, right) = ((c.cell_of(a), _series_on(c, c.cell_of(a))) for c in (p, q))
        rough = [i for i in p.active[first] if i not in left]
        for rows, columns in (
            (rough, list(q.active[second])),
            (list(left), [j for j in q.active[second] if j not in right]),
        ):
            if rows and columns:
                block = product_integrals(side(p, first, rows), side(q, second, columns), a, b)
                for i, entries in zip(rows, block.tolist()):
                    for j, entry in zip(columns, entries):
                        table[i][j] += entry
    return arb_mat(table)


def side(p: Basis, cell: int, chosen: Sequence[int]) -> Side:
    """Some of the functions of a basis on one of its cells."""
    return Side(tuple(p.functions[j][cell] for j in chosen), p.bounds(cell))


def _fourier_coupling(p: Basis, q: Basis) -> arb_mat:
    """⟨p_i, q_j⟩ for piecewise polynomials p: with ωξ = φ + zt on a cell, ∫ P_n e^{izt} dt = 2 iⁿ j_n(z)."""
    assert q.period is not None and p.degree is not None
    bessel: dict[Fraction, list[arb]] = {}
    table = [[arb(0)] * q.size for _ in range(p.size)]
    middle = sum(q.interval) / 2
    for cell in range(p.cells):
        series = _series_on(p, cell)
        if not series:
            continue
        a, b = p.bounds(cell)
        length = max(len(s) for s in series.values())
        moments = [[arb(2 * (n == 0)) for n in range(length)]]
        for k in range(1, q.size // 2 + 1):
            turns = 2 * k / q.period  # ω = turns · π
            z = turns * (b - a) / 2
            if z not in bessel:
                bessel[z] = _spherical_bessel(z, p.degree + 1)
            sine, cosine = arb.sin_cos_pi_fmpq(as_fmpq(turns * ((a + b) / 2 - middle)))
            moments += _cosine_and_sine_moments(bessel[z][:length], cosine, sine)
        block = arb_mat(coefficient_rows(series.values(), length)) * arb_mat(moments).transpose()
        half = as_fmpq((b - a) / 2)
        for row, i in enumerate(series):
            table[i] = [total + half * block[row, j] for j, total in enumerate(table[i])]
    return arb_mat(table)


def _cosine_and_sine_moments(bessel: list[arb], cosine: arb, sine: arb) -> list[list[arb]]:
    """∫ P_n(t) cos(φ + zt) dt and ∫ P_n(t) sin(φ + zt) dt for all n, from j_n(z), cos φ and sin φ."""
    rows: list[list[arb]] = [[], []]
    for n, j in enumerate(bessel):
        amplitude = 2 * j * (-1) ** (n // 2)
        rows[0].append(-amplitude * sine if n % 2 else amplitude * cosine)
        rows[1].append(amplitude * cosine if n % 2 else amplitude * sine)
    return rows


def _spherical_bessel(turns: Fraction, count: int) -> list[arb]:
    """j_n(π·turns) = √(π/2z) J_{n+1/2}(z) for n < count."""
    z = arb.pi() * as_fmpq(turns)
    factor = (arb.pi() / (2 * z)).sqrt()
    return [factor * z.bessel_j(arb(2 * n + 1) / 2) for n in range(count)]


def _derivative(p: Basis) -> Basis:
    import sympy as sp

    functions = []
    for function in p.functions:
        changed = {}
        for cell, f in function.items():
            a, b = p.bounds(cell)
            slope = _series_derivative(f, 2 / (b - a)) if isinstance(f, tuple) else sp.diff(f, XI)
            if slope:
                changed[cell] = slope
        functions.append(changed)
    return Basis(p.family, p.interval, p.breakpoints, tuple(functions))


def _series_derivative(series: tuple[Fraction, ...], scale: Fraction) -> tuple[Fraction, ...]:
    """P_n′ = Σ_{k = n−1, n−3, …} (2k + 1) P_k."""
    derivative = [Fraction(0)] * (len(series) + 1)
    for k in range(len(series) - 2, -1, -1):
        derivative[k] = derivative[k + 2] + series[k + 1]
    return trimmed([(2 * k + 1) * scale * d for k, d in enumerate(derivative)])


def _located(p: Basis, rule: Rule) -> list[int]:
    """The cell of p that every point of the rule is in."""
    found = []
    for q, cell in enumerate(rule.cells):
        a, b = rule.breakpoints[cell], rule.breakpoints[cell + 1]
        candidate = p.cell_of(a)
        found.append(candidate if b <= p.breakpoints[candidate + 1] else _search(p, rule.points, q))
    return found


def _search(p: Basis, points: ExactMatrix, q: int) -> int:
    if points.rational:
        return p.cell_of(as_fraction(points[q, 0]))
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            point = points.enclosure()[q, 0]
            balls = [arb(as_fmpq(b)) for b in p.breakpoints[1:-1]]
            if not any(point.overlaps(b) for b in balls):
                break
    # What no precision tells from a breakpoint is the breakpoint: the cell on its right.
    return sum(not point < b for b in balls)


def _values(p: Basis, points: ExactMatrix, cells: list[int]) -> ExactMatrix:
    """p_j at each point, as its cell has it; rational where the points and the functions are."""
    if p.combination is not None:
        return _values(p.combination.of, points, cells) @ p.combination.matrix.T
    shape = (len(cells), p.size)
    if p.kind == "polynomial" and points.rational:
        return ExactMatrix(shape, _table(p, points.entries(), cells, fmpq_mat))

    def recipe() -> arb_mat:
        if p.kind == "fourier":
            return _fourier_table(p, points)
        with ctx.workprec(ctx.prec + max(side(p, c, p.active[c]).guard for c in range(p.cells))):
            return _table(p, points.enclosure().entries(), cells, arb_mat)

    return ExactMatrix(shape, recipe=recipe)


def _table(p: Basis, points: Sequence[Any], cells: list[int], matrix: Any) -> Any:
    rows = [[0] * p.size for _ in cells]
    for cell in sorted(set(cells)):
        chosen = [q for q, c in enumerate(cells) if c == cell]
        block = side(p, cell, p.active[cell]).values([points[q] for q in chosen], matrix)
        for q, entries in zip(chosen, block.tolist()):
            for j, entry in zip(p.active[cell], entries):
                rows[q][j] = entry
    return matrix(len(cells), p.size, [e for row in rows for e in row])


def _fourier_table(p: Basis, points: ExactMatrix) -> arb_mat:
    """cos and sin of π·2kτ: rational τ keep their exact zeros and ones."""
    assert p.period is not None
    middle = as_fmpq(sum(p.interval) / 2)
    entries = points.entries() if points.rational else points.enclosure().entries()
    table = []
    for point in entries:
        tau = (point - middle) / as_fmpq(p.period)
        row = [arb(1)]
        for k in range(1, p.size // 2 + 1):
            sine, cosine = arb.sin_cos_pi_fmpq(tau * (2 * k)) if points.rational else (tau * (2 * k)).sin_cos_pi()
            row += [cosine, sine]
        table.append(row)
    return arb_mat(table)


def _show(interval: Interval) -> str:
    return f"[{interval[0]}, {interval[1]}]"
