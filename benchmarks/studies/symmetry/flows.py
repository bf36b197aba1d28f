"""Burgers' equation: its solutions are mirrored by u(ξ) → −u(−ξ), which changes a sign of a channel."""

from __future__ import annotations

from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies._perceptrons import of_seeds
from benchmarks.studies.symmetry.positions import ONCE
from benchmarks.studies.symmetry.representations import (
    FLIP,
    Array,
    Kept,
    copies,
    generated,
    learned,
    regular,
    together,
    trivial,
)
from numerics.datasets import burgers


def flowing() -> dict[str, Any]:
    """The specification of the checked-in model, smaller: waves and gates, eight channels, two layers."""
    waves, cells = {"family": "fourier", "size": 25}, {"family": "p0", "cells": 2}
    rate = {"rate": "u1*sigmoid(u2) - 2*h", "channels": 8, "local": True}
    return {
        "name": "flowing",
        "equation": {**rate, "periodic": True, "symmetry": "translation"},
        "input": {"interpolant": "least-squares"},
        "lift": {"inputs": 1},
        "state": {"basis": waves},
        "weight": {"width_out": waves, "width_in": waves, "depth": cells},
        "bias": {"width": ONCE, "depth": cells},
        "integration": {"tableau": "euler", "steps": 2},
        "readout": {"outputs": 1},
        "loss": {"kind": "relative-l2"},
    }


def of_reflection(model: Any, signs: int = -1) -> Kept:
    """Pairs of channels change places under ξ → −ξ; the velocity changes its sign, or not (signs = 1)."""
    pair, number = copies(4, regular(generated(FLIP))), lambda g: np.array([[1 if g[0][0] > 0 else signs]])
    wide, waves = copies(2, pair), model.fields["W"].slabs[0].bases[0]
    parity = np.ones(waves.size, dtype=int)  # of a coefficient of W: cosines stay, sines change their sign
    for m, i, j in waves.index:
        parity[m] = np.prod([-1 if k and k % 2 == 0 else 1 for k in (i, j)])
    actions = {
        "W": (lambda g: np.diag(parity if g == FLIP else parity**2), wide, pair), "b": (trivial, wide),
        "V": (trivial, wide, pair), "P": (pair, together(number, trivial)), "R": (number, pair), "a": (number,),
    }  # fmt: skip
    return Kept.of(model, (FLIP,), actions)


def velocities(count: int, seed: int) -> tuple[Array, Array]:
    """Velocities at the times 0 and 1 at 32 points, (N, 32)."""
    start = burgers.initial(np.random.default_rng((11, seed)), count)
    return burgers.sampled(start, 32), burgers.sampled(burgers.solve(start, steps=100), 32)


def mirrored(u: Array) -> Array:
    """−u(−ξ) on the even grid that starts at −1."""
    return -np.roll(u[:, ::-1], 1, axis=1)


def flow_errors(seed: int, count: int, test: tuple[Array, Array], iterations: int) -> dict[str, float]:
    """Relative errors of networks of eight channels that commute with shifts, and with a reflection or not."""
    xi, (x, y) = -1 + np.arange(32) / 16, velocities(count, seed)
    model = ct.Continuum.from_spec(flowing(), seed=seed)
    both = np.concatenate([x, mirrored(x)]), np.concatenate([y, mirrored(y)])
    ways = {
        "no reflection": (Kept.all(model), x, y),
        "reflected images": (Kept.all(model), *both),
        "u(ξ) → −u(−ξ)": (of_reflection(model), x, y),
        "u(ξ) → u(−ξ), which is wrong": (of_reflection(model, 1), x, y),
    }
    found = {}
    for name, (kept, a, b) in ways.items():
        answer = learned(model, kept, ct.records(a, xi=xi, y=b[..., None]), iterations)(test[0], xi=xi)[..., 0]
        gaps = np.linalg.norm(answer - test[1], axis=1) / np.linalg.norm(test[1], axis=1)
        found[name] = float(gaps.mean())
    return found


def numbers(long: bool) -> list[Number]:
    model, test = ct.Continuum.from_spec(flowing(), seed=0), velocities(100, 99)
    xi, inside = -1 + np.arange(32) / 16, of_reflection(model).nearest(model)
    both = [np.asarray(inside(x, xi=xi))[..., 0] for x in (test[0], mirrored(test[0]))]
    gap = float(np.abs(both[1] - mirrored(both[0])).max() / np.abs(both[0]).max())
    heat = np.fft.irfft(np.fft.rfft(test[0]) * np.exp(-burgers.VISCOSITY * np.arange(17) ** 2), 32)
    null = float(np.mean(np.linalg.norm(heat - test[1], axis=1) / np.linalg.norm(test[1], axis=1)))
    found = [
        Number("Burgers: u(ξ) → −u(−ξ) commutes to", gap, 0, 1e-12),
        Number("Burgers, heat equation: error", null, 0.05, 1),
    ]
    for count in (10, 30, 100) if long else (20,):
        runs = [flow_errors(s, count, test, 150 if long else 80) for s in range(4 if long else 2)]
        windows = {name: (0.1, 1) if "wrong" in name else (0, null) for name in runs[0]}
        found += [
            of_seeds(f"Burgers, {count} records, {name}: error", [r[name] for r in runs], *window)
            for name, window in windows.items()
        ]
        found += [
            of_seeds(f"{count}: {name} over no reflection", [r[name] / r["no reflection"] for r in runs], 0, most)
            for name, most in (("reflected images", 1.2), ("u(ξ) → −u(−ξ)", 1))
        ]
    return found
