"""The mathematics of the study: hulls beside Delaunay's triangulation and closed forms, bits, printed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.spatial import ConvexHull, Delaunay

from benchmarks.studies import _digits, _hulls, _identity
from benchmarks.studies import interpolation_or_extrapolation as study
from derive.declaration import load_spec


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_inside_is_what_a_triangulation_says(dimension: int) -> None:
    generator = np.random.default_rng(dimension)
    points, new = generator.standard_normal((25, dimension)), generator.standard_normal((40, dimension))
    expected = Delaunay(points).find_simplex(new) >= 0
    assert 0 < expected.sum() < 40
    assert [_hulls.inside(points, x) for x in new] == expected.tolist()


@pytest.mark.parametrize("draw", [_hulls.gaussian, _hulls.ball])
def test_entrances_are_those_found_one_by_one(draw: object) -> None:
    for seed in range(3):
        generator = np.random.default_rng((seed, 2))
        new, points = draw(generator, 1, 2), draw(generator, _hulls.MOST, 2)  # type: ignore[operator]
        least = next(n for n in range(3, 4000) if Delaunay(points[:n]).find_simplex(new)[0] >= 0)
        assert _hulls.entrance(2, seed, draw) == least  # type: ignore[arg-type]


def test_closed_forms_are_shares_of_drawn_hulls() -> None:
    generator = np.random.default_rng(0)
    for dimension, count in ((2, 6), (3, 9)):
        sets = generator.standard_normal((2000, count + 1, dimension))
        vertices = np.mean([len(ConvexHull(x).vertices) for x in sets])
        assert _hulls.gaussian_share(dimension, count) == pytest.approx(1 - vertices / (count + 1), abs=0.02)
    assert _hulls.gaussian_share(1, 7) == pytest.approx(6 / 8)
    assert _hulls.wendel(1, 4) == pytest.approx(1 - 2 / 2**4)  # not all on one side
    assert _hulls.wendel(3, 3) == 0


def test_balls_are_uniform() -> None:
    x = _hulls.ball(np.random.default_rng(1), 20000, 3)
    assert np.mean(np.linalg.norm(x, axis=1) ** 3) == pytest.approx(0.5, abs=0.01)


def test_the_lower_bound_is_one_in_one_dimension() -> None:
    lengths = np.abs(np.random.default_rng(2).standard_normal(400_000))
    tails = np.array([0.5 * (1 - np.mean(lengths < r)) for r in np.linspace(0.01, 4, 400)])
    n = study.at_least(1)
    density = np.sqrt(2 / np.pi) * np.exp(-(np.linspace(0.01, 4, 400) ** 2) / 2)
    assert trapezoid(np.minimum(1, n * tails) * density, np.linspace(0.01, 4, 400)) == pytest.approx(0.5, abs=0.01)
    assert n < 3  # which is where half are inside


def test_bits_are_those_of_the_numbers() -> None:
    for odd in (False, True):
        values = _identity.numbers(odd) @ 2 ** np.arange(7, -1, -1)
        assert values.tolist() == list(range(odd, 256, 2))


@pytest.mark.parametrize(("way", "share"), [
    ("any W(ξ, ξ′)", 64), ("W(ξ − ξ′) on a circle", 8), ("κ(ξ − ξ′), three cells", 3), ("W of all orders of bits", 2),
])  # fmt: skip
def test_declarations_have_the_coefficients_that_are_left(way: str, share: int) -> None:
    from numerics import Continuum

    spec = load_spec(_identity.declare(way))
    assert Continuum.from_spec(spec).fields["W"].slabs[0].coefficients.size == share * _identity.CHANNELS**2


def test_printed_numbers_are_two_digits_side_by_side() -> None:
    images = _digits.printed(16).reshape(100, 16, 32)
    np.testing.assert_array_equal(images[37, :, :16], images[33, :, 16:])
    np.testing.assert_array_equal(images[37, :, 16:], images[77, :, 16:])
    added = _digits.halves_added(_digits.printed(16), 16).reshape(100, 16, 16)
    np.testing.assert_allclose(added[42], 10 * images[42, :, :16] + images[42, :, 16:])


def test_nearest_is_the_least_of_all_distances() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 9, 4))
    expected = np.linalg.norm(a[:, None] - b, axis=2).min(axis=1)
    np.testing.assert_allclose(_digits.nearest(a, b), expected)
