"""Logistic regression with the face of a continuum, what training depends on of it, and how it dies."""

from __future__ import annotations

import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive.spec import Training
from numerics import datasets
from numerics.functions.field import Block
from numerics.model import checkpoint, file_format
from tests.builders import untimed

Array = np.ndarray

DEFAULTS = Training(epochs=6, learning_rate=0.05)


@dataclass(frozen=True)
class Part:
    x: Array
    y: Array
    states = rows = None

    @property
    def labels(self) -> Array:
        return self.y

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Array) -> Part:
        return Part(self.x[indices], self.y[indices])

    chosen = take


@dataclass(frozen=True, eq=False)
class Classifier:
    """Logistic regression with the face of a continuum: fields W (points,) and a (1,)."""

    coordinates: Array
    history: tuple[dict[str, Any], ...] = ()
    training: dict[str, Any] | None = None
    classes: tuple[str, ...] = ()
    level: str | None = None
    base: str = "classifier"
    solver = None  # nothing along a depth that could be unstable

    @property
    def spec(self) -> Any:
        return types.SimpleNamespace(training=DEFAULTS)

    @property
    def size(self) -> int:
        return len(self.coordinates)

    @property
    def blocks(self) -> tuple[Block, ...]:
        most = self.size - 1
        return Block("W", slice(0, most), ((most,),)), Block("a", slice(most, self.size), ((1,),))

    def with_coordinates(self, coordinates: Array, **changes: Any) -> Classifier:
        return replace(self, coordinates=coordinates, **changes)

    def prepare(self, data: Any) -> Part:
        return Part(np.stack(data.samples())[:, :, 0], data.y)

    def objective(self, part: Part, v: Array) -> tuple[float, Array]:
        z = part.x @ v[:-1] + v[-1]
        loss = np.mean(np.logaddexp(0, z) - part.y * z) + 1e-3 * (v @ v)
        residual = (1 / (1 + np.exp(-z)) - part.y) / len(part)
        return float(loss), np.append(part.x.T @ residual, residual.sum()) + 2e-3 * v

    def scores(self, part: Part) -> dict[str, float]:
        z = part.x @ self.coordinates[:-1] + self.coordinates[-1]
        return {"loss": float(np.mean(np.logaddexp(0, z) - part.y * z)), "accuracy": float(np.mean((z > 0) == part.y))}


def problem(count: int = 41, points: int = 7, seed: int = 0) -> tuple[Classifier, Any]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, points))
    y = (x @ generator.standard_normal(points) + generator.standard_normal(count) > 0).astype(np.int64)
    return Classifier(generator.standard_normal(points + 1)), datasets.records(x, y=y)


@pytest.fixture(autouse=True)
def stand_in_files(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Classifiers go through real files too."""
    if "continuum" in request.fixturenames:
        return

    def save(model: Classifier, path: Path) -> None:
        training = model.training or {}
        arrays = {k: a for k, a in training.items() if isinstance(a, np.ndarray)}
        scalars = {k: a for k, a in training.items() if k not in arrays}
        header = {"history": list(model.history), "training": scalars, "level": model.level, "base": model.base}
        file_format.write(path, header, {"coordinates": model.coordinates, **arrays})

    def load(path: Path) -> Classifier:
        header, arrays = file_format.read(path)
        v = arrays.pop("coordinates")
        training = {**header["training"], **arrays}
        return Classifier(v, tuple(header["history"]), training, level=header["level"], base=header["base"])

    monkeypatch.setattr("numerics.training.resume.save", save)
    monkeypatch.setattr(checkpoint, "load", load)


def same(first: Any, second: Any) -> bool:
    """Equal to the last bit: coordinates, history but for times, and all that a further run would depend on."""
    a, b = ({k: v for k, v in m.training.items() if k != "seconds"} for m in (first, second))
    return (
        np.array_equal(first.coordinates, second.coordinates)
        and untimed(first.history) == untimed(second.history)
        and a.keys() == b.keys()
        and all(np.array_equal(a[key], b[key]) for key in a)
    )


class Killed(Exception):
    pass


def killing(model: Any, after: int) -> Any:
    """The model, dying in the given evaluation of its objective."""
    calls = 0
    kind = type(model)

    class Mortal(kind):
        def objective(self, part: Any, v: Array | None = None) -> tuple[float, Array]:
            nonlocal calls
            calls += 1
            if calls == after:
                raise Killed
            return super().objective(part, v)

    return Mortal(**{name: getattr(model, name) for name in kind.__dataclass_fields__})
