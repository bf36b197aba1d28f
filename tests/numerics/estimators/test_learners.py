"""scikit-learn's estimators: its own checks, its tools around them, and records that it does not know."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.integrate import trapezoid
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

import continua as ct
from derive.errors import ContinuumWarning, DataError, SpecError
from numerics.estimators.choices import Choices
from tests.oracles import sensors

SMALL: dict[str, Any] = {"width": 16, "depth": 2, "epochs": 20, "n_estimators": 1, "random_state": 0}
QUICK: dict[str, Any] = {**SMALL, "width": 6, "epochs": 3}
SAME = {
    "check_sample_weight_equivalence_on_dense_data": "equal to rounding, which L-BFGS magnifies beyond 1e-7; "
    "tests/numerics/training/test_weights.py has the equality"
}


@pytest.fixture(scope="module")
def oscillations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of a sensor (90, 129), their times in seconds, and the names of three states of a machine."""
    return sensors.oscillations(90, seed=0)


# --- scikit-learn -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(
    "estimator",
    [ct.ContinuumClassifier(width=8, n_estimators=1, epochs=30), ct.ToFunctions(),
     ct.ContinuumRegressor(n_estimators=1, epochs=60)],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator: Any) -> None:
    check_estimator(estimator, expected_failed_checks=SAME, on_skip=None)


@pytest.mark.slow
def test_tools_of_scikit_learn_work(oscillations: Any) -> None:
    x, _, y = oscillations
    model = ct.ContinuumClassifier(**QUICK)
    assert len(cross_val_score(model, x, y, cv=3)) == 3
    search = GridSearchCV(make_pipeline(StandardScaler(), clone(model)), {"continuumclassifier__depth": [2, 4]}, cv=2)
    assert search.fit(x, y).best_params_["continuumclassifier__depth"] in (2, 4)
    with parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(model, x, y, cv=3), cross_val_score(model, x, y, cv=3, n_jobs=1))
    rows = ct.ToFunctions(size=6).set_output(transform="pandas").fit_transform(x)
    assert isinstance(rows, pd.DataFrame) and list(rows.columns) == [f"c{n}" for n in range(6)]


@pytest.mark.slow
@pytest.mark.compiled
def test_processes_find_the_estimators(oscillations: Any) -> None:
    x, _, y = oscillations
    model = ct.ContinuumClassifier(**QUICK)
    np.testing.assert_array_equal(cross_val_score(model, x, y, cv=2, n_jobs=2), cross_val_score(model, x, y, cv=2))


def test_copies_predict_the_same_bits(oscillations: Any) -> None:
    import copy
    import pickle

    x, t, y = oscillations
    model = ct.ContinuumClassifier(**QUICK).fit(x, y, t=t)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model).fit(x, y, t=t)):
        assert np.array_equal(other.predict_proba(x, t=t), model.predict_proba(x, t=t))


# --- units, labels and samplings ----------------------------------------------------------------------------------


@pytest.mark.first(1)
@pytest.mark.parametrize(("a", "c"), [(30, 50), (1e4, 2e5)])
def test_neither_offsets_nor_units_matter(oscillations: Any, a: float, c: float) -> None:
    """The silent traps: records times 30, plus 50, as counts of a converter; times in milliseconds."""
    x, t, y = oscillations
    plain = ct.ContinuumClassifier(**SMALL).fit(x, y, t=t)
    other = ct.ContinuumClassifier(**SMALL).fit(a * x + c, y, t=1000 * t + 7)
    np.testing.assert_allclose(other.predict_proba(a * x + c, t=1000 * t + 7), plain.predict_proba(x, t=t), atol=1e-5)
    assert plain.score(x, y) > 0.6 and set(plain.predict(x)) <= {"loose", "fine", "worn"}


def test_large_targets_are_no_trap(oscillations: Any) -> None:
    x, t, _ = oscillations
    y = x[:, :40].mean(axis=1)
    first, other = (ct.ContinuumRegressor(**SMALL).fit(x, k * y, t=t) for k in (1, 1e5))
    np.testing.assert_allclose(other.predict(x, t=t) / 1e5, first.predict(x, t=t), rtol=1e-4)
    assert r2_score(y, first.predict(x, t=t)) > 0.5
    many = ct.ContinuumRegressor(**QUICK).fit(x, np.stack([y, -1e3 * y], axis=1))
    assert many.predict(x).shape == (90, 2)


def test_any_sampling_is_understood(oscillations: Any) -> None:
    """Ragged lists, Series indexed by time, frames with times for columns, every second sample: the same answers."""
    x, t, y = oscillations
    model = ct.ContinuumClassifier(**SMALL).fit(x, y, t=t)
    expected = model.predict_proba(x, t=t)
    series = [pd.Series(row, index=t) for row in x]
    frame = pd.DataFrame(x, columns=t)
    uneven = pd.read_csv(io.StringIO(frame.iloc[:, [*range(0, 60, 3), *range(60, 129)]].to_csv(index=False)))
    assert uneven.columns.dtype != float  # names in a file are texts
    same = model.predict_proba(uneven), model.predict_proba(uneven.to_numpy(), t=uneven.columns.astype(float))
    np.testing.assert_allclose(*same, atol=1e-12)
    for same in (model.predict_proba(x), model.predict_proba(list(x), t=[t] * 90), model.predict_proba(series),
                 model.predict_proba(frame), model.predict_proba(x[:, :, None], t=t)):  # fmt: skip
        np.testing.assert_allclose(same, expected, atol=1e-9)
    half = model.predict_proba(x[:, ::2], t=t[::2])
    assert np.mean(half.argmax(axis=1) == expected.argmax(axis=1)) > 0.9
    ragged = [row[: 129 - n % 5] for n, row in enumerate(x)], [t[: 129 - n % 5] for n in range(90)]
    assert np.mean(model.predict(ragged[0], t=ragged[1]) == model.predict(x, t=t)) > 0.95
    with pytest.raises(ValueError, match="65 features"):
        ct.ContinuumClassifier(**QUICK).fit(x, y).predict(x[:, ::2])  # without times: other columns than in training
    with pytest.raises(DataError, match=r"0 to 12\.8"):
        model.predict(x, t=2 * t)


def test_channels_are_inferred(oscillations: Any) -> None:
    x, t, y = oscillations
    both = np.stack([x, x**2], axis=-1)
    model = ct.ContinuumClassifier(**QUICK).fit(both, y, t=t)
    assert model.model_.spec.channels == 2 and model.predict_proba(both, t=t).shape == (90, 3)
    gaps = both.copy()
    gaps[::3, 5, 1] = np.nan
    with pytest.raises(ValueError, match=r"(?s)NaN.*missing=\"unsampled\""):
        ct.ContinuumClassifier(**QUICK).fit(gaps, y)
    found = ct.ContinuumClassifier(**QUICK, missing="unsampled").fit(gaps, y)
    assert np.isfinite(found.predict_proba(gaps)).all()


@pytest.mark.parametrize(
    "labels", [np.array([3, 1, 7]), np.array([True, False]), np.array(["x", "y"], dtype=object), pd.Series(["u", "v"]),
               pd.Categorical(["low", "high"], categories=["low", "high"]), np.array([2**40, 5], dtype=np.uint64)],
    ids=lambda labels: f"{type(labels).__name__} {labels.dtype}",
)  # fmt: skip
def test_labels_keep_their_names(oscillations: Any, labels: Any) -> None:
    x = oscillations[0][:30]
    y = labels[np.arange(30) % len(labels)] if not isinstance(labels, pd.Series) else labels.repeat(15)
    model = ct.ContinuumClassifier(**QUICK).fit(x, y)
    assert set(model.predict(x).tolist()) <= set(np.asarray(labels).tolist())


# --- weights, stopping, ensembles ----------------------------------------------------------------------------------


def test_weights_of_records_and_classes(oscillations: Any) -> None:
    x, _, y = oscillations
    rare = np.concatenate([np.flatnonzero(y == "worn")[:4], np.flatnonzero(y == "fine")])
    plain = ct.ContinuumClassifier(**SMALL).fit(x[rare], y[rare])
    balanced = ct.ContinuumClassifier(**SMALL, class_weight="balanced").fit(x[rare], y[rare])
    counts = {name: len(rare) / (2 * np.sum(y[rare] == name)) for name in ("worn", "fine")}
    same = ct.ContinuumClassifier(**SMALL).fit(x[rare], y[rare], sample_weight=np.array([counts[k] for k in y[rare]]))
    np.testing.assert_allclose(balanced.predict_proba(x), same.predict_proba(x), atol=1e-12)
    assert balanced.predict_proba(x)[:, 1].mean() > plain.predict_proba(x)[:, 1].mean()


def test_training_stops_early(oscillations: Any) -> None:
    x, _, y = oscillations
    noise = np.random.default_rng(0).permutation(y)  # nothing can be learned
    settings = {**SMALL, "epochs": 60, "validation": 0.3, "patience": 2}
    assert ct.ContinuumClassifier(**settings).fit(x, noise).n_iter_ < 60


def test_several_models_answer_together(oscillations: Any) -> None:
    x, _, y = oscillations
    model = ct.ContinuumClassifier(**{**QUICK, "n_estimators": 3}).fit(x, y)
    shares = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (own(x) for own in model.model_.models)]
    mean = np.mean(shares, axis=0)
    np.testing.assert_allclose(model.predict_proba(x), mean, atol=1e-12)


# --- specs and choices --------------------------------------------------------------------------------------------


def test_a_spec_in_place_of_choices(oscillations: Any) -> None:
    x, _, y = oscillations
    two = np.where(y == "worn", "worn", "other")
    model = ct.ContinuumClassifier("specs/gunpoint.toml", epochs=2, n_estimators=1).fit(x, two)
    assert model.model_.spec.name == "gunpoint" and model.n_iter_ == 2
    cases = (("gunpoint", {"width": 5}, "beside width"), ("vowels", {}, "9"), ("burgers", {}, "cross-entropy"))
    for spec, choices, says in cases:
        with pytest.raises(SpecError, match=says):
            ct.ContinuumClassifier(f"specs/{spec}.toml", **choices).fit(x, two)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"channels": "2"}, {"scale": "minmax"}, {"depth": None}])
def test_choices_that_make_no_model_are_refused(oscillations: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        ct.ContinuumClassifier(**{**QUICK, **wrong}).fit(oscillations[0], oscillations[2])


@pytest.mark.parametrize(
    "choices", [{}, {"periodic": True}, {"reach": "1/4", "width": 6, "channels": 2},
                {"reach": 0.25, "width": 6, "periodic": True, "channels": 2}],
)  # fmt: skip
def test_every_choice_is_a_model(choices: dict[str, Any]) -> None:
    for readout, loss in (({"outputs": 3, "basis": {}}, "cross-entropy"), ({"outputs": 2}, "l2")):
        spec = ct.load_spec(Choices(**choices).declare(1, 30, readout, loss, {"scale": "standard"}))
        assert spec.functional == ("basis" in readout)


# --- functions ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_functions_of_functions_on_grids_of_their_own() -> None:
    """Heat that spreads: sin(kπs) decays like exp(−k²π²τ); the least-squares model is said to be ahead where it is."""
    generator = np.random.default_rng(0)
    s, k = np.linspace(0, 1, 33), np.arange(1, 5)
    a = generator.standard_normal((60, 4)) / k
    out = np.linspace(0, 1, 21)
    x = a @ np.sin(np.pi * np.outer(k, s))
    y = (a * np.exp(-0.02 * (np.pi * k) ** 2)) @ np.sin(np.pi * np.outer(k, out))
    model = ct.ContinuumOperator(width=12, epochs=25, n_estimators=1, random_state=0)
    with pytest.warns(ContinuumWarning, match="the linear model"):
        model.fit(x, y, t=s, t_out=out)
    shown = model.predict(x, t=s, at=out)
    assert shown.shape == (60, 21) and model.predict(x, t=s).shape == (60, 33)
    gaps, spread = trapezoid((shown - y) ** 2, out), trapezoid((y - y.mean(axis=0)) ** 2, out)
    assert model.score(x, y, t=s, t_out=out) == pytest.approx(1 - gaps.sum() / spread.sum(), abs=0.02)
    with pytest.raises(DataError, match="t_out"):
        model.fit(x, y, t=s)
    with pytest.warns(ContinuumWarning, match="the identity"):
        assert ct.ContinuumOperator(**QUICK).fit(x, x, t=s).predict(x[:, ::2], t=s[::2]).shape == (60, 17)


def test_rows_of_functions_make_any_classifier_free_of_the_sampling(oscillations: Any) -> None:
    x, t, y = oscillations
    functions = ct.ToFunctions(size=30).fit(x, t=t)
    classifier = SVC().fit(functions.transform(x, t=t), y)
    ragged = [row[np.r_[0 : 60 + n % 7 : 1, 60 + n % 7 : 129 : 2]] for n, row in enumerate(x)]
    times = [t[np.r_[0 : 60 + n % 7 : 1, 60 + n % 7 : 129 : 2]] for n in range(90)]
    same = classifier.predict(functions.transform(ragged, t=times)) == classifier.predict(functions.transform(x, t=t))
    assert np.mean(same) > 0.95
    rows = functions.transform(x, t=t)
    grid = np.linspace(0, 12.8, 4001)
    linear = np.stack([np.interp(grid, t, row) for row in x[:5]])
    shown = ct.ToFunctions(size=30, at=grid).fit(x, t=t).transform(x[:5], t=t)
    lengths = trapezoid(shown**2, grid, axis=1) * 2 / 12.8  # L2 on [−1, 1], against the coefficients' squares
    np.testing.assert_allclose(np.sum(rows[:5] ** 2, axis=1), lengths, rtol=1e-4)
    assert np.all(trapezoid((shown - linear) ** 2, grid, axis=1) < trapezoid(linear**2, grid, axis=1))
    assert make_pipeline(ct.ToFunctions(), LogisticRegression(max_iter=1000)).fit(x, y).score(x, y) > 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ct.ToFunctions(size=3, periodic=True).fit_transform(x[:, :64]).shape == (90, 3)


@pytest.mark.parametrize(
    "wrong", [{"domain": 5}, {"domain": "ab"}, {"reach": "x"}, {"penalty": float("nan")}, {"width": 2.5}], ids=str
)
def test_choices_are_refused_in_words(oscillations: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        ct.ContinuumClassifier(**{**QUICK, **wrong}).fit(oscillations[0], oscillations[2])
    if "domain" in wrong:
        with pytest.raises(SpecError):
            ct.ToFunctions(**wrong).fit(oscillations[0])


def test_numbers_of_numpy_and_small_penalties_are_taken() -> None:
    chosen = Choices(width=np.int64(6), depth=np.int32(2), penalty=1e-7)
    spec = ct.load_spec(chosen.declare(1, 30, {"outputs": 2, "basis": {}}, "cross-entropy", {}))
    assert spec.entry.size == 6 and float(spec.penalties[0].weight) == 1e-7


def test_scores_take_times(oscillations: Any) -> None:
    x, t, y = oscillations
    uneven = np.r_[0:40, 40:129:3]
    model = ct.ContinuumClassifier(**SMALL).fit(x, y, t=t)
    assert model.score(x[:, uneven], y, t=t[uneven]) == np.mean(model.predict(x[:, uneven], t=t[uneven]) == y)


def test_models_of_an_operator_share_one_scale() -> None:
    x = np.random.default_rng(0).standard_normal((20, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ct.ContinuumOperator(**{**QUICK, "n_estimators": 2, "validation": 0.3}).fit(x, 3 * x + 1)
    first, second = model.model_.models
    assert first.units == second.units and np.isfinite(model.score(x, 3 * x + 1))
    with pytest.raises(DataError, match="no target functions"):
        ct.ContinuumOperator(**QUICK).fit(x, None)
