"""A declared Butcher tableau: its entries, exact, and how its stages wait for one another."""

from __future__ import annotations

from dataclasses import dataclass

from derive.exact.surd import Exact


@dataclass(frozen=True)
class TableauSpec:
    """A Butcher tableau with exact entries: a (stages × stages), b, c and the order it claims.

    embedded: weights of another method on the same stages, of order ``embedded_order``; their difference to b estimates
    the error. None: none known.
    """

    name: str
    a: tuple[tuple[Exact, ...], ...]
    b: tuple[Exact, ...]
    c: tuple[Exact, ...]
    order: int
    embedded: tuple[Exact, ...] | None = None
    embedded_order: int | None = None

    @property
    def explicit(self) -> bool:
        """Whether every stage depends on earlier ones only."""
        return not any(entry for i, row in enumerate(self.a) for entry in row[i:])

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The stages [start, stop) that have to be solved for together, in order."""
        reach, starts = 0, []
        for i, row in enumerate(self.a):
            if i >= reach:
                starts.append(i)
            reach = max(reach, i + 1, *(j + 1 for j, entry in enumerate(row) if entry))
        return tuple(zip(starts, [*starts[1:], len(self.a)]))
