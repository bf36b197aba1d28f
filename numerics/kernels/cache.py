"""Numba's cache of machine code, sealed: what was cut short, damaged or mixed up is compiled again, never run.

Numba trusts the files of its cache. Here each ends in the digest of its content and of the source's time stamp; readers
look at that first. Writers replace whole files, so that a killed one leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import caching
from numba.core.compiler_lock import global_compiler_lock

from numerics import files

SEAL = hashlib.sha256().digest_size

if hasattr(os, "register_at_fork"):  # a child whose parent's other thread was compiling would wait for that for ever
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The function compiled on first call for each set of types, or loaded from the cache beside its file."""
    dispatcher = numba.njit(**options)(function)
    with contextlib.suppress(RuntimeError):  # no directory that the cache could be written to
        dispatcher._cache = _Cache(function)
    return dispatcher  # type: ignore[no-any-return]


class _File(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Index and data of one function; Numba's own reading ignores what follows its content."""

    def _seal(self, content: bytes) -> bytes:
        return hashlib.sha256(repr(self._source_stamp).encode() + content).digest()

    def _whole(self, path: str) -> bool:
        content = Path(path).read_bytes()
        return content[-SEAL:] == self._seal(content[:-SEAL])

    def _load_index(self) -> Any:
        try:
            return super()._load_index() if self._whole(self._index_path) else {}
        except OSError:
            return {}

    def _load_data(self, name: str) -> Any:
        if not self._whole(self._data_path(name)):
            raise OSError(f"{name} is damaged")  # which Numba takes for a file that is gone
        return super()._load_data(name)

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        stream = io.BytesIO()
        yield stream
        content = stream.getvalue()
        files.write_whole(filepath, content + self._seal(content))


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, stamp)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Numba's; on a full disk the code lives as long as the process."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
