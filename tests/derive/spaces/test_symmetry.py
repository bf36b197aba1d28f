"""Maps of the interval as generators: their matrices and null spaces against exact ones that are written out here."""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import gcd
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.polys.matrices import DomainMatrix

from derive.declaration import Reader, read_basis, read_symmetry
from derive.errors import DerivationError, SpecWarning
from derive.spaces import basis as bases
from derive.spaces import symmetry
from derive.spec import WIDTH, BasisSpec, SymmetrySpec

SWAP = {"map": ["xi + 1", "xi - 1"], "breakpoints": ["-1", "0", "1"]}
# Four cells of [−1, 1]: the first is mirrored, the other three move on by one.
TURN = {"map": ["-3/2 - xi", "xi + 1/2", "xi - 1"], "breakpoints": ["-1", "-1/2", "1/2", "1"]}


def known(declared: dict[str, Any]) -> SymmetrySpec:
    return read_symmetry(Reader("test"), declared, False)


def basis(declared: dict[str, Any]) -> BasisSpec:
    return read_basis(Reader("test"), declared, "basis", WIDTH, False)


def identity(size: int) -> np.ndarray:
    return np.eye(size, dtype=int).astype(object)  # of Python's integers, exact as fractions are


def rank(rows: np.ndarray) -> int:
    exact = [[sp.QQ(v.numerator, v.denominator) for v in row] for row in rows]
    return int(DomainMatrix(exact, rows.shape, sp.QQ).to_sparse().rank())


def matrix(goals: list[int], mirrored: list[int], degree: int) -> np.ndarray:
    """S of P_0 … P_degree on equal cells that move to ``goals``: (P_k of a goal)∘g is ±P_k of where it comes from."""
    found = identity(len(goals) * (degree + 1)) * 0
    for cell, goal in enumerate(goals):
        for k in range(degree + 1):
            found[cell * (degree + 1) + k, goal * (degree + 1) + k] = (-1) ** k if cell in mirrored else 1
    return found


@pytest.mark.parametrize(
    ("declared", "goals", "mirrored"),
    [(SWAP, [2, 3, 0, 1], []), (TURN, [0, 2, 3, 1], [0]), ({"map": "-xi"}, [3, 2, 1, 0], [0, 1, 2, 3])],
)
@pytest.mark.parametrize("degree", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_null_space_of_a_map_is_that_of_its_matrix(declared: Any, goals: Any, mirrored: Any, degree: int) -> None:
    """S w S̃ᵀ = w as (S ⊗ S̃ − 1) vec w = 0, reduced by SymPy; the spans agree, for W, b and an uneven pair of bases."""
    spec = basis({"family": "discontinuous", "degree": degree, "cells": 4} if degree else {"family": "p0", "cells": 4})
    out, inner = bases.build(spec), bases.build(basis({"family": "p0", "cells": 4}))
    first, second = matrix(goals, mirrored, degree), matrix(goals, mirrored, 0)
    one = known(declared)
    rows = symmetry.action(one, out)
    assert [[rows[i].get(j, 0) for j in range(out.size)] for i in range(out.size)] == first.tolist()
    for left, right, found in (
        (first, first, symmetry.admissible([one], out, out)), (first, second, symmetry.admissible([one], out, inner))
    ):  # fmt: skip
        whole = np.kron(left, right) - identity(len(left) * len(right))
        n = np.zeros((len(whole), found.size), dtype=object)
        for m, i, j, value in found.entries:
            n[i * len(right) + j, m] = Fraction(value)
        assert not (whole @ n).any()
        assert rank(n) == found.size == whole.shape[0] - rank(whole)
    kept = np.array([[Fraction(v) for v in row] for row in symmetry.invariant([one], out)], dtype=object).T
    assert (first @ kept == kept).all() and kept.shape[1] == rank(kept) == len(first) - rank(first - identity(out.size))


@pytest.mark.parametrize("cells", [2, 3, 5, 6])
def test_the_number_of_coefficients_is_that_of_orbits(cells: int) -> None:
    """Burnside: a cyclic group of n cells leaves Σ_d (pairs that a turn by d fixes)/n = n of n², by its generator."""
    step = Fraction(2, cells)
    cut = 1 - step
    turn = {"map": [f"xi + {step}", f"xi - {2 - step}"], "breakpoints": ["-1", str(cut), "1"]}
    built = bases.build(basis({"family": "p0", "cells": 2 * cells}))
    found = symmetry.admissible([known(turn)], built, built)
    assert found.size == sum((2 * cells) ** 2 for d in range(cells) if gcd(d, cells) == cells) // cells


def test_closed_forms_that_change_places_are_found() -> None:
    """e^ξ and e^−ξ under ξ → −ξ; e^ξ alone leaves its span."""
    both = bases.build(basis({"family": "custom", "functions": ["exp(xi)", "1", "exp(-xi)"]}))
    assert symmetry.action(SymmetrySpec("reflection"), both) == [{2: 1}, {1: 1}, {0: 1}]
    halves = ["(1 - sign(xi))*exp(xi + 1/2)", "(1 + sign(xi))*exp(xi - 1/2)"]
    moving = bases.build(basis({"family": "custom", "functions": halves, "breakpoints": ["-1", "0", "1"]}))
    assert symmetry.action(known(SWAP), moving) == [{1: 1}, {0: 1}]
    alone = bases.build(basis({"family": "custom", "functions": ["1", "exp(xi)"]}))
    with pytest.raises(DerivationError, match="function 1, counted from 0"):
        symmetry.action(SymmetrySpec("reflection"), alone)


@pytest.mark.parametrize(
    ("declared", "function"),
    [
        ({"family": "hat", "cells": 4}, 0),  # a half hat at the end becomes one that jumps in the middle
        ({"family": "custom", "functions": ["1", "xi - 1/2*sign(xi)", "xi**2"], "breakpoints": ["-1", "0", "1"]}, 2),
        ({"family": "custom", "functions": ["1", "exp(xi)"]}, 1),
    ],
)
def test_a_function_that_leaves_the_span_is_named(declared: dict[str, Any], function: int) -> None:
    with pytest.raises(DerivationError, match=f"function {function}, counted from 0, moves out of the span"):
        symmetry.action(known(SWAP), bases.build(basis(declared)))


def test_waves_know_reflections_and_shifts_alone() -> None:
    wave = bases.build(read_basis(Reader("test"), {"family": "fourier", "size": 3}, "basis", WIDTH, True))
    for one in (known(TURN), SymmetrySpec("shift", Fraction(1, 3))):
        with pytest.raises(DerivationError, match="waves are cut"):
            symmetry.action(one, wave)


def test_a_basis_of_which_a_constant_is_left_is_remarked_on() -> None:
    """Translations leave one of seven waves; a reflection leaves the four cosines, and nothing is said."""
    waves = BasisSpec("fourier", 7)
    with pytest.warns(SpecWarning, match="fourier, 7 functions, of which translation leaves one"):
        assert symmetry.invariant_basis([SymmetrySpec("translation")], waves, "lift.width").size == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert symmetry.invariant_basis([SymmetrySpec("reflection")], waves, "lift.width").size == 4
        assert symmetry.invariant_basis([SymmetrySpec("translation")], BasisSpec("fourier", 1), "").size == 1
