"""Spreads serial kernels over threads.

Kernels are serial over a tile of records and release the GIL; the calling thread and those of a pool run tiles side by
side. Linear algebra inside them is single-threaded, so results do not depend on the number of threads.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Generic, TypeVar

from derive.errors import TrainingError

Result = TypeVar("Result")

TWO_THREADS = 1 << 20  # numbers, each met once, from which on a second thread pays
LITTLE = 1 << 26  # bytes that are had without asking, which takes as long as a step of a small model


def threads() -> int:
    """How many tiles run side by side: CONTINUA_THREADS, or the processors this process may use."""
    given = os.environ.get("CONTINUA_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worthwhile(numbers: int) -> bool:
    """Whether so many numbers, each met once, are work for two threads."""
    return numbers > TWO_THREADS


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="continua")


@cache
def _blas() -> Any:
    import scipy.linalg.cython_blas  # noqa: F401  the library that Numba's np.dot calls must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class _SerialBlas:
    """Who wants single-threaded linear algebra. BLAS has one number of threads for the whole process: the first to come

    sets it, the last to leave puts back what was there. Threads are kept by their idents, so that to leave twice, or
    without having come as far as that, changes nothing.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: set[int] = set()
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            self.inside.add(threading.get_ident())
            if self.limit is None:
                _obey_any_thread()
                self.limit = _blas().limit(limits=1, user_api="blas")

    def leave(self) -> None:
        with self.lock:
            self.inside.discard(threading.get_ident())
            self._put_back()

    def after_fork(self) -> None:
        """In a child there is no thread but the one that forked."""
        self.lock = threading.Lock()
        self.inside &= {threading.get_ident()}
        self._put_back()

    def _put_back(self) -> None:
        if not self.inside and self.limit is not None:
            _obey_any_thread()
            self.limit.restore_original_limits()
            self.limit = None
            _obey_any_thread()


def _obey_any_thread() -> None:
    """From threadpoolctl 3.8 on OpenBLAS obeys the first thread that set a number, which may have left long ago."""
    for library in _blas().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


_serial = _SerialBlas()


@contextlib.contextmanager
def serial_blas() -> Iterator[None]:
    """Single-threaded linear algebra inside; costs nothing where it is already so."""
    if threading.get_ident() in _serial.inside:
        yield
        return
    try:
        _serial.enter()
        yield
    finally:
        _serial.leave()


def _after_fork() -> None:
    """A child inherits pools without their threads: work given to those would never be done."""
    _pool.cache_clear()
    _serial.after_fork()


if hasattr(os, "register_at_fork"):  # wherever processes fork
    os.register_at_fork(after_in_child=_after_fork)


class _Shared(Generic[Result]):
    """work(0), …, work(count − 1), each taken by the thread that is free first.

    ahead: how many may be begun or done that nobody has taken yet.
    """

    def __init__(self, work: Callable[[int], Result], count: int, ahead: int) -> None:
        self.work, self.count, self.ahead = work, count, ahead
        self.begun = self.taken = 0
        self.done: dict[int, tuple[Result | None, BaseException | None]] = {}
        self.changed = threading.Condition()

    @property
    def _may_begin(self) -> bool:
        return self.begun < min(self.count, self.taken + self.ahead)

    def _begin(self) -> int:
        self.begun += 1
        return self.begun - 1

    def help(self) -> None:
        """Work as long as there is something to begin."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._may_begin or self.begun >= self.count)
                if self.begun >= self.count:
                    return
                index = self._begin()
            self._run(index)

    def _run(self, index: int) -> None:
        try:
            outcome: tuple[Result | None, BaseException | None] = self.work(index), None
        except BaseException as error:  # which is raised where the result is taken
            outcome = None, error
        with self.changed:
            self.done[index] = outcome
            self.changed.notify_all()

    def results(self) -> Generator[Result, None, None]:
        """The results in order. Whoever takes them works, too, as long as the next one is not there."""
        for index in range(self.count):
            while index not in self.done:
                with self.changed:
                    own = self._begin() if self._may_begin else None
                    if own is None and index not in self.done:
                        self.changed.wait()
                if own is not None:
                    self._run(own)
                    self._stop_if_asked(own)
            with self.changed:
                value, error = self.done.pop(index)
                self.taken = index + 1
                self.changed.notify_all()
            if error is not None:
                raise error
            yield value  # type: ignore[misc]

    def _stop_if_asked(self, own: int) -> None:
        """Ctrl-C does not wait until the results before it have been taken."""
        error = self.done[own][1]
        if error is not None and not isinstance(error, Exception):
            raise error

    def end(self) -> None:
        """Nothing more is begun."""
        with self.changed:
            self.begun = self.count
            self.changed.notify_all()


def stream(work: Callable[[int], Result], count: int) -> Generator[Result, None, None]:
    """work(0), …, work(count − 1), side by side and in order; no more than are being worked on wait to be taken."""
    return _side_by_side(work, count, min(threads(), count) + 1)


def spread(work: Callable[[int], Result], count: int) -> list[Result]:
    """[work(0), …, work(count − 1)], side by side."""
    return list(_side_by_side(work, count, count))


def _side_by_side(work: Callable[[int], Result], count: int, ahead: int) -> Generator[Result, None, None]:
    """The calling thread is one of those that work: others are woken, which takes time, and what is done before they

    are awake nobody waits for; nor can work that is spread by spread work wait for threads that wait for it.
    """
    helpers = min(threads(), count) - 1
    if helpers <= 0:
        yield from map(work, range(count))
        return
    shared = _Shared(work, count, ahead)
    pool = _pool(helpers)
    at_work = [pool.submit(shared.help) for _ in range(helpers)]
    try:
        yield from shared.results()
    finally:
        shared.end()
        for helper in at_work:
            if not helper.cancel():
                helper.result()


def room(needed: int, what: str) -> None:
    """Raise TrainingError where memory for this many bytes is not to be had, before it is asked for."""
    if needed <= LITTLE:
        return
    import psutil

    free = psutil.virtual_memory().available
    if needed > free:
        raise TrainingError(
            f"{what}, {needed / 2**30:,.1f} GiB", f"the {free / 2**30:,.1f} GiB of memory that are free",
            "state, weights or channels of many functions, many stages, or many records at once",
            "make [state] and [weight] smaller, take fewer steps, set training.batch, or use a larger machine",
        )  # fmt: skip


def blocks(records: int, tile: int, tiles: int) -> Sequence[Sequence[slice]]:
    """Fixed blocks of tiles of records; the split depends on the sizes alone, never on the machine."""
    cuts = [slice(a, min(a + tile, records)) for a in range(0, records, tile)]
    return [cuts[a : a + tiles] for a in range(0, len(cuts), tiles)]
