"""Weight fields at a few depths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numerics.functions.basis import Basis
from numerics.functions.field import Field
from numerics.pictures.axes import COLOURS, SYMBOLS, XI, Array, Frame, figure, symmetric

DEPTHS_SHOWN = 4
GRID = 121  # points a direction


def depths_of(field: Field) -> Array:
    """A few depths that see different parts of a field: the middles of its depth cells, thinned."""
    ends = [slab.start for slab in field.slabs] + [field.slabs[-1].stop]
    for slab in field.slabs:
        depth = slab.bases[-1]
        assert isinstance(depth, Basis)
        ends += [float(b) for b in depth.breakpoints]
    cuts = np.unique(np.round(ends, 12))
    middles = (cuts[:-1] + cuts[1:]) / 2
    if len(middles) == 1:  # one element, in which the field may still vary
        return np.array([0.1, 0.5, 0.9])
    keep = np.unique(np.linspace(0, len(middles) - 1, DEPTHS_SHOWN).round().astype(int))
    shown: Array = middles[keep]
    return shown


def strength(field: Field, depth: float) -> tuple[Array, str]:
    """W(ξ, ξ′, depth) on a grid, (GRID, GRID), or κ(s, depth) (GRID,); of several channels the Frobenius norm.

    On squares and cubes κ(s, t), or W(ξ, η, 0, 0), and 0 for what else there is.
    """
    symbol, axes = "κ" if _is_kernel(field) else "W", len(field.axes) - 1
    grid = np.ix_(*[_offsets(field)] * min(axes, 2))
    values = np.asarray(field(*grid, *[0.0] * (axes - len(grid)), depth))
    if field.slabs[0].channels == (1, 1):
        return values, symbol
    size: Array = np.sqrt(np.sum(values**2, axis=(-2, -1)))
    return size, f"|{symbol}| over channels"


def _is_kernel(field: Field) -> bool:
    """Whether W is κ(ξ − ξ′)."""
    return field.axes[0] == "s"


def _offsets(field: Field) -> Array:
    """GRID points of the first axis; those of κ are offsets ξ − ξ′ within its reach."""
    if not _is_kernel(field):
        return np.linspace(-1, 1, GRID)
    basis = field.slabs[0].bases[0]
    assert isinstance(basis, Basis)
    return np.linspace(basis.breakpoints[0], basis.breakpoints[-1], GRID)


def weights(fields: Mapping[str, Field], frame: Frame = XI) -> Any:
    """W(ξ, ξ′, δ) of several models at the same depths, on one colour scale; of two, their difference."""
    one = next(iter(fields.values()))
    depths = depths_of(one)
    rows = {name: [strength(field, d)[0] for d in depths] for name, field in fields.items()}
    label = strength(one, depths[0])[1]
    if len(rows) == 2:
        (first, before), (second, after) = rows.items()
        rows = {**rows, f"{second} − {first}": [b - a for a, b in zip(before, after)]}
    if len(one.axes) == 2:
        return _curves(rows, depths, label, frame.distances(_offsets(one)), frame)
    scale = symmetric(np.array(list(rows.values())))
    made, grid = figure(len(rows), len(depths), 2.7, 2.5)
    down, across, extent = _square(one, frame)
    for axes_row, (name, row) in zip(grid, rows.items()):
        for axes, depth, values in zip(axes_row, depths, row):
            image = axes.imshow(values, extent=extent, origin="lower", aspect="auto", **scale)
            axes.set(title=f"δ = {depth:.3g}", xlabel=across)
        axes_row[0].set_ylabel(f"{name}\n{down}")
    made.colorbar(image, ax=grid, label=label, shrink=0.7)
    return made


def _square(field: Field, frame: Frame) -> tuple[str, str, tuple[float, ...]]:
    """What stands at the axes of a picture, down and across, and where they end."""
    ends = _offsets(field)[[0, -1]]
    if _is_kernel(field):
        where = [frame.distances(ends, k) for k in (1, 0)]
        return frame.label("ξ − ξ′"), frame.label("η − η′", 1), tuple(map(float, (*where[0], *where[1])))
    first, second = field.axes[:2]
    axis = 0 if second == f"{first}_" else 1
    names = [SYMBOLS.get(name.rstrip("_"), name) + "′" * name.endswith("_") for name in (first, second)]
    where = [frame.points(ends, axis), frame.points(ends)]
    return frame.label(names[0]), frame.label(names[1], axis), tuple(map(float, (*where[0], *where[1])))


def _curves(rows: Mapping[str, list[Array]], depths: Array, label: str, offsets: Array, frame: Frame) -> Any:
    """κ(ξ − ξ′) at every depth."""
    limit = max(float(np.abs(values).max()) for row in rows.values() for values in row) or 1.0
    made, (line,) = figure(1, len(depths), 2.9, 2.4)
    for k, (axes, depth) in enumerate(zip(line, depths)):
        for colour, (name, row) in zip(COLOURS, rows.items()):
            axes.plot(offsets, row[k], lw=1.2, color=colour, label=name)
        low = -1.05 * limit if label == "κ" else 0
        axes.set(title=f"δ = {depth:.3g}", xlabel=frame.label("ξ − ξ′"), ylim=(low, 1.05 * limit))
    line[0].set_ylabel(label)
    if len(rows) > 1:
        line[0].legend()
    return made


def said(field: Field) -> str:
    """Where a field is strongest, in a sentence."""
    depths = depths_of(field)
    sizes = [float(np.sqrt(np.mean(strength(field, d)[0] ** 2))) for d in depths]
    symbol = "κ" if _is_kernel(field) else "W"
    strongest, weakest = int(np.argmax(sizes)), int(np.argmin(sizes))
    if len(sizes) == 1 or sizes[strongest] <= 1.01 * sizes[weakest]:
        return f"‖{symbol}‖ is {field.norm():.3g}, and about the same at every depth."
    return (
        f"‖{symbol}‖ is {field.norm():.3g}; of the depths below, the field is strongest at δ = {depths[strongest]:.3g} "
        f"and weakest, {sizes[weakest] / sizes[strongest]:.0%} of that, at δ = {depths[weakest]:.3g}."
    )
