"""How long the first use of an unseen spec takes: seconds of derivation and of compilation, with empty caches.

    python benchmarks/first_use.py [RECORD] [--against CHECKOUT] [--repeat N]

Each case runs in a process of its own whose caches are empty, then in another one that finds everything. What the first
takes longer is the derivation, timed with the imports that it needs, and the compilation, the rest, on all cores.
Two more processes run with the caches of the first: one changes the rate or the activation, which is what another
declaration costs on a machine that has been used; one changes what the kernels do not depend on, a size.
CPU is counted beside the seconds that one waits, which depend on what else the machine does.
With --against another checkout of this project is measured too, in turns; the least of N times counts.
With RECORD the table is also written to that file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]


def small(size: int, function: str) -> None:
    """A small network on curves, trained for two epochs."""
    from numerics import Continuum, fit

    width = {"family": "legendre", "size": size}
    declared = {
        "name": "unseen",
        "equation": {"rate": f"{function}(u) - h/3", "spacing": "1/4"},
        "state": {"basis": {"family": "legendre", "size": size + 4}},
        "weight": {"width_out": width, "width_in": width, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": width, "depth": {"family": "p0", "cells": 2}},
        "integration": {"tableau": "heun", "steps": 4},
        "readout": {"outputs": 2, "basis": width},
        "loss": {"kind": "cross-entropy"},
    }
    x = np.random.default_rng(0).standard_normal((16, 30))
    fit(Continuum.from_spec(declared), x, np.arange(16) % 2, epochs=2, progress=False)


def changed(name: str, size: int, **changes: Any) -> dict[str, Any]:
    """A checked-in declaration with another equation, and another size of the readout's basis."""
    declared = tomllib.loads((ROOT / "specs" / f"{name}.toml").read_text(encoding="utf-8"))
    declared["name"] = "unseen"
    declared["equation"] |= changes
    declared["readout"]["basis"]["size"] = size
    return declared


def square(size: int, function: str) -> None:
    """The convolution of ``digits2d`` with another activation, trained for two epochs."""
    from numerics import Continuum, fit

    x = np.random.default_rng(0).standard_normal((16, 8, 8, 1))
    model = Continuum.from_spec(changed("digits2d", size, activation=function))
    fit(model, x, np.arange(16) % 10, epochs=2, progress=False)


def structure(size: int, function: str) -> None:
    """``gunpoint`` with another rate and all its levels, trained for two epochs and refined."""
    from numerics import Continuum, fit, refine

    x = np.random.default_rng(0).standard_normal((16, 150))
    model = Continuum.from_spec(changed("gunpoint", size, rate=f"{function}(u) - h/3"))
    refine(fit(model, x, np.arange(16) % 2, epochs=2, progress=False), level="fine")


def perceptron(size: int, function: str) -> None:
    """A perceptron, imported and projected to smooth widths, with records."""
    from numerics import from_layers, project

    generator = np.random.default_rng(0)
    widths = (16, 24, 32, 20, 5)
    weights = [generator.standard_normal((b, a)) / a**0.5 for a, b in zip(widths, widths[1:])]
    smooth = [{"family": "legendre", "size": size}] * 3
    levels = {"smooth": {"weight": {"width_out": smooth, "width_in": smooth}, "bias": {"width": smooth}}}
    model = from_layers(weights, [np.zeros(b) for b in widths[1:]], function, levels=levels)
    project(model, "smooth", generator.standard_normal((16, 16)), np.arange(16) % 5)


CASES: dict[str, tuple[Callable[[int, str], None], tuple[int, int], tuple[str, str]]] = {
    "small": (small, (10, 9), ("tanh", "sin")), "square": (square, (8, 6), ("softplus", "silu")),
    "gunpoint": (structure, (16, 14), ("tanh", "sin")), "perceptron": (perceptron, (10, 9), ("tanh", "sigmoid")),
}  # fmt: skip


@contextmanager
def timed(spent: list[float]) -> Iterator[None]:
    """Adds up the seconds of CPU that deriving and printing take, with their imports."""
    start = time.process_time()
    try:
        from derive import derived, modules

        homes = [(derived, "derive"), (modules, "modules")]
    except ImportError:  # where one function did all
        from derive.emit import manifest

        homes = [(manifest, "generate")]
    spent.append(time.process_time() - start)

    def watched(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            start = time.process_time()
            try:
                return usual(*given, **more)
            finally:
                spent.append(time.process_time() - start)

        return call

    before = [getattr(home, name) for home, name in homes]
    for (home, name), usual in zip(homes, before):
        setattr(home, name, watched(usual))
    yield
    for (home, name), usual in zip(homes, before):
        setattr(home, name, usual)


def run(case: str, size: int, function: str, watched: bool) -> None:
    """One case in this process; prints seconds of CPU of derivation and in all, and seconds in all."""
    import numerics  # noqa: F401

    start = time.perf_counter()
    spent: list[float] = []
    if watched:
        with timed(spent):
            CASES[case][0](size, function)
    else:
        CASES[case][0](size, function)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    used = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    print(json.dumps([sum(spent), used, time.perf_counter() - start]))


def process(
    checkout: Path, cache: Path, case: str, size: int, function: str, watched: bool = False
) -> tuple[float, ...]:
    """Of one process: seconds of CPU of derivation and in all, and seconds in all."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(checkout), "NUMBA_CACHE_DIR": ""}
    command = [sys.executable, __file__, "--run", case, str(size), function, str(watched)]
    done = subprocess.run(command, env=env, cwd=cache, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def measure(checkout: Path, case: str) -> tuple[float, ...]:
    """CPU of derivation, of compilation, of the second use, of the first with another rate and with another size; then

    seconds of these three first uses.
    """
    _, (size, other), (function, rate) = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        derivation, first, waited = process(checkout, Path(folder), case, size, function, watched=True)
        _, second, _ = process(checkout, Path(folder), case, size, function)
        _, changed, after_rate = process(checkout, Path(folder), case, size, rate)
        _, resized, after_size = process(checkout, Path(folder), case, other, function)
    return derivation, first - derivation - second, second, changed, resized, waited, after_rate, after_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run(given.run[0], int(given.run[1]), given.run[2], given.run[3] == "True")
        return
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; seconds of CPU, and "
        f"seconds that one waits; the least of {given.repeat}; the cores were busy to {psutil.cpu_percent(10):.0f} %",
        f"{'':22s} {'CPU':>51s} {'waiting':>34s}",
        f"{'':22s} {'derivation':>10s} {'compilation':>11s} {'again':>5s} {'another rate':>12s} {'size':>9s} "
        f"{'first':>8s} {'another rate':>14s} {'size':>10s}",
    ]
    print("\n".join(lines))
    checkouts = {"before": given.against, "now": ROOT} if given.against else {"now": ROOT}
    for case in given.cases:
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in checkouts}
        for _ in range(given.repeat):
            for name, checkout in checkouts.items():
                found[name].append(measure(checkout.resolve(), case))
        for name, rows in found.items():
            derivation, compilation, second, changed, resized, *waited = (min(column) for column in zip(*rows))
            lines.append(
                f"{case:14s} {name:7s} {derivation:10.1f} {compilation:11.1f} {second:5.1f} {changed:12.1f} "
                f"{resized:9.1f} {waited[0]:8.1f} {waited[1]:14.1f} {waited[2]:10.1f}"
            )
            print(lines[-1], flush=True)
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
