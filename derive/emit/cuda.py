"""Program → kernels for Numba-CUDA: the text of ``cuda.py``.

A thread block works on a tile of records, tile after tile. Every operation is a loop that the block's threads share,
rows by threadIdx.y and records by threadIdx.x (neighbouring threads read neighbouring records), and threads wait for
each other after each operation. What an operation leaves for the next lies in the block's working memory: shared
memory sized at launch where that is enough, its row of a workspace otherwise. Sums over records are collected block
by block and added in the order of the blocks, by a kernel of their own: equal bits on every device.

Names, mathematics and constants are those of the CPU printer; only loops and memory differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from derive import maximum
from derive.emit import newton
from derive.emit.cpu import (
    ROW_OF_PART,
    Kernel,
    _docstring,
    _operator_tables,
    _operator_title,
    _plain,
    also_learned,
    blocks_between,
    entry_arguments,
    height,
    learned_table,
    spanning,
    stage_tables,
    table_arguments,
    wide,
)
from derive.emit.scalar import Constants, Lines, Scalar, indent, local
from derive.exact.structure import Structure
from derive.loss import Loss
from derive.program import (
    Average,
    Chain,
    Contract,
    Form,
    Node,
    Operand,
    Operation,
    Outer,
    Pointwise,
    Program,
    base,
    part,
)

CALLS = {
    "tanh": "math.tanh", "sinh": "math.sinh", "cosh": "math.cosh", "exp": "math.exp", "log": "math.log",
    "sqrt": "math.sqrt", "sin": "math.sin", "cos": "math.cos", "tan": "math.tan", "atan": "math.atan",
    "erf": "math.erf", "Abs": "math.fabs", "floor": "math.floor", "log1p": "math.log1p",
}  # fmt: skip

# The rows of an operand, by the variables that a kernel's head defines; what is not named here lives at the nodes.
ROWS = {"H": "state", "M": "state", "G": "weight_in", "T": "weight_out"} | dict.fromkeys("UNSY", "wide")

SYNC = "cuda.syncthreads()"
LANES = [
    "row, rows, column, columns = cuda.threadIdx.y, cuda.blockDim.y, cuda.threadIdx.x, cuda.blockDim.x",
    "block, blocks = cuda.blockIdx.x, cuda.gridDim.x",
]
ALL_LANES = ["thread, threads = row*columns + column, rows*columns"]
RECORDS = "for r in range(column, count, columns):"


class DeviceScalar(Scalar):
    """Scalar code with the functions of ``math``, which has no sign."""

    def _operation(self, node: Node, counts: dict[str, int]) -> str:
        if node.head != "sign":
            return super()._operation(node, counts)
        x = self._text(node.args[0], counts)
        if not x.isidentifier():
            x = self._assign(f"argument:{x}", x)
        zero, one = self.constants.name(self.constants.values[0]), self.constants.name(self.constants.values[1])
        self.used |= {zero, one}
        return f"{one} if {x} > {zero} else (-{one} if {x} < {zero} else {x})"  # NaN stays NaN


# --- operations ---------------------------------------------------------------------------------------------


@dataclass
class Context:
    """How a kernel writes the elements of its arrays.

    place: array → text of one element, with {a} for its row and {r} for its record (or its second row).
    rows: operand → its number of rows, where it is not the usual one.
    """

    program: Program
    place: dict[str, str]
    constants: Constants
    used: set[str] = field(default_factory=set)
    rows: dict[str, str] = field(default_factory=dict)

    def at(self, operand: str, row: str = "a", other: str = "r") -> str:
        if operand in self.place:
            return self.place[operand].format(a=row, r=other)
        return f"{operand}[{_factor(row)}*tile + {other}]"

    def height(self, operand: str) -> str:
        name = base(operand).removeprefix("bar_").removeprefix("dot_")
        return self.rows.get(name) or ROWS.get(name, "node")


def _factor(text: str) -> str:
    return text if text.isidentifier() else f"({text})"


def print_operation(op: Operation, context: Context) -> Lines:
    if isinstance(op, Contract):
        return _contract(op, context)
    if isinstance(op, Outer):
        return _outer(op, context)
    return _average(op, context) if isinstance(op, Average) else _pointwise(op, context)


def print_chain(chain: Iterable[Operation], context: Context) -> Lines:
    return [line for op in chain for line in (*print_operation(op, context), SYNC)]


def _contract(op: Contract, context: Context) -> Lines:
    mark = "ᵀ" if op.transposed else ""
    head = f"# {_plain(op.out)} {'+' if op.accumulate else ''}= {_plain(op.table)}{mark} {_plain(op.operand)}"
    if op.before or op.after:
        return [head, *_factor_loop(op, context)]
    if not op.learned:
        table = context.place.get(op.table, op.table)
        loops = _channels(
            op.structure, table, op.transposed,
            lambda a: context.at(op.out, a), lambda b: context.at(op.operand, b), RECORDS, op.accumulate,
            channels=wide(context.program) if op.table == "Phi" else "channels",
        )  # fmt: skip
        return [head, *loops]
    if op.structure == "blocks":
        return [head, *_block_loop(op, context)]
    element = context.at(op.table, "b", "a") if op.transposed else context.at(op.table, "a", "b")
    total = [
        "total = constants[0]",
        f"for b in range({context.height(op.operand)}):",
        f"    total += {element}*{context.at(op.operand, 'b')}",
        f"{context.at(op.out)} {'+' if op.accumulate else ''}= total",
    ]
    return [head, f"for a in range(row, {context.height(op.out)}, rows):", f"    {RECORDS}", *indent(total, 2)]


def _factor_loop(op: Contract, context: Context) -> Lines:
    """One factor of a Kronecker product, for all indices of the other axes; those behind it go with the channels."""
    rows, columns = (f"{op.table}.shape[{k}]" for k in ((1, 0) if op.transposed else (0, 1)))
    channels = wide(context.program) if op.table.startswith("Phi") else "channels"
    return [
        f"inner = {'*'.join([*(f'{name}.shape[1]' for name in op.after), channels])}",
        f"for lead in range({'*'.join(f'{name}.shape[0]' for name in op.before) or '1'}):",
        *indent(_channels(
            op.structure, op.table, op.transposed,
            lambda a: context.at(op.out, f"lead*{rows}*inner + {a}"),
            lambda b: context.at(op.operand, f"lead*{columns}*inner + {b}"),
            RECORDS, op.accumulate, channels="inner",
        )),
    ]  # fmt: skip


def _block(context: Context, table: str) -> Lines:
    """One piece of a learned table: its size, its first rows in what it acts on and in the result, its first number."""
    full = wide(context.program)
    return [
        f"high, low = {table}_blocks[piece, 0]*{full}, {table}_blocks[piece, 2]*channels",
        f"high_count = ({table}_blocks[piece, 1] - {table}_blocks[piece, 0])*{full}",
        f"low_count = ({table}_blocks[piece, 3] - {table}_blocks[piece, 2])*channels",
        f"origin = {table}_blocks[piece, 4]*{full}*channels",
    ]


def _block_loop(op: Contract, context: Context) -> Lines:
    """T applied block by block; rows that no block meets are zero."""
    clear = [
        f"for a in range(row, {context.height(op.out)}, rows):",
        f"    {RECORDS}",
        f"        {context.at(op.out)} = constants[0]",
        SYNC,
    ]
    low_element, high_element = ("high", "low") if op.transposed else ("low", "high")
    place = "origin + b*low_count + a" if op.transposed else "origin + a*low_count + b"
    return [
        *([] if op.accumulate else clear),
        f"for piece in range({op.table}_blocks.shape[0]):",
        *indent(_block(context, op.table)),
        f"    for a in range(row, {high_element}_count, rows):",
        f"        {RECORDS}",
        "            total = constants[0]",
        f"            for b in range({low_element}_count):",
        f"                total += {context.at(op.table, place)}*{context.at(op.operand, f'{low_element} + b')}",
        f"            {context.at(op.out, f'{high_element} + a')} += total",
    ]


def _channels(
    structure: Structure, table: str, transposed: bool, out: Callable[[str], str], operand: Callable[[str], str],
    other: str | None, accumulate: bool, lanes: str = "row, {}, rows", channels: str = "channels",
) -> Lines:  # fmt: skip
    """out = T operand (Tᵀ when transposed) channel by channel; out, operand: row → element.

    other: the loop over the second index, if there is one. lanes: how the threads share the rows. channels: how many.
    """
    rows, columns = (f"{table}.shape[{k}]" for k in ((1, 0) if transposed else (0, 1)))
    target, sign = out(f"a*{channels} + c"), "+" if accumulate else ""
    if structure == "diagonal":
        body = [f"{target} {sign}= {table}[a, a]*{operand(f'a*{channels} + c')}"]
    else:
        element = f"{table}[b, a]" if transposed else f"{table}[a, b]"
        reach = f"{table}_columns" if transposed else f"{table}_runs"
        inner = f"{reach}[a, 0], {reach}[a, 1]" if structure == "banded" else columns
        body = [
            "total = constants[0]",
            f"for b in range({inner}):",
            f"    total += {element}*{operand(f'b*{channels} + c')}",
            f"{target} {sign}= total",
        ]
    if other:
        body = [other, *indent(body)]
    return [f"for c in range({channels}):", f"    for a in range({lanes.format(rows)}):", *indent(body, 2)]


def _outer(op: Outer, context: Context) -> Lines:
    title = (
        f"# gradient of {_plain(op.table)}: += {_plain(op.out)} {_plain(op.operand)}ᵀ, summed over the tile's records"
    )
    if op.structure == "blocks":  # those that share their numbers have one shape: a thread adds to its own
        return [
            title,
            f"for piece in range({op.table}_blocks.shape[0]):",
            *indent(_block(context, op.table)),
            "    for a in range(row, high_count, rows):",
            "        for b in range(column, low_count, columns):",
            "            total = constants[0]",
            "            for r in range(count):",
            f"                total += {context.at(op.out, 'high + a')}*{context.at(op.operand, 'low + b')}",
            f"            {context.at('bar_' + op.table, 'origin + a*low_count + b')} += total",
        ]
    return [
        title,
        f"for a in range(row, {context.height(op.out)}, rows):",
        f"    for b in range(column, {context.height(op.operand)}, columns):",
        "        total = constants[0]",
        "        for r in range(count):",
        f"            total += {context.at(op.out)}*{context.at(op.operand, 'b')}",
        f"        {context.at('bar_' + op.table, 'a', 'b')} += total",
    ]


def _average(op: Average, context: Context) -> Lines:
    """A thread has all channels of a node, part and record; their number is counted in the kernel's type."""
    return [
        f"# {_plain(op.out)} = the mean of {_plain(op.operand)} over the channels",
        f"for q in range(row, {context.height(op.out)}//channels, rows):",
        f"    {RECORDS}",
        "        total, number = constants[0], constants[0]",
        "        for a in range(q*channels, (q + 1)*channels):",
        f"            total += {context.at(op.operand)}",
        "            number += constants[1]",
        "        for a in range(q*channels, (q + 1)*channels):",
        f"            {context.at(op.out)} = total/number",
    ]


def _pointwise(op: Pointwise, context: Context) -> Lines:
    scalar = DeviceScalar(context.constants, CALLS)
    texts = scalar.print(op.expressions)
    context.used |= scalar.used
    before = [f"{local(s)} = " + " + ".join(_element(context, o) for o in operands) for s, operands in op.inputs]
    inner = before + scalar.lines
    written: dict[str, str] = {}
    for out, text, accumulate, reduce in zip(op.outs, texts, op.accumulate, op.reduce):
        if not reduce:
            name = f"value_{out.replace('@', '_')}"
            value = written.setdefault(text, name)
            inner += [f"{value} = {text}"] if value == name else []
            inner.append(f"{_element(context, out)} {'+' if accumulate else ''}= {value}")
    # parts of an operand: as many rows as those with one a channel
    height = "node" if op.by_channel else context.height(spanning(op))
    find = ["q, c = a//channels, a % channels", ROW_OF_PART.format(parts=op.parts)] if op.by_channel else []
    names = ", ".join(f"{s} = {' + '.join(_plain(o) for o in ops)}" for s, ops in op.inputs)
    lines = [
        f"# {', '.join(_plain(o) for o, reduce in zip(op.outs, op.reduce) if not reduce)} "
        f"at every node and record, {names}",
        f"for a in range(row, {height}, rows):",
        *indent(find),
        f"    {RECORDS}",
        *indent(inner, 2),
    ]
    for out, text, reduce in zip(op.outs, texts, op.reduce):
        if reduce:
            same = [o for o, t, k, r in zip(op.outs, texts, op.accumulate, op.reduce) if t == text and not (k or r)]
            own = f"total += {text if not same else _element(context, same[0])}"
            summand = [own] if same else [*before, *scalar.lines, own]
            over = _over_nodes if base(out) == "bar_p" else _over_records
            lines += over(out, height, find, summand, context)
    return lines


def _element(context: Context, operand: str) -> str:
    """One element of an operand in row a, or of its part, or of the parameters of channel c."""
    array, number = base(operand), part(operand)
    if array in ("p", "bar_p"):
        return context.at(array, str(number), "c")
    return context.at(array) if number is None else context.at(array, f"b + {number}*channels" if number else "b")


def _over_records(out: str, height: str, find: Lines, summand: Lines, context: Context) -> Lines:
    """The gradient of an operand that all records share: a sum over the tile, by one thread a row."""
    return [
        SYNC,
        f"# {_plain(out)}: the same, summed over the tile's records",
        f"for a in range(row*columns + column, {height}, rows*columns):",
        *indent(find),
        "    total = constants[0]",
        "    for r in range(count):",
        *indent(summand, 2),
        f"    {_element(context, out)} += total",
    ]


def _over_nodes(out: str, height: str, find: Lines, summand: Lines, context: Context) -> Lines:
    """The gradient of a parameter that all nodes and records share, by one thread a channel."""
    return [
        SYNC,
        f"# {_plain(out)}: the same, summed over the nodes and the tile's records",
        "for c in range(row*columns + column, channels, rows*columns):",
        "    total = constants[0]",
        f"    for a in range(c, {height}, channels):",
        *indent(find, 2),
        "        for r in range(count):",
        *indent(summand, 3),
        f"    {_element(context, out)} += total",
    ]


def _used(arguments: Iterable[str], lines: Lines) -> list[str]:
    """The arguments that the lines read; a banded table comes with its runs, by rows or by columns."""
    words = {word for line in lines for word in re.findall(r"\w+", line.partition("#")[0])}
    found = []
    for name in arguments:
        both = (name, f"{name.removesuffix('_runs')}_columns") if name.endswith("_runs") else (name,)
        found += [one for one in both if one in words]
    return found


# --- forward and adjoint ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A block's working memory in a kernel: arrays one after the other, each (name, rows)."""

    arrays: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> str:
        return " + ".join(rows for _, rows in self.arrays)

    def lines(self, like: str) -> Lines:
        lines = [
            "# working memory: shared memory, sized at launch, unless the workspace has room for it",
            f"room = cuda.shared.array(0, {like}.dtype)",
            "if workspace.shape[1] > 1:",
            "    room = workspace[block]",
        ]
        lines.append("start = 0")
        lines += [f"{name}, start = room[start:], start + {_factor(rows)}*tile" for name, rows in self.arrays]
        return lines


def _head(program: Program, form: Form, like: str) -> Lines:
    """The sizes that the loops need."""
    parts = program.parts
    sizes = [f"state, node = {like}.shape[0], biases.shape[1]{'' if parts == 1 else f'//{parts}'}"]
    sizes.append("wide = biases.shape[1]")
    if program.blocks:
        outer, inner = blocks_between(program)
        sizes.append(f"weight_out, weight_in = {outer or 'wide'}, {inner or 'state'}")
    elif program.plan == "factors":
        sizes.append("weight_out, weight_in = operators.shape[1], operators.shape[2]")
    if program.entry:
        sizes.append("entry = h_entry.shape[0]")
    sizes += [f"{rows_of(operand)} = {height(program, operand)}" for operand in between(form)]
    return [f"steps, stages, records = combine.shape[0], combine.shape[1] - 1, {like}.shape[1]", *sizes, *LANES]


def between(form: Form) -> tuple[Operand, ...]:
    """The operands between two factors of a Kronecker product, whose rows have names of their own."""
    found = {o.name: o for o in (*form.kept, *form.work, *form.bars, *form.dots) if o.axis == o.name}
    return tuple(found[name] for name in sorted(found))


def rows_of(operand: Operand) -> str:
    """The variable that holds an operand's number of rows."""
    return f"rows_{operand.name}" if operand.axis == operand.name else ROWS.get(operand.name, "node")


TILES = [
    "for first in range(block*tile, records, blocks*tile):",
    "    count = min(tile, records - first)",
]


def _entry_context(context: Context) -> Context:
    """The first stage of a slab whose state arrives in another basis: H is that state, C and X its tables."""
    place = context.place | {"C": "C_entry", "X": "X_entry"}
    place |= {"H": "h_entry[{a}, first + {r}]", "bar_H": "bar_entry[{a}, first + {r}]"}
    if context.program.plan == "formed":
        place |= {"E": "operator_entry[{a}, {r}]", "bar_E": "bar_operator_entry[block, {a}, {r}]"}
    return replace(context, place=place, rows={"H": "entry"})


def _with_entry(stage: Lines, entry: Chain | None, reverse: bool, context: Context) -> Lines:
    if entry is None:
        return stage
    first = print_chain(entry.reverse if reverse else entry.stage, _entry_context(context))
    comment = "the state as it arrived" if reverse else "the state as it arrives"
    return [f"if n == 0 and i == 0:  # {comment}", *indent(first), "else:", *indent(stage)]


def _places(program: Program, form: Form) -> dict[str, str]:
    learned = learned_table(program)
    return {k.name: f"{k.name}[slot, {{a}}, first + {{r}}]" for k in form.kept} | {
        "h": "h[{a}, first + {r}]",
        "M": "m[(i*state + {a})*tile + {r}]",
        "e": "biases[bias, {a}]",
        "p": "parameters[{a}, {r}]",
        "V": "local_operators[bias, {a}]",
        learned: "operators[operator, {a}]" if program.blocks else "operators[operator, {a}, {r}]",
        "bar": "bar[{a}, first + {r}]",
        "bar_M": "bar_m[(i*state + {a})*tile + {r}]",
        "bar_e": "bar_biases[block, bias, {a}]",
        "bar_p": "bar_parameters[block, {a}, {r}]",
        "bar_V": "bar_local_operators[block, bias, {a}]",
        f"bar_{learned}": f"bar_operators[block, operator, {{a}}{'' if program.blocks else ', {r}'}]",
    }


def forward(program: Program, suffix: str, precision: str) -> Kernel:
    """The forward kernel: (7) with the stages of (4), (5); the state is advanced in place."""
    constants = Constants()
    form = _form(program, precision)
    context = Context(program, _places(program, form), constants)
    stages = _implicit_stages(form, context) if program.implicit else _explicit_stages(form, context)
    lines = [
        *_docstring(program, "forward", precision),
        *constants.load(context.used),
        *_head(program, form, "h"),
        *forward_room(form, program.implicit).lines("h"),
        *TILES,
        *indent(_project_entry() if program.entry else []),
        "    for n in range(steps):",
        *indent(stages, 2),
        *indent(_combine(context, "h", "stages", "# h_{n+1} = α h_n + Σ_j γ_j m_j"), 2),
    ]
    arguments = ["h", "combine", "operator_index", "bias_index", "operators", "biases", *stage_tables(program)]
    arguments += [*(entry_arguments(program) if program.entry else []), *newton.ARGUMENTS]
    arguments = [*_used(arguments, lines), "constants", "channels", "workspace", "tile", "keep"]
    arguments += [*(k.name for k in form.kept), *(["unsolved"] if program.implicit else [])]
    name = f"{program.plan}_forward{precision}_{suffix}"
    return Kernel(name, tuple(arguments), tuple(constants.values), tuple(lines))


STAGE = "operator, bias = operator_index[n, i], bias_index[n, i]"


def _explicit_stages(form: Form, context: Context) -> Lines:
    """The stages of a step, each from earlier ones."""
    stage = [
        *_combine(context, "H", "i", "# H_i = α_i h_n + Σ_j γ_ij m_j"),
        *print_chain(form.chain.stage, context),
    ]
    stage = _with_entry(stage, form.entry, False, context)
    return ["for i in range(stages):", *indent(["slot = n*stages + i if keep else 0", STAGE, *stage])]


def _implicit_stages(form: Form, context: Context) -> Lines:
    """The stages of a step, group by group, by Newton's method."""
    context.place.setdefault("H", "H[(i*state + {a})*tile + {r}]")
    tangent = replace(context, place=context.place | {"dot_H": DIRECTION, "dot_M": MOVED})
    loops = CudaLoops(context, ["slot = n*stages + i if keep else i", STAGE])
    stages = newton.forward(loops, print_chain(form.chain.stage, context), print_chain(form.chain.tangent, tangent))
    return ["for group in range(groups.shape[0]):", *indent([GROUP, *stages])]


GROUP = "begin, end = groups[group, 0], groups[group, 1]"
DIRECTION = "directions[((k*stages + i)*state + {a})*tile + {r}]"
MOVED = "moved[(i*state + {a})*tile + {r}]"
EACH = "for r in range(row*columns + column, count, rows*columns):"


class CudaLoops(newton.Loops):
    """Elements are shared by all threads of a block; sums over rows are made by one thread a record."""

    def __init__(self, context: Context, bind: Lines) -> None:
        super().__init__(context.constants, bind, CALLS["sqrt"], CALLS["Abs"])
        self.context = context

    def constant(self, value: Fraction | int) -> str:
        name = super().constant(value)
        self.context.used.add(name)
        return name

    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        return [f"for a in range({low} + row, {high}, rows):", f"    {RECORDS}", *indent(body, 2), SYNC]

    def records(self, body: Lines) -> Lines:
        return [EACH, *indent(body), SYNC]

    def total(self, target: str, term: str) -> Lines:
        low, high = newton.WHOLE
        loop = [f"for a in range({low}, {high}):", f"    total += {term}"]
        return self.records(["total = constants[0]", *loop, f"{target} = total"])

    def any(self) -> Lines:
        test = [f"if {self.number('live')} == {self.constant(1)}:", "    wanted = 1"]
        return ["wanted = 0", EACH, *indent(test), "wanted = cuda.syncthreads_or(wanted)"]

    def vector(self, name: str, row: str) -> str:
        return f"{name}[{_factor(row)}*tile + r]"

    def direction(self, k: str, row: str) -> str:
        return f"directions[({_factor(k)}*stages*state + {row})*tile + r]"

    def number(self, name: str, k: str = "0") -> str:
        return f"{name}_r[{_factor(k)}*tile + r]"

    def operand(self, name: str, stage: str = "i") -> str:
        if name in ("m", "bar_m"):
            return f"{name}[({stage}*state + a)*tile + r]"
        return self.context.at(name)

    def worst(self) -> str:
        return "unsolved[first + r]"


def _form(program: Program, precision: str) -> Form:
    return program.float32 if precision else program.exact


def forward_room(form: Form, implicit: bool) -> Room:
    arrays = {"m": "stages*state"}
    if "H" not in {k.name for k in form.kept}:
        arrays["H"] = "stages*state" if implicit else "state"
    arrays |= {w.name: rows_of(w) for w in form.work}
    if implicit:
        arrays |= {f"dot_{d.name}": rows_of(d) for d in form.dots} | _newton_arrays(solving=True)
    return Room(tuple(arrays.items()))


def _newton_arrays(solving: bool) -> dict[str, str]:
    """What Newton's method, or the adjoint's equations, need: name → rows."""
    arrays = dict.fromkeys(newton.vectors(solving), "stages*state")
    arrays |= {f"{name}_r": rows for name, rows in newton.numbers(solving).items()}
    return arrays | {"directions": "(krylov + 1)*stages*state"}


def _project_entry() -> Lines:
    return [
        "# h_0 = P h_entry, the L2 projection into this slab's basis (13)",
        *_channels(
            "dense", "P_entry", False, "h[{}, first + r]".format, "h_entry[{}, first + r]".format, RECORDS, False
        ),
        SYNC,
    ]


def _combine(context: Context, target: str, row: str, comment: str) -> Lines:
    return [
        comment,
        "for a in range(row, state, rows):",
        f"    {RECORDS}",
        f"        total = combine[n, {row}, 0]*{context.at('h')}",
        f"        for j in range({row}):",
        f"            total += combine[n, {row}, j + 1]*m[(j*state + a)*tile + r]",
        f"        {context.at(target)} = total",
        SYNC,
    ]


def adjoint(program: Program, suffix: str, precision: str) -> Kernel:
    """The adjoint kernel: (10), (11) in reverse order of the stages; ``bar`` becomes dL/dh_0 in place.

    Gradients of operators and biases are this block's: their first index is the block.
    """
    constants = Constants()
    form = _form(program, precision)
    context = Context(program, _places(program, form), constants)
    stages = _implicit_reverse(form, context) if program.implicit else _explicit_reverse(form, context)
    lines = [
        *_docstring(program, "adjoint", precision),
        *constants.load(context.used),
        *_head(program, form, "bar"),
        *adjoint_room(form, program.implicit).lines("bar"),
        *TILES,
        "    for n in range(steps - 1, -1, -1):",
        *indent(_spread(context, "bar", "stages", "stages", "# m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}", ""), 2),
        *indent(stages, 2),
        "        # λ_n = h̄",
        "        for a in range(row, state, rows):",
        f"            {RECORDS}",
        "                bar[a, first + r] = bar_h[a*tile + r]",
        f"        {SYNC}",
        *indent(_return_entry() if program.entry else []),
    ]
    arguments = ["bar", "combine", "operator_index", "bias_index", "operators", "biases", *stage_tables(program)]
    arguments += [*(entry_arguments(program) if program.entry else []), *newton.ARGUMENTS]
    arguments = [*_used(arguments, lines), "constants", "channels", *(k.name for k in form.kept)]
    arguments += ["bar_operators", "bar_biases", *(f"bar_{name}" for name in also_learned(program))]
    if program.entry:
        arguments += ["bar_entry", *(["bar_operator_entry"] if form.entry and program.plan == "formed" else [])]
    name = f"{program.plan}_adjoint{precision}_{suffix}"
    return Kernel(name, (*arguments, "workspace", "tile"), tuple(constants.values), tuple(lines))


BACK = "# m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i"


def _explicit_reverse(form: Form, context: Context) -> Lines:
    """The stages of a step backwards, the last one first."""
    stage = [*print_chain(form.chain.reverse, context), *_spread(context, "bar_H", "i", "i", BACK, "+")]
    stage = _with_entry(stage, form.entry, True, context)
    return ["for i in range(stages - 1, -1, -1):", *indent(["slot = n*stages + i", STAGE, *stage])]


def _implicit_reverse(form: Form, context: Context) -> Lines:
    """The stages of a step backwards, group by group, by the transposed equations."""
    transposed = replace(context, place=context.place | {"bar_M": DIRECTION, "bar_H": MOVED})
    stages = newton.adjoint(
        CudaLoops(context, ["slot = n*stages + i", STAGE]),
        print_chain(form.chain.transposed, transposed),
        [*print_chain(form.chain.reverse, context), *_spread(context, "bar_H", "i", "begin", BACK, "+")],
    )
    return ["for group in range(groups.shape[0] - 1, -1, -1):", *indent([GROUP, *stages])]


def adjoint_room(form: Form, implicit: bool) -> Room:
    arrays = {"bar_m": "stages*state", "bar_h": "state"}
    arrays |= {f"bar_{b.name}": rows_of(b) for b in form.bars}
    return Room(tuple((arrays | (_newton_arrays(solving=False) if implicit else {})).items()))


def _return_entry() -> Lines:
    return [
        "# dL/dh_entry += Pᵀ dL/dh_0",
        *_channels(
            "dense", "P_entry", True, "bar_entry[{}, first + r]".format, "bar[{}, first + r]".format, RECORDS, True
        ),
        SYNC,
    ]


def _spread(context: Context, source: str, row: str, count: str, comment: str, sign: str) -> Lines:
    return [
        comment,
        "for a in range(row, state, rows):",
        f"    {RECORDS}",
        f"        bar_h[a*tile + r] {sign}= combine[n, {row}, 0]*{context.at(source)}",
        f"        for j in range({count}):",
        f"            bar_m[(j*state + a)*tile + r] {sign}= combine[n, {row}, j + 1]*{context.at(source)}",
        SYNC,
    ]


def room_function(program: Program, kind: str, precision: str, suffix: str) -> str:
    """A function for the host: how many rows of working memory a forward or adjoint kernel needs."""
    form, name = _form(program, precision), f"{program.plan}_{kind}{precision}"
    room = (forward_room if kind == "forward" else adjoint_room)(form, program.implicit)
    sizes = ["stages", "state", "node", "wide", "weight_out", "weight_in", *(["krylov"] if program.implicit else [])]
    sizes += [rows_of(operand) for operand in between(form)]
    return (
        f"def {name}_rows_{suffix}({', '.join(sizes)}):\n"
        f'    """Rows of working memory that a record needs in {name}_{suffix}."""\n'
        f"    return {room.rows}\n"
    )


# --- stage operators ----------------------------------------------------------------------------------------


def operators(program: Program, suffix: str, entry: bool) -> Kernel:
    """Stage operators from the fields' coefficients: Mix over depth, then (formed) Φ · C; e = Ψ β. A block a row of θ.

    mixed, left: room for Σ_k θ_sk w_k and for Φ times it, used where Φ or C leaves something to do; turned: for κ in
    frequencies.
    """
    phi, c = _factors(program, entry)
    targets = [
        *(["mixed"] if phi or c or program.blocks else []), *(["left"] if phi and c else []),
        *(["turned"] if program.waves else []), "operators",
    ]  # fmt: skip
    stage = [*_mix(targets[0]), *(_placed(program, reverse=False) if program.blocks else [])]
    if phi:
        stage += [f"# {targets[1]} = Φ {targets[0]}", *_left(wide(program), phi, False, targets[0], targets[1]), SYNC]
    if c:
        title = "# E_s = " + ("left C" if phi else "mixed C")
        stage += [title, *_right(c[0], c[1], False, targets[-2], "operators"), SYNC]
    lines = ['"""' + _operator_title(program, entry) + '"""', *LANES]
    lines += ["for s in range(block, theta.shape[0], blocks):", *indent(stage)]
    arguments = ["w", "theta", *_operator_tables(program, entry)]
    outputs = targets
    if not entry:
        psi = program.structure("Psi")
        bias = "biases" if psi == "identity" else "mixed_bias"
        lines += [*ALL_LANES, "for s in range(block, vartheta.shape[0], blocks):", *indent(_mix_bias(bias))]
        if psi != "identity":
            lines += indent(["# e_s = Ψ β_s", *_bias(wide(program), psi, False, "mixed_bias", "biases")])
        arguments += ["beta", "vartheta", *table_arguments(program, ["Psi"])]
        outputs = [*outputs, *dict.fromkeys((bias, "biases"))]
    if program.local:
        lines += ["for s in range(block, vartheta.shape[0], blocks):", *indent(_mix("mixed_local", "v", "vartheta"))]
        lines += indent(["# V_s = Ψ v_s", *_local(False, "mixed_local", "local_operators")])
        arguments += ["v", "Psi_V"]
        outputs += ["mixed_local", "local_operators"]
    name = f"{program.plan}_{'entry_' if entry else ''}operators_{suffix}"
    arguments = [*_used(arguments, lines), "constants", "channels", *outputs]
    return Kernel(name, tuple(arguments), tuple(Constants().values), tuple(lines))


def _factors(program: Program, entry: bool) -> tuple[Structure | None, tuple[str, Structure] | None]:
    """What is left to do for Φ and for C when an operator is formed."""
    if program.plan == "factors":
        return None, None
    phi = program.structure("Phi")
    c: tuple[str, Structure] = ("C_entry", "dense") if entry else ("C", program.structure("C"))
    return (None if phi == "identity" else phi), (None if c[1] == "identity" else c)


def _mix(target: str, fields: str = "w", weights: str = "theta") -> Lines:
    return [
        f"# Σ_k {'θ' if weights == 'theta' else 'ϑ'}_sk {fields}_k",
        f"for a in range(row, {fields}.shape[1], rows):",
        f"    for b in range(column, {fields}.shape[2], columns):",
        "        total = constants[0]",
        f"        for k in range({weights}.shape[1]):",
        f"            total += {weights}[s, k]*{fields}[k, a, b]",
        f"        {target}[s, a, b] = total",
        SYNC,
    ]


def _mix_bias(target: str) -> Lines:
    return [
        "# β_s = Σ_k ϑ_sk β_k",
        "for a in range(thread, beta.shape[1], threads):",
        "    total = constants[0]",
        "    for k in range(vartheta.shape[1]):",
        "        total += vartheta[s, k]*beta[k, a]",
        f"    {target}[s, a] = total",
        SYNC,
    ]


def _left(full: str, structure: Structure, transposed: bool, source: str, target: str) -> Lines:
    """target[s] = Φ source[s], channel by channel (Φᵀ when transposed)."""
    columns = f"for d in range(column, {source}.shape[2], columns):"
    out, operand = f"{target}[s, {{}}, d]".format, f"{source}[s, {{}}, d]".format
    return _channels(structure, "Phi", transposed, out, operand, columns, False, channels=full)


def _right(table: str, structure: Structure, transposed: bool, source: str, target: str) -> Lines:
    """target[s] = source[s] T, channel by channel (times Tᵀ when transposed): its columns are Tᵀ times those rows."""
    height = f"for d in range(row, {source}.shape[1], rows):"
    return _channels(
        structure, table, not transposed, f"{target}[s, d, {{}}]".format, f"{source}[s, d, {{}}]".format, height, False,
        "column, {}, columns",
    )  # fmt: skip


def _bias(full: str, structure: Structure, transposed: bool, source: str, target: str) -> Lines:
    """target[s] = Ψ source[s], channel by channel (Ψᵀ when transposed); no second index to share."""
    out, operand = f"{target}[s, {{}}]".format, f"{source}[s, {{}}]".format
    return _channels(structure, "Psi", transposed, out, operand, None, False, "thread, {}, threads", full)


def _local(transposed: bool, source: str, target: str) -> Lines:
    """The matrices V_s, one a different row of Ψ, from those of ψ_i; or their gradients back."""
    if transposed:
        return _summed("Psi_V", True, f"{source}[s, b*size + d]", f"{target}[s, a, d]", f"{target}.shape[2]")
    size = f"{target}.shape[1]//Psi_V.shape[0]"
    return _summed("Psi_V", False, f"{source}[s, b, d]", f"{target}[s, a*size + d]", size)


def _summed(table: str, transposed: bool, source: str, target: str, size: str) -> Lines:
    """target = Σ_b T_ab source (T_ba when transposed) for every a, and every d below ``size``."""
    rows, terms, element = (1, 0, "[b, a]") if transposed else (0, 1, "[a, b]")
    return [
        f"size = {size}",
        f"for a in range(row, {table}.shape[{rows}], rows):",
        "    for d in range(column, size, columns):",
        "        total = constants[0]",
        f"        for b in range({table}.shape[{terms}]):",
        f"            total += {table}{element}*{source}",
        f"        {target} = total",
        SYNC,
    ]


def _placed(program: Program, reverse: bool) -> Lines:
    """w = N z, entry by entry, or z̄ = Nᵀ w̄; a thread has its own pairs of channels. See the CPU's."""
    full, given = wide(program), "turned" if program.waves else "mixed"
    place, number = "operators[s, at + c]", f"{given}[s, w_entries[e, 0], o*channels + c]"
    body = [
        "for e in range(w_entries.shape[0]):",
        f"    line = w_entries[e, 2]*{full} + o",
        f"    at = (w_entries[e, 1]*{full} + line*w_entries[e, 4] + w_entries[e, 3])*channels",
        "    " + (f"{number} += w_values[e]*bar_{place}" if reverse else f"{place} += w_values[e]*{number}"),
    ]
    turned: Lines = []
    if program.waves:
        source, target = ("turned", "mixed") if reverse else ("mixed", "turned")
        turned = _summed("w_waves", reverse, f"{source}[s, b, d]", f"{target}[s, a, d]", "mixed.shape[2]")
    if reverse:
        head = ["# z̄ = Nᵀ w̄"]
        body = [f"for a in range({given}.shape[1]):", f"    {given}[s, a, o*channels + c] = constants[0]", *body]
    else:
        head = [
            *turned,
            "# w = N z",
            "for a in range(row*columns + column, operators.shape[1], rows*columns):",
            "    operators[s, a] = constants[0]",
            SYNC,
        ]
    return [
        *head,
        f"for o in range(row, {full}, rows):",
        "    for c in range(column, channels, columns):",
        *indent(body, 2),
        SYNC,
        *(turned if reverse else []),
    ]


def operators_adjoint(program: Program, suffix: str, entry: bool) -> Kernel:
    """From the gradients of operators and biases to those of Σ_k θ_sk w_k and Σ_k ϑ_sk β_k: mixed, mixed_bias.

    ``depth_adjoint`` then collects them over the stages.
    """
    phi, c = _factors(program, entry)
    title = f"The adjoint of: {_operator_title(program, entry)}   (11), but for the sums over the stages."
    lines = [f'"""{title}"""', *LANES]
    stage: Lines = []
    source = "bar_operators"
    if c:
        target = "left" if phi else "mixed"
        stage += [f"# {target} = Ē_s Cᵀ", *_right(c[0], c[1], True, source, target), SYNC]
        source = target
    if phi:
        stage += [
            f"# mixed = Φᵀ {_plain(source) if c else 'Ē_s'}",
            *_left(wide(program), phi, True, source, "mixed"),
            SYNC,
        ]
    if program.blocks:
        stage = _placed(program, reverse=True)
    elif not stage:
        stage = [
            "for a in range(row, mixed.shape[1], rows):",
            "    for b in range(column, mixed.shape[2], columns):",
            "        mixed[s, a, b] = bar_operators[s, a, b]",
        ]
    lines += ["for s in range(block, mixed.shape[0], blocks):", *indent(stage)]
    arguments = ["bar_operators", *_operator_tables(program, entry)]
    outputs = [*(["left"] if phi and c else []), *(["turned"] if program.waves else []), "mixed"]
    if not entry:
        psi = program.structure("Psi")
        lines += [*ALL_LANES, "for s in range(block, mixed_bias.shape[0], blocks):"]
        if psi == "identity":
            lines += ["    for a in range(thread, mixed_bias.shape[1], threads):",
                      "        mixed_bias[s, a] = bar_biases[s, a]"]  # fmt: skip
        else:
            lines += indent(["# mixed_bias = Ψᵀ ē_s", *_bias(wide(program), psi, True, "bar_biases", "mixed_bias")])
        arguments += ["bar_biases", *table_arguments(program, ["Psi"])]
        outputs.append("mixed_bias")
    if program.local:
        lines += ["for s in range(block, mixed_local.shape[0], blocks):"]
        lines += indent(["# mixed_local = Ψᵀ V̄_s", *_local(True, "bar_local_operators", "mixed_local")])
        arguments += ["bar_local_operators", "Psi_V"]
        outputs.append("mixed_local")
    name = f"{program.plan}_{'entry_' if entry else ''}operators_adjoint_{suffix}"
    arguments = [*_used(arguments, lines), "constants", "channels", *outputs]
    return Kernel(name, tuple(arguments), tuple(Constants().values), tuple(lines))


# --- readout, loss and sums ---------------------------------------------------------------------------------

ONE_EACH = "range(cuda.grid(1), {}, cuda.gridsize(1))"


def common() -> tuple[Kernel, ...]:
    """What every module holds: the affine readout z = R y + a and smooth maxima with adjoints, sums, and zeros."""
    readout = (
        '"""z_k = ∫ R_k(ξ) y(ξ) dξ + a_k: ``operator`` holds the readout\'s fields against the state basis."""',
        *LANES,
        "for first in range(block*columns, y.shape[1], blocks*columns):",
        "    for k in range(row, z.shape[0], rows):",
        "        for r in range(first + column, min(first + columns, y.shape[1]), columns):",
        "            total = constant[k]",
        "            for b in range(y.shape[0]):",
        "                total += operator[k, b]*y[b, r]",
        "            z[k, r] = total",
    )
    readout_adjoint = (
        '"""The adjoint of: z = R y + a. bar_y is set; a block adds to its own gradients of R and a."""',
        *LANES,
        "for first in range(block*tile, y.shape[1], blocks*tile):",
        "    last = min(first + tile, y.shape[1])",
        "    # ȳ = Rᵀ z̄",
        "    for b in range(row, y.shape[0], rows):",
        "        for r in range(first + column, last, columns):",
        "            total = constants[0]",
        "            for k in range(bar_z.shape[0]):",
        "                total += operator[k, b]*bar_z[k, r]",
        "            bar_y[b, r] = total",
        "    # R̄ += z̄ yᵀ,  ā += z̄, summed over the tile's records",
        "    for k in range(row, bar_z.shape[0], rows):",
        "        for b in range(column, y.shape[0], columns):",
        "            total = constants[0]",
        "            for r in range(first, last):",
        "                total += bar_z[k, r]*y[b, r]",
        "            bar_operator[block, k, b] += total",
        "    for k in range(row*columns + column, bar_z.shape[0], rows*columns):",
        "        total = constants[0]",
        "        for r in range(first, last):",
        "            total += bar_z[k, r]",
        "        bar_constant[block, k] += total",
    )
    lift = (
        '"""h = P (x, 1): at every function of the basis, from the coefficients of the records and of 1."""',
        *LANES,
        "size, inputs = lift.shape[0], lift.shape[1]",
        "for first in range(block*columns, h.shape[1], blocks*columns):",
        "    for a in range(row, h.shape[0], rows):",
        "        for r in range(first + column, min(first + columns, h.shape[1]), columns):",
        "            total = constants[0]",
        "            for k in range(inputs):",
        "                total += lift[a % size, k]*x[a//size*inputs + k, r]",
        "            h[a, r] = total",
    )
    lift_adjoint = (
        '"""The adjoint of: h = P (x, 1). bar_x is set; a block adds to its own gradient of P."""',
        *LANES,
        "size, inputs = lift.shape[0], lift.shape[1]",
        "for first in range(block*tile, x.shape[1], blocks*tile):",
        "    last = min(first + tile, x.shape[1])",
        "    for a in range(row, x.shape[0], rows):",
        "        for r in range(first + column, last, columns):",
        "            total = constants[0]",
        "            for c in range(size):",
        "                total += lift[c, a % inputs]*bar_h[a//inputs*size + c, r]",
        "            bar_x[a, r] = total",
        "    for c in range(row, size, rows):",
        "        for k in range(column, inputs, columns):",
        "            total = constants[0]",
        "            for a in range(x.shape[0]//inputs):",
        "                for r in range(first, last):",
        "                    total += bar_h[a*size + c, r]*x[a*inputs + k, r]",
        "            bar_lift[block, c, k] += total",
    )
    sum_blocks = (
        '"""total_e = Σ_p partial_pe: the blocks\' sums, added in the order of the blocks."""',
        f"for e in {ONE_EACH.format('total.shape[0]')}:",
        "    value = partial[0, e]",
        "    for p in range(1, partial.shape[0]):",
        "        value += partial[p, e]",
        "    total[e] = value",
    )
    depth_adjoint = (
        '"""The adjoint of the mix over depth: bar_ke += Σ_s θ_sk mixed_se   (11)."""',
        f"for e in {ONE_EACH.format('bar.shape[1]')}:",
        "    for k in range(bar.shape[0]):",
        "        value = bar[k, e]",
        "        for s in range(theta.shape[0]):",
        "            value += theta[s, k]*mixed[s, e]",
        "        bar[k, e] = value",
    )
    clear = (
        '"""values_e = 0."""',
        f"for e in {ONE_EACH.format('values.shape[0]')}:",
        "    values[e] = constants[0]",
    )
    gradients = ("bar_z", "y", "operator", "constants", "bar_y", "bar_operator", "bar_constant", "tile")
    zero = tuple(Constants().values)
    return (
        Kernel("lift", ("x", "lift", "constants", "h"), zero, lift),
        Kernel("lift_adjoint", ("bar_h", "x", "lift", "constants", "bar_x", "bar_lift", "tile"), zero, lift_adjoint),
        Kernel("readout", ("y", "operator", "constant", "z"), (), readout),
        Kernel("readout_adjoint", gradients, zero, readout_adjoint),
        *_maximum(),
        Kernel("sum_blocks", ("partial", "total"), (), sum_blocks),
        Kernel("depth_adjoint", ("theta", "mixed", "bar"), (), depth_adjoint),
        Kernel("clear", ("values", "constants"), zero, clear),
    )


def _maximum() -> tuple[Kernel, Kernel]:
    """Smooth maxima of y below y, and their adjoint, a thread a channel and record; see the CPU's."""
    form, constants = maximum.derive(), Constants()
    scalars = [DeviceScalar(constants, CALLS) for _ in range(3)]
    term, value, slope = (s.print((e,))[0] for s, e in zip(scalars, (form.term, form.value, form.slope)))
    sizes = "beta, channels, state = sharpness[0], {1}.shape[0] - {0}.shape[0], {0}.shape[0]"
    each = [
        "for first in range(block*columns, at_nodes.shape[1], blocks*columns):",
        "    for c in range(row, channels, rows):",
        "        for r in range(first + column, min(first + columns, at_nodes.shape[1]), columns):",
    ]
    total = [
        "S_q = constants[0]",
        "for q in range(weights.shape[0]):",
        "    y_q = at_nodes[q*channels + c, r] - top",
        *indent(scalars[0].lines),
        f"    S_q += weights[q]*{term}",
    ]
    own = [
        "for j in range(state//channels):",
        "    features[j*channels + c, r] = y[j*channels + c, r]",
        "top = constants[0]",
        "for q in range(weights.shape[0]):",
        "    total = constants[0]",
        "    for j in range(state//channels):",
        "        total += X[q, j]*y[j*channels + c, r]",
        "    at_nodes[q*channels + c, r] = total",
        "    top = total if q == 0 or total > top else top  # m rises by a constant that is added to y",
        *total,
        *scalars[1].lines,
        f"features[state + c, r] = top + {value}",
    ]
    back = [
        "top = at_nodes[c, r]",
        "for q in range(1, weights.shape[0]):",
        "    other = at_nodes[q*channels + c, r]",
        "    top = other if other > top else top",
        *total,
        "for q in range(weights.shape[0]):",
        "    y_q = at_nodes[q*channels + c, r] - top",
        *indent(scalars[2].lines),
        f"    at_nodes[q*channels + c, r] = weights[q]*{slope}*bar_features[state + c, r]",
        "for j in range(state//channels):",
        "    total = bar_features[j*channels + c, r]",
        "    for q in range(weights.shape[0]):",
        "        total += X[q, j]*at_nodes[q*channels + c, r]",
        "    bar_y[j*channels + c, r] = total",
    ]
    titles = (
        '"""Below y its smooth maxima (1/β) log Σ_q ω_q exp(β y(ξ_q)), one a channel; at_nodes = y(ξ_q)."""',
        '"""The adjoint of: smooth maxima. bar_y is set; at_nodes becomes m̄ ∂m/∂y_q, the share of node q of m̄."""',
    )
    given = ("X", "weights", "sharpness")
    return (
        Kernel("maximum", ("y", *given, "constants", "at_nodes", "features"), tuple(constants.values),
               (titles[0], *LANES, sizes.format("y", "features"), *each, *indent(own, 3))),
        Kernel("maximum_adjoint", ("bar_features", *given, "constants", "at_nodes", "bar_y"), tuple(constants.values),
               (titles[1], *LANES, sizes.format("bar_y", "bar_features"), *each, *indent(back, 3))),
    )  # fmt: skip


def loss(form: Loss) -> Kernel:
    """The loss of every record and its source ∂L/∂z, from the derivation of its file; a thread a record."""
    form, constants = form.in_kernel(), Constants()
    sums, final, back = (DeviceScalar(constants, CALLS) for _ in range(3))
    terms = sums.print(tuple(g for _, g in form.sums))
    (value_text,) = final.print((form.value,))
    (source_text,) = back.print((form.source,))
    load = [f"zk, tk = z[k, r]{' - top' if form.shift else ''}, target[k, r]"]
    shift = [
        "top = z[0, r]  # L is unchanged when a constant is added to every output",
        "for k in range(1, z.shape[0]):",
        "    top = z[k, r] if z[k, r] > top else top",
    ]
    names = [name for name, _ in form.sums]
    lines = [
        f'"""L of every record ({form.name}) and source = ∂L/∂z, from its derivation."""',
        *constants.load(sums.used | final.used | back.used),
        f"for r in {ONE_EACH.format('z.shape[1]')}:",
        *indent(shift if form.shift else []),
        *[f"    {name} = constants[0]" for name in names],
        "    for k in range(z.shape[0]):",
        *indent([*load, *sums.lines, *(f"{name} += {t}" for name, t in zip(names, terms))], 2),
        *indent([*final.lines, f"value[r] = {value_text}"]),
        "    for k in range(z.shape[0]):",
        *indent([*load, *back.lines, f"source[k, r] = {source_text}"], 2),
    ]
    return Kernel("loss", ("z", "target", "constants", "value", "source"), tuple(constants.values), tuple(lines))


# --- the module ---------------------------------------------------------------------------------------------


def kernels(programs: tuple[Program, ...], suffix: str) -> tuple[Kernel, ...]:
    """All kernels of one signature, by the names that the CPU's have."""
    printed: list[Kernel] = []
    for program in programs:
        entries = (False, True) if program.exact.entry and program.plan == "formed" else (False,)
        for entry in entries:
            printed += [operators(program, suffix, entry), operators_adjoint(program, suffix, entry)]
        for precision in ("", "_float32"):
            printed += [forward(program, suffix, precision), adjoint(program, suffix, precision)]
    return tuple(printed)


def module(title: str, formula: str, printed: Mapping[str, tuple[Program, ...]], form: Loss) -> str:
    """The text of cuda.py. printed: suffix → the programs of one signature, one a plan."""
    texts = []
    for suffix, programs in printed.items():
        texts += [kernel.text() for kernel in kernels(programs, suffix)]
        texts += [
            room_function(program, kind, precision, suffix)
            for program in programs
            for kind in ("forward", "adjoint")
            for precision in ("", "_float32")
        ]
    texts += [kernel.text() for kernel in (*common(), loss(form))]
    head = f'''"""{title}

{formula}

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
A thread block works on a tile of records, tile after tile: rows (axis · channel) go by threadIdx.y, records by
threadIdx.x, and the threads wait for each other after every operation. Tables, tableau and constants are arguments.
"""

import math  # noqa: F401

from numba import cuda
'''
    return head + "".join(f"\n\n{text}" for text in texts)
