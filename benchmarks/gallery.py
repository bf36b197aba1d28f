"""The pictures of the gallery in docs/results.md: specs trained on their data, and what they make of test records.

    python benchmarks/gallery.py [NAME …]

Trains each of the specs with its own settings and seed 0, and writes docs/gallery/NAME.png. Prints the score on the
test records; those that are shown are spread evenly over the file, and not chosen for being right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from numerics import Continuum, datasets, fit
from numerics.datasets import Records

FOLDER = Path(__file__).parent.parent / "docs" / "gallery"
SHOWN = 6
RIGHT, WRONG = "#3366aa", "#cc6633"
Array = np.ndarray
Draw = Callable[[Any, Continuum, Records, list[int], list[str]], None]


def curves(axes: Any, model: Continuum, test: Records, indices: list[int], titles: list[str]) -> None:
    """Records along ξ, a line a channel."""
    for place, index, title in zip(axes, indices, titles):
        x = test.samples()[index]
        place.plot(model.sample_points(test)[index], x, lw=0.9)
        place.set_title(title, fontsize=8)


def outlines(axes: Any, model: Continuum, test: Records, indices: list[int], titles: list[str]) -> None:
    """Records as distances from the middle, once around."""
    for place, index, title in zip(axes, indices, titles):
        angles, x = np.pi * model.sample_points(test)[index], test.samples()[index][:, 0]
        r = x - 1.3 * x.min()
        place.fill(r * np.cos(angles), r * np.sin(angles), color=RIGHT if "≠" not in title else WRONG, alpha=0.7)
        place.set(aspect="equal", xticks=[], yticks=[])
        place.set_title(title, fontsize=8)


def pixels(axes: Any, model: Continuum, test: Records, indices: list[int], titles: list[str]) -> None:
    """The records, and below them the first channel of the state at the end of the depth."""
    _, states = model.trajectory(test.take(indices), at=model.lines())
    for k, (index, title) in enumerate(zip(indices, titles)):
        for place, image in ((axes[k], test.samples()[index][..., 0]), (axes[k + SHOWN], states[k, -1, ..., 0])):
            place.imshow(image, cmap="Greys")
            place.set(xticks=[], yticks=[])
        axes[k].set_title(title, fontsize=8)


def solutions(axes: Any, model: Continuum, test: Records, indices: list[int], titles: list[str]) -> None:
    """The velocity at time 0 and at time 1, and what the model makes of the first."""
    for place, index in zip(axes, indices):
        one = test.take([index])
        xi = model.sample_points(one)[0]
        place.plot(xi, one.samples()[0], color="0.8", lw=1)
        place.plot(xi, one.targets()[0], color="0.2", lw=2)
        place.plot(xi, model(one)[0], color=WRONG, lw=1, ls="--")


GALLERY: dict[str, tuple[str, Draw, int]] = {
    "burgers": ("burgers", solutions, 1),
    "leaves": ("osuleaf", outlines, 1),
    "vowels": ("japanesevowels", curves, 1),
    "motions": ("basicmotions", curves, 1),
    "digits2d": ("digits2d", pixels, 2),
}


def draw(name: str) -> None:
    data, show, rows = GALLERY[name]
    train, test = datasets.load(data)
    model = fit(Continuum.from_spec(f"specs/{name}.toml", seed=0), train)
    prepared = model.prepare(test)
    print(name, model.scores(prepared), flush=True)
    indices = [int(i) for i in np.linspace(0, len(test) - 1, SHOWN)]
    titles = [""] * SHOWN
    if prepared.labels is not None:
        answers = np.asarray(model.labels(model.outputs(prepared.take(np.array(indices)))))
        truth = [test.classes[prepared.labels[i]] for i in indices]
        titles = [f"{said} ≠ {true}" if said != true else f"{said}" for said, true in zip(answers, truth)]
    figure = Figure(figsize=(1.6 * SHOWN, 1.5 * rows), layout="constrained")
    axes = figure.subplots(rows, SHOWN, squeeze=False).ravel()
    show(axes, model, test, indices, titles)
    for place in axes:
        place.tick_params(labelsize=6)
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})


def main() -> None:
    for name in sys.argv[1:] or GALLERY:
        draw(name)


if __name__ == "__main__":
    main()
