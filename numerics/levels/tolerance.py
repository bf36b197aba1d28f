"""Goal-oriented refinement: a solver refined where the error of the loss sits, until its estimate is small enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError
from derive.spec import WIDTH, BasisSpec, Spec, shown
from numerics.checks import real
from numerics.datasets import Records
from numerics.datasets.sampling import thinned
from numerics.levels.goal import Estimate, Way, check, estimate, on
from numerics.levels.projection import Report, move
from numerics.levels.richer import halved, step_ends, with_state, with_steps
from numerics.model.continuum import Continuum
from numerics.pictures import errors
from numerics.pictures.axes import XI, Frame
from numerics.representation import find

Array = np.ndarray
LIMIT = 1024  # functions of a state, and steps, at most
SAFETY = 0.8  # of what a source may have: what is aimed at
TIMES = 2  # halvings of a cell or step from one estimate to the next
ROUNDING = 1e-12  # of the loss: an error that float64 cannot show
NAME = "refined"


@dataclass(frozen=True)
class Round:
    """A solver on the way, and the error of the loss there."""

    spec: Spec
    estimate: Estimate

    @property
    def row(self) -> dict[str, Any]:
        """What is told of it."""
        sources = self.estimate.sources
        width = [way for axis, way in sources.items() if axis is not None]
        return {
            "functions": self.spec.entry.size, "steps": self.spec.steps, "loss": self.estimate.goal,
            "width": sum(way.error - way.projection for way in width),
            "records": sum(way.projection for way in width),
            "depth": sources[None].error, "error": self.estimate.error,
        }  # fmt: skip

    @property
    def place(self) -> errors.Place:
        """What is drawn of it."""
        sources, title = self.estimate.sources, f"{self.spec.entry.size} functions, {self.spec.steps} steps"
        cells = [(sources[axis].edges[axis], sources[axis].indicators) for axis in range(self.spec.dimension)]
        depths = np.array(step_ends(self.spec), dtype=float)
        return errors.Place(title, depths, cells, sources[None].indicators, self.estimate.error)


@dataclass(frozen=True)
class Refinement:
    """What a goal-oriented refinement did: its rounds, the last of them within the tolerance, and the move as a whole.

    Errors are what the loss would change by: by the functions of the state (width), by the records' projections onto
    them (records), by the steps (depth), and in all. sampling: what the loss would change by if every second sample
    were left out, which says how much rests on what lies between samples; None where these are not joined by lines.
    frame: the units of points in pictures.
    """

    tolerance: float
    rounds: tuple[Round, ...]
    move: Report
    sampling: float | None = None
    frame: Frame = XI

    @property
    def error(self) -> float:
        """The estimated error of the loss that is left."""
        return self.rounds[-1].estimate.error

    def __str__(self) -> str:
        rows = [r.row for r in self.rounds]
        wide = 11
        lines = ["errors of the loss, by dual-weighted residuals"]
        lines.append("".join(f"{name:>{wide}}" for name in rows[0]))
        for row in rows:
            lines.append("".join(f"{_said(value):>{wide}}" for value in row.values()))
        lines.append(f"within the tolerance {self.tolerance:.3g}")
        if self.sampling is not None:
            lines.append(f"every second sample left out would change the loss by {self.sampling:.1e}; not refined")
        return "\n".join([*lines, str(self.move)])

    def _repr_html_(self) -> str:
        rows = [
            (f"{row['functions']} functions, {row['steps']} steps", f"loss {row['loss']:.6g}, error {row['error']:.2e}")
            for row in (one.row for one in self.rounds)
        ]
        return shown.table(f"refined to {self.tolerance:.3g}", "", rows)

    def plot(self) -> Any:
        """Where the error sat at first and where it sits now, over width and depth, as a matplotlib Figure."""
        ends = (self.rounds[0], self.rounds[-1])
        return errors.where([one.place for one in (ends if len(self.rounds) > 1 else ends[:1])], self.frame)


def _said(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3e}"


def refined(model: Continuum, tolerance: Any, data: Records | None, limit: int = LIMIT) -> Continuum:
    """The model on a new level whose solver has an error of the loss, on records, of ``tolerance`` at most.

    Fields keep their bases and coefficients. Round by round the error is estimated, and of its sources those are
    refined that have more than their share of the tolerance: cells of the state halved where it sits, or a degree or a
    size raised, whichever promises more a function; steps halved where it sits. limit: functions and steps at most.
    Raises DataError for a tolerance that is none, below rounding, or no records; RepresentationError for a solver that
    cannot be refined (``goal.check``), and a tolerance that is not reached within the limit.
    """
    check(model)
    wanted = _checked(tolerance, limit, data)
    assert data is not None
    rounds: list[Round] = []
    current = on(model, model.spec)
    while True:
        rounds.append(Round(current.spec, estimate(current, data)))
        last = rounds[-1].estimate
        floor = ROUNDING * max(abs(last.goal), 1e-3)
        if wanted < floor:
            raise DataError(
                f"tolerance {wanted:.3g} for a loss of {last.goal:.6g}", f"at least {floor:.1e}",
                "a difference that rounding hides", f"write tolerance={10 * floor:.0e}",
            )  # fmt: skip
        if last.size <= wanted:
            break
        spec = finer(current.spec, last, wanted)
        if max(spec.entry.size, spec.steps) > limit:
            raise _out_of_reach(rounds, wanted, limit, spec)
        current = on(model, spec)
    return _as_level(model, current.spec, data, wanted, rounds)


def _as_level(model: Continuum, spec: Spec, data: Records, wanted: float, rounds: list[Round]) -> Continuum:
    taken = {name for name, _ in model.base.levels}
    name = next(n for n in (NAME, *(f"{NAME}-{k}" for k in range(2, 1000))) if n not in taken)
    base = replace(model.base, levels=(*model.base.levels, (name, replace(spec, levels=()))))
    moved = move(model.replace(base=base), name, data)
    sampling = None
    if spec.interpolant == "linear":
        sampled = data if spec.functional else data.as_functions()
        thin = thinned(sampled, moved.sample_points(data), "half")
        sampling = moved.scores(moved.prepare(thin))["loss"] - rounds[-1].estimate.goal
    return moved.replace(report=Refinement(wanted, tuple(rounds), moved.report, sampling, moved.plot.frame))


def finer(spec: Spec, found: Estimate, tolerance: float) -> Spec:
    """The spec with a richer solver where sources of errors have more than their share of the tolerance.

    What the other sources leave of the tolerance is shared, too.
    """
    sizes = {axis: abs(source.error) for axis, source in found.sources.items()}
    over = {axis: size for axis, size in sizes.items() if size > tolerance / len(sizes)}
    left = tolerance - sum(size for axis, size in sizes.items() if axis not in over)
    for axis, size in over.items():
        wanted = SAFETY * left / len(over)
        if axis is None:
            spec = with_steps(spec, _halved(step_ends(spec), found.sources[None], size, wanted))
        else:
            plans = [_plan(spec, axis, way, size, wanted) for way in found.ways if way.axis == axis]
            spec = with_state(spec, axis, max(plans, key=lambda plan: plan[0])[1])
    return spec


def _plan(spec: Spec, axis: int, way: Way, size: float, wanted: float) -> tuple[float, BasisSpec]:
    """How much of an error of this size a way removes for each function that it adds, and the basis along the axis."""
    basis = spec.entry.along(axis)
    removed = abs(way.error) / way.scale
    if way.how != "cells" or spec.symmetries:  # maps of the domain take cells to cells: all are halved
        grown = find.richer(basis, way.how)
    else:
        grown = find.richer(basis, way.how, _halved(basis.cuts(WIDTH), way, size, wanted))
        removed = min(removed, size - wanted)
    return removed / (grown.size - basis.size), grown


def _halved(cuts: Sequence[Fraction], way: Way, size: float, wanted: float) -> tuple[Fraction, ...]:
    """Cells or steps, some of them halved, so that of an error of this size what is wanted is left, in theory."""
    own = way.indicators if way.indicators.any() else np.ones(len(cuts) - 1)
    return halved(cuts, own * size / own.sum(), way.drop, wanted, TIMES)


def _checked(tolerance: Any, limit: Any, data: Records | None) -> float:
    """The tolerance as a number. Raises DataError for what cannot be one, and for no records."""
    if not real(tolerance) or not 0 < tolerance < math.inf:
        raise DataError(f"tolerance {tolerance!r}", "a positive number", "a text, or a sign", "write tolerance=1e-3")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise DataError(f"limit {limit!r}", "a whole number from 1", "a fraction", f"write limit={LIMIT}")
    if data is None:
        raise DataError(
            "a tolerance, and no records", "records with targets", "the error of a loss depends on the records",
            "give refine(model, tolerance=…, records=records(x, y)), or --data FILE",
        )  # fmt: skip
    return float(tolerance)


def _out_of_reach(rounds: Sequence[Round], wanted: float, limit: int, spec: Spec) -> RepresentationError:
    best = min(rounds, key=lambda r: r.estimate.size)
    return RepresentationError(
        f"tolerance {wanted:.3g}, and an error of {best.estimate.size:.2e} with {best.spec.entry.size} functions and "
        f"{best.spec.steps} steps",
        f"at most {limit} functions and steps; {spec.entry.size} and {spec.steps} come next",
        "a tolerance far below what the fields are worth, kinks or jumps of records and rates, or Euler's method",
        f"write tolerance={1.1 * best.estimate.size:.1e}, raise the limit, or declare a tableau of higher order",
    )  # fmt: skip
