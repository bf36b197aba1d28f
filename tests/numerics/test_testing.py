"""The public strategies draw what they promise, and all of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import find

from numerics.testing import bases, declarations
from tests.builders import ROOT


def jumps(declared: dict) -> bool:
    return declared["family"] == "p0" and declared.get("cells", declared.get("size")) > 1


@pytest.mark.slow
def test_bases_jump_unless_continuous_ones_are_asked_for() -> None:
    assert jumps(find(bases(), jumps))
    assert not any(map(jumps, declarations("p0", continuous=True)))


def test_a_fourier_basis_needs_a_circle() -> None:
    assert declarations("fourier") == ()
    assert find(bases(["fourier"], periodic=True), lambda declared: declared["size"] > 1)["family"] == "fourier"


@pytest.mark.slow
def test_the_example_of_the_documentation_passes_in_a_project_of_ones_own(tmp_path: Path) -> None:
    """With Hypothesis as it comes, and none of this project's profiles. Its random kernels run as plain Python."""
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall("```python\n(.*?)```", text, re.S) if "@given" in block]
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_example.py"]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
