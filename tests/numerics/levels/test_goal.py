"""The estimated error of a loss beside the true one, from a solution that no basis and no step has touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import DataError
from derive.spec import Spec
from numerics.datasets import Records, records
from numerics.levels.goal import Estimate, estimate, on
from numerics.levels.richer import with_state
from numerics.model.continuum import Continuum
from numerics.model.units import Scale
from numerics.representation import find
from tests.builders import CIRCLE, EVERY, manufactured, random_model
from tests.oracles.exact import Manufactured

STATES: dict[str, dict[str, Any]] = {
    "legendre": {"family": "legendre", "size": 4},
    "chebyshev": {"family": "chebyshev", "size": 4},
    "p0": {"family": "p0", "cells": 8},
    "uneven p0": {"family": "p0", "breakpoints": ["-1", "-1/2", "-1/3", "0", "1/4", "3/4", "1"]},
    "hat": {"family": "hat", "cells": 4},
    "bspline": {"family": "bspline", "degree": 2, "cells": 2},
    "discontinuous": {"family": "discontinuous", "degree": 1, "cells": 3},
    "lagrange": {"family": "lagrange", "degree": 2, "cells": 2},
    "gauss-legendre": {"family": "gauss-legendre", "degree": 1, "cells": 3},
    "gauss-lobatto": {"family": "gauss-lobatto", "degree": 2, "cells": 2},
    "hierarchical": {"family": "hierarchical", "degree": 2, "cells": 2},
    "multiwavelet": {"family": "multiwavelet", "degree": 1, "cells": 2},
}


PROBLEM = Manufactured(3)


def effectivity(problem: Manufactured, state: dict[str, Any], tableau: str, steps: int) -> tuple[Estimate, float]:
    """The estimate, and the true error."""
    own, data = manufactured(problem, state, tableau, steps)
    return estimate(own, data), problem.loss - own.loss(own.prepare(data))


@pytest.mark.first(4)
@pytest.mark.parametrize("state", STATES)
def test_the_error_by_the_state(state: str) -> None:
    found, true = effectivity(PROBLEM, STATES[state], "rk4", 8)
    assert 0.6 <= found.error / true <= 1.4


@pytest.mark.first(3)
@pytest.mark.parametrize(
    ("tableau", "steps"),
    [("euler", 2), ("euler", 16), ("heun", 4), ("implicit-midpoint", 2), ("midpoint", 2), ("kutta3", 1), ("rk4", 1),
     ("backward-euler", 2), ("gauss4", 1)],
)  # fmt: skip
def test_the_error_by_the_steps(tableau: str, steps: int) -> None:
    found, true = effectivity(PROBLEM, {"family": "legendre", "size": 16}, tableau, steps)
    assert 0.6 <= found.error / true <= 1.4


@pytest.mark.slow
@given(st.integers(0, 10**6), st.sampled_from([("hat", "heun", 4), ("p0", "euler", 8), ("discontinuous", "heun", 2)]))
def test_the_error_of_random_problems(seed: int, solver: tuple[str, str, int]) -> None:
    """Where the errors by state and steps all but cancel, what is left of them is as uncertain as they are."""
    state, tableau, steps = solver
    found, true = effectivity(Manufactured(seed), STATES[state], tableau, steps)
    assert abs(found.error - true) <= found.size / 4
    assert found.size >= abs(true) / 2
    assert abs(true) < found.size / 2 or 0.5 <= found.error / true <= 2


def _true(own: Continuum, given: Records) -> float:
    """The change of the loss on a much finer solver."""
    spec = replace(own.spec, steps=16 * own.spec.steps, levels=())
    for axis in range(spec.dimension):
        for _ in range(4 - spec.dimension):
            basis = spec.entry.along(axis)
            spec = with_state(spec, axis, find.richer(basis, find.ways(basis)[0]))
    finer = on(own, spec)
    return finer.loss(finer.prepare(given)) - own.loss(own.prepare(given))


def _records(spec: Spec) -> Records:
    t = np.linspace(-1, 1, 12, endpoint=not any(spec.periodic))
    x = np.array([[np.sin(np.pi * t + k + c) for c in range(spec.record_channels)] for k in range(3)])
    x = np.moveaxis(x, 1, 2)
    if spec.dimension == 2:
        x = x[:, :, None] * (1 + 0.3 * t[:, None])
    if spec.functional:
        return records(x, y=np.arange(3))
    return records(x, y=np.ones((*x.shape[:-1], spec.output_channels)) * np.linspace(0.5, 1, 12)[:, None])


@pytest.mark.first(4)
@pytest.mark.parametrize("kind", [*EVERY, "circle"])
def test_every_kind_of_model(kind: str) -> None:
    own = random_model({**EVERY, "circle": CIRCLE}[kind], scale=0.3)
    given = _records(own.spec)
    found = estimate(own, given)
    for way in found.ways:
        parts = way.change.parts.sum(), way.change.readout
        assert abs(sum(parts) - way.change.difference) <= 5e-3 * np.abs(parts).sum()
    true = _true(own, given)
    assert abs(found.error - true) <= 0.4 * max(abs(true), found.size / 4)


@pytest.mark.parametrize("weights", [[1.0, -2.0], np.arange(8.0).reshape(4, 2)], ids=["all alike", "of each"])
def test_other_functionals(weights: Any) -> None:
    own, data = manufactured(PROBLEM, STATES["hat"], "heun", 2)
    x = data.samples()
    found = estimate(own, records(x), functional=weights)
    goals = [float(np.mean(np.sum(np.asarray(weights) * z, axis=1))) for z in (own(x), PROBLEM.outputs)]
    assert found.goal == pytest.approx(goals[0], rel=1e-12)
    assert abs(found.error - (goals[1] - goals[0])) <= found.size / 10
    for wrong in ([1.0], np.ones((3, 2)), [np.nan, 1.0]):
        with pytest.raises(DataError):
            estimate(own, data, functional=wrong)
    with pytest.raises(DataError, match="gives functions"):
        estimate(random_model(CIRCLE), _records(random_model(CIRCLE).spec), functional=[1.0])


def test_functionals_are_of_numbers_in_the_users_units() -> None:
    own, data = manufactured(PROBLEM, STATES["hat"], "heun", 2)
    plain = estimate(own, records(data.samples()), functional=[1.0, -2.0])
    scale = Scale((5.0, 7.0), (10.0, 10.0), (0.0, 0.0), (1.0, 1.0))
    scaled = own.replace(units=replace(own.units, targets=scale))
    found = estimate(scaled, records(data.samples()), functional=[1.0, -2.0])
    assert found.goal == pytest.approx(float(np.mean(scaled(data.samples()) @ [1.0, -2.0])), rel=1e-12)
    assert found.goal == pytest.approx(10 * plain.goal + 5 - 14) and found.error == pytest.approx(10 * plain.error)


def test_kernels_in_float32_have_the_same_estimate() -> None:
    """Differences of solvers are small: they are computed in float64."""
    own, data = manufactured(PROBLEM, STATES["hat"], "heun", 4)
    single = on(own, replace(own.spec, precision="float32"))
    assert estimate(single, data).error == pytest.approx(estimate(own, data).error, rel=1e-9)


def test_parts_are_of_third_order_as_good_as_the_difference() -> None:
    """The linearisation leaves out what is cubic in the solvers' difference: a halved rate, an eighth of the defect."""
    defects = []
    for share in (1.0, 0.5):
        own, data = manufactured(PROBLEM, STATES["p0"], "euler", 1)
        own = own.with_coordinates(own.coordinates * share)
        way = estimate(own, data).sources[None]
        defects.append(abs(way.change.parts.sum() - way.change.difference))
    assert 0 < defects[1] <= defects[0] / 6
