"""Adaptive steps of one slab, tried for all records of a call: the walks that ``steps.find`` leads along the depth.

An explicit step is taken stage by stage: the kernel of a step with one stage, whose end is that stage's slope, gives
every slope once, and what is made of them, states and the estimated error, are sums of the same slopes. The first slope
outlives a step that was too long, and where a tableau's last stage is the next step's first one the last slope is that.

Of all records the state, the slopes at both ends of a step and the state after it are kept, all else tile by tile; what
the adjoint reads is not: a sweep over the steps that were found gives it, with the bits that it has on any number of
workers, and to keep it was tried and saved next to nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from derive.errors import NewtonError
from numerics.functions.basis import evaluate_inside
from numerics.kernels import threads
from numerics.kernels.bound import Arrays
from numerics.kernels.operators import Slab, Weights, norms
from numerics.kernels.steps import Attempt, Method

Array = np.ndarray
ONE_STAGE = np.array([[[1.0, 0.0], [0.0, 1.0]]])  # a step whose stage is at h and whose end is the stage's slope


@dataclass(frozen=True)
class Rule:
    """A step is right when every record's estimated error is at most tolerance (1 + ‖h‖), in L2."""

    slab: Slab
    method: Method
    tolerance: float

    def judged(self, before: Array, after: Array, errors: Array) -> Attempt:
        """From norms (N,) of the states before and after a step, and of the errors."""
        with np.errstate(invalid="ignore"):  # ∞/∞ of a step that was too long is told by its NaN
            return Attempt(errors / (self.tolerance * (1 + np.maximum(before, after))), after)


class Whole:
    """A walk by kernels that take whole steps: one for the states and one for their errors.

    For stages that are solved for together, and for kernels that are launched far away. h: states (rows, N), which it
    changes. advance: a slab's tables and states → the states at the end of what they describe.
    """

    def __init__(self, rule: Rule, weights: Weights, h: Array, advance: Callable[[Slab, Array], Array]) -> None:
        self.rule, self.weights, self.h, self.advance = rule, weights, h, advance
        self.after = h

    def enter(self) -> None:
        """Nothing is known of a step before it is tried."""

    def attempt(self, start: float, length: float) -> Attempt:
        slab, method = self.rule.slab, self.rule.method
        taken = slab.on_steps(method, [(start, length)]).form(self.weights)
        try:
            self.after = self.advance(taken, self.h)
            errors = self.advance(taken.combining(method.error(length)[None]), self.h)
        except NewtonError:  # too long a step for it: a shorter one is asked for
            none = np.full(self.h.shape[1], np.inf)
            return Attempt(none, none)
        return self.rule.judged(*(norms(slab, x) for x in (self.h, self.after, errors)))

    def accept(self) -> None:
        self.h = self.after


class Stages:
    """A walk stage by stage, tile by tile of the records."""

    def __init__(self, rule: Rule, weights: Weights, h: Array, tiles: Sequence[slice]) -> None:
        self.rule, self.weights = rule, weights
        self.slab = rule.slab.combining(ONE_STAGE)
        weight, bias = self.slab.tables.basis("weight_depth"), self.slab.tables.basis("bias_depth")
        self.depths = (weight,) if weight.same(bias) else (weight, bias)
        c = rule.method.c
        self.repeats = rule.method.repeats
        self.nodes = [np.unique(c[known:], return_inverse=True) for known in (0, 1)]  # with all slopes to find, or not
        self.rows = [np.array([[k]]) for k in range(len(c))]
        self.parts = [Part(h[:, tile]) for tile in tiles]
        self.rooms: dict[tuple[int, int], Room] = {}  # of every thread that works, for so many records
        self.before = norms(self.slab, h)
        self.after = self.before
        self.known = 0  # slopes that are known already
        self.formed: tuple[Array, Array, Slab] | None = None

    def enter(self) -> None:
        self.known = 0

    def attempt(self, start: float, length: float) -> Attempt:
        method, known = self.rule.method, self.known
        slab, index = self._at(start, length)
        combine = method.tried(length).astype(slab.dtype)

        def work(k: int) -> Array:
            part = self.parts[k]
            room = self._room(part.h.shape[1])
            room.begin(part, known)
            with np.errstate(over="ignore", invalid="ignore"):  # which every thread has for itself
                for i in range(known, len(method.c)):
                    room.evaluate(slab, combine[i], i, [rows[i - known] for rows in index])
                return room.end(slab, combine[-2:], part, self.repeats)

        with threads.serial_blas():
            self.after, errors = np.concatenate(threads.spread(work, len(self.parts)), axis=1)
        self.known = 1
        return self.rule.judged(self.before, self.after, errors)

    def accept(self) -> None:
        self.before = self.after
        self.known = int(self.repeats)
        for part in self.parts:
            part.h, part.after = part.after, part.h
            part.first, part.last = part.last, part.first

    def _at(self, start: float, length: float) -> tuple[Slab, list[list[Array]]]:
        """The slab with the operators of a step's stages, and which rows of weights and biases they have.

        Fields that are constant there have one operator for all, which lasts as long as they do.
        """
        nodes, inverse = self.nodes[self.known]
        found: list[Array] = []
        index: list[list[Array]] = []
        for basis in self.depths:
            values = evaluate_inside(basis, start + length * nodes, start + length / 2)
            alike = bool((values == values[0]).all())
            found.append(values[:1] if alike else values)
            index.append([self.rows[0 if alike else k] for k in inverse])
        found, index = (found + found)[:2], (index + index)[:2]  # of weights and biases, which may have one basis
        if self.formed is None or not all(map(np.array_equal, found, self.formed[:2])):
            slab = self.slab.bind({"theta": found[0], "vartheta": found[1]}).form(self.weights)
            self.formed = found[0], found[1], slab
        return self.formed[2], index

    def _room(self, records: int) -> Room:
        key = threading.get_ident(), records
        if key not in self.rooms:
            self.rooms[key] = Room(self.slab, len(self.rule.method.c), records)
        return self.rooms[key]

    @property
    def h(self) -> Array:
        """The states (rows, N)."""
        return np.concatenate([part.h for part in self.parts], axis=1)


class Part:
    """What is known of a tile of records: states h, those after the step that was tried, its first and last slope."""

    def __init__(self, h: Array) -> None:
        self.h = h.copy()  # which will be written to
        self.after, self.first, self.last = (np.empty_like(self.h) for _ in range(3))


class Room:
    """Where a step of a tile is tried: its state and the slopes of all stages are the rows of ``sums``."""

    def __init__(self, slab: Slab, stages: int, records: int) -> None:
        self.sums = np.empty((stages + 1, slab.channels * slab.sizes["state"], records), slab.dtype)
        self.flat = self.sums.reshape(stages + 1, -1)
        self.moved = np.empty(self.sums.shape[1:], slab.dtype)
        self.kept: Arrays = {
            name: np.empty((1, rows, records), slab.dtype) for name, rows in slab.kept_rows.items()
        }

    def begin(self, part: Part, known: int) -> None:
        """The state, and its slope where that is known."""
        self.sums[0] = part.h
        if known:
            self.sums[1] = part.first

    def evaluate(self, slab: Slab, combine: Array, i: int, rows: Sequence[Array]) -> None:
        """The slope of stage i, at the state that ``combine`` makes of the slopes before it.

        rows: of operators and biases, as indices.
        """
        np.dot(combine[: i + 1], self.flat[: i + 1], out=self.moved.reshape(-1))
        self.sums[i + 1] = self.moved
        given = {"h": self.sums[i + 1], "operator_index": rows[0], "bias_index": rows[1], "keep": False}
        slab.call("forward", {**slab.operators, **self.kept, **given})

    def end(self, slab: Slab, combine: Array, part: Part, repeats: bool) -> Array:
        """Norms (2, n) of the state after the step and of the estimated error, whose sums ``combine`` has."""
        if not repeats:  # else it is the last stage's state
            np.dot(combine[0], self.flat, out=self.moved.reshape(-1))
        part.after[:], part.first[:], part.last[:] = self.moved, self.sums[1], self.sums[-1]
        error = (combine[1] @ self.flat).reshape(self.moved.shape)
        return norms(slab, np.concatenate([self.moved, error], axis=1)).reshape(2, -1)
