"""Where a state stops being finite, and whether a step too long is to blame; which derivative does where states do not.

A step of length s multiplies a mode e^{λδ} by R(s λ), R(z) = 1 + z bᵀ(1 − z a)⁻¹ 1. Where λ decays and |R(s λ)| > 1 the
step is unstable: the equation damps what the method blows up, and shorter steps help.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from derive.errors import TrainingError
from derive.spec import Spec, TableauSpec
from numerics.kernels.bound import Finder, plain_kernels
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.operators import Slab, Weights
from numerics.kernels.steps import Method, Steps

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


def error(
    solver: Solver | None, states: Array, given: str, where: str = "", rows: Array | None = None
) -> TrainingError:
    """The error for numbers that are not finite, with where they began and, of a step too long, what is stable."""
    return explained(diagnose(solver, states, rows), given, where)


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


def diagnose(solver: Solver | None, states: Array, rows: Array | None = None) -> Diagnosis | None:
    """Follow states (entry rows, N) step by step to the first that is not finite; None where all are.

    rows: the records' numbers (N,), where these are not their positions. solver: None of what has no depth.
    """
    if solver is None or (spec := solver.bound.representation.spec).tolerance is not None:
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
            own = _in_doubles(slab, solver.bound.find)
            unstable = _first_unstable(own, weights, taken, column[: last + 1], spec.tableau)
            step, stable = unstable if unstable is not None else (last, None)
            number = record if rows is None else int(rows[record])
            return Diagnosis(number, step, len(taken), *taken[step], spec.tableau.name, stable)
    return None


def undifferentiable(
    solver: Solver, states: Array, readout: tuple[Array, Array], targets: Array, record: int, given: str, where: str
) -> TrainingError | None:
    """The error for a record whose states are finite, and whose loss or gradient is not: of what is it not?

    states (entry rows, 1), targets (outputs, 1): of the record alone, which is followed with the kernels as plain
    Python. readout: its operator and constant. None where nothing of the kind is found.
    """
    spec = solver.bound.representation.spec
    plain = Bound(solver.bound.representation, spec.precision, find=plain_kernels).form(solver.weights)
    with np.errstate(all="ignore"):
        plain = plain.settled(states)
        z = plain.outputs(states, *readout)
        value, source = plain.differentiated(z, targets)
        if not np.isfinite(z).all():
            return None
        if not (np.isfinite(value).all() and np.isfinite(source).all()):
            what = "derivative" if np.isfinite(value).all() else "value"
            sizes = f"outputs {_range(z)} and targets {_range(targets)}"
            return _named(spec, given, f"the {what} of the loss {spec.loss} in record {record}, {sizes}", where)
        found = _first_slope(plain, states)
    rate = f"the derivative of the rate {spec.rate}, f = {spec.activation}, in record {record}"
    return None if found is None else _named(spec, given, f"{rate}, {found}", where)


def _named(spec: Spec, given: str, what: str, where: str) -> TrainingError:
    return TrainingError(
        f"{given}; first {what}", f"values and derivatives that are finite in {spec.precision}",
        "an expression that overflows on the way, or whose slope is infinite there; the states themselves are finite",
        "scale the records, write the expression so that its parts stay small, or take precision float64", where,
    )  # fmt: skip


def _range(values: Array) -> str:
    return f"from {np.nanmin(values):.4g} to {np.nanmax(values):.4g}"


def _first_slope(solver: Solver, states: Array) -> str | None:
    """The first step whose adjoint makes numbers that are not finite of ones, and the values of h at its start."""
    for slab, weights, taken, path in zip(solver.slabs, solver.weights, solver.steps, solver.path(states)):
        steps = [taken] if slab.tables.entry else [[step] for step in taken]  # a first step sees the state as it comes
        for n, (h, own_steps) in enumerate(zip(path, steps)):
            own = slab.on_steps(solver.bound.method(slab), own_steps).form(weights)
            after, kept = own.forward(np.ascontiguousarray(h), keep=True)
            gradient = own.empty_gradient()
            bar = own.adjoint(np.ones_like(after), kept, gradient)
            if not all(np.isfinite(a).all() for a in (bar, *gradient.values())):
                return f"step {n + 1} of {len(taken)}, from depth {own_steps[0][0]:.4g}, h {_range(h)}"
    return None


def _first_unstable(
    slab: Slab, weights: Weights, taken: Steps, states: Sequence[Array], tableau: TableauSpec
) -> tuple[int, float] | None:
    """The first of some steps that is unstable, and the longest stable one from there."""
    if slab.tables.entry:
        return None
    method = Method.of(tableau, 0.0)
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


def _in_doubles(slab: Slab, find: Finder) -> Slab:
    """A slab for the CPU, in double precision."""
    return Slab.of(slab.tables, slab.channels, np.dtype(np.float64), slab.plan, find, slab.parts)


def _jacobian(slab: Slab, weights: Weights, h: Array, start: float, length: float) -> Array:
    """∂F/∂h at a state (rows, 1) and a depth, by central differences of the kernels' F."""
    if slab.implicit:
        return np.full((len(h), len(h)), np.nan)  # implicit steps of the tableaux there are do not blow up decay
    kappa = float(slab.tables.tables["kappa"])
    euler = Method(np.zeros((1, 1)), np.ones(1), np.zeros(1), None, 1, kappa)
    own = slab.on_steps(euler, [(start, length)]).form(weights)
    width = 1e-6 * max(1.0, float(np.abs(h).max()))
    moved = np.hstack([h + width * np.eye(len(h)), h - width * np.eye(len(h))])
    after = own.forward(np.ascontiguousarray(moved), keep=False)[0]
    slopes = (after - moved) / length
    return np.asarray((slopes[:, : len(h)] - slopes[:, len(h) :]) / (2 * width))


def amplification(method: Method, z: Array) -> Array:
    """|R(z)| at complex z = s λ."""
    stages = len(method.b)
    found = [1 + v * (method.b @ np.linalg.solve(np.eye(stages) - v * method.a, np.ones(stages))) for v in np.ravel(z)]
    return np.abs(found)


def longest_stable(method: Method, modes: Array, length: float) -> float:
    """The longest step, shorter than ``length``, that amplifies none of these decaying modes."""
    low, high = 0.0, length
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if amplification(method, middle * modes).max() <= 1 else (low, middle)
    return low
