"""The semi-discrete network on a GPU: the tables of a run live on the device, and so does everything between two calls.

Records go through in launches of a fixed size, in tiles and blocks that their number alone decides, and the sums of the
blocks are added in order: this order does not depend on the device. A gradient of host arrays takes two copies to the
device, weights and records, and one back, losses and gradients. One file, though a long one, answers all that ``cpu``
does.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from derive.errors import TrainingError
from numerics.kernels import adaptive, threads
from numerics.kernels.bound import Arrays, compiled_kernels, exact_numbers
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.cuda_slab import CudaSlab
from numerics.kernels.launch import (
    Arena,
    Launch,
    check_memory,
    compiled,
    cuda_kernels,
    give_back,
    layout,
    module,
    require,
    start,
    start_blocks,
    start_rows,
    to_device,
    to_host,
    together,
)
from numerics.kernels.operators import AS_THEY_ARE, Slab, Weights
from numerics.kernels.sums import Sums, sum_shapes
from numerics.representation.tables import Representation

PARTIALS = 2**26  # numbers that the blocks' gradients of one array may take together
OWN = Path(__file__).with_name("device_kernels.py")


class CudaBound(Bound):
    """A representation's tables on the GPU, uploaded once and shared by all steps and calls of a run.

    arenas: memory that no call has at present. Raises RepresentationError, saying what is missing, where no GPU can be
    used.
    """

    slabs: Sequence[CudaSlab]

    def __init__(
        self,
        representation: Representation,
        dtype: Any = np.float64,
        plan: str | None = None,
        launch: Launch | None = None,
    ) -> None:
        require()
        self.representation = representation
        self.dtype = np.dtype(dtype)
        self.find = compiled_kernels  # what goes wrong is looked into on the CPU
        self.launch = launch or Launch()
        self.arenas: list[Arena] = []
        self._tables: dict[bytes, Any] = {}
        spec, zero, find = representation.spec, {"zero": np.zeros(1)}, cuda_kernels
        slabs = [
            CudaSlab.of(s, spec.channels, self.dtype, plan or s.plan, find, spec.pre_activations).bind(zero)
            for s in representation.slabs
        ]
        self.slabs = [replace(slab, launch=self.launch) for slab in slabs]
        self.loss_constants = self.converted(exact_numbers(representation.loss_constants, self.dtype))

    def converted(self, table: np.ndarray) -> Any:
        """A table on the device."""
        return to_device(table, self.dtype)

    def start(self, name: str, records: int, *given: Any, blocks: int = 0) -> None:
        """Launch a kernel that no slab has for itself, over the tiles of so many records.

        blocks: how many of them work, as many as there are tiles where none are given.
        """
        launch = self.launch.shaped(records)
        kernel = compiled(module(self.representation.module), name, launch.threads)
        start_blocks(kernel, launch, blocks or launch.grid(records), *given)

    def run(self, name: str, size: int, *given: Any) -> None:
        """Launch one of ``device_kernels`` over ``size`` elements."""
        start(compiled(OWN, name, self.launch.line), self.launch, size, *given)

    def run_rows(self, name: str, rows: int, *given: Any) -> None:
        """Launch one of them on a block a row."""
        start_rows(compiled(OWN, name, self.launch.line), self.launch, rows, *given)

    @cached_property
    def compared_back(self) -> tuple[Any, Any]:
        """The transposed of ``comparison`` as an affine map: from slopes of what is compared to those of y."""
        operator = np.ascontiguousarray(self.representation.comparison.T)
        return self.converted(operator), self.converted(np.zeros(len(operator)))

    def table(self, rows: np.ndarray) -> Any:
        """A table of whole numbers on the device, which a run sends there once."""
        key = rows.tobytes()
        if key not in self._tables:
            self._tables[key] = to_device(rows, rows.dtype)
        return self._tables[key]

    @contextlib.contextmanager
    def lent(self) -> Iterator[Arena]:
        """Memory of one call, which another one takes when this one has ended."""
        try:
            arena = self.arenas.pop()
        except IndexError:
            arena = Arena(self.dtype)
        arena.place = 0
        yield arena
        self.arenas.append(arena)  # after an error it is given back to the device

    def release(self) -> None:
        """Give back the memory that no call has at present; the next one asks for its own."""
        self.arenas.clear()
        give_back()

    def check_memory(self, needed: int, what: str) -> None:
        """Raise TrainingError where the device has no room for so many bytes beside tables and weights."""
        if needed > threads.LITTLE:
            check_memory(needed, sum(arena.bytes for arena in self.arenas), what)

    def form(self, weights: Sequence[Weights]) -> CudaSolver:
        """The network with these weights, its stage operators formed; with adaptive steps, once these are known."""
        numbers = sum(math.prod(shape) for slab in self.slabs for shape in slab.shapes.values())
        stages = sum(len(slab.bound["theta"]) for slab in self.slabs)
        self.check_memory(numbers * self.dtype.itemsize, f"operators of {stages:,} stages")
        return CudaSolver(self, weights, self._formed(weights))


class CudaSolver(Solver):
    """The network of a step on the GPU; records and results are host arrays, as they are for the CPU."""

    bound: CudaBound
    slabs: Sequence[CudaSlab]

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[Self]:
        """The network with memory for one call, whose results on the device end with it."""
        with self.bound.lent() as arena:
            yield self.inside(arena)

    def inside(self, arena: Arena) -> Self:
        """The network with memory from there."""
        made = copy.copy(self)
        made.slabs = [slab.inside(arena) for slab in self.slabs]
        return made

    def _walk(
        self, rule: adaptive.Rule, weights: Weights, h: np.ndarray, tiles: Sequence[slice]
    ) -> adaptive.Whole:
        return adaptive.Whole(rule, weights, h, self._advance)

    def _advance(self, slab: Slab, h: np.ndarray) -> np.ndarray:
        launches = (np.ascontiguousarray(h[:, part]) for part in self._launches(h.shape[1]))
        return np.concatenate([to_host(slab.forward(part, keep=False)[0]) for part in launches], axis=1)

    def started(self, states: np.ndarray) -> np.ndarray:
        """h(·, 0) of records (entry rows, records), as a NumPy array."""
        return to_host(self._lifted(states))

    def _launches(self, records: int) -> list[slice]:
        size = self.bound.launch.records
        return [slice(a, min(a + size, records)) for a in range(0, records, size)]

    def final(self, states: np.ndarray) -> np.ndarray:
        """y = h(·, 1) for states (entry rows, records)."""
        solver, parts = self.settled(states), []
        for part in self._launches(states.shape[1]):
            with solver._at_work() as own:
                parts.append(to_host(own._final(states[:, part])))
        return np.concatenate(parts, axis=1)

    def told(
        self, samples: Any, before: tuple[Any, Any], after: tuple[Any, Any], found: Any, functional: bool
    ) -> None:
        """Answers (records, n) to samples (records, m), both on the device, in ``found``.

        before, after: matrix and offset of what is done to samples, and to final states or what the readout takes.
        """
        for part in self._launches(len(samples)):
            with self._at_work() as own:
                given, out = samples[part], found[part]
                states = own.slabs[0].empty(before[0].shape[1], len(given))
                self.bound.run("affine_in", states.size, *before, given, states)
                y = own._final(states)
                y = own._features(y)[0] if functional else y
                self.bound.run("affine_out", out.size, *after, y, out)

    def path(self, states: np.ndarray) -> list[list[np.ndarray]]:
        """Slab by slab, the state after 0, 1, 2 … steps; the first one of a slab is the state as it arrives."""
        return [[to_host(h) for h in slab] for slab in super().path(states)]

    # --- gradients

    def gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Arrays], np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Loss of every record and the summed gradients, by the discrete adjoint; as for the CPU."""
        with self._at_work() as own:
            sums = own._summed_up(states, operator, constant, targets, weights, of_states=True)
            of_states, found = own._beside(sums.of_states), sums.to_host(operators=True)
        totals: list[Arrays] = [
            {name: found[f"{k}/bar_{name}"] for name in slab.operators} for k, slab in enumerate(self.slabs)
        ]
        named = [{f"bar_{name}": a for name, a in own.items()} for own in totals]
        return found["losses"], named, *_of_readout(found, operator, constant), of_states

    def mean_gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        rows: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Weights], np.ndarray, np.ndarray]:  # fmt: skip
        """Loss of every record, and the mean gradients of the weights, of ``operator`` and ``constant``.

        These are 0 where the bound's ``comparison`` is in place of a readout: no coefficient is behind it.
        """
        losses, *found, _ = self._pulled(states, operator, constant, targets)
        return losses, *_divided(found, states.shape[1])

    def weighted_gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, list[Weights], np.ndarray, np.ndarray]:
        """Losses, and the gradients of their sum with weights (N,), by the same sweep."""
        losses, *found, _ = self._pulled(states, operator, constant, targets, weights)
        return losses, *_divided(found, 1)

    def pull_back(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, bar: np.ndarray
    ) -> tuple[list[Weights], np.ndarray, np.ndarray, np.ndarray]:
        """From dL/d(outputs) those by the weights, the readout and the states; as for the CPU."""
        solver = self.settled(states)._linear()
        _, back, bar_operator, bar_constant, of_states = solver._pulled(states, operator, constant, bar, of_states=True)
        return back, bar_operator, bar_constant, of_states

    def _pulled(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        weights: np.ndarray | None = None, of_states: bool = False,
    ) -> tuple[np.ndarray, list[Weights], np.ndarray, np.ndarray, Any]:  # fmt: skip
        """Losses and the summed gradients of weights, readout and, where they are wanted, states, as host arrays."""
        solver = self.settled(states)
        with solver._at_work() as own:
            sums = own._summed_up(states, operator, constant, targets, weights, of_states)
            own.pull(sums)
            bar_states = own._beside(sums.of_states) if of_states else None
            found = sums.to_host(operators=False)
        back = []
        for k, given in enumerate(self.weights):
            names = {name: f"{k}/bar_{name}" if name in AS_THEY_ARE else f"{k}/{name}" for name in given.arrays}
            back.append(Weights(**{name: found[key] for name, key in names.items()}))
        return found["losses"], back, *_of_readout(found, operator, constant), bar_states

    def pull(self, sums: Sums) -> None:
        """Complete the sums by the gradients of the coefficients."""
        for k, (slab, given) in enumerate(zip(self.slabs, self.weights)):
            names = {name: f"{k}/{name}" for name in given.arrays if name not in AS_THEY_ARE}
            slab.pull(sums.of_slab(k), given, {name: sums.arrays[key] for name, key in names.items()})

    def _beside(self, parts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([to_host(part) for part in parts], axis=1)

    def _summed_up(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        weights: np.ndarray | None = None, of_states: bool = False,
    ) -> Sums:  # fmt: skip
        """The sums for host arrays. Raises TrainingError where the device has no room for them."""
        records = states.shape[1]
        readout: dict[str, Any] = {"operator": operator, "constant": constant}
        self.bound.check_memory(self.device_bytes(records, readout), f"a gradient over {records:,} records")
        sums = self.sums(records, readout)

        def parts() -> Iterator[Mapping[str, Any]]:
            sent, begin = readout, 0
            for part in self._launches(records):
                own = {"states": states[:, part], "targets": targets[:, part]}
                own |= {} if weights is None else {"weights": weights[part]}
                if not begin:  # the readout and the first part, in whose place the others come
                    begin, size = (layout({n: a.shape for n, a in g.items()})[1] for g in (readout, {**readout, **own}))
                    room = self.slabs[-1].empty(size)
                given = {**{name: sent[name] for name in readout}, **own}
                sent = together(given, self.dtype, partial(_front, room[begin if part.start else 0 :]))
                yield sent

        self.add(sums, parts(), of_states)
        return sums

    def sums(self, records: int, readout: Mapping[str, Any]) -> Sums:
        """Zeros in place of a gradient over so many records."""
        blocks = self.blocks(records, readout)
        return Sums.empty(self.slabs, self.weights, self._learned(readout), records, blocks)

    def _learned(self, readout: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a readout has coefficients: nothing, where it is the bound's ``comparison``."""
        bound = self.bound
        fixed = bound.representation.spec.outputs is None and readout["operator"] is bound.comparison[0]
        return {} if fixed else readout

    def blocks(self, records: int, readout: Mapping[str, Any]) -> int:
        """How many blocks of a launch have gradients of their own: as many as there are, or there is room for."""
        launch, shapes = self.bound.launch, sum_shapes(self.slabs, self.weights, self._learned(readout), 0, 1)
        largest = max(math.prod(shape) for name, shape in shapes.items() if name.startswith("blocks "))
        each = min(records, launch.records)
        return max(1, min(launch.shaped(each).grid(each), PARTIALS // largest))

    def add(self, sums: Sums, parts: Iterable[Mapping[str, Any]], of_states: bool = False) -> None:
        """Sweep over records and sum what the blocks have found.

        parts: states, targets, operator, constant and, where there are any, weights of a launch's records, on the
        device.
        """
        arena = self.slabs[-1].arena
        assert arena is not None
        done, begun = 0, 0
        for part in parts:
            begun, records = begun or arena.place, part["states"].shape[1]
            bar = self._launch(part, sums, sums.arrays["losses"][done : done + records])
            sums.of_states.extend([to_host(bar)] if of_states else ())
            done += records
            arena.place = begun
        rows = sums.segments
        self.bound.run("sum_segments", int(rows[:, 1].max()), self.bound.table(rows), sums.blocks, sums.flat, sums.flat)

    def _launch(self, part: Mapping[str, Any], sums: Sums, value: Any) -> Any:
        """Adds to the blocks' sums; writes the losses to ``value``. Returns dL/dstates."""
        last, bound = self.slabs[-1], self.bound
        gradient = [sums.of_slab(k, "blocks ") for k in range(len(self.slabs))]
        rooms: list[Arrays] = [{} for _ in self.slabs]
        h, kept = self._lifted(part["states"]), []
        for slab, room in zip(self.slabs, rooms):
            h, k = slab.forward(h, keep=True, room=room)
            kept.append(k)
        features, values = self._features(h)
        z = last.empty(len(part["constant"]), h.shape[1])
        bound.start("readout", h.shape[1], features, part["operator"], part["constant"], bound.zero, z)
        source = self._loss(z, part["targets"], value)
        if "weights" in part:
            bound.run("weigh", source.size, part["weights"], source)
        bar = last.empty(*features.shape)
        if "operator" in sums.shapes:
            bars = [sums.arrays[f"blocks {name}"] for name in ("operator", "constant")]
            given = source, features, part["operator"], bound.zero, bar, *bars
            bound.start("readout_adjoint", h.shape[1], *given, blocks=sums.blocks)
        else:
            bound.start("readout", h.shape[1], source, *bound.compared_back, bound.zero, bar)
        if values is not None:
            bar_y = last.empty(*h.shape)
            self._beside_adjoint(bar, values, bar_y)
            bar = bar_y
        for slab, k, g, room in list(zip(self.slabs, kept, gradient, rooms))[::-1]:
            bar = slab.adjoint(bar, k, g, room)
        lift = self.slabs[0].operators.get("lift")
        if lift is not None:
            bar_x = last.empty(*part["states"].shape)
            own = bar_x, gradient[0]["bar_lift"]
            given = bar, part["states"], lift, bound.zero, *own
            bound.start("lift_adjoint", h.shape[1], *given, blocks=sums.blocks)
            bar = bar_x
        return bar

    def device_bytes(self, records: int, readout: Mapping[str, Any]) -> int:
        """What a gradient over so many records takes on the device beyond tables and operators."""
        bound, each, blocks = self.bound, min(records, self.bound.launch.records), self.blocks(records, readout)
        states, outputs = self.slabs[0].channels * self.slabs[0].sizes["entry"], len(readout["constant"])
        sent = {"states": (states, each), "targets": (outputs, each), "weights": (each,)}
        shapes = sum_shapes(self.slabs, self.weights, self._learned(readout), records, blocks)
        numbers = sum(layout(s)[1] for s in (shapes, {n: a.shape for n, a in readout.items()} | sent))
        rows = 4 * sum(slab.channels * (slab.sizes["state"] + slab.sizes["entry"]) for slab in self.slabs)
        rows += 2 * outputs + (0 if bound.beside is None else self.slabs[-1].channels * len(bound.beside.tables[0]))
        for slab, own in zip(self.slabs, self.weights):
            shaped = bound.launch.shaped(each)
            forward = shaped.grid(each) * slab.workspace("forward", shaped)
            adjoint = blocks * slab.workspace("adjoint", shaped)
            numbers += forward + (adjoint if adjoint > forward else 0)  # for which the forward's place is too small
            numbers += slab.room_of("operators_adjoint", own)
        kept = sum(slab.kept_bytes(each) for slab in self.slabs)
        return int(kept + (numbers + rows * each) * self.dtype.itemsize)

    # --- lift, readout, loss

    def _lifted(self, states: Any) -> Any:
        x, lift = to_device(states, self.dtype), self.slabs[0].operators.get("lift")
        if lift is None:
            return x
        h = self.slabs[0].empty(len(x) // lift.shape[1] * lift.shape[0], x.shape[1])
        self.bound.start("lift", x.shape[1], x, lift, self.bound.zero, h)
        return h

    def _features(self, y: Any) -> tuple[Any, Any]:
        beside, last, records = self.bound.beside, self.slabs[-1], y.shape[1]
        if beside is None:
            return y, None
        values = last.empty(last.channels * len(beside.tables[0]), records)
        features = last.empty(len(y) + last.channels * beside.count, records)
        self.bound.start(beside.name, records, y, *beside.tables, beside.constants, values, features)
        return features, values

    def _beside_adjoint(self, bar: Any, values: Any, bar_y: Any) -> None:
        beside = self.bound.beside
        assert beside is not None
        given = bar, *beside.tables, beside.adjoint_constants, values, bar_y
        self.bound.start(f"{beside.name}_adjoint", bar.shape[1], *given)

    def features(self, states: np.ndarray) -> np.ndarray:
        """What the readout takes, (rows of y and beside it, records) in float64, for states (entry rows, records)."""
        solver, parts = self.settled(states), []
        for part in self._launches(states.shape[1]):
            with solver._at_work() as own:
                parts.append(to_host(own._features(own._final(states[:, part]))[0]))
        return np.concatenate(parts, axis=1).astype(np.float64)

    def outputs(self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray) -> np.ndarray:
        """Readout values (outputs, records)."""
        return operator @ self.features(states) + constant[:, None]  # type: ignore[no-any-return]

    def tangent(self, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        """Raises TrainingError: tangents are printed for the CPU alone."""
        raise TrainingError(
            "derivatives of outputs on a GPU", "the device cpu", "kernels there have gradients alone",
            'take model.replace(device="cpu"), or an optimiser that needs gradients',
        )  # fmt: skip

    def _loss(self, z: Any, targets: Any, value: Any) -> Any:
        """The losses' derivatives by the outputs; the losses go to ``value``."""
        if self.linear:  # nobody asks for this loss itself
            self.slabs[-1].clear(value)
            return targets
        source = self.slabs[-1].empty(*z.shape)
        self.bound.start("loss", z.shape[1], z, targets, self.bound.loss_constants, value, source)
        return source

    def differentiated(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of every record (N,), and its derivatives by the outputs (outputs, N)."""
        with self._at_work() as own:
            sent = together({"z": outputs, "targets": targets}, self.dtype, own.slabs[-1].empty)
            value = own.slabs[-1].empty(outputs.shape[1])
            source = own._loss(sent["z"], sent["targets"], value)
            return to_host(value), to_host(source)


def _of_readout(found: Mapping[str, Any], operator: Any, constant: Any) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of a readout, or zeros for what has none."""
    if "operator" in found:
        return found["operator"], found["constant"]
    return np.zeros(operator.shape), np.zeros(constant.shape)


def _front(array: Any, size: int) -> Any:
    return array[:size]


def _divided(found: Sequence[Any], by: float) -> tuple[list[Weights], np.ndarray, np.ndarray]:
    """Gradients of weights and readout in place of their sums."""
    back, bar_operator, bar_constant = found
    for own in back:
        for a in own.arrays.values():
            a /= by
    return back, bar_operator / by, bar_constant / by
