"""How CUDA kernels are found, compiled and launched, and how arrays get to the device and back.

Launches do not wait for the device, so that what goes wrong in a kernel shows later: at a launch, or when something is
copied back. ``Flight`` remembers which kernels that can have been.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError, RepresentationError, TrainingError
from numerics.kernels import cache as kept
from numerics.kernels.bound import converted
from numerics.kernels.specialised import specialised
from numerics.representation.folders import load_module
from numerics.representation.tables import SlabTables

ALIGNED = 64  # numbers: where arrays that share an allocation begin
NO_MEMORY = "OUT_OF_MEMORY"  # in what the driver says
# and of what is wrong with a launch or a copy itself, not with an earlier kernel
OWN_FAULTS = ("INVALID_VALUE", "INVALID_CONFIGURATION", "OUT_OF_RESOURCES", "INVALID_IMAGE", "NO_BINARY_FOR_GPU", "PTX")
CUDA, CUDA_MANAGED, LEGACY = 2, 13, 1  # DLPack's kinds of devices, and its stream on which Numba launches


@dataclass(frozen=True)
class Launch:
    """How records are cut: per launch, and by the threads (columns, rows) of a block; at most ``blocks`` blocks.

    The threads' numbers are powers of two, together at most 128. Few records are spread over up to ``spread`` blocks.
    """

    records: int = 8192
    threads: tuple[int, int] = (16, 8)
    blocks: int = 128
    spread: int = 32

    @property
    def tile(self) -> int:
        """Records of a block: four a thread."""
        return 4 * self.threads[0]

    @property
    def line(self) -> tuple[int, int]:
        """The threads of a block in a line, for kernels over elements."""
        return math.prod(self.threads), 1

    def shaped(self, records: int) -> Launch:
        """For so many records: with fewer columns of threads, and so fewer records a block, where these are few.

        A quarter at a time, since kernels are compiled for every shape. Sums depend on it, it on nothing else.
        """
        columns, rows = self.threads
        while columns >= 4 and records <= self.spread * columns:
            columns, rows = columns // 4, rows * 4
        return replace(self, threads=(columns, rows))

    def grid(self, records: int) -> int:
        return max(1, min(self.blocks, -(-records // self.tile)))


# --- what has to be there -----------------------------------------------------------------------------------


def missing() -> tuple[str, str] | None:
    """What keeps kernels from running on a GPU here, and what to do about it; None when nothing does."""
    from numba import config

    if config.ENABLE_CUDASIM:
        return None
    install = 'pip install "neural-continua[cuda]"'
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed", install
    from numba import cuda

    error = cuda.cuda_error()
    if error is not None:
        said = " ".join(str(error).split())
        return f"no working NVIDIA driver: {said}", "install the driver, or use --device cpu"
    if not cuda.cudadrv.nvvm.is_available():
        return "NVIDIA's compiler (NVVM) is not found beside numba-cuda", install
    try:
        devices = len(cuda.gpus)
    except Exception as error:  # whatever the driver says
        said = " ".join(str(error).split())
        return f"the driver gives no GPU: {said}", "see what nvidia-smi says, or use --device cpu"
    return None if devices else ("the driver finds no GPU", "run on a machine with an NVIDIA GPU, or use --device cpu")


def require() -> None:
    """Raise RepresentationError, naming what is missing, where kernels cannot run on a GPU."""
    lack = missing()
    if lack is not None:
        raise RepresentationError("--device cuda", "a machine with numba-cuda, a driver and an NVIDIA GPU", *lack)
    # some of our launches are small, which is nothing to tell whoever trains a model
    warnings.filterwarnings("ignore", r"Grid size \d+ will likely result in GPU under-utilization")


def give_back() -> None:
    """Memory that nobody has any more is the driver's again: Numba does so late, and it counts as used until then."""
    from numba import cuda

    pending = getattr(getattr(cuda.current_context(), "memory_manager", None), "deallocations", None)
    if pending is not None:  # the simulator has none
        pending.clear()


def check_memory(needed: int, held: int, what: str) -> None:
    """Raise TrainingError where the device has no room for this many bytes. held: what would be used again of ours."""
    from numba import cuda

    give_back()
    free = cuda.current_context().get_memory_info()[0] + held
    if needed > free:
        raise TrainingError(
            f"{what}, {needed / 2**30:,.2f} GiB on the GPU", f"the {free / 2**30:,.2f} GiB of its memory that are free",
            "many stages, or state, weights or channels of many functions, or another program on the device",
            'set training.batch, or training.memory = "checkpoint", make [state] and [weight] smaller, or use the '
            "device cpu",
        )  # fmt: skip


# --- kernels ------------------------------------------------------------------------------------------------


class Flight:
    """The kernels that were launched since the device was last known to have ended its work."""

    def __init__(self) -> None:
        self.names: deque[str] = deque(maxlen=16)

    def launched(self, name: str) -> None:
        """One more, of which the last ones are remembered."""
        self.names.append(name)

    def landed(self) -> None:
        """The device has done all of it."""
        self.names.clear()

    @contextlib.contextmanager
    def watched(self, doing: str) -> Iterator[None]:
        """What the driver says in here, with the kernels that it can be about. doing: a launch, or a copy."""
        try:
            yield
        except Exception as error:
            if not any(kind.__name__ in ("CudaAPIError", "CUDAError") for kind in type(error).__mro__):
                raise
            raise self._explained(doing, " ".join(str(error).split())) from error

    def _explained(self, doing: str, said: str) -> Exception:
        if NO_MEMORY in said:
            return TrainingError(
                f"no memory left on the GPU for {doing}: {said}", "less memory at once",
                "another program on the device, or many records at once",
                'set training.batch, or training.memory = "checkpoint", or use the device cpu',
            )  # fmt: skip
        if any(name in said for name in OWN_FAULTS) or not self.names:
            cause, where = "the launch itself was refused", doing
        elif os.environ.get("CUDA_LAUNCH_BLOCKING") == "1":  # kernels before it have ended
            cause, where = "an index outside an array, or a kernel that does not fit the device", doing
        else:
            names = ", ".join(dict.fromkeys(self.names))
            cause, where = "kernels report what goes wrong in them after their launch", f"one of {names}"
        return RepresentationError(
            f"a fault on the GPU, met at {doing}: {said}", "kernels that end", cause,
            "run again with the environment variable CUDA_LAUNCH_BLOCKING=1, which names the kernel", where,
        )  # fmt: skip


flight = Flight()


@cache
def compiled(path: Path, name: str, threads: tuple[int, int]) -> Any:
    """The kernel ``name`` of the cuda.py at ``path``, compiled on first launch for each set of types.

    threads: of a block, which then has no more registers than a device gives it.
    """
    from numba import config, cuda

    function = getattr(load_module(path), name)
    if config.ENABLE_CUDASIM:
        return cuda.jit(function)
    return kept.cuda_jit(specialised(function, threads), launch_bounds=math.prod(threads))


def module(path: Path) -> Path:
    """The cuda.py beside a cpu.py."""
    return path.with_name("cuda.py")


def cuda_kernels(tables: SlabTables, name: str) -> Callable[..., Any]:
    """The kernel of a slab, for the threads of a block that it is called with."""
    return partial(compiled, module(tables.module), f"{name}_{tables.suffix}")


def start(kernel: Any, launch: Launch, size: int, *given: Any) -> None:
    """Launch a kernel over ``size`` elements."""
    _launch(kernel, (max(1, min(1024, -(-size // launch.line[0]))), launch.line), given)


def start_blocks(kernel: Any, launch: Launch, blocks: int, *given: Any) -> None:
    """Launch a kernel on so many blocks."""
    _launch(kernel, (blocks, launch.threads), given)


def start_rows(kernel: Any, launch: Launch, rows: int, *given: Any) -> None:
    """Launch a kernel on a block a row."""
    _launch(kernel, (max(1, min(1024, rows)), launch.line), given)


def _launch(kernel: Any, configuration: tuple[Any, ...], given: Sequence[Any]) -> None:
    _do(f"the launch of {kernel.__name__}", kernel[configuration], tuple(given))
    flight.launched(kernel.__name__)


def copied(source: Any, target: Any) -> None:
    """Copy an array on the device."""
    _do("a copy on the device", target.copy_to_device, (source,))


def _do(what: str, call: Callable[..., Any], given: tuple[Any, ...]) -> None:
    with flight.watched(what):
        call(*given)
    tape = getattr(_recording, "tape", None)
    if tape is not None:
        tape.calls.append((what, call, given))


class Tape:
    """Launches and copies on the device, to be done again with the same arrays and numbers.

    What a step of training repeats costs the host no more than the launches then.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = []

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Take note of what this thread does here."""
        _recording.tape = self
        try:
            yield
        finally:
            _recording.tape = None

    def again(self) -> None:
        """All of it, in order."""
        for what, call, given in self.calls:
            with flight.watched(what):
                call(*given)
            flight.launched(what.rpartition(" ")[2])


_recording = threading.local()


# --- arrays -------------------------------------------------------------------------------------------------


def on_gpu(array: Any) -> bool:
    """Whether an array of any package lies on a GPU. Raises DataError for one that its package does not lend."""
    try:
        if hasattr(array, "__cuda_array_interface__"):
            return True
    except RuntimeError as error:  # PyTorch's, for a tensor on a GPU
        raise DataError(
            f"an array on the GPU that its package does not lend: {error}", "an array without gradients of its own",
            "it requires a gradient, and the model's outputs have none", "detach it: x.detach()",
        ) from error  # fmt: skip
    place = getattr(array, "__dlpack_device__", None)
    return place is not None and int(place()[0]) in (CUDA, CUDA_MANAGED)


def array_of(array: Any) -> Any:
    """The same memory as Numba's device array: by the CUDA array interface, or else by DLPack."""
    from numba import cuda

    if not hasattr(array, "__cuda_array_interface__"):
        array = _Viewed(array)
    return cuda.as_cuda_array(array)


class _Viewed:
    """What DLPack says of an array, as the CUDA array interface says it."""

    def __init__(self, array: Any) -> None:
        from cuda.core.utils import StridedMemoryView

        self.array = array  # which has to live as long
        view = StridedMemoryView.from_dlpack(array, stream_ptr=LEGACY)
        size = view.dtype.itemsize
        strides = None if view.strides is None else tuple(size * step for step in view.strides)
        self.__cuda_array_interface__ = {
            "shape": tuple(view.shape), "typestr": view.dtype.str, "data": (view.ptr, view.readonly),
            "strides": strides, "version": 3, "stream": None,
        }  # fmt: skip


def contiguous(array: Any) -> Any:
    """The device array. Raises DataError for one whose numbers do not lie one after the other."""
    if not array.is_c_contiguous():
        raise DataError(
            f"an array on the GPU whose {array.ndim} axes do not lie one after the other", "contiguous records",
            "it was transposed, or is a part of another one", "give its contiguous copy",
        )  # fmt: skip
    return array


def to_device(array: Any, dtype: Any) -> Any:
    """A device array of a host array (or that device array itself); whole numbers stay what they are.

    Raises DataError for a device array of another type: kernels would mix precisions.
    """
    from numba import cuda

    if not isinstance(array, np.ndarray):
        if array.dtype != dtype and array.dtype.kind == "f":
            raise DataError(
                f"an array of {array.dtype} on the GPU", f"{np.dtype(dtype)}, the model's precision",
                "it was made for another model, or in another library's usual type",
                f"convert it there, or declare precision = \"{array.dtype}\" in the spec",
            )  # fmt: skip
        return array
    with flight.watched("a copy to the device"):
        return cuda.to_device(converted(array, dtype))


def to_host(array: Any) -> np.ndarray:
    """A host array of a device array, once it is there; or that host array itself."""
    if isinstance(array, np.ndarray):
        return array
    with flight.watched("a copy from the device"):
        found = array.copy_to_host()
    flight.landed()
    return found  # type: ignore[no-any-return]


def layout(shapes: Mapping[Any, tuple[int, ...]]) -> tuple[dict[Any, slice], int]:
    """Where arrays of these shapes lie in one allocation, and how long it is."""
    found, stop = {}, 0
    for name, shape in shapes.items():
        found[name] = slice(stop, stop + math.prod(shape))
        stop += -(-math.prod(shape) // ALIGNED) * ALIGNED
    return found, stop


def cut(flat: Any, shapes: Mapping[Any, tuple[int, ...]]) -> dict[Any, Any]:
    """Arrays of these shapes in one allocation, on the host or on the device."""
    places, _ = layout(shapes)
    return {name: flat[place].reshape(shapes[name]) for name, place in places.items()}


def together(arrays: Mapping[Any, Any], dtype: Any, empty: Callable[[int], Any]) -> dict[Any, Any]:
    """Device arrays of host arrays of numbers, by one copy; those that are there already stay. empty: gives memory."""
    host = {name: a for name, a in arrays.items() if isinstance(a, np.ndarray)}
    shapes = {name: a.shape for name, a in host.items()}
    places, size = layout(shapes)
    flat = np.empty(size, dtype)
    for name, a in host.items():
        flat[places[name]] = a.reshape(-1)
    if host:
        there = empty(size)
        with flight.watched("a copy to the device"):
            there.copy_to_device(flat)
        host = cut(there, shapes)
    return {name: host[name] if name in host else to_device(a, dtype) for name, a in arrays.items()}


class Arena:
    """Device memory of one call at a time: given out in order, and again in the same order to the next call.

    place: how many arrays are given out; a call sets it back to where it began.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.bytes, self.place = dtype, 0, 0
        self._arrays: list[Any] = []

    def empty(self, *shape: int) -> Any:
        """Room for an array that nobody else has until then."""
        from numba import cuda

        size = max(math.prod(shape), 1)
        if self.place == len(self._arrays):
            self._arrays.append(None)
        held = self._arrays[self.place]
        if held is None or held.size < size:
            self.bytes += (size - (0 if held is None else held.size)) * self.dtype.itemsize
            held = self._arrays[self.place] = None  # given back before more is asked for
            with flight.watched("an array"):
                held = self._arrays[self.place] = cuda.device_array(size, self.dtype)
        self.place += 1
        return held[: math.prod(shape)].reshape(shape)
