"""The semi-discrete network on the CPU: the tables of a run, and the network of a step, tile by tile of records.

Tables, steps and networks are values: no call changes what another call, in another thread for one, reads. All that
``cuda`` answers in its own way stands here, in one file, though it is a long one.
"""

from __future__ import annotations

import contextlib
import copy
import math
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from derive.spec import depth_elements, step_lengths
from numerics.kernels import adaptive, compile, steps, threads
from numerics.kernels.bound import Arrays, Finder, compiled_kernels, converted, exact_numbers, plain_kernels
from numerics.kernels.operators import Slab, Weights
from numerics.kernels.steps import Method, Steps
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation, kron

TILE = 128  # records a kernel works on at once: rows long enough for vector code, and a stage's arrays stay in cache
BLOCK = 4  # tiles, at most, that share one partial gradient
FEW = 8  # blocks below which each has a tile of its own, so that there is work for many threads


@dataclass(frozen=True, eq=False)
class Beside:
    """What a readout takes beside y: smooth maxima of its channels, or shares of the domain above levels.

    name: of the kernel, and of its adjoint with "_adjoint"; count: numbers a channel; tables: of the last state's
    functions at its nodes, the weights there, and what else the kernel takes; constants, adjoint_constants: of both.
    """

    name: str
    count: int
    tables: tuple[Any, ...]
    constants: Any
    adjoint_constants: Any


class Bound:
    """A representation's tables in the precision of its kernels, shared by all steps and calls of a run.

    dtype: arithmetic of the kernels. plan: overrides each slab's own choice. find: where kernels come from.
    chosen: (start, length) of every step, slab by slab, where they are not the declared ones. Adaptive steps are found
    anew for the states of every call, unless ``with_steps`` has chosen them.
    """

    slabs: Sequence[Slab]
    chosen: list[Steps] | None = None
    find: Finder

    def __init__(
        self,
        representation: Representation,
        dtype: Any = np.float64,
        plan: str | None = None,
        find: Finder = compiled_kernels,
    ) -> None:
        self.representation = representation
        self.dtype = np.dtype(dtype)
        spec = representation.spec
        self.slabs = [
            Slab.of(s, spec.channels, self.dtype, plan or s.plan, find, spec.pre_activations)
            for s in representation.slabs
        ]
        self.loss_constants = exact_numbers(representation.loss_constants, self.dtype)
        self.find = find

    def converted(self, table: np.ndarray) -> Any:
        """A table as the kernels take it."""
        return converted(table, self.dtype)

    def common(self, name: str) -> Callable[..., Any]:
        """A kernel that no slab has for itself: of the lift, the readout and the loss."""
        path = self.representation.module
        return getattr(load_module(path), name) if self.find is plain_kernels else compile.compiled(path, name)

    @property
    def open(self) -> bool:
        """Whether steps are to be found."""
        return self.chosen is None and self.representation.spec.tolerance is not None

    @property
    def steps(self) -> list[Steps]:
        """(start, length) of every step, slab by slab; where they are to be found, none."""
        if self.chosen is not None or self.open:
            return self.chosen or []
        declared = step_lengths(self.representation.spec)
        return [[(float(start), float(length)) for start, length in slab] for slab in declared]

    def method(self, slab: Slab) -> Method:
        """The tableau, for a slab's κ."""
        return Method.of(self.representation.spec.tableau, float(slab.tables.tables["kappa"]))

    def with_steps(self, taken: list[Steps]) -> Self:
        """The tables for these steps, slab by slab, whatever the states."""
        slabs = [slab.on_steps(self.method(slab).taken, own) for slab, own in zip(self.slabs, taken)]
        return self._with(slabs=slabs, chosen=taken)

    def keeping(self, memory: str) -> Self:
        """The tables for gradients that keep every stage ("stored"), or some states ("checkpoint")."""
        return self._with(slabs=[replace(slab, checkpoints=memory == "checkpoint") for slab in self.slabs])

    def unshared(self) -> Self:
        """The tables with which no two stages share an operator or a bias."""
        return self._with(slabs=[slab.unshared() for slab in self.slabs])

    def _with(self, **changes: Any) -> Self:
        """A copy in which these differ."""
        made = copy.copy(self)
        vars(made).update(changes)
        return made

    @cached_property
    def beside(self) -> Beside | None:
        """What the readout takes beside y, if anything."""
        spec, given = self.representation.spec, self.representation.readout
        if not spec.beside:
            return None
        name, own = ("maximum", ("sharpness",)) if spec.shares is None else ("share", ("levels", "softness"))
        tables = kron(self.slabs[-1].tables.factors("X")), *(given[key] for key in ("weights", *own))
        names = [f"constants/{kernel}" for kernel in (name, f"{name}_adjoint")]
        arrays = self.representation.arrays
        numbers = [exact_numbers(arrays[key], self.dtype) if key in arrays else self.zero for key in names]
        return Beside(name, spec.beside, tuple(map(self.converted, tables)), *map(self.converted, numbers))

    @cached_property
    def curvature_constants(self) -> Any:
        """Of the kernel of the loss's second derivative."""
        return exact_numbers(self.representation.arrays["constants/curvature"], self.dtype)

    @cached_property
    def zero(self) -> Any:
        """The one constant of kernels without others."""
        return self.converted(np.zeros(1))

    @cached_property
    def comparison(self) -> tuple[Any, Any]:
        """The affine map from y's coefficients to what the loss compares, where there is no readout."""
        operator = self.representation.comparison
        return self.converted(operator), self.converted(np.zeros(len(operator)))

    def form(self, weights: Sequence[Weights]) -> Solver:
        """The network with these weights, its stage operators formed; with adaptive steps, once these are known."""
        return Solver(self, weights, self._formed(weights))

    def _formed(self, weights: Sequence[Weights]) -> list[Slab]:
        if self.open:
            return [slab.reading(w) for slab, w in zip(self.slabs, weights)]
        with threads.serial_blas():
            return [slab.form(w) for slab, w in zip(self.slabs, weights)]


@dataclass(frozen=True, eq=False)
class Block:
    """What a block of tiles gives: sums of gradients of the operators, slab by slab, and of the readout; a tile each,

    losses and, where they are wanted, dL/dstates.
    """

    gradient: list[Arrays]
    bars: tuple[np.ndarray, np.ndarray]
    losses: list[np.ndarray]
    of_states: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Found:
    """Adaptive steps, slab by slab, and y (rows, N) at their end."""

    steps: list[Steps]
    ends: np.ndarray


class Solver:
    """The network of a step: (5) by (7) from slab to slab, then readout and loss.

    bound: the tables. weights: slab by slab. slabs: with these weights' operators. linear: whether its loss is Σ z t,
    so that targets are the derivatives by the outputs.
    """

    linear = False

    def __init__(self, bound: Bound, weights: Sequence[Weights], slabs: Sequence[Slab]) -> None:
        self.bound, self.weights, self.slabs = bound, weights, slabs
        self.dtype = bound.dtype

    @property
    def steps(self) -> list[Steps]:
        """(start, length) of every step, slab by slab; where they are to be found, none."""
        return self.bound.steps

    def settled(self, states: np.ndarray) -> Self:
        """The network with steps for these states (entry rows, records): itself, unless they are to be found."""
        return self if (found := self._found(states)) is None else self._stepping(found)

    def find_steps(self, states: np.ndarray) -> list[Steps]:
        """Adaptive steps for states (entry rows, records), slab by slab.

        A step is taken when every record's estimated error is at most tolerance (1 + ‖h‖), in L2.
        """
        return self._search(states).steps

    def _found(self, states: np.ndarray) -> Found | None:
        """Steps for these states, where they are to be found."""
        return self._search(states) if self.bound.open else None

    def _stepping(self, found: Found) -> Self:
        """The network with steps that were found."""
        bound = self.bound.with_steps(found.steps)
        return type(self)(bound, self.weights, bound._formed(self.weights))

    def _search(self, states: np.ndarray) -> Found:
        spec, slabs = self.bound.representation.spec, self.bound.slabs
        h, found = self.started(states), []
        blocks = self._split(h.shape[1], sum(math.prod(shape) for slab in slabs for shape in slab.shapes.values()))
        tiles = [tile for block in blocks for tile in block]
        for slab, weights, declared in zip(slabs, self.weights, spec.slabs):
            rule = adaptive.Rule(slab, self.bound.method(slab), float(spec.tolerance or 0))
            walk = self._walk(rule, weights, h, tiles)
            elements = np.array([float(b) for b in depth_elements(declared)])
            found.append(steps.find(elements, rule.method.order, walk))
            h = walk.h
        return Found(found, h)

    def _walk(
        self, rule: adaptive.Rule, weights: Weights, h: np.ndarray, tiles: Sequence[slice]
    ) -> adaptive.Whole | adaptive.Stages:
        """The way that states take through a slab; see ``adaptive``."""
        if rule.slab.implicit:
            return adaptive.Whole(rule, weights, h, self._advance)
        return adaptive.Stages(rule, weights, h, tiles)

    def _advance(self, slab: Slab, h: np.ndarray) -> np.ndarray:
        """All records' states at the end of what a slab's tables describe."""
        found = np.empty((slab.channels * slab.sizes["state"], h.shape[1]), self.dtype)
        _by_tiles(lambda tile: slab.forward(np.ascontiguousarray(h[:, tile]), keep=False)[0], found)
        return found

    def started(self, states: np.ndarray) -> np.ndarray:
        """h(·, 0) of records (entry rows, records), as a NumPy array."""
        return self._lifted(states)  # type: ignore[no-any-return]

    def _lifted(self, states: Any) -> Any:
        """h(·, 0) of records, as the first slab takes it."""
        x = np.ascontiguousarray(states, dtype=self.dtype)
        lift = self.slabs[0].operators.get("lift")
        if lift is None:
            return x
        h = np.empty((len(x) // lift.shape[1] * lift.shape[0], x.shape[1]), self.dtype)
        self.bound.common("lift")(x, lift, h)
        return h

    def unlifted(self) -> Self:
        """The network for states that are lifted already."""
        first, *others = self.slabs
        return type(self)(self.bound, self.weights, [first.without("lift"), *others])

    def final(self, states: np.ndarray) -> np.ndarray:
        """y = h(·, 1) for states (entry rows, records)."""
        if self.bound.open:
            return self._search(states).ends
        last = self.slabs[-1]
        found = np.empty((last.channels * last.sizes["state"], states.shape[1]), self.dtype)
        _by_tiles(lambda tile: self._final(states[:, tile]), found)
        return found

    def _final(self, states: np.ndarray) -> Any:
        h = self._lifted(states)
        for slab in self.slabs:
            h, _ = slab.forward(h, keep=False)
        return h

    def path(self, states: np.ndarray) -> list[list[np.ndarray]]:
        """Slab by slab, the state after 0, 1, 2 … steps; the first one of a slab is the state as it arrives."""
        solver = self.settled(states)
        h, whole = solver._lifted(states), []
        with threads.serial_blas():
            for slab in solver.slabs:
                whole.append(slab.path(h))
                h = whole[-1][-1]
        return whole

    def gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Arrays], np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Loss of every record and the summed gradients, by the discrete adjoint.

        states (entry rows, N), operator (outputs, rows of y and beside it), constant (outputs,), targets (outputs, N) →
        losses (N,), gradients of each slab's operators, of ``operator``, of ``constant``, and dL/dstates.
        weights: of the records in the sums (N,), by one sweep more; none count alike.
        Gradients of operators belong to steps: where these are to be found, that is done first.
        """
        if weights is None:
            losses, gradient, bars, of_states = self._summed(states, operator, constant, targets)
        else:
            losses, slope = self.differentiated(self.outputs(states, operator, constant), targets)
            _, gradient, bars, of_states = self._linear()._summed(states, operator, constant, slope * weights)
        return losses, self._at_hand(gradient), *bars, self._beside(of_states)

    def mean_gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        rows: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Weights], np.ndarray, np.ndarray]:  # fmt: skip
        """Loss of every record, and the mean gradients of the weights, slab by slab, of ``operator`` and ``constant``.

        The arguments are those of ``gradient``; rows: what the records are called where others hold them, too.
        """
        solver = self.settled(states)
        count = states.shape[1]
        found = solver._summed(states, operator, constant, targets, False, rows)
        losses, gradient, (bar_operator, bar_constant), _ = found
        back = [slab.pull_back(own, w) for slab, own, w in zip(solver.slabs, gradient, solver.weights)]
        for own in back:
            for a in own.arrays.values():
                a /= count
        return losses, back, bar_operator / count, bar_constant / count

    def weighted_gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, list[Weights], np.ndarray, np.ndarray]:
        """Losses, and the gradients of their sum with weights (N,); as ``mean_gradient``, by one sweep more."""
        found = self._found(states)
        solver = self if found is None else self._stepping(found)
        losses, bar = self.differentiated(self._outputs(states, operator, constant, found), targets)
        back, bar_operator, bar_constant, _ = solver.pull_back(states, operator, constant, bar * weights)
        return losses, back, bar_operator, bar_constant

    def pull_back(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, bar: np.ndarray
    ) -> tuple[list[Weights], np.ndarray, np.ndarray, np.ndarray]:
        """From dL/d(outputs) (outputs, N), whatever L is, those by the weights, slab by slab, by ``operator`` and

        ``constant``, summed over the records, and by the states. The other arguments are those of ``gradient``.
        """
        solver = self.settled(states)._linear()
        _, gradient, bars, of_states = solver._summed(states, operator, constant, bar)
        back = [slab.pull_back(own, w) for slab, own, w in zip(solver.slabs, gradient, solver.weights)]
        return back, *bars, solver._beside(of_states)

    def _linear(self) -> Self:
        """The network whose loss is Σ z t."""
        made = copy.copy(self)
        made.linear = True
        return made

    def _at_hand(self, gradient: Sequence[Arrays]) -> list[Arrays]:
        """Gradients of operators as NumPy arrays."""
        return list(gradient)

    def _beside(self, parts: Sequence[Any]) -> np.ndarray:
        """Parts of the records (rows, records) as one NumPy array."""
        return np.concatenate(parts, axis=1)

    def _summed(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        of_states: bool = True, rows: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Arrays], tuple[np.ndarray, np.ndarray], list[np.ndarray]]:  # fmt: skip
        """Losses, the sums of gradients over the records, and with ``of_states`` dL/dstates tile by tile.

        The split into blocks is fixed and partial sums are added in order: the same bits for any number of threads.
        """
        readout = np.ascontiguousarray(operator, dtype=self.dtype), np.ascontiguousarray(constant, dtype=self.dtype)
        work = self._done(states, targets, readout, of_states, rows)
        with threads.serial_blas(), contextlib.closing(work) as done:  # whatever ends it, no thread waits for ever
            total = next(done)
            for block in done:
                for mine, theirs in zip(total.gradient, block.gradient):
                    for name in mine:
                        mine[name] += theirs[name]
                for bar, other in zip(total.bars, block.bars):
                    bar += other
                total.losses.extend(block.losses)
                total.of_states.extend(block.of_states)
        return np.concatenate(total.losses), total.gradient, total.bars, total.of_states

    def _done(
        self, states: np.ndarray, targets: np.ndarray, readout: Any, of_states: bool, rows: np.ndarray | None
    ) -> Generator[Block, None, None]:
        """What each block gives, in order."""
        records = states.shape[1]
        blocks = self._blocks(records)
        threads.room(self.bytes_needed(records, of_states), f"a gradient over {records:,} records")
        rooms: dict[int, list[Arrays]] = {}  # of every thread that works, slab by slab

        def work(index: int) -> Block:
            room = rooms.setdefault(threading.get_ident(), [{} for _ in self.slabs])
            return self.block(((states[:, t], targets[:, t]) for t in blocks[index]), readout, room, of_states)

        return threads.stream(work, len(blocks))

    def block(
        self, tiles: Iterable[tuple[np.ndarray, np.ndarray]], readout: Any, rooms: Sequence[Arrays],
        of_states: bool = False,
    ) -> Block:  # fmt: skip
        """The gradient over some tiles of records, each its states and targets.

        readout: operator and constant; rooms: slab by slab memory that the calls of one thread have one after another.
        """
        gradient = [slab.empty_gradient() for slab in self.slabs]
        found = Block(gradient, (np.zeros_like(readout[0]), np.zeros_like(readout[1])), [], [])
        for states, targets in tiles:
            value, bar = self._tile(states, targets, readout, gradient, found.bars, rooms)
            found.losses.append(value)
            found.of_states.extend([bar] if of_states else ())
        return found

    def bias_gradients(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray
    ) -> list[np.ndarray]:
        """dL/d(biases of every stage) of each record for itself, slab by slab (stages, rows, records), in float64.

        The arguments are those of ``gradient``.
        """
        readout = np.ascontiguousarray(operator, dtype=self.dtype), np.ascontiguousarray(constant, dtype=self.dtype)
        found = []
        for r in range(states.shape[1]):
            gradient = [slab.empty_gradient() for slab in self.slabs]
            spare = np.zeros_like(readout[0]), np.zeros_like(readout[1])
            self._tile(states[:, r : r + 1], targets[:, r : r + 1], readout, gradient, spare, [{} for _ in self.slabs])
            found.append([own["bar_biases"] for own in gradient])
        return [np.stack(of_records, axis=-1).astype(np.float64) for of_records in zip(*found)]

    def _blocks(self, records: int) -> Sequence[Sequence[slice]]:
        """Tiles of records by block, fixed for the sizes of these operators."""
        return self._split(records, sum(a.size for slab in self.slabs for a in slab.operators.values()))

    @staticmethod
    def _split(records: int, numbers: int) -> Sequence[Sequence[slice]]:
        """Those of one tile become two halves, where a half is work enough for a thread; numbers: of operators."""
        half = -(-records // 2)
        if records <= TILE and threads.worthwhile(half * numbers):
            return threads.blocks(records, half, 1)
        tiles = -(-records // TILE)
        return threads.blocks(records, TILE, min(BLOCK, -(-tiles // FEW)))

    def bytes_needed(self, records: int, of_states: bool = True) -> int:
        """What a gradient over so many records takes beyond tables and operators; of_states: and that of these."""
        blocks = self._blocks(records)
        workers = min(threads.threads(), len(blocks))
        operators = sum(a.nbytes for slab in self.slabs for a in slab.operators.values())
        tile = sum(slab.kept_bytes(blocks[0][0].stop) for slab in self.slabs)
        rows = sum(slab.channels * slab.sizes["entry"] for slab in self.slabs[:1])
        sums = workers + 2 if workers > 1 else 2  # the sum, those at work, and one that waits
        return int(sums * operators + workers * tile + 2 * rows * records * self.dtype.itemsize * of_states)

    def _tile(
        self, states: np.ndarray, targets: np.ndarray, readout: Any, gradient: list[Arrays], bars: Any,
        rooms: Sequence[Arrays],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Losses and dL/dstates of some records; adds to the gradients of operators and readout."""
        x = np.ascontiguousarray(states, dtype=self.dtype)
        h, kept = self._lifted(x), []
        for slab, room in zip(self.slabs, rooms):
            h, k = slab.forward(h, keep=True, room=room)
            kept.append(k)
        operator, constant = readout
        features, values = self._features(h)
        z = np.empty((len(constant), h.shape[1]), self.dtype)
        self.bound.common("readout")(features, operator, constant, z)
        value, source = self.differentiated(z, targets)
        bar = np.empty_like(features)
        self.bound.common("readout_adjoint")(source, features, operator, bar, bars[0], bars[1])
        if values is not None:
            bar_y = np.empty_like(h)
            self._beside_adjoint(bar, values, bar_y)
            bar = bar_y
        for slab, k, g, room in list(zip(self.slabs, kept, gradient, rooms))[::-1]:
            bar = slab.adjoint(bar, k, g, room)
        lift = self.slabs[0].operators.get("lift")
        if lift is not None:
            bar_x = np.empty_like(x)
            self.bound.common("lift_adjoint")(bar, x, lift, bar_x, gradient[0]["bar_lift"])
            bar = bar_x
        return value, bar

    def _features(self, y: Any) -> tuple[Any, Any]:
        """What the readout takes: y, with what is beside it below; and the values at nodes, or None."""
        beside, channels = self.bound.beside, self.slabs[-1].channels
        if beside is None:
            return y, None
        values = np.empty((channels * len(beside.tables[0]), y.shape[1]), self.dtype)
        features = np.empty((len(y) + channels * beside.count, y.shape[1]), self.dtype)
        self.bound.common(beside.name)(y, *beside.tables, beside.constants, values, features)
        return features, values

    def _beside_adjoint(self, bar: np.ndarray, values: np.ndarray, bar_y: np.ndarray) -> None:
        """From dL/d(features) those by y, written to ``bar_y``; values at nodes are lost."""
        beside = self.bound.beside
        assert beside is not None
        kernel = self.bound.common(f"{beside.name}_adjoint")
        kernel(bar, *beside.tables, beside.adjoint_constants, values, bar_y)

    def features(self, states: np.ndarray) -> np.ndarray:
        """What the readout takes, (rows of y and beside it, records) in float64, for states (entry rows, records)."""
        last, ends = self.slabs[-1], self._found(states)
        rows = last.channels * (last.sizes["state"] + self.bound.representation.spec.beside)
        found = np.empty((rows, states.shape[1]))
        _by_tiles(lambda tile: self._read(states, tile, ends), found)
        return found

    def _read(self, states: np.ndarray, tile: slice, known: Found | None) -> np.ndarray:
        y = self._final(states[:, tile]) if known is None else np.ascontiguousarray(known.ends[:, tile])
        return self._features(y)[0].astype(np.float64)  # type: ignore[no-any-return]

    def outputs(self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray) -> np.ndarray:
        """Readout values (outputs, records)."""
        return self._outputs(states, operator, constant, self._found(states))

    def _outputs(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, known: Found | None
    ) -> np.ndarray:
        found = np.empty((len(constant), states.shape[1]))
        _by_tiles(lambda tile: operator @ self._read(states, tile, known) + constant[:, None], found)
        return found

    def tangent(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, changes: Sequence[Weights],
        by_operator: np.ndarray, by_constant: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Readout values (outputs, records), and their derivatives along changes of the weights and of the readout.

        states, operator, constant: see ``gradient``.  changes: of the weights, slab by slab.
        """
        solver = self.settled(states)
        moved = [slab.form(own) for slab, own in zip(solver.slabs, changes)]
        rooms: dict[int, list[Arrays]] = {}  # of every thread that works, slab by slab
        found = np.empty((2, len(constant), states.shape[1]))

        def along(tile: slice) -> np.ndarray:
            room = rooms.setdefault(threading.get_ident(), [{} for _ in self.slabs])
            features, turned = solver._features_along(states[:, tile], moved, room)
            values = operator @ features + constant[:, None]
            return np.stack([values, operator @ turned + by_operator @ features + by_constant[:, None]])

        _by_tiles(along, found)
        return found[0], found[1]

    def _features_along(
        self, states: np.ndarray, moved: Sequence[Slab], rooms: Sequence[Arrays]
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the readout takes, and its derivative, (rows, records) in float64; moved: slabs of changed weights."""
        x = np.ascontiguousarray(states, dtype=self.dtype)
        h = self._lifted(x)
        dot = np.zeros_like(h)
        lift = moved[0].operators.get("lift")
        if lift is not None:  # linear in P, and the records stand still
            self.bound.common("lift")(x, lift, dot)
        for slab, own, room in zip(self.slabs, moved, rooms):
            h, kept = slab.forward(h, keep=True, room=room)
            dot = slab.tangent(dot, kept, own, room)
        features, values = self._features(h)
        if values is not None:
            dot = np.vstack([dot, *self._beside_along(dot, values)])
        return features.astype(np.float64), dot.astype(np.float64)

    def _beside_along(self, dot: np.ndarray, values: np.ndarray) -> Iterator[np.ndarray]:
        """The derivatives of what is beside y, (channels, records) each: those by y, by the adjoint, times dy."""
        channels, records = self.slabs[-1].channels, dot.shape[1]
        count = self.bound.representation.spec.beside
        for own in range(len(dot), len(dot) + channels * count, channels):
            bar, slopes = np.zeros((len(dot) + channels * count, records), self.dtype), np.empty_like(dot)
            bar[own : own + channels] = 1
            self._beside_adjoint(bar, values.copy(), slopes)
            yield np.sum((slopes * dot).reshape(-1, channels, records), axis=0)

    def curved(self, outputs: np.ndarray, targets: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """ℓ″ v of every record: the derivative of dL/d(outputs) along a direction v of these, (outputs, N)."""
        z, target, v = (np.ascontiguousarray(a, dtype=self.dtype) for a in (outputs, targets, direction))
        found = np.empty_like(z)
        self.bound.common("curvature")(z, target, v, self.bound.curvature_constants, found)
        return found

    def losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss of every record from readout values (outputs, records)."""
        return self.differentiated(outputs, targets)[0].astype(np.float64)

    def differentiated(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of every record (N,), and its derivatives by the outputs (outputs, N)."""
        z, target = (np.ascontiguousarray(a, dtype=self.dtype) for a in (outputs, targets))
        if self.linear:
            return np.sum(z * target, axis=0), target
        value, source = np.empty(z.shape[1], self.dtype), np.empty_like(z)
        self.bound.common("loss")(z, target, self.bound.loss_constants, value, source)
        return value, source


def _by_tiles(work: Callable[[slice], np.ndarray], found: np.ndarray) -> None:
    """Write what ``work`` makes of every tile of records, side by side; the last axis of ``found`` is the records."""
    tiles = threads.blocks(found.shape[-1], TILE, 1)

    def turn(index: int) -> None:
        (tile,) = tiles[index]
        found[..., tile] = work(tile)

    with threads.serial_blas():
        threads.spread(turn, len(tiles))
