"""The state h(ξ, δ) of records, over width and depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.pictures.axes import XI, Array, Frame, figure, plane, symmetric

DEPTHS_SHOWN = 5


def curves(depths: Array, points: Array, values: Array, labels: Sequence[str], frame: Frame = XI) -> Any:
    """The first channel over width and depth: depths (D,), points (n,), values (records, D, n, channels)."""
    shown = values[..., 0]
    scale = symmetric(shown)
    made, (row,) = figure(1, len(labels), 3.0, 3.0)
    for axes, h, label in zip(row, shown, labels):
        mesh = axes.pcolormesh(points, depths, h, shading="gouraud", **scale)
        axes.set_title(label, fontsize=9)
        axes.set(xlabel=frame.label("ξ"))
    row[0].set_ylabel("δ")
    made.colorbar(mesh, ax=row, label="h")
    return made


def squares(depths: Array, values: Array, labels: Sequence[str]) -> Any:
    """The first channel at a few depths, a row a record; of cubes the middle.

    values: (records, D, n, n[, n], channels).
    """
    chosen = np.unique(np.linspace(0, len(depths) - 1, DEPTHS_SHOWN).round().astype(int))
    made, grid = figure(len(labels), len(chosen), 1.9, 1.9)
    for row, record, label in zip(grid, values, labels):
        scale = symmetric(record[..., 0])
        for axes, k in zip(row, chosen):
            axes.imshow(plane(record[k]), extent=(-1, 1, 1, -1), **scale)
            axes.set(title=f"δ = {depths[k]:.3g}", xticks=[], yticks=[])
        row[0].set_ylabel(label)
    return made
