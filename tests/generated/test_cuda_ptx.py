"""The CUDA kernels compile for real devices; none is needed. With the ``cuda`` extra."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.builders import random_model
from tests.oracles import ptx
from tests.oracles.cuda_cases import CASES, DECLARED, Draw, representation

# What to compile: case, kernels, compute capability. The second slab's are the fullest ones. All kernels of
# a slab are compiled in both precisions, once; others in single precision, which is where doubles could come in.
CHOSEN = [
    ("entry, two channels", r"formed_.*_2", (9, 0)),
    ("entry, two channels", r"factors_.*_2", (9, 0)),
    ("entry, two channels", r"[a-z_]*", (9, 0)),
    ("h nonlinear", r".*_(forward|adjoint)_1", (8, 0)),
    ("gauss", r"formed_(forward|adjoint)_1", (9, 0)),
    ("functions", r"formed_(forward|adjoint)_1", (8, 0)),
    ("gate, translation, local, lift", r"factors_.*_1|lift.*", (9, 0)),
    ("maximum, two channels", r"maximum.*", (9, 0)),
    ("shares, two channels", r"share.*", (9, 0)),
    ("convolution in frequencies", r"factors_operators(_adjoint)?_1", (8, 0)),
    ("normalised, gate, local", r"[a-z]*_(forward|adjoint)_1", (9, 0)),
]
SOME = ("forward_2/float64", "adjoint_2/float64", "forward_2/float32", "operators_2/float32")
WITHIN = {
    r"formed_.*_2": {"formed_entry_operators_adjoint_2/float64", *(f"formed_{kernel}" for kernel in SOME)},
    r"factors_.*_2": {f"factors_{kernel}" for kernel in SOME},
    r"[a-z_]*": {"loss/float32", "readout/float64"},
}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"')
@pytest.mark.parametrize(("case", "wanted", "capability"), CHOSEN)
def test_kernels_compile_in_their_own_precision(
    case: str, wanted: str, capability: tuple[int, int], tmp_path: Path
) -> None:
    """In single precision one promotion, by an integer or a literal, would halve the speed or worse."""
    if case in CASES:
        folder = tmp_path / "module"
        representation(CASES[case], folder, Draw(1))
    else:
        folder = random_model(DECLARED[case]).representation.module.parent
    found = ptx.compiled(folder / "cuda.py", wanted, capability, both=wanted in WITHIN)
    targets = {line.split()[1] for text in found.values() for line in text.splitlines() if line.startswith(".target")}
    assert {target.rstrip(",") for target in targets} == {"sm_{}{}".format(*capability)}
    doubles = {name for name, text in found.items() if ptx.doubles(text)}
    assert doubles == {name for name in found if name.endswith("float64")}
    assert found.keys() >= WITHIN.get(wanted, set())
