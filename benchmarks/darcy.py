"""Darcy flow: the continuum beside Fourier neural operators with equal time, and null baselines.

    python benchmarks/darcy.py [RECORD] [--seconds 40] [--seeds 3]
    python benchmarks/darcy.py --choose

−∇·(a ∇u) = 1 on the unit square, u = 0 around it, and a takes two values: from where it takes which to u. The records
are those inside a wheel of neuraloperator, 1,000 of 16 × 16 points, with 50 tests of 16 × 16 and 50 of 32 × 32; mean
relative L2 errors. Everything has the same two cores for the same seconds, compilation and set-up not counted; learning
rates decay over exactly that time. The continuum commutes with the reflections of the square: its W is even along both
axes, and two channels that say how far the boundary is are even, too. "Images" are the records turned and reflected;
that of the other diagonal is not in the continuum. Settings of both were chosen by ``--choose`` on the last 200 of the
training records. ``make rivals`` installs neuraloperator, without which there are no records.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("CONTINUA_THREADS", "2")

import numpy as np
from sklearn.linear_model import RidgeCV

import continua as ct

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".venv" / "rivals" / "bin" / "python"
TESTS = ("test-16", "test-32")
WHEEL = "neuraloperator==0.3.0"  # later ones leave the records out
# Torch reads what the wheel holds; here it is written as NumPy reads it.
EXPORT = """
import io, sys, zipfile, numpy, torch
found, wheel = {}, zipfile.ZipFile(sys.argv[1])
for name, file in (("train", "train_16"), ("test-16", "test_16"), ("test-32", "test_32")):
    stored = torch.load(io.BytesIO(wheel.read(f"neuralop/datasets/data/darcy_{file}.pt")), weights_only=True)
    found |= {f"{name}/{key}": stored[key].numpy().astype(float) for key in "xy"}
numpy.savez(sys.argv[2], **found)
"""
Array = np.ndarray
Parts = dict[str, Array]


def loaded() -> Parts:
    """NAME/x and NAME/y, (records, points, points), of train, test-16 and test-32."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = [str(RIVALS), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(fetch, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        path = Path(folder) / "darcy.npz"
        subprocess.run([str(RIVALS), "-c", EXPORT, str(wheel), str(path)], check=True, capture_output=True)
        with np.load(path) as stored:
            return dict(stored)


def split(parts: Parts, test: str = "test-16") -> Parts:
    """800 of the training records, and the other 200 as tests."""
    return {
        **{f"train/{key}": parts[f"train/{key}"][:800] for key in "xy"},
        **{f"{test}/{key}": parts[f"train/{key}"][800:] for key in "xy"},
    }


def relative(found: Array, wanted: Array) -> float:
    apart, size = (np.linalg.norm(a.reshape(len(a), -1), axis=1) for a in (found - wanted, wanted))
    return float(np.mean(apart / size))


def nulls(parts: Parts) -> dict[str, dict[str, float]]:
    """The mean of the training records, and linear regression, at the trained resolution."""
    x, y = (parts[f"train/{key}"].reshape(len(parts["train/x"]), -1) for key in "xy")
    first, wanted = (parts[f"test-16/{key}"].reshape(len(parts["test-16/x"]), -1) for key in "xy")
    linear = RidgeCV(np.logspace(-2, 5, 15)).fit(x, y)
    return {
        "mean": {"test-16": relative(np.broadcast_to(y.mean(axis=0), wanted.shape), wanted)},
        "linear regression": {"test-16": relative(linear.predict(first), wanted)},
    }


def image(values: Array, which: int) -> Array:
    """One of the eight images of functions on the grid i/n, n points along both axes: 0 is mirrored to 1, their own."""
    mirrored = -np.arange(values.shape[-1])
    found = values[:, mirrored] if which & 1 else values
    found = found[:, :, mirrored] if which & 2 else found
    return found.swapaxes(1, 2) if which & 4 else found


# --- ours ---------------------------------------------------------------------------------------------------


def grid(points: int) -> tuple[Array, Array]:
    line = np.arange(points) / points
    return line, line


def channels(x: Array) -> Array:
    """x and two channels that know the boundary, which no reflection changes."""
    a, b = np.meshgrid(*(4 * line * (1 - line) for line in grid(x.shape[1])), indexing="ij")
    return np.stack([x, *(np.broadcast_to(own, x.shape) for own in (a + b, a * b))], axis=-1)


def records(x: Array, y: Array) -> Any:
    return ct.records(channels(x), y=y[..., None], xi=grid(x.shape[1]))


@dataclass(frozen=True)
class Continuum:
    """Settings of the continuum. waves: functions an axis of the state and of W."""

    waves: int = 15
    channels: int = 24
    steps: int = 4
    even: bool = True
    batch: int = 20
    learning_rate: float = 0.01
    images: bool = False

    def __str__(self) -> str:
        more = "" if self.even else ", not even"
        more += "" if self.batch == 20 else f", batches of {self.batch}"
        more += "" if self.learning_rate == 0.01 else f", rate {self.learning_rate:g}"
        return f"continuum {self.waves} × {self.channels} × {self.steps}{more}{', images' * self.images}"

    def declared(self) -> dict[str, Any]:
        waves, depth = {"family": "fourier", "size": self.waves}, {"family": "p0", "cells": self.steps}
        return {
            "name": "darcy",
            "precision": "float32",
            "equation": {
                "dimension": 2, "rate": "u1*sigmoid(u2) - 2*h", "channels": self.channels, "periodic": True,
                "symmetry": ["translation", "reflection"] if self.even else "translation", "local": True,
            },
            "input": {"interpolant": "least-squares", "domain": [["0", "1"], ["0", "1"]]},
            "lift": {"inputs": 3},
            "state": {"basis": waves},
            "weight": {"width_out": waves, "width_in": waves, "depth": depth},
            "bias": {"width": {"family": "p0", "cells": 1}, "depth": depth},
            "integration": {"tableau": "euler", "steps": self.steps},
            "readout": {"outputs": 1},
            "loss": {"kind": "relative-l2"},
            "training": {
                "optimiser": "adam-coordinatewise", "learning_rate": self.learning_rate, "batch": self.batch,
            },
        }  # fmt: skip

    def errors(self, parts: Parts, seconds: float, seed: int) -> dict[str, float]:
        """Errors on the tests after so many seconds of training."""
        model, train = ct.Continuum.from_spec(self.declared(), seed=seed), records(parts["train/x"], parts["train/y"])

        def seen(data: Any, generator: np.random.Generator) -> Any:
            chosen = generator.integers(0, 8, len(data))
            x, y = parts["train/x"].copy(), parts["train/y"].copy()
            for which in range(1, 8):
                mine = chosen == which
                x[mine], y[mine] = image(x[mine], which), image(y[mine], which)
            return records(x, y)

        fitted = trained(model, train, seen if self.images else None, seed, seconds)
        found = {}
        for name in TESTS:
            if f"{name}/x" in parts:
                x, y = parts[f"{name}/x"], parts[f"{name}/y"]
                found[name] = relative(np.asarray(fitted(channels(x), xi=grid(x.shape[1])))[..., 0], y)
        return found


def trained(model: Any, train: Any, augment: Any, seed: int, seconds: float) -> Any:
    """The model after as many epochs as the time has, of which the learning rate's decay knows."""
    _, stamps = after(model, train, augment, 3, seed, seconds)
    epochs = max(2, int(seconds / np.median(np.diff(stamps))))
    fitted, stamps = after(model, train, augment, epochs, seed, seconds)
    while len(stamps) < epochs:  # the machine has become slower
        epochs = len(stamps) - 1
        fitted, stamps = after(model, train, augment, epochs, seed, seconds)
    return fitted


def after(model: Any, train: Any, augment: Any, epochs: int, seed: int, seconds: float) -> tuple[Any, list[float]]:
    """The model after so many epochs, or when the time is over, and the seconds at the end of each."""
    # Of one thread the processor's time is taken, which does not depend on what else runs on the machine.
    clock = time.process_time if os.environ["CONTINUA_THREADS"] == "1" else time.perf_counter
    start, stamps = clock(), []

    def over(_: Any, row: dict[str, Any]) -> bool:
        stamps.append(clock() - start)
        return stamps[-1] > 1.02 * seconds

    return ct.fit(model, train, epochs=epochs, seed=seed, callback=over, augment=augment), stamps


# --- the others ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fno:
    """Settings of neuraloperator's FNO. grid: whether positions are channels of the input.

    gap: of an incremental FNO, the difference of two epochs' losses below which it gets a mode; see rivals/fno.py.
    """

    width: int = 24
    modes: int = 8
    layers: int = 4
    learning_rate: float = 0.005
    grid: bool = True
    images: bool = False
    gap: float | None = None

    def __str__(self) -> str:
        more = "" if self.grid else ", no grid channel"
        more += "" if self.gap is None else f", incremental (gap {self.gap:g})"
        more += "" if self.learning_rate == 0.005 else f", rate {self.learning_rate:g}"
        return f"FNO {self.modes} × {self.width} × {self.layers}{more}{', images' * self.images}"

    def errors(self, parts: Parts, seconds: float, seed: int) -> dict[str, float]:
        arrays = dict(parts)
        for key in "xy" if self.images else "":
            arrays[f"train/{key}"] = np.concatenate([image(parts[f"train/{key}"], which) for which in range(8)])
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "data.npz", **arrays)
            settings = asdict(self) | {"seconds": seconds, "seed": seed}
            settings["threads"] = int(os.environ["CONTINUA_THREADS"])
            command = [str(RIVALS), str(HERE / "rivals" / "fno.py"), f"{folder}/data.npz", json.dumps(settings)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


WAYS: tuple[Continuum | Fno, ...] = (
    Continuum(), Continuum(images=True), Fno(), Fno(images=True), Fno(learning_rate=0.01), Fno(width=32, modes=12),
    Fno(gap=0.1), Fno(gap=0.1, learning_rate=0.01),
)  # fmt: skip


def line(name: str, seconds: str, errors: list[dict[str, float]], tests: Sequence[str]) -> str:
    """A row of the table: means over the seeds, and their standard deviation where there are several."""
    cells = []
    for test in tests:
        found = [one[test] for one in errors if test in one]
        spread = f" ± {np.std(found, ddof=1):.4f}" if len(found) > 1 else ""
        cells.append(f"{np.mean(found):.4f}{spread}" if found else "–")
    return f"{name:66s} {seconds:>7s}" + "".join(f"  {cell:16s}" for cell in cells).rstrip()


def compare(
    title: str, tests: Sequence[str], parts: Parts, known: dict[str, dict[str, float]], ways: Sequence[Any],
    seeds: Sequence[int], seconds: float, record: Path | None,
) -> None:  # fmt: skip
    """Print, and write, a table: baselines, then what every way reaches after so many seconds."""
    heads = "".join(f"  {' × '.join([test.removeprefix('test-')] * 2):16s}" for test in tests)
    lines = [f"{title:66s} {'seconds':>7s}{heads}".rstrip()]
    lines += [line(name, "", [errors], tests) for name, errors in known.items()]
    print("\n".join(lines), flush=True)
    for way in ways:
        lines.append(line(str(way), f"{seconds:g}", [way.errors(parts, seconds, seed) for seed in seeds], tests))
        print(lines[-1], flush=True)
    if record:
        record.write_text("\n".join(lines) + "\n", encoding="utf-8")


CHOICES: tuple[Continuum | Fno, ...] = (
    *(Continuum(images=images, even=even) for images in (False, True) for even in (True, False)),
    *(replace(Continuum(images=True), channels=channels) for channels in (16, 32)),
    replace(Continuum(images=True), batch=40), replace(Continuum(images=True), learning_rate=0.02),
    *WAYS[2:], *(Fno(gap=gap) for gap in (0.001, 0.01)), Fno(images=True, learning_rate=0.01),
    Fno(width=32, modes=12, images=True),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="compare settings on training records alone")
    given = parser.parse_args()
    if not RIVALS.exists():
        parser.error("the records are in the wheel of neuraloperator: `make rivals` installs it")
    parts = loaded()
    own, seeds, ways = (split(parts), range(1), CHOICES) if given.choose else (parts, range(given.seeds), WAYS)
    compare("Darcy flow", TESTS, own, nulls(own), ways, seeds, given.seconds, given.record)


if __name__ == "__main__":
    main()
