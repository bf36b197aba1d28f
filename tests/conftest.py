"""Tests derive into a cache of this checkout, keyed by the derivation's sources: the second run compiles little."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

os.environ["XDG_CACHE_HOME"] = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "continua")
os.environ["NUMBA_CACHE_DIR"] = os.environ["XDG_CACHE_HOME"] + "/neural-continua/code"  # one for all tests
os.environ.setdefault("MPLBACKEND", "Agg")

# `make quick` and `make test` draw the same examples every time; `make night` draws others, and fifty times as many.
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=10)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("night", deadline=None, max_examples=50 * 25)
settings.load_profile("ci")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test marked ``first(n)`` the first n cases are in the fast loop; the others are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("first")
        if mark is not None:
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if seen[name] > mark.args[0]:
                item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _what_others_wait_for() -> None:
    """Compiled before the tests, whose commands would say how long it takes; of two workers each begins with a half."""
    import numba

    if numba.config.DISABLE_JIT:
        return
    from numerics.functions.basis import Basis
    from numerics.kernels import own_points, product

    def loops() -> None:
        ends = np.array([-1.0, 1.0])
        for basis in Basis("polynomial", ends, np.ones((1, 1, 1)), 1), Basis("fourier", ends, None, 1):
            own_points.nearest(basis, np.ones((1, 1)), None, np.zeros(1), np.array([0, 1]), np.ones((1, 1)), False)

    def products() -> None:
        product.ready(numba.typeof(np.empty((1, 1), dtype)) for dtype in (np.float64, np.float32))

    second = os.environ.get("PYTEST_XDIST_WORKER") == "gw1"
    for compile_them in (products, loops) if second else (loops, products):
        compile_them()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Kernels run as plain Python, where a test is not marked ``compiled``: what is compiled is the same text, and to

    compile a kernel takes a hundred times as long as to run it on the few numbers of a test.
    """
    if item.get_closest_marker("compiled") is not None:
        return (yield)
    from tests.builders import plain

    with plain():
        return (yield)
