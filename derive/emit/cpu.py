"""Program → plain Python over NumPy arrays, which Numba compiles: the text of ``cpu.py``.

The printed functions read no module-level value and contain no float literal: the same text runs as plain Python,
float32, float64 and complex128. Layout: (axis · channel, record) with records contiguous: a table acts on all channels
and records at once, a dense one by BLAS; loops have rows outside and records inside.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from derive.emit import loops
from derive.emit.loops import Printed, printed, used
from derive.emit.scalar import Lines, indent
from derive.emit.target import USUAL, Passes, Target, Total
from derive.program import functions
from derive.program import operations as ops
from derive.program.functions import Evaluate
from derive.program.layout import INDEX, ROW_OF_PART
from derive.spaces.basis import Basis

# Operands that a stage binds at its head, and rows of operators that are being formed.
BOUND = {"e": "bias", "E": "operator", "w": "operator", "V": "local_operator", "p": "parameters"}
BOUND |= {f"{beside}{name}": f"{beside}{array}" for beside in ("bar_", "dot_") for name, array in BOUND.items()}
BOUND |= {f"{bar}{name}": f"{bar}{name}[s]" for bar in ("", "bar_")
          for name in ("operators", "biases", "local_operators")}  # fmt: skip
# What NumPy has no word for.
ADD_DOT = '''def add_dot(a, b, out):
    """out += a b"""
    out += np.dot(a, b)
'''
STATE = "H_i"  # the state of an explicit stage, which may be h itself
Named = tuple[str, str]  # a name for an array
# Elements of arrays that have a number a record, and of those below a state.
ELEMENTS = {"value": "value[r]", "unsolved": "unsolved[r]",
            **dict.fromkeys(("maxima", "shares"), "features[state + {a}, r]"),
            **dict.fromkeys(("bar_maxima", "bar_shares"), "bar_features[state + {a}, r]")}  # fmt: skip


class Cpu(Target):
    """One thread works on a tile of records."""

    calls = {name: f"np.{name}" for name in USUAL} | {"atan": "np.arctan", "erf": "math.erf", "Abs": "np.abs"}
    calls |= {"sign": "np.sign"}
    tangents = True
    every = "for s in range({}.shape[0]):"

    def frame(self, body: Lines) -> Lines:
        sizes = {name: size for name, size in self.kernel.sizes if name not in ("steps", "stages", "records")}
        shapes = {name: [sizes.get(axis, axis) for axis in m.shape] for name, m in self.memory.items()}
        room = [f"{name} = np.empty(({', '.join(shape)}{',' if len(shape) == 1 else ''}), {self.kernel.like}.dtype)"
                for name, shape in shapes.items()]  # fmt: skip
        return [*room, *body]

    def arguments(self, lines: Lines) -> tuple[str, ...]:
        given = self.kernel.arguments
        return (*(given if self.kernel.program else used(given, lines)), *self.kernel.results)

    def at(self, operand: str) -> str:
        """An operand as an array of rows and records."""
        name = self.lies_in(operand)
        explicit = self.kernel.program is not None and not self.kernel.program.implicit
        return STATE if name == "H" and explicit and self.kernel.like == "h" else self._held(name)

    def _held(self, name: str) -> str:
        """An array, or the part of it that belongs to a stage."""
        if name in self.kernel.kept:
            return f"{name}[slot]"
        if name in self.memory:
            shape = self.memory[name].shape
            index = [INDEX[axis] for axis in shape[:1] if axis in INDEX]
            index += ["i*state:(i + 1)*state"] if "stages*state" in shape else []
            return f"{name}[{', '.join(index)}]" if index else name
        return BOUND.get(name, name)

    def element(self, operand: str, row: str = "a", stage: str = "") -> str:
        name = self.lies_in(ops.base(operand))
        if stage:
            return f"{name}[{stage}, {row}, r]"
        if name in ELEMENTS:
            return ELEMENTS[name].format(a=row)
        array, number = self.at(ops.base(operand)), ops.part(operand)
        shared = name.removeprefix("bar_").removeprefix("dot_")
        if shared == "p":
            return f"{array}[{number}, c]"
        if number is not None:
            row = f"b + {number}*channels" if number > 1 else "b + channels" if number else "b"
        return f"{array}[{row}]" if shared == "e" else f"{array}[{row}, r]"

    def vector(self, name: str, row: str, k: str = "") -> str:
        return f"{name}[{k}, {row}, r]" if k else f"{name}[{row}, r]"

    def bind(self, beside: str) -> Lines:
        arrays = [("bias", "biases", "bias"), ("operator", "operators", "operator")]
        arrays += [("local_operator", "local_operators", "bias")] if self.program.local else []
        found = [(one, f"{all_}[{by}_index[n, i]]") for one, all_, by in arrays]
        return [f"{one}, {beside}{one} = {row}, {beside}{row}" if beside else f"{one} = {row}" for one, row in found]

    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        return [f"for a in range({low}, {high}):", "    for r in range(records):", *indent(body, 2)]

    def groups(self, body: Lines, array: str, channels: bool) -> Lines:
        loop = [f"for r in range({f'{array}.shape[1]' if array else 'records'}):", *indent(body)]
        return ["for c in range(channels):", *indent(loop)] if channels else loop

    def passes(self, passes: Passes, held: list[str], each_row: str, array: str, channels: bool, again: Lines) -> Lines:
        """With channels every pass has loops of its own, records inside: what groups hold are arrays."""
        if not channels:
            return super().passes(passes, held, each_row, array, channels, again)
        rooms, lines = [f"{name} = np.empty((channels, {array}.shape[1]), {array}.dtype)" for name in held], []
        for rows, body in passes:
            loops = self.groups([re.sub(rf"\b({'|'.join(held)})\b", r"\1[c, r]", line) for line in body], array, True)
            lines += [each_row, *indent(loops)] if rows else loops
        return [*rooms, *again, *(indent(lines) if again else lines)]

    def total(self, target: str, term: str) -> Lines:
        clear = self.records([f"{target} = {self.constant(0)}"])
        return [*clear, *self.rows([f"{target} += {term}"], "begin*state", "end*state")]

    # --- operations of a stage

    def contract(self, op: ops.Contract) -> Lines:
        out, operand, table = self.at(op.out), self.at(op.operand), self.at(op.table)
        if op.structure == "blocks":
            return self._block_loop(op, out, operand)
        loops = CONTRACT_LOOPS[op.structure]
        if op.groups or op.before:
            lines = loops("target", table, "given", op.transposed, op.accumulate)
            return _leading(op, table, ("target", out), ("given", operand), lines)
        if op.learned:
            lines = loops(out, table, operand, op.transposed, op.accumulate)
            return lines + (_each(out, [f"{out}[a, r] += {op.offset}[a]"]) if op.offset else [])
        rows, columns = (1, 0) if op.transposed else (0, 1)
        return [
            f"width = {out}.size//{table}.shape[{rows}]",
            f"target = {out}.reshape(({table}.shape[{rows}], width))",
            f"given = {operand}.reshape(({table}.shape[{columns}], width))",
            *loops("target", table, "given", op.transposed, op.accumulate),
        ]

    def _block_loop(self, op: ops.Contract, out: str, operand: str) -> Lines:
        """T applied block by block; rows that no block meets are zero, and blocks that share rows add up."""
        made, given = ("target", out), ("given", operand)
        views = _views(self.at(op.table), *((given, made) if op.transposed else (made, given)))
        lines = _dense("target", "block", "given", op.transposed, op.accumulate or self.program.several)
        clear = [] if op.accumulate else [f"{out}[:] = constants[0]"]
        return [*clear, *self.pieces(op.table, [*views, *lines])]

    def outer(self, op: ops.Outer) -> Lines:
        array, out, operand = self.at(f"bar_{op.table}"), self.at(op.out), self.at(op.operand)
        if op.structure == "blocks":
            views = _views(array, ("made", out), ("given", operand))
            return self.pieces(op.table, [*views, "add_dot(made, given.T, block)"])
        if op.groups:
            lines = [f"add_dot(high, low.T, {array})"]
            return _leading(op, self.at(op.table), ("high", out), ("low", operand), lines)
        return [f"add_dot({out}, {operand}.T, {array})"]

    def recordsum(self, op: ops.RecordSum) -> Lines:
        return _each(self.at(op.operand), [f"{self.at(op.out)}[a] += {self.at(op.operand)}[a, r]"])

    def average(self, op: ops.Average) -> Lines:
        """The first row of a node and part collects, the others copy; their number is counted in the kernel's type."""
        out, operand = self.at(op.out), self.at(op.operand)
        each = f"for r in range({out}.shape[1]):"
        others = ["for c in range(1, channels):", f"    {each}"]
        return [
            "number = constants[0]",
            "for c in range(channels):",
            "    number += constants[1]",
            f"for a in range(0, {out}.shape[0], channels):",
            *indent([each, f"    {out}[a, r] = {operand}[a, r]"]),
            *indent([*others, f"        {out}[a, r] += {operand}[a + c, r]", each, f"    {out}[a, r] /= number"]),
            *indent([*others, f"        {out}[a + c, r] = {out}[a, r]"]),
        ]

    def pointwise(self, op: ops.Pointwise, work: Lines, steps: list[Lines | Total]) -> Lines:
        sums = [step for step in steps if isinstance(step, tuple)]
        names = ["total"] if len(sums) == 1 else [f"total_{k + 1}" for k in range(len(sums))]
        total = iter(names)
        each = [[f"{next(total)} += {step[2]}"] if isinstance(step, tuple) else step for step in steps]
        spanning = self.at(ops.base(op.spanning))
        body = [
            *(f"{name} = constants[0]" for name in names),
            f"for r in range({spanning}.shape[1]):",
            *indent([*work, *(line for lines in each for line in lines)]),
            *(f"{self.element(out)} += {name}" for name, (out, *_) in zip(names, sums)),
        ]
        if not op.by_channel:
            return [f"for a in range({spanning}.shape[0]):", *indent(body)]
        return [
            f"for q in range({spanning}.shape[0]//({'channels' if ops.part(op.spanning) is None else self.wide})):",
            "    for c in range(channels):",
            f"        {ROW_OF_PART.format(parts=op.parts)}",
            *indent(body, 2),
        ]

    # --- operations of a step

    def combine(self, op: ops.Combine) -> Lines:
        """All rows as one: these arrays are contiguous. A stage that starts from the state itself reads it there."""
        out, h, m = self.at(op.out), self.lies_in(f"{op.mark}h"), self.lies_in(f"{op.mark}M")
        scaled = [f"for a in range({h}.size):", "    target[a] = alpha*given[a]"]
        lines = [
            f"target, given = {out}.reshape({h}.size), {h}.reshape({h}.size)",
            *(scaled if out != h else ["if alpha != 1:", *indent(scaled)]),
            f"for j in range({op.row}):",
            f"    gamma = combine[n, {op.row}, j + 1]",
            "    if gamma != 0:",
            f"        given = {m}[j].reshape({h}.size)",
            f"        for a in range({h}.size):",
            "            target[a] += gamma*given[a]",
        ]
        if out == STATE:
            kept = " and not keep" if "H" in self.kernel.kept else ""
            lines = [
                f"{STATE} = {self._held('H')}",
                f"if i == 0 and alpha == 1{kept}:",
                f"    {STATE} = h",
                *["else:", *indent(lines)],
            ]
        return [f"alpha = combine[n, {op.row}, 0]", *lines]

    def spread(self, op: ops.Spread) -> Lines:
        """All rows as one, as in ``combine``."""
        source, sign = self.at(op.operand), "+" if op.accumulate else ""
        add = ["target = bar_m[j].reshape(bar.size)"]
        add += ["for a in range(bar.size):", f"    target[a] {sign}= gamma*given[a]"]
        return [
            f"alpha = combine[n, {op.row}, 0]",
            f"target, given = bar_h.reshape(bar.size), {source}.reshape(bar.size)",
            "for a in range(bar.size):",
            f"    target[a] {sign}= alpha*given[a]",
            f"for j in range({op.until}):",
            f"    gamma = combine[n, {op.row}, j + 1]",
            *(["    if gamma != 0:", *indent(add, 2)] if op.accumulate else indent(add)),
        ]

    # --- operations of operators

    def mix(self, op: ops.Mix) -> Lines:
        clear = [f"target = {self.at(op.out)}", "target[:] = constants[0]"]
        return [*clear, *_by_depth(op, "target", f"target[INDEX] += factor*{op.fields}[k, INDEX]")]

    def unmix(self, op: ops.Unmix) -> Lines:
        add = f"{op.fields}[k, INDEX] += factor*given[INDEX]"
        return [f"given = {self.at(op.operand)}", *_by_depth(op, "given", add)]

    def sandwich(self, op: ops.Sandwich) -> Lines:
        """Φ acts on the rows of both, C on the columns, channel by channel. Loops copy: they compile faster."""
        source, target, new, old = self.at(op.operand), self.at(op.out), int(op.transposed), int(not op.transposed)
        lines: Lines = [f"rows = {source}"]
        if op.left:
            phi, structure = op.left
            shape = f"({phi}.shape[{new}], width)"
            lines += [
                f"width = rows.size//{phi}.shape[{old}]",
                f"left = np.empty({shape}, rows.dtype)" if op.right else f"left = {target}.reshape({shape})",
                f"given = rows.reshape(({phi}.shape[{old}], width))",
                *CONTRACT_LOOPS[structure]("left", phi, "given", op.transposed, False),
                *([f"rows = left.reshape((left.size//{source}.shape[1], {source}.shape[1]))"] if op.right else []),
            ]
        if not op.right:
            return lines
        c, structure = op.right
        return [
            *lines,
            "# the columns: transposed, they are rows",
            f"given = np.empty(({c}.shape[{new}], rows.shape[0]*channels), rows.dtype)",
            *_turned(f"{c}.shape[{new}]", "given[{turned}] = rows[{straight}]"),
            f"right = np.empty(({c}.shape[{old}], rows.shape[0]*channels), rows.dtype)",
            *CONTRACT_LOOPS[structure]("right", c, "given", not op.transposed, False),
            f"target = {target}",
            *_turned(f"{c}.shape[{old}]", "target[{straight}] = right[{turned}]"),
        ]

    def place(self, op: ops.Place) -> Lines:
        blocks, given = (op.operand, op.out) if op.transposed else (op.out, op.operand)
        place, number = "whole[first + c]", f"{self.at(given)}[w_entries[e, 0], o*channels + c]"
        full, adds = self.wide, "=" if op.once else "+="
        change = f"{number} += w_values[e]*{place}" if op.transposed else f"{place} {adds} w_values[e]*{number}"
        cleared = [self.at(given)] if op.transposed else [] if op.once else ["whole"]
        return [
            "# w = N z, entry by entry",
            f"whole = {self.at(blocks)}",
            *(f"{name}[:] = constants[0]" for name in cleared),
            "for e in range(w_entries.shape[0]):",
            f"    for o in range({full}):",
            f"        row = w_entries[e, 2]*{full} + o",
            f"        first = (w_entries[e, 1]*{full} + row*w_entries[e, 4] + w_entries[e, 3])*channels",
            "        for c in range(channels):",
            f"            {change}",
        ]

    def evaluate(self, op: Evaluate) -> Lines:
        lines: Lines = [f"values = np.empty(({len(op.cells[0])}, len(xi)), xi.dtype)"]
        for cell, expressions in enumerate(op.cells):
            work, texts = self.written(expressions)
            stores = [f"values[{j}] = {text}" for j, text in enumerate(texts)]
            lines += [f"if cell == {cell}:", *indent([*self.constants.load(self.used), *work, *stores])]
            self.used.clear()
        return [*lines, "return values"]


# How a table of each structure is applied: out, table, operand, transposed, accumulate → lines.


def _dense(out: str, table: str, operand: str, transposed: bool, accumulate: bool) -> Lines:
    return [f"{'add_dot' if accumulate else 'np.dot'}({table}{'.T' if transposed else ''}, {operand}, {out})"]


def _diagonal(out: str, table: str, operand: str, transposed: bool, accumulate: bool) -> Lines:
    return [
        f"for a in range({table}.shape[0]):",
        f"    for r in range({operand}.shape[1]):",
        f"        {out}[a, r] {'+' if accumulate else ''}= {table}[a, a]*{operand}[a, r]",
    ]


def _banded(out: str, table: str, operand: str, transposed: bool, accumulate: bool) -> Lines:
    row, column = ("b", "a") if transposed else ("a", "b")
    return [
        *([] if accumulate else [f"{out}[:] = constants[0]"]),
        f"for a in range({table}.shape[0]):",
        f"    for b in range({table}_runs[a, 0], {table}_runs[a, 1]):",
        f"        factor = {table}[a, b]",
        f"        for r in range({operand}.shape[1]):",
        f"            {out}[{row}, r] += factor*{operand}[{column}, r]",
    ]


CONTRACT_LOOPS = {"dense": _dense, "diagonal": _diagonal, "banded": _banded}


def _leading(op: ops.Contract | ops.Outer, table: str, high: Named, low: Named, lines: Lines) -> Lines:
    """The lines for all indices of the axes before a table's own, with a matrix each of what it makes and acts on."""
    before = "*".join(f"{name}.shape[0]" for name in op.before) if isinstance(op, ops.Contract) else ""
    rows, columns = (1, 0) if isinstance(op, ops.Contract) and op.transposed else (0, 1)
    return [
        f"before = {before or f'{low[1]}.shape[0]//{table}.shape[{columns}]'}",
        f"width = {high[1]}.size//(before*{table}.shape[{rows}])",
        f"{high[0]}s = {high[1]}.reshape((before, {table}.shape[{rows}], width))",
        f"{low[0]}s = {low[1]}.reshape((before, {table}.shape[{columns}], width))",
        "for lead in range(before):",
        f"    {high[0]}, {low[0]} = {high[0]}s[lead], {low[0]}s[lead]",
        *indent(lines),
    ]


def _turned(columns: str, copy: str) -> Lines:
    """A copy of every number of a matrix (row, column · channel), or of (column, row · channel)."""
    return [
        "for a in range(rows.shape[0]):",
        f"    for b in range({columns}):",
        "        for c in range(channels):",
        "            " + copy.format(straight="a, b*channels + c", turned="b, a*channels + c"),
    ]


def _views(array: str, high: Named, low: Named) -> Lines:
    """A block of a learned table as a matrix, and its rows of what it makes and of what it acts on."""
    return [
        f"block = {array}[origin:origin + high_count*low_count].reshape((high_count, low_count))",
        f"{high[0]} = {high[1]}[high:high + high_count]",
        f"{low[0]} = {low[1]}[low:low + low_count]",
    ]


def _each(like: str, body: Lines) -> Lines:
    return [f"for a in range({like}.shape[0]):", f"    for r in range({like}.shape[1]):", *indent(body, 2)]


def _by_depth(op: ops.Mix | ops.Unmix, like: str, statement: str) -> Lines:
    """A statement for every function of the depth basis that does not vanish, and every coefficient of a field."""
    loops = [f"for a in range({like}.shape[0]):"]
    loops += [] if op.vector else [f"    for b in range({like}.shape[1]):"]
    return [
        f"for k in range({op.rows}.shape[1]):",
        f"    factor = {op.rows}[s, k]",
        "    if factor != 0:",
        *indent([*loops, "    " * len(loops) + statement.replace("INDEX", "a" if op.vector else "a, b")], 2),
    ]


# --- the module ---------------------------------------------------------------------------------------------


def closed_form(basis: Basis) -> Printed:
    """The functions of a closed-form basis; its name is its text's, by which tables know it.

    All are called alike, so that those without constants are given them, too.
    """
    kernel = functions.closed_form(basis)
    found = printed(kernel, Cpu)
    mark = hashlib.sha256("\n".join([*found.lines, *map(str, found.constants)]).encode()).hexdigest()[:12]
    return replace(found, name=f"basis_{mark}", arguments=kernel.arguments)


def module(title: str, formula: str, texts: Iterable[Printed]) -> str:
    """The text of cpu.py."""
    about = "Rows are (axis · channel), columns are records. Tables, tableau and constants are arguments."
    return loops.module(title, formula, about, "import numpy as np", (ADD_DOT, *(kernel.text() for kernel in texts)))
