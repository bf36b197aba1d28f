"""Perceptrons as continua, for the studies that speak of networks of layers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

import continua as ct
from benchmarks.studies import Number

Array = np.ndarray


def perceptron(widths: Sequence[int], activation: str, seed: int, loss: str = "l2", last: str = "affine") -> Any:
    """The continuum of a random perceptron: weights of variance 2/(width in), biases uniform on ±1/2."""
    generator = np.random.default_rng(seed)
    weights = [generator.standard_normal((o, i)) * np.sqrt(2 / i) for i, o in zip(widths, widths[1:])]
    biases = [generator.uniform(-0.5, 0.5, o) for o in widths[1:]]
    return ct.from_layers(weights, biases, activation, loss=loss, last=last)


def trained(model: Any, x: Array, y: Array, epochs: int, rate: float, **options: Any) -> Any:
    """The model after so many steps of Adam by coefficient, as it is used for perceptrons; its remark is not shown."""
    options = {"optimiser": "adam-coordinatewise", "learning_rate": rate, **options}
    with contextlib.redirect_stderr(io.StringIO()):
        return ct.fit(model, x, y, epochs=epochs, **options)


def of_seeds(what: str, values: Sequence[float] | Array, low: float, high: float) -> Number:
    """The median over seeds, with the spread."""
    return Number(what, float(np.median(values)), low, high, float(np.std(values)))
