"""Numba-CUDA told that there is a device of capability 9.0: kernels are compiled and linked for it, and never run."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

CAPABILITY = (9, 0)


def install() -> None:
    """For the rest of this process."""
    from numba.cuda import dispatcher
    from numba.cuda.cudadrv import devices, runtime

    device = SimpleNamespace(compute_capability=CAPABILITY, id=0)
    dispatcher.get_current_device = lambda: device
    devices.get_context = lambda *given: SimpleNamespace(device=device)
    dispatcher._Kernel.bind = lambda self: self._codelibrary.get_cubin(cc=CAPABILITY)
    runtime.runtime.get_version = lambda: CAPABILITY


def compiled(name: str) -> Any:
    """A kernel of ``device_kernels`` that takes a number and two vectors, as a launch would compile or load it."""
    import numba

    from numerics.kernels import cache, device_kernels

    vector = numba.types.Array(numba.float64, 1, "C")
    kernel = cache.cuda_jit(getattr(device_kernels, name), launch_bounds=256)
    kernel.compile((numba.float64, vector, vector))
    return kernel


if __name__ == "__main__":
    install()
    found = compiled(sys.argv[1])
    print("loaded" if found._cache_hits else "compiled")
