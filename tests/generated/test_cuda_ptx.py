"""The CUDA kernels compile for real devices; none is needed. Processes of their own, with the ``cuda`` extra."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What to compile: case → kernels, compute capability. The second slab's are the fullest ones.
CHOSEN = {
    "entry, two channels": (r".*_2|[a-z_]*", "9.0"),
    "h nonlinear": (r".*_(forward|adjoint)(_float32)?_1", "8.0"),
    "gauss": (r"formed_(forward|adjoint)(_float32)?_1", "9.0"),
    "functions": (r"formed_(forward|adjoint)_float32_1", "8.0"),
    "gate, translation, local, lift": (r"factors_.*_1|lift.*", "9.0"),
    "maximum, two channels": (r"maximum.*", "9.0"),
    "convolution in frequencies": (r"factors_operators(_adjoint)?_1", "8.0"),
    "normalised, gate, local": (r"[a-z]*_(forward|adjoint)(_float32)?_1", "9.0"),
}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"')
@pytest.mark.parametrize("case", CHOSEN)
def test_kernels_compile_in_their_own_precision(case: str) -> None:
    """In single precision one promotion, by an integer or a literal, would halve the speed or worse."""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    command = [sys.executable, "-m", "tests.oracles.ptx", case, *CHOSEN[case]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {entry["target"] for entry in found.values()} == {f"sm_{CHOSEN[case][1].replace('.', '')}"}
    assert [name for name, entry in found.items() if name.endswith("float32") and entry["double"]] == []
    assert all(entry["double"] for name, entry in found.items() if name.endswith("float64"))
    if case == "entry, two channels":
        kernels = ("forward_2/float64", "adjoint_2/float64", "forward_float32_2/float32", "operators_2/float32")
        assert {f"{plan}_{kernel}" for plan in ("formed", "factors") for kernel in kernels} <= found.keys()
        assert {"loss/float32", "readout/float64", "formed_entry_operators_adjoint_2/float64"} <= found.keys()
