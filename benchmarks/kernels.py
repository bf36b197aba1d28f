"""The generated kernels beside the same computation in NumPy with BLAS: ratios, one run, equal precision and threads.

    python benchmarks/kernels.py

Prints the ratio kernel / NumPy of the median times of a forward and an adjoint sweep, for the demo's sizes and for
1,024 records, state 128, 192 nodes, 16 Euler tanh stages. Below 1 the kernels are faster.
"""

from __future__ import annotations

import os
import statistics
import time

os.environ["CONTINUA_THREADS"] = "1"

import numpy as np
from threadpoolctl import threadpool_limits

from derive.spec import load_spec
from numerics.continuum import Continuum

CASES = {
    "demo sizes": {"records": 50, "state": 40, "weight": 20, "quadrature": 60, "steps": 8},
    "large": {"records": 1024, "state": 128, "weight": 64, "quadrature": 192, "steps": 16},
}


def declared(case: dict[str, int], precision: str) -> dict[str, object]:
    legendre = {"family": "legendre", "size": case["weight"]}
    cells = {"family": "p0", "cells": case["steps"]}
    return {
        "name": "benchmark", "precision": precision,
        "equation": {"rate": "residual", "activation": "tanh", "spacing": f"1/{case['steps']}"},
        "state": {"basis": {"family": "legendre", "size": case["state"]}, "quadrature": case["quadrature"]},
        "weight": {"width_out": legendre, "width_in": legendre, "depth": cells},
        "bias": {"width": legendre, "depth": cells},
        "integration": {"tableau": "euler", "steps": case["steps"]},
        "readout": {"outputs": 2, "basis": {"family": "legendre", "size": 4}},
        "loss": {"kind": "cross-entropy"},
    }  # fmt: skip


def numpy_sweep(model: Continuum, x: np.ndarray, targets: np.ndarray, dtype: type) -> object:
    """The same Euler network and its gradient at the stage operators, as NumPy writes it."""
    slab = model.solver.slabs[0]
    operators, biases = slab.operators["operators"], slab.operators["biases"]
    index = slab.bound["operator_index"][:, 0]
    a, combine = slab.bound["A"], slab.bound["combine"]
    readout, constant = (r.astype(dtype) for r in model.readout_map())
    rate = dtype(1 / float(model.spec.spacing))

    def run() -> None:
        h, kept = x, []
        for n, row in enumerate(index):
            f = np.tanh(operators[row] @ h + biases[row][:, None])
            kept.append((h, f))
            h = h + combine[n, 1, 1] * (a @ (rate * f))
        z = readout @ h + constant[:, None]
        e = np.exp(z - z.max(axis=0))
        bar = readout.T @ (e / e.sum(axis=0) - targets)
        bar_operators, bar_biases = np.zeros_like(operators), np.zeros_like(biases)
        for n in range(len(index) - 1, -1, -1):
            h, f = kept[n]
            p = combine[n, 1, 1] * rate * (1 - f * f) * (a.T @ bar)
            bar_operators[index[n]] += p @ h.T
            bar_biases[index[n]] += p.sum(axis=1)
            bar = bar + operators[index[n]].T @ p

    return run


def median(function: object, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"{'case':12s} {'precision':9s} {'kernel ms':>10s} {'NumPy ms':>10s} {'ratio':>6s}")
    for name, case in CASES.items():
        for precision, dtype in (("float32", np.float32), ("float64", np.float64)):
            model = Continuum.from_spec(load_spec(declared(case, precision)), seed=0)
            generator = np.random.default_rng(0)
            x = generator.standard_normal((case["state"], case["records"])).astype(dtype) / case["state"]
            targets = np.eye(2, dtype=dtype)[generator.integers(0, 2, case["records"])].T.copy()
            solver, (operator, constant) = model.solver, model.readout_map()

            def kernel() -> None:
                solver.gradient(x, operator, constant, targets)  # noqa: B023

            with threadpool_limits(1):
                peer = numpy_sweep(model, x, targets, dtype)
                repeats = 200 if case["records"] < 100 else 15
                for function in (kernel, peer):
                    median(function, 3)
                pairs = [(median(kernel, repeats // 5), median(peer, repeats // 5)) for _ in range(5)]
            ours, theirs = (statistics.median(p) * 1e3 for p in zip(*pairs))
            print(f"{name:12s} {precision:9s} {ours:10.3f} {theirs:10.3f} {ours / theirs:6.2f}")


if __name__ == "__main__":
    main()
