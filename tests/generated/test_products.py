"""The product that all CUDA kernels call, in lockstep against NumPy: any sizes, any layout, any number of threads."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.emit.tiles import PRODUCT, STAGED, SUMMED
from numerics.kernels.cuda import CudaBound
from numerics.kernels.device_tables import alike
from numerics.kernels.launch import Launch
from numerics.kernels.operators import Weights
from numerics.representation.folders import load_module
from tests.oracles import lockstep
from tests.oracles.cuda_cases import SPECTRAL, Case, Draw, U, compare_declared, representation

KERNEL = f"""\
from numba import cuda


{PRODUCT}

def kernel(
    height, many, width, each, over, depth, left, left_row, left_over, left_deep,
    right, right_over, right_deep, right_many, right_column, out, out_row, out_many, out_column, add, constants,
):
    {STAGED}
    product(height, many, width, each, over, depth, left, 0, left_row, left_over, left_deep,
            right, 0, right_over, right_deep, right_many, right_column,
            out, 0, out_row, out_many, out_column, add, constants, staged)
"""


def kernel(folder: Path, before: str = "", after: str = "") -> Any:
    """The kernel, with a text of it replaced by another."""
    assert before in KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cuda.py").write_text(KERNEL.replace(before, after, 1) if before else KERNEL, encoding="utf-8")
    return load_module(folder / "cuda.py").kernel


def laid(values: np.ndarray, order: tuple[int, ...]) -> tuple[np.ndarray, list[int]]:
    """The numbers with their axes in this order in memory, and how far apart neighbours along each axis are."""
    flat = np.ascontiguousarray(values.transpose(order))
    steps = np.array(flat.strides)[np.argsort(order)] // flat.itemsize
    return flat.reshape(-1), [int(step) for step in steps]


def multiplied(
    made: Any, sizes: tuple[int, ...], orders: tuple[tuple[int, ...], ...], each: int, add: bool, threads: Any
) -> tuple[np.ndarray, np.ndarray, int]:
    """What the kernel makes of random numbers, what NumPy does, and how many barriers its threads met.

    sizes: height, many, width, over, depth. orders: of the axes (a, s, b), (s, b, p, r) and (a, p, r) in memory.
    """
    height, many, width, over, depth = sizes
    generator = np.random.default_rng(sum(sizes))
    left, right, out = (
        generator.integers(-4, 5, shape).astype(float)  # whole numbers: sums are exact in any order
        for shape in ((height, over, depth), (over, depth, many, width), (height, many, width))
    )
    expected = np.einsum("asb,sbpr->apr", left, right) + (out if add else 0)
    (flat_left, at_left), (flat_right, at_right), (flat_out, at_out) = map(laid, (left, right, out), orders)
    with lockstep.device(sum(sizes)) as machine:
        there = [machine.to_device(a) for a in (flat_left, flat_right, flat_out, np.zeros(1))]
        own = height, many, width, each, over, depth, there[0], *at_left, there[1], *at_right, there[2], *at_out
        machine.jit(made)[1, threads](*own, add, there[3])
        found = there[2].copy_to_host()
        waits = machine.waits["kernel"]
    shape = tuple((height, many, width)[axis] for axis in orders[2])
    return found.reshape(shape).transpose(np.argsort(orders[2])), expected, waits


THREADS = [(1, 1), (2, 1), (2, 2), (1, 4), (4, 2), (1, 8)]


@settings(max_examples=40)
@given(data=st.data())
def test_it_is_the_product(data: Any, tmp_path_factory: Any) -> None:
    size = st.integers(1, 9)
    height, width, depth = (data.draw(size) for _ in range(3))
    many, over = data.draw(st.sampled_from([(1, 1), (3, 1), (1, 3), (2, 2)]))
    each = 0 if many == 1 and data.draw(st.booleans()) else -(-width // 4) * 4 + 4 * data.draw(st.integers(0, 1))
    orders = tuple(tuple(data.draw(st.permutations(range(n)))) for n in (3, 4, 3))
    made = kernel(tmp_path_factory.mktemp("product"))
    found, expected, _ = multiplied(
        made, (height, many, width, over, depth), orders, each, data.draw(st.booleans()),
        data.draw(st.sampled_from(THREADS)),
    )  # fmt: skip
    assert np.array_equal(found, expected)


USUAL = ((0, 1, 2), (0, 1, 2, 3), (0, 1, 2))
RACE = "no barrier between them|before anything was written"
FAULTS = {
    "a piece too many": ("a < height and p < many", "a < height", "outside an array|two threads"),
    "pieces beside each other": ("p*right_many", "p", ""),
    "a piece's columns into the next one": ("and p < many and r < width:", "and p < many:", "outside|two threads"),
    "a sum of one piece": ("s*left_over", "0", ""),
    "a piece's first slice twice": ("else (s + 1, 0)", "else (s, 0)", ""),
    "no barrier before a slice": ("cuda.syncthreads()", "pass", RACE),
    "a thread too few": ("threads = cuda.blockDim.x*cuda.blockDim.y", "threads = cuda.blockDim.y", "two threads"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen(fault: str, tmp_path: Path) -> None:
    before, after, said = FAULTS[fault]
    made = kernel(tmp_path, before, after)
    try:
        found, expected, _ = multiplied(made, (9, 3, 3, 2, 10), USUAL, 4, False, (2, 2))
    except lockstep.Fault as told:
        assert any(part in str(told) for part in said.split("|")) and said
    else:
        assert not said and not np.array_equal(found, expected)


def test_pieces_share_the_slices(tmp_path: Path) -> None:
    """As many barriers for 16 pieces of four columns as for one, and two a slice: 9 slices are 8 deep."""
    made, waits = kernel(tmp_path), []
    for many in (1, 2, 3, 16):
        *both, found = multiplied(made, (64, many, 4, 1, 72), USUAL, 4, False, (1, 128) if many > 3 else (16, 8))
        assert np.array_equal(*both)
        waits.append(found)
    assert waits == [2 * 10] * 4  # the first slice is on its way


# --- neighbouring threads, neighbouring numbers ---------------------------------------------------------------

SUMS = f"""\
from numba import cuda


{SUMMED}

def kernel(height, count, given, out, constants):
    {STAGED}
    summed(height, count, given, 0, count, out, constants, staged)
"""


def lines_a_read(reads: dict[int, list[int]]) -> float:
    """Of how many 128 bytes a warp's threads read at once, on average: 1 where they read 32 neighbours in float32.

    reads: thread → places, in its order.
    """
    found = []
    for first in range(0, max(reads) + 1, 32):
        own = [reads.get(thread, []) for thread in range(first, first + 32)]
        found += [len({place // 32 for place in at_once}) for at_once in zip(*filter(None, own))]
    return float(np.mean(found))


def read_by(run: Any, size: int) -> dict[int, list[int]]:
    """Thread → places that it reads of arrays of this size, while something runs."""
    found: dict[int, list[int]] = {}
    read = lockstep.Memory.read

    def noted(memory: Any, place: int) -> Any:
        if memory.values.size == size:
            found.setdefault(lockstep._Now.thread, []).append(int(place))
        return read(memory, place)

    with mock.patch.object(lockstep.Memory, "read", noted):
        run()
    return found


@pytest.mark.parametrize("threads", [(16, 8), (1, 128)])
def test_sums_over_records_read_neighbours(threads: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "cuda.py").write_text(SUMS, encoding="utf-8")
    count = 4 * threads[0]
    values = np.arange(70.0 * count).reshape(70, count)
    with lockstep.device() as machine:
        given, out, zero = machine.to_device(values.ravel()), machine.to_device(np.ones(70)), np.zeros(1)
        run = machine.jit(load_module(tmp_path / "cuda.py").kernel)[1, threads]
        reads = read_by(lambda: run(70, count, given, out, machine.to_device(zero)), values.size)
        assert np.array_equal(out.copy_to_host(), 1 + values.sum(axis=1))
    assert lines_a_read(reads) <= 4 and sum(map(len, reads.values())) == values.size


def test_factors_are_fetched_by_neighbours(tmp_path: Path) -> None:
    """Of a row 8 numbers, four rows at once; of records 32, or as many as there are."""
    for orders, lines in ((USUAL, 4), (((1, 2, 0), *USUAL[1:]), 1)):
        made, sizes = kernel(tmp_path), (64, 1, 63, 1, 64)
        reads = read_by(partial(multiplied, made, sizes, orders, 0, False, (16, 8)), 4096)
        assert lines_a_read(reads) <= lines


# --- blocks that are alike ------------------------------------------------------------------------------------


def expanded(groups: np.ndarray) -> list[list[int]]:
    """The blocks of groups."""
    return [
        [high + k * down, high_end + k * down, low + k * along, low_end + k * along, origin]
        for high, high_end, low, low_end, origin, many, down, along in groups.tolist()
        for k in range(many)
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 9), st.integers(1, 3), st.integers(0, 2)),
        max_size=12, unique=True,
    )
)  # fmt: skip
def test_groups_hold_every_block_once_and_apart(places: list[tuple[int, ...]]) -> None:
    blocks = np.array([[a, a + m, b, b + n, origin] for a, m, b, n, origin in places], np.int64).reshape(-1, 5)
    groups = alike(blocks)
    assert sorted(expanded(groups)) == sorted(blocks.tolist())
    for high, high_end, low, low_end, _, many, down, along in groups.tolist():
        assert many == 1 or (down >= high_end - high and along >= low_end - low)


def test_a_convolution_has_as_many_groups_as_its_kernel_has_nodes() -> None:
    blocks = np.array([[k, k + 1, k, k + 5, 0] for k in range(60)])
    assert len(alike(blocks)) == 5 and set(alike(blocks)[:, 5]) == {12}
    assert len(alike(np.array([[k, k + 1, k, k + 1, 0] for k in range(60)]))) == 1
    assert len(alike(np.array([[k, k + 1, k, k + 1, k] for k in range(60)]))) == 60


# --- few records ----------------------------------------------------------------------------------------------


def test_blocks_are_chosen_by_the_number_of_records_alone() -> None:
    cut = {n: Launch().shaped(n) for n in (1, 20, 32, 128, 129, 512, 513, 4096, 8192, 10**6)}
    assert {n: (own.tile, own.grid(n)) for n, own in cut.items()} == {
        1: (4, 1), 20: (4, 5), 32: (4, 8), 128: (4, 32), 129: (16, 9), 512: (16, 32), 513: (64, 9), 4096: (64, 64),
        8192: (64, 128), 10**6: (64, 128),
    }  # fmt: skip
    assert {math.prod(own.threads) for own in cut.values()} == {128}


FEW = Launch(records=9, threads=(4, 2), blocks=4)  # which become (1, 8): tiles of 4 records, in a product of 4 × 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convolution, gate, local", "gate, translation, local, lift"])
def test_few_records_in_many_blocks_give_the_same_numbers(name: str) -> None:
    with lockstep.device():
        found = compare_declared(name, FEW)
    assert {key: value for key, value in found.items() if not value <= 1e-12} == {}
    assert FEW.shaped(9).threads == (1, 8)


def test_channels_cost_no_barriers(tmp_path: Path) -> None:
    """As long as their columns fit: of seven records in two blocks, 8 of 16 are those of two channels."""
    waits = []
    for channels in (1, 2):
        case = Case(sp.tanh(U) / 2, SPECTRAL, stages=2, channels=channels)
        made = representation(case, tmp_path / f"{channels}", Draw(1))
        weights = [Weights(np.ones((3, 3 * channels, 3 * channels)), np.ones((2, 3 * channels)))]
        with lockstep.device() as machine:
            solver = CudaBound(made, "float64", "factors", Launch(threads=(4, 4))).form(weights)
            solver.final(np.ones((4 * channels, 7)))
            waits.append(machine.waits["factors_forward_1"])
    assert waits[0] == waits[1] > 0
