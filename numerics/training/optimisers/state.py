"""What the optimisers share: a step, what it says of itself, and the checks of what goes in and comes out.

Optimisers act on vectors in L2-orthonormal coordinates. In these (Cholesky factors of the mass matrices) the Euclidean
product *is* the L2 inner product of fields, and the Euclidean gradient *is* the Riesz representative (12). What is
written with dot products therefore behaves alike on every mesh, as long as nothing looks at single coordinates.

Every optimiser is a frozen state with ``step(value_and_gradient, vector) -> (state, vector, info)``; its arrays are
all that a resumed run needs to go on with the same bits. A vector's blocks are its fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from derive.errors import CheckpointError, TrainingError
from derive.spec import Spec, Training
from numerics.functions.field import Block
from numerics.training.optimisers.schedules import rate

Vector = np.ndarray
Arrays = dict[str, np.ndarray]
Blocks = tuple[Block, ...]
Product = Callable[[Vector], Vector]
Factors = tuple[tuple[np.ndarray, ...], ...]  # symmetric matrices, one an axis of every slab of all fields
ROUNDING = float(np.finfo(np.float64).eps)
PRODUCT = 2  # gradients that cost as much as a product with the Gauss–Newton matrix


@dataclass(frozen=True)
class Span:
    """How many steps like these a whole run would have, and how many of them lie before the first one.

    Where steps of different levels cost different work, a schedule runs over the work: both may be fractions.
    """

    steps: float
    before: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What an optimiser starts from: the fields' blocks, which cover the vector, the steps of an epoch, the options.

    span: of a run whose steps differ, None where all are alike.
    """

    blocks: Blocks
    batches: int
    options: Training
    span: Span | None = None

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return int(self.blocks[-1].part.stop)

    def rate(self, done: int) -> float:
        """The learning rate after so many steps: by the schedule, from the first steps of a warm-up linearly up to it.

        Such a start is gradual (Goyal et al., 2017): step k of n takes (k + 1)/n of what the schedule says.
        """
        span = self.span or Span(self.options.epochs * self.batches)
        found = rate(self.options.schedule, self.options.learning_rate, done + span.before, span.steps)
        warm = (self.options.warmup or 0) * self.batches
        return found * (done + 1) / warm if done < warm else found


@dataclass(frozen=True)
class Optimiser:
    """What the file of an optimiser tells of it. start: its state before the first step.

    vectors: how many vectors of coefficients a step holds, for estimates of memory; gradients: how many gradients it
    takes as long as, at most, for those of time.
    on_device: one more step on a GPU, where the arrays of the state lie; None for what only the host can do.
    whole_data: whether it needs all records in a step, since gradients of different steps are compared, for one.
    versions: of what solves for all at once, in one step, with all epochs' versions of the records: of how many epochs
    where nobody says; 0 for what takes steps.
    remark: what is said once to whoever uses it, or "".  check: raises TrainingError for a model that it cannot train.
    """

    start: Callable[[Plan], State]
    vectors: int = 8
    gradients: int = 1
    whole_data: bool = False
    versions: int = 0
    remark: str = ""
    check: Callable[[Spec], None] = lambda spec: None
    on_device: Callable[[Any, Device, int], None] | None = None


@dataclass(frozen=True)
class Info:
    """One step: the value and ‖gradient‖ (L2) where it started, its L2 length, the evaluations that it took.

    stop: why there is nothing left to do, or "".  facts: what a history should say of it beside the value.
    """

    value: float
    gradient_norm: float
    length: float
    evaluations: int
    stop: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What steps lower: its value and gradient at a vector, and there its Gauss–Newton curvature H, as v → H v."""

    def __call__(self, vector: Vector) -> tuple[float, Vector]: ...

    def curvature(self, vector: Vector) -> Product: ...


class Move(Protocol):
    """T, from orthonormal coordinates on one level to those on another.

    ``of_squares`` is T ∘ T, entry by entry; ``of_factors`` T F Tᵀ of every slab's axes, T being that of the axis.
    """

    def __call__(self, vector: Vector) -> Vector: ...

    def of_squares(self, vector: Vector) -> Vector: ...

    def of_factors(self, factors: Factors) -> Factors: ...


class Device(Protocol):
    """A GPU that holds a vector, the gradient there and a state's arrays, and launches ``device_kernels``.

    chunks: parts of the vector, (from, to, field) of each; partial: a number for each. scales: one a field. run: over
    so many numbers, run_rows: by so many blocks.
    """

    vector: Any
    gradient: Any
    arrays: Mapping[str, Any]
    chunks: Any
    partial: Any
    scales: Any
    size: int

    def squares(self, vector: Any, partial: Any) -> None: ...

    def run(self, name: str, size: int, *given: Any) -> None: ...

    def run_rows(self, name: str, rows: int, *given: Any) -> None: ...


class State(Protocol):
    """What the optimisers share. ``to_arrays`` and ``from_arrays`` carry all that changes, bit for bit.

    ``moved``: the state on another level, or before another objective, whose values and gradients it does not know.
    """

    def step(self, objective: Objective, vector: Vector) -> tuple[State, Vector, Info]: ...

    def moved(self, move: Move, plan: Plan) -> State: ...

    def to_arrays(self) -> Arrays: ...

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> State: ...


def inner(first: Vector, second: Vector) -> float:
    """The L2 inner product; a run's linear algebra is single-threaded, so that it is summed in one order."""
    return float(np.dot(first, second))


def evaluated(objective: Objective, vector: Vector, blocks: Blocks) -> tuple[float, Vector]:
    value, gradient = objective(vector)
    if not math.isfinite(value):
        raise _not_finite(f"a loss of {value}")
    _all_finite(gradient, blocks, "the gradient of")
    return value, gradient


def tried(objective: Objective, vector: Vector) -> tuple[float, Vector]:
    """A loss and its gradient at the end of a trial step: infinite where there is no answer, and the step too long."""
    try:
        return objective(vector)
    except TrainingError:  # implicit stages that cannot be solved for
        return math.inf, np.zeros_like(vector)


def stepped(vector: Vector, by: Vector, value: float, gradient: Vector, blocks: Blocks) -> tuple[Vector, Info]:
    norm, length = math.sqrt(inner(gradient, gradient)), math.sqrt(inner(by, by))
    return finite(vector + by, blocks), Info(value, norm, length, 1)


def finite(vector: Vector, blocks: Blocks) -> Vector:
    _all_finite(vector, blocks, "the coordinates of")
    return vector


def _all_finite(vector: Vector, blocks: Blocks, what: str) -> None:
    if math.isfinite(np.sum(vector)):  # one number that is not would make the sum so
        return
    for block in blocks:
        own = vector[block.part]
        bad = int(np.sum(~np.isfinite(own)))
        if bad:
            raise _not_finite(f"{bad} of {own.size} numbers in {what} {block.name} are not finite")


def _not_finite(given: str) -> TrainingError:
    return TrainingError(
        given,
        "finite numbers",
        "steps that are too long, or a state that grows along the depth",
        "lower learning_rate, take more steps in [integration], or start from smaller fields",
    )


def check_arrays(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    found = {name: array.shape for name, array in arrays.items()}
    if found != dict(shapes):
        raise CheckpointError(
            f"an optimiser's arrays {found}", f"{dict(shapes)}",
            "the run was made by another optimiser, or another version of it, or for another representation",
            "start a new run without resuming",
        )  # fmt: skip
