"""Gram matrices, couplings, rules and tables against mpmath at 50 digits; roundings; speed on the largest sizes."""

from __future__ import annotations

import itertools
import math
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb, arb_mat, ctx, fmpq
from hypothesis import example, given
from hypothesis import strategies as st

from derive.errors import DerivationError
from derive.exact.matrix import ExactMatrix, identity, nearest, rational, stack
from derive.spaces.basis import build
from derive.spaces.products import evaluate, evaluate_at, gram, stiffness
from derive.spaces.rules import gauss_rule, uniform_rule
from derive.spaces.run_time import arrays
from derive.spaces.transfer import transfer
from derive.spec import BasisSpec
from tests.builders import marked
from tests.oracles.bases import (
    DEPTH,
    DIGITS,
    WIDTH,
    assert_equal,
    exact,
    examples,
    families,
    integrals,
    make,
    numeric,
)

QUICK = ("legendre", "hat")
EACH = marked(families(), slow=[name for name in families() if name not in QUICK])


@pytest.mark.parametrize("interval", [WIDTH, pytest.param(DEPTH, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", EACH)
def test_mass_matrices(family, interval):
    for basis in examples(family, interval):
        assert_equal(gram(basis, basis), integrals(basis, basis))
        assert gram(basis, basis).rational == (basis.kind != "closed-form" and basis.combination is None)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(families(), 2)))
def test_couplings_between_families(first, second):
    for p, q in zip(examples(first), reversed(examples(second))):
        expected = integrals(p, q)
        assert_equal(gram(p, q), expected)
        assert_equal(gram(q, p), expected.T)


@pytest.mark.parametrize("interval", [WIDTH, pytest.param(DEPTH, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", EACH)
def test_stiffness(family, interval):
    for basis in examples(family, interval):
        assert_equal(stiffness(basis), integrals(basis, basis, derivative=1))


def test_couplings_in_closed_form():
    hat = gram(make("hat", cells=4), make("hat", cells=4))
    assert hat.rational and hat[0, 0] == fmpq(1, 6) and hat[1, 1] == fmpq(1, 3) and hat[1, 2] == fmpq(1, 12)
    legendre = gram(make("legendre", size=5), make("legendre", size=5))
    assert [legendre[n, n] for n in range(5)] == [fmpq(2, 2 * n + 1) for n in range(5)]
    assert stiffness(make("hat", cells=4))[1, 2] == -2
    fourier = stiffness(make("fourier", size=5)).to_float()
    np.testing.assert_allclose(np.diag(fourier), np.pi**2 * np.array([0, 1, 1, 4, 4]), rtol=1e-15)


@pytest.mark.parametrize(("n", "k"), [(20, 2), (24, 1), (48, 5), (3, 60)])
def test_high_degree_against_cosine(n, k):
    # float64 evaluation of the closed form is wrong here by orders of magnitude; mpmath has spherical Bessel values.
    value = gram(make("legendre", size=n + 1), make("fourier", size=2 * k + 1)).to_float()[n, 2 * k - (n + 1) % 2]
    with mpmath.workdps(DIGITS):
        z = k * mpmath.pi
        expected = 2 * (-1) ** (n // 2) * mpmath.sqrt(mpmath.pi / (2 * z)) * mpmath.besselj(n + mpmath.mpf(1) / 2, z)
        assert value == float(expected)


@st.composite
def breakpoints(draw, largest: int = 5):
    inner = draw(st.lists(st.fractions(-1, 1, max_denominator=30), max_size=largest - 1, unique=True))
    return (Fraction(-1), *sorted(b for b in inner if abs(b) < 1), Fraction(1))


@st.composite
def piecewise(draw):
    family = draw(st.sampled_from(["p0", "hat", "bspline", "legendre"]))
    if family == "legendre":
        return make(family, size=draw(st.integers(1, 7)))
    degree = {"degree": draw(st.integers(1, 4))} if family == "bspline" else {}
    return make(family, breakpoints=draw(breakpoints()), **degree)


@given(piecewise(), piecewise())
def test_random_polynomial_couplings_against_a_rule(p, q):
    # A Gauss rule on the common cells integrates products of polynomials exactly: another way to the same numbers.
    degree = p.degree + q.degree
    rule = gauss_rule(sorted({*p.breakpoints, *q.breakpoints}), degree // 2 + 1)
    by_rule = evaluate(p, rule).T.scaled(columns=rule.weights) @ evaluate(q, rule)
    found = gram(p, q)
    assert found.rational and (by_rule - found).largest() < 1e-30
    assert (gram(q, p).T - found).largest() == 0


@pytest.mark.first(4)
@pytest.mark.parametrize("family", families())
def test_tables_at_gauss_points(family):
    for basis in examples(family):
        rule = gauss_rule(basis.breakpoints, 3)
        functions = numeric(basis)
        with mpmath.workdps(DIGITS):
            root = mpmath.sqrt(mpmath.mpf(3) / 5)
            expected = mpmath.zeros(3 * basis.cells, basis.size)
            for cell in range(basis.cells):
                a, b = map(exact, basis.bounds(cell))
                for k, t in enumerate((-root, mpmath.mpf(0), root)):
                    for j, f in enumerate(functions[cell]):
                        expected[3 * cell + k, j] = f((a + b) / 2 + (b - a) / 2 * t)
        assert_equal(evaluate(basis, rule), expected)


def test_one_point_a_cell_is_rational_and_p0_is_the_identity():
    basis = make("p0", breakpoints=(-1, "-1/3", 0, 1))
    rule = gauss_rule(basis.breakpoints, 1)
    table = evaluate(basis, rule)
    assert rule.points.rational and table.rational and table.is_identity()
    assert gram(basis, basis).solve(table.T.scaled(columns=rule.weights)).is_identity()


@pytest.mark.parametrize("count", [2, 5, 16, 64])
def test_gauss_rule_against_numpy(count):
    rule = gauss_rule((-1, Fraction(1, 2), 1), count)
    x, w = np.polynomial.legendre.leggauss(count)
    np.testing.assert_allclose(rule.points.to_float().ravel(), [*(0.75 * x - 0.25), *(0.25 * x + 0.75)], atol=4e-16)
    np.testing.assert_allclose(rule.weights.to_float().ravel(), [*(0.75 * w), *(0.25 * w)], atol=2e-15)
    assert (np.diff(rule.points.to_float().ravel()) > 0).all()


def test_uniform_rule_keeps_fourier_orthogonal():
    basis, rule = make("fourier", size=9), uniform_rule(9)
    table = evaluate(basis, rule)
    mass = table.T.scaled(columns=rule.weights) @ table
    assert (mass - gram(basis, basis)).largest() < 1e-30
    assert not (mass.nonzero() & ~np.eye(9, dtype=bool)).any()
    assert (gram(basis, basis).solve(table.T.scaled(columns=rule.weights)) @ table).is_identity()


def test_points_on_breakpoints_are_evaluated_from_the_right():
    basis = make("p0", cells=4)
    assert evaluate(basis, uniform_rule(4)).is_identity()  # −1, −1/2, 0, 1/2
    rough = gauss_rule((-1, 1), 3)  # its middle point is the breakpoint 0
    assert evaluate(basis, rough).to_float().argmax(axis=1).tolist() == [0, 2, 3]


def test_limits_from_inside_an_interval():
    basis = make("p0", DEPTH, cells=2)
    start, stop = DEPTH
    middle = (start + stop) / 2
    for point, inside, expected in [
        (middle, (start, middle), [[1, 0]]),
        (middle, (middle, stop), [[0, 1]]),
        (start, (start, middle), [[1, 0]]),
        (stop, (middle, stop), [[0, 1]]),
        (middle, (start, stop), [[0, 1]]),
    ]:
        assert evaluate_at(basis, point, inside).to_float().tolist() == expected


@pytest.mark.parametrize("family", families())
def test_pieces_are_the_basis(family):
    for basis in examples(family):
        found = arrays(basis)
        assert str(found["kind"]) == basis.kind
        assert found["breakpoints"].tolist() == [float(b) for b in basis.breakpoints]
        if basis.kind == "fourier":
            assert found["size"] == basis.size
        elif basis.kind == "closed-form":
            rule = gauss_rule(basis.breakpoints, int(found["points"]))
            x, w = evaluate(basis, rule).to_float(), rule.weights.to_float().ravel()
            np.testing.assert_allclose(x.T * w @ x, gram(basis, basis).to_float(), atol=1e-13)
        else:
            assert found["coefficients"].shape == (basis.size, basis.cells, basis.degree + 1)
            rule = gauss_rule(basis.breakpoints, 4)
            t = gauss_rule((-1, 1), 4).points.to_float().ravel()
            local = np.polynomial.legendre.legvander(t, basis.degree)
            values = np.einsum("qk,jck->cqj", local, found["coefficients"]).reshape(-1, basis.size)
            np.testing.assert_allclose(values, evaluate(basis, rule).to_float(), atol=1e-14)


def test_entries_are_the_nearest_doubles():
    # 1/3 computed in float64 from rounded parts would be off; the exact matrix is rounded once.
    matrix = rational([[Fraction(1, 3), Fraction(10**30 + 1, 3 * 10**30)], [Fraction(-2, 7), Fraction(0)]])
    assert matrix.to_float().tolist() == [[1 / 3, float(Fraction(10**30 + 1, 3 * 10**30))], [float(Fraction(-2, 7)), 0]]
    size = 12
    hilbert = rational([[Fraction(1, i + j + 1) for j in range(size)] for i in range(size)])
    inverse = hilbert.inverse()
    expected = [
        [
            (-1) ** (i + j)
            * (i + j + 1)
            * math.comb(size + i, size - j - 1)
            * math.comb(size + j, size - i - 1)
            * math.comb(i + j, i) ** 2
            for j in range(size)
        ]
        for i in range(size)
    ]
    assert inverse.to_float().tolist() == [[float(v) for v in row] for row in expected]


def test_precision_rises_until_doubles_are_settled():
    # π² − 9 − (π − 3)(π + 3) is zero; tiny differences are numbers, not noise.
    tiny = ExactMatrix((1, 1), recipe=lambda: _column([(1 + arb.pi() * fmpq(1, 10**38)) - 1]))
    with mpmath.workdps(DIGITS):
        assert tiny.to_float()[0, 0] == float(mpmath.pi / mpmath.mpf(10) ** 38)
    zero = ExactMatrix((1, 1), recipe=lambda: _column([arb.pi() ** 2 - 9 - (arb.pi() - 3) * (arb.pi() + 3)]))
    assert zero.to_float()[0, 0] == 0 and not zero.nonzero().any()
    with pytest.raises(DerivationError, match="settle"):
        ExactMatrix((1, 1), recipe=lambda: _column([arb(0, 1)])).to_float()


def _column(entries):
    return arb_mat(len(entries), 1, entries)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 3))
@example(sys.float_info.max, 0)
def test_a_ball_rounds_only_when_both_ends_agree(value, ulps):
    with ctx.workprec(2200):
        middle = arb(value) + arb(math.ulp(value)) * fmpq(ulps, 7)
        expected = float(Fraction(value) + Fraction(math.ulp(value)) * Fraction(ulps, 7))
        assert nearest(middle) == expected
        assert nearest(arb(value, 4 * math.ulp(value))) is None or value == 0


def test_algebra_of_exact_matrices():
    a = rational([[2, 1], [Fraction(1, 2), 3]])
    assert (a @ a.inverse()).is_identity() and a.T.T[1, 0] == fmpq(1, 2)
    assert a.scaled(rows=rational([[2], [3]])).to_float().tolist() == [[4, 2], [1.5, 9]]
    assert stack([a, identity(2)]).shape == (4, 2)
    irrational = ExactMatrix((2, 2), recipe=lambda: a.enclosure() * arb.pi())
    assert (irrational.inverse() @ irrational).is_identity()
    np.testing.assert_allclose(irrational.to_float(), np.pi * a.to_float(), rtol=1e-15)
    for singular in (rational([[1, 2], [2, 4]]), rational([[1, 0], [0, 0]])):
        with pytest.raises(DerivationError, match="singular"):
            singular.solve(identity(2))
    with pytest.raises(DerivationError, match="dependent"):
        dependent = build(BasisSpec("custom", 2, cells=1, functions=("exp(xi)", "2*exp(xi)")))  # past its check
        transfer(dependent, make("p0", cells=2)).to_float()


def test_two_intervals_have_no_inner_product():
    with pytest.raises(DerivationError, match="one interval"):
        gram(make("p0", cells=2), make("p0", DEPTH, cells=2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "given", "points"),
    [
        ("legendre", {"size": 128}, 192),
        pytest.param("legendre", {"size": 257}, 260, marks=pytest.mark.slow),
        ("p0", {"cells": 256}, 1),
        ("bspline", {"size": 128, "degree": 3}, 4),
        ("fourier", {"size": 129}, 193),
    ],
)
def test_complete_tables_of_the_largest_bases(family, given, points):
    basis = make(family, **given)
    rule = uniform_rule(points) if family == "fourier" else gauss_rule(basis.breakpoints, points)
    mass, table = gram(basis, basis), evaluate(basis, rule)
    weighted = table.T.scaled(columns=rule.weights)
    assert (weighted @ table - mass).largest() < 1e-30
    projection = mass.solve(weighted)
    assert np.abs(projection.to_float() @ table.to_float() - np.eye(basis.size)).max() < 1e-11
    if basis.size <= 129:
        coarse = make(family, **{k: v // 2 + v % 2 if k in ("size", "cells") else v for k, v in given.items()})
        assert np.isfinite(transfer(coarse, basis).to_float()).all()
