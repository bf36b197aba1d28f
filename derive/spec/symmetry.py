"""A declared symmetry: what it does to the width, piece by piece."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Piece:
    """ξ → sign · ξ + offset on [start, stop]; the sign is 1 or −1."""

    start: Fraction
    stop: Fraction
    sign: int
    offset: Fraction

    @property
    def image(self) -> tuple[Fraction, Fraction]:
        """Both ends of what it fills."""
        first, last = sorted(self.sign * end + self.offset for end in (self.start, self.stop))
        return first, last

    def __str__(self) -> str:
        sign = "-" if self.offset < 0 else "+"
        rest = f" {sign} {abs(self.offset)}" if self.offset else ""
        return f"{'' if self.sign > 0 else '-'}xi{rest} on [{self.start}, {self.stop}]"


@dataclass(frozen=True)
class SymmetrySpec:
    """A symmetry of the network (6). kind: "translation" (all shifts), "reflection" (ξ → −ξ), "shift" or "map".

    amount: of a shift, ξ → ξ + amount on the periodic interval; it generates a cyclic group.
    own: of a map, its pieces from −1 to 1, which fill the interval again; all lengths stay as they are.
    """

    kind: str
    amount: Fraction | None = None
    own: tuple[Piece, ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What a single map does, from −1 to 1; none for a translation, which is many."""
        if self.kind == "reflection":
            return (Piece(Fraction(-1), Fraction(1), -1, Fraction(0)),)
        if self.amount is None:
            return self.own
        amount = self.amount % 2
        cuts = sorted({Fraction(-1), 1 - amount, Fraction(1)})
        return tuple(Piece(a, b, 1, amount if b <= 1 - amount else amount - 2) for a, b in zip(cuts, cuts[1:]))

    @property
    def cells(self) -> int:
        """The number of equal cells that a single map permutes."""
        edges = (edge for piece in self.pieces for edge in (piece.start, *piece.image))
        return math.lcm(*(((edge + 1) / 2).denominator for edge in edges))

    def __str__(self) -> str:
        if self.own:
            return f"the map {', '.join(map(str, self.own))}"
        return self.kind if self.amount is None else f"shift by {self.amount}"
