"""Numbers a + b √d against SymPy's."""

from __future__ import annotations

from fractions import Fraction as F

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import ExpressionError
from derive.exact import surd
from derive.exact.surd import Surd

rationals = st.fractions(min_value=-3, max_value=3, max_denominator=12)
numbers = st.builds(lambda a, b: a + b * surd.root(3), rationals, rationals)


def exact(value) -> sp.Expr:
    return sp.sympify(str(value).replace(" ", ""))


@pytest.mark.slow
@given(x=numbers, y=numbers, r=rationals)
def test_arithmetic_and_order_are_those_of_sympy(x, y, r) -> None:
    for found, expected in (
        (x + y, exact(x) + exact(y)),
        (x - y, exact(x) - exact(y)),
        (x * y, exact(x) * exact(y)),
        (r - x, exact(r) - exact(x)),
        (x**3, exact(x) ** 3),
        *([(r / y, exact(r) / exact(y))] if y else []),
        *([(x / r, exact(x) / exact(r))] if r else []),
        (abs(x), sp.Abs(exact(x))),
    ):
        assert sp.radsimp(sp.expand(expected) - exact(found)) == 0
        assert isinstance(found, F | Surd)
    assert (x < y) == bool(exact(x) < exact(y)) and (x >= r) == bool(exact(x) >= exact(r))
    assert (x == y) == (sp.expand(exact(x) - exact(y)) == 0) and (x != y or hash(x) == hash(y))


@given(x=numbers)
def test_the_double_is_the_nearest_and_the_text_reads_back(x) -> None:
    with mpmath.workdps(60):
        expected = mpmath.mpf(0) + mpmath.mpf(sp.N(exact(x), 55))
        assert float(x) == float(expected)
    assert surd.parse(str(x)) == x


def test_nearly_equal_numbers_are_told_apart_and_keep_their_digits() -> None:
    p, q = 1, 1
    for _ in range(60):  # convergents of √2
        p, q = p + 2 * q, p + q
    difference = F(p, q) - surd.root(2)
    with mpmath.workdps(120):
        assert float(difference) == float(mpmath.mpf(p) / q - mpmath.sqrt(2))
    assert (difference > 0) == (p * p > 2 * q * q)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1 - sqrt(2)/2", 1 - sp.sqrt(2) / 2), ("1/4 - 1/6*sqrt(3)", sp.Rational(1, 4) - sp.sqrt(3) / 6),
     ("-(2 + sqrt(12))/4", -(2 + sp.sqrt(12)) / 4), ("sqrt(9)", sp.Integer(3)), ("1/sqrt(5)", 1 / sp.sqrt(5))],
)  # fmt: skip
def test_texts(text: str, expected: sp.Expr) -> None:
    assert sp.radsimp(exact(surd.parse(text)) - expected) == 0


@pytest.mark.parametrize(
    "text",
    ["sqrt(2) + sqrt(3)", "sqrt(-1)", "sqrt(x)", "1/(sqrt(4) - 2)", "sqrt(2)**9", "sqrt", "sqrt(2", "0.5*sqrt(2)",
     "sqrt(99999999999)", "sqrt(sqrt(2))", "sqrt(2, 3)", "1" * 300, "(" * 150 + ")" * 40, "sqrt(1)(2)"],
)  # fmt: skip
def test_what_is_no_such_number_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="fix"):
        surd.parse(text)
