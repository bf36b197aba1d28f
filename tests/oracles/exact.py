"""The exact solution of (2), without bases and steps: values at many Gauss points, and SciPy's integrator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

Array = np.ndarray
RATE = "tanh(u) - h/2"
CONSTANT = np.array([0.1, -0.2])


@dataclass(frozen=True, eq=False)
class Manufactured:
    """One channel and two classes, by RATE: random W, b and R of degree 2 in ξ and ξ′ and 1 in δ; waves as records."""

    seed: int = 0

    @cached_property
    def _drawn(self) -> tuple[Array, ...]:
        draw = np.random.default_rng(self.seed)
        waves = np.stack([draw.uniform(1, 5, 4), draw.uniform(0, 6, 4)])
        return *(draw.standard_normal(s) / 2 for s in ((3, 3, 2), (3, 2), (3, 2))), waves

    def weight(self, xi: Any, xi_: Any, delta: Any) -> Any:
        """W(ξ, ξ′, δ)."""
        return sum(
            c * _power(i, xi) * _power(j, xi_) * delta**k for (i, j, k), c in np.ndenumerate(self._drawn[0])
        )

    def bias(self, xi: Any, delta: Any) -> Any:
        """b(ξ, δ)."""
        return sum(c * _power(i, xi) * delta**k for (i, k), c in np.ndenumerate(self._drawn[1]))

    def readout(self, xi: Any) -> Any:
        """R_k(ξ), with axes for classes and the channel at the end."""
        both = [sum(2 * c * _power(i, xi) for i, c in enumerate(column)) for column in self._drawn[2].T]
        return np.stack(both, axis=-1)[..., None]

    @property
    def samples(self) -> Array:
        """Records at equally spaced points, (4, 33); what lies between is joined by lines."""
        speed, start = self._drawn[3][:, :, None]
        return np.sin(speed * np.linspace(-1, 1, 33) + start)

    @property
    def labels(self) -> Array:
        """The records' classes."""
        return np.array([0, 1, 1, 0])

    @cached_property
    def outputs(self) -> Array:
        """z (4, 2) of the exact solution: between samples it is smooth, and integrated to rounding."""
        s, w = np.polynomial.legendre.leggauss(6)
        points = ((np.arange(32)[:, None] + (1 + s) / 2) / 16 - 1).ravel()
        weights = np.tile(w / 32, 32)
        start = np.array([np.interp(points, np.linspace(-1, 1, 33), x) for x in self.samples])

        def slope(delta: float, flat: Array) -> Array:
            h = flat.reshape(start.shape)
            u = h @ (self.weight(points[:, None], points[None, :], delta) * weights).T + self.bias(points, delta)
            return np.ravel(np.tanh(u) - h / 2)

        found = solve_ivp(slope, (0.0, 1.0), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
        h = found.y[:, -1].reshape(start.shape)
        return np.asarray((h * weights) @ self.readout(points)[..., 0] + CONSTANT)

    @property
    def loss(self) -> float:
        """The mean cross-entropy."""
        return float(np.mean(np.log(np.exp(self.outputs).sum(axis=1)) - self.outputs[np.arange(4), self.labels]))


def _power(k: int, x: Any) -> Any:
    """x^k, of x's shape."""
    return np.asarray(x, dtype=float) ** k
