"""``import continua as ct``: light, whole, and its own in whatever folder it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import continua as ct
import numerics
from tests.builders import ROOT

# Loading a name must not need what only derivations (as ct.Derivation is) and the command need.
LIGHT = """
import sys
import continua as ct
heavy = [name for name in ("numpy", "numba", "sympy", "click", "numerics") if name in sys.modules]
assert not heavy, heavy
heavy = ("numerics.estimators.", "derive.explain.")
names = [getattr(ct, name) for name in ct.__all__ if not ct.PUBLIC[name].startswith(heavy)]
heavy = [name for name in ("sympy", "click", "sklearn", "torch", "pandas") if name in sys.modules]
assert not heavy, heavy
import numerics
print(numerics.__file__)
"""


def test_every_name_is_there() -> None:
    assert set(ct.__all__) <= set(dir(ct))
    for name in ct.__all__:
        assert getattr(ct, name) is not None
    for name in numerics.__all__:
        assert getattr(ct, name) is getattr(numerics, name)
    with pytest.raises(AttributeError, match="cross_validate"):
        ct.cross_validation


def test_type_checkers_see_the_same_names() -> None:
    """What editors complete is what there is."""
    tree = ast.parse((ROOT / "continua.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    named = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named == set(ct.__all__)


@pytest.mark.slow
def test_a_folder_with_files_of_our_names(tmp_path: Path) -> None:
    (tmp_path / "numerics.py").write_text("raise RuntimeError('the file of the user')\n", encoding="utf-8")
    found = subprocess.run([sys.executable, "-c", LIGHT], cwd=tmp_path, capture_output=True, text=True, env=ENV)
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()) == ROOT / "numerics" / "__init__.py"
    (tmp_path / "numerics.py").write_text("", encoding="utf-8")
    script = "import numerics, continua\ncontinua.fit"
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=ENV)
    assert found.returncode == 1 and str(tmp_path / "numerics.py") in found.stderr and "rename" in found.stderr


ENV = {"PYTHONPATH": str(ROOT), "PATH": ""}
