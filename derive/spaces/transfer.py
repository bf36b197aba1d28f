"""Projection and prolongation between bases: equation 13, P = M′⁻¹ B with B_ij = ⟨φ′_i, φ_j⟩."""

from __future__ import annotations

from dataclasses import dataclass

from derive.exact.matrix import ExactMatrix, identity, rational, stack
from derive.spaces.basis import Basis
from derive.spaces.expressions import multiplied
from derive.spaces.products import gram
from derive.spaces.symmetry import Admissible


def transfer(new: Basis, old: Basis) -> ExactMatrix:
    """P, (size of new × size of old): coefficients in ``old`` → coefficients of the L2 projection on ``new`` (13)."""
    if new is old:
        return identity(new.size)
    return gram(new, new).solve(gram(new, old))


def products(factor: Basis, state: Basis) -> list[ExactMatrix]:
    """For every function p_i of ``factor`` the matrix (size × size) of h → the L2 projection of p_i h on ``state``."""
    mass = gram(state, state)
    of, rows = (factor.combination.of, factor.combination.matrix) if factor.combination else (factor, None)
    found = [mass.solve(gram(multiplied(of, i, state), state)) for i in range(of.size)]
    if rows is None:
        return found
    # p_i = Σ_j T_ij g_j: the matrices of the g_j, one below the other, times (T_i0 1, T_i1 1, …)
    tiled = rational([[int(k % state.size == l) for k in range(of.size * state.size)] for l in range(state.size)])
    owner = [j for j in range(of.size) for _ in range(state.size)]
    numbers = [rows.T.chosen(rows=owner, columns=[i]) for i in range(factor.size)]
    return [tiled.scaled(columns=column) @ stack(found) for column in numbers]


@dataclass(frozen=True)
class Pair:
    """The functions of both widths that are left of a W. left: which these are of the products of out and inner."""

    out: Basis
    inner: Basis
    left: Admissible


def pair_transfer(new: Pair, old: Pair) -> tuple[ExactMatrix, bool]:
    """P between the weights that are left on two slabs' bases: (N′ᵀ (M ⊗ M̃) N′)⁻¹ N′ᵀ (B ⊗ B̃) N; and

    whether the new ones contain the old ones.
    """
    (out, inner, ours), (old_out, old_inner, theirs) = (new.out, new.inner, new.left), (old.out, old.inner, old.left)
    mixed = ours.gram(gram(out, old_out), gram(inner, old_inner), theirs)
    p = ours.gram(gram(out, out), gram(inner, inner)).solve(mixed)
    return p, _nothing_left(theirs.gram(gram(old_out, old_out), gram(old_inner, old_inner)), mixed, p)


def contains(new: Basis, old: Basis, projected: ExactMatrix | None = None) -> bool:
    """Whether every function of ``old`` is in the span of ``new``: then P is a prolongation and no field changes.

    projected: P, where it is known. The residual of the projection is compared with zero: exactly for polynomials,
    else to 1e-40 in its square.
    """
    if new is old:
        return True
    return _nothing_left(gram(old, old), gram(new, old), transfer(new, old) if projected is None else projected)


def _nothing_left(mass: ExactMatrix, mixed: ExactMatrix, projected: ExactMatrix) -> bool:
    """Whether the squares ‖φ_j − Pφ_j‖², the diagonal of M − Bᵀ P, are zero."""
    return not (mass - mixed.T @ projected).nonzero().diagonal().any()
