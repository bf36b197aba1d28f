"""Program → kernels for Numba-CUDA: the text of ``cuda.py``.

A thread block works on a tile of records, tile after tile. Every operation is a loop that the block's threads share,
rows by threadIdx.y and records by threadIdx.x (neighbouring threads read neighbouring records), and threads wait for
each other after each. What an operation leaves for the next lies in the block's working memory: shared memory sized at
launch where that is enough, its row of a workspace otherwise. Sums over records are collected block by block and added
in the order of the blocks, by a kernel of their own: equal bits on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from derive.emit import loops
from derive.emit.loops import of_module, of_slab, printed, used
from derive.emit.scalar import Lines, indent
from derive.emit.target import USUAL, Target, Total, factor, words
from derive.program import layout
from derive.program import operations as ops
from derive.program.build import Program
from derive.program.kernels import Kernel, depth_adjoint
from derive.program.kernels import kernels as of_program
from derive.program.layout import INDEX, NARROW_TABLES, ROW_OF_PART, WIDE_TABLES
from derive.program.loss import Loss

SYNC = "cuda.syncthreads()"
LANES = [
    "row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x",
    "block, blocks = cuda.blockIdx.x, cuda.gridDim.x",
    "thread, threads = row*columns + column, rows*columns",
]
RECORDS = "for r in range(column, count, columns):"
BY_ROWS = "row, {}, rows"  # how threads share rows
TILES = ["for first in range(block*tile, records, blocks*tile):", "    count = min(tile, records - first)"]
ROOM = ("mixed", "left", "turned", "mixed_bias", "mixed_local")  # between the operations that form operators

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
FLAT = {"w": "operators[operator, {a}]", "bar_w": "bar_operators[block, operator, {a}]"}  # of blocks


class Cuda(Target):
    """A thread block works on a tile of records, or on the operators of a stage."""

    calls = {name: f"math.{name}" for name in (*USUAL, "atan", "erf")} | {"Abs": "math.fabs"}
    every, barrier = "for s in range(block, {}.shape[0], blocks):", (SYNC,)
    agree = ("wanted = cuda.syncthreads_or(wanted)",)

    @property
    def tile(self) -> list[str]:
        """What is summed over records depends on the tile, which is given then."""
        return ["tile"] if any(isinstance(op, ops.Outer | ops.RecordSum) for op in self.kernel.body) else []

    def frame(self, body: Lines) -> Lines:
        """Kernels without sizes go over stages' operators, not over records."""
        if self.kernel.sizes:
            own = [] if self.tile or self.memory else ["tile = columns"]
            body = [*own, *self._room(), *TILES, *indent(body)]
        lanes = LANES[: 3 if "thread" in words(body) else 2 if "row" in words(body) else 0]
        return [*lanes, *body]

    def _room(self) -> Lines:
        if not self.memory:
            return []
        return [
            "# working memory: shared memory, sized at launch, unless the workspace has room for it",
            f"room = cuda.shared.array(0, {self.kernel.like}.dtype)",
            "if workspace.shape[1] > 1:",
            "    room = workspace[block]",
            "start = 0",
            *(f"{name}, start = room[start:], start + {factor(rows)}*tile" for name, rows in room(self.kernel)),
        ]

    def arguments(self, lines: Lines) -> tuple[str, ...]:
        """What is read of what is given; what operators leave for their adjoint's last part is no result here."""
        kernel, own = self.kernel, ("constants", "channels")
        if kernel.program is None:
            return (*used(kernel.arguments, lines), *kernel.results, *self.tile)
        given = used(tuple(name for name in kernel.arguments if name not in own), lines)
        if kernel.sizes:
            return (*given, *own, "workspace", "tile", *kernel.results)
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
            *several, rows, _ = self.memory[name].shape
            row = f"i*state + {row}" if rows == "stages*state" else row
            for axis in several:
                row = f"{stage or INDEX[axis]}*{rows} + {row}"
            return f"{name}[{factor(row)}*tile + {other}]"
        flat = self.kernel.program is not None and self.program.blocks and name in FLAT
        return (FLAT if flat else ELEMENTS).get(name, "{name}[{a}, first + {r}]").format(name=name, a=row, r=other)

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
        return [*_rows(body, high, f"{low} + row"), SYNC]

    def groups(self, body: Lines, array: str, channels: bool) -> Lines:
        if not channels:
            return _by_all("r", "count", body)
        return ["for c in range(row, channels, rows):", f"    {RECORDS}", *indent(body, 2)]

    def total(self, target: str, term: str) -> Lines:
        return self.records(_total(target, "for a in range(begin*state, end*state):", term))

    # --- operations of a stage

    def contract(self, op: ops.Contract) -> Lines:
        if op.structure == "blocks":
            return self._block_loop(op)
        if op.learned:
            return self._learned(op)
        table = self.lies_in(op.table)
        rows, columns = (f"{table}.shape[{k}]" for k in ((1, 0) if op.transposed else (0, 1)))
        channels = self.wide if op.table.startswith(WIDE_TABLES) else "channels"

        def lines(other: str | None, channels: str, out: str = "", given: str = "", lanes: str = BY_ROWS) -> Lines:
            elements = (lambda a: self.element(op.out, out + a)), (lambda b: self.element(op.operand, given + b))
            return _channels(op.structure, table, op.transposed, *elements, other, op.accumulate, lanes, channels)

        if op.before or op.after:
            lead = "*".join(f"{name}.shape[0]" for name in op.before) or "1"
            return [
                f"inner = {'*'.join([*(f'{name}.shape[1]' for name in op.after), channels])}",
                f"for lead in range({lead}):",
                *indent(lines(RECORDS, "inner", f"lead*{rows}*inner + ", f"lead*{columns}*inner + ")),
            ]
        if op.table in NARROW_TABLES:  # for every number of a row
            size = f"size = {'mixed_local' if op.table == 'Psi_V' else 'mixed'}.shape[2]"
            return [size, *lines("for d in range(column, size, columns):", "")]
        if op.table == "Psi":
            return lines(None, channels, lanes="thread, {}, threads")
        return lines(RECORDS, channels)

    def _learned(self, op: ops.Contract) -> Lines:
        """A learned table acts on all rows, or on those of every function alike."""
        table, out, given, count = op.table, "a", "b", self.height(op.operand)
        if op.groups:
            made, count = (f"{table}.shape[{k}]" for k in ((1, 0) if op.transposed else (0, 1)))
            out, given = f"a % {made}", f"a//{made}*{count} + b"
        element = self.element(table, "b", other=out) if op.transposed else self.element(table, out, other="b")
        start = self.element(op.offset) if op.offset else "constants[0]"
        term = f"{element}*{self.element(op.operand, given)}"
        body = _total(self.element(op.out), f"for b in range({count}):", term, "+" * op.accumulate, start)
        return _rows(body, self.height(op.out))

    def _block_loop(self, op: ops.Contract) -> Lines:
        """T applied block by block; rows that none meets are zero. Blocks may overlap: a row is one thread's in all."""
        clear = _rows([f"{self.element(op.out)} = constants[0]"], self.height(op.out))
        given, made = ("high", "low") if op.transposed else ("low", "high")
        place = "origin + b*low_count + a" if op.transposed else "origin + a*low_count + b"
        term = f"{self.element(op.table, place)}*{self.element(op.operand, f'{given} + b')}"
        body = _total(self.element(op.out, f"{made} + a"), f"for b in range({given}_count):", term, "+")
        pieces = self.pieces(op.table, _rows(body, f"{made}_count", f"(row - {made}) % rows"))
        return [*([] if op.accumulate else clear), *pieces]

    def outer(self, op: ops.Outer) -> Lines:
        """A thread adds to elements of its own; blocks that share their numbers have one shape."""
        sizes, rows, place = (self.height(op.out), self.height(op.operand)), ("a", "b"), "a"
        if op.structure == "blocks":
            sizes, rows, place = ("high_count", "low_count"), ("high + a", "low + b"), "origin + a*low_count + b"
        functions = ""
        if op.groups:
            sizes = f"{op.table}.shape[0]", f"{op.table}.shape[1]"
            rows = f"q*{sizes[0]} + a", f"q*{sizes[1]} + b"
            functions = f"for q in range({self.height(op.operand)}//{sizes[1]}):"
        term = f"{self.element(op.out, rows[0])}*{self.element(op.operand, rows[1])}"
        add = ["for r in range(count):", f"    total += {term}"]
        lines = [
            f"for a in range(row, {sizes[0]}, rows):",
            f"    for b in range(column, {sizes[1]}, columns):",
            "        total = constants[0]",
            *indent([functions, *indent(add)] if functions else add, 2),
            f"        {self.element(f'bar_{op.table}', place, other='b')} += total",
        ]
        return self.pieces(op.table, lines) if op.structure == "blocks" else lines

    def recordsum(self, op: ops.RecordSum) -> Lines:
        body = _total(self.element(op.out), "for r in range(count):", self.element(op.operand), "+")
        return _by_all("a", self.height(op.operand), body)

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
        """What is summed over records is summed when all is there: by a thread a row, or a channel over the nodes."""
        # parts of an operand: as many rows as those with one a channel
        height = "node" if op.by_channel else self.height(op.spanning)
        find = ["q, c = a//channels, a % channels", ROW_OF_PART.format(parts=op.parts)] if op.by_channel else []
        each = [*work, *(line for step in steps if isinstance(step, list) for line in step)]
        lines = [f"for a in range(row, {height}, rows):", *indent([*find, RECORDS, *indent(each)])]
        for out, text, _, stored in (step for step in steps if isinstance(step, tuple)):
            again = [f"total += {self.element(stored)}"] if stored else [*work, f"total += {text}"]
            records = ["for r in range(count):", *indent(again)]
            start, add = "total = constants[0]", f"{self.element(out)} += total"
            said = f"# {ops.plain(out)}: the same, summed over"
            if ops.base(out) == "bar_p":
                nodes = [f"for a in range(c, {height}, channels):", *indent([*find, *records])]
                summed = [f"{said} the nodes and the tile's records", *_by_all("c", "channels", [start, *nodes, add])]
            else:
                summed = [f"{said} the tile's records", *_by_all("a", height, [*find, start, *records, add])]
            lines += [SYNC, *summed]
        return lines

    # --- operations of a step

    def combine(self, op: ops.Combine) -> Lines:
        start, term = f"combine[n, {op.row}, 0]*{self.element('h')}", self.element("M", stage="j")
        over = f"for j in range({op.row}):"
        return _rows(_total(self.element(op.out), over, f"combine[n, {op.row}, j + 1]*{term}", start=start))

    def spread(self, op: ops.Spread) -> Lines:
        source, sign = self.element(op.operand), "+" * op.accumulate
        return _rows([
            f"{self.element('bar_h')} {sign}= combine[n, {op.row}, 0]*{source}",
            f"for j in range({op.until}):",
            f"    {self.element('bar_M', stage='j')} {sign}= combine[n, {op.row}, j + 1]*{source}",
        ])  # fmt: skip

    # --- operations of operators

    def mix(self, op: ops.Mix) -> Lines:
        term = f"{op.rows}[s, k]*{op.fields}[k, a{'' if op.vector else ', d'}]"
        body = _total(self.element(op.out), f"for k in range({op.rows}.shape[1]):", term)
        return _coefficients(op.fields, op.vector, body)

    def unmix(self, op: ops.Unmix) -> Lines:
        """The sums over the stages are a kernel's of their own; what they are of is left in the room between."""
        name, out = self.lies_in(op.operand), f"{op.fields}[k, e]"
        if self.kernel.program is None:
            term = f"{op.rows}[s, k]*{name}[s, e]"
            lines = _total(out, f"for s in range({op.rows}.shape[0]):", term, start=out)
            each = f"for e in range(cuda.grid(1), {op.fields}.shape[1], cuda.gridsize(1)):"
            return [each, f"    for k in range({op.fields}.shape[0]):", *indent(lines, 2)]
        room = "mixed_bias" if op.vector else "mixed"
        return [] if name in ROOM else _coefficients(room, op.vector, [f"{self.element(room)} = {self.element(name)}"])

    def sandwich(self, op: ops.Sandwich) -> Lines:
        """First Φ, then C; transposed the other way round. The columns are Cᵀ times those rows."""
        sides = [side for side in (op.left, op.right) if side][:: -1 if op.transposed else 1]
        arrays = [self.lies_in(op.operand), *(["left"] if len(sides) == 2 else []), self.lies_in(op.out)]
        lines: Lines = []
        for (table, structure), source, target in zip(sides, arrays, arrays[1:]):
            if table == "Phi":
                place, lanes, channels, transposed = "{}[s, {{}}, d]", BY_ROWS, self.wide, op.transposed
                other = f"for d in range(column, {source}.shape[2], columns):"
            else:
                place, lanes, channels = "{}[s, d, {{}}]", "column, {}, columns", "channels"
                transposed = not op.transposed
                other = f"for d in range(row, {source}.shape[1], rows):"
            elements = place.format(target).format, place.format(source).format
            loops = _channels(structure, table, transposed, *elements, other, False, lanes, channels)
            said = f"# {ops.plain(target)} of {ops.plain(source)} by {ops.plain(table)}"
            lines += [*([SYNC] if lines else []), said, *loops]
        return lines

    def place(self, op: ops.Place) -> Lines:
        """A thread has its own pairs of channels."""
        blocks, given = (op.operand, self.lies_in(op.out)) if op.transposed else (op.out, op.operand)
        place, number = f"{blocks}[s, at + c]", f"{given}[s, w_entries[e, 0], o*channels + c]"
        change = f"{number} += w_values[e]*{place}" if op.transposed else f"{place} += w_values[e]*{number}"
        clear = [*_by_all("a", f"{blocks}.shape[1]", [f"{blocks}[s, a] = constants[0]"]), SYNC]
        clear_own = [f"for a in range({given}.shape[1]):", f"    {given}[s, a, o*channels + c] = constants[0]"]
        return [
            *([] if op.transposed else clear),
            f"for o in range(row, {self.wide}, rows):",
            "    for c in range(column, channels, columns):",
            *indent(clear_own if op.transposed else [], 2),
            "        for e in range(w_entries.shape[0]):",
            f"            line = w_entries[e, 2]*{self.wide} + o",
            f"            at = (w_entries[e, 1]*{self.wide} + line*w_entries[e, 4] + w_entries[e, 3])*channels",
            f"            {change}",
        ]


def _rows(body: Lines, high: str = "state", low: str = "row") -> Lines:
    return [f"for a in range({low}, {high}, rows):", f"    {RECORDS}", *indent(body, 2)]


def _by_all(name: str, count: str, body: Lines) -> Lines:
    """The body for every index, shared by all threads of a block."""
    return [f"for {name} in range(row*columns + column, {count}, rows*columns):", *indent(body)]


def _total(target: str, loop: str, term: str, sign: str = "", start: str = "constants[0]") -> Lines:
    """target = start + Σ term over a loop, in a register."""
    return [f"total = {start}", loop, f"    total += {term}", f"{target} {sign}= total"]


def _coefficients(like: str, vector: bool, body: Lines) -> Lines:
    """The body for every coefficient of a field, a vector or a matrix."""
    if vector:
        return [f"for a in range(thread, {like}.shape[1], threads):", *indent(body)]
    return [f"for a in range(row, {like}.shape[1], rows):", f"    for d in range(column, {like}.shape[2], columns):",
            *indent(body, 2)]  # fmt: skip


def _channels(
    structure: str, table: str, transposed: bool, out: Callable[[str], str], operand: Callable[[str], str],
    other: str | None, accumulate: bool, lanes: str, channels: str,
) -> Lines:  # fmt: skip
    """out = T operand (Tᵀ when transposed) channel by channel; out, operand: row → element.

    other: the loop over the second index, if there is one. lanes: how the threads share the rows. channels: how many.
    """
    rows, columns = (f"{table}.shape[{k}]" for k in ((1, 0) if transposed else (0, 1)))
    row, given = (f"{index}*{channels} + c" if channels else index for index in ("a", "b"))
    sign = "+" * accumulate
    if structure == "diagonal":
        body = [f"{out(row)} {sign}= {table}[a, a]*{operand(row)}"]
    else:
        reach = f"{table}_columns" if transposed else f"{table}_runs"
        inner = f"{reach}[a, 0], {reach}[a, 1]" if structure == "banded" else columns
        term = f"{table}[b, a]*{operand(given)}" if transposed else f"{table}[a, b]*{operand(given)}"
        body = _total(out(row), f"for b in range({inner}):", term, sign)
    body = [other, *indent(body)] if other else body
    loops = [f"for a in range({lanes.format(rows)}):", *indent(body)]
    return [f"for c in range({channels}):", *indent(loops)] if channels else loops


# --- the module ---------------------------------------------------------------------------------------------


# What adds the blocks' sums, in the order of the blocks; zeros.
UTILITIES = (
    '''def sum_blocks(partial, total):
    """total_e = Σ_p partial_pe: the blocks' sums, added in the order of the blocks."""
    for e in range(cuda.grid(1), total.shape[0], cuda.gridsize(1)):
        value = partial[0, e]
        for p in range(1, partial.shape[0]):
            value += partial[p, e]
        total[e] = value
''',
    '''def clear(values, constants):
    """values_e = 0."""
    for e in range(cuda.grid(1), values.shape[0], cuda.gridsize(1)):
        values[e] = constants[0]
''',
)


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
    texts: Lines = []
    for suffix, plans in programs.items():
        texts += [kernel.text() for kernel in of_slab(plans, suffix, Cuda)]
        texts += [_room_function(k, suffix) for plan in plans for k in of_program(plan) if k.sizes]
    texts += [kernel.text() for kernel in (*of_module(loss, Cuda), printed(depth_adjoint(), Cuda))]
    about = """A thread block works on a tile of records: rows (axis · channel) go by threadIdx.y, records by
threadIdx.x; threads wait for each other after every operation. Sums over stages and blocks are completed by
``depth_adjoint`` and ``sum_blocks``. Tables, tableau and constants are arguments."""
    return loops.module(title, formula, about, "from numba import cuda", [*texts, *UTILITIES])
