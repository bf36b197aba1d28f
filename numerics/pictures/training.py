"""Losses over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from numerics.pictures.axes import COLOURS, figure

Row = Mapping[str, Any]


def stages(history: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The history cut where the level changes: (level, rows)."""

    def level(row: Row) -> str:
        return str(row.get("level") or "base")

    return [(name, list(rows)) for name, rows in groupby(history, key=level)]


def losses(histories: Mapping[str, Sequence[Row]]) -> Any:
    """Training loss against the epochs so far, one line a run, one colour a level; dotted, that of held-out records.

    histories: a run's name → its rows (dictionaries with "level", "loss" and perhaps "validation").
    """
    made, ((axes,),) = figure(1, 1, 9.0, 3.8)
    colours: dict[str, str] = {}
    dotted = False
    for history in histories.values():
        start = 0
        for level, rows in stages(history):
            named = level in colours
            colour = colours.setdefault(level, COLOURS[len(colours) % len(COLOURS)])
            epochs = np.arange(start, start + len(rows)) + 1
            axes.plot(epochs, [row["loss"] for row in rows], color=colour, lw=1.2, label=None if named else level)
            held_out = [row.get("validation") for row in rows]
            if all(value is not None for value in held_out):
                axes.plot(epochs, held_out, color=colour, lw=1.0, ls=":", label=None if dotted else "held-out records")
                dotted = True
            start += len(rows)
    axes.set(xlabel="epochs so far", ylabel="training loss")
    if min((row["loss"] for history in histories.values() for row in history), default=0) > 0:
        axes.set_yscale("log")
    if colours:
        axes.legend(title="level")
    return made


def work(histories: Mapping[str, Sequence[Row]]) -> Any:
    """Training loss against the work so far, in floating-point operations, and against seconds, one colour a level.

    histories: a run's name → its rows, which say "flops" and "seconds" beside "level" and "loss".
    """
    made, (axes,) = figure(1, 2, 5.5, 3.8)
    colours: dict[str, str] = {}
    for history in histories.values():
        flops, seconds = (np.cumsum([row[name] for row in history]) for name in ("flops", "seconds"))
        loss = np.array([row["loss"] for row in history])
        start = 0
        for level, rows in stages(history):
            label = None if level in colours else level
            colour = colours.setdefault(level, COLOURS[len(colours) % len(COLOURS)])
            own = slice(max(start - 1, 0), start + len(rows))  # from where the level before it ended
            for own_axes, done in zip(axes, (flops, seconds)):
                own_axes.plot(done[own], loss[own], color=colour, lw=1.2, label=label)
            start += len(rows)
    for own_axes, name in zip(axes, ("floating-point operations so far", "seconds so far")):
        own_axes.set(xlabel=name, ylabel="training loss")
        if min((row["loss"] for history in histories.values() for row in history), default=0) > 0:
            own_axes.set_yscale("log")
    if colours:
        axes[0].legend(title="level")
    return made


def said(history: Sequence[Row]) -> str:
    """What became of the loss, in a sentence."""
    first, last = history[0]["loss"], history[-1]["loss"]
    text = f"In {len(history)} epochs the training loss went from {first:.4g} to {last:.4g}"
    held = [(row["validation"], k + 1) for k, row in enumerate(history) if row.get("validation") is not None]
    best = min(held, default=None)
    return text + ("." if best is None else f"; on held-out records it was lowest, {best[0]:.4g}, in epoch {best[1]}.")
