"""What the loop buys: a pocket by refining, training, projecting and polishing, beside the pocket trained directly.

    python benchmarks/loop.py [RECORD] [--sets GunPoint ItalyPowerDemand ArrowHead Burgers Digits] [--seeds 10]
                              [--seconds 10] [--metrics L2]

Every way has the same seconds of CPU time on one thread; compilation, deriving and the scores are not counted, moves
and readouts are. The loop spends a quarter on the base, a half on the fine level, the rest on the polish; with
``metrics`` its projections are also those of ``project(…, metric=…)``. "Half" has half of the seconds. Prints for
every way the test score and loss, mean ± standard error over the seeds, and the paired differences from the pocket
trained directly: positive is better. Signals are trained by L-BFGS until the time is over or nothing is left to do,
the others by Adam, whose rate decays over exactly its time. Burgers' equation has a pocket of a quarter of the fine
coefficients. Digits have the residual network of levels.py: a base of 4 layers, a fine model of 32, a pocket of 32 with
half the cells along both axes of W. That one holds the base: "refined to the pocket" is trained without a fine model.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ["CONTINUA_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import levels
import numpy as np

from numerics import Continuum, datasets, fit, project, refine
from numerics.datasets import Records
from numerics.readout.solve import solve_readout

SPECS = Path(__file__).parent.parent / "specs"
SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "Burgers", "Digits")
BASE, FINE = 0.25, 0.5  # of the time
RATES = {"loop-digits": (0.1, 0.03)}  # directly and in the loop, chosen on held-out training records
Scores = dict[str, float]


def declared(name: str, classes: int) -> dict[str, Any]:
    """The declaration of a set: that of GunPoint for all signals; of Burgers' equation the base is the pocket."""
    if name == "Digits":
        return residual()
    if name != "Burgers":
        found = copy.deepcopy(tomllib.loads((SPECS / "gunpoint.toml").read_text(encoding="utf-8")))
        found["readout"]["outputs"] = classes
        return {**found, "name": f"loop-{name.lower()}"}
    found = tomllib.loads((SPECS / "burgers.toml").read_text(encoding="utf-8"))
    fine = {table: found[table] for table in ("weight", "bias")}
    few, waves = {"family": "p0", "cells": 2}, {"family": "fourier", "size": 13}
    base = {"weight": {"width_out": waves, "width_in": waves, "depth": few}, "bias": {**found["bias"], "depth": few}}
    return {**found, **base, "name": "loop-burgers", "levels": {"fine": fine}}


def residual() -> dict[str, Any]:
    """The residual network of 4 layers and few cells, of 32 layers and many, and of 32 layers and few."""
    found = levels.declared(32, "direct")
    many, few = ({axis: {"family": "p0", "cells": cells} for axis in ("width_out", "width_in")} for cells in (64, 32))
    pocket = found["levels"]["all"]
    fine = {**pocket, "weight": {**pocket["weight"], **many}}
    base = {"weight": {**found["weight"], **few}, "levels": {"fine": fine, "pocket": pocket}}
    return {**found, **base, "name": "loop-digits"}


@dataclass
class Way:
    """A model on its way to the pocket, and the CPU seconds that it has taken."""

    model: Continuum
    seconds: float = 0.0

    def does(self, step: Callable[[Continuum], Continuum]) -> Way:
        start = time.process_time()
        model = step(self.model)
        return Way(model, self.seconds + time.process_time() - start)


def trained(model: Continuum, data: Records, seconds: float, seed: int, **options: float) -> Continuum:
    """The model after so many seconds of CPU time, or when nothing is left to do. options: those of ``fit``."""
    start = time.process_time()
    if model.spec.training.optimiser == "lbfgs":
        return fit(model, data, epochs=10**6, seed=seed, callback=lambda *_: time.process_time() - start >= seconds)
    stamps = [start]

    def over(*_: Any) -> bool:
        stamps.append(time.process_time())
        return stamps[-1] - stamps[0] >= 1.02 * seconds

    each = epoch_seconds(model, data)
    stamps[0] = time.process_time()
    return fit(model, data, epochs=max(2, round(seconds / each)), seed=seed, callback=over, **options)


_EPOCHS: dict[tuple[str, str | None], float] = {}  # seconds of one, by declaration and level


def epoch_seconds(model: Continuum, data: Records) -> float:
    key = model.base.name, model.level
    if key not in _EPOCHS:
        stamps: list[float] = []
        fit(model, data, epochs=4, callback=lambda *_: stamps.append(time.process_time()))
        _EPOCHS[key] = float(np.median(np.diff(stamps)))
    return _EPOCHS[key]


def solved(model: Continuum, data: Records) -> Continuum:
    return solve_readout(model, model.prepare(data)).model


def ways(
    spec: dict[str, Any], data: Records, seconds: float, seed: int, metrics: list[str]
) -> Iterator[tuple[str, Way]]:
    """All ways to a pocket, by name."""
    pocket = "pocket" if "pocket" in spec["levels"] else "base"
    directly, looping = ({"learning_rate": rate} if rate else {} for rate in RATES.get(spec["name"], (None, None)))
    training = partial(trained, data=data, seed=seed, **looping)
    coarse = Way(Continuum.from_spec(spec, seed=seed)).does(partial(training, seconds=BASE * seconds))
    way = coarse.does(lambda m: refine(m, "fine")).does(partial(training, seconds=FINE * seconds))
    yield "fine", way
    for metric in metrics:
        more = {} if metric == "L2" else {"metric": metric, "records": data}  # a report on records takes its time
        moved = way.does(partial(project, level=pocket, **more))
        yield f"projected ({metric})", moved
        again = moved.does(lambda m: solved(m, data))
        yield f"projected ({metric}), readout solved", again
        for name, other in ((f"loop ({metric})", moved), (f"loop ({metric}), readout solved", again)):
            yield name, other.does(partial(training, seconds=seconds - other.seconds))
    if spec["name"] == "loop-digits":
        other = coarse.does(lambda m: refine(m, pocket))
        yield "refined to the pocket", other.does(partial(training, seconds=seconds - other.seconds))
    training = partial(trained, data=data, seed=seed, **directly)
    direct = Continuum.from_spec(spec, seed=seed, level=None if pocket == "base" else pocket)
    for name, share in (("trained directly", 1.0), ("trained directly, half", 0.5)):
        found = Way(direct).does(partial(training, seconds=share * seconds))
        yield name, found
        if share == 1:
            yield f"{name}, readout solved", found.does(lambda m: solved(m, data))


def score(model: Continuum, test: Records) -> Scores:
    """Larger is better: accuracy, or minus the relative error; and the loss."""
    found = model.scores(model.prepare(test))
    return {"score": found.get("accuracy", -found["loss"]), "loss": found["loss"]}


def measured(name: str, seconds: float, seeds: int, metrics: list[str]) -> Iterator[str]:
    """The lines of a set."""
    train, test = datasets.load(name.lower())
    spec = declared(name, len(train.classes))
    for way in ways(spec, train, 0.5, 0, metrics):  # compiles and derives
        score(way[1].model, test)
    runs: dict[str, list[tuple[Scores, float, int]]] = {}
    for seed in range(seeds):
        for row, way in ways(spec, train, seconds, seed, metrics):
            runs.setdefault(row, []).append((score(way.model, test), way.seconds, way.model.size))
    reference = np.array([s["score"] for s, *_ in runs["trained directly"]])
    yield f"{name}, {seconds:g} s, {seeds} seeds"
    for row, found in runs.items():
        values, losses = (np.array([s[key] for s, *_ in found]) for key in ("score", "loss"))
        cells = [pair(abs(values)), pair(losses), pair(values - reference, "+") if row != "trained directly" else ""]
        spent = np.mean([s for _, s, _ in found])
        yield f"  {row:36s} {found[0][2]:9,d}  {spent:6.1f} s  {cells[0]:19s} {cells[1]:19s} {cells[2]}".rstrip()


def pair(values: np.ndarray, sign: str = "") -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):{sign}.4f} ± {error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--metrics", nargs="+", default=["L2"])
    given = parser.parse_args()
    lines = [f"{'':38s} {'numbers':>9s}  {'CPU':>8s}  {'test score':19s} {'test loss':19s} beside trained directly"]
    print(lines[0], flush=True)
    for name in given.sets:
        for text in measured(name, given.seconds, given.seeds, given.metrics):
            print(text, flush=True)
            lines.append(text)
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
