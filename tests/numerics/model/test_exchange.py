"""W(ξ′, ξ) = ±W(ξ, ξ′), against the same matrices as a W that is any function, and what they conserve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import DerivationError, SpecError
from derive.spec import digest, from_dict, to_dict
from numerics.datasets import records
from numerics.functions.field import Field
from numerics.levels.projection import project
from numerics.model.continuum import Continuum
from numerics.verify import moves, starts
from numerics.verify.subject import Subject

SIGNS = {"symmetric": 1, "antisymmetric": -1}
TRIANGLES = {"symmetric": 1, "antisymmetric": 1 - np.eye(4)[:, :, None, None, None]}
WIDTH, SIZE = {"family": "legendre", "size": 4}, 4
LESS = {"family": "legendre", "size": 3}


def declared(exchange: str | None, **equation: Any) -> dict[str, Any]:
    own = {} if exchange is None else {"exchange": exchange}
    return {
        "name": "swapped",
        "equation": {"rate": "residual", "activation": "tanh", **equation, **own},
        "state": {"basis": {"family": "legendre", "size": 6}},
        "weight": {"width_out": WIDTH, "width_in": WIDTH, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": LESS, "depth": {"family": "p0", "cells": 1}},
        "integration": {"tableau": "heun", "steps": 4},
        "loss": {"kind": "l2"},
        "levels": {"less": {"weight": {"width_out": LESS, "width_in": LESS}}},
    }


def unfolded(exchange: str, z: np.ndarray) -> np.ndarray:
    """w (i, j, …) of z, row by row of the upper triangle; an antisymmetric one has no diagonal."""
    w = np.zeros((SIZE, SIZE, *z.shape[1:]))
    rows, columns = np.triu_indices(SIZE, 0 if exchange == "symmetric" else 1)
    w[rows, columns] = z
    w[columns, rows] = SIGNS[exchange] * z
    return w


def with_weight(model: Continuum, w: np.ndarray, b: Field) -> Continuum:
    return model.replace(fields={**model.fields, "W": model.fields["W"].with_coefficients([w]), "b": b})


@pytest.mark.parametrize("exchange", SIGNS)
def test_it_is_the_network_of_the_whole_matrix(exchange: str) -> None:
    generator = np.random.default_rng(0)
    model = Continuum.from_spec(declared(exchange), seed=1)
    z = model.fields["W"].slabs[0].coefficients
    assert z.shape == (SIZE * (SIZE + SIGNS[exchange]) // 2, 2, 1, 1)
    b = model.fields["b"].with_coefficients([generator.standard_normal((3, 1, 1))])
    model = model.replace(fields={**model.fields, "b": b})
    whole = with_weight(Continuum.from_spec(declared(None), seed=1), unfolded(exchange, z), b)
    x, y = generator.standard_normal((2, 5, 9))
    np.testing.assert_allclose(model(x), whole(x), rtol=0, atol=1e-13)
    own, full = (m.coefficient_gradient(m.prepare(records(x, y=y)))[1] for m in (model, whole))
    slope = full["W"][0]
    both = slope + SIGNS[exchange] * slope.swapaxes(0, 1)  # of what stands in two places
    both[range(SIZE), range(SIZE)] = slope[range(SIZE), range(SIZE)]
    np.testing.assert_allclose(unfolded(exchange, own["W"][0]), both * TRIANGLES[exchange], rtol=0, atol=1e-13)
    np.testing.assert_allclose(own["b"][0], full["b"][0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("exchange", SIGNS)
def test_only_an_antisymmetric_weight_conserves_the_norm(exchange: str) -> None:
    """h′ = ∫ W h by the implicit midpoint rule, which conserves what is quadratic."""
    linear = declared(exchange, rate="u") | {"integration": {"tableau": "implicit-midpoint", "steps": 4}}
    model = Continuum.from_spec(linear, seed=1)
    still = model.with_coordinates(0 * model.coordinates)
    x = np.random.default_rng(2).standard_normal((5, 9))
    points, weights = np.polynomial.legendre.leggauss(8)
    before, after = (np.sum(weights * np.reshape(m(x, at=points), (5, 8)) ** 2, axis=1) for m in (still, model))
    change = np.abs(after / before - 1)
    assert change.max() < 1e-12 if exchange == "antisymmetric" else change.min() > 1e-3


@pytest.mark.parametrize("exchange", SIGNS)
def test_given_functions_are_projected_and_levels_keep_what_they_hold(exchange: str) -> None:
    sign = SIGNS[exchange]
    model = Continuum.from_fields(declared(exchange), W=lambda x, y, d: np.exp(x) * y + 0 * d, b=lambda x, d: 0 * x * d)
    less = project(model, level="less")
    for one, size in ((model, 4), (less, 3)):
        whole = declared(None)
        whole["weight"] |= {"width_out": {**WIDTH, "size": size}, "width_in": {**WIDTH, "size": size}}
        plain = Continuum.from_fields(whole, W=lambda x, y, d: (np.exp(x) * y + sign * np.exp(y) * x) / 2 + 0 * d,
                                      b=lambda x, d: 0 * x * d)  # fmt: skip
        at = np.ix_([-0.8, 0.1, 0.7], [-0.3, 0.6], [0.4])
        np.testing.assert_allclose(one.fields["W"](*at), plain.fields["W"](*at), rtol=0, atol=1e-13)


@pytest.mark.slow
def test_rows_of_verify_hold() -> None:
    for exchange in SIGNS:
        subject = Subject.of(load_spec(declared(exchange)))
        for row in (starts.random_fields, starts.law, starts.mirrored, starts.given_fields, moves.levels):
            row(subject)
        assert "‖W‖² of symmetric random weights, of others" in {finding.name for finding in subject.findings}
        assert [finding.name for finding in subject.findings if finding.passed is False] == []


def test_it_is_stored_and_others_are_stored_as_before() -> None:
    spec = load_spec(declared("symmetric"))
    assert from_dict(to_dict(spec)) == spec and to_dict(spec)["exchange"] == "symmetric"
    assert "exchange" not in str(to_dict(load_spec(declared(None))))
    assert digest(spec) != digest(load_spec(declared("antisymmetric"))) != digest(load_spec(declared(None)))


@pytest.mark.parametrize(
    ("equation", "said"),
    [
        ({"exchange": "skew"}, "antisymmetric"), ({"reach": "1/2"}, "exchange with reach"),
        ({"symmetry": "reflection"}, "exchange with symmetry"), ({"channels": 2}, "exchange with channels"),
    ],
)  # fmt: skip
def test_what_it_does_not_go_with_is_refused(equation: dict[str, Any], said: str) -> None:
    given = declared("symmetric")
    given["equation"] |= equation
    with pytest.raises(SpecError, match=said):
        load_spec(given)


def test_two_bases_are_refused() -> None:
    given = declared("symmetric")
    given["weight"] |= {"width_in": LESS}
    with pytest.raises(DerivationError, match="two bases"):
        Continuum.from_spec(given)
