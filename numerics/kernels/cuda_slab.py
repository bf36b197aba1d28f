"""A slab on a GPU: its tables, operators and kept states live there, and so does everything between two kernels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from numerics.kernels.bound import Arrays, BoundSlab, Kernel, arguments, exact_numbers
from numerics.kernels.device_tables import alike, columns
from numerics.kernels.launch import (
    Arena,
    Launch,
    compiled,
    copied,
    cut,
    layout,
    module,
    start,
    start_blocks,
    to_device,
    to_host,
    together,
)
from numerics.kernels.operators import AS_THEY_ARE, Slab, Weights, check_stages
from numerics.representation.folders import load_module


@dataclass(frozen=True, eq=False)
class CudaSlab(Slab):
    """A slab with its tables, operators and kept states on the device.

    arena: where memory comes from, None for memory that is nobody else's.
    """

    wanted: ClassVar[tuple[str, ...]] = BoundSlab.wanted
    launch: Launch = field(default_factory=Launch)
    arena: Arena | None = None

    def _kernel(self, find: Any, what: str) -> Kernel:
        text = load_module(module(self.tables.module))
        names = arguments(getattr(text, f"{self.name(what)}_{self.tables.suffix}"))
        constants = exact_numbers(self.tables.tables[f"constants/{self.name(what)}"], self.dtype)
        return Kernel(find(self.tables, self.name(what)), names, to_device(constants, self.dtype))

    def _converted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        banded = [name.removesuffix("_runs") for name in given if name.endswith("_runs")]
        beside = {f"{of}_columns": columns(given[f"{of}_runs"], given[of].shape[1]) for of in banded}
        beside |= {f"{n.removesuffix('_blocks')}_alike": alike(a) for n, a in given.items() if n.endswith("_blocks")}
        arrays = {name: a for name, a in {**given, **beside}.items() if isinstance(a, np.ndarray)}
        return {**given, **{name: to_device(a, self.dtype) for name, a in arrays.items()}}

    def inside(self, arena: Arena) -> Self:
        """The slab with memory from there."""
        made = copy.copy(self)
        vars(made)["arena"] = arena
        return made

    def empty(self, *shape: int) -> Any:
        """Room on the device."""
        return (self.arena or Arena(self.dtype)).empty(*shape)

    def zeros(self, *shape: int) -> Any:
        """Zeros on the device."""
        array = self.empty(*shape)
        self.clear(array.reshape(array.size))
        return array

    def clear(self, array: Any) -> None:
        """Zeros in place of an array's (n,) numbers."""
        self.common("clear", array.size, array, self.bound["zero"])

    def common(self, name: str, size: int, *given: Any) -> None:
        """Launch a kernel that every module holds over ``size`` elements."""
        start(compiled(module(self.tables.module), name, self.launch.line), self.launch, size, *given)

    def call(self, what: str, given: Mapping[str, Any], launch: Launch | None = None, grid: int = 0) -> None:
        """Launch a kernel: its arguments by name, first from ``given``, then from the tables.

        grid: how many blocks, where none are given as many as there are stages.
        """
        kernel, launch = self.kernels[what], launch or self.launch
        values: dict[str, Any] = {**self.bound, "constants": kernel.constants, **given}
        wanted = (values[argument] for argument in kernel.arguments)
        start_blocks(kernel.function(launch.threads), launch, grid or len(self.bound["theta"]), *wanted)

    # --- operators of a step

    def reading(self, weights: Weights) -> Self:
        """The slab with what kernels read of these coefficients without a change, and no operators."""
        given = {name: a for name, a in weights.arrays.items() if name in AS_THEY_ARE}
        return self.holding(together(given, self.dtype, self.empty))

    def form(self, weights: Weights) -> Self:
        """The slab with the stage operators and biases of these coefficients, by one copy to the device at most."""
        given = together(weights.arrays, self.dtype, self.empty)
        room = self._room("operators", weights, len(self.bound["theta"]))
        found = cut(self.empty(layout(shapes := {**self.shapes, **room})[1]), shapes)
        self.call("operators", {**given, **found})
        if self.meets_arrival:
            found |= self._cut_room("entry_operators", weights)
            entry = {"theta": self.bound["theta_entry"], "operators": found["operator_entry"]}
            self.call("entry_operators", {**given, **found, **entry})
            found["operator_entry"] = found["operator_entry"][0]
        operators = {name: found[name] for name in self.shapes}
        return self.holding(operators | {name: given[name] for name in AS_THEY_ARE if name in given})

    @property
    def operator_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of what ``form`` makes, without the axis of one stage that an entry's operator is formed with."""
        return {name: shape[1:] if name == "operator_entry" else shape for name, shape in self.shapes.items()}

    def room_of(self, what: str, weights: Weights) -> int:
        """Numbers of the working memory that kernels of operators take: "operators", or "operators_adjoint"."""
        entry = self._room(f"entry_{what}", weights, 1) if self.meets_arrival else {}
        return sum(layout(shapes)[1] for shapes in (self._room(what, weights, len(self.bound["theta"])), entry))

    def _room(self, what: str, weights: Weights, stages: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the working memory that a kernel of operators takes; stages: rows of θ."""
        bias_stages = len(self.bound["vartheta"])
        shapes = {"mixed": (stages, *weights.w.shape[1:]), "mixed_bias": (bias_stages, weights.beta.shape[1])}
        shapes["left"] = (stages, self.parts * self.channels * self.sizes["node"], weights.w.shape[2])
        if "w_waves" in self.bound:
            shapes["turned"] = (stages, self.bound["w_waves"].shape[0], weights.w.shape[2])
        if weights.v is not None:
            shapes["mixed_local"] = (bias_stages, *weights.v.shape[1:])
        wanted = self.kernels[what].arguments
        return {name: tuple(shape) for name, shape in shapes.items() if name in wanted}

    def _cut_room(self, what: str, weights: Weights) -> dict[str, Any]:
        stages = 1 if what.startswith("entry") else len(self.bound["theta"])
        shapes = self._room(what, weights, stages)
        return cut(self.empty(layout(shapes)[1]), shapes)

    def pull(self, bars: Mapping[str, Any], weights: Weights, found: Mapping[str, Any]) -> None:
        """Add the gradients of w, β and v to ``found``, all on the device."""
        room = self._cut_room("operators_adjoint", weights)
        self.call("operators_adjoint", {**bars, **room})
        self._collect("theta", room["mixed"], found["w"])
        self._collect("vartheta", room["mixed_bias"], found["beta"])
        if "v" in found:
            self._collect("vartheta", room["mixed_local"], found["v"])
        if "bar_operator_entry" in bars:
            entry = bars["bar_operator_entry"]
            room = self._cut_room("entry_operators_adjoint", weights)
            self.call("entry_operators_adjoint", {"bar_operators": entry.reshape(1, *entry.shape), **room})
            self._collect("theta_entry", room["mixed"], found["w"])

    def _collect(self, rows: str, mixed: Any, bar: Any) -> None:
        size = bar.size // bar.shape[0]
        flat = (a.reshape(a.shape[0], size) for a in (mixed, bar))
        self.common("depth_adjoint", size, self.bound[rows], *flat)

    # --- records

    def workspace(self, kind: str, launch: Launch) -> int:
        """Numbers of the working memory that a block of a forward or adjoint kernel takes."""
        c, n = self.channels, self.sizes
        stages = self.bound["combine"].shape[1] - 1
        text = load_module(module(self.tables.module))
        count = getattr(text, f"{self.name(kind)}_rows_{self.tables.suffix}")
        sizes = {axis: c * n[axis] for axis in ("state", "node", "weight_in")} | {"stages": stages}
        sizes |= {"wide": self.parts * c * n["node"], "weight_out": self.parts * c * n["weight_out"]}
        sizes |= {f"rows_{name}": rows for name, rows in self.between.items()}
        sizes |= {"krylov": self.bound["krylov"]} if self.implicit else {}
        rows = count(**{name: sizes[name] for name in arguments(count)})
        return int(rows * launch.tile)

    def kept_bytes(self, records: int) -> int:
        """What is kept of so many records for the adjoint; with checkpoints also where the steps' runs end anew."""
        ends = len(self._parts) * self.channels * self.sizes["state"] if self.checkpoints else 0
        return super().kept_bytes(records) + ends * records * self.dtype.itemsize

    def _forward(self, h: Any, keep: bool, room: Arrays) -> tuple[Any, dict[str, Any]]:
        arrived = to_device(h, self.dtype)
        records = arrived.shape[1]
        out = self.empty(self.channels * self.sizes["state"], records)
        if not self.tables.entry:
            copied(arrived, out)
        per_step = self.bound["combine"].shape[1] - 1 if self.implicit else 1
        kept = self._kept_in(room, self.stages if keep else per_step, records)
        unsolved = self.zeros(records) if self.implicit else None
        launch = self.launch.shaped(records)
        grid = launch.grid(records)
        given = {**self.operators, **kept, "h": out, "h_entry": arrived, "keep": keep, "unsolved": unsolved}
        given["workspace"] = self._held(room, "workspace", grid, self.workspace("forward", launch))
        self.call("forward", given, launch, grid)
        if self.implicit:
            check_stages(to_host(unsolved))
        return out, kept | {"h_entry": arrived}

    def _adjoint(self, bar: Any, kept: Mapping[str, Any], gradient: Arrays, room: Arrays) -> Any:
        """By as many blocks as have gradients of their own in ``gradient``."""
        bar_entry = self.zeros(*kept["h_entry"].shape) if self.tables.entry else None
        launch, grid = self.launch.shaped(bar.shape[1]), len(gradient["bar_biases"])
        given = {**self.operators, **kept, **gradient, "bar": bar, "bar_entry": bar_entry}
        given["workspace"] = self._held(room, "workspace", grid, self.workspace("adjoint", launch))
        self.call("adjoint", given, launch, grid)
        return bar_entry if self.tables.entry else bar
