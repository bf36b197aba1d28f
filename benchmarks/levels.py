"""Equal loss, less work: deep residual networks trained on their finest level alone, level after level, and by cycles.

    python benchmarks/levels.py [--layers 32] [--epochs 60] [--seeds 3] [--out RECORD]

Trains a residual network of so many layers on the first 898 of scikit-learn's digits, 64 pixels in a row, and the same
continuum on 4 and 8 layers before, or in V-cycles. "Doubling" is the schedule of Chang et al. (2017): as many epochs on
each of 4, 8, 16, … layers, every layer copied and its step halved in between, the learning rate begun anew. All ways
have the operations of the epochs on the finest level. The learning rate of each way is chosen by the loss on a fifth of
the training records, held out, with a third of the epochs. Prints for every way the loss that it ends at, the CPU
seconds and the floating-point operations until the finest level has the loss that training on it alone ends at, over
those of that training, and the accuracy on the other 899 digits: medians over the seeds. With --out the table is also
written to that file. Run it with CONTINUA_THREADS=1 for CPU seconds.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from numerics import Continuum, datasets, fit, refine

WAYS = ("direct", "nested", "v-cycle", "doubling")
RATES = (0.003, 0.01, 0.03, 0.1)
BATCH = 64


def declared(layers: int, way: str) -> dict[str, Any]:
    """The network of 4 layers, with levels of more and of all of them; a layer has weights of its own."""

    def level(count: int) -> dict[str, Any]:
        depth = {"family": "p0", "cells": count}
        return {"weight": {"depth": depth}, "bias": {"depth": depth}, "integration": {"steps": count}}

    cells, base, between = {"family": "p0", "cells": 64}, level(4), [8]
    while way == "doubling" and 2 * between[-1] < layers:
        between.append(2 * between[-1])
    return {
        "name": f"residual-{layers}",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": f"1/{layers}"},
        "input": {"interpolant": "constant"},
        "state": {"basis": cells},
        "weight": {"width_out": cells, "width_in": cells, **base["weight"]},
        "bias": {"width": cells, **base["bias"]},
        "integration": {"tableau": "euler", **base["integration"]},
        "readout": {"outputs": 10, "basis": cells},
        "loss": {"kind": "cross-entropy"},
        "training": {"optimiser": "adam", "batch": BATCH},
        "levels": {**{f"layers-{count}": level(count) for count in between}, "all": level(layers)},
    }


def trained(spec: dict[str, Any], way: str, data: Any, **options: Any) -> tuple[Continuum, list[tuple[Any, float]]]:
    """A model and, of every epoch, its row with the CPU seconds until then."""
    rows: list[tuple[Any, float]] = []
    level = "all" if way == "direct" else None
    model = Continuum.from_spec(spec, seed=options.get("seed", 0), level=level)
    step = doubled if way == "doubling" else partial(fit, strategy=way)
    step(model, data, epochs=0)  # kernels are compiled, tables read
    start = time.process_time()
    return step(model, data, callback=lambda _, row: rows.append((row, time.process_time() - start)), **options), rows


def doubled(model: Continuum, data: Any, epochs: int, **options: Any) -> Continuum:
    """Trained by the schedule of Chang et al., with about the operations of so many epochs on the finest level."""
    levels = [name for name, _ in model.base.levels]
    steps = [model.spec.steps, *(model.base.level(name).steps for name in levels)]
    each = round(epochs * steps[-1] / sum(steps))
    model = fit(model, data, epochs=each, **options)
    for name in levels:
        model = fit(refine(model, name), data, epochs=each, **options)
    return model


def chosen_rate(spec: dict[str, Any], way: str, data: Any, epochs: int) -> float:
    """By the loss on held-out training records."""
    found = {}
    for rate in RATES:
        model, _ = trained(spec, way, data, epochs=epochs, learning_rate=rate, validation=0.2)
        last = [row["validation"] for row in model.history if row["level"] == "all"]
        found[rate] = min(last, default=math.inf)
    print(f"  {way}: held-out loss by learning rate", {rate: f"{loss:.3f}" for rate, loss in found.items()}, flush=True)
    return min(found, key=found.__getitem__)


def reached(rows: list[tuple[Any, float]], loss: float) -> tuple[float, float]:
    """Seconds and operations until the finest level has a loss; infinite where it never has."""
    work = 0
    for row, seconds in rows:
        work += row["flops"]
        if row["level"] == "all" and row["loss"] <= loss:
            return seconds, work
    return math.inf, math.inf


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--layers", type=int, default=32)
    given.add_argument("--epochs", type=int, default=60)
    given.add_argument("--seeds", type=int, default=3)
    given.add_argument("--ways", nargs="*", default=WAYS[1:])
    given.add_argument("--rates", nargs="*", type=float, help="of direct and each way, instead of choosing them")
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    train, test = datasets.load("digits")
    ways = ("direct", *options.ways)
    specs = {way: declared(options.layers, way) for way in ways}
    rates = dict(zip(ways, options.rates or ()))
    for way in ways[len(rates) :]:
        rates[way] = chosen_rate(specs[way], way, train, -(-options.epochs // 3))
    found: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    for seed in range(options.seeds):
        target, whole = 0.0, (1.0, 1.0)
        for way in ways:
            model, rows = trained(specs[way], way, train, epochs=options.epochs, learning_rate=rates[way], seed=seed)
            if way == "direct":
                target, whole = rows[-1][0]["loss"], (rows[-1][1], sum(row["flops"] for row, _ in rows))
            seconds, work = reached(rows, target)
            accuracy = model.scores(model.prepare(test))["accuracy"]
            at = dict(Counter(row["level"] for row, _ in rows))
            print(f"  seed {seed}, {way}: epochs {at}, loss {rows[-1][0]['loss']:.4f}, {rows[-1][1]:.1f} s", flush=True)
            found[way].append((rows[-1][0]["loss"], seconds / whole[0], work / whole[1], accuracy, whole[0]))
    lines = [f"{options.layers} layers, {options.epochs} epochs, {options.seeds} seeds, {os.cpu_count()} cores"]
    lines.append(f"{'':10s} {'rate':>6s} {'loss':>8s} {'seconds':>8s} {'flops':>8s} {'accuracy':>9s}")
    for way, results in found.items():
        loss, seconds, work, accuracy, _ = (statistics.median(values) for values in zip(*results))
        lines.append(f"{way:10s} {rates[way]:6g} {loss:8.4f} {seconds:8.2f} {work:8.2f} {accuracy:9.3f}")
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
