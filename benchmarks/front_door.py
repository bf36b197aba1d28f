"""What a call costs around its kernels: from samples to outputs, and from records to what training sees.

    python benchmarks/front_door.py [--against FOLDER] [case …]

Each line: milliseconds of wall and of processor time, the least of many repetitions, and nanoseconds a sample; kernels
alone, where a case has any. With a folder that holds another state of the tree, both are measured turn by turn, in
processes of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]
REPETITIONS, SECONDS = 15, 2.0
P0, FOURIER = {"family": "p0", "cells": 32}, {"family": "fourier", "size": 31}
LEGENDRE = {"family": "legendre", "size": 40}
HAT = {"family": "hat", "cells": 31}


def declare(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    small = state if state["family"] != "p0" else {"family": "p0", "cells": state["cells"]}
    return {
        "name": "front", "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
        "state": {"basis": state}, "integration": {"tableau": "euler", "steps": 4},
        "weight": {"width_out": small, "width_in": small, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": small, "depth": {"family": "p0", "cells": 2}}, "loss": {"kind": "l2"},
        "precision": "float32", **changes,
    }  # fmt: skip


CLASSES = {"readout": {"outputs": 2, "basis": LEGENDRE}, "loss": {"kind": "cross-entropy"}}


def ragged(count: int, low: int, high: int, seed: int = 0) -> tuple[list[Any], list[Any]]:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(low, high, count)
    xi = [np.sort(generator.uniform(-1, 1, n)) for n in sizes]
    return [generator.standard_normal(n) for n in sizes], xi


def cases() -> dict[str, Callable[[], tuple[Callable[[], Any], int, Callable[[], Any] | None]]]:
    """Of each: the call, how many samples it sees, and its kernels alone."""
    from numerics import Continuum
    from numerics.datasets import records
    from numerics.datasets.sampling import Augmentation, thinned

    draw = np.random.default_rng(1).standard_normal

    def predict(spec: dict[str, Any], x: Any, xi: Any = None) -> Any:
        def made() -> Any:
            model = Continuum.from_spec(spec)
            states = model.project_samples(records(x, xi=xi))
            run = model.solver.outputs if model.spec.functional else None
            alone = (lambda: run(states, *model.readout_map())) if run else (lambda: model.solver.final(states))
            return (lambda: model(x, xi)), sum(np.size(row) for row in x), alone

        return made

    def prepare(spec: dict[str, Any], x: Any, xi: Any = None, y: Any = None, project: bool = False) -> Any:
        def made() -> Any:
            model, data = Continuum.from_spec(spec), records(x, xi=xi, y=y)
            return (lambda: (model.project_samples if project else model.prepare)(data)), len(data.x), None

        return made

    def sampled(spec: dict[str, Any], x: Any, xi: Any, way: Any, y: Any = None) -> Any:
        def made() -> Any:
            model, data = Continuum.from_spec(spec), records(x, xi=xi, y=y)

            def call() -> Any:
                points = model.sample_points(data)
                if isinstance(way, str):
                    return model.prepare(thinned(data, points, way))
                return model.prepare(Augmentation(**way)(data, points, np.random.default_rng(0)))

            return call, len(data.x), None

        return made

    x, xi = ragged(10000, 60, 140)
    y = [np.sin(3 * row) for row in x]
    square = {**declare({"family": "legendre", "size": 6}), "equation": {
        "rate": "residual", "activation": "tanh", "spacing": "1/2", "dimension": 2}}  # fmt: skip
    periodic = declare(FOURIER)
    periodic["equation"]["periodic"] = True
    points = np.sort(np.random.default_rng(3).uniform(-1, 1, 64))
    lam = {"thin": 0.5, "jitter": 0.1, "warp": 0.3}
    found: dict[str, Any] = {
        f"4096 × {n}": predict(declare({"family": "p0", "cells": n}), draw((4096, n))) for n in (32, 64, 128)
    }
    found |= {
        "4096 × 64 shared ξ": predict(declare({**P0, "cells": 64}), draw((4096, 64)), points),
        "4096 × 64 rows of ξ": predict(declare({**P0, "cells": 64}), draw((4096, 64)), np.tile(points, (4096, 1))),
        "4096 × 64 list": predict(declare({**P0, "cells": 64}), list(draw((4096, 64)))),
        "1000 × 150 gunpoint": predict({**declare(LEGENDRE), **CLASSES}, draw((1000, 150))),
        "1000 × 16 × 16 squares": predict(square, draw((1000, 16, 16, 1))),
        "ragged P0 predict": predict(declare(P0), x, xi),
        "ragged P0": prepare(declare(P0), x, xi, project=True),
        "ragged Legendre": prepare(declare(LEGENDRE), x, xi, project=True),
        "ragged hat": prepare(declare(HAT), x, xi, project=True),
        "ragged periodic Fourier": prepare(periodic, x, xi, project=True),
        "ragged least squares": prepare(
            {**declare({"family": "legendre", "size": 12}), "input": {"interpolant": "least-squares"}}, x, xi,
            project=True),
        "ragged lengths, default ξ": prepare(declare(P0), x, project=True),
        "targets, ragged P0": prepare(declare(P0), x, xi, y),
        "targets, ragged Legendre": prepare(declare(LEGENDRE), x, xi, y),
        "targets, ragged Fourier": prepare(periodic, x, xi, y),
        "targets, 4096 × 64": prepare(declare(P0), draw((4096, 64)), None, draw((4096, 64, 1))),
        "thin, jitter, warp 1000 × 150": sampled(
            {**declare(LEGENDRE), **CLASSES}, draw((1000, 150)), None, lam, np.arange(1000) % 2),
        "thin, jitter, warp ragged": sampled(
            {**declare(LEGENDRE), **CLASSES}, x, xi, lam, np.arange(10000) % 2),
        "random30 1000 × 150": sampled(
            {**declare(LEGENDRE), **CLASSES}, draw((1000, 150)), None, "random30", np.arange(1000) % 2),
    }  # fmt: skip
    return found


def least(call: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Milliseconds of wall and of processor time, the least of some repetitions."""
    call()
    walls, own, end = [], [], time.perf_counter() + seconds
    while len(walls) < REPETITIONS and (time.perf_counter() < end or len(walls) < 2):
        wall, used = time.perf_counter(), time.process_time()
        call()
        walls.append(1e3 * (time.perf_counter() - wall))
        own.append(1e3 * (time.process_time() - used))
    return min(walls), min(own)


def measure(name: str) -> None:
    warnings.simplefilter("ignore")
    call, samples, alone = cases()[name]()
    wall, used = least(call, SECONDS)
    print(json.dumps([wall, used, samples, None if alone is None else least(alone, SECONDS / 4)[0]]))


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--against", type=Path)
    read.add_argument("--one", help=argparse.SUPPRESS)
    read.add_argument("cases", nargs="*")
    given = read.parse_args()
    if given.one:
        return measure(given.one)
    trees = [HERE] if given.against is None else [given.against.resolve(), HERE]
    print(f"{'':31}" + "".join(f"{'ms':>9}{'CPU ms':>9}{'ns/sample':>10}{'kernels':>9}  " for _ in trees))
    for name in given.cases or cases():
        line = f"{name:31}"
        for tree in trees:
            command = [sys.executable, str(Path(__file__).resolve()), "--one", name]
            run = subprocess.run(command, capture_output=True, text=True, cwd=tree, env=environment(tree))
            if run.returncode:
                line += f"{run.stderr.strip().splitlines()[-1][:37]:>39}"
                continue
            wall, used, samples, alone = json.loads(run.stdout.splitlines()[-1])
            kernels = "" if alone is None else f"{alone:.2f}"
            line += f"{wall:9.2f}{used:9.2f}{1e6 * wall / samples:10.0f}{kernels:>9}  "
        print(line, flush=True)
    return None


def environment(tree: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    main()
