"""Polynomials on a cell as their Legendre series, in fractions: neither SymPy nor flint is needed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Interval = tuple[Fraction, Fraction]
Series = tuple[Fraction, ...]


def legendre_series(monomials: Sequence[Fraction]) -> Series:
    """Coefficients of 1, t, t², … → coefficients of P₀(t), P₁(t), P₂(t), …"""
    series: list[Fraction] = []
    for coefficient in reversed(monomials):  # Horner's rule
        series = times_t(series)
        series[0] += coefficient
    return trimmed(series)


def times_t(series: Sequence[Fraction]) -> list[Fraction]:
    """The Legendre series times t, one longer: t P_k = ((k + 1) P_{k+1} + k P_{k−1})/(2k + 1)."""
    found = [Fraction(0)] * (len(series) + 1)
    for k, value in enumerate(series):
        if value:
            found[k + 1] += value * Fraction(k + 1, 2 * k + 1)
            if k:
                found[k - 1] += value * Fraction(k, 2 * k + 1)
    return found


def trimmed(series: Sequence[Fraction]) -> Series:
    """Without the zeros at the end."""
    length = len(series)
    while length and not series[length - 1]:
        length -= 1
    return tuple(series[:length])
