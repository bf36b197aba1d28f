"""Moving between levels: what must not change, and what the reports say."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import RepresentationError
from numerics import Continuum, fit, project, refine
from numerics.datasets import records
from numerics.levels.distances import distance


def cells(n: int) -> dict:
    return {"family": "p0", "cells": n}


def legendre(n: int) -> dict:
    return {"family": "legendre", "size": n}


LADDER = {
    "name": "ladder",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": legendre(8)},
    "weight": {"width_out": legendre(6), "width_in": legendre(6), "depth": cells(2)},
    "bias": {"width": legendre(6), "depth": cells(2)},
    "integration": {"tableau": "heun", "steps": 4},
    "readout": {"outputs": 3, "basis": legendre(5)},
    "loss": {"kind": "cross-entropy", "penalty": {"W": "1/100"}},
    "levels": {
        "fine": {"weight": {"depth": cells(4)}, "bias": {"depth": cells(4)}},
        "wide": {"weight": {"width_out": legendre(8), "width_in": legendre(7)}},
        "finer": {"weight": {"depth": cells(4)}, "integration": {"steps": 8}},
        "small": {"weight": {"width_out": legendre(4), "width_in": legendre(4)}, "bias": {"depth": cells(1)}},
        "hats": {"weight": {"width_out": {"family": "hat", "cells": 5}, "width_in": {"family": "hat", "cells": 5}}},
    },
}


def model(seed: int = 0, **changes: object) -> Continuum:
    start = Continuum.from_spec(load_spec(copy.deepcopy(LADDER | changes)), seed=seed)
    generator = np.random.default_rng(seed)
    return start.with_coordinates(0.5 * generator.standard_normal(start.size))


def data(count: int = 12):
    generator = np.random.default_rng(9)
    return records(generator.standard_normal((count, 15)), y=generator.integers(0, 3, count))


@pytest.mark.first(1)
@pytest.mark.parametrize("level", ["fine", "wide"])
def test_a_prolongation_with_the_solver_kept_leaves_outputs_alone(level: str) -> None:
    coarse, x = model(), data().samples()
    fine = refine(coarse, level)
    assert fine.size > coarse.size
    assert np.max(np.abs(fine(x) - coarse(x))) <= 1e-12 * np.max(np.abs(coarse(x)))
    assert fine.report.outputs_fields <= 1e-12 and fine.report.outputs_solver == 0
    back = project(fine, "base")
    assert np.max(np.abs(back.coordinates - coarse.coordinates)) <= 1e-12


def test_other_steps_move_the_output_by_the_solver_part_alone() -> None:
    moved = refine(model(), "finer", records=data())
    report = moved.report
    assert abs(report.fields_part) <= 1e-12
    assert report.solver_part != 0 and report.outputs_solver > 1e-6
    assert report.loss_after - report.loss_before == pytest.approx(report.fields_part + report.solver_part, abs=1e-14)


@pytest.mark.parametrize("level", ["small", "hats"])
def test_a_projection_is_the_nearest_field(level: str) -> None:
    """No small change of the projection comes nearer, and the distance is the one that values give."""
    old = model()
    new = project(old, level)
    best = distance(old.fields["W"], new.fields["W"])
    generator = np.random.default_rng(1)
    for _ in range(5):
        other = new.with_coordinates(new.coordinates + 1e-3 * generator.standard_normal(new.size))
        assert distance(old.fields["W"], other.fields["W"]) > best
    x, w = np.polynomial.legendre.leggauss(40)
    left = np.linspace(-1, 1, 6)[:-1, None]
    points = (left + 0.4 * (x + 1) / 2).ravel()
    weights = np.tile(w / 5, 5)
    depths = np.array([0.25, 0.75])
    grid = np.ix_(points, points, depths)
    gap = old.fields["W"](*grid) - new.fields["W"](*grid)
    assert best == pytest.approx(np.sqrt(np.einsum("ijk,i,j->", gap**2, weights, weights) / 2), rel=1e-10)


def test_refusing_to_lose_fields() -> None:
    with pytest.raises(RepresentationError, match="use `project`"):
        refine(model(), "small")
    with pytest.raises(RepresentationError, match="fine, wide"):
        project(model(), "larger")


def test_depth_elements_that_move_the_steps_are_a_change_of_solver() -> None:
    """Steps are shared by the depth elements: uneven elements move them, though no field changes."""
    uneven = {"family": "p0", "breakpoints": ["0", "1/4", "1"]}
    old = model(levels={"moved": {"bias": {"depth": uneven}}}, bias={"width": legendre(6), "depth": cells(1)},
                weight={"width_out": legendre(6), "width_in": legendre(6), "depth": cells(1)})  # fmt: skip
    report = project(old, "moved", records=data()).report
    assert max(report.distance.values()) <= 1e-12
    assert report.loss_after != report.loss_before
    assert report.fields_part is None and report.attribution is None and report.outputs_fields is None


@pytest.mark.slow
def test_probes_suit_every_interpolant() -> None:
    fourier = {"family": "fourier", "size": 5}
    weight = {"width_out": fourier, "width_in": fourier, "depth": cells(2)}
    equation = {"rate": "residual", "activation": "tanh", "spacing": "1/2", "periodic": True}
    for interpolant in ("linear", "constant", "least-squares"):
        old = model(equation=equation, input={"interpolant": interpolant}, state={"basis": fourier}, weight=weight,
                    levels={"fine": {"weight": {"depth": cells(4)}}})  # fmt: skip
        assert refine(old, "fine").report.outputs_fields <= 1e-12


def test_the_report_reads_as_a_table() -> None:
    shown = str(project(model(), "small", records=data()).report)
    for words in ("base → small", "‖W − PW‖", "change by fields", "defect", "change by solver"):
        assert words in shown


def test_a_lift_that_is_constant_on_one_level_varies_on_another() -> None:
    """Refined, outputs stay; projected back, it is its mean over ξ, a distance of (∫ |P − mean|² dξ)^½ away."""
    lifted = {"equation": {**LADDER["equation"], "channels": 3}, "lift": {"inputs": 2}}  # type: ignore[dict-item]
    constant = model(**lifted, levels={"varying": {"lift": {"width": {"family": "hat", "cells": 2}}}})
    x = np.random.default_rng(1).standard_normal((4, 9, 2))
    varying = refine(constant, "varying")
    np.testing.assert_allclose(varying(x), constant(x), rtol=1e-13, atol=1e-13)
    moved = varying.with_coordinates(varying.coordinates + np.random.default_rng(2).standard_normal(varying.size))
    back = project(moved, "base")
    nodes, weights = np.polynomial.legendre.leggauss(2)
    at = np.concatenate([(nodes - 1) / 2, (nodes + 1) / 2])  # the two cells of the hats
    values = np.stack([moved.fields["P"](point) for point in at])
    mean = np.tensordot(np.tile(weights, 2) / 4, values, 1)
    np.testing.assert_allclose(back.fields["P"].slabs[0].coefficients, mean, rtol=1e-13)
    lost = np.sqrt(np.sum(np.tensordot(np.tile(weights, 2) / 2, (values - mean) ** 2, 1)))
    assert back.report is not None
    np.testing.assert_allclose(back.report.distance["P"], lost, rtol=1e-12)
    with pytest.raises(RepresentationError, match="would change the field P"):
        refine(moved, "base")


def test_changes_of_outputs_do_not_depend_on_the_units_of_targets() -> None:
    """Targets as they are, and times 3 plus a million: the same relative change."""
    plain = model(readout={**LADDER["readout"], "scale": "standard"}, loss={"kind": "l2"})  # type: ignore[dict-item]
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((9, 15)), generator.standard_normal((9, 3))
    found = []
    for targets in (y, 3 * y + 1e6):
        trained = fit(plain, x, targets, epochs=1, optimiser="gradient-descent", learning_rate=0.01)
        report = project(trained, "small", x=x, y=targets).report
        assert report is not None
        found.append(report.outputs_fields)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-7)
