"""Finite groups that act on a grid and on channels together: characters, exact null spaces, and training inside them.

An element is an integer matrix (nested tuples) that acts on positions; a representation gives each an integer matrix
that acts on channels. A field is left alone when (A_1 ⊗ A_2 ⊗ …) w = w for the actions A of every element on all of
its axes: those of its functions, of what it makes, of what it reads. Of a kernel this is κ(g s) = ρ_out(g) κ(s)
ρ_in(g)⁻¹ (Cohen et al. 2019). The declaration's symmetries act on positions alone; here channels transform, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from derive.spaces.symmetry import null_space

Array = np.ndarray
Element = tuple[tuple[int, ...], ...]
Representation = Callable[[Element], Array]

TURN: Element = ((0, -1), (1, 0))  # of the square, by a quarter
MIRROR: Element = ((1, 0), (0, -1))
FLIP: Element = ((-1,),)  # of an interval
P4M, P4 = (TURN, MIRROR), (TURN,)  # generators: with shifts these are crystallography's groups


def times(g: Element, h: Element) -> Element:
    """First h, then g."""
    return tuple(tuple(map(int, row)) for row in np.array(g) @ np.array(h))


def generated(*generators: Element) -> tuple[Element, ...]:
    """All products of the generators, sorted; the unit is among them."""
    found, new = set(generators), set(generators)
    while new:
        new = {times(g, h) for g in generators for h in new} - found
        found |= new
    return tuple(sorted(found))


# --- representations


def trivial(g: Element) -> Array:
    return np.eye(1, dtype=int)


def sign(g: Element) -> Array:
    """−1 where orientation is reversed."""
    return np.array([[round(np.linalg.det(np.array(g)))]])


def vector(g: Element) -> Array:
    return np.array(g)


def regular(group: Sequence[Element]) -> Representation:
    """A channel for every element; g takes that of h to that of gh."""
    place = {h: k for k, h in enumerate(group)}

    def action(g: Element) -> Array:
        found = np.zeros((len(group), len(group)), dtype=int)
        for h, k in place.items():
            found[place[times(g, h)], k] = 1
        return found

    return action


def copies(count: int, of: Representation) -> Representation:
    """So many channels of one kind, one after the other."""
    return lambda g: np.kron(np.eye(count, dtype=int), of(g))


def together(*parts: Representation) -> Representation:
    """Channels of several kinds, one after the other."""
    return lambda g: np.asarray(sparse.block_diag([part(g) for part in parts]).toarray().astype(int))


def positions(size: int, dimension: int) -> Representation:
    """What elements do to the functions on size^dimension equal cells around 0, the last axis first to run."""
    at = list(itertools.product(range(size), repeat=dimension))
    place = {p: k for k, p in enumerate(at)}

    def action(g: Element) -> Array:
        found = np.zeros((len(at), len(at)), dtype=int)
        for p, k in place.items():
            image = np.array(g) @ (2 * np.array(p) - (size - 1))
            found[place[tuple(int(i) for i in (image + size - 1) // 2)], k] = 1
        return found

    return action


# --- what a group leaves alone


def by_characters(group: Sequence[Element], *actions: Representation) -> Fraction:
    """The dimension of what the group leaves alone: the mean over it of the product of traces (Burnside, Schur)."""
    return Fraction(sum(int(np.prod([np.trace(a(g)) for a in actions])) for g in group), len(group))


def left_alone(generators: Sequence[Element], *actions: Representation) -> tuple[Array, tuple[int, ...]]:
    """A basis of the arrays that A_1 ⊗ A_2 ⊗ … leaves as they are, for every generator; exact.

    Returns its columns (size, dimension), orthogonal and of entries 0 and ±1, and the shape of the arrays. Raises
    ValueError where they are not, for an action that is more than a permutation with signs.
    """
    shape = tuple(len(a(generators[0])) for a in actions)
    unknowns: list[Any] = list(itertools.product(*map(range, shape)))
    vectors = null_space(unknowns, itertools.chain(*(_equations(g, actions, unknowns) for g in generators)))
    columns = np.zeros((len(unknowns), len(vectors)))
    for m, one in enumerate(vectors):
        for index, value in one.items():
            columns[np.ravel_multi_index(index, shape), m] = float(value)
    if not np.isin(columns, (-1, 0, 1)).all() or np.count_nonzero(columns, axis=1).max(initial=0) > 1:
        raise ValueError("coefficients that are more than equal or opposite: an action that is no signed permutation")
    return columns, shape


def _equations(g: Element, actions: Sequence[Representation], unknowns: list[Any]) -> Iterable[dict[Any, Fraction]]:
    rows = [[{j: int(v) for j, v in enumerate(row) if v} for row in a(g)] for a in actions]
    for index in unknowns:
        equation = {index: Fraction(-1)}
        for terms in itertools.product(*(own[i].items() for own, i in zip(rows, index))):
            other = tuple(j for j, _ in terms)
            equation[other] = equation.get(other, Fraction(0)) + Fraction(int(np.prod([v for _, v in terms])))
        yield equation


# --- models inside the null space


@dataclass(frozen=True, eq=False)
class Kept:
    """What a group leaves of a model: its orthonormal coordinates are ``matrix`` z.

    matrix: (size, dimension), sparse, with orthogonal columns.
    """

    matrix: Any

    @classmethod
    def of(cls, model: Any, generators: Sequence[Element], actions: Mapping[str, Sequence[Representation]]) -> Kept:
        """actions: of every field that is not empty, on the axes of its coefficients but for the depth's.

        Raises ValueError where axes do not fit.
        """
        parts = []
        for block in model.blocks:
            ((*shape,),) = block.shapes
            basis, own = left_alone(generators, *actions[block.name])
            deep = "delta" in model.fields[block.name].axes
            where = np.arange(int(np.prod(shape))).reshape(shape)
            depth = model.fields[block.name].slabs[0].bases[-1].size if deep else 1
            if deep:
                where = np.moveaxis(where, len(model.fields[block.name].slabs[0].bases) - 1, -1)
            if where.size != depth * int(np.prod(own)):
                raise ValueError(f"{block.name}: coefficients {shape}, actions on {own}")
            order = where.reshape(-1, depth).ravel()
            whole = sparse.kron(sparse.csr_matrix(basis), sparse.eye(depth)).tocsr()
            parts.append(whole[np.argsort(order)])
        return cls(sparse.block_diag(parts).tocsr())

    @classmethod
    def all(cls, model: Any) -> Kept:
        """Nothing is asked of the model."""
        return cls(sparse.eye(model.size).tocsr())

    @property
    def size(self) -> int:
        return int(self.matrix.shape[1])

    def inside(self, coordinates: Array) -> Array:
        """The z of what is nearest in L2, which is the mean over the group."""
        return np.asarray(self.matrix.T @ coordinates / self.lengths)

    @property
    def lengths(self) -> Array:
        """Of every column the sum of squares: how many coordinates a z gives, with either sign."""
        return np.asarray(self.matrix.multiply(self.matrix).sum(axis=0)).ravel()

    def start(self, model: Any) -> Array:
        """z of the nearest to a random model, as large as that one is: means of n numbers are smaller by √n."""
        return self.inside(model.coordinates) * np.sqrt(self.lengths)

    def nearest(self, model: Any) -> Any:
        """The model that the group leaves alone which is nearest in L2."""
        return model.with_coordinates(self.matrix @ self.inside(model.coordinates))

    def outside(self, vector: Array) -> float:
        """The share of a vector that leads out of what is left alone."""
        return float(np.linalg.norm(vector - self.matrix @ self.inside(vector)) / np.linalg.norm(vector))


def learned(model: Any, kept: Kept, records: Any, iterations: int) -> Any:
    """The model after so many iterations of L-BFGS inside the null space, in coordinates that are orthonormal there."""
    prepared, basis = model.prepare(records), kept.matrix.multiply(1 / np.sqrt(kept.lengths)).tocsr()

    def objective(z: Array) -> tuple[float, Array]:
        loss, gradient = model.objective(prepared, basis @ z)
        return loss, basis.T @ gradient

    options = {"maxiter": iterations, "maxcor": 20}
    start = np.sqrt(kept.lengths) * kept.start(model)
    return model.with_coordinates(basis @ minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x)
