"""Where a state stops being finite, and whether a step too long is to blame.

A step of length s multiplies a mode e^{λδ} by R(s λ), R(z) = 1 + z bᵀ(1 − z a)⁻¹ 1. Where λ decays and |R(s λ)| > 1 the
step is unstable: the equation damps what the method blows up, and shorter steps help.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from derive.errors import TrainingError
from derive.spec import TableauSpec
from numerics import adaptive
from numerics.solver import Slab, Solver, Weights

if TYPE_CHECKING:
    from numerics.continuum import Continuum

Array = np.ndarray
MARGIN = 1.02  # |R| of a step that is called unstable


@dataclass(frozen=True)
class Diagnosis:
    """Where a state was last finite. record: the first one concerned; step of ``steps``, from depth.

    length: of that step; stable: the longest stable one, None where instability is not the cause.
    """

    record: int
    step: int
    steps: int
    depth: float
    length: float
    tableau: str
    stable: float | None

    def __str__(self) -> str:
        return f"record {self.record}, step {self.step + 1} of {self.steps}, from depth {self.depth:.4g}"


def error(model: Continuum, states: Array, given: str, where: str = "") -> TrainingError:
    """The error for numbers that are not finite, with where they began and, of a step too long, what is stable."""
    return explained(diagnose(model, states), given, where)


def explained(found: Diagnosis | None, given: str, where: str = "") -> TrainingError:
    """The error of a diagnosis, or of none."""
    if found is None or found.stable is None:
        return TrainingError(
            given if found is None else f"{given}; first in {found}", "finite numbers",
            "a state that grows without bound along the depth, or a rate that is not defined there",
            "take more steps in [integration], train with a smaller learning_rate, or bound the rate", where,
        )  # fmt: skip
    needed = math.ceil(found.length / found.stable) * found.steps
    return TrainingError(
        f"{given}; first in {found}", f"steps of at most {found.stable:.2g} with {found.tableau} there",
        f"an unstable step: with length {found.length:.4g} it blows up what the equation damps",
        f"take {needed:,} steps in [integration], or an implicit tableau such as backward-euler", where,
    )  # fmt: skip


def diagnose(model: Continuum, states: Array) -> Diagnosis | None:
    """Follow states (entry rows, N) step by step to the first that is not finite; None where all are."""
    solver = model.solver
    if not isinstance(solver, Solver) or model.spec.tolerance is not None:
        return None
    with np.errstate(all="ignore"):
        try:
            path = solver.path(states)
        except TrainingError:  # stages that cannot be solved for
            return None
        wrong = ~np.isfinite(path[-1][-1]).all(axis=0)
        if not wrong.any():
            return None
        record = int(np.argmax(wrong))
        for slab, weights, taken, whole in zip(solver.slabs, solver.weights, solver.steps, path):
            column = [h[:, record : record + 1] for h in whole]
            finite = [bool(np.isfinite(h).all()) for h in column]
            if all(finite):
                continue
            last = finite.index(False) - 1
            unstable = _first_unstable(slab, weights, taken, column[: last + 1], model.spec.tableau)
            step, stable = unstable if unstable is not None else (last, None)
            return Diagnosis(record, step, len(taken), *taken[step], model.spec.tableau.name, stable)
    return None


def _first_unstable(
    slab: Slab, weights: Weights, taken: adaptive.Steps, states: Sequence[Array], tableau: TableauSpec
) -> tuple[int, float] | None:
    """The first of some steps that is unstable, and the longest stable one from there."""
    if slab.tables.entry:
        return None
    method = adaptive.Method.of(tableau, 0.0)
    for n, (h, (start, length)) in enumerate(zip(states, taken)):
        jacobian = _jacobian(slab, weights, h, start, length)
        if not np.isfinite(jacobian).all():
            return None
        modes = np.linalg.eigvals(jacobian)
        decaying = modes[modes.real < 0]
        if decaying.size and amplification(method, length * decaying).max() > MARGIN:
            stable = longest_stable(method, decaying, length)
            return (n, stable) if stable > 0 else None
    return None


def _jacobian(slab: Slab, weights: Weights, h: Array, start: float, length: float) -> Array:
    """∂F/∂h at a state (rows, 1) and a depth, by central differences of the kernels' F."""
    own = Slab.of(slab.tables, slab.channels, np.dtype(np.float64), slab.plan, slab.kernels, slab.parts)
    if own.implicit:
        return np.full((len(h), len(h)), np.nan)  # implicit steps of the tableaux there are do not blow up decay
    depth = slab.tables.pieces("weight_depth"), slab.tables.pieces("bias_depth")
    kappa = float(slab.tables.tables["kappa"])
    euler = adaptive.Method(np.zeros((1, 1)), np.ones(1), np.zeros(1), None, 1, kappa)
    own = own.bind(adaptive.tables(euler, *depth, [(start, length)])).form(weights)
    width = 1e-6 * max(1.0, float(np.abs(h).max()))
    moved = np.hstack([h + width * np.eye(len(h)), h - width * np.eye(len(h))])
    after = own.forward(np.ascontiguousarray(moved), keep=False)[0]
    slopes = (after - moved) / length
    return np.asarray((slopes[:, : len(h)] - slopes[:, len(h) :]) / (2 * width))


def amplification(method: adaptive.Method, z: Array) -> Array:
    """|R(z)| at complex z = s λ."""
    stages = len(method.b)
    found = [1 + v * (method.b @ np.linalg.solve(np.eye(stages) - v * method.a, np.ones(stages))) for v in np.ravel(z)]
    return np.abs(found)


def longest_stable(method: adaptive.Method, modes: Array, length: float) -> float:
    """The longest step, shorter than ``length``, that amplifies none of these decaying modes."""
    low, high = 0.0, length
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if amplification(method, middle * modes).max() <= 1 else (low, middle)
    return low
