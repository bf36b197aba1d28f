"""Images of a rotating cube, hard-edged and by exact areas, seen from far along the third axis.

A convex body hides its own far side only: an image is the sum of the faces that look at the viewer, side by side. The
picture is the square [−1, 1]²; the cube's corners have length 0.95.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.pictures.axes import figure

Array = np.ndarray

HALF = 0.95 / np.sqrt(3)  # half an edge
SHADES = (1.0, 0.4, 0.8, 0.55, 0.7, 0.9)  # of the faces +x, −x, +y, −y, +z, −z; the background is 0
PLAIN = (0.4, 0.4, 0.8, 0.8, 1.0, 1.0)  # opposite faces alike


def rotations(phi: Any, theta: Any) -> Array:
    """Turned by φ about the cube's own third axis, then tilted by θ about the first axis: (N, 3, 3)."""
    phi, theta = np.broadcast_arrays(np.atleast_1d(phi), np.atleast_1d(theta))
    c, s, d, t, o = np.cos(phi), np.sin(phi), np.cos(theta), np.sin(theta), np.zeros(phi.shape)
    turn = np.stack([np.stack([c, -s, o], -1), np.stack([s, c, o], -1), np.stack([o, o, o + 1], -1)], -2)
    tilt = np.stack([np.stack([o + 1, o, o], -1), np.stack([o, d, -t], -1), np.stack([o, t, d], -1)], -2)
    return tilt @ turn


def faces(phi: Any, theta: Any) -> tuple[Array, Array]:
    """The six faces' corners in the picture, counterclockwise where seen (N, 6, 4, 2); how far they look at us (N, 6).

    A face with look > 0 is seen, and look is the ratio of its area in the picture to its own.
    """
    turned = rotations(phi, theta)
    corners, normals = [], []
    for axis in range(3):
        n, u, v = (np.eye(3)[(axis + k) % 3] for k in range(3))
        for sign in (1, -1):
            square = [n * sign + sign * a * u + b * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
            corners.append(HALF * np.array(square))
            normals.append(sign * n)
    placed = np.einsum("nij,fcj->nfci", turned, np.array(corners))
    return placed[..., :2], np.einsum("nj,fj->nf", turned[:, 2], np.array(normals))


def visible_areas(phi: Any, theta: Any) -> Array:
    """Areas of the faces in the picture (N, 6), 0 for those that look away."""
    return 4 * HALF**2 * np.maximum(faces(phi, theta)[1], 0)


def areas_below(corners: Array, x: Array, y: Array) -> Array:
    """Areas of polygons ∩ {X ≤ x, Y ≤ y}, exact: corners (…, corners, 2), x (P,), y (Q,): (…, P, Q).

    Green's theorem, −∮ min(Y, y) dX over the part of the edges with X ≤ x, counterclockwise.
    """
    total: Any = 0.0
    for start, stop in zip(np.moveaxis(corners, -2, 0), np.moveaxis(np.roll(corners, -1, axis=-2), -2, 0)):
        (a, first), (b, last) = np.moveaxis(start, -1, 0)[..., None], np.moveaxis(stop, -1, 0)[..., None]
        way = np.sign(b - a)
        left, right = np.minimum(a, b), np.maximum(a, b)
        cut = np.clip(x, left, right)
        low = np.where(way > 0, first, last)
        high = low + (last - first) * way * (cut - left) / np.where(right == left, 1, right - left)
        total = total - (way * (cut - left))[..., None] * mean_minimum(low[..., None], high[..., None], y)
    return total


def mean_minimum(first: Array, last: Array, top: Array) -> Array:
    """The mean of min(v, top) where v goes evenly from first to last."""
    a, b = np.maximum(first - top, 0), np.maximum(last - top, 0)
    span = np.abs(last - first)
    over = np.where(a * b > 0, (a + b) / 2, (a**2 + b**2) / np.where(span == 0, 1, 2 * span))
    return (first + last) / 2 - over


def area_image(phi: Any, theta: Any, pixels: int, shades: Sequence[float] = SHADES) -> Array:
    """Means over the pixels of what is seen, exact: (N, pixels, pixels), the first axis the picture's first."""
    corners, look = faces(phi, theta)
    lines, image = np.linspace(-1, 1, pixels + 1), np.zeros((len(look), pixels, pixels))
    for k, shade in enumerate(shades):
        seen = np.flatnonzero(look[:, k] > 0)
        below = areas_below(corners[seen, k], lines, lines)
        image[seen] += shade * np.diff(np.diff(below, axis=1), axis=2)
    return image * (pixels / 2) ** 2


def hard_image(phi: Any, theta: Any, pixels: int, shades: Sequence[float] = SHADES) -> Array:
    """What is seen at the pixels' middles: (N, pixels, pixels)."""
    corners, look = faces(phi, theta)
    middle = (2 * np.arange(pixels) + 1) / pixels - 1
    image = np.zeros((len(look), pixels, pixels))
    for k, shade in enumerate(shades):
        edges = np.roll(corners[:, k], -1, axis=1) - corners[:, k]
        x, y = (middle - corners[:, k, :, c, None] for c in (0, 1))  # (N, edges, pixels)
        inside = edges[:, :, 0, None, None] * y[:, :, None, :] - edges[:, :, 1, None, None] * x[..., None] > 0
        image[inside.all(axis=1) & (look[:, k] > 0)[:, None, None]] = shade
    return image


def squared_norm(phi: Any, theta: Any, shades: Sequence[float] = SHADES) -> Array:
    """∫ I² of the ideal image I over the picture, exact: (N,)."""
    return visible_areas(phi, theta) @ np.square(shades)


def distance_from_ideal(image: Array, phi: Any, theta: Any, shades: Sequence[float] = SHADES) -> Array:
    """‖image − I‖ in L2 of an image that is constant on its pixels from the ideal image, exact: (N,)."""
    pixels = image.shape[-1]
    means = area_image(phi, theta, pixels, shades)
    inner = np.sum(image**2 - 2 * image * means, axis=(1, 2)) * (2 / pixels) ** 2
    return np.sqrt(np.maximum(squared_norm(phi, theta, shades) + inner, 0))


def picture(rows: dict[str, Array]) -> Any:
    """Images (N, pixels, pixels) side by side, a row each, as a Figure."""
    made, grid = figure(len(rows), max(map(len, rows.values())), 1.7, 1.8)
    for axes, (title, images) in zip(grid, rows.items()):
        for place, image in zip(axes, images):
            place.imshow(image.T, origin="lower", cmap="Greys", vmin=0, vmax=1)
            place.set(xticks=[], yticks=[])
        axes[0].set_ylabel(title)
    return made
