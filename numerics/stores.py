"""Arrays of all records, where these do not fit into memory: scratch files, and results written part by part."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from derive.errors import DataError
from numerics import files

Array = np.ndarray
EXTRA = 'pip install "neural-continua[scaling]"'
ZEROS = bytes(1 << 20)


def room(rows: int, records: int, mapped: bool) -> Array:
    """Room for (rows, records): in memory, or in a file without a name, which is gone with whoever maps it.

    In the file a record's numbers lie side by side. Raises DataError where the disk has no room for it.
    """
    if not mapped:
        return np.empty((rows, records))
    folder, needed = tempfile.gettempdir(), 8 * rows * records
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            _reserve(stream, needed)  # now: a mapped page for which there is no room later ends the process
            return np.memmap(stream, np.float64, "r+", shape=(records, rows)).T
    except OSError as error:
        raise DataError(
            f"{needed / 2**30:,.1f} GiB of coefficients and targets, and {error.strerror} in {folder}",
            "a folder for temporary files with room for them", "a full disk, or a small one for temporary files",
            "name a folder on a larger disk in the environment variable TMPDIR",
        ) from error  # fmt: skip


def _reserve(stream: IO[bytes], size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(stream.fileno(), 0, max(1, size))
        return
    for start in range(0, max(1, size), len(ZEROS)):
        stream.write(ZEROS[: size - start])
    stream.flush()


class Writer(Protocol):
    """Takes arrays; of a long one the parts, behind each other."""

    def whole(self, name: str, array: Array) -> None: ...

    def parts(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterator[Array]) -> None: ...


@contextlib.contextmanager
def written(path: Path) -> Iterator[Writer]:
    """A writer of .npz, of .zarr, or of what else ends in neither: an .npz. What it writes is whole or absent."""
    target = files.final(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() != ".zarr":
        with files.whole(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            yield _Archive(archive)
        return
    temporary = files.beside(target)
    try:
        yield _Group(temporary)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files.remove_strays(target)


class _Archive:
    """Entries of an .npz, byte for byte those of ``np.savez``."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def whole(self, name: str, array: Array) -> None:
        self.parts(name, array.shape, array.dtype, iter((array,)))

    def parts(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterator[Array]) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        with self.archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, header)
            for part in parts:
                entry.write(part.astype(dtype, copy=False).tobytes())


class _Group:
    """Arrays of a Zarr group."""

    def __init__(self, path: Path) -> None:
        self.group = zarr_package().open_group(str(path), mode="w")

    def whole(self, name: str, array: Array) -> None:
        self.parts(name, array.shape, array.dtype, iter((array,)))

    def parts(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterator[Array]) -> None:
        made, start = None, 0
        for part in parts:
            if made is None:
                own: Any = str if dtype.kind == "U" else dtype  # texts of one length are in no standard of Zarr's
                with warnings.catch_warnings():  # of the first versions of Zarr 3, where texts had no standard at all
                    warnings.filterwarnings("ignore", "The codec `vlen-utf8`", UserWarning)
                    made = self.group.create_array(name, shape=shape, dtype=own, chunks=part.shape)
            made[start : start + len(part)] = part
            start += len(part)


def zarr_package() -> Any:
    """The package zarr. Raises DataError naming the extra where it is not installed."""
    try:
        import zarr
    except ImportError as error:
        raise DataError(
            "Zarr arrays, and zarr is not installed", "the extra `scaling`", "the package was installed without it",
            EXTRA,
        ) from error  # fmt: skip
    return zarr


def holds_arrays(folder: Path) -> bool:
    """Whether a folder is one that ``opened`` reads."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup")) or any(folder.glob("*.npy"))


def opened(folder: Path) -> Mapping[str, Any]:
    """The arrays in a folder, none of them read: those of a Zarr group, or mapped .npy files, by their names."""
    if any((folder / name).is_file() for name in ("zarr.json", ".zgroup")):
        zarr = zarr_package()
        try:
            group = zarr.open_group(str(folder), mode="r")
            return {name: group[name] for name in group.array_keys()}
        except Exception as error:  # an array in place of a group, damaged metadata, codecs that are missing
            raise DataError(
                f"a Zarr group that cannot be read: {error}", "a group with the arrays x, y …",
                "a single array, or a damaged folder", 'write zarr.open_group(folder)["x"] = x, and y alike',
            ) from error  # fmt: skip
    found = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            found[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:  # a damaged header, Python objects, an empty file
            raise DataError(
                f"{path.name}, which cannot be read: {error}", "arrays of numbers or texts, as np.save writes them",
                "a damaged file, or lists of different lengths", "write the file again",
            ) from error  # fmt: skip
    return found
