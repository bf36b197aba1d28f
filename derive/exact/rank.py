"""Whether functions of one's own are linearly independent: from their values, exactly where these are rational.

Independent functions have independent values at enough points. Of rational values the rank is exact; roots,
exponentials and sines are taken at 60 digits, and what seems dependent then, at many more points, at 400.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from derive.exact.expression import check, evaluate

PRIME = 2**31 - 1
BEYOND = 70  # points more than functions: no polynomial of the grammar's usual degrees is zero at all of them
SURE = ((60, BEYOND), (400, 400))  # digits and points; steep functions differ in places, and there by little
MOST = 100  # functions with roots, exponentials, sines whose values are compared

EXACT: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "max": max, "min": min, "sign": lambda x: Fraction((x > 0) - (x < 0)),
}  # fmt: skip


def check_independent(texts: Sequence[str], names: Sequence[str], breakpoints: Sequence[Fraction]) -> None:
    """Raise ValueError naming a function that is a combination of those before it, or that has no value somewhere."""
    found = _dependent(tuple(texts), tuple(names), tuple(breakpoints))
    if found is not None:
        what = "zero everywhere" if found == 0 else "a combination of the functions before it"
        fix = "leave it out"
        if any(_branches(text, names) for text in texts[: found + 1]):  # points may miss a narrow one inside a cell
            fix += ", or add the points where abs, max, min and sign change their branch to breakpoints"
        raise ValueError(f"functions[{found}] = {texts[found]!r} is {what}: {fix}")


@lru_cache(maxsize=256)  # a basis stands in many places of a declaration, and a declaration is read many times
def _dependent(texts: tuple[str, ...], names: tuple[str, ...], breakpoints: tuple[Fraction, ...]) -> int | None:
    """The first function that is a combination of those before it, or None. Raises as ``check_independent``."""
    functions = [(check(text, names), text) for text in texts]
    points = _points(breakpoints, len(texts) + BEYOND)
    exact = [_exact_values(*function, names, points) for function in functions]
    rows = [values for values in exact if values is not None]
    if len(rows) == len(exact):
        return dependent(rows)
    found = None
    for digits, more in SURE if len(exact) <= MOST else ():
        points = _points(breakpoints, len(texts) + more)
        found = _dependent_numbers([_values(*one, names, points, digits) for one in functions], digits)
        if found is None:
            break
    return found


def _branches(text: str, names: Sequence[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in EXACT for node in ast.walk(check(text, names)))


def _points(breakpoints: Sequence[Fraction], count: int) -> list[Fraction]:
    """So many at least, the same number inside every cell, in no regular order."""
    share = max(4, -(-count // (len(breakpoints) - 1)))
    places = [Fraction(623 * k % 1009, 1009) for k in range(1, min(share, 1008) + 1)]
    return [a + (b - a) * place for a, b in pairwise(breakpoints) for place in places]


def _exact_values(tree: Any, text: str, names: Sequence[str], points: Sequence[Fraction]) -> list[Fraction] | None:
    """Rational values; None for a function that has others."""
    try:
        return [evaluate(tree, dict.fromkeys(names, point), EXACT, Fraction) for point in points]
    except LookupError:
        return None
    except ArithmeticError:
        raise ValueError(f"{text!r} is divided by zero inside its cells") from None


def _values(tree: Any, text: str, names: Sequence[str], points: Sequence[Fraction], digits: int) -> list[Any]:
    """Values at so many digits."""
    import mpmath

    with mpmath.workdps(digits):
        found = []
        for point in points:
            place = dict.fromkeys(names, mpmath.mpf(point.numerator) / point.denominator)
            try:
                value = mpmath.mpmathify(evaluate(tree, place, _functions(), _number))
            except (ArithmeticError, ValueError, TypeError):
                value = mpmath.nan
            if not (isinstance(value, mpmath.mpf) and mpmath.isfinite(value)):
                raise ValueError(f"{text!r} has no real value at {float(point):.4g}")
            found.append(value)
        return found


def _number(value: Fraction) -> Any:
    import mpmath

    return mpmath.mpf(value.numerator) / value.denominator


def _functions() -> Mapping[str, Callable[..., Any]]:
    import mpmath

    own: dict[str, Callable[..., Any]] = {
        "abs": abs, "max": max, "min": min, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)), "pi": lambda: +mpmath.pi,
    }  # fmt: skip
    names = ("tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "atan", "erf", "sign")
    return own | {name: getattr(mpmath, name) for name in names}


def dependent(rows: Sequence[Sequence[Fraction]]) -> int | None:
    """The first row that is a combination of those before it; None where all are independent. Exact.

    Rows that are independent modulo a prime are independent; where they are not, rational numbers decide.
    """
    modular = [[value.numerator * pow(value.denominator, -1, PRIME) % PRIME for value in row]
               for row in rows if all(value.denominator % PRIME for value in row)]  # fmt: skip
    if len(modular) == len(rows) and _full_rank(np.array(modular, dtype=np.int64)):
        return None
    reduced: list[tuple[int, list[Fraction]]] = []  # (pivot, row with 1 there)
    for position, given in enumerate(rows):
        row = list(given)
        for pivot, other in reduced:
            if row[pivot]:
                factor = row[pivot]
                row = [a - factor * b for a, b in zip(row, other)]
        found = next((k for k, value in enumerate(row) if value), None)
        if found is None:
            return position
        reduced.append((found, [value / row[found] for value in row]))
    return None


def _full_rank(rows: np.ndarray) -> bool:
    """Whether the rows are independent modulo ``PRIME``."""
    for k in range(len(rows)):
        places = np.flatnonzero(rows[k])
        if not len(places):
            return False
        row = rows[k] * pow(int(rows[k, places[0]]), -1, PRIME) % PRIME
        rows[k + 1 :] = (rows[k + 1 :] - rows[k + 1 :, places[:1]] * row % PRIME) % PRIME
    return True


def _dependent_numbers(rows: list[list[Any]], digits: int) -> int | None:
    """The same of numbers with so many digits."""
    import mpmath

    negligible = mpmath.mpf(10) ** (-2 * digits // 3)
    with mpmath.workdps(digits):
        reduced: list[tuple[int, list[Any]]] = []
        for position, row in enumerate(rows):
            size = max(map(abs, row))
            for pivot, other in reduced:
                factor = row[pivot]
                row = [a - factor * b for a, b in zip(row, other)]
            largest = max(range(len(row)), key=lambda k: abs(row[k]))
            if abs(row[largest]) <= negligible * size:
                return position
            reduced.append((largest, [value / row[largest] for value in row]))
    return None
