"""The generated kernels beside the same computation in NumPy with BLAS: ratios, one run, equal precision and threads.

    python benchmarks/kernels.py [RECORD]

Prints the ratio kernel / NumPy of the median times of a forward and an adjoint sweep: below 1 the kernels are faster.
Cases: the demo's own spec (gelu, whose erf NumPy takes from SciPy), its sizes with tanh, and 1,024 records, state 128,
192 nodes, 16 Euler tanh stages. With RECORD the table is also written to that file.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"

import numpy as np
from scipy.special import erf
from threadpoolctl import threadpool_limits

from derive.declaration import load_spec
from numerics.model.continuum import Continuum

CASES = {
    "demo": {"records": 50, "state": 40, "weight": 20, "quadrature": 60, "steps": 4, "cells": 2,
             "activation": "gelu", "tableau": "heun"},
    "demo, tanh": {"records": 50, "state": 40, "weight": 20, "quadrature": 60, "steps": 4, "cells": 2,
                   "activation": "tanh", "tableau": "heun"},
    "large": {"records": 1024, "state": 128, "weight": 64, "quadrature": 192, "steps": 16, "cells": 16,
              "activation": "tanh", "tableau": "euler"},
}  # fmt: skip


def declared(case: dict[str, Any], precision: str) -> dict[str, object]:
    legendre = {"family": "legendre", "size": case["weight"]}
    cells = {"family": "p0", "cells": case["cells"]}
    return {
        "name": "benchmark", "precision": precision,
        "equation": {"rate": "residual", "activation": case["activation"], "spacing": f"1/{case['steps']}"},
        "state": {"basis": {"family": "legendre", "size": case["state"]}, "quadrature": case["quadrature"]},
        "weight": {"width_out": legendre, "width_in": legendre, "depth": cells},
        "bias": {"width": legendre, "depth": cells},
        "integration": {"tableau": case["tableau"], "steps": case["steps"]},
        "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 4}},
        "loss": {"kind": "cross-entropy"},
    }  # fmt: skip


def tanh(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f = np.tanh(u)
    return f, 1 - f * f


def gelu(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = u.dtype.type(0.5)
    phi = half * (1 + erf(u * u.dtype.type(np.sqrt(0.5))))
    return u * phi, phi + u * u.dtype.type(1 / np.sqrt(2 * np.pi)) * np.exp(-half * u * u)


ACTIVATIONS = {"tanh": tanh, "gelu": gelu}


def numpy_sweep(model: Continuum, x: np.ndarray, targets: np.ndarray, dtype: type) -> Callable[[], np.ndarray]:
    """The same residual network and its gradient at the stage operators, as NumPy writes it; returns dL/dx."""
    slab = model.solver.slabs[0]
    operators, biases = slab.operators["operators"], slab.operators["biases"]
    index, bias_index = slab.bound["operator_index"], slab.bound["bias_index"]
    a, combine = slab.bound["A"], slab.bound["combine"]
    readout, constant = (r.astype(dtype) for r in model.readout_map())
    rate, f = dtype(1 / float(model.spec.spacing)), ACTIVATIONS[model.spec.activation]
    steps, rows, _ = combine.shape

    def mix(row: np.ndarray, h: np.ndarray, m: list[np.ndarray]) -> np.ndarray:
        total = h if row[0] == 1 else row[0] * h
        for gamma, part in zip(row[1:], m):
            if gamma:
                total = total + gamma * part
        return total

    def run() -> np.ndarray:
        h, kept = x, []
        for n in range(steps):
            m: list[np.ndarray] = []
            for i in range(rows - 1):
                state = mix(combine[n, i], h, m)
                value, slope = f(operators[index[n, i]] @ state + biases[bias_index[n, i]][:, None])
                m.append(a @ (rate * value))
                kept.append((state, slope))
            h = mix(combine[n, -1], h, m)
        z = readout @ h + constant[:, None]
        e = np.exp(z - z.max(axis=0))
        bar = readout.T @ (e / e.sum(axis=0) - targets)
        bar_operators, bar_biases = np.zeros_like(operators), np.zeros_like(biases)
        for n in range(steps - 1, -1, -1):
            bars = [combine[n, -1, 1 + i] * bar for i in range(rows - 1)]
            bar = combine[n, -1, 0] * bar
            for i in range(rows - 2, -1, -1):
                state, slope = kept.pop()
                p = rate * slope * (a.T @ bars[i])
                bar_operators[index[n, i]] += p @ state.T
                bar_biases[bias_index[n, i]] += p.sum(axis=1)
                back = operators[index[n, i]].T @ p
                bar = bar + combine[n, i, 0] * back
                for j in range(i):
                    bars[j] = bars[j] + combine[n, i, 1 + j] * back
        return bar

    return run


def median(function: object, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, one thread; NumPy {np.__version__}",
        f"{'case':12s} {'precision':9s} {'kernel ms':>10s} {'NumPy ms':>10s} {'ratio':>6s}",
    ]
    print("\n".join(lines))
    for name, case in CASES.items():
        for precision, dtype in (("float32", np.float32), ("float64", np.float64)):
            lines.append(compare(name, case, precision, dtype))
            print(lines[-1])
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


def compare(name: str, case: dict[str, Any], precision: str, dtype: type) -> str:
    model = Continuum.from_spec(load_spec(declared(case, precision)), seed=0)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((case["state"], case["records"])).astype(dtype) / dtype(case["state"])
    targets = np.eye(2, dtype=dtype)[generator.integers(0, 2, case["records"])].T.copy()
    solver, (operator, constant) = model.solver, model.readout_map()

    def kernel() -> np.ndarray:
        return solver.gradient(x, operator, constant, targets)[-1]

    with threadpool_limits(1):
        peer = numpy_sweep(model, x, targets, dtype)
        mine, other = kernel(), peer()
        assert np.linalg.norm(mine - other) <= 1e-4 * np.linalg.norm(other), "the two compute different things"
        repeats = 200 if case["records"] < 100 else 15
        for function in (kernel, peer):
            median(function, 3)
        pairs = [(median(kernel, repeats // 5), median(peer, repeats // 5)) for _ in range(5)]
    ours, theirs = (statistics.median(p) * 1e3 for p in zip(*pairs))
    return f"{name:12s} {precision:9s} {ours:10.3f} {theirs:10.3f} {ours / theirs:6.2f}"


if __name__ == "__main__":
    main()
