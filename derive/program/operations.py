"""What kernels do, as data: every operation o = op(i) with its adjoint and, where stages are solved for, its tangent.

The adjoint is the stationarity of the term ⟨ō, op(i) − o⟩ in the Lagrangian of the discrete equations
(``mathematics.md``, equations 10 and 11); ``bar_x`` is the cotangent of x, ``dot_x`` its tangent:

============  ==============================================  =============================================
operation     o =                                             adjoint
============  ==============================================  =============================================
Contract      T i + a  (T acts on an axis, for all others)    ī += Tᵀ ō;  T̄ += ō iᵀ, ā += ō where they are learned
Pointwise     g(i₁, i₂, …) at every node and record           ī_k += ∂g/∂i_k ō, summed over missing axes
Average       (1/c) Σ i over a node's c channels, in each     ī = (1/c) Σ ō: the average of the cotangents
Combine       α h + Σ_j γ_j m_j   (tableau, exact factors)    h̄ += α ō,  m̄_j += γ_j ō
Mix           Σ_k Θ_sk w_k        (depth basis at a stage)    w̄_k += Θ_sk ō
Sandwich      Φ w C, each factor for every channel            w̄ = Φᵀ ō Cᵀ
Place         N z, entry by entry  (blocks of w)              z̄ = Nᵀ ō
Duplicate          i                                               ī = ō
Sums          V(S), S_i = Σ_q g_i(x_q)                        x̄_q = ō Σ_i ∂V/∂S_i ∂g_i/∂x_q
              S_l = Σ_q g(x_q, l), for several l              x̄_q = Σ_l ō_l ∂g/∂x_q: sums the other way
============  ==============================================  =============================================

and, around these, Repeat (the steps of a slab, the rows of Θ), Stages (of an explicit step), Groups (of stages that
are solved for together). A Contract's tangent is itself, a Pointwise's Σ ∂g/∂i di; Jᵀ is the adjoint without the
gradients of what is learned.

All rules are in one file, a long one, since an operation is read beside its adjoint.

Operands are named arrays whose rows are (axis · channel); loops are generic, sizes never appear. With g
pre-activations a channel, ``U@0``, ``U@1`` … are the parts of U, whose rows are (node · g · channel), and ``p@0``,
``p@1`` … the learned parameters, a number a channel. A new operation is a class here and a method of each target
(``derive.emit``) of the same name; what has no adjoint is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from derive.errors import GenerationError
from derive.exact.structure import Structure
from derive.program.scalar import Node, product, symbols, total

OF_ALL_RECORDS = ("e", "p")  # what all records share


def base(operand: str) -> str:
    """The array that a part belongs to: U of U@1."""
    return operand.partition("@")[0]


def part(operand: str) -> int | None:
    """Which part of its array an operand is: 1 of U@1; None for the whole."""
    _, mark, number = operand.partition("@")
    return int(number) if mark else None


def bar(operand: str) -> str:
    return f"bar_{operand}"


def dot(operand: str) -> str:
    return f"dot_{operand}"


def shared(operand: str) -> bool:
    """Whether an operand, or what a tangent is of, belongs to all records."""
    return base(operand).removeprefix("dot_") in OF_ALL_RECORDS


PLAIN = {"H": "H_i", "M": "m_i", "e": "e_s", "E": "E_s", "w": "w_s", "h_next": "h", "operators": "E_s", "biases": "e_s",
         "mixed_bias": "β_s", "local_operators": "V_s", "mixed_local": "v_s", "Phi": "Φ", "Psi": "Ψ", "Psi_V": "Ψ",
         "P_entry": "P", "lift": "P", "operator": "R"}  # fmt: skip


def plain(operand: str) -> str:
    """An operand's name for the reader."""
    if operand.startswith("bar_"):
        return f"{plain(operand[4:])}̄"
    if operand.startswith("dot_"):
        return f"d{plain(operand[4:])}"
    array, number = base(operand), part(operand)
    return PLAIN.get(array, array) + ("" if number is None else f"@{number + 1}")


class Cotangents:
    """Which cotangents hold something already, so that another contribution adds to it."""

    def __init__(self, held: Iterable[str] = ()) -> None:
        self.held = set(held)

    def adds(self, operand: str) -> bool:
        again = operand in self.held
        self.held.add(operand)
        return again


@dataclass(frozen=True)
class Operation:
    """See the module's table."""

    def adjoint(self, held: Cotangents) -> tuple[Operation, ...]:
        """What the cotangents of the inputs get from that of the output."""
        raise self._lacks("an adjoint")

    def tangent(self, learned: bool) -> tuple[Operation, ...]:
        """The output's change for those of the inputs, and where these are ``learned`` of weights and biases."""
        raise self._lacks("a tangent")

    def said(self) -> str:
        """What it computes, for the reader of a kernel."""
        return ""

    def _lacks(self, rule: str) -> GenerationError:
        name = type(self).__name__
        return GenerationError(f"{rule} of {name}", "an operation that has one", f"no rule says {rule} of {name}",
                               "add it in derive/program/operations.py")  # fmt: skip


Body = tuple[Operation, ...]


def adjoint(body: Body, held: Cotangents) -> Body:
    """Every operation's rule, last one first."""
    return tuple(rule for op in reversed(body) for rule in op.adjoint(held))


def tangent(body: Body, learned: bool) -> Body:
    """Every operation's rule, in order."""
    return tuple(rule for op in body for rule in op.tangent(learned))


def without_gradients(body: Body) -> Body:
    """An adjoint without what only gradients of weights and biases need."""
    return tuple(op.without_sums() if isinstance(op, Pointwise) else op for op in body if not isinstance(op, Outer))


# --- of a stage ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contract(Operation):
    """out = T operand over the row axis (Tᵀ when transposed); ``learned`` tables have a gradient.

    structure: of a learned table, "dense" or "blocks".
    before, after: the factors of a Kronecker product of which T is one: the axes before T's are those of their rows, or
    have been so; the axes after it those of their columns.
    offset: a, added to every record.  groups: T acts on the channels of every function alike, not on the functions.
    """

    out: str
    table: str
    operand: str
    structure: Structure
    transposed: bool = False
    accumulate: bool = False
    learned: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    offset: str = field(default="", repr=False)
    groups: bool = field(default=False, repr=False)

    def adjoint(self, held: Cotangents) -> Body:
        given = bar(self.out)
        gradient = (Outer(self.table, given, self.operand, self.structure, self.groups),) if self.learned else ()
        constant = (RecordSum(bar(self.offset), given),) if self.offset else ()
        add = held.adds(self.operand)
        back = replace(
            self, out=bar(self.operand), operand=given, transposed=not self.transposed, accumulate=add, offset=""
        )
        return (*gradient, *constant, back)

    def tangent(self, learned: bool) -> Body:
        moved = replace(self, out=dot(self.out), operand=dot(self.operand))
        if not (learned and self.learned):
            return (moved,)
        return (moved, replace(self, out=dot(self.out), table=dot(self.table), accumulate=True))

    def said(self) -> str:
        table, offset = plain(self.table) + ("ᵀ" if self.transposed else ""), f" + {self.offset}" if self.offset else ""
        return f"{plain(self.out)} {'+' if self.accumulate else ''}= {table} {plain(self.operand)}{offset}"


@dataclass(frozen=True)
class Outer(Operation):
    """The gradient of a learned table: T̄_s += ō iᵀ, summed over records."""

    table: str
    out: str
    operand: str
    structure: Structure
    groups: bool = field(default=False, repr=False)

    def said(self) -> str:
        return f"gradient of {plain(self.table)}: += {plain(self.out)} {plain(self.operand)}ᵀ, summed over records"


@dataclass(frozen=True)
class RecordSum(Operation):
    """The gradient of what all records share: out += Σ operand over the records."""

    out: str
    operand: str

    def said(self) -> str:
        return f"{plain(self.out)} += {plain(self.operand)}, summed over records"


@dataclass(frozen=True)
class Pointwise(Operation):
    """outs[k] = expressions[k] of the inputs, at every node and record.

    inputs: (symbol in the expressions, the operands whose sum it is); the bias ``e`` and the parameters ``p`` have no
    record axis and are broadcast. reduce: outputs that are summed over records, into the gradient of such an operand.
    parts: g, how many pre-activations a channel has.
    slopes: the derivatives of the first output by each symbol, in terms of the inputs and of the other outputs,
    ``kept`` (symbol, operand) for that.
    """

    outs: tuple[str, ...]
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    expressions: tuple[Node, ...]
    accumulate: tuple[bool, ...]
    reduce: tuple[bool, ...]
    parts: int = 1
    slopes: tuple[tuple[str, Node], ...] = ()
    kept: tuple[tuple[str, str], ...] = ()

    @property
    def by_channel(self) -> bool:
        """Whether parts or parameters make rows differ by their channel."""
        return any("@" in operand for _, operands in self.inputs for operand in operands) or "@" in "".join(self.outs)

    @property
    def spanning(self) -> str:
        """An input that has all nodes and records."""
        if self.inputs[-1][0] == "v":
            return self.inputs[-1][1][0]
        return next(o for _, operands in self.inputs for o in operands if not shared(o))

    def adjoint(self, held: Cotangents) -> Body:
        """bar_i = ∂g/∂i · bar_o for every input; the broadcast bias collects the sum over records."""
        outs: list[str] = []
        expressions: list[Node] = []
        accumulate: list[bool] = []
        reduce: list[bool] = []
        slopes = dict(self.slopes)
        for symbol, operands in self.inputs:
            expression = product([Node("symbol", value="v"), slopes[symbol]])
            for operand in operands:
                summed = base(operand) in OF_ALL_RECORDS
                outs.append(bar(operand))
                expressions.append(expression)
                accumulate.append(summed or held.adds(operand))
                reduce.append(summed)
        inputs = (*self._read_by(expressions), ("v", (bar(self.outs[0]),)))
        return (Pointwise(tuple(outs), inputs, tuple(expressions), tuple(accumulate), tuple(reduce), self.parts),)

    def tangent(self, learned: bool) -> Body:
        slopes = dict(self.slopes)
        own = [(s, [o for o in operands if learned or not shared(o)]) for s, operands in self.inputs]
        moving = [(f"v{k + 1}", s, operands) for k, (s, operands) in enumerate(own) if operands]
        slope = total([product([Node("symbol", value=v), slopes[s]]) for v, s, _ in moving])
        tangents = tuple((v, tuple(map(dot, operands))) for v, _, operands in moving)
        inputs = (*self._read_by([slope]), *tangents)
        return (Pointwise((dot(self.outs[0]),), inputs, (slope,), (False,), (False,), self.parts),)

    def said(self) -> str:
        names = ", ".join(f"{s} = {' + '.join(plain(o) for o in ops)}" for s, ops in self.inputs)
        return f"{', '.join(plain(o) for o in self.outs)} at every node and record, {names}"

    def _read_by(self, expressions: list[Node]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What derivatives read of the operation's own inputs and of the values that it kept."""
        used = {s for e in expressions for s in symbols(e)}
        values = [(symbol, (operand,)) for symbol, operand in self.kept]
        return tuple((s, operands) for s, operands in (*self.inputs, *values) if s in used)

    def without_sums(self) -> Pointwise:
        """The same without the outputs that are summed over records."""
        chosen = [k for k, summed in enumerate(self.reduce) if not summed]
        outs, expressions = tuple(self.outs[k] for k in chosen), tuple(self.expressions[k] for k in chosen)
        accumulate = tuple(self.accumulate[k] for k in chosen)
        return replace(
            self, outs=outs, expressions=expressions, accumulate=accumulate, reduce=(False,) * len(chosen)
        )


@dataclass(frozen=True)
class Average(Operation):
    """out = the mean of the operand over the channels, at every node and record and of each part, in all their rows."""

    out: str
    operand: str

    def adjoint(self, held: Cotangents) -> Body:
        return (Average(bar(self.operand), bar(self.out)),)

    def tangent(self, learned: bool) -> Body:
        return (Average(dot(self.out), dot(self.operand)),)

    def said(self) -> str:
        return f"{plain(self.out)} = the mean of {plain(self.operand)} over the channels"


# --- of a step ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Combine(Operation):
    """out = α h + Σ_j γ_j m_j by a row of the tableau's ``combine``: of stage i, j < i; of the step, all ``stages``.

    A tangent's output, ``dot_H`` or ``dot_h_next``, combines the tangents of the state and of the stages.
    """

    out: str
    row: Literal["i", "stages"]

    def adjoint(self, held: Cotangents) -> Body:
        return (Spread(bar(self.out), self.row, self.row, held.adds("h")),)

    def tangent(self, learned: bool) -> Body:
        return (replace(self, out=dot(self.out)),)

    @property
    def mark(self) -> str:
        """What stands before the names of the state and the stages that are combined."""
        return "dot_" if self.out.startswith("dot_") else ""

    def said(self) -> str:
        text = "H_i = α_i h_n + Σ_j γ_ij m_j" if self.row == "i" else "h_{n+1} = α h_n + Σ_j γ_j m_j"
        return text if not self.mark else "dH_i = α_i dh_n + Σ_j γ_ij dm_j" if self.row == "i" else (
            "dh_{n+1} = α dh_n + Σ_j γ_j dm_j"
        )


@dataclass(frozen=True)
class Spread(Operation):
    """h̄ += α ō,  m̄_j += γ_j ō for j < until; the first of a step sets them all."""

    operand: str
    row: str
    until: str
    accumulate: bool

    def said(self) -> str:
        return "m̄_j += γ_ij H̄_i,  h̄ += α_i H̄_i" if self.accumulate else "m̄_j = γ_j λ_{n+1},  h̄ = α λ_{n+1}"


@dataclass(frozen=True)
class Duplicate(Operation):
    """out = operand, the rows of a state."""

    out: str
    operand: str

    def adjoint(self, held: Cotangents) -> Body:
        assert not held.adds(self.operand)
        return (Duplicate(bar(self.operand), bar(self.out)),)


@dataclass(frozen=True)
class Repeat(Operation):
    """The body for every one of the slab's ``steps``, or for every row of an array: the operators of different stages.

    Steps end with h_next, which lies where h does and is the next one's h; backwards λ_n = h̄ follows λ_{n+1} there.
    """

    over: str
    body: Body
    backwards: bool = False

    def adjoint(self, held: Cotangents) -> Body:
        if self.over != "steps":
            return (Repeat(bar(self.over), adjoint(self.body, held)),)
        return (Repeat("steps", (*adjoint(self.body, held), Duplicate("bar_h_next", "bar_h")), backwards=True),)

    def tangent(self, learned: bool) -> Body:
        return (replace(self, body=tangent(self.body, learned)),)


@dataclass(frozen=True)
class Stages(Operation):
    """The stages of an explicit step, each from earlier ones.

    first: the body of the very first stage of a slab whose state arrives in another basis; there H is that state.
    beside: what stages have beside operators and biases: their gradients, "bar_", and backwards; or changes, "dot_".
    """

    body: Body
    first: Body = ()
    beside: str = ""

    def adjoint(self, held: Cotangents) -> Body:
        apart = adjoint(self.first, Cotangents(held.held))
        return (Stages(adjoint(self.body, held), apart, "bar_"),)

    def tangent(self, learned: bool) -> Body:
        return (Stages(tangent(self.body, learned), tangent(self.first, learned), "dot_"),)


@dataclass(frozen=True)
class Groups(Operation):
    """The stages of an implicit step, group by group: H_i = α_i h + Σ_j γ_ij m_j(H_j) by Newton's method.

    stage: H → m of each.  direction: dH → dm = J dH.
    """

    stage: Body
    direction: Body

    def adjoint(self, held: Cotangents) -> Body:
        """(1 − γᵀ Jᵀ) m̄ = what comes from behind, then as for explicit stages, but for the group's own."""
        back = adjoint(self.stage, held)
        return (GroupsBack(without_gradients(back), (*back, Spread("bar_H", "i", "begin", True))),)

    def tangent(self, learned: bool) -> Body:
        """(1 − γ J) dH = what comes from before, and what changes of weights and biases make."""
        return (GroupsAlong(self.direction, tangent(self.stage, learned)),)


@dataclass(frozen=True)
class GroupsBack(Operation):
    """transposed: m̄ → Jᵀ m̄ of a stage.  reverse: from the m̄ that was solved for, gradients and earlier stages' m̄."""

    transposed: Body
    reverse: Body


@dataclass(frozen=True)
class GroupsAlong(Operation):
    """direction: dH → J dH of a stage.  whole: the same with changes of weights and biases."""

    direction: Body
    whole: Body


# --- of operators -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mix(Operation):
    """out = Σ_k Θ_sk fields_k; rows: Θ's name.  vector: a field's coefficients are a vector, not a matrix."""

    out: str
    fields: str
    rows: str
    vector: bool = False

    def adjoint(self, held: Cotangents) -> Body:
        return (Unmix(bar(self.fields), bar(self.out), self.rows, self.vector),)

    def said(self) -> str:
        return f"Σ_k {self.rows}_sk {self.fields}_k"


@dataclass(frozen=True)
class Unmix(Operation):
    """fields_k += Θ_sk operand."""

    fields: str
    operand: str
    rows: str
    vector: bool = False


@dataclass(frozen=True)
class Sandwich(Operation):
    """out = Φ operand C, channel by channel (Φᵀ operand Cᵀ when transposed).

    left, right: the name and structure of Φ and of C; None for an identity. Their order is each target's choice.
    """

    out: str
    operand: str
    left: tuple[str, Structure] | None
    right: tuple[str, Structure] | None
    transposed: bool = False

    def adjoint(self, held: Cotangents) -> Body:
        return (replace(self, out=bar(self.operand), operand=bar(self.out), transposed=not self.transposed),)


@dataclass(frozen=True)
class Place(Operation):
    """out = N operand: entry e adds its multiple of parameter m to row i, column j of its block, for all channels.

    An entry is (m, start of its block's numbers, i, j, columns of the block).  once: every place has one entry.
    Transposed: the parameters' gradient from the blocks'.
    """

    out: str
    operand: str
    once: bool
    transposed: bool = False

    def adjoint(self, held: Cotangents) -> Body:
        return (replace(self, out=bar(self.operand), operand=bar(self.out), transposed=not self.transposed),)


# --- of heads -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sums(Operation):
    """S_i = Σ_q g_i over the rows q of each group (channel), at every record, and what follows from them.

    rows: (symbol, operand) of what g reads, a row of each q.  shift: why the first may be less its largest, ``top``.
    nodes: (symbol, array) of numbers that belong to q alone.  sums: (name, g_i).  channels: whether a group is a
    channel's rows; else all rows are one.  value: (operand, V), a number a group.  slope: ∂V by the first of ``rows``.
    each: (operand, expression), a number a row, in which ``given`` (symbol, operand) is a number a group.
    several: (symbol, array): every channel has as many groups as the first array has numbers, with a number of each.
    """

    rows: tuple[tuple[str, str], ...]
    sums: tuple[tuple[str, Node], ...]
    channels: bool
    shift: str = ""
    nodes: tuple[tuple[str, str], ...] = ()
    value: tuple[str, Node] | None = None
    each: tuple[str, Node] | None = None
    given: tuple[tuple[str, str], ...] = ()
    slope: Node | None = None
    several: tuple[tuple[str, str], ...] = ()

    def adjoint(self, held: Cotangents) -> Body:
        """The first of ``rows`` becomes its own cotangent: its values are read nowhere else."""
        assert self.value and self.slope
        slope = product([Node("symbol", value="v"), self.slope])
        if self.several:
            (name, _), (out, value), row = *self.sums, self.value, self.rows[0]
            assert value == Node("symbol", value=name)
            return (
                replace(self, rows=(("v", bar(out)),), sums=((name, slope),), given=(row,), value=(row[1], value),
                        nodes=self.several, several=self.nodes),
            )  # fmt: skip
        each = self.rows[0][1], slope
        return (replace(self, value=None, each=each, given=(("v", bar(self.value[0])),)),)
