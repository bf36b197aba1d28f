"""A slab's tables bound to the kernels that read them: converted, and on a GPU uploaded, once for all steps of a run.

What is bound is a value: other tables make another one, and no call changes what another call, in another thread for
one, reads. Kernels name their arguments; a table is handed over by its name, so no kernel's argument list is repeated
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from numerics.kernels import compile, steps
from numerics.kernels.steps import Method, Steps
from numerics.representation.folders import load_module
from numerics.representation.tables import SlabTables

Arrays = dict[str, np.ndarray]
Finder = Callable[[SlabTables, str], Callable[..., Any]]  # a name such as "formed_forward" → the function to call

# Rows of what a forward kernel keeps; everything not named here lives at the nodes.
KEPT_ROWS = {"H": "state", "G": "weight_in", "T": "weight_out"}
WIDE = "TUSY"  # those with all pre-activations of every channel
MADE_OF = {"G": "C", "U": "Phi", "Z": "X", "M": "A"}  # operands, and the tables that make them


def converted(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """A table as kernels take it, in their precision; whole numbers stay what they are."""
    return np.ascontiguousarray(array, dtype if array.dtype.kind == "f" else array.dtype)


def exact_numbers(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The constants of a kernel in its precision: 0, 1 and what else its formulas hold."""
    # one of them may be the smallest normal number, which is float64's in the table: every precision has its own
    own = np.where(values == np.finfo(np.float64).tiny, np.finfo(dtype).tiny, values)
    return converted(own, dtype)


def compiled_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The compiled kernel of a slab."""
    return compile.compiled(tables.module, f"{name}_{tables.suffix}")


def plain_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The same text as plain Python: any dtype, small sizes."""
    return getattr(load_module(tables.module), f"{name}_{tables.suffix}")  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel with its constants; arguments: their names, in order."""

    function: Any
    arguments: tuple[str, ...]
    constants: Any


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a kernel's arguments."""
    code = getattr(function, "py_func", function).__code__
    return code.co_varnames[: code.co_argcount]


@dataclass(frozen=True, eq=False)
class BoundSlab:
    """A slab's kernels with its tables bound.

    parts: pre-activations a channel. bound: the kernels' arguments by name, in their precision. kernels: those that a
    plan has, by what they do: "operators", "forward", "adjoint" … kept_rows: of each array that the forward kernel
    keeps for the adjoint and the tangent.
    """

    wanted: ClassVar[tuple[str, ...]] = ("operators", "operators_adjoint", "forward", "adjoint")
    tables: SlabTables
    channels: int
    dtype: np.dtype[Any]
    plan: str
    parts: int
    bound: Mapping[str, Any]
    kernels: Mapping[str, Kernel]
    kept_rows: Mapping[str, int]

    @classmethod
    def of(
        cls, tables: SlabTables, channels: int, dtype: np.dtype[Any], plan: str, find: Finder, parts: int, **more: Any
    ) -> Self:
        """A slab with its own tables bound."""
        slab = cls(tables, channels, dtype, plan, parts, {"channels": channels}, {}, {}, **more)
        slab = slab.bind({name: a for name, a in tables.tables.items() if "/" not in name})
        if slab.implicit:
            stages = slab.bound["combine"].shape[1] - 1
            slab = slab.bind(newton_arguments(dtype, stages * channels * slab.sizes["state"]))
        wanted = (*cls.wanted, *(("entry_operators", "entry_operators_adjoint") if slab.meets_arrival else ()))
        slab = replace(slab, kernels={what: slab._kernel(find, what) for what in wanted})
        return replace(slab, kept_rows=slab._rows_of_kept())

    def _kernel(self, find: Finder, what: str) -> Kernel:
        function = find(self.tables, self.name(what))
        constants = self.tables.tables[f"constants/{self.name(what)}"]
        return Kernel(function, arguments(function), exact_numbers(constants, self.dtype))

    def name(self, what: str) -> str:
        """What a kernel is called in the generated modules, without the slab's suffix."""
        return f"{self.plan}_{what}"

    def bind(self, given: Mapping[str, Any]) -> Self:
        """The slab with these tables or numbers in place of its own."""
        if "operator_index" in given:
            first = given["operator_index"][0, 0]
            given = {**given, "theta_entry": given["theta"][first : first + 1]}
        return replace(self, bound={**self.bound, **self._converted(given)})

    def _converted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as the kernels take them."""
        return {name: converted(a, self.dtype) if isinstance(a, np.ndarray) else a for name, a in given.items()}

    @cached_property
    def implicit(self) -> bool:
        """Whether stages have to be solved for."""
        return "groups" in self.tables.tables

    @property
    def meets_arrival(self) -> bool:
        """Whether the first stage takes the state as it arrives, in another basis, with operators of its own."""
        return "C_entry" in self.tables.tables and self.plan == "formed"

    @property
    def sizes(self) -> dict[str, int]:
        """How many functions states and weights have, and how many nodes there are."""
        return self.tables.sizes

    @property
    def between(self) -> dict[str, int]:
        """The rows of what lies between two factors of a table: G_1 and G_2 on the way to G, and so on."""
        found = {}
        for made, table in MADE_OF.items():
            shapes = [factor.shape for factor in self.tables.factors(table)]
            wide = self.parts if made == "U" else 1
            for k in range(1, len(shapes)):
                sizes = [rows if axis < k else columns for axis, (rows, columns) in enumerate(shapes)]
                found[f"{made}_{k}"] = math.prod(sizes) * wide * self.channels
        return found

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the stage operators and biases; the first axis is the row of θ or ϑ."""
        c, n, wide = self.channels, self.sizes, self.parts * self.channels
        stages, bias_stages = len(self.bound["theta"]), len(self.bound["vartheta"])
        rows = (n["node"], n["state"]) if self.plan == "formed" else (n["weight_out"], n["weight_in"])
        found: dict[str, tuple[int, ...]] = {
            "operators": (stages, wide * rows[0], c * rows[1]), "biases": (bias_stages, wide * n["node"])
        }  # fmt: skip
        for name, table, count in (("operators", "w_blocks", stages), ("local_operators", "V_blocks", bias_stages)):
            blocks = self.tables.tables.get(table)
            if blocks is not None:
                ends = blocks[:, 4] + (blocks[:, 1] - blocks[:, 0]) * (blocks[:, 3] - blocks[:, 2])
                found[name] = (count, int(ends.max()) * wide * c)
        if self.meets_arrival:
            found["operator_entry"] = (1, wide * n["node"], c * n["entry"])
        return found

    @cached_property
    def stages(self) -> int:
        """Of all steps."""
        count, rows, _ = self.bound["combine"].shape
        return int(count * (rows - 1))

    def _rows_of_kept(self) -> dict[str, int]:
        """What is kept are the forward kernel's arguments after ``keep``."""
        names = self.kernels["forward"].arguments
        return {
            name: (self.parts if name in WIDE else 1) * self.channels * self.sizes[KEPT_ROWS.get(name, "node")]
            for name in names[names.index("keep") + 1 :]
            if name != "unsolved"
        }

    def kept_bytes(self, records: int) -> int:
        """What the forward kernel keeps of so many records for the adjoint."""
        return self._kept_a_record * records

    @cached_property
    def _kept_a_record(self) -> int:
        return self.stages * sum(self.kept_rows.values()) * self.dtype.itemsize

    def unshared(self) -> Self:
        """The slab with a row of θ and one of ϑ for every stage."""
        rows = {}
        for values, index in (("theta", "operator_index"), ("vartheta", "bias_index")):
            where = self.bound[index]
            rows[values] = self.bound[values][where.ravel()]
            rows[index] = np.arange(where.size).reshape(where.shape)
        return self.bind(rows)

    def on_steps(self, method: Method, taken: Steps) -> Self:
        """The slab that takes these steps by a method."""
        depth = self.tables.basis("weight_depth"), self.tables.basis("bias_depth")
        return self.bind(steps.tables(method, *depth, taken))

    def combining(self, combine: Any) -> Self:
        """The slab whose steps combine its stages in other ways, or that takes fewer; its operators stay."""
        return replace(self, bound={**self.bound, **self._converted({"combine": combine})})


def newton_arguments(dtype: np.dtype[Any], unknowns: int) -> dict[str, Any]:
    """What an implicit kernel is told about accuracy and effort; see ``derive.emit.newton``."""
    precision = float(np.finfo(dtype).eps)
    return {
        "limits": np.array([8 * precision, 1e-3, precision**0.5, 2 * precision], dtype),
        "iterations": 50,
        "cycles": 20,
        "krylov": min(40, unknowns),
    }
