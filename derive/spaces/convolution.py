"""κ(ξ − ξ′): the table of ∫ k_m(ξ_q − ξ′) χ_l(ξ′) dξ′, exact, for a kernel with k_m on [−r, r] (section 3).

Convolutions are diagonal in frequencies, up to a turn: ``waves`` takes the same table apart into two changes of basis
and a block [[a, b], [−b, a]] a frequency.

Against a Fourier state the angle ξ_q − s is taken apart. Two polynomials meet on pieces whose ends need not be
rational, where the nodes are not: the closed rule with d + 1 equally spaced points has rational weights and is exact
for their product of degree d, whatever numbers the ends are. All else is enclosed, piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from derive.exact.enclosure import Side, product_integrals
from derive.exact.matrix import ExactMatrix, as_fmpq, identity, rational, stack, zeros
from derive.spaces.basis import Basis
from derive.spaces.products import evaluate, gram, side
from derive.spaces.rules import Rule

Overlap = tuple[int, int, Any, Any]  # a cell of κ, one of the state, and both ends of what they share in ξ′


def couplings(kernel: Basis, state: Basis, rule: Rule, periodic: bool) -> ExactMatrix:
    """∫ k_m(ξ_q − ξ′) χ_l(ξ′) dξ′ in row (q · m), column l.

    Outside [−1, 1] the state is zero, or goes on periodically.
    """
    if state.combination is not None:
        return couplings(kernel, state.combination.of, rule, periodic) @ state.combination.matrix.T
    if kernel.combination is not None:
        matrix, table = kernel.combination.matrix, couplings(kernel.combination.of, state, rule, periodic)
        size = matrix.shape[1]
        return stack([matrix @ table.chosen(range(q, q + size)) for q in range(0, table.shape[0], size)])
    if state.kind == "fourier":
        return _turned(kernel, state, rule)
    shape = (rule.points.shape[0] * kernel.size, state.size)
    polynomials = kernel.kind == state.kind == "polynomial"
    if polynomials and rule.points.rational:
        return ExactMatrix(shape, fmpq_mat(*shape, _table(kernel, state, rule.points.entries(), periodic, fmpq)))

    def recipe() -> arb_mat:
        guard = 4 * (kernel.degree + state.degree) if polynomials else 0  # type: ignore[operator]
        with ctx.workprec(ctx.prec + guard):
            return arb_mat(*shape, _table(kernel, state, rule.points.enclosure().entries(), periodic, arb))

    return ExactMatrix(shape, recipe=recipe)


@dataclass(frozen=True)
class Waves:
    """A table of ``couplings``, taken apart: C_qml = Σ_ij inverse_qi B_m,ij forward_jl.

    B_m is [[a, b], [−b, a]] for a cosine and a sine of one frequency; a number for the constant, and for the highest
    cosine of an even count.  numbers: (their count, functions of κ), a and b in the order of the rows of ``forward``.
    """

    forward: ExactMatrix
    inverse: ExactMatrix
    numbers: ExactMatrix

    def cost(self, channels: int, wide: int) -> int:
        """Multiplications a record, for κ from ``channels`` to ``wide`` channels."""
        forward, inverse = (int(table.nonzero().sum()) for table in (self.forward, self.inverse))
        return forward * channels + inverse * wide + 2 * self.numbers.shape[0] * channels * wide


def waves(table: ExactMatrix, kernel: Basis, state: Basis, rule: Rule, periodic: bool) -> Waves | None:
    """The table of ``couplings`` in frequencies; None where it does not commute with shifts from node to node.

    A Fourier state is in frequencies. Equal cells with a constant and a node each lie on a circle, of their own length
    where the domain is periodic; else of a longer one, on which what κ reaches beyond an end meets zeros.
    """
    if state.combination is None and state.kind == "fourier":
        signs = rational([[-1 if i and i % 2 == 0 else 1] for i in range(state.size)])
        return Waves(identity(state.size), evaluate(state, rule), _moments(kernel, state).T.scaled(rows=signs))
    if not _regular(state, rule):
        return None
    count, size = state.size, kernel.size
    first = table.chosen(rows=range(size)).T  # what the first node takes of every cell
    circle, ahead = count, count
    if not periodic:
        last = table.chosen(rows=range((count - 1) * size, count * size)).T
        ahead, behind = (
            1 + max(np.flatnonzero(pattern.any(axis=1)).tolist(), default=0)
            for pattern in (first.nonzero(), last.nonzero()[::-1])
        )
        circle = count + max(ahead, behind) - 1
        gap = zeros(circle - ahead - (behind - 1), size)
        first = stack([first.chosen(rows=range(ahead)), gap, last.chosen(rows=range(count - behind, count - 1))])
    turns, lengths = _circle(circle)
    forward = turns.scaled(rows=lengths).chosen(columns=range(count))
    return Waves(forward, forward.T, turns @ first)


def _regular(state: Basis, rule: Rule) -> bool:
    """Whether the state is a constant on each of equal cells, with a node in the middle of each."""
    if state.combination is not None or state.kind != "polynomial" or state.degree != 0 or state.size < 2:
        return False
    lengths = {b - a for a, b in zip(state.breakpoints, state.breakpoints[1:])}
    values = {f[cell] for cell, f in enumerate(state.functions) if set(f) == {cell}}
    middles = [as_fmpq((a + b) / 2) for a, b in zip(state.breakpoints, state.breakpoints[1:])]
    one = len(lengths) == len(values) == 1 and state.cells == state.size == rule.points.shape[0]
    return one and rule.points.rational and list(rule.points.entries()) == middles


def _circle(count: int) -> tuple[ExactMatrix, ExactMatrix]:
    """1, cos and sin of 2πfd/count, f = 1, 2, …, in rows, at d = 0 … count − 1; and what makes each of length one."""
    frequencies = [(i + 1) // 2 for i in range(count)]

    def turns() -> arb_mat:
        around = [arb.sin_cos_pi_fmpq(fmpq(2 * d, count)) for d in range(count)]
        found = [around[f * d % count][i % 2 if i else 1] for i, f in enumerate(frequencies) for d in range(count)]
        return arb_mat(count, count, found)

    def lengths() -> arb_mat:
        squares = [fmpq(1 if 2 * f in (0, count) else 2, count) for f in frequencies]
        return arb_mat(count, 1, [arb(square).sqrt() for square in squares])

    return ExactMatrix((count, count), recipe=turns), ExactMatrix((count, 1), recipe=lengths)


def _moments(kernel: Basis, state: Basis) -> ExactMatrix:
    """∫ k_m χ_l ds of a Fourier state's functions, over the reach of κ."""
    if kernel.combination is not None:
        return kernel.combination.matrix @ _moments(kernel.combination.of, state)
    return gram(kernel, Basis("fourier", kernel.interval, kernel.interval, state.functions, period=state.period))


def _turned(kernel: Basis, state: Basis, rule: Rule) -> ExactMatrix:
    """cos πf(ξ − s) = cos πfξ cos πfs + sin πfξ sin πfs, and so for the sine."""
    moments, values = _moments(kernel, state), evaluate(state, rule)
    nodes, size = values.shape
    shape = (nodes * kernel.size, size)

    def recipe() -> arb_mat:
        c, x = moments.enclosure().tolist(), values.enclosure().tolist()
        rows = []
        for at in x:
            for own in c:
                row = [own[0]]
                for k in range(1, size, 2):
                    row.append(at[k] * own[k] + at[k + 1] * own[k + 1])
                    row.append(at[k + 1] * own[k] - at[k] * own[k + 1])
                rows += row
        return arb_mat(*shape, rows)

    return ExactMatrix(shape, recipe=recipe)


def _table(kernel: Basis, state: Basis, nodes: Sequence[Any], periodic: bool, kind: Any) -> list[Any]:
    """The entries row by row, as rationals or as balls."""
    width, size = kernel.size, state.size
    found = [kind(0)] * (len(nodes) * width * size)
    cuts = [as_fmpq(b) for b in kernel.breakpoints], [as_fmpq(b) for b in state.breakpoints]
    for q, node in enumerate(nodes):
        for about in (node - 2, node, node + 2) if periodic else (node,):
            for first, second, low, high in _overlaps(kernel, state, cuts, about):
                rows, columns = kernel.active[first], state.active[second]
                seen = side(kernel, first, rows)
                left = Reflected(seen.functions, seen.cell, about)
                block = _integrals(left, side(state, second, columns), low, high, kind)
                for i, entries in zip(rows, block.tolist()):
                    for j, entry in zip(columns, entries):
                        found[(q * width + i) * size + j] += entry
    return found


def _overlaps(kernel: Basis, state: Basis, cuts: tuple[list[fmpq], list[fmpq]], about: Any) -> Iterator[Overlap]:
    """Where a cell of κ, seen from a node at ``about``, and a cell of the state overlap. cuts: their breakpoints."""
    rough = float(arb(about).mid())
    for first in range(kernel.cells):
        start, stop = about - cuts[0][first + 1], about - cuts[0][first]
        near = kernel.bounds(first)
        begin = state.cell_of(Fraction(rough - 1e-6) - near[1])
        end = state.cell_of(Fraction(rough + 1e-6) - near[0])
        for second in range(begin, end + 1):
            low, high = cuts[1][second], cuts[1][second + 1]
            # What is not certain to be empty counts: its integral is then a ball around zero.
            if not (stop <= low or start >= high) and kernel.active[first] and state.active[second]:
                yield first, second, _larger(low, start), -_larger(-high, -stop)


def _larger(first: Any, second: Any) -> Any:
    return max(first, second) if isinstance(second, fmpq) else arb(first).max(second)


@dataclass(frozen=True)
class Reflected(Side):
    """Functions of s as functions of ξ′ = about − s: what a node at ``about`` sees of κ."""

    about: Any

    def values(self, points: Sequence[Any], matrix: Any = arb_mat) -> Any:
        return super().values([self.about - x for x in points], matrix)

    def bounds(self, region: Any, analytic: bool) -> list[arb]:
        return super().bounds(-region + self.about, analytic)


def _integrals(left: Side, right: Side, low: Any, high: Any, kind: Any) -> Any:
    """∫ f_i g_j over [low, high]."""
    both = (*left.functions, *right.functions)
    if not all(isinstance(f, tuple) for f in both):
        return product_integrals(left, right, low, high)
    degree = max(len(f) for f in left.functions) + max(len(f) for f in right.functions) - 2
    matrix = fmpq_mat if kind is fmpq else arb_mat
    length = high - low
    points = [low + length * fmpq(k, degree) for k in range(degree + 1)] if degree else [(low + high) / 2]
    weighted = [[e * w * length for e in row] for row, w in zip(left.values(points, matrix).tolist(), _closed(degree))]
    first = matrix(len(points), len(left.functions), [e for row in weighted for e in row])
    return first.transpose() * right.values(points, matrix)


@lru_cache(maxsize=128)
def _closed(degree: int) -> tuple[fmpq, ...]:
    """Weights on [0, 1] of the points k/d, k = 0 … d, exact to degree d (Newton and Cotes); of the middle for d = 0."""
    if not degree:
        return (fmpq(1),)
    count = degree + 1
    powers = fmpq_mat(count, count, [fmpq(k, degree) ** n for n in range(count) for k in range(count)])
    moments = fmpq_mat(count, 1, [fmpq(1, n + 1) for n in range(count)])
    return tuple(powers.solve(moments).entries())
