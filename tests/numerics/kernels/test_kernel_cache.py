"""Damaged or mixed-up files of the cache are compiled again, never run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numerics.kernels import cache, functions, words
from numerics.kernels.compile import compiled
from numerics.representation.folders import load_module
from tests.builders import ROOT

pytestmark = pytest.mark.compiled

MODULE = "def f(x):\n    return {factor} * x\n"
RUN = """
import importlib.util, sys
from numerics.kernels import cache as kernel_cache
spec = importlib.util.spec_from_file_location("cached", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["cached"] = module
spec.loader.exec_module(module)
f = kernel_cache.jit(module.f)
print(f(3.0), sum(f.stats.cache_hits.values()))
"""


def run(module: Path) -> tuple[float, int]:
    """What a process of its own computes, and how often it found its code in the cache."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(module.parent / "code")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(module)], env=environment, capture_output=True, text=True, check=True
    )
    found, hits = done.stdout.split()
    return float(found), int(hits)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    return content[:400] + bytes([content[400] ^ 1]) + content[401:]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module, with its machine code beside it."""
    module = tmp_path_factory.mktemp("kept") / "cached.py"
    module.write_text(MODULE.format(factor=2))
    assert run(module) == (6.0, 0) and run(module) == (6.0, 1)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, flipped, lambda content: b""], ids=["cut", "flipped", "emptied"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damage_costs_a_compilation_and_no_more(
    kept: Path, tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    module = shutil.copytree(kept.parent, tmp_path / "copy") / kept.name
    (stored,) = module.parent.glob(f"code/*.{kind}")
    content = stored.read_bytes()
    stored.write_bytes(damage(content) if len(content) > 401 or damage is not flipped else content[:-1] + b"?")
    assert run(module) == (6.0, 0)
    assert run(module) == (6.0, 1)


@pytest.mark.slow
def test_machine_code_of_another_source_is_not_run(tmp_path: Path) -> None:
    """What no compilation leaves, but a copy may: the index of the new source beside the old code."""
    module = tmp_path / "cached.py"
    module.write_text(MODULE.format(factor=2))
    run(module)
    (stored,) = tmp_path.glob("code/*.nbc")
    old = stored.read_bytes()
    module.write_text(MODULE.format(factor=5))
    assert run(module) == (15.0, 0)
    (new,) = set(tmp_path.glob("code/*.nbc")) - {stored}
    new.write_bytes(old)
    assert run(module) == (15.0, 0) and run(module) == (15.0, 1)


def own_words() -> Any:
    """The module of words, executed anew."""
    spec = importlib.util.spec_from_file_location("own_words", words.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_machine_code_belongs_to_the_text_of_the_functions_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = kernel_with_tanh(tmp_path)
    before = cache.text(own_words().meant(kernel))
    assert before == cache.text(words.meant(kernel))
    changed = tmp_path / "functions.py"
    changed.write_text(Path(functions.__file__).read_text(encoding="utf-8").replace("9.02", "9.01"), encoding="utf-8")
    monkeypatch.setattr(functions, "__file__", str(changed))
    assert cache.text(own_words().meant(kernel)) != before


def kernel_with_tanh(folder: Path) -> Callable[..., Any]:
    """A kernel that says np.tanh."""
    module = folder / "kernel.py"
    module.write_text("import numpy as np\n\n\ndef f(x):\n    return np.tanh(x)\n")
    return load_module(module).f  # type: ignore[no-any-return]


KERNELS = ("formed", "factors", "loss")


@pytest.mark.parametrize("path", sorted(ROOT.glob("generated/*/cpu.py")), ids=lambda path: path.parent.name)
def test_kernels_run_side_by_side_and_see_nans(path: Path) -> None:
    """They let go of the interpreter's lock, divide as NumPy does, and are never told that there are no NaNs."""
    names = [name for name in vars(load_module(path)) if name.startswith(KERNELS)]
    assert len(names) >= 4
    for name in names:
        options = compiled(path, name).targetoptions  # type: ignore[attr-defined]
        assert options["nogil"] is True and options["error_model"] == "numpy"
        assert options["fastmath"] == {"contract", "reassoc", "nsz", "arcp"}  # LLVM's nnan and ninf are not among them
        assert not options.get("parallel")
