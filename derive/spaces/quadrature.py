"""The quadrature rule of a slab (section 3), and what it must see of the state."""

from __future__ import annotations

import math
from fractions import Fraction

from derive.errors import DerivationError
from derive.exact.matrix import ExactMatrix, kron, single
from derive.spaces.basis import Basis, build
from derive.spaces.rules import Rule, gauss_rule, uniform_rule
from derive.spec import WIDTH, Slab, Spec, of_axis


def rule(spec: Spec, slab: Slab, chosen: dict[str, Basis]) -> Rule:
    """The rule of section 3: Gauss–Legendre on the cells of the union of breakpoints; equally spaced for Fourier.

    A nodal state brings its own points. The default makes A exact on products of χ with φ and ψ, and takes at least
    ⌈3n/2⌉ points for a spectral state (one cell) of size n.
    """
    state = chosen["state"]
    if state.nodes is not None and slab.quadrature is None:
        return state.nodes
    if state.kind == "fourier":
        count = slab.quadrature or -(-3 * state.size // 2)
        if count < state.size:
            raise _too_few(count, state.size)
        return uniform_rule(count)
    involved = [state, *(build(b, WIDTH) for b in slab.rule or (slab.weight_out, slab.bias_width))]
    union = tuple(sorted({b for basis in involved for b in basis.breakpoints}))
    cells = len(union) - 1
    if slab.quadrature is not None:
        if slab.quadrature % cells or slab.quadrature < state.size:
            raise DerivationError(
                f"quadrature = {slab.quadrature} points over {cells} cells for a state of size {state.size}",
                f"a multiple of {cells}, at least {state.size}",
                "every cell of the union of the breakpoints gets the same number of points",
                f"use quadrature = {cells * -(-max(state.size, slab.quadrature) // cells)}, or leave it out",
                "state.quadrature",
            )
        per_cell = slab.quadrature // cells
    else:
        per_cell = _points_per_cell(involved, cells)
    return gauss_rule(union, per_cell)


def weights(spec: Spec, slab: Slab, chosen: dict[str, Basis]) -> ExactMatrix:
    """The weights of a slab's rule on the whole domain, with sum 1, in a column."""
    rules = [
        rule(spec, slab.along(axis), {"state": chosen[of_axis("state", axis)]}) for axis in range(spec.dimension)
    ]
    half = single(Fraction(1, 2))
    return kron([rule.weights @ half for rule in rules])


SEEN = 1e-3  # of a function's squared norm, that a rule has to see of it


def check_seen(mass: ExactMatrix, mass_rule: ExactMatrix, nodes: int) -> None:
    """Raise DerivationError where a function of the state lies between the nodes: A would divide by nothing."""
    whole, found = (table.to_float().diagonal() for table in (mass, mass_rule))
    for j in range(len(whole)):
        if found[j] < SEEN * whole[j]:
            raise DerivationError(
                f"function {j + 1} of the state, which {nodes} quadrature points do not see",
                "functions that are not all but zero at the points", "a narrow peak between them",
                "put breakpoints around the peak, or raise quadrature", "state.quadrature",
            )  # fmt: skip


def _points_per_cell(involved: list[Basis], cells: int) -> int:
    # A closed-form or trigonometric function counts like a polynomial with twice as many functions.
    degrees = [b.degree if b.degree is not None else 2 * b.size for b in involved]
    state = involved[0]
    exact = -(-(degrees[0] + max(degrees) + 1) // 2)
    spectral = len(state.breakpoints) == 2 and state.size > 1
    return max(exact, math.ceil(math.ceil(1.5 * state.size) / cells)) if spectral else exact


def _too_few(count: int, size: int) -> DerivationError:
    return DerivationError(
        f"quadrature = {count} for a state of {size} functions",
        f"at least {size} points; the default is {-(-3 * size // 2)}",
        "with fewer points than functions the projection A has no unique value",
        "leave quadrature out, or raise it",
        "state.quadrature",
    )
