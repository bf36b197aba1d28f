"""What a target says to the one printer: where operands lie, how loops are written, and every operation's own loops.

``loops`` walks a kernel's body and asks a target, which never sees a whole kernel. To make an operation faster on one
target is to change the method of its name there; a new target is a subclass. All text runs as plain Python, too.
"""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, ClassVar, Self

from derive.emit.scalar import Lines, Scalar, indent
from derive.program.build import Program
from derive.program.kernels import Kernel
from derive.program.layout import LIE_IN, PIECE, Memory, wide
from derive.program.operations import Operation
from derive.program.scalar import Constants, Node

# Functions that NumPy and ``math`` call as expressions do.
USUAL = ("tanh", "sinh", "cosh", "exp", "log", "sqrt", "sin", "cos", "tan", "floor", "log1p")

# What is summed over records: an operand, its summand, what holds that at an element, and where it can be read again.
Total = tuple[str, str, str, str | None]
Passes = list[tuple[bool, Lines]]  # whether they are over the rows of a group, and their lines


class Target(ABC):
    """How one kernel is written.

    calls: names of functions.  tangents: whether tangents are printed, too.  every: the loop over the rows s of an
    array, those of operators of different stages.
    barrier: what separates an operation from the next, which reads its results.  agree: wanted becomes 1 where any of
    those that work together has a 1.  blocks: where those of a learned table are listed; piece: what is read there.

    Beside what stands here, a target has a method of each operation's name, op → its loops: contract, outer, recordsum,
    average, combine, spread, mix, unmix, sandwich, place; and pointwise, with the work of an element, and
    for every result its store, or the ``Total`` of what is summed over records.
    """

    calls: ClassVar[Mapping[str, str]]
    tangents: ClassVar[bool] = False
    every: ClassVar[str]
    barrier: ClassVar[tuple[str, ...]] = ()
    agree: ClassVar[tuple[str, ...]] = ()
    blocks: ClassVar[str] = "_blocks"
    piece: ClassVar[tuple[str, ...]] = PIECE

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.constants = Constants()
        self.used: set[str] = set()
        self.memory: dict[str, Memory] = {m.name: m for m in kernel.memory}
        self.places: Mapping[str, str] = {}

    @property
    def program(self) -> Program:
        assert self.kernel.program is not None
        return self.kernel.program

    @property
    def wide(self) -> str:
        """How many pre-activations all channels have together."""
        return wide(self.kernel.program.parts if self.kernel.program else 1)

    def operation(self, op: Operation, *given: Any) -> Lines:
        """The loops of one operation."""
        lines: Lines = getattr(self, type(op).__name__.lower())(op, *given)
        return lines

    # --- where things lie

    def lying(self, places: Mapping[str, str]) -> Self:
        """The same with other places for some operands."""
        other = copy.copy(self)
        other.places = {**self.places, **places}
        return other

    def lies_in(self, operand: str) -> str:
        """The array that an operand lies in."""
        name = self.places.get(operand, operand)
        return LIE_IN.get(name, name)

    @abstractmethod
    def element(self, operand: str, row: str = "a", stage: str = "") -> str:
        """One element of an operand at record r; of another stage's, for m."""

    @abstractmethod
    def vector(self, name: str, row: str, k: str = "") -> str:
        """One element of a vector of Newton's method at record r; of the k-th of several."""

    def number(self, name: str, k: str = "0") -> str:
        """A number that every record has in Newton's method; some have several."""
        return self.vector(f"{name}_r", k)

    @abstractmethod
    def frame(self, body: Lines) -> Lines:
        """The kernel's body with the memory and the loops around all of it."""

    @abstractmethod
    def arguments(self, lines: Lines) -> tuple[str, ...]:
        """What the kernel with these lines is called with."""

    @abstractmethod
    def bind(self, beside: str) -> Lines:
        """What stage i of step n reads, and beside it adds to, "bar_", or reads, too, "dot_"."""

    def written(self, expressions: tuple[Node, ...]) -> tuple[Lines, list[str]]:
        """The texts of scalar expressions, after the assignments that they rely on."""
        scalar = Scalar(self.constants, self.calls)
        texts = scalar.print(expressions)
        self.used |= scalar.used
        return scalar.lines, texts

    def constant(self, value: Fraction | int) -> str:
        """The name of an exact number."""
        name = self.constants.name(Fraction(value))
        self.used.add(name)
        return name

    # --- loops

    @abstractmethod
    def rows(self, body: Lines, low: str = "0", high: str = "state") -> Lines:
        """The body for every row a from low to high and every record r."""

    @abstractmethod
    def groups(self, body: Lines, array: str, channels: bool) -> Lines:
        """The body for every record r, of an array that has them, and for every channel c where these are apart."""

    @abstractmethod
    def total(self, target: str, term: str) -> Lines:
        """target = Σ term over the rows a of the stages that are solved for, for every record r."""

    def passes(self, passes: Passes, held: list[str], each_row: str, array: str, channels: bool, again: Lines) -> Lines:
        """The passes one after the other for every group of rows; again: the loop over several groups of a channel."""
        body = [line for rows, lines in passes for line in ([each_row, *indent(lines)] if rows else lines)]
        groups = self.groups(body, array, channels)
        return [*again, *indent(groups)] if again else groups

    def records(self, body: Lines) -> Lines:
        """The body for every record r."""
        return [*self.groups(body, "", False), *self.barrier]

    def any(self) -> Lines:
        """wanted = whether the number ``live`` of any record is 1."""
        test = [f"if {self.number('live')} == {self.constant(1)}:", "    wanted = 1"]
        return ["wanted = 0", *self.groups(test, "", False), *self.agree]

    def pieces(self, table: str, lines: Lines) -> Lines:
        """Lines for every block of a learned table."""
        blocks = table.removeprefix("dot_") + self.blocks
        head = [text.format(blocks=blocks, wide=self.wide) for text in self.piece]
        return [f"for piece in range({blocks}.shape[0]):", *indent([*head, *lines])]


def factor(text: str) -> str:
    """The text as a factor of a product."""
    return text if text.isidentifier() else f"({text})"


def words(lines: Iterable[str]) -> set[str]:
    """The names that lines of code read or write."""
    return {word for line in lines for word in re.findall(r"\w+", line.partition("#")[0])}
