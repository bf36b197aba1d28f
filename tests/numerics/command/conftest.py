"""Commands as a user types them, in a folder with small records and models."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from numerics import Continuum
from tests.builders import SPEC, bumps, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, its modules, records, a model trained on its base, and one whose outputs are functions."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.toml").write_text(SPEC, encoding="utf-8")
    np.savez(folder / "train.npz", **bumps())
    here = os.getcwd()
    os.chdir(folder)
    try:
        run("generate", "small.toml")
        run("fit", "small.toml", "--data", "train.npz", "--out", "base.npz")
        start, end = SPEC.index("[readout]"), SPEC.index("[loss]")
        text = (SPEC[:start] + SPEC[end:]).replace("cross-entropy", "l2").replace('"small"', '"maps"')
        Path("maps.toml").write_text(text, encoding="utf-8")
        Continuum.from_spec("maps.toml", seed=3).save("maps.npz")
        yield folder
    finally:
        os.chdir(here)


@pytest.fixture(autouse=True)
def inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "place" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("place"))
