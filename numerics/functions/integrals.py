"""Integrals of functions that are only known by their values, against the bases of a field.

A grid's intervals are halved where that changes what they add, as long as there is room for more values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive.errors import SpecError
from numerics.checks import numbers, warn
from numerics.functions.arrays import along
from numerics.functions.basis import FINEST, Basis, evaluate
from numerics.functions.legendre import gauss
from numerics.functions.rules import degrees, union

Array = np.ndarray


def _called(name: str, function: Any, grid: list[Array]) -> Any:
    try:
        return function(*grid)
    except TypeError as error:
        raise SpecError(
            f"a function for the field {name} that fails: {error}",
            f"a function of {len(grid)} arrays that broadcast", "another number of arguments, or `math` for `numpy`",
            "take one argument an axis and use NumPy's functions", name,
        ) from error  # fmt: skip


def shaped(name: str, given: Any, grid: tuple[int, ...], channels: tuple[int, ...]) -> Array:
    values = numbers(given, f"values of the field {name}", where=name, error=SpecError)
    if values.ndim == len(grid) and all(n == 1 for n in channels):
        values = values.reshape(*values.shape, *channels)
    constant = values.ndim == 0 or values.shape == channels
    if not np.isfinite(values).all():
        raise SpecError(
            f"values of the field {name} that are not finite", "finite numbers on the whole domain",
            "a logarithm, a root or a quotient outside its domain", "change the function there", name,
        )  # fmt: skip
    try:
        if not constant and values.ndim != len(grid) + len(channels):  # axes that NumPy would take for other ones
            raise ValueError
        return np.ascontiguousarray(np.broadcast_to(values, (*grid, *channels)))
    except ValueError:
        raise SpecError(
            f"values of shape {values.shape} for the field {name}",
            f"shape {(*grid, *channels)}: the points, then the channels {channels}",
            "the function does not return one matrix or vector for each point",
            "append the channel axes, or broadcast with the arguments it is given",
            name,
        ) from None


POINTS = (10, 6, 3)  # Gauss points on an interval beside those that the basis needs: as many as there is room for
VALUES = 1 << 20  # at most so many values of a function at once
ACCURATE, NOTICED = 1e-13, 1e-7  # parts of the norm: what is aimed at on an interval, and what is said if it is missed


@dataclass(frozen=True)
class _Line:
    """The points along one axis: ``count`` Gauss points on each of the intervals between ``edges``.

    unknown: which intervals are not known to be short enough (intervals,).
    """

    basis: Basis
    count: int
    edges: Array
    unknown: Array

    def points(self, edges: Array | None = None) -> tuple[Array, Array]:
        """Gauss points and weights (n,) between the line's edges, or between pairs of others (intervals, 2)."""
        left, right = (self.edges[:-1], self.edges[1:]) if edges is None else edges.T
        return gauss(left, right, np.full(len(left), self.count))

    def tested(self, points: Array, weights: Array) -> Array:
        """The functions times the weights, (size, n)."""
        found: Array = (evaluate(self.basis, points) * weights[:, None]).T
        return found

    def halves(self) -> Array:
        """Both halves of every unknown interval, (2 · unknown, 2)."""
        left, right = self.edges[:-1][self.unknown], self.edges[1:][self.unknown]
        middle = (left + right) / 2
        return np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)

    def cut(self, chosen: Array, known: Array) -> _Line:
        """The line with the chosen intervals (indices) halved; known: those that are short enough."""
        unknown = self.unknown.copy()
        unknown[known] = False
        middles = (self.edges[chosen] + self.edges[chosen + 1]) / 2
        edges = np.insert(self.edges, chosen + 1, middles)
        return replace(self, edges=edges, unknown=np.insert(unknown, chosen + 1, True))


def integrals(name: str, bases: tuple[Basis, ...], function: Any, channels: tuple[int, ...]) -> Array:
    """∫ φ_i(ξ) φ̃_j(ξ′) … f, (*sizes, *channels), by Gauss rules on a grid whose intervals are halved where that

    changes what they add by more than ACCURATE. Warns where there are not values enough for NOTICED: of a function
    that jumps or bends along a line that is parallel to no axis.
    """
    lines = _first_lines(bases, math.prod(channels))
    most = max(VALUES, 2 * _size(lines) * math.prod(channels))
    while True:
        rules = [line.points() for line in lines]
        values = _on_grid(name, function, [x for x, _ in rules], channels)
        norm = float(np.sqrt(np.sum(values**2 * _product([w for _, w in rules], len(channels)))))
        errors = [_errors(name, function, lines, rules, values, axis) for axis in range(len(lines))]
        lines = [_of_constant(line, values, axis) for axis, line in enumerate(lines)]
        rough = [(a, i) for a, found in enumerate(errors) for i in np.flatnonzero(found > ACCURATE * norm)]
        rough.sort(key=lambda place: -errors[place[0]][place[1]])
        chosen = _affordable(lines, rough, most // math.prod(channels))
        if not chosen:
            break
        lines = [
            line.cut(np.array(sorted(i for a, i in chosen if a == axis), dtype=int),
                     np.flatnonzero(errors[axis] <= ACCURATE * norm))
            for axis, line in enumerate(lines)
        ]  # fmt: skip
    missed = math.hypot(*(errors[a][i] for a, i in rough))
    if missed > NOTICED * norm:
        warn(
            f"the function for the field {name} is integrated to about {missed / norm:.0e} of its norm; it jumps or "
            f"bends between the breakpoints of the basis, or is noisy: {values.size:,} values do not show it. "
            "Give a smoother function, or breakpoints where it bends."
        )
    for axis, (line, points) in enumerate(zip(lines, rules)):
        values = along(line.tested(*points), values, axis)
    return np.ascontiguousarray(values)


def _of_constant(line: _Line, values: Array, axis: int) -> _Line:
    """The line with as few points as its basis needs where the function does not vary along it: more for the others."""
    return line if np.ptp(values, axis=axis).any() else replace(line, count=_needed(line.basis, line.edges))


def _needed(basis: Basis, edges: Array) -> int:
    """Gauss points that integrate the basis's own products on every interval."""
    return int(degrees(basis, edges[:-1], edges[1:]).max()) + 1


def _first_lines(bases: tuple[Basis, ...], channels: int) -> list[_Line]:
    """The cells, with points enough for the bases' own products."""
    for least in POINTS:
        lines = []
        for basis in bases:
            edges = union(basis.smooth)
            lines.append(_Line(basis, max(_needed(basis, edges), least), edges, np.ones(len(edges) - 1, dtype=bool)))
        if _size(lines) * channels <= VALUES // 8:
            break
    return lines


def _size(lines: Sequence[_Line]) -> int:
    return math.prod(line.count * (len(line.edges) - 1) for line in lines)


def _affordable(lines: Sequence[_Line], rough: list[tuple[int, Any]], most: int) -> list[tuple[int, Any]]:
    """The intervals (axis, index) of the list, from its beginning, that can be halved with ``most`` points in all."""
    counts = [len(line.edges) - 1 for line in lines]
    chosen = []
    for axis, i in rough:
        line = lines[axis]
        if line.edges[i + 1] - line.edges[i] <= FINEST * (line.edges[-1] - line.edges[0]):
            continue
        more = [n + (a == axis) for a, n in enumerate(counts)]
        if math.prod(line.count * n for line, n in zip(lines, more)) > most:
            break
        counts = more
        chosen.append((axis, i))
    return chosen


def _errors(
    name: str, function: Any, lines: list[_Line], rules: list[tuple[Array, Array]], values: Array,
    axis: int,
) -> Array:  # fmt: skip
    """What halving every interval of an axis would change, (intervals,): the L2 norm, along the other axes, of the

    change of the integrals with the basis functions, each divided by its norm.
    """
    line, channels = lines[axis], values.shape[len(lines) :]
    found = np.zeros(len(line.edges) - 1)
    if not line.unknown.any():
        return found
    finer = line.points(line.halves())
    points = [x if a != axis else finer[0] for a, (x, _) in enumerate(rules)]
    after = np.moveaxis(_on_grid(name, function, points, channels), axis, 0).reshape(len(finer[0]), -1)
    before = np.moveaxis(values, axis, 0).reshape(len(rules[axis][0]), -1)
    others = _product([w for a, (_, w) in enumerate(rules) if a != axis], len(channels))
    others = np.broadcast_to(np.sqrt(others), (*others.shape[: len(lines) - 1], *channels)).ravel()
    coarse, fine = line.tested(*rules[axis]), line.tested(*finer)
    size = np.sqrt(np.sum(coarse**2 / rules[axis][1], axis=1))  # by the rule: the norms
    n = line.count
    for k, interval in enumerate(np.flatnonzero(line.unknown)):
        old, new = slice(interval * n, (interval + 1) * n), slice(2 * k * n, 2 * (k + 1) * n)
        rows = coarse[:, old].any(axis=1) | fine[:, new].any(axis=1)
        change = fine[rows, new] @ after[new] - coarse[rows, old] @ before[old]
        found[interval] = np.linalg.norm(change * others / np.where(size[rows] > 0, size[rows], 1)[:, None])
    return found


def _product(weights: Sequence[Array], more: int) -> Array:
    """The weights of a grid, with ``more`` axes of length one behind."""
    found = np.ones(())
    for w in weights:
        found = np.multiply.outer(found, w)
    return found.reshape(*found.shape, *[1] * more)


def _on_grid(name: str, function: Any, points: Sequence[Array], channels: tuple[int, ...]) -> Array:
    """The function's values (*points, *channels), finite."""
    count = len(points)
    grid = [x.reshape([-1 if a == axis else 1 for a in range(count)]) for axis, x in enumerate(points)]
    found = _called(name, function, [x.copy() for x in grid])  # whatever the function does to its arguments
    return shaped(name, found, tuple(len(x) for x in points), channels)
