"""A model's objective on records with everything on the GPU: coordinates, weights, records, gradient and losses.

Nothing is copied between two calls. The coordinates are float64, as on the host; kernels work in their own precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.kernels.cuda import CudaBound, CudaSolver
from numerics.kernels.launch import Arena, Tape, cut, layout, to_device, to_host
from numerics.kernels.operators import AS_THEY_ARE, Weights
from numerics.kernels.sums import Sums
from numerics.model.arrangement import ROOMS, Arrangement, Turn
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

Array = np.ndarray
CHUNK = 4096  # coordinates whose squares a block sums
LONG = 64  # entries from which a row of a sparse matrix is a block's


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse matrix on the device: rows that a thread sums, and those that a block does. rows: (i, from, to)."""

    short: Any
    long: Any
    which: Any
    values: Any

    @classmethod
    def of(cls, matrix: Any, rows: Array, columns: Array) -> Sparse:
        """matrix: CSR; rows, columns: where its rows and columns lie."""
        ends = matrix.indptr.astype(np.int64)
        table, length = np.stack([rows, ends[:-1], ends[1:]], axis=1), np.diff(ends)
        short, long = (table[where] for where in (length <= LONG, length > LONG))
        ours, theirs = (to_device(a, a.dtype) if len(a) else None for a in (short, long))
        return cls(ours, theirs, to_device(columns[matrix.indices], np.int64), to_device(matrix.data, np.float64))

    def apply(self, bound: CudaBound, scale: float, source: Any, target: Any) -> None:
        """target_i = scale Σ_e values_e source_e."""
        given = self.which, self.values, scale, source, target
        if self.short is not None:
            bound.run("mapped", len(self.short), self.short, *given)
        if self.long is not None:
            bound.run_rows("mapped_long", len(self.long), self.long, *given)


@dataclass(frozen=True, eq=False)
class Held:
    """Records on the device: one array, rows of states, of targets, and of weights if there are any; (rows, N).

    places: 0 … N − 1. states, targets: how many rows these have.
    """

    array: Any
    places: Any
    states: int
    targets: int

    @classmethod
    def of(cls, prepared: Prepared, dtype: np.dtype[Any]) -> Held:
        """Of records as the host has them."""
        wanted = prepared.wanted()
        weights = [] if prepared.weights is None else [prepared.weights[None]]
        rows = np.concatenate([prepared.states, wanted, *weights]).astype(dtype, copy=False)
        places = to_device(np.arange(len(prepared)), np.int64)
        return cls(to_device(rows, dtype), places, len(prepared.states), len(wanted))

    def parts(self, bound: CudaBound, arena: Arena, which: Any, at: Any, count: int) -> Iterator[dict[str, Any]]:
        """Launch by launch, states, targets and weights of ``count`` records from which[at[0]] on; None: of all."""
        for start in range(0, count, bound.launch.records):
            size = min(bound.launch.records, count - start)
            own = self.array
            if which is not None or size < count:
                own = arena.empty(len(self.array), size)
                given = self.array, self.places if which is None else which, at, start
                bound.run("picked", len(own) * size, *given, own)
            stop = self.states + self.targets
            found = {"states": own[: self.states], "targets": own[self.states : stop]}
            yield found | ({"weights": own[stop:].reshape(size)} if len(self.array) > stop else {})

    def weights(self, bound: CudaBound, arena: Arena, which: Any, at: Any, count: int) -> Any:
        """Those of these records (count,), or None."""
        if len(self.array) == self.states + self.targets:
            return None
        row = self.array[self.states + self.targets :]
        if which is None:
            return row.reshape(count)
        own = arena.empty(1, count)
        bound.run("picked", count, row, which, at, 0, own)
        return own.reshape(count)


class Resident:
    """A model's mean loss with penalties, and its gradient, at coordinates on the device.

    vector, gradient: (size,); losses: a number a step. chunks: parts of the vector, (from, to, field); partial: a
    number for each; scales: one a field. It is the ``Device`` of optimisers.
    """

    def __init__(self, model: Continuum, arrays: Mapping[str, tuple[int, ...]], steps: int) -> None:
        """arrays: of what else is kept on the device and copied with the vector; steps: of which losses are kept."""
        assert isinstance(model.bound, CudaBound)
        self.model, self.bound = model, model.bound
        self.size, self.arrangement = model.size, Arrangement.of(model)
        self.arena, whole = Arena(self.bound.dtype), Arena(np.dtype(np.float64))
        self.kept = {"at": (2,), "losses": (steps,), **arrays, "vector": (self.size,)}
        places, _ = layout(self.kept)
        begin = places["vector"].start
        self.flat = whole.empty(begin + ROOMS * self.size)
        self.arrays: Mapping[str, Any] = cut(self.flat, self.kept)
        self.rooms, self.vector = self.flat[begin:], self.arrays["vector"]
        self.bars = whole.empty(ROOMS * self.size)
        self.gradient = self.bars[: self.size]
        self._lay_chunks()
        self.partial, self.scratch = whole.empty(len(self.chunks)), whole.empty(len(self.chunks))
        self.scales = whole.empty(len(model.blocks))
        self._lay_maps()
        self.release()

    def release(self) -> None:
        """Give back the memory of records, and of steps over them."""
        self.held: Held | None = None
        self.order: Any = None
        self._tapes: dict[tuple[int, bool], Tape] = {}

    def hold(self, prepared: Prepared) -> None:
        """Have these records on the device."""
        self.release()
        self.held = Held.of(prepared, self.bound.dtype)
        self.order = Arena(np.dtype(np.int64)).empty(len(prepared))

    def begin(self, order: Array | None) -> None:
        """The next step is the first one of some. order: of the records, None where each step takes all."""
        if order is not None:
            self.order[: len(order)].copy_to_device(order.astype(np.int64))
        self.bound.run("placed", 1, self.arrays["at"], 0, 0)

    def _lay_chunks(self) -> None:
        rows = [
            (start, min(start + CHUNK, block.part.stop), number)
            for number, block in enumerate(self.model.blocks)
            for start in range(block.part.start, block.part.stop, CHUNK)
        ]
        rates = np.zeros(len(self.model.blocks))
        names = [block.name for block in self.model.blocks]
        for penalty in self.model.spec.penalties:
            rates[names.index(penalty.field)] += float(penalty.weight)
        self.chunks = to_device(np.array(rows, np.int64), np.int64)
        self.rates = to_device(rates, np.float64) if rates.any() else None
        self.none = to_device(np.zeros(1), np.float64)

    def _lay_maps(self) -> None:
        """Both ways: coordinates → what kernels take, and sums → gradient."""
        own, dtype = self.arrangement, self.bound.dtype
        places, size = layout(own.shapes)
        there = np.concatenate([np.arange(place.start, place.stop) for place in places.values()])
        self.given = Arena(dtype).empty(size)
        self.taken = cut(self.given, own.shapes)
        columns = np.arange(ROOMS * self.size)
        self.forward = Sparse.of(own.matrix, there, columns)
        self.turns = [(turn, to_device(turn.matrix, np.float64)) for turn in own.turns]
        back = [turn.transposed for turn in reversed(own.turns)]
        self.turns_back = [(turn, to_device(turn.matrix, np.float64)) for turn in back]
        self.back: dict[int, Sparse] = {}  # by records of a step: where its sums lie depends on them

    def upload(self, arrays: Mapping[str, Array]) -> None:
        """The vector and what is kept beside it, by one copy."""
        places, _ = layout(self.kept)
        host = np.zeros(places["vector"].stop)
        for name, a in arrays.items():
            host[places[name]] = a.reshape(-1)
        self.flat[: len(host)].copy_to_device(host)

    def download(self) -> dict[str, Array]:
        """The same from there, and the losses."""
        places, _ = layout(self.kept)
        found = cut(to_host(self.flat[: places["vector"].stop]), self.kept)
        return {name: a.copy() for name, a in found.items() if name != "at"}

    def evaluate(self, count: int, everything: bool) -> None:
        """Loss and gradient over all records, or the next ``count`` in order; the loss is the next of the losses."""
        key = count, everything
        if key in self._tapes:
            self._tapes[key].again()
            return
        tape = Tape()
        with tape.recording():
            self._evaluate(count, None if everything else self.order)
        self._tapes[key] = tape

    def _evaluate(self, count: int, which: Any) -> None:
        assert self.held is not None
        self.arena.place, at = 0, self.arrays["at"]
        solver, readout = self._formed(), self._readout
        sums = solver.sums(count, readout)
        parts = self.held.parts(self.bound, self.arena, which, at, count)
        solver.add(sums, (part | readout for part in parts))
        solver.pull(sums)
        self._turn_back(sums, count)
        weights = self.held.weights(self.bound, self.arena, which, at, count)
        self._measure(sums.arrays["losses"], weights)
        self.bound.run("moved", 1, at, 0 if which is None else count)

    def _formed(self) -> CudaSolver:
        for turn, table in self.turns:
            self._turn(turn, table, self.rooms)
        self.forward.apply(self.bound, 1.0, self.rooms, self.given)
        slabs, weights = [slab.inside(self.arena) for slab in self.bound.slabs], self._weights
        return CudaSolver(self.bound, weights, [slab.form(own) for slab, own in zip(slabs, weights)])

    @property
    def _weights(self) -> list[Weights]:
        """The coefficients of every slab."""
        found = []
        for k in range(len(self.bound.slabs)):
            own = {name.partition("/")[2]: a for name, a in self.taken.items() if name.startswith(f"{k}/")}
            found.append(Weights(**own))
        return found

    @property
    def _readout(self) -> dict[str, Any]:
        """Of the model, or what is compared without one."""
        names = "operator", "constant"
        return dict(zip(names, map(self.taken.get, names) if names[0] in self.taken else self.bound.comparison))

    def check_memory(self, records: int) -> None:
        """Raise TrainingError where the device has no room for a gradient over so many records."""
        slabs, weights = self.bound.slabs, self._weights
        needed = CudaSolver(self.bound, weights, slabs).device_bytes(records, self._readout)
        formed = sum(layout(s.shapes)[1] + s.room_of("operators", own) for s, own in zip(slabs, weights))
        needed += formed * self.bound.dtype.itemsize
        self.bound.check_memory(needed, f"a gradient over {records:,} records")

    def _turn(self, turn: Turn, table: Any, rooms: Any) -> None:
        source, target = (room * self.size + turn.at for room in (turn.source, turn.target))
        self.bound.run("along", turn.size, table, rooms, source, turn.after, turn.size, target)

    def _turn_back(self, sums: Sums, count: int) -> None:
        if count not in self.back:
            self.back[count] = self._laid_back(sums)
        self.back[count].apply(self.bound, 1.0 / count, sums.flat, self.bars)
        for turn, table in self.turns_back:
            self._turn(turn, table, self.bars)

    def _laid_back(self, sums: Sums) -> Sparse:
        """The transposed matrix, for sums that lie as these; every row, as nothing else clears the gradient."""
        places, _ = layout(sums.shapes)
        columns = []
        for name in self.arrangement.shapes:
            k, _, own = name.partition("/")
            place = places[f"{k}/bar_{own}" if own in AS_THEY_ARE else name]
            columns.append(np.arange(place.start, place.stop))
        matrix = self.arrangement.matrix.T.tocsr()
        return Sparse.of(matrix, np.arange(matrix.shape[0]), np.concatenate(columns))

    def _measure(self, losses: Any, weights: Any) -> None:
        """The mean loss of the step, with penalties, whose slope joins the gradient."""
        penalties = self.none
        if self.rates is not None:
            self.squares(self.vector, self.scratch)
            own = self.chunks, self.rates, self.scratch, self.vector, self.gradient
            self.bound.run_rows("penalised", len(self.chunks), *own)
            penalties = self.scratch
        weighted = weights is not None
        told = losses, weighted, weights if weighted else self.none, penalties
        self.bound.run_rows("mean_loss", 1, *told, self.arrays["at"], self.arrays["losses"])

    # --- what optimisers call -----------------------------------------------------------------------------------

    def run(self, name: str, size: int, *given: Any) -> None:
        """Launch one of ``device_kernels`` over so many numbers."""
        self.bound.run(name, size, *given)

    def run_rows(self, name: str, rows: int, *given: Any) -> None:
        """Launch one of them by so many blocks."""
        self.bound.run_rows(name, rows, *given)

    def squares(self, vector: Any, partial: Any) -> None:
        """Σ v² over every chunk."""
        self.bound.run_rows("squares", len(self.chunks), self.chunks, vector, partial)

    def clip(self, longest: float) -> None:
        """The gradient, shortened to this L2 norm where it is longer."""
        self.squares(self.gradient, self.partial)
        self.bound.run("shortened", self.size, self.partial, longest, self.gradient)
