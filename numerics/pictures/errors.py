"""Where the error of a loss sits: over width and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numerics.pictures.axes import COLOURS, SYMBOLS, XI, Array, Frame, figure


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


def where(places: Sequence[Place], frame: Frame = XI) -> Any:
    """A row a solver: |error| of every cell, an axis a column, and of every step; heights of a column are alike.

    frame: the units of points along the axes, in which cells are drawn.
    """
    symbols = [frame.label(name, axis) for axis, (name, _) in enumerate(zip(SYMBOLS.values(), places[0].cells))] + ["δ"]
    made, grid = figure(len(places), len(symbols), 3.6, 2.3)
    parts = []
    for place in places:
        cells = [(frame.points(edges, axis), own) for axis, (edges, own) in enumerate(place.cells)]
        parts.append([*cells, (place.depths, place.steps)])
    for column, (symbol, colour) in enumerate(zip(symbols, COLOURS)):
        positive = all((own[column][1] > 0).all() for own in parts)
        for axes, own in zip(grid[:, column], parts):
            edges, values = own[column]
            if axes is not grid[0, column]:
                axes.sharey(grid[0, column])
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.75)
            axes.vlines(edges, 0, 1, transform=axes.get_xaxis_transform(), color="0.85", lw=0.4, zorder=0)
            axes.set(xlabel=symbol, yscale="log" if positive else "linear")
    for axes, place in zip(grid[:, 0], places):
        axes.set_ylabel("|error of the loss|")
        axes.set_title(f"{place.title}: {place.total:.1e} in all", fontsize=9, loc="left")
    return made
