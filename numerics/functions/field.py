"""A field: coefficients in a tensor product of bases; its value, norms, inner product and Riesz metric (12).

Coefficients are arrays with one axis a basis, then the channels: W[i, j, k, out, in], b[i, k, out], V[i, k, out, in],
R[i, out, in], and a constant a[out] with no basis at all. Symmetries leave W fewer coefficients, W[m, k, out, in], of
functions of both widths (``Pair``). A field over several slabs has one array a slab.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg.lapack import dtrtri, dtrtrs

from derive.errors import DataError, RepresentationError, advice
from numerics.checks import instance, numbers
from numerics.functions.arrays import along, positive_diagonal
from numerics.functions.basis import EDGE, Basis, evaluate
from numerics.functions.rules import rule

Array = np.ndarray

NORMS = ("L2", "H1")


@dataclass(frozen=True)
class Block:
    """A field's part of a vector of all fields' coordinates, and the shapes of its slabs' arrays there, in order."""

    name: str
    part: slice
    shapes: tuple[tuple[int, ...], ...]

    def arrays(self, vector: Array) -> list[Array]:
        """Its slabs' arrays, which share the vector's memory."""
        found, start = [], self.part.start
        for shape in self.shapes:
            stop = start + math.prod(shape)
            found.append(vector[start:stop].reshape(shape))
            start = stop
        return found


@dataclass(frozen=True, eq=False)
class Pair:
    """Functions of two widths, Ω_m(ξ, ξ′) = Σ_ij N_ijm φ_i(ξ) φ̃_j(ξ′): what symmetries leave of W (6).

    outer, inner: φ and φ̃.  index, values: (m, i, j) of the entries of N that are not zero (E, 3), and they (E,).
    """

    outer: Basis
    inner: Basis
    index: Array
    values: Array

    kind = "pair"

    @property
    def size(self) -> int:
        """The number of functions."""
        return int(self.index[:, 0].max()) + 1

    def combined(self, outer: Array, inner: Array) -> Array:
        """Values (…, m) from those of φ (…, I) and φ̃ (…, J), whose other axes broadcast."""
        shape = np.broadcast_shapes(outer.shape[:-1], inner.shape[:-1])
        found = np.zeros((*shape, self.size))
        for (m, i, j), value in zip(self.index, self.values):
            found[..., m] += value * outer[..., i] * inner[..., j]
        return found


@dataclass(frozen=True, eq=False)
class FieldSlab:
    """A field's part on the depths [start, stop].

    bases, grams: one an axis, the basis and its exact Gram matrix, rounded; a ``Pair`` is one axis for two widths.
    coefficients: (*basis sizes, *channels).
    stiffness: ⟨p′, p′⟩ an axis, both derivatives of a pair, None where the basis is not continuous; for H1 only.
    factored: Gram matrices with their Cholesky factors, of diagonal ones the diagonals (n,), which
    ``dataclasses.replace`` hands on.
    Raises RepresentationError for a Gram matrix that is not positive definite.
    """

    start: float
    stop: float
    bases: tuple[Basis | Pair, ...]
    grams: tuple[Array, ...]
    coefficients: Array
    stiffness: tuple[Array | None, ...] = ()
    factored: tuple[tuple[Array, Array], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        known = {id(gram): factor for gram, factor in self.factored}
        pairs = ((gram, known[id(gram)] if id(gram) in known else _cholesky(gram)) for gram in self.grams)
        object.__setattr__(self, "factored", tuple(pairs))

    @property
    def channels(self) -> tuple[int, ...]:
        """The shape of one value."""
        return self.coefficients.shape[len(self.bases) :]

    def orthonormal(self) -> Array:
        """Coordinates z = Lᵀ c along every axis, with M = L Lᵀ: |z|² is the squared L2 norm."""
        found = self.coefficients
        for axis, (_, factor) in enumerate(self.factored):
            found = found * _spread(factor, found, axis) if factor.ndim == 1 else along(factor.T, found, axis)
        return found

    def from_orthonormal(self, coordinates: Array) -> FieldSlab:
        """The slab with these coordinates."""
        return self.with_coefficients(self.at(coordinates))

    def with_coefficients(self, coefficients: Array) -> FieldSlab:
        """The slab of the same space with these coefficients, which nobody looks at."""
        found: FieldSlab = replace(self, coefficients=coefficients)
        return found

    def at(self, coordinates: Array, out: Array | None = None) -> Array:
        """The coefficients of these coordinates: c = L⁻ᵀ z along every axis. out: room for them, in any precision."""
        return self._divided(coordinates, True, out)

    def pull_back_orthonormal(self, gradient: Array, out: Array | None = None) -> Array:
        """dL/dcoefficients → dL/dcoordinates: L⁻¹ g along every axis. out: room for these, in any precision."""
        return self._divided(gradient, False, out)

    @cached_property
    def inverses(self) -> tuple[Any, list[tuple[int, Array]]]:
        """L⁻¹ along all axes: the product of the diagonal ones, and (axis, matrix) of the others."""
        scale: Any = 1.0
        others = []
        for axis, (_, factor) in enumerate(self.factored):
            if factor.ndim == 1:
                scale = scale / _spread(factor, self.coefficients, axis)
            else:
                others.append((axis, np.ascontiguousarray(dtrtri(factor, lower=1)[0])))
        return scale, others

    def _divided(self, values: Array, transposed: bool, out: Array | None) -> Array:
        """L⁻¹ or L⁻ᵀ along every axis; every step of a training does so, by products with small inverses."""
        scale, others = self.inverses
        for axis, inverse in others:
            before, n = math.prod(values.shape[:axis]), len(inverse)
            parts = np.matmul(inverse.T if transposed else inverse, values.reshape(before, n, -1))
            values = parts.reshape(values.shape)
        found: Array = np.multiply(values, scale, out=out, casting="same_kind")
        return found

    def constant(self, value: Array) -> FieldSlab:
        """The slab of the same space whose function is one value (*channels) everywhere: its L2 projection."""
        for integrals in reversed(self._integrals()):
            value = np.multiply.outer(integrals, value)
        return self.with_coefficients(self.riesz(value))

    def mean(self) -> Array:
        """The mean over [−1, 1] along every axis (*channels), which is the L2 projection onto constants."""
        found = self.coefficients
        for integrals in self._integrals():
            found = np.tensordot(integrals / 2, found, 1)
        return found

    def _integrals(self) -> list[Array]:
        """∫ of every function, axis by axis."""
        found = []
        for basis in self.bases:
            assert isinstance(basis, Basis)  # pairs are W's
            x, weights = rule(basis)
            found.append(weights @ evaluate(basis, x))
        return found

    def riesz(self, gradient: Array) -> Array:
        """The L2 gradient's coefficients from dL/dcoefficients (12): M⁻¹ g along every axis."""
        return self._solve(self._solve(gradient, transposed=False), transposed=True)

    def _solve(self, values: Array, transposed: bool) -> Array:
        """The same by back-substitution, for what is projected once."""
        for axis, (_, factor) in enumerate(self.factored):
            if factor.ndim == 1:
                values = values / _spread(factor, values, axis)
                continue
            moved = np.moveaxis(values, axis, 0)
            flat = moved.reshape(len(factor), -1)
            solved, _ = dtrtrs(factor.T, flat, lower=0, trans=int(not transposed))  # LAPACK counts columns first
            values = np.moveaxis(solved.reshape(moved.shape), 0, axis)
        return np.ascontiguousarray(values)

    def metric(self, norm: str, of: Array | None = None) -> Array:
        """A c, where cᵀ A c is the squared norm: A = ⊗M in "L2"; "H1" adds ⊗M with M → K, for every axis in turn.

        of: coefficients c in place of the slab's own.
        """
        check_norm(norm)
        c = self.coefficients if of is None else of
        scale, others = self._masses
        mass: Array = c * scale
        for axis, gram in others:
            mass = along(gram, mass, axis)
        return mass + self._seminorm_metric(c) if norm == "H1" else mass

    @cached_property
    def _masses(self) -> tuple[Any, list[tuple[int, Array]]]:
        """M along all axes: the product of the diagonal ones, and (axis, matrix) of the others."""
        scale: Any = 1.0
        for axis, (gram, factor) in enumerate(self.factored):
            scale = scale * _spread(np.diagonal(gram), self.coefficients, axis) if factor.ndim == 1 else scale
        return scale, [(axis, gram) for axis, (gram, factor) in enumerate(self.factored) if factor.ndim == 2]

    def penalty(self, norm: str, of: Array) -> tuple[float, Array]:
        """The squared norm of coefficients in this space, and its derivative by them."""
        metric = self.metric(norm, of)
        return float(np.sum(of * metric)), 2 * metric

    def _seminorm_metric(self, c: Array) -> Array:
        total = np.zeros(c.shape)
        for axis in range(len(self.grams)):
            part = along(self._stiffness(axis), c, axis)
            for other, gram in enumerate(self.grams):
                part = part if other == axis else along(gram, part, other)
            total += part
        return total

    def _stiffness(self, axis: int) -> Array:
        found = self.stiffness[axis] if axis < len(self.stiffness) else None
        if found is None:
            raise RepresentationError(
                f"an H1 norm along axis {axis + 1} of {len(self.grams)}, whose basis has no derivative in L2",
                "H1 norms of fields with continuous bases in every direction",
                "the basis jumps between its cells, or is steep like a square root at the end of one",
                "use the L2 norm, or a continuous basis such as hat, bspline, legendre or fourier",
            )
        return found

    def squared_norm(self, norm: str = "L2") -> float:
        """∫ |F|² over the slab, for "H1" with ∫ |∂F|² of every axis added."""
        check_norm(norm)
        total = float(np.sum(self.orthonormal() ** 2))
        if norm == "H1":
            total += float(np.sum(self.coefficients * self._seminorm_metric(self.coefficients)))
        return total


def _spread(diagonal: Array, values: Array, axis: int) -> Array:
    return diagonal.reshape([-1 if a == axis else 1 for a in range(values.ndim)])


def _cholesky(gram: Array) -> Array:
    diagonal = positive_diagonal(gram)
    if diagonal is not None:
        return np.asarray(np.sqrt(diagonal))
    try:
        return np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        raise RepresentationError(
            f"a Gram matrix of {len(gram)} functions that is not positive definite",
            "linearly independent basis functions",
            "two functions of a custom basis are multiples of each other, or nearly so",
            "leave out the functions that the others already span",
        ) from None


def check_norm(norm: str) -> None:
    """Raise DataError for a norm that is none."""
    if norm not in NORMS:
        raise DataError(f"norm {norm!r}", " or ".join(NORMS), *advice(norm, NORMS))


@dataclass(frozen=True, eq=False)
class Field:
    """A function of some of ξ, ξ′, δ with values in the channels, represented slab by slab.

    axes: the names of its arguments, of "xi", "xi_" and "delta"; empty for a constant.
    """

    name: str
    slabs: tuple[FieldSlab, ...]
    axes: tuple[str, ...]

    def __repr__(self) -> str:
        sizes = ", ".join("×".join(map(str, slab.coefficients.shape)) or "1" for slab in self.slabs)
        return f"Field({self.name!r}, axes=({', '.join(self.axes)}), coefficients {sizes})"

    def __call__(self, *points: Any) -> Any:
        """Values at points, one array an axis, broadcast against each other: (*shape, *channels).

        Channel axes are dropped when there is one channel only. Grids are cheap: arrays that vary along
        different axes, as ``np.ix_`` makes them, are evaluated one by one. Where two slabs meet, the later one.
        Raises DataError for points outside [−1, 1] (depths outside [0, 1]), or a wrong number of arguments.
        """
        if len(points) != len(self.axes):
            raise DataError(
                f"{len(points)} arguments for the field {self.name}",
                f"{len(self.axes)}: {', '.join(self.axes)}",
                "a coordinate too many or too few", f"call {self.name}({', '.join(self.axes)})",
            )  # fmt: skip
        arrays = [numbers(p, name) for name, p in zip(self.axes, points)]
        try:
            shape = np.broadcast_shapes(*(a.shape for a in arrays))
        except ValueError:
            raise DataError(
                f"arguments of shapes {', '.join(str(a.shape) for a in arrays)}", "shapes that broadcast",
                "arrays of different lengths", "use equal lengths, or np.ix_ for a grid",
            ) from None  # fmt: skip
        channels = self.slabs[0].channels
        total = sum(_slab_values(self, slab, arrays, len(shape)) for slab in self.slabs)
        return np.reshape(total, shape if all(n == 1 for n in channels) else (*shape, *channels))[()]

    def with_coefficients(self, coefficients: Iterable[Array]) -> Field:
        """The field of the same spaces with these coefficients, slab by slab. Raises DataError for other shapes."""
        given = list(coefficients) if isinstance(coefficients, Iterable) else []
        if len(given) != len(self.slabs):
            raise DataError(
                f"coefficients of {len(given)} slabs", f"a list of {len(self.slabs)} arrays, one a slab",
                "a single array, or the slabs of another level", f"give {self.name}'s coefficients as a list",
            )  # fmt: skip
        checked = [numbers(c, self.name, s.coefficients.shape) for s, c in zip(self.slabs, given)]
        return self.holding([np.ascontiguousarray(c) for c in checked])

    def holding(self, coefficients: Iterable[Array]) -> Field:
        """``with_coefficients`` that looks at nothing."""
        slabs = tuple(slab.with_coefficients(c) for slab, c in zip(self.slabs, coefficients))
        return replace(self, slabs=slabs)

    def norm(self, norm: str = "L2") -> float:
        """‖F‖ in "L2" or "H1"."""
        return float(np.sqrt(self.squared_norm(norm)))

    def squared_norm(self, norm: str = "L2") -> float:
        """∫ |F|² over all axes, summed over channels; "H1" adds ∫ |∂F|² of every axis, slab by slab."""
        return sum(slab.squared_norm(norm) for slab in self.slabs)

    def squared_norm_gradient(self, norm: str = "L2") -> list[Array]:
        """The squared norm's derivative with respect to the coefficients, slab by slab."""
        return [2 * slab.metric(norm) for slab in self.slabs]

    def inner(self, other: Field) -> float:
        """⟨F, G⟩ in L2, for a field in the same bases. Raises RepresentationError for other bases."""
        instance(other, Field, "give one of a model's fields")
        same = len(self.slabs) == len(other.slabs) and all(map(_same_space, self.slabs, other.slabs))
        if not same:
            raise RepresentationError(
                f"the inner product of {self!r} and {other!r}", "fields in the same bases",
                "the fields belong to different levels", "project one of them to the other's level first",
            )  # fmt: skip
        return sum(float(np.sum(a.orthonormal() * b.orthonormal())) for a, b in zip(self.slabs, other.slabs))


def _same_space(first: FieldSlab, second: FieldSlab) -> bool:
    return first.coefficients.shape == second.coefficients.shape and all(
        _same_basis(p, q) and np.array_equal(m, n)
        for p, q, m, n in zip(first.bases, second.bases, first.grams, second.grams)
    )


def _same_basis(first: Basis | Pair, second: Basis | Pair) -> bool:
    if isinstance(first, Pair) or isinstance(second, Pair):
        return (
            isinstance(first, Pair) and isinstance(second, Pair)
            and np.array_equal(first.index, second.index) and np.array_equal(first.values, second.values)
            and _same_basis(first.outer, second.outer) and _same_basis(first.inner, second.inner)
        )  # fmt: skip
    return (
        first.kind == second.kind and np.array_equal(first.breakpoints, second.breakpoints)
        and _equal(first.coefficients, second.coefficients)
    )  # fmt: skip


def _equal(first: Array | None, second: Array | None) -> bool:
    return first is second or (first is not None and second is not None and np.array_equal(first, second))


def _slab_values(whole: Field, slab: FieldSlab, points: list[Array], dimensions: int) -> Array:
    """What a slab adds to the values: zero where the depth belongs to another slab.

    One factor an axis, labelled by the dimensions along which its points vary: einsum contracts basis by basis.
    """
    operands: list[Any] = []
    labels = range(dimensions, dimensions + slab.coefficients.ndim)
    varying: set[int] = set()
    pairs = sum(isinstance(basis, Pair) for basis in slab.bases)
    arguments = [(points[k], points[pairs + k]) for k in range(pairs)] + [(x,) for x in points[2 * pairs :]]
    for label, basis, x in zip(labels, slab.bases, arguments):
        shape = np.broadcast_shapes(*(p.shape for p in x))
        own = [dimensions - len(shape) + d for d, n in enumerate(shape) if n != 1]
        if isinstance(basis, Pair):
            table = _pair_values(basis, x, shape)
        else:
            look = _depth_values if basis is slab.bases[-1] and whole.axes[-1] == "delta" else _width_values
            table = look(whole, slab, basis, x[0].ravel()).reshape(*(n for n in shape if n != 1), basis.size)
        operands += [table, [*own, label]]
        varying.update(own)
    operands += [slab.coefficients, list(labels)]
    result = [*sorted(varying), *labels[len(slab.bases) :]]
    return np.asarray(np.einsum(*operands, result, optimize="greedy"))


def _pair_values(pair: Pair, points_of: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    """(*the longer ones of shape, m): the functions at pairs of points that broadcast to ``shape``."""
    tables = []
    for basis, points in zip((pair.outer, pair.inner), points_of):
        inside = _checked(points.ravel(), basis.breakpoints[0], basis.breakpoints[-1])
        tables.append(evaluate(basis, inside).reshape(*points.shape, basis.size))
    return pair.combined(*tables).reshape(*(n for n in shape if n != 1), pair.size)


def _width_values(_: Field, __: FieldSlab, basis: Basis, x: Array) -> Array:
    return evaluate(basis, _checked(x, basis.breakpoints[0], basis.breakpoints[-1]))


def _depth_values(whole: Field, slab: FieldSlab, basis: Basis, x: Array) -> Array:
    x = _checked(x, whole.slabs[0].start, whole.slabs[-1].stop)
    last = slab is whole.slabs[-1]
    inside = (x >= slab.start) & ((x < slab.stop) | last)
    return np.where(inside[:, None], evaluate(basis, np.clip(x, slab.start, slab.stop)), 0.0)


def _checked(x: Array, start: float, stop: float) -> Array:
    wrong = ~((x >= start - EDGE) & (x <= stop + EDGE))
    if wrong.any():
        raise DataError(
            f"the coordinate {x[wrong][0]}", f"numbers from {start:g} to {stop:g}",
            "a coordinate in other units", "scale the coordinates to this interval",
        )  # fmt: skip
    inside: Array = np.clip(x, start, stop)
    return inside
