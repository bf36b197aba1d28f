"""Channels that transform: convolutions of the square under p4m, their null spaces, and digits that are turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.svm import SVC

import continua as ct
from benchmarks.studies import Number
from benchmarks.studies._perceptrons import of_seeds
from benchmarks.studies.symmetry.positions import ONCE, apart
from benchmarks.studies.symmetry.representations import (
    P4,
    P4M,
    Array,
    Element,
    Kept,
    Representation,
    by_characters,
    copies,
    generated,
    learned,
    left_alone,
    positions,
    regular,
    sign,
    trivial,
    vector,
)


def turning(channels: int, depth: int, periodic: bool = False, penalty: str = "1/1000") -> dict[str, Any]:
    """Digits of 8 × 8 pixels: a convolution net of 3 × 3 cells with gates, nine classes read from 4 × 4 means."""
    cells = {"family": "p0", "cells": depth}
    rate = {"rate": "4*sin(u1)*sigmoid(u2) - 2*h", "channels": channels, "reach": "3/8", "local": True}
    return {
        "name": "turning",
        "equation": {"dimension": 2, **rate, "periodic": periodic},
        "input": {"interpolant": "constant"},
        "lift": {"inputs": 1},
        "state": {"basis": {"family": "p0", "cells": 8}},
        "weight": {"kernel": {"family": "p0", "cells": 3}, "depth": cells},
        "bias": {"width": ONCE, "depth": cells},
        "integration": {"tableau": "euler", "steps": depth},
        "readout": {"outputs": 9, "basis": {"family": "p0", "cells": 4}},
        "loss": {"kind": "cross-entropy", "penalty": {"W": penalty, "R": penalty}},
    }


def of_square(model: Any, generators: Sequence[Element], kind: Representation) -> Kept:
    """What is left where the state's channels transform like ``kind``, the record's and the classes not at all."""
    wide, classes = copies(2, kind), copies(9, trivial)
    return Kept.of(model, generators, {
        "W": (positions(3, 2), wide, kind), "b": (trivial, wide), "V": (trivial, wide, kind),
        "P": (kind, copies(2, trivial)), "R": (positions(4, 2), classes, kind), "a": (classes,),
    })  # fmt: skip


def counts() -> list[tuple[str, int, int]]:
    """Of kernels of 3 × 3 cells under p4m, from channels of one kind to another: the null space, and by characters."""
    group = generated(*P4M)
    kinds = {"scalars": trivial, "one a group element": regular(group), "pseudo-scalars": sign, "vectors": vector}
    found = []
    for first, inner in kinds.items():
        for second, outer in kinds.items():
            own = left_alone(P4M, positions(3, 2), outer, inner)[0].shape[1]
            found.append((f"{first} → {second}", own, int(by_characters(group, positions(3, 2), outer, inner))))
    return found


def of_networks() -> list[Number]:
    group, generator = generated(*P4M), np.random.default_rng(0)
    model = ct.Continuum.from_spec(turning(8, 2, periodic=True), seed=0)
    kept = of_square(model, P4M, regular(group))
    inside, x = kept.nearest(model), generator.standard_normal((10, 8, 8, 1))
    moves = [lambda a: np.rot90(a, 1, (1, 2)), lambda a: a[:, ::-1], lambda a: np.roll(a, (4, 2), (1, 2))]
    gaps = {m: max(apart(m, x, move, lambda y: y) for move in moves[:2]) for m in (model, inside)}
    shown = counts()
    y = generator.integers(0, 9, 10)
    orbit = np.concatenate([np.rot90(a, k, (1, 2)) for k in range(4) for a in (x, x[:, ::-1])])
    once = inside.objective(inside.prepare(ct.records(x, y=y)))[1]
    whole = inside.objective(inside.prepare(ct.records(orbit, y=np.tile(y, 8))))[1]
    by_name = {name: own for name, own, _ in shown}
    return [
        Number("p4m kernels: null spaces less characters, of 16", max(abs(a - b) for _, a, b in shown), 0, 0),
        Number("p4m kernels, scalar → scalar", by_name["scalars → scalars"], 3, 3),
        Number("p4m kernels, regular → regular", by_name["one a group element → one a group element"], 72, 72),
        Number("p4m network: share of the numbers that is left", kept.size / model.size, 1 / 8, 0.2),
        Number("p4m network: classes of turned and mirrored records", gaps[inside], 0, 1e-12),
        Number("the same network without the symmetry", gaps[model], 0.01, 10),
        Number("gradient outside of the null space: records", kept.outside(once), 1e-3, 1),
        Number("gradient outside of the null space: with all their images", kept.outside(whole), 0, 1e-12),
    ]


# --- digits that are turned


def turned_digits(seed: int, count: int) -> tuple[Array, Array, Array, Array]:
    """Training and test digits, each turned by a random number of quarters; without nines, which are sixes here."""
    generator, found = np.random.default_rng(seed), []
    for data in ct.datasets.load("digits"):
        x, keep = np.array([s[:, 0] for s in data.samples()]).reshape(-1, 8, 8, 1), data.y != 9
        chosen = generator.permutation(np.flatnonzero(keep))[: count if not found else None]
        quarters = generator.integers(0, 4, len(chosen))
        found += [np.stack([np.rot90(a, k) for a, k in zip(x[chosen], quarters)]), data.y[chosen]]
    return tuple(found)  # type: ignore[return-value]


def turned_accuracies(seed: int, count: int, iterations: int = 80) -> dict[str, float]:
    """Of networks of eight channels, and of support vectors, on turned test digits."""
    x, y, others, classes = turned_digits(seed, count)
    model = ct.Continuum.from_spec(turning(8, 2), seed=seed)
    images = np.concatenate([np.rot90(x, k, (1, 2)) for k in range(4)]), np.tile(y, 4)
    p4, p4m = (of_square(model, g, copies(8 // len(generated(*g)), regular(generated(*g)))) for g in (P4, P4M))
    ways = {
        "no symmetry": (Kept.all(model), x, y),
        "all images": (Kept.all(model), *images),
        "p4": (p4, x, y),
        "p4m": (p4m, x, y),
    }
    found = {}
    for name, (kept, *given) in ways.items():
        scores = learned(model, kept, ct.records(given[0], y=given[1]), iterations)(others)
        found[name] = float((scores.argmax(axis=1) == classes).mean())
    for name, (a, b) in {"support vectors": (x, y), "support vectors, all images": images}.items():
        machine = SVC(C=10).fit(a.reshape(len(a), -1), b)
        found[name] = float(machine.score(others.reshape(len(others), -1), classes))
    return found


def of_digits(long: bool) -> list[Number]:
    found = []
    for count in (50, 100, 200) if long else (50,):
        runs = [turned_accuracies(s, count) for s in range(4 if long else 2)]
        found += [
            of_seeds(f"{count} turned digits, {name}: accuracy", [r[name] for r in runs], 0.2, 1) for name in runs[0]
        ]
        found += [
            of_seeds(f"{count}: {name} less no symmetry", [r[name] - r["no symmetry"] for r in runs], 0, 1)
            for name in ("p4", "all images")
        ]
    return found


def numbers(long: bool) -> list[Number]:
    return [*of_networks(), *of_digits(long)]
