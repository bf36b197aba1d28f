"""One neural ODE in three forms: in NumPy, which is the reference, as a continuum, and as arrays that others read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self
from unittest.mock import patch

import numpy as np
from scipy.integrate import solve_ivp

import continua as ct
from numerics.kernels.adaptive import Stages

Array = np.ndarray
TIGHT = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
STAGES = 7  # of Dormand and Prince's method; the last one is the first of the next step


@dataclass(frozen=True)
class Equation:
    """∂h/∂δ = a · (tanh(K(δ) h + b(δ)) − h) for h(δ) ∈ R^c, with K and b polynomials of the depth.

    K (terms, c, c) and b (terms, c): coefficients of the Legendre polynomials P_k(2δ − 1). a (c,): how fast each
    channel follows; with one for all it is the rate `mlp`, and 1/a is Δ.
    """

    K: Array
    b: Array
    a: Array

    @classmethod
    def random(cls, seed: int, speeds: Any, gain: float) -> Self:
        """Three terms each, drawn; ‖K(δ)‖ ≤ gain for every δ."""
        a = np.asarray(speeds, dtype=float)
        generator = np.random.default_rng((seed, len(a)))
        K, b = generator.standard_normal((3, len(a), len(a))), generator.standard_normal((3, len(a))) / 3
        return cls(K * gain / np.linalg.norm(K, 2, axis=(1, 2)).sum(), b, a)

    @property
    def vector(self) -> Array:
        """K and b in one row, as gradients hold them."""
        return np.concatenate([self.K.ravel(), self.b.ravel()])

    def holding(self, vector: Array) -> Self:
        """The equation with such a row."""
        K, b = np.split(vector, [self.K.size])
        return replace(self, K=K.reshape(self.K.shape), b=b.reshape(self.b.shape))

    def polynomials(self, depth: Any) -> Array:
        """P_k(2δ − 1), (…, terms)."""
        values = np.polynomial.legendre.legvander(2 * np.asarray(depth) - 1, len(self.K) - 1)
        return values.reshape(*np.shape(depth), len(self.K))

    def activated(self, depth: float, h: Array) -> Array:
        """tanh(K h + b) for states (c, records)."""
        theta = self.polynomials(depth)
        return np.tanh(np.tensordot(theta, self.K, 1) @ h + (theta @ self.b)[:, None])

    def rate(self, depth: float, h: Array) -> Array:
        """∂h/∂δ."""
        return self.a[:, None] * (self.activated(depth, h) - h)

    def adjoint(self, depth: float, h: Array, bar: Array) -> tuple[Array, Array]:
        """(8) and (9): −∂λ/∂δ for λ = bar (c, records), and by how much the gradient by ``vector`` grows with −δ."""
        theta = self.polynomials(depth)
        own = self.a[:, None] * bar
        p = own * (1 - self.activated(depth, h) ** 2)
        by_K, by_b = np.multiply.outer(theta, p @ h.T), np.multiply.outer(theta, p.sum(axis=1))
        back = np.tensordot(theta, self.K, 1).T @ p - own
        return back, np.concatenate([by_K.ravel(), by_b.ravel()])

    def solution(self, x: Array, **how: Any) -> Any:
        """From records x (c, records) along the depth, by SciPy."""
        return solve_ivp(lambda depth, h: self.rate(depth, h.reshape(x.shape)).ravel(), (0, 1), x.ravel(), **how)

    def final(self, x: Array) -> Array:
        """h(1), (c, records), to about thirteen digits."""
        return self.solution(x, **TIGHT).y[:, -1].reshape(x.shape)

    def stepped(self, x: Array, steps: list[tuple[float, float]]) -> Array:
        """h(1) by Dormand and Prince's formulas with these (start, length), for complex K and b, too."""
        A, b, c = butcher()
        h = x.astype(self.K.dtype)
        for start, length in steps:
            slopes: list[Array] = []
            for row, node in zip(A, c):
                inner = h + length * sum(a * k for a, k in zip(row, slopes) if a)
                slopes.append(self.rate(start + node * length, inner))
            h = h + length * sum(weight * k for weight, k in zip(b, slopes))
        return h

    def model(self, digits: int) -> ct.Continuum:
        """The continuum with adaptive steps, each to so many digits. W = K/2 on [−1, 1], so that ∫ W h dξ′ = K h."""
        one, depth = {"family": "p0", "cells": 1}, {"family": "legendre", "size": len(self.K)}
        spec = {
            "name": "neural-ode",
            "equation": {"rate": "a*(tanh(u) - h)", "learned": {"a": "1"}, "channels": len(self.a)},
            "state": {"basis": one},
            "weight": {"width_out": one, "width_in": one, "depth": depth},
            "bias": {"width": one, "depth": depth},
            "integration": {"tableau": "dopri5", "steps": "adaptive", "tolerance": f"1/{10**digits}"},
            "loss": {"kind": "l2"},
        }
        return ct.Continuum.from_fields(
            spec,
            W=lambda xi, other, depth: np.tensordot(self.polynomials(depth + 0 * (xi + other)), self.K, 1) / 2,
            b=lambda xi, depth: self.polynomials(depth + 0 * xi) @ self.b,
            parameters=self.a[None],
        )


def butcher() -> tuple[Array, Array, Array]:
    """Dormand and Prince's A, b, c as SciPy has them, with the seventh stage."""
    from scipy.integrate import RK45

    A = np.zeros((STAGES, STAGES))
    A[:6, :5], A[6, :6] = RK45.A, RK45.B
    return A, np.append(RK45.B, 0.0), np.append(RK45.C, 1.0)


def records(x: Array) -> Array:
    """States (c, records) as records of one point (records, 1, c)."""
    return x.T[:, None, :]


def solved(model: ct.Continuum, x: Array) -> Array:
    """h(1) of states, (c, records)."""
    return np.asarray(model(records(x)))[:, 0].T


def gradient(model: ct.Continuum, x: Array, targets: Array) -> tuple[float, Array]:
    """L = ½ Σ |h(1) − t|² over all records, and its gradient by ``Equation.vector``, from the discrete adjoint.

    The model's own loss is the mean of ∫ |h − t|² dξ = 2 |h − t|², and its W is K/2.
    """
    loss, found = model.value_and_gradient(records(x), records(targets), metric="coefficients")
    W, b = (found[name].slabs[0].coefficients.ravel() for name in ("W", "b"))
    return x.shape[1] / 4 * loss, x.shape[1] / 4 * np.concatenate([W / 2, b])


def taken(model: ct.Continuum, x: Array) -> list[tuple[float, float]]:
    """(start, length) of the steps that the model takes for these states."""
    depths = model.trajectory(records(x), at=[0.0])[0]
    return list(zip(depths[:-1], np.diff(depths)))


def tried(model: ct.Continuum, x: Array) -> int:
    """How many steps the model tries for these states, those that were too long among them."""
    with patch.object(Stages, "attempt", autospec=True, side_effect=Stages.attempt) as attempt:
        solved(model, x)
    return attempt.call_count
