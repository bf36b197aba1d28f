"""Units: points, samples and targets in the user's own, and the same model whatever these are."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.integrate import trapezoid

from derive.declaration import load_spec
from derive.errors import CheckpointError, ContinuumWarning, DataError, SpecError
from derive.spec import digest, from_dict, to_dict
from numerics import Continuum, Ensemble, cross_validate, fit, load, project, refine
from numerics.command.main import main
from numerics.datasets import records
from numerics.model import file_format
from numerics.model.units import PLAIN, Scale, Units, learned
from tests.builders import CIRCLE, FUNCTION, LIFTED, ONCE, THREE, declare, random_model
from tests.oracles.records_in_units import CLASSES, NUMBERS, RNG, XI, X, scaled, trained

# --- the same model, whatever the units ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["standard", "robust"])
@pytest.mark.parametrize(
    ("declared", "y"),
    [
        (declare(), CLASSES),
        (NUMBERS, RNG.standard_normal((12, 2))),
        ({**LIFTED, "readout": {"outputs": 2}}, RNG.standard_normal((12, 11, 2))),
        ({**FUNCTION, "loss": {"kind": "l2"}}, X[:, ::-1].copy()),
    ],
    ids=["classes", "numbers", "functions", "states"],
)
def test_predictions_follow_the_units(declared: dict[str, Any], y: Any, scale: str) -> None:
    """Trained on a x + c at points p ξ + q, against a′ y + c′: the same predictions in these units."""
    first = trained(scaled(declared, scale), X, y)
    before = first(X, XI)
    for a, c, p, q in ((30.0, 50.0, 6.4, 6.4), (1e4, 2e5, 1e-9, 5e-9), (1e-6, 0.0, 500.0, 1e4)):
        classes = np.asarray(y).dtype.kind == "U"
        slope, shift = (a, c) if declared is FUNCTION or "readout" not in declared else (1e5, -3.0)
        other = trained(scaled(declared, scale), a * X + c, y if classes else slope * y + shift, p * XI + q)
        after = other(a * X + c, p * XI + q)
        back = after if classes else (after - shift) / slope
        size = np.abs(before).max()
        np.testing.assert_allclose(back, before, rtol=0, atol=1e-6 * size)
        at = np.linspace(-1, 1, 7)
        if not first.spec.functional:
            values = (other(a * X + c, p * XI + q, at=p * at + q) - shift) / slope
            np.testing.assert_allclose(values, first(X, XI, at=at), rtol=0, atol=1e-6 * size)


def test_without_a_scale_units_matter() -> None:
    """The property above is one of the scale: without it there is another model."""
    plain = {**declare(), "input": {}}
    first, other = trained(plain, X, CLASSES), trained(plain, 30 * X + 50, CLASSES)
    assert np.abs(first(X, XI) - other(30 * X + 50, XI)).max() > 0.1


def test_declared_domains_are_the_units_of_points() -> None:
    plain = Continuum.from_spec(FUNCTION, seed=3)
    seconds = Continuum.from_spec({**FUNCTION, "input": {"domain": ["2", "27/2"], "unit": "s"}}, seed=3)
    t = 2 + (XI + 1) * 11.5 / 2
    np.testing.assert_allclose(seconds(X, t), plain(X, XI), rtol=0, atol=1e-12)
    np.testing.assert_allclose(seconds(X, t, at=[2.0, 7.75, 13.5]), plain(X, XI, at=[-1, 0, 1]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(seconds(X), plain(X), rtol=0, atol=0)  # samples without points fill the domain
    data = records(X)
    np.testing.assert_allclose(seconds.sample_points(data)[0], np.linspace(2, 13.5, 11), rtol=1e-15)
    np.testing.assert_allclose(seconds.lines()[0][[0, -1]], [2, 13.5])
    states = seconds.trajectory(X, t, at=[4.0])[1], plain.trajectory(X, XI, at=[2 * 2 / 11.5 - 1])[1]
    np.testing.assert_allclose(*states, rtol=0, atol=1e-12)
    assert digest(seconds.spec) == digest(plain.spec)  # nothing is derived anew


def test_states_that_are_records_are_in_their_units() -> None:
    """From the record itself to what the model gives for it; hidden channels have no units."""
    scale = Scale((5.0,), (20.0,), (-1e3,), (1e3,))
    model = Continuum.from_spec(FUNCTION, seed=3).replace(units=Units(None, scale, scale))
    x = 5 + 20 * X
    _, states = model.trajectory(x, XI)
    np.testing.assert_allclose(states[:, -1], model(x, XI), rtol=1e-12)
    _, plain = model.replace(units=Units()).trajectory(X, XI)
    np.testing.assert_allclose(states, 5 + 20 * plain, rtol=1e-12)
    lifted = random_model(LIFTED)
    scaled = lifted.replace(units=Units(None, scale, None))
    np.testing.assert_allclose(scaled.trajectory(x, XI)[1], lifted.trajectory(X, XI)[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("outside", [1.9, 13.6, np.nan])
def test_points_outside_the_domain_are_refused(outside: float) -> None:
    model = Continuum.from_spec({**FUNCTION, "input": {"domain": ["2", "27/2"]}})
    t = [np.linspace(2, 13.5, 11)] * 12
    t[4] = np.sort(np.append(t[4][1:-1], [outside, 5.01]))
    with pytest.raises(DataError, match=r"2 to 13\.5|finite") as caught:
        model(X, t)
    assert caught.value.where == "record 4"
    with pytest.raises(DataError, match=r"2 to 13\.5|finite"):
        model(X, at=[3.0, outside])


def test_domains_of_squares_have_a_pair_an_axis() -> None:
    declared = load_spec("specs/digits2d.toml")
    raw = to_dict(declared)
    raw["units"] = {"domain": [["0", "7"], ["-3", "11"]], "names": ["px", "px"], "scale": "none", "outputs": "none",
                    "missing": "refused"}  # fmt: skip
    model, plain = Continuum.from_spec(from_dict(raw), seed=0), Continuum.from_spec(declared, seed=0)
    x = RNG.standard_normal((2, 5, 6, 1))
    grid = np.linspace(-1, 1, 5), np.linspace(-0.9, 0.8, 6)
    own = 3.5 * (grid[0] + 1), 7 * (grid[1] + 1) - 3
    np.testing.assert_allclose(model(x, own), plain(x, grid), rtol=0, atol=1e-11)
    with pytest.raises(DataError, match="-3 to 11"):
        model(x, (own[0], own[1] + 9))


# --- what training finds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "found"),
    [
        (np.linspace(0, 12.8, 11), ((0.0, 12.8),)),
        (np.linspace(0, 1, 11), ((0.0, 1.0),)),
        (np.linspace(0.02, 0.97, 11), ((0.0, 1.0),)),
        (np.linspace(-0.9, 0.7, 11), None),
        (np.linspace(-1, 1, 11), None),
        (np.linspace(400, 700, 11), ((400.0, 700.0),)),
        (np.linspace(-5, 0.5, 11), ((-5.0, 0.5),)),
    ],
)
def test_the_domain_is_found_in_the_points(points: np.ndarray, found: Any) -> None:
    model = trained(declare(), X, CLASSES, points, epochs=1)
    assert model.units.domain == found
    assert Units.declared(model.spec) == PLAIN


def test_the_domain_holds_all_records_and_the_scale_those_of_training() -> None:
    t = [np.linspace(0, 1 + n, 11) for n in range(12)]
    model = trained(scaled(declare()), X, CLASSES, t, epochs=1, validation=0.5)
    assert model.units.domain == ((0.0, 12.0),)
    kept = np.setdiff1d(np.arange(12), [n for n in range(12) if _held(model, n, t)])
    assert 0 < len(kept) < 12


def _held(model: Continuum, record: int, t: list[np.ndarray]) -> bool:
    """Whether changing a record leaves the scale as it is: then it was held out."""
    x = X.copy()
    x[record] *= 1.5
    other = trained(scaled(declare()), x, CLASSES, t, epochs=1, validation=0.5)
    return other.units.samples == model.units.samples


def test_periods_are_found_where_points_are_equally_spaced() -> None:
    t = 10 + 0.5 * np.arange(8)
    model = fit(Continuum.from_spec(CIRCLE), X[:, :8], X[:, :8], t, epochs=1)
    assert model.units.domain == ((10.0, 14.0),)
    np.testing.assert_allclose(model(X[:, :8], t), model(X[:, :8]), rtol=0, atol=1e-12)
    with pytest.raises(DataError, match="period"):
        fit(Continuum.from_spec(CIRCLE), X[:, :8], X[:, :8], t**2, epochs=1)


def test_means_are_those_of_the_interpolants() -> None:
    """Against NumPy's trapezoids on records that go on as constants to the ends of the domain."""
    data = records([row[: 5 + n % 4] for n, row in enumerate(X)], xi=[np.sort(RNG.uniform(-1, 1, 5 + n % 4)) for n in
                                                                  range(12)])  # fmt: skip
    spec = load_spec(scaled(declare()))
    found = learned(spec, PLAIN, data, np.arange(12)).samples
    assert found is not None
    means = []
    for x, xi in zip(data.samples(), data.points()):
        ends = np.concatenate([[-1], xi, [1]])
        means.append(trapezoid(np.concatenate([x[:1, 0], x[:, 0], x[-1:, 0]]), ends) / 2)
    np.testing.assert_allclose(found.shift, np.mean(means), atol=1e-14)
    assert found.low == (data.x.min(),) and found.high == (data.x.max(),)


@pytest.mark.parametrize("how", ["standard", "robust"])
def test_gaps_do_not_count_in_their_channel(how: str) -> None:
    """A channel with gaps is scaled as the samples that it has would be alone, whatever the other channels have."""
    x = np.stack([X, 3 * X[:, ::-1] + 1], axis=-1)
    x[:, 2:7, 0] = np.nan  # gaps in the middle: what lies beside them counts for them
    x[3, 8:, 1] = np.nan
    declared = {**declare(equation={"channels": 2}), "input": {"scale": how, "missing": "unsampled"}}
    found = learned(load_spec(declared), PLAIN, records(x, xi=XI), np.arange(12)).samples
    alone = {**declare(), "input": {"scale": how}}
    assert found is not None
    for channel in range(2):
        known = np.isfinite(x[:, :, channel])
        own = records([row[k] for row, k in zip(x[:, :, channel], known)], xi=[XI[k] for k in known])
        expected = learned(load_spec(alone), PLAIN, own, np.arange(12)).samples
        assert expected is not None
        assert found.shift[channel] == pytest.approx(expected.shift[0], rel=1e-12)
        assert found.factor[channel] == pytest.approx(expected.factor[0], rel=1e-12)


def test_constant_channels_and_relative_losses() -> None:
    x = np.stack([X, np.full_like(X, 1e9)], axis=-1)
    spec = {**declare(equation={"channels": 2}), "input": {"scale": "standard"}}
    model = trained(spec, x, CLASSES, epochs=1)
    assert model.units.samples is not None and model.units.samples.factor[1] == 1
    relative = {**LIFTED, "readout": {"outputs": 1, "scale": "standard"}, "loss": {"kind": "relative-l2"}}
    y = 40 + 10 * X
    first = trained(relative, X, y, epochs=3)
    assert first.units.targets is not None and first.units.targets.shift == (0.0,)  # ‖y*‖ keeps its zero
    other = trained(relative, X, 1e6 * y, epochs=3)
    np.testing.assert_allclose(other(X, XI) / 1e6, first(X, XI), rtol=1e-7)
    assert first.history[-1]["loss"] == pytest.approx(other.history[-1]["loss"], rel=1e-9)


def test_later_training_keeps_the_units() -> None:
    model = trained(scaled(declare()), X, CLASSES, 3 * XI + 3)
    again = fit(model, 100 * X, CLASSES, 3 * XI + 3, epochs=1)
    assert again.units == model.units


# --- errors in the user's units ----------------------------------------------------------------------------------


def test_errors_are_in_the_units_of_the_targets() -> None:
    y = np.array([1.0, 1e3]) * RNG.standard_normal((12, 2)) + 5
    model = trained(scaled(NUMBERS), X, y)
    gaps = model(X, XI) - y
    scores = model.scores(model.prepare(records(X, xi=XI, y=y)))
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(np.sum(gaps**2, axis=1))), rel=1e-10)


def test_errors_of_functions_are_in_the_units_of_each_channel() -> None:
    """Against the trapezoids of squared differences on a fine grid, channel by channel."""
    xi = np.linspace(-1, 1, 11)
    y = np.stack([X[:, ::-1], 1e3 * X + 7], axis=-1)
    declared = {**LIFTED, "readout": {"outputs": 2, "scale": "standard"}}
    model = trained(declared, X, y, xi)
    fine = np.linspace(-1, 1, 20_001)
    truth = np.stack([[np.interp(fine, xi, y[n, :, c]) for c in range(2)] for n in range(12)]).transpose(0, 2, 1)
    squares = trapezoid((model(X, xi, at=fine) - truth) ** 2, fine, axis=1).sum(axis=1)
    scores = model.scores(model.prepare(records(X, xi=xi, y=y)))
    assert scores["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-6)


def test_ensembles_speak_the_units_of_the_data() -> None:
    y = 1e3 * RNG.standard_normal((12, 2))
    models = [trained(scaled(NUMBERS), X[rows], y[rows]) for rows in (slice(0, 8), slice(4, 12))]
    assert models[0].units != models[1].units
    ensemble = Ensemble(models)
    mean = (models[0](X, XI) + models[1](X, XI)) / 2
    np.testing.assert_allclose(ensemble(X, XI), mean, rtol=1e-13)
    scores = ensemble.scores(ensemble.prepare(records(X, xi=XI, y=y)))
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(np.sum((mean - y) ** 2, axis=1))), rel=1e-10)


def test_records_far_outside_are_remarked_on() -> None:
    model = trained(scaled(declare()), X, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(1.2 * X, XI)
    with pytest.warns(ContinuumWarning, match="other units"):
        model(1000 * X, XI)


# --- files, levels, folds ---------------------------------------------------------------------------------------


def test_files_hold_the_units(tmp_path: Path) -> None:
    declared = scaled(declare(levels={"fine": {"integration": {"steps": 8}}}), unit="s")
    t = 3 * XI + 3
    model = trained(declared, X, CLASSES, t)
    model.save(tmp_path / "m.npz")
    back = load(tmp_path / "m.npz")
    assert back.units == model.units and np.array_equal(back(X, t), model(X, t))
    fine = refine(back, "fine")
    assert fine.units == model.units and project(fine, "base", X, CLASSES, t).units == model.units
    plain = Continuum.from_spec(declare())
    plain.save(tmp_path / "plain.npz")
    header, arrays = file_format.read(tmp_path / "plain.npz")
    assert "units" not in header and "units" not in header["spec"]  # files of others stay what they were
    header, arrays = file_format.read(tmp_path / "m.npz")
    for wrong in ({"domain": None}, {**header["units"], "domain": [[0, "x"]]}, {**header["units"], "samples": {}},
                  {**header["units"], "domain": [[0, 1], [0, 1]]}):  # fmt: skip
        file_format.write(tmp_path / "bad.npz", {**json.loads(json.dumps(header)), "units": wrong}, arrays)
        with pytest.raises(CheckpointError):
            load(tmp_path / "bad.npz")


def test_runs_go_on_with_the_same_bits(tmp_path: Path) -> None:
    options = {"epochs": 6, "optimiser": "adam", "seed": 2, "validation": 0.25}
    model = Continuum.from_spec(scaled(declare()), seed=1)
    whole = fit(model, X, CLASSES, 3 * XI, **options)

    def stop(model: Continuum, row: dict[str, Any]) -> bool:
        return bool(row["epoch"] == 3)

    fit(model, X, CLASSES, 3 * XI, **options, callback=stop, out=tmp_path / "run.npz")
    rest = fit(model, X, CLASSES, 3 * XI, **options, out=tmp_path / "run.npz", resume=True)
    assert np.array_equal(rest.coordinates, whole.coordinates) and rest.units == whole.units


def test_folds_have_scales_of_their_own() -> None:
    found = cross_validate(scaled(declare()), 1e4 * X + 2e5, CLASSES, 3 * XI + 5, folds=3, epochs=2)
    plain = cross_validate(scaled(declare()), X, CLASSES, XI, folds=3, epochs=2)
    assert found.mean["loss"] == pytest.approx(plain.mean["loss"], rel=1e-6)


def test_folds_share_the_domain_of_all_records() -> None:
    t = [np.linspace(0, 1 + n, 11) for n in range(12)]  # the longest record is held out once
    assert len(cross_validate(scaled(declare()), X, CLASSES, t, folds=3, epochs=1).scores) == 3


def test_augmentations_see_what_the_user_gave() -> None:
    seen = []

    def augment(data: Any, generator: np.random.Generator) -> Any:
        seen.append((data.x.max(), data.xi.max()))
        return data

    trained(scaled(declare()), 1e3 * X, CLASSES, 3 * XI + 3, epochs=1, augment=augment)
    assert seen[0] == (1e3 * X.max(), 6.0)
    trained(scaled(declare()), X, CLASSES, 3 * XI + 3, epochs=2, thin=0.5, warp=0.2, jitter=0.1)


def test_the_command_line_takes_points_in_their_units(tmp_path: Path) -> None:
    t = np.linspace(0, 12.8, 11)
    np.savez(tmp_path / "d.npz", x=1e4 * X + 2e5, xi=t, y=1e5 * X)
    (tmp_path / "s.toml").write_text(SPEC, encoding="utf-8")
    run = CliRunner()
    data, model = str(tmp_path / "d.npz"), str(tmp_path / "m.npz")
    found = run.invoke(main, ["fit", str(tmp_path / "s.toml"), "--data", data, "--out", model, "--epochs", "2"])
    assert found.exit_code == 0, found.output
    assert "0 to 12.8 s" in found.stderr
    np.save(tmp_path / "at.npy", np.array([0.0, 6.4, 12.8]))
    out = str(tmp_path / "y.npz")
    found = run.invoke(main, ["predict", model, "--data", data, "--at", str(tmp_path / "at.npy"), "--out", out])
    assert found.exit_code == 0, found.output
    assert np.load(out)["y"].shape == (12, 3, 1) and np.abs(np.load(out)["y"]).max() > 1e3
    found = run.invoke(main, ["evaluate", model, "--data", data, "--resample", "half", "--json"])
    assert found.exit_code == 0 and json.loads(found.stdout)["rmse"] > 1e3
    np.savez(tmp_path / "ms.npz", x=X, xi=1000 * t)
    found = run.invoke(main, ["predict", model, "--data", str(tmp_path / "ms.npz")])
    assert found.exit_code == 2 and "0 to 12.8" in found.stderr and "ms.npz" in found.stderr


SPEC = """
name = "lines"
[equation]
rate = "residual"
activation = "tanh"
[input]
unit = "s"
scale = "standard"
[lift]
inputs = 1
[state]
basis = { family = "hat", cells = 4 }
[weight]
width_out = { family = "legendre", size = 3 }
width_in = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }
[bias]
width = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }
[integration]
tableau = "heun"
steps = 2
[readout]
outputs = 1
scale = "standard"
[loss]
kind = "l2"
"""

# --- declarations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"domain": ["1", "0"]}, "input.domain"), ({"domain": "12"}, "input.domain"), ({"domain": [1]}, "input.domain"),
        ({"domain": [["0", "1"], ["0", "1"]]}, "input.domain"), ({"unit": 3}, "input.unit"),
        ({"unit": "a" * 30}, "input.unit"), ({"scale": "minmax"}, "input.scale"),
        ({"missing": "zero"}, "input.missing"),
        ({"missing": "unsampled", "interpolant": "constant"}, "input.missing"),
    ],
)  # fmt: skip
def test_what_makes_no_units_is_refused(table: dict[str, Any], key: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec({**declare(), "input": table})
    assert key in caught.value.where


def test_classes_have_no_scale() -> None:
    with pytest.raises(SpecError, match="no units"):
        load_spec(declare(readout={"scale": "standard"}))
    with pytest.raises(SpecError, match="level"):
        load_spec(declare(levels={"fine": {"input": {"scale": "standard"}}}))


def test_stored_specs_hold_their_units() -> None:
    declared = {**FUNCTION, "input": {"domain": ["0", "64/5"], "unit": "s", "scale": "robust", "missing": "unsampled"}}
    spec = load_spec(declared)
    assert from_dict(json.loads(json.dumps(to_dict(spec)))) == spec
    assert "units" not in to_dict(load_spec({**FUNCTION, "state": {"basis": THREE}, "bias": {"width": THREE,
                                             "depth": ONCE}}))  # fmt: skip


# --- what users meet on the way -------------------------------------------------------------------------------------


def test_records_with_gaps_may_be_left_out_and_held_out() -> None:
    x = X.copy()
    x[5, 4] = np.nan
    data = records(x, CLASSES, XI)
    model = Continuum.from_spec(scaled(declare()), seed=0)
    assert model.prepare(data.take([0, 1, 2])).states.shape[1] == 3  # leave the record out, as the error says
    for seed in range(4):  # whether it is held out or not, it is record 5
        with pytest.raises(DataError, match="x = nan") as caught:
            fit(model, data, epochs=1, validation=0.25, seed=seed)
        assert caught.value.where == "record 5"


def test_targets_that_do_not_fit_are_said_to() -> None:
    model = trained({**LIFTED, "readout": {"outputs": 1, "scale": "standard"}}, X, X)
    with pytest.raises(DataError, match="targets with 2 channels"):
        model.prepare(records(X, np.stack([X, X], axis=-1), XI))
    with pytest.raises(DataError, match="y = nan") as caught:
        records(X, [[0.0, 1.0]] * 3 + [[np.nan, 1.0]] + [[0.0, 1.0]] * 8, XI, y_xi=[-1, 1])
    assert caught.value.where == "record 3"
    with pytest.raises(DataError, match="functions as targets"):
        trained(scaled(NUMBERS), X, X[:, :5], y_xi=np.linspace(-1, 1, 5))


def test_samples_around_a_circle_count_alike() -> None:
    x = RNG.standard_normal((12, 8))
    circle = load_spec({**CIRCLE, "input": {"scale": "standard"}})
    found = learned(circle, PLAIN, records(x), np.arange(12)).samples
    assert found is not None
    np.testing.assert_allclose([found.shift[0], found.factor[0]], [x.mean(), x.std()], rtol=1e-12)


def test_rare_peaks_have_a_robust_scale_too() -> None:
    x = np.zeros((12, 11))
    x[3, 4] = 1e6
    model = trained(scaled(declare(), "robust"), x, CLASSES, epochs=1)
    assert model.units.samples is not None and model.units.samples.factor[0] > 1e3


def test_levels_with_other_lifts_have_no_baselines_of_these(tmp_path: Path) -> None:
    two = {"family": "legendre", "size": 2}
    declared = {**LIFTED, "readout": {"outputs": 1}, "lift": {"inputs": 1, "width": two},
                "levels": {"wide": {"lift": {"width": THREE}}}}  # fmt: skip
    wide = project(trained(declared, X, X), "wide")
    wide.save(tmp_path / "wide.npz")
    assert wide.baselines is None and load(tmp_path / "wide.npz").units == wide.units


def test_a_dry_run_takes_what_the_run_takes(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, xi=np.linspace(0, 12.8, 11), y=X)
    (tmp_path / "s.toml").write_text(SPEC, encoding="utf-8")
    given = ["fit", str(tmp_path / "s.toml"), "--data", str(tmp_path / "d.npz"), "--out", str(tmp_path / "m.npz")]
    found = CliRunner().invoke(main, [*given, "--dry-run", "--json"])
    assert found.exit_code == 0 and json.loads(found.stdout)["records"] == 12
