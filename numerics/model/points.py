"""Points at which records are known and functions are wanted, and the values of coefficients there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import Spec
from numerics.checks import numbers
from numerics.datasets import Records
from numerics.functions.arrays import along
from numerics.functions.basis import Basis, evaluate
from numerics.functions.sampled_records import default_points
from numerics.representation.tables import Representation

Array = np.ndarray
Grid = tuple[Array, ...]  # points along every axis

SHOWN = {1: 101, 2: 41, 3: 17}  # points along an axis where none are named


def lines(spec: Spec, finer: int = 1) -> Grid:
    """Equally spaced points along every axis; finer: into how many parts their distance is divided."""
    return (np.linspace(-1, 1, finer * (SHOWN[spec.dimension] - 1) + 1),) * spec.dimension


def grids(spec: Spec, data: Records) -> list[Grid]:
    """Every record's points along every axis; the interpolant's default ones where none were given."""
    return [
        tuple(map(partial(default_points, spec.interpolant), shape, spec.periodic)) if grid is None else grid
        for grid, shape in zip(data.grids(), data.shapes)
    ]


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


def values(rep: Representation, y: Array, at: list[Grid] | Grid) -> Any:
    """Values of final states (n·c, N) at points of their own or at the same for all: (N, points, …, c), or a list."""
    axes = rep.slabs[-1].axes("state")
    if isinstance(at, list):
        shared = all(p is at[0] or all(map(np.array_equal, p, at[0])) for p in at) if at else True
        if not shared:
            return [on_grid(axes, y[:, n : n + 1], p)[..., 0] for n, p in enumerate(at)]
        at = at[0]
    return np.moveaxis(on_grid(axes, y, at), -1, 0)
