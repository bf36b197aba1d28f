"""The one place that compiles: generated functions for this machine's CPU; ``cuda`` does so for NVIDIA's GPUs.

A kernel is compiled at its first call, for the types that it meets there. Where it is known what will be called,
``ahead`` compiles on two cores, if they have nothing else to do: Numba compiles one function at a time in a process, so
that a second process fills the cache of machine code, from which this one then reads. It lives no longer than the call,
and whatever goes wrong with it costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.typing.typeof import Purpose, typeof

from numerics import progress
from numerics.kernels import cache as kept
from numerics.kernels import product
from numerics.kernels.threads import threads
from numerics.kernels.words import meant
from numerics.representation.folders import load_module

# Reassociation lets sums over records vectorise. Never full fastmath: it may assume that there are no NaNs.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

PACKAGE = Path(__file__).parents[1]
FEW = 2  # kernels that are compiled sooner than a second process has started
MOMENT = 0.1  # seconds for which is watched how busy the cores are
PATIENCE = 120.0  # seconds to wait for the second process's last kernel
# A bare package: what ``numerics`` itself imports, all that users type, takes longer than Numba does.
SERVE = (
    "import sys, types; package = sys.modules['numerics'] = types.ModuleType('numerics'); "
    "package.__path__ = [sys.argv[1]]; from numerics.kernels.compile import serve; serve()"
)

Job = tuple[Path, str, tuple[str, ...]]  # a module, a function of it, and the kinds of its arguments
NUMBERS: dict[str, Any] = {"int": 1, "float": 1.0, "bool": True}


@cache
def compiled(path: Path, name: str) -> Callable[..., Any]:
    """The function ``name`` of the generated module at ``path``, compiled on first call for each set of types."""
    return native(meant(getattr(load_module(path), name)), before=product.ready)


def native(function: Callable[..., Any], **given: Any) -> Callable[..., Any]:
    """A function of numbers and arrays, compiled on first call for each set of types. given: to ``cache.jit``."""
    return kept.jit(function, nogil=True, error_model="numpy", fastmath=FASTMATH, **given)


def ahead(jobs: Iterable[Job]) -> None:
    """Compile what is about to be called, as far as nobody has: the longest first, on two cores where there are two."""
    missing = sorted({job for job in jobs if not kept.has(compiled(*job[:2]), _types(job))}, key=_length)
    if not missing:
        return
    with progress.taking(f"compiling {len(missing)} kernel{'s' if len(missing) > 1 else ''}"):
        alone = len(missing) <= FEW or threads() < 2 or not kept.writable() or not _idle()
        with contextlib.nullcontext() if alone else _second_process(missing):
            while missing:
                _compile(missing.pop())


def _idle() -> bool:
    """Whether two cores have nothing to do. Where others want them, a second process only adds its own start."""
    import psutil

    return bool((psutil.cpu_count() or 1) * (1 - psutil.cpu_percent(MOMENT) / 100) > 1.5)


def kind(value: Any) -> str:
    """Of an argument: a number's type, or an array's entries and its number of axes."""
    return f"{value.dtype.str}{value.ndim}" if isinstance(value, np.ndarray) else type(value).__name__


def _types(job: Job) -> tuple[Any, ...]:
    """Numba's types of a job's arguments; all arrays are contiguous."""
    examples = (NUMBERS[k] if k in NUMBERS else np.empty((1,) * int(k[-1]), k[:-1]) for k in job[2])
    return tuple(typeof(example, Purpose.argument) for example in examples)


def _compile(job: Job) -> None:
    kept.compile_for(compiled(*job[:2]), _types(job))


def _length(job: Job) -> tuple[int, str]:
    return len(getattr(load_module(job[0]), job[1]).__code__.co_code), str(job)


@contextlib.contextmanager
def _second_process(missing: list[Job]) -> Iterator[None]:
    """Another process takes jobs, too; at the end it has done what it took, or is no more."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
    try:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", SERVE, str(PACKAGE)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:  # no more processes, or no interpreter where this one is said to be
        yield
        return
    feeder = threading.Thread(target=_feed, args=(process, missing), name="continua-compile", daemon=True)
    feeder.start()
    try:
        yield
        feeder.join(PATIENCE)
    finally:
        process.kill()
        feeder.join()
        process.communicate()


def _feed(process: subprocess.Popen[bytes], missing: list[Job]) -> None:
    """Give jobs one by one; what a process that ends has not done is compiled at its first call."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(IndexError, OSError, ValueError):
        while True:
            path, name, kinds = missing.pop()
            process.stdin.write(json.dumps([str(path), name, kinds]).encode() + b"\n")
            process.stdin.flush()
            if not process.stdout.read(1):
                return


def serve() -> None:
    """Compile what comes in, until nothing comes any more; the results are in the cache."""
    gc.disable()  # see ``progress.taking``
    answers, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(KeyboardInterrupt, OSError):
        for line in sys.stdin:
            path, name, kinds = json.loads(line)
            with contextlib.suppress(Exception):  # which the first call will meet again, and raise
                _compile((Path(path), name, tuple(kinds)))
            answers.write(".")
            answers.flush()
