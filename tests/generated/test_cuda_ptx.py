"""The CUDA kernels compile for real devices; none is needed. A process of its own, with the ``cuda`` extra."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ptx"),
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"'
    ),
]


@pytest.fixture(scope="module")
def report() -> dict[str, dict[str, dict[str, object]]]:
    """case → kernel/type → its target and whether double precision occurs."""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    command = [sys.executable, "-m", "tests.generated.cuda_ptx"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_kernels_compile_for_both_architectures(report) -> None:
    targets = {entry["target"] for found in report.values() for entry in found.values()}
    assert targets == {"sm_80", "sm_90"}
    kernels = {name for found in report.values() for name in found}
    for plan in ("formed", "factors"):
        for kernel in ("forward_2/float64", "adjoint_2/float64", "forward_float32_2/float32", "operators_2/float32"):
            assert f"{plan}_{kernel}" in kernels
    assert {"loss/float32", "readout/float64", "formed_entry_operators_adjoint_2/float64"} <= kernels


def test_single_precision_stays_single(report) -> None:
    """One promotion, by an integer or a literal, would halve the speed or worse."""
    entries = [(name, entry["double"]) for found in report.values() for name, entry in found.items()]
    assert [name for name, double in entries if name.endswith("float32") and double] == []
    assert all(double for name, double in entries if name.endswith("float64"))
