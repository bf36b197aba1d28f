"""Arrays of numbers, taken as they come or refused with what they hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from derive.errors import DataError, RepresentationError
from numerics.checks import numbers


def test_numbers() -> None:
    assert numbers([Fraction(1, 2), 2], "x").tolist() == [0.5, 2.0]
    same = np.ones(3)
    assert numbers(same, "x") is same  # nothing is copied on the way in
    with pytest.raises(RepresentationError, match=r"a of shape \(2,\)") as error:
        numbers([1, 2], "a", (3,), "here", RepresentationError)
    assert error.value.where == "here"


@pytest.mark.parametrize(
    ("given", "cause", "fix"),
    [
        (np.array(["1.5", "2"]), "text", "where the texts say numbers"),
        (np.array([1.5, "two"], dtype=object), "text", "where the texts say numbers"),
        (np.array([b"1"]), "text", "where the texts say numbers"),
        (np.array([True, False]), "truth values", "as 0 and 1"),
        (np.array([1.0, True], dtype=object), "truth values", "as 0 and 1"),
        (np.array([1j]), "complex numbers", "real and imaginary parts"),
        (np.array([1.0, 1j], dtype=object), "complex numbers", "real and imaginary parts"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "times", "such as seconds"),
        (np.array([1.0, None], dtype=object), "missing values", "without a value"),
        (np.array([1.0, {}], dtype=object), "Python objects", "to float64"),
    ],
    ids=str,
)  # fmt: skip
def test_arrays_of_no_numbers_are_told_what_they_hold(given: np.ndarray, cause: str, fix: str) -> None:
    with pytest.raises(DataError) as error:
        numbers(given, "weights")
    assert error.value.cause == cause and fix in error.value.fix
