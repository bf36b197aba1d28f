"""What ``verify`` compares with is right by itself, and each of its rows sees a fault in what it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from derive import registry
from derive.declaration import Reader, load_spec, read_basis
from derive.spaces import basis as bases
from derive.spaces import products as inner_product
from derive.spaces import quadrature, run_time
from derive.spec import WIDTH
from numerics import testing
from numerics.functions import field, fields_from, integrals, random
from numerics.functions.basis import Basis, derivative, evaluate
from numerics.levels import adapted
from numerics.model import continuum, projected
from numerics.verify import activations, attempt, fields, moves, records, rules, starts
from numerics.verify.references import formulas
from numerics.verify.references.network import Reference
from numerics.verify.subject import Subject
from tests.builders import CIRCLE, FUNCTION, LIFTED, NUMBERS, SPECTRAL, TRANSLATED

FAMILIES = [(name, d) for name in sorted(testing.OWN | dict.fromkeys(
    ("p0", "discontinuous", "hat", "lagrange", "gauss-legendre", "gauss-lobatto", "bspline", "legendre", "chebyshev",
     "multiwavelet", "fourier", "hierarchical")
)) for d in testing.declarations(name, periodic=name == "fourier")]  # fmt: skip


@pytest.mark.parametrize(("name", "declared"), FAMILIES, ids=str)
def test_formulas_are_the_functions_of_the_bases(name: str, declared: dict) -> None:
    """Values, slopes and integrals, against the exact ones of the derivation, on even and uneven cells."""
    spec = read_basis(Reader("test"), declared, "state", WIDTH, True)
    basis, own = bases.build(spec), formulas.functions(spec)
    exact = inner_product.gram(basis, basis).to_float()
    np.testing.assert_allclose(formulas.gram(own), exact, atol=2e-14 * np.abs(exact).max())
    if basis.kind != "closed-form":
        x = np.random.default_rng(0).uniform(-1, 1, 40)
        run = Basis.from_arrays(run_time.arrays(basis))
        np.testing.assert_allclose(own.values(x), evaluate(run, x), atol=2e-14)
        np.testing.assert_allclose(own.slopes(x), derivative(run, x), atol=3e-11)
    if inner_product.continuous(basis):
        exact = inner_product.stiffness(basis).to_float()
        np.testing.assert_allclose(formulas.stiffness(own), exact, atol=1e-12 * max(1.0, np.abs(exact).max()))


def test_a_steep_function_takes_more_cells() -> None:
    steep = {"family": "custom", "functions": ["exp(-400*xi**2)"]}
    own = formulas.functions(read_basis(Reader("test"), steep, "state", WIDTH, False))
    assert len(own.breakpoints) > 3
    assert formulas.gram(own)[0, 0] == pytest.approx(np.sqrt(np.pi / 800), rel=1e-13)


# --- rows, and a fault that each must see -------------------------------------------------------------------

Row = Callable[[Subject], None]
REACH = {**FUNCTION, "equation": {**FUNCTION["equation"], "reach": "1/4"},
         "weight": {"kernel": {"family": "hat", "size": 3}, "depth": {"family": "p0", "cells": 1}}}  # fmt: skip
FITTED = {**FUNCTION, "input": {"interpolant": "least-squares", "smoothing": "1/100"}}
MIRRORED = {**SPECTRAL, "equation": {**SPECTRAL["equation"], "symmetry": "reflection"}}
ROWS: list[tuple[Row, dict, Any, str]] = [
    (records.coefficients, FUNCTION, projected, "projected"),
    (records.coefficients, FITTED, projected, "projected"),
    (records.coefficients, CIRCLE, projected, "projected"),
    (records.coefficients, LIFTED, continuum.Continuum, "project_samples"),
    (activations.functions, FUNCTION, Reference, "rho"),
    (fields.values, NUMBERS, field.FieldSlab, "squared_norm"),
    (fields.values, TRANSLATED, field, "evaluate"),
    (fields.values, NUMBERS, field.Field, "inner"),
    (starts.random_fields, FUNCTION, fields_from, "along"),
    (starts.law, FUNCTION, random, "_draws"),
    (starts.law, REACH, random, "_draws"),
    (starts.law, TRANSLATED, random, "_waves"),
    (starts.given_fields, FUNCTION, integrals, "along"),
]  # fmt: skip


def failing(row: Row, declared: dict) -> list[str]:
    subject = Subject.of(load_spec(declared))
    row(subject)
    assert subject.findings
    return [finding.name for finding in subject.findings if finding.passed is False]


@pytest.mark.first(3)
@pytest.mark.parametrize(("row", "declared", "where", "what"), ROWS)
def test_rows_hold_and_see_faults(
    row: Row, declared: dict, where: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failing(row, declared) == []
    size = 1.2 if row is starts.law else 1 + 1e-8  # a law is known to some per cent
    right = getattr(where, what)
    monkeypatch.setattr(where, what, lambda *given, **named: size * right(*given, **named))
    assert failing(row, declared) != []


@pytest.mark.slow
def test_quadrature_of_another_size_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(rules.tables, SPECTRAL) == failing(rules.tables, CIRCLE) == []
    subject = Subject.of(load_spec(SPECTRAL))
    fewer = quadrature._points_per_cell
    monkeypatch.setattr(quadrature, "_points_per_cell", lambda *given: fewer(*given) - 1)
    vars(subject)["reference"] = Reference.of(subject.spec)
    rules.tables(subject)
    assert [f.name for f in subject.findings if f.passed is False] == ["the rule of section 3: 8 points"]


def test_adapted_bases_that_keep_too_much_or_too_little_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    leading = adapted.leading
    assert failing(moves.singular_functions, SPECTRAL) == []
    for factor, name in ((2.0, "orthonormal, with the error asked for"), (0.01, "with a function too many")):
        monkeypatch.setattr(adapted, "leading", lambda slab, axis, error, by=factor: leading(slab, axis, by * error))
        assert failing(moves.singular_functions, SPECTRAL) == [f"adapted bases: {name}" if factor > 1 else
                                                               f"adapted bases {name}"]  # fmt: skip


@pytest.mark.slow
def test_symmetric_random_weights_of_another_size_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(starts.mirrored, MIRRORED) == []
    monkeypatch.setattr(random, "_orbit", lambda symmetries: 0.5)
    assert failing(starts.mirrored, MIRRORED) != []


def test_a_family_without_a_formula_is_measured_against_nothing_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject.of(load_spec(REACH))
    formulas.functions.cache_clear()
    monkeypatch.delitem(formulas.LOCAL, "hat")
    attempt(subject, "values of fields", fields.values)
    assert [(f.passed, "no formulas of hat" in f.measured) for f in subject.findings] == [(None, True)]


def test_every_registered_basis_has_a_formula() -> None:
    known = {*formulas.LOCAL, *formulas.FAMILIES, "combination"}
    assert known >= {*registry.names("bases")}
