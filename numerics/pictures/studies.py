"""Convergence studies and stability regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numerics.pictures.axes import COLOURS, figure

Curve = tuple[Sequence[float], Sequence[float]]


def convergence(curves: Mapping[str, Curve], size: str, slope: float | None = None) -> Any:
    """Errors against sizes, and a dashed line with the slope that is expected. size: what the sizes are."""
    made, ((axes,),) = figure(1, 1, 5.0, 3.2)
    for colour, (label, curve) in zip(COLOURS, curves.items()):
        axes.loglog(*curve, "o-", color=colour, label=label or None, markersize=3)
    if slope is not None:
        sizes, errors = (np.array(part, float) for part in next(iter(curves.values()), ((), ())))
        known = (sizes > 0) & (errors > 0)
        if known.sum() > 1:
            n, last = sizes[known], errors[known][-1]
            label = f"slope {slope:+g}".replace("-", "−")
            axes.loglog(n, last * (n / n[-1]) ** slope, "--", color="0.6", lw=1, label=label)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)
    axes.set(xlabel=size, ylabel="error")
    return made


def stability(name: str, above: Sequence[float], below: Sequence[float]) -> Any:
    """|R(z)| ≤ 1, z = κ s. above, below: coefficients of R's numerator and denominator, constant term first."""
    z = np.linspace(-6, 2, 500)[None, :] + 1j * np.linspace(-5, 5, 500)[:, None]
    made, ((axes,),) = figure(1, 1, 5, 5)
    size = np.abs(np.polyval(above[::-1], z)) / np.abs(np.polyval(below[::-1], z))
    axes.contourf(z.real, z.imag, size, levels=[0, 1], colors=["#c9d8ef"])
    axes.contour(z.real, z.imag, size, levels=[1], colors=["#2b5797"])
    axes.axhline(0, color="0.7", lw=0.6)
    axes.axvline(0, color="0.7", lw=0.6)
    axes.set(xlabel="Re κs", ylabel="Im κs", title=f"{name}: |R(κs)| ≤ 1", aspect="equal")
    return made
