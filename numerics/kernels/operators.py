"""A slab with the operators of a step: formed from its weights, applied to states, and pulled back to gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from derive.errors import NewtonError
from numerics.functions.arrays import along
from numerics.kernels import threads
from numerics.kernels.bound import Arrays, BoundSlab

STAGED = ("operators", "biases", "local_operators", "theta", "vartheta")  # a row for every row of θ, or of ϑ
AS_THEY_ARE = ("parameters", "lift")  # coefficients that kernels read without a change


@dataclass(frozen=True)
class Weights:
    """One slab's coefficients as the kernels see them: w (K, m·c′, m′·c), or (K, size, c′·c) with symmetries, β

    (K, m_b·c′); v (K, m_b, c′·c) where there is a V, the learned parameters (their number, c), and, of the first slab,
    the lift (c, inputs + 1).
    """

    w: np.ndarray
    beta: np.ndarray
    v: np.ndarray | None = None
    parameters: np.ndarray | None = None
    lift: np.ndarray | None = None

    @property
    def arrays(self) -> Arrays:
        """The arrays that there are, by name."""
        arrays = {"w": self.w, "beta": self.beta, "v": self.v, "parameters": self.parameters, "lift": self.lift}
        return {name: a for name, a in arrays.items() if a is not None}

    def given(self, dtype: np.dtype[Any]) -> Arrays:
        """What kernels are given."""
        return {name: np.ascontiguousarray(a, dtype=dtype) for name, a in self.arrays.items()}


@dataclass(frozen=True, eq=False)
class Slab(BoundSlab):
    """A bound slab; operators: those of the stages and what else kernels read of the weights, once it is formed.

    checkpoints: whether of the forward sweep only some states are kept, from which the reverse one computes again what
    it needs: O(√steps) memory for another forward sweep (Griewank, 1992), and the same bits.
    """

    wanted: ClassVar[tuple[str, ...]] = (*BoundSlab.wanted, "tangent")
    operators: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: bool = False

    def bind(self, given: Mapping[str, Any]) -> Self:
        """The slab with these tables or numbers in place of its own; its operators are to be formed again."""
        return replace(super().bind(given), operators={})

    def call(self, what: str, given: Mapping[str, Any]) -> None:
        """Call a kernel: its arguments by name, first from ``given``, then from the tables."""
        kernel = self.kernels[what]
        values: dict[str, Any] = {**self.bound, "constants": kernel.constants, **given}
        kernel.function(*(values[argument] for argument in kernel.arguments))

    def reading(self, weights: Weights) -> Self:
        """The slab with what kernels read of these coefficients without a change, and no operators."""
        given = weights.given(self.dtype)
        return self.holding({name: given[name] for name in AS_THEY_ARE if name in given})

    def form(self, weights: Weights) -> Self:
        """The slab with the stage operators and biases of these coefficients."""
        given, shapes = weights.given(self.dtype), self.shapes
        numbers = sum(math.prod(shape) for shape in shapes.values())
        threads.room(numbers * self.dtype.itemsize, f"operators of {len(self.bound['theta']):,} stages")
        found = {name: np.empty(shape, self.dtype) for name, shape in shapes.items()}
        self._by_halves("operators", found, lambda _: given)
        if self.meets_arrival:
            entry = {"theta": self.bound["theta_entry"], "operators": found["operator_entry"]}
            self.call("entry_operators", {**given, **entry})
            found["operator_entry"] = found["operator_entry"][0]
        return self.holding(found | {name: given[name] for name in AS_THEY_ARE if name in given})

    def holding(self, operators: Mapping[str, Any]) -> Self:
        """The slab with these operators; what is known of its tables stays known."""
        made = copy.copy(self)
        vars(made)["operators"] = operators
        return made

    def without(self, name: str) -> Self:
        """The slab without one of what ``form`` gave it."""
        return self.holding({own: a for own, a in self.operators.items() if own != name})

    def _by_halves(self, what: str, operators: Arrays, given: Callable[[int], Arrays]) -> None:
        """Call a kernel for the first half of the stages and for the second, side by side, where that is work enough.

        operators: what has a row a stage, and what has none. given: 0 or 1 → the other arguments.
        """
        if not threads.worthwhile(sum(a.size for a in operators.values())):
            self.call(what, {**operators, **given(0)})
            return
        staged = {**operators, "theta": self.bound["theta"], "vartheta": self.bound["vartheta"]}

        def work(half: int) -> None:
            cut = {n: np.array_split(a, 2)[half] for n, a in staged.items() if n.removeprefix("bar_") in STAGED}
            self.call(what, {**operators, **given(half), **cut})

        threads.spread(work, 2)

    def empty_gradient(self) -> Arrays:
        """Zero gradients of the stage operators."""
        return {f"bar_{name}": np.zeros(a.shape, a.dtype) for name, a in self.operators.items()}

    def pull_back(self, gradient: Arrays, weights: Weights) -> Weights:
        """Gradients of the coefficients from those of the operators (11)."""
        shapes = {f"bar_{name}": a.shape for name, a in weights.arrays.items() if name not in AS_THEY_ARE}
        halves = [{name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}]

        def given(half: int) -> Arrays:
            return halves[half]

        if threads.worthwhile(sum(a.size for a in gradient.values())):
            halves.append({name: np.zeros(shape, self.dtype) for name, shape in shapes.items()})
        self._by_halves("operators_adjoint", gradient, given)
        bars = halves[0]
        for others in halves[1:]:
            for name, a in others.items():
                bars[name] += a
        bars |= {name: a for name, a in gradient.items() if name.removeprefix("bar_") in AS_THEY_ARE}
        if "bar_operator_entry" in gradient:
            entry = {"bar_operators": gradient["bar_operator_entry"][None], "theta": self.bound["theta_entry"]}
            self.call("entry_operators_adjoint", {**entry, "bar_w": bars["bar_w"]})
        return Weights(**{name.removeprefix("bar_"): a.real for name, a in bars.items()})

    def forward(
        self, h: np.ndarray, keep: bool, room: Arrays | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The state at the slab's end, (state · channels, records), and what the adjoint will read.

        room: of one thread's tiles, used again by the next one: memory that is new costs a fault a page.
        """
        if not (keep and self.checkpoints):
            return self._forward(h, keep, {} if room is None else room)
        starts, room, parts = [], {} if room is None else room, self._parts
        parts[0]._kept_in(room, parts[0].stages, h.shape[1])  # the longest, in whose place the others come
        for part in parts:
            starts.append(h)
            h, _ = part.forward(h, keep=False, room=room)
        return h, {"starts": starts}

    def _forward(self, h: np.ndarray, keep: bool, room: Arrays) -> tuple[np.ndarray, dict[str, Any]]:
        """The same of a slab without checkpoints."""
        records = h.shape[1]
        per_step = self.bound["combine"].shape[1] - 1 if self.implicit else 1
        kept = self._kept_in(room, self.stages if keep else per_step, records)
        out = np.empty((self.channels * self.sizes["state"], records), self.dtype) if self.tables.entry else h.copy()
        unsolved = np.zeros(records, self.dtype)
        self.call("forward", {**self.operators, **kept, "h": out, "h_entry": h, "keep": keep, "unsolved": unsolved})
        if self.implicit:
            check_stages(unsolved)
        return out, kept | {"h_entry": h}

    def runs(self, count: int) -> list[Self]:
        """The slab as that many, one after the other, all with its operators; each takes as many of the steps."""
        names = ("combine", "operator_index", "bias_index")
        parts = np.array_split(np.arange(len(self.bound["combine"])), count)
        cuts = [slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0, 0) for part in parts]
        own = ({name: self.bound[name][cut] for name in names} for cut in cuts)
        return [replace(self, bound={**self.bound, **tables}, checkpoints=False) for tables in own]

    @property
    def _parts(self) -> list[Self]:
        """√steps runs of steps; one, if the first step is special."""
        return self.runs(1 if self.tables.entry else math.isqrt(len(self.bound["combine"])))

    def kept_bytes(self, records: int) -> int:
        """What is kept of so many records for the adjoint."""
        if not self.checkpoints:
            return super().kept_bytes(records)
        start = self.channels * self.sizes["state"] * records * self.dtype.itemsize
        return len(self._parts) * start + max(part.kept_bytes(records) for part in self._parts)

    def _kept_in(self, room: Arrays, slots: int, records: int) -> Arrays:
        """What the forward kernel keeps for the adjoint, in ``room``."""
        return {name: self._held(room, name, slots, rows, records) for name, rows in self.kept_rows.items()}

    def _held(self, room: Arrays, name: str, *shape: int) -> Any:
        """An array that ``room`` keeps."""
        size = math.prod(shape)
        if name not in room or room[name].size < size:
            room[name] = self.empty(size)
        return room[name][:size].reshape(shape)

    def empty(self, *shape: int) -> Any:
        """Memory for an array where the kernels run."""
        return np.empty(shape, self.dtype)

    def adjoint(
        self, bar: np.ndarray, kept: Mapping[str, Any], gradient: Arrays, room: Arrays | None = None
    ) -> np.ndarray:
        """dL/d(state at the slab's start); adds to the operators' gradient."""
        if "starts" in kept:
            for part, start in zip(reversed(self._parts), reversed(kept["starts"])):
                bar = part.adjoint(bar, part.forward(start, keep=True, room=room)[1], gradient, room)
            return bar
        return self._adjoint(bar, kept, gradient, {} if room is None else room)

    def _adjoint(self, bar: np.ndarray, kept: Mapping[str, Any], gradient: Arrays, room: Arrays) -> np.ndarray:
        """The same of a slab without checkpoints."""
        bar_entry = np.zeros_like(kept["h_entry"])
        self.call("adjoint", {**self.operators, **kept, **gradient, "bar": bar, "bar_entry": bar_entry})
        return bar_entry if self.tables.entry else bar

    def tangent(
        self, dot: np.ndarray, kept: Mapping[str, Any], changes: Slab, room: Arrays | None = None
    ) -> np.ndarray:
        """The change of the state at the slab's end, for that of the state as it arrives and of the operators.

        kept: of the forward sweep.  changes: the slab formed with the changes of the weights, in which operators are
        linear.
        """
        if "starts" in kept:
            for part, start in zip(self._parts, kept["starts"]):
                dot = part.tangent(dot, part.forward(start, keep=True, room=room)[1], changes)
            return dot
        out = np.empty((self.channels * self.sizes["state"], dot.shape[1]), self.dtype)
        if not self.tables.entry:
            out[:] = dot
        own = {f"dot_{name}": a for name, a in changes.operators.items()}
        self.call("tangent", {**self.operators, **kept, **own, "dot": out, "dot_entry": dot})
        return out

    def path(self, h: Any) -> list[Any]:
        """The state after 0, 1, 2 … steps, from the state as it arrives."""
        combine = self.bound["combine"]
        ends = (self.combining(combine[: n + 1]).forward(h, keep=False)[0] for n in range(len(combine)))
        return [h, *ends]  # the first n steps are run again from the start

    def stage_states(self, h: np.ndarray) -> Iterator[tuple[np.ndarray, bool]]:
        """Of every stage what W is applied to, (rows, records), and whether that is the state as it arrives.

        A stage's state is what the slab ends in when the step that holds the stage ends with the stage's own row.
        """
        combine = self.bound["combine"]
        steps, last = combine.shape[0], combine.shape[1] - 1
        for n in range(steps):
            for i in range(last):
                if (n, i) == (0, 0) and "C_entry" in self.tables.tables and not self.implicit:
                    yield h, True
                    continue
                until = combine[: n + 1].copy()
                until[n, last] = until[n, i]
                yield self.combining(until).forward(h, keep=False)[0], False

    def applied_weight(self, stage: int, h: np.ndarray, entry: bool) -> np.ndarray:
        """Φ (w (C h)) of one stage, (nodes · pre-activations, records), from its factors and blocks; in float64.

        The slab's plan is "factors". h: (rows, records), the state, or with ``entry`` the state as it arrives.
        """
        tables, c, operator = self.tables.tables, self.channels, self.operators["operators"][stage]
        wide = self.parts * c
        low = _by_axes((tables["C_entry"],) if entry else self.tables.factors("C"), h, c)
        blocks = tables.get("w_blocks")
        if blocks is None:
            high = operator.astype(np.float64) @ low
        else:
            high = np.zeros((self.sizes["weight_out"] * wide, h.shape[1]))
            for top, bottom, left, right, start in blocks:
                shape = (bottom - top) * wide, (right - left) * c
                block = operator[start * wide * c :][: shape[0] * shape[1]].reshape(shape)
                high[top * wide : bottom * wide] += block @ low[left * c : right * c]
        return _by_axes(self.tables.factors("Phi"), high, wide)


def _by_axes(factors: Sequence[np.ndarray], values: np.ndarray, channels: int) -> np.ndarray:
    """A Kronecker product of matrices applied to the rows (functions · channels, records)."""
    found = values.astype(np.float64).reshape(*(factor.shape[1] for factor in factors), channels, -1)
    for axis, factor in enumerate(factors):
        found = along(factor, found, axis)
    return found.reshape(-1, values.shape[1])


def norms(slab: BoundSlab, h: np.ndarray) -> np.ndarray:
    """‖h‖ in L2 of every record, (N,), on a square or a cube by one mass matrix an axis."""
    roots = slab.tables.roots
    parts = h.astype(np.float64).reshape(*map(len, roots), slab.channels, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        for axis, root in enumerate(roots):
            parts = along(root, parts, axis)
        return np.asarray(np.sqrt(np.sum(parts.reshape(-1, h.shape[1]) ** 2, axis=0)))


def check_stages(unsolved: np.ndarray) -> None:
    """Raise NewtonError for a record whose stages could not be solved for; one that is not finite is said later."""
    limit = float(np.finfo(unsolved.dtype).eps) ** 0.5
    worst = int(np.argmax(np.where(np.isfinite(unsolved), unsolved, 0)))
    if unsolved[worst] > limit:
        raise NewtonError(
            f"stages of an implicit step that are not solved: a relative error of {unsolved[worst]:.1e} is left",
            f"at most {limit:.1e}", "a step too long for Newton's method, or weights that grew without bound",
            "take more steps in [integration], or train with a smaller learning_rate",
        )  # fmt: skip
