"""The first use of a declaration: what is derived anew, one machine code a text, two processes, a line of progress."""

from __future__ import annotations

import ast
import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from derive.declaration import load_spec
from derive.errors import SpecError
from derive.spec import to_dict
from numerics import Continuum, progress
from numerics.kernels import cache, compile, rehearsal
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.model.continuum import resolve
from numerics.representation import edition, find, folders
from tests.builders import ROOT

pytestmark = pytest.mark.compiled

P = {"family": "p0", "cells": 2}
DECLARED: dict[str, Any] = {
    "name": "first",
    "equation": {"rate": "tanh(u) - h/7", "spacing": "1/2"},
    "state": {"basis": {"family": "p0", "cells": 3}},
    "weight": {"width_out": P, "width_in": P, "depth": {"family": "p0", "cells": 1}},
    "bias": {"width": P, "depth": {"family": "p0", "cells": 1}},
    "integration": {"tableau": "euler", "steps": 2}, "loss": {"kind": "l2"},
}  # fmt: skip


# --- names --------------------------------------------------------------------------------------------------


def test_a_name_that_another_version_generated_is_told_from_one_that_nobody_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTINUA_GENERATED", str(tmp_path))
    (tmp_path / "old").mkdir()
    held = {**folders.manifest(ROOT / "generated" / "gunpoint"), "name": "old-one"}
    (tmp_path / "old" / "manifest.json").write_text(json.dumps({**held, "format": held["format"] - 1}))
    with pytest.raises(SpecError, match=rf"(?s)generated in format {held['format'] - 1}.*continua generate") as refusal:
        resolve("old-one")
    assert str(tmp_path / "old") in str(refusal.value)
    (tmp_path / "old" / "manifest.json").write_text(json.dumps(held))
    os.utime(tmp_path / "old" / "manifest.json", (1, 1))
    monkeypatch.chdir(tmp_path)
    Path("old-one").mkdir()  # as a folder of results would be called
    assert resolve("old-one") == resolve("gunpoint")
    with pytest.raises(SpecError, match="did you mean 'gunpoint'"):
        resolve("gunpiont")
    for path in ("nowhere/gunpoint.toml", Path("gunpoint.toml")):
        with pytest.raises(SpecError, match="No such file"):
            resolve(path)


# --- editions -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources") / "derive"
    shutil.copytree(ROOT / "derive", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def edited(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")
    yield
    path.write_text(before, encoding="utf-8")


def commented(text: str) -> str:
    return text.replace("from __future__", "# a word\nfrom __future__", 1)


def documented(text: str) -> str:
    """Another first line in every docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.Module | ast.ClassDef):
            found = ast.get_docstring(node, clean=False)
            if found is not None:
                first = found.splitlines()[0]
                text = text.replace(f'"""{first}', f'"""Said otherwise: {first}', 1)
    return text


PROSE = [
    ("explain/derivation.py", lambda text: text + "\nWORDS = 1\n"), ("generate.py", lambda text: text + "\nMORE = 1\n"),
    ("modules.py", commented), ("modules.py", documented), ("emit/tables.py", documented),
    ("spaces/basis.py", documented), ("bases/hat.py", documented),
    ("exact/surd.py", lambda text: text.replace("\n\n\n", "\n\n\n\n")),
]  # fmt: skip
CODE = [
    ("emit/tables.py", lambda text: text.replace("LARGE, SPARSE = 4096, 4", "LARGE, SPARSE = 4096, 5")),
    ("emit/tables.py", lambda text: text.replace("dtype=np.float64", "dtype=np.float32")),
    ("losses/l2.py", lambda text: text + "\nX = 1\n"),
    ("tableaux/heun.py", lambda text: text + "\nX = 1\n"), ("exact/surd.py", lambda text: text + "\nX = -0.0\n"),
    ("spec/table_names.py", lambda text: text.replace("FORMAT = ", "FORMAT = 1 + ")),
]  # fmt: skip


@pytest.mark.first(3)
@pytest.mark.parametrize(("name", "change"), PROSE, ids=range(len(PROSE)))
def test_prose_keeps_the_edition(sources: Path, name: str, change: Callable[[str], str]) -> None:
    usual = edition.edition_of(sources)
    for _ in edited(sources / name, change):
        assert edition.edition_of(sources) == usual


@pytest.mark.first(2)
@pytest.mark.parametrize(("name", "change"), CODE, ids=range(len(CODE)))
def test_what_shapes_modules_changes_the_edition(sources: Path, name: str, change: Callable[[str], str]) -> None:
    usual = edition.edition_of(sources)
    for _ in edited(sources / name, change):
        assert edition.edition_of(sources) != usual


def test_a_file_that_is_imported_from_now_on_counts(sources: Path) -> None:
    usual = edition.edition_of(sources)
    (sources / "unheard.py").write_text("X = 1\n")
    assert edition.edition_of(sources) == usual
    for _ in edited(sources / "emit" / "tables.py", lambda text: text + "\nfrom derive import unheard as unheard\n"):
        first = edition.edition_of(sources)
        (sources / "unheard.py").write_text("X = 2\n")
        assert len({usual, first, edition.edition_of(sources)}) == 3
    (sources / "unheard.py").unlink()


@pytest.mark.slow
def test_whatever_a_derivation_imports_counts() -> None:
    """Against the files that Python itself has loaded when modules are printed."""
    script = (
        "import sys, json; from derive.spec import from_dict; from derive.derived import derive; "
        "from derive.modules import modules; spec = from_dict(json.loads(sys.argv[1])); modules(spec, derive(spec)); "
        "print(*sorted(n for n, m in sys.modules.items() if n.split('.')[0] == 'derive'))"
    )
    command = [sys.executable, "-c", script, json.dumps(to_dict(load_spec(DECLARED)))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = done.stdout.split()
    assert "derive.emit.cpu" in loaded and not any(name.startswith("derive.explain") for name in loaded)
    counted = edition.counted(ROOT / "derive")
    assert set(loaded) <= set(counted) and not any(name.startswith("derive.explain") for name in counted)


def test_the_edition_is_remembered_and_what_is_damaged_found_out(tmp_path: Path) -> None:
    edition.edition.cache_clear()
    usual = edition.edition(tmp_path)
    (kept,) = tmp_path.iterdir()
    assert kept.read_text() == usual == edition.edition_of(ROOT / "derive")
    kept.write_text("elsewhere")
    edition.edition.cache_clear()
    assert edition.edition(tmp_path) == usual and kept.read_text() == usual


# --- what a first use writes --------------------------------------------------------------------------------


def test_a_first_use_writes_what_runs_and_no_prose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = find.representation(load_spec({**DECLARED, "name": "prose"}))
    assert found.module.is_relative_to(tmp_path)
    assert {p.name for p in found.module.parent.iterdir() if p.is_file()} == {
        "cpu.py", "cuda.py", "tables.npz", "manifest.json"
    }  # fmt: skip
    assert folders.whole(found.module.parent)


# --- machine code -------------------------------------------------------------------------------------------


def function(text: str, **names: Any) -> Any:
    space = {"np": np, **names}
    exec(text, space)
    return space["kernel"]


KERNEL = "def kernel(x):\n    return 2.0 * x"
OTHERS = [KERNEL.replace("2.0", "3.0"), KERNEL.replace("2.0", "2"), KERNEL.replace("*", "+")]


def test_equal_texts_are_one_machine_code() -> None:
    same = ['def kernel(x):\n    """Words."""\n    # more\n    return 2.0 * x', "\n\n" + KERNEL]
    first = cache.jit(function(KERNEL))
    assert all(cache.jit(function(text)) is first for text in same)
    assert all(cache.jit(function(text)) is not first for text in OTHERS)
    assert cache.jit(function(KERNEL), error_model="numpy") is not first
    assert cache.jit(function(KERNEL), fastmath={"nsz"}) is not cache.jit(function(KERNEL), fastmath={"nsz", "arcp"})


def test_what_a_function_calls_and_reads_belongs_to_its_text() -> None:
    calling = "def kernel(x):\n    return helper(x)"
    helpers = [numba.njit(function(text)) for text in (KERNEL, *OTHERS)]
    texts = {cache.text(function(calling, helper=helper)) for helper in helpers}
    assert len(texts) == 4
    assert cache.text(function(calling, helper=helpers[0])) == cache.text(function(calling, helper=function(KERNEL)))
    reading = [cache.text(function("def kernel(x):\n    return x + C", C=value)) for value in (1, 1.0, True, -0.0, 0.0)]
    assert len(set(reading)) == 5
    with pytest.raises(TypeError, match="ndarray"):
        cache.text(function("def kernel(x):\n    return x + C", C=np.zeros(3)))


RUN = """
import sys, numpy as np
from pathlib import Path
from numerics.kernels import compile
f = compile.compiled(Path(sys.argv[1]), "kernel_" + sys.argv[2])
f(np.ones(3))
print(sum(f.stats.cache_hits.values()))
"""


def test_a_kernel_that_nobody_expected_says_so_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(cache.Dispatcher, "compile", lambda self, given: time.sleep(0.3))
    made = cache.jit(function("def kernel(x):\n    return x - 31.0"))
    assert made.compile((numba.float64,)) is None
    assert capsys.readouterr().err.startswith("compiling kernel … 0.")


@pytest.mark.slow
def test_modules_share_machine_code_wherever_they_lie(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "code")}
    hits = []
    for name, suffix in (("first", "1"), ("second", "3"), ("third", "3")):
        path = tmp_path / name / "cpu.py"
        path.parent.mkdir()
        words = f'    """{name}"""\n' + "    # more\n" * (name == "third")
        body = "    for i in range(x.shape[0]):\n        x[i] *= 2.0\n"
        path.write_text(f"import numpy as np\n\n\ndef kernel_{suffix}(x):\n{words}{body}")
        command = [sys.executable, "-c", RUN, str(path), suffix]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        hits.append(int(done.stdout))
    assert hits == [0, 1, 1]


# --- ahead --------------------------------------------------------------------------------------------------


def test_a_rehearsal_names_every_kernel_of_a_gradient_and_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against what the plain kernels of the same model are really called with."""
    model = Continuum.from_spec(load_spec({**DECLARED, "readout": {"outputs": 2, "basis": P},
                                           "loss": {"kind": "cross-entropy"}}), seed=0)  # fmt: skip
    called: set[tuple[str, tuple[str, ...]]] = set()

    def seen(path: Path, name: str) -> Any:
        plain = getattr(folders.load_module(path), name)

        def run(*given: Any) -> Any:
            assert all(a.flags.c_contiguous for a in given if isinstance(a, np.ndarray))
            called.add((name, tuple(map(compile.kind, given))))
            return plain(*given)

        run.py_func = plain  # type: ignore[attr-defined]
        return run

    monkeypatch.setattr(compile, "compiled", seen)
    rehearsed: list[Any] = []
    monkeypatch.setattr(rehearsal, "ahead", rehearsed.extend)
    monkeypatch.setattr(rehearsal, "_ready", set())
    model.value_and_gradient(np.ones((5, 4)), np.arange(5) % 2)
    assert {(name, kinds) for _, name, kinds in rehearsed} == called and len(called) == 7


def test_nothing_is_compiled_for_solvers_that_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Continuum.from_spec(load_spec(DECLARED), seed=0)
    monkeypatch.setattr(rehearsal, "_ready", set())
    monkeypatch.setattr(rehearsal, "ahead", lambda jobs: pytest.fail("asked for"))
    bound = Bound(model.representation, find=plain_kernels)
    rehearsal.gradient(bound, lambda: pytest.fail("asked for"), *model.readout_map())


MODULE = "import numpy as np\n\n\n" + "\n\n\n".join(
    f"def f{k}(x, n):\n    for i in range(n):\n        x[i] = {k + 2}.0 * x[i]" for k in range(5)
)


def jobs(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> list[compile.Job]:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder / "code"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder / "code"))
    monkeypatch.setenv("CONTINUA_THREADS", "2")
    monkeypatch.setattr("psutil.cpu_percent", lambda _: 0.0)
    path = folder / "cpu.py"
    path.write_text(MODULE.replace(".0", f".{code}"))
    return [(path, f"f{k}", ("<f81", "int")) for k in range(5)]


def run_all(given: list[compile.Job]) -> None:
    for k, (path, name, _) in enumerate(given):
        x = np.ones(3)
        compile.compiled(path, name)(x, 3)
        assert int(x[0]) == k + 2


def compilers() -> list[Any]:
    """The processes that compile; other tests leave others."""
    import psutil

    return [child for child in psutil.Process().children() if compile.SERVE in child.cmdline()]


@pytest.mark.slow
def test_two_processes_compile_and_none_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own: list[Any] = []
    usual = compile._compile

    def slow(job: compile.Job) -> None:  # so that the other one gets its share
        own.append(job)
        time.sleep(6)
        usual(job)

    monkeypatch.setattr(compile, "_compile", slow)
    given = jobs(tmp_path, monkeypatch, "25")
    compile.ahead(given)
    assert compilers() == []
    assert len(own) < 5 and all(cache.has(compile.compiled(*job[:2]), compile._types(job)) for job in given)
    run_all(given)
    compile.ahead(given)
    assert len(own) < 5  # there is nothing left to do


@pytest.mark.slow
@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/bin/false", "/bin/cat"])
def test_a_second_process_that_fails_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str
) -> None:
    """It cannot be started, ends at once, or answers without having done anything."""
    given = jobs(tmp_path, monkeypatch, interpreter.translate({47: "7", **{c: str(c % 10) for c in range(97, 123)}}))
    monkeypatch.setattr(sys, "executable", interpreter)
    compile.ahead(given)
    run_all(given)
    assert compilers() == []


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["one core", "busy", "read-only", "few"])
def test_alone_where_another_process_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    given = jobs(tmp_path, monkeypatch, str(100 + len(reason)))
    if reason == "one core":
        monkeypatch.setenv("CONTINUA_THREADS", "1")
    if reason == "busy":
        monkeypatch.setattr("psutil.cpu_count", lambda: 4)
        monkeypatch.setattr("psutil.cpu_percent", lambda _: 75.0)
    if reason == "read-only":
        (tmp_path / "code").touch()  # a file, where the folder would be
    given = given[: 2 if reason == "few" else 5]
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    compile.ahead(given)
    run_all(given)


# --- progress -----------------------------------------------------------------------------------------------


def test_a_line_about_what_takes_long_and_none_about_what_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.2)
    with progress.taking("waiting"):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert capsys.readouterr() == ("", "")
    with progress.taking("waiting"):
        time.sleep(0.5)
        assert capsys.readouterr() == ("", "waiting … ")
    out, err = capsys.readouterr()
    assert out == "" and err.endswith(" s\n") and 0.4 < float(err.split()[0]) < 5
    monkeypatch.setattr(sys, "stderr", None)
    with progress.taking("waiting"):
        time.sleep(0.3)
