"""The semi-discrete network on a GPU: the tables of a run live on the device, and so does everything between two calls.

Records go through in launches of a fixed size, tiles of a launch to a fixed number of blocks, and the blocks' sums are
added in order: results do not depend on the device. A step uploads weights and records, and copies back losses and the
gradients of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from derive.errors import TrainingError
from numerics.kernels.bound import Arrays, BoundSlab, Kernel, arguments, compiled_kernels, exact_numbers
from numerics.kernels.cpu import Bound, Solver
from numerics.kernels.launch import (
    Launch,
    columns,
    compiled,
    cuda_kernels,
    module,
    require,
    start,
    start_blocks,
    to_device,
    to_host,
)
from numerics.kernels.operators import AS_THEY_ARE, Slab, Weights, check_stages
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation

PARTIALS = 2**26  # numbers that the blocks' gradients of one slab's operators may take together


@dataclass(frozen=True, eq=False)
class CudaSlab(Slab):
    """A slab with its tables, operators and kept states on the device."""

    wanted: ClassVar[tuple[str, ...]] = BoundSlab.wanted
    launch: Launch = field(default_factory=Launch)

    def _kernel(self, find: Any, what: str) -> Kernel:
        text = load_module(module(self.tables.module))
        names = arguments(getattr(text, f"{self.name(what)}_{self.tables.suffix}"))
        constants = exact_numbers(self.tables.tables[f"constants/{self.name(what)}"], self.dtype)
        return Kernel(find(self.tables, self.name(what)), names, to_device(constants, self.dtype))

    def _converted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        banded = [name.removesuffix("_runs") for name in given if name.endswith("_runs")]
        reach = {f"{of}_columns": columns(given[f"{of}_runs"], given[of].shape[1]) for of in banded}
        return {name: to_device(a, self.dtype) for name, a in {**given, **reach}.items()}

    def empty(self, *shape: int) -> Any:
        """Room on the device."""
        from numba import cuda

        return cuda.device_array(shape, self.dtype)

    def zeros(self, *shape: int) -> Any:
        """Zeros on the device."""
        array = self.empty(*shape)
        self.common("clear", array.size, array.reshape(array.size), self.bound["zero"])
        return array

    def common(self, name: str, size: int, *given: Any) -> None:
        """Launch a kernel that every module holds over ``size`` elements."""
        start(compiled(module(self.tables.module), name), self.launch, size, *given)

    def call(self, what: str, given: Mapping[str, Any], grid: int = 0, shared: int = 0) -> None:
        """Launch a kernel: its arguments by name, first from ``given``, then from the tables."""
        kernel = self.kernels[what]
        values: dict[str, Any] = {**self.bound, "constants": kernel.constants, **given}
        wanted = (values[argument] for argument in kernel.arguments)
        start_blocks(kernel.function, self.launch, grid or len(self.bound["theta"]), *wanted, shared=shared)

    def room(self, weights: Weights, stages: int | None = None) -> dict[str, Any]:
        """Working memory of the operators' kernels; stages: rows of θ, all by default."""
        count, bias_stages = stages or len(self.bound["theta"]), len(self.bound["vartheta"])
        shapes = {"mixed": (count, *weights.w.shape[1:]), "mixed_bias": (bias_stages, weights.beta.shape[1])}
        shapes["left"] = (count, self.parts * self.channels * self.sizes["node"], weights.w.shape[2])
        if "w_waves" in self.bound:
            shapes["turned"] = (count, self.bound["w_waves"].shape[0], weights.w.shape[2])
        if weights.v is not None:
            shapes["mixed_local"] = (bias_stages, *weights.v.shape[1:])
        return {name: self.empty(*shape) for name, shape in shapes.items()}

    def reading(self, weights: Weights) -> Self:
        """The slab with what kernels read of these coefficients without a change, and no operators."""
        given = {name: a for name, a in weights.given(self.dtype).items() if name in AS_THEY_ARE}
        return self.holding({name: to_device(a, self.dtype) for name, a in given.items()})

    def form(self, weights: Weights) -> Self:
        """The slab with the stage operators and biases of these coefficients."""
        given = {name: to_device(a, self.dtype) for name, a in weights.given(self.dtype).items()}
        room = self.room(weights)
        found = {name: self.empty(*shape) for name, shape in self.shapes.items()}
        self.call("operators", {**given, **room, **found})
        if self.meets_arrival:
            entry = {"theta": self.bound["theta_entry"], "operators": found["operator_entry"]}
            self.call("entry_operators", {**given, **room, **entry})
            found["operator_entry"] = found["operator_entry"][0]
        return self.holding(found | {name: given[name] for name in AS_THEY_ARE if name in given})

    def empty_gradient(self, blocks: int = 1) -> Arrays:
        """Zero gradients of the stage operators, one a block."""
        return {f"bar_{name}": self.zeros(blocks, *a.shape) for name, a in self.operators.items()}

    def total(self, partial: Any) -> Any:
        """Σ over the blocks, in order."""
        shape = partial.shape[1:]
        size = int(np.prod(shape))
        result = self.empty(*shape)
        self.common("sum_blocks", size, partial.reshape(partial.shape[0], size), result.reshape(size))
        return result

    def pull_back(self, gradient: Arrays, weights: Weights) -> Weights:
        """Gradients of the coefficients from those of the operators (11), which may be on the device."""
        bars = {name: to_device(a, self.dtype) for name, a in gradient.items()}
        given = weights.arrays
        found = {name: self.zeros(*a.shape) for name, a in given.items() if name not in AS_THEY_ARE}
        room = self.room(weights)
        self.call("operators_adjoint", {**bars, **room})
        self._collect("theta", room["mixed"], found["w"])
        self._collect("vartheta", room["mixed_bias"], found["beta"])
        if "v" in found:
            self._collect("vartheta", room["mixed_local"], found["v"])
        if "bar_operator_entry" in bars:
            entry = bars["bar_operator_entry"]
            room = self.room(weights, 1)
            self.call("entry_operators_adjoint", {"bar_operators": entry.reshape(1, *entry.shape), **room})
            self._collect("theta_entry", room["mixed"], found["w"])
        found |= {name: bars[f"bar_{name}"] for name in AS_THEY_ARE if name in given}
        return Weights(**{name: to_host(a) for name, a in found.items()})

    def _collect(self, rows: str, mixed: Any, bar: Any) -> None:
        size = bar.size // bar.shape[0]
        flat = (a.reshape(a.shape[0], size) for a in (mixed, bar))
        self.common("depth_adjoint", size, self.bound[rows], *flat)

    def _memory(self, kind: str, grid: int) -> tuple[dict[str, Any], int]:
        """The working memory of a forward or adjoint kernel: shared if that is enough, else a workspace."""
        c, n = self.channels, self.sizes
        stages = self.bound["combine"].shape[1] - 1
        text = load_module(module(self.tables.module))
        count = getattr(text, f"{self.name(kind)}_rows_{self.tables.suffix}")
        sizes = {axis: c * n[axis] for axis in ("state", "node", "weight_in")} | {"stages": stages}
        sizes |= {"wide": self.parts * c * n["node"], "weight_out": self.parts * c * n["weight_out"]}
        sizes |= {f"rows_{name}": rows for name, rows in self.between.items()}
        sizes |= {"krylov": self.bound["krylov"]} if self.implicit else {}
        rows = count(**{name: sizes[name] for name in arguments(count)})
        size = rows * self.launch.tile
        shared = size * self.dtype.itemsize <= self.launch.shared
        given = {"workspace": self.empty(grid, 1 if shared else size), "tile": self.launch.tile}
        return given, size * self.dtype.itemsize if shared else 0

    def forward(self, h: Any, keep: bool, room: Arrays | None = None) -> tuple[Any, dict[str, Any]]:
        """The state at the slab's end, (state · channels, records), and what the adjoint will read.

        room: the device's memory has a pool of its own.
        """
        arrived = to_device(h, self.dtype)
        records = arrived.shape[1]
        out = self.empty(self.channels * self.sizes["state"], records)
        if not self.tables.entry:
            out.copy_to_device(arrived)
        per_step = self.bound["combine"].shape[1] - 1 if self.implicit else 1
        kept = self._kept(self.stages if keep else per_step, records)
        unsolved = self.zeros(records) if self.implicit else None
        memory, shared = self._memory("forward", self.launch.grid(records))
        given = {**self.operators, **kept, **memory, "h": out, "h_entry": arrived, "keep": keep, "unsolved": unsolved}
        self.call("forward", given, self.launch.grid(records), shared)
        if self.implicit:
            check_stages(to_host(unsolved))
        return out, kept | {"h_entry": arrived}

    def _kept(self, slots: int, records: int) -> Arrays:
        return {name: self.empty(slots, rows, records) for name, rows in self.kept_rows.items()}

    def adjoint(self, bar: Any, kept: Mapping[str, Any], gradient: Arrays, room: Arrays | None = None) -> Any:
        """dL/d(state at the slab's start); adds to the operators' gradients of the blocks."""
        records = bar.shape[1]
        bar_entry = self.zeros(*kept["h_entry"].shape) if self.tables.entry else None
        memory, shared = self._memory("adjoint", self.launch.grid(records))
        given = {**self.operators, **kept, **gradient, **memory, "bar": bar, "bar_entry": bar_entry}
        self.call("adjoint", given, self.launch.grid(records), shared)
        return bar_entry if self.tables.entry else bar


class CudaBound(Bound):
    """A representation's tables on the GPU, uploaded once and shared by all steps and calls of a run.

    Raises RepresentationError, saying what is missing, where no GPU can be used.
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
        spec = representation.spec
        zero = {"zero": np.zeros(1)}
        slabs = [
            CudaSlab.of(s, spec.channels, self.dtype, plan or s.plan, cuda_kernels, spec.pre_activations).bind(zero)
            for s in representation.slabs
        ]
        largest = max(math.prod(slab.shapes["operators"]) for slab in slabs)
        self.launch = replace(self.launch, blocks=max(1, min(self.launch.blocks, PARTIALS // largest)))
        self.slabs = [replace(slab, launch=self.launch) for slab in slabs]
        self.loss_constants = self.converted(exact_numbers(representation.loss_constants, self.dtype))

    def keeping(self, memory: str) -> Self:
        """Gradients keep every stage here. Raises TrainingError where anything else is asked for."""
        if memory != "stored":
            raise TrainingError(
                f"memory {memory!r} on a GPU", "stored", "kernels there keep every stage of a batch",
                "use the device cpu, or take fewer records a batch",
            )  # fmt: skip
        return self

    def converted(self, table: np.ndarray) -> Any:
        """A table on the device."""
        return to_device(table, self.dtype)

    def common(self, name: str) -> Callable[..., Any]:
        """A kernel that no slab has for itself, as ``start`` launches it."""
        return compiled(module(self.representation.module), name)  # type: ignore[no-any-return]

    def start(self, name: str, size: int, *given: Any, tiles: bool = False) -> None:
        """Launch a kernel that no slab has for itself, over ``size`` elements or the tiles of as many records."""
        start(self.common(name), self.launch, size, *given, tiles=tiles)

    def form(self, weights: Sequence[Weights]) -> CudaSolver:
        """The network with these weights, its stage operators formed; with adaptive steps, once these are known."""
        return CudaSolver(self, weights, self._formed(weights))


class CudaSolver(Solver):
    """The network of a step on the GPU; records and results are host arrays, as they are for the CPU."""

    bound: CudaBound
    slabs: Sequence[CudaSlab]

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
        solver = self.settled(states)
        parts = [to_host(solver._final(states[:, part])) for part in self._launches(states.shape[1])]
        return np.concatenate(parts, axis=1)

    def path(self, states: np.ndarray) -> list[list[np.ndarray]]:
        """Slab by slab, the state after 0, 1, 2 … steps; the first one of a slab is the state as it arrives."""
        return [[to_host(h) for h in slab] for slab in super().path(states)]

    def _at_hand(self, gradient: Sequence[Arrays]) -> list[Arrays]:
        return [{name: to_host(a) for name, a in own.items()} for own in gradient]

    def _beside(self, parts: Sequence[Any]) -> np.ndarray:
        return np.concatenate([to_host(part) for part in parts], axis=1)

    def _summed(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray,
        of_states: bool = True, rows: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[Arrays], tuple[np.ndarray, np.ndarray], list[Any]]:  # fmt: skip
        """Losses, and the sums of gradients: those of operators, and dL/dstates by launches, on the device."""
        last, records = self.slabs[-1], states.shape[1]
        blocks = self.bound.launch.grid(min(records, self.bound.launch.records))
        readout = to_device(operator, self.dtype), to_device(constant, self.dtype)
        partial = [slab.empty_gradient(blocks) for slab in self.slabs]
        bars = tuple(last.zeros(blocks, *a.shape) for a in readout)
        cuts = self._launches(records)
        done = (self._tile(states[:, cut], targets[:, cut], readout, partial, bars) for cut in cuts)
        parts = [(value, bar if of_states else None) for value, bar in done]
        gradient = [{name: slab.total(a) for name, a in own.items()} for slab, own in zip(self.slabs, partial)]
        bar_operator, bar_constant = (to_host(last.total(bar)) for bar in bars)
        losses = np.concatenate([to_host(value) for value, _ in parts])
        return losses, gradient, (bar_operator, bar_constant), [bar for _, bar in parts if bar is not None]

    def _tile(
        self, states: np.ndarray, targets: np.ndarray, readout: Any, gradient: list[Arrays], bars: Any,
        rooms: Sequence[Arrays] = (),
    ) -> tuple[Any, Any]:
        last, bound = self.slabs[-1], self.bound
        x = to_device(states, self.dtype)
        h, kept = self._lifted(x), []
        for slab in self.slabs:
            h, k = slab.forward(h, keep=True)
            kept.append(k)
        records, (operator, constant) = h.shape[1], readout
        features, values = self._features(h)
        z = last.empty(len(constant), records)
        bound.start("readout", records, features, operator, constant, z, tiles=True)
        value, source = self._loss(z, targets)
        bar = last.empty(*features.shape)
        given: tuple[Any, ...] = (source, features, operator, bound.zero, bar, *bars, bound.launch.tile)
        bound.start("readout_adjoint", records, *given, tiles=True)
        if values is not None:
            bar_y = last.empty(*h.shape)
            self._beside_adjoint(bar, values, bar_y)
            bar = bar_y
        for slab, k, g in zip(reversed(self.slabs), reversed(kept), reversed(gradient)):
            bar = slab.adjoint(bar, k, g)
        lift = self.slabs[0].operators.get("lift")
        if lift is not None:
            bar_x = last.empty(*x.shape)
            given = (bar, x, lift, bound.zero, bar_x, gradient[0]["bar_lift"], bound.launch.tile)
            bound.start("lift_adjoint", records, *given, tiles=True)
            bar = bar_x
        return value, bar

    def _lifted(self, states: Any) -> Any:
        x, lift = to_device(states, self.dtype), self.slabs[0].operators.get("lift")
        if lift is None:
            return x
        h = self.slabs[0].empty(len(x) // lift.shape[1] * lift.shape[0], x.shape[1])
        self.bound.start("lift", x.shape[1], x, lift, self.bound.zero, h, tiles=True)
        return h

    def _features(self, y: Any) -> tuple[Any, Any]:
        beside, last, records = self.bound.beside, self.slabs[-1], y.shape[1]
        if beside is None:
            return y, None
        values = last.empty(last.channels * len(beside.tables[0]), records)
        features = last.empty(len(y) + last.channels * beside.count, records)
        self.bound.start(beside.name, records, y, *beside.tables, beside.constants, values, features, tiles=True)
        return features, values

    def _beside_adjoint(self, bar: Any, values: Any, bar_y: Any) -> None:
        beside = self.bound.beside
        assert beside is not None
        given = bar, *beside.tables, beside.adjoint_constants, values, bar_y
        self.bound.start(f"{beside.name}_adjoint", bar.shape[1], *given, tiles=True)

    def features(self, states: np.ndarray) -> np.ndarray:
        """What the readout takes, (rows of y and beside it, records) in float64, for states (entry rows, records)."""
        return to_host(self._features(to_device(self.final(states), self.dtype))[0]).astype(np.float64)

    def outputs(self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray) -> np.ndarray:
        """Readout values (outputs, records)."""
        return operator @ self.features(states) + constant[:, None]  # type: ignore[no-any-return]

    def tangent(self, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        """Raises TrainingError: tangents are printed for the CPU alone."""
        raise TrainingError(
            "derivatives of outputs on a GPU", "the device cpu", "kernels there have gradients alone",
            'take model.replace(device="cpu"), or an optimiser that needs gradients',
        )  # fmt: skip

    def _loss(self, z: Any, targets: np.ndarray) -> tuple[Any, Any]:
        value, source = self.slabs[-1].empty(z.shape[1]), self.slabs[-1].empty(*z.shape)
        wanted = to_device(targets, self.dtype)
        if self.linear:  # nobody asks for this loss itself
            return self.slabs[-1].zeros(z.shape[1]), wanted
        self.bound.start("loss", z.shape[1], z, wanted, self.bound.loss_constants, value, source)
        return value, source

    def differentiated(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of every record (N,), and its derivatives by the outputs (outputs, N)."""
        value, source = self._loss(to_device(outputs, self.dtype), targets)
        return to_host(value), to_host(source)
