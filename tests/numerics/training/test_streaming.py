"""Training, scores and outputs of records that are read part by part: the bits of those in memory, in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from derive.errors import CheckpointError, DataError, TrainingError
from numerics import Continuum, Ensemble, cross_validate, evaluate, fit, load, predict, stores
from numerics.command.main import main
from numerics.datasets import record, records
from numerics.training.job import digest
from tests.builders import FUNCTION, LIFTED, NUMBERS, ROOT, SPEC, bumps

BUMPS = bumps(30)
X, Y = BUMPS["x"], BUMPS["y"]
XI = np.sort(np.random.default_rng(1).uniform(-1, 1, X.shape), axis=1)


@pytest.fixture(autouse=True)
def _small_parts() -> Any:
    """Four records at once."""
    with mock.patch.object(record, "AT_ONCE", 4 * X.shape[1]):
        yield


@pytest.fixture
def mapped(tmp_path: Path) -> Any:
    def made(array: np.ndarray) -> np.ndarray:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]

    return made


SCALED = {
    **NUMBERS, "input": {"scale": "standard"}, "readout": {**NUMBERS["readout"], "scale": "standard"},
    "loss": {"kind": "l2"},
}  # fmt: skip
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "classes": (tomllib.loads(SPEC), {"y": Y}),
    "balanced": ({**NUMBERS, "loss": {"kind": "cross-entropy", "class_weights": "balanced"}}, {"y": Y + (X[:, 0] > 0)}),
    "one-hot": (NUMBERS, {"y": np.eye(3)[np.arange(30) % 3]}),
    "numbers": ({**NUMBERS, "loss": {"kind": "l2"}}, {"y": X[:, :3]}),
    "scaled numbers": (SCALED, {"y": 1e3 * X[:, :3] + 7}),
    "functions": (FUNCTION, {"y": np.tanh(X)[:, :, None]}),
    "a lift, points of every record": (LIFTED, {"y": np.stack([X, -X], axis=2), "xi": XI}),
}


@pytest.mark.parametrize("options", [{"batch": 7}, {"batch": 7, "validation": 0.3}, {"optimiser": "lbfgs"}], ids=str)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.first(1)
def test_a_run_has_the_bits_of_one_in_memory(case: str, options: dict[str, Any], mapped: Any) -> None:
    declared, given = CASES[case]
    there = {name: mapped(array) for name, array in given.items()}
    model = Continuum.from_spec(declared)
    one = fit(model, X, epochs=2, **given, **options)
    other = fit(model, mapped(X), epochs=2, **there, **options)
    assert one.history[-1]["loss"] == other.history[-1]["loss"]
    np.testing.assert_array_equal(other.coordinates, one.coordinates)
    assert evaluate(other, mapped(X), **there) == evaluate(one, X, **given)
    np.testing.assert_array_equal(other(mapped(X), there.get("xi")), one(X, given.get("xi")))
    assert other.training is not None and one.training is not None
    assert other.training["data"] == one.training["data"]


def test_parts_of_records_in_memory_are_those_of_all_at_once() -> None:
    model = Continuum.from_spec(tomllib.loads(SPEC))
    data = records(X, y=Y)
    prepared = model.prepare(data)
    with mock.patch.object(record, "AT_ONCE", 1 << 21):
        whole = model.prepare(data)
        assert len(data.cuts) == 1 and len(list(whole.parts)) == 1
        expected = digest(data), model.scores(whole), model(X)
    np.testing.assert_allclose(prepared.states, whole.states, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(prepared.targets, whole.targets)
    assert len(list(prepared.parts)) == 4  # eight of six coefficients
    assert digest(data) == expected[0]
    assert model.scores(prepared) == pytest.approx(expected[1], rel=1e-14)
    np.testing.assert_allclose(model(X), expected[2], rtol=0, atol=1e-14)


def test_a_run_goes_on_with_the_records_in_another_place(mapped: Any, tmp_path: Path) -> None:
    model, out = Continuum.from_spec(tomllib.loads(SPEC)), tmp_path / "run.npz"
    whole = fit(model, X, Y, epochs=3, batch=8)
    fit(model, mapped(X), Y, epochs=3, batch=8, out=out, callback=lambda m, row: row["epoch"] == 1)
    np.testing.assert_array_equal(fit(model, X, Y, out=out, resume=True).coordinates, whole.coordinates)
    fit(model, X, Y, epochs=3, batch=8, out=out, callback=lambda m, row: row["epoch"] == 2)
    np.testing.assert_array_equal(fit(model, mapped(X), Y, out=out, resume=True).coordinates, whole.coordinates)
    with pytest.raises(CheckpointError, match="the records"):
        fit(model, mapped(X + 1), Y, out=out, resume=True)


def test_what_is_refused(mapped: Any) -> None:
    model = Continuum.from_spec(tomllib.loads(SPEC))
    for change in ({"thin": 0.5}, {"augment": lambda data, generator: data}):
        with pytest.raises(TrainingError, match="read part by part"):
            fit(model, mapped(X), Y, epochs=1, **change)
    with pytest.raises(DataError, match="channels") as found:
        fit(model, mapped(np.stack([X, X], axis=2)), Y, epochs=1)
    assert found.value.where == ""
    y = Y.copy()
    y[13] = 7
    with pytest.raises(DataError, match="the class 7") as found:
        fit(model, mapped(X), y, epochs=1)
    assert found.value.where == "record 13"
    spoilt = X.copy()
    spoilt[25, 0] = np.inf
    with pytest.raises(DataError, match="x = inf") as found:
        fit(model, mapped(spoilt), Y, epochs=1)
    assert found.value.where == "record 25"


def test_folds_and_ensembles_of_mapped_records(mapped: Any) -> None:
    declared = tomllib.loads(SPEC)
    assert cross_validate(declared, mapped(X), Y, folds=3, epochs=2) == cross_validate(
        declared, X, Y, folds=3, epochs=2
    )
    both = Ensemble([Continuum.from_spec(declared, seed=seed) for seed in (0, 1)])
    assert evaluate(both, mapped(X), Y) == evaluate(both, X, Y)
    np.testing.assert_array_equal(both(mapped(X)), both(X))


@pytest.mark.parametrize("suffix", [".npz", ".zarr"])
def test_outputs_are_written_part_by_part(suffix: str, mapped: Any, tmp_path: Path) -> None:
    functions, classes = Continuum.from_spec(FUNCTION), Continuum.from_spec(tomllib.loads(SPEC))
    at = np.linspace(-1, 1, 5)
    for model, options, names in (
        (functions, {}, {"y"}), (functions, {"at": at}, {"y", "xi"}), (classes, {}, {"y", "label"}),
    ):  # fmt: skip
        expected = model(X, **options)
        for x in (X, mapped(X)):
            out = tmp_path / f"{len(list(tmp_path.iterdir()))}{suffix}"
            assert predict(model, x, out=out, **options) is None
            found = dict(np.load(out)) if suffix == ".npz" else stores.opened(out)
            assert set(found) == names
            np.testing.assert_array_equal(np.asarray(found["y"]), expected)
            if "label" in names:
                np.testing.assert_array_equal(np.asarray(found["label"]), model.labels(expected))
    np.testing.assert_array_equal(predict(functions, mapped(X)), functions(X))


@pytest.mark.parametrize("suffix", [".npz", ".zarr"])
def test_names_of_records_are_written_with_outputs(suffix: str, tmp_path: Path) -> None:
    """Of outputs in an array, and behind each other, without a warning of the package that writes them."""
    names = ("p7", "q", "r11")
    classes, functions = Continuum.from_spec(tomllib.loads(SPEC)), Continuum.from_spec(FUNCTION)
    for model, x in ((classes, X[:3]), (functions, [*X[:2], X[2, :5]])):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}{suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predict(model, replace(records(x), names=names), out=out)
        found = dict(np.load(out)) if suffix == ".npz" else stores.opened(out)
        assert np.asarray(found["record"]).tolist() == list(names)


def test_outputs_are_whole_or_absent(mapped: Any, tmp_path: Path) -> None:
    model, spoilt = Continuum.from_spec(FUNCTION), X.copy()
    spoilt[25, 0] = np.nan
    x, folder = mapped(spoilt), tmp_path / "out"
    folder.mkdir()
    for name in ("y.npz", "y.zarr"):
        with pytest.raises(DataError, match="x = nan") as found:
            predict(model, x, out=folder / name)
        assert found.value.where == "record 25" and not list(folder.iterdir())
    for wrong in (folder, 3):
        with pytest.raises(DataError, match="a new file"):
            predict(model, X, out=wrong)
    (folder / "file").touch()
    with pytest.raises(DataError, match="a folder that can be written to"):
        predict(model, X, out=folder / "file" / "y.npz")


def test_the_commands_take_folders(tmp_path: Path) -> None:
    def run(*given: str | Path, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*map(str, given)])
        assert done.exit_code == code, done.output
        return done.stdout

    spec, folder, archive = tmp_path / "small.toml", tmp_path / "data", tmp_path / "data.npz"
    spec.write_text(SPEC)
    folder.mkdir()
    for name, array in BUMPS.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(archive, **BUMPS)
    shown = {}
    for data in (folder, archive):
        model, out = (tmp_path / f"{name}-of-{data.name}.npz" for name in ("model", "outputs"))
        run("fit", spec, "--data", data, "--out", model, "--epochs", "2", "--batch", "8", "--json")
        run("predict", model, "--data", data, "--out", out)
        shown[data] = run("evaluate", model, "--data", data), run("predict", model, "--data", data), np.load(out)["y"]
        shown[data] += (load(model).coordinates,)
    for one, other in zip(shown[folder], shown[archive]):
        np.testing.assert_array_equal(one, other)
    run("refine", tmp_path / "model-of-data.npz", "--level", "fine", "--data", folder, "--out", tmp_path / "fine.npz")
    np.save(folder / "x.npy", np.where(np.arange(30)[:, None] == 19, np.nan, X))
    done = CliRunner().invoke(main, ["evaluate", str(tmp_path / "fine.npz"), "--data", str(folder)])
    assert done.exit_code == 2 and "record 19" in done.output


LIMITED = """
import os, resource, sys, tomllib
import numpy as np
from numerics import Continuum, evaluate, fit, predict
from tests.builders import SPEC, bumps

def held():
    with open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData"))

def mapped(name, count, points):
    return np.lib.format.open_memmap(f"{sys.argv[1]}/{name}.npy", mode="w+", dtype=np.float64, shape=(count, points))

model, few = Continuum.from_spec(tomllib.loads(SPEC)), mapped("few", 300, 64)
few[:] = bumps(300, 64)["x"]
out = sys.argv[1] + "/y.npz"
predict(fit(model, few, bumps(300)["y"], epochs=1, batch=128, validation=0.2), few, out=out)  # all is compiled then
limit = held() + (64 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
count = 4 * limit // (8 * 2048)
x = mapped("many", count, 2048)
x[::1000, :1024] = 1
assert os.path.getsize(sys.argv[1] + "/many.npy") >= 4 * limit
trained = fit(model, x, np.arange(count) % 2, epochs=1, batch=8192, validation=0.2)
predict(trained, x, out=out)
assert np.load(out)["y"].shape == (count, 2) and len(trained.history) == 1
try:
    np.array(x)
except MemoryError:
    print("the file does not fit")
"""


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_file_four_times_the_memory_that_is_allowed(tmp_path: Path) -> None:
    """The file is mostly a hole, so that it takes no room on the disk."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CONTINUA_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "the file does not fit"


def test_medians_of_what_is_read_part_by_part_are_refused(mapped: Any) -> None:
    robust = {**SCALED, "readout": {**SCALED["readout"], "scale": "robust"}}
    with pytest.raises(DataError, match="medians"):
        fit(Continuum.from_spec(robust), mapped(X), mapped(X[:, :3]), epochs=1)
