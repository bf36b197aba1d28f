"""Where the operands of kernels lie: the names of arrays and of numbers of rows, factors of tables, blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive.exact.structure import Structure
from derive.spec import of_axis

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
          "bar_mixed_local": "mixed_local", "dot_M": "dot_m", "dot_h": "dot", "dot_h_next": "dot",
          "dot_h_entry": "dot_entry"}  # fmt: skip
# What the first stage of a slab reads and writes whose state arrives in another basis.
ARRIVING = {"H": "h_entry", "bar_H": "bar_entry", "C": "C_entry", "X": "X_entry", "E": "operator_entry",
            "bar_E": "bar_operator_entry", "dot_H": "dot_entry", "dot_E": "dot_operator_entry"}  # fmt: skip

# What tangents, and the transposed equations, read and write while those are solved.
DIRECTION = {"dot_H": "directions", "dot_M": "moved"}
HELD, SOLVED = {"dot_H": "solution", "dot_M": "moved"}, {"dot_H": "solution"}  # before these are solved, and after
TRANSPOSED = {"bar_M": "directions", "bar_H": "moved"}

INDEX = {"stages": "i", "krylov + 1": "k"}  # what counts along the first axes of a kernel's own arrays
# Row a has node q and channel c; its pre-activations are in the rows b, b + channels, … of what has them all.
ROW_OF_PART = "a, b = q*channels + c, {parts}*q*channels + c"

# A block of a learned table: its first rows in what it makes and acts on, how many these are, and its first number.
PIECE = (
    "high, low = {blocks}[piece, 0]*{wide}, {blocks}[piece, 2]*channels",
    "high_count = ({blocks}[piece, 1] - {blocks}[piece, 0])*{wide}",
    "low_count = ({blocks}[piece, 3] - {blocks}[piece, 2])*channels",
    "origin = {blocks}[piece, 4]*{wide}*channels",
)

# What a caller chooses for implicit stages: how many Newton steps, GMRES cycles and directions a cycle; and in
# ``limits``, in units of the size of what is solved for, the error at which Newton's method stops, the error reduction
# of a linear solve inside it, the error that rounding may leave, and the error reduction of the adjoint's linear solve.
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


def wide(parts: int) -> str:
    """How many pre-activations all channels have together."""
    return "channels" if parts == 1 else f"{parts}*channels"
