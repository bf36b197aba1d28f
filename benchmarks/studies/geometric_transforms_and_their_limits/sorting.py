"""Sorting: learned from examples, by a program, and by a smooth flow that nobody learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import continua as ct
from benchmarks.studies import Number, mean

Array = np.ndarray

LENGTH = 6  # of the lists


def sorter(channels: int = 8) -> dict[str, Any]:
    """From lists, as functions constant on LENGTH cells, to lists: a residual network, every field free."""
    cells, depth = {"family": "p0", "cells": LENGTH}, {"family": "p0", "cells": 4}
    return {
        "name": "sorter",
        "equation": {"rate": "residual", "activation": "relu", "spacing": "1", "channels": channels},
        "input": {"interpolant": "constant"},
        "lift": {"inputs": 1, "width": cells},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, "depth": depth},
        "bias": {"width": cells, "depth": depth},
        "integration": {"tableau": "euler", "steps": 4},
        "readout": {"outputs": 1, "width": cells},
        "loss": {"kind": "l2"},
        "training": {"optimiser": "lbfgs", "epochs": 300},
    }


def lists(count: int, seed: int) -> Array:
    """Of numbers drawn from [−1, 1]: (count, LENGTH)."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, LENGTH))


def learned_to_sort(count: int, seed: int) -> ct.Continuum:
    """A continuum that was shown so many lists, and these sorted."""
    x = lists(count, seed)
    return ct.fit(ct.Continuum.from_spec(sorter(), seed=seed), x, np.sort(x)[..., None])


def sorting_error(sort: Callable[[Array], Array], shift: float = 0.0, seed: int = 1000) -> float:
    """Mean square error on 2,000 new lists, all numbers larger by ``shift``, over that of who knows the places' means.

    The k-th smallest of n numbers from [−1, 1] is 2k/(n + 1) − 1 on the mean: sorting without a look at the list.
    """
    x = lists(2000, seed)
    y = np.sort(x)
    blind = 2 * np.arange(1, LENGTH + 1) / (LENGTH + 1) - 1
    answers = np.asarray(sort(x + shift)).reshape(x.shape)
    return float(np.mean((answers - shift - y) ** 2) / np.mean((blind - y) ** 2))


def bracket_flow(x: Array, time: float = 400.0, seed: int = 0) -> Array:
    """A list (n,) sorted by a smooth flow: dH/dt = [H, [H, N]], N = diag(1, …, n) (Brockett 1991).

    H(0) has the list for eigenvalues, and they stay; H(t) becomes diagonal with the diagonal ordered as N's.
    """
    size = len(x)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]
    order = np.diag(np.arange(1.0, size + 1))

    def rate(_: float, h: Array) -> Array:
        h = h.reshape(size, size)
        inner = h @ order - order @ h
        return (h @ inner - inner @ h).ravel()

    end = solve_ivp(rate, (0, time), (turn @ np.diag(x) @ turn.T).ravel(), rtol=1e-8, atol=1e-10).y[:, -1]
    return np.diag(end.reshape(size, size))


def numbers(seeds: range) -> list[Number]:
    few = [learned_to_sort(250, seed) for seed in seeds]
    many = [learned_to_sort(2000, seed) for seed in seeds]
    flowed = [np.abs(bracket_flow(x) - np.sort(x)).max() for x in lists(len(seeds) * 4, 0)]
    return [
        mean("six numbers sorted, 250 lists seen: error over the blind's", [sorting_error(m) for m in few], 0.05, 0.5),
        mean("2,000 lists seen", [sorting_error(m) for m in many], 0.05, 0.5),
        mean("the same with all numbers larger by 1", [sorting_error(m, 1.0) for m in many], 0.3, 10),
        mean("the same with all numbers larger by 2", [sorting_error(m, 2.0) for m in many], 1, 100),
        Number("np.sort, larger by 2", sorting_error(np.sort, 2.0), 0, 1e-20),
        Number("Brockett's flow: median of the largest error", float(np.median(flowed)), 0, 1e-3),
    ]  # fmt: skip
