"""How much an image changes with the angle, and how far it is from the ideal image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.studies import Number
from benchmarks.studies.the_cube_and_the_pixel.rendering import (
    HALF,
    area_image,
    areas_below,
    distance_from_ideal,
    faces,
    hard_image,
    visible_areas,
)

Array = np.ndarray
Form = Callable[..., Array]

STEPS = np.geomspace(3e-4, 1e-2, 5)  # of the angle
PIXELS = np.array([16, 32, 64, 128])


def anywhere(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Angles φ and θ (count,), any that are not special."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 2 * np.pi, count), generator.uniform(0.2, 1.3, count)


def change(form: Form, pixels: int, step: float, count: int = 300) -> float:
    """√(mean over angles of ‖I(φ + step) − I(φ)‖²), in L2 over the picture."""
    phi, theta = anywhere(count)
    gap = form(phi + step, theta, pixels) - form(phi, theta, pixels)
    return float(np.sqrt(np.mean(gap**2) * 4))


def largest(form: Form, pixels: int, step: float, count: int = 1000) -> float:
    """The largest change of a pixel that a step of φ makes, over the angles."""
    phi, theta = anywhere(count)
    return float(np.abs(form(phi + step, theta, pixels) - form(phi, theta, pixels)).max())


def slope(x: Array, y: Any) -> float:
    """The exponent of y ~ x^slope, by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def distance(form: Form, pixels: int, count: int = 60) -> float:
    """√(mean over angles of ‖image − ideal image‖²)."""
    angles = anywhere(count)
    return float(np.sqrt(np.mean(distance_from_ideal(form(*angles, pixels), *angles) ** 2)))


def not_nested(form: Form, pixels: int = 16) -> float:
    """The largest difference of an image from the means of 2 × 2 pixels of the image with twice as many."""
    fine = form(*anywhere(50), 2 * pixels).reshape(50, pixels, 2, pixels, 2).mean(axis=(2, 4))
    return float(np.abs(fine - form(*anywhere(50), pixels)).max())


def behind_a_screen(place: float, phi: Array, theta: Array) -> Array:
    """The area of the cube (N,) that a screen over {X ≤ place} hides."""
    corners, look = faces(phi, theta)
    return np.sum(np.where(look > 0, areas_below(corners, np.array([place]), np.array([2.0]))[..., 0, 0], 0), axis=1)


def numbers() -> list[Number]:
    phi, theta = anywhere(2000)
    h = 1e-4
    turned = [faces(p, 0.8)[1] > 0 for p in (-h / 2, h / 2)]
    areas = [visible_areas(p, theta) for p in (phi, phi + h)]
    hidden = [behind_a_screen(0.1 + step, phi, theta) for step in (0, h)]
    far = {form: [distance(form, n) for n in PIXELS] for form in (hard_image, area_image)}
    steepness = [change(area_image, int(n), 1e-5, 60) / 1e-5 for n in PIXELS]
    return [
        Number("hard edges: exponent of the root mean square change with the angle, ½",
               slope(STEPS, [change(hard_image, 32, s, 3000) for s in STEPS]), 0.45, 0.55),
        Number("areas: the same, 1", slope(STEPS, [change(area_image, 32, s) for s in STEPS]), 0.95, 1.01),
        Number("hard edges: largest change of a pixel by 0.0001 rad", largest(hard_image, 32, h), 0.4, 1),
        Number("areas: the same", largest(area_image, 32, h), 0, 0.01),
        Number("areas: exponent of the slope with the pixels a side, ½", slope(PIXELS, steepness), 0.4, 0.6),
        Number("faces that come into sight, or leave it, as φ passes 0", np.sum(turned[0] != turned[1]), 2, 2),
        Number("their areas: largest slope, over the face's own area, at most 1",
               np.abs(areas[1] - areas[0]).max() / h / (4 * HALF**2), 0.5, 1),
        Number("area behind a moving screen: largest slope, at most the cube's diameter 1.9",
               np.abs(hidden[1] - hidden[0]).max() / h, 1, 1.9),
        Number("areas: exponent of the distance from the ideal image with the pixels, −½",
               slope(PIXELS, far[area_image]), -0.55, -0.45),
        Number("hard edges: the same", slope(PIXELS, far[hard_image]), -0.55, -0.45),
        Number("hard edges are farther, by √(3/2) for edges along the pixels",
               far[hard_image][-1] / far[area_image][-1], 1.15, 1.3),
        Number("areas: means of 2 × 2 pixels are the coarser image, up to", not_nested(area_image), 0, 1e-13),
        Number("hard edges: the same, up to", not_nested(hard_image), 0.2, 1),
    ]  # fmt: skip
