"""Navier–Stokes on a periodic square: the continuum beside Fourier neural operators with equal time, and baselines.

    python benchmarks/vorticity.py [RECORD] [--seconds 40] [--seeds 2]
    python benchmarks/vorticity.py --choose

From the vorticity of a fluid at time 0 to that at time 2: 1,000 records of 64 × 64 points from ``continua data
vorticity``, with 200 tests of 32 × 32, 64 × 64 and 128 × 128; mean relative L2 errors. Everything has the same cores
(CONTINUA_THREADS) for the same seconds, compilation and set-up not counted; learning rates decay over exactly that
time. The continuum's cost does not depend on the points, that of an FNO does; so FNOs are also trained on every second
point along both axes. Their modes and rates were chosen by ``--choose`` on the last 200 of the training records; the
continuum has the settings of Darcy flow.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("CONTINUA_THREADS", "2")

import darcy
import numpy as np
from darcy import Fno, Parts, compare, grid, relative, split, trained

import continua as ct
from numerics import datasets
from numerics.datasets import vorticity

Array = np.ndarray
TESTS = ("test-32", "test-64", "test-128")


def loaded() -> Parts:
    """NAME/x and NAME/y, (records, points, points), of train and of the tests."""
    found = {}
    for name, data in datasets.parts("vorticity").items():
        part = f"test-{vorticity.POINTS}" if name == "test" else name
        found[f"{part}/x"] = np.stack(data.samples())[..., 0]
        found[f"{part}/y"] = np.stack(data.targets())[..., 0]
    return found


def nulls(parts: Parts) -> dict[str, dict[str, float]]:
    """Diffusion alone, and the best linear map that is the same everywhere: a factor for every frequency."""
    x, y = (np.fft.rfft2(parts[f"train/{key}"]) for key in "xy")
    factors = np.sum(y * x.conj(), axis=0) / np.maximum(np.sum(abs(x) ** 2, axis=0), 1e-12)
    k = np.fft.fftfreq(64, 1 / 64)[:, None] ** 2 + np.arange(33) ** 2
    heat = np.exp(-4 * np.pi**2 * vorticity.VISCOSITY * vorticity.TIME * k)
    first, wanted = np.fft.rfft2(parts["test-64/x"]), parts["test-64/y"]
    ways = {"diffusion alone": heat, "linear map, the same everywhere": factors}
    return {name: {"test-64": relative(np.fft.irfft2(way * first), wanted)} for name, way in ways.items()}


@dataclass(frozen=True)
class Continuum(darcy.Continuum):
    """Settings of the continuum: those of Darcy flow, for an equation that is the same everywhere."""

    def declared(self) -> dict[str, Any]:
        found = super().declared()
        equation = found["equation"] | {"symmetry": "translation"}
        return found | {"name": "vorticity", "equation": equation, "lift": {"inputs": 1}}

    def errors(self, parts: Parts, seconds: float, seed: int) -> dict[str, float]:
        """Errors on the tests after so many seconds of training."""
        model = ct.Continuum.from_spec(self.declared(), seed=seed)
        train = ct.records(parts["train/x"][..., None], y=parts["train/y"][..., None], xi=grid(64))
        fitted = trained(model, train, None, seed, seconds)
        found = {}
        for name in (name for name in TESTS if f"{name}/x" in parts):
            x, y = parts[f"{name}/x"], parts[f"{name}/y"]
            found[name] = relative(np.asarray(fitted(x[..., None], xi=grid(x.shape[1])))[..., 0], y)
        return found


@dataclass(frozen=True)
class Coarse(Fno):
    """An FNO that is trained on every second point along both axes."""

    def __str__(self) -> str:
        return f"{super().__str__()}, trained on 32 × 32"

    def errors(self, parts: Parts, seconds: float, seed: int) -> dict[str, float]:
        coarse = {f"train/{key}": parts[f"train/{key}"][:, ::2, ::2] for key in "xy"}
        return super().errors(parts | coarse, seconds, seed)


WAYS: tuple[Continuum | Fno, ...] = (
    Continuum(), Fno(modes=12, grid=False),
    *(Coarse(modes=12, grid=False, learning_rate=rate) for rate in (0.005, 0.01)),
)  # fmt: skip
CHOICES: tuple[Continuum | Fno, ...] = (
    Continuum(), Continuum(waves=11), Continuum(waves=21), Continuum(channels=32), Continuum(steps=3),
    Continuum(learning_rate=0.02), Continuum(batch=10),
    *(Coarse(modes=modes, learning_rate=rate, grid=False) for modes in (8, 12) for rate in (0.005, 0.01, 0.02)),
    Coarse(width=32, grid=False), Coarse(), Fno(modes=8, grid=False), Fno(modes=12, grid=False),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--choose", action="store_true", help="compare settings on training records alone")
    given = parser.parse_args()
    parts = loaded()
    own, seeds, ways = parts, range(given.seeds), WAYS
    if given.choose:
        own, seeds, ways = split(parts, "test-64"), range(1), CHOICES
    title = "Navier–Stokes, vorticity at time 2"
    compare(title, TESTS, own, nulls(own), ways, seeds, given.seconds, given.record)


if __name__ == "__main__":
    main()
