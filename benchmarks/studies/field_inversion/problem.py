"""The problem: fields W*(ξ, ξ′, δ) and b*(ξ, δ), records that they were asked about, and how to come back to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import continua as ct
from numerics.model.curvature import Curvature

Array = np.ndarray
CELLS, SIZE = 16, 6


def declare(rate: str = "tanh(u) - h", size: int = SIZE, layers: int = 1) -> dict[str, Any]:
    """Fields of so many Legendre polynomials in every direction; the state is its means over 16 cells.

    One layer of the first rate is y = tanh(u).
    """
    polynomials, depth = {"family": "legendre", "size": size}, {"family": "p0", "cells": layers}
    return {
        "name": "inversion",
        "equation": {"rate": rate, "spacing": "1"},
        "input": {"interpolant": "constant"},
        "state": {"basis": {"family": "p0", "cells": CELLS}},
        "weight": {"width_out": polynomials, "width_in": polynomials, "depth": depth},
        "bias": {"width": polynomials, "depth": depth},
        "integration": {"tableau": "euler", "steps": layers},
        "loss": {"kind": "l2"},
        "levels": {
            f"size{n}": {
                "weight": {"width_out": polynomials | {"size": n}, "width_in": polynomials | {"size": n}},
                "bias": {"width": polynomials | {"size": n}},
            }
            for n in (2, 4)
        },
    }


def truth(spec: dict[str, Any], scale: float = 1.0) -> Any:
    """The continuum to be found, of smooth fields."""

    def weight(xi: Array, xi_: Array, delta: Array) -> Array:
        return scale * (1.5 * np.exp(-((xi - xi_) ** 2)) * np.cos(2 * xi + 4 * xi_) * (1 + delta / 2))

    def bias(xi: Array, delta: Array) -> Array:
        return scale * (0.4 * np.sin(2 * xi) + 0.1 * delta)

    return ct.Continuum.from_fields(spec, W=weight, b=bias)


def nearly_coarse(spec: dict[str, Any], scale: float = 1.0) -> Any:
    """Another one, which polynomials of degree 1 nearly hold."""

    def weight(xi: Array, xi_: Array, delta: Array) -> Array:
        return scale * (0.8 - 0.6 * xi + 0.7 * xi_ + 0.15 * np.cos(2 * xi + 4 * xi_) + 0 * delta)

    def bias(xi: Array, delta: Array) -> Array:
        return scale * (0.4 * xi + 0.15 * np.sin(4 * xi) + 0 * delta)

    return ct.Continuum.from_fields(spec, W=weight, b=bias)


def rough(spec: dict[str, Any], seed: int) -> Any:
    """Another one, of fields as large, whose coefficients are random and all of one size: white noise in the basis."""
    smooth = truth(spec)
    drawn = np.random.default_rng((6, seed)).standard_normal(smooth.size)
    return smooth.with_coordinates(drawn * np.linalg.norm(smooth.coordinates) / np.linalg.norm(drawn))


def inputs(count: int, waves: int, seed: int, decay: float = 0.0) -> Array:
    """Random records (N, cells) in the span of so many cosines, the first of which is constant.

    decay: coefficients fall like (1 + k)^−decay.
    """
    at = -1 + (2 * np.arange(CELLS) + 1) / CELLS
    shapes = np.cos(np.pi * np.arange(waves)[:, None] * (at + 1) / 2) / (1.0 + np.arange(waves)[:, None]) ** decay
    return np.asarray(np.random.default_rng((3, seed)).standard_normal((count, waves)) @ shapes)


@dataclass(frozen=True, eq=False)
class Asked:
    """What a known continuum answered. noise: the standard deviation of every cell's mean that was added."""

    known: Any
    x: Array
    y: Array
    noise: float

    @classmethod
    def of(cls, known: Any, x: Array, noise: float = 0.0, seed: int = 0) -> Asked:
        """noise: relative to the root mean square of the answers."""
        y = np.asarray(known(x)).reshape(x.shape)
        level = noise * float(np.sqrt(np.mean(y**2)))
        return cls(known, x, y + level * np.random.default_rng((4, seed)).standard_normal(y.shape), level)

    @property
    def records(self) -> Any:
        return ct.records(self.x, y=self.y[..., None])

    @property
    def expected(self) -> float:
        """The mean loss of the truth: ∫ of the squared noise over [−1, 1], whose mean is 2σ²."""
        return 2 * self.noise**2


def distance(found: Any, known: Any, field: str = "W") -> float:
    """The relative L2 error of a field."""
    block = next(b.part for b in known.blocks if b.name == field)
    wanted = known.coordinates[block]
    return float(np.linalg.norm(found.coordinates[block] - wanted) / np.linalg.norm(wanted))


def hessian(model: Any, asked: Asked) -> Array:
    """The Gauss–Newton matrix Jᵀ ℓ″ J (size, size) of the mean loss, in coordinates that are orthonormal in L2."""
    curvature = Curvature.of(model, model.prepare(asked.records))
    return np.stack([curvature.of_loss(e) for e in np.eye(model.size)])


def stiffness(model: Any, norm: str) -> Array:
    """The matrix of the fields' squared norm, "L2" or "H1", in the same coordinates."""
    columns = []
    for e in np.eye(model.size):
        along = model.coefficients_at(e)
        slopes = {
            name: [slab.metric(norm, c) for slab, c in zip(field.slabs, along[name])]
            for name, field in model.fields.items()
        }
        columns.append(model.orthonormal_gradient(slopes))
    return np.stack(columns)


def inverted(model: Any, asked: Asked, alpha: float, penalty: Array, iterations: int = 8) -> Any:
    """argmin of loss + α ⟨θ, L θ⟩ from a start, by damped Gauss–Newton steps with dense matrices."""
    prepared = model.prepare(asked.records)

    def total(at: Any) -> float:
        return float(at.objective(prepared)[0] + alpha * at.coordinates @ penalty @ at.coordinates)

    for _ in range(iterations):
        gradient = model.objective(prepared)[1] + 2 * alpha * penalty @ model.coordinates
        matrix = hessian(model, asked) + 2 * alpha * penalty
        step = -np.linalg.lstsq(matrix, gradient, rcond=1e-13)[0]
        before, share = total(model), 1.0
        while share > 1e-3 and total(model.with_coordinates(model.coordinates + share * step)) > before:
            share /= 2
        if share <= 1e-3:
            break
        model = model.with_coordinates(model.coordinates + share * step)
        if np.linalg.norm(step) < 1e-10 * np.linalg.norm(model.coordinates):
            break
    return model
