"""Declarations, models and records that tests share."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from weakref import WeakValueDictionary

import numpy as np
import pytest
from click.testing import CliRunner

from derive.declaration import load_spec
from derive.errors import ContinuumWarning, DataError
from numerics.datasets import Records, records
from numerics.kernels import bind, compile, rehearsal
from numerics.model.continuum import Continuum
from numerics.representation.folders import load_module
from tests.oracles.exact import CONSTANT, RATE, Manufactured

ROOT = Path(__file__).resolve().parents[1]
SPECS = ROOT / "specs"

P0 = {"family": "p0", "cells": 5}
LEGENDRE = {"family": "legendre", "size": 5}
HAT = {"family": "hat", "cells": 4}
BSPLINE = {"family": "bspline", "degree": 2, "cells": 3}
FOURIER = {"family": "fourier", "size": 5}


def declare(**changes: object) -> dict:
    spec = {
        "name": "test",
        "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2", "channels": 1},
        "state": {"basis": LEGENDRE},
        "weight": {"width_out": HAT, "width_in": BSPLINE, "depth": {"family": "p0", "cells": 2}},
        "bias": {"width": HAT, "depth": {"family": "hat", "cells": 1}},
        "integration": {"tableau": "heun", "steps": 4},
        "readout": {"outputs": 3, "basis": {"family": "legendre", "size": 3}},
        "loss": {"kind": "cross-entropy"},
    }
    for key, value in changes.items():
        spec[key] = {**spec.get(key, {}), **value} if isinstance(value, dict) else value  # type: ignore[dict-item]
    return spec


def random_model(declared: dict, seed: int = 0, scale: float = 0.4) -> Continuum:
    model = Continuum.from_spec(load_spec(declared), seed=0)
    generator = np.random.default_rng(seed)
    return model.with_coordinates(generator.standard_normal(model.size) * scale)


def manufactured(problem: Manufactured, state: dict[str, Any], tableau: str, steps: int) -> tuple[Continuum, Records]:
    """The fields of a problem whose loss is known, on a solver, and its records."""
    three = {"family": "legendre", "size": 3}
    depth = {"family": "legendre", "size": 2}
    declared = {
        "name": "manufactured",
        "equation": {"rate": RATE, "spacing": "1"},
        "state": {"basis": state},
        "weight": {"width_out": three, "width_in": three, "depth": depth},
        "bias": {"width": three, "depth": depth},
        "integration": {"tableau": tableau, "steps": steps},
        "readout": {"outputs": 2, "basis": three},
        "loss": {"kind": "cross-entropy"},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ContinuumWarning)  # of steps that would not see all that training changes
        model = Continuum.from_fields(
            declared, W=problem.weight, b=problem.bias, R=problem.readout, a=CONSTANT
        )
    return model, records(problem.samples, y=problem.labels)


# --- the smallest models of every kind: their output is a function, or numbers; a circle; with symmetry, lift, aliasing

ONCE: dict[str, Any] = {"family": "p0", "cells": 1}
THREE: dict[str, Any] = {"family": "legendre", "size": 3}
FUNCTION: dict[str, Any] = {
    "name": "hidden",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "hat", "cells": 4}},
    "weight": {"width_out": THREE, "width_in": THREE, "depth": ONCE},
    "bias": {"width": THREE, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "loss": {"kind": "l2"},
}
NUMBERS: dict[str, Any] = {**FUNCTION, "readout": {"outputs": 3, "basis": THREE}, "loss": {"kind": "cross-entropy"}}
CIRCLE: dict[str, Any] = {
    **FUNCTION,
    "equation": {**FUNCTION["equation"], "periodic": True},
    "state": {"basis": FOURIER},
    "weight": {"width_out": FOURIER, "width_in": FOURIER, "depth": ONCE},
    "bias": {"width": FOURIER, "depth": ONCE},
}
TRANSLATED = {**CIRCLE, "equation": {**CIRCLE["equation"], "symmetry": "translation"}}
LIFTED = {**FUNCTION, "equation": {**FUNCTION["equation"], "channels": 2}, "lift": {"inputs": 1}}
SPECTRAL = {**FUNCTION, "state": {"basis": {"family": "legendre", "size": 6}}}

# --- of all that a model does between samples and outputs, something each

SQUARE = {**FUNCTION, "equation": {**FUNCTION["equation"], "dimension": 2}}
EVERY: dict[str, dict[str, Any]] = {
    "numbers": NUMBERS,
    "function": FUNCTION,
    "lift": {**LIFTED, "readout": {"outputs": 2}},
    "maxima": {**NUMBERS, "readout": {"outputs": 3, "basis": THREE, "maximum": "5"}},
    "shares": {**NUMBERS, "readout": {
        "outputs": 3, "basis": THREE, "shares": {"levels": ["-1/2", "1/3"], "width": "1/2"}}},
    "frequencies": TRANSLATED,
    "square": SQUARE,
    "varying lift": {**LIFTED, "lift": {"inputs": 2, "width": THREE}, "readout": {"outputs": 2, "width": THREE}},
    "gated": {**NUMBERS, "equation": {
        "rate": "tanh(u1)*sigmoid(u2) + max(h, u1)/9", "spacing": "1/2", "channels": 2, "normalise": "1/1000"}},
    "functions": {**NUMBERS, "equation": {
        "rate": "erf(u) + atan(u)/3 + log(1 + exp(u))/9 - h**2/9 + cosh(u)/20", "spacing": "1/2"}},
    "kernel on a square": {**SQUARE, "equation": {
        "rate": "tanh(u)", "spacing": "1/2", "dimension": 2, "reach": "1/2", "local": True},
        "weight": {"kernel": {"family": "hat", "size": 3}, "depth": ONCE}, "bias": {"width": ONCE, "depth": ONCE}},
}  # fmt: skip

# --- a model that the command line trains in a second, and its records

SPEC = """
name = "small"
summary = "Two bumps, told apart"
[equation]
rate = "residual"
activation = "tanh"
spacing = "1/2"
channels = 1
[state]
basis = { family = "legendre", size = 6 }
[weight]
width_out = { family = "legendre", size = 4 }
width_in = { family = "legendre", size = 4 }
depth = { family = "p0", cells = 1 }
[bias]
width = { family = "legendre", size = 4 }
depth = { family = "p0", cells = 1 }
[integration]
tableau = "heun"
steps = 2
[readout]
outputs = 2
basis = { family = "legendre", size = 3 }
[loss]
kind = "cross-entropy"
[training]
epochs = 8
[levels]
fine = { weight = { depth = { family = "p0", cells = 2 } } }
[levels.pocket.weight]
width_out = { family = "legendre", size = 3 }
width_in = { family = "legendre", size = 3 }
"""


def bumps(count: int = 12, points: int = 20) -> dict[str, np.ndarray]:
    """Bumps on the left (class 0) or on the right (class 1), with a little noise."""
    generator = np.random.default_rng(0)
    y = np.arange(count) % 2
    centre = np.where(y == 0, -0.5, 0.5)[:, None]
    x = np.exp(-8 * (np.linspace(-1, 1, points) - centre) ** 2) + 0.05 * generator.standard_normal((count, points))
    return {"x": x, "y": y}


def same_records(first: Records, second: Records) -> bool:
    """Whether two are equal, to the last bit and with the same samples missing."""
    pairs = [(first.x, second.x), (first.offsets, second.offsets), (first.xi, second.xi), (first.y, second.y)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    lost = sum((a is None) != (b is None) for a, b in pairs)
    equal = not lost and all(np.array_equal(a, b, a.dtype.kind == "f") for a, b in known)
    return equal and first.classes == second.classes


def refused(call: Callable[[], Any], *words: str) -> DataError:
    """The error that a call must end in, whose text has these words."""
    with pytest.raises(DataError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    return caught.value


# --- kernels in plain Python --------------------------------------------------------------------------------


def marked(names: Iterable[str], compiled: Collection[str] = (), slow: Collection[str] = ()) -> list[Any]:
    """Parameters of a test by name: some compile kernels, some are left out of `make quick`."""
    marks = ((pytest.mark.compiled, compiled), (pytest.mark.slow, slow))
    return [pytest.param(name, marks=[mark for mark, given in marks if name in given]) for name in names]


@contextmanager
def plain() -> Iterator[None]:
    """Nothing is compiled inside: a kernel's text runs as the Python that it is."""
    with (
        mock.patch.object(compile, "compiled", lambda path, name: getattr(load_module(path), name)),
        mock.patch.object(bind, "_alive", WeakValueDictionary()),  # tables that are bound to kernels
        mock.patch.object(rehearsal, "gradient", lambda *given: None),
        mock.patch.object(rehearsal, "along", lambda *given: None),
    ):
        yield


def run(*arguments: str, code: int = 0) -> str:
    """A command's standard output; it must exit with ``code``, and never with a traceback."""
    from numerics.command.main import main

    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    assert "Traceback" not in result.output
    return result.stdout if code in (0, 1) else result.stderr


def run_examples(page: Path) -> None:
    """What stands in the page's fences of python and sh, in its order; the commands by their names, in this process."""
    from numerics.command.main import main

    names: dict[str, object] = {}
    for language, block in re.findall("```(python|sh)\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        if language == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            done = CliRunner().invoke(main, shlex.split(line)[1:])
            assert done.exit_code == 0, (line, done.output)


def coefficients(model: Continuum) -> dict[str, np.ndarray]:
    """Of every field on the first slab."""
    return {name: f.slabs[0].coefficients for name, f in model.fields.items()}


def untimed(history: Any) -> list[dict[str, Any]]:
    """A run's history without the times that it took."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]
