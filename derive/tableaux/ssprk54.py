"""Strong-stability-preserving, five stages, order 4 (Spiteri and Ruuth 2002), in fractions.

The method is printed with 15 decimals, which meet the order conditions only to rounding. Here seven of its numbers are
rounded to fractions of at most six digits, and the conditions, linear in the others once these are known, give the rest
exactly: within 1e-9 of the printed method, order 4 without an error, the same SSP coefficient 1.508.
"""

from __future__ import annotations

from fractions import Fraction

SUMMARY = "Strong-stability-preserving, five stages, order 4 (Spiteri and Ruuth 2002), SSP coefficient 1.508"


def _solve(rows: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Gauss elimination in fractions: declarations are read where flint is not installed."""
    table = [[*row, value] for row, value in zip(rows, right)]
    for k in range(len(table)):
        pivot = next(i for i in range(k, len(table)) if table[i][k])
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [v / table[k][k] for v in table[k]]
        for i, row in enumerate(table):
            if i != k:
                table[i] = [v - row[k] * p for v, p in zip(row, table[k])]
    return [row[-1] for row in table]


def _tableau() -> tuple[list[list[Fraction]], list[Fraction], list[Fraction]]:
    nodes = ("0.391752226571890", "0.586079689311540", "0.474542363026824", "0.935010630967653")
    c2, c3, c4, c5 = (Fraction(text).limit_denominator(10**6) for text in nodes)
    others = ("0.248482909444976", "0.368410593050371", "0.139958502191895")
    b2, a32, a42 = (Fraction(text).limit_denominator(10**6) for text in others)
    one = Fraction(1)
    # Σ b c^k = 1/(k + 1) for k = 0 … 3
    powers = [[one if k == 0 else c**k for c in (Fraction(0), c3, c4, c5)] for k in range(4)]
    b1, b3, b4, b5 = _solve(powers, [one / (k + 1) - b2 * c2**k for k in range(4)])
    # with q_i = Σ_j a_ij c_j: Σ b q = 1/6, Σ b c q = 1/8
    q3 = a32 * c2
    q4, q5 = _solve([[b4, b5], [b4 * c4, b5 * c5]], [one / 6 - b3 * q3, one / 8 - b3 * c3 * q3])
    a43 = (q4 - a42 * c2) / c3
    # Σ b a c² = 1/12, Σ b a q = 1/24, Σ a_5j c_j = q5
    known = b3 * a32 * c2**2 + b4 * (a42 * c2**2 + a43 * c3**2)
    a52, a53, a54 = _solve(
        [[b5 * c2**2, b5 * c3**2, b5 * c4**2], [Fraction(0), b5 * q3, b5 * q4], [c2, c3, c4]],
        [one / 12 - known, one / 24 - b4 * a43 * q3, q5],
    )
    inner = [[], [c2], [c3 - a32, a32], [c4 - a42 - a43, a42, a43], [c5 - a52 - a53 - a54, a52, a53, a54]]
    rows = [[*row, *[Fraction(0)] * (5 - len(row))] for row in inner]
    return rows, [b1, b2, b3, b4, b5], [Fraction(0), c2, c3, c4, c5]


A, B, C = _tableau()
ORDER = 4
