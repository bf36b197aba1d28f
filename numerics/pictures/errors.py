"""Where the error of a loss sits: over width and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numerics.pictures.axes import COLOURS, SYMBOLS, Array, figure


@dataclass(frozen=True)
class Place:
    """A solver's errors: along every axis the edges of cells (n + 1,) with theirs (n,); of the steps between depths.

    total: in all.
    """

    title: str
    depths: Array
    cells: Sequence[tuple[Array, Array]]
    steps: Array
    total: float


def where(places: Sequence[Place]) -> Any:
    """A row a solver: |error| of every cell, an axis a column, and of every step, as heights over their lengths."""
    columns = len(places[0].cells) + 1
    made, grid = figure(len(places), columns, 3.6, 2.3)
    symbols = list(SYMBOLS.values())
    for row, place in zip(grid, places):
        parts = [*place.cells, (place.depths, place.steps)]
        for axes, (edges, values), symbol, colour in zip(row, parts, [*symbols[: columns - 1], "δ"], COLOURS):
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.75)
            axes.vlines(edges, 0, 1, transform=axes.get_xaxis_transform(), color="0.85", lw=0.4, zorder=0)
            axes.set(xlabel=symbol, yscale="log" if (values > 0).all() else "linear")
        row[0].set_ylabel("|error of the loss|")
        row[0].set_title(f"{place.title}: {place.total:.1e} in all", fontsize=9, loc="left")
    return made
