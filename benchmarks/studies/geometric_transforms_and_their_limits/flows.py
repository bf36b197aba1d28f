"""Points of the plane moved by a flow, which is a homeomorphism, and by steps, which need not be one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number, mean
from numerics.pictures.axes import figure

Array = np.ndarray
Draw = Callable[[int, int], tuple[Array, Array]]

INNER, OUTER, DISC = 0.8, 1.2, 0.5  # radii of the ring, and of the disc inside it
CIRCLES = 9  # closed curves of the ring that are looked at


def plane(channels: int = 2, tableau: str = "rk4", steps: int = 32, epochs: int = 200) -> dict[str, Any]:
    """A classifier of points of the plane: the state is h(δ) ∈ R^channels, ∂h/∂δ = tanh(W(δ) h + b(δ)).

    With two channels the state at δ = 0 is the point itself; with more a lift, which is learned, puts it there.
    Readout: a line, or a plane, at δ = 1. Level "fine": the same fields with rk4 in 128 steps.
    """
    one, depth = {"family": "p0", "cells": 1}, {"family": "p0", "cells": 4}
    lift = {"lift": {"inputs": 2}} if channels > 2 else {}
    return lift | {
        "name": "plane",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1", "channels": channels},
        "state": {"basis": one},
        "weight": {"width_out": one, "width_in": one, "depth": depth},
        "bias": {"width": one, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": one},
        "loss": {"kind": "cross-entropy", "penalty": {"W": "1/10000", "R": "1/10000"}},
        "training": {"optimiser": "lbfgs", "epochs": epochs},
        "levels": {"fine": {"integration": {"tableau": "rk4", "steps": 128}}},
    }


def rings(count: int, seed: int) -> tuple[Array, Array]:
    """Points of a disc (class 0) and of a ring around it (class 1): (count, 1, 2), (count,)."""
    generator, inside = np.random.default_rng(seed), np.arange(count) < count // 2
    squares = np.where(inside, [[0], [DISC**2]], [[INNER**2], [OUTER**2]])
    radius = np.sqrt(squares[0] + generator.random(count) * (squares[1] - squares[0]))
    return on_circles(radius, 2 * np.pi * generator.random(count)), 1 - inside.astype(int)


def spirals(count: int, seed: int) -> tuple[Array, Array]:
    """Two sheets rolled up into each other, seen from the side: (count, 1, 2), (count,)."""
    generator, y = np.random.default_rng(seed), np.arange(count) % 2
    radius = 0.1 + 0.9 * np.sqrt(generator.random(count))
    noise = 0.02 * generator.standard_normal((count, 1, 2))
    return on_circles(1.2 * radius, 2.5 * np.pi * radius + np.pi * y) + noise, y


def on_circles(radius: Any, angle: Array) -> Array:
    """Points (count, 1, 2) by radius and angle."""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)[:, None, :]


def trained(spec: dict[str, Any], records: Draw, seed: int) -> ct.Continuum:
    """The classifier of a seed, trained on 600 of the records."""
    return ct.fit(ct.Continuum.from_spec(spec, seed=seed), *records(600, seed))


def accuracy(model: ct.Continuum, records: Draw) -> float:
    """On 4,000 new records."""
    return ct.evaluate(model, *records(4000, 1000))["accuracy"]


def right_on_circles(model: ct.Continuum, points: int = 1440) -> Array:
    """What share of each of the ring's circles is told to be ring, (CIRCLES,); of a model that is right in the middle.

    No homeomorphism of the plane followed by a straight line has a 1 here: the image of a circle is a closed curve
    around the image of the middle, and every half-plane with a point inside a closed curve has a part of the curve.
    """
    around = 2 * np.pi * np.arange(points) / points
    if model.labels(model(np.zeros((1, 1, 2))))[0] != 0:
        return np.zeros(CIRCLES)
    curves = np.concatenate([on_circles(radius, around) for radius in np.linspace(INNER, OUTER, CIRCLES)])
    return (model.labels(model(curves)) == 1).reshape(CIRCLES, points).mean(axis=1)


def turned_over(model: ct.Continuum, points: int = 41, step: float = 1e-5) -> float:
    """The share of the square [−1.3, 1.3]² where the map of the plane has a negative determinant: 0 for a flow."""
    axis = np.linspace(-1.3, 1.3, points)
    square = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)

    def end(shift: tuple[float, float]) -> Array:
        return model.trajectory(square + step * np.array(shift), at=[0.0])[1][:, -1, 0]

    first, second = end((1, 0)) - end((-1, 0)), end((0, 1)) - end((0, -1))
    return float(np.mean(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0))


def separation(model: ct.Continuum) -> tuple[Array, float]:
    """n and c with n · h(1) + c > 0 where the model tells class 1."""
    R, a = model.fields["R"](0.0), model.fields["a"].slabs[0].coefficients
    return 2 * (R[1] - R[0]), float(a[1] - a[0])


def picture(rows: list[tuple[str, ct.Continuum, Draw]], count: int = 600) -> Any:
    """The state of new records at five depths, a row a model; the line at δ = 1 is the classifier's.

    Of a state with a third channel the side view: across the separating plane, and in it.
    """
    made, grid = figure(len(rows), 5, 1.6, 1.6)
    for axes, (title, model, draw) in zip(grid, rows):
        x, y = draw(count, 2000)
        depths, h = model.trajectory(x, at=[0.0])
        n, c = separation(model)
        if len(n) > 2:
            inside = np.linalg.svd(n[None])[2][1]
            h, n = h @ np.stack([inside, n / np.linalg.norm(n)], -1), np.array([0, np.linalg.norm(n)])
        for place, k in zip(axes, np.linspace(0, len(depths) - 1, 5).astype(int)):
            place.scatter(*h[:, k, 0].T, s=2, c=np.where(y == 1, "#cc6633", "#3366aa"))
            place.set(xticks=[], yticks=[])
            place.set_title(f"δ = {depths[k]:.2g}", fontsize=8)
        low, high = axes[-1].get_xlim(), axes[-1].get_ylim()
        middle, along = -c * n / (n @ n), np.array([-n[1], n[0]]) / np.linalg.norm(n)
        axes[-1].plot(*np.stack([middle - 1e3 * along, middle + 1e3 * along], -1), color="0.3", lw=1)
        axes[-1].set(xlim=low, ylim=high)
        axes[0].set_ylabel(title, fontsize=8)
    return made


def numbers(seeds: range) -> list[Number]:
    rolled = [trained(plane(), spirals, seed) for seed in seeds]
    flat = [trained(plane(), rings, seed) for seed in seeds]
    lifted = [trained(plane(3), rings, seed) for seed in seeds]
    steps = [trained(plane(tableau="euler", steps=4), rings, seed) for seed in seeds]
    folds = [accuracy(model, rings) for model in steps]
    moved = [accuracy(ct.refine(model, level="fine"), rings) for model in steps]
    best = max(right_on_circles(model).max() for model in flat)
    over = max(turned_over(model) for model in (*rolled, *flat))
    return [
        mean("two rolled-up sheets, flow of the plane: accuracy", [accuracy(m, spirals) for m in rolled], 0.95, 1),
        Number("flow of the plane: largest share that it turns over", over, 0, 0),
        mean("disc in a ring, flow of the plane: accuracy", [accuracy(m, rings) for m in flat], 0.85, 0.999),
        Number("the same: largest share of a circle that is right, below 1", best, 0.5, 1 - 1 / 1440),
        mean("the same with a third channel: accuracy", [accuracy(m, rings) for m in lifted], 0.995, 1),
        mean("the same: share of circles that are wholly right", [np.mean(right_on_circles(m) == 1) for m in lifted],
             0.9, 1),
        mean("four Euler steps, no lift: accuracy", folds, 0.9, 1),
        mean("the same: share of the plane that is turned over", [turned_over(model) for model in steps], 0.1, 0.5),
        mean("the same: accuracy lost where the same fields flow", np.subtract(folds, moved), 0.05, 1),
    ]  # fmt: skip
