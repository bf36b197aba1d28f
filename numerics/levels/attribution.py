"""Where the change of a loss sits that a move between levels makes: the attribution (17).

The change itself is computed. L(W + d) − L(W) = ∫₀¹ ⟨g(W + t d), d⟩ dt, by a Gauss rule in t, says which part of it
belongs to which field, coefficient, cell of the width and element of the depth; the parts add up, and their sum misses
the change by the error of the rule alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numerics.functions.arrays import along
from numerics.functions.basis import Basis, evaluate
from numerics.functions.field import Block, Field, FieldSlab, Pair
from numerics.functions.legendre import gauss_points
from numerics.functions.rules import rule
from numerics.model.continuum import Continuum
from numerics.model.prepared import Prepared

Array = np.ndarray
Parts = tuple[Array, Array]  # edges (cells + 1,), what belongs to the cell between two of them (cells,)

POINTS = 3  # of the Gauss rule
CELLS = 8  # equal ones, of an axis whose functions have no cells of their own


@dataclass(frozen=True, eq=False)
class Share:
    """What belongs to a field.

    along: by axis ("xi", "xi_", "delta" …) the part of every cell; of fields that the two levels have no common space
    for, along ξ and δ only. coefficients: slab by slab the part of every coordinate in orthonormal functions, or ().
    """

    total: float
    along: Mapping[str, Parts] = field(default_factory=dict)
    coefficients: Sequence[Array] = ()


@dataclass(frozen=True, eq=False)
class Attribution:
    """A loss's change, and the share of every field; penalties count as their fields', or have names of their own.

    rule: that of the integral over t, in words.
    """

    change: float
    shares: Mapping[str, Share]
    rule: str

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return sum(share.total for share in self.shares.values())

    @property
    def defect(self) -> float:
        """By how much the sum of the parts misses the change: the rule's own error."""
        return self.total - self.change

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, without those of single coefficients."""
        shares = {
            name: {
                "total": share.total,
                **{axis: {"edges": edges.tolist(), "parts": p.tolist()} for axis, (edges, p) in share.along.items()},
            }
            for name, share in self.shares.items()
        }
        return {"change": self.change, "defect": self.defect, "rule": self.rule, "shares": shares}


def gauss_rule(points: int) -> tuple[Array, Array]:
    """Gauss points and weights on [0, 1]."""
    t, weights = gauss_points(points)
    return (1 + t) / 2, weights / 2


def between(old: Continuum, fields: Mapping[str, Field], prepared: Prepared, points: int = POINTS) -> Attribution:
    """The attribution of a change of fields in the model's own bases.

    old: the model before; fields: those after, in its bases; prepared: its records. Adaptive steps are those of the
    old fields. Raises TrainingError where a loss on the way is not finite.
    """
    if old.spec.tolerance is not None:
        old = old.running_on(old.bound.with_steps(old.solver.find_steps(prepared.states)))
    start, end = old.coordinates, old.replace(fields=fields).coordinates
    slope = np.zeros_like(start)
    for t, weight in zip(*gauss_rule(points)):
        slope += weight * old.objective(prepared, start + t * (end - start))[1]
    change = old.with_coordinates(end).loss(prepared) - old.loss(prepared)
    way, shares = end - start, {}
    for block in old.blocks:
        shares[block.name] = _share(old.fields[block.name], block, slope, way)
    return Attribution(change, shares, f"{points} Gauss points")


def _share(of: Field, block: Block, slope: Array, way: Array) -> Share:
    """Of a field, from the mean gradient and the change of all fields in orthonormal coordinates."""
    pairs = list(zip(block.arrays(slope), block.arrays(way)))
    parts: dict[str, list[Parts]] = {}
    for slab, pair in zip(of.slabs, pairs):
        for name, edges, own in _by_axes(of, slab, *pair):
            parts.setdefault(name, []).append((edges, own))
    found = {name: joined(own, name == "delta") for name, own in parts.items()}
    return Share(float(slope[block.part] @ way[block.part]), found, tuple(g * d for g, d in pairs))


def _by_axes(of: Field, slab: FieldSlab, g: Array, d: Array) -> Iterator[tuple[str, Array, Array]]:
    """∫ g d over the cells of one axis and all of the others, for every axis: its name, edges and parts.

    g, d: in orthonormal coordinates, so that sums over the other axes' coordinates are integrals.
    """
    pairs = sum(isinstance(basis, Pair) for basis in slab.bases)
    for axis, basis in enumerate(slab.bases):
        _, factor = slab.factored[axis]
        if isinstance(basis, Pair):
            (x, w), (y, v) = rule(basis.outer), rule(basis.inner)
            values = basis.combined(evaluate(basis.outer, x)[:, None], evaluate(basis.inner, y))
            grid = _products(values.reshape(-1, basis.size), factor, g, d, axis).reshape(len(x), len(y))
            grid *= np.multiply.outer(w, v)
            yield of.axes[axis], *in_cells(_edges(of, basis.outer, axis), x, grid.sum(axis=1))
            yield of.axes[pairs + axis], *in_cells(_edges(of, basis.inner, axis), y, grid.sum(axis=0))
        else:
            x, w = rule(basis)
            name = of.axes[axis if not pairs else 2 * pairs + axis - pairs]
            yield name, *in_cells(_edges(of, basis, axis), x, w * _products(evaluate(basis, x), factor, g, d, axis))


def _products(values: Array, factor: Array, g: Array, d: Array, axis: int) -> Array:
    """g d at points of one axis, summed over all others; values: of the axis' basis there, (points, size)."""
    own = values / factor if factor.ndim == 1 else np.linalg.solve(factor, values.T).T
    found = along(own, g, axis) * along(own, d, axis)
    return np.asarray(np.moveaxis(found, axis, 0).reshape(len(own), -1).sum(axis=1))


def _edges(of: Field, basis: Basis, axis: int) -> Array:
    """The cells of an axis: the basis' own, where all slabs have the same, or equal ones; of the depth its elements."""
    own = basis.breakpoints
    if of.axes[-1] == "delta" and axis == len(of.slabs[0].bases) - 1:
        return own
    others = [slab.bases[axis] for slab in of.slabs]
    same = all(isinstance(b, Basis) and np.array_equal(b.breakpoints, own) for b in others)
    return cells_of(basis) if same else equal_cells(basis)


def cells_of(basis: Basis) -> Array:
    """Edges of the cells that parts of an axis are told apart by: a basis' own, or equal ones where it has one."""
    return basis.breakpoints if basis.cells > 1 else equal_cells(basis)


def equal_cells(basis: Basis) -> Array:
    """Edges of equal cells of the interval of a basis."""
    return np.linspace(basis.breakpoints[0], basis.breakpoints[-1], CELLS + 1)


def in_cells(edges: Array, x: Array, values: Array) -> Parts:
    """Values at points summed within cells."""
    cells = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    return edges, np.bincount(cells, values, len(edges) - 1)


def joined(parts: Sequence[Parts], behind: bool) -> Parts:
    """Parts of all slabs: behind each other along the depth, in the same cells along the width."""
    if behind:
        edges = [parts[0][0], *(own[1:] for own, _ in parts[1:])]
        return np.concatenate(edges), np.concatenate([p for _, p in parts])
    return parts[0][0], np.sum([p for _, p in parts], axis=0)
