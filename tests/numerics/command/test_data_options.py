"""The same records in files of every kind, on the command line: the same model, scores and predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from numerics import datasets
from numerics.command import report
from numerics.command.main import main
from numerics.model.checkpoint import load
from numerics.training import cross_validation
from tests.builders import SPEC, bumps, same_records

X, Y = np.round(bumps()["x"], 6), np.array(["left", "right"])[bumps()["y"]]


def run(*arguments: Any, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code and "Traceback" not in result.output, (result.output, result.exception)
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, and records as an archive, a wide table, a long one with its rows in disorder, and as series."""
    found = tmp_path_factory.mktemp("data")
    (found / "small.toml").write_text(SPEC)
    np.savez(found / "a.npz", x=X, y=Y)
    np.savez(found / "timed.npz", x=X, y=Y, xi=np.arange(20.0))
    wide = [["kind", *map(str, range(20))], *([name, *map(str, row)] for name, row in zip(Y, X.tolist()))]
    long = [[f"r{n:02}", str(k), str(X[n, k]), Y[n]] for n in range(12) for k in range(20)]
    np.random.default_rng(0).shuffle(rest := long[1:])
    first = [row for row in long if row[1] == "0"]  # the records in their order
    long = [["who", "n", "s", "kind"], *first, *(row for row in rest if row[1] != "0")]
    series = ["@classLabel true left right", "@data", *(",".join(map(str, x)) + f":{y}" for x, y in zip(X.tolist(), Y))]
    (found / "wide.csv").write_text("\n".join(map(",".join, wide)))
    (found / "long.csv").write_text("\n".join(map(",".join, long)))
    (found / "a.ts").write_text("\n".join(series))
    run("fit", found / "small.toml", "--data", found / "a.npz", "--out", found / "m.npz", "--epochs", "2")
    return found


KINDS = {
    "wide.csv": ("--label", "kind"),
    "long.csv": ("--label", "kind", "--id", "who", "--time", "n"),
    "a.ts": (),
}


@pytest.mark.parametrize("name", KINDS)
def test_files_of_every_kind_train_the_same_model(folder: Path, name: str, tmp_path: Path) -> None:
    data = ("--data", folder / name, *KINDS[name])
    run("fit", folder / "small.toml", *data, "--out", tmp_path / "m.npz", "--epochs", "2")
    model, plain = load(tmp_path / "m.npz"), load(folder / "m.npz")
    if name == "long.csv":  # times are points
        run("fit", folder / "small.toml", "--data", folder / "timed.npz", "--out", tmp_path / "t.npz", "--epochs", "2")
        plain = load(tmp_path / "t.npz")
    assert model.classes == ("left", "right") and np.array_equal(model.coordinates, plain.coordinates)


@pytest.mark.parametrize("name", ["wide.csv", "a.ts"])
def test_commands_that_read_records(folder: Path, name: str, tmp_path: Path) -> None:
    data, plain = ("--data", folder / name, *KINDS[name]), ("--data", folder / "a.npz")
    model = folder / "m.npz"
    for command in (("evaluate", model), ("predict", model)):
        assert json.loads(run(*command, *data, "--json")) == json.loads(run(*command, *plain, "--json"))
    run("refine", model, "--level", "fine", *data, "--out", tmp_path / "fine.npz")
    run("project", tmp_path / "fine.npz", "--level", "pocket", *data, "--out", tmp_path / "pocket.npz")
    run("fit", folder / "small.toml", *data, "--out", tmp_path / "x.npz", "--dry-run")


def test_predictions_name_the_records_as_the_table_does(folder: Path, tmp_path: Path) -> None:
    named = [["who", *map(str, range(20))], *([f"p{n}", *map(str, row)] for n, row in enumerate(X.tolist()))]
    (tmp_path / "named.csv").write_text("\n".join(map(",".join, named)))
    predict = ("predict", folder / "m.npz", "--data", tmp_path / "named.csv", "--id", "who")
    run(*predict, "--out", tmp_path / "p.csv")
    rows = (tmp_path / "p.csv").read_text().splitlines()[1:]
    expected = [f"p{n}" for n in range(12)]
    assert [row.split(",")[0] for row in rows] == [line.split()[0] for line in run(*predict).splitlines()] == expected
    assert json.loads(run(*predict, "--json"))["record"] == expected
    found = datasets.read(folder / "long.csv", label="kind", id="who", time="n")
    assert found.take([3, 1]).names == ("r03", "r01")


def test_pages_and_folds_take_tables_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn, and scored on folds, are the records; how is tested elsewhere, and takes seconds."""
    met: list[datasets.Records] = []

    def score(spec: Any, data: datasets.Records, **options: Any) -> Any:
        met.append(data)
        return cross_validation.CrossValidation(({"loss": 1.0}, {"loss": 2.0}))

    monkeypatch.setattr(report, "model_page", lambda model, data: met.append(data) or "a page")
    monkeypatch.setattr(cross_validation, "cross_validate", score)
    data = ("--data", folder / "wide.csv", "--label", "kind")
    run("plot", folder / "m.npz", *data, "--out", tmp_path / "m.html")
    run("cross-validate", folder / "small.toml", *data, "--folds", "2", "--json")
    assert len(met) == 2 and all(same_records(found, datasets.records(X, y=Y)) for found in met)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "m.npz")
    wide, long = folder / "wide.csv", folder / "long.csv"
    for command in (("fit", folder / "small.toml", *out), ("evaluate", folder / "m.npz")):
        error = run(*command, "--data", wide, code=2)
        assert "--label kind" in error and str(wide) in error
    assert "did you mean 'kind'" in run("fit", folder / "small.toml", "--data", wide, "--label", "kimd", *out, code=2)
    assert "leave them out" in run("evaluate", folder / "m.npz", "--data", folder / "a.ts", "--label", "y", code=2)
    assert "name columns of --data" in run("plot", folder / "m.npz", "--label", "kind", code=2)
    error = run("evaluate", folder / "m.npz", "--data", long, "--label", "kind", code=2)
    assert "a column 'who' of text" in error
    (tmp_path / "x.csv").write_text("0,1,2\n1,2,3\n")
    error = run("evaluate", folder / "m.npz", "--data", tmp_path / "x.csv", code=2)
    assert "records without targets" in error and "--label was left out" in error
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_list_names_the_data_sets() -> None:
    found = json.loads(run("list", "data", "--json"))
    assert tuple(found) == datasets.names() and found["gunpoint"].startswith("GunPoint (UCR archive)")
    assert all(name in run("list", "data") for name in found)
