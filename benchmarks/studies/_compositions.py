"""Functions of eight variables: a composition of functions of two, and others as rough that have no structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.studies._perceptrons import Array, perceptron, trained


def composed(x: Array) -> Array:
    """A binary tree of one function of two variables, from eight of them in [−1, 1] to one."""
    while x.shape[1] > 1:
        left, right = x[:, ::2], x[:, 1::2]
        x = np.sin(left - right + left * right)
    return x[:, 0]


def roughness(f: Callable[[Array], Array], step: float = 1e-5) -> float:
    """The mean of |∇f|² over the variance of f."""
    x = np.random.default_rng(9).uniform(-1, 1, (1000, 8))
    moves = step * np.eye(8)
    return float(sum(np.mean((f(x + m) - f(x - m)) ** 2) for m in moves) / (2 * step) ** 2 / f(x).var())


def generic(seed: int) -> Callable[[Array], Array]:
    """64 random plane waves of one length, which makes them as rough as ``composed``."""
    generator = np.random.default_rng((seed, 3))
    waves, phases, sizes = generator.standard_normal((64, 8)), *generator.uniform(0, 2 * np.pi, (2, 64))
    waves /= np.linalg.norm(waves, axis=1)[:, None]
    wanted, scale = roughness(composed), 1.0

    def of(scale: float) -> Callable[[Array], Array]:
        return lambda x: np.sin(scale * x @ waves.T + phases) @ np.cos(sizes)

    for _ in range(6):
        scale *= np.sqrt(wanted / roughness(of(scale)))
    return of(scale)


def errors_in_eight(f: Callable[[Array], Array], seed: int, count: int = 600) -> tuple[float, float]:
    """Shares of the variance that a deep perceptron and kernel ridge regression leave on 1,000 records."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV

    x = np.random.default_rng(seed).uniform(-1, 1, (count + 1000, 8))
    y = f(x)
    y = (y - y[:count].mean()) / y[:count].std()
    model = perceptron((8, 32, 32, 32, 1), "tanh", seed)
    model = trained(model, x[:count], y[:count], 400, 0.01, validation=0.2)
    kernel = GridSearchCV(KernelRidge(kernel="rbf"), {"alpha": [0.01, 0.1], "gamma": [0.03, 0.1, 0.3]}, cv=3)
    kernel.fit(x[:count], y[:count])
    of = y[count:].var()
    return tuple(float(np.mean((z - y[count:]) ** 2) / of) for z in (model(x[count:])[:, 0], kernel.predict(x[count:])))
