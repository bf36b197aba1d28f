"""Where a loss's change sits (17): parts that add up, a defect of the rule's order, and places that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.errors import DataError
from numerics import Continuum, project
from numerics.datasets import records
from numerics.levels import stages
from numerics.levels.attribution import between
from numerics.model.prepared import Prepared
from numerics.model.units import Units
from tests.builders import EVERY, NUMBERS, ONCE, TRANSLATED, random_model

TWICE, HATS = {"family": "p0", "cells": 2}, {"family": "hat", "cells": 4}
REFLECTED = {**NUMBERS, "equation": {**NUMBERS["equation"], "symmetry": "reflection"}}
PENALISED = {**NUMBERS, "loss": {"kind": "cross-entropy", "penalty": {"W": "1/10", "R": {"H1": "1/10"}}}}
ON_CIRCLES = {**TRANSLATED, "bias": {"width": ONCE, "depth": ONCE}}
DEEP = {
    **NUMBERS, "weight": {"width_out": HATS, "width_in": HATS, "depth": TWICE}, "bias": {"width": HATS, "depth": TWICE},
    "integration": {"tableau": "heun", "steps": 4},
}  # fmt: skip


def problem(declared: dict[str, Any], count: int = 4) -> tuple[Continuum, Prepared]:
    model = random_model(declared, 1)
    spec, generator = model.spec, np.random.default_rng(2)
    x = generator.standard_normal((count, *[7] * spec.dimension, spec.record_channels))
    if not spec.functional:
        return model, model.prepare(records(x, y=model(records(x)) + 1))
    y = np.arange(count) % 2 if spec.loss == "cross-entropy" else generator.standard_normal((count, spec.outputs))
    return model, model.prepare(records(x, y=y))


def direction(model: Continuum, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal(model.size)
    return found / np.linalg.norm(found)


@pytest.mark.parametrize("points", [1, 2, 3])
@pytest.mark.parametrize("way", [between, stages.between], ids=["by coefficients", "at the stages"])
def test_the_defect_falls_as_the_rule_s_order(points: int, way: Any) -> None:
    """Along a direction of length t the defect of n Gauss points is of order t^(2n + 1)."""
    model, prepared = problem(PENALISED)
    sizes = np.geomspace(0.03, 0.3, 5) if points < 3 else np.geomspace(0.1, 0.5, 5)
    defects = []
    for t in sizes:
        other = model.with_coordinates(model.coordinates + t * direction(model, 5))
        found = way(model, other.fields if way is between else other, prepared, points=points)
        assert found.change == pytest.approx(other.loss(prepared) - model.loss(prepared), abs=1e-14)
        assert found.total == pytest.approx(sum(share.total for share in found.shares.values()))
        defects.append(abs(found.defect))
    slope = np.polyfit(np.log(sizes), np.log(defects), 1)[0]
    assert abs(slope - (2 * points + 1)) < 0.5


@pytest.mark.parametrize("name", ["numbers", "maxima", "shares", "varying lift", "square", "reflected", "translated"])
def test_parts_along_every_axis_and_of_coefficients_add_up(name: str) -> None:
    model, prepared = problem({**EVERY, "reflected": REFLECTED, "translated": ON_CIRCLES}[name])
    other = model.with_coordinates(model.coordinates + 0.3 * direction(model))
    found = between(model, other.fields, prepared)
    assert abs(found.defect) <= 1e-6 * abs(found.change)
    for field, share in found.shares.items():
        assert set(share.along) == set(model.fields[field].axes)
        for edges, parts in share.along.values():
            assert len(edges) == len(parts) + 1 and np.all(np.diff(edges) > 0)
            assert parts.sum() == pytest.approx(share.total, abs=1e-13)
        assert sum(part.sum() for part in share.coefficients) == pytest.approx(share.total, abs=1e-13)
        assert [part.shape for part in share.coefficients] == [s.coefficients.shape for s in model.fields[field].slabs]


@pytest.mark.parametrize("way", [between, stages.between], ids=["by coefficients", "at the stages"])
def test_a_change_in_one_place_is_found_there(way: Any) -> None:
    """A change of W and b on the second depth element, near ξ = 1, has its parts there."""
    model, prepared = problem(DEEP)
    w, b = (model.fields[name].slabs[0].coefficients.copy() for name in ("W", "b"))
    w[4, :, 1], b[4, 1] = w[4, :, 1] + 0.3, b[4, 1] - 0.5
    changed = {"W": w, "b": b}
    fields = {name: f.with_coefficients([changed[name]]) if name in changed else f for name, f in model.fields.items()}
    found = way(model, fields if way is between else model.replace(fields=fields), prepared)
    for name in ("W", "b"):
        share = found.shares[name]
        _, along_depth = share.along["delta"]
        assert abs(along_depth[0]) <= 1e-14 < abs(along_depth[1])
        edges, along_width = share.along["xi"]
        assert np.max(np.abs(along_width[edges[:-1] < 0.4])) <= 1e-14 < np.max(np.abs(along_width))
    assert found.shares["R"].total == 0


def test_cells_are_integrals_of_gradient_times_change() -> None:
    """∫ g d over the cells of ξ′ and δ by sums over many points, with one Gauss point."""
    model, prepared = problem(DEEP)
    other = model.with_coordinates(model.coordinates + 0.1 * direction(model))
    found = between(model, other.fields, prepared, points=1)
    middle = model.with_coordinates(model.coordinates + 0.05 * direction(model))
    _, gradient = middle.coefficient_gradient(prepared)
    (slab,) = model.fields["W"].slabs
    riesz = model.fields["W"].with_coefficients([slab.riesz(gradient["W"][0])])
    x = (np.arange(400) + 0.5) / 200 - 1
    points = x[:, None, None], x[None, :, None], np.array([0.25, 0.75])
    change = (other.fields["W"](*points) - model.fields["W"](*points))
    product = riesz(*points) * change * 0.005**2 / 2
    edges, parts = found.shares["W"].along["xi_"]
    assert np.allclose(edges, np.linspace(-1, 1, 5))
    assert np.allclose(parts, product.sum(axis=(0, 2)).reshape(4, 100).sum(axis=1), atol=1e-3 * np.abs(parts).max())
    assert np.allclose(found.shares["W"].along["delta"][1], product.sum(axis=(0, 1)), atol=1e-3 * np.abs(parts).max())


def test_reports_say_the_change_its_parts_and_their_defect() -> None:
    smaller = {"weight": {"width_out": {"family": "legendre", "size": 2}}}
    other = {"weight": {"width_out": {"family": "hat", "size": 3}}}
    model = random_model({**NUMBERS, "levels": {"small": smaller, "hats": other}})
    x, y = np.random.default_rng(0).standard_normal((9, 7)), np.arange(9) % 3
    for level, rule in (("small", "3 Gauss points"), ("hats", "3 Gauss points, at the stages")):
        report = project(model, level, x, y).report
        found = report.attribution
        assert found.rule == rule and set(found.shares) == set(model.fields)
        assert found.change == pytest.approx(report.fields_part, abs=1e-15)
        assert abs(found.defect) < 1e-2 * abs(found.change)
        for text in (str(report), report._repr_html_()):
            assert "defect" in text and f"W {found.shares['W'].total:.3e}" in text
        assert "predicted" not in str(report)
        facts = found.to_dict()
        own = facts["shares"]["W"]
        assert own["total"] == found.shares["W"].total and len(own["xi"]["parts"]) == 8
        picture = report.plot()
        assert [axes.get_xlabel() for axes in picture.axes[1:]] == ["ξ", *["ξ′"] * (level == "small"), "δ"]
    seconds = model.replace(units=Units(((0.0, 12.0),)))
    axes = project(seconds, "small", x, y).report.plot().axes[1]
    assert axes.get_xlim()[0] > -2 and axes.get_xlim()[1] > 11  # drawn over the user's points
    with pytest.raises(DataError, match="without an attribution"):
        _ = project(model, "small").report.plot()
