"""Which bases, rates and metrics work: one choice at a time, by cross-validation on training records alone.

    python benchmarks/choices.py [RECORD] [--only WORDS]

A plain classifier (``BASE``) is changed in one respect, and trained anew on every fold of four sets of records. Prints
the accuracy on the held-out folds of each set, their mean, the loss there, averaged, the mean of the training loss, and
the CPU time. Differences in a set below two standard errors (the last line) say nothing. With RECORD the table is also
written to that file; with --only it has the choices whose heading has these words: "first order" compares Adam, Adam by
coefficient and Kronecker-factored second moments, at several rates and on every basis.
"""

from __future__ import annotations

import argparse
import copy
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from numerics import Continuum, datasets, fit
from numerics.training.cross_validation import partition

SETS = ("gunpoint", "italypowerdemand", "arrowhead", "digits")
MOST = 200  # records of a set
FOLDS, SEED = 5, 0
BASE = tomllib.loads("""
name = "choices"
[equation]
rate = "residual"
activation = "tanh"
spacing = "1/2"
channels = 2
[lift]
inputs = 1
[state]
basis = { family = "legendre", size = 32 }
[weight]
width_out = { family = "legendre", size = 12 }
width_in = { family = "legendre", size = 12 }
depth = { family = "p0", cells = 3 }
[bias]
width = { family = "legendre", size = 12 }
depth = { family = "p0", cells = 3 }
[integration]
tableau = "heun"
steps = 6
[readout]
outputs = 2
basis = { family = "legendre", size = 12 }
[loss]
kind = "cross-entropy"
penalty = { W = "1/1000", b = "1/1000", R = "1/1000" }
[training]
optimiser = "lbfgs"
epochs = 60
learning_rate = 0.1
""")
COMPACT = {"hat": {"family": "hat", "size": 12}, "p0": {"family": "p0", "cells": 12},
           "B-spline, degree 3": {"family": "bspline", "degree": 3, "cells": 9},
           "multiwavelet, degree 2": {"family": "multiwavelet", "degree": 2, "cells": 4}}  # fmt: skip
SAME_SPACE = {
    "chebyshev": {"family": "chebyshev", "size": 12},
    "gauss-lobatto": {"family": "gauss-lobatto", "size": 12},
    "lagrange, degree 11": {"family": "lagrange", "degree": 11, "cells": 1},
}
Changes = dict[str, Any]


def widths(basis: dict[str, Any]) -> Changes:
    return {f"{table}.{key}": basis for table, key in
            (("weight", "width_out"), ("weight", "width_in"), ("bias", "width"), ("readout", "basis"))}  # fmt: skip


def depths(basis: dict[str, Any]) -> Changes:
    return {"weight.depth": basis, "bias.depth": basis}


ADAM = {"training.optimiser": "adam", "training.learning_rate": 0.03, "training.epochs": 300}
BY_NUMBER = ADAM | {"training.optimiser": "adam-coordinatewise"}
BATCHES = {"training.batch": 32, "training.epochs": 100}
RATES = {"adam": (0.1, 0.3, 1.0), "adam-coordinatewise": (0.01, 0.03, 0.1), "kronecker": (0.01, 0.03, 0.1)}


def first_order() -> dict[str, dict[str, Changes]]:
    """Optimisers of first order: by rate, with all records a step and with 32; for longer; by basis."""

    def rated(rates: dict[str, tuple[float, ...]], **more: Any) -> dict[str, Changes]:
        return {
            f"{name}, rate {rate:g}": ADAM | {"training.optimiser": name, "training.learning_rate": rate} | more
            for name, own in rates.items() for rate in own
        }  # fmt: skip

    longer = {name: RATES[name][1:] for name in ("adam", "adam-coordinatewise")}
    bases = {**SAME_SPACE, **COMPACT, "p0, 24 functions": {"family": "p0", "cells": 24}}
    return {
        "first order, 525 epochs": rated(longer, **{"training.epochs": 525}),
        "first order, beside 450 iterations of": {"L-BFGS in L2": {"training.epochs": 450}},
        "first order, batches of 32, 175 epochs": rated(longer, **BATCHES | {"training.epochs": 175}),
        "first order, batches of 32, 100 epochs": rated(RATES, **BATCHES),
        "first order, 300 epochs": rated(RATES),
        **{
            f"first order, batches of 32, {name}, rate {rate:g}, by basis": {
                what: ADAM | BATCHES | {"training.optimiser": name, "training.learning_rate": rate} | widths(basis)
                for what, basis in bases.items()
            }
            for name, rate in (("kronecker", 0.03), ("adam-coordinatewise", 0.1))
        },
    }  # fmt: skip


CHOICES: dict[str, dict[str, Changes]] = {
    "fields along ξ": {
        "Legendre, 12 functions (the base)": {},
        **{f"{name}, 12 functions": widths(basis) for name, basis in COMPACT.items()},
    },
    "the state along ξ": {
        "hat, 33 functions": {"state.basis": {"family": "hat", "size": 33}},
        "p0, 32 cells": {"state.basis": {"family": "p0", "cells": 32}},
        "B-spline, degree 3, 32 functions": {"state.basis": {"family": "bspline", "degree": 3, "cells": 29}},
    },
    "along δ": {
        "p0, 1 cell": depths({"family": "p0", "cells": 1}),
        "hat, 3 functions": depths({"family": "hat", "size": 3}),
        "Legendre, 3 functions": depths({"family": "legendre", "size": 3}),
        "p0, 6 cells": depths({"family": "p0", "cells": 6}),
    },
    "bases of one space, L-BFGS in L2": {name: widths(basis) for name, basis in SAME_SPACE.items()},
    "bases of one space, Adam in L2": {
        "Legendre": ADAM, **{name: ADAM | widths(basis) for name, basis in SAME_SPACE.items()},
    },
    "bases of one space, Adam by coefficient": {
        "Legendre": BY_NUMBER, **{name: BY_NUMBER | widths(basis) for name, basis in SAME_SPACE.items()},
    },
    "activation": {name: {"equation.activation": name} for name in ("relu", "softplus", "gelu", "sin")},
    "rate": {
        "mlp": {"equation.rate": "mlp"},
        "literal": {"equation.rate": "literal"},
        "u1*sigmoid(u2)": {"equation.rate": "u1*sigmoid(u2)"},
        "2*tanh(u) with V": {"equation.local": True},
    },
    **first_order(),
}  # fmt: skip


def changed(changes: Changes, outputs: int) -> dict[str, Any]:
    found = copy.deepcopy(BASE)
    for path, value in {**changes, "readout.outputs": outputs}.items():
        table, key = path.split(".")
        found[table][key] = value
    return found


def judged(changes: Changes) -> tuple[dict[str, list[float]], list[float], list[float]]:
    """Accuracies by set and fold; held-out and training losses."""
    accuracies: dict[str, list[float]] = {}
    held_out, training = [], []
    for name in SETS:
        data = datasets.load(name)[0]
        data = data.take(np.random.default_rng(SEED).permutation(len(data))[:MOST])
        model = Continuum.from_spec(changed(changes, len(data.classes)), seed=SEED)
        fold = partition(len(data), model.prepare(data).labels, FOLDS, SEED)
        for part in range(FOLDS):
            trained = fit(model, data.take(np.flatnonzero(fold != part)), seed=SEED)
            scores = trained.scores(trained.prepare(data.take(np.flatnonzero(fold == part))))
            accuracies.setdefault(name, []).append(scores["accuracy"])
            held_out.append(scores["loss"])
            training.append(trained.history[-1]["loss"])
    return accuracies, held_out, training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="words of the headings that are wanted")
    given = parser.parse_args()
    heads = f"{'mean':>7s} {'loss':>7s} {'training':>9s} {'CPU s':>6s}"
    lines = [f"{'':38s} " + " ".join(f"{name:>17s}" for name in SETS) + f" {heads}"]
    print(lines[0])

    def tell(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    errors = []
    for what, choices in CHOICES.items():
        if given.only not in what:
            continue
        tell(what)
        for name, changes in choices.items():
            start = time.process_time()
            accuracies, held_out, training = judged(changes)
            seconds = time.process_time() - start
            means = [np.mean(a) for a in accuracies.values()]
            errors.append([np.std(a, ddof=1) / np.sqrt(FOLDS) for a in accuracies.values()])
            cells = " ".join(f"{mean:17.3f}" for mean in means)
            losses = f"{np.mean(held_out):7.3f} {np.mean(training):9.4f}"
            tell(f"  {name:36s} {cells} {np.mean(means):7.3f} {losses} {seconds:6.0f}")
    tell(f"{'standard error, median':38s} " + " ".join(f"{e:17.3f}" for e in np.median(errors, axis=0)))
    if given.record is not None:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
