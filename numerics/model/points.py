"""Points at which records are known and functions are wanted, and the values of coefficients there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import Spec
from numerics.checks import numbers
from numerics.datasets import Records
from numerics.datasets.record import rows_of
from numerics.functions.arrays import along
from numerics.functions.basis import Basis, evaluate
from numerics.functions.sampled_records import default_points
from numerics.kernels import threads
from numerics.kernels.own_points import at_points
from numerics.representation.tables import Representation

Array = np.ndarray
Grid = tuple[Array, ...]  # points along every axis

FEW = 8  # records with equal points, from which on a matrix of their own pays
PART = 1 << 17  # numbers that are worked on at once
SHOWN = {1: 101, 2: 41, 3: 17}  # points along an axis where none are named


def lines(spec: Spec, finer: int = 1) -> Grid:
    """Equally spaced points along every axis; finer: into how many parts their distance is divided."""
    return (np.linspace(-1, 1, finer * (SHOWN[spec.dimension] - 1) + 1),) * spec.dimension


def grids(spec: Spec, data: Records) -> list[Grid]:
    """Every record's points along every axis; the interpolant's default ones where none were given."""
    default = {shape: default_grid(spec, shape) for shape in set(data.shapes)} if data.xi is None else {}
    return [default[shape] if grid is None else grid for grid, shape in zip(data.grids(), data.shapes)]


def neurons(spec: Spec) -> Grid | None:
    """The middles of the last state's cells, where these are neurons: there are others than a record has samples.

    None for functions, which are answered at the records' own points.
    """
    last = spec.slabs[-1].state
    counted = spec.interpolant == "constant" and spec.dimension == 1 and not spec.functional and last.family == "p0"
    if not counted or spec.entry.size == last.size:
        return None
    cuts = np.array([float(cut) for cut in last.cuts((Fraction(-1), Fraction(1)))])
    return ((cuts[1:] + cuts[:-1]) / 2,)


def answered(spec: Spec, grid: Grid) -> Grid:
    """Where functions are given for records at these points, if nobody asks for others; spec: the model's base."""
    own = neurons(spec)
    return grid if own is None else own


def grid_of(spec: Spec, data: Records, record: int) -> Grid:
    """A record's points along every axis; the interpolant's default ones where none were given."""
    return data.grid_of(record) or default_grid(spec, tuple(data.sizes[record].tolist()))


def default_grid(spec: Spec, shape: tuple[int, ...]) -> Grid:
    """Where so many samples along every axis lie that were given without points."""
    return tuple(map(partial(default_points, spec.interpolant), shape, spec.periodic))


@dataclass(frozen=True)
class Part:
    """Some records on an interval, each at points of its own.

    records: their positions (n,); rows: where their samples are (total,); xi: their points (total,); offsets: where
    each begins there (n + 1,).
    """

    records: Array
    rows: Array
    xi: Array
    offsets: Array


def sorted_out(spec: Spec, data: Records, size: int, own: bool = True) -> tuple[list[Array], list[Part]]:
    """Positions of records with equal points, group by group; and parts of those that share theirs with few others.

    size: of the basis; own: whether there is a way for these, which there is on intervals.
    """
    groups = data.alike()
    if not own or data.dimension > 1 or len(groups) == 1:
        return groups, []
    alone = [group for group in groups if len(group) < FEW]
    parts = []
    if alone:
        index = np.sort(np.concatenate(alone))
        cuts = np.cumsum(data.lengths[index]) // max(1, PART // size)
        for records in np.split(index, np.flatnonzero(np.diff(cuts)) + 1):
            rows, offsets = rows_of(data.offsets, records)
            xi = np.concatenate([grid_of(spec, data, n)[0] for n in records]) if data.xi is None else data.xi[rows]
            parts.append(Part(records, rows, xi, offsets))
    return [group for group in groups if len(group) >= FEW], parts


def wanted(spec: Spec, at: Any) -> Grid:
    """Points for all records: (n,) or a single one, on a square or a cube for every axis."""
    if spec.dimension == 1 and not (isinstance(at, tuple) and len(at) == 1 and np.ndim(at[0]) == 1):
        at = (at,)
    if not isinstance(at, list | tuple) or len(at) != spec.dimension:
        raise DataError(
            f"at of type {type(at).__name__}", f"{spec.dimension} lists of points, one an axis", "points in pairs",
            f"write at=({', '.join(('first', 'second', 'third')[: spec.dimension])})",
        )  # fmt: skip
    found = tuple(np.atleast_1d(numbers(x, "at")) for x in at)
    for x in found:
        if x.ndim > 1:
            raise DataError(
                f"at of shape {x.shape}", "points (n,), the same for all records", "points of every record",
                "give one list of numbers, or evaluate the records one by one",
            )  # fmt: skip
    return found


def on_grid(axes: Sequence[Basis], coefficients: Array, points: Grid) -> Array:
    """Values of coefficients (n·c, N) on a grid of points, which may be none: (points, …, c, N)."""
    sizes = [pieces.size for pieces in axes]
    values = coefficients.reshape(*sizes, -1)
    for axis, (pieces, x) in enumerate(zip(axes, points)):
        values = along(evaluate(pieces, x), values, axis)
    channels = len(coefficients) // math.prod(sizes)
    return values.reshape(*(len(x) for x in points), channels, coefficients.shape[1])


def values(rep: Representation, y: Array, at: Grid) -> Array:
    """Values of final states (n·c, N) at the same points for all: (N, points, …, c)."""
    axes, count = rep.slabs[-1].axes("state"), y.shape[1]
    found = np.empty((*map(len, at), len(y) // math.prod(basis.size for basis in axes), count))

    def show(part: slice) -> None:
        found[..., part] = on_grid(axes, y[:, part], at)

    side_by_side(show, count, max(len(y), found[..., 0].size))
    return np.moveaxis(found, -1, 0)


def side_by_side(work: Callable[[slice], None], records: int, each: int) -> None:
    """Work on records, each of so many numbers, in parts that threads share and that depend on these sizes alone."""
    size = max(1, PART // each)
    parts = [slice(a, min(a + size, records)) for a in range(0, records, size)]
    with threads.serial_blas():
        threads.spread(lambda n: work(parts[n]), len(parts))


def own_values(rep: Representation, y: Array, data: Records) -> Array | list[Array]:
    """Values of final states (n·c, N) at their records' points: (N, points, …, c), or a list where these differ."""
    basis = rep.slabs[-1].axes("state")[0]
    groups, parts = sorted_out(rep.spec, data, basis.size)
    if len(groups) == 1 and not parts:
        return values(rep, y, grid_of(rep.spec, data, 0))
    found: dict[int, Array] = {}
    for group in groups:
        found.update(zip(group.tolist(), values(rep, y[:, group], grid_of(rep.spec, data, group[0]))))
    for part in parts:
        coefficients = y[:, part.records].reshape(basis.size, -1, len(part.records))
        shown = at_points(basis, np.moveaxis(coefficients, -1, 0), part.xi, part.offsets)
        ends = part.offsets.tolist()
        found.update((n, shown[a:b]) for n, a, b in zip(part.records.tolist(), ends, ends[1:]))
    return [found[n] for n in range(len(data))]
