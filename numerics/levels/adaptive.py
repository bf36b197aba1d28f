"""Goal-oriented refinement: a solver refined where the error of the loss sits, until its estimate is small enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError
from derive.spec import WIDTH, Spec, shown
from numerics.checks import instance
from numerics.datasets import Records
from numerics.datasets import records as make_records
from numerics.levels.goal import Estimate, Way, check, estimate, on
from numerics.levels.projection import Report, move
from numerics.levels.richer import halved, step_ends, with_state, with_steps
from numerics.model.continuum import Continuum
from numerics.representation import find

Array = np.ndarray
LIMIT = 1024  # functions of a state, and steps, at most
SAFETY = 0.8  # of a share: what is aimed at
TIMES = 2  # halvings of a cell or step from one estimate to the next
ROUNDING = 1e-12  # of the loss: an error that float64 cannot show
NAME = "refined"


@dataclass(frozen=True)
class Round:
    """A solver on the way, and the error of the loss there. functions, steps: how many it has."""

    spec: Spec
    estimate: Estimate

    @property
    def row(self) -> dict[str, Any]:
        """What is told of it."""
        sources = self.estimate.sources
        width = [way for axis, way in sources.items() if axis is not None]
        return {
            "functions": self.spec.entry.size, "steps": self.spec.steps, "loss": self.estimate.loss,
            "width": sum(way.error - way.projection for way in width),
            "records": sum(way.projection for way in width),
            "depth": sources[None].error, "error": self.estimate.error,
        }  # fmt: skip


@dataclass(frozen=True)
class Refinement:
    """What a goal-oriented refinement did: its rounds, the last of them within the tolerance, and the move as a whole.

    Errors are what the loss would change by: by the functions of the state (width), by the records' projections onto
    them (records), by the steps (depth), and in all.
    """

    tolerance: float
    rounds: tuple[Round, ...]
    move: Report

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
        return "\n".join([*lines, f"within the tolerance {self.tolerance:.3g}", str(self.move)])

    def _repr_html_(self) -> str:
        rows = [
            (f"{r['functions']} functions, {r['steps']} steps", f"loss {r['loss']:.6g}, error {r['error']:.2e}")
            for r in (one.row for one in self.rounds)
        ]
        return shown.table(f"refined to {self.tolerance:.3g}", "", rows)

    def plot(self) -> Any:
        """Where the error sat at first and where it sits now, over width and depth, as a matplotlib Figure."""
        from numerics.pictures import errors

        ends = (self.rounds[0], self.rounds[-1])
        return errors.where([
            errors.Place(f"{r.spec.entry.size} functions, {r.spec.steps} steps", np.array(step_ends(r.spec), dtype=float),
                         [(way.edges[way.axis], way.indicators) for way in _width(r.estimate)],
                         r.estimate.sources[None].indicators, r.estimate.error)
            for r in (ends if len(self.rounds) > 1 else ends[:1])
        ])  # fmt: skip


def _said(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3e}"


def refined(
    model: Continuum, tolerance: Any, data: Records | None, limit: int = LIMIT,
    said: Callable[[Round], None] | None = None,
) -> Continuum:
    """The model on a new level whose solver has an error of the loss, on records, of ``tolerance`` at most.

    Fields keep their bases and coefficients. Round by round the error is estimated, and of its sources those are
    refined that have more than their share of the tolerance: cells of the state halved where it sits, or a degree or a
    size raised, whichever promises more a function; steps halved where it sits. limit: functions and steps at most.
    said: is told every round.
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
        if said is not None:
            said(rounds[-1])
        last = rounds[-1].estimate
        floor = ROUNDING * max(abs(last.loss), 1e-3)
        if wanted < floor:
            raise DataError(
                f"tolerance {wanted:.3g} for a loss of {last.loss:.6g}", f"at least {floor:.1e}",
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
    taken = {name for name, _ in model.base.levels} if model.level == NAME else {model.level}
    name = next(n for n in (NAME, *(f"{NAME}-{k}" for k in range(2, 1000))) if n not in taken)
    others = tuple((key, value) for key, value in model.base.levels if key != name)
    base = replace(model.base, levels=(*others, (name, replace(spec, levels=()))))
    moved = move(model.replace(base=base), name, data)
    return moved.replace(report=Refinement(wanted, tuple(rounds), moved.report))


def finer(spec: Spec, found: Estimate, tolerance: float) -> Spec:
    """The spec with a richer solver where a source of errors has more than its share of the tolerance."""
    share = tolerance / len(found.sources)
    made = spec
    for axis, source in found.sources.items():
        if abs(source.error) <= share:
            continue
        if axis is None:
            made = with_steps(made, _halved(step_ends(made), source, share))
            continue
        ways = [way for way in found.ways if way.axis == axis]
        plans = [_plan(spec, axis, way, share) for way in ways]
        made = with_state(made, axis, max(plans, key=lambda plan: plan[0])[1])
    return made


def _plan(spec: Spec, axis: int, way: Way, share: float) -> tuple[float, Any]:
    """What a way gains a function that it adds, and the basis along the axis."""
    basis = spec.entry.along(axis)
    if way.how != "cells" or spec.symmetries:  # whose maps take cells to cells
        grown = find.richer(basis, way.how)
        return abs(way.error) / way.scale / (grown.size - basis.size), grown
    cuts = basis.cuts(WIDTH)
    grown = find.richer(basis, way.how, _halved(cuts, way, share))
    return (abs(way.error) - SAFETY * share) / (grown.size - basis.size), grown


def _halved(cuts: Sequence[Fraction], way: Way, share: float) -> tuple[Fraction, ...]:
    """The cells, or steps, with some halved, so that the source has no more than its share, as far as one can see."""
    own = way.indicators
    return halved(cuts, own * abs(way.error) / own.sum(), way.drop, SAFETY * share, TIMES)


def _width(found: Estimate) -> list[Way]:
    return [way for axis, way in sorted((a, w) for a, w in found.sources.items() if a is not None)]


def _checked(tolerance: Any, limit: Any, data: Records | None) -> float:
    """The tolerance as a number. Raises DataError for what cannot be one, and for no records."""
    if not isinstance(tolerance, Real) or isinstance(tolerance, bool) or not 0 < tolerance < np.inf:
        raise DataError(
            f"tolerance {tolerance!r}", "a positive number", "a text, or a sign", "write tolerance=1e-3"
        )
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
