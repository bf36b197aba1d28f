"""What a CUDA kernel's text means when it is compiled; that it then computes the same is seen where it is simulated."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from numerics.kernels.cache import text
from numerics.kernels.specialised import meaning, specialised
from numerics.representation.folders import load_module
from tests.builders import ROOT

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
def module(tmp_path: Path) -> Any:
    (tmp_path / "cuda.py").write_text(KERNEL, encoding="utf-8")
    return load_module(tmp_path / "cuda.py")


def test_a_block_has_a_shape_and_indices_have_no_sign(module: Any) -> None:
    said = """\
    def kernel(x, y):
        staged = cuda.shared.array(8 * 16, x.dtype, alignment=16)
        part = x[1:]
        helper(part, cuda.threadIdx.x)
        staged[0] = y[uint64(cuda.threadIdx.x), 1]
        y.flat[x.shape[0] - 1] += 1
    """
    assert ast.unparse(meaning(module.kernel, (16, 8))) == textwrap.dedent(said).strip()
    assert ast.unparse(meaning(module.helper, (16, 8))).endswith("x[uint64(k)] = 8")
    assert ast.unparse(meaning(module.helper, None)).endswith("x[uint64(k)] = cuda.blockDim.y")


PLACED = """\
from numba import cuda


def helper(x, x_start):
    x[x_start] = cuda.threadIdx.x
    cuda.syncthreads()


def kernel(x):
    row, k = cuda.threadIdx.y, 1
    cuda.syncthreads()
    helper(x, row + k)
"""


def test_a_threads_place_is_new_after_a_barrier_and_in_a_function(tmp_path: Path) -> None:
    (tmp_path / "cuda.py").write_text(PLACED, encoding="utf-8")
    made = load_module(tmp_path / "cuda.py")
    lines = [line.strip() for line in ast.unparse(meaning(made.kernel, None)).splitlines()]
    assert lines[2:] == ["cuda.syncthreads()", "row = anew(row) & 1023", "helper(x, row + k)"]
    lines = [line.strip() for line in ast.unparse(meaning(made.helper, None, called=True)).splitlines()]
    wanted = ["x_start = anew(x_start)", "x[uint64(x_start)] = anew(cuda.threadIdx.x) & 1023", "cuda.syncthreads()"]
    assert lines[1:] == wanted


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="without numba-cuda")
def test_machine_code_belongs_to_the_shape_and_to_what_is_called(module: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cuda.py").write_text(KERNEL.replace("x[k] =", "x[k] = 1 +"), encoding="utf-8")
    other = load_module(tmp_path / "other" / "cuda.py")
    shapes = [text(specialised(module.kernel, shape)) for shape in (None, (16, 8), (8, 16))]
    assert len({*shapes, text(specialised(other.kernel, (16, 8)))}) == 4


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="without numba-cuda")
def test_a_function_of_one_text_is_compiled_once_for_all_modules_and_kernels(module: Any, tmp_path: Path) -> None:
    """Another text, and another shape of a block, have functions of their own."""
    second = "\n\ndef second(x):\n    helper(x, 0)\n"
    texts = {"again": KERNEL + second, "other": KERNEL.replace("x[k] =", "x[k] = 1 +")}
    for name, text_ in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cuda.py").write_text(text_, encoding="utf-8")
    again, other = (load_module(tmp_path / name / "cuda.py") for name in texts)

    def helper(kernel: Any, shape: tuple[int, int] = (16, 8)) -> Any:
        return specialised(kernel, shape).__globals__["helper"]

    assert helper(module.kernel) is helper(again.kernel) is helper(again.second)
    three = helper(module.kernel), helper(other.kernel), helper(module.kernel, (8, 16))
    assert len({*map(id, three)}) == 3


LOOP = """\
from numba import cuda


def kernel(x, y):
    thread, threads = cuda.threadIdx.y*cuda.blockDim.x + cuda.threadIdx.x, cuda.blockDim.x
    column = cuda.threadIdx.x
    first = cuda.blockIdx.x*cuda.blockDim.x + cuda.threadIdx.x
    found = y[cuda.threadIdx.x]
    for row in range(cuda.blockIdx.x, 5000, cuda.gridDim.x):
        cuda.syncthreads()
        x[row, thread, first] = found
    for column in range(9):
        x[column] = threads
"""


def test_only_a_place_in_the_block_is_below_its_size(tmp_path: Path) -> None:
    """Rows that a loop counts, places in the grid, and names of two meanings keep their numbers."""
    (tmp_path / "cuda.py").write_text(LOOP, encoding="utf-8")
    lines = [line.strip() for line in ast.unparse(meaning(load_module(tmp_path / "cuda.py").kernel, None)).splitlines()]
    assert [line for line in lines if "anew" in line] == ["thread = anew(thread) & 1023"]


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="without numba-cuda")
@pytest.mark.parametrize(
    "path", ["numerics/kernels/device_kernels.py", "generated/gunpoint/cuda.py", "generated/motions/cuda.py"]
)
def test_every_kernel_has_a_mark_by_which_its_machine_code_is_kept(path: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / path, tmp_path / "cuda.py")  # others run the modules of that place in lockstep
    module = load_module(tmp_path / "cuda.py")
    kernels = [f for f in vars(module).values() if inspect.isfunction(f) and "cuda" in f.__code__.co_names]
    assert len(kernels) >= 10
    assert len({text(specialised(f, (16, 8))) for f in kernels}) == len(kernels)
