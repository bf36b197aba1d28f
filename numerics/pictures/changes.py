"""Where the change of a loss sits: by field, and along the width and the depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from derive.spec.operator import OFFSETS
from numerics.pictures.axes import COLOURS, SYMBOLS, XI, Array, Frame, figure


def shares(found: Mapping[str, Any], change: float, frame: Frame = XI) -> Any:
    """A bar a field, beside the whole change; and for every axis the parts of its cells, a line a field.

    found: by field what has a ``total``, and ``along``, by axis edges and parts; frame: the units of points.
    """
    axes_of = list(dict.fromkeys(axis for share in found.values() for axis in share.along))
    made, (drawn,) = figure(1, 1 + len(axes_of), 3.6, 3.2)
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(found)}
    drawn[0].bar(["all", *found], [change, *(s.total for s in found.values())], color=["0.6", *colours.values()])
    drawn[0].set(ylabel="change of the loss")
    for axes, name in zip(drawn[1:], axes_of):
        label, placed = _drawn(name, frame)
        for field, share in found.items():
            if name in share.along and np.any(share.along[name][1]):
                edges, parts = share.along[name]
                axes.stairs(parts, placed(edges), color=colours[field], label=field)
        axes.set(xlabel=label, ylabel="part of a cell")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False)
    for axes in drawn:
        axes.axhline(0, color="0.7", lw=0.6)
    made.suptitle(f"change of the loss by the fields: {np.format_float_scientific(change, 3)}")
    return made


def _drawn(name: str, frame: Frame) -> tuple[str, Callable[[Array], Array]]:
    """What an axis is called, ξ, ξ′, ξ − ξ′ or δ, and where its coordinates are drawn."""
    symbols, plain = tuple(SYMBOLS.values()), name.removesuffix("_")
    if plain in OFFSETS:
        axis = OFFSETS.index(plain)
        return frame.label(f"{symbols[axis]} − {symbols[axis]}′", axis), partial(frame.distances, axis=axis)
    if plain in SYMBOLS:
        axis = list(SYMBOLS).index(plain)
        symbol = symbols[axis] + ("′" if name.endswith("_") else "")
        return frame.label(symbol, axis), partial(frame.points, axis=axis)
    return "δ", np.asarray
