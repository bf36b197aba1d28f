"""The checked-in specs on the data that they were written for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numerics import Continuum, datasets, fit, project

SPECS = Path(__file__).parent.parent.parent / "specs"
DATA = {
    "gunpoint": "GunPoint",
    "vowels": "JapaneseVowels",
    "digits": "digits",
    "custom": "ItalyPowerDemand",
    "mlp": "ArrowHead",
    "stiff": "ItalyPowerDemand",
}


def test_every_spec_has_data_here() -> None:
    assert {path.stem for path in SPECS.glob("*.toml")} == set(DATA)


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_specs_learn_from_their_data_and_move_along_their_levels(name: str) -> None:
    """A few epochs beat the majority class on records that were not trained on; every level can be reached."""
    train, test = datasets.load(DATA[name])
    model = fit(Continuum.from_spec(SPECS / f"{name}.toml", seed=0), train, epochs=40)
    prepared = model.prepare(test)
    majority = np.mean(prepared.labels == np.bincount(model.prepare(train).labels).argmax())
    assert model.scores(prepared)["accuracy"] > majority + 0.1
    for level, _ in model.base.levels:
        moved = project(model, level, records=train)
        assert np.isfinite(moved.report.loss_after)
        assert level in str(moved.report)
