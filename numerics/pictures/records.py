"""Records as curves or pictures, and which ones to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.datasets import Records
from numerics.pictures.axes import XI, Array, Frame, figure, plane


def first_of_each(data: Records, most: int = 4) -> list[int]:
    """Indices of a few records, taken from the classes in turn where there are classes."""
    count = len(data)
    y = None if data.y is None else np.asarray(data.y)
    if y is None or y.ndim != 1 or y.dtype.kind not in "iu":
        return list(range(min(most, count)))
    firsts = [np.flatnonzero(y == label)[:most] for label in np.unique(y)]
    turns = [int(own[turn]) for turn in range(most) for own in firsts if turn < len(own)]
    return sorted(turns[:most])


def class_name(data: Records, label: int) -> str:
    """What a class was called, or its number."""
    return str(data.classes[label] if data.classes else label)


def points_of(data: Records, index: int, frame: Frame) -> Array:
    """A record's points (n,) in its units, on intervals."""
    xi = None if data.xi is None else data.take([index]).points()[0]
    if xi is not None and data.units is not None:
        return frame.points(np.asarray(xi))
    return frame.points(np.linspace(-1, 1, int(data.lengths[index]))) if xi is None else np.asarray(xi)


def cases(
    data: Records, indices: Sequence[int], labels: Sequence[str], frame: Frame = XI, columns: int = 4
) -> Any:
    """Records as curves, on squares as pictures, each under its label."""
    columns = min(columns, max(1, len(indices)))
    made, grid = figure(max(1, -(-len(indices) // columns)), columns, 2.8, 2.0)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index, label in zip(grid.flat, indices, labels):
        draw(axes, data, index, label, frame)
    return made


def draw(axes: Any, data: Records, index: int, label: str, frame: Frame) -> None:
    """One record."""
    axes.set_title(label, fontsize=8)
    if data.dimension > 1:
        axes.set_axis_off()
        axes.imshow(plane(data.samples()[index]), cmap="Greys")
        return
    axes.set_axis_on()
    for channel in data.samples()[index].T:
        axes.plot(points_of(data, index, frame), channel, lw=1.2)
    axes.tick_params(labelsize=7)
    axes.set_xlabel(frame.label("ξ"), fontsize=8)
