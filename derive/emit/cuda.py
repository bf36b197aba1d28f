"""Program → kernels for Numba-CUDA: the text of ``cuda.py``.

A thread block works on a tile of records, tile after tile. Every operation is a loop that the block's threads share,
rows by threadIdx.y and records by threadIdx.x (neighbouring threads read neighbouring records), and threads wait for
each other after each. Dense contractions and the gradients of dense tables are products of ``tiles``. What an operation
leaves for the next lies in the block's working memory, its row of a workspace. Sums over records are collected block by
block and added in the order of the blocks, by a kernel of their own: the order does not depend on the device.
"""

from __future__ import annotations

from collections.abc import Mapping

from derive.emit import loops
from derive.emit.forming import ROOM, Forming
from derive.emit.lanes import BY_ROWS, RECORDS, SYNC, by_all, by_rows, channel_loops, in_register
from derive.emit.loops import of_module, of_slab, printed, used
from derive.emit.scalar import Lines, indent
from derive.emit.target import USUAL, Total, factor, words
from derive.emit.tiles import PRODUCT, STAGED, SUMMED, Matrix, plus, product, summed, times
from derive.program import layout
from derive.program import operations as ops
from derive.program.build import Program
from derive.program.kernels import Kernel, depth_adjoint
from derive.program.kernels import kernels as of_program
from derive.program.layout import INDEX, NARROW_TABLES, PIECE, ROW_OF_PART, WIDE_TABLES
from derive.program.loss import Loss

LANES = [
    "row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x",
    "block, blocks = cuda.blockIdx.x, cuda.gridDim.x",
    "thread, threads = row*columns + column, rows*columns",
]
TILE = "tile = 4*columns"
TILES = ["for first in range(block*tile, records, blocks*tile):", "    count = min(tile, records - first)"]

# One element of an array, {a} its row and {r} its record or second row; what is not named here holds all records.
ELEMENTS = {
    "e": "biases[bias, {a}]", "p": "parameters[{a}, {r}]", "V": "local_operators[bias, {a}]",
    "E": "operators[operator, {a}, {r}]", "w": "operators[operator, {a}, {r}]",
    "bar_e": "bar_biases[block, bias, {a}]", "bar_p": "bar_parameters[block, {a}, {r}]",
    "bar_V": "bar_local_operators[block, bias, {a}]", "bar_E": "bar_operators[block, operator, {a}, {r}]",
    "bar_w": "bar_operators[block, operator, {a}, {r}]", "operator_entry": "operator_entry[{a}, {r}]",
    "bar_operator_entry": "bar_operator_entry[block, {a}, {r}]",
    "lift": "lift[{a}, {r}]", "operator": "operator[{a}, {r}]", "bar_lift": "bar_lift[block, {a}, {r}]",
    "bar_operator": "bar_operator[block, {a}, {r}]", "bar_constant": "bar_constant[block, {a}]",
    **dict.fromkeys(("maxima", "shares"), "features[state + {a}, first + {r}]"),
    **dict.fromkeys(("bar_maxima", "bar_shares"), "bar_features[state + {a}, first + {r}]"),
    "constant": "constant[{a}]", "value": "value[first + r]", "unsolved": "unsolved[first + r]",
    **dict.fromkeys(("mixed_bias", "biases", "bar_biases"), "{name}[s, {a}]"),
    **dict.fromkeys(("mixed", "left", "turned", "mixed_local", "operators", "bar_operators"), "{name}[s, {a}, d]"),
    **dict.fromkeys(("local_operators", "bar_local_operators"), "{name}[s, ({a})*size + d]"),
}  # fmt: skip
# Of blocks that are alike: how many, and how many rows each is behind the one before, in what they make and act on.
ALIKE = (
    "many = {blocks}[piece, 5]",
    "high_step, low_step = {blocks}[piece, 6]*{wide}, {blocks}[piece, 7]*channels",
)
# Learned tables, where their numbers lie one after the other.
LEARNED = {
    "E": "operators[operator]", "w": "operators[operator]", "V": "local_operators[bias]",
    "bar_E": "bar_operators[block, operator]", "bar_w": "bar_operators[block, operator]",
    "bar_V": "bar_local_operators[block, bias]", "bar_operator_entry": "bar_operator_entry[block]",
    "bar_operator": "bar_operator[block]", "bar_lift": "bar_lift[block]",
}  # fmt: skip
# Of what all records share, the gradients of a block.
SHARED = {"bar_e": "bar_biases[block, bias]", "bar_constant": "bar_constant[block]"}
FLAT = {"w": "operators[operator, {a}]", "bar_w": "bar_operators[block, operator, {a}]"}  # of blocks


class Cuda(Forming):
    """A thread block works on a tile of records, or on the operators of a stage."""

    calls = {name: f"math.{name}" for name in (*USUAL, "atan", "erf")} | {"Abs": "math.fabs"}
    every, barrier = "for s in range(block, {}.shape[0], blocks):", (SYNC,)
    agree = ("wanted = cuda.syncthreads_or(wanted)",)
    blocks, piece = "_alike", (*PIECE, *ALIKE)

    def frame(self, body: Lines) -> Lines:
        """Kernels without sizes go over stages' operators, not over records."""
        own = [STAGED] if "staged" in words(body) else []
        if self.kernel.sizes:
            body = [TILE, *self._room(), *TILES, *indent(body)]
        lanes = LANES[: 3 if "thread" in words(body) else 2 if {"row", "block"} & words(body) else 0]
        return [*lanes, *own, *body]

    def _room(self) -> Lines:
        if not self.memory:
            return []
        return [
            "room, start = workspace[block], 0  # working memory, array after array",
            *(f"{name}, start = room[start:], start + {factor(rows)}*tile" for name, rows in room(self.kernel)),
        ]

    def arguments(self, lines: Lines) -> tuple[str, ...]:
        """What is read of what is given; what operators leave for their adjoint's last part is no result here."""
        kernel, own = self.kernel, ("constants", "channels")
        if kernel.program is None:
            return (*used(kernel.arguments, lines), *kernel.results)
        given = used(tuple(name for name in kernel.arguments if name not in own), lines)
        if kernel.sizes:
            return (*given, *own, "workspace", *kernel.results)
        return (*given, *own, *used(ROOM, lines), *(r for r in kernel.results if not r.startswith("bar_")))

    def element(self, operand: str, row: str = "a", stage: str = "", other: str = "r") -> str:
        array, number = ops.base(operand), ops.part(operand)
        name = self.lies_in(array)
        if array.removeprefix("bar_") == "p":
            row, other = str(number), "c"
        elif number is not None:
            row = f"b + {number}*channels" if number else "b"
        if name in self.kernel.kept:
            return f"{name}[slot, {row}, first + {other}]"
        if name in self.memory and self.kernel.sizes:
            return f"{name}[{factor(self._row(name, row, stage))}*tile + {other}]"
        flat = self.kernel.program is not None and self.program.blocks and name in FLAT
        return (FLAT if flat else ELEMENTS).get(name, "{name}[{a}, first + {r}]").format(name=name, a=row, r=other)

    def _row(self, name: str, row: str, stage: str = "") -> str:
        """A row of an array of working memory, which has all of several axes below one another."""
        *several, rows, _ = self.memory[name].shape
        row = plus("i*state", row) if rows == "stages*state" else row
        for axis in several:
            row = plus(f"{stage or INDEX[axis]}*{rows}", row)
        return row

    def _matrix(self, operand: str, row: str = "0", step: str = "1", pieces: str = "0") -> Matrix:
        """Rows of an operand, each ``step`` behind the one before, by the records of a tile.

        pieces: how many rows behind one piece the next one begins.
        """
        name = self.lies_in(operand)
        if name in self.memory:
            return Matrix(name, times(self._row(name, row), "tile"), times(step, "tile"), "1", times(pieces, "tile"))
        start = plus(times(row, "records"), "first")
        array = f"{name}[slot]" if name in self.kernel.kept else name
        return Matrix(array, start, times(step, "records"), "1", times(pieces, "records"))

    def _table(self, table: str, columns: str, start: str = "0") -> Matrix:
        """A table with so many columns, or a block of it."""
        name = self.lies_in(table)
        return Matrix(LEARNED.get(name, name), start, columns, "1")

    def vector(self, name: str, row: str, k: str = "") -> str:
        return f"{name}[({factor(k)}*stages*state + {row})*tile + r]" if k else f"{name}[{factor(row)}*tile + r]"

    def bind(self, beside: str) -> Lines:
        return ["operator, bias = operator_index[n, i], bias_index[n, i]"]

    def height(self, operand: str) -> str:
        """An operand's number of rows."""
        name = self.lies_in(ops.base(operand))
        if self.kernel.program is None:
            return f"{name}.shape[0]"
        own = ops.base(operand).removeprefix("bar_").removeprefix("dot_")
        return "entry" if name in ("h_entry", "bar_entry") else layout.operand(own).rows

    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        return [*by_rows(body, high, f"{low} + row"), SYNC]

    def groups(self, body: Lines, array: str, channels: bool) -> Lines:
        if not channels:
            return by_all("r", "count", body)
        return ["for c in range(row, channels, rows):", f"    {RECORDS}", *indent(body, 2)]

    def total(self, target: str, term: str) -> Lines:
        return self.records(in_register(target, "for a in range(begin*state, end*state):", term))

    # --- operations of a stage

    def contract(self, op: ops.Contract) -> Lines:
        if op.structure == "blocks":
            return self._block_loop(op)
        if op.learned:
            return self._learned(op)
        table = self.lies_in(op.table)
        rows, columns = (f"{table}.shape[{k}]" for k in ((1, 0) if op.transposed else (0, 1)))
        channels = self.wide if op.table.startswith(WIDE_TABLES) else "channels"

        if op.before or op.after:
            lead = "*".join(f"{name}.shape[0]" for name in op.before) or "1"
            first = f"lead*{rows}*inner", f"lead*{columns}*inner"
            return [
                f"inner = {'*'.join([*(f'{name}.shape[1]' for name in op.after), channels])}",
                f"for lead in range({lead}):",
                *indent(self._by_channel(op, rows, columns, "inner", *first)),
            ]
        if op.table in NARROW_TABLES:  # for every number of a row
            own = Matrix(table, "0", f"{table}.shape[1]", "1")
            right, out = (Matrix(f"{self.lies_in(name)}[s]", "0", "size", "1") for name in (op.operand, op.out))
            call = product(rows, "size", columns, own.transposed if op.transposed else own, right, out, op.accumulate)
            return [f"size = {'mixed_local' if op.table == 'Psi_V' else 'mixed'}.shape[2]", *call]
        elements = (lambda a: self.element(op.out, a)), (lambda b: self.element(op.operand, b))
        if op.table == "Psi":
            lanes = "thread, {}, threads"
            return channel_loops(op.structure, table, op.transposed, *elements, None, op.accumulate, lanes, channels)
        return self._by_channel(op, rows, columns, channels)

    def _by_channel(
        self, op: ops.Contract, rows: str, columns: str, channels: str, out: str = "0", given: str = "0"
    ) -> Lines:
        """A table acts on every channel alike; out, given: where the rows of results and of operands begin."""
        if op.structure == "dense":
            return self._product(op, rows, columns, out, given, channels)
        table = self.lies_in(op.table)
        elements = (lambda a: self.element(op.out, plus(out, a))), (lambda b: self.element(op.operand, plus(given, b)))
        return channel_loops(op.structure, table, op.transposed, *elements, RECORDS, op.accumulate, BY_ROWS, channels)

    def _learned(self, op: ops.Contract) -> Lines:
        """A learned table acts on all rows, or on those of every function alike."""
        table = op.table
        if not op.groups:
            return self._product(op, self.height(op.out), self.height(op.operand))
        made, count = (f"{table}.shape[{k}]" for k in ((1, 0) if op.transposed else (0, 1)))
        out, given = f"a % {made}", f"a//{made}*{count} + b"
        element = self.element(table, "b", other=out) if op.transposed else self.element(table, out, other="b")
        term = f"{element}*{self.element(op.operand, given)}"
        body = in_register(self.element(op.out), f"for b in range({count}):", term, "+" * op.accumulate)
        return by_rows(body, self.height(op.out))

    def _product(
        self, op: ops.Contract, height: str, depth: str, out: str = "0", given: str = "0", channels: str = ""
    ) -> Lines:
        """A dense table by all records of a tile, and of every channel. out, given: the first rows."""
        table = self._table(op.table, height).transposed if op.transposed else self._table(op.table, depth)
        apart, several = ((channels, "1"), (channels, "tile")) if channels else (("1", "0"), ("1", "0"))
        factors = table, self._matrix(op.operand, given, *apart), self._matrix(op.out, out, *apart)
        offset = by_rows([f"{self.element(op.out)} = {self.element(op.offset)}"], height) if op.offset else []
        call = product(height, "count", depth, *factors, bool(offset) or op.accumulate, *several)
        return [*offset, *([SYNC] if offset else []), *call]

    def _block_loop(self, op: ops.Contract) -> Lines:
        """T applied to blocks that are alike at once; rows that none meets are zero, others may meet several."""
        clear = by_rows([f"{self.element(op.out)} = constants[0]"], self.height(op.out))
        given, made = ("high", "low") if op.transposed else ("low", "high")
        block, sizes = self._table(op.table, "low_count", "origin"), (f"{made}_count", "count", f"{given}_count")
        right = self._matrix(op.operand, given, "1", f"{given}_step")
        out = self._matrix(op.out, made, "1", f"{made}_step")
        call = product(*sizes, block.transposed if op.transposed else block, right, out, True, "many", "tile")
        return [*([] if op.accumulate else clear), *self.pieces(op.table, call)]

    def outer(self, op: ops.Outer) -> Lines:
        """A thread adds to elements of its own; blocks that share their numbers have one shape."""
        if op.groups:
            return self._outer_of_groups(op)
        gradient = f"bar_{op.table}"
        if op.structure != "blocks":
            high, low = self.height(op.out), self.height(op.operand)
            left, right = self._matrix(op.out), self._matrix(op.operand).transposed
            return product(high, low, "count", left, right, self._table(gradient, low), True)
        left = self._matrix(op.out, "high", "1", "high_step")
        right = self._matrix(op.operand, "low", "1", "low_step").transposed
        block, sizes = self._table(gradient, "low_count", "origin"), ("high_count", "low_count", "count")
        return self.pieces(op.table, product(*sizes, left, right, block, True, over="many"))

    def _outer_of_groups(self, op: ops.Outer) -> Lines:
        """The same table for every function."""
        made, given = (f"{op.table}.shape[{k}]" for k in (0, 1))
        left = self._matrix(op.out, "0", "1", made)
        right = self._matrix(op.operand, "0", "1", given).transposed
        own, functions = self._table(f"bar_{op.table}", given), f"{self.height(op.operand)}//{given}"
        return product(made, given, "count", left, right, own, True, over=functions)

    def recordsum(self, op: ops.RecordSum) -> Lines:
        return summed(self.height(op.operand), self._matrix(op.operand), SHARED[op.out])

    def average(self, op: ops.Average) -> Lines:
        """A thread has all channels of a node, part and record; their number is counted in the kernel's type."""
        return [
            f"for q in range(row, {self.height(op.out)}//channels, rows):",
            f"    {RECORDS}",
            "        total, number = constants[0], constants[0]",
            "        for a in range(q*channels, (q + 1)*channels):",
            f"            total += {self.element(op.operand)}",
            "            number += constants[1]",
            "        for a in range(q*channels, (q + 1)*channels):",
            f"            {self.element(op.out)} = total/number",
        ]

    def pointwise(self, op: ops.Pointwise, work: Lines, steps: list[Lines | Total]) -> Lines:
        """What is summed over records is summed when all is there: by a thread a row, or a channel over the nodes.

        A bias's gradient is so, by neighbouring threads, from what was stored, if all parts of that lie as it does.
        """
        # parts of an operand: as many rows as those with one a channel
        height = "node" if op.by_channel else self.height(op.spanning)
        find = ["q, c = a//channels, a % channels", ROW_OF_PART.format(parts=op.parts)] if op.by_channel else []
        each = [*work, *(line for step in steps if isinstance(step, list) for line in step)]
        lines = [f"for a in range(row, {height}, rows):", *indent([*find, RECORDS, *indent(each)])]
        sums = [step for step in steps if isinstance(step, tuple)]
        own = {out: stored or "" for out, _, _, stored in sums if ops.base(out) == "bar_e"}
        whole = {ops.base(stored) if ops.part(out) == ops.part(stored) else "" for out, stored in own.items()}
        if len(own) == op.parts and len(whole) == 1 and whole != {""}:
            (operand,) = whole
            said = f"# {ops.plain('bar_e')}: {ops.plain(operand)}, summed over the tile's records"
            lines += [SYNC, said, *self.recordsum(ops.RecordSum("bar_e", operand))]
            sums = [step for step in sums if step[0] not in own]
        for out, text, _, stored in sums:
            again = [f"total += {self.element(stored)}"] if stored else [*work, f"total += {text}"]
            records = ["for r in range(count):", *indent(again)]
            start, add = "total = constants[0]", f"{self.element(out)} += total"
            said = f"# {ops.plain(out)}: the same, summed over"
            if ops.base(out) == "bar_p":
                nodes = [f"for a in range(c, {height}, channels):", *indent([*find, *records])]
                summed = [f"{said} the nodes and the tile's records", *by_all("c", "channels", [start, *nodes, add])]
            else:
                summed = [f"{said} the tile's records", *by_all("a", height, [*find, start, *records, add])]
            lines += [SYNC, *summed]
        return lines

    # --- operations of a step

    def combine(self, op: ops.Combine) -> Lines:
        start, term = f"combine[n, {op.row}, 0]*{self.element('h')}", self.element("M", stage="j")
        over = f"for j in range({op.row}):"
        return by_rows(in_register(self.element(op.out), over, f"combine[n, {op.row}, j + 1]*{term}", start=start))

    def spread(self, op: ops.Spread) -> Lines:
        source, sign = self.element(op.operand), "+" * op.accumulate
        return by_rows([
            f"{self.element('bar_h')} {sign}= combine[n, {op.row}, 0]*{source}",
            f"for j in range({op.until}):",
            f"    {self.element('bar_M', stage='j')} {sign}= combine[n, {op.row}, j + 1]*{source}",
        ])  # fmt: skip


# --- the module ---------------------------------------------------------------------------------------------


CLEAR = '''def clear(values, constants):
    """values_e = 0."""
    for e in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[e] = constants[0]
'''


def room(kernel: Kernel) -> list[tuple[str, str]]:
    """A block's working memory for one record: arrays one after the other, (name, rows)."""
    shapes = {m.name: m.shape[:-1] for m in kernel.memory}
    return [(name, "*".join(f"({n})" if "+" in n else n for n in shape)) for name, shape in shapes.items()]


def _room_function(kernel: Kernel, suffix: str) -> str:
    """A function for the host: how many rows of working memory a forward or adjoint kernel needs."""
    rows = [count for _, count in room(kernel)]
    sizes = ["stages", "state", "node", "wide", "weight_out", "weight_in"]
    sizes += [*(["krylov"] if "krylov" in words(rows) else []), *(n for n, _ in kernel.sizes if n.startswith("rows_"))]
    return (
        f"def {kernel.name}_rows_{suffix}({', '.join(sizes)}):\n"
        f'    """Rows of working memory that a record needs in {kernel.name}_{suffix}."""\n'
        f"    return {' + '.join(rows)}\n"
    )


def module(title: str, formula: str, programs: Mapping[str, tuple[Program, ...]], loss: Loss) -> str:
    """The text of cuda.py. programs: suffix → those of one signature, one a plan."""
    texts = [PRODUCT, SUMMED]
    for suffix, plans in programs.items():
        texts += [kernel.text() for kernel in of_slab(plans, suffix, Cuda)]
        texts += [_room_function(k, suffix) for plan in plans for k in of_program(plan) if k.sizes]
    texts += [kernel.text() for kernel in (*of_module(loss, Cuda), printed(depth_adjoint(), Cuda))]
    about = """A thread block works on a tile of records: rows (axis · channel) go by threadIdx.y, records by
threadIdx.x; threads wait for each other after every operation. Sums over stages are completed by ``depth_adjoint``;
the blocks' own are added elsewhere. Tables, tableau and constants are arguments."""
    return loops.module(title, formula, about, "from numba import cuda", [*texts, CLEAR])
