"""Records at points of their own, projected and approached together, beside loops over records with SciPy's rules."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from derive.errors import DataError
from numerics.datasets import records
from numerics.datasets.sampling import Augmentation, thinned
from numerics.model import points
from numerics.model.continuum import Continuum
from tests.builders import CIRCLE, FUNCTION, LEGENDRE

Array = np.ndarray
RULE = np.polynomial.legendre.leggauss(40)

BASES: dict[str, dict[str, Any]] = {
    "p0": {**FUNCTION, "state": {"basis": {"family": "p0", "cells": 5}}},
    "hat": FUNCTION,
    "bspline": {**FUNCTION, "state": {"basis": {"family": "bspline", "degree": 2, "cells": 3}}},
    "legendre": {**FUNCTION, "state": {"basis": {"family": "legendre", "size": 12}}},
    "circle": CIRCLE,
    "closed": {**FUNCTION, "state": {"basis": {"family": "custom", "functions": ["1", "exp(xi)", "sin(2*xi)"]}}},
}


def functions(name: str, x: Array) -> Array:
    """The functions of a basis at points (points, size), up to their scale."""
    if name == "p0":
        return (np.clip(np.floor((x + 1) * 2.5), 0, 4)[:, None] == np.arange(5)) * 1.0
    if name == "hat":
        return np.clip(1 - np.abs(x[:, None] - np.linspace(-1, 1, 5)) * 2, 0, None)
    if name == "bspline":
        knots = np.array([-1, -1, -1, -1 / 3, 1 / 3, 1, 1, 1])
        return BSpline.design_matrix(np.clip(x, -1, 1 - 1e-15), knots, 2).toarray()
    if name == "legendre":
        return np.polynomial.legendre.legvander(x, 11)
    if name == "closed":
        return np.stack([np.ones_like(x), np.exp(x), np.sin(2 * x)], axis=1)
    angles = np.pi * np.outer(x, [1, 2])
    return np.concatenate([np.ones((len(x), 1)), np.cos(angles), np.sin(angles)], axis=1)


def rule(xi: Array) -> tuple[Array, Array]:
    """Gauss points on what the points, the ends and all bases' breakpoints cut [−1, 1] into."""
    edges = np.unique(np.concatenate([xi, [-1, 1], np.linspace(-1, 1, 6), np.linspace(-1, 1, 5), [-1 / 3, 1 / 3]]))
    parts = [((a + b) / 2 + (b - a) / 2 * RULE[0], (b - a) / 2 * RULE[1]) for a, b in pairwise(edges)]
    return np.concatenate([x for x, _ in parts]), np.concatenate([w for _, w in parts])


def interpolant(name: str, xi: Array, samples: Array, x: Array) -> Array:
    """Piecewise linear (points, channels), constant beyond the outer samples or around the circle."""
    if name == "circle":
        xi = np.concatenate([xi[-1:] - 2, xi, xi[:1] + 2])
        samples = np.concatenate([samples[-1:], samples, samples[:1]])
    return np.stack([np.interp(x, xi, column) for column in samples.T], axis=1)


def nearest(name: str, xi: Array, samples: Array) -> tuple[Array, float, Array]:
    """Coefficients of the L2 projection (size, channels), the distance's square, and the basis's Gram matrix."""
    x, w = rule(xi)
    table, values = functions(name, x), interpolant(name, xi, samples, x)
    gram = table.T @ (w[:, None] * table)
    found = np.linalg.solve(gram, table.T @ (w[:, None] * values))
    return found, float(np.sum(w[:, None] * (values - table @ found) ** 2)), gram


def ragged(name: str, seed: int, count: int = 12) -> tuple[list[Array], list[Array]]:
    """Samples and points of records: of one sample, of two, with points 1e-9 from each other, up to the ends or not."""
    generator = np.random.default_rng(seed)
    xi = [np.sort(generator.uniform(-1, 1, n)) for n in (1, 2, *generator.integers(3, 30, count - 2))]
    xi[2] = np.sort(np.concatenate([xi[2], xi[2] + 1e-9])).clip(-1, 1)
    if name != "circle":
        xi[3][[0, -1]] = -1, 1
    return [generator.standard_normal((len(own), 1)) for own in xi], xi


@pytest.mark.first(4)
@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("seed", range(2))
def test_records_at_their_own_points_are_projected_as_one_by_one(name: str, seed: int) -> None:
    model = Continuum.from_spec(BASES[name])
    x, xi = ragged(name, seed)
    found = model.project_samples(records(x, xi=xi))
    at = np.linspace(-0.99, 0.97, 37)
    shown = points.values(model.representation, found, (at,))[..., 0]
    for n in range(len(x)):
        wanted = functions(name, at) @ nearest(name, xi[n], x[n])[0]
        np.testing.assert_allclose(shown[n], wanted[:, 0], atol=2e-12 * np.abs(x[n]).max(), err_msg=f"record {n}")
    np.testing.assert_allclose(found, np.hstack([model.project_samples(records([a], xi=[b])) for a, b in zip(x, xi)]),
                               rtol=0, atol=1e-13 * np.abs(found).max())  # fmt: skip


@pytest.mark.parametrize("name", BASES)
def test_target_functions_at_their_own_points(name: str) -> None:
    model = Continuum.from_spec(BASES[name])
    x, xi = ragged(name, 3)
    y, _ = ragged(name, 3)
    y = [np.sin(3 * own)[:, None] + 0.1 * rows for own, rows in zip(xi, y)]
    prepared = model.prepare(records(x, xi=xi, y=y))
    for n in range(len(x)):
        found, distance, gram = nearest(name, xi[n], y[n])
        scale = max(1.0, float(np.abs(y[n]).max()) ** 2)
        assert prepared.offset[n] == pytest.approx(distance, rel=1e-10, abs=1e-13 * scale)
        size = np.sum(prepared.wanted()[:, n] ** 2)
        assert size == pytest.approx(float(np.sum(found * (gram @ found))), rel=1e-11), f"record {n}"


@pytest.mark.parametrize("name", ["hat", "legendre", "circle"])
def test_target_functions_in_h1(name: str) -> None:
    """Beside one matrix for all: these records have their points in common with seven others."""
    model = Continuum.from_spec({**BASES[name], "loss": {"kind": "h1"}})
    x, xi = ragged(name, 5)
    y = [np.sin(3 * own)[:, None] for own in xi]
    together = model.prepare(records(x, xi=xi, y=y))
    for n in range(len(x)):
        alone = model.prepare(records([x[n]] * 2, xi=[xi[n]] * 2, y=[y[n]] * 2))
        np.testing.assert_allclose(together.wanted()[:, n], alone.wanted()[:, 0], atol=1e-12 * len(x[n]))
        np.testing.assert_allclose(together.offset[n], alone.offset[0], rtol=1e-9, atol=1e-12)


@given(st.sampled_from(sorted(BASES)), st.integers(0, 1000), st.data())
def test_neither_order_nor_company_changes_a_record(name: str, seed: int, data: st.DataObject) -> None:
    model = Continuum.from_spec(BASES[name])
    x, xi = ragged(name, seed)
    order = data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=20))
    everything = records(x, xi=xi, y=[np.cos(own)[:, None] for own in xi])
    whole, some = model.prepare(everything), model.prepare(everything.take(order))
    for mine, theirs in ((some.states, whole.states), (some.wanted(), whole.wanted()), (some.offset, whole.offset)):
        np.testing.assert_allclose(mine, theirs[..., order], rtol=0, atol=1e-13 * max(1.0, float(np.abs(theirs).max())))


def test_parts_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Continuum.from_spec(BASES["legendre"])
    x, xi = ragged("legendre", 7, 40)
    data = records(x, xi=xi)
    whole = model.project_samples(data)
    monkeypatch.setattr(points, "PART", 1)
    for threads in "1", "2":
        monkeypatch.setenv("CONTINUA_THREADS", threads)
        np.testing.assert_allclose(model.project_samples(data), whole, rtol=0, atol=1e-14 * np.abs(whole).max())
    first = model.project_samples(data)
    monkeypatch.setenv("CONTINUA_THREADS", "1")
    np.testing.assert_array_equal(model.project_samples(data), first)


def test_several_channels() -> None:
    model = Continuum.from_spec({**FUNCTION, "equation": {**FUNCTION["equation"], "channels": 3}})
    x, xi = ragged("hat", 1)
    x = [np.hstack([rows, 2 * rows + 1, rows**2]) for rows in x]
    found = model.project_samples(records(x, xi=xi)).reshape(5, 3, -1)
    for channel in range(3):
        alone = Continuum.from_spec(FUNCTION).project_samples(records([rows[:, channel] for rows in x], xi=xi))
        np.testing.assert_allclose(found[:, channel], alone, atol=1e-13 * np.abs(alone).max())


def test_outputs_at_their_own_points() -> None:
    for name in ("hat", "legendre", "circle"):
        model = Continuum.from_spec(BASES[name])
        x, xi = ragged(name, 2)
        for n, shown in enumerate(model(x, xi)):
            np.testing.assert_allclose(shown, model([x[n]], [xi[n]], at=xi[n])[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_record_is_named(seed: int) -> None:
    model = Continuum.from_spec(FUNCTION)
    x, xi = ragged("hat", seed)
    for rows, change, said in (
        (x, lambda n: x[n].__setitem__(-1, np.nan), "x = nan at position"),
        (xi, lambda n: xi[n].__setitem__(-1, np.nan), "xi = nan at position"),
        (xi, lambda n: xi[n].__setitem__(0, -1.5), "xi = -1.5 at position 0"),
        (xi, lambda n: xi[n].__setitem__(-1, xi[n][0]), "xi = "),
    ):
        kept = [own.copy() for own in rows]
        for n in (10, 7):
            change(n)
        with pytest.raises(DataError, match=said) as caught:
            model.prepare(records(x, xi=xi))
        assert caught.value.where == "record 7"
        rows[:] = kept


def test_a_closed_circle_is_named() -> None:
    model = Continuum.from_spec(CIRCLE)
    x, xi = ragged("circle", 0)
    for n in (9, 6):
        xi[n][[0, -1]] = -1, 1
    with pytest.raises(DataError, match="both xi = -1 and xi = 1") as caught:
        model.project_samples(records(x, xi=xi))
    assert caught.value.where == "record 6"


@pytest.mark.parametrize("dimension", [1, 2])
def test_samplings_are_the_samples_at_the_points_that_stay(dimension: int) -> None:
    generator = np.random.default_rng(0)
    if dimension == 1:
        x, xi = ragged("hat", 4)
    else:
        xi = [(np.sort(generator.uniform(-1, 1, 4)), np.sort(generator.uniform(-1, 1, n))) for n in (3, 4, 5, 5)]  # type: ignore[misc]
        x = [generator.standard_normal((4, len(own[1]), 2)) for own in xi]
    data = records(x, xi=xi, y=[2 * rows for rows in x])
    for found in (thinned(data, data.points(), "random50"), thinned(data, data.points(), "half"),
                  Augmentation(thin=0.5)(data, data.points(), np.random.default_rng(1))):  # fmt: skip
        assert len(found) == len(data)
        for n, (samples, targets, grid) in enumerate(zip(found.samples(), found.targets(), found.grids())):
            assert grid is not None
            own = xi[n] if dimension == 2 else (xi[n],)
            index = np.ix_(*(np.searchsorted(a, b) for a, b in zip(own, grid)))
            np.testing.assert_array_equal(samples, x[n][index])
            np.testing.assert_array_equal(targets, 2 * samples)


def test_least_squares_and_legendre_lengths_without_points() -> None:
    """Records of many lengths, few of each, at the default points."""
    x = [np.sin(np.linspace(-1, 1, n)) for n in (*range(8, 20), 8, 8)]
    for interpolant in ("linear", "constant", "least-squares"):
        model = Continuum.from_spec({**FUNCTION, "state": {"basis": LEGENDRE}, "input": {"interpolant": interpolant}})
        found = model.project_samples(records(x))
        alone = np.hstack([model.project_samples(records([rows])) for rows in x])
        np.testing.assert_allclose(found, alone, atol=1e-13)
