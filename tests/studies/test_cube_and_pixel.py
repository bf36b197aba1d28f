"""Images of the cube against what they are by other means: polygons cut by half-planes, rays, fine sampling."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.the_cube_and_the_pixel import learning, moduli, rendering

PHI, THETA = np.random.default_rng(0).uniform(0, 3, (2, 12))


def cut(polygon: list[np.ndarray], axis: int, bound: float, sign: float) -> list[np.ndarray]:
    """The part of a convex polygon with sign · X_axis ≤ sign · bound (Sutherland and Hodgman)."""
    found = []
    for p, q in zip(polygon, polygon[1:] + polygon[:1]):
        a, b = sign * (bound - p[axis]), sign * (bound - q[axis])
        if a >= 0:
            found.append(p)
        if a * b < 0:
            found.append(p + (q - p) * a / (a - b))
    return found


def area(polygon: list[np.ndarray]) -> float:
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(polygon, polygon[1:] + polygon[:1])) / 2


def test_areas_below_are_those_of_cut_polygons() -> None:
    corners = rendering.faces(PHI[:2], THETA[:2])[0]
    x, y = np.array([-0.4, 0.1, 2.0]), np.array([-0.2, 0.3, 2.0])
    found = rendering.areas_below(corners, x, y)
    for n, face, i, j in np.ndindex(found.shape):
        polygon = cut(cut(list(corners[n, face]), 0, x[i], 1), 1, y[j], 1)
        assert found[n, face, i, j] == pytest.approx(area(polygon), abs=1e-14)  # below 0 for faces from behind


def test_areas_of_squares_along_the_axes() -> None:
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    found = rendering.areas_below(corners, np.array([0.25]), np.array([0.0, 1.0]))
    assert found == pytest.approx(np.array([[0.375, 0.75]]))


def test_a_hard_image_is_what_rays_meet_first() -> None:
    """Each pixel's ray is cut with the cube by slabs, in the cube's own axes; no projected polygon is used."""
    pixels = 10
    middle = (2 * np.arange(pixels) + 1) / pixels - 1
    found = rendering.hard_image(PHI, THETA, pixels)
    for n, turned in enumerate(rendering.rotations(PHI, THETA)):
        for i, j in np.ndindex(pixels, pixels):
            start, way = turned.T @ [middle[i], middle[j], 5.0], turned.T @ [0, 0, -1.0]
            entries = (-np.sign(way) * rendering.HALF - start) / way
            exits = (np.sign(way) * rendering.HALF - start) / way
            axis = int(np.argmax(entries))
            wanted = rendering.SHADES[2 * axis + int(way[axis] > 0)] if entries[axis] < exits.min() else 0
            assert found[n, i, j] == wanted


def test_an_area_image_is_the_limit_of_sampling() -> None:
    fine = rendering.hard_image(PHI, THETA, 8 * 50).reshape(-1, 8, 50, 8, 50).mean(axis=(2, 4))
    assert rendering.area_image(PHI, THETA, 8) == pytest.approx(fine, abs=0.02)
    assert np.mean(rendering.area_image(PHI, THETA, 8) - fine) == pytest.approx(0, abs=1e-4)


def test_areas_sum_to_the_faces_and_faces_to_the_shadow() -> None:
    image = rendering.area_image(PHI, THETA, 7, shades=(1,) * 6)
    assert image.sum(axis=(1, 2)) * (2 / 7) ** 2 == pytest.approx(rendering.visible_areas(PHI, THETA).sum(axis=1))
    straight = rendering.visible_areas(0, 0)[0]
    assert straight == pytest.approx([0, 0, 0, 0, (2 * rendering.HALF) ** 2, 0])


def test_distance_from_the_ideal_image_against_fine_sampling() -> None:
    coarse, ideal = rendering.hard_image(PHI, THETA, 8), rendering.hard_image(PHI, THETA, 400)
    gap = np.kron(coarse, np.ones((50, 50))) - ideal
    wanted = np.sqrt(4 * np.mean(gap**2, axis=(1, 2)))
    assert rendering.distance_from_ideal(coarse, PHI, THETA) == pytest.approx(wanted, rel=0.01)


def test_a_screen_over_everything_hides_everything() -> None:
    whole = rendering.visible_areas(PHI, THETA).sum(axis=1)
    assert moduli.behind_a_screen(1.0, PHI, THETA) == pytest.approx(whole)
    halves = moduli.behind_a_screen(0.0, PHI, THETA)
    assert halves == pytest.approx(whole / 2)  # the shadow is symmetric about the middle


def test_kernel_regression_passes_through_its_images() -> None:
    places = np.random.default_rng(1).uniform(0, 1, (6, 2))
    images = rendering.area_image(*places.T, 4)
    assert learning.smooth(places, images, places, 0.1, 1e-10) == pytest.approx(images, abs=1e-6)
