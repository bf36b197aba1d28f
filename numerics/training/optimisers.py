"""Optimisers on vectors in L2-orthonormal coordinates.

In these coordinates (Cholesky factors of the mass matrices) the Euclidean product *is* the L2 inner product of
fields, and the Euclidean gradient *is* the Riesz representative (12). What is written here with ordinary dot
products therefore behaves alike on every mesh, as long as nothing looks at single coordinates.

Every optimiser is a frozen state with ``step(value_and_gradient, vector) -> (state, vector, info)``; its arrays are
all that a resumed run needs to go on with the same bits. A vector's blocks are its fields: (name, slice) pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from derive.errors import CheckpointError, TrainingError, advice
from derive.spec import OPTIMISERS, SCHEDULES

Vector = np.ndarray
Arrays = dict[str, np.ndarray]
Blocks = tuple[tuple[str, slice], ...]
Objective = Callable[[Vector], tuple[float, Vector]]

FIRST_DECAY, FLOOR = 0.9, 1e-8  # Adam's usual constants; the floor bounds its quotient
COORDINATE_DECAY = 0.999  # of a coordinate's second moment, as usual
FIELD_DECAY = 0.95  # ‖g‖² averages over a whole field; remembering large early gradients would only shorten steps
PAIRS = 10  # of steps and gradient differences that L-BFGS remembers
WARM_UP, COLD = 0.3, 1 / 25  # of one-cycle: the share of its steps that warm up, and the factor where they start
DECREASE, CURVATURE = 1e-4, 0.9  # the strong Wolfe conditions
TRIALS = 30  # evaluations in one line search
ROUNDING = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Info:
    """One step: the value and ‖gradient‖ (L2) where it started, its L2 length, the evaluations that it took.

    stop: why there is nothing left to do, or "".
    """

    value: float
    gradient_norm: float
    length: float
    evaluations: int
    stop: str = ""


class State(Protocol):
    """What the optimisers share. ``to_arrays`` and ``from_arrays`` carry all that changes, bit for bit."""

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]: ...

    def to_arrays(self) -> Arrays: ...

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> State: ...


def step(state: State, value_and_gradient: Objective, vector: Vector) -> tuple[State, Vector, Info]:
    """One step of any optimiser; nothing is changed in place.

    vector: (n,). Raises TrainingError for a loss, a gradient or a new vector that is not finite.
    """
    return state.step(value_and_gradient, vector)


def start(
    name: str,
    blocks: Blocks,
    learning_rate: float,
    steps: int,
    weight_decay: float = 0.0,
    schedule: str = "cosine",
) -> State:
    """The state before the first step.

    name: one of OPTIMISERS; blocks: the fields' slices, which cover the vector; learning_rate: an L2 length (see each
    optimiser); steps: how many are planned, for the schedule of Adam's rate; weight_decay, schedule: Adam's. Raises
    TrainingError for another name.
    """
    for what, given, allowed in (("optimiser", name, OPTIMISERS), ("schedule", schedule, SCHEDULES)):
        if given not in allowed:
            raise TrainingError(
                f"{what} {given!r}", ", ".join(allowed),
                *advice(given, allowed, "a typing error", f"use one of the {what}s above"),
            )  # fmt: skip
    size = blocks[-1][1].stop
    if name == "lbfgs":
        return Lbfgs(blocks, learning_rate, (), (), None, None)
    if name == "gradient-descent":
        return Descent(blocks, learning_rate)
    coordinatewise = name == "adam-coordinatewise"
    second = np.zeros(size if coordinatewise else len(blocks))
    return Adam(blocks, learning_rate, steps, coordinatewise, np.zeros(size), second, 0, weight_decay, schedule)


def inner(first: Vector, second: Vector) -> float:
    """The L2 inner product, summed in one order whatever the number of threads."""
    return float(np.sum(first * second))


def rate(schedule: str, learning_rate: float, done: int, steps: int) -> float:
    """The rate after ``done`` of ``steps`` steps, for one of SCHEDULES.

    "cosine": half a cosine from learning_rate down to zero; "constant": learning_rate; "one-cycle": linear from
    1/25 of it to all of it over the first 30 % of the steps, then half a cosine down to zero (Smith and Topin, 2019);
    "steps": a tenth of it from half of the steps on, a hundredth from three quarters on.
    """
    share = min(done / max(steps, 1), 1.0)
    if schedule == "constant":
        return learning_rate
    if schedule == "steps":
        return learning_rate * 0.1 ** ((share >= 0.5) + (share >= 0.75))
    if schedule == "one-cycle":
        if share < WARM_UP:
            return learning_rate * (COLD + (1 - COLD) * share / WARM_UP)
        share = (share - WARM_UP) / (1 - WARM_UP)
    return learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def clipped(gradient: Vector, largest: float) -> Vector:
    """The gradient, shortened to an L2 norm of ``largest`` where it is longer; on every mesh alike (12)."""
    norm = math.sqrt(inner(gradient, gradient))
    return gradient * (largest / norm) if norm > largest else gradient


# --- first order --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Descent:
    """vector ← vector − learning_rate · g; on uniform P0 fields this is plain SGD on values, with known factors."""

    blocks: Blocks
    learning_rate: float

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = _evaluated(objective, vector, self.blocks)
        return self, *_moved(vector, -self.learning_rate * gradient, value, gradient, self.blocks)

    def to_arrays(self) -> Arrays:
        return {}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Descent:
        _checked(arrays, {})
        return self


@dataclass(frozen=True, eq=False)
class Adam:
    """Adam, its rate following a schedule over the planned steps.

    With one second moment a field, the mean of ‖g‖² in L2, a step moves each field by an L2 length of about the
    learning rate, never more than 1.2 times it and in the first step exactly it, on every mesh: refining a field
    does not change its steps.
    ``coordinatewise`` keeps one second moment a coordinate, as usual; then a step depends on the mesh, the length
    of the first one growing like the square root of the number of coefficients.

    moment: (n,), second: (fields,) or (n,); count: steps done.  weight_decay: λ of c ← (1 − rate · λ) c, beside the
    step (Loshchilov and Hutter, 2019); in these coordinates it shrinks the fields' L2 norms alike on every mesh.
    """

    blocks: Blocks
    learning_rate: float
    steps: int
    coordinatewise: bool
    moment: Vector
    second: Vector
    count: int
    weight_decay: float
    schedule: str

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        value, gradient = _evaluated(objective, vector, self.blocks)
        count, room = self.count + 1, np.square(gradient)  # long vectors: what is no longer needed is written over
        decay = COORDINATE_DECAY if self.coordinatewise else FIELD_DECAY
        square = room if self.coordinatewise else np.array([np.sum(room[part]) for _, part in self.blocks])
        square *= 1 - decay
        second = decay * self.second
        second += square
        scale = np.sqrt(second / (1 - decay**count)) + FLOOR
        moment = FIRST_DECAY * self.moment
        moment += np.multiply(gradient, 1 - FIRST_DECAY, out=room)
        length = rate(self.schedule, self.learning_rate, self.count, self.steps)
        change = np.multiply(moment, -length / (1 - FIRST_DECAY**count), out=room)
        if self.coordinatewise:
            change /= scale
        else:
            for own, (_, part) in zip(scale, self.blocks):
                change[part] /= own
        if self.weight_decay:
            change -= length * self.weight_decay * vector
        state = replace(self, moment=moment, second=second, count=count)
        return state, *_moved(vector, change, value, gradient, self.blocks)

    def to_arrays(self) -> Arrays:
        return {"moment": self.moment, "second": self.second, "count": np.array(self.count)}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Adam:
        _checked(arrays, {"moment": self.moment.shape, "second": self.second.shape, "count": ()})
        return replace(self, moment=arrays["moment"], second=arrays["second"], count=int(arrays["count"]))


# --- L-BFGS -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trial:
    """A point of a line search: its step, value, slope ⟨g, direction⟩ and gradient."""

    step: float
    value: float
    slope: float
    gradient: Vector


@dataclass(frozen=True, eq=False)
class Lbfgs:
    """L-BFGS: the two-loop recursion in the L2 inner product, with a strong-Wolfe line search.

    Needs the whole data at every step. learning_rate is the L2 length of the first trial step; after that the
    curvature sets it. steps, changes: the last pairs (s, y); value, gradient: at the present vector, when known.
    """

    blocks: Blocks
    learning_rate: float
    steps: tuple[Vector, ...]
    changes: tuple[Vector, ...]
    value: float | None
    gradient: Vector | None

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]:
        evaluations = 0

        def along(direction: Vector) -> Callable[[float], Trial]:
            def trial(t: float) -> Trial:
                nonlocal evaluations
                evaluations += 1
                value, gradient = objective(vector + t * direction)
                if not (math.isfinite(value) and np.isfinite(gradient).all()):
                    return Trial(t, math.inf, math.inf, gradient)
                return Trial(t, value, inner(gradient, direction), gradient)

            return trial

        value, gradient = self.value, self.gradient
        if value is None or gradient is None:
            value, gradient = _evaluated(objective, vector, self.blocks)
            evaluations = 1
        norm = math.sqrt(inner(gradient, gradient))
        state = replace(self, value=value, gradient=gradient)
        if norm == 0:
            return state, vector, Info(value, norm, 0.0, evaluations, "the gradient is zero")
        found = None
        if self.steps:
            direction = two_loop(gradient, self.steps, self.changes)
            slope = inner(gradient, direction)
            if 0 <= -slope <= ROUNDING * abs(value):
                return state, vector, Info(value, norm, 0.0, evaluations, "no decrease above rounding is left")
            if slope < 0:
                found = line_search(along(direction), Trial(0.0, value, slope, gradient), 1.0)
        if found is None:  # without pairs, or with pairs that mislead: the gradient alone
            state = replace(state, steps=(), changes=())
            direction = -gradient
            first = self.learning_rate / norm
            found = line_search(along(direction), Trial(0.0, value, -(norm**2), gradient), first)
        if found is None:
            return state, vector, Info(value, norm, 0.0, evaluations, "no step lowers the loss")
        moved, change = found.step * direction, found.gradient - gradient
        info = Info(value, norm, math.sqrt(inner(moved, moved)), evaluations)
        return state._advanced(moved, change, found), _finite_vector(vector + moved, self.blocks), info

    def _advanced(self, moved: Vector, change: Vector, found: Trial) -> Lbfgs:
        """The state at the new point; a pair without positive curvature would spoil the recursion and is left out."""
        steps, changes = self.steps, self.changes
        if inner(moved, change) > ROUNDING * inner(change, change):
            steps, changes = (*steps, moved)[-PAIRS:], (*changes, change)[-PAIRS:]
        return replace(self, steps=steps, changes=changes, value=found.value, gradient=found.gradient)

    def to_arrays(self) -> Arrays:
        size = self.blocks[-1][1].stop
        found = {
            "steps": np.reshape(self.steps, (len(self.steps), size)),
            "changes": np.reshape(self.changes, (len(self.changes), size)),
        }
        if self.value is not None and self.gradient is not None:
            found |= {"value": np.array(self.value), "gradient": self.gradient}
        return found

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Lbfgs:
        size = self.blocks[-1][1].stop
        pairs = len(arrays["steps"]) if "steps" in arrays else 0
        shapes: dict[str, tuple[int, ...]] = {"steps": (pairs, size), "changes": (pairs, size)}
        known = "value" in arrays
        _checked(arrays, shapes | ({"value": (), "gradient": (size,)} if known else {}))
        return replace(
            self,
            steps=tuple(arrays["steps"]),
            changes=tuple(arrays["changes"]),
            value=float(arrays["value"]) if known else None,
            gradient=arrays["gradient"] if known else None,
        )


def two_loop(gradient: Vector, steps: tuple[Vector, ...], changes: tuple[Vector, ...]) -> Vector:
    """−H g with the inverse Hessian H of the pairs, its first guess ⟨s, y⟩/⟨y, y⟩ of the last pair."""
    direction = -gradient
    factors = []
    for s, y in zip(reversed(steps), reversed(changes)):
        factor = inner(s, direction) / inner(s, y)
        factors.append(factor)
        direction = direction - factor * y
    direction = direction * (inner(steps[-1], changes[-1]) / inner(changes[-1], changes[-1]))
    for s, y, factor in zip(steps, changes, reversed(factors)):
        direction = direction + (factor - inner(y, direction) / inner(s, y)) * s
    return direction


def line_search(trial: Callable[[float], Trial], origin: Trial, first: float) -> Trial | None:
    """A step that satisfies the strong Wolfe conditions; failing that (at kinks), one that lowers the value enough.

    Doubles the step until the conditions hold or a minimum is bracketed between ``low`` (the best that lowers
    enough) and ``high``, then narrows the bracket by cubic interpolation. None: no step found lowers the value.
    """
    slack = ROUNDING * abs(origin.value)  # values that differ by less are equal as far as anybody can tell
    low, high, t = origin, None, first
    for _ in range(TRIALS):
        now = trial(t)
        if now.value > origin.value + DECREASE * t * origin.slope + slack or now.value > low.value + slack:
            high = now
        elif abs(now.slope) <= -CURVATURE * origin.slope:
            low = now
            break
        else:
            if now.slope >= 0 if high is None else now.slope * (high.step - low.step) >= 0:
                high = low  # the minimum lies behind
            low = now
        t = 2 * low.step if high is None else _between(low, high)
        if t == low.step:  # the bracket is as narrow as numbers allow
            break
    return low if low.value < origin.value else None


def _between(low: Trial, high: Trial) -> float:
    """Minimiser of the cubic through both ends' values and slopes, kept off the ends; the middle if there is none."""
    width = high.step - low.step
    middle = low.step + 0.5 * width
    if not math.isfinite(high.value):
        return middle
    secant = low.slope + high.slope - 3 * (high.value - low.value) / width
    square = secant**2 - low.slope * high.slope
    if square < 0:
        return middle
    root = math.copysign(math.sqrt(square), width)
    bottom = high.slope - low.slope + 2 * root
    if bottom == 0:
        return middle
    share = 1 - (high.slope + root - secant) / bottom
    return low.step + min(max(share, 0.1), 0.9) * width


# --- checks -------------------------------------------------------------------------------------------------


def _evaluated(objective: Objective, vector: Vector, blocks: Blocks) -> tuple[float, Vector]:
    value, gradient = objective(vector)
    if not math.isfinite(value):
        raise _not_finite(f"a loss of {value}")
    _all_finite(gradient, blocks, "the gradient of")
    return value, gradient


def _moved(vector: Vector, by: Vector, value: float, gradient: Vector, blocks: Blocks) -> tuple[Vector, Info]:
    norm, length = math.sqrt(inner(gradient, gradient)), math.sqrt(inner(by, by))
    return _finite_vector(vector + by, blocks), Info(value, norm, length, 1)


def _finite_vector(vector: Vector, blocks: Blocks) -> Vector:
    _all_finite(vector, blocks, "the coordinates of")
    return vector


def _all_finite(vector: Vector, blocks: Blocks, what: str) -> None:
    if math.isfinite(np.sum(vector)):  # one number that is not would make the sum so
        return
    for name, part in blocks:
        bad = int(np.sum(~np.isfinite(vector[part])))
        if bad:
            raise _not_finite(f"{bad} of {vector[part].size} numbers in {what} {name} are not finite")


def _not_finite(given: str) -> TrainingError:
    return TrainingError(
        given,
        "finite numbers",
        "steps that are too long, or a state that grows along the depth",
        "lower learning_rate, take more steps in [integration], or start from smaller fields",
    )


def _checked(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: array.shape for name, array in arrays.items()}
    if found != dict(shapes):
        raise CheckpointError(
            f"an optimiser's arrays {found}", f"{dict(shapes)}",
            "the run was made by another optimiser or for another representation",
            "start a new run without resuming",
        )  # fmt: skip


WHOLE_DATA = ("lbfgs",)  # optimisers that compare gradients of different steps, which batches would falsify
REMARKS = {
    "adam-coordinatewise": "adam-coordinatewise: its steps depend on the mesh (the first one's length grows like the "
    "square root of the number of coefficients); use adam for steps that do not"
}
