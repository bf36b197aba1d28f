"""Samples that are missing, and targets that are sampled at points of their own."""

from __future__ import annotations

import numpy as np
import pytest

from derive.errors import DataError
from numerics import Continuum, fit
from numerics.datasets import records
from tests.builders import FUNCTION, LIFTED, declare
from tests.oracles.records_in_units import CLASSES, RNG, XI, X, scaled, trained

# --- missing samples ---------------------------------------------------------------------------------------------


def test_missing_samples_are_points_where_a_channel_was_not_sampled() -> None:
    """Against records of one channel each, with the points that they have."""
    x = np.stack([X, X**2, 1 - X], axis=-1)
    gaps = RNG.uniform(size=x.shape) < 0.3
    gaps[:, [0, 5]] = False
    x[gaps] = np.nan
    declared = {**FUNCTION, "equation": {**FUNCTION["equation"], "channels": 3}}
    with pytest.raises(DataError, match="unsampled"):
        Continuum.from_spec(declared).project_samples(records(x, xi=XI))
    model = Continuum.from_spec({**declared, "input": {"missing": "unsampled"}})
    for xi in (XI, None):
        found = model.project_samples(records(x, xi=xi)).reshape(5, 3, 12)
        where = np.linspace(-1, 1, 11) if xi is None else xi
        one = Continuum.from_spec(FUNCTION)
        for c in range(3):
            known = [np.isfinite(row) for row in x[..., c]]
            alone = records([row[k] for row, k in zip(x[..., c], known)], xi=[where[k] for k in known])
            np.testing.assert_allclose(found[:, c], one.project_samples(alone), atol=1e-13)
    assert np.isfinite(model(x, XI)).all()
    x[3, :, 1] = np.nan
    with pytest.raises(DataError, match="channel 1 without a single sample") as caught:
        model(x, XI)
    assert caught.value.where == "record 3"


def test_gaps_train_like_the_rest() -> None:
    x = np.stack([X, X**2], axis=-1)
    x[2, 4, 1] = x[5, 7, 0] = np.nan
    declared = scaled(declare(equation={"channels": 2}), missing="unsampled")
    model = trained(declared, x, CLASSES, jitter=0.1, thin=0.9)
    assert np.isfinite(model.history[-1]["loss"]) and model(x, XI).shape == (12, 3)


# --- targets at points of their own -------------------------------------------------------------------------------


def test_target_functions_may_be_sampled_elsewhere() -> None:
    """Trained on targets at points of their own: as on the same piecewise-linear functions at points of both."""
    fine = np.unique(np.concatenate([XI, np.linspace(-1, 1, 6)]))
    coarse = RNG.standard_normal((12, 6))
    both = np.stack([np.interp(fine, np.linspace(-1, 1, 6), row) for row in coarse])
    wide = np.stack([np.interp(fine, XI, row) for row in X])
    declared = {**LIFTED, "readout": {"outputs": 1}}
    model = Continuum.from_spec(declared, seed=1)
    apart = records(X, xi=XI, y=coarse, y_xi=np.linspace(-1, 1, 6))
    first, other = model.prepare(apart), model.prepare(records(wide, xi=fine, y=both))
    np.testing.assert_allclose(first.states, other.states, rtol=0, atol=1e-12)
    np.testing.assert_allclose(first.wanted(), other.wanted(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(first.offset, other.offset, rtol=0, atol=1e-12)
    options = {"epochs": 4, "optimiser": "adam", "learning_rate": 0.05, "validation": 0.25}
    trained = fit(model, X, coarse, XI, y_xi=np.linspace(-1, 1, 6), **options)
    again = fit(model, wide, both, fine, **options)
    np.testing.assert_allclose(trained.coordinates, again.coordinates, rtol=0, atol=1e-9)
    assert "elsewhere" in repr(apart) and np.array_equal(apart.take([3, 1]).elsewhere.x[:6, 0], coarse[3])


def test_targets_elsewhere_have_units_too() -> None:
    t, s = 6.4 * (XI + 1), np.linspace(0, 12.8, 6)
    coarse = RNG.standard_normal((12, 6, 1))
    declared = scaled({**LIFTED, "readout": {"outputs": 1}})
    settings = {"epochs": 4, "optimiser": "adam"}
    first = fit(Continuum.from_spec(declared, seed=1), X, coarse, t, y_xi=s, **settings)
    other = fit(Continuum.from_spec(declared, seed=1), X, 1e4 * coarse + 7, t / 1e3, y_xi=s / 1e3, **settings)
    assert first.units.domain == ((0.0, 12.8),)
    np.testing.assert_allclose((other(X, t / 1e3) - 7) / 1e4, first(X, t), rtol=0, atol=1e-8)
    with pytest.raises(DataError, match="y_xi = 13") as caught:
        fit(first, X, coarse, t, y_xi=[s] * 11 + [s + 0.2], epochs=1)
    assert caught.value.where == "record 11"
    for wrong in ({"y": coarse[:5], "y_xi": s}, {"y": None, "y_xi": s}, {"y": coarse[..., None], "y_xi": (s, s)}):
        with pytest.raises(DataError):
            records(X, xi=t, **wrong)
    with pytest.raises(DataError, match="warp"):
        fit(first, X, coarse, t, y_xi=s, epochs=1, warp=0.1)
    fit(first, X, coarse, t, y_xi=s, epochs=1, thin=0.7, jitter=0.1)
