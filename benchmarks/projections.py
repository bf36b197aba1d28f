"""Pockets of GunPoint: projected in L2, projected by outputs, polished, and trained directly.

    python benchmarks/projections.py [RECORD] [--seeds 6]

Accuracy and loss on the 150 test records, mean ± standard deviation over the seeds; CPU seconds of one thread, the
mean, without compilation. The model is trained on the base, refined to ``fine`` and trained on for 100 iterations; the
pocket has 14 functions a width in place of 20. Polishing is 60 iterations of L-BFGS on the training records.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from numerics import Continuum, datasets, fit, project, refine
from numerics.kernels import threads

SPEC = "specs/gunpoint.toml"
FINE, POLISHING = 100, 60
ROWS = ("fine", "pocket, projected in L2", "pocket, projected by outputs", "pocket, polished after L2",
        "pocket, polished after outputs", "pocket, trained directly")  # fmt: skip


def one(seed: int) -> list[tuple[float, float, float]]:
    """Accuracy, loss and seconds of every row."""
    train, test = datasets.load("gunpoint")
    found = []

    def timed(make: Callable[[], Continuum]) -> Continuum:
        start = time.process_time()
        model = make()
        seconds = time.process_time() - start
        scores = model.scores(model.prepare(test))
        found.append((scores["accuracy"], scores["loss"], seconds))
        return model

    def fine() -> Continuum:
        base = fit(Continuum.from_spec(SPEC, seed=seed), train, seed=seed)
        return fit(refine(base, "fine"), train, seed=seed, epochs=FINE)

    large = timed(fine)
    plain = timed(lambda: project(large, "pocket", records=train))
    chosen = timed(lambda: project(large, "pocket", records=train, metric="outputs"))
    for start in (plain, chosen):
        timed(lambda start=start: fit(start, train, seed=seed, epochs=POLISHING))  # type: ignore[misc]
    timed(lambda: fit(Continuum.from_spec(SPEC, seed=seed, level="pocket"), train, seed=seed))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    with threads.serial_blas():
        one(0)  # compiled
        found = np.array([one(seed) for seed in range(given.seeds)])
    lines = [f"{'':32s} {'accuracy':>15s} {'loss':>13s} {'seconds':>8s}"]
    for k, row in enumerate(ROWS):
        (accuracy, loss, seconds), (a, b, _) = found[:, k].mean(axis=0), found[:, k].std(axis=0, ddof=1)
        lines.append(f"{row:32s} {accuracy:7.3f} ± {a:.3f} {loss:6.2f} ± {b:.2f} {seconds:8.2f}")
    print("\n".join(lines))
    if given.record is not None:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
