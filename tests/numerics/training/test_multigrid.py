"""Cycles over levels: first-order correction, stationary points, Newton's direction, contraction, work, resuming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import TrainingError
from derive.spec import Training
from numerics import datasets
from numerics.functions.field import Block
from numerics.levels.coordinates import Transfer
from numerics.levels.projection import moved
from numerics.model import checkpoint
from numerics.model.continuum import Continuum
from numerics.training import multigrid, optimisers
from numerics.training.ladder import Ladder
from numerics.training.multigrid import Same
from numerics.training.run import fit
from tests.builders import bumps, plain

Array = np.ndarray
SMALL = {"family": "legendre", "size": 2}
SPEC: dict[str, Any] = {
    "name": "cycled",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/4"},
    "state": {"basis": {"family": "legendre", "size": 4}},
    "weight": {"width_out": SMALL, "width_in": SMALL, "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": SMALL, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "euler", "steps": 2},
    "readout": {"outputs": 2, "basis": SMALL},
    "loss": {"kind": "cross-entropy", "penalty": {"W": "1/100"}},
    "training": {"optimiser": "adam", "epochs": 30, "learning_rate": 0.05, "strategy": "v-cycle"},
    "levels": {
        "deep": {"weight": {"depth": {"family": "p0", "cells": 2}}, "integration": {"steps": 4}},
        "wide": {
            "weight": {
                "width_out": {"family": "legendre", "size": 4}, "width_in": {"family": "legendre", "size": 3},
                "depth": {"family": "p0", "cells": 4},
            },
            "integration": {"steps": 8},
        },
    },
}


@pytest.fixture(scope="module", autouse=True)
def in_python():
    with plain():
        yield


@pytest.fixture(scope="module")
def model() -> Continuum:
    return Continuum.from_spec(load_spec(SPEC), seed=1)


@pytest.fixture(scope="module")
def data() -> Any:
    found = bumps(14)
    return datasets.records(found["x"], y=found["y"])


def test_the_coarse_gradient_at_the_start_is_the_projected_fine_one(model: Continuum, data: Any) -> None:
    """In depth with another solver, then in depth and width at once; the fine gradient's inner products are its own."""
    generator = np.random.default_rng(0)
    for level, coarser in (("deep", "base"), ("wide", "deep")):
        fine = moved(model, level)
        fine = fine.with_coordinates(fine.coordinates + 0.3 * generator.standard_normal(fine.size))
        coarse = moved(fine, coarser)
        up = Transfer.between(coarse, fine)
        records = coarse.prepare(data), fine.prepare(data)
        _, gradient = fine.objective(records[1])
        first = up.back(fine.coordinates)
        below = multigrid.corrected(lambda w, c=coarse, r=records[0]: c.objective(r, w), first, up.back(gradient))
        _, found = below(first)
        units = np.eye(len(first))[:: max(1, len(first) // 7)]
        for unit in units:
            assert found @ unit == pytest.approx(gradient @ up(unit), abs=1e-13)
        away = first + 0.1 * generator.standard_normal(len(first))
        (value, slope), h = below(away), 1e-6  # and it is the gradient of what it says
        way = generator.standard_normal(len(first))
        ends = [below(away + t * way)[0] for t in (h, -h)]
        assert slope @ way == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5) and np.isfinite(value)


# --- on quadratics, whose levels are subspaces --------------------------------------------------------------


class Inclusion:
    """The first coordinates of more."""

    def __init__(self, few: int, many: int) -> None:
        self.table = np.eye(many)[:, :few]

    def __call__(self, vector: Array) -> Array:
        return self.table @ vector

    of_squares = __call__

    @property
    def back(self) -> Any:
        found = Inclusion(1, 1)
        found.table = self.table.T
        return found


@dataclass(frozen=True)
class Newton:
    """The exact solution of a quadratic problem, as an optimiser."""

    matrix: Array

    def step(self, objective: Any, vector: Array) -> Any:
        value, gradient = objective(vector)
        return self, vector - np.linalg.solve(self.matrix, gradient), optimisers.Info(value, 0.0, 1.0, 1, "solved")

    def moved(self, move: Any, plan: Any) -> Newton:
        return self

    def to_arrays(self) -> dict[str, Array]:
        return {}

    def from_arrays(self, arrays: Mapping[str, Array]) -> Newton:
        return self


@dataclass(frozen=True)
class Still(Newton):
    """An optimiser that does nothing."""

    def step(self, objective: Any, vector: Array) -> Any:
        return self, vector, optimisers.Info(objective(vector)[0], 0.0, 0.0, 1)


def bowl(size: int, seed: int = 0) -> tuple[Array, Array, Any]:
    generator = np.random.default_rng(seed)
    root = generator.standard_normal((size, size))
    matrix, centre = root @ root.T + np.eye(size), generator.standard_normal(size)
    return matrix, centre, lambda x: (0.5 * float((x - centre) @ matrix @ (x - centre)), matrix @ (x - centre))


def cycle_of(kind: str, states: list[Any], moves: list[Any]) -> multigrid.Cycle:
    plan = optimisers.Plan((Block("W", slice(0, 1), ((1,),)),), 1, Training())
    return multigrid.Cycle(kind, tuple(moves), (plan,) * len(states), tuple(states), (100.0,) * len(moves))


@pytest.mark.parametrize("kind", ["v-cycle", "w-cycle", "f-cycle"])
def test_an_exact_coarse_model_gives_newtons_step(kind: str) -> None:
    """L_c with L's curvature and another slope: τ corrects it. Three levels that are all the same space."""
    matrix, centre, objective = bowl(6)

    def other(x: Array) -> tuple[float, Array]:
        return 7 + 0.5 * float(x @ matrix @ x), matrix @ x

    cycle = cycle_of(kind, [Newton(matrix), Still(matrix), Still(matrix)], [Whole(), Whole()])
    x = np.ones(6)
    _, found, info = cycle.step([other, other, objective], x)
    assert np.allclose(found - x, -np.linalg.solve(matrix, objective(x)[1]), rtol=0, atol=1e-12)
    assert np.allclose(found, centre, rtol=0, atol=1e-12) and info.value == objective(x)[0]


class Whole(Same):
    back = Same()


@pytest.mark.parametrize("kind", ["v-cycle", "w-cycle", "f-cycle"])
def test_a_stationary_point_stays(kind: str) -> None:
    """Whatever a coarse level would do by itself."""
    _, centre, objective = bowl(8)
    coarse = [bowl(2, 1)[2], bowl(4, 2)[2]]
    options = Training(optimiser="gradient-descent", learning_rate=0.01)
    plans = [optimisers.Plan((Block("W", slice(0, n), ((n,),)),), 1, options) for n in (2, 4, 8)]
    cycle = multigrid.start(kind, [Inclusion(2, 4), Inclusion(4, 8)], plans)
    _, found, info = cycle.step([*coarse, objective], centre)
    assert np.array_equal(found, centre) and info.length == 0 and info.stop
    cycle, found, _ = cycle.step([*coarse, objective], centre + 0.1)
    assert objective(found)[0] < objective(centre + 0.1)[0]


def test_a_correction_that_would_raise_the_loss_is_shortened_or_left_out() -> None:
    """A coarse model a hundred times too flat goes much too far; one that points uphill is not followed."""
    matrix, _, objective = bowl(4)
    for factor in (0.01, 1.0, -1.0):
        cycle = cycle_of("v-cycle", [Newton(factor * matrix), Still(matrix)], [Whole()])
        x = np.ones(4)
        _, found, _ = cycle.step([objective, objective], x)
        assert objective(found)[0] < objective(x)[0] if factor > 0 else np.array_equal(found, x)


def test_how_often_levels_are_visited() -> None:
    """Written out: V comes once; W twice from each; F = F then V, of four levels 4, 3, 2, 1."""
    assert multigrid.visits("v-cycle", 4) == [1, 1, 1, 1]
    assert multigrid.visits("w-cycle", 4) == [8, 4, 2, 1]
    assert multigrid.visits("f-cycle", 4) == [4, 3, 2, 1]


# --- on continua --------------------------------------------------------------------------------------------


def linear(cells: int) -> dict[str, Any]:
    """y = x + ∫ W x + b, whose loss is a quadratic function of W and b; W on cells, four on the coarse level."""
    def fields(n: int) -> dict[str, Any]:
        own, once = {"family": "p0", "cells": n}, {"family": "p0", "cells": 1}
        return {"weight": {"width_out": own, "width_in": own, "depth": once}, "bias": {"width": own, "depth": once}}

    return {
        "name": "linear", "equation": {"rate": "u", "spacing": "1"}, "state": {"basis": {"family": "p0", "cells": 16}},
        **fields(4), "integration": {"tableau": "euler", "steps": 1}, "loss": {"kind": "l2"},
        "levels": {"fine": fields(cells)},
        "training": {"optimiser": "gradient-descent", "learning_rate": 0.4, "strategy": "v-cycle"},
    }  # fmt: skip


def test_the_contraction_of_a_linear_problem_does_not_depend_on_the_mesh() -> None:
    """The excess of the loss over its minimum, by lstsq, falls alike cycle by cycle on 8 and on 16 cells."""
    xi = np.linspace(-1, 1, 33)
    x = np.stack([np.cos(k * np.pi / 2 * (xi - c)) for k, c in enumerate((0.3, -0.2, 0.5))])
    kernel = np.exp(-(np.subtract.outer(xi, xi) ** 2))
    data = datasets.records(x, y=x + x @ kernel.T * (xi[1] - xi[0]) + 0.2 * xi**2)
    rates = []
    for cells in (8, 16):
        model = moved(Continuum.from_spec(load_spec(linear(cells)), seed=0), "fine")
        prepared = model.prepare(data)
        start, gradient = model.objective(prepared, np.zeros(model.size))
        hessian = np.column_stack([model.objective(prepared, unit)[1] - gradient for unit in np.eye(model.size)])
        best = start + 0.5 * gradient @ np.linalg.lstsq(hessian, -gradient, rcond=1e-12)[0]
        excess = np.array([row["loss"] - best for row in fit(model, data, epochs=60).history])
        rates.append(excess[1:4] / excess[:3])
    assert np.allclose(rates[0], rates[1], rtol=0.05) and (rates[0] < 0.4).all()


RUNS = [
    {"batch": 6, "validation": 0.2, "epochs": 16}, {"optimiser": "lbfgs", "strategy": "w-cycle", "epochs": 80},
    {"optimiser": "kronecker", "epochs": 16},
]  # fmt: skip


@pytest.mark.first(1)
@pytest.mark.parametrize("options", RUNS)
def test_a_run_of_cycles_trains_within_its_work_and_goes_on_with_the_same_bits(
    model: Continuum, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    expected = fit(model, data, **options)
    ladder = Ladder.of(model, data, options, None)
    assert expected.level == "wide" and {row["level"] for row in expected.history} == {"wide"}
    works = [row["flops"] for row in expected.history]
    assert abs(sum(works) - options["epochs"] * ladder.epoch_flops) <= max(works) and len(works) > 1
    before, prepared = fit(model, data, epochs=0), expected.prepare(data)
    assert expected.loss(prepared) < before.loss(prepared)
    usual, calls = optimisers.step, iter(range(10**6))

    def mortal(*args: Any) -> Any:
        if next(calls) == 10:
            raise KeyboardInterrupt
        return usual(*args)

    monkeypatch.setattr(optimisers, "step", mortal)
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, out=tmp_path / "m.npz", **options)
    monkeypatch.setattr(optimisers, "step", usual)
    resumed = fit(model, data, out=tmp_path / "m.npz", resume=True)
    assert np.array_equal(resumed.coordinates, expected.coordinates)
    assert np.array_equal(checkpoint.load(tmp_path / "m.npz").coordinates, expected.coordinates)


@pytest.mark.parametrize("strategy", ["nested", "f-cycle"])
def test_levels_need_not_nest(data: Any, strategy: str) -> None:
    """Three cells and four, in width and in depth: fields are projected both ways."""

    def level(count: int) -> dict[str, Any]:
        cells = {"family": "p0", "cells": count}
        fields = {"weight": {"width_out": cells, "width_in": cells, "depth": cells}, "bias": {"width": cells}}
        return {**fields, "integration": {"steps": count}}

    base = level(3)
    base["bias"]["depth"], base["integration"]["tableau"] = {"family": "p0", "cells": 1}, "euler"
    model = Continuum.from_spec(load_spec({**SPEC, **base, "levels": {"four": level(4)}}), seed=1)
    done = fit(model, data, strategy=strategy, epochs=15)
    prepared = done.prepare(data)
    assert done.level == "four" and done.loss(prepared) < 0.8 * moved(model, "four").loss(prepared)


def test_cycles_do_not_clip(model: Continuum, data: Any) -> None:
    with pytest.raises(TrainingError, match="with strategy"):
        fit(model, data, clip=0.5)
