"""Compiles generated functions for this machine, and spreads serial kernels over threads.

This file compiles for the CPU, ``cuda`` for NVIDIA's GPUs. Kernels are serial over a tile of records and release the
GIL; a thread pool runs tiles side by side. Linear algebra inside them is single-threaded, so results do not depend on
the number of threads.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from derive.errors import RepresentationError

Result = TypeVar("Result")

# Reassociation lets sums over records vectorise. Never full fastmath: it may assume that there are no NaNs.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


@cache
def load_module(path: Path) -> ModuleType:
    """A generated module, loaded from its file (never from a model)."""
    name = "continua_" + "_".join(path.with_suffix("").parts[-3:]).replace("-", "_").replace("+", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RepresentationError(
            f"no module at {path}",
            "a folder written by `continua generate`",
            "files were moved or deleted",
            "run `continua generate` again",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@cache
def compiled(path: Path, name: str) -> Callable[..., Any]:
    """The function ``name`` of the generated module at ``path``, compiled on first call for each set of types."""
    import numba

    function = getattr(load_module(path), name)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": FASTMATH}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no directory that the cache could be written to
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def threads() -> int:
    """How many tiles run side by side: CONTINUA_THREADS, or the processors this process may use."""
    given = os.environ.get("CONTINUA_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="continua")


@cache
def _blas() -> Any:
    import scipy.linalg.cython_blas  # noqa: F401  the library that Numba's np.dot calls must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_inside = threading.local()


@contextlib.contextmanager
def serial_blas() -> Iterator[None]:
    """Single-threaded linear algebra inside; costs nothing where it is already so."""
    if getattr(_inside, "serial", False):
        yield
        return
    _inside.serial = True
    try:
        with _blas().limit(limits=1, user_api="blas"):
            yield
    finally:
        _inside.serial = False


def spread(work: Callable[[int], Result], count: int) -> list[Result]:
    """[work(0), …, work(count − 1)], side by side; the order of the results is that of the arguments."""
    workers = min(threads(), count)
    if workers <= 1:
        return [work(index) for index in range(count)]
    return list(_pool(workers).map(work, range(count)))


def blocks(records: int, tile: int, tiles: int) -> Sequence[Sequence[slice]]:
    """Fixed blocks of tiles of records; the split depends on the sizes alone, never on the machine."""
    cuts = [slice(a, min(a + tile, records)) for a in range(0, records, tile)]
    return [cuts[a : a + tiles] for a in range(0, len(cuts), tiles)]
