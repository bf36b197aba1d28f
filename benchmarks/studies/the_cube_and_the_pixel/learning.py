"""A continuum that learns angles → image in both forms, and image → angle."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number, mean
from benchmarks.studies.the_cube_and_the_pixel.moduli import Form
from benchmarks.studies.the_cube_and_the_pixel.rendering import PLAIN, area_image, hard_image

Array = np.ndarray

TILTS = (0.3, 1.2)  # of what is learned: θ from, to; φ from 0 to π/2
SEEN, NEW = 400, 200  # records


def painter(pixels: int, cells: int = 24, epochs: int = 300) -> dict[str, Any]:
    """From two dials, functions of ξ, to the pixels of an image, numbers ∫ R_k(ξ) h(ξ, 1) dξ + a_k."""
    width, depth = {"family": "p0", "cells": cells}, {"family": "p0", "cells": 2}
    return {
        "name": "painter",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1", "channels": 2},
        "input": {"interpolant": "constant"},
        "state": {"basis": width},
        "weight": {"width_out": width, "width_in": width, "depth": depth},
        "bias": {"width": width, "depth": depth},
        "integration": {"tableau": "euler", "steps": 2},
        "readout": {"outputs": pixels**2, "basis": width},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": epochs},
    }


def angles(count: int, seed: int) -> tuple[Array, Array]:
    """φ and θ (count,), drawn from the range that is learned."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0, np.pi / 2, count), generator.uniform(*TILTS, count)


def dials(phi: Array, theta: Array, points: int = 48) -> Array:
    """The angles as functions: two bumps on [−1, 1], where they stand is the angle: (N, points, 2)."""
    hands = np.stack([4 * phi / np.pi - 1, (2 * theta - sum(TILTS)) / (TILTS[1] - TILTS[0])], -1)
    xi = (2 * np.arange(points) + 1) / points - 1
    return np.exp(-((xi[:, None] - hands[:, None, :]) ** 2) / (2 * 0.3**2))


def learned(form: Form, pixels: int, seed: int, **options: Any) -> ct.Continuum:
    """A painter that saw SEEN images."""
    shown = angles(SEEN, seed)
    model = ct.Continuum.from_spec(painter(pixels, **options), seed=seed)
    return ct.fit(model, dials(*shown), form(*shown, pixels).reshape(SEEN, -1))


def relative(images: Array, wanted: Array, middle: Array) -> float:
    """Root mean square error over that of one image for all."""
    return float(np.sqrt(np.mean((images - wanted) ** 2) / np.mean((middle - wanted) ** 2)))


def painted(model: ct.Continuum, phi: Array, theta: Array) -> Array:
    """The model's images (N, pixels, pixels)."""
    flat = np.asarray(model(dials(phi, theta)))
    side = round(np.sqrt(flat.shape[1]))
    return flat.reshape(-1, side, side)


def errors(form: Form, pixels: int, seed: int, **options: Any) -> dict[str, float]:
    """Relative errors on new angles: the continuum's, the nearest training image's, and kernel ridge regression's.

    The kernel's width and ridge, of fifteen, are those with the least error on the last fifth of the training images.
    """
    shown, new = angles(SEEN, seed), angles(NEW, 1000 + seed)
    images, wanted = form(*shown, pixels), form(*new, pixels)
    places, others = np.stack(shown, -1), np.stack(new, -1)
    middle = images.mean(axis=0)
    first = SEEN - SEEN // 5
    kernel = min(
        product((0.05, 0.1, 0.2, 0.3, 0.5), (1e-6, 1e-3, 1e-1)),
        key=lambda k: relative(smooth(places[:first], images[:first], places[first:], *k), images[first:], middle),
    )
    nearest = squares(others, places).argmin(axis=1)
    return {
        "continuum": relative(painted(learned(form, pixels, seed, **options), *new), wanted, middle),
        "nearest": relative(images[nearest], wanted, middle),
        "kernel": relative(smooth(places, images, others, *kernel), wanted, middle),
    }


def squares(a: Array, b: Array) -> Array:
    """Squared distances of all pairs."""
    return np.sum((a[:, None] - b) ** 2, axis=-1)


def smooth(places: Array, images: Array, new: Array, width: float, ridge: float) -> Array:
    """Kernel ridge regression of images on angles, with a Gaussian kernel."""
    gram = np.exp(-squares(places, places) / (2 * width**2)) + ridge * np.eye(len(places))
    dual = np.linalg.solve(gram, images.reshape(len(images), -1))
    return (np.exp(-squares(new, places) / (2 * width**2)) @ dual).reshape(-1, *images.shape[1:])


def reader(outputs: int, pixels: int = 16) -> dict[str, Any]:
    """From an image, whose rows are channels of a function of ξ, to numbers."""
    width, depth = {"family": "p0", "cells": pixels // 2}, {"family": "p0", "cells": 2}
    return {
        "name": "reader",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1", "channels": 8},
        "input": {"interpolant": "constant"},
        "lift": {"inputs": pixels},
        "state": {"basis": width},
        "weight": {"width_out": width, "width_in": width, "depth": depth},
        "bias": {"width": width, "depth": depth},
        "integration": {"tableau": "euler", "steps": 2},
        "readout": {"outputs": outputs, "basis": width},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": 200},
    }


def read_angles(seed: int, part: float = 1.0, circle: bool = False) -> tuple[Array, Array]:
    """New angles φ in the middle part of [0, π], and the errors of a reader of these: (1000,), (1000,).

    Opposite faces are alike, so that 0 and π have one image. circle: what is learned is (cos 2φ, sin 2φ).
    """
    generator = np.random.default_rng(seed)
    shown, new = (np.pi / 2 * (1 + part * generator.uniform(-1, 1, count)) for count in (SEEN, 1000))
    images, others = (area_image(phi, 0.8, 16, PLAIN) for phi in (shown, new))
    wanted = np.stack([np.cos(2 * shown), np.sin(2 * shown)], -1) if circle else shown[:, None]
    z = np.asarray(ct.fit(ct.Continuum.from_spec(reader(wanted.shape[1]), seed=seed), images, wanted)(others))
    found = np.arctan2(z[:, 1], z[:, 0]) / 2 % np.pi if circle else z[:, 0]
    gap = np.abs(found - new)
    return new, np.minimum(gap, np.pi - gap) if circle else gap


def numbers(seeds: range, resolutions: tuple[int, ...]) -> list[Number]:
    found = {
        (form, pixels): [errors(form, pixels, seed) for seed in seeds]
        for pixels in resolutions
        for form in (area_image, hard_image)
    }
    rows = []
    for pixels in resolutions:
        areas, hard = found[area_image, pixels], found[hard_image, pixels]
        name = f"{pixels} × {pixels} pixels"
        rows += [
            mean(f"{name}, areas from the angles: relative error", [r["continuum"] for r in areas], 0.03, 0.3),
            mean("the nearest training image's", [r["nearest"] for r in areas], 0.08, 0.3),
            mean("kernel regression's", [r["kernel"] for r in areas], 0, 0.15),
            mean(f"{name}, hard edges: relative error", [r["continuum"] for r in hard], 0.25, 0.7),
            mean("the nearest training image's, of hard edges", [r["nearest"] for r in hard], 0.25, 0.7),
            mean("kernel regression's, of hard edges", [r["kernel"] for r in hard], 0.25, 0.7),
        ]
    gains = {
        form: [errors(form, 8, seed, cells=6)["continuum"] / found[form, 8][seed]["continuum"] for seed in seeds]
        for form in (area_image, hard_image)
    }
    read = {key: [read_angles(seed, *key) for seed in seeds] for key in ((0.8, False), (1.0, False), (1.0, True))}
    degrees = {key: [np.degrees(np.sqrt(np.mean(gap**2))) for _, gap in own] for key, own in read.items()}
    return [
        *rows,
        mean("8 × 8: error of 6 cells over that of 24, areas", gains[area_image], 1.2, 6),
        mean("the same, hard edges", gains[hard_image], 0.8, 1.6),
        mean("angle from the image, 80 % of the period: error in degrees", degrees[0.8, False], 0, 3),
        mean("the whole period, where the inverse jumps: the same", degrees[1.0, False], 4, 60),
        mean("the whole period as a point of a circle: the same", degrees[1.0, True], 0, 3),
    ]
