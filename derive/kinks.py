"""Kinks: max, min, abs and sign as cases, and derivatives case by case.

A derivative at a kink is the one from the left: relu′(0) = 0, |·|′(0) = −1. Where two operands a, b of max or min, in
the order of their texts, do not differ by an affine function of u or of h, the derivative where they meet is that of b
for max and that of a for min. That of a root where it is 0 is 0; ``exact.finite`` says why.
"""

from __future__ import annotations

from math import prod
from typing import Any

from derive.errors import DerivationError
from derive.exact import finite

# Nested kinks multiply their cases; beyond this many the conditions compare the operands themselves.
MOST_BRANCHES = 16
MOST_TERMS = 1000


def expanded(expression: Any) -> Any:
    """Products multiplied out, unless that would make more than ``MOST_TERMS`` terms."""
    import sympy as sp

    return sp.expand(expression) if _terms(expression) < MOST_TERMS else expression


def _terms(expression: Any) -> int:
    """A bound, at most ``MOST_TERMS``, of the terms that multiplying out makes."""
    counts = [_terms(a) for a in expression.args]
    if expression.is_Add:
        bound = sum(counts)
    elif expression.is_Mul:
        bound = prod(counts)
    elif expression.is_Pow and expression.exp.is_Integer:
        bound = counts[0] ** min(abs(int(expression.exp)), MOST_TERMS)
    else:
        bound = max(counts, default=1)
    return min(bound, MOST_TERMS)


def with_cases(expression: Any) -> Any:
    """The expression with max, min, abs and sign written as cases that meet at a kink from the left."""
    import sympy as sp

    if not expression.args:
        return expression
    if isinstance(expression, (sp.Max, sp.Min)):
        return _folded(sorted(expression.args, key=str), type(expression))
    if isinstance(expression, sp.Abs):
        (a,) = expression.args
        return _folded([a, -a], sp.Max)
    if isinstance(expression, sp.sign):
        (a,) = expression.args
        return _cases((-1, a < 0), (0, a <= 0), (1, True))
    return expression.func(*(with_cases(a) for a in expression.args))


def _folded(operands: list[Any], extreme: Any) -> Any:
    """The Max or Min of several operands, two at a time from the last."""
    import sympy as sp

    *pairs, result = ((with_cases(a), a) for a in operands)
    for pair in reversed(pairs):
        result = (_extreme(pair, result, extreme is sp.Max), extreme(pair[1], result[1]))
    return result[0]


def _extreme(first: tuple[Any, Any], second: tuple[Any, Any], largest: bool) -> Any:
    """max(a, b), or min(a, b): the case that holds left of the kink comes first.

    Both operands come in cases and as they were: conditions use the latter, as SymPy allows no cases within them.
    """
    import sympy as sp

    (a, _), (b, _) = first, second
    for cases, other in ((first, second), (second, first)):
        if isinstance(cases[0], sp.Piecewise) and _branches(a) * _branches(b) <= MOST_BRANCHES and _separate(cases[0]):
            branches = cases[0].args
            return _cases(*((_extreme((value, value), other, largest), condition) for value, condition in branches))
    difference = expanded(first[1] - second[1])
    if len(difference.free_symbols) == 1 and not difference.has(sp.Max, sp.Min, sp.Abs, sp.sign):
        (symbol,) = difference.free_symbols
        slope = sp.diff(difference, symbol)
        if slope.is_number and slope.is_nonzero:
            left, right = (b, a) if bool(slope.is_positive) == largest else (a, b)
            return _cases((left, symbol <= sp.expand(symbol - difference / slope)), (right, True))
    left, right = (b, a) if largest else (a, b)
    return _cases((left, difference <= 0), (right, True))


def _separate(cases: Any) -> bool:
    """Whether no value of the cases, nor of cases among its values, has cases deeper inside."""
    import sympy as sp

    values = [value for value, _ in cases.args]
    return all(_separate(v) if isinstance(v, sp.Piecewise) else not v.has(sp.Piecewise) for v in values)


def _branches(expression: Any) -> int:
    import sympy as sp

    if not isinstance(expression, sp.Piecewise):
        return 1
    return sum(_branches(value) for value, _ in expression.args)


def _cases(*branches: tuple[Any, Any]) -> Any:
    """A Piecewise as it stands: SymPy's own rewriting of conditions changes between its versions."""
    import sympy as sp

    kept = []
    for value, condition in branches:
        if condition in (False, sp.false):
            continue
        kept.append((sp.Integer(value) if isinstance(value, int) else value, condition))
        if condition in (True, sp.true):
            break
    same = all(value == kept[0][0] for value, _ in kept)
    return kept[0][0] if same else sp.Piecewise(*kept, evaluate=False)


def derivative(expression: Any, symbol: Any) -> Any:
    """∂/∂symbol by the chain rule of ``finite``, case by case; DerivationError where SymPy has no closed form."""
    import sympy as sp

    inner: dict[Any, Any] = {}

    def cut(e: Any) -> Any:
        if isinstance(e, sp.Piecewise):
            return inner.setdefault(e, sp.Dummy(f"case{len(inner)}", real=True))
        return e.func(*(cut(a) for a in e.args)) if e.args else e

    smooth = cut(expression)
    slopes = {symbol: sp.Integer(1)}
    for cases, dummy in inner.items():
        slopes[dummy] = _cases(*((derivative(value, symbol), condition) for value, condition in cases.args))
    result = finite.differential(smooth, slopes)
    result = result.xreplace({dummy: cases for cases, dummy in inner.items()})
    if result.has(sp.Derivative, sp.Subs, sp.DiracDelta, sp.Heaviside, sp.zoo, sp.nan):
        raise DerivationError(
            f"the derivative of {expression} with respect to {symbol}",
            "an expression with a derivative in closed form",
            "SymPy leaves it unevaluated",
            "write the rate or the activation with other functions",
        )
    return result
