"""Nodal bases: one at one node of a rule, zero at the others."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb, arb_mat, ctx

from derive.exact.legendre import gauss_nodes, legendre_values, lobatto_nodes
from derive.exact.matrix import ExactMatrix
from derive.exact.series import Interval
from derive.spaces.basis import Basis, Combination, cellwise
from derive.spaces.rules import gauss_rule, lobatto_rule


def nodal(family: str, interval: Interval, breakpoints: Sequence[Fraction], degree: int, lobatto: bool) -> Basis:
    """The functions of ``degree`` on every cell that are one at one Gauss (or Lobatto) point and zero at the others.

    The rule with degree + 1 points a cell integrates ℓ_i P_k for all k, but for k = p at Lobatto
    points, where Σ w P_p² = 2/p: ℓ_i = Σ_k w_i P_k(t_i)/γ_k P_k with γ_k = Σ_j w_j P_k(t_j)².
    """
    cells, count = len(breakpoints) - 1, degree + 1
    rule = (lobatto_rule if lobatto else gauss_rule)(breakpoints, count)

    def recipe() -> arb_mat:
        nodes = lobatto_nodes(count, ctx.prec) if lobatto else gauss_nodes(count, ctx.prec)
        norms = [arb(2) / (2 * k + 1) for k in range(count)]
        if lobatto:
            norms[degree] = arb(2) / degree
        table = [[arb(0)] * (cells * count) for _ in rule.cells]
        for i, (t, w) in enumerate(nodes):
            row = [w * value / norm for value, norm in zip(legendre_values(t, count), norms)]
            for cell in range(cells):
                table[cell * (count - lobatto) + i][cell * count : (cell + 1) * count] = row
        return arb_mat(table)

    of = Basis("discontinuous", interval, rule.breakpoints, cellwise(cells, degree))
    matrix = ExactMatrix((len(rule.cells), of.size), recipe=recipe)
    return Basis(family, interval, rule.breakpoints, (), combination=Combination(matrix, of), nodes=rule)
