"""Linear combinations of another family's functions, with exact coefficients: bases adapted to a field, for one."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.bases import Basis, Combination, Interval, trimmed
from derive.bases import build as build_other

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "combinations of another basis, `of`, by `rows` of exact numbers; what adapted bases are"
PARAMETERS = ("of", "rows")


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = the number of rows; each has a number for every function of ``of``, a resolved declaration."""
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
    return {
        "size": len(rows), "cells": of.cells, "degree": of.degree, "breakpoints": of.breakpoints, "functions": (),
        "of": of, "rows": tuple(tuple(Fraction(v) for v in row) for row in rows),
    }  # fmt: skip


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """Σ_j rows_ij g_j, cell by cell; rational where the g_j are."""
    from derive.exact import rational

    assert spec.of is not None and spec.rows is not None
    of = build_other(spec.of, interval)
    if of.combination is not None:
        matrix = rational(spec.rows) @ of.combination.matrix
        return Basis("combination", interval, of.breakpoints, (), combination=Combination(matrix, of.combination.of))
    return Basis("combination", interval, of.breakpoints, tuple(_combined(row, of) for row in spec.rows))


def _combined(row: tuple[Fraction, ...], of: Basis) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for factor, function in zip(row, of.functions):
        for cell, part in function.items() if factor else ():
            if cell in found:
                found[cell] = _sum(found[cell], _scaled(factor, part))
            else:
                found[cell] = _scaled(factor, part)
    return {cell: part for cell, part in found.items() if part}


def _scaled(factor: Fraction, part: Any) -> Any:
    import sympy as sp

    return tuple(factor * v for v in part) if isinstance(part, tuple) else sp.Rational(factor) * part


def _sum(first: Any, second: Any) -> Any:
    if isinstance(first, tuple) and isinstance(second, tuple):
        length = max(len(first), len(second))
        padded = [(*s, *[Fraction(0)] * (length - len(s))) for s in (first, second)]
        return trimmed([a + b for a, b in zip(*padded)])
    raise ValueError("polynomials and other functions in one cell")
