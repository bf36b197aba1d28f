"""Vectors along a circle, written in a frame that turns: networks that do not see the frame, and others.

A record is a field of vectors v(ξ) in the plane, given by its components in a frame that is turned by α(ξ): R(−α) v. A
connection says what "the same direction" is at two places: transport from ξ′ to ξ turns by θ (ξ − ξ′)/2 in the frame
α = 0, so that once around the circle it is the angle θ, the holonomy, which no choice of frame changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies._perceptrons import of_seeds
from benchmarks.studies.symmetry.representations import Array, Kept, learned

CELLS, TIME, HOLONOMY = 16, 0.01, 2.0
WAYS = ("frame and connection", "W(ξ − ξ′) of components", "any W(ξ, ξ′)")


def turned(angles: Any) -> Array:
    """Rotations (…, 2, 2)."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def frames(kind: str, seed: int = 0) -> Array:
    """Angles of the frame in every cell: one that turns evenly, three times backwards, or at random in every cell."""
    xi = -1 + (2 * np.arange(CELLS) + 1) / CELLS
    random = np.random.default_rng(seed).uniform(-np.pi, np.pi, CELLS)
    return {"still": 0 * xi, "one turn": np.pi * xi, "three turns back": -3 * np.pi * xi, "random": random}[kind]


def seen(vectors: Array, angles: Array) -> Array:
    """Components (N, cells, 2) in a frame."""
    return np.einsum("iab,nib->nia", turned(-angles), vectors)


def distances() -> Array:
    """Signed distances (cells, cells) of cells on the circle, the short way, in cells."""
    apart = np.arange(CELLS)[:, None] - np.arange(CELLS)
    return np.asarray((apart + CELLS // 2) % CELLS - CELLS // 2)


def transport(angles: Array, holonomy: float) -> Array:
    """From the cell j to i along the short way, in the frame's components: (cells, cells, 2, 2)."""
    carried = holonomy * distances() / CELLS
    return turned(-angles[:, None] + carried + angles)


def declare(normalised: bool) -> dict[str, Any]:
    """One layer of two channels; û = u/√(|u|²/2 + 1/10) keeps the direction of u, tanh of components does not."""
    cells, once = {"family": "p0", "cells": CELLS}, {"family": "p0", "cells": 1}
    rate = {"rate": "u - h", "normalise": "1/10"} if normalised else {"rate": "tanh(u) - h"}
    return {
        "name": "gauge",
        "equation": {**rate, "spacing": "1", "channels": 2},
        "input": {"interpolant": "constant"},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, "depth": once},
        "bias": {"width": once, "depth": once},
        "integration": {"tableau": "euler", "steps": 1},
        "loss": {"kind": "l2"},
    }


def network(angles: Array, holonomy: float, seed: int, normalised: bool = True) -> Any:
    """W(ξ, ξ′) = transport · (a(ξ − ξ′) + b(ξ − ξ′) J), written in the frame; a and b are random."""
    a, b = np.random.default_rng(seed).standard_normal((2, CELLS))
    m = distances() % CELLS
    blocks = transport(angles, holonomy) @ (
        a[m][..., None, None] * np.eye(2) + b[m][..., None, None] * turned(np.pi / 2)
    )

    def weight(xi: Array, xi_: Array, delta: Array) -> Array:
        i, j, _ = np.broadcast_arrays(
            *(np.minimum((t + 1) / 2 * CELLS, CELLS - 1).astype(int) for t in (xi, xi_)), delta
        )
        return blocks[i, j]

    return ct.Continuum.from_fields(declare(normalised), W=weight)


def gap(make: Callable[[Array], Any], angles: Array, seed: int = 0) -> float:
    """How far the network in the frame, of components there, is from what it says in the frame that stands still."""
    vectors = np.random.default_rng(seed).standard_normal((20, CELLS, 2))
    found, wanted = make(angles)(seen(vectors, angles)), seen(make(0 * angles)(vectors), angles)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


# --- learning


def smoothed(vectors: Array, time: float = TIME) -> Array:
    """The heat flow of the connection, exp(t D²) with D = d/dξ − iθ/2, then √2 v/√(1 + |v|²); frame α = 0.

    Cells are samples; frequencies k have D = i(πk − θ/2).
    """
    z = np.fft.fft(vectors[..., 0] + 1j * vectors[..., 1], axis=1)
    rate = np.pi * np.fft.fftfreq(CELLS, 1 / CELLS) - HOLONOMY / 2
    z = np.fft.ifft(z * np.exp(-time * rate**2), axis=1)
    z *= np.sqrt(2 / (1 + np.abs(z) ** 2))
    return np.stack([z.real, z.imag], axis=-1)


def kept(model: Any, way: str, angles: Array) -> Kept:
    """What a way leaves of W's coordinates (i, j, depth, out, in); nothing of b where there is a frame to keep."""
    if way == WAYS[2]:
        return Kept.all(model)
    with_frame = way == WAYS[0]
    blocks = transport(angles, HOLONOMY) if with_frame else np.broadcast_to(np.eye(2), (CELLS, CELLS, 2, 2))
    units = [np.eye(2), turned(np.pi / 2), *([] if with_frame else [np.diag([1, -1]), np.array([[0, 1], [1, 0]])])]
    columns = [
        (blocks @ unit * (distances() % CELLS == m)[..., None, None]).ravel() for m in range(CELLS) for unit in units
    ]
    b = sparse.eye(2) if not with_frame else sparse.csr_matrix((2, 0))
    return Kept(sparse.block_diag([sparse.csr_matrix(np.array(columns).T), b]).tocsr())


def errors(way: str, kind: str, seed: int, count: int = 20, iterations: int = 150) -> tuple[float, int]:
    """Relative error on new records of a way that is trained in a frame, and how many numbers it has."""
    generator, angles = np.random.default_rng(seed), frames(kind, seed)
    vectors = generator.standard_normal((count + 200, CELLS, 2))
    x, y = seen(vectors, angles), seen(smoothed(vectors), angles)
    start = network(angles, HOLONOMY, seed) if way == WAYS[0] else ct.Continuum.from_spec(declare(True), seed)
    left = kept(start, way, angles)
    model = learned(start, left, ct.records(x[:count], y=y[:count]), iterations)
    return float(np.linalg.norm(model(x[count:]) - y[count:]) / np.linalg.norm(y[count:])), left.size


def numbers(long: bool) -> list[Number]:
    kinds = {kind: frames(kind) for kind in ("one turn", "three turns back", "random")}
    vectors = np.random.default_rng(0).standard_normal((20, CELLS, 2))
    flat, bent = (network(0 * kinds["random"], angle, 0)(vectors) for angle in (0.0, HOLONOMY))
    found = [
        Number(f"frame, {kind}: outputs move by", gap(lambda a: network(a, 2.0, 0), angles), 0, 1e-12)
        for kind, angles in kinds.items()
    ]
    found += [
        Number("the same, tanh of components", gap(lambda a: network(a, 2.0, 0, False), kinds["random"]), 0.01, 10),
        Number("the same, W(ξ − ξ′) of components", gap(lambda a: network(0 * a, 2.0, 0), kinds["random"]), 0.1, 10),
        Number("another holonomy: outputs move by", float(np.abs(bent - flat).max() / np.abs(flat).max()), 0.1, 10),
    ]
    small, large = (0, 1e-3), (0.3, 2)
    for way, both in zip(WAYS, ((small, small), (small, large), (large, large))):
        for kind, window in zip(("still", "random"), both):
            runs = [errors(way, kind, s)[0] for s in range(4 if long else 2)]
            found.append(of_seeds(f"20 fields of vectors, {way}, frame {kind}: error", runs, *window))
    return found
