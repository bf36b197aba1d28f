"""Kernels → text, for any target: one walk over a body of operations.

What all targets share is written here: steps, stages and groups of stages, the loads and stores of pointwise
operations, comments, constants and arguments. The rest is ``Target``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from derive.emit import newton
from derive.emit.scalar import Lines, indent, local
from derive.emit.target import Target, Total, words
from derive.program import operations as ops
from derive.program.build import Program
from derive.program.heads import heads
from derive.program.kernels import Kernel, kernels
from derive.program.layout import ARRIVING, DIRECTION, HELD, SOLVED, TRANSPOSED
from derive.program.loss import Loss


@dataclass(frozen=True)
class Printed:
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


def printed(kernel: Kernel, target: type[Target], suffix: str = "") -> Printed:
    """A kernel's text for a target; suffix: of its signature."""
    to = target(kernel)
    body = to.frame(walk(kernel.body, to))
    lines = [f'"""{kernel.title}"""', *to.constants.load(to.used), *_sizes(kernel, body), *body]
    name = f"{kernel.name}_{suffix}" if suffix else kernel.name
    return Printed(name, to.arguments(lines), tuple(to.constants.values), tuple(lines))


def _sizes(kernel: Kernel, body: Lines) -> Lines:
    """The sizes that the body reads, three a line."""
    read = words(body)
    found = [(name, size) for name, size in kernel.sizes if name in read]
    rows = [found[k : k + 3] for k in range(0, len(found), 3)]
    return [f"{', '.join(n for n, _ in row)} = {', '.join(s for _, s in row)}" for row in rows]


def used(names: tuple[str, ...], lines: Lines) -> list[str]:
    """The names that the lines read.

    A banded table comes with its runs, by rows or by columns, one of blocks with these, one by one or those alike.
    """
    read, other = words(lines), {"_runs": "_columns", "_blocks": "_alike"}
    both = [(n, *(n.removesuffix(end) + also for end, also in other.items() if n.endswith(end))) for n in names]
    return [one for found in both for one in found if one in read]


def walk(body: ops.Body, to: Target) -> Lines:
    return [line for op in body for line in _operation(op, to)]


def _operation(op: ops.Operation, to: Target) -> Lines:
    if isinstance(op, ops.Repeat):
        steps = "for n in range(steps - 1, -1, -1):" if op.backwards else "for n in range(steps):"
        return [steps if op.over == "steps" else to.every.format(op.over), *indent(walk(op.body, to))]
    if isinstance(op, ops.Stages):
        return _stages(op, to)
    if isinstance(op, ops.Groups | ops.GroupsBack | ops.GroupsAlong):
        return _groups(op, to)
    if isinstance(op, ops.Duplicate):
        return to.rows([f"{to.element(op.out)} = {to.element(op.operand)}"])
    if isinstance(op, ops.Pointwise):
        lines = to.operation(op, *_elementwise(op, to))
    elif isinstance(op, ops.Sums):
        lines = _sums(op, to)
    else:
        lines = to.operation(op)
    said = op.said()
    return [*([f"# {said}"] if said else []), *lines, *to.barrier] if lines else []


def _elementwise(op: ops.Pointwise, to: Target) -> tuple[Lines, list[Lines | Total]]:
    """Every distinct result is computed once; one that is stored, and not added to anything, can be read again."""
    loads = [f"{local(s)} = " + " + ".join(to.element(o) for o in operands) for s, operands in op.inputs]
    work, texts = to.written(op.expressions)
    results = list(zip(op.outs, texts, op.accumulate, op.reduce))
    stored = {text: out for out, text, accumulate, reduce in reversed(results) if not (accumulate or reduce)}
    values, steps = dict[str, str](), list[Lines | Total]()
    for out, text, accumulate, reduce in results:
        if reduce:
            steps.append((out, text, values.get(text, text), stored.get(text)))
            continue
        name = f"value_{out.replace('@', '_')}"
        lines = [f"{name} = {text}"] if values.setdefault(text, name) == name else []
        steps.append([*lines, f"{to.element(out)} {'+' if accumulate else ''}= {values[text]}"])
    return [*loads, *work], steps


def _sums(op: ops.Sums, to: Target) -> Lines:
    """Passes over every group, (whether it is over all of the group's rows, lines); ``held`` are its own numbers."""
    row, group, x = ("k*channels + c", "c", op.rows[0][1]) if op.channels else ("k", "0", op.rows[0][1])
    group = "i*channels + c" if op.several else group
    first = to.element(x, row)
    values = [first + (" - top" if op.shift else ""), *(to.element(o, row) for _, o in op.rows[1:])]
    loads = [f"{', '.join(local(s) for s, _ in op.rows)} = {', '.join(values)}"]
    loads += [f"{local(s)} = {array}[{at}]" for at, own in (("k", op.nodes), ("i", op.several)) for s, array in own]
    sums = [local(name) for name, _ in op.sums]
    work, texts = to.written(tuple(g for _, g in op.sums))
    passes = [(False, [f"top = {to.element(x, group)}  # {op.shift}"] if op.shift else [])]
    passes += [(True, [f"top = {first} if {first} > top else top"])] if op.shift else []
    passes.append((False, [f"{local(s)} = {to.element(o, group)}" for s, o in op.given]))
    passes.append((False, [f"{name} = constants[0]" for name in sums]))
    if sums:
        passes.append((True, [*loads, *work, *(f"{name} += {text}" for name, text in zip(sums, texts))]))
    if op.value:
        work, texts = to.written((op.value[1],))
        passes.append((False, [*work, f"{to.element(op.value[0], group)} = {texts[0]}"]))
    if op.each:
        work, texts = to.written((op.each[1],))
        passes.append((True, [*loads, *work, f"{to.element(op.each[0], row)} = {texts[0]}"]))
    held = [*(["top"] if op.shift else []), *sums, *(local(s) for s, _ in op.given)]
    each_row = f"for k in range({op.nodes[0][1] if op.nodes else x}.shape[0]):"
    again = [f"for i in range({op.several[0][1]}.shape[0]):"] if op.several else []
    array = op.given[0][1] if op.several and op.given else x  # which lies as it is called
    return to.passes([found for found in passes if found[1]], held, each_row, array, op.channels, again)


def _stages(op: ops.Stages, to: Target) -> Lines:
    """The stages of a step, each from earlier ones; the very first one may meet the state as it arrives."""
    stage = walk(op.body, to)
    if op.first:
        title = "the state as it arrived" if op.beside else "the state as it arrives"
        first = walk(op.first, to.lying(ARRIVING))
        stage = [f"if n == 0 and i == 0:  # {title}", *indent(first), "else:", *indent(stage)]
    order = "stages - 1, -1, -1" if op.beside == "bar_" else "stages"
    slot = "slot = n*stages + i" if op.beside else "slot = n*stages + i if keep else 0"
    return [f"for i in range({order}):", *indent([slot, *to.bind(op.beside), *stage])]


def _groups(op: ops.Groups | ops.GroupsBack | ops.GroupsAlong, to: Target) -> Lines:
    """The stages of a step, group by group, by Newton's method, by the transposed or by the linearised equations."""
    group = "begin, end = groups[group, 0], groups[group, 1]"
    if isinstance(op, ops.Groups):
        bind = ["slot = n*stages + i if keep else i", *to.bind("")]
        lines = newton.forward(to, bind, walk(op.stage, to), walk(op.direction, to.lying(DIRECTION)))
        return ["for group in range(groups.shape[0]):", *indent([group, *lines])]
    if isinstance(op, ops.GroupsAlong):
        bind = ["slot = n*stages + i", *to.bind("dot_")]
        held, solved = (walk(op.whole, to.lying(places)) for places in (HELD, SOLVED))
        lines = newton.tangent(to, bind, walk(op.direction, to.lying(DIRECTION)), held, solved)
        return ["for group in range(groups.shape[0]):", *indent([group, *lines])]
    bind = ["slot = n*stages + i", *to.bind("bar_")]
    lines = newton.adjoint(to, bind, walk(op.transposed, to.lying(TRANSPOSED)), walk(op.reverse, to))
    return ["for group in range(groups.shape[0] - 1, -1, -1):", *indent([group, *lines])]


def of_slab(programs: Iterable[Program], suffix: str, target: type[Target]) -> tuple[Printed, ...]:
    """All kernels of one signature, of every plan."""
    found = (kernel for program in programs for kernel in kernels(program, target.tangents))
    return tuple(printed(kernel, target, suffix) for kernel in found)


def of_module(loss: Loss, target: type[Target]) -> tuple[Printed, ...]:
    """What every module holds: lift, readout, maxima, shares, with their adjoints, and the loss with its curvature."""
    found = (*heads(), loss.kernel(), *((loss.curvature_kernel(),) if target.tangents else ()))
    return tuple(printed(kernel, target) for kernel in found)


def module(title: str, formula: str, about: str, imports: str, texts: Iterable[str]) -> str:
    """The text of a module."""
    head = f'''"""{title}

{formula}

Written by ``continua generate``; do not edit. The derivation is in derivation.md beside this file.
{about}
"""

import math  # noqa: F401

{imports}
'''
    return head + "".join(f"\n\n{text}" for text in texts)
