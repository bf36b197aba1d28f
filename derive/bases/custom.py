"""Functions of the user: expressions in xi (in delta for depth), smooth between declared breakpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derive.exact.series import Interval
from derive.spaces.basis import Basis
from derive.spaces.expressions import from_expressions
from derive.spaces.sizes import check_breakpoints, count

if TYPE_CHECKING:
    from derive.spec import BasisSpec

SUMMARY = "your own expressions, with the breakpoints where abs, sign, min and max change their branch"
PARAMETERS = ("size", "functions", "breakpoints")
NAMES = ("delta", "xi")  # both mean the coordinate of the interval


def resolve(given: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """size = the number of expressions. Errors: also ``ExpressionError`` for one outside the grammar."""
    from derive.exact.expression import check
    from derive.exact.rank import check_independent

    functions = tuple(given.get("functions") or ())
    if not functions:
        raise ValueError("functions is missing: a list of expressions in xi")
    for position, text in enumerate(functions):
        if not isinstance(text, str):
            raise ValueError(f"functions[{position}] = {text!r}: an expression in quotes is needed")
        check(text, NAMES, f"functions[{position}]")
    if count(given, "size", default=len(functions)) != len(functions):
        raise ValueError(f"size = {given['size']}, but there are {len(functions)} functions")
    breakpoints = check_breakpoints(given.get("breakpoints") or interval, interval)
    check_independent(functions, NAMES, breakpoints)
    return {
        "size": len(functions),
        "cells": len(breakpoints) - 1,
        "degree": None,
        "breakpoints": breakpoints if len(breakpoints) > 2 else None,
        "functions": functions,
    }


def build(spec: BasisSpec, interval: Interval) -> Basis:
    """The expressions, resolved cell by cell; polynomials among them are found and stay rational."""
    from derive.exact.enclosure import XI
    from derive.exact.expression import parse

    expressions = [parse(text, dict.fromkeys(NAMES, XI)) for text in spec.functions or ()]
    return from_expressions("custom", interval, spec.breakpoints or interval, expressions)
