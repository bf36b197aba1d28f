"""The same records, sampled in another way: with fewer points, along a bent axis, with noise.

``continua evaluate --resample`` measures what that changes; training may draw new samplings in every epoch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.checks import instance
from numerics.datasets.checked import checked
from numerics.datasets.record import Records, offsets_of

Array = np.ndarray

STRIDES = {"half": 2, "quarter": 4}
WAYS = "half, quarter, or randomNN for a random NN per cent of the points"
FEWEST = 2  # points that thinning leaves of a record that has them
WAVES = 3  # sines in a random bend of the axis
DRAWS = 8  # samplings an epoch that records of one length share: each needs a projection of its own


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training records. thin: the smallest share of points that is kept, 1 for all; jitter: the

    standard deviation of noise, in those of the records' channels; warp: how far ∂φ/∂ξ may be from one for the bent
    axis φ(ξ).
    """

    thin: float = 1.0
    jitter: float = 0.0
    warp: float = 0.0

    def __bool__(self) -> bool:
        return self != Augmentation()

    def __call__(self, data: Records, points: Sequence[Any], generator: np.random.Generator) -> Records:
        """Records at new points, from the given points of all of them."""
        if self.warp and data.elsewhere is not None:
            raise DataError(
                "warp, with targets at points of their own", "thin or jitter, or targets at the points of x",
                "the axis of the targets would have to bend, too", "train without warp",
            )  # fmt: skip
        grids = _grids(data, points)
        draws = generator.integers(0, DRAWS, len(grids)).tolist()
        kept: dict[tuple[bytes, int, int], tuple[Array, Array]] = {}  # positions of points, and the weights of a bend
        found = []
        for grid, draw in zip(grids, draws):
            own = []
            for axis, xi in enumerate(grid):
                key = xi.tobytes(), draw, axis
                if key not in kept:
                    index = _some(len(xi), generator.uniform(self.thin, 1), generator)
                    kept[key] = index, _weights(self.warp, generator)
                own.append(kept[key])
            found.append(own)
        scale = self.jitter * np.nanstd(data.x, axis=0)
        bend = _bent if self.warp else lambda xi, _: xi
        return _resampled(
            data, [[index for index, _ in own] for own in found],
            bend(np.concatenate([xi[index] for grid, own in zip(grids, found) for xi, (index, _) in zip(grid, own)]),
                 np.concatenate([np.broadcast_to(w, (len(index), WAVES)) for own in found for index, w in own])),
            lambda x: x + scale * generator.standard_normal(x.shape) if self.jitter else x,
        )  # fmt: skip


def thinned(data: Records, points: Sequence[Any], way: str, seed: int = 0) -> Records:
    """Records with fewer points along every axis: every second one, every fourth, or some at random, two at least.

    points: of all the records, as ``Continuum.sample_points`` gives them. Raises DataError for another way.
    """
    instance(data, Records, "make them with numerics.records")
    share = re.fullmatch(r"random(\d{1,2})", str(way))
    if way not in STRIDES and (share is None or int(share[1]) == 0):
        raise DataError(f"resampling {way!r}", WAYS, "a typing error", "write half, quarter or random30")
    generator = np.random.default_rng([seed, 0 if share is None else int(share[1])])

    def some(count: int) -> Array:
        if share is not None:
            return _some(count, int(share[1]) / 100, generator)
        return np.arange(0, count, min(STRIDES[way], max(1, (count - 1) // (FEWEST - 1))))

    grids = _grids(data, points)
    chosen = [[some(len(xi)) for xi in grid] for grid in grids]
    kept = np.concatenate([xi[i] for grid, index in zip(grids, chosen) for xi, i in zip(grid, index)])
    return _resampled(data, chosen, kept, lambda x: x)


def _grids(data: Records, points: Sequence[Any]) -> list[tuple[Array, ...]]:
    """The points along every axis, of all records."""
    return [tuple(xi) if data.dimension > 1 else (xi,) for xi in points]


def _some(count: int, share: float, generator: np.random.Generator) -> Array:
    """Positions of a random share of the points, in order."""
    kept = min(count, max(FEWEST, round(share * count)))
    return np.sort(generator.choice(count, kept, replace=False))


def _weights(warp: float, generator: np.random.Generator) -> Array:
    """What the sines in a random bend count (WAVES,)."""
    if not warp:
        return np.zeros(WAVES)
    weights = generator.standard_normal(WAVES)
    return np.asarray(weights * (generator.uniform(0, warp) / np.abs(weights).sum()))


def _bent(xi: Array, weights: Array) -> Array:
    """φ(ξ) of points (n,) with weights (n, WAVES), increasing and with the ends of [−1, 1] where they are."""
    waves = np.arange(1, WAVES + 1) * np.pi / 2
    bent = xi + (np.sin((xi[:, None] + 1) * waves) * (weights / waves)).sum(axis=1)
    return np.asarray(np.clip(bent, -1, 1))


def _resampled(data: Records, chosen: list[list[Array]], xi: Array, change: Callable[[Array], Array]) -> Records:
    """The records at chosen points along every axis, which lie at xi, all behind each other."""
    starts = data.offsets.tolist()
    if data.dimension == 1:
        index, grid = [own + start for (own,), start in zip(chosen, starts)], None
    else:
        places = (np.ravel_multi_index(np.ix_(*own), shape).ravel() for own, shape in zip(chosen, data.shapes))
        index = [own + start for own, start in zip(places, starts)]
        grid = np.array([[len(along) for along in own] for own in chosen])
    rows, offsets = np.concatenate(index), offsets_of(list(map(len, index)))
    y = data.y[rows] if data.functions and data.y is not None else None
    found = checked(change(data.x[rows]), offsets, xi, y, (), grid)
    found = replace(found, units=data.units, elsewhere=data.elsewhere, weights=data.weights, names=data.names)
    return found if data.functions else replace(found, y=data.y, classes=data.classes)
