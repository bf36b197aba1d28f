"""Optimisers, one a file: that of "gradient-descent" is ``gradient_descent.py``, and its OPTIMISER says what it is.

A new one is a file here and its name in ``derive.spec.training``, where the options say which optimisers read them.
``state`` has what all share, ``schedules`` how Adam's rate changes, ``line_search`` what L-BFGS steps by.
"""

from __future__ import annotations

import importlib
import math

from derive.errors import TrainingError, advice
from derive.spec import OPTIMISERS, SCHEDULES, Training
from numerics.training.optimisers.state import (
    Blocks,
    Info,
    Move,
    Objective,
    Optimiser,
    Plan,
    Product,
    Span,
    State,
    Vector,
    inner,
)

__all__ = [
    "Blocks", "Info", "Move", "Objective", "Optimiser", "Plan", "Product", "Span", "State", "Vector", "clipped", "find",
    "start", "step",
]  # fmt: skip


def step(state: State, value_and_gradient: Objective, vector: Vector) -> tuple[State, Vector, Info]:
    """One step of any optimiser; nothing is changed in place.

    vector: (n,). Raises TrainingError for a loss, a gradient or a new vector that is not finite.
    """
    return state.step(value_and_gradient, vector)


def find(name: str) -> Optimiser:
    """One of OPTIMISERS. Raises TrainingError for another name."""
    _check("optimiser", name, OPTIMISERS)
    found: Optimiser = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").OPTIMISER
    return found


def start(blocks: Blocks, batches: int, options: Training, span: Span | None = None) -> State:
    """The state before the first step.

    blocks: the fields', which cover the vector; batches: steps an epoch; span: what part of a longer run the
    steps are, of which they are all otherwise. Raises TrainingError for an optimiser or a schedule that there is not.
    """
    found = find(options.optimiser)
    _check("schedule", options.schedule, SCHEDULES)
    return found.start(Plan(blocks, batches, options, span))


def _check(what: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise TrainingError(
            f"{what} {given!r}", ", ".join(allowed),
            *advice(given, allowed, "a typing error", f"use one of the {what}s above"),
        )  # fmt: skip


def clipped(gradient: Vector, largest: float) -> Vector:
    """The gradient, shortened to an L2 norm of ``largest`` where it is longer; on every mesh alike (12)."""
    norm = math.sqrt(inner(gradient, gradient))
    return gradient * (largest / norm) if norm > largest else gradient
