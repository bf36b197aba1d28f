"""Pictures of the records of Burgers' equation and of signals, what everything that was measured makes of them; and one

of the studies, for the README.

    python -m benchmarks.figures

Reads benchmarks/records/burgers.txt and signals.txt, and writes burgers.png and signals.png beside them. Trains a flow
that unrolls two sheets, from seed 0, and writes docs/gallery/sheets.png.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.studies.geometric_transforms_and_their_limits import flows

RECORDS = Path(__file__).parent / "records"
GALLERY = Path(__file__).parent.parent / "docs" / "gallery"
SAMPLINGS = ("recorded", "half", "quarter", "random30")


def numbers(cell: str) -> tuple[float, float]:
    """The mean and the spread, 0 where there is none, of "0.904±.009" or "0.00214 ± 0.00008"."""
    mean, _, spread = cell.partition("±")
    return float(mean), float(spread or 0)


def burgers() -> dict[str, list[tuple[float, float, float]]]:
    """name → (seconds of training, 0 for none; error, spread) at 128 points, on (0, 2π)."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    table = (RECORDS / "burgers.txt").read_text(encoding="utf-8").split("\n\n")[0]
    for line in table.splitlines()[1:]:
        name, seconds, error = line[:44].strip(), line[44:52].strip(), line[54:74]
        found.setdefault(name, []).append((float(seconds or 0), *numbers(error)))
    return found


def signals() -> dict[str, list[tuple[float, float]]]:
    """name → (mean accuracy over all sets, spread) for each of SAMPLINGS."""
    found = {}
    for line in (RECORDS / "signals.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("all "):
            found[line[18:49].strip()] = [numbers(cell) for cell in line[49:].split()[: len(SAMPLINGS)]]
    return found


def add(axes: Any, name: str, x: Any, y: Any, spread: Any) -> None:
    style = "-o" if name.startswith("continuum") else "--s"
    axes.errorbar(x, y, spread, fmt=style, capsize=3, lw=1.2, ms=4, label=name)


def draw_burgers(axes: Any) -> None:
    rows = burgers()
    trained = {name: found for name, found in rows.items() if found[0][0]}
    for name, found in trained.items():
        add(axes, name, *zip(*found))
    ticks = sorted({seconds for found in trained.values() for seconds, *_ in found})
    axes.set(title="Burgers' equation at 128 points", ylabel="relative L2 error, test", xticks=ticks)
    axes.set_ylim(bottom=0)
    far = ", ".join(f"{name} {found[0][1]:.2f}" for name, found in rows.items() if name not in trained)
    axes.set_xlabel(f"seconds of training on two cores\nnot shown: {far}")


def draw_signals(axes: Any) -> None:
    rows = signals()
    for name, cells in rows.items():
        if name != "majority":
            add(axes, name, SAMPLINGS, *zip(*cells))
    axes.set(title="Signals", ylabel="mean accuracy over six sets")
    axes.set_xlabel(f"points of the test records\nnot shown: majority {rows['majority'][0][0]:.2f}")


def draw_sheets() -> Any:
    """Two rolled-up sheets on their way through the depth of a flow of the plane, to where a line parts them."""
    return flows.picture([("", flows.trained(flows.plane(), flows.spirals, 0), flows.spirals)])


def main() -> None:
    draw_sheets().savefig(GALLERY / "sheets.png", dpi=110)
    for name, draw in (("burgers", draw_burgers), ("signals", draw_signals)):
        figure = Figure(figsize=(6.5, 4.2), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.title.set_size(10)
        axes.legend(fontsize=7)
        figure.savefig(RECORDS / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
