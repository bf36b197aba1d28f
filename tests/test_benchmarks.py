"""Benchmarks take minutes and are not run here; that they still speak to the present code is."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from numerics.datasets import records

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def loaded(name: str) -> ModuleType:
    """A benchmark as its command would load it, with its own folder on the path."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.py")))
def test_every_benchmark_loads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    assert loaded(name).__doc__


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "digits", "burgers"])
def test_steps_are_timed_for_classes_and_for_functions(name: str) -> None:
    checkout = loaded("steps").Checkout(FOLDER.parent)
    clock, _ = checkout.seconds(name, 1)
    checkout.process.communicate()
    assert clock > 0


@pytest.mark.slow
def test_random_fields_give_every_class_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    shares = loaded("shares")
    train = records(np.random.default_rng(0).standard_normal((6, 40)), y=["a", "b", "c"] * 2)
    model = shares.drawn(train, 0)
    assert np.asarray(model(train)).shape == (6, 3)
    assert model.units.samples is not None
