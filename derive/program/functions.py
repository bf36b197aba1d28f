"""The functions of a closed-form basis as a kernel: array expressions of ξ, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

from derive.program.kernels import Kernel
from derive.program.operations import Operation
from derive.program.scalar import Node, tree
from derive.spaces.basis import Basis


@dataclass(frozen=True)
class Evaluate(Operation):
    """values[j] = cells[cell][j] of the points ``xi`` of one cell."""

    cells: tuple[tuple[Node, ...], ...]


def closed_form(basis: Basis) -> Kernel:
    """(cell, xi) → (size, len(xi))."""
    from derive.exact.enclosure import local_expression

    cells = tuple(
        tuple(tree(local_expression(f.get(cell, ()), *basis.bounds(cell))) for f in basis.functions)
        for cell in range(basis.cells)
    )
    title = "The functions of a closed-form basis on one of its cells: (size, len(xi))."
    return Kernel("basis", title, ("cell", "xi", "constants"), (), (Evaluate(cells),), "xi")
