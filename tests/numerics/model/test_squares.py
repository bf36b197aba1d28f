"""Losses of functions on squares and cubes against Gauss sums over predictions and multilinear interpolants."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy.interpolate import RegularGridInterpolator

from derive.declaration import load_spec
from derive.errors import DataError, SpecError
from numerics.datasets import records
from numerics.model.continuum import Continuum

FACTORS = {"1 + xi**2": lambda x: 1 + x**2, "exp(xi)": np.exp}


def spec(dimension: int, loss: Any, size: int = 4, **state: Any) -> dict[str, Any]:
    once, two = {"family": "p0", "cells": 1}, {"family": "legendre", "size": 2}
    return {
        "name": "squares", "equation": {"rate": "tanh(u) - h/2", "channels": 2, "dimension": dimension},
        "state": {"basis": {"family": "legendre", "size": size, **state}},
        "weight": {"width_out": two, "width_in": two, "depth": once}, "bias": {"width": two, "depth": once},
        "integration": {"tableau": "heun", "steps": 2}, "loss": loss,
    }  # fmt: skip


def axis_rule(xi: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss points and weights between the samples of an axis, so many in each part."""
    t, w = legendre.leggauss(count)
    ends = np.unique([-1, 1, *xi])
    middle, half = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
    return (middle[:, None] + half[:, None] * t).ravel(), (half[:, None] * w).ravel()


def multilinear(xi: list[np.ndarray], y: np.ndarray, at: list[np.ndarray]) -> np.ndarray:
    """The interpolant of samples y (…, channels) at a grid of points; constant beyond the outer samples."""
    inside = [np.clip(x, own[0], own[-1]) for x, own in zip(at, xi)]
    return np.asarray(RegularGridInterpolator(xi, y)(np.stack(np.meshgrid(*inside, indexing="ij"), axis=-1)))


def slopes(xi: list[np.ndarray], y: np.ndarray, at: list[np.ndarray], axis: int) -> np.ndarray:
    """The interpolant's slope along an axis: the difference at both samples around, over their distance."""
    own, x = xi[axis], at[axis]
    left = np.clip(np.searchsorted(own, x) - 1, 0, len(own) - 2)
    ends = [multilinear(xi, y, [*at[:axis], own[left + k], *at[axis + 1 :]]) for k in (0, 1)]
    inside = (x > own[0]) & (x < own[-1])
    shape = [-1 if a == axis else 1 for a in range(y.ndim)]
    return np.asarray((ends[1] - ends[0]) * (inside / (own[left + 1] - own[left])).reshape(shape))


def polynomial(values: np.ndarray, nodes: list[np.ndarray], at: list[np.ndarray], axis: int | None) -> np.ndarray:
    """What polynomials (…, channels) known at ``nodes`` are at a grid of points, or their slope along an axis there."""
    for a, (own, x) in enumerate(zip(nodes, at)):
        eye = np.linalg.inv(legendre.legvander(own, len(own) - 1))
        eye = legendre.legder(eye) if a == axis else eye
        table = legendre.legvander(x, len(eye) - 1) @ eye
        values = np.moveaxis(np.tensordot(table, values, (1, a)), 0, a)
    return values


def integral(values: np.ndarray, weights: list[np.ndarray]) -> float:
    for w in weights:
        values = np.tensordot(w, values, (0, 0))
    return float(np.sum(values))


def sampled(dimension: int, count: int = 3) -> tuple[list[list[np.ndarray]], list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(5)
    grids = [[np.sort(generator.uniform(-1, 1, 5 + a + n)) for a in range(dimension)] for n in range(count)]
    shapes = [tuple(map(len, grid)) for grid in grids]
    return grids, *([generator.standard_normal((*shape, 2)) for shape in shapes] for _ in "xy")  # type: ignore[return-value]


def check_gradient(model: Continuum, prepared: Any, expected: float) -> None:
    direction = np.random.default_rng(7).standard_normal(model.size)
    loss, gradient = model.objective(prepared)
    up, down = (model.with_coordinates(model.coordinates + s * direction).loss(prepared) for s in (1e-5, -1e-5))
    assert loss == pytest.approx(expected, rel=1e-11)
    assert gradient @ direction == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-7)


@pytest.mark.first(3)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("kind", ["l2", "h1", "weighted", "weighted along every axis"])
def test_the_loss_is_the_integral_over_the_domain(dimension: int, kind: str) -> None:
    texts = ["1 + xi**2", "exp(xi)", "1 + xi**2"][:dimension] if "every" in kind else ["exp(xi)"] * dimension
    weight = {"weighted": texts[0], "weighted along every axis": texts}.get(kind)
    loss = {"kind": kind} if weight is None else {"kind": "l2", "weight": weight}
    model = Continuum.from_spec(spec(dimension, loss), seed=1)
    grids, x, y = sampled(dimension)
    expected = []
    for xi, own, wanted in zip(grids, x, y):
        rules = [axis_rule(ends, 4 if weight is None else 9) for ends in xi]  # squares of cubics; and exp(ξ)
        at = [points for points, _ in rules]
        weights = [w if weight is None else w * FACTORS[text](p) for (p, w), text in zip(rules, texts)]
        nodes = [legendre.leggauss(4)[0]] * dimension
        given = tuple(xi) if dimension > 1 else xi[0]
        known = model(own[None], given, at=tuple(nodes) if dimension > 1 else nodes[0])[0]
        gap = polynomial(known, nodes, at, None) - multilinear(xi, wanted, at)
        total = integral(gap**2, weights)
        for axis in range(dimension if kind == "h1" else 0):
            gap = polynomial(known, nodes, at, axis) - slopes(xi, wanted, at, axis)
            total += integral(gap**2, weights)
        expected.append(total)
    points = grids if dimension > 1 else [grid[0] for grid in grids]
    prepared = model.prepare(records(x, xi=points, y=y))
    check_gradient(model, prepared, float(np.mean(expected)))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_relative_errors_are_of_what_the_basis_represents(dimension: int) -> None:
    """Targets in the basis, fitted exactly through their samples: ‖y − y*‖/‖y*‖ of every record by Gauss sums."""
    declared = spec(dimension, {"kind": "relative-l2"})
    declared["input"] = {"interpolant": "least-squares"}
    model = Continuum.from_spec(declared, seed=1)
    nodes, weights = legendre.leggauss(4)
    grid = (nodes,) * dimension if dimension > 1 else nodes
    x, y = np.random.default_rng(3).standard_normal((2, 3, *(4,) * dimension, 2))  # cubics along every axis
    found = model(x, grid, at=grid)
    squares = [[integral(a**2, [weights] * dimension) for a in pair] for pair in zip(found - y, y)]
    expected = np.mean([np.sqrt(gap / size) for gap, size in squares])
    prepared = model.prepare(records(x, xi=grid, y=y))
    check_gradient(model, prepared, float(expected))


def test_a_target_of_size_zero_is_refused_on_squares() -> None:
    model = Continuum.from_spec(spec(2, {"kind": "relative-l2"}), seed=1)
    with pytest.raises(DataError, match="record 1"):
        model.prepare(records(np.ones((2, 5, 5, 2)), y=np.stack([np.ones((5, 5, 2)), np.zeros((5, 5, 2))])))


def test_a_perfect_prediction_costs_nothing() -> None:
    """The state holds what multilinear samples are made of: hats with their breakpoints at the samples."""
    hat = {"family": "hat", "size": 5}
    declared = spec(2, {"kind": "h1"})
    declared["state"] = {"basis": hat}
    model = Continuum.from_spec(declared, seed=1)
    x = np.random.default_rng(1).standard_normal((2, 5, 5, 2))
    line = np.linspace(-1, 1, 5)
    y = model(x, at=(line, line))
    assert model.loss(model.prepare(records(x, y=y))) < 1e-24


def test_weights_and_slopes_that_make_no_sense_on_squares_are_refused() -> None:
    for loss, words in (
        ({"kind": "l2", "weight": ["1", "xi**2", "1"]}, "a list of 2 bases"),
        ({"kind": "l2", "weight": ["1", {"family": "legendre", "size": 2}]}, "one function"),
        ({"kind": "h1", "weight": "1"}, "a weight for h1"),
    ):
        with pytest.raises(SpecError, match=words):
            load_spec(spec(2, loss))
    mixed = {"axes": [{"family": "hat", "size": 4}, {"family": "p0", "cells": 4}]}
    with pytest.raises(SpecError, match="a p0 state, which is not continuous"):
        load_spec({**spec(2, {"kind": "h1"}), "state": {"basis": mixed}})


def test_every_corner_of_the_oracle() -> None:
    """The test's own interpolant and slopes, on a plane that is bilinear."""
    xi = [np.array([-1.0, 0.3, 1.0]), np.array([-1.0, 1.0])]
    y = np.array([[[2 * a * b + a]] for a, b in product(*xi)]).reshape(3, 2, 1)
    at = [np.array([-0.5, 0.4]), np.array([0.2])]
    np.testing.assert_allclose(multilinear(xi, y, at)[:, 0, 0], 2 * at[0] * 0.2 + at[0])
    np.testing.assert_allclose(slopes(xi, y, at, 0)[:, 0, 0], 2 * 0.2 + 1)
    np.testing.assert_allclose(slopes(xi, y, at, 1)[:, 0, 0], 2 * at[0])


def test_records_larger_than_a_part_are_prepared_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many parts as records at most, however little a part may hold."""
    model = Continuum.from_spec(spec(2, {"kind": "h1"}), seed=1)
    data = records(*np.random.default_rng(1).standard_normal((2, 3, 6, 6, 2))[:1], y=np.ones((3, 6, 6, 2)))
    whole = model.prepare(data)
    monkeypatch.setattr("numerics.model.projected.CHUNK", 1)
    alone = model.prepare(data)
    np.testing.assert_allclose(alone.targets, whole.targets, rtol=1e-13)
    np.testing.assert_allclose(alone.offset, whole.offset, rtol=1e-11)
