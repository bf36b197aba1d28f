"""When the continuous adjoint misleads: the state is reconstructed backwards along a flow that contracts forwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.studies import Number, mean
from benchmarks.studies.neural_odes.equation import TIGHT, Array, Equation, gradient

CHANNELS, RECORDS, GAIN, FAST = 8, 16, 0.5, 24.0


def case(seed: int, fast: float, slow: float | None = None) -> tuple[Equation, Array, Array]:
    """An equation, records and targets (c, records); slow: the speed of the second half of the channels."""
    x, targets = np.random.default_rng((seed, 1)).standard_normal((2, CHANNELS, RECORDS))
    speeds = np.repeat([fast, fast if slow is None else slow], CHANNELS // 2)
    return Equation.random(seed, speeds, GAIN), x, 0.3 * targets


def continuous(
    equation: Equation, end: Array, bar: Array, path: Callable[[float], Array] | None = None, **how: Any
) -> tuple[Array, Array, Array]:
    """(8) and (9) integrated from δ = 1 to 0 by SciPy: h(0), λ(0) and the gradient by ``Equation.vector``.

    The state is taken from ``path``; without one it is integrated backwards together with the adjoint, from ``end``,
    so that nothing needs to be kept: the method of Chen et al. (2018), section 2.
    """
    size = end.size

    def backwards(depth: float, whole: Array) -> Array:
        own, lam = (part.reshape(end.shape) for part in np.split(whole[: 2 * size], 2))
        h = own if path is None else path(depth).reshape(end.shape)
        back, grown = equation.adjoint(depth, h, lam)
        moved = equation.rate(depth, h) if path is None else np.zeros_like(h)
        return np.concatenate([moved.ravel(), -back.ravel(), -grown])

    start = np.concatenate([end.ravel(), bar.ravel(), np.zeros(equation.vector.size)])
    found = solve_ivp(backwards, (1, 0), start, **how).y[:, -1]
    return found[:size].reshape(end.shape), found[size : 2 * size].reshape(end.shape), found[2 * size :]


def reconstructed(equation: Equation, x: Array, targets: Array, digits: int) -> tuple[Array, Array]:
    """h(0) as it comes back, and the gradient, both ways by Dormand and Prince's method with one tolerance."""
    how = {"method": "RK45", "rtol": 10.0**-digits, "atol": 10.0**-digits}
    end = equation.solution(x, **how).y[:, -1].reshape(x.shape)
    back, _, found = continuous(equation, end, end - targets, **how)
    return back, found


def kept(equation: Equation, x: Array, targets: Array, digits: int) -> Array:
    """The gradient with the state taken from what the forward solution kept, interpolated."""
    how = {"method": "RK45", "rtol": 10.0**-digits, "atol": 10.0**-digits}
    forward = equation.solution(x, dense_output=True, **how)
    end = forward.y[:, -1].reshape(x.shape)
    return continuous(equation, end, end - targets, forward.sol, **how)[2]


def true_gradient(equation: Equation, x: Array, targets: Array) -> Array:
    """The gradient to about ten digits: the adjoint along a path that was kept, all of it with tight tolerances."""
    forward = equation.solution(x, dense_output=True, **TIGHT)
    end = forward.y[:, -1].reshape(x.shape)
    return continuous(equation, end, end - targets, forward.sol, **TIGHT)[2]


def relative(found: Array, wanted: Array) -> float:
    """‖found − wanted‖/‖wanted‖."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def errors(seed: int, fast: float, slow: float | None = None, digits: int = 6) -> dict[str, float]:
    """Of the three ways to a gradient by speeds: relative errors, and that of the state that comes back."""
    equation, x, targets = case(seed, fast, slow)
    wanted = true_gradient(equation, x, targets)
    back, misled = reconstructed(equation, x, targets, digits)
    exact = gradient(equation.model(digits), x, targets)[1]
    return {
        "state": relative(back, x),
        "reconstructed": relative(misled, wanted),
        "cosine": cosine(misled, wanted),
        "kept": relative(kept(equation, x, targets, digits), wanted),
        "discrete": relative(exact, wanted),
    }


def growth(seed: int, speeds: Sequence[float], of: str, slow: float | None = None) -> float:
    """How fast the logarithm of an error of ``errors`` grows with the speed of the fast channels."""
    return float(np.polyfit(speeds, np.log([errors(seed, s, slow)[of] for s in speeds]), 1)[0])


def descended(seed: int, way: str, fast: float = FAST, digits: int = 3, steps: int = 40) -> Array:
    """Losses along gradient descent on K and b, from one start: ``way`` is "reconstructed", "kept" or "discrete".

    Targets are what another equation of the kind makes of the records.
    """
    equation, x, _ = case(seed, fast, 1.0)
    targets = case(seed + 100, fast, 1.0)[0].final(x)
    vector, losses = equation.vector, []
    for _ in range(steps):
        equation = equation.holding(vector)
        if way == "discrete":
            own = gradient(equation.model(digits), x, targets)[1]
        elif way == "kept":
            own = kept(equation, x, targets, digits)
        else:
            own = reconstructed(equation, x, targets, digits)[1]
        losses.append(0.5 * np.sum((equation.final(x) - targets) ** 2) / RECORDS)
        vector = vector - 0.02 * own
    return np.array(losses)


def numbers(seeds: range, long: bool) -> list[Number]:
    # Backwards a perturbation grows like exp(a (1 ∓ ‖tanh′ K‖) δ), with ‖K‖ ≤ GAIN.
    between, steps = (1 - GAIN, 1 + GAIN), 40 if long else 12
    alike = [errors(seed, FAST) for seed in seeds]
    mixed = [errors(seed, FAST, 1.0) for seed in seeds]
    losses = {
        way: [descended(seed, way, steps=steps)[-1] for seed in seeds] for way in ("discrete", "kept", "reconstructed")
    }
    return [
        mean("all channels contract: growth of the state's error with a", [growth(s, (4, 6, 8, 10, 12), "state")
             for s in seeds], *between),
        mean("all contract, a = 24: error of the state that comes back", [e["state"] for e in alike], 1, np.inf),
        mean("the same: error of the gradient, state reconstructed", [e["reconstructed"] for e in alike], 0, 1e-3),
        mean("half contract: growth of the gradient's error with a", [
             growth(s, (8, 10, 12, 14, 16), "reconstructed", 1.0)
             for s in seeds], *between),
        mean("half contract, a = 24: error of the gradient, state reconstructed", [e["reconstructed"] for e in mixed],
             0.1, np.inf),
        mean("the same, state kept", [e["kept"] for e in mixed], 0, 1e-4),
        mean("the same, discrete adjoint", [e["discrete"] for e in mixed], 0, 1e-4),
        mean("descent, three digits: last loss, reconstructed over discrete",
             np.divide(losses["reconstructed"], losses["discrete"]), 1.5, np.inf),
        mean("the same: kept over discrete", np.divide(losses["kept"], losses["discrete"]), 0.8, 1.25),
    ]  # fmt: skip
