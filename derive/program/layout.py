"""Where the operands of a slab's kernels lie and how large they are: rows by names, factors of tables, working memory.

Sizes are texts over the shapes of a kernel's arguments, the same for every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from derive.galerkin import Structure
from derive.spec import of_axis

if TYPE_CHECKING:
    from derive.program.build import Form, Program

# The tables that a stage applies, and what each makes. On a square or a cube they are Kronecker products, and are
# applied one axis at a time: C, C_2 and C_3 make G_1, G_2 and G of h.
MAKES = {"Phi": "U", "C": "G", "X": "Z", "A": "M"}

ROWS = {"H": "state", "G": "weight_in", "T": "weight_out", "M": "state"}  # every other operand lives at the nodes
WIDE = ("T", "U", "N", "S", "Y")  # operands with all pre-activations of every channel
WIDE_TABLES = ("Phi", "Psi")  # and the tables that act on such
NARROW_TABLES = ("w_waves", "Psi_V")  # these act on no channels

# Operands that lie where others do.
LIE_IN = {"M": "m", "bar_M": "bar_m", "h_next": "h", "bar_h_next": "bar", "bar_h_entry": "bar_entry",
          "bar_at_nodes": "at_nodes", "bar_mixed": "mixed", "bar_turned": "turned", "bar_mixed_bias": "mixed_bias",
          "bar_mixed_local": "mixed_local"}  # fmt: skip
# What the first stage of a slab reads and writes whose state arrives in another basis.
ARRIVING = {"H": "h_entry", "bar_H": "bar_entry", "C": "C_entry", "X": "X_entry", "E": "operator_entry",
            "bar_E": "bar_operator_entry"}  # fmt: skip

# What tangents, and the transposed equations, read and write while those are solved.
DIRECTION = {"dot_H": "directions", "dot_M": "moved"}
TRANSPOSED = {"bar_M": "directions", "bar_H": "moved"}

INDEX = {"stages": "i", "krylov + 1": "k"}  # what counts along the first axes of a kernel's own arrays
# Row a has node q and channel c; its pre-activations are in the rows b, b + channels, … of what has them all.
ROW_OF_PART = "a, b = q*channels + c, {parts}*q*channels + c"

# A block of a learned table: its first rows in what it makes and acts on, how many these are, and its first number.
PIECE = (
    "high, low = {table}_blocks[piece, 0]*{wide}, {table}_blocks[piece, 2]*channels",
    "high_count = ({table}_blocks[piece, 1] - {table}_blocks[piece, 0])*{wide}",
    "low_count = ({table}_blocks[piece, 3] - {table}_blocks[piece, 2])*channels",
    "origin = {table}_blocks[piece, 4]*{wide}*channels",
)

# What a record needs of vectors and of single numbers, for the linear equations of implicit stages and for Newton's
# method around them; and what a caller chooses for both, see ``derive.emit.newton``.
VECTORS = ("given_vector", "solution", "image", "moved")
NUMBERS = ("error", "live", "reach", "last", "factor", "before", "after")
NEWTON_VECTORS = ("known", "change")
NEWTON_NUMBERS = ("size", "old", "damping", "residue")
LISTS = {"dots": "krylov + 1", "cosine": "krylov", "sine": "krylov", "rest": "krylov + 1",
         "matrix": "(krylov + 1)*krylov"}  # fmt: skip
NEWTON_ARGUMENTS = ("groups", "limits", "iterations", "cycles", "krylov")


@dataclass(frozen=True)
class Operand:
    """A named array. axis: of its rows, which it has for every channel; wide: for every pre-activation of each.

    Between two factors of a Kronecker product, as G_1, an array has rows of its own, and is its own axis.
    """

    name: str
    axis: str
    wide: bool = False

    @property
    def rows(self) -> str:
        """The name of its number of rows."""
        if self.axis == self.name:
            return f"rows_{self.name}"
        return "wide" if self.wide and self.axis == "node" else self.axis


def operand(name: str) -> Operand:
    return Operand(name, name if "_" in name else ROWS.get(name, "node"), name.partition("_")[0] in WIDE)


@dataclass(frozen=True)
class Memory:
    """An array that a kernel needs for itself.  shape: the records come last where it has any."""

    name: str
    shape: tuple[str, ...]


def factors(table: str, structures: Mapping[str, Structure]) -> tuple[str, ...]:
    """The factors of a table, one an axis of the domain; a table that is held whole is its own."""
    names = (of_axis(table, axis) for axis in range(3))
    return tuple(name for name in names if name == table or name in structures)


def tables(program: Program, names: Iterable[str]) -> list[str]:
    """Tables as arguments: those whose structure leaves something to do, runs after banded ones."""
    found = []
    for table in names:
        if program.structure(table) != "identity":
            found += [table, f"{table}_runs"] if program.structure(table) == "banded" else [table]
    return found


def wide(parts: int) -> str:
    """How many pre-activations all channels have together."""
    return "channels" if parts == 1 else f"{parts}*channels"


def sizes(program: Program, form: Form, like: str) -> tuple[tuple[str, str], ...]:
    """The numbers of steps, stages, records and rows, by name; like: the array of a state."""
    parts = program.parts
    nodes = "biases.shape[1]" if parts == 1 else f"biases.shape[1]//{parts}"
    found = {
        "steps": "combine.shape[0]", "stages": "combine.shape[1] - 1", "records": f"{like}.shape[1]",
        "state": f"{like}.shape[0]", "node": nodes, "wide": "biases.shape[1]",
        "weight_out": "operators.shape[1]", "weight_in": "operators.shape[2]", "entry": "h_entry.shape[0]",
    }  # fmt: skip
    if program.blocks:  # their operator is a row of numbers
        outer, inner = _blocks_between(program)
        found |= {"weight_out": outer or "biases.shape[1]", "weight_in": inner or f"{like}.shape[0]"}
    return (*found.items(), *((o.rows, _between(program, o)) for o in between(form)))


def between(form: Form) -> tuple[Operand, ...]:
    """The operands between two factors of a Kronecker product."""
    found = {o.name: o for o in (*form.kept, *form.work, *form.bars, *form.dots) if o.axis == o.name}
    return tuple(found[name] for name in sorted(found))


def _between(program: Program, operand: Operand) -> str:
    """The number of rows between two factors of a table, such as G_1's."""
    made, _, count = operand.name.partition("_")
    table = next(table for table, makes in MAKES.items() if makes == made)
    axes = [f"{name}.shape[{int(k >= int(count))}]" for k, name in enumerate(program.factors(table))]
    return "*".join([*axes, wide(program.parts) if operand.wide else "channels"])


def _blocks_between(program: Program) -> tuple[str | None, str | None]:
    """The rows of what blocks make, and of what they act on; None where these are nodes, or the state."""
    found: list[str | None] = []
    for table, axis, channels in (("Phi", 1, wide(program.parts)), ("C", 0, "channels")):
        axes = [f"{name}.shape[{axis}]" for name in program.factors(table)]
        found.append(None if program.structure(table) == "identity" else "*".join([*axes, channels]))
    return found[0], found[1]


def forward_memory(form: Form, implicit: bool) -> tuple[Memory, ...]:
    """The working memory of the forward kernel."""
    own = "H" not in {o.name for o in form.kept}
    stages = ("stages",) if implicit else ()
    return (
        Memory("m", ("stages", "state", "records")),
        *([Memory("H", (*stages, "state", "records"))] if own else []),
        *(Memory(o.name, (o.rows, "records")) for o in form.work),
        *(Memory(f"dot_{o.name}", (o.rows, "records")) for o in form.dots),
        *(_newton(VECTORS + NEWTON_VECTORS, NUMBERS + NEWTON_NUMBERS) if implicit else ()),
    )


def adjoint_memory(form: Form, implicit: bool) -> tuple[Memory, ...]:
    """The working memory of the adjoint kernel."""
    return (
        Memory("bar_m", ("stages", "state", "records")),
        Memory("bar_h", ("state", "records")),
        *(Memory(f"bar_{o.name}", (o.rows, "records")) for o in form.bars),
        *(_newton(VECTORS, NUMBERS) if implicit else ()),
    )


def _newton(vectors: tuple[str, ...], numbers: tuple[str, ...]) -> tuple[Memory, ...]:
    """Vectors hold all stages of a step below one another."""
    return (
        *(Memory(name, ("stages*state", "records")) for name in vectors),
        *(Memory(f"{name}_r", (rows, "records")) for name, rows in (dict.fromkeys(numbers, "1") | LISTS).items()),
        Memory("directions", ("krylov + 1", "stages*state", "records")),
    )
