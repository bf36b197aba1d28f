"""Moves between levels in orthonormal coordinates, against projections of the fields and against quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numerics.levels.coordinates import Transfer
from numerics.levels.projection import moved
from numerics.model.continuum import Continuum
from tests.builders import EVERY, NUMBERS, declare, random_model

HAT = {"family": "hat", "cells": 3}
WIDER = {"family": "legendre", "size": 5}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "width": (NUMBERS, {"weight": {"width_out": WIDER, "width_in": WIDER}, "bias": {"width": WIDER}}),
    "depth": (NUMBERS, {"weight": {"depth": {"family": "p0", "cells": 2}}}),
    "readout": (NUMBERS, {"readout": {"basis": WIDER}}),
    "not nested": (declare(), {"weight": {"width_out": {"family": "hat", "cells": 3}}, "bias": {"width": HAT}}),
    "a square": (EVERY["square"], {"weight": {"width_in": WIDER}}),
}


def pair(name: str) -> tuple[Continuum, Continuum]:
    """A random model on a base, and on the other level."""
    declared, level = CASES[name]
    model = random_model({**declared, "levels": {"other": level}})
    return model, moved(model, "other")


@pytest.mark.parametrize("name", CASES)
def test_coordinates_are_those_of_the_projected_fields(name: str) -> None:
    old, new = pair(name)
    transfer = Transfer.between(old, new)
    assert np.allclose(transfer(old.coordinates), new.coordinates, rtol=0, atol=1e-13)
    generator = np.random.default_rng(1)
    v, w = generator.standard_normal(old.size), generator.standard_normal(new.size)
    assert transfer(v) @ w == pytest.approx(v @ transfer.back(w), abs=1e-12)  # the adjoint in L2
    again = Transfer.between(new, old)(w)
    assert np.allclose(transfer.back(w), again, rtol=0, atol=1e-12)  # which is the projection the other way


@pytest.mark.parametrize("name", ["width", "depth", "not nested"])
def test_variances_are_those_of_independent_coordinates(name: str) -> None:
    """Var Σ T_ij z_j = Σ T_ij² Var z_j, with T written out column by column."""
    old, new = pair(name)
    transfer = Transfer.between(old, new)
    table = np.column_stack([transfer(unit) for unit in np.eye(old.size)])
    variances = np.random.default_rng(0).uniform(0, 2, old.size)
    assert np.allclose(transfer.of_squares(variances), table**2 @ variances, rtol=0, atol=1e-13)
    assert (transfer.of_squares(variances) >= 0).all()


@pytest.mark.parametrize("name", ["width", "depth", "readout", "a square"])
def test_factors_are_those_of_the_prolonged_gradients(name: str) -> None:
    """Σ G₍ₐ₎ G₍ₐ₎ᵀ of every slab's axes, before and after; a number for an axis as a whole stays one."""
    old, new = pair(name)
    transfer = Transfer.between(old, new)
    gradient = np.random.default_rng(2).standard_normal(old.size)

    def factors(model: Continuum, vector: np.ndarray) -> Any:
        arrays = [own for block in model.blocks for own in block.arrays(vector)]
        rows = [[np.moveaxis(own, axis, 0).reshape(own.shape[axis], -1) for axis in range(own.ndim)] for own in arrays]
        return tuple(tuple(each @ each.T for each in own) for own in rows)

    given = factors(old, gradient)
    found, expected = transfer.of_factors(given), factors(new, transfer(gradient))
    for own, other in zip(found, expected, strict=True):
        for left, right in zip(own, other, strict=True):
            np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * np.trace(right))
    whole = tuple(tuple(np.trace(factor).reshape(1, 1) for factor in own) for own in given)
    sizes = {len(factor) for own in transfer.of_factors(whole) for factor in own}
    assert name == "depth" or sizes == {1}  # of one element there is no other factor than a number


def test_cells_cut_in_two_halve_the_variance() -> None:
    old, new = pair("depth")
    transfer = Transfer.between(old, new)
    w = old.fields["W"].slabs[0].coefficients.size
    moment = transfer.of_squares(np.ones(old.size))
    assert np.allclose(moment[: 2 * w], 0.5) and np.allclose(moment[2 * w :], 1.0)
