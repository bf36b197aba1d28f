"""The value of all records: sampled functions with their targets.

Every record is a function on an interval, known at points of its own, or on a square or a cube, known on a grid. All of
them are kept behind each other and cut by offsets, so that records of equal and of different lengths are one thing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive.errors import ContinuumError, DataError
from numerics.checks import numbers, positions
from numerics.datasets.labels import Label

Array = np.ndarray
Grid = tuple[Array, ...]  # points along every axis

AT_ONCE = 1 << 20  # numbers of all records that are worked on at once


@dataclass(frozen=True, eq=False)
class Records:
    """Sampled functions, checked: made by ``records`` and ``read``.

    x: (total, channels), the samples of all records behind each other; offsets: (records + 1,), where each starts.
    xi: the points (total,), or None where the interpolant's default points are meant; those of grids axis after axis.
    grid: of records on squares and cubes, the points along every axis (records, 2 or 3); None for intervals.
    y: None; labels or numbers (records,) or (records, outputs), as they were given; functions (total, channels).
    classes: what labels that are texts name, or what was listed; y is then positions in it (records,).
    column: whether they came as (records, 1), which could as well be one record; it is for a model to say.
    elsewhere: target functions that were sampled at points of their own, as records, in place of y.
    weights: what each record counts (records,), whatever their mean; None where all count alike.
    names: what a table calls the records, in a column of their own; () where they have numbers only.
    gaps: whether NaN stand among the samples, where a channel was not sampled.
    units: None where points, samples and targets are as the user gave them; or the units of the model that took them,
    whose points lie in [−1, 1].
    """

    x: Array
    offsets: Array
    xi: Array | None = None
    y: Array | None = None
    classes: tuple[Label, ...] = ()
    grid: Array | None = None
    column: bool = False
    gaps: bool = False
    units: Any = None
    elsewhere: Records | None = None
    weights: Array | None = None
    names: tuple[str, ...] = ()

    mapped = False  # held in memory, other than ``Streamed`` ones

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def cuts(self) -> list[slice]:
        """Parts of the records, one after the other, that are worked on at once; see ``cuts``."""
        return cuts(len(self), -(-self.x.size // len(self)))

    def part(self, cut: slice) -> Records:
        """The records from one to another."""
        if (cut.start, cut.stop) == (0, len(self)):
            return self
        return self.take(np.arange(cut.start, cut.stop))

    def pieces(self, name: str) -> Iterator[Array]:
        """One of the arrays, such as "x", in pieces behind each other; none where it is None."""
        array = getattr(self, name)
        yield from () if array is None else (array,)

    def __repr__(self) -> str:
        n = self.lengths
        span = f"{n[0]}" if len(set(n)) == 1 else f"{n.min()} to {n.max()}"
        if self.grid is not None and len(set(self.shapes)) == 1:
            span = "×".join(map(str, self.shapes[0]))
        y = "no targets" if self.y is None else f"y {self.y.dtype} {self.y.shape}"
        if self.elsewhere is not None:
            y = f"target functions elsewhere: {self.elsewhere}"
        return f"Records({len(self)} records, {span} points, {self.channels} channels, {y})"

    @property
    def channels(self) -> int:
        return int(self.x.shape[1])

    @property
    def lengths(self) -> Array:
        """The number of points of every record (records,)."""
        return np.diff(self.offsets)

    @property
    def dimension(self) -> int:
        """How many axes the records' domain has: 1, 2 or 3."""
        return 1 if self.grid is None else int(self.grid.shape[1])

    @property
    def sizes(self) -> Array:
        """The numbers of points along every axis, of every record (records, axes)."""
        return self.lengths[:, None] if self.grid is None else self.grid

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The numbers of points along every axis, of every record."""
        return list(map(tuple, self.sizes.tolist()))

    def alike(self) -> list[Array]:
        """Positions of the records that have equal points, group by group, in the order of their first ones."""
        sizes = self.sizes
        if (sizes == sizes[0]).all():
            rows = None if self.xi is None else self.xi.reshape(len(self), -1)
            if rows is None or (rows == rows[0]).all():
                return [np.arange(len(self))]
        keys: list[Any] = self.shapes
        if self.xi is not None:
            ends = offsets_of(sizes.sum(axis=1)).tolist()
            keys = [(key, self.xi[a:b].tobytes()) for key, a, b in zip(keys, ends, ends[1:])]
        groups: dict[Any, list[int]] = {}
        for record, key in enumerate(keys):
            groups.setdefault(key, []).append(record)
        return list(map(np.array, groups.values()))

    def stacked(self, values: Array, records: Array) -> Array:
        """Samples or targets (total, …) of some records of one shape (n, points[, points …], channels)."""
        shape = len(records), *self.sizes[records[0]], int(values[0].size)
        if len(records) < len(self) or (np.diff(records) != 1).any():
            values = values[rows_of(self.offsets, records)[0]]
        return values.reshape(shape)

    @property
    def known(self) -> bool:
        """Whether there are targets."""
        return self.y is not None or self.elsewhere is not None

    @property
    def functions(self) -> bool:
        """Whether the targets are functions, sampled at the records' points."""
        return self.y is not None and len(self.y) == len(self.x) != len(self)

    def samples(self) -> list[Array]:
        """Every record's samples (points, channels), on grids (points, points[, points], channels)."""
        return self._cut(self.x)

    def points(self) -> list[Any]:
        """Every record's points (points,), on grids one such array an axis; None for the interpolant's default ones."""
        return [grid if grid is None or self.dimension > 1 else grid[0] for grid in self.grids()]

    def grid_of(self, record: int) -> Grid | None:
        """A record's points along every axis, None for the interpolant's default points."""
        if self.xi is None:
            return None
        start, sizes = int(self.sizes[:record].sum()), self.sizes[record]
        return tuple(np.split(self.xi[start : start + sizes.sum()], np.cumsum(sizes)[:-1]))

    def grids(self) -> list[Grid | None]:
        """Every record's points along every axis, None for the interpolant's default points."""
        if self.xi is None:
            return [None] * len(self)
        ends, count = offsets_of(self.sizes.ravel()).tolist(), self.dimension
        parts = [self.xi[a:b] for a, b in zip(ends, ends[1:])]
        return [tuple(parts[n : n + count]) for n in range(0, len(parts), count)]

    def targets(self) -> list[Array]:
        """Every record's target function, as its samples are. Raises DataError where targets are not functions."""
        y = self.y
        if y is not None and len(y) == len(self.x):
            return self._cut(y.reshape(len(y), -1))
        if y is not None and self.grid is None and y.ndim == 2 and (self.lengths == y.shape[1]).all():
            return [row[:, None].astype(np.float64) for row in y]
        raise DataError(
            "no targets" if y is None else f"targets of shape {y.shape} for {len(self)} records",
            "functions: y (samples × points × channels), one value for every sample of x",
            "the data are for numbers or classes, the spec for functions",
            "declare readout.outputs, or give y at the points of x",
        )

    def as_functions(self) -> Records:
        """The same records, their targets (records, points) as functions of one channel. Raises as ``targets``."""
        if self.elsewhere is not None:
            return self
        return replace(self, y=np.concatenate([part.reshape(-1, part.shape[-1]) for part in self.targets()]))

    def take(self, indices: Sequence[int] | Array) -> Records:
        """Some of the records, in the given order. Raises DataError for positions that are none."""
        index = positions(indices, len(self))
        rows, offsets = rows_of(self.offsets, index)
        y = None if self.y is None else self.y[rows if self.functions else index]
        own = rows if self.grid is None else rows_of(offsets_of(self.grid.sum(axis=1)), index)[0]
        grid = None if self.grid is None else self.grid[index]
        xi = None if self.xi is None else self.xi[own]
        elsewhere = None if self.elsewhere is None else self.elsewhere.take(index)
        x = self.x[rows]
        gaps = self.gaps and not bool(np.isfinite(x).all())
        weights = None if self.weights is None else self.weights[index]
        names = tuple(self.names[n] for n in index) if self.names else ()
        return Records(x, offsets, xi, y, self.classes, grid, self.column, gaps, self.units, elsewhere, weights, names)

    def sampled(self, channel: int, xi: Array) -> Records:
        """One channel of records on intervals where it was sampled, in some of them perhaps nowhere; without targets.

        xi: the points of all samples (total,).
        """
        known = np.isfinite(self.x[:, channel])
        ends = offsets_of(known.astype(np.int64))[self.offsets]
        return Records(self.x[known, channel : channel + 1], ends, xi[known], units=self.units)

    def weighted(self, weights: Any) -> Records:
        """The records with what each of them counts (records,). Raises DataError; see ``checked_weights``."""
        return replace(self, weights=checked_weights(weights, len(self)))

    def _cut(self, values: Array) -> list[Array]:
        ends = self.offsets.tolist()
        parts = [values[a:b] for a, b in zip(ends, ends[1:])]
        return parts if self.grid is None else [part.reshape(*sizes, -1) for part, sizes in zip(parts, self.grid)]


def cuts(count: int, each: int) -> list[slice]:
    """Records of so many numbers each, cut into parts of AT_ONCE or fewer; the last one may hold fewer records.

    Everything that goes over all records does so in these parts, whether they lie in memory or in files: the same
    products of the same matrices, and the same bits.
    """
    size = 1 << (max(1, AT_ONCE // max(1, each)).bit_length() - 1)  # so that parts of other sizes fit into these
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@contextlib.contextmanager
def counted(start: int) -> Iterator[None]:
    """Errors inside name records by their number in a part; outside it is that among all, of which ``start`` come

    before the part.
    """
    try:
        yield
    except ContinuumError as error:
        if not start:
            raise
        where = re.sub(r"\brecord (\d+)", lambda found: f"record {int(found[1]) + start}", error.where)
        raise type(error)(error.given, error.allowed, error.cause, error.fix, where) from error


def checked_weights(weights: Any, count: int) -> Array:
    """Weights of so many records (count,). Raises DataError for others."""
    found = numbers(weights, "weights", (count,))
    if not (np.isfinite(found).all() and found.min() >= 0 and found.any()):
        raise refusal(
            f"weights from {found.min():g} to {found.max():g}", "numbers that are not negative, and not all zero",
            "a missing value, or a sign", "give every record its weight; 0 leaves it out",
        )  # fmt: skip
    return found.copy()


def offsets_of(lengths: Sequence[int] | Array) -> Array:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def rows_of(offsets: Array, index: Array) -> tuple[Array, Array]:
    """The rows of some of the records, in the given order, and the offsets that they then have."""
    lengths = np.diff(offsets)[index]
    found = offsets_of(lengths)
    return np.repeat(offsets[:-1][index] - found[:-1], lengths) + np.arange(found[-1]), found


def refusal(given: str, allowed: str, cause: str, fix: str, record: Any = None) -> DataError:
    return DataError(given, allowed, cause, fix, "" if record is None else f"record {record}")
