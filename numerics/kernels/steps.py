"""Steps chosen by the error that an embedded method estimates, and the tables of a slab for steps of any length.

All records of a call take the same steps, those that the record in most need of short ones asks for: stage operators
belong to depths, and are formed once for all records. Gradients are exact for the steps that were taken (10).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from derive.errors import TrainingError
from derive.spec import TableauSpec
from numerics.functions.basis import Basis, evaluate_inside

Arrays = dict[str, np.ndarray]
Steps = list[tuple[float, float]]  # (start, length) of every step

SAFETY = 0.9
SHRINK, GROW = 0.2, 5.0  # bounds of the ratio of one step to the one before
MOST = 10_000  # steps tried in a slab; far more than tolerances from 1e-10 need where there is a solution to follow
SMALLEST = 1e-7  # of a depth element: a shorter step says that there is no solution to follow


@dataclass(frozen=True)
class Method:
    """A tableau in floating point, for ḣ = A r + κ h.

    difference: b̄ less the embedded weights, None where there are none. order: of the error that it estimates, in the
    step's length.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    difference: np.ndarray | None
    order: int
    kappa: float

    @classmethod
    def of(cls, tableau: TableauSpec, kappa: float) -> Method:
        a = np.array([[float(v) for v in row] for row in tableau.a])
        b, c = (np.array([float(v) for v in row]) for row in (tableau.b, tableau.c))
        if tableau.embedded is None:
            return cls(a, b, c, None, tableau.order + 1, kappa)
        difference = b - np.array([float(v) for v in tableau.embedded])
        return cls(a, b, c, difference, min(tableau.order, tableau.embedded_order or 0) + 1, kappa)

    @property
    def explicit(self) -> bool:
        """Whether every stage depends on earlier ones only."""
        return not np.triu(self.a).any()

    @property
    def repeats(self) -> bool:
        """Whether the last stage is the next step's first one ("first same as last")."""
        return self.explicit and bool(self.c[-1] == 1) and np.array_equal(self.a[-1], self.b)

    @property
    def taken(self) -> Method:
        """The method without last stages that only the error's estimate reads: h_{n+1} is the same."""
        if not self.explicit:
            return self
        own = slice(int(np.flatnonzero(self.b)[-1]) + 1)
        return replace(self, a=self.a[own, own], b=self.b[own], c=self.c[own], difference=None)

    def step(self, length: Any) -> np.ndarray:
        """(7) with κ eliminated, as ``derive.tableau.combination`` has it: (…, stages + 1, stages + 1)."""
        return self._combined(length, 1.0, self.b)

    def error(self, length: Any) -> np.ndarray:
        """The same with the estimated error in place of h_{n+1}."""
        assert self.difference is not None
        return self._combined(length, 0.0, self.difference)

    def tried(self, length: float) -> np.ndarray:
        """The same with h_{n+1} and, in the last row, the estimated error: (stages + 2, stages + 1)."""
        return np.concatenate([self.step(length), self.error(length)[-1:]])

    def _combined(self, length: Any, old: float, weights: np.ndarray) -> np.ndarray:
        """Of one length, or of many (…)."""
        s, count = np.asarray(length, dtype=np.float64)[..., None, None], len(self.b)
        right = np.concatenate([np.ones((*s.shape[:-2], count, 1)), s * self.a], axis=-1)
        rows = np.linalg.solve(np.eye(count) - s * self.kappa * self.a, right) if self.kappa else right
        last = s * np.append(0.0, weights) + s * self.kappa * (weights @ rows)[..., None, :]
        last[..., 0] += old
        return np.concatenate([rows, last], axis=-2)


def tables(method: Method, weight_depth: Basis, bias_depth: Basis, steps: Steps) -> Arrays:
    """What the kernels need of the steps: combine, and θ and ϑ at the stages with the row that each stage uses."""
    starts, lengths = np.array(steps).T[:, :, None]
    found = {"combine": method.step(lengths[:, 0])}
    for rows, index, basis in (("theta", "operator_index", weight_depth), ("vartheta", "bias_index", bias_depth)):
        values = evaluate_inside(basis, starts + method.c * lengths, starts + lengths / 2)
        found[rows], inverse = np.unique(values, axis=0, return_inverse=True)
        found[index] = inverse.reshape(len(steps), len(method.c))
    return found


@dataclass(frozen=True)
class Attempt:
    """A step of all records: their errors in units of what is tolerated (N,), and the norms after it."""

    errors: np.ndarray
    norms: np.ndarray

    @property
    def worst(self) -> int:
        """The record that asks for the shortest step."""
        return int(np.argmax(np.where(np.isnan(self.errors), np.inf, self.errors)))


class Walk(Protocol):
    """States of all records on their way along the depth."""

    def enter(self) -> None:
        """A depth element begins, at whose start the fields may jump."""

    def attempt(self, start: float, length: float) -> Attempt:
        """Try a step from where the states are."""

    def accept(self) -> None:
        """Go where the step that was tried last ends."""


def find(elements: np.ndarray, order: int, walk: Walk) -> Steps:
    """Steps through the depth elements, which the walk has taken.

    elements: breakpoints that no step crosses; the first is tried as one step. order: of the error in a step's length.
    Raises TrainingError where no step is short enough, or too many would be needed.
    """
    steps: Steps = []
    tried = 0
    length = float(elements[1] - elements[0])
    for start, stop in zip(elements, elements[1:]):
        at = float(start)
        walk.enter()
        while at < stop:
            rest = float(stop) - at
            trial = length if length < 0.6 * rest else rest if length >= rest else rest / 2  # no crumb at the end
            found = walk.attempt(at, trial)
            error = float(found.errors[found.worst])
            tried += 1
            factor = SHRINK
            if np.isfinite(error):
                factor = min(max(SAFETY * max(error, 1e-10) ** (-1 / order), SHRINK), GROW)
            if error <= 1:
                steps.append((at, trial))
                walk.accept()
                at = float(stop) if trial == rest else at + trial
            elif trial < SMALLEST * (stop - start):
                raise TrainingError(
                    f"a step of {trial:.1e} at depth {at:.6g} whose error is {error:.1e} times what is tolerated",
                    "errors that fall with the step", "a state that grows without bound, or a rate that jumps",
                    "scale the records, bound the rate, or raise integration.tolerance", _of(found),
                )  # fmt: skip
            if at < stop and tried >= MOST:
                raise TrainingError(
                    f"{tried:,} steps tried and depth {at:.6g} reached, the last one {trial:.1e} long",
                    f"at most {MOST:,} to depth {elements[-1]:.6g}",
                    "a state that grows without bound, a stiff rate, or a tolerance too small for the method",
                    "raise integration.tolerance, scale the records, or take an implicit tableau with fixed steps",
                    _of(found),
                )  # fmt: skip
            length = factor * trial
    return steps


def _of(attempt: Attempt) -> str:
    """Which record an error is about."""
    return f"record {attempt.worst}, of norm {attempt.norms[attempt.worst]:.1e} after that step"
