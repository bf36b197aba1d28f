"""Linear combinations of another family's functions, with exact coefficients: bases adapted to a field, for one."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval, trimmed
from derive.spaces.basis import Basis, Combination
from derive.spaces.basis import build as build_other

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "combinations of another basis, `of`, by `rows` of exact numbers; what adapted bases are"
PARAMETERS = ("of", "rows")


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = the number of rows; each has a number for every function of ``of``, a resolved declaration."""
    from derive.exact.rank import dependent

    of, rows = given.get("of"), given.get("rows")
    if of is None or not rows:
        raise ValueError("of and rows are needed: a basis, and a list of coefficients for every function")
    if of.family == "fourier":
        raise ValueError("combinations of Fourier functions are not piecewise polynomials; use custom")
    for position, row in enumerate(rows):
        if len(row) != of.size:
            raise ValueError(f"rows[{position}] has {len(row)} numbers for the {of.size} functions of {of.family}")
    if len(rows) > of.size:
        raise ValueError(f"{len(rows)} combinations of {of.size} functions are linearly dependent")
    found = dependent([[Fraction(v) for v in row] for row in rows])
    if found is not None:
        what = "zero" if not any(rows[found]) else "a combination of the rows before it"
        raise ValueError(f"rows[{found}] is {what}: leave it out")
    return {
        "size": len(rows), "cells": of.cells, "degree": of.degree, "breakpoints": of.breakpoints, "functions": (),
        "of": of, "rows": tuple(tuple(Fraction(v) for v in row) for row in rows),
    }  # fmt: skip


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """Σ_j rows_ij g_j, cell by cell; rational where the g_j are."""
    from derive.exact.matrix import rational

    assert spec.of is not None and spec.rows is not None
    of = build_other(spec.of, interval)
    if of.combination is not None:
        matrix = rational(spec.rows) @ of.combination.matrix
        return Basis("combination", interval, of.breakpoints, (), combination=Combination(matrix, of.combination.of))
    return Basis("combination", interval, of.breakpoints, tuple(_combined(row, of) for row in spec.rows))


def _combined(row: tuple[Fraction, ...], of: Basis) -> dict[int, Any]:
    """One combination: Legendre series where all parts on a cell are, else an expression."""
    import sympy as sp

    from derive.exact.enclosure import local_expression

    parts: dict[int, list[tuple[Fraction, Any]]] = {}
    for factor, function in zip(row, of.functions):
        for cell, part in function.items() if factor else ():
            parts.setdefault(cell, []).append((factor, part))
    found: dict[int, Any] = {}
    for cell, terms in parts.items():
        if all(isinstance(part, tuple) for _, part in terms):
            columns = zip_longest(*(part for _, part in terms), fillvalue=Fraction(0))
            found[cell] = trimmed([sum(f * v for (f, _), v in zip(terms, column)) for column in columns])
        else:
            found[cell] = sp.Add(*(sp.Rational(f) * local_expression(part, *of.bounds(cell)) for f, part in terms))
    return {cell: part for cell, part in found.items() if part}
