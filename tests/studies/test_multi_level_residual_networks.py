"""The mathematics of the study: its NumPy network and the continuum, copies and the next level, shares of work."""

from __future__ import annotations

import numpy as np
import pytest

import continua as ct
from benchmarks.studies import multi_level_residual_networks as study


@pytest.fixture(scope="module")
def model() -> ct.Continuum:
    return ct.Continuum.from_spec({**study.declared(), "precision": "float64"}, seed=3)


IMAGES = np.random.default_rng(1).random((5, 8, 8))


def test_the_network_in_numpy_is_the_continuum(model: ct.Continuum) -> None:
    np.testing.assert_allclose(study.run(model, IMAGES, 1.0), model(IMAGES[..., None]), atol=1e-12)


def test_the_next_level_is_copies_with_halved_steps(model: ct.Continuum) -> None:
    twice = study.doubled(model)
    assert twice.level == "eight"
    np.testing.assert_allclose(study.run(model, IMAGES, 0.5, copies=2), twice(IMAGES[..., None]), atol=1e-12)
    assert np.abs(twice(IMAGES[..., None]) - model(IMAGES[..., None])).max() > 1e-6  # the solver moves


def test_shares_of_work_are_those_of_the_paper() -> None:
    assert 1 - study.share(1) == pytest.approx(1 / 4)
    assert 1 - study.share(2) == pytest.approx(5 / 12)
    assert 1 - study.share(3) == pytest.approx(17 / 32)


def test_work_until_a_loss_is_that_of_the_finest_level() -> None:
    rows = (("base", 0.1, 1.0, 1.0), ("sixteen", 0.5, 3.0, 2.0), ("sixteen", 0.2, 5.0, 3.0))
    found = study.Trained(None, rows)  # type: ignore[arg-type]
    assert found.until(0.3) == (5.0, 3.0)
    assert found.until(0.01) == (np.inf, np.inf)
    assert found.work == (5.0, 3.0)
