"""Distances of fields in any bases, and their coordinates side by side in a space that holds both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from derive.errors import RepresentationError
from numerics.checks import instance
from numerics.functions.arrays import along
from numerics.functions.basis import Basis, derivative, evaluate
from numerics.functions.field import Field, FieldSlab, Pair, check_norm
from numerics.functions.rules import rule

Array = np.ndarray
Coordinates = tuple[Array, Array]  # (r, size of the first), (r, size of the second)
Table = Callable[[Basis, Array], Array]


def distance(first: Field, second: Field, norm: str = "L2") -> float:
    """‖F − G‖ in "L2" or "H1", of fields in any bases: by values on the cells that both share, no cancellation.

    Raises DataError for another norm, RepresentationError for fields of other arguments, channels or slabs.
    """
    check_norm(norm)
    for field in (first, second):
        instance(field, Field, "give two of a model's fields")
    first, second = _varying(first, second), _varying(second, first)
    if _domain(first) != _domain(second):
        raise RepresentationError(
            f"the distance of {first!r} and {second!r}", "fields of the same arguments, channels and slabs",
            "two different fields, or levels that share no slabs", "compare fields of one name",
        )  # fmt: skip
    pairs = (pair for slabs in zip(first.slabs, second.slabs) for pair in side_by_side(*slabs, norm))
    return float(np.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in pairs)))


def _varying(field: Field, other: Field) -> Field:
    """A constant as a function of what the other field varies along."""
    if field.axes or not other.axes or len(field.slabs) != len(other.slabs):
        return field
    slabs = (space.constant(own.coefficients) for own, space in zip(field.slabs, other.slabs))
    return replace(other, slabs=tuple(slabs))


def _domain(field: Field) -> tuple[Any, ...]:
    return field.axes, [(slab.start, slab.stop, slab.channels) for slab in field.slabs]


def side_by_side(first: FieldSlab, second: FieldSlab, norm: str) -> Iterator[tuple[Array, Array]]:
    """Both in coordinates of a space that holds both, in which the sum of the pairs' squares is the squared norm."""
    if not first.bases:
        yield first.coefficients, second.coefficients
        return
    axes = list(zip(first.bases, second.bases))
    plain = [_coordinates(*pair, evaluate) for pair in axes]
    tables = [plain]
    if norm == "H1":
        tables += [
            [*plain[:axis], slope, *plain[axis + 1 :]]
            for axis, pair in enumerate(axes)
            for slope in ([_coordinates(*pair, derivative)] if isinstance(pair[0], Basis) else _slopes(*pair))
        ]
    for chosen in tables:
        values = first.coefficients, second.coefficients
        for axis, (own, other) in enumerate(chosen):
            values = along(own, values[0], axis), along(other, values[1], axis)
        yield values


def _coordinates(first: Basis | Pair, second: Basis | Pair, table: Table, other: Table | None = None) -> Coordinates:
    """The functions of two bases, or what ``table`` makes of them, in coordinates that are orthonormal in L2.

    other: what is done to functions of pairs along ξ′, where it is not the same.
    """
    if isinstance(first, Basis) and isinstance(second, Basis):
        x, weights = rule(first, second)
        parts = [table(basis, x) * np.sqrt(weights)[:, None] for basis in (first, second)]
    else:
        assert isinstance(first, Pair) and isinstance(second, Pair)
        (x, outer), (y, inner) = rule(first.outer, second.outer), rule(first.inner, second.inner)
        size = np.sqrt(np.multiply.outer(outer, inner)).reshape(-1, 1)
        parts = [
            pair.combined(table(pair.outer, x)[:, None], (other or table)(pair.inner, y)).reshape(-1, pair.size) * size
            for pair in (first, second)
        ]
    triangular: Array = np.linalg.qr(np.hstack(parts))[1]
    return triangular[:, : first.size], triangular[:, first.size :]


def _slopes(first: Basis | Pair, second: Basis | Pair) -> list[Coordinates]:
    """Of functions of pairs: their derivatives by ξ and by ξ′."""
    return [_coordinates(first, second, derivative, evaluate), _coordinates(first, second, evaluate, derivative)]
