"""The smallest perturbations of a signal that change its class, by the adjoint, beside random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre

import continua as ct
from benchmarks.studies import Number, mean
from numerics.model.prepared import Prepared

Array = np.ndarray

MEDIAN = 0.67449  # of |a standard normal number|


def motions(state: int = 40) -> dict[str, Any]:
    """A classifier of GunPoint's two motions; level "fine": a state of twice as many Legendre polynomials."""
    width, depth = {"family": "legendre", "size": 20}, {"family": "p0", "cells": 2}
    return {
        "name": "motions-of-a-hand",
        "equation": {"rate": "residual", "activation": "gelu", "spacing": "1/4"},
        "state": {"basis": {"family": "legendre", "size": state}},
        "weight": {"width_out": width, "width_in": width, "depth": depth},
        "bias": {"width": width, "depth": depth},
        "integration": {"tableau": "heun", "steps": 4},
        "readout": {"outputs": 2, "basis": width},
        "loss": {"kind": "cross-entropy", "penalty": {"W": "1/300", "R": "1/300"}},
        "training": {"optimiser": "lbfgs", "learning_rate": 0.1, "epochs": 150},
        "levels": {"fine": {"state": {"basis": {"family": "legendre", "size": 2 * state}}}},
    }


def products(size: int) -> Array:
    """∫ P_j P_k dξ of Legendre polynomials (size, size)."""
    nodes, weights = legendre.leggauss(size)
    values = legendre.legvander(nodes, size - 1)
    return values.T @ (weights[:, None] * values)


def length(r: Array, gram: Array) -> Array:
    """Norms of functions with coefficients r (size, N): (N,)."""
    return np.sqrt(np.sum(r * (gram @ r), axis=0))


def as_records(states: Array) -> Prepared:
    """Functions with coefficients (size, N) as records."""
    return Prepared(states, None, np.zeros(states.shape[1]), None)


def outputs(model: ct.Continuum, states: Array) -> Array:
    """The numbers of the classes, (classes, N)."""
    return model.outputs(as_records(states)).T


def signs(model: ct.Continuum, states: Array) -> Array:
    """±1 (N,): which class the model tells, of two."""
    z = outputs(model, states)
    return np.where(z[1] > z[0], 1, -1)


def margin(model: ct.Continuum, states: Array, own: Array) -> Array:
    """How far the own class is ahead of the other (N,)."""
    z = outputs(model, states)
    return own * (z[1] - z[0])


def smallest(model: ct.Continuum, states: Array, metric: str, rounds: int = 20) -> Array:
    """For each record a perturbation (size, N) that changes its class, small in "L2" or "H1".

    Newton's steps to margin 0 along the gradient by the record in that metric: the smallest ones of the linearised
    model (Moosavi-Dezfooli et al. 2016). Then as little of their sum as changes the class.
    """
    own, r = signs(model, states), np.zeros_like(states)
    for _ in range(rounds):
        ahead = margin(model, states + r, own)
        if (ahead < 0).all():
            break
        along = model.input_gradient(as_records(states + r), functional=np.outer(own, [-1, 1]), metric=metric)
        r -= np.where(ahead < 0, 0, (1.02 * ahead + 1e-9) / along.squares) * along.coefficients[..., 0].T
    return r * first_change(model, states, r, own, np.ones(states.shape[1]))


def first_change(model: ct.Continuum, states: Array, r: Array, own: Array, high: Array) -> Array:
    """t ≤ high (N,) where the class of states + t r changes, by bisection."""
    low, high = np.zeros_like(high), high.copy()
    for _ in range(30):
        middle = (low + high) / 2
        ahead = margin(model, states + middle * r, own) > 0
        low, high = np.where(ahead, middle, low), np.where(ahead, high, middle)
    return high


def random_ones(model: ct.Continuum, states: Array, gram: Array, start: Array, seed: int) -> Array:
    """How long a random perturbation must be to change a record's class, along ± one direction each (N,); maybe ∞.

    White in the metric of the Gram matrix: all its orthonormal coordinates are drawn alike. start: lengths (N,) to
    begin with.
    """
    own = signs(model, states)
    v = np.linalg.solve(np.linalg.cholesky(gram).T, np.random.default_rng(seed).standard_normal(states.shape))
    v /= length(v, gram)
    found = np.full(len(start), np.inf)
    for t in np.geomspace(1, 200, 60):
        for way in (1, -1):
            changed = (margin(model, states + way * t * start * v, own) < 0) & np.isinf(found)
            if changed.any():
                part = states[:, changed], way * v[:, changed], own[changed], t * start[changed]
                found[changed] = first_change(model, *part)
    return found


def linear(train: Array, labels: Array, test: Array, gram: Array) -> Array:
    """The same of ridge regression on the same coefficients, whose smallest perturbations have a formula: (N,).

    The penalty, of sixteen, is that with the least error when every record is left out once.
    """
    x, y = train - train.mean(axis=1, keepdims=True), 2 * labels - 1 - np.mean(2 * labels - 1)
    values, vectors = np.linalg.eigh(x.T @ x)
    best, w = np.inf, y
    for penalty in values[-1] * np.geomspace(1e-8, 1, 16):
        dual = vectors @ ((vectors.T @ y) / (values + penalty))
        error = np.mean((dual / np.sum(vectors**2 / (values + penalty), axis=1)) ** 2)
        if error < best:
            best, w = error, x @ dual
    ahead = w @ (test - train.mean(axis=1, keepdims=True)) + np.mean(2 * labels - 1)
    return np.abs(ahead) / np.sqrt(w @ np.linalg.solve(gram, w))


def both_sizes(model: ct.Continuum, test: ct.Records, seed: int) -> dict[str, float]:
    """How the smallest perturbation and random ones change where the state has twice as many functions."""
    medians = []
    for one in (model, ct.refine(model, level="fine")):
        states = one.project_samples(test)
        gram = products(len(states))
        least = length(smallest(one, states, "L2"), gram)
        medians.append((np.median(least), np.median(random_ones(one, states, gram, least, seed))))
    (least, other), (least_fine, other_fine) = medians
    return {"converged": abs(least_fine / least - 1), "growth": other_fine / other}


def perturbations(model: ct.Continuum, train: ct.Records, test: ct.Records, seed: int) -> dict[str, float]:
    """Medians over the test records; see ``numbers`` for what each is."""
    states = model.project_samples(test)
    gram = products(len(states))
    size = length(states - states.mean(axis=1, keepdims=True), gram)
    both = [smallest(model, states, metric) for metric in ("L2", "H1")]
    least, smooth = (length(r, gram) for r in both)
    own = signs(model, states)
    changed = [signs(model, states + (1 + 1e-6) * r) != own for r in both]
    plain = linear(model.project_samples(train), model.class_labels(train), states, gram)
    longer = random_ones(model, states, gram, least, seed) / least
    return {
        "relative": float(np.median(least / size)),
        "changed": float(np.mean(changed)),
        "linear": float(np.median(plain / size)),
        "equal": float(np.mean(longer <= 1)),
        "theory": float(np.median(longer) * MEDIAN / np.sqrt(len(states))),
        "smooth": float(np.median(smooth / least)),
    }


def numbers(seeds: range) -> list[Number]:
    train, test = ct.datasets.load("gunpoint")
    rows = []
    for seed in seeds:
        model = ct.fit(ct.Continuum.from_spec(motions(), seed=seed), train)
        rows.append(perturbations(model, train, test, seed) | both_sizes(model, test, seed))
    found = {key: [row[key] for row in rows] for key in rows[0]}
    return [
        mean("smallest perturbation that changes the class, over the signal's size", found["relative"], 0.02, 0.3),
        mean("share of classes that it, or the smallest one in H1, changes", found["changed"], 1, 1),
        mean("the smallest of ridge regression", found["linear"], 0.02, 0.5),
        mean("share of classes that random ones of that size change", found["equal"], 0, 0.02),
        mean("how much longer random ones must be, over a linear model's √n/0.674", found["theory"], 0.5, 2),
        mean("state of twice as many functions: change of the smallest one", found["converged"], 0, 0.02),
        mean("the same: growth of the random ones, √2 by theory", found["growth"], 1.25, 1.6),
        mean("smallest ones in H1: their L2 norm over the smallest", found["smooth"], 1, 10),
    ]
