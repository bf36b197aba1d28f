"""Our kernels beside the same networks in NumPy, PyTorch, JAX, diffrax and torchdiffeq: every case of cases.toml.

    python benchmarks/kernels.py [RECORD] [--case NAME …] [--seconds S] [--without RIVAL …]

Forward, forward + gradient, and samples to outputs through the public call; equal weights (what is computed is compared
first), precision and threads (CONTINUA_THREADS); medians of rounds in which everybody has a turn: a pause, a call that
is not timed, and three that are. The ratios are the time of the best of the others over ours: above 1 ours are ahead.
"attained" is the part that matrix products alone make of what the machine attains with large ones. With RECORD the
table is also written to that file, and a picture beside it. `make rivals` installs the others, in an environment of its
own; rivals that are not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("CONTINUA_THREADS", "2")

from derive.declaration import load_spec
from derive.spec import Spec
from numerics.bench import compare, machine
from numerics.bench.rivals import RIVALS
from numerics.estimators.network import NotComparable

CASES = Path(__file__).with_name("cases.toml")
SHORT = {"forward": "forward", "gradient": "with gradient", "predict": "samples to outputs"}


def declared(name: str, case: dict[str, Any], precision: str) -> Spec:
    """The spec of a case: outputs are numbers, with the loss l2."""
    state, depth = case["state"], {"family": "p0", "cells": case["steps"]}
    equation = {key: case[key] for key in ("rate", "activation", "channels", "dimension")}
    equation["spacing"] = f"1/{case['steps']}"
    if case["rate"] not in ("residual", "mlp", "literal"):
        del equation["activation"], equation["spacing"]
    if case["kind"] in ("legendre", "hat"):
        basis = {"family": case["kind"], "size": state}
        width = {"family": case["kind"], "size": state // 2}
        weight = {"width_out": width, "width_in": width}
    elif case["kind"] == "convolution":
        basis, width = {"family": "p0", "cells": state}, {"family": "p0", "cells": 1}
        weight = {"kernel": {"family": "hat", "size": 9}}
        equation |= {"periodic": True, "reach": "1/8"}
    elif case["kind"] == "frequencies":
        basis, width = {"family": "fourier", "size": state}, {"family": "p0", "cells": 1}
        waves = {"family": "fourier", "size": state // 2 | 1}
        weight = {"width_out": waves, "width_in": waves}
        equation |= {"periodic": True, "symmetry": "translation"}
    else:
        basis = width = {"family": "p0", "cells": state}
        weight = {"width_out": width, "width_in": width}
    return load_spec({
        "name": f"case-{name}", "precision": precision, "equation": equation, "state": {"basis": basis},
        "weight": {**weight, "depth": depth}, "bias": {"width": width, "depth": depth},
        "integration": {"tableau": case["tableau"], "steps": case["steps"]},
        "readout": {"outputs": 2, "basis": {"family": "p0", "cells": 1}}, "loss": {"kind": "l2"},
    })  # fmt: skip


def cases(chosen: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, precision, case) of all cases, or of those that are named."""
    found = tomllib.loads(CASES.read_text(encoding="utf-8"))
    for name, own in found["cases"].items():
        if not chosen or name in chosen:
            case = found["defaults"] | own
            yield from ((name, precision, case) for precision in case["precisions"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", type=Path)
    parser.add_argument("--case", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=compare.SECONDS, help="of timing, a row")
    parser.add_argument("--without", nargs="*", default=["torch.compile"], help="rivals to leave out")
    given = parser.parse_args()
    rivals = [rival for rival in RIVALS if rival.name not in given.without and rival.installed()]
    attained = machine.attained()
    peaks = ", ".join(f"{dtype} {rate / 1e9:.0f} GFlop/s" for dtype, rate in attained.products.items())
    lines = [
        machine.name(), f"products attain {peaks}; copies {attained.bytes / 1e9:.1f} GB/s",
        f"beside: {', '.join(rival.name for rival in rivals)}\n",
        f"{'case':13s}{'precision':10s}{'work':20s}{'ours, ms':>10s}{'best, ms':>10s}  {'of':12s}{'ratio':>6s}"
        f"{'attained':>9s}",
    ]
    print("\n".join(lines), flush=True)
    ratios: dict[tuple[str, str], list[tuple[str, float, bool]]] = {}
    for name, precision, case in cases(given.case):
        try:
            rows = compare.compare(declared(name, case, precision), case["records"], rivals, seconds=given.seconds)
        except NotComparable as reason:
            lines.append(f"{name:13s}{precision:10s}{reason}")
            print(lines[-1], flush=True)
            continue
        for row in rows:
            lines.append(_line(name, precision, row, attained))
            print(lines[-1], flush=True)
            if row.ratio is not None:
                ratios.setdefault((row.kind, precision), []).append((name, row.ratio, case["state"] <= 64))
    lines += ["", "medians (all; state up to 64; the smallest)"]
    for (kind, precision), own in ratios.items():
        small = [ratio for _, ratio, is_small in own if is_small]
        worst = min(own, key=lambda item: item[1])
        lines.append(
            f"{SHORT[kind]:20s}{precision:10s}{statistics.median(r for _, r, _ in own):6.2f}"
            f"{statistics.median(small) if small else float('nan'):8.2f}   {worst[1]:.2f} ({worst[0]})"
        )
    print("\n".join(lines[-len(ratios) - 2 :]))
    if given.record:
        given.record.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draw(given.record.with_suffix(".png"), ratios)


def _line(name: str, precision: str, row: compare.Row, attained: machine.Attained) -> str:
    ours = row.seconds["kernels"]
    best, seconds = row.best or ("–", float("nan"))
    part = row.operations / ours / attained.products[precision]
    return (
        f"{name:13s}{precision:10s}{SHORT[row.kind]:20s}{1e3 * ours:10.3f}{1e3 * seconds:10.3f}  {best:12s}"
        f"{row.ratio or float('nan'):6.2f}{part:9.0%}"
    )


def draw(path: Path, ratios: dict[tuple[str, str], list[tuple[str, float, bool]]]) -> None:
    """The ratios of all cases, a row of points a kind of work."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    labels = []
    for level, ((kind, precision), own) in enumerate(ratios.items()):
        labels.append(f"{SHORT[kind]}\n{precision}")
        axes.plot([r for _, r, _ in own], [level] * len(own), "o", ms=4, alpha=0.7)
        axes.plot(statistics.median(r for _, r, _ in own), level, "k|", ms=18)
    axes.axvline(1, color="0.6", lw=1)
    axes.set(xscale="log", yticks=range(len(labels)), xlabel="time of the best of the others / ours (bars: medians)")
    axes.set_yticklabels(labels, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
