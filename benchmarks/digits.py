"""Digits as functions on a square, at more and fewer pixels than they were trained with, beside scikit-learn.

    python benchmarks/digits.py [RECORD]

Trains on the first 898 of scikit-learn's digits, 8 × 8 pixels, and prints the accuracy on the other 899 as they are,
and resampled, by bilinear interpolation between the pixels, to 6 × 6 and 12 × 12. The continuum takes pixels as they
come; to the others they are interpolated back to 8 × 8. Mean ± spread of 3 seeds, and the 3 seeds together; seconds of
training. Every setting is fixed: those of the continuum, in specs/digits2d.toml, were chosen on training records, the
others' are scikit-learn's own, but for SVC's gamma of its example with these digits. With RECORD the table is also
written to that file.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from numerics import Continuum, Ensemble, datasets, fit

PIXELS = (8, 6, 12)
SEEDS = range(3)
Array = np.ndarray


def resampled(images: Array, count: int) -> Array:
    """Images (N, n, n) on count × count pixels, by bilinear interpolation between them."""
    old, new = np.linspace(-1, 1, images.shape[1]), np.linspace(-1, 1, count)
    grid = np.stack(np.meshgrid(new, new, indexing="ij"), axis=-1)
    return np.stack([RegularGridInterpolator((old, old), image)(grid) for image in images])


def continuum(train: Any, tests: dict[int, Array], truth: Array) -> list[str]:
    models, seconds = [], []
    for seed in SEEDS:
        model = Continuum.from_spec("specs/digits2d.toml", seed=seed)
        start = time.perf_counter()
        models.append(fit(model, train, seed=seed))
        seconds.append(time.perf_counter() - start)

    def scores(model: Continuum | Ensemble) -> list[float]:
        return [float(np.mean(model(x[..., None]).argmax(axis=1) == truth)) for x in tests.values()]

    alone = line("continuum", np.array([scores(model) for model in models]), seconds)
    return [alone, line("continuum, 3 together", np.array([scores(Ensemble(models))]), [])]


def rival(name: str, make: Callable[[int], Any], train: Any, tests: dict[int, Array], truth: Array) -> str:
    x, y = np.stack(train.samples()).reshape(len(train), -1), np.asarray(train.y)
    found, seconds = [], []
    for seed in SEEDS:
        start = time.perf_counter()
        model = make(seed).fit(x, y)
        seconds.append(time.perf_counter() - start)
        back = [resampled(images, PIXELS[0]).reshape(len(images), -1) for images in tests.values()]
        found.append([model.score(images, truth) for images in back])
    return line(name, np.array(found), seconds)


def line(name: str, scores: Array, seconds: list[float]) -> str:
    spread = scores.std(axis=0, ddof=1) if len(scores) > 1 else np.zeros(len(PIXELS))
    cells = [f"{mean:.3f} ± {s:.3f}" if s else f"{mean:.3f}" for mean, s in zip(scores.mean(axis=0), spread)]
    took = f"{np.median(seconds):8.1f}" if seconds else ""
    return f"{name:24s} {'  '.join(f'{cell:13s}' for cell in cells)} {took}".rstrip()


def main() -> None:
    warnings.simplefilter("ignore")  # scikit-learn's MLP says that it could be trained for longer
    train, test = datasets.load("digits2d")
    images, truth = np.stack(test.samples())[..., 0], np.asarray(test.y)
    tests = {n: images if n == PIXELS[0] else resampled(images, n) for n in PIXELS}
    heads = (f"{n} × {n}" for n in PIXELS)
    lines = [f"{'':24s} {'  '.join(f'{head:13s}' for head in heads)} {'seconds':>8s}"]
    given = train, tests, truth
    lines.append(rival("majority", lambda seed: DummyClassifier(), *given))
    lines.append(rival("ridge", lambda seed: RidgeClassifierCV(np.logspace(-4, 4, 17)), *given))
    lines.append(rival("MLP, 100 hidden", lambda seed: MLPClassifier(random_state=seed), *given))
    lines.append(rival("SVC, gamma 0.001·16²", lambda seed: SVC(gamma=0.256), *given))
    lines += continuum(*given)
    print("\n".join(lines))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
