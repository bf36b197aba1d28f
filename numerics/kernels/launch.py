"""How CUDA kernels are found, compiled and launched, and how arrays get to the device and back."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import RepresentationError
from numerics.kernels.bound import converted
from numerics.kernels.specialised import specialised
from numerics.representation.folders import load_module
from numerics.representation.tables import SlabTables


@dataclass(frozen=True)
class Launch:
    """How records are cut: per launch, and by the threads (columns, rows) of a block; at most ``blocks`` blocks.

    The threads' numbers are powers of two, of the columns at most 16 and of the rows at most 8.
    """

    records: int = 8192
    threads: tuple[int, int] = (16, 8)
    blocks: int = 128

    @property
    def tile(self) -> int:
        """Records of a block: four a thread."""
        return 4 * self.threads[0]

    def grid(self, records: int) -> int:
        return max(1, min(self.blocks, -(-records // self.tile)))


def missing() -> tuple[str, str] | None:
    """What keeps kernels from running on a GPU here, and what to do about it; None when nothing does."""
    from numba import config

    if not config.ENABLE_CUDASIM and importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed", 'pip install "neural-continua[cuda]"'
    from numba import cuda

    if cuda.is_available():
        return None
    error = cuda.cuda_error()
    if error is not None:
        said = " ".join(str(error).split())
        return f"no working NVIDIA driver: {said}", "install the driver, or use --device cpu"
    return "the driver finds no GPU", "run on a machine with an NVIDIA GPU, or use --device cpu"


def require() -> None:
    """Raise RepresentationError, naming what is missing, where kernels cannot run on a GPU."""
    lack = missing()
    if lack is not None:
        raise RepresentationError("--device cuda", "a machine with numba-cuda, a driver and an NVIDIA GPU", *lack)


@cache
def compiled(path: Path, name: str) -> Any:
    """The kernel ``name`` of the cuda.py at ``path``, compiled on first launch for each set of types."""
    from numba import config, cuda

    function = getattr(load_module(path), name)
    return cuda.jit(function if config.ENABLE_CUDASIM else specialised(function, Launch().threads))


def module(path: Path) -> Path:
    """The cuda.py beside a cpu.py."""
    return path.with_name("cuda.py")


def start(kernel: Any, launch: Launch, size: int, *given: Any, tiles: bool = False) -> None:
    """Launch a kernel over ``size`` elements, or over the tiles of as many records."""
    threads = launch.threads[0] * launch.threads[1]
    if tiles:
        kernel[launch.grid(size), launch.threads](*given)
    else:
        kernel[min(1024, -(-size // threads)), threads](*given)


def start_blocks(kernel: Any, launch: Launch, blocks: int, *given: Any) -> None:
    """Launch a kernel on so many blocks."""
    kernel[blocks, launch.threads](*given)


def cuda_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The kernel of a slab."""
    return compiled(module(tables.module), f"{name}_{tables.suffix}")  # type: ignore[no-any-return]


def to_device(array: Any, dtype: Any) -> Any:
    """A device array of a host array (or that device array itself); whole numbers stay what they are."""
    from numba import cuda

    return cuda.to_device(converted(array, dtype)) if isinstance(array, np.ndarray) else array


def to_host(array: Any) -> np.ndarray:
    """A host array of a device array, or that host array itself."""
    return array if isinstance(array, np.ndarray) else array.copy_to_host()


def columns(runs: np.ndarray, count: int) -> np.ndarray:
    """(count, 2): first and one past the last row whose run meets each column of a banded table."""
    reach = np.zeros((count, 2), dtype=np.int64)
    for b in range(count):
        (meets,) = np.nonzero((runs[:, 0] <= b) & (b < runs[:, 1]))
        if len(meets):
            reach[b] = meets[0], meets[-1] + 1
    return reach
