"""How many floating-point operations a gradient takes, counted from the programs.

Counted is what formulas say: a product that is added makes two, every other operation and every function of a number
one, and zeros that a table's structure shows none. Steps that are chosen while they run count as those of the tables,
stages that are solved for as one Newton step with one direction. What machines gain by tiles, or lose by memory, is
theirs: of two levels of one model the counts say which share of the other's work each takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from derive.program.build import Program
from derive.program.kernels import operators
from derive.program.layout import ARRIVING, ROWS, WIDE
from derive.program.operations import (
    Average,
    Body,
    Contract,
    Mix,
    Operation,
    Outer,
    Place,
    Pointwise,
    RecordSum,
    Repeat,
    Sandwich,
    Unmix,
    base,
    without_gradients,
)
from derive.program.scalar import Node, walk
from derive.spec import of_axis

Arrays = Mapping[str, np.ndarray]
Flops = tuple[int, int]  # for every change of weights, and for every record


def of_slab(program: Program, arrays: Arrays, channels: int) -> Flops:
    """Of a slab's forward sweep (7) with its adjoint (10), and of forming its operators (4) with theirs (11).

    arrays: the slab's tables, as kernels are given them.
    """
    form, plain = program.form, _Count(program, arrays, channels)
    combine = arrays["combine"]
    steps, rows, _ = combine.shape
    own = plain.body((*form.stage, *form.reverse))
    if program.implicit:
        own += plain.body((*form.tangent, *without_gradients(form.reverse)))
    found = steps * (rows - 1) * own + 2 * 2 * int(np.count_nonzero(combine)) * plain.size("state") * channels
    if form.entry:
        arriving = _Count(program, arrays, channels, arrives=True)
        found += arriving.body((*form.entry, *form.entry_reverse)) - own
    if program.entry:
        found += 2 * 2 * arrays["P_entry"].size * channels
    formed = sum(plain.body(kernel.body) for kernel in operators(program, False))
    if form.entry and program.plan == "formed":
        formed += sum(_Count(program, arrays, channels, arrives=True).body(k.body) for k in operators(program, True))
    return formed, found


def of_product(rows: int, columns: int) -> int:
    """Of z = R y + a for a record, and of its adjoint, as of a lift (for every function of a basis)."""
    return 3 * 2 * rows * columns


@dataclass
class _Count:
    """Operations of a slab's bodies; the rows of operands are learned on the way.

    arrives: of the first stage, whose state arrives in another basis, and of the operators that it takes.
    """

    program: Program
    arrays: Arrays
    channels: int
    arrives: bool = False
    rows: dict[str, int] = field(default_factory=dict)

    def body(self, ops: Body) -> int:
        return sum(map(self._operation, ops))

    def size(self, role: str) -> int:
        """How many functions, or nodes, on the whole domain."""
        table, axis = {"state": ("X", 1), "node": ("X", 0), "weight_out": ("Phi", 1), "weight_in": ("C", 0)}[role]
        names = (of_axis(table, k) for k in range(3))
        return math.prod(self.arrays[name].shape[axis] for name in names if name in self.arrays)

    @property
    def given(self) -> int:
        """The functions of the state that a stage is given."""
        return int(self.arrays["P_entry"].shape[1]) if self.arrives else self.size("state")

    @property
    def wide(self) -> int:
        """Pre-activations of all channels."""
        return self.program.parts * self.channels

    def _operation(self, op: Operation) -> int:
        match op:
            case Repeat(over=over, body=body):
                own = self.arrays["theta" if over.removeprefix("bar_") == "operators" else "vartheta"]
                return (1 if self.arrives else len(own)) * self.body(body)
            case Contract(table=table, learned=True):
                return 2 * self._learned(table)
            case Outer(table=table):
                return 2 * self._learned(table)
            case Contract():
                return self._contract(op)
            case Pointwise():
                return self._pointwise(op)
            case RecordSum(operand=name) | Average(operand=name):
                return self._rows(name)
            case Mix(fields=fields, rows=rows) | Unmix(fields=fields, rows=rows):
                return 2 * self.arrays[rows].shape[1] * self._coefficients(fields.removeprefix("bar_"))
            case Sandwich(left=left, right=right):
                return self._sandwich(*(self._entries(side[0]) if side else 0 for side in (left, right)))
            case Place():
                return 2 * len(self.arrays["w_entries"]) * self.wide * self.channels
        return 0

    def _rows(self, name: str) -> int:
        """Of an operand, or of its cotangent or tangent."""
        own = base(name).removeprefix("bar_").removeprefix("dot_")
        if own in self.rows:
            return self.rows[own]
        if own == "H":
            return self.given * self.channels
        return self.size(ROWS.get(own, "node")) * (self.wide if own in WIDE else self.channels)

    def _entries(self, table: str) -> int:
        """The numbers of a table that are not zero, as far as its structure shows."""
        array = self.arrays[ARRIVING.get(table, table) if self.arrives else table]
        shown = dict(self.program.structures).get(table, "dense") in ("diagonal", "banded") and not self.arrives
        return int(np.count_nonzero(array)) if shown else array.size

    def _contract(self, op: Contract) -> int:
        array = self.arrays.get(ARRIVING.get(op.table, op.table) if self.arrives else op.table)
        assert array is not None
        rows, columns = array.shape[::-1] if op.transposed else array.shape
        if op.operand.removeprefix("bar_").startswith(("mixed", "turned")) or op.out.startswith("bar_mixed"):
            return 2 * self._entries(op.table) * (self.wide if op.table == "Psi" else self.wide * self.channels)
        times = self._rows(op.operand) // columns
        self.rows.setdefault(base(op.out).removeprefix("bar_").removeprefix("dot_"), times * rows)
        return 2 * self._entries(op.table) * times

    def _learned(self, table: str) -> int:
        """The numbers of a learned table."""
        if dict(self.program.structures).get(table) == "blocks":
            high, low = (np.diff(self.arrays[f"{table}_blocks"][:, ends]).ravel() for ends in ([0, 1], [2, 3]))
            return int(high @ low) * self.wide * self.channels
        made, given = ("U", "H") if table == "E" else ("T", "G")
        return self._rows(made) * self._rows(given)

    def _pointwise(self, op: Pointwise) -> int:
        sums = sum(len(operands) - 1 for _, operands in op.inputs)
        added = sum(op.accumulate)  # sums over records among them
        return (sums + added + _distinct(op.expressions)) * self.size("node") * self.channels

    def _coefficients(self, fields: str) -> int:
        """Of a field at one function of depth."""
        if fields in ("beta", "v"):
            own = self.arrays["Psi"].shape[1] * self.wide
            return own * (1 if fields == "beta" else self.channels)
        if self.program.waves:
            return self.arrays["w_waves"].shape[1] * self.wide * self.channels
        if self.program.blocks:
            return (int(self.arrays["w_entries"][:, 0].max()) + 1) * self.wide * self.channels
        return self.size("weight_out") * self.size("weight_in") * self.wide * self.channels

    def _sandwich(self, left: int, right: int) -> int:
        """Φ w C for all channels, in the order that takes less; left, right: their entries, 0 for an identity."""
        inner = left * self.size("weight_in") + right * self.size("node")
        outer = left * self.given + right * self.size("weight_out")
        return 2 * self.wide * self.channels * min(inner, outer)


def _distinct(expressions: Iterable[Node]) -> int:
    """The operations of expressions, those that they share counted once."""
    nodes = {node.key: node for expression in expressions for node in walk(expression)}
    return sum(len(node.args) - 1 if node.head in ("add", "mul") else 1 for node in nodes.values() if node.args)
