"""Records that stay where they are: in mapped files, Zarr or Dask arrays, of which a part at a time is read.

``source`` is the one door: whatever is given, what it returns answers ``len``, ``cuts``, ``part``, ``take`` and
``pieces``, and whoever goes over all records does so part by part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numerics.checks import numbers, plain, positions
from numerics.datasets import containers, given
from numerics.datasets.checked import categories, checked_targets, wrong_shape
from numerics.datasets.labels import Label
from numerics.datasets.record import Grid, Records, checked_weights, counted, cuts, offsets_of, refusal

Array = np.ndarray
KINDS = ("zarr", "dask")  # packages whose arrays are read part by part


@dataclass(frozen=True, eq=False)
class Streamed:
    """Records in arrays that are larger than memory; made by ``source``.

    x: (records, points[, points …][, channels]), anything with a shape and a type that can be sliced. xi: points that
    all share, in memory, rows (records, points), or None. y: None, labels or numbers of all records, in memory, or
    functions, of x's kind. classes: what labels name, see ``Records``.  rows: which records these are, None for all.
    weights: what each of these counts, in memory, see ``Records``.
    """

    x: Any
    xi: Any = None
    y: Any = None
    classes: tuple[Label, ...] = ()
    rows: Array | None = None
    weights: Array | None = None

    mapped = True
    names = ()

    @property
    def known(self) -> bool:
        """Whether there are targets."""
        return self.y is not None

    def __len__(self) -> int:
        return int(self.x.shape[0]) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        return f"Streamed({len(self)} records of shape {tuple(self.x.shape[1:])}, read part by part)"

    @property
    def cuts(self) -> list[slice]:
        """Parts of the records, one after the other, that are worked on at once."""
        return cuts(len(self), int(np.prod(self.x.shape[1:])))

    @property
    def functions(self) -> bool:
        """Whether the targets are functions at the points of x, with its axes, which are read with the records."""
        axes = tuple(self.x.shape[1 : self.axes + 1])
        return self.y is not None and tuple(self.y.shape[1 : len(axes) + 1]) == axes

    def part(self, cut: slice) -> Records:
        """The records from one to another, read and checked. Raises DataError naming the record among all."""
        y = self._read(self.y, cut) if self.functions else None
        with counted(cut.start):
            found = given.from_given(self._x(cut), self._xi(cut), y, (), "")
        found = found if self.functions or self.y is None else replace(found, y=self.y[cut], classes=self.classes)
        return found if self.weights is None else replace(found, weights=self.weights[cut])

    def take(self, indices: Sequence[int] | Array) -> Streamed:
        """Some of the records, in the given order; none is read. Raises DataError for positions that are none."""
        index = positions(indices, len(self))
        y = self.y if self.functions or self.y is None else self.y[index]
        rows = np.arange(len(self))[index] if self.rows is None else self.rows[index]
        return Streamed(self.x, self.xi, y, self.classes, rows, None if self.weights is None else self.weights[index])

    def weighted(self, weights: Any) -> Streamed:
        """The records with what each of them counts (records,). Raises DataError; see ``checked_weights``."""
        return replace(self, weights=checked_weights(weights, len(self)))

    def whole(self) -> Records:
        """All of them in memory."""
        return self.part(slice(0, len(self)))

    def pieces(self, name: str) -> Iterator[Array]:
        """One of the arrays that ``Records`` of all would hold, in pieces behind each other; none where it is None."""
        if name == "offsets":
            yield offsets_of(np.full(len(self), int(np.prod(self.x.shape[1 : self.axes + 1]))))
        elif name == "y" and self.y is not None and not self.functions:
            yield self.y
        elif name == "x" or getattr(self, name) is not None:
            yield from (getattr(self.part(cut), name) for cut in self.cuts)

    def grids(self) -> list[Grid | None]:
        """Points along every axis: those that all share, once, or of every part those that reach furthest."""
        if getattr(self.xi, "ndim", 0) != 2:
            return self.part(self.cuts[0]).grids()[:1]
        found: list[Grid | None] = []
        for cut in self.cuts:
            with counted(cut.start):
                rows = numbers(self._read(self.xi, cut), "xi")
            found += [(rows[np.argmin(rows[:, 0])],), (rows[np.argmax(rows[:, -1])],)]
        return found

    @property
    def axes(self) -> int:
        """How many axes the records' domain has."""
        return max(1, len(self.x.shape) - 2)

    def _x(self, cut: slice) -> Array:
        x = self._read(self.x, cut)
        return x[:, :, None] if x.shape[1:] == (1,) else x  # each a single point, and no record of so many

    def _xi(self, cut: slice) -> Any:
        return self._read(self.xi, cut) if getattr(self.xi, "ndim", 0) == 2 else self.xi

    def _read(self, array: Any, cut: slice) -> Array:
        """Rows of an array, in memory; of Zarr those in any order are asked for in another way."""
        try:
            if self.rows is None:
                return np.array(array[cut])
            return np.array(getattr(array, "oindex", array)[self.rows[cut]])
        except Exception as error:  # of packages and file systems of many kinds
            raise refusal(
                f"records {cut.start} to {cut.stop} that cannot be read: {error}", "arrays whose parts can be read",
                "a damaged or a missing piece of a file, or a computation that fails", "write the file again",
            ) from error  # fmt: skip


Source = Records | Streamed


def source(
    x: Any, y: Any = None, xi: Any = None, classes: Sequence[Any] | Array = (), y_xi: Any = None, weights: Any = None
) -> Source:
    """Records from what ``records`` takes, of which mapped NumPy arrays, Zarr's and Dask's are read part by part.

    Of these, labels and numbers in y are held in memory, and so are points xi that all records share; functions, and
    points in rows, are read with the records. With y_xi, points of target functions, all is read whole.
    Raises DataError.
    """
    if isinstance(x, Streamed) and xi is y is None and not np.size(classes):
        return x if weights is None else x.weighted(weights)
    if not streamable(x) or y_xi is not None:
        return given.records(x, xi=xi, y=y, classes=classes, y_xi=y_xi, weights=weights)
    for name, array in (("x", x), ("y", y), ("xi", xi)):
        shape = getattr(array, "shape", None)
        counted = isinstance(shape, tuple) and all(isinstance(n, int | np.integer) for n in shape)
        if array is not None and streamable(array) and not counted:
            raise refusal(
                f"{name} of type {type(array).__name__}, whose shape is not known", "an array of known shape",
                "a group or a frame in place of an array, or rows that were selected and never counted",
                'give group["x"]; of Dask x.compute_chunk_sizes(), of its frames frame.to_dask_array(lengths=True)',
            )  # fmt: skip
    if not 2 <= len(x.shape) <= 5 or not all(x.shape):
        raise refusal(
            f"x of shape {tuple(x.shape)}", given.LAYOUT, "a single record, an axis too many, or an empty array",
            "give an array whose first axis counts records",
        )  # fmt: skip
    listed = classes
    if y is not None and not streamable(y):
        y, ordered = containers.targets(y, "channels_last")
        y, listed = plain(y, "y"), classes if np.size(classes) else categories(ordered)
    found = Streamed(x, None, y)
    if y is not None and y.shape[:1] != (len(found),):
        raise wrong_shape(y, len(found), len(found) * int(np.prod(x.shape[1 : found.axes + 1])))
    names: tuple[Label, ...] = ()
    if y is not None and not found.functions:
        y, names = checked_targets(plain(y, "y"), np.arange(len(found) + 1), listed)
    shared = found.axes > 1 or xi is None or streamable(xi)
    found = Streamed(x, xi if shared else numbers(xi, "xi"), y, names)
    return found if weights is None else found.weighted(weights)


def streamable(array: Any) -> bool:
    """Whether an array is read part by part."""
    return isinstance(array, np.memmap) or type(array).__module__.partition(".")[0] in KINDS
