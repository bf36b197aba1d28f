"""The same records, sampled in another way: with fewer points, along a bent axis, with noise.

``continua evaluate --resample`` measures what that changes; training may draw new samplings in every epoch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from derive.errors import DataError
from numerics.datasets import Records, records
from numerics.doors import instance

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

    def __call__(self, data: Records, points: Sequence[Array], generator: np.random.Generator) -> Records:
        """Records at new points, from the given points of all of them."""
        lengths = np.array([len(xi) for xi in points])
        draws = generator.integers(0, DRAWS, len(lengths))
        kept: dict[tuple[bytes, int], tuple[Array, Array]] = {}
        found = []
        for n, xi in enumerate(points):
            key = xi.tobytes(), int(draws[n])
            if key not in kept:
                share = generator.uniform(self.thin, 1)
                index = _some(len(xi), share, generator)
                kept[key] = index, _bent(xi[index], self.warp, generator)
            found.append(kept[key])
        scale = self.jitter * data.x.std(axis=0)
        return _resampled(
            data, [index for index, _ in found], [xi for _, xi in found],
            lambda x: x + scale * generator.standard_normal(x.shape) if self.jitter else x,
        )  # fmt: skip


def thinned(data: Records, points: Sequence[Array], way: str, seed: int = 0) -> Records:
    """Records with fewer points: every second one, every fourth, or some at random, two of each record at least.

    points: of all the records, as ``Continuum.sample_points`` gives them. Raises DataError for another way.
    """
    instance(data, Records, "make them with numerics.records")
    share = re.fullmatch(r"random(\d{1,2})", str(way))
    if way not in STRIDES and (share is None or int(share[1]) == 0):
        raise DataError(f"resampling {way!r}", WAYS, "a typing error", "write half, quarter or random30")
    generator = np.random.default_rng([seed, 0 if share is None else int(share[1])])
    chosen = []
    for xi in points:
        if share is not None:
            chosen.append(_some(len(xi), int(share[1]) / 100, generator))
        else:
            stride = min(STRIDES[way], max(1, (len(xi) - 1) // (FEWEST - 1)))
            chosen.append(np.arange(0, len(xi), stride))
    return _resampled(data, chosen, [xi[index] for xi, index in zip(points, chosen)], lambda x: x)


def _some(count: int, share: float, generator: np.random.Generator) -> Array:
    """Positions of a random share of the points, in order."""
    kept = min(count, max(FEWEST, round(share * count)))
    return np.sort(generator.choice(count, kept, replace=False))


def _bent(xi: Array, warp: float, generator: np.random.Generator) -> Array:
    """φ(ξ), increasing and with the ends of [−1, 1] where they are."""
    if not warp:
        return xi
    waves = np.arange(1, WAVES + 1) * np.pi / 2
    weights = generator.standard_normal(WAVES)
    weights *= generator.uniform(0, warp) / np.abs(weights).sum()
    bent = xi + np.sin((xi[:, None] + 1) * waves) @ (weights / waves)
    return np.asarray(np.clip(bent, -1, 1))


def _resampled(data: Records, chosen: list[Array], xi: list[Array], change: Callable[[Array], Array]) -> Records:
    x = [change(samples[index]) for samples, index in zip(data.samples(), chosen)]
    y = [target[index] for target, index in zip(data.targets(), chosen)] if data.functions else data.y
    return records(x, xi, y, data.classes)
