"""Reading archives (.npz) that somebody gives: no Python object is ever loaded, and nothing unfolds without bounds.

A file that is something else is refused with how it becomes an archive.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from derive.errors import DataError

Array = np.ndarray
FREELY_UNFOLDED, RATIO = 1 << 24, 100  # bytes of arrays in an archive of any size, and how much larger they may be


@contextlib.contextmanager
def located(file: str) -> Iterator[None]:
    """Errors inside also name the file."""
    try:
        yield
    except DataError as error:
        where = ", ".join(part for part in (file, error.where) if part)
        raise DataError(error.given, error.allowed, error.cause, error.fix, where) from None


def read_arrays(file: str | Path, check: Callable[[list[str]], None]) -> dict[str, Array]:
    """The arrays of an .npz whose names pass a check. Raises DataError for any other file."""
    if not isinstance(file, str | os.PathLike):
        kind = f"a path of type {type(file).__name__}"
        raise DataError(kind, "a path", "another argument", "give the path of an .npz")
    path = Path(file)
    if not path.exists():
        raise DataError("no such file", "an .npz", "a typing error", "check the path")
    if path.is_dir() or not zipfile.is_zipfile(path):
        raise _no_archive(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name.removesuffix(".npy"): name for name in archive.namelist()}
            check(list(entries))
            _check_size(archive, path.stat().st_size)
            # Entries are read whole, so that their checksums are verified.
            streams = {key: io.BytesIO(archive.read(file)) for key, file in entries.items()}
            return {key: _array(stream, key) for key, stream in streams.items()}
    except DataError:
        raise
    except Exception as e:  # damaged archives and array headers fail in more ways than can be listed
        raise DataError(
            f"an archive that cannot be read: {e}", "arrays of numbers, and of texts for classes",
            "the file was cut short or damaged", "write the file again",
        ) from e  # fmt: skip


def _array(stream: io.BytesIO, name: str) -> Array:
    """An entry of an archive. Raises DataError for Python objects."""
    try:
        return np.lib.format.read_array(stream, allow_pickle=False)
    except ValueError as error:
        if "Object arrays" not in str(error) and "pickled" not in str(error):
            raise
        ragged = name in ("x", "xi")
        raise DataError(
            f"{name}: an array of Python objects", "arrays of numbers, and of texts for classes",
            "lists of different lengths were saved as they are" if ragged else "texts as pandas' columns have them",
            "put all samples behind each other, with offsets" if ragged
            else f"write {name}.astype(str) for texts, {name}.astype(float) for numbers",
        ) from error  # fmt: skip


def _no_archive(path: Path) -> DataError:
    """What else a file is, and how it becomes an .npz."""
    allowed = "an .npz, as np.savez writes it"
    if path.is_dir():
        allowed += ", a Zarr group, or a folder of x.npy, y.npy …"
        return DataError("a folder", allowed, "the name of a file left out", "give one of the files in it")
    with open(path, "rb") as stream:
        head = stream.read(512)
    given = f"{path.stat().st_size} bytes that are not an .npz archive"
    npz = path.with_suffix(".npz").name
    if head.startswith(b"\x93NUMPY"):
        fix = f'np.savez("{npz}", x=np.load("{path.name}")), with y where there are targets'
        return DataError(f"{given}, but a single array", allowed, "np.save instead of np.savez", fix)
    if head.startswith(b"PK") or not head:
        return DataError(given, allowed, "the file was cut short", "write or copy it again")
    if b"\0" not in head and len(head.decode("utf-8", "ignore").encode()) > len(head) - 4:
        fix = (
            f'in Python: a = np.loadtxt("{path.name}", delimiter=","); np.savez("{npz}", x=a[:, 1:], y=a[:, 0]), '
            "where every line is a target with its samples"
        )
        return DataError(f"{given}, but text", allowed, "a table such as CSV", fix)
    return DataError(given, allowed, "another kind of file", f'read it in Python, then np.savez("{npz}", x=…, y=…)')


def _check_size(archive: zipfile.ZipFile, stored: int) -> None:
    """Refuse an archive that unfolds to far more than measurements do, before anything is unfolded."""
    size = sum(entry.file_size for entry in archive.infolist())
    usual = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    other = [entry.filename for entry in archive.infolist() if entry.compress_type not in usual]
    if size > max(FREELY_UNFOLDED, RATIO * stored) or other:
        raise DataError(
            f"{other[0]} in another compression" if other else f"{stored} bytes that unfold to {size}",
            f"arrays as np.savez or np.savez_compressed writes them, at most {RATIO} times as large as the file",
            "a damaged or forged file, or records that are all zeros", "write it with np.savez",
        )  # fmt: skip
