"""A line about work that keeps people waiting: what is done, once it takes long, and how long it took in the end."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator

PATIENCE = 1.0  # seconds that pass without a word


@contextlib.contextmanager
def taking(what: str) -> Iterator[None]:
    """Says on standard error what takes longer than a moment, ``deriving 'gunpoint' … 3.1 s``; else nothing.

    Derivations and compilations make many objects that stay: to look for circles among them waits until the end.
    """
    start, said = time.monotonic(), threading.Event()

    def begin() -> None:
        said.set()
        _write(f"{what} … ")

    timer = threading.Timer(PATIENCE, begin)
    timer.daemon = True
    timer.start()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        timer.cancel()
        timer.join()
        if said.is_set():
            _write(f"{time.monotonic() - start:.1f} s\n")


def _write(text: str) -> None:
    """Whoever closed standard error does not want to hear of it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
