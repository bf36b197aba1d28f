"""What this machine attains: matrix products, and copies of memory, with as many threads as kernels use."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from numerics.kernels import threads

SIDE = 1536  # rows and columns of the product
COPIED = 1 << 25  # numbers that are copied, more than any cache holds
TRIES = 4


@dataclass(frozen=True)
class Attained:
    """Floating-point operations a second of products by dtype, and bytes a second of a copy (read and written)."""

    products: dict[str, float]
    bytes: float


def attained() -> Attained:
    """Measure; the best of a few tries."""
    found = {}
    with threadpool_limits(threads.threads()):
        for dtype in ("float32", "float64"):
            a = np.ones((SIDE, SIDE), dtype)
            out = np.empty_like(a)
            found[dtype] = 2.0 * SIDE**3 / min(_seconds(np.matmul, a, a, out) for _ in range(TRIES))
    source = np.ones(COPIED, np.float32)
    target = np.empty_like(source)
    return Attained(found, 2.0 * source.nbytes / min(_seconds(np.copyto, target, source) for _ in range(TRIES)))


def _seconds(function: Any, *given: Any) -> float:
    start = time.perf_counter()
    function(*given)
    return time.perf_counter() - start


def name() -> str:
    """The processor, its cores and the threads that kernels use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model} ({platform.machine()}), {os.cpu_count()} cores, {threads.threads()} threads"
