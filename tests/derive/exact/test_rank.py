"""Dependent functions of one's own: refused as the declaration is read, and never where they are independent."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derive.declaration import load_spec
from derive.errors import SpecError
from derive.exact.rank import check_independent, dependent
from numerics import testing

WHOLE, HALVES = (Fraction(-1), Fraction(1)), (Fraction(-1), Fraction(0), Fraction(1))

DEPENDENT = [
    (["1", "xi", "1 + xi"], 2), (["xi", "0*xi"], 1), (["0"], 0), (["xi - xi", "1"], 0), (["xi", "2*xi"], 1),
    (["exp(xi)", "2*exp(xi)"], 1), (["sin(xi)**2", "cos(xi)**2", "1"], 2), (["exp(xi)", "xi", "exp(xi + 1)"], 2),
    (["cos(pi*xi)", "cos(2*pi*xi)", "1", "cos(pi*xi)**2"], 3), (["log(3 + xi)", "log((3 + xi)**2)"], 1),
    (["max(xi, 0)", "min(xi, 0)", "1", "abs(xi)"], 3), (["sigmoid(xi)", "tanh(xi/2)", "1"], 2),
    (["(xi + 1)**2", "1", "xi", "xi**2"], 3), (["sqrt(4 + 4*xi + xi**2)", "xi", "1"], 2),
]  # fmt: skip
INDEPENDENT = [
    ["1", "xi", "abs(xi)"], ["1", "xi", "1 + xi + 1/1000000000000*xi**2"], [f"xi**{k}" for k in range(40)],
    ["sinh(xi)", "exp(xi)", "1"], ["tanh(100000*xi)", "sign(xi)"], ["sqrt(1 + xi)", "xi"],
    ["exp(xi)", "exp(1001/1000*xi)"],
    ["exp(-100000*(xi - 1/3)**2)", "exp(-100000*(xi - 1/2)**2)"], [f"cos({k}*xi)" for k in range(20)],
]  # fmt: skip


@pytest.mark.first(5)
@pytest.mark.parametrize(("functions", "first"), DEPENDENT)
def test_the_first_dependent_function_is_named(functions: list[str], first: int) -> None:
    with pytest.raises(ValueError, match=rf"functions\[{first}\]"):
        check_independent(functions, ("xi",), HALVES)


@pytest.mark.parametrize("functions", INDEPENDENT)
def test_independent_functions_pass(functions: list[str]) -> None:
    check_independent(functions, ("xi",), HALVES)


def test_what_has_no_value_in_a_cell_is_named() -> None:
    for text in ("sqrt(xi - 2)", "log(xi)"):
        with pytest.raises(ValueError, match="no real value"):
            check_independent(["1", text], ("xi",), WHOLE)


@given(rank=st.integers(0, 4), rows=st.integers(1, 5), seed=st.integers(0, 999))
def test_rank_is_sympy_s(rank: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    left, right = generator.integers(-3, 4, (rows, rank)), generator.integers(-3, 4, (rank, 6))
    matrix = [[Fraction(int(v), 1 + int(k)) for k, v in enumerate(row)] for row in left @ right]
    exact = sp.Matrix([[sp.Rational(v.numerator, v.denominator) for v in row] for row in matrix])
    first = next((k for k in range(rows) if exact[: k + 1, :].rank() <= k), None)
    assert dependent(matrix) == first


def test_a_prime_decides_nothing_by_itself() -> None:
    """Rows that are dependent modulo 2³¹ − 1 alone, and a denominator that it divides."""
    prime = Fraction(2**31 - 1)
    assert dependent([[Fraction(1), Fraction(0)], [Fraction(1), prime]]) is None
    assert dependent([[1 / prime, Fraction(0)], [Fraction(1), Fraction(1)]]) is None
    assert dependent([[1 / prime, Fraction(0)], [Fraction(1), Fraction(0)]]) == 1


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        ({"family": "custom", "functions": ["1", "xi", "1+xi"]}, "functions[2]"),
        ({"family": "custom", "functions": ["exp(xi)", "3*exp(xi)"]}, "functions[1]"),
        ({"family": "combination", "of": {"family": "hat", "cells": 2}, "rows": [["1", "0", "1"], ["2", "0", "2"]]},
         "rows[1]"),
        ({"family": "combination", "of": {"family": "hat", "cells": 2}, "rows": [["0", "0", "0"]]}, "rows[0] is zero"),
        ({"family": "custom", "functions": ["1", "1/(xi - xi)"]}, "real, finite"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("table", ["state", "weight"])
def test_a_declaration_with_dependent_functions_is_refused(basis: dict[str, Any], says: str, table: str) -> None:
    changes = {"basis": basis} if table == "state" else {"width_in": basis}
    with pytest.raises(SpecError) as caught:
        load_spec({**testing.PLAIN, table: {**testing.PLAIN[table], **changes}})
    assert says in str(caught.value)


def test_a_narrow_branch_inside_a_cell_is_answered_with_breakpoints() -> None:
    """Points may miss what lies between two kinks: such a function need not be zero, and has to declare them."""
    narrow = "max(0, 1 - 1000*abs(xi - 0.3))"
    with pytest.raises(ValueError, match="leave it out, or add the points where abs, max, min and sign change"):
        check_independent(["1", narrow], ("xi",), WHOLE)
    check_independent(["1", narrow], ("xi",), [Fraction(v) for v in ("-1", "299/1000", "3/10", "301/1000", "1")])
    with pytest.raises(ValueError, match=r"leave it out$"):
        check_independent(["1", "xi", "1 + xi"], ("xi",), WHOLE)
