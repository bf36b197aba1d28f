"""Projection and prolongation (13): idempotent, orthogonal, the identity when nested, and composed where nested."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import DerivationError
from derive.spaces.products import evaluate, gram
from derive.spaces.rules import gauss_rule
from derive.spaces.transfer import contains, transfer
from tests.oracles.bases import DEPTH, WIDTH, examples, families, make

NESTED = [
    (("p0", {"cells": 3}), ("p0", {"cells": 6})),
    (("p0", {"cells": 2}), ("custom", {"functions": ["1", "sign(xi)", "exp(xi)"], "breakpoints": (-1, 0, 1)})),
    (("hat", {"cells": 2}), ("hat", {"breakpoints": (-1, "-1/3", 0, "1/7", 1)})),
    (("legendre", {"size": 3}), ("legendre", {"size": 9})),
    (("legendre", {"size": 4}), ("bspline", {"degree": 3, "cells": 5})),
    (("hat", {"cells": 3}), ("bspline", {"degree": 1, "cells": 6})),
    (("bspline", {"degree": 3, "cells": 2}), ("bspline", {"degree": 3, "cells": 4})),
    (("fourier", {"size": 3}), ("fourier", {"size": 7})),
    (("legendre", {"size": 1}), ("fourier", {"size": 5})),
    (("custom", {"functions": ["1", "xi"]}), ("hat", {"cells": 3})),
]


@pytest.mark.parametrize(("coarse", "fine"), NESTED)
def test_prolongation_and_back_is_the_identity(coarse, fine):
    coarse, fine = make(coarse[0], **coarse[1]), make(fine[0], **fine[1])
    assert contains(fine, coarse) and not contains(coarse, fine)
    up, down = transfer(fine, coarse), transfer(coarse, fine)
    assert (down @ up).is_identity()
    # A prolongation does not change the function.
    rule = gauss_rule(sorted({*coarse.breakpoints, *fine.breakpoints}), 3)
    assert (evaluate(fine, rule) @ up - evaluate(coarse, rule)).largest() < 1e-30
    # The composition up · down is a projection.
    both = up @ down
    assert (both @ both - both).largest() < 1e-30


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(families(), 2)))
def test_residuals_are_orthogonal_to_the_new_space(first, second):
    for new, old in itertools.product(examples(first, DEPTH)[1:], examples(second, DEPTH)[-1:]):
        p = transfer(new, old)
        assert p.shape == (new.size, old.size)
        # ⟨new_i, old_j − Σ_k P_kj new_k⟩ = 0, with the products evaluated by NumPy on a common Gauss rule.
        rule = gauss_rule(sorted({*new.breakpoints, *old.breakpoints}), 40)
        x, y, w = (t.to_float() for t in (evaluate(new, rule), evaluate(old, rule), rule.weights))
        assert np.abs(x.T @ (w * (y - x @ p.to_float()))).max() < 1e-13


@pytest.mark.parametrize("family", families())
def test_a_basis_contains_itself(family):
    for basis in examples(family):
        assert transfer(basis, basis).is_identity() and contains(basis, basis)


@given(st.data())
def test_projections_compose_when_nested(data):
    denominators = data.draw(st.lists(st.fractions(-1, 1, max_denominator=12), max_size=5, unique=True))
    inner = sorted(b for b in denominators if abs(b) < 1)
    kept = sorted(data.draw(st.sets(st.sampled_from(inner)))) if inner else []
    family = data.draw(st.sampled_from(["p0", "hat"]))
    fine = make(family, breakpoints=(*WIDTH[:1], *inner, *WIDTH[1:]))
    coarse = make(family, breakpoints=(*WIDTH[:1], *kept, *WIDTH[1:]))
    old = data.draw(st.sampled_from([old for name in ("legendre", "bspline", "hat", "p0") for old in examples(name)]))
    assert contains(fine, coarse)
    direct, through = transfer(coarse, old), transfer(coarse, fine) @ transfer(fine, old)
    assert direct.rational and through.rational and (direct - through).largest() == 0


@pytest.mark.parametrize("old", ["fourier", "custom", "legendre"])
def test_projections_compose_for_every_kind(old):
    fine, coarse = make("bspline", cells=4, degree=2), make("bspline", cells=2, degree=2)
    for basis in examples(old):
        composed = transfer(coarse, fine) @ transfer(fine, basis)
        assert (transfer(coarse, basis) - composed).largest() < 1e-30


def test_coarsening_cells_that_do_not_line_up():
    # Two of three cells overlap each of two: P0 averages, weighted by the overlaps, exactly.
    found = transfer(make("p0", cells=2), make("p0", cells=3))
    assert found.rational
    assert found.to_float().tolist() == [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]


def test_rational_answers_are_exactly_nested_or_not():
    almost = make("p0", breakpoints=(-1, Fraction(1, 10**50), 1))
    assert not contains(almost, make("p0", cells=2))
    assert contains(make("legendre", size=8), make("legendre", size=8))


def test_distances_follow_from_couplings():
    # ‖f − Pf‖² = fᵀ(M_o − BᵀP)f: the hat functions' distance to constants, by hand.
    new, old = make("p0", cells=1), make("hat", cells=1)
    gap = gram(old, old) - gram(new, old).T @ transfer(new, old)
    assert gap.to_float().tolist() == [[1 / 6, -1 / 6], [-1 / 6, 1 / 6]]


def test_other_intervals_are_refused():
    with pytest.raises(DerivationError):
        transfer(make("p0", cells=1), make("p0", DEPTH, cells=1))
