"""Burgers' equation: the continuum beside Fourier neural operators with equal time, and null baselines.

    python benchmarks/burgers.py [RECORD] [--seconds 45 240] [--seeds 3]
    python benchmarks/burgers.py --choose

Mean relative L2 error over the 200 test records, at 128 points, where it was trained, and at 256 and 512. Everything
has the same two cores for the same seconds, compilation and set-up not counted; both learning rates decay over exactly
that time. "Images" are the training records under the equation's symmetries, ``numerics.datasets.burgers.images``.
Sizes and batches of ``specs/burgers.toml`` and the settings of the tuned FNO were chosen by ``--choose --seconds 90``
on the last 200 of the training records. A second table has the problem of Li et al. (2021): the unit circle, where
viscosity leaves little to learn. The rivals run in an environment of their own, ``make rivals``; without one their rows
are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from numerics import Continuum, datasets, fit
from numerics.datasets import Records, burgers

HERE = Path(__file__).parent
SPEC = HERE.parent / "specs" / "burgers.toml"
RIVALS = HERE.parent / ".venv" / "rivals" / "bin" / "python"
TESTS = {128: "test", 256: "test-256", 512: "test-512"}
THREADS = "2"
ON_UNIT_CIRCLE = (2 * np.pi) ** 2 * burgers.VISCOSITY  # what the viscosity is on (0, 2π)
Array = np.ndarray


def values(data: Records) -> tuple[Array, Array]:
    """x and y of records on one grid, (N, points)."""
    return np.stack(data.samples())[:, :, 0], np.stack(data.targets())[:, :, 0]


def relative(found: Array, wanted: Array) -> float:
    return float(np.mean(np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)))


def unit_circle() -> dict[str, Records]:
    """Records of u_t + u u_x = 0.1 u_xx on (0, 1), initial values from N(0, 625 (25 − Δ)⁻²).

    With X = 2πx and v = 2πu it is v_t + v v_X = ``ON_UNIT_CIRCLE`` v_XX on (0, 2π), which the solver knows.
    """
    deviations = np.sqrt(2) * 25 / ((2 * np.pi * burgers.FREQUENCIES) ** 2 + 25)
    start = burgers.initial(np.random.default_rng(1), burgers.TRAINING + burgers.TESTING, deviations)
    return burgers.parts(start, burgers.solve(2 * np.pi * start, ON_UNIT_CIRCLE) / (2 * np.pi))


def nulls(parts: dict[str, Records], viscosity: float) -> dict[str, dict[int, float]]:
    """The record itself, the heat equation's solution, and linear regression at the trained resolution.

    viscosity: on (0, 2π).
    """
    found: dict[str, dict[int, float]] = {"identity": {}, "heat kernel": {}, "linear regression": {}}
    for points, name in TESTS.items():
        x, y = values(parts[name])
        kernel = np.exp(-viscosity * np.arange(points // 2 + 1) ** 2)
        found["identity"][points] = relative(x, y)
        found["heat kernel"][points] = relative(np.fft.irfft(np.fft.rfft(x, axis=1) * kernel, points, axis=1), y)
    x, y = values(parts["train"])
    linear = RidgeCV(np.logspace(-6, 3, 19)).fit(x, y)
    first, wanted = values(parts["test"])
    found["linear regression"][128] = relative(linear.predict(first), wanted)
    return found


def continuum(
    parts: dict[str, Records], seconds: float, seed: int, images: bool, spec: Any = SPEC
) -> tuple[dict[int, float], int]:
    """Test errors by resolution after so many seconds of training, and the number of coefficients."""
    model = Continuum.from_spec(spec, seed=seed)
    augment = burgers.images if images else None

    def after(epochs: int) -> tuple[Continuum, list[float]]:
        """The model after so many epochs, or when the time is over, and the seconds at the end of each."""
        start, stamps = time.perf_counter(), []

        def over(_: Continuum, row: dict[str, Any]) -> bool:
            stamps.append(time.perf_counter() - start)
            return stamps[-1] > 1.02 * seconds

        return fit(model, parts["train"], epochs=epochs, seed=seed, callback=over, augment=augment), stamps

    _, stamps = after(5)  # compiles; how long is an epoch?
    epochs = max(4, int(seconds / np.median(np.diff(stamps))))
    fitted, stamps = after(epochs)
    while len(stamps) < epochs:  # the machine has become slower: with fewer epochs the rate decays within the time
        epochs = max(1, int(0.98 * len(stamps)))
        fitted, stamps = after(epochs)
    found = {}
    for points, name in TESTS.items():
        if name in parts:
            found[points] = relative(np.asarray(fitted(parts[name]))[:, :, 0], values(parts[name])[1])
    return found, model.size


@dataclass(frozen=True)
class Fno:
    """Settings of neuraloperator's FNO, at first those of the paper.

    grid: whether positions are a channel of the input. images: copies of the training records under random symmetries
    that are shown beside them.
    """

    width: int = 64
    modes: int = 16
    layers: int = 4
    grid: bool = True
    learning_rate: float = 0.005
    images: int = 0

    def __str__(self) -> str:
        more = "" if self.grid else ", no grid channel"
        more += "" if self.learning_rate == 0.005 else f", rate {self.learning_rate:g}"
        return f"FNO {self.modes} × {self.width} × {self.layers}{more}{', images' if self.images else ''}"

    def errors(self, parts: dict[str, Records], seconds: float, seed: int) -> dict[int, float]:
        """Test errors by resolution."""
        train, generator = parts["train"], np.random.default_rng(seed)
        shown = [values(train), *(values(burgers.images(train, generator)) for _ in range(self.images))]
        arrays = dict(zip(("train/x", "train/y"), map(np.concatenate, zip(*shown))))
        for name in TESTS.values():
            if name in parts:
                arrays[f"{name}/x"], arrays[f"{name}/y"] = values(parts[name])
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "data.npz", **arrays)
            settings = json.dumps({**asdict(self), "seconds": seconds, "seed": seed, "threads": int(THREADS)})
            command = [str(RIVALS), str(HERE / "rivals" / "fno.py"), f"{folder}/data.npz", settings]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        return {points: found[name] for points, name in TESTS.items() if name in found}


PUBLISHED = Fno()
TUNED = Fno(width=32, grid=False, learning_rate=0.01)


def line(name: str, seconds: str, errors: list[dict[int, float]]) -> str:
    cells = []
    for points in TESTS:
        found = [e[points] for e in errors if points in e]
        spread = f" ± {np.std(found, ddof=1):.5f}" if len(found) > 1 else ""
        cells.append(f"{np.mean(found):.5f}{spread}" if found else "–")
    return f"{name:44s} {seconds:>7s}  {cells[0]:19s} {cells[1]:19s} {cells[2]:19s}".rstrip()


def choose(parts: dict[str, Records], seconds: float) -> None:
    """Settings on 800 of the training records, judged on the other 200."""
    train = parts["train"]
    split = {"train": train.take(np.arange(800)), "test": train.take(np.arange(800, 1000))}
    declared = tomllib.loads(SPEC.read_text(encoding="utf-8"))
    sizes = ((49, 25), (49, 49), (49, 33), (49, 17), (33, 33), (65, 33), (65, 25))
    tried = [(state, weight, 20, True) for state, weight in sizes] + [(49, 49, 40, True), (49, 25, 20, False)]
    for state, weight, batch, images in tried:
        spec = declared | {"name": "burgers-choice", "state": {"basis": {"family": "fourier", "size": state}}}
        widths = {name: {"family": "fourier", "size": weight} for name in ("width_out", "width_in")}
        spec |= {"weight": declared["weight"] | widths, "training": declared["training"] | {"batch": batch}}
        errors, _ = continuum(split, seconds, 0, images, spec)
        name = f"state {state}, weight {weight}, batches of {batch}{', images' if images else ''}"
        print(f"{name:44s} {errors[128]:.5f}", flush=True)
    plain = Fno(width=32, grid=False)
    for one in (Fno(grid=False), plain, replace(plain, learning_rate=0.01), replace(plain, modes=24),
                replace(plain, images=5), replace(plain, images=5, learning_rate=0.01)):  # fmt: skip
        print(f"{one!s:44s} {one.errors(split, seconds, 0)[128]:.5f}", flush=True)


def untrained(title: str, parts: dict[str, Records], viscosity: float) -> Iterator[str]:
    """The head of a table and the lines of the null baselines."""
    yield f"{title:44s} {'seconds':>7s}  {'128 points':19s} {'256':19s} {'512':19s}".rstrip()
    for name, errors in nulls(parts, viscosity).items():
        yield line(name, "", [errors])


def trained(
    parts: dict[str, Records], seconds: float, seeds: range, ways: tuple[bool, ...], rivals: tuple[Fno, ...]
) -> Iterator[str]:
    """The lines of what trains for so long. ways: whether the continuum is shown images."""
    for images in ways:
        found = [continuum(parts, seconds, seed, images) for seed in seeds]
        name = f"continuum, {found[0][1]:,} coefficients{', images' if images else ''}"
        yield line(name, f"{seconds:g}", [errors for errors, _ in found])
    for one in rivals if RIVALS.exists() else ():
        yield line(str(one), f"{seconds:g}", [one.errors(parts, seconds, seed) for seed in seeds])


def told(lengths: list[float], seeds: range) -> Iterator[str]:
    """The lines of the record. Images are those of the circle (0, 2π) alone."""
    parts = datasets.parts("burgers")
    yield from untrained("on (0, 2π), viscosity 0.1", parts, burgers.VISCOSITY)
    for seconds in lengths:
        yield from trained(parts, seconds, seeds, (False, True), (PUBLISHED, TUNED))
    yield ""
    parts = unit_circle()
    yield from untrained("on (0, 1), viscosity 0.1", parts, ON_UNIT_CIRCLE)
    yield from trained(parts, lengths[0], seeds, (False,), (PUBLISHED,))
    if not RIVALS.exists():
        yield "no rival was measured: `make rivals` installs neuraloperator"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seconds", nargs="+", type=float, default=[45, 240])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="compare settings on training records alone")
    given = parser.parse_args()
    os.environ["CONTINUA_THREADS"] = THREADS
    if given.choose:
        choose(datasets.parts("burgers"), given.seconds[-1])
        return
    lines = []
    for text in told(given.seconds, range(given.seeds)):
        print(text, flush=True)
        lines.append(text)
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
