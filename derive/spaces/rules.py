"""Quadrature rules: points and weights, exact or enclosed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, arb_mat, ctx, fmpq

from derive.exact.legendre import gauss_nodes, lobatto_nodes
from derive.exact.matrix import ExactMatrix, as_fmpq, rational


@dataclass(frozen=True, eq=False)
class Rule:
    """A quadrature rule of Q points. points, weights: (Q × 1).  cells: the cell of each point between breakpoints."""

    points: ExactMatrix
    weights: ExactMatrix
    cells: tuple[int, ...]
    breakpoints: tuple[Fraction, ...]


def gauss_rule(breakpoints: Sequence[Fraction], points_per_cell: int) -> Rule:
    """Gauss–Legendre with the same number of points on every cell, in increasing order; exact to degree 2n − 1."""
    found = tuple(Fraction(b) for b in breakpoints)
    places = [((a + b) / 2, (b - a) / 2) for a, b in zip(found, found[1:])]
    cells = tuple(c for c in range(len(places)) for _ in range(points_per_cell))
    if points_per_cell == 1:
        return Rule(rational([[m] for m, _ in places]), rational([[2 * h] for _, h in places]), cells, found)

    def column(entry: Callable[[arb, arb, fmpq, fmpq], arb]) -> ExactMatrix:
        def recipe() -> arb_mat:
            nodes = gauss_nodes(points_per_cell, ctx.prec)
            return arb_mat(len(cells), 1, [entry(x, w, as_fmpq(m), as_fmpq(h)) for m, h in places for x, w in nodes])

        return ExactMatrix((len(cells), 1), recipe=recipe)

    return Rule(column(lambda x, w, m, h: x * h + m), column(lambda x, w, m, h: w * h), cells, found)


def lobatto_rule(breakpoints: Sequence[Fraction], points_per_cell: int) -> Rule:
    """Gauss–Lobatto with the ends of every cell among its points; what two cells share is one point, on the right.

    Exact to degree 2n − 3 for n points a cell.
    """
    found = tuple(Fraction(b) for b in breakpoints)
    inner = points_per_cell - 1
    cells = tuple(min(k // inner, len(found) - 2) for k in range(inner * (len(found) - 1) + 1))

    def column(entry: Callable[[arb, arb, arb, fmpq, fmpq], arb]) -> ExactMatrix:
        def recipe() -> arb_mat:
            nodes = lobatto_nodes(points_per_cell, ctx.prec)
            entries = [arb(0)] * len(cells)
            for cell, (a, b) in enumerate(zip(found, found[1:])):
                half, middle = as_fmpq((b - a) / 2), as_fmpq((a + b) / 2)
                for place, (t, w) in enumerate(nodes, cell * inner):
                    entries[place] = entry(entries[place], t, w, middle, half)
            return arb_mat(len(entries), 1, entries)

        return ExactMatrix((len(cells), 1), recipe=recipe)

    points = column(lambda _, t, __, middle, half: t * half + middle)
    return Rule(points, column(lambda before, _, w, __, half: before + w * half), cells, found)


def uniform_rule(count: int) -> Rule:
    """The points −1 + 2q/Q of a periodic [-1, 1], each with weight 2/Q; exact for frequencies below Q."""
    points = [[Fraction(2 * q, count) - 1] for q in range(count)]
    ends = (Fraction(-1), Fraction(1))
    return Rule(rational(points), rational([[Fraction(2, count)]] * count), (0,) * count, ends)
