"""What a CUDA kernel's text means when it is compiled; that it then computes the same is seen where it is simulated."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from numerics.kernels.specialised import text
from numerics.representation.folders import load_module

KERNEL = """\
from numba import cuda


def helper(x, k):
    x[k] = cuda.blockDim.y


def kernel(x, y):
    staged = cuda.shared.array(8*cuda.blockDim.x, x.dtype)
    part = x[1:]
    helper(part, cuda.threadIdx.x)
    staged[0] = y[cuda.threadIdx.x, 1]
    y.flat[x.shape[0] - 1] += 1
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "cuda.py").write_text(KERNEL, encoding="utf-8")
    return load_module(tmp_path / "cuda.py").kernel  # type: ignore[no-any-return]


def test_a_block_has_a_shape_and_indices_have_no_sign(kernel: Callable[..., Any]) -> None:
    said = """\
    def kernel(x, y):
        staged = cuda.shared.array(8 * 16, x.dtype, alignment=16)
        part = x[1:]
        helper(part, cuda.threadIdx.x)
        staged[0] = y[uint64(cuda.threadIdx.x), 1]
        y.flat[x.shape[0] - 1] += 1

    def helper(x, k):
        x[uint64(k)] = 8
    """
    assert text(kernel, (16, 8)) == textwrap.dedent(said).strip()


def test_machine_code_belongs_to_the_shape_and_to_what_is_called(kernel: Callable[..., Any]) -> None:
    assert len({text(kernel), text(kernel, (16, 8)), text(kernel, (8, 16))}) == 3
    assert "x[uint64(k)] = cuda.blockDim.y" in text(kernel)
