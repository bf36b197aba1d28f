"""Learned neural ODEs: the spiral of Chen et al., and speech whose records have 7 to 29 points."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import continua as ct
from benchmarks.studies import Number, mean
from numerics.datasets.sampling import thinned

Array = np.ndarray

TURN = np.array([[-0.1, 2.0], [-2.0, -0.1]])  # of the spiral ẏ = y³ A, cubes taken number by number
APART, PAIRS = 0.1, 200  # in time, of the pairs that are learned from; how many
SAMPLINGS = ("as recorded", "half", "random30")


def slope(y: Array) -> Array:
    """ẏ of the spiral for points (2, N)."""
    return TURN.T @ y**3


def later(y: Array, times: Array) -> Array:
    """Points (2, N) along their spirals, (2, N, times)."""
    flow = solve_ivp(
        lambda _, h: slope(h.reshape(y.shape)).ravel(), (0, times[-1]), y.ravel(), t_eval=times, method="DOP853",
        rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    return flow.y.reshape(*y.shape, -1)


def pairs(seed: int, start: tuple[float, float] = (2, 0)) -> tuple[Array, Array]:
    """Points of a spiral at random times up to 25, and where they are APART later: (N, 1, 2) each."""
    times = np.sort(np.random.default_rng(seed).uniform(0, 25, PAIRS))
    at = later(np.array(start, dtype=float)[:, None], times)[:, 0]
    return at.T[:, None, :], later(at, np.array([APART]))[:, :, 0].T[:, None, :]


def field(epochs: int, gates: int = 4) -> dict[str, Any]:
    """A vector field of the plane: ∂h/∂δ = Σ_k tanh(u_2k−1) u_2k, u affine in h and the same at every δ."""
    one = {"family": "p0", "cells": 1}
    return {
        "name": "spiral",
        "equation": {"rate": " + ".join(f"tanh(u{2 * k + 1})*u{2 * k + 2}" for k in range(gates)), "channels": 2},
        "state": {"basis": one},
        "weight": {"width_out": one, "width_in": one, "depth": one},
        "bias": {"width": one, "depth": one},
        "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": "1/100000"},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": epochs},
    }


def learned(seed: int, epochs: int = 100) -> tuple[ct.Continuum, list[int]]:
    """The field of a seed, trained on its pairs from a slow start, and how many steps it took after every epoch."""
    x, y = pairs(seed)
    model, steps = ct.Continuum.from_spec(field(epochs), seed=seed), []
    model = model.with_coordinates(0.2 * model.coordinates)  # as drawn, some fields run away

    def count(model: ct.Continuum, row: Any) -> None:
        steps.append(len(model.trajectory(x, at=[0.0])[0]) - 1)

    return ct.fit(model, x, y, callback=count), steps


def features(x: Array, degree: int) -> Array:
    """Monomials of the plane up to a degree, (N, count)."""
    return np.stack([x[:, 0] ** i * x[:, 1] ** j for i in range(degree + 1) for j in range(degree + 1 - i)], -1)


def foretold(seed: int, epochs: int) -> dict[str, float]:
    """Errors of where new points are APART later, over how far they have moved, on the same spiral and on another one;

    of the continuum and of least squares on monomials; and steps before and after training.
    """
    model, steps = learned(seed, epochs)
    shown = [z[:, 0] for z in pairs(seed)]
    found = {"steps before": float(steps[0]), "steps after": float(steps[-1])}
    for place, start in (("", (2.0, 0.0)), ("elsewhere, ", (1.5, 1.5))):
        x, y = (z[:, 0] for z in pairs(1000 + seed, start))
        guesses = {"continuum": np.asarray(model(x[:, None]))[:, 0]}
        for degree in (1, 5):
            map_ = np.linalg.lstsq(features(shown[0], degree), shown[1], rcond=None)[0]
            guesses[f"degree {degree}"] = features(x, degree) @ map_
        moved = np.linalg.norm(y - x)
        found |= {place + name: float(np.linalg.norm(z - y) / moved) for name, z in guesses.items()}
    return found


# --- speech


def speaker(adaptive: bool) -> dict[str, Any]:
    """Nine speakers from twelve channels: a neural ODE with adaptive steps, or two Euler steps. Level "solved": the

    same fields with ten times as accurate a solver.
    """
    five, depth = {"family": "legendre", "size": 5}, {"family": "legendre", "size": 2}
    loose, tight = (
        {"tableau": "dopri5", "steps": "adaptive", "tolerance": f"1/{tolerance}"} for tolerance in (1000, 10000)
    )
    return {
        "name": "speaker",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 12},
        "state": {"basis": {"family": "bspline", "degree": 3, "size": 10}},
        "weight": {"width_out": five, "width_in": five, "depth": depth},
        "bias": {"width": five, "depth": depth},
        "integration": loose if adaptive else {"tableau": "euler", "steps": 2},
        "readout": {"outputs": 9, "basis": five},
        "loss": {"kind": "cross-entropy", "penalty": {"W": "1/1000", "R": "1/1000"}},
        "training": {"optimiser": "lbfgs", "learning_rate": 0.1, "epochs": 40},
        "levels": {"solved": {"integration": tight}},
    }


def told(seed: int, adaptive: bool) -> dict[str, float]:
    """Accuracies for three samplings of the test records, of two baselines, and what a better solver changes."""
    train, test = ct.datasets.load("japanesevowels")
    model = ct.fit(ct.Continuum.from_spec(speaker(adaptive), seed=seed), train)
    points, right = model.sample_points(test), np.asarray(test.y)
    parts = {way: test if way == "as recorded" else thinned(test, points, way) for way in SAMPLINGS}
    found = {way: float(model.scores(model.prepare(part))["accuracy"]) for way, part in parts.items()}
    for name, z in model.baselines.outputs(model.prepare(test)).items():  # type: ignore[union-attr]
        found[name] = float(np.mean(z.argmax(axis=1) == right))
    solved = ct.refine(model, level="solved")
    z, other = (np.asarray(m(test)) for m in (model, solved))
    found["moved"] = float(np.linalg.norm(other - z) / np.linalg.norm(z))
    found["solved"] = float(np.mean(other.argmax(axis=1) == right))
    return found


def numbers(seeds: range, long: bool) -> list[Number]:
    spirals = [foretold(seed, 200 if long else 40) for seed in seeds]
    ode, steps = ([told(seed, adaptive) for seed in seeds] for adaptive in (True, False))
    return [
        mean("spiral: error of the continuum, over how far points move", [f["continuum"] for f in spirals], 0, 0.6),
        mean("the same of a linear map", [f["degree 1"] for f in spirals], 0.2, 1),
        mean("the same of polynomials of degree 5", [f["degree 5"] for f in spirals], 0, 0.15),
        mean("another spiral: error of the continuum", [f["elsewhere, continuum"] for f in spirals], 0, 1),
        mean("steps after training over before", [f["steps after"] / f["steps before"] for f in spirals], 1, 10),
        mean("speech, neural ODE: accuracy", [f["as recorded"] for f in ode], 0.95, 1),
        mean("the same, half of the points", [f["half"] for f in ode], 0.94, 1),
        mean("the same, a random third of the points", [f["random30"] for f in ode], 0.8, 1),
        mean("ridge regression on the same coefficients: accuracy", [f["linear"] for f in ode], 0.95, 1),
        mean("the most frequent speaker: accuracy", [f["null"] for f in ode], 0, 0.2),
        mean("two Euler steps: accuracy", [f["as recorded"] for f in steps], 0.95, 1),
        mean("neural ODE: scores moved by a better solver", [f["moved"] for f in ode], 0, 0.01),
        mean("two Euler steps: scores moved by the ODE's solver", [f["moved"] for f in steps], 0.1, 10),
        mean("two Euler steps: accuracy when solved as an ODE", [f["solved"] for f in steps], 0, 1),
    ]  # fmt: skip
