"""Turned digits by escnn, beside the study's networks: prints a table.

    python -m benchmarks.studies.symmetry.escnn PYTHON [RECORD]

PYTHON: of an environment with escnn (``pip install --no-deps escnn``, then torch, lie_learn, joblib, pymanopt,
autograd, requests and numpy below 2; py3nj, which wants a Fortran compiler, is not needed). Four seeds and the records
of the study's long form. Its readout is the mean over the image; those of the study's networks are 4 × 4 means.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.symmetry import channels, representations

RIVAL = Path(__file__).parents[2] / "rivals" / "turned_digits.py"


def answered(python: str, asked: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """What the rival prints for (seed, number of records)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{k}.npz") for k in range(len(asked))]
        for path, (seed, count) in zip(paths, asked):
            x, y, test, classes = channels.turned_digits(seed, count)
            np.savez(path, x=x[..., 0], y=y, test=test[..., 0], classes=classes, seed=seed)
        command = [python, "-W", "ignore", str(RIVAL), *paths]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in printed.splitlines()[-len(asked) :]]


def table(python: str) -> str:
    lines = [f"{'turned digits: accuracy, four seeds':40s}{'median':>8s}{'spread':>8s}"]
    for count in (50, 100, 200):
        found = answered(python, [(seed, count) for seed in range(4)])
        scores = [f["accuracy"] for f in found]
        lines.append(f"{f'{count} records, escnn':40s}{np.median(scores):8.3f}{np.std(scores):8.3f}")
    lines.append(
        f"its {found[0]['numbers']} numbers; quarter turns move outputs by {max(f['gap'] for f in found):.1e} (single)"
    )
    for name, generators in (("p4", representations.P4), ("p4m", representations.P4M)):
        regular = representations.regular(representations.generated(*generators))
        own = representations.left_alone(generators, representations.positions(3, 2), regular, regular)[0].shape[1]
        lines.append(
            f"3 × 3 kernels of {name}, regular → regular: {found[0]['kernels'][name]} of escnn's, {own} of ours"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    text = table(sys.argv[1])
    print(text, end="")
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
