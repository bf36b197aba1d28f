"""Nested iteration: levels in their order, left by the rule, within the work; what moves along; the same bits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import SpecError, TrainingError
from numerics import datasets
from numerics.functions.field import Block
from numerics.levels.projection import moved
from numerics.model import checkpoint
from numerics.model.continuum import Continuum
from numerics.training import nested, optimisers
from numerics.training.ladder import Ladder, names_of
from numerics.training.run import fit
from numerics.training.state import Run, Stay, first, plan_of
from tests.builders import bumps, plain, untimed

SMALL = {"family": "legendre", "size": 3}
SPEC: dict[str, Any] = {
    "name": "ladder",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/8"},
    "state": {"basis": {"family": "legendre", "size": 4}},
    "weight": {"width_out": SMALL, "width_in": SMALL, "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": SMALL, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "euler", "steps": 1},
    "readout": {"outputs": 2, "basis": SMALL},
    "loss": {"kind": "cross-entropy"},
    "training": {"optimiser": "adam", "epochs": 12, "learning_rate": 0.05, "strategy": "nested"},
    "levels": {
        "two": {"weight": {"depth": {"family": "p0", "cells": 2}}, "integration": {"steps": 2}},
        "eight": {
            "weight": {"depth": {"family": "p0", "cells": 8}}, "bias": {"depth": {"family": "p0", "cells": 4}},
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
    found = bumps(18)
    return datasets.records(found["x"], y=found["y"])


def ladder_of(model: Continuum, data: Any, **options: Any) -> Ladder:
    return Ladder.of(model, data, options, None)


def test_levels_come_in_their_order_and_the_work_is_that_of_the_epochs(model: Continuum, data: Any) -> None:
    done = fit(model, data)
    levels = [row["level"] for row in done.history]
    assert done.level == "eight" and list(dict.fromkeys(levels)) == ["base", "two", "eight"]
    ladder = ladder_of(model, data)
    epoch = ladder.job(2).epoch_flops
    work = sum(row["flops"] for row in done.history)
    assert abs(work - 12 * epoch) <= epoch and len(levels) > 12
    assert [row["epoch"] for row in done.history] == list(range(1, len(levels) + 1))
    shares = [sum(row["flops"] for row in done.history[:k]) / (12 * epoch) for k in range(len(levels) + 1)]
    assert shares[levels.index("two")] < 1 / 3 + 0.05 and shares[levels.index("eight")] < 2 / 3 + 0.1
    few = fit(model, data, strategy_levels=["two", "eight"], epochs=3)
    assert few.level == "eight" and few.history[0]["level"] == "two"


def test_no_epochs_give_the_fields_on_the_last_level(model: Continuum, data: Any) -> None:
    done = fit(model, data, epochs=0)
    assert done.level == "eight" and done.history == ()
    assert done.fields["W"].norm() == pytest.approx(model.fields["W"].norm(), rel=1e-13)


KILLED = [
    {"batch": 7, "validation": 0.2, "averaging": 0.7},
    {"optimiser": "lbfgs"},
    {"optimiser": "adam-coordinatewise", "batch": 9, "validation": 0.3, "patience": 2, "warmup": 2},
    {"optimiser": "kronecker", "batch": 7},
]


class Killed(Exception):
    pass


@pytest.mark.first(1)
@pytest.mark.parametrize("options", KILLED)
def test_a_run_killed_at_any_step_goes_on_with_the_same_bits(
    model: Continuum, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    given = {"epochs": 3, **options}
    expected = fit(model, data, **given)
    usual, count = optimisers.step, len(expected.history) * (2 if "batch" in options else 1)
    assert len({row["level"] for row in expected.history}) == 3
    for kill in np.linspace(1, count - 1, 5).astype(int):
        calls = iter(range(10**6))

        def mortal(*args: Any, calls: Any = calls, kill: int = kill) -> Any:
            if next(calls) == kill:
                raise Killed
            return usual(*args)

        out = tmp_path / f"{kill}.npz"
        monkeypatch.setattr(optimisers, "step", mortal)
        with pytest.raises(Killed):
            fit(model, data, out=out, save_every=0, **given)
        monkeypatch.setattr(optimisers, "step", usual)
        resumed = fit(model, data, out=out, resume=True)
        for found in (resumed, checkpoint.load(out)):
            assert np.array_equal(found.coordinates, expected.coordinates) and found.level == expected.level
            assert untimed(found.history) == untimed(expected.history)


def test_a_run_in_memory_goes_on_where_a_callback_stopped_it(model: Continuum, data: Any) -> None:
    half = fit(model, data, callback=lambda found, row: row["level"] == "two")
    assert half.level == "two"
    again = fit(half, data, resume=True)
    assert np.array_equal(again.coordinates, fit(model, data).coordinates)


def test_the_schedule_spans_the_work_of_all_levels(model: Continuum, data: Any) -> None:
    """After a third of the work, on whatever level, the cosine stands at a third."""
    ladder = ladder_of(model, data, epochs=30, learning_rate=1.0)
    for place in range(3):
        stay = Stay(entered=round(ladder.budget / 3), epoch=17)
        plan = plan_of(ladder, place, stay)
        assert plan.rate(17) == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)), rel=1e-9)
        more = 5 * ladder.job(place).epoch_flops / ladder.budget
        assert plan.rate(22) == pytest.approx(0.5 * (1 + math.cos(math.pi * min(1 / 3 + more, 1))), rel=1e-9)


def trials(model: Continuum, data: Any, rests: list[float]) -> int:
    """How many trials a run makes on its first level, a tenth of the budget apart, that leave so much of the loss."""
    ladder, found = ladder_of(model, data, epochs=10**6, strategy_levels=["base", "two"]), iter(rests)
    run: Run = first(ladder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nested, "_rest", lambda *_: (next(found), 0))
        for count in range(1, len(rests) + 1):
            run = nested.advanced(ladder, run.working(ladder.budget // 10))
            if run.place > 0:
                return count
    return len(rests) + 1


def test_a_level_is_left_when_it_lowers_what_the_next_one_leaves_too_slowly(model: Continuum, data: Any) -> None:
    """A tenth of the budget has to lower it by 0.4 of what is left."""
    assert trials(model, data, [1.0, 0.71, 0.505, 0.36]) == 5  # by 0.41, 0.41, 0.40
    assert trials(model, data, [1.0, 0.72, 0.1]) == 2  # by 0.39
    assert trials(model, data, [1.0, 2.0]) == 2
    assert trials(model, data, [1.0, 0.5, 0.6]) == 3
    assert trials(model, data, [-1.0, -1.7, -2.9, -3.0]) == 4  # a likelihood: by 0.41, 0.41, 0.03 of |R|


def test_a_trial_takes_steps_on_the_next_level_and_leaves_no_trace(model: Continuum, data: Any) -> None:
    """Its loss is that of Adam's steps there, written out; the run is as it was but for its work."""
    ladder = ladder_of(model, data)
    run = first(ladder)
    rest, flops = nested._rest(ladder, run, 18)
    there = ladder.job(1)
    plan = plan_of(ladder, 1, Stay())
    state, vector = optimisers.start(plan.blocks, 1, plan.options, plan.span), moved(model, "two").coordinates
    for _ in range(nested.STEPS):
        state, vector, _ = optimisers.step(state, lambda w: there.model.objective(there.training, w), vector)
    assert rest == pytest.approx(there.model.objective(there.training, vector)[0], rel=1e-12)
    assert flops == (nested.STEPS + 1) * there.flops(18)
    assert nested._tried(ladder, run) == (run, False)  # it is not due
    ladder = ladder_of(model, data, epochs=10**6)
    run = run.working(ladder.budget // 100)
    after, leaves = nested._tried(ladder, run)
    assert not leaves and after.vector is run.vector and after.work == run.work + flops and after.stay.rest < rest + 0.1


def test_patience_ends_a_level_and_the_next_one_begins_with_its_best(model: Continuum, data: Any) -> None:
    ladder = ladder_of(model, data, validation=0.3, patience=2, averaging=0.5)
    run = replace(first(ladder), stale=1, best=np.ones(model.size), best_loss=0.1, epoch=3)
    transfer = ladder.transfer(0)
    assert nested.advanced(ladder, run).place == 0
    raised = nested.advanced(ladder, replace(run, stale=2))
    assert raised.place == 1 and raised.best is None and raised.stale == 0
    assert np.array_equal(raised.vector, transfer(np.ones(model.size)))
    assert np.array_equal(raised.average, raised.vector)  # which is what is validated and returned
    done = fit(model, data, validation=0.3, patience=2)
    last = [row["validation"] for row in done.history if row["level"] == "eight"]
    assert done.level == "eight" and done.scores(ladder.job(2).held)["loss"] == pytest.approx(min(last), rel=1e-12)


def test_the_bar_says_the_level_and_the_work(model: Continuum, data: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fit(model, data, epochs=3, progress=True)
    said = capsys.readouterr().err
    assert "eight" in said and "flops" in said and "3/3" in said


def test_what_cannot_work_is_said(model: Continuum, data: Any) -> None:
    alone = {key: value for key, value in SPEC.items() if key != "levels"}
    with pytest.raises(SpecError, match="without levels"):
        load_spec(alone)
    with pytest.raises(SpecError, match="tow"):
        load_spec({**SPEC, "training": {"strategy": "nested", "strategy_levels": ["tow"]}})
    with pytest.raises(SpecError, match="each once"):
        load_spec({**SPEC, "training": {"strategy_levels": ["two", "two"]}})
    direct = Continuum.from_spec({**alone, "training": {}})
    with pytest.raises(TrainingError, match="without levels"):
        fit(direct, data, strategy="nested")
    for wrong, said in ((["tow"], "tow"), ("two", "names of levels"), ([], "names of levels"), ([3], "names of")):
        with pytest.raises(TrainingError, match=said):
            fit(model, data, strategy_levels=wrong)


# --- what optimisers carry from level to level --------------------------------------------------------------


class Halves:
    """T of one cell cut in two: orthonormal coordinates are divided by √2."""

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        return np.repeat(vector, 2) / math.sqrt(2)

    def of_squares(self, vector: np.ndarray) -> np.ndarray:
        return np.repeat(vector, 2) / 2

    def of_factors(self, factors: Any) -> Any:
        table = np.repeat(np.eye(4), 2, axis=0) / math.sqrt(2)
        return tuple((table @ factor @ table.T,) for (factor,) in factors)


def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
    scale = np.linspace(1, 2, len(x))
    return 0.5 * float(x @ (scale * x)), scale * x


@pytest.mark.parametrize("name", ["adam", "adam-coordinatewise", "kronecker", "lbfgs", "gradient-descent"])
def test_states_move(name: str) -> None:
    from derive.spec import Training

    options = Training(optimiser=name, learning_rate=0.1, epochs=20)
    coarse = optimisers.Plan((Block("W", slice(0, 4), ((4,),)),), 1, options)
    fine = optimisers.Plan((Block("W", slice(0, 8), ((8,),)),), 1, options)
    state, vector = optimisers.start(*vars(coarse).values()), np.ones(4)
    for _ in range(4):
        state, vector, _ = optimisers.step(state, bowl, vector)
    move, before = Halves(), state.to_arrays()
    after = state.moved(move, fine).to_arrays()
    if name.startswith("adam"):
        assert np.array_equal(after["moment"], move(before["moment"])) and after["count"] == 4
        own = move.of_squares(before["second"]) if name != "adam" else before["second"]
        assert np.array_equal(after["second"], own)
    if name == "kronecker":
        assert np.array_equal(after["moment"], move(before["moment"])) and after["count"] == 4
        ((factor,),) = move.of_factors(((before["second"].reshape(4, 4),),))
        assert np.array_equal(after["second"], factor.ravel())
    if name == "lbfgs":
        assert np.array_equal(after["steps"], [move(s) for s in before["steps"]])
        assert np.array_equal(after["changes"], [move(y) for y in before["changes"]]) and "value" not in after
    optimisers.step(state.moved(move, fine), bowl, move(vector))


def test_pairs_that_curve_downwards_are_dropped() -> None:
    from derive.spec import Training

    plan = optimisers.Plan((Block("W", slice(0, 2), ((2,),)),), 1, Training(optimiser="lbfgs"))
    state = optimisers.start(*vars(plan).values())
    arrays = {"steps": np.eye(2), "changes": np.array([[1.0, 5.0], [-5.0, 1.0]])}
    state = state.from_arrays(arrays)

    class Turn:
        def __call__(self, vector: np.ndarray) -> np.ndarray:
            return np.array([vector[0] + vector[1], 0.0])

        of_squares = __call__

    kept = state.moved(Turn(), plan).to_arrays()
    assert len(kept["steps"]) == len(kept["changes"]) == 1
    assert np.array_equal(kept["changes"][0], [6.0, 0.0])


def test_levels_go_from_coarse_to_fine() -> None:
    """A level to project to in the end is left out; one that is wanted there is refused, and so are no finer ones."""
    pocket = {"pocket": {"weight": {"width_out": {"family": "legendre", "size": 1}}}}
    model = Continuum.from_spec(load_spec({**SPEC, "levels": {**SPEC["levels"], **pocket}}), seed=1)
    options = replace(model.spec.training, strategy="nested", strategy_levels=None)
    assert names_of(model, options) == ("base", *SPEC["levels"])
    for levels in (("base", "pocket"), tuple(reversed(("base", *SPEC["levels"])))):
        with pytest.raises(TrainingError, match="levels from coarse to fine"):
            names_of(model, replace(options, strategy_levels=levels))
    alone = Continuum.from_spec(load_spec({**SPEC, "levels": pocket}), seed=1)
    with pytest.raises(TrainingError, match="none takes more work than base"):
        names_of(alone, options)


def test_a_trained_model_keeps_its_level(model: Continuum, data: Any) -> None:
    """Trained on the finest level, with a strategy that does not come there: what it has learned would be lost."""
    trained = fit(model, data, epochs=1)
    with pytest.raises(TrainingError, match="trained on eight"):
        fit(trained, data, strategy_levels=["base", "two"], epochs=1)
