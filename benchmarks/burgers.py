"""Burgers' equation: the continuum beside a Fourier neural operator with equal time, and null baselines.

    python benchmarks/burgers.py [RECORD] [--seconds 45 240] [--seeds 3]

Mean relative L2 error over the 200 test records, at 128 points, where it was trained, and at 256 and 512. Everything
has the same two cores for the same seconds, compilation and set-up not counted; both learning rates decay over exactly
that time. The settings of ``specs/burgers.toml`` were chosen by ``--choose`` on the last 200 of the training records.
The rival runs in an environment of its own, ``make rivals``; without one its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from numerics import Continuum, datasets, fit
from numerics.datasets import Records

HERE = Path(__file__).parent
SPEC = HERE.parent / "specs" / "burgers.toml"
RIVALS = HERE.parent / ".venv" / "rivals" / "bin" / "python"
TESTS = {128: "test", 256: "test-256", 512: "test-512"}
THREADS = "2"
Array = np.ndarray


def values(data: Records) -> tuple[Array, Array]:
    """x and y of records on one grid, (N, points)."""
    return np.stack(data.samples())[:, :, 0], np.stack(data.targets())[:, :, 0]


def relative(found: Array, wanted: Array) -> float:
    return float(np.mean(np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)))


def nulls(parts: dict[str, Records]) -> dict[str, dict[int, float]]:
    """The record itself, the heat equation's solution, and linear regression at the trained resolution."""
    found: dict[str, dict[int, float]] = {"identity": {}, "heat kernel": {}, "linear regression": {}}
    for points, name in TESTS.items():
        x, y = values(parts[name])
        decay = np.exp(-0.1 * np.arange(points // 2 + 1) ** 2)
        found["identity"][points] = relative(x, y)
        found["heat kernel"][points] = relative(np.fft.irfft(np.fft.rfft(x, axis=1) * decay, points, axis=1), y)
    x, y = values(parts["train"])
    linear = RidgeCV(np.logspace(-6, 3, 19)).fit(x, y)
    first, wanted = values(parts["test"])
    found["linear regression"][128] = relative(linear.predict(first), wanted)
    return found


def continuum(parts: dict[str, Records], seconds: float, seed: int, spec: Any = SPEC) -> tuple[dict[int, float], int]:
    """Test errors by resolution after so many seconds of training, and the number of coefficients."""
    model = Continuum.from_spec(spec, seed=seed)
    trial = fit(model, parts["train"], epochs=3, seed=seed)  # compiles, and says how long an epoch takes
    epochs = max(4, round(seconds / min(row["seconds"] for row in trial.history)))
    start = time.perf_counter()

    def over(_: Continuum, row: dict[str, Any]) -> bool:
        return time.perf_counter() - start > 1.05 * seconds

    model = fit(model, parts["train"], epochs=epochs, seed=seed, callback=over)
    found = {}
    for points, name in TESTS.items():
        if name in parts:
            found[points] = relative(np.asarray(model(parts[name]))[:, :, 0], values(parts[name])[1])
    return found, model.size


def rival(parts: dict[str, Records], seconds: float, seed: int, modes: int, width: int) -> dict[int, float]:
    """The same of neuraloperator's FNO."""
    with tempfile.TemporaryDirectory() as folder:
        arrays: dict[str, Array] = {}
        for name in ("train", *TESTS.values()):
            arrays[f"{name}/x"], arrays[f"{name}/y"] = values(parts[name])
        np.savez(Path(folder) / "data.npz", **arrays)
        command = [str(RIVALS), str(HERE / "rivals" / "fno.py"), f"{folder}/data.npz", str(seconds), str(seed),
                   str(modes), str(width), THREADS]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {int(points): error for points, error in json.loads(done.stdout.splitlines()[-1]).items()}


def line(name: str, seconds: str, errors: list[dict[int, float]]) -> str:
    cells = []
    for points in TESTS:
        found = [e[points] for e in errors if points in e]
        spread = f" ± {np.std(found, ddof=1):.5f}" if len(found) > 1 else ""
        cells.append(f"{np.mean(found):.5f}{spread}" if found else "–")
    return f"{name:44s} {seconds:>7s}  {cells[0]:19s} {cells[1]:19s} {cells[2]:19s}".rstrip()


def choose(parts: dict[str, Records], seconds: float) -> None:
    """Settings on 800 of the training records, judged on the other 200."""
    import tomllib

    train = parts["train"]
    split = {"train": train.take(np.arange(800)), "test": train.take(np.arange(800, 1000))}
    declared = tomllib.loads(SPEC.read_text(encoding="utf-8"))
    for rate in ("u1*sigmoid(u2)", "u1*sigmoid(u2) - h", "u1*sigmoid(u2) - 2*h", "u1*sigmoid(u2) - 3*h"):
        for tableau in ("euler", "heun"):
            spec = declared | {"name": "burgers-choice"}
            spec["equation"] = declared["equation"] | {"rate": rate}
            spec["integration"] = declared["integration"] | {"tableau": tableau}
            errors, _ = continuum(split, seconds, 0, spec)
            print(f"{rate:24s} {tableau:6s} {errors[128]:.5f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seconds", nargs="+", type=float, default=[45, 240])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="compare settings on training records alone")
    given = parser.parse_args()
    os.environ["CONTINUA_THREADS"] = THREADS
    parts = datasets.parts("burgers")
    if given.choose:
        choose(parts, given.seconds[0])
        return
    lines = [f"{'mean relative L2 error at':44s} {'seconds':>7s}  {'128 points':19s} {'256':19s} {'512':19s}".rstrip()]
    print(lines[0])

    def tell(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    for name, errors in nulls(parts).items():
        tell(line(name, "", [errors]))
    for seconds in given.seconds:
        seeds = range(given.seeds)
        found = [continuum(parts, seconds, seed) for seed in seeds]
        tell(line(f"continuum, {found[0][1]:,} coefficients", f"{seconds:g}", [errors for errors, _ in found]))
        if not RIVALS.exists():
            continue
        for modes, width in ((16, 64),):
            errors = [rival(parts, seconds, seed, modes, width) for seed in seeds]
            tell(line(f"FNO, {modes} modes, width {width}, 4 layers", f"{seconds:g}", errors))
    if not RIVALS.exists():
        tell("no rival was measured: `make rivals` installs neuraloperator")
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
