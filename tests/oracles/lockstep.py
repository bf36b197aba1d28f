"""A GPU for tests: emitted CUDA kernels run in lockstep, every element that they touch looked at.

Inside ``device()`` the name ``numba.cuda`` is a machine of this file. A thread of a kernel is a generator that stops at
every barrier; between two barriers the threads of a block run one after another, in an order drawn anew. What one order
hides the notes of the memory show: two threads that touch an element between two barriers, one of them writing; two
blocks of a launch that do; elements read before they were written; indices outside an array, or outside the piece of
working memory that has the name; barriers that not all threads reach. Each raises ``Fault``.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import math
import random
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from typing import Any, ClassVar
from unittest import mock

import numba
import numpy as np

NEVER, HOST = -1, 0  # times of what no thread has done
SEVERAL = -1  # in place of a thread


class Fault(AssertionError):
    """What a device would not have told."""


class _Now:
    """The time, which every barrier moves on, and who is at work: one launch at a time, one thread at a time.

    count: launches, allocations, uploads, downloads (copies for which the host waits) and copies on the device so far.
    """

    count: ClassVar[Counter[str]] = Counter()
    clock = 1
    launch = 1  # when it began
    block = 1  # when it began
    thread = 0


class Memory:
    """One allocation: its values in the order of addresses, and for each when and by whom it was last touched."""

    def __init__(self, values: np.ndarray, when: int) -> None:
        size = values.size
        self.values = values
        self.wrote_at, self.wrote_by = [when] * size, [0] * size
        self.read_at, self.read_by = [HOST] * size, [0] * size
        self.read_elsewhere = [HOST] * size  # the launch in which another block than the last reader's read it

    def read(self, place: int) -> Any:
        clock, at = _Now.clock, self.wrote_at[place]
        if at == clock:
            if self.wrote_by[place] != _Now.thread:
                raise _fault("read after another thread's write, and no barrier between them")
        elif at < _Now.block:
            if at == NEVER:
                raise _fault("read before anything was written")
            if at >= _Now.launch:
                raise _fault("read of what another block of this launch wrote")
        seen = self.read_at[place]
        if seen != clock:
            if _Now.launch <= seen < _Now.block:
                self.read_elsewhere[place] = _Now.launch
            self.read_at[place], self.read_by[place] = clock, _Now.thread
        elif self.read_by[place] != _Now.thread:
            self.read_by[place] = SEVERAL
        return self.values[place]

    def write(self, place: int, value: Any) -> None:
        clock, at, seen = _Now.clock, self.wrote_at[place], self.read_at[place]
        if at == clock:
            if self.wrote_by[place] != _Now.thread:
                raise _fault("two threads write one element, and no barrier between them")
        elif _Now.launch <= at < _Now.block:
            raise _fault("two blocks of a launch write one element")
        if seen == clock:
            if self.read_by[place] != _Now.thread:
                raise _fault("write after another thread's read, and no barrier between them")
        elif _Now.launch <= seen < _Now.block or self.read_elsewhere[place] == _Now.launch:
            raise _fault("write of what another block of this launch read")
        self.wrote_at[place], self.wrote_by[place] = clock, _Now.thread
        self.values[place] = value


class Array:
    """An array as a kernel has it: a shape, and where it begins in its memory."""

    def __init__(self, memory: Memory, shape: tuple[int, ...], start: int = 0) -> None:
        self.memory, self.shape, self.start = memory, shape, start
        self.dtype = memory.values.dtype

    def __getitem__(self, index: Any) -> Any:
        if type(index) is not tuple:
            rest = self.shape[1:]
            return piece(self.memory, rest, self.start + self._checked(index) * math.prod(rest))
        if len(index) < len(self.shape):
            return self[index[0]][index[1:] if len(index) > 2 else index[1]]
        return self.memory.read(self._place(index))

    @property
    def flat(self) -> Line:
        """All elements one after the other."""
        return Line(self.memory, (math.prod(self.shape),), self.start)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory.write(self._place(index), value)

    def _place(self, index: tuple[int, ...]) -> int:
        place = 0
        for i, n in zip(index, self.shape, strict=True):
            if not 0 <= i < n:
                raise _outside(index, self.shape)
            place = place * n + i
        return self.start + place

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.shape[0]:
            raise _outside(index, self.shape)
        return index


class Line(Array):
    """With one axis. Working memory is cut into pieces from a place on: the piece that was cut before then ends."""

    last: Line | None = None

    def __getitem__(self, index: Any) -> Any:
        if type(index) is slice:
            return self._cut(index)
        if not 0 <= index < self.shape[0]:
            raise _outside(index, self.shape)
        return self.memory.read(self.start + index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory.write(self.start + self._checked(index), value)

    def _cut(self, index: slice) -> Line:
        (size,) = self.shape
        if index.stop is not None or index.step is not None or not 0 <= index.start <= size:
            raise _outside(index, self.shape)
        if self.last is not None:
            self.last.shape = (self.start + index.start - self.last.start,)
        self.last = Line(self.memory, (size - index.start,), self.start + index.start)
        return self.last


class Table:
    """An array that a kernel only reads, written before everywhere: nothing but its indices can be wrong."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim

    def __getitem__(self, index: Any) -> Any:
        if (min(index) if type(index) is tuple else index) < 0:
            raise _outside(index, self.shape)
        try:
            found = self.values[index]
            return Table(found) if isinstance(found, np.ndarray) else found
        except IndexError as error:
            raise _outside(index, self.shape) from error


    @property
    def flat(self) -> Table:
        """All elements one after the other."""
        return Table(self.values.reshape(-1))


def piece(memory: Memory, shape: tuple[int, ...], start: int) -> Array:
    return (Line if len(shape) == 1 else Array)(memory, shape, start)


def _outside(index: Any, shape: tuple[int, ...]) -> Fault:
    return _fault(f"index {index} outside an array of shape {shape}")


class DeviceArray:
    """What the host has in hand: an array on the device, whole or a part of one along its first axis.

    stream: whose kernels write it, as others are told; parts and other shapes do not have it from the whole.
    """

    stream: int | None = None

    def __init__(self, memory: Memory, shape: tuple[int, ...], start: int = 0) -> None:
        self.memory, self.shape, self.start = memory, shape, start
        self.size, self.ndim, self.dtype = math.prod(shape), len(shape), memory.values.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> DeviceArray:
        rows = range(self.shape[0])[index]
        rest = self.shape[1:]
        if isinstance(rows, int):
            return DeviceArray(self.memory, rest, self.start + rows * math.prod(rest))
        assert rows.step == 1
        return DeviceArray(self.memory, (len(rows), *rest), self.start + rows.start * math.prod(rest))

    def is_c_contiguous(self) -> bool:
        return True

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "stream": self.stream}

    def bind(self, stream: int) -> DeviceArray:
        bound = DeviceArray(self.memory, self.shape, self.start)
        bound.stream = stream
        return bound

    def reshape(self, *shape: Any) -> DeviceArray:
        return DeviceArray(self.memory, np.empty(self.shape, bool).reshape(*shape).shape, self.start)

    @property
    def _part(self) -> slice:
        return slice(self.start, self.start + self.size)

    def inside(self, read_only: bool) -> Array | Table:
        """As a kernel sees it."""
        if read_only and NEVER not in self.memory.wrote_at[self._part]:
            return Table(self.memory.values[self._part].reshape(self.shape))
        return piece(self.memory, self.shape, self.start)

    def copy_to_host(self) -> np.ndarray:
        _Now.count["downloads"] += 1
        return self.content()

    def content(self) -> np.ndarray:
        if NEVER in self.memory.wrote_at[self._part]:
            raise Fault(f"the host takes an array of shape {self.shape} that was not written everywhere")
        return self.memory.values[self._part].reshape(self.shape).copy()

    def copy_to_device(self, source: DeviceArray | np.ndarray) -> None:
        _Now.count["copies" if isinstance(source, DeviceArray) else "uploads"] += 1
        values = source.content() if isinstance(source, DeviceArray) else source
        assert values.shape == self.shape
        self.memory.values[self._part] = values.reshape(-1)
        self.memory.wrote_at[self._part] = [HOST] * self.size


def _fault(what: str) -> Fault:
    """What went wrong, with the kernel's line."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    code, line = frame.f_code, frame.f_lineno
    return Fault(f"{what}: {code.co_name}, line {line}, thread {_Now.thread}: {_line(code.co_filename, line)}")


def _line(path: str, line: int) -> str:
    import linecache

    return linecache.getline(path, line).strip()


# --- kernels ------------------------------------------------------------------------------------------------


class _Barriers(ast.NodeTransformer):
    """cuda.syncthreads() → yield; cuda.syncthreads_or(x) → yield ("syncthreads_or", x); f(x) → yield from f(x).

    own: the functions of the module, which may have barriers, too.
    """

    def __init__(self, own: Set[str]) -> None:
        self.own = own

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name in self.own:
            return ast.copy_location(ast.YieldFrom(node), node)
        if not name.startswith("cuda.syncthreads"):
            return node
        asked = [ast.Constant(name.removeprefix("cuda.")), *node.args]
        return ast.copy_location(ast.Yield(ast.Tuple(asked, ast.Load())), node)


def _only_read(tree: ast.AST) -> dict[str, set[int]]:
    """Names that the text never writes an element of, nor hands on under another name → how many indices they get."""
    found: dict[str, set[int]] = {}
    harmless: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            harmless.add(id(node.value))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            harmless.add(id(node.value))
            index = node.slice
            found.setdefault(node.value.id, set()).add(len(index.elts) if isinstance(index, ast.Tuple) else 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in harmless:
            found.pop(node.id, None)
    return found


ANSWERS: dict[str, Callable[[list[Any]], int]] = {
    "syncthreads_or": any, "syncthreads_and": all, "syncthreads_count": lambda given: sum(map(bool, given)),
}  # fmt: skip


def _generator(function: Callable[..., Any], space: dict[str, Any]) -> Callable[..., Generator[Any, Any, None]]:
    """A function that stops at every barrier, and so do those of its module that it calls."""
    code = function.__code__
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    own = {name for name in called if inspect.isfunction(space.get(name))}
    space.update({name: _generator(space[name], space) for name in own})
    tree = _Barriers(own).visit(tree)
    tree.body[0].body += ast.parse("return\nyield").body  # a generator, barriers or not
    ast.increment_lineno(ast.fix_missing_locations(tree), code.co_firstlineno - 1)
    exec(compile(tree, code.co_filename, "exec"), space)
    return space[function.__name__]  # type: ignore[no-any-return]


def kind(given: Any) -> tuple[int, str] | str:
    """Of an argument: an array's number of axes and type, or a number's type."""
    return (given.ndim, given.dtype.str[1:]) if isinstance(given, DeviceArray) else np.asarray(given).dtype.str[1:]


class Kernel:
    """A kernel's text as a generator; ``kernel[grid, threads, stream, shared](…)`` runs it."""

    def __init__(self, machine: Machine, function: Callable[..., Any]) -> None:
        self.machine, self.function, self.__name__ = machine, function, function.__name__
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        self.arguments = [argument.arg for argument in tree.body[0].args.args]  # type: ignore[attr-defined]
        self.read = _only_read(tree)
        self.threads = _generator(function, {**function.__globals__, "cuda": machine})

    def __getitem__(self, launch: tuple[Any, ...]) -> Callable[..., None]:
        def run(*given: Any) -> None:
            named = dict(zip(self.arguments, given, strict=True))
            arrays = {name: a for name, a in named.items() if isinstance(a, DeviceArray)}
            written = {id(a.memory) for name, a in arrays.items() if self.read.get(name) != {a.ndim}}
            inside = [a.inside(id(a.memory) not in written) if isinstance(a, DeviceArray) else a for a in given]
            _Now.count["launches"] += 1
            self.machine.launched.add((self.__name__, tuple(map(kind, given))))
            self.machine.waits[self.__name__] += self.machine.run(self.threads, launch, inside)

        return run


class _Indices:
    def __init__(self, x: int, y: int = 1, z: int = 1) -> None:
        self.x, self.y, self.z = x, y, z


class Registers:
    """cuda.local: numbers of a thread's own, which nobody else can see."""

    def array(self, size: int, dtype: Any) -> list[Any]:
        return [dtype.type(np.nan)] * size


class Machine:
    """What kernels and the host see as ``numba.cuda``."""

    def __init__(self, seed: int) -> None:
        self.order = random.Random(seed)
        self.shared = self  # cuda.shared.array
        self.count = _Now.count
        self.count.clear()
        self.free, self.pending = math.inf, Counter[str]()
        self.launched: set[tuple[str, tuple[Any, ...]]] = set()
        self.waits = Counter[str]()  # kernel → barriers that the block meets which meets most of them, in all launches
        self.local = Registers()
        self._room: dict[Any, Memory] = {}

    # the host's side

    def is_available(self) -> bool:
        return True

    def jit(self, function: Callable[..., Any], **options: Any) -> Kernel:
        return Kernel(self, function)

    def current_context(self) -> Machine:
        return self

    @property
    def memory_manager(self) -> Machine:
        return self

    @property
    def deallocations(self) -> Counter[str]:
        """Bytes that nobody has any more and that are not given back yet, under "bytes"."""
        return self.pending

    def get_memory_info(self) -> tuple[float, float]:
        """Bytes that are free, and all."""
        return self.free - self.pending["bytes"], math.inf

    def legacy_default_stream(self) -> int:
        return 1

    def as_cuda_array(self, array: DeviceArray) -> DeviceArray:
        return array

    def to_device(self, array: np.ndarray) -> DeviceArray:
        _Now.count.update(("uploads", "allocations"))
        return DeviceArray(Memory(np.array(array).reshape(-1), HOST), np.shape(array))

    def device_array(self, shape: Any, dtype: Any = np.float64) -> DeviceArray:
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        _Now.count["allocations"] += 1
        garbage = np.full(math.prod(shape), np.nan if np.dtype(dtype).kind in "fc" else -(10**6), dtype)
        return DeviceArray(Memory(garbage, NEVER), shape)

    # a kernel's side; barriers are no calls

    def array(self, size: int, dtype: Any) -> Array:
        """Shared memory of the block: one array of a kernel."""
        if dtype not in self._room:
            self._room[dtype] = Memory(np.full(size, np.nan, dtype), NEVER)
        assert self._room[dtype].values.size == size, "one shared array of a kernel"
        return Line(self._room[dtype], (size,))

    def grid(self, dimensions: int) -> int:
        assert dimensions == 1
        return self.threadIdx.x + self.blockIdx.x * self.blockDim.x

    def gridsize(self, dimensions: int) -> int:
        assert dimensions == 1
        return self.blockDim.x * self.gridDim.x

    def run(self, threads: Callable[..., Any], launch: tuple[Any, ...], given: Sequence[Any]) -> int:
        """All blocks of a launch, one after another in any order: a device promises none. The most barriers of one."""
        grid, block = launch[:2]
        if grid < 1:
            raise Fault("a launch of no blocks")
        self.gridDim, self.blockDim = _Indices(int(grid)), _Indices(*(block if isinstance(block, tuple) else (block,)))
        _Now.clock += 1
        _Now.launch = _Now.clock
        with np.errstate(all="ignore"):
            return max([self._block(number, threads, given) for number in self._shuffled(self.gridDim.x)])

    def _block(self, number: int, threads: Callable[..., Any], given: Sequence[Any]) -> int:
        _Now.clock += 1
        _Now.block = _Now.clock
        self.blockIdx, self._room = _Indices(number, 0, 0), {}
        running = [threads(*given) for _ in range(self.blockDim.x * self.blockDim.y)]
        answer: Any = None
        for barriers in itertools.count():
            met = {thread: self._on(thread, running[thread], answer) for thread in self._shuffled(len(running))}
            places = {place for place, _ in met.values()}
            if len(places) > 1:
                lines = sorted(str(place) for place in places)
                raise Fault(f"not all threads of a block reach one barrier: {threads.__name__}, lines {lines}")
            _Now.clock += 1
            if places == {None}:
                return barriers
            (asked,) = {request[0] for _, request in met.values()}
            answer = ANSWERS[asked]([request[1] for _, request in met.values()]) if asked in ANSWERS else None

    def _on(self, thread: int, running: Generator[Any, Any, None], answer: Any) -> tuple[int | None, Any]:
        """Run a thread to its next barrier: its line and what is asked there; or to its end, None."""
        _Now.thread = thread
        self.threadIdx = _Indices(thread % self.blockDim.x, thread // self.blockDim.x, 0)
        try:
            asked = running.send(answer)
        except StopIteration:
            return None, None
        return running.gi_frame.f_lineno, asked

    def _shuffled(self, count: int) -> list[int]:
        found = list(range(count))
        self.order.shuffle(found)
        return found


@contextlib.contextmanager
def device(seed: int = 0) -> Iterator[Machine]:
    """``numba.cuda`` is a machine in lockstep inside."""
    from numerics.kernels import launch as runner

    machine = Machine(seed)
    runner.compiled.cache_clear()
    with mock.patch.object(numba, "cuda", machine, create=True), mock.patch.object(numba.config, "ENABLE_CUDASIM", 1):
        yield machine
    runner.compiled.cache_clear()
