"""Figures, colours, and what stands at their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
COLOURS = ("#3366aa", "#cc6633", "#338855", "#aa3377", "#777777", "#ccaa22", "#22aacc", "#552288")
SYMBOLS = {"xi": "ξ", "eta": "η", "zeta": "ζ"}  # of the axes of a domain


@dataclass(frozen=True)
class Frame:
    """The units that points are drawn in.

    domain: what ξ = −1 and 1 stand for, a pair an axis; None where points are ξ. names: of the units, or ().
    """

    domain: Sequence[tuple[float, float]] | None = None
    names: Sequence[str] = ()

    def points(self, xi: Array, axis: int = 0) -> Array:
        """Where ξ along an axis lie."""
        if self.domain is None:
            return xi
        start, stop = self.domain[axis]
        return np.asarray((start * (1 - xi) + stop * (1 + xi)) / 2)

    def distances(self, s: Array, axis: int = 0) -> Array:
        """How far apart points are whose ξ are s apart."""
        return np.asarray(self.points(s, axis) - self.points(np.zeros(1), axis))

    def label(self, symbol: str, axis: int = 0) -> str:
        """ξ (s): a symbol of an axis with its unit."""
        return f"{symbol} ({self.names[axis]})" if self.names and self.names[axis] else symbol


XI = Frame()  # points are ξ


def figure(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A Figure of rows × columns axes, each about width × height inches, and these in an array."""
    from numerics.pictures.shown import Shown

    made = Shown(figsize=(width * columns, height * rows), layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False)


def symmetric(values: Array) -> dict[str, Any]:
    """A colour scale on which 0 is white."""
    limit = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}


def plane(values: Array) -> Array:
    """The first channel (points, points) of values on a square (points, points, channels), of a cube the middle."""
    return values[..., 0] if values.ndim == 3 else values[:, :, values.shape[2] // 2, 0]
