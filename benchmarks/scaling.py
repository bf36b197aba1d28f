"""Seconds of a step whose gradient is spread over processes of this machine, and a model of larger clusters.

    python benchmarks/scaling.py [--records N] [--out RECORD]

A step is a gradient over all records and Adam's update, as ``fit`` times it. Measured are one and two threads of this
process, and Dask clusters of one and two processes with a thread each; rounds go through all of them in turn, and the
medians are told. Bytes are those of arrays. The rest of the record is computed from these numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from numerics import Continuum, fit
from numerics.command.models import cluster
from numerics.datasets import records

ROUNDS, STEPS = 3, 4
LINK = 1.25e9  # bytes a second of the model's network: ten gigabits
MODELLED = (1, 4, 16, 64, 256)

WIDTH, ONCE = {"family": "legendre", "size": 24}, {"family": "p0", "cells": 2}
DECLARED: dict[str, Any] = {
    "name": "scaling",
    "precision": "float32",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/8"},
    "state": {"basis": {"family": "p0", "cells": 64}},
    "weight": {"width_out": WIDTH, "width_in": WIDTH, "depth": ONCE},
    "bias": {"width": WIDTH, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 8},
    "loss": {"kind": "l2"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=16384)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    model = Continuum.from_spec(DECLARED)
    x = np.random.default_rng(0).standard_normal((given.records, 128, 1))
    data = records(x, y=np.tanh(x))
    found: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        ways: dict[str, tuple[int, Any]] = {"1 thread": (1, None), "2 threads": (2, None)}
        for count in (1, 2):
            name = f"{count} process{'es' if count > 1 else ''}"
            ways[name] = 1, stack.enter_context(cluster(None, count))
        for _ in range(ROUNDS):
            for name, (threads, client) in ways.items():
                os.environ["CONTINUA_THREADS"] = str(threads)
                trained = fit(model, data, epochs=STEPS, optimiser="adam", learning_rate=1e-4, client=client)
                found.setdefault(name, []).append(statistics.median(row["seconds"] for row in trained.history[1:]))
    text = "\n".join([*measured(model, given.records, found), "", *modelled(model, data, found)]) + "\n"
    print(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


def measured(model: Continuum, count: int, found: dict[str, list[float]]) -> list[str]:
    """The medians, and how many times faster each is than one thread."""
    one = statistics.median(found["1 thread"])
    network = f"residual tanh, 64 functions, {model.bound.slabs[0].stages} stages, float32"
    lines = [f"Measured: {network}, {count:,} records a step, {os.cpu_count()} cores"]
    lines.append(f"{'':14}{'ms a step':>10}{'speed':>8}")
    for name, seconds in found.items():
        own = statistics.median(seconds)
        lines.append(f"{name:14}{1e3 * own:10.1f}{one / own:8.2f}")
    return lines


def modelled(model: Continuum, data: Any, found: dict[str, list[float]]) -> list[str]:
    """Bytes and operations of a step, and what follows from them for more workers and a network."""
    prepared, solver = model.prepare(data), model.solver
    count, cuts = len(prepared), solver._blocks(len(prepared))
    tiles = [(prepared.states[:, t], prepared.wanted()[:, t]) for t in cuts[0]]
    block = solver.block(tiles, tuple(map(np.asarray, model.bound.comparison)), [{}])
    out = sum(a.nbytes for weights in solver.weights for a in weights.arrays.values())
    back = sum(a.nbytes for own in block.gradient for a in own.values()) + sum(a.nbytes for a in block.bars)
    (slab,) = solver.slabs
    state, node, high, low = (slab.sizes[name] for name in ("state", "node", "weight_out", "weight_in"))
    applied = node * state if slab.plan == "formed" else node * high + high * low + low * state  # E, or Φ w C
    products = applied + state * node
    operations = 3 * 2.0 * slab.stages * products * count / len(cuts)  # forward once, in reverse twice as many
    one, alone = (statistics.median(found[name]) for name in ("1 thread", "1 process"))
    rate, waits = operations * len(cuts) / one, max(alone - one, 0.0)
    lines = [f"{name:50}{value:16,.1f}" for name, value in {
        "Of a step: blocks": len(cuts),
        "bytes out, to every worker": out,
        "bytes back, of every block": back,
        "operations of a block (products of matrices)": operations,
        "operations for a byte back": operations / back,
        "operations a second of a core, all else included": rate,
        "ms that a step waits: one process less one thread": 1e3 * waits,
    }.items()]  # fmt: skip
    lines += [
        "", f"Modelled, not measured: P workers of one such core each, {LINK:.2e} bytes a second at the client,",
        "T(P) = ⌈blocks/P⌉·operations/rate + wait + (P·out + blocks·back)/link. How many times faster than one core:",
        f"{'records a step':>16}" + "".join(f"{f'P = {p}':>10}" for p in MODELLED) + "   half of T is communication at",
    ]  # fmt: skip
    for factor in (1, 16, 256):
        work, sent = factor * one, waits + factor * len(cuts) * back / LINK
        blocks = len(cuts) * factor
        busy = [work / blocks * -(-blocks // p) for p in MODELLED]  # of whole blocks
        speeds = "".join(f"{work / (own + sent + p * out / LINK):10.1f}" for p, own in zip(MODELLED, busy))
        # P·out/link + sent = work/P
        even = (np.sqrt(sent**2 + 4 * work * out / LINK) - sent) / (2 * out / LINK)
        ending = "" if even < blocks else ", or never: every block has a worker"
        lines.append(f"{count * factor:16,}{speeds}   P = {min(even, blocks):,.0f}{ending}")
    return lines


if __name__ == "__main__":
    main()
