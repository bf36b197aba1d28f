"""An epoch of training beside the same network in PyTorch, on the CPU with equal threads, in single precision.

    python benchmarks/epochs.py [RECORD]

The network of specs/leaves.toml, a convolution of 32 channels around a circle with four Euler steps, on random
records: the continuum, whose κ has 11 coefficients a pair of channels on every grid, and PyTorch's Conv1d, which has a
tap a cell (``benchmarks/rivals/convolution.py``, from ``make rivals``). Prints the median seconds of an epoch of 200
records after a first one, for grids of 64, 128 and 256 cells, and the ratio; both are run in turn, five times, and the
medians are printed. Records are not sampled anew, and their projection, once a run, is not counted. With RECORD
the table is also written to that file.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

from numerics import Continuum, fit

HERE = Path(__file__).parent
RIVALS = HERE.parent / ".venv" / "rivals" / "bin" / "python"
CELLS, RECORDS, BATCH, EPOCHS, RUNS, THREADS = (64, 128, 256), 200, 16, 5, 5, 2


def continuum(cells: int) -> float:
    declared = tomllib.loads((HERE.parent / "specs" / "leaves.toml").read_text(encoding="utf-8"))
    declared["state"]["basis"] = {"family": "p0", "cells": cells}
    declared["training"] |= {"thin": 1.0, "warp": 0.0, "batch": BATCH}
    del declared["levels"]
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((RECORDS, cells)), np.arange(RECORDS) % 6
    model = fit(Continuum.from_spec(declared, seed=0), x, y, epochs=EPOCHS + 1)
    return statistics.median(row["seconds"] for row in model.history[1:])


def pytorch(cells: int) -> float:
    script = str(HERE / "rivals" / "convolution.py")
    command = [str(RIVALS), script, *map(str, (cells, RECORDS, BATCH, EPOCHS, THREADS))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    os.environ["CONTINUA_THREADS"] = str(THREADS)
    if not RIVALS.exists():
        sys.exit("`make rivals` installs PyTorch")
    lines = [f"{'cells':>6s} {'continuum':>11s} {'PyTorch':>11s} {'ratio':>7s}"]
    print(lines[0])
    for cells in CELLS:
        runs = [(continuum(cells), pytorch(cells)) for _ in range(RUNS)]
        ours, theirs = (statistics.median(seconds) for seconds in zip(*runs))
        ratio = statistics.median(one / other for one, other in runs)
        lines.append(f"{cells:6d} {ours:9.3f} s {theirs:9.3f} s {ratio:7.2f}")
        print(lines[-1], flush=True)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
