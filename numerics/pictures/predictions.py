"""Predictions against the truth: of functions, of classes, of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerics.datasets import Records
from numerics.pictures import records
from numerics.pictures.axes import COLOURS, XI, Array, Frame, figure, plane, symmetric

BINS = 10  # of a classifier's confidence
MANY = 12  # classes, from which on a matrix shows no numbers
MISTAKES = 4
OUTPUTS_SHOWN = 6


def probabilities(outputs: Array) -> Array:
    """Softmax over the last axis, (records, classes)."""
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    shares: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


# --- classes ------------------------------------------------------------------------------------------------


def confusion(truth: Array, guess: Array, count: int) -> Array:
    """How many records of a class (rows) are taken for another (columns), (count, count)."""
    found = np.zeros((count, count), int)
    np.add.at(found, (truth, guess), 1)
    return found


def calibration(p: Array, truth: Array) -> tuple[Array, Array, Array]:
    """Of the records in each bin of confidence that has any: mean confidence, share that is right, number."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == truth
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    means = [np.bincount(bins, values, BINS)[used] / counts[used] for values in (sure, right)]
    return means[0], means[1], counts[used]


def surest_mistakes(p: Array, truth: Array) -> Array:
    """Positions of the records that are wrong, the surest first."""
    wrong = np.flatnonzero(p.argmax(axis=1) != truth)
    return wrong[np.argsort(-p[wrong].max(axis=1), kind="stable")]


def narrow_answers(p: Array, truth: Array) -> Array:
    """Positions of the records that are right, the least sure first."""
    right = np.flatnonzero(p.argmax(axis=1) == truth)
    return right[np.argsort(p[right].max(axis=1), kind="stable")]


def case_labels(p: Array, truth: Array, names: Sequence[str], chosen: Sequence[int]) -> list[str]:
    """What stands above a record: what it is, and what was said of it."""
    guess = p.argmax(axis=1)
    return [f"record {i}: is {names[truth[i]]}, said {names[guess[i]]} ({p[i].max():.0%})" for i in chosen]


def classes(p: Array, truth: Array, names: Sequence[str], data: Records, frame: Frame = XI) -> Any:
    """Confusion matrix, calibration and the surest mistakes. p: (records, classes); truth: (records,)."""
    from matplotlib.figure import Figure

    mistakes = [int(i) for i in surest_mistakes(p, truth)[:MISTAKES]]
    made = Figure(figsize=(9.5, 4.2 + 2.1 * bool(mistakes)), layout="constrained")
    parts = made.subfigures(1 + bool(mistakes), 1, squeeze=False, height_ratios=[4.2, 2.1][: 1 + bool(mistakes)])
    left, right = parts[0, 0].subplots(1, 2)
    _confusion(left, confusion(truth, p.argmax(axis=1), len(names)), names)
    _calibration(right, *calibration(p, truth))
    if mistakes:
        parts[1, 0].suptitle("the surest mistakes", fontsize=10)
        (row,) = parts[1, 0].subplots(1, MISTAKES, squeeze=False)
        for axes in row:
            axes.set_axis_off()
        for axes, index, label in zip(row, mistakes, case_labels(p, truth, names, mistakes)):
            records.draw(axes, data, index, label.replace(": ", "\n"), frame)
    return made


def _confusion(axes: Any, found: Array, names: Sequence[str]) -> None:
    axes.imshow(found, cmap="Blues")
    places = range(len(names))
    size = 9 if len(names) <= MANY else 6
    axes.set_xticks(places, names, rotation=45 if max(map(len, names)) > 2 else 0, ha="right", fontsize=size)
    axes.set_yticks(places, names, fontsize=size)
    axes.set(xlabel="said", ylabel="is", title="confusion")
    if len(names) <= MANY:
        for (i, j), n in np.ndenumerate(found):
            dark = n > found.max() / 2
            axes.text(j, i, str(n), ha="center", va="center", color="white" if dark else "black", fontsize=9)


def _calibration(axes: Any, sure: Array, right: Array, counts: Array) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", lw=1, label="calibrated")
    axes.plot(sure, right, color=COLOURS[0], lw=1)
    axes.scatter(sure, right, s=12 + 150 * counts / counts.sum(), color=COLOURS[0], label="area: records")
    axes.set(xlabel="confidence", ylabel="share that is right", title="calibration", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def said_of_classes(p: Array, truth: Array, names: Sequence[str]) -> str:
    """What was found, in a sentence or two."""
    found = confusion(truth, p.argmax(axis=1), len(names))
    right, count = int(np.trace(found)), len(truth)
    sure, share, counts = calibration(p, truth)
    gap = float(counts @ np.abs(sure - share) / counts.sum())
    text = f"{right} of {count} records are right ({right / count:.1%}); "
    text += f"confidence and the share that is right differ by {gap:.2f} in the mean."
    np.fill_diagonal(found, 0)
    if found.any():
        i, j = divmod(int(found.argmax()), len(names))
        text += f" Most often {names[i]} is taken for {names[j]}, {_times(int(found[i, j]))}."
    return text


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


# --- numbers ------------------------------------------------------------------------------------------------


def numbers(truth: Array, predicted: Array) -> Any:
    """Predicted against true numbers (records, outputs), a picture an output."""
    count = min(truth.shape[1], OUTPUTS_SHOWN)
    made, grid = figure(-(-count // 3), min(count, 3), 3.4, 3.2)
    for k, axes in enumerate(grid.flat):
        if k >= count:
            axes.set_axis_off()
            continue
        pair = truth[:, k], predicted[:, k]
        ends = min(map(np.min, pair)), max(map(np.max, pair))
        axes.plot(ends, ends, color="0.7", lw=1)
        axes.scatter(*pair, s=12, alpha=0.6, color=COLOURS[0], linewidths=0)
        name = f"output {k}: " if truth.shape[1] > 1 else ""
        error = np.sqrt(np.mean((pair[0] - pair[1]) ** 2))
        axes.set(xlabel="true", ylabel="predicted", title=f"{name}rmse {error:.3g}")
    return made


def said_of_numbers(truth: Array, predicted: Array) -> str:
    """What was found, in a sentence."""
    gaps = np.sqrt(np.sum((truth - predicted) ** 2, axis=1))
    error = float(np.sqrt(np.mean((truth - predicted) ** 2)))
    spread = float(np.sqrt(np.mean((truth - truth.mean(axis=0)) ** 2)))
    share = f", {error / spread:.1%} of their spread" if spread else ""
    return f"The root mean square error is {error:.3g}{share}; record {int(gaps.argmax())} is farthest off."


# --- functions ----------------------------------------------------------------------------------------------


def relative_errors(truth: Sequence[Array], predicted: Sequence[Array]) -> Array:
    """Of every record the root mean square of the error over its points, by that of the truth (records,)."""
    tiny = np.finfo(float).tiny
    pairs = zip(truth, predicted)
    return np.array([np.sqrt(np.mean((y - z) ** 2) / max(float(np.mean(y**2)), tiny)) for y, z in pairs])


def spread(errors: Array, most: int = 4) -> list[int]:
    """Positions of records from the smallest error to the largest."""
    order = np.argsort(errors, kind="stable")
    return [int(order[k]) for k in np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))]


def functions(points: Sequence[Array], truth: Sequence[Array], predicted: Sequence[Array],
              labels: Sequence[str], frame: Frame = XI) -> Any:  # fmt: skip
    """Prediction against truth, and their difference below, a column a record; values (n, channels), points (n,)."""
    made, (above, below) = figure(2, len(labels), 2.9, 2.1)
    for k, (x, y, z) in enumerate(zip(points, truth, predicted)):
        for colour, true, said, number in zip(COLOURS, y.T, z.T, range(y.shape[1])):
            above[k].plot(x, true, color=colour, lw=2.4, alpha=0.4, label=None if number else "truth")
            above[k].plot(x, said, color=colour, lw=1, ls="--", label=None if number else "prediction")
            below[k].plot(x, said - true, color=colour, lw=1)
        above[k].set_title(labels[k], fontsize=9)
        below[k].axhline(0, color="0.7", lw=0.6)
        below[k].set_xlabel(frame.label("ξ"))
    above[0].legend(frameon=False, fontsize=8)
    above[0].set_ylabel("y")
    below[0].set_ylabel("prediction − truth")
    return made


def function_pictures(truth: Sequence[Array], predicted: Sequence[Array], labels: Sequence[str]) -> Any:
    """The same on squares, and in the middle of cubes: truth, prediction, difference, a row each."""
    made, grid = figure(3, len(labels), 2.4, 2.2)
    for k, (y, z) in enumerate(zip(map(plane, truth), map(plane, predicted))):
        for axes, values, scale in zip(grid[:, k], (y, z, z - y), (symmetric(y), symmetric(y), symmetric(z - y))):
            image = axes.imshow(values, **scale)
            axes.set(xticks=[], yticks=[])
            made.colorbar(image, ax=axes, shrink=0.8)
        grid[0, k].set_title(labels[k], fontsize=9)
    for axes, name in zip(grid[:, 0], ("truth", "prediction", "prediction − truth")):
        axes.set_ylabel(name)
    return made


def said_of_functions(errors: Array) -> str:
    """What was found, in a sentence."""
    worst = int(errors.argmax())
    middle, most = np.median(errors), errors[worst]
    return f"The relative error is {middle:.2%} in the median, and largest, {most:.2%}, of record {worst}."
