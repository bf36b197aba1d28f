"""Program → plain Python over NumPy arrays, which Numba compiles: the text of ``cpu.py``.

The emitter decides loops, registers and buffers, never mathematics. The printed functions read no module-level
value and contain no float literal: the same text runs as plain Python, float32, float64 and complex128.
Layout: (axis · channel, record) with records contiguous: a table acts on all channels and records at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from derive import maximum
from derive.emit import newton
from derive.emit.scalar import Constants, Lines, Scalar, indent, local
from derive.exact.structure import Structure
from derive.loss import Loss
from derive.program import (
    MAKES,
    SHARED,
    Average,
    Chain,
    Contract,
    Form,
    Operand,
    Operation,
    Outer,
    Pointwise,
    Program,
    base,
    part,
    tree,
)
from derive.spaces.basis import Basis

CALLS = {
    "tanh": "np.tanh", "sinh": "np.sinh", "cosh": "np.cosh", "exp": "np.exp", "log": "np.log", "sqrt": "np.sqrt",
    "sin": "np.sin", "cos": "np.cos", "tan": "np.tan", "atan": "np.arctan", "erf": "math.erf", "Abs": "np.abs",
    "sign": "np.sign", "floor": "np.floor", "log1p": "np.log1p",
}  # fmt: skip


# --- operations ---------------------------------------------------------------------------------------------


@dataclass
class Context:
    """How the operands of a chain are written in the kernel at hand. place: operand → text; constants: shared."""

    program: Program
    place: dict[str, str]
    constants: Constants
    used: set[str] = field(default_factory=set)

    def at(self, operand: str) -> str:
        return self.place.get(operand, operand)

    @property
    def wide(self) -> str:
        """How many pre-activations all channels have together."""
        return wide(self.program)


def wide(program: Program) -> str:
    """How many pre-activations all channels have together."""
    return "channels" if program.parts == 1 else f"{program.parts}*channels"


def print_operation(op: Operation, context: Context) -> Lines:
    if isinstance(op, Contract):
        return _contract(op, context)
    if isinstance(op, Outer):
        return _outer(op, context)
    return _average(op, context) if isinstance(op, Average) else _pointwise(op, context)


def _contract(op: Contract, context: Context) -> Lines:
    out, operand, table = context.at(op.out), context.at(op.operand), context.at(op.table)
    mark = "ᵀ" if op.transposed else ""
    head = f"# {_plain(op.out)} {'+' if op.accumulate else ''}= {op.table}{mark} {_plain(op.operand)}"
    if op.structure == "blocks":
        return [head, *_block_loop(op, context)]
    if op.learned:
        return [head, *_dense(out, table + (".T" if op.transposed else ""), operand, op.accumulate)]
    if op.before:
        return [head, *_apply_factor(op, out, table, operand)]
    return [head, *_apply_table(op.structure, out, table, operand, op.transposed, op.accumulate)]


def _apply_factor(op: Contract, out: str, table: str, operand: str) -> Lines:
    """One factor of a Kronecker product, but the first, for all indices of the axes before its own."""
    rows, columns = (1, 0) if op.transposed else (0, 1)
    return [
        f"before = {'*'.join(f'{name}.shape[0]' for name in op.before)}",
        f"width = {out}.size//(before*{table}.shape[{rows}])",
        f"targets = {out}.reshape((before, {table}.shape[{rows}], width))",
        f"givens = {operand}.reshape((before, {table}.shape[{columns}], width))",
        "for lead in range(before):",
        "    target, given = targets[lead], givens[lead]",
        *indent(CONTRACT_LOOPS[op.structure]("target", table, "given", op.transposed, op.accumulate)),
    ]


def _apply_table(structure: Structure, out: str, table: str, operand: str, transposed: bool, accumulate: bool) -> Lines:
    """out = T operand along the axis of both, for all channels and records at once."""
    rows, columns = (1, 0) if transposed else (0, 1)
    flat = [
        f"width = {out}.size//{table}.shape[{rows}]",
        f"target = {out}.reshape(({table}.shape[{rows}], width))",
        f"given = {operand}.reshape(({table}.shape[{columns}], width))",
    ]
    return [*flat, *CONTRACT_LOOPS[structure]("target", table, "given", transposed, accumulate)]


def _block(context: Context, table: str, array: str, wide: str, narrow: str) -> Lines:
    """One piece of a learned table: ``array`` as its matrix, and its rows of what it acts on and of the result."""
    return [
        f"rows = ({table}_blocks[piece, 1] - {table}_blocks[piece, 0])*{context.wide}",
        f"columns = ({table}_blocks[piece, 3] - {table}_blocks[piece, 2])*channels",
        f"start = {table}_blocks[piece, 4]*{context.wide}*channels",
        f"block = {array}[start:start + rows*columns].reshape((rows, columns))",
        f"high = {wide}[{table}_blocks[piece, 0]*{context.wide}:{table}_blocks[piece, 1]*{context.wide}]",
        f"low = {narrow}[{table}_blocks[piece, 2]*channels:{table}_blocks[piece, 3]*channels]",
    ]


def _block_loop(op: Contract, context: Context) -> Lines:
    """T applied block by block; rows that no block meets are zero, and blocks that share rows add up."""
    out, operand = context.at(op.out), context.at(op.operand)
    wide, narrow = (operand, out) if op.transposed else (out, operand)
    target, given, matrix = ("low", "high", "block.T") if op.transposed else ("high", "low", "block")
    return [
        *([] if op.accumulate else [f"{out}[:] = constants[0]"]),
        f"for piece in range({op.table}_blocks.shape[0]):",
        *indent(_block(context, op.table, context.at(op.table), wide, narrow)),
        *indent(_dense(target, matrix, given, op.accumulate or context.program.several)),
    ]


def _dense(out: str, table: str, operand: str, accumulate: bool) -> Lines:
    if not accumulate:
        return [f"np.dot({table}, {operand}, {out})"]
    return [
        f"product = np.dot({table}, {operand})",
        *([f"target = {out}"] if out != "target" else []),
        "for a in range(product.shape[0]):",
        "    for r in range(product.shape[1]):",
        "        target[a, r] += product[a, r]",
    ]


def _dense_table(out: str, table: str, operand: str, transposed: bool, accumulate: bool) -> Lines:
    return _dense(out, table + (".T" if transposed else ""), operand, accumulate)


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


CONTRACT_LOOPS = {"dense": _dense_table, "diagonal": _diagonal, "banded": _banded}


def _outer(op: Outer, context: Context) -> Lines:
    title = f"# gradient of {op.table}: += {_plain(op.out)} {_plain(op.operand)}ᵀ, summed over records"
    if op.structure == "blocks":
        array = context.at("bar_" + op.table)
        return [
            title,
            f"for piece in range({op.table}_blocks.shape[0]):",
            *indent(_block(context, op.table, array, context.at(op.out), context.at(op.operand))),
            "    product = np.dot(high, low.T)",
            "    for a in range(rows):",
            "        for b in range(columns):",
            "            block[a, b] += product[a, b]",
        ]
    return [
        title,
        f"product = np.dot({context.at(op.out)}, {context.at(op.operand)}.T)",
        f"target = {context.at('bar_' + op.table)}",
        "for a in range(product.shape[0]):",
        "    for b in range(product.shape[1]):",
        "        target[a, b] += product[a, b]",
    ]


def _average(op: Average, context: Context) -> Lines:
    """The first row of a node and part collects, the others copy it; their number is counted in the kernel's type."""
    out, operand = context.at(op.out), context.at(op.operand)
    first = f"{out}[a, r]"

    def each(statement: str) -> Lines:
        return [f"    for r in range({out}.shape[1]):", f"        {statement}"]

    return [
        f"# {_plain(op.out)} = the mean of {_plain(op.operand)} over the channels",
        "number = constants[0]",
        "for c in range(channels):",
        "    number += constants[1]",
        f"for a in range(0, {out}.shape[0], channels):",
        *each(f"{first} = {operand}[a, r]"),
        "    for c in range(1, channels):",
        *indent(each(f"{first} += {operand}[a + c, r]")),
        *each(f"{first} /= number"),
        "    for c in range(1, channels):",
        *indent(each(f"{out}[a + c, r] = {first}")),
    ]


def _pointwise(op: Pointwise, context: Context) -> Lines:
    scalar = Scalar(context.constants, CALLS)
    texts = scalar.print(op.expressions)
    context.used |= scalar.used
    inner: Lines = []
    for symbol, operands in op.inputs:
        inner.append(f"{local(symbol)} = " + " + ".join(element(context.at, o) for o in operands))
    inner += scalar.lines
    before: Lines = []
    after: Lines = []
    written: dict[str, str] = {}
    for out, text, accumulate, reduce in zip(op.outs, texts, op.accumulate, op.reduce):
        text = written.get(text) or text
        if reduce:
            total = "total" if op.reduce.count(True) == 1 else f"total_{len(after) + 1}"
            before.append(f"{total} = constants[0]")
            inner.append(f"{total} += {text}")
            after.append(f"{element(context.at, out)} += {total}")
        else:
            value = f"value_{out.replace('@', '_')}"
            inner += [f"{value} = {text}", f"{element(context.at, out)} {'+' if accumulate else ''}= {value}"]
            written[text] = value
    first = spanning(op)
    comment = ", ".join(_plain(o) for o in op.outs)
    names = ", ".join(f"{s} = {' + '.join(_plain(o) for o in ops)}" for s, ops in op.inputs)
    body = [
        *before,
        f"for r in range({context.at(base(first))}.shape[1]):",
        *indent(inner),
        *after,
    ]
    head = f"# {comment} at every node and record, {names}"
    rows = f"{context.at(base(first))}.shape[0]"
    if not op.by_channel:
        return [head, f"for a in range({rows}):", *indent(body)]
    return [
        head,
        f"for q in range({rows}//({'' if part(first) is None else f'{op.parts}*'}channels)):",
        "    for c in range(channels):",
        f"        {ROW_OF_PART.format(parts=op.parts)}",
        *indent(body, 2),
    ]


# Row a has node q and channel c; its pre-activations are in the rows b, b + channels, … of what has them all.
ROW_OF_PART = "a, b = q*channels + c, {parts}*q*channels + c"


def spanning(op: Pointwise) -> str:
    """An input that has all nodes and records."""
    if op.inputs[-1][0] == "v":
        return op.inputs[-1][1][0]
    return next(o for _, operands in op.inputs for o in operands if base(o) not in SHARED)


def element(at: Callable[[str], str], operand: str) -> str:
    """One element of an operand in the row a, or of its part, which lies ``part`` channels further, and record r."""
    array, number = base(operand), part(operand)
    name, shared = at(array), array.removeprefix("bar_")
    if shared == "p":
        return f"{name}[{number}, c]"
    row = "a" if number is None else "b" + (f" + {number}*channels" if number > 1 else " + channels" if number else "")
    return f"{name}[{row}]" if shared == "e" else f"{name}[{row}, r]"


PLAIN = {"H": "H_i", "M": "m_i", "e": "e_s", "E": "E_s", "w": "w_s"}


def _plain(operand: str) -> str:
    if operand.startswith("bar_"):
        return f"{_plain(operand[4:])}̄"
    array, number = base(operand), part(operand)
    return PLAIN.get(array, array) + ("" if number is None else f"@{number + 1}")


# --- kernels ------------------------------------------------------------------------------------------------


def table_arguments(program: Program, tables: Iterable[str]) -> list[str]:
    """The table arguments of a kernel: those whose structure leaves something to do, runs after banded ones."""
    names = []
    for table in tables:
        if program.structure(table) != "identity":
            names.append(table)
            if program.structure(table) == "banded":
                names.append(f"{table}_runs")
    return names


@dataclass(frozen=True)
class Kernel:
    """One printed function. arguments: as called; constants: what its ``constants`` argument must hold."""

    name: str
    arguments: tuple[str, ...]
    constants: tuple[Fraction, ...]
    lines: tuple[str, ...]

    def text(self) -> str:
        head = f"def {self.name}({', '.join(self.arguments)}):"
        if len(head) > 110:
            head = f"def {self.name}(\n    {', '.join(self.arguments)},\n):"
        return "\n".join([head, *indent(list(self.lines))]) + "\n"


def kernels(programs: tuple[Program, ...], suffix: str) -> tuple[Kernel, ...]:
    """All kernels of one signature: for every plan its operators and their adjoint, forward and adjoint.

    ``_float32`` marks the kernels whose functions are the forms that vectorise in single precision.
    """
    printed: list[Kernel] = []
    for program in programs:
        printed += [operators(program, suffix, False), operators_adjoint(program, suffix, False)]
        if program.exact.entry and program.plan == "formed":
            printed += [operators(program, suffix, True), operators_adjoint(program, suffix, True)]
        for precision in ("", "_float32"):
            printed += [forward(program, suffix, precision), adjoint(program, suffix, precision)]
    return tuple(printed)


def stage_tables(program: Program) -> list[str]:
    """The tables that a stage's chain applies, in a fixed order; then what else is learned, and where blocks lie."""
    applied = _applied(program.exact.chain)
    names = table_arguments(program, [t for table in MAKES for t in program.factors(table) if t in applied])
    if program.exact.entry:
        names += [f"{t}_entry" for t in ("C", "X") if t in _applied(program.exact.entry)]
    names += ["w_blocks"] if program.blocks else []
    return [*names, *also_learned(program), *(["V_blocks"] if program.local else [])]


def also_learned(program: Program) -> list[str]:
    """The learned arrays of a stage beside its operator and bias."""
    return [*(["local_operators"] if program.local else []), *(["parameters"] if program.parameters else [])]


def _applied(chain: Chain) -> set[str]:
    return {op.table for op in chain.stage if isinstance(op, Contract) and not op.learned}


def learned_table(program: Program) -> str:
    return "E" if program.plan == "formed" else "w"


def height(program: Program, operand: Operand, like: str = "h") -> str:
    """The number of an operand's rows, from the shapes of a kernel's arguments; like: the array of a state."""
    parts = program.parts
    if operand.axis == operand.name:
        return "*".join([*program.between(operand), wide(program) if operand.wide else "channels"])
    found = {
        "state": f"{like}.shape[0]",
        "node": "biases.shape[1]" if operand.wide or parts == 1 else f"biases.shape[1]//{parts}",
        "weight_out": "operators.shape[1]",
        "weight_in": "operators.shape[2]",
    }
    if program.blocks:  # their operator is a row of numbers
        outer, inner = blocks_between(program)
        found["weight_out"] = outer or "biases.shape[1]"
        found["weight_in"] = inner or f"{like}.shape[0]"
    return found[operand.axis]


def blocks_between(program: Program) -> tuple[str | None, str | None]:
    """The rows of what blocks make, and of what they act on; None where these are nodes, or the state."""
    found: list[str | None] = []
    for table, axis, channels in (("Phi", 1, wide(program)), ("C", 0, "channels")):
        sizes = [f"{name}.shape[{axis}]" for name in program.factors(table)]
        found.append(None if program.structure(table) == "identity" else "*".join([*sizes, channels]))
    return found[0], found[1]


def forward(program: Program, suffix: str, precision: str) -> Kernel:
    """The forward kernel: (7) with the stages of (4), (5); the state is advanced in place."""
    constants = Constants()
    form = program.float32 if precision else program.exact
    kept = [k.name for k in form.kept]
    place = {k: f"{k}[slot]" for k in kept} | {"M": "m[i]", "e": "bias", learned_table(program): "operator"}
    place |= {"V": "local_operator", "p": "parameters"}
    context = Context(program, place, constants)
    arguments = ["h", "combine", "operator_index", "bias_index", "operators", "biases", *stage_tables(program)]
    arguments += entry_arguments(program) if program.entry else []
    if program.implicit:
        arguments += newton.ARGUMENTS
        stages = _implicit_stages(form, context)
    else:
        stages = _explicit_stages(form, context)
    work = [*([] if "H" in kept or program.implicit else [Operand("H", "state")]), *form.work]
    lines = [
        *_docstring(program, "forward", precision),
        *constants.load(context.used),
        "steps, stages, records = combine.shape[0], combine.shape[1] - 1, h.shape[1]",
        "m = np.empty((stages, h.shape[0], records), h.dtype)",
        *[f"{w.name} = np.empty(({height(program, w)}, records), h.dtype)" for w in work],
        *(_newton_memory(program, "h", form, "H" not in kept) if program.implicit else []),
        *(_project_entry() if program.entry else []),
        "for n in range(steps):",
        *indent(stages),
        *indent(_combine("h", "stages", "# h_{n+1} = α h_n + Σ_j γ_j m_j"), 1),
    ]
    outputs = ["keep", *kept, *(["unsolved"] if program.implicit else [])]
    name = f"{program.plan}_forward{precision}_{suffix}"
    return Kernel(name, (*arguments, "constants", "channels", *outputs), tuple(constants.values), tuple(lines))


def stage_head(program: Program) -> Lines:
    """What a stage reads."""
    local_operator = ["local_operator = local_operators[bias_index[n, i]]"] if program.local else []
    return ["bias = biases[bias_index[n, i]]", "operator = operators[operator_index[n, i]]", *local_operator]


def _explicit_stages(form: Form, context: Context) -> Lines:
    """The stages of a step, each from earlier ones."""
    stage = [
        *_combine(context.at("H"), "i", "# H_i = α_i h_n + Σ_j γ_ij m_j"),
        *_print_chain(form.chain.stage, context),
    ]
    if form.entry:
        first = _print_chain(form.entry.stage, _entry_context(context))
        stage = ["if n == 0 and i == 0:  # the state as it arrives", *indent(first), "else:", *indent(stage)]
    return [
        "for i in range(stages):",
        *indent(["slot = n*stages + i if keep else 0", *stage_head(context.program), *stage]),
    ]


def _implicit_stages(form: Form, context: Context) -> Lines:
    """The stages of a step, group by group, by Newton's method."""
    if "H" not in context.place:
        context.place["H"] = "H[i]"
    places = {"dot_H": "directions[k, i*state:(i + 1)*state]", "dot_M": "moved[i*state:(i + 1)*state]"}
    tangent = Context(context.program, context.place | places, context.constants, context.used)
    loops = CpuLoops(context, ["slot = n*stages + i if keep else i", *stage_head(context.program)])
    stages = newton.forward(loops, _print_chain(form.chain.stage, context), _print_chain(form.chain.tangent, tangent))
    return ["for group in range(groups.shape[0]):", *indent([GROUP, *stages])]


GROUP = "begin, end = groups[group, 0], groups[group, 1]"


def _newton_memory(program: Program, like: str, form: Form, own_stages: bool) -> Lines:
    """Room for Newton's method; its vectors hold all stages below one another."""
    solving = like == "h"
    arrays = {f"dot_{d.name}": height(program, d) for d in form.dots} if solving else {}
    arrays |= dict.fromkeys(newton.vectors(solving), "stages*state")
    arrays |= {f"{name}_r": rows for name, rows in newton.numbers(solving).items()}
    return [
        f"state = {like}.shape[0]",
        *(["H = np.empty((stages, state, records), h.dtype)"] if own_stages else []),
        f"directions = np.empty((krylov + 1, stages*state, records), {like}.dtype)",
        *[f"{name} = np.empty(({rows}, records), {like}.dtype)" for name, rows in arrays.items()],
    ]


class CpuLoops(newton.Loops):
    """Rows outside, records inside: those are contiguous."""

    def __init__(self, context: Context, bind: Lines) -> None:
        super().__init__(context.constants, bind, CALLS["sqrt"], CALLS["Abs"])
        self.context = context

    def constant(self, value: Fraction | int) -> str:
        name = super().constant(value)
        self.context.used.add(name)
        return name

    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        return [f"for a in range({low}, {high}):", "    for r in range(records):", *indent(body, 2)]

    def records(self, body: Lines) -> Lines:
        return ["for r in range(records):", *indent(body)]

    def total(self, target: str, term: str) -> Lines:
        clear = self.records([f"{target} = {self.constant(0)}"])
        return [*clear, *self.rows([f"{target} += {term}"], *newton.WHOLE)]

    def any(self) -> Lines:
        test = [f"if {self.number('live')} == {self.constant(1)}:", "    wanted = 1"]
        return ["wanted = 0", *self.records(test)]

    def vector(self, name: str, row: str) -> str:
        return f"{name}[{row}, r]"

    def direction(self, k: str, row: str) -> str:
        return f"directions[{k}, {row}, r]"

    def number(self, name: str, k: str = "0") -> str:
        return f"{name}_r[{k}, r]"

    def operand(self, name: str, stage: str = "i") -> str:
        if name in ("m", "bar_m"):
            return f"{name}[{stage}, a, r]"
        return f"{self.context.at(name)}[a, r]"

    def worst(self) -> str:
        return "unsolved[r]"


def _print_chain(chain: Iterable[Operation], context: Context) -> Lines:
    return [line for op in chain for line in print_operation(op, context)]


def entry_arguments(program: Program) -> list[str]:
    """What a slab needs whose state arrives in another basis: that state, its projection and its operator."""
    operator = ["operator_entry"] if program.exact.entry and program.plan == "formed" else []
    return ["h_entry", "P_entry", *operator]


def _entry_context(context: Context) -> Context:
    """The first stage of such a slab: H is the arriving state, C and X are that basis's tables."""
    place = context.place | {"H": "h_entry", "bar_H": "bar_entry", "C": "C_entry", "X": "X_entry"}
    if context.program.plan == "formed":
        place |= {"E": "operator_entry", "bar_E": "bar_operator_entry"}
    return Context(context.program, place, context.constants, context.used)


def _project_entry() -> Lines:
    return [
        "# h_0 = P h_entry, the L2 projection into this slab's basis (13)",
        *_apply_table("dense", "h", "P_entry", "h_entry", False, False),
    ]


def _combine(target: str, row: str, comment: str) -> Lines:
    return [
        comment,
        f"alpha = combine[n, {row}, 0]",
        f"target = {target}",
        "for a in range(h.shape[0]):",
        "    for r in range(records):",
        "        target[a, r] = alpha*h[a, r]",
        f"for j in range({row}):",
        f"    gamma = combine[n, {row}, j + 1]",
        "    if gamma != 0:",
        "        for a in range(h.shape[0]):",
        "            for r in range(records):",
        "                target[a, r] += gamma*m[j, a, r]",
    ]


def adjoint(program: Program, suffix: str, precision: str) -> Kernel:
    """The adjoint kernel: (10), (11) in reverse order of the stages; ``bar`` becomes dL/dh_0 in place."""
    constants = Constants()
    learned = learned_table(program)
    form = program.float32 if precision else program.exact
    kept = [k.name for k in form.kept]
    place = {k: f"{k}[slot]" for k in kept}
    place |= {"bar_M": "bar_m[i]", "e": "bias", "bar_e": "bar_bias", learned: "operator"}
    place |= {f"bar_{learned}": "bar_operator", "V": "local_operator", "bar_V": "bar_local_operator"}
    place |= {"p": "parameters", "bar_p": "bar_parameters"}
    context = Context(program, place, constants)
    arguments = ["bar", "combine", "operator_index", "bias_index", "operators", "biases", *stage_tables(program)]
    outputs = ["bar_operators", "bar_biases", *(f"bar_{name}" for name in also_learned(program))]
    if program.entry:
        arguments += entry_arguments(program)
        outputs += ["bar_entry", *(["bar_operator_entry"] if form.entry and program.plan == "formed" else [])]
    if program.implicit:
        arguments += newton.ARGUMENTS
        stages = _implicit_reverse(form, context)
    else:
        stages = _explicit_reverse(form, context)
    lines = [
        *_docstring(program, "adjoint", precision),
        *constants.load(context.used),
        "steps, stages, records = combine.shape[0], combine.shape[1] - 1, bar.shape[1]",
        "bar_m = np.empty((stages, bar.shape[0], records), bar.dtype)",
        *[f"bar_{b.name} = np.empty(({height(program, b, 'bar')}, records), bar.dtype)" for b in form.bars],
        "bar_h = np.empty(bar.shape, bar.dtype)",
        *(_newton_memory(program, "bar", form, False) if program.implicit else []),
        "for n in range(steps - 1, -1, -1):",
        *indent(_spread("bar", "stages", "stages", "# m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}", first=True)),
        *indent(stages),
        *indent(_copy("bar", "bar_h")),
        *(_return_entry() if program.entry else []),
    ]  # fmt: skip
    name = f"{program.plan}_adjoint{precision}_{suffix}"
    return Kernel(name, (*arguments, "constants", "channels", *kept, *outputs), tuple(constants.values), tuple(lines))


def reversed_head(program: Program) -> Lines:
    """What a stage reads backwards, and what it adds to."""
    arrays = [("bias", "biases", "bias"), ("operator", "operators", "operator")]
    arrays += [("local_operator", "local_operators", "bias")] if program.local else []
    return [
        "slot = n*stages + i",
        *(f"{one}, bar_{one} = {all_}[{by}_index[n, i]], bar_{all_}[{by}_index[n, i]]" for one, all_, by in arrays),
    ]


BACK = "# m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i"


def _explicit_reverse(form: Form, context: Context) -> Lines:
    """The stages of a step backwards, the last one first."""
    stage = [*_print_chain(form.chain.reverse, context), *_spread("bar_H", "i", "i", BACK, first=False)]
    if form.entry:
        first = _print_chain(form.entry.reverse, _entry_context(context))
        stage = ["if n == 0 and i == 0:  # the state as it arrived", *indent(first), "else:", *indent(stage)]
    return ["for i in range(stages - 1, -1, -1):", *indent([*reversed_head(context.program), *stage])]


def _implicit_reverse(form: Form, context: Context) -> Lines:
    """The stages of a step backwards, group by group, by the transposed equations."""
    places = {"bar_M": "directions[k, i*state:(i + 1)*state]", "bar_H": "moved[i*state:(i + 1)*state]"}
    transposed = Context(context.program, context.place | places, context.constants, context.used)
    stages = newton.adjoint(
        CpuLoops(context, reversed_head(context.program)),
        _print_chain(form.chain.transposed, transposed),
        [*_print_chain(form.chain.reverse, context), *_spread("bar_H", "i", "begin", BACK, first=False)],
    )
    return ["for group in range(groups.shape[0] - 1, -1, -1):", *indent([GROUP, *stages])]


def _return_entry() -> Lines:
    return [
        "# dL/dh_entry += Pᵀ dL/dh_0",
        *_apply_table("dense", "bar_entry", "P_entry", "bar", True, True),
    ]


def _spread(source: str, row: str, count: str, comment: str, first: bool) -> Lines:
    sign = "" if first else "+"
    test = [] if first else ["    if gamma != 0:"]
    depth = 1 if first else 2
    return [
        comment,
        f"alpha = combine[n, {row}, 0]",
        f"for a in range({source}.shape[0]):",
        "    for r in range(records):",
        f"        bar_h[a, r] {sign}= alpha*{source}[a, r]",
        f"for j in range({count}):",
        f"    gamma = combine[n, {row}, j + 1]",
        *test,
        *indent([
            f"for a in range({source}.shape[0]):",
            "    for r in range(records):",
            f"        bar_m[j, a, r] {sign}= gamma*{source}[a, r]",
        ], depth),
    ]  # fmt: skip


def _docstring(program: Program, kind: str, precision: str) -> Lines:
    u = "E_s h + e_s,  E_s = Φ w_s C" if program.plan == "formed" else "Φ (w_s (C h)) + e_s"
    u += " + V_s X h" if program.local else ""
    u += ", normalised over the channels" if program.normalised else ""
    single = " Functions in their single-precision forms." if precision else ""
    if kind == "forward":
        what = f"h ← h(stop): m_i = A r(u, X h),  u = {u}   (4), (5), (7).{single}"
    else:
        what = f"bar ← dL/dh(start), and the gradients of operators and biases   (10), (11).{single}"
    return [f'"""{what}"""']


def operators(program: Program, suffix: str, entry: bool) -> Kernel:
    """Stage operators from the fields' coefficients: Mix over depth, then (formed) Φ · C block by block; e = Ψ β."""
    tables = _operator_tables(program, entry)
    lines = ['"""' + _operator_title(program, entry) + '"""']
    if program.plan == "formed" or program.blocks:
        lines += [
            "mixed = np.empty(w.shape[1:], w.dtype)",
            "for s in range(theta.shape[0]):",
            *indent(_mix("mixed", "w", "theta")),
            *indent(_placed(program, False) if program.blocks else _formed(program, entry, reverse=False)),
        ]
    else:
        lines += ["for s in range(theta.shape[0]):", *indent(_mix("operators[s]", "w", "theta"))]
    arguments = ["w", "theta", *tables]
    outputs = ["operators"]
    if not entry:
        lines += [
            "mixed_bias = np.empty((beta.shape[1], 1), beta.dtype)",
            "column = np.empty((biases.shape[1], 1), beta.dtype)",
            "for s in range(vartheta.shape[0]):",
            *indent(_mix_bias(program)),
        ]
        arguments += ["beta", "vartheta", *table_arguments(program, ["Psi"])]
        outputs.append("biases")
    if program.local:
        lines += [
            "mixed_local = np.empty(v.shape[1:], v.dtype)",
            "for s in range(vartheta.shape[0]):",
            *indent(_mix("mixed_local", "v", "vartheta")),
            *indent(_apply_table("dense", "local_operators[s]", "Psi_V", "mixed_local", False, False)),
        ]
        arguments += ["v", "Psi_V"]
        outputs.append("local_operators")
    name = f"{program.plan}_{'entry_' if entry else ''}operators_{suffix}"
    return Kernel(name, (*arguments, "constants", "channels", *outputs), (Fraction(0), Fraction(1)), tuple(lines))


def operators_adjoint(program: Program, suffix: str, entry: bool) -> Kernel:
    """The gradients of the coefficients from those of the operators and biases, added to bar_w and bar_beta."""
    tables = _operator_tables(program, entry)
    lines = [f'"""The adjoint of: {_operator_title(program, entry)}   (11)"""']
    if program.plan == "formed" or program.blocks:
        lines += [
            "mixed = np.empty(bar_w.shape[1:], bar_w.dtype)",
            "for s in range(theta.shape[0]):",
            *indent(_placed(program, True) if program.blocks else _formed(program, entry, reverse=True)),
            *indent(_unmix("bar_w", "mixed", "theta")),
        ]
    else:
        lines += ["for s in range(theta.shape[0]):", *indent(_unmix("bar_w", "bar_operators[s]", "theta"))]
    arguments = ["bar_operators", "theta", *tables]
    outputs = ["bar_w"]
    if not entry:
        lines += [
            "mixed_bias = np.empty((bar_beta.shape[1], 1), bar_beta.dtype)",
            "column = np.empty((bar_biases.shape[1], 1), bar_beta.dtype)",
            "for s in range(vartheta.shape[0]):",
            *indent(_unmix_bias(program)),
        ]
        arguments += ["bar_biases", "vartheta", *table_arguments(program, ["Psi"])]
        outputs.append("bar_beta")
    if program.local:
        lines += [
            "mixed_local = np.empty(bar_v.shape[1:], bar_v.dtype)",
            "for s in range(vartheta.shape[0]):",
            *indent(_apply_table("dense", "mixed_local", "Psi_V", "bar_local_operators[s]", True, False)),
            *indent(_unmix("bar_v", "mixed_local", "vartheta")),
        ]
        arguments += ["bar_local_operators", "Psi_V"]
        outputs.append("bar_v")
    name = f"{program.plan}_{'entry_' if entry else ''}operators_adjoint_{suffix}"
    return Kernel(name, (*arguments, "constants", "channels", *outputs), (Fraction(0), Fraction(1)), tuple(lines))


def _operator_title(program: Program, entry: bool) -> str:
    if program.plan == "factors":
        w = "the blocks of w_s = N Σ_k θ_k(δ_s) z_k" if program.blocks else "w_s = Σ_k θ_k(δ_s) w_k"
        w += ",  N by frequencies" if program.waves else ""
        v = ",  V_s = Ψ Σ_k ϑ_k(δ_s) v_k" if program.local else ""
        return f"{w},  e_s = Ψ Σ_k ϑ_k(δ_s) β_k{v}   (4)"
    if entry:
        return "E_s = Φ (Σ_k θ_k(δ_s) w_k) C for the state as it arrives   (4)"
    return "E_s = Φ (Σ_k θ_k(δ_s) w_k) C,  e_s = Ψ Σ_k ϑ_k(δ_s) β_k   (4)"


def _operator_tables(program: Program, entry: bool) -> list[str]:
    if program.plan == "factors":
        return [*(["w_waves"] if program.waves else []), *(["w_entries", "w_values"] if program.blocks else [])]
    return [*table_arguments(program, ["Phi"]), *(["C_entry"] if entry else table_arguments(program, ["C"]))]


def _mix(out: str, fields: str, rows: str) -> Lines:
    return [
        f"# Σ_k {rows}_sk {fields}_k",
        f"target = {out}",
        "target[:] = constants[0]",
        f"for k in range({rows}.shape[1]):",
        f"    factor = {rows}[s, k]",
        "    if factor != 0:",
        "        for a in range(target.shape[0]):",
        "            for b in range(target.shape[1]):",
        f"                target[a, b] += factor*{fields}[k, a, b]",
    ]


def _unmix(out: str, source: str, rows: str) -> Lines:
    return [
        f"given = {source}",
        f"for k in range({rows}.shape[1]):",
        f"    factor = {rows}[s, k]",
        "    if factor != 0:",
        "        for a in range(given.shape[0]):",
        "            for b in range(given.shape[1]):",
        f"                {out}[k, a, b] += factor*given[a, b]",
    ]


def _placed(program: Program, reverse: bool) -> Lines:
    """w = N z: entry e adds its multiple of parameter m to row i, column j of its block, for all channels.

    An entry is (m, start of its block's numbers, i, j, columns of the block). Of κ in frequencies the parameters are
    first turned into the numbers of each, which are then m; every place in the blocks has one of them.
    """
    given, adds = ("turned", "=") if program.waves else ("mixed", "+=")
    place, number = "whole[first + c]", f"{given}[w_entries[e, 0], o*channels + c]"
    change = f"{number} += w_values[e]*{place}" if reverse else f"{place} {adds} w_values[e]*{number}"
    cleared = [given] if reverse else [] if program.waves else ["whole"]
    entries = [
        "# w = N z, entry by entry",
        f"whole = {'bar_operators' if reverse else 'operators'}[s]",
        *(f"{name}[:] = constants[0]" for name in cleared),
        "for e in range(w_entries.shape[0]):",
        f"    for o in range({wide(program)}):",
        f"        row = w_entries[e, 2]*{wide(program)} + o",
        f"        first = (w_entries[e, 1]*{wide(program)} + row*w_entries[e, 4] + w_entries[e, 3])*channels",
        "        for c in range(channels):",
        f"            {change}",
    ]
    if not program.waves:
        return entries
    if reverse:
        return ["turned = np.empty((w_waves.shape[0], mixed.shape[1]), mixed.dtype)", *entries,
                "np.dot(w_waves.T, turned, mixed)"]  # fmt: skip
    return ["turned = np.dot(w_waves, mixed)", *entries]


def _formed(program: Program, entry: bool, reverse: bool) -> Lines:
    """E_s = Φ w_s C (or w̄_s = Φᵀ Ē_s Cᵀ): Φ acts on the rows of both, C on the columns, channel by channel."""
    phi, c = program.structure("Phi"), "dense" if entry else program.structure("C")
    c_table = "C_entry" if entry else "C"
    source, target = ("bar_operators[s]", "mixed") if reverse else ("mixed", "operators[s]")
    lines: Lines = [f"rows = {source}"]
    if phi != "identity":
        new, old = (1, 0) if reverse else (0, 1)
        lines += [
            f"width = rows.size//Phi.shape[{old}]",
            f"left = np.empty((Phi.shape[{new}], width), rows.dtype)",
            f"given = rows.reshape((Phi.shape[{old}], width))",
            *CONTRACT_LOOPS[phi]("left", "Phi", "given", reverse, False),
            f"rows = left.reshape((left.size//{source}.shape[1], {source}.shape[1]))",
        ]
    if c != "identity":
        new, old = (0, 1) if reverse else (1, 0)
        lines += [
            "# the columns: transposed, they are rows",
            "height = rows.shape[0]",
            f"given = np.empty(({c_table}.shape[{old}], height*channels), rows.dtype)",
            *_turned("given", "rows", f"{c_table}.shape[{old}]", "{1}", "{0}"),
            f"right = np.empty(({c_table}.shape[{new}], height*channels), rows.dtype)",
            *CONTRACT_LOOPS[c]("right", c_table, "given", not reverse, False),
            f"formed = {target}",
            *_turned("formed", "right", f"{c_table}.shape[{new}]", "{0}", "{1}"),
        ]
    else:
        lines += [f"formed = {target}", *_copy("formed", "rows")]
    return lines


def _turned(target: str, source: str, count: str, place: str, other: str) -> Lines:
    """Channels to the columns, or back: (h, b·channels + c) of one matrix is (b, h·channels + c) of the other."""
    places = "h, b*channels + c", "b, h*channels + c"
    return [
        "for h in range(height):",
        f"    for b in range({count}):",
        "        for c in range(channels):",
        f"            {target}[{place.format(*places)}] = {source}[{other.format(*places)}]",
    ]


def _copy(target: str, source: str, rows: str = "") -> Lines:
    """target = source. Numba compiles a slice that is given an array for seconds: it prints both shapes in an error."""
    return [
        f"for a in range({rows or f'{target}.shape[0]'}):",
        f"    for r in range({target}.shape[1]):",
        f"        {target}[a, r] = {source}[a, r]",
    ]


def _mix_bias(program: Program) -> Lines:
    lines = [
        "mixed_bias[:] = constants[0]",
        "for k in range(vartheta.shape[1]):",
        "    for a in range(beta.shape[1]):",
        "        mixed_bias[a, 0] += vartheta[s, k]*beta[k, a]",
    ]
    psi, result = program.structure("Psi"), "mixed_bias"
    if psi != "identity":
        lines += ["# column = Psi mixed_bias", *_apply_table(psi, "column", "Psi", "mixed_bias", False, False)]
        result = "column"
    return [*lines, "for a in range(biases.shape[1]):", f"    biases[s, a] = {result}[a, 0]"]


def _unmix_bias(program: Program) -> Lines:
    lines = ["for a in range(bar_biases.shape[1]):", "    column[a, 0] = bar_biases[s, a]"]
    psi, result = program.structure("Psi"), "column"
    if psi != "identity":
        lines += ["# mixed_bias = Psiᵀ column", *_apply_table(psi, "mixed_bias", "Psi", "column", True, False)]
        result = "mixed_bias"
    return [
        *lines,
        "for k in range(vartheta.shape[1]):",
        "    for a in range(bar_beta.shape[1]):",
        f"        bar_beta[k, a] += vartheta[s, k]*{result}[a, 0]",
    ]


# --- readout and loss ---------------------------------------------------------------------------------------


def readout() -> tuple[Kernel, ...]:
    """Before and behind the equation: lift h = P (x, 1), readout z = R y + a, smooth maxima, and their adjoints."""
    forward_lines = (
        '"""z_k = ∫ R_k(ξ) y(ξ) dξ + a_k: the rows of ``operator`` are the fields R against the state basis."""',
        "np.dot(operator, y, z)",
        "for k in range(z.shape[0]):",
        "    for r in range(z.shape[1]):",
        "        z[k, r] += constant[k]",
    )
    adjoint_lines = (
        '"""The adjoint of: z = R y + a. bar_y is set; the gradients of R and a are added to."""',
        "np.dot(operator.T, bar_z, bar_y)",
        "product = np.dot(bar_z, y.T)",
        "for k in range(product.shape[0]):",
        "    for b in range(product.shape[1]):",
        "        bar_operator[k, b] += product[k, b]",
        "for k in range(bar_z.shape[0]):",
        "    for r in range(bar_z.shape[1]):",
        "        bar_constant[k] += bar_z[k, r]",
    )
    lift = (
        '"""h = P (x, 1): at every function of the basis, from the coefficients of the records and of 1."""',
        "for a in range(h.shape[0]//lift.shape[0]):",
        "    low = x[a*lift.shape[1]:(a + 1)*lift.shape[1]]",
        "    np.dot(lift, low, h[a*lift.shape[0]:(a + 1)*lift.shape[0]])",
    )
    lift_adjoint = (
        '"""The adjoint of: h = P (x, 1). bar_x is set; the gradient of P is added to."""',
        "for a in range(bar_h.shape[0]//lift.shape[0]):",
        "    high = bar_h[a*lift.shape[0]:(a + 1)*lift.shape[0]]",
        "    np.dot(lift.T, high, bar_x[a*lift.shape[1]:(a + 1)*lift.shape[1]])",
        "    product = np.dot(high, x[a*lift.shape[1]:(a + 1)*lift.shape[1]].T)",
        "    for c in range(product.shape[0]):",
        "        for k in range(product.shape[1]):",
        "            bar_lift[c, k] += product[c, k]",
    )
    return (
        Kernel("lift", ("x", "lift", "h"), (), lift),
        Kernel("lift_adjoint", ("bar_h", "x", "lift", "bar_x", "bar_lift"), (), lift_adjoint),
        Kernel("readout", ("y", "operator", "constant", "z"), (), forward_lines),
        Kernel(
            "readout_adjoint",
            ("bar_z", "y", "operator", "bar_y", "bar_operator", "bar_constant"),
            (),
            adjoint_lines,
        ),
        *_maximum(),
    )


def _maximum() -> tuple[Kernel, Kernel]:
    """The smooth maxima m_c of y at the nodes, written below y, and their adjoint; see ``derive.maximum``."""
    form, constants = maximum.derive(), Constants()
    scalars = [Scalar(constants, CALLS) for _ in range(3)]
    term, value, slope = (s.print((e,))[0] for s, e in zip(scalars, (form.term, form.value, form.slope)))
    forward_lines = (
        '"""Below y its smooth maxima (1/β) log Σ_q ω_q exp(β y(ξ_q)), one a channel; at_nodes = y(ξ_q)."""',
        *_apply_table("dense", "at_nodes", "X", "y", False, False),
        "beta, channels = sharpness[0], features.shape[0] - y.shape[0]",
        *_copy("features", "y", "y.shape[0]"),
        *_shifted("y", scalars[0].lines, term),
        "for c in range(channels):",
        "    for r in range(y.shape[1]):",
        "        S_q = total[c, r]",
        *indent(scalars[1].lines, 2),
        f"        features[y.shape[0] + c, r] = top[c, r] + {value}",
    )
    adjoint_lines = (
        '"""The adjoint of: smooth maxima. bar_y is set; at_nodes becomes m̄ ∂m/∂y_q, the share of node q of m̄."""',
        "state = bar_y.shape[0]",
        "beta, channels = sharpness[0], bar_features.shape[0] - state",
        *_shifted("bar_y", scalars[0].lines, term),
        "for q in range(weights.shape[0]):",
        "    for c in range(channels):",
        "        for r in range(bar_y.shape[1]):",
        "            y_q, S_q = at_nodes[q*channels + c, r] - top[c, r], total[c, r]",
        *indent(scalars[2].lines, 3),
        f"            at_nodes[q*channels + c, r] = weights[q]*{slope}*bar_features[state + c, r]",
        *_copy("bar_y", "bar_features"),
        *_apply_table("dense", "bar_y", "X", "at_nodes", True, True),
    )
    zero = tuple(constants.values)
    return (
        Kernel("maximum", ("y", "X", "weights", "sharpness", "constants", "at_nodes", "features"), zero, forward_lines),
        Kernel(
            "maximum_adjoint",
            ("bar_features", "X", "weights", "sharpness", "constants", "at_nodes", "bar_y"),
            zero,
            adjoint_lines,
        ),
    )


def _shifted(like: str, lines: Lines, term: str) -> Lines:
    """top, the largest of y at the nodes, and total = Σ_q ω_q g(y_q − top), a number a channel and record."""
    return [
        "top = at_nodes[:channels].copy()  # m rises by a constant that is added to y",
        "for q in range(weights.shape[0]):",
        "    for c in range(channels):",
        f"        for r in range({like}.shape[1]):",
        "            other = at_nodes[q*channels + c, r]",
        "            top[c, r] = other if other > top[c, r] else top[c, r]",
        "total = np.empty(top.shape, top.dtype)",
        "total[:] = constants[0]",
        "for q in range(weights.shape[0]):",
        "    for c in range(channels):",
        f"        for r in range({like}.shape[1]):",
        "            y_q = at_nodes[q*channels + c, r] - top[c, r]",
        *indent(lines, 3),
        f"            total[c, r] += weights[q]*{term}",
    ]


def loss(form: Loss) -> Kernel:
    """The loss of every record and its source ∂L/∂z, from the derivation of its file."""
    form, constants = form.in_kernel(), Constants()
    sums = Scalar(constants, CALLS)
    terms = sums.print(tuple(g for _, g in form.sums))
    final = Scalar(constants, CALLS)
    (value_text,) = final.print((form.value,))
    back = Scalar(constants, CALLS)
    (source_text,) = back.print((form.source,))
    used = sums.used | final.used | back.used
    shift: Lines = []
    load = ["zk, tk = z[k, r], target[k, r]"]
    if form.shift:
        shift = [
            "top = z[0, r]  # L is unchanged when a constant is added to every output",
            "for k in range(z.shape[0]):",
            "    top = z[k, r] if z[k, r] > top else top",
        ]
        load = ["zk, tk = z[k, r] - top, target[k, r]"]
    names = [name for name, _ in form.sums]
    lines = [
        f'"""L of every record ({form.name}) and source = ∂L/∂z, from its derivation."""',
        *constants.load(used),
        "for r in range(z.shape[1]):",
        *indent(shift),
        *[f"    {name} = constants[0]" for name in names],
        "    for k in range(z.shape[0]):",
        *indent(load, 2),
        *indent(sums.lines, 2),
        *[f"        {name} += {t}" for name, t in zip(names, terms)],
        *indent(final.lines),
        f"    value[r] = {value_text}",
        "    for k in range(z.shape[0]):",
        *indent(load, 2),
        *indent(back.lines, 2),
        f"        source[k, r] = {source_text}",
    ]
    return Kernel("loss", ("z", "target", "constants", "value", "source"), tuple(constants.values), tuple(lines))


def closed_form(basis: Basis) -> Kernel:
    """The functions of a closed-form basis, cell by cell, as array expressions."""
    from derive.exact.enclosure import local_expression

    constants = Constants()
    body: Lines = []
    for cell in range(basis.cells):
        scalar = Scalar(constants, CALLS)
        rows = [tree(local_expression(f.get(cell, ()), *basis.bounds(cell))) for f in basis.functions]
        texts = scalar.print(tuple(rows))
        body += [
            f"if cell == {cell}:",
            *indent(constants.load(scalar.used)),
            *indent(scalar.lines),
            *[f"    values[{j}] = {text}" for j, text in enumerate(texts)],
        ]
    lines = [
        '"""The functions of a closed-form basis on one of its cells: (size, len(xi))."""',
        f"values = np.empty(({basis.size}, len(xi)), xi.dtype)",
        *body,
        "return values",
    ]
    mark = hashlib.sha256("\n".join([*lines, *map(str, constants.values)]).encode()).hexdigest()[:12]
    return Kernel(f"basis_{mark}", ("cell", "xi", "constants"), tuple(constants.values), tuple(lines))


def module(title: str, formula: str, printed: Iterable[Kernel]) -> str:
    """The text of cpu.py."""
    head = f'''"""{title}

{formula}

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
Rows are (axis · channel), columns are records. Tables, tableau and constants are arguments: the module holds none.
"""

import math  # noqa: F401

import numpy as np
'''
    return head + "".join(f"\n\n{kernel.text()}" for kernel in printed)
