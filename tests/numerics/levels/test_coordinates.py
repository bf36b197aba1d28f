"""Moves between levels in orthonormal coordinates, against projections of the fields and against quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import RepresentationError
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


def test_cells_cut_in_two_halve_the_variance() -> None:
    old, new = pair("depth")
    transfer = Transfer.between(old, new)
    w = old.fields["W"].slabs[0].coefficients.size
    moment = transfer.of_squares(np.ones(old.size))
    assert np.allclose(moment[: 2 * w], 0.5) and np.allclose(moment[2 * w :], 1.0)


def test_levels_with_other_slabs_are_refused() -> None:
    slabs = [{"width_out": HAT, "width_in": HAT}] * 2
    spec = load_spec(declare())
    assert spec.slabs and slabs
    with pytest.raises(RepresentationError):
        moved(Continuum.from_spec(spec), "nowhere")
