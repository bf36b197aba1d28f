"""A slab's network in the words of any array library, from the same program that kernels are printed from.

What an experienced user would write: dense tables, one matrix product an operation, the library's own functions.
Arrays are (axis · channel, records), as kernels have them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np

from derive.program.build import Form
from derive.program.layout import ARRIVING
from derive.program.operations import Average, Contract, Pointwise, base, part
from derive.program.scalar import Node
from numerics.kernels.operators import Slab

Array = Any
Places = tuple[np.ndarray, np.ndarray, np.ndarray]  # of the numbers of blocks of one shape, their rows and columns


@dataclass(frozen=True)
class Library:
    """An array library. functions: those of rates and activations, by their heads; given: NumPy's array → its own.

    scatter: (rows, places, values) → zeros (rows, records) with the values added at the places. largest: over the first
    axis. joined: the rows of two arrays.
    """

    functions: Mapping[str, Callable[..., Array]]
    where: Callable[[Array, Array, Array], Array]
    given: Callable[[np.ndarray], Array]
    scatter: Callable[[int, np.ndarray, Array], Array]
    largest: Callable[[Array], Array]
    joined: Callable[[Array, Array], Array]


class NotComparable(Exception):
    """What a network has that is written here in no library's words."""


COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
STAGED = ("operators", "biases", "local_operators")  # what is learned with a row a stage


def scalar(node: Node, values: Mapping[str, Array], library: Library) -> Array:
    """The value of an expression."""
    if node.head == "symbol":
        return values[str(node.value)]
    if node.head == "constant":
        assert node.value is not None
        return float(node.value)
    if node.head == "where":
        relation, *sides = node.args
        left, right = (scalar(a, values, library) for a in relation.args)
        return library.where(COMPARED[relation.head](left, right), *(scalar(a, values, library) for a in sides))
    args = [scalar(a, values, library) for a in node.args]
    if node.head == "power":
        return args[0] ** int(args[1])
    folded = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b}
    return reduce(folded[node.head], args) if node.head in folded else library.functions[node.head](*args)


class Network:
    """One slab's steps. states (rows, records) → states; what is learned is given as a dictionary of arrays."""

    def __init__(self, slab: Slab, form: Form, library: Library) -> None:
        if slab.implicit:
            raise NotComparable("implicit steps")
        self.slab, self.stage, self.entry, self.library = slab, form.stage, form.entry, library
        chain = [(op, False) for op in form.stage] + [(op, True) for op in form.entry]
        names = {_table(op, arrives) for op, arrives in chain if isinstance(op, Contract) and not op.learned}
        names |= {"P_entry"} if slab.tables.entry else set()
        self.tables = {name: library.given(np.asarray(slab.bound[name])) for name in names}
        self.blocks = {
            op.table: _places(np.asarray(slab.bound[f"{op.table}_blocks"]), slab.parts * slab.channels, slab.channels)
            for op in form.stage if isinstance(op, Contract) and op.structure == "blocks"
        }  # fmt: skip
        self.combine = np.asarray(slab.bound["combine"])
        self.operator, self.bias = (np.asarray(slab.bound[name]) for name in ("operator_index", "bias_index"))

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of what ``run`` is given."""
        return tuple(n for n in (*STAGED, "parameters", "operator_entry") if n in self.slab.operators)

    def given(self) -> dict[str, Array]:
        """What is learned, as the slab has it."""
        return {name: self.library.given(np.asarray(self.slab.operators[name])) for name in self.learned}

    def run(self, h: Array, learned: Mapping[str, Array]) -> Array:
        """The state at the slab's end, step after step, from the state as it arrives."""
        arriving = h
        if self.slab.tables.entry:
            h = self.tables["P_entry"] @ h.reshape(self.tables["P_entry"].shape[1], -1)
            h = h.reshape(-1, arriving.shape[1])
        for n in range(len(self.combine)):
            rows = {"operators": self.operator[n], "biases": self.bias[n], "local_operators": self.bias[n]}
            own = {
                name: [a[int(k)] for k in rows[name]] if name in rows else a for name, a in learned.items()
            }  # fmt: skip
            h = self.step(h, own, self.combine[n], arriving if self.entry and n == 0 else None)
        return h

    def step(self, h: Array, own: Mapping[str, Any], combine: Array, arriving: Array = None) -> Array:
        """One step. own: what is learned, a row a stage; combine: its rows of the tableau.

        arriving: what the first stage takes, where that is the state as it arrives.
        """
        m: list[Array] = []
        for i in range(self.combine.shape[1] - 1):
            shared = {name: a[i] if name in STAGED else a for name, a in own.items()}
            if i == 0 and arriving is not None:
                m.append(self._stage(arriving, shared, arrives=True))
            else:
                m.append(self._stage(self._mixed(h, m, combine[i], self.combine[:, i]), shared))
        return self._mixed(h, m, combine[-1], self.combine[:, -1])

    def _mixed(self, h: Array, m: Sequence[Array], row: Array, all_rows: np.ndarray) -> Array:
        """α h + Σ γ_j m_j; numbers that are 0 or 1 in every step are written as such."""
        total = h if (all_rows[:, 0] == 1).all() else row[0] * h
        for j, one in enumerate(m):
            if (all_rows[:, j + 1] != 0).any():
                total = total + row[j + 1] * one
        return total

    def _stage(self, h: Array, own: Mapping[str, Array], arrives: bool = False) -> Array:
        """H → m by the program's chain; arrives: whether H is the state as it arrives, in another basis."""
        held: dict[str, Array] = {"H": h}
        for op in self.entry if arrives else self.stage:
            if isinstance(op, Contract):
                made = self._contract(op, held[op.operand], own, arrives)
                held[op.out] = held[op.out] + made if op.accumulate else made
            elif isinstance(op, Pointwise):
                held |= self._pointwise(op, held, own)
            else:
                assert isinstance(op, Average)
                held |= {
                    op.out + name.removeprefix(op.operand): self._mean(x)
                    for name, x in held.items() if base(name) == op.operand
                }  # fmt: skip
        return held["M"]

    def _mean(self, x: Array) -> Array:
        """Over the channels, in all their rows."""
        parts = x.reshape(-1, self.slab.channels, x.shape[1])
        return (parts.mean(1)[:, None] + 0 * parts).reshape(-1, x.shape[1])

    def _contract(self, op: Contract, x: Array, own: Mapping[str, Array], arrives: bool) -> Array:
        if op.learned and op.structure != "blocks":
            return own["operator_entry" if arrives and op.table == "E" else "operators"] @ x
        if op.structure == "blocks":
            return self._by_blocks(op, x, own["local_operators" if op.table == "V" else "operators"])
        table = self.tables[_table(op, arrives)]
        before = int(np.prod([self._rows_before(name) for name in op.before], dtype=int))
        parts = x.reshape(before, table.shape[1], -1)
        return (table @ parts).reshape(-1, x.shape[1])

    def _rows_before(self, table: str) -> int:
        return int(self.tables[table].shape[0])

    def _by_blocks(self, op: Contract, x: Array, numbers: Array) -> Array:
        """Blocks of one shape are one batch of products."""
        groups, rows = self.blocks[op.table]
        total = 0
        for origins, high, low in groups:
            shape = high.shape[1], low.shape[1]
            block = numbers[self.library.given(origins)].reshape(len(high), *shape)
            made = block @ x[self.library.given(low.ravel())].reshape(*low.shape, x.shape[1])
            total = total + self.library.scatter(rows, high.ravel(), made.reshape(-1, x.shape[1]))
        return total

    def _pointwise(self, op: Pointwise, held: Mapping[str, Array], own: Mapping[str, Array]) -> dict[str, Array]:
        values = {}
        for symbol, operands in op.inputs:
            values[symbol] = reduce(lambda a, b: a + b, (self._operand(o, held, own, op.parts) for o in operands))
        found = {}
        for out, expression in zip(op.outs, op.expressions):
            value = scalar(expression, values, self.library)
            found[out] = value.reshape(-1, value.shape[-1]) if op.by_channel else value
        return found

    def _operand(self, name: str, held: Mapping[str, Array], own: Mapping[str, Array], parts: int) -> Array:
        """(rows, records); with parts or parameters (nodes, channels, records)."""
        c, number = self.slab.channels, part(name)
        by_channel = parts > 1 or "parameters" in own
        if base(name) == "p":
            return own["parameters"][number][None, :, None]
        if name in held and number is not None:  # a part that stands alone
            return held[name].reshape(-1, c, held[name].shape[-1])
        x = own["biases"][:, None] if base(name) == "e" else held[base(name)]
        if not by_channel:
            return x
        if number is not None or base(name) in ("U", "e"):
            return x.reshape(-1, parts, c, x.shape[-1])[:, number or 0]
        return x.reshape(-1, c, x.shape[-1])


def _table(op: Contract, arrives: bool) -> str:
    """What a table is called that a stage applies."""
    return ARRIVING.get(op.table, op.table) if arrives else op.table


def _places(blocks: np.ndarray, wide: int, channels: int) -> tuple[list[Places], int]:
    """Blocks by their shape: where their numbers, their rows and their columns are; and how many rows there are."""
    found: list[Places] = []
    ordered = sorted(blocks.tolist(), key=lambda b: (b[1] - b[0], b[3] - b[2]))
    for (high, low), own in groupby(ordered, key=lambda b: (b[1] - b[0], b[3] - b[2])):
        some = np.array(list(own))
        origins = some[:, 4:] * wide * channels + np.arange(high * wide * low * channels)
        found.append((origins, some[:, :1] * wide + np.arange(high * wide),
                      some[:, 2:3] * channels + np.arange(low * channels)))  # fmt: skip
    return found, int(blocks[:, 1].max()) * wide


def products(network: Network, records: int) -> float:
    """The floating-point operations of the matrix products of one forward sweep."""
    total, stages = 0.0, network.combine.shape[0] * (network.combine.shape[1] - 1)
    slab = network.slab
    rows = {"H": slab.channels * slab.sizes["state"]}
    for op in network.stage:
        if not isinstance(op, Contract):
            if isinstance(op, Pointwise):
                rows |= dict.fromkeys(op.outs, slab.channels * slab.sizes["node"])
            continue
        size = rows[op.operand]
        if op.structure == "blocks":
            groups, high = network.blocks[op.table]
            total += sum(2.0 * h.size * low.shape[1] for _, h, low in groups) * records * stages
            rows[op.out] = high
        elif op.learned:
            high = slab.shapes["operators"][1]
            total += 2.0 * high * size * records * stages
            rows[op.out] = high
        else:
            table = network.tables[op.table]
            rows[op.out] = size // table.shape[1] * table.shape[0]
            total += 2.0 * table.shape[0] * size * records * stages
    return total
