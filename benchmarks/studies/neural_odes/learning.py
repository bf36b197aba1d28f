"""Learned neural ODEs: the spiral of Chen et al., and speech whose records have 7 to 29 points."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import continua as ct
from benchmarks.studies import Number, mean

Array = np.ndarray

TURN = np.array([[-0.1, 2.0], [-2.0, -0.1]])  # of the spiral ẏ = y³ A, cubes taken number by number
APART = 0.25  # in time, of the pairs that are learned from
PAIRS, LONG = 200, 100  # so many pairs; so many times APART is what is foretold


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


def pairs(seed: int) -> tuple[Array, Array]:
    """Points of the spiral from (2, 0) at random times up to 25, and where they are APART later: (N, 1, 2) each."""
    times = np.sort(np.random.default_rng(seed).uniform(0, 25 - APART, PAIRS))
    at = later(np.array([[2.0], [0.0]]), times)[:, 0]
    return at.T[:, None, :], later(at, np.array([APART]))[:, :, 0].T[:, None, :]


def field(gates: int = 4, digits: int = 6, epochs: int = 300) -> dict[str, Any]:
    """A vector field of the plane: ∂h/∂δ = Σ_k tanh(u_2k−1) u_2k, u affine in h and the same at every δ."""
    one = {"family": "p0", "cells": 1}
    rate = " + ".join(f"tanh(u{2 * k + 1})*u{2 * k + 2}" for k in range(gates))
    return {
        "name": "spiral",
        "equation": {"rate": rate, "channels": 2},
        "state": {"basis": one},
        "weight": {"width_out": one, "width_in": one, "depth": one},
        "bias": {"width": one, "depth": one},
        "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": f"1/{10**digits}"},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": epochs},
    }


def learned(seed: int, **options: Any) -> ct.Continuum:
    """The field of a seed, trained on its pairs."""
    return ct.fit(ct.Continuum.from_spec(field(**options), seed=seed), *pairs(seed))


def followed(model: ct.Continuum, start: Array, count: int = LONG) -> Array:
    """Points (2, N) as the model moves them on, again and again: (2, N, count + 1)."""
    found = [start]
    for _ in range(count):
        found.append(np.asarray(model(found[-1].T[:, None, :]))[:, 0].T)
    return np.stack(found, -1)
