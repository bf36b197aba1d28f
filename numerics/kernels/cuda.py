"""Runs the CUDA kernels of a representation: the solver's interface, with everything between two calls on the device.

Records go through in launches of a fixed size, tiles of a launch to a fixed number of blocks, and the blocks' sums are
added in order: results do not depend on the device.

What the tests cover needs no GPU: Numba's simulator, and PTX for sm_80 and sm_90. On a device these kernels have
neither been run nor timed yet.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from derive.errors import RepresentationError
from numerics.kernels.solver import AS_THEY_ARE, Arrays, Slab, Solver, Weights, arguments, check_stages
from numerics.representation.folders import load_module
from numerics.representation.tables import Representation, SlabTables

PARTIALS = 2**26  # numbers that the blocks' gradients of one slab's operators may take together


@dataclass(frozen=True)
class Launch:
    """How records are cut: per launch, per tile, and the threads (records, rows) of a block; at most ``blocks`` blocks.

    shared: bytes of shared memory a block may take; every device grants 48 KiB without being asked.
    """

    records: int = 8192
    tile: int = 32
    threads: tuple[int, int] = (32, 8)
    blocks: int = 128
    shared: int = 48 * 1024

    def grid(self, records: int) -> int:
        return max(1, min(self.blocks, -(-records // self.tile)))


def missing() -> tuple[str, str] | None:
    """What keeps kernels from running on a GPU here, and what to do about it; None when nothing does."""
    from numba import config

    if not config.ENABLE_CUDASIM and importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed", 'pip install "neural-continua[cuda]"'
    from numba import cuda

    if cuda.is_available():
        return None
    error = cuda.cuda_error()
    if error is not None:
        said = " ".join(str(error).split())
        return f"no working NVIDIA driver: {said}", "install the driver, or use --device cpu"
    return "the driver finds no GPU", "run on a machine with an NVIDIA GPU, or use --device cpu"


def require() -> None:
    """Raise RepresentationError, naming what is missing, where kernels cannot run on a GPU."""
    lack = missing()
    if lack is not None:
        raise RepresentationError("--device cuda", "a machine with numba-cuda, a driver and an NVIDIA GPU", *lack)


@cache
def compiled(path: Path, name: str) -> Any:
    """The kernel ``name`` of the cuda.py at ``path``, compiled on first launch for each set of types."""
    from numba import cuda

    return cuda.jit(getattr(load_module(path), name))


def module(path: Path) -> Path:
    """The cuda.py beside a cpu.py."""
    return path.with_name("cuda.py")


def start(path: Path, name: str, launch: Launch, size: int, *given: Any, tiles: bool = False) -> None:
    """Launch a kernel over ``size`` elements, or over the tiles of as many records."""
    threads = launch.threads[0] * launch.threads[1]
    if tiles:
        compiled(path, name)[launch.grid(size), launch.threads](*given)
    else:
        compiled(path, name)[min(1024, -(-size // threads)), threads](*given)


def cuda_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The kernel of a slab."""
    return compiled(module(tables.module), f"{name}_{tables.suffix}")  # type: ignore[no-any-return]


def to_device(array: np.ndarray, dtype: Any) -> Any:
    """A device array of a host array (or that device array itself); whole numbers stay what they are."""
    from numba import cuda

    if not isinstance(array, np.ndarray):
        return array
    return cuda.to_device(np.ascontiguousarray(array, dtype=dtype if array.dtype.kind == "f" else array.dtype))


def to_host(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.copy_to_host()


def columns(runs: np.ndarray, count: int) -> np.ndarray:
    """(count, 2): first and one past the last row whose run meets each column of a banded table."""
    reach = np.zeros((count, 2), dtype=np.int64)
    for b in range(count):
        (meets,) = np.nonzero((runs[:, 0] <= b) & (b < runs[:, 1]))
        if len(meets):
            reach[b] = meets[0], meets[-1] + 1
    return reach


@dataclass(frozen=True, eq=False)
class CudaSlab(Slab):
    """A slab with its tables, operators and kept states on the device."""

    launch: Launch = field(default_factory=Launch)

    def _converted(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        banded = [name.removesuffix("_runs") for name in arguments if name.endswith("_runs")]
        reach = {f"{of}_columns": columns(arguments[f"{of}_runs"], arguments[of].shape[1]) for of in banded}
        return {name: to_device(a, self.dtype) for name, a in {**arguments, **reach}.items()}

    def empty(self, *shape: int) -> Any:
        """Room on the device."""
        from numba import cuda

        return cuda.device_array(shape, self.dtype)

    def zeros(self, *shape: int) -> Any:
        """Zeros on the device."""
        array = self.empty(*shape)
        self.common("clear", array.size, array.reshape(array.size), to_device(np.zeros(1), self.dtype))
        return array

    def common(self, name: str, size: int, *given: Any) -> None:
        """Launch a kernel that every module holds over ``size`` elements."""
        start(module(self.tables.module), name, self.launch, size, *given)

    def call(self, what: str, given: Mapping[str, Any], grid: int = 0, shared: int = 0) -> None:
        """Launch a kernel: its arguments by name, first from ``given``, then from the tables."""
        function: Any = self._kernel(what)
        constants = to_device(self.tables.tables[f"constants/{self._name(what)}"], self.dtype)
        values: dict[str, Any] = {**self.bound, "constants": constants, "channels": self.channels, **given}
        wanted = (values[argument] for argument in self._arguments(what))
        function[grid or len(self.bound["theta"]), self.launch.threads, 0, shared](*wanted)

    def _arguments(self, what: str) -> tuple[str, ...]:
        text = load_module(module(self.tables.module))
        return arguments(getattr(text, f"{self._name(what)}_{self.tables.suffix}"))

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
        return replace(self, operators=found | {name: given[name] for name in AS_THEY_ARE if name in given})

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
        """Gradients of the coefficients from those of the operators (11)."""
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
        return Weights(**{name: to_host(a).astype(np.float64) for name, a in found.items()})

    def _collect(self, rows: str, mixed: Any, bar: Any) -> None:
        size = bar.size // bar.shape[0]
        flat = (a.reshape(a.shape[0], size) for a in (mixed, bar))
        self.common("depth_adjoint", size, self.bound[rows], *flat)

    def _memory(self, kind: str, grid: int) -> tuple[dict[str, Any], int]:
        """The working memory of a forward or adjoint kernel: shared if that is enough, else a workspace."""
        c, n = self.channels, self.sizes
        stages = self.bound["combine"].shape[1] - 1
        count = getattr(load_module(module(self.tables.module)), f"{self._name(kind)}_rows_{self.tables.suffix}")
        sizes = {axis: c * n[axis] for axis in ("state", "node", "weight_in")} | {"stages": stages}
        sizes |= {"wide": self.parts * c * n["node"], "weight_out": self.parts * c * n["weight_out"]}
        sizes |= {f"rows_{name}": rows for name, rows in self.between.items()}
        sizes |= {"krylov": self.bound["krylov"]} if self.implicit else {}
        rows = count(**{name: sizes[name] for name in arguments(count)})
        size = rows * self.launch.tile
        shared = size * self.dtype.itemsize <= self.launch.shared
        given = {"workspace": self.empty(grid, 1 if shared else size), "tile": self.launch.tile}
        return given, size * self.dtype.itemsize if shared else 0

    def forward(self, h: Any, keep: bool) -> tuple[Any, Arrays]:
        """The state at the slab's end, (state · channels, records), and what the adjoint will read."""
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
        return {name: self.empty(slots, rows, records) for name, rows in self.kept_rows().items()}

    def adjoint(self, bar: Any, kept: Arrays, gradient: Arrays) -> Any:
        """dL/d(state at the slab's start); adds to the operators' gradients of the blocks."""
        records = bar.shape[1]
        bar_entry = self.zeros(*kept["h_entry"].shape) if self.tables.entry else None
        memory, shared = self._memory("adjoint", self.launch.grid(records))
        given = {**self.operators, **kept, **gradient, **memory, "bar": bar, "bar_entry": bar_entry}
        self.call("adjoint", given, self.launch.grid(records), shared)
        return bar_entry if self.tables.entry else bar


class CudaSolver(Solver):
    """The solver of a representation on the GPU; states and results are host arrays, as they are for the CPU.

    Raises RepresentationError, saying what is missing, where no GPU can be used.
    """

    slabs: Sequence[CudaSlab]
    compiles = False  # for the GPU, at the first launch

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
        self.launch = launch or Launch()
        spec = representation.spec
        slabs = [
            CudaSlab.of(s, spec.channels, self.dtype, plan or s.plan, cuda_kernels, spec.pre_activations)
            for s in representation.slabs
        ]
        largest = max(math.prod(slab.shapes["operators"]) for slab in slabs)
        self.launch = replace(self.launch, blocks=max(1, min(self.launch.blocks, PARTIALS // largest)))
        self.slabs = [replace(slab, launch=self.launch) for slab in slabs]
        self.zero = to_device(np.zeros(1), self.dtype)
        self.loss_constants = to_device(representation.loss_constants, self.dtype)

    def _advance(self, slab: Slab, h: np.ndarray) -> np.ndarray:
        launches = (np.ascontiguousarray(h[:, part]) for part in self._launches(h.shape[1]))
        return np.concatenate([to_host(slab.forward(part, keep=False)[0]) for part in launches], axis=1)

    def _first(self, states: np.ndarray) -> np.ndarray:
        return to_host(self._lifted(states))

    def _launches(self, records: int) -> list[slice]:
        return [slice(a, min(a + self.launch.records, records)) for a in range(0, records, self.launch.records)]

    def final(self, states: np.ndarray) -> np.ndarray:
        """y = h(·, 1) for states (entry rows, records)."""
        solver = self.settled(states)
        parts = [to_host(solver._final(states, part)) for part in self._launches(states.shape[1])]
        return np.concatenate(parts, axis=1)

    def path(self, states: np.ndarray) -> list[list[np.ndarray]]:
        """Slab by slab, the state after 0, 1, 2 … steps; the first one of a slab is the state as it arrives."""
        return [[to_host(h) for h in slab] for slab in super().path(states)]

    def gradient(
        self, states: np.ndarray, operator: np.ndarray, constant: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, list[Arrays], np.ndarray, np.ndarray, np.ndarray]:
        """Loss of every record and the summed gradients, by the discrete adjoint; as for the CPU."""
        last = self.slabs[-1]
        blocks = self.launch.grid(min(states.shape[1], self.launch.records))
        readout = to_device(operator, self.dtype), to_device(constant, self.dtype)
        gradient = [slab.empty_gradient(blocks) for slab in self.slabs]
        bars = tuple(last.zeros(blocks, *a.shape) for a in readout)
        parts = [
            self._tile(states[:, part], targets[:, part], readout, gradient, bars)
            for part in self._launches(states.shape[1])
        ]
        totals = [
            {name: to_host(slab.total(partial)) for name, partial in found.items()}
            for slab, found in zip(self.slabs, gradient)
        ]
        bar_operator, bar_constant = (to_host(last.total(bar)) for bar in bars)
        losses = np.concatenate([value for value, _ in parts])
        bar_states = np.concatenate([bar for _, bar in parts], axis=1)
        return losses, totals, bar_operator, bar_constant, bar_states

    def _tile(
        self, states: np.ndarray, targets: np.ndarray, readout: Any, gradient: list[Arrays], bars: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        last = self.slabs[-1]
        x = to_device(states, self.dtype)
        h = self._lifted(x)
        kept = []
        for slab in self.slabs:
            h, k = slab.forward(h, keep=True)
            kept.append(k)
        records, (operator, constant) = h.shape[1], readout
        features, values = self._features(h)
        z = last.empty(len(constant), records)
        self._start("readout", records, features, operator, constant, z, tiles=True)
        value, source = self._loss(z, targets)
        bar = last.empty(*features.shape)
        given: tuple[Any, ...] = (source, features, operator, self.zero, bar, *bars, self.launch.tile)
        self._start("readout_adjoint", records, *given, tiles=True)
        if values is not None:
            bar_y = last.empty(*h.shape)
            self._start("maximum_adjoint", records, bar, *self.rule, self.zero, values, bar_y, tiles=True)
            bar = bar_y
        for slab, k, g in zip(reversed(self.slabs), reversed(kept), reversed(gradient)):
            bar = slab.adjoint(bar, k, g)
        lift = self.slabs[0].operators.get("lift")
        if lift is not None:
            bar_x = last.empty(*x.shape)
            given = (bar, x, lift, self.zero, bar_x, gradient[0]["bar_lift"], self.launch.tile)
            self._start("lift_adjoint", records, *given, tiles=True)
            bar = bar_x
        return to_host(value), to_host(bar)

    def _lifted(self, states: Any) -> Any:
        x, lift = to_device(states, self.dtype), self.slabs[0].operators.get("lift")
        if lift is None:
            return x
        h = self.slabs[0].empty(len(x) // lift.shape[1] * lift.shape[0], x.shape[1])
        self._start("lift", x.shape[1], x, lift, self.zero, h, tiles=True)
        return h

    @cached_property
    def rule(self) -> tuple[Any, ...]:
        """What smooth maxima take, on the device."""
        return tuple(to_device(a, self.dtype) for a in super().rule)

    def _features(self, y: Any) -> tuple[Any, Any]:
        if not self.rule:
            return y, None
        last, records = self.slabs[-1], y.shape[1]
        values = last.empty(last.channels * len(self.rule[0]), records)
        features = last.empty(len(y) + last.channels, records)
        self._start("maximum", records, y, *self.rule, self.zero, values, features, tiles=True)
        return features, values

    def _seen(self, y: np.ndarray) -> np.ndarray:
        return to_host(self._features(to_device(y, self.dtype))[0])

    def _start(self, name: str, size: int, *given: Any, tiles: bool = False) -> None:
        start(module(self.representation.module), name, self.launch, size, *given, tiles=tiles)

    def _loss(self, z: Any, targets: np.ndarray) -> tuple[Any, Any]:
        last = self.slabs[-1]
        value, source = last.empty(z.shape[1]), last.empty(*z.shape)
        self._start("loss", z.shape[1], z, to_device(targets, self.dtype), self.loss_constants, value, source)
        return value, source

    def losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The loss of every record from readout values (outputs, records)."""
        value, _ = self._loss(to_device(outputs, self.dtype), targets)
        return to_host(value).astype(np.float64)
