"""Bases as a program evaluates them: breakpoints and series, frequencies, or points of a rule, in float64."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from derive.exact.matrix import ExactMatrix, rational
from derive.spaces.basis import Basis
from derive.spaces.products import evaluate, gram
from derive.spaces.rules import gauss_rule


def arrays(p: Basis) -> dict[str, np.ndarray]:
    """What a program needs to evaluate p at run time, as float64 arrays (nearest doubles).

    polynomial: coefficients (size, cells, degree + 1) of P_k(2(ξ − a)/(b − a) − 1) on the cell [a, b].
    fourier: size.  closed-form: points, the Gauss points a cell that integrate products of the functions.
    """
    if p.combination is not None:
        return _combined(p.combination.matrix, p.combination.of)
    found = {"kind": np.array(p.kind), "breakpoints": np.array([float(b) for b in p.breakpoints])}
    if p.kind == "fourier":
        return {**found, "size": np.array(p.size, dtype=np.int64)}
    if p.degree is None:
        return {**found, "points": np.array(_enough_points(p), dtype=np.int64)}
    coefficients = np.zeros((p.size, p.cells, p.degree + 1))
    for j, function in enumerate(p.functions):
        for cell, series in function.items():
            coefficients[j, cell, : len(series)] = [float(c) for c in series]
    return {**found, "coefficients": coefficients}


def _combined(matrix: ExactMatrix, of: Basis) -> dict[str, np.ndarray]:
    assert of.degree is not None
    length = of.degree + 1
    padded = [{c: (*f, *[Fraction(0)] * (length - len(f))) for c, f in g.items()} for g in of.functions]
    nothing = (Fraction(0),) * length
    rows = [[value for cell in range(of.cells) for value in g.get(cell, nothing)] for g in padded]
    combined = (matrix @ rational(rows)).to_float()
    return {**arrays(of), "coefficients": combined.reshape(matrix.shape[0], of.cells, length)}


def _enough_points(p: Basis) -> int:
    """The smallest of 4, 8, … 64 Gauss points a cell with which the mass matrix is right to 1e-15."""
    exact = gram(p, p)
    for count in (4, 8, 16, 32):
        rule = gauss_rule(p.breakpoints, count)
        x = evaluate(p, rule)
        if (x.T.scaled(columns=rule.weights) @ x - exact).largest() <= 1e-15 * exact.largest():
            return count
    return 64
