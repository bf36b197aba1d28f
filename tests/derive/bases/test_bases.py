"""Families: values against SciPy, NumPy and closed forms; declarations; the registry."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

import derive.bases
from derive import registry
from derive.errors import DerivationError
from derive.exact.enclosure import XI, polynomial_series, resolve_branches
from derive.spaces import basis as bases
from derive.spaces.products import continuous, evaluate, evaluate_at
from derive.spaces.rules import gauss_rule
from tests.oracles.bases import DEPTH, DIGITS, WIDTH, declare, exact, examples, families, make, numeric

KEYS = {"size", "cells", "degree", "breakpoints", "functions", "of", "rows"}


def sample(basis: bases.Basis, points: list[Fraction]) -> np.ndarray:
    """Values (points, size), at breakpoints from the right, at the end from the left."""
    ends = basis.interval
    rows = [evaluate_at(basis, x, (x, ends[1] + 1) if x < ends[1] else ends).to_float() for x in points]
    return np.concatenate(rows)


def grid(interval, count: int = 41) -> list[Fraction]:
    """Equally spaced fractions, both ends included."""
    start, stop = interval
    return [start + (stop - start) * Fraction(k, count - 1) for k in range(count)]


def test_there_are_all_families():
    assert {"p0", "hat", "bspline", "legendre", "fourier", "custom"} <= set(families())


@pytest.mark.first(6)
@pytest.mark.parametrize("interval", [WIDTH, DEPTH])
@pytest.mark.parametrize("family", families())
def test_every_family_keeps_the_contract(family, interval):
    module = registry.entry("bases", family)
    assert isinstance(module.SUMMARY, str) and "\n" not in module.SUMMARY
    assert set(module.PARAMETERS) <= KEYS
    for basis in examples(family, interval):
        assert basis.family == family and basis.interval == interval
        assert basis.breakpoints[0] == interval[0] and basis.breakpoints[-1] == interval[1]
        assert len(basis.active) == basis.cells
        assert basis.kind in ("polynomial", "fourier", "closed-form")
        assert (basis.degree is None) == (basis.kind != "polynomial")
        points = [x + Fraction(1, 1000) for x in grid(interval, 9)[:-1]]
        table = sample(basis, points)
        functions = numeric(basis)
        with mpmath.workdps(DIGITS):
            expected = [[float(f(exact(x))) for f in functions[basis.cell_of(x)]] for x in points]
        np.testing.assert_allclose(table, expected, rtol=1e-15, atol=1e-40)


@pytest.mark.parametrize("family", families())
def test_continuity_is_found(family):
    for basis in examples(family):
        jumps = [
            np.abs(evaluate_at(basis, b, (a, b)).to_float() - evaluate_at(basis, b, (b, c)).to_float()).max()
            for a, b, c in zip(basis.breakpoints, basis.breakpoints[1:], basis.breakpoints[2:])
        ]
        assert continuous(basis) == (max(jumps, default=0) < 1e-12)
    assert not continuous(make("p0", cells=2))
    assert continuous(make("bspline", degree=1, cells=3))


@pytest.mark.parametrize("interval", [WIDTH, DEPTH])
def test_p0_is_the_indicator_of_cells(interval):
    basis = make("p0", interval, cells=5)
    breaks = np.array([float(b) for b in basis.breakpoints])
    points = [x + Fraction(1, 999) for x in grid(interval, 30)[:-1]]
    cell = np.searchsorted(breaks, [float(x) for x in points], side="right") - 1
    assert (sample(basis, points) == np.eye(5)[cell]).all()
    at_breaks = sample(basis, list(basis.breakpoints))
    assert (at_breaks == np.eye(5)[[0, 1, 2, 3, 4, 4]]).all()


@pytest.mark.parametrize("interval", [WIDTH, DEPTH])
def test_hat_is_linear_interpolation(interval):
    start, stop = interval
    basis = make("hat", interval, breakpoints=(start, start + (stop - start) / 7, (start + stop) / 2, stop))
    breaks = [float(b) for b in basis.breakpoints]
    points = grid(interval)
    expected = np.stack([np.interp([float(x) for x in points], breaks, row) for row in np.eye(4)], axis=1)
    np.testing.assert_allclose(sample(basis, points), expected, atol=1e-15)


@pytest.mark.parametrize("size", [1, 2, 9, 40])
def test_legendre_against_numpy(size):
    points = grid(WIDTH)
    expected = np.polynomial.legendre.legvander([float(x) for x in points], size - 1)
    np.testing.assert_allclose(sample(make("legendre", size=size), points), expected, atol=2e-14)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("interval", [WIDTH, DEPTH])
def test_bsplines_against_scipy(degree, interval):
    start, stop = interval
    inner = [start + (stop - start) * Fraction(k, 11) for k in (1, 4, 9)]
    for breakpoints in (None, (start, *inner, stop)):
        basis = make(
            "bspline", interval, degree=degree, cells=4, **({"breakpoints": breakpoints} if breakpoints else {})
        )
        assert basis.size == 4 + degree and continuous(basis)
        knots = [float(b) for b in basis.breakpoints]
        knots = [knots[0]] * degree + knots + [knots[-1]] * degree
        points = grid(interval)
        x = np.array([float(p) for p in points])
        expected = BSpline.design_matrix(np.clip(x, knots[0], knots[-1]), np.array(knots), degree).toarray()
        np.testing.assert_allclose(sample(basis, points), expected, atol=1e-14)


def test_bsplines_sum_to_one_exactly():
    basis = make("bspline", size=12, degree=3)
    row = evaluate_at(basis, Fraction(1, 7), WIDTH)
    assert row.rational and sum(row.entries()) == 1


@pytest.mark.parametrize("interval", [WIDTH, DEPTH])
def test_fourier_order_and_values(interval):
    start, stop = map(float, interval)
    points = grid(interval)
    tau = 2 * np.pi * (np.array([float(p) for p in points]) - (start + stop) / 2) / (stop - start)
    columns = [np.ones(len(points))]
    for k in (1, 2, 3):
        columns += [np.cos(k * tau), np.sin(k * tau)]
    table = sample(make("fourier", interval, size=7), points)
    np.testing.assert_allclose(table, np.stack(columns, axis=1), atol=1e-14)


def test_fourier_on_the_width_is_cos_k_pi_xi():
    basis = make("fourier", size=5)
    assert [basis.expression(j) for j in range(5)] == [
        sp.S.One,
        sp.cos(sp.pi * XI),
        sp.sin(sp.pi * XI),
        sp.cos(2 * sp.pi * XI),
        sp.sin(2 * sp.pi * XI),
    ]


def test_fourier_keeps_exact_zeros_and_ones():
    row = evaluate_at(make("fourier", size=5), Fraction(1, 2), WIDTH).to_float()
    assert row.tolist() == [[1, 0, 1, -1, 0]]


def test_custom_polynomials_stay_rational():
    basis = make("custom", functions=["1", "xi", "abs(xi)"], breakpoints=(-1, 0, 1))
    assert basis.kind == "polynomial" and basis.degree == 1 and continuous(basis)
    assert sample(basis, [Fraction(-1, 3), Fraction(1, 4)]).tolist() == [[1, -1 / 3, 1 / 3], [1, 0.25, 0.25]]


def test_custom_branches_follow_the_cell():
    functions = ["max(xi, 0)", "min(xi, 1/2, 1 - xi)", "sign(xi - 1/2)*xi", "abs(exp(xi) - 1)"]
    basis = make("custom", functions=functions, breakpoints=(-1, 0, "1/2", 1))
    for x in (-0.75, 0.25, 0.75):
        expected = [max(x, 0), min(x, 0.5, 1 - x), np.sign(x - 0.5) * x, abs(np.expm1(x))]
        np.testing.assert_allclose(sample(basis, [Fraction(x)])[0], expected, rtol=1e-15)


@pytest.mark.parametrize("text", ["abs(xi)", "max(xi, 1/3)", "sign(xi**3)", "abs(sin(2*xi))", "abs(exp(xi) - 1)"])
def test_a_branch_inside_a_cell_is_refused(text):
    with pytest.raises(DerivationError, match="breakpoints"):
        make("custom", functions=[text])


@pytest.mark.parametrize("text", ["xi**2", "xi**2*(1 - xi)**2", "(1 - xi)*(1 + xi)"])
def test_zeros_that_change_no_sign_are_no_branch(text):
    basis = make("custom", functions=[f"abs({text})"])
    assert basis.kind == "polynomial"


@pytest.mark.first(1)
@pytest.mark.parametrize("text", ["1/xi", "1/(3*xi - 1)", "1/(xi - 1)"])
def test_functions_without_an_inner_product_are_refused(text):
    from derive.spaces.products import gram

    basis = make("custom", functions=[text])
    with pytest.raises(DerivationError, match=r"(real|finite)"):
        gram(basis, basis).to_float()


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9), st.fractions(-1, 1), st.fractions(-1, 1))
def test_legendre_series_of_a_polynomial(coefficients, a, b):
    a, b = min(a, b), max(a, b) + 1
    polynomial = sum(c * XI**k for k, c in enumerate(coefficients))
    series = polynomial_series(sp.sympify(polynomial), a, b)
    t = np.linspace(-1, 1, 7)
    x = float(a + b) / 2 + float(b - a) / 2 * t
    expected = np.polynomial.polynomial.polyval(x, coefficients)
    found = np.polynomial.legendre.legval(t, [float(c) for c in series] or [0.0])
    np.testing.assert_allclose(found, expected, atol=1e-11 * (1 + np.abs(expected).max()))


def test_branches_of_nested_functions():
    half = Fraction(1, 2)
    assert resolve_branches(sp.Abs(XI - sp.Max(XI, 0)), -half, Fraction(0)) == -XI
    assert resolve_branches(sp.Abs(XI - sp.Max(XI, 0)), Fraction(0), half) == 0


@pytest.mark.parametrize(
    ("family", "given", "expected"),
    [
        ("p0", {"size": 4}, (4, 4, 0)),
        ("p0", {"cells": 4, "breakpoints": (-1, 0, "1/2", "3/4", 1)}, (4, 4, 0)),
        ("hat", {"size": 4}, (4, 3, 1)),
        ("hat", {"cells": 4}, (5, 4, 1)),
        ("bspline", {"size": 7}, (7, 4, 3)),
        ("bspline", {"degree": 2, "breakpoints": (-1, 0, 1)}, (4, 2, 2)),
        ("legendre", {"size": 5}, (5, 1, 4)),
        ("legendre", {"degree": 4}, (5, 1, 4)),
        ("fourier", {"size": 5}, (5, 1, None)),
        ("custom", {"functions": ["1", "xi"]}, (2, 1, None)),
    ],
)
def test_declarations_are_completed(family, given, expected):
    spec = declare(family, **given)
    assert (spec.size, spec.cells, spec.degree) == expected
    assert bases.build(spec).size == spec.size
    assert bases.build(spec) is bases.build(spec)


def test_uniform_breakpoints_are_the_uniform_declaration():
    assert declare("hat", breakpoints=(-1, 0, 1)) == declare("hat", cells=2)


@pytest.mark.parametrize(
    ("family", "given", "message"),
    [
        ("p0", {}, "missing"),
        ("p0", {"size": 0}, "positive"),
        ("p0", {"size": True}, "positive"),
        ("p0", {"size": 3, "cells": 4}, "agree"),
        ("hat", {"size": 1}, "at least 2"),
        ("hat", {"size": 4, "cells": 4}, "cells \\+ 1"),
        ("hat", {"breakpoints": (-1, "1/2", "1/2", 1)}, "increase"),
        ("hat", {"breakpoints": (-1, 0)}, "end at 1"),
        ("bspline", {"size": 3}, "at least 4"),
        ("bspline", {"size": 5, "degree": 0}, "positive"),
        ("legendre", {}, "missing"),
        ("legendre", {"size": 4, "degree": 4}, "degree \\+ 1"),
        ("legendre", {"degree": "4"}, "whole number"),
        ("fourier", {"size": 4}, "odd"),
        ("custom", {}, "missing"),
        ("custom", {"functions": ["1"], "size": 2}, "1 function"),
        ("custom", {"functions": ["log(xi)"]}, "no real value"),
        ("custom", {"functions": ["sqrt(xi - 1/2)"]}, "no real value"),
        ("custom", {"functions": ["1"], "breakpoints": (0, 1)}, "start at -1"),
    ],
)
def test_declarations_that_cannot_work(family, given, message):
    with pytest.raises(ValueError, match=message):
        declare(family, **given)


def test_a_new_file_is_all_that_a_family_takes(tmp_path, monkeypatch):
    (tmp_path / "chebyshev.py").write_text(
        textwrap.dedent(
            '''
            """Chebyshev polynomials."""
            from derive.spaces.basis import count, from_expressions
            SUMMARY = "Chebyshev polynomials"
            PARAMETERS = ("size",)

            def resolve(given, interval):
                size = count(given, "size")
                return {"size": size, "cells": 1, "degree": size - 1, "breakpoints": None, "functions": ()}

            def build(spec, interval):
                import sympy as sp
                from derive.exact.enclosure import XI
                t = (2 * XI - sp.Rational(sum(interval))) / sp.Rational(interval[1] - interval[0])
                chosen = [sp.expand(sp.chebyshevt(n, t)) for n in range(spec.size)]
                return from_expressions("chebyshev", interval, interval, chosen)
            '''
        )
    )
    monkeypatch.setattr(derive.bases, "__path__", [*derive.bases.__path__, str(tmp_path)])
    basis = make("chebyshev", DEPTH, size=6)
    assert basis.kind == "polynomial" and basis.degree == 5
    rule = gauss_rule(basis.breakpoints, 8)
    points = rule.points.to_float().ravel()
    t = (2 * points - float(sum(DEPTH))) / float(DEPTH[1] - DEPTH[0])
    expected = np.polynomial.chebyshev.chebvander(t, 5)
    np.testing.assert_allclose(evaluate(basis, rule).to_float(), expected, atol=1e-14)
    assert len(examples("chebyshev")) == 3


def test_declarations_are_checked_without_sympy_and_flint():
    code = """
        import sys
        sys.modules["sympy"] = sys.modules["flint"] = None
        from derive import registry
        from derive.spaces import basis
        from derive.spec import WIDTH, BasisSpec
        for name in registry.names("bases"):
            module = registry.entry("bases", name)
            given = {"functions": ["xi"]} if name == "custom" else {"size": 4 if name == "multiwavelet" else 5}
            if name == "combination":
                given = {"of": BasisSpec("hat", 2, 1, 1, None, ()), "rows": ((1, 2),)}
            print(name, module.resolve(given, WIDTH)["size"])
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == len(families())
