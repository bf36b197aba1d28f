"""Bases made of expressions: a user's own functions, and products of functions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from derive.errors import DerivationError
from derive.exact.series import Interval
from derive.spaces.basis import Basis, Combination


def from_expressions(
    family: str, interval: Interval, breakpoints: tuple[Fraction, ...], expressions: Sequence[Any]
) -> Basis:
    """The basis of SymPy expressions in ``enclosure.XI``; abs, sign, min and max are resolved cell by cell.

    Errors: ``DerivationError`` for one that changes its branch inside a cell.
    """
    from derive.exact.enclosure import polynomial_series, resolve_branches

    functions = []
    for expression in expressions:
        function = {}
        for cell, (a, b) in enumerate(zip(breakpoints, breakpoints[1:])):
            smooth = resolve_branches(expression, a, b)
            if smooth != 0:
                series = polynomial_series(smooth, a, b)
                function[cell] = smooth if series is None else series
        functions.append(function)
    return Basis(family, interval, breakpoints, tuple(functions))


def weighted(weight: Basis, basis: Basis) -> Basis:
    """The functions of a basis, each times the one function of ``weight``, on the cells of both.

    Errors: ``DerivationError`` for a weight that is negative somewhere.
    """
    import sympy as sp

    from derive.exact.enclosure import local_expression, resolve_branches

    for cell in range(weight.cells):
        a, b = weight.bounds(cell)
        factor = local_expression(weight.functions[0].get(cell, ()), a, b)
        if resolve_branches(sp.Abs(factor, evaluate=False), a, b) != factor:
            raise DerivationError(
                f"the weight {factor} on ({a}, {b})", "a weight that is not negative", "a sign",
                "a loss would reward errors there: change the sign", "loss.weight",
            )  # fmt: skip
    return multiplied(weight, 0, basis)


def multiplied(factor: Basis, index: int, basis: Basis) -> Basis:
    """The functions of a basis, each times one function of ``factor``, on the cells of both."""
    import sympy as sp

    from derive.exact.enclosure import local_expression, polynomial_series

    if basis.combination is not None:
        inner = multiplied(factor, index, basis.combination.of)
        combination = Combination(basis.combination.matrix, inner)
        return Basis("product", basis.interval, inner.breakpoints, (), combination=combination)
    breakpoints = tuple(sorted({*factor.breakpoints, *basis.breakpoints}))
    functions: list[dict[int, Any]] = [{} for _ in basis.functions]
    for cell, (a, b) in enumerate(zip(breakpoints, breakpoints[1:])):
        place = factor.cell_of(a)
        value = local_expression(factor.functions[index].get(place, ()), *factor.bounds(place))
        place = basis.cell_of(a)
        for found, function in zip(functions, basis.functions):
            if place in function and value != 0:
                product = value * local_expression(function[place], *basis.bounds(place))
                series = polynomial_series(sp.expand(product), a, b)
                found[cell] = product if series is None else series
    return Basis("product", basis.interval, breakpoints, tuple(functions))
