"""What a Continuum refuses, and how it names things."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from derive.errors import DataError, SpecError, TrainingError
from numerics import Continuum
from numerics.datasets import records
from numerics.functions.random import random_function
from numerics.model.continuum import resolve

LEGENDRE = {"family": "legendre", "size": 4}
ONCE = {"family": "p0", "cells": 1}
SPEC = {
    "name": "refusals",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": LEGENDRE},
    "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": ONCE},
    "bias": {"width": LEGENDRE, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": LEGENDRE},
    "loss": {"kind": "cross-entropy"},
}
X = np.random.default_rng(0).standard_normal((6, 9))


@pytest.fixture(scope="module")
def model() -> Continuum:
    return Continuum.from_spec(SPEC, seed=0)


def test_class_names_mean_the_same_in_every_file(model: Continuum) -> None:
    """Names listed in another order, or only some of them, count as in the training data; others are refused."""
    named = model.replace(classes=("run", "walk"))
    y = np.array([0, 1, 1, 0, 1, 0])
    expected = named.prepare(records(X, y=y)).labels
    swapped = records(X, y=1 - y, classes=("walk", "run"))
    assert np.array_equal(named.prepare(swapped).labels, expected)
    only = records(X[y == 1], y=np.array(["walk"] * 3))
    assert np.array_equal(named.prepare(only).labels, [1, 1, 1])
    with pytest.raises(DataError, match="'swim'"):
        named.prepare(records(X, y=np.array(["swim", "walk", "run"] * 2)))


def test_losses_need_targets(model: Continuum) -> None:
    prepared = model.prepare(records(X))
    for measure in (model.loss, model.scores, model.objective):
        with pytest.raises(DataError, match="without targets"):
            measure(prepared)
    assert model.outputs(prepared).shape == (6, 2)


@pytest.mark.parametrize(
    "function",
    [lambda xi, xi_, delta: np.log(xi - 2) + xi_ * delta, lambda xi: xi, lambda a, b, c: float(a)],
    ids=["nan", "one argument", "not an array"],
)
def test_fields_that_are_no_functions_are_refused(function) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(SpecError, match="the field W"):
        Continuum.from_fields(SPEC, W=function)


@pytest.mark.parametrize("shape", [(1, 1), (2,), (1, 2), (24,)])
def test_axes_that_numpy_would_take_for_other_ones_are_refused(shape: tuple[int, ...]) -> None:
    two = {**SPEC, "equation": {**SPEC["equation"], "channels": 2}}
    with pytest.raises(SpecError, match="the field W"):
        Continuum.from_fields(two, W=lambda xi, xi_, delta: np.ones(shape))


@pytest.mark.parametrize("family", ["hat", "legendre"])
def test_random_fields_are_projections_of_one_random_function(family: str) -> None:
    basis = {"family": family, "size": 4}
    spec = resolve({**SPEC, "weight": {"width_out": basis, "width_in": basis, "depth": ONCE}})
    model = Continuum.from_spec(spec, seed=3)
    function = random_function("W", (1, 1), 3, spec)
    assert callable(function)
    expected = Continuum.from_fields(spec, W=lambda *at: function(*at)).fields["W"].slabs[0].coefficients
    found = model.fields["W"].slabs[0].coefficients
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def swapped(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, x + 1, x - 1)


@pytest.mark.first(1)
@pytest.mark.parametrize(
    ("symmetry", "basis", "group"),
    [
        ("reflection", {"family": "legendre", "size": 5}, [lambda x: x, lambda x: -x]),
        ({"map": ["xi + 1", "xi - 1"], "breakpoints": ["-1", "0", "1"]}, {"family": "p0", "cells": 6},
         [lambda x: x, swapped]),
        ([{"map": ["xi + 1", "xi - 1"], "breakpoints": ["-1", "0", "1"]}, "reflection"], {"family": "p0", "cells": 4},
         [lambda x: x, swapped, lambda x: -x, lambda x: -swapped(x)]),
    ],
)  # fmt: skip
def test_random_weights_are_an_average_over_the_symmetries(symmetry: Any, basis: Any, group: Any) -> None:
    """The sum over the group, over the root of its size: as large as a random function without symmetries."""
    plain = {**SPEC, "weight": {"width_out": basis, "width_in": basis, "depth": ONCE}}
    equation, state = {**SPEC["equation"], "symmetry": symmetry}, {"basis": {"family": "p0", "cells": 12}}
    spec = resolve({**plain, "equation": equation, "state": state, "bias": {"width": ONCE, "depth": ONCE}})
    free = random_function("W", (1, 1), 3, resolve(plain))
    assert callable(free)

    def average(x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
        return sum(free(g(x), g(y), depth) for g in group) / np.sqrt(len(group))

    model = Continuum.from_spec(spec, seed=3)
    expected = Continuum.from_fields(plain, W=average)
    x = np.random.default_rng(0).uniform(-1, 1, 30)
    found = model.fields["W"](x[:, None], x[None], 0.3)
    np.testing.assert_allclose(found, expected.fields["W"](x[:, None], x[None], 0.3), atol=1e-12)
    for g in group:
        np.testing.assert_allclose(found, model.fields["W"](g(x)[:, None], g(x)[None], 0.3), atol=1e-12)


def test_a_lift_s_own_records_are_its_own() -> None:
    three = {**SPEC, "equation": {**SPEC["equation"], "channels": 3}}
    lifted = Continuum.from_spec({**three, "lift": {"inputs": 2}}, seed=0)
    prepared = lifted.prepare(records(np.stack([X, X], axis=2), y=np.arange(6) % 2))
    assert set(lifted.scores(prepared)) == {"loss", "accuracy"}
    other = Continuum.from_spec({**SPEC, "equation": {**SPEC["equation"], "channels": 2}}, seed=0)
    with pytest.raises(DataError, match="another model"):
        other.scores(prepared)


def test_a_state_that_explodes_is_named() -> None:
    steps = {"tableau": "rk4", "steps": 8}
    wild = Continuum.from_fields({**SPEC, "equation": {"rate": "h**3 + u"}, "integration": steps})
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(TrainingError, match="record 0"):
        wild(1e80 * X)


def test_points_for_numbers_are_refused(model: Continuum) -> None:
    with pytest.raises(DataError, match="points"):
        model(X, at=[0.0, 1.0])


@pytest.mark.parametrize("seed", [-1, "a", 1.5])
def test_seeds_are_whole_numbers(seed) -> None:
    with pytest.raises(SpecError, match="seed"):
        Continuum.from_spec(SPEC, seed=seed)


def test_function_targets_have_every_channel() -> None:
    spec = {**SPEC, "equation": {**SPEC["equation"], "channels": 2}, "loss": {"kind": "l2"}}
    del spec["readout"]
    two = Continuum.from_spec(spec)
    x = np.zeros((3, 9, 2))
    with pytest.raises(DataError, match="targets with 1 channels"):
        two.prepare(records(x, y=np.zeros((3, 9))))


def test_many_records_have_the_mean_of_their_gradients(model: Continuum) -> None:
    """Kernels work on tiles, and tiles share partial sums: however many of them, each record counts once."""
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((700, 9)), generator.integers(0, 2, 700)
    prepared = model.prepare(records(x, y=y))
    parts = [prepared.take(np.arange(start, min(start + 50, 700))) for start in range(0, 700, 50)]
    losses, gradients = zip(*(model.objective(part) for part in parts))
    loss, gradient = model.objective(prepared)
    assert abs(loss - np.mean(losses)) <= 1e-13
    assert np.max(np.abs(gradient - np.mean(gradients, axis=0))) <= 1e-14


@pytest.mark.parametrize("plan", ["formed", "factors"])
def test_gradients_reach_slabs_before_a_change_of_basis(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a state arrives in another basis and is added to, dL/dh goes back through its projection too."""
    from numerics.kernels.cpu import Bound

    bases = [LEGENDRE, {"family": "hat", "cells": 4}, {"family": "p0", "cells": 6}]
    spec = {
        **SPEC,
        "name": "slabs",
        "state": {"basis": bases},
        "weight": {"width_out": [LEGENDRE] * 2, "width_in": [LEGENDRE] * 2, "depth": [ONCE] * 2},
        "bias": {"width": [LEGENDRE] * 2, "depth": [ONCE] * 2},
        "integration": {"tableau": "heun", "steps": 4},
    }
    monkeypatch.setattr(Continuum, "bound", property(lambda self: Bound(self.representation, plan=plan)))
    two = Continuum.from_spec(spec, seed=1)
    prepared = two.prepare(records(X, y=np.arange(6) % 2))
    start, generator = two.coordinates, np.random.default_rng(5)
    _, gradient = two.objective(prepared)
    for _ in range(3):
        v = generator.standard_normal(len(start))
        ahead, behind = (two.with_coordinates(start + t * v).loss(prepared) for t in (1e-5, -1e-5))
        assert abs((ahead - behind) / 2e-5 - gradient @ v) <= 1e-8 * np.linalg.norm(gradient) * np.linalg.norm(v)


@pytest.mark.parametrize("family", [LEGENDRE, {"family": "hat", "cells": 3}, {"family": "bspline", "size": 6}])
def test_functions_inside_the_space_are_kept(family: dict) -> None:
    """The L2 projection of what a basis contains is what was given, in any basis that is not orthonormal."""
    spec = {
        **SPEC,
        "weight": {"width_out": family, "width_in": LEGENDRE, "depth": {"family": "hat", "cells": 2}},
        "bias": {"width": family, "depth": {"family": "legendre", "size": 3}},
    }

    def w(xi, xi_, delta):
        return (1 - 2 * xi) * (xi_**3 - xi_ / 2) * (0.3 + delta)

    def b(xi, delta):
        return (0.2 + xi) * delta**2

    fields = Continuum.from_fields(spec, W=w, b=b).fields
    xi, xi_, delta = (np.random.default_rng(6).uniform(low, 1, 20) for low in (-1, -1, 0))
    assert np.max(np.abs(fields["W"](xi, xi_, delta) - w(xi, xi_, delta))) <= 1e-13
    assert np.max(np.abs(fields["b"](xi, delta) - b(xi, delta))) <= 1e-13


def test_a_trajectory_leads_from_the_record_to_the_output() -> None:
    """One Euler step of ∂h/∂δ = 1 adds its length; the last state is the function that the model gives."""
    spec = {**SPEC, "equation": {"rate": "1"}, "integration": {"tableau": "euler", "steps": 4}, "loss": {"kind": "l2"}}
    del spec["readout"]
    model, points = Continuum.from_spec(spec), np.linspace(-1, 1, 5)
    depths, values = model.trajectory(X, at=points)
    assert np.array_equal(depths, np.linspace(0, 1, 5))
    assert np.max(np.abs(values[:, :, :, 0] - values[:, :1, :, 0] - depths[:, None])) <= 1e-13
    assert np.max(np.abs(values[:, -1, :, 0] - model(X, at=points)[:, :, 0])) <= 1e-13


def test_a_trajectory_is_at_the_points_of_the_records() -> None:
    """Which are few where the state is, and ξ of their own; records whose points differ are shown on one grid."""
    spec = {**SPEC, "loss": {"kind": "l2"}}
    del spec["readout"]
    model, xi = Continuum.from_spec(spec, seed=1), np.array([-1.0, -0.3, 0.1, 1.0])
    x = np.random.default_rng(0).standard_normal((3, 4))
    _, values = model.trajectory(x, xi)
    np.testing.assert_array_equal(values, model.trajectory(x, xi, at=xi)[1])
    np.testing.assert_allclose(values[:, -1], model(x, xi), atol=1e-13)
    assert model.trajectory([x[0], x[1, :3]])[1].shape[2] == len(model.lines()[0])


def test_a_trajectory_goes_on_from_slab_to_slab() -> None:
    once = {"family": "p0", "cells": 1}
    spec = {
        **SPEC,
        "equation": {"rate": "1"},
        "weight": {"width_out": LEGENDRE, "width_in": LEGENDRE, "depth": [once] * 3},
        "bias": {"width": LEGENDRE, "depth": [once] * 3},
        "integration": {"tableau": "euler", "steps": 6},
        "loss": {"kind": "l2"},
    }
    del spec["readout"]
    model, points = Continuum.from_spec(spec), np.linspace(-1, 1, 5)
    depths, values = model.trajectory(X, at=points)
    assert np.max(np.abs(depths - np.linspace(0, 1, 7))) <= 1e-15
    assert np.max(np.abs(values[:, :, :, 0] - values[:, :1, :, 0] - depths[:, None])) <= 1e-13


@pytest.mark.parametrize(
    ("solver", "steps"), [({"steps": 3}, 3), ({"steps": "adaptive", "tolerance": "1/100"}, "adaptive")]
)
def test_a_description_names_the_steps(solver: dict, steps: object) -> None:
    from numerics.command.describe import facts

    model = Continuum.from_spec({**SPEC, "integration": {"tableau": "dopri5", **solver}})
    found = facts(model, str)
    assert (found["tableau"], found["steps"], found["rate"]) == ("dopri5", steps, "residual")
