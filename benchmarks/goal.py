"""Goal-oriented refinement beside uniform refinement, to the same true error of the loss: functions, steps, seconds.

    python benchmarks/goal.py [--out RECORD]

Two continua of known fields. *local*: W is a narrow bump in ξ and ξ′, and strong in the first sixteenth of the depth;
*smooth*: W is a polynomial. Of each the true loss comes from a much finer solver with polynomials of degree 3 on cells.
``refine(model, tolerance=…)`` goes first; the error that it truly reaches is what the plain ways have to reach: all
cells halved and all steps doubled, round by round; and, with the truth at hand, the fewest functions times steps out of
all pairs of so many halvings and doublings. Seconds: to get there, with all that had to be derived, and of a gradient
over the records on the solver there (the median of several). Kernels were compiled before.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from derive.declaration import load_spec
from derive.spec import Spec
from numerics import Continuum
from numerics.datasets import Records, records
from numerics.levels.goal import on
from numerics.levels.refinement import refine
from numerics.levels.richer import with_state
from numerics.representation import find

RECORDS, POINTS = 64, 65
MOST = 8  # halvings, and doublings
ROUNDS = 15
BUMP = ["-1", "5/8", "11/16", "3/4", "1"]
EARLY = ["0", "1/16", "1"]
THREE = {"family": "legendre", "size": 3}


@dataclass(frozen=True)
class Problem:
    """A continuum on its first solver, the tolerance, and what is finer on the solver that tells the truth."""

    model: Continuum
    tolerance: float
    cells: list[Fraction]
    steps: int

    def truth(self, data: Records) -> float:
        """The loss on degree 3 between these cells, by Runge and Kutta's fourth-order method."""
        cells = [str(cell) for cell in self.cells]
        state = {"family": "discontinuous", "degree": 3, "breakpoints": cells}
        rk4 = load_spec(_declared(state, THREE, THREE, "rk4", self.steps)).tableau
        spec = with_state(replace(self.model.spec, tableau=rk4, steps=self.steps), 0, load_spec(
            _declared(state, THREE, THREE, "rk4", self.steps)).entry)  # fmt: skip
        return loss(on(self.model, spec), data)


def _declared(state: dict[str, Any], width: dict[str, Any], depth: dict[str, Any], tableau: str, steps: int) -> Any:
    return {
        "name": "goal",
        "equation": {"rate": "tanh(u) - h/2", "spacing": "1"},
        "state": {"basis": state},
        "weight": {"width_out": width, "width_in": width, "depth": depth},
        "bias": {"width": THREE, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": THREE},
        "loss": {"kind": "cross-entropy"},
    }


def _local(xi: Any, xi_: Any, delta: Any) -> Any:
    bump, bump_ = (np.maximum(1 - 16 * np.abs(x - 11 / 16), 0) for x in (xi, xi_))
    return bump * bump_ * np.where(delta < 1 / 16, 400.0, 10.0)


def _smooth(xi: Any, xi_: Any, delta: Any) -> Any:
    return 0.9 * xi * (1 - xi_**2) + 0.6 * (xi**2 - 0.4) * xi_ * (1 + delta) - 0.5 * delta * xi_


def problems() -> dict[str, Problem]:
    """By name."""
    common = {
        "b": lambda xi, delta: 0.3 + 0.5 * xi**2 + 0 * delta,
        "R": lambda xi: np.stack([2.1 * xi - 0.2, 1.1 * xi**2 + 0 * xi], axis=-1)[..., None],
        "a": np.array([0.1, -0.2]),
    }
    hats = {"family": "hat", "cells": 4}
    layered = {"family": "p0", "breakpoints": EARLY}
    equal = [Fraction(k, 64) - 1 for k in range(129)]
    near = [Fraction(5, 8) + Fraction(k, 256) for k in range(1, 32)]
    return {
        "local": Problem(
            Continuum.from_fields(_declared(hats, {"family": "hat", "breakpoints": BUMP}, layered, "heun", 4),
                                  W=_local, **common),
            1e-5, sorted({*equal, *near}), 256),
        "smooth": Problem(
            Continuum.from_fields(_declared(hats, THREE, {"family": "legendre", "size": 2}, "heun", 4),
                                  W=_smooth, **common),
            1e-6, equal, 64),
    }  # fmt: skip


def waves() -> Records:
    """Smooth records of two classes, sampled at points that lie on all cells' edges."""
    draw = np.random.default_rng(0)
    xi = np.linspace(-1, 1, POINTS)
    x = np.sin(draw.uniform(1, 5, (RECORDS, 1)) * xi + draw.uniform(0, 6, (RECORDS, 1)))
    return records(x, y=np.arange(RECORDS) % 2)


def loss(model: Continuum, data: Records) -> float:
    """The mean loss."""
    return model.loss(model.prepare(data))


def uniform(spec: Spec, halvings: int, doublings: int) -> Spec:
    """All cells halved, and all steps doubled, so many times."""
    basis = spec.entry
    for _ in range(halvings):
        basis = find.richer(basis, "cells")
    return replace(with_state(spec, 0, basis), steps=spec.steps * 2**doublings)


@dataclass(frozen=True)
class Row:
    """What a way took. there: seconds to get there; None where the truth led the way."""

    name: str
    spec: Spec
    error: float
    gradient: float
    there: float | None

    def __str__(self) -> str:
        there = "" if self.there is None else f"{self.there:.2f}"
        return (
            f"  {self.name:22s}{self.spec.entry.size:10d}{self.spec.steps:8d}{self.error:12.2e}"
            f"{1e3 * self.gradient:12.2f}{there:>12s}"
        )


def _row(name: str, model: Continuum, data: Records, truth: float, there: float | None) -> Row:
    prepared, seconds = model.prepare(data), []
    model.objective(prepared)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        model.objective(prepared, model.coordinates)
        seconds.append(time.perf_counter() - began)
    return Row(name, model.spec, truth - loss(model, data), statistics.median(seconds), there)


def compared(problem: Problem, data: Records) -> Iterator[Row]:
    """The rows of a problem."""
    model, truth = problem.model, problem.truth(data)
    for warm in (on(model, uniform(model.spec, 1, 1)), on(model, replace(model.spec, cuts=(Fraction(1, 3),), steps=6))):
        warm.objective(warm.prepare(data))
    refine(model, tolerance=1.0, records=data)  # compiles
    began = time.perf_counter()
    fine = refine(model, tolerance=problem.tolerance, records=data)
    goal = _row("refine(tolerance=…)", fine, data, truth, time.perf_counter() - began)
    yield goal
    wanted = max(abs(goal.error), abs(fine.report.error))
    began = time.perf_counter()
    for n in range(MOST + 1):
        plain = on(model, uniform(model.spec, n, n))
        if abs(truth - loss(plain, data)) <= wanted:
            break
    yield _row("all, round by round", plain, data, truth, time.perf_counter() - began)
    costs = sorted(
        (uniform(model.spec, n, m) for n in range(MOST + 1) for m in range(MOST + 1)),
        key=lambda spec: spec.entry.size * spec.steps,
    )
    best = next(spec for spec in costs if abs(truth - loss(on(model, spec), data)) <= wanted)
    yield _row("best uniform pair", on(model, best), data, truth, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    data = waves()
    for name, problem in problems().items():
        say(f"{name}, tolerance {problem.tolerance:g}")
        say(f"  {'':22s}{'functions':>10s}{'steps':>8s}{'true error':>12s}{'gradient, ms':>12s}{'there, s':>12s}")
        for row in compared(problem, data):
            say(str(row))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["XDG_CACHE_HOME"] = fresh  # nothing that another run has derived
        main()
