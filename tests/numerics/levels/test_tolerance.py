"""Refinement to a tolerance: that it is kept, where cells and steps go, that no field changes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from derive.errors import DataError, RepresentationError, TrainingError
from derive.spaces.basis import build
from derive.spaces.transfer import contains
from numerics import Continuum, load, project, refine
from numerics.datasets import records
from numerics.levels.goal import estimate
from numerics.levels.richer import halved, step_ends, with_steps
from numerics.model.units import Units
from numerics.representation import find
from tests.builders import CIRCLE, FUNCTION, NUMBERS, TRANSLATED, manufactured, random_model
from tests.oracles.exact import Manufactured

PROBLEM = Manufactured(3)
HATS = {"family": "hat", "cells": 4}


@pytest.mark.first(2)
@pytest.mark.parametrize(
    ("state", "tolerance"),
    [(HATS, 1e-5), ({"family": "legendre", "size": 3}, 1e-5), ({"family": "p0", "cells": 4}, 1e-3),
     ({"family": "discontinuous", "degree": 1, "cells": 2}, 1e-5), ({"family": "multiwavelet", "cells": 4}, 1e-3),
     ({"family": "bspline", "degree": 2, "cells": 2}, 1e-5), ({"family": "lagrange", "degree": 1, "cells": 2}, 1e-6)],
)  # fmt: skip
def test_the_tolerance_is_kept_and_fields_are_what_they_were(state: dict[str, Any], tolerance: float) -> None:
    own, data = manufactured(PROBLEM, state, "heun", 2)
    fine = refine(own, tolerance=tolerance, records=data)
    true = PROBLEM.loss - fine.loss(fine.prepare(data))
    found = fine.report.rounds[-1].estimate
    assert tolerance / 50 < found.size <= tolerance
    assert abs(true - found.error) <= 0.2 * found.size
    for name, field in own.fields.items():
        for mine, theirs in zip(field.slabs, fine.fields[name].slabs):
            assert np.array_equal(mine.coefficients, theirs.coefficients)


def test_the_level_is_one_like_any_other(tmp_path) -> None:
    own, data = manufactured(PROBLEM, HATS, "heun", 2)
    fine = refine(own, tolerance=1e-4, records=data)
    assert (fine.level, [name for name, _ in fine.base.levels]) == ("refined", ["refined"])
    x = data.samples()
    fine.save(tmp_path / "fine.npz")
    assert np.array_equal(load(tmp_path / "fine.npz")(x), fine(x))
    back = project(fine, "base")
    assert np.max(np.abs(back(x) - own(x))) <= 1e-12
    again = refine(fine, tolerance=1e-5, records=data)
    assert again.level == "refined-2" and again.report.error <= 1e-5
    assert refine(own, tolerance=Fraction(1), records=data).spec.entry == own.spec.entry
    text = str(fine.report)
    assert text.splitlines()[1].split() == ["functions", "steps", "loss", "width", "records", "depth", "error"]
    assert f"{fine.report.error:.3e}" in text
    every_second = fine.loss(fine.prepare(records(PROBLEM.samples[:, ::2], y=PROBLEM.labels)))
    assert fine.report.sampling == pytest.approx(every_second - fine.loss(fine.prepare(data)), rel=1e-9)
    assert len(fine.report.plot().axes) == 4
    seconds = own.replace(units=Units(((0.0, 12.0),)))
    axes = refine(seconds, tolerance=1e-3, records=data).report.plot().axes[0]
    assert axes.get_xlim()[0] > -2 and axes.get_xlim()[1] > 11  # drawn over the user's points


def _layered(depth: list[str]) -> Continuum:
    """A W that is a narrow bump along ξ and ξ′, and strong early."""
    width = {"family": "hat", "breakpoints": ["-1", "5/8", "11/16", "3/4", "1"]}
    declared = {
        **NUMBERS, "state": {"basis": HATS},
        "weight": {"width_out": width, "width_in": width, "depth": {"family": "p0", "breakpoints": depth}},
        "integration": {"tableau": "heun", "steps": 4},
    }  # fmt: skip

    def weight(xi: Any, xi_: Any, delta: Any) -> Any:
        bump, bump_ = (np.maximum(1 - 16 * np.abs(x - 11 / 16), 0) for x in (xi, xi_))
        return bump * bump_ * np.where(delta < 1 / 8, 150.0, 5.0)

    readout = np.arange(3) / 2
    return Continuum.from_fields(declared, W=weight, R=lambda xi: (readout + 0 * xi[..., None])[..., None])


def test_cells_and_steps_go_where_the_error_sits() -> None:
    own = _layered(["0", "1/8", "1"])
    x = np.array([np.cos(np.linspace(-1, 1, 9) * k) for k in (1, 2)])
    data = records(x, y=np.array([0, 2]))
    fine = refine(own, tolerance=1e-4, records=data)
    cells = np.array(fine.spec.entry.cuts((Fraction(-1), Fraction(1))), dtype=float)
    widths = np.diff(cells)
    assert widths[np.searchsorted(cells, 0.6875) - 1] <= 1 / 16 and widths.max() == 0.5
    lengths = np.diff(np.array(step_ends(fine.spec), dtype=float))
    assert lengths[0] < lengths.max() / 4
    way = estimate(own, data).sources[0]
    assert way.indicators.argmax() == 3


# --- moves -------------------------------------------------------------------------------------------------------

FAMILIES = [
    {"family": "legendre", "size": 4}, {"family": "chebyshev", "size": 3}, {"family": "fourier", "size": 5},
    {"family": "p0", "cells": 3}, {"family": "hat", "breakpoints": ["-1", "1/3", "1"]},
    *({"family": f, "degree": 2, "breakpoints": ["-1", "1/3", "1"]} for f in
      ("bspline", "discontinuous", "lagrange", "gauss-legendre", "gauss-lobatto", "hierarchical", "multiwavelet")),
]  # fmt: skip


@pytest.mark.parametrize("declared", FAMILIES, ids=lambda d: d["family"])
def test_richer_spaces_contain_the_old_ones(declared: dict[str, Any]) -> None:
    periodic = {"periodic": True} if declared["family"] == "fourier" else {}
    spec = random_model({**FUNCTION, "equation": {**FUNCTION["equation"], **periodic}, "state": {"basis": declared}})
    basis = spec.spec.entry
    assert find.ways(basis)
    for way in find.ways(basis):
        grown = find.richer(basis, way)
        assert grown.size > basis.size and contains(build(grown), build(basis)), way


def test_the_largest_errors_are_halved_until_theory_is_content() -> None:
    cuts = tuple(map(Fraction, (0, 1, 2, 3)))
    found = halved(cuts, [8.0, 1.0, 0.5], 0.25, 4.0, 2)
    assert found == tuple(map(Fraction, ("0", "1/2", "1", "2", "3")))  # 8 → 2, and 3.5 in all
    found = halved(cuts, [8.0, 1.0, 0.5], 0.25, 2.1, 2)
    assert found == tuple(map(Fraction, ("0", "1/4", "1/2", "3/4", "1", "2", "3")))  # then two of 1 → 1/4
    assert len(halved(cuts, [8.0, 1.0, 0.5], 0.25, 0.0, 2)) == 13


def test_steps_of_any_lengths_are_a_declaration() -> None:
    spec = random_model(FUNCTION).spec
    assert with_steps(spec, [Fraction(k, 4) for k in range(5)]) == replace(spec, steps=4)
    ends = tuple(map(Fraction, ("0", "1/8", "1/2", "1")))
    uneven = with_steps(spec, ends)
    assert step_ends(uneven) == ends and uneven.cuts == ends[1:-1]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [({"tolerance": 1e-3}, DataError, "no records"), ({"tolerance": -1.0}, DataError, "positive"),
     ({"tolerance": "small"}, DataError, "positive"), ({"tolerance": float("nan")}, DataError, "positive"),
     ({"tolerance": 1e-16, "records": 1}, DataError, "rounding"), ({}, RepresentationError, "neither"),
     ({"tolerance": 1e-3, "level": "base"}, RepresentationError, "one of the two"),
     ({"tolerance": 1e-3, "records": 1, "limit": 0}, DataError, "limit"),
     ({"tolerance": 1e-8, "records": 1, "limit": 12}, RepresentationError, "at most 12 functions and steps")],
)  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    own, data = manufactured(PROBLEM, HATS, "heun", 2)
    given = {**given, "records": data} if "records" in given else given
    with pytest.raises(error, match=said):
        refine(own, **given)


def test_records_without_targets_are_refused() -> None:
    own, data = manufactured(PROBLEM, HATS, "heun", 2)
    with pytest.raises(DataError, match="without targets"):
        refine(own, tolerance=1e-3, records=records(data.samples()))


def test_states_that_overflow_are_refused() -> None:
    own = random_model({**NUMBERS, "equation": {"rate": "h**3 + u", "spacing": "1"}})
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="not finite"):
        refine(own, tolerance=1e-3, records=records(np.full((3, 5), 1e120), y=[0, 1, 2]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"integration": {"tableau": "dopri5", "steps": "adaptive"}}, "adaptive steps"),
     ({"state": {"basis": [HATS, {"family": "hat", "cells": 3}]}}, "other bases at other depths"),
     ({"state": {"basis": {"family": "custom", "functions": ["1", "xi", "xi**2"]}}}, "family custom")],
)  # fmt: skip
def test_solvers_that_cannot_be_refined_say_why(changes: dict[str, Any], said: str) -> None:
    model = random_model({**NUMBERS, **changes})
    with pytest.raises(RepresentationError, match=said):
        refine(model, tolerance=1e-3, records=records(np.ones((2, 5)), y=[0, 1]))


def test_symmetries_stay() -> None:
    shift = {**TRANSLATED, "equation": {**CIRCLE["equation"], "symmetry": {"shift": "1/2"}},
             "state": {"basis": {"family": "p0", "cells": 4}}}  # fmt: skip
    t = np.linspace(-1, 1, 16, endpoint=False)
    x = np.array([np.sin(np.pi * t), np.exp(np.cos(np.pi * t))])
    own = random_model(shift)
    fine = refine(own, tolerance=3e-2, records=records(x, y=x**2))
    assert fine.spec.entry.size > 4 and fine.spec.entry.breakpoints is None
    assert np.max(np.abs(fine(np.roll(x, 8, axis=1)) - np.roll(fine(x), 8, axis=1))) <= 1e-12
