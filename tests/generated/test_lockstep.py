"""What the machine in lockstep is for: every kind of fault in a kernel's text is seen, and says what it is."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numerics.kernels.cuda import CudaBound
from numerics.representation.folders import load_module
from tests.oracles import lockstep
from tests.oracles.cuda_cases import CASES, Draw, representation, results

CASE = CASES["residual, heun"]
STATE = "for a in range(row, state, rows):"


def run(folder: Path, kernel: str, before: str, after: str, number: int) -> dict[str, np.ndarray]:
    """The results with a text of a function, at the number-th place where it stands, replaced by another."""
    made = representation(CASE, folder / "module", Draw(1))
    path = folder / "module" / "cuda.py"
    text = path.read_text(encoding="utf-8")
    start = text.index(f"def {kernel}(")  # a kernel's, or the product's that all of them call
    places = [m.start() for m in re.finditer(re.escape(before), text[start : text.find("\n\n\ndef", start)])]
    place = start + places[number]
    path.write_text(text[:place] + after + text[place + len(before) :], encoding="utf-8")
    with lockstep.device():
        return results(CudaBound(made, CASE.precision, "formed", CASE.launch), CASE, Draw(2))


SYNC, UNWRITTEN = "cuda.syncthreads()", "before anything was written"
RACE = f"no barrier between them|{UNWRITTEN}"
FAULTS = {
    "no barrier after H": ("forward", SYNC, "pass", 0, RACE),
    "no barrier after U": ("forward", SYNC, "pass", 1, RACE),
    "no barrier after R": ("forward", SYNC, "pass", 2, RACE),
    "no barrier after bar_m": ("adjoint", SYNC, "pass", 0, RACE),
    "a barrier for some": ("forward", SYNC, f"if row == 0: {SYNC}", 0, f"not all threads|{RACE}"),
    "a tile's last record left out": ("forward", "column, count, columns", "column, count - 1, columns", 0, UNWRITTEN),
    "no barrier before a slice": ("product", SYNC, "pass", 0, RACE),
    "no barrier after a slice": ("product", SYNC, "pass", 1, RACE),
    "one row of a slice": ("product", "staged[b*(high + 4) + a] =", "staged[a] =", 0, f"two threads|{UNWRITTEN}"),
    "a product's row too many": ("product", "a < height and p", "p", 0, "outside an array|two threads"),
    "a product's column too many": ("product", "and r < width:", ":", 0, "outside an array|two threads"),
    "a row left out": ("forward", STATE, STATE.replace("state,", "state - 1,"), 0, UNWRITTEN),
    "a row too many": ("forward", STATE, STATE.replace("state,", "state + 1,"), 0, "outside an array"),
    "an index below 0": ("forward", "h[a, first + r]", "h[a - 1, first + r]", 0, "outside an array"),
    "too small a piece of memory": ("adjoint", "start + state*tile", "start + (state - 1)*tile", 0, "outside an array"),
    "one gradient for all blocks": ("adjoint", "bar_operators[block", "bar_operators[0", 0, "block"),
    "one row for all threads": ("adjoint", "bar_h[a*tile + r] = ", "bar_h[r] = ", 0, "two threads"),
}


@pytest.mark.first(5)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen(fault: str, tmp_path: Path) -> None:
    kernel, before, after, number, said = FAULTS[fault]
    with pytest.raises(lockstep.Fault, match=said):
        run(tmp_path, kernel if kernel == "product" else f"formed_{kernel}_1", before, after, number)


def text(folder: Path, body: str) -> Any:
    """A kernel of one's own, from a file as generated ones are."""
    path = folder / "cuda.py"
    head = "from numba import cuda\n\n\ndef kernel(x, y):\n"
    path.write_text(head + textwrap.indent(body, "    "), encoding="utf-8")
    return load_module(path).kernel


GRID = "i = cuda.grid(1)\n"
OWN = {
    "read after write": ("x[cuda.threadIdx.x] = 1\ny[cuda.threadIdx.x] = x[1 - cuda.threadIdx.x]\n", 1, "no barrier"),
    "write after read": ("y[cuda.threadIdx.x] = x[1 - cuda.threadIdx.x]\nx[cuda.threadIdx.x] = 1\n", 1, "no barrier"),
    "one element, two threads": ("x[0] = cuda.threadIdx.x\n", 1, "two threads write"),
    "one element, two blocks": (GRID + "x[i % 2] = 1\n", 2, "two blocks"),
    "another block's element": (GRID + "x[i] = 1\ncuda.syncthreads()\ny[i] = x[(i + 2) % 4]\n", 2, "another block"),
    "never written": (GRID + "x[i] = y[i]\n", 1, UNWRITTEN),
    "through another name": ("z = x\nz[0] = cuda.threadIdx.x\n", 1, "two threads write"),
    "a barrier for some": ("if cuda.threadIdx.x == 0:\n    cuda.syncthreads()\n", 1, "not all threads"),
    "two barriers for one": ("if cuda.threadIdx.x == 0:\n    cuda.syncthreads()\nelse:\n    cuda.syncthreads()\n", 1,
                             "not all threads"),
}  # fmt: skip


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("fault", OWN)
def test_faults_are_seen_in_any_order(fault: str, order: int, tmp_path: Path) -> None:
    body, blocks, said = OWN[fault]
    with lockstep.device(order) as cuda:
        x, y = cuda.to_device(np.zeros(4)), cuda.device_array(4)
        with pytest.raises(lockstep.Fault, match=said):
            cuda.jit(text(tmp_path, body))[blocks, 2](x, y)


def test_what_barriers_keep_apart_is_right(tmp_path: Path) -> None:
    body = """\
i = cuda.threadIdx.x
x[i] = x[i] + 1
cuda.syncthreads()
y[i] = x[3 - i]
more = cuda.syncthreads_or(x[i] > 3)
x[i] = 10*more
"""
    with lockstep.device() as cuda:
        x, y = cuda.to_device(np.arange(4.0)), cuda.device_array(4)
        with pytest.raises(lockstep.Fault, match="not written everywhere"):
            y.copy_to_host()
        cuda.jit(text(tmp_path, body))[1, 4](x, y)
        assert y.copy_to_host().tolist() == [4.0, 3.0, 2.0, 1.0]
        assert x.copy_to_host().tolist() == [10.0] * 4
