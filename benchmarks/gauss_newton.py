"""Gauss–Newton: steps by the size of the mesh, and beside L-BFGS and Adam at equal CPU time.

    python benchmarks/gauss_newton.py [RECORD] [--seconds 20] [--seeds 3]

The first table: outer steps, and products with the Gauss–Newton matrix, until ‖gradient‖ has fallen to 10⁻⁶ of the
first one, for a perceptron on 16 to 256 cells, whose fields a penalty makes unique. The second: losses on the training
records (with penalties) and on records that were held out, after equal CPU times of one thread; compilation is not
counted, and schedules are planned by the time of the first steps. Every optimiser has its best of three learning rates
by the held-out loss of the first seed.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from derive.spec import Training
from numerics import Continuum, datasets
from numerics.datasets import Records
from numerics.kernels import threads
from numerics.model.prepared import Prepared
from numerics.model.units import learned
from numerics.training import optimisers
from numerics.training.job import Job
from numerics.training.objective import Counted

SIZES, REACHED = (16, 32, 64, 128, 256), 1e-6
RATES = {"gauss-newton": (0.1, 1.0, 10.0), "lbfgs": (0.1, 1.0, 10.0), "adam": (0.003, 0.03, 0.3),
         "adam-coordinatewise": (0.001, 0.003, 0.01), "kronecker": (0.001, 0.003, 0.01)}  # fmt: skip
TRIED = 5  # steps whose time says how many there will be
RECORDS = {"gunpoint": 150, "burgers": 200}
Array = np.ndarray


def on_cells(size: int) -> dict[str, Any]:
    """Fields and state of one channel on cells; layers that decay to their activations."""
    cells, depth = {"family": "p0", "cells": size}, {"family": "p0", "cells": 2}
    return {
        "name": f"cells-{size}",
        "equation": {"rate": "mlp", "activation": "tanh", "spacing": "1/2"},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, "depth": depth},
        "bias": {"width": cells, "depth": depth},
        "integration": {"tableau": "heun", "steps": 4},
        "loss": {"kind": "l2", "penalty": {"W": "1/100", "b": "1/100"}},
    }


def smooth(count: int) -> Records:
    """Sums of waves, and what a smooth nonlinear operator makes of them."""
    generator, xi = np.random.default_rng(0), np.linspace(-1, 1, 129)
    waves = np.cos(np.outer(np.arange(6) * np.pi / 2, xi + 1))
    x = generator.standard_normal((count, 6)) / (1 + np.arange(6)) @ waves
    kernel = np.exp(-4 * (xi[:, None] - xi) ** 2)
    return datasets.records(x, xi=xi, y=np.tanh(x @ kernel * 2 / 129) + 0.1 * np.sin(3 * xi))


class Objective:
    """The objective of a model on records, which counts its products."""

    def __init__(self, model: Continuum, prepared: Prepared) -> None:
        job = Job(model, Training(), "", (), prepared, None)
        self.of, self.products = Counted(job, prepared), 0

    def __call__(self, vector: Array) -> tuple[float, Array]:
        return self.of(vector)

    def curvature(self, vector: Array) -> optimisers.Product:
        product = self.of.curvature(vector)

        def counted(direction: Array) -> Array:
            self.products += 1
            return product(direction)

        return counted


def steps_by_size() -> list[str]:
    lines = [f"{'cells':>6s} {'coefficients':>12s} {'steps':>6s} {'products':>8s} {'seconds':>8s}"]
    data = smooth(64)
    for size in SIZES:
        model = Continuum.from_spec(on_cells(size), seed=0)
        objective, vector = Objective(model, model.prepare(data)), model.coordinates
        options = Training(optimiser="gauss-newton", learning_rate=1.0)
        state, norms = optimisers.start(model.blocks, 1, options), list[float]()
        start = time.process_time()
        while not norms or norms[-1] > REACHED * norms[0]:
            state, vector, info = optimisers.step(state, objective, vector)
            norms.append(info.gradient_norm)
            if info.stop:
                raise SystemExit(f"{size} cells: {info.stop}")
        seconds = time.process_time() - start
        lines.append(f"{size:6d} {model.size:12,d} {len(norms) - 1:6d} {objective.products:8d} {seconds:8.1f}")
    return lines


def at_equal_time(name: str, seconds: float, seeds: int) -> list[str]:
    train = datasets.load(name)[0]
    count = min(RECORDS[name], len(train))
    order = np.random.default_rng(0).permutation(len(train))[:count]
    held, kept = train.take(order[: count // 5]), train.take(order[count // 5 :])
    lines = [f"{name:20s} {'rate':>6s} {'objective':>21s} {'held out':>21s} {'steps':>7s}"]
    for optimiser, rates in RATES.items():
        first = {rate: trained(name, kept, held, optimiser, rate, seconds, 0) for rate in rates}
        rate = min(first, key=lambda r: (not np.isfinite(first[r][1]), first[r][1]))
        found = [first[rate], *(trained(name, kept, held, optimiser, rate, seconds, s) for s in range(1, seeds))]
        objective, loss, steps = np.array(found).T
        spread = [f"{a.mean():.4g} ± {a.std(ddof=1) if seeds > 1 else 0:.2g}" for a in (objective, loss)]
        lines.append(f"{optimiser:20s} {rate:6g} {spread[0]:>21s} {spread[1]:>21s} {np.median(steps):7.0f}")
    return lines


def trained(
    name: str, kept: Records, held: Records, optimiser: str, rate: float, seconds: float, seed: int
) -> tuple[float, float, float]:
    """Objective, held-out loss and steps after so many CPU seconds; schedules are over by then."""
    model = Continuum.from_spec(f"specs/{name}.toml", seed=seed)
    model = model.replace(units=learned(model.spec, model.units, kept, np.arange(len(kept))))
    objective, apart = Objective(model, model.prepare(kept)), model.prepare(held)
    vector = model.coordinates
    objective.curvature(vector)(vector)  # compiled
    options = Training(optimiser=optimiser, learning_rate=rate, epochs=TRIED + 1)
    state, there, _ = optimisers.step(optimisers.start(model.blocks, 1, options), objective, vector)  # compiled, too
    start = time.process_time()
    for _ in range(TRIED):
        state, there, _ = optimisers.step(state, objective, there)
    cost = (time.process_time() - start) / TRIED
    options = replace(options, epochs=max(1, round(seconds / cost)))
    state, steps = optimisers.start(model.blocks, 1, options), 0
    start = time.process_time()
    while time.process_time() - start < seconds and steps < options.epochs:
        state, vector, info = optimisers.step(state, objective, vector)
        steps += 1
        if info.stop:
            break
    return objective(vector)[0], model.with_coordinates(vector).scores(apart)["loss"], steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without-time", action="store_true", help="the first table alone")
    given = parser.parse_args()
    with threads.serial_blas():
        lines = steps_by_size()
        print("\n".join(lines), flush=True)
        for name in () if given.without_time else RECORDS:
            table = at_equal_time(name, given.seconds, given.seeds)
            print("\n".join(["", *table]), flush=True)
            lines += ["", *table]
    if given.record is not None:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
