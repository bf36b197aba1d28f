"""Digits: paths between two of them through pixels and through a code, and numbers printed on large images."""

from __future__ import annotations

from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies._hulls import inside
from benchmarks.studies._perceptrons import Array, perceptron, trained

CODE, WIDTHS = 8, (64, 48, 8, 48, 64)


def pixels() -> tuple[Array, Array, Array, Array]:
    """Training and test digits (N, 64), from 0 to 1, with their classes."""
    train, test = ct.datasets.load("digits")
    return *(np.array([s[:, 0] for s in part.samples()]) for part in (train, test)), train.y, test.y


def autoencoder(x: Array, seed: int, epochs: int = 400) -> tuple[Any, Any]:
    """A perceptron 64 → 48 → 8 → 48 → 64 trained to return its pixels; its two halves, as continua."""
    whole = trained(perceptron(WIDTHS, "tanh", seed), x, x, epochs, 0.01, batch=256)
    layers = ct.to_layers(whole)
    halves = [(layers.weights[k : k + 2], layers.biases[k : k + 2]) for k in (0, 2)]
    coder = ct.from_layers(*halves[0], "tanh", last="activation")
    return coder, ct.from_layers(*halves[1], "tanh", loss="l2")


def nearest(points: Array, others: Array) -> Array:
    """Of every point the distance to the nearest of the others."""
    squares = np.sum(points**2, axis=1)[:, None] - 2 * points @ others.T + np.sum(others**2, axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


def midpoints(seed: int, pairs: int = 300) -> dict[str, float]:
    """Median distances to the nearest training digit, over that of test digits: halfway between two test digits of

    different classes, through pixels, through principal components and through the code.
    """
    train, test, _, classes = pixels()
    generator = np.random.default_rng(seed)
    first, second = generator.choice(len(test), (2, 4 * pairs))
    keep = np.flatnonzero(classes[first] != classes[second])[:pairs]
    first, second = first[keep], second[keep]
    coder, decoder = autoencoder(train, seed)
    codes = coder(test).reshape(len(test), -1)
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:CODE]
    middle = (test[first] + test[second]) / 2
    found = {
        "pixels": middle,
        "components": mean + (middle - mean) @ axes.T @ axes,
        "code": decoder((codes[first] + codes[second]) / 2),
    }
    returned = {"components, returned": mean + (test - mean) @ axes.T @ axes, "code, returned": decoder(codes)}
    natural = np.median(nearest(test, train))
    distances = {name: float(np.median(nearest(x, train)) / natural) for name, x in {**found, **returned}.items()}
    lost = {
        f"{name}: lost": float(np.sum((x - test) ** 2) / np.sum((test - mean) ** 2)) for name, x in returned.items()
    }
    return {**distances, **lost}


def inside_shares(seed: int, count: int = 60) -> dict[str, float]:
    """Shares of test digits that are inside the hull of the training digits, in pixels and in codes."""
    train, test, *_ = pixels()
    chosen = np.random.default_rng(seed).choice(len(test), count, replace=False)
    coder, _ = autoencoder(train, seed)
    spaces = {"pixels": (train, test), "codes": tuple(coder(x).reshape(len(x), -1) for x in (train, test))}
    return {name: float(np.mean([inside(a, x) for x in b[chosen]])) for name, (a, b) in spaces.items()}


# --- numbers on images


def printed(size: int) -> Array:
    """The numbers 00 … 99 as images (100, pixels): two mean digits side by side, each enlarged to size × size."""
    train, _, classes, _ = pixels()
    glyphs = [np.kron(train[classes == k].mean(axis=0).reshape(8, 8), np.ones((size // 8,) * 2)) for k in range(10)]
    return np.stack([np.hstack([glyphs[n // 10], glyphs[n % 10]]).ravel() for n in range(100)])


def halves_added(images: Array, size: int) -> Array:
    """Ten times the left digit's pixels and the right one's: what a reader with one set of weights for both sees."""
    whole = images.reshape(len(images), size, 2, size)
    return (10 * whole[:, :, 0] + whole[:, :, 1]).reshape(len(images), -1)


def read_errors(new: Array, size: int = 8) -> tuple[float, float]:
    """Largest errors of the numbers in ``new`` (indices), read by least squares with the smallest weights, which is

    where gradient descent from zero ends: weights for every pixel, and weights that both places share.
    """
    images, values = printed(size), np.arange(100.0)
    old = np.setdiff1d(np.arange(100), new)
    found = []
    for x in (images, halves_added(images, size)):
        weights = np.linalg.lstsq(x[old], values[old], rcond=None)[0]
        found.append(float(np.abs(x[new] @ weights - values[new]).max()))
    return found[0], found[1]
