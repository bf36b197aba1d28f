"""Commands as a user types them: the whole path on small records, and what a mistake looks like."""

from __future__ import annotations

import csv
import itertools
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from derive import registry
from numerics import datasets, files, load
from numerics.command import console
from numerics.command.commands.list_ import KINDS
from numerics.command.generation import generated_root
from numerics.command.main import main
from numerics.kernels import threads
from numerics.model.answers import predict
from numerics.model.units import Scale, Units
from tests.builders import ROOT, SPECS, bumps, run


def test_every_command_has_help_with_an_example() -> None:
    for name in main.commands:
        text = run(name, "--help")
        assert f"\n  Example:\n    continua {'data' if name == 'fit' else name}" in text, name


def test_the_promised_commands_are_there() -> None:
    promised = "new list check derive generate data fit refine project evaluate predict show plot doctor demo"
    assert set(promised.split()) <= set(main.commands)


def test_new_writes_a_spec_that_passes_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("new", "waves")
    assert run("check", "waves.toml").startswith("waves: residual, tanh, heun × 4; levels: fine, pocket")
    before = (tmp_path / "waves.toml").read_bytes()
    assert "it exists" in run("new", "waves", code=2)
    assert (tmp_path / "waves.toml").read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_list_names_every_entry(kind: str) -> None:
    assert list(json.loads(run("list", kind, "--json"))) == list(registry.names(kind))
    assert all(name in run("list", kind) for name in registry.names(kind))


@pytest.mark.slow
def test_check_prints_the_resolved_spec(place: Path) -> None:
    found = json.loads(run("check", "small.toml", "--json"))
    assert found["name"] == "small"


@pytest.mark.slow
def test_derive_speaks_of_every_step(place: Path) -> None:
    text = run("derive", "small.toml")
    assert len(text.splitlines()) > 20 and "δ" in text


def test_generate_writes_once_and_check_names_what_is_stale(place: Path, tmp_path: Path) -> None:
    into = str(tmp_path / "modules")
    first = json.loads(run("generate", "small.toml", "--into", into, "--json"))
    assert {"small/cpu.py", "small/tables.npz", "small/manifest.json"} <= set(first["written"])
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "modules" / "small").iterdir()}
    assert json.loads(run("generate", "small.toml", "--into", into, "--json"))["written"] == []
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "modules" / "small").iterdir()}
    assert run("generate", "--check", "small.toml", "--into", into) == ""
    kernel = tmp_path / "modules" / "small" / "cpu.py"
    kernel.write_text(kernel.read_text() + "# edited\n")
    edited = kernel.read_bytes()
    assert "small/cpu.py" in run("generate", "--check", "small.toml", "--into", into, code=1)
    assert kernel.read_bytes() == edited


def test_generate_goes_beside_the_user_outside_a_checkout(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (place / "continua_generated" / "small" / "cpu.py").is_file()
    assert generated_root(("small.toml",)) == Path("continua_generated")
    assert generated_root((str(SPECS / "gunpoint.toml"),)) == ROOT / "generated"
    monkeypatch.setenv("CONTINUA_GENERATED", "elsewhere")
    assert generated_root(("small.toml",)) == Path("elsewhere")


def test_from_training_to_a_projected_model(place: Path) -> None:
    run("refine", "base.npz", "--level", "fine", "--data", "train.npz", "--out", "fine.npz")
    run("fit", "fine.npz", "--data", "train.npz", "--out", "trained.npz", "--epochs", "4")
    text = run("project", "trained.npz", "--level", "pocket", "--data", "train.npz", "--out", "pocket.npz")
    assert "‖W − PW‖" in text and "change by fields" in text
    sizes = [json.loads(run("show", f"{name}.npz", "--json"))["coefficients"] for name in ("base", "fine", "pocket")]
    assert sizes[1] > sizes[0] > sizes[2]
    report = json.loads(
        run(
            "project",
            "trained.npz",
            "--level",
            "pocket",
            "--data",
            "train.npz",
            "--out",
            "again.npz",
            "--json",
        )
    )
    measured = report["loss_after"] - report["loss_before"]
    assert measured == pytest.approx(report["fields_part"] + report["solver_part"], abs=1e-12)
    parts = report["attribution"]
    whole = sum(share["total"] for share in parts["shares"].values())
    assert whole == pytest.approx(report["fields_part"] + parts["defect"], abs=1e-12) and report["loss_solved"] is None


def test_readouts_are_solved_for_after_a_move_and_by_training(place: Path) -> None:
    way = ["--level", "pocket", "--data", "train.npz", "--readout"]
    assert "the readout solved for" in run("project", "base.npz", *way, "--out", "solved.npz")
    assert json.loads(run("evaluate", "solved.npz", "--data", "train.npz", "--json"))["accuracy"] == 1
    run("fit", "small.toml", "--data", "train.npz", "--out", "ridge.npz", "--optimiser", "ridge")
    assert len(load("ridge.npz").history) == 1
    told = run("refine", "base.npz", "--level", "fine", "--readout", "--out", "x.npz", code=2)
    assert "no records with targets" in told


def test_refining_changes_no_prediction(place: Path) -> None:
    run("refine", "base.npz", "--level", "fine", "--out", "same.npz")
    outputs = [json.loads(run("predict", f"{m}.npz", "--data", "train.npz", "--json"))["y"] for m in ("base", "same")]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-12)


def test_refining_to_a_tolerance(place: Path) -> None:
    given = "refine", "base.npz", "--tolerance", "1/100", "--data", "train.npz", "--out", "right.npz"
    text = run(*given, "--page", "errors.html")
    assert text.splitlines()[1].split()[:3] == ["functions", "steps", "loss"] and "within the tolerance 0.01" in text
    page = Path("errors.html").read_text(encoding="utf-8")
    assert "Where they sit" in page and page.count("<img") == 1
    told = json.loads(run(*given, "--json"))
    assert told["level"] == "refined" and abs(told["error"]) <= 0.01 and told["rounds"][-1]["error"] == told["error"]
    loss = json.loads(run("evaluate", "right.npz", "--data", "train.npz", "--json"))["loss"]
    assert loss == pytest.approx(told["rounds"][-1]["loss"], rel=1e-9)
    for wrong in ("--level", "fine"), ("--tolerance", "1/0"), ("--tolerance", "few"):
        run("refine", "base.npz", *wrong, "--tolerance", "1/100", "--out", "no.npz", code=2)
    run("refine", "base.npz", "--level", "fine", "--page", "no.html", "--out", "no.npz", code=2)
    assert not Path("no.npz").exists()


def test_evaluate_agrees_with_predictions(place: Path) -> None:
    run("predict", "base.npz", "--data", "train.npz", "--out", "y.npz")
    with np.load("y.npz") as stored:
        accuracy = np.mean(stored["y"].argmax(axis=1) == bumps()["y"])
    assert json.loads(run("evaluate", "base.npz", "--data", "train.npz", "--json"))["accuracy"] == accuracy


def test_predictions_as_tables(place: Path) -> None:
    """Every number as ``model(x)`` gives it, read by the standard library; points are those of the records."""

    def rows(name: str) -> list[dict[str, str]]:
        with open(name, encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    run("predict", "base.npz", "--data", "train.npz", "--out", "y.csv")
    model, x = load("base.npz"), bumps()["x"]
    scores = model(x)
    table = rows("y.csv")
    assert [int(row["record"]) for row in table] == list(range(len(x)))
    assert [row["label"] for row in table] == [str(k) for k in scores.argmax(axis=1)]
    columns = [f"score of {k}" for k in range(scores.shape[1])]
    np.testing.assert_array_equal([[float(row[name]) for name in columns] for row in table], scores)
    run("predict", "maps.npz", "--data", "train.npz", "--out", "functions.csv")
    table = rows("functions.csv")
    values = load("maps.npz")(x)
    assert [int(row["record"]) for row in table] == np.repeat(np.arange(len(x)), x.shape[1]).tolist()
    np.testing.assert_array_equal([float(row["y"]) for row in table], values.ravel())
    found = np.reshape([float(row["xi"]) for row in table], x.shape)
    np.testing.assert_allclose(found, np.tile(np.linspace(-1, 1, x.shape[1]), (len(x), 1)), atol=1e-15)
    np.save("at.npy", np.array([-1.0, 0.3]))
    run("predict", "maps.npz", "--data", "train.npz", "--at", "at.npy", "--out", "at.csv")
    assert [float(row["xi"]) for row in rows("at.csv")] == [-1.0, 0.3] * len(x)
    predict(load("maps.npz"), x, at=0.5, out="one.csv")
    assert [float(row["xi"]) for row in rows("one.csv")] == [0.5] * len(x)


def test_functions_are_predicted_at_any_points(place: Path) -> None:
    model = load("maps.npz")
    x = bumps()["x"][:2]
    xi = [np.linspace(-1, 1, 20), np.linspace(-0.5, 1, 7)]
    parts = [x[0], x[1][:7]]
    np.savez("ragged.npz", x=np.concatenate(parts), xi=np.concatenate(xi), offsets=[0, 20, 27])
    run("predict", "maps.npz", "--data", "ragged.npz", "--out", "own.npz")
    with np.load("own.npz") as stored:
        for k, values in enumerate(model(parts, xi=xi)):
            np.testing.assert_array_equal(stored["y"][slice(*stored["offsets"][k : k + 2])], values)
        np.testing.assert_array_equal(stored["xi"], np.concatenate(xi))
    np.save("at.npy", np.array([-1.0, 0.3, 1.0]))
    run("predict", "maps.npz", "--data", "ragged.npz", "--at", "at.npy", "--out", "at.npz")
    with np.load("at.npz") as stored:
        assert stored["y"].shape == (2, 3, 1) and stored["xi"].tolist() == [-1.0, 0.3, 1.0]
    for bad in (np.array([0.0, 7.0]), np.zeros((2, 2)), np.array(["a"])):
        np.save("bad.npy", bad)
        run("predict", "maps.npz", "--data", "ragged.npz", "--at", "bad.npy", code=2)
    assert "leave --at out" in run("predict", "base.npz", "--data", "train.npz", "--at", "at.npy", code=2)


@pytest.mark.slow
def test_functions_are_resampled_however_their_targets_are_laid_out(place: Path) -> None:
    """(samples, points) is what `fit` takes too; every second sample of both, scored by hand."""

    x = bumps()["x"]
    np.savez("flat.npz", x=x, y=np.tanh(x))
    np.savez("full.npz", x=x, y=np.tanh(x)[:, :, None])
    run("fit", "maps.toml", "--data", "flat.npz", "--out", "curves.npz", "--epochs", "2", "--thin", "0.5")
    flat, full = (
        json.loads(run("evaluate", "curves.npz", "--data", f"{name}.npz", "--resample", "half", "--json"))
        for name in ("flat", "full")
    )
    assert flat == full
    model, half = load("curves.npz"), np.linspace(-1, 1, 20)[::2]
    scores = model.scores(model.prepare(datasets.records(x[:, ::2], xi=half, y=np.tanh(x)[:, ::2])))
    assert flat["resampled"]["half"]["rmse"] == pytest.approx(scores["rmse"], rel=1e-12)


def test_models_may_be_called_anything(place: Path) -> None:
    run("fit", "small.toml", "--data", "train.npz", "--out", "model.ckpt", "--epochs", "2")
    run("fit", "model.ckpt", "--data", "train.npz", "--out", "longer.ckpt", "--epochs", "2")
    assert json.loads(run("show", "longer.ckpt", "--json"))["history"][0]["epochs"] == 4
    Path("cut.ckpt").write_bytes(Path("model.ckpt").read_bytes()[:2000])
    assert "CheckpointError" in run("fit", "cut.ckpt", "--data", "train.npz", "--out", "no.npz", code=2)


def test_files_are_what_their_names_say(place: Path) -> None:
    for command, kind in (
        (("predict", "base.npz", "--data", "train.npz", "--out", "p.parquet"), ".npz"),
        (("export", "base.npz", "--out", "network.json"), ".npz or .onnx"),
        (("plot", "base.npz", "--out", "page.png"), ".html"),
        (("verify", "small.toml", "--html", "page.pdf"), ".html"),
        (("derive", "--tableau", "rk4", "--plot", "picture.doc"), ".png or .svg or .pdf"),
    ):
        said = run(*command, code=2)
        assert f"a name that ends in {kind}" in said and not Path(command[-1]).exists()
        assert str(Path(command[-1]).with_suffix(kind.split()[0])) in said
    run("predict", "base.npz", "--data", "train.npz", "--out", "P.NPZ")
    run("predict", "base.npz", "--data", "train.npz", "--out", "p")
    with np.load("P.NPZ") as first, np.load("p") as second:
        assert np.array_equal(first["y"], second["y"])


def test_points_in_other_files_are_refused_with_what_helps(place: Path) -> None:
    np.save("rows.npy", np.zeros((2, 3)))
    np.savez("points.npz", xi=np.zeros(3))
    Path("points.csv").write_text("0.1,0.2\n", encoding="utf-8")
    for name, words in (("rows.npy", "shape (2, 3)"), ("points.npz", "several arrays"), ("points.csv", "not an .npy")):
        said = run("predict", "maps.npz", "--data", "train.npz", "--at", name, code=2)
        assert words in said and ("np.save(" in said) == (name != "rows.npy")  # which was written with np.save


def test_show_says_equation_sizes_and_history(place: Path) -> None:
    text = run("show", "base.npz")
    assert "∂h/∂δ" in text and "f(u)/Δ" in text and "trained at base: 8 epochs" in text
    assert "outputs ∫ R_k(ξ) h(ξ, 1) dξ + a_k, k = 1 …" in text
    assert "output h(ξ, 1), loss l2" in run("show", "maps.npz")


def test_show_tells_the_units(place: Path) -> None:
    model = load(place / "base.npz")
    scale = Scale((20.0,), (4.0,), (0.0,), (1.0,))
    model.replace(units=Units(((0.0, 12.0),), scale, None)).save(place / "units.npz")
    text, facts = run("show", "units.npz"), json.loads(run("show", "units.npz", "--json"))
    assert "points from 0 to 12" in text and "samples x = 4 z + 20" in text and "targets" not in text
    assert facts["points"] == "0 to 12" and facts["samples"] == [[20.0, 4.0]] and facts["targets"] is None
    assert "points from" not in run("show", "base.npz")


@pytest.mark.slow
def test_plot_is_one_page(place: Path) -> None:
    run("plot", "base.npz", "--data", "train.npz", "--out", "page.html")
    assert "data:image/png;base64," in (place / "page.html").read_text(encoding="utf-8")


def test_dry_run_writes_nothing(place: Path) -> None:
    before = sorted(place.iterdir())
    assert "coefficients" in run("fit", "small.toml", "--data", "train.npz", "--out", "no.npz", "--dry-run")
    assert sorted(place.iterdir()) == before


def test_a_dry_run_counts_the_products_of_a_step(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Gauss–Newton fifty at most, each as long as two gradients; with a clock that a gradient takes to go one on."""
    ticks = itertools.count()
    clock = types.SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(sys.modules["numerics.command.commands.fit"], "time", clock)
    given = ["fit", "small.toml", "--data", "train.npz", "--out", "no.npz", "--dry-run", "--json", "--optimiser"]
    newton, adam = (json.loads(run(*given, name)) for name in ("gauss-newton", "adam"))
    assert newton["gradients an epoch, at most"] == 101 and "gradients an epoch, at most" not in adam
    assert newton["seconds an epoch"] == 101
    ridge, thinned = (json.loads(run(*given, "ridge", *more)) for more in ([], ["--thin", "0.5"]))
    assert ridge["epochs"] == thinned["epochs"] == 1 and ridge["seconds in all"] == ridge["seconds an epoch"] == 2
    assert "versions of a record" not in ridge and thinned["versions of a record"] == 1 + 8
    assert thinned["seconds in all"] == 2 * 9


PEAK = """
import resource, sys
from numerics.command.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, file=sys.stderr)
"""


@pytest.mark.slow
def test_a_dry_run_says_how_much_memory_training_takes(place: Path) -> None:
    command = [sys.executable, "-c", PEAK, "fit", "small.toml", "--data", "train.npz", "--out", "m.npz", "--json"]
    _, dry, real = (  # the first one compiles
        subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        for more in (["--out", "first.npz"], ["--dry-run"], [])
    )
    for name in ("first.npz", "m.npz"):
        (place / name).unlink()
    assert json.loads(dry.stdout)["memory (MiB)"] == pytest.approx(float(real.stderr.split()[-1]), rel=0.15)


def test_what_cannot_fit_is_refused_before_it_is_allocated(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=100))
    monkeypatch.setattr(threads, "LITTLE", 0)
    said = run("fit", "small.toml", "--data", "train.npz", "--out", "no.npz", code=2)
    assert "GiB" in said and "training.batch" in said and not (place / "no.npz").exists()


def test_resume_ends_where_one_run_ends(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numerics.training import optimisers

    given = ("fit", "small.toml", "--data", "train.npz", "--epochs", "6", "--batch", "5")
    run(*given, "--out", "whole.npz")
    step, calls = optimisers.step, iter(range(100))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 7:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(optimisers, "step", interrupted)
        said = run(*given, "--out", "parts.npz", code=console.INTERRUPTED)
    assert said.splitlines()[-1].startswith("interrupted in epoch 3") and "parts.npz" in said
    run(*given, "--out", "parts.npz", "--resume")
    outputs = [run("predict", f"{m}.npz", "--data", "train.npz", "--json") for m in ("whole", "parts")]
    assert outputs[0] == outputs[1]


def test_a_strategy_trains_level_after_level(place: Path) -> None:
    given = ("fit", "small.toml", "--data", "train.npz", "--strategy", "nested", "--strategy-levels")
    run(*given, "pocket,base,fine", "--epochs", "6", "--out", "nested.npz")
    shown = run("show", "nested.npz")
    assert "fine" in shown
    dry = json.loads(run(*given, "base,fine", "--out", "no.npz", "--dry-run", "--json"))
    assert "level=fine" in dry["model"] and dry["epochs"] == 8
    said = run(*given, "base,fein", "--out", "no.npz", code=2)
    assert "'fein'" in said and "pocket" in said and "did you mean" in said.lower() and "Traceback" not in said
    said = run(*given[:-1], "--level", "fine", "--out", "no.npz", code=2)
    assert "--level fine with strategy nested" in said and not (place / "no.npz").exists()


def test_data_names_every_data_set(tmp_path: Path) -> None:
    assert all(name in run("list", "data") for name in datasets.names())
    found = json.loads(run("data", "gunpoint", "--out", str(tmp_path / "new" / "gunpoint"), "--json"))
    assert [part["records"] for part in found.values()] == [50, 150]
    assert len(datasets.read(found["test"]["file"])) == 150


@pytest.mark.slow
def test_doctor_finds_this_project_healthy() -> None:
    examined = json.loads(run("doctor", "--json"))
    findings = {f["what"]: f["state"] for f in examined}
    assert findings["package numerics"] == "ok" and findings["threads"] == "ok"
    assert findings["CUDA"] in ("ok", "missing")
    assert findings["generated modules"] == "ok"
    assert "gunpoint" in next(f["says"] for f in examined if f["what"] == "generated modules")


def test_tables_have_their_title(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(["name", "value"], [["a", "1"]], "two numbers")
    assert "two numbers" in capsys.readouterr().out


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    target = tmp_path / "model.npz"
    mine = files.beside(target)
    dead = mine.with_name(mine.name.replace(str(os.getpid()), str(done.pid)))
    other = tmp_path / "model.npz.tmp"
    for path in (mine, dead, other):
        path.write_text("")
    files.remove_strays(target)
    assert mine.exists() and other.exists() and not dead.exists()
