"""Numba's cache of machine code, found by what a kernel's text says and sealed: what is damaged is never run.

Numba files machine code by a module's path and trusts its files. Here the name of a file is the digest of what Numba
compiles from: a function's code with the functions it calls, the options and the versions. Two modules whose kernels
read the same share their machine code, wherever they lie. Each file ends in the digest of its content; readers look at
that first, and compile again what was cut short, damaged or mixed up. Writers replace whole files, so that a killed one
leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core import caching
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

from numerics import files, progress

SEAL = hashlib.sha256().digest_size
PLAIN = (int, float, complex, bool, str, type(None), type, types.BuiltinFunctionType)  # that a kernel may read
_known: dict[str, Callable[..., Any]] = {}

if hasattr(os, "register_at_fork"):  # a child whose parent's other thread was compiling would wait for that for ever
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def folder() -> Path:
    """Where machine code is kept: NUMBA_CACHE_DIR, or the user's cache."""
    import platformdirs

    return Path(numba.config.CACHE_DIR or Path(platformdirs.user_cache_dir("neural-continua")) / "code")


def jit(
    function: Callable[..., Any], edition: str = "", before: Callable[[Any], None] | None = None, **options: Any
) -> Callable[..., Any]:
    """The function compiled on first call for each set of types, or loaded from the cache; one for equal texts.

    edition: in place of a text, of what reads more than a text can say. before: called with the types, first.
    """
    versions = numba.__version__, sys.version_info[:2]
    options_read = [(key, sorted(v) if isinstance(v, set) else v) for key, v in sorted(options.items())]
    mark = hashlib.sha256(repr((edition or text(function), options_read, versions)).encode()).hexdigest()
    if mark not in _known:
        name = _plain(function.__name__)
        dispatcher = numba.njit(**options)(_named(function, f"{name}_{mark[:16]}"))
        if isinstance(dispatcher, Dispatcher):  # not where NUMBA_DISABLE_JIT is set
            vars(dispatcher)["_cache"] = _Cache(dispatcher.py_func, mark)
            vars(dispatcher)["before"] = before
            vars(dispatcher)["compile"] = partial(_announced, dispatcher, name)
        _known.setdefault(mark, dispatcher)
    return _known[mark]


def cuda_jit(function: Callable[..., Any], **options: Any) -> Any:
    """A kernel for NVIDIA's GPUs, compiled on first launch for each set of types, or loaded from the cache."""
    import numba_cuda
    from numba import cuda

    read = text(function), sorted(options.items()), numba.__version__, numba_cuda.__version__, sys.version_info[:2]
    dispatcher = cuda.jit(**options)(function)
    dispatcher._cache = _cuda_cache()(function, hashlib.sha256(repr(read).encode()).hexdigest())
    return dispatcher


@cache
def _cuda_cache() -> Any:
    """The cache of numba-cuda, its files found and sealed as those of Numba's; they hold machine code of a device."""
    from numba.cuda import serialize
    from numba.cuda.dispatcher import CUDACache, CUDACacheImpl

    class File(_File):
        def _dump(self, obj: Any) -> bytes:
            return serialize.dumps(obj)  # type: ignore[no-any-return]

    class Impl(CUDACacheImpl):  # type: ignore[misc]
        def __init__(self, function: Callable[..., Any], mark: str) -> None:
            self._lineno = function.__code__.co_firstlineno
            self._locator = _Locator(function, mark)
            self._filename_base = f"{_plain(function.__name__)}_{mark[:16]}"

    class Cache(CUDACache):  # type: ignore[misc]
        def __init__(self, function: Callable[..., Any], mark: str) -> None:
            self._name = repr(function)
            self._py_func = function
            self._impl = Impl(function, mark)
            self._cache_path = self._impl.locator.get_cache_path()
            self._cache_file = File(self._cache_path, self._impl.filename_base, mark)
            self._launch_config_key, self._launch_config_sensitive_flag = None, False  # our kernels ask for no grid
            self.enable()

        def save_overload(self, sig: Any, data: Any) -> None:
            with contextlib.suppress(OSError):
                super().save_overload(sig, data)

    return Cache


def _plain(name: str) -> str:
    """A kernel's name without its number: a module counts its signatures, and the text is the same."""
    return re.sub(r"_\d+$", "", name)


def has(function: Callable[..., Any], given: tuple[Any, ...]) -> bool:
    """Whether a function need not be compiled for these types: it has been, or its machine code lies in the cache."""
    if not isinstance(function, Dispatcher) or given in function.overloads:
        return True
    cache: _Cache = vars(function)["_cache"]
    return cache.holds(given, function.targetctx.codegen())


def compile_for(function: Callable[..., Any], given: tuple[Any, ...]) -> None:
    """Compile a function for these types, or load it."""
    if isinstance(function, Dispatcher):
        _compiled(function, given)


def writable() -> bool:
    """Whether other processes will find here what this one compiles."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder(), os.W_OK)


def text(function: Callable[..., Any]) -> tuple[Any, ...]:
    """What Numba reads of a function and of those it calls: everything but names of files, lines and the docstring."""
    return _code(function.__code__, function.__globals__, {function}, function.__doc__ is not None)


def _announced(dispatcher: Dispatcher[Any], name: str, given: Any) -> Any:
    """What Numba does at a call with new types."""
    with progress.taking(f"compiling {name}"):
        return _compiled(dispatcher, given)


def _compiled(dispatcher: Dispatcher[Any], given: Any) -> Any:
    before = vars(dispatcher)["before"]
    if before is not None:
        before(given)
    return Dispatcher.compile(dispatcher, given)


def _code(code: types.CodeType, names: dict[str, Any], seen: set[Any], documented: bool = False) -> tuple[Any, ...]:
    constants = [
        _code(value, names, seen) if isinstance(value, types.CodeType) else repr(value)
        for value in ((None, *code.co_consts[1:]) if documented else code.co_consts)
    ]
    read = [(name, _global(names[name], seen)) for name in code.co_names if name in names]
    locals_ = code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_argcount, code.co_code, code.co_names, *locals_, tuple(constants), tuple(read)


def _global(value: Any, seen: set[Any]) -> Any:
    """What a function finds under a global name. Raises TypeError for what no text can say."""
    value = getattr(value, "py_func", getattr(value, "_defn", value))  # what is compiled of it, or makes its code
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, types.FunctionType):
        return "again" if value in seen else _code(value.__code__, value.__globals__, seen | {value})
    if not isinstance(value, PLAIN):
        raise TypeError(f"a kernel that reads {type(value).__name__}")
    return repr(value)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function under a name that nothing else has, in a module that every process can import."""
    code = function.__code__.replace(co_name=name, co_qualname=name)
    made = types.FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)
    made.__module__ = __name__
    return made


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Says where and under which name a function's files are; Numba's look for a source file."""

    def __init__(self, function: Callable[..., Any], mark: str) -> None:
        self._py_file = function.__code__.co_filename
        self.mark = mark

    def get_cache_path(self) -> str:
        return str(folder())

    def get_source_stamp(self) -> str:
        return self.mark

    def get_disambiguator(self) -> str:
        return ""


class _Impl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any], mark: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, mark)
        self._filename_base = function.__name__


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
    def __init__(self, function: Callable[..., Any], mark: str) -> None:
        self._name = repr(function)
        self._py_func = function
        self._impl = _Impl(function, mark)
        self._cache_path = self._impl.locator.get_cache_path()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, mark)
        self.enable()

    def holds(self, types: Any, codegen: Any) -> bool:
        """Whether there is machine code for these types; what is damaged shows when it is loaded."""
        return bool(self._index_key(types, codegen) in self._cache_file._load_index())

    def save_overload(self, sig: Any, data: Any) -> None:
        """Numba's; on a full disk, or where nothing can be written, the code lives as long as the process."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
