"""Seconds that a step of training takes, for every checked-in spec; beside another checkout, if one is given.

    python benchmarks/steps.py [--against CHECKOUT] [--out RECORD] [SPEC …]

A step is what ``fit`` counts as one: the gradient over a batch of random records, and Adam's update. Each checkout is a
process of its own; rounds alternate between the two, so that a busy moment meets both. The medians of the rounds are
told, and the median of the rounds' ratios: of the clock, and of the processors' time, which a busy machine disturbs
less. Both run the kernels of their own ``generated`` folders, compiled before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
LONG = 1.0  # seconds of steps in a round, about

WORKER = """
import json, sys, time
import numpy as np
from numerics import Continuum, fit
from numerics.datasets import records

def data(spec):
    generator = np.random.default_rng(0)
    count, grid = spec.training.batch or 64, (128,) if spec.dimension == 1 else (16,) * spec.dimension
    x = generator.standard_normal((count, *grid, spec.record_channels))
    if spec.loss == "cross-entropy":
        return records(x, y=np.arange(count) % spec.outputs)
    if spec.outputs is not None and spec.functional:
        return records(x, y=generator.standard_normal((count, spec.outputs)))
    return records(x, y=generator.standard_normal((count, *grid, spec.output_channels)))

held = {}
for line in sys.stdin:
    name, steps = line.split()
    if name not in held:
        model = Continuum.from_spec(f"specs/{name}.toml", seed=0)
        held[name] = model, data(model.spec)
    model, given = held[name]
    began = time.process_time()
    trained = fit(model, given, epochs=int(steps), optimiser="adam", learning_rate=1e-4)
    busy = (time.process_time() - began) / int(steps)
    print(json.dumps([[row["seconds"] for row in trained.history], busy]), flush=True)
"""


class Checkout:
    """A checkout's own process, which times steps when asked."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def seconds(self, name: str, steps: int) -> tuple[float, float]:
        """The median of so many steps, and the processors' time of one."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{name} {steps}\n")
        self.process.stdin.flush()
        times, busy = json.loads(self.process.stdout.readline())
        return statistics.median(times), busy


def compare(name: str, checkouts: Sequence[Checkout], rounds: int) -> list[float]:
    """Seconds a step of each checkout; the last one's over the first one's, by the clock and by processors' time."""
    first = [checkout.seconds(name, 3)[0] for checkout in checkouts]  # compiles
    steps = max(3, min(200, int(LONG / max(*first, 1e-4))))
    found = [[checkout.seconds(name, steps) for checkout in checkouts] for _ in range(rounds)]
    clock = [statistics.median(t for t, _ in times) for times in zip(*found)]
    return [*clock, *(statistics.median(t[-1][k] / t[0][k] for t in found) for k in range(2))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=sorted(path.stem for path in (ROOT / "specs").glob("*.toml")))
    parser.add_argument("--against", type=Path, help="another checkout, the one before")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    folders = [*([given.against.resolve()] if given.against else []), ROOT]
    checkouts = [Checkout(folder) for folder in folders]
    names = ["before", "after"] if given.against else ["step"]
    head = f"{'milliseconds a step':22s}" + "".join(f"{name:>10s}" for name in names)
    lines = [head + ("   after/before   of processors" if given.against else "")]
    print(lines[0], flush=True)
    for name in given.specs:
        times = compare(name, checkouts, given.rounds)
        row = f"{name:22s}" + "".join(f"{1e3 * t:10.3f}" for t in times[:-2])
        lines.append(row + (f"{times[-2]:15.2f}{times[-1]:16.2f}" if given.against else ""))
        print(lines[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
