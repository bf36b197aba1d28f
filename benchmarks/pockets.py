"""Pockets of several sizes: all of them from one training, beside each trained directly.

    python benchmarks/pockets.py [RECORD] [--sets GunPoint ItalyPowerDemand Burgers]
    python benchmarks/pockets.py --choose

"Down" trains the fine model, projects it to the largest pocket and polishes that, projects this one to the next smaller
pocket, and so on. "Up" trains the smallest pocket and refines it from size to size, training on after each. Trained
directly, every pocket has the seconds of the set, on one thread; the other ways have as much for all pockets together,
moves included, and "half" has half of it. Compilation, deriving and scores are not counted. Prints the CPU seconds of
all pockets, the test score of each and their mean, ± standard error over the seeds, and the paired difference of the
mean from the pockets trained directly: positive is better. The first training's share was chosen by ``--choose``, which
scores "half" on a fifth of the training records, left out of the training.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import loop
import numpy as np
from loop import SPECS, Way, pair, score, trained

from numerics import Continuum, datasets, project, refine
from numerics.datasets import Records

DIRECT = "trained directly"


@dataclass(frozen=True)
class Family:
    """Pockets of a set. sizes: functions of W an axis, and cells of depth, from coarse to fine.

    seconds: of a pocket that is trained directly.  first: the share of all time that the first training has.
    """

    sizes: tuple[tuple[int, int], ...]
    seconds: float
    seeds: int
    first: float

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(f"pocket-{place}" for place in range(len(self.sizes)))


SIGNAL = Family(((8, 2), (10, 2), (12, 2), (14, 2), (17, 2)), 0.16, 10, 0.25)
SETS = {
    "GunPoint": SIGNAL,
    "ItalyPowerDemand": SIGNAL,
    "Burgers": Family(((9, 2), (13, 2), (13, 4), (17, 4)), 6.0, 3, 0.5),
}


def declared(name: str, family: Family, classes: int) -> dict[str, Any]:
    """The fine model as the base, and a level for every pocket: fewer functions of W along its axes, or fewer cells."""
    if name == "Burgers":
        spec = tomllib.loads((SPECS / "burgers.toml").read_text(encoding="utf-8"))
    else:
        spec = loop.declared(name, classes)
    levels = {}
    for level, (size, cells) in zip(family.levels, family.sizes):
        axis, depth = {**spec["weight"]["width_in"], "size": size}, {"family": "p0", "cells": cells}
        levels[level] = {"weight": {"width_out": axis, "width_in": axis, "depth": depth}, "bias": {"depth": depth}}
    return {**spec, "name": f"pockets-{name.lower()}", "levels": levels}


def ways(
    spec: dict[str, Any], family: Family, data: Records, seconds: float, seed: int
) -> Iterator[tuple[str, str, Way]]:
    """Every pocket of every way: the way's name, the pocket's level, and the model with the seconds until then."""
    for share, more in ((1.0, ""), (0.5, ", half")):
        for level in family.levels:
            start = Way(Continuum.from_spec(spec, seed=seed, level=level))
            yield DIRECT + more, level, start.does(partial(trained, data=data, seconds=share * seconds, seed=seed))
        for name, level, way in chains(spec, family, data, share * seconds, seed):
            yield name + more, level, way


def chains(
    spec: dict[str, Any], family: Family, data: Records, seconds: float, seed: int
) -> Iterator[tuple[str, str, Way]]:
    """The pockets of "down" and "up", each from the one before, with equal shares of the time after the first."""
    whole = len(family.sizes) * seconds
    smallest, *larger = family.levels
    for name, start, levels in (("down", None, family.levels[::-1]), ("up", smallest, larger)):
        way = Way(Continuum.from_spec(spec, seed=seed, level=start))
        way = way.does(partial(trained, data=data, seconds=family.first * whole, seed=seed))
        if start is not None:
            yield name, start, way
        for place, level in enumerate(levels):
            due = way.seconds + (whole - way.seconds) / (len(levels) - place)
            way = way.does(partial(refine if name == "up" else project, level=level))
            way = way.does(partial(trained, data=data, seconds=max(due - way.seconds, 0.0), seed=seed))
            yield name, level, way


def choose(name: str) -> Iterator[str]:
    """The mean scores by the first training's share, on a fifth of the records, another one for every seed."""
    data, _ = datasets.load(name.lower())
    usual = SETS[name]
    spec = declared(name, usual, len(data.classes))
    for first in (0.25, 0.5):
        found: dict[str, list[float]] = {}
        for seed in range(1 if name == "Burgers" else usual.seeds):
            order = np.random.default_rng(seed).permutation(len(data))
            own, held = (data.take(part) for part in np.split(order, [4 * len(data) // 5]))
            for way, _, found_way in chains(spec, replace(usual, first=first), own, usual.seconds / 2, seed):
                found.setdefault(way, []).append(score(found_way.model, held)["score"])
        means = "  ".join(f"{way} {abs(np.mean(values)):.4f}" for way, values in found.items())
        yield f"{name}, {first} of the time for the first: {means}"


def measured(name: str) -> Iterator[str]:
    """The lines of a set."""
    family, (train, test) = SETS[name], datasets.load(name.lower())
    spec = declared(name, family, len(train.classes))
    for *_, way in ways(spec, family, train, 0.1 * family.seconds, 0):  # compiles and derives
        score(way.model, test)
    runs: dict[str, list[dict[str, float]]] = {}
    spent: dict[str, list[float]] = {}
    numbers: dict[str, int] = {}
    for seed in range(family.seeds):
        for row, level, way in ways(spec, family, train, family.seconds, seed):
            if len(runs.setdefault(row, [])) == seed:
                runs[row].append({})
                spent.setdefault(row, []).append(0.0)
            runs[row][seed][level] = score(way.model, test)["score"]
            before = spent[row][seed] if row.startswith(DIRECT) else 0.0
            spent[row][seed] = before + way.seconds
            numbers[level] = way.model.size
    yield f"{name}, {family.seconds:g} s for a pocket that is trained directly, {family.seeds} seeds"
    yield f"  {'':22s} {'CPU':>8s}" + "".join(f"  {numbers[level]:<15,d}" for level in family.levels) + "  mean"
    means = {row: np.array([np.mean(list(one.values())) for one in found]) for row, found in runs.items()}
    for row, found in runs.items():
        cells = [pair(np.abs([one[level] for one in found])) for level in family.levels]
        beside = "" if row == DIRECT else pair(means[row] - means[DIRECT], "+")
        cells += [pair(np.abs(means[row])), beside]
        yield f"  {row:22s} {np.mean(spent[row]):6.2f} s  {'  '.join(cells)}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--choose", action="store_true", help="compare settings on training records alone")
    given = parser.parse_args()
    lines = []
    for name in given.sets:
        for text in choose(name) if given.choose else measured(name):
            print(text, flush=True)
            lines.append(text)
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
