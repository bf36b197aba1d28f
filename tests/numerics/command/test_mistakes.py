"""What goes wrong on the command line, what is missing, and what is never lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from derive.declaration import load_spec
from numerics import files
from numerics.command import console
from tests.builders import SPECS, bumps, run

# --- mistakes -----------------------------------------------------------------------------------------------


MISTAKES = [
    ("check", "absent.toml"),
    ("fit", "absent.toml", "--data", "train.npz", "--out", "no.npz"),
    ("fit", "small.toml", "--data", "absent.npz", "--out", "no.npz"),
    ("fit", "small.toml", "--data", "train.npz", "--out", "no.npz", "--level", "absent"),
    ("fit", "base.npz", "--data", "train.npz", "--out", "no.npz", "--level", "fine"),
    ("fit", "small.toml", "--data", "nan.npz", "--out", "no.npz"),
    ("refine", "base.npz", "--level", "pocket", "--out", "no.npz"),
    ("refine", "base.npz", "--level", "absent", "--out", "no.npz"),
    ("refine", "base.npz", "--tolerance", "1/100", "--out", "no.npz"),
    ("refine", "base.npz", "--tolerance", "-1", "--data", "train.npz", "--out", "no.npz"),
    ("refine", "base.npz", "--tolerance", "1e-30", "--data", "train.npz", "--out", "no.npz"),
    ("refine", "base.npz", "--tolerance", "1e-9", "--limit", "6", "--data", "train.npz", "--out", "no.npz"),
    ("refine", "base.npz", "--tolerance", "1/9", "--data", "unlabelled.npz", "--out", "no.npz"),
    ("project", "absent.npz", "--level", "pocket", "--out", "no.npz"),
    ("project", "train.npz", "--level", "pocket", "--out", "no.npz"),
    ("evaluate", "base.npz", "--data", "unlabelled.npz"),
    ("predict", "base.npz", "--data", "base.npz", "--out", "no.npz"),
    ("predict", "base.npz", "--data", "train.npz", "--at", "small.toml", "--out", "no.npz"),
    ("predict", "base.npz", "--data", "train.npz", "--out", "small.toml/no.npz"),
    ("plot", "cut.npz", "--out", "no.html"),
    ("show", "cut.npz"),
    ("data", "absent", "--out", "absent"),
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_mistakes_end_in_one_readable_block(place: Path, arguments: tuple[str, ...]) -> None:
    train = bumps()
    np.savez("unlabelled.npz", x=train["x"])
    np.savez("nan.npz", x=np.where(np.arange(20) == 3, np.nan, train["x"]), y=train["y"])
    Path("cut.npz").write_bytes(Path("base.npz").read_bytes()[:-200])
    before = sorted(place.rglob("*"))
    block = run(*arguments, code=2)
    assert all(part in block for part in ("given", "allowed", "cause", "fix")), block
    assert sorted(place.rglob("*")) == before


def test_a_device_that_is_not_there_says_what_is_missing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numerics.kernels.launch.missing", lambda: ("no device answers", "use the processor"))
    text = run("predict", "base.npz", "--data", "train.npz", "--device", "cuda", code=2)
    assert "no device answers" in text


def test_an_interrupt_is_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("derive.declaration.load_spec", interrupt)
    assert len(run("check", "small.toml", code=console.INTERRUPTED).splitlines()) == 1


def test_files_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    assert files.write_if_changed(path, b"one") and not files.write_if_changed(path, b"one")

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="full"):
        files.write_if_changed(path, b"two")
    assert path.read_bytes() == b"one" and [p.name for p in tmp_path.iterdir()] == ["file"]


# --- without SymPy ------------------------------------------------------------------------------------------

BLOCKED = """
import sys
for name in ("sympy", "flint"):
    sys.modules[name] = None
from numerics.command.main import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_saved_model_needs_no_sympy(place: Path) -> None:
    commands = [
        ["predict", "base.npz", "--data", "train.npz", "--json"],
        ["refine", "base.npz", "--level", "fine", "--data", "train.npz", "--out", "f.npz"],
        ["project", "f.npz", "--level", "pocket", "--data", "train.npz", "--out", "p.npz"],
        ["show", "p.npz"],
        ["evaluate", "p.npz", "--data", "train.npz"],
    ]
    for command in commands:
        done = subprocess.run([sys.executable, "-c", BLOCKED, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_python_runs_the_module_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "continua", "list", "losses"], capture_output=True, text=True)
    assert done.returncode == 0 and "cross-entropy" in done.stdout, done.stderr


def test_specs_in_the_checkout_are_read() -> None:
    for path in sorted(SPECS.glob("*.toml")):
        assert load_spec(path).name == path.stem


# --- nothing is lost ----------------------------------------------------------------------------------------


def test_no_command_writes_over_what_it_reads(place: Path) -> None:
    before = {name: (place / name).read_bytes() for name in ("train.npz", "base.npz", "small.toml")}
    for arguments in (
        ["predict", "base.npz", "--data", "train.npz", "--out", "train.npz"],
        ["fit", "small.toml", "--data", "train.npz", "--out", "train.npz"],
        ["fit", "small.toml", "--data", "train.npz", "--out", "small.toml"],
        ["fit", "small.toml", "--data", "train.npz", "--out", "base.npz", "--epochs", "1"],
        ["plot", "base.npz", "--out", "base.npz"],
        ["project", "base.npz", "--level", "pocket", "--out", "base.npz"],
    ):
        assert "--out" in run(*arguments, code=2), arguments
    assert {name: (place / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_sigterm_saves_and_the_run_goes_on(place: Path) -> None:
    start = [sys.executable, "-c", "from numerics.command.main import main; main()"]
    command = [*start, "fit", "small.toml", "--data", "train.npz", "--out", "t.npz"]
    options = ["--epochs", "100000", "--save-every", "0.2"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120  # it compiles
    while not Path("t.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "saved to t.npz" in said
    assert "Traceback" not in said
    resumed = subprocess.Popen([*command, "--resume"], stderr=subprocess.PIPE, text=True)  # its options come back
    time.sleep(4)
    resumed.terminate()
    assert "another run" not in resumed.communicate(timeout=60)[1]


def test_predictions_carry_the_names_of_classes(place: Path) -> None:
    given = bumps()
    np.savez("named.npz", x=given["x"], y=np.array(["left", "right"])[given["y"]])
    options = ["--epochs", "60", "--optimiser", "lbfgs"]
    run("fit", "small.toml", "--data", "named.npz", "--out", "named_model.npz", *options)
    run("predict", "named_model.npz", "--data", "named.npz", "--out", "p.npz")
    with np.load("p.npz") as found:
        assert set(found["label"]) <= {"left", "right"}
        assert np.array_equal(found["label"], np.array(["left", "right"])[found["y"].argmax(axis=1)])
    score = json.loads(run("evaluate", "named_model.npz", "--data", "named.npz", "--json"))["accuracy"]
    only = given["y"] == 1
    np.savez("right.npz", x=given["x"][only], y=np.array(["right"] * only.sum()))
    part = json.loads(run("evaluate", "named_model.npz", "--data", "right.npz", "--json"))["accuracy"]
    assert score == 1 and part == 1
    np.savez("other.npz", x=given["x"], y=np.array(["up", "down"])[given["y"]])
    assert "the class 'down'" in run("evaluate", "named_model.npz", "--data", "other.npz", code=2)
