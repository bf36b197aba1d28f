"""From an equation and the structures of its tables to a slab's program: the chains of both plans, and their room."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from derive.exact.structure import Structure
from derive.program import operations, stage
from derive.program.layout import Operand, factors, operand
from derive.program.operations import (
    OF_ALL_RECORDS,
    Average,
    Body,
    Contract,
    Cotangents,
    Operation,
    Outer,
    Pointwise,
    base,
)
from derive.program.scalar import text_without_values
from derive.program.stage import Plan

if TYPE_CHECKING:
    from derive.equation import Equation

PLANS: tuple[Plan, ...] = ("formed", "factors")


@dataclass(frozen=True)
class Form:
    """A program's chains, and the room they need.

    stage: H → m.  reverse: m̄ → H̄ with the gradients of what is learned.  tangent: dH and the changes of what is
    learned → dm.
    entry: the chain of the very first stage of a slab whose state arrives in another basis (there H is that state,
    and C, X are the tables of that basis); empty where the bases agree.
    kept: operands of the forward chain that the other chains read.  work: the other intermediate operands.
    bars: the cotangents that the reverse chain needs room for.  dots: the tangents.
    """

    stage: Body
    reverse: Body
    tangent: Body
    entry: Body
    entry_reverse: Body
    entry_tangent: Body
    kept: tuple[Operand, ...]
    work: tuple[Operand, ...]
    bars: tuple[Operand, ...]
    dots: tuple[Operand, ...]


@dataclass(frozen=True)
class Program:
    """One slab's kernels for one plan.

    formed: u = E_s h + e_s with E_s = Φ w_s C formed once per change of weights;  factors: u = Φ (w_s (C h)) + e_s.
    entry: whether the slab's state arrives in another basis.  implicit: whether stages have to be solved for.
    parts: g, pre-activations a channel.  parameters: how many of the rate's are learned.
    """

    plan: Plan
    structures: tuple[tuple[str, Structure], ...]
    form: Form
    entry: bool
    implicit: bool
    parts: int = 1
    parameters: int = 0

    @property
    def blocks(self) -> bool:
        """Whether w consists of blocks."""
        return dict(self.structures).get("w") == "blocks"

    @property
    def waves(self) -> bool:
        """Whether those blocks are of κ in frequencies."""
        return any(table == "w_waves" for table, _ in self.structures)

    @property
    def local(self) -> bool:
        """Whether there is a V."""
        return any(table == "V" for table, _ in self.structures)

    @property
    def several(self) -> bool:
        """Whether the domain has several axes."""
        return len(self.factors("X")) > 1

    @property
    def normalised(self) -> bool:
        """Whether the rate takes normalised pre-activations."""
        return any(isinstance(op, Average) for op in self.form.stage)

    @property
    def learned(self) -> str:
        """The learned table that a stage applies."""
        return "E" if self.plan == "formed" else "w"

    def structure(self, table: str) -> Structure:
        return dict(self.structures)[table]

    def factors(self, table: str) -> tuple[str, ...]:
        """The factors of a table, one an axis."""
        return factors(table, dict(self.structures))

    def text(self) -> str:
        """The canonical text; its hash is the signature. Constants' values are data and stay out."""
        parts = [self.plan, repr(self.structures), *(["implicit", str(self.entry)] if self.implicit else [])]
        parts += [f"{self.parts} {self.parameters}"]
        form = self.form
        chains = (form.stage, form.reverse, form.tangent, form.entry, form.entry_reverse, form.entry_tangent)
        parts += [_operation_text(op) for chain in chains for op in chain]
        return "\n".join(parts)


def _operation_text(op: Operation) -> str:
    if isinstance(op, Pointwise):
        numbers: dict[Fraction, str] = {}
        body = ";".join(text_without_values(e, numbers) for e in op.expressions)
        return f"Pointwise({op.outs},{op.inputs},{op.accumulate},{op.reduce},{op.parts},{body})"
    return repr(op)


def signature(programs: tuple[Program, ...]) -> str:
    """sha256 of the canonical texts of a slab's programs (all plans): one signature, one set of kernels."""
    return hashlib.sha256("\n\n".join(p.text() for p in programs).encode()).hexdigest()


def plans(structures: Mapping[str, Structure]) -> tuple[Plan, ...]:
    """The plans that make sense: blocks and Kronecker products are applied as they are, never formed."""
    return ("factors",) if "blocks" in structures.values() or len(factors("X", structures)) > 1 else PLANS


def build(
    equation: Equation, structures: dict[str, Structure], entry: bool, plan: Plan, implicit: bool = False
) -> Program:
    """The program of (4), (5) and (10), (11) for one plan.

    structures: what the derivation found for Φ, Ψ, C, X and A; "blocks" for w where it has them, and for V where the
    equation has one. entry: the state arrives in another basis.
    implicit: the tableau's stages have to be solved for; they see an arriving state by its projection alone.
    """
    form = _form(equation, structures, entry and not implicit, plan, implicit)
    count = len(equation.pre_activations)
    return Program(plan, tuple(sorted(structures.items())), form, entry, implicit, count, len(equation.learned))


def _form(equation: Equation, structures: dict[str, Structure], entry: bool, plan: Plan, implicit: bool) -> Form:
    # The entry basis shares neither zeros nor nodes with the slab's own: its tables are full ones.
    shared = {name: tag for name, tag in structures.items() if not name.startswith(("C_", "X_"))}
    full: dict[str, Structure] = {**shared, **dict.fromkeys(("C", "X"), "dense")}
    own = stage.chain(equation, structures, plan)
    first = stage.chain(equation, full, plan) if entry else ()
    reverse, first_reverse = (operations.adjoint(chain, Cotangents()) for chain in (own, first))
    tangent, first_tangent = (operations.tangent(chain, learned=True) for chain in (own, first))
    kept = {name for op in (*reverse, *first_reverse) for name in _kept(op)}
    produced = {name for op in (*own, *first) for name in _results(op)}
    cotangents = {name[4:] for op in (*reverse, *first_reverse) for name in _results(op)} - {"e"}
    dots = {name.removeprefix("dot_") for op in (*tangent, *first_tangent) for name in _results(op)}
    return Form(
        own,
        reverse,
        tangent,
        first,
        first_reverse,
        first_tangent,
        _operands(kept),
        _operands(produced - kept - {"M"}),
        _operands((cotangents | ({"R"} & produced)) - {"M", "p"}),
        _operands(dots - {"M"}),
    )


def _operands(names: set[str]) -> tuple[Operand, ...]:
    return tuple(operand(name) for name in sorted(names))


def _results(op: Operation) -> tuple[str, ...]:
    if isinstance(op, Contract | Average):
        return (op.out,)
    return tuple(map(base, op.outs)) if isinstance(op, Pointwise) else ()


def _kept(op: Operation) -> set[str]:
    """What a reverse operation reads of the forward ones."""
    if isinstance(op, Outer):
        return {op.operand}
    if not isinstance(op, Pointwise):
        return set()
    operands = {base(o) for _, found in op.inputs for o in found}
    return {o for o in operands if not o.startswith("bar_") and o not in OF_ALL_RECORDS}
