"""The CUDA kernels compile for real devices; none is needed. With the ``cuda`` extra."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import numba
import pytest

from numerics.kernels.launch import Launch
from tests.builders import random_model
from tests.oracles import ptx
from tests.oracles.cuda_cases import CASES, DECLARED, Draw, representation

# What to compile: case, kernels, compute capability. The second slab's are the fullest ones. Single precision is where
# doubles could come in; double precision shows that they would be seen.
BOTH = r"loss|readout|formed_operators_2"
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
SOME = ("forward_2/float32", "adjoint_2/float32", "operators_2/float32", "operators_adjoint_2/float32")
WITHIN = {
    r"formed_.*_2": {"formed_entry_operators_adjoint_2/float32", *(f"formed_{kernel}" for kernel in SOME)},
    r"factors_.*_2": {f"factors_{kernel}" for kernel in SOME},
    r"[a-z_]*": {"loss/float64", "readout/float64", "readout_adjoint/float32"},
}


def written(case: str, folder: Path) -> Path:
    """The cuda.py of a case."""
    if case not in CASES:
        return random_model(DECLARED[case]).representation.module.with_name("cuda.py")
    representation(CASES[case], folder / "module", Draw(1))
    return folder / "module" / "cuda.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"')
@pytest.mark.parametrize(("case", "wanted", "capability"), CHOSEN)
def test_kernels_compile_in_their_own_precision(
    case: str, wanted: str, capability: tuple[int, int], tmp_path: Path
) -> None:
    """In single precision one promotion, by an integer or a literal, would halve the speed or worse."""
    found = ptx.compiled(written(case, tmp_path), wanted, capability, BOTH)
    targets = {line.split()[1] for text in found.values() for line in text.splitlines() if line.startswith(".target")}
    assert {target.rstrip(",") for target in targets} == {"sm_{}{}".format(*capability)}
    doubles = {name for name, text in found.items() if ptx.doubles(text)}
    assert doubles == {name for name in found if name.endswith("float64")}
    assert found.keys() >= WITHIN.get(wanted, set())


# What there are products in: dense tables and their gradients, and blocks; and how many there are at least.
PRODUCTS = [
    ("residual, heun", r"formed_(forward|adjoint)_1", (9, 0), 5),
    ("convolution, gate, local", r"factors_forward_1", (8, 0), 2),
    ("maximum, two channels", r"readout_adjoint", (9, 0), 2),
]
FULLEST = [  # case, kernel, compute capability, numbers, bytes that a thread spills, none of them inside of a product
    ("residual, heun", "formed_forward_1", (9, 0), numba.float32, 0),
    ("residual, heun", "formed_adjoint_1", (8, 0), numba.float32, 0),
    ("convolution, gate, local", "factors_forward_1", (9, 0), numba.float64, 0),
]
GENERIC = re.compile(r"\b(?:ld|st)\.(?:volatile\.)?(?:v[24]\.)?[fub]\d+\b")  # of an address that may be any memory's


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"')
@pytest.mark.parametrize(("case", "wanted", "capability", "fewest"), PRODUCTS)
def test_products_are_made_for_a_device(
    case: str, wanted: str, capability: tuple[int, int], fewest: int, tmp_path: Path
) -> None:
    """Most instructions multiply, factors are read four numbers at a time, and every address is of a known memory."""
    path = written(case, tmp_path)
    found = ptx.compiled(path, wanted, capability, optimised=True)
    loops = [body for text in found.values() for body in ptx.products(text)]
    assert len(loops) >= fewest
    for body in loops:
        assert ptx.instructions_a_product(body) <= 1.5
        assert {line.split()[0] for line in body if line.startswith("ld.")} == {"ld.shared.v4.f32"}
    assert {name for name, text in found.items() if GENERIC.search(text) or ptx.doubles(text)} == set()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason='needs pip install "neural-continua[cuda]"')
@pytest.mark.parametrize(("case", "kernel", "capability", "number", "spilled"), FULLEST)
def test_blocks_fit_a_device(
    case: str, kernel: str, capability: tuple[int, int], number: Any, spilled: int, tmp_path: Path
) -> None:
    """The registers of a block's threads, and the shared memory that every device grants."""
    (needs,) = ptx.linked(written(case, tmp_path), kernel, capability, number).values()
    assert needs["registers"] * math.prod(Launch().threads) <= 65_536
    assert needs["shared"] <= 48 * 1024
    assert needs["spills"] <= spilled
