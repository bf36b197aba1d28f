"""A neural ODE in another library: outputs, evaluations and gradients by its adjoints; prints one line of JSON.

    python odes.py LIBRARY CASE.npz [MEMORY]

The case holds K (terms, c, c), b (terms, c), a (c,) of ∂h/∂δ = a (tanh(K(δ) h + b(δ)) − h), Legendre polynomials of
2δ − 1 as terms, states x and targets (c, records), and digits: of relative and absolute tolerances, one run each.
L = ½ Σ |h(1) − t|². A gradient is by K and b in one row; "discrete": through the solver's steps, "backwards": the
continuous adjoint with the state reconstructed. MEMORY, one of these two: instead, the bytes by which one gradient
raises the peak that solving the equation has reached.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WAYS = ("discrete", "backwards")
Forward, Gradient = Callable[[float], tuple[Any, int]], Callable[[str, float], tuple[Any, int]]
Solver = tuple[Forward, Gradient, Callable[[str], Any]]  # the last one compiles the gradient of a way


def terms(depth: Any, count: int) -> list[Any]:
    """P_0, P_1, P_2 of 2δ − 1."""
    s = 2 * depth - 1
    return [1 + 0 * s, s, (3 * s * s - 1) / 2][:count]


def of_torch(case: Any, library: str) -> Solver:
    import torch

    torch.set_num_threads(int(case["threads"]))
    K, b, a, x, targets = (torch.from_numpy(case[name]) for name in ("K", "b", "a", "x", "targets"))
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)

    class Rate(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.K, self.b, self.count = torch.nn.Parameter(K.clone()), torch.nn.Parameter(b.clone()), 0

        def forward(self, t: Any, x: Any, **_: Any) -> Any:  # torchdyn looks for these names
            self.count += 1
            own = terms(t, len(self.K))
            at, bias = (sum(p * value for p, value in zip(own, field)) for field in (self.K, self.b))
            return a[:, None] * (torch.tanh(at @ x + bias[:, None]) - x)

    def run(rate: Rate, way: str, tolerance: float) -> Any:
        if library == "torchdyn":
            from torchdyn.core import ODEProblem

            sensitivity = {"discrete": "autograd", "backwards": "adjoint"}[way]
            problem = ODEProblem(
                rate, "dopri5", sensitivity=sensitivity, atol=tolerance, rtol=tolerance, atol_adjoint=tolerance,
                rtol_adjoint=tolerance,
            )  # fmt: skip
            return problem(x, ends)[1][-1]
        import torchdiffeq

        solve = torchdiffeq.odeint if way == "discrete" else torchdiffeq.odeint_adjoint
        return solve(rate, x, ends, rtol=tolerance, atol=tolerance, method="dopri5")[-1]

    def forward(tolerance: float) -> tuple[Any, int]:
        rate = Rate()
        with torch.no_grad():
            return run(rate, "discrete", tolerance).numpy(), rate.count

    def gradient(way: str, tolerance: float) -> tuple[Any, int]:
        rate = Rate()
        loss = ((run(rate, way, tolerance) - targets) ** 2).sum() / 2
        loss.backward()
        return np.concatenate([p.grad.numpy().ravel() for p in (rate.K, rate.b)]), rate.count

    return forward, gradient, lambda way: None


def of_diffrax(case: Any) -> Solver:
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    K, b, a, x, targets = (jnp.asarray(case[name]) for name in ("K", "b", "a", "x", "targets"))

    def rate(depth: Any, h: Any, own: Any) -> Any:
        values = jnp.stack(terms(depth, len(K)))
        at, bias = (jnp.tensordot(values, field, 1) for field in own)
        return a[:, None] * (jnp.tanh(at @ h + bias[:, None]) - h)

    adjoints = {"discrete": diffrax.RecursiveCheckpointAdjoint(), "backwards": diffrax.BacksolveAdjoint()}

    def run(own: Any, way: str, tolerance: Any) -> tuple[Any, Any]:
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Dopri5(), 0.0, 1.0, None, x, own, adjoint=adjoints[way],
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance), max_steps=4096,
        )  # fmt: skip
        return found.ys[-1], found.stats["num_steps"]

    solve = jax.jit(lambda tolerance: run((K, b), "discrete", tolerance))

    def loss(own: Any, way: str, tolerance: Any) -> Any:
        y, steps = run(own, way, tolerance)
        return ((y - targets) ** 2).sum() / 2, steps

    slopes = {way: jax.jit(jax.grad(lambda own, t, way=way: loss(own, way, t), has_aux=True)) for way in WAYS}

    def forward(tolerance: float) -> tuple[Any, int]:
        y, steps = solve(tolerance)
        return np.asarray(y), 6 * int(steps) + 1  # its last stage is the next step's first

    def gradient(way: str, tolerance: float) -> tuple[Any, int]:
        found, steps = slopes[way]((K, b), tolerance)
        return np.concatenate([np.asarray(g).ravel() for g in found]), 6 * int(steps) + 1

    return forward, gradient, lambda way: slopes[way].lower((K, b), 0.1).compile()


def seconds(call: Callable[..., Any], *given: Any) -> float:
    """Processor seconds of the fastest of five calls, after one that compiles."""
    call(*given)
    found = []
    for _ in range(5):
        began = time.process_time()
        call(*given)
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    library, path, *memory = sys.argv[1:]
    case = np.load(path)
    forward, gradient, compiled = of_diffrax(case) if library == "diffrax" else of_torch(case, library)
    if memory:
        forward(10.0 ** -int(case["digits"][0]))
        compiled(memory[0])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        gradient(memory[0], 10.0 ** -int(case["digits"][0]))
        print(json.dumps(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))
        return
    rows = {}
    for digits in map(int, case["digits"]):
        y, count = forward(10.0**-digits)
        rows[digits] = {"y": y.tolist(), "evaluations": count, "seconds": seconds(forward, 10.0**-digits)}
        for way in WAYS:
            found, evaluations = gradient(way, 10.0**-digits)
            took = seconds(gradient, way, 10.0**-digits)
            rows[digits][way] = {"gradient": found.tolist(), "evaluations": evaluations, "seconds": took}
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
