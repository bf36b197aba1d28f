"""The checked-in specs on the data that they were written for."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import Continuum, datasets, fit, project
from numerics.datasets import burgers
from numerics.functions.basis import evaluate
from tests.builders import SPECS

pytestmark = pytest.mark.compiled

DATA = {
    "gunpoint": "GunPoint",
    "leaves": "OSULeaf",
    "motions": "BasicMotions",
    "vowels": "JapaneseVowels",
    "digits": "digits",
    "digits2d": "digits2d",
    "custom": "ItalyPowerDemand",
    "mlp": "ArrowHead",
    "stiff": "ItalyPowerDemand",
}
EPOCHS = {"leaves": 12, "digits2d": 10, "motions": 10}  # of the large ones; 40 otherwise


def test_every_spec_has_data_here() -> None:
    assert {path.stem for path in SPECS.glob("*.toml")} == {*DATA, "burgers"}


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_specs_learn_from_their_data_and_move_along_their_levels(name: str) -> None:
    """A few epochs beat the majority class on records that were not trained on; every level can be reached."""
    train, test = datasets.load(DATA[name])
    model = fit(Continuum.from_spec(SPECS / f"{name}.toml", seed=0), train, epochs=EPOCHS.get(name, 40))
    prepared = model.prepare(test)
    majority = np.mean(prepared.labels == np.bincount(model.prepare(train).labels).argmax())
    assert model.scores(prepared)["accuracy"] > majority + 0.1
    for level, _ in model.base.levels:
        moved = project(model, level, records=train)
        assert np.isfinite(moved.report.loss_after)
        assert level in str(moved.report)


@pytest.mark.slow
def test_burgers_is_learnt_at_one_resolution_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few epochs on a few records beat the heat kernel, and finer samples of a record give the same."""
    monkeypatch.setattr(burgers, "TRAINING", 100)
    monkeypatch.setattr(burgers, "TESTING", 50)
    monkeypatch.setattr(burgers, "CHUNK", 60)
    parts = datasets.parts("burgers")
    assert len(parts["train"]) == 100
    model = Continuum.from_spec(SPECS / "burgers.toml", seed=0)
    model = fit(model, parts["train"], epochs=20, batch=10)
    errors = {}
    for name, test in parts.items():
        if name.startswith("test"):
            found = np.asarray(model(test))
            wanted = np.stack(test.targets())
            errors[name] = np.mean(np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1))
    x = np.stack(parts["test"].samples())[:, :, 0]
    decay = np.exp(-0.1 * np.arange(65) ** 2)
    heat = np.fft.irfft(np.fft.rfft(x, axis=1) * decay, axis=1)
    wanted = np.stack(parts["test"].targets())[:, :, 0]
    null = np.mean(np.linalg.norm(heat - wanted, axis=1) / np.linalg.norm(wanted, axis=1))
    assert 0.3 < null < 0.45 and errors["test"] < 0.5 * null
    assert max(errors.values()) <= 1.02 * min(errors.values())


def test_the_functions_of_the_custom_spec_are_the_declared_ones() -> None:
    """What the checked-in module prints of them, branches and exponents included, against NumPy."""
    slab = Continuum.from_spec(SPECS / "custom.toml").representation.slabs[0]
    xi, delta = np.linspace(-1, 1, 41), np.linspace(0, 1, 21)
    width = [1 + 0 * xi, xi, np.abs(xi), np.sin(3 * xi), np.cos(3 * xi), np.exp(-8 * xi**2)]
    depth = [1 + 0 * delta, np.exp(-3 * delta)]
    for role, points, functions in (("weight_out", xi, width), ("weight_depth", delta, depth)):
        assert np.max(np.abs(evaluate(slab.basis(role), points) - np.stack(functions, axis=1))) <= 1e-15
