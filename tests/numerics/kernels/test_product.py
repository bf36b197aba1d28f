"""Products of matrices in kernels beside NumPy's, in shapes that meet the edges of blocks, panels and registers."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from numerics.kernels import product

SHAPES = [(1, 1, 1), (3, 5, 7), (4, 8, 16), (33, 31, 130), (64, 300, 77), (5, 256, 64), (2, 3, 200), (40, 0, 16)]


@pytest.fixture(scope="module", autouse=True)
def _ready() -> None:
    product.ready(numba.typeof(np.empty((1, 1), dtype)) for dtype in (np.float32, np.float64))


@numba.njit
def _multiplied(a, b, out, add):  # type: ignore[no-untyped-def]
    """out = a b, or out += a b."""
    if add:
        product.add_dot(a, b, out)
    else:
        product.dot(a, b, out)


def _set(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    _multiplied(a, b, out, False)


def _add(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    _multiplied(a, b, out, True)


@pytest.mark.first(2)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_products_are_numpys(dtype: type, turned: tuple[bool, bool]) -> None:
    generator = np.random.default_rng(0)

    def matrix(rows: int, columns: int, turn: bool) -> np.ndarray:
        values = generator.standard_normal((columns, rows) if turn else (rows, columns)).astype(dtype)
        return values.T if turn else values

    for m, k, n in SHAPES:
        a, b = matrix(m, k, turned[0]), matrix(k, n, turned[1])
        expected = a.astype(np.longdouble) @ b.astype(np.longdouble)
        bound = 4 * (k + 1) * np.finfo(dtype).eps * (np.abs(a).astype(float) @ np.abs(b).astype(float) + 1e-300)
        out, before = np.full((m, n), np.nan, dtype), generator.standard_normal((m, n)).astype(dtype)
        _set(a, b, out)
        assert (np.abs(out - expected) <= bound).all(), (m, k, n)
        whole = np.full((m + 2, n), 7, dtype)  # what lies around the rows stays
        inner = whole[1:-1]
        _set(a, b, inner)
        assert (inner == out).all() and (whole[[0, -1]] == 7).all()
        added = before.copy()
        _add(a, b, added)
        room = bound + np.finfo(dtype).eps * (np.abs(before) + np.abs(expected).astype(float))
        assert (np.abs(added - before - expected) <= room).all(), (m, k, n)


def test_numbers_that_are_none_stay_none() -> None:
    """A NaN or an infinity of one record reaches that record's column alone."""
    a, b = np.ones((6, 9)), np.ones((9, 40))
    b[3, 17], b[2, 39] = np.nan, np.inf
    out = np.empty((6, 40))
    _set(a, b, out)
    wrong = ~np.isfinite(out)
    assert wrong[:, [17, 39]].all() and wrong.sum() == 12


def test_kernels_multiply_with_it() -> None:
    """What a kernel calls np.dot is this product: the library is not asked for small ones."""
    from numerics.kernels.words import WORDS

    assert WORDS.dot is product.dot and WORDS.empty is np.empty
