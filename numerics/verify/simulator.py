"""``python -m numerics.verify.simulator FOLDER``: how far simulated CUDA kernels are from the CPU's.

In a process of its own, since NUMBA_ENABLE_CUDASIM is read when Numba is imported. FOLDER: model.npz, records.npz.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from numerics.kernels.cpu import Bound
from numerics.kernels.cuda import CudaBound
from numerics.kernels.launch import Launch
from numerics.model.checkpoint import load
from numerics.model.layout import kernel_weights

LAUNCH = Launch(records=2, threads=(2, 2), blocks=2)  # several launches for three records
STEPS = 3  # of every slab: the simulator runs thread by thread, in Python


class _Once(dict[Any, Any]):
    """Shared arrays of a simulated block: the thread that finds none makes it, and the others wait for that."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def get(self, place: Any, default: Any = None) -> Any:
        self.lock.acquire()
        found = super().get(place)
        if found is not None:
            self.lock.release()
        return found

    def __setitem__(self, place: Any, array: Any) -> None:
        super().__setitem__(place, array)
        self.lock.release()


def steady() -> None:
    """Make Numba's simulator reliable, in this process: two of its threads may each make a shared array of their own.

    And it polls its threads: where these take turns as rarely as usual, 5 ms would pass between two of them.
    """
    from numba.cuda.simulator import kernelapi

    begin = kernelapi.FakeCUDAShared.__init__

    def shared(self: Any, size: int) -> None:
        begin(self, size)
        self._allocations = _Once()

    kernelapi.FakeCUDAShared.__init__ = shared
    sys.setswitchinterval(1e-5)


def largest(folder: Path) -> float:
    """The largest difference of states, losses and gradients, relative to each one's largest value."""
    model = load(folder / "model.npz")
    with np.load(folder / "records.npz") as stored:
        states, targets = stored["states"], stored["targets"]
    both = Bound(model.representation), CudaBound(model.representation, launch=LAUNCH)
    steps = [own[:STEPS] for own in model.solver.settled(states).steps]
    found = []
    for bound in both:
        solver = bound.with_steps(steps).form(kernel_weights(model.fields))
        losses, slabs, *bars = solver.gradient(states, *model.readout_map(), targets)
        operators = [slab[name] for slab in slabs for name in sorted(slab)]
        found.append([solver.final(states), losses, *operators, *bars])
    gaps = [np.abs(a - b).max() / (np.abs(a).max() or 1.0) for a, b in zip(*found)]
    return float(max(gaps))


if __name__ == "__main__":
    steady()
    print(largest(Path(sys.argv[1])))
