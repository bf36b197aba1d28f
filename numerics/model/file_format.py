"""Sealed archives: an .npz without pickles, whole or absent, that says what it is and notices any damage.

``model.json`` holds the format's version, a header and the sha256 of every other entry, and is sealed by a sha256 of
its own. Entries are stored, not compressed, with fixed times, so that equal content is equal bytes. No code is ever
loaded from an archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import CheckpointError
from numerics import files

Arrays = dict[str, np.ndarray]

VERSION = 1
HEADER = "model.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold; a real one would change equal models' bytes
UNUSABLE = (OSError, TypeError, ValueError)  # what paths raise, the latter two where they are none
# What zipfile raises on damaged archives, beside BadZipFile: a flipped bit can ask for passwords or other methods.
DAMAGE = (
    zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, KeyError, struct.error,
    OverflowError, IndexError, OSError, MemoryError,
)  # fmt: skip


# --- writing ------------------------------------------------------------------------------------------------


def write(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays to one file, whole or not at all.

    header: JSON-able, without NaNs, its order kept; arrays: entry name → array without Python objects. The file
    is written beside its place, flushed to the disk and renamed; what killed writers left behind is removed.
    Raises CheckpointError if the place cannot be written or the content cannot be stored.
    """
    content = pack(header, arrays)
    with _explained(path):
        files.write_whole(_target(path), content)


def check_writable(path: str | Path) -> None:
    """Raise CheckpointError now if ``write`` could not write there later; leaves nothing behind."""
    with _explained(path):
        temporary = files.beside(_target(path))
        temporary.touch(exist_ok=False)
        temporary.unlink()


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a file: equal content gives equal bytes on every machine."""
    entries = {f"{name}.npy": _npy(name, array) for name, array in arrays.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    try:
        sealed = _seal({"format": VERSION, **header, "sha256": sums})
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"a header that JSON cannot hold: {error}", "text, finite numbers, lists and tables",
            "a NaN or an object in the history or the training state", "leave it out",
        ) from error  # fmt: skip
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {HEADER: sealed, **entries}.items():
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system = 3  # otherwise the writer's operating system would show in the bytes
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return stream.getvalue()


def _npy(name: str, array: np.ndarray) -> bytes:
    array = np.asarray(array, order="C")
    if array.dtype.hasobject:
        raise CheckpointError(
            f"{name}: an array of Python objects", "numbers and text", "pickles are never written",
            "convert it to an array of one type",
        )  # fmt: skip
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def _seal(document: dict[str, Any]) -> bytes:
    """The header as JSON, its last key the sha256 of the rest, so that damage to the header shows as well."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    seal = hashlib.sha256(text.encode()).hexdigest()
    return f'{text[:-1]},"seal":"{seal}"}}'.encode()


def _target(path: str | Path) -> Path:
    """Where the file goes, with its folder made."""
    target = files.final(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


@contextlib.contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    try:
        yield
    except UNUSABLE as error:
        raise CheckpointError(
            getattr(error, "strerror", None) or str(error),
            "a file in a folder that can be written, on a disk with room",
            "a folder's name, missing permissions, or a full disk", "choose another path", str(path),
        ) from error  # fmt: skip


# --- reading ------------------------------------------------------------------------------------------------


def read(path: str | Path) -> tuple[dict[str, Any], Arrays]:
    """(header, arrays) as they were given to ``write``.

    Raises CheckpointError, naming the entry, for another kind of file, another version, damage, entries missing,
    added or exchanged, and pickles.
    """
    try:
        content = Path(path).read_bytes()
    except UNUSABLE as error:
        raise CheckpointError(
            getattr(error, "strerror", None) or str(error), "a model file that can be read",
            "a typing error, a folder, or missing permissions", "check the path", str(path),
        ) from error  # fmt: skip
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _unpack(archive, path)
    except DAMAGE as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _unpack(archive: zipfile.ZipFile, path: str | Path) -> tuple[dict[str, Any], Arrays]:
    names = archive.namelist()
    if HEADER not in names:
        raise CheckpointError(
            f"an archive without {HEADER}", "a model file", "a data set, or some other .npz",
            "give the file that `continua fit` or `Continuum.save` wrote", str(path),
        )  # fmt: skip
    header = _unseal(_stored(archive, HEADER, path), path)
    sums = header.pop("sha256")
    for name in sorted({*names, *sums} - {HEADER}):
        if name not in sums:
            raise _damaged(path, f"entry {name} is not listed in {HEADER}")
        if names.count(name) != 1:
            raise _damaged(path, f"entry {name} is there {names.count(name)} times")
    arrays = {}
    for name, expected in sums.items():
        data = _stored(archive, name, path)
        if hashlib.sha256(data).hexdigest() != expected:
            raise _damaged(path, f"entry {name} differs from its sha256")
        arrays[name.removesuffix(".npy")] = _array(name, data, path)
    return header, arrays


def _stored(archive: zipfile.ZipFile, name: str, path: str | Path) -> bytes:
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise _damaged(path, f"entry {name} is compressed, which no model file is")
    return archive.read(name)


def _array(name: str, data: bytes, path: str | Path) -> np.ndarray:
    try:
        array: np.ndarray = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        return array
    except ValueError as error:
        raise _damaged(path, f"entry {name}: {error}") from error


def _unseal(text: bytes, path: str | Path) -> dict[str, Any]:
    """The header without its seal and version, both checked."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise _damaged(path, f"{HEADER} is not a table")
    version = document.pop("format", None)
    if version != VERSION:
        raise CheckpointError(
            f"format {version!r}", f"format {VERSION}", "another version of the package wrote it",
            "use that version, or train again", str(path),
        )  # fmt: skip
    document.pop("seal", None)
    if _seal({"format": version, **document}) != text:
        raise _damaged(path, f"{HEADER} differs from its seal")
    return document


def _damaged(path: str | Path, given: str) -> CheckpointError:
    return CheckpointError(
        given, "a model file as it was written", "the file was cut short, edited or damaged, or is no model",
        "use a copy, or train again", str(path),
    )  # fmt: skip
