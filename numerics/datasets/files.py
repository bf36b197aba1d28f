"""Records in files: archives of our own, and what ``formats`` read.

A format is a file there, and its suffix in TABLES or RECORDS here: one gives columns by their names, with the label and
the classes where it says itself which they are, the other gives records.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from derive.spec import of_axis
from numerics import files, progress, stores
from numerics.archive import located, read_arrays
from numerics.checks import instance, numbers
from numerics.datasets import labels
from numerics.datasets.checked import checked
from numerics.datasets.formats import arff, csv, parquet, ts, wav
from numerics.datasets.given import LAYOUT, from_given, with_targets_at
from numerics.datasets.long_tables import long
from numerics.datasets.record import Records, refusal
from numerics.datasets.streamed import Source, source
from numerics.datasets.tables import Table
from numerics.datasets.wide_tables import wide

Array = np.ndarray
TableReader = Callable[[Path, Sequence[str]], tuple[Table, Sequence[str], Sequence[str]]]
FOLDER, ARRAYS = "folder", "folder of arrays"
TABLES: Mapping[str, TableReader] = {".csv": csv.read, ".parquet": parquet.read, ".arff": arff.read}
RECORDS: Mapping[str, Callable[[Path], Records]] = {".ts": ts.read, FOLDER: wav.read}  # what is neither is an archive
KEYS = ("x", "xi", "xi_2", "xi_3", "y", "offsets", "classes", "weights", "y_xi", "y_offsets")


def read(path: str | Path, label: Any = (), id: str | None = None, time: str | None = None) -> Source:
    """Records from a file, or from a folder of WAV files whose subfolders are classes.

    .npz: x and perhaps xi, y, offsets, classes, weights, and y_xi, y_offsets of target functions that were sampled
    elsewhere; no Python object is ever loaded. Those in a folder, of a Zarr group or of .npy files with these names,
    are read part by part. .ts: series of the UCR archive. .csv, .parquet, .arff: a row a record and a column a
    sample; or with id, time, or both, as ``from_long`` has them, a row a sample. label: the column of targets, or
    several; in an .arff by default the nominal attribute.
    Raises DataError naming the file and the record.
    """
    with located(str(path)), progress.taking(f"reading {Path(str(path)).name}"):
        kind = Path(str(path)).suffix.lower()
        if isinstance(path, str | Path) and Path(path).is_dir():
            kind = ARRAYS if stores.holds_arrays(Path(path)) else FOLDER
        targets = list(label) if isinstance(label, list | tuple) else [] if label is None else [label]
        if kind in TABLES:
            return _read_table(_present(path), TABLES[kind], targets, id, time)
        if targets or id is not None or time is not None:
            raise refusal(
                f"columns to be named in a file of the kind {kind or 'without a suffix'}",
                f"label, id and time for {', '.join(TABLES)}", "other files say themselves what is in them",
                "leave them out",
            )  # fmt: skip
        return RECORDS[kind](_present(path)) if kind in RECORDS else _read_archive(path)


def _present(path: str | Path) -> Path:
    if not Path(path).exists():
        raise refusal("no such file", "a file of records", "a typing error", "check the path")
    return Path(path)


def _read_table(path: Path, reader: TableReader, label: Sequence[str], id: str | None, time: str | None) -> Records:
    """Records of a table: a row a sample where records or times are named, and records do not name each row."""
    table, nominal, classes = reader(path, [*label, *(name for name in (id, time) if name is not None)])
    if not label and len(nominal) == 1:
        label = nominal
    classes = classes if list(label) == list(nominal) else []
    names: tuple[str, ...] = ()
    if id is not None and time is None and id in table and len(set(table[id].tolist())) == len(table[id]):
        names = tuple(map(str, table[id].tolist()))
        table, id = {name: column for name, column in table.items() if name != id}, None
    given = wide(table, label, "--label") if id is time is None else long(table, id, time, (), label, "--label")
    return replace(from_given(given.x, given.xi, given.y, classes, ""), names=names or given.names)


def _read_archive(path: str | Path) -> Source:
    arrays = stores.opened(Path(path)) if isinstance(path, str | os.PathLike) and Path(path).is_dir() else {}
    if arrays:
        _check_keys(list(arrays))
    else:
        arrays = read_arrays(path, _check_keys)
    y, classes = arrays.get("y"), np.asarray(arrays.get("classes", np.array([], dtype=str)))
    if classes.ndim != 1 or (classes.size and classes.dtype.kind not in "US"):
        raise refusal(
            f"classes of type {classes.dtype}, shape {classes.shape}", "a list of names",
            "numbers, or one name only", "write classes as an array of texts",
        )  # fmt: skip
    weights = None if "weights" not in arrays else np.asarray(arrays["weights"])
    if "y_xi" in arrays or "y_offsets" in arrays:
        own = {name: array for name, array in arrays.items() if name not in ("y", "y_xi", "y_offsets")}
        return _with_targets_at(_archived(own, None, classes, weights), arrays)
    return _archived(arrays, y, classes, weights)


def _archived(arrays: Mapping[str, Any], y: Any, classes: Array, weights: Array | None) -> Source:
    """Records whose targets, if any, are not at points of their own."""
    x = arrays["x"]
    if "offsets" not in arrays:
        return source(x, xi=_file_points(arrays), y=y, classes=classes, weights=weights)
    offsets, xi, y = (None if a is None else np.asarray(a) for a in (arrays["offsets"], arrays.get("xi"), y))
    assert offsets is not None
    found = _ragged(x, offsets, xi, y, classes)
    return found if weights is None else found.weighted(weights)


def _with_targets_at(found: Source, arrays: Mapping[str, Any]) -> Records:
    """Records with target functions at points of their own, behind each other where y_offsets say so."""
    data = found if isinstance(found, Records) else found.whole()
    y, xi = (None if name not in arrays else np.asarray(arrays[name]) for name in ("y", "y_xi"))
    if "y_offsets" not in arrays or y is None:
        return with_targets_at(data, y, xi)
    targets = _ragged(y, np.asarray(arrays["y_offsets"]), xi, None, np.array([]))
    return with_targets_at(data, targets.samples(), None if xi is None else targets.points())


def _file_points(arrays: Mapping[str, Any]) -> Any:
    """The points in a file: xi, or for grids xi, xi_2 and perhaps xi_3, which all records share."""
    others = [arrays[name] for name in ("xi_2", "xi_3") if name in arrays]
    if not others and arrays["x"].ndim < 4:
        return arrays.get("xi")
    found = [arrays[name] for name in ("xi", "xi_2", "xi_3") if name in arrays]
    return found or None


def _ragged(x: Array, offsets: Array, xi: Array | None, y: Array | None, classes: Array) -> Records:
    x = numbers(x, "x")
    if x.ndim not in (1, 2):
        raise refusal(
            f"x of shape {x.shape} with offsets", "x (total [× channels])",
            "a rectangular x needs no offsets", "leave the offsets out, or put all samples behind each other",
        )  # fmt: skip
    fits = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 1
    if not fits or offsets[0] != 0 or offsets[-1] != len(x) or (offsets[1:] < offsets[:-1]).any():
        raise refusal(
            f"offsets of type {offsets.dtype}, shape {offsets.shape}: {str(offsets).replace(chr(10), '')}",
            f"increasing whole numbers from 0 to {len(x)}, the length of x",
            "lengths instead of offsets, samples that were left out, or lengths that are no whole numbers",
            "write np.append(0, np.cumsum(lengths)), lengths being whole numbers",
        )  # fmt: skip
    if xi is not None and xi.shape != (len(x),):
        raise refusal(
            f"xi of shape {xi.shape} for {len(x)} samples", "xi (total): one point a sample",
            "samples or points were left out on one side only", "leave both out",
        )  # fmt: skip
    points = None if xi is None else numbers(xi, "xi")
    return checked(x.reshape(len(x), -1), offsets.astype(np.int64), points, y, classes)


def _check_keys(names: list[str]) -> None:
    unknown = sorted(set(names) - set(KEYS))
    if unknown:
        near = difflib.get_close_matches(unknown[0].lower(), KEYS, 1)
        raise refusal(
            f"an array named {unknown[0]!r}", ", ".join(KEYS), "a typing error, or a file of another kind",
            f"name it {near[0]!r}" if near else "write the records under these names",
        )  # fmt: skip
    if "x" not in names:
        raise refusal(
            f"arrays {', '.join(names) or 'none'}, but no x", LAYOUT, "a file of another kind", "write x",
        )  # fmt: skip


def write(path: str | Path, data: Records) -> None:
    """Write records as an .npz, whole or not at all: beside it, flushed, then renamed. Raises DataError."""
    instance(data, Records, "make them with numerics.datasets.records")
    stream = io.BytesIO()
    try:
        entries: dict[str, Any] = _packed(data)
        np.savez(stream, **entries)
        files.write_whole(path, stream.getvalue())
    except (OSError, TypeError, ValueError) as error:  # the latter two for what is no path
        raise DataError(
            f"{getattr(error, 'strerror', None) or error}",
            "a folder that exists and can be written to, on a disk with room",
            "a typing error, missing permissions or a full disk", "choose another path", str(path),
        ) from error  # fmt: skip


def _packed(data: Records) -> dict[str, Array]:
    """The arrays of a file: rectangular where all records have the same length, with shared points where they do."""
    elsewhere = data.elsewhere
    if elsewhere is not None:
        if elsewhere.grid is not None or elsewhere.xi is None:
            raise ValueError("target functions on grids of their own, or without points, which only Python takes")
        targets = {"y" if name == "x" else f"y_{name}": array for name, array in _packed(elsewhere).items()}
        return _packed(replace(data, elsewhere=None)) | targets
    count, lengths = len(data), data.lengths
    arrays: dict[str, Array | None] = {"x": data.x, "xi": data.xi, "y": data.y, "weights": data.weights}
    if data.grid is not None:
        arrays |= _packed_grids(data)
    elif (lengths == lengths[0]).all():
        x = data.x.reshape(count, lengths[0], -1)
        xi = None if data.xi is None else data.xi.reshape(count, -1)
        shared = xi is not None and (xi == xi[0]).all()
        flat = data.channels == 1 and (lengths[0] > 1 or data.column)  # (n, 1) could be one record of n points
        arrays["x"] = x[:, :, 0] if flat else x
        arrays["xi"] = xi[0] if shared and xi is not None else xi
        if data.functions and data.y is not None:
            arrays["y"] = data.y.reshape(count, lengths[0], -1)
    else:
        arrays["offsets"] = data.offsets
    if data.classes:
        names = np.array(list(map(labels.text, data.classes)))
        # Names, which can be read in one way only: positions of classes 1, 2, … could be their names, too.
        arrays |= {"classes": names, "y": None if data.y is None else names[data.y]}
    return {name: array for name, array in arrays.items() if array is not None}


def _packed_grids(data: Records) -> dict[str, Array | None]:
    shape, grids = data.shapes[0], data.grids()
    first = grids[0]
    same = first is None or all(all(map(np.array_equal, first, other or ())) for other in grids)
    if not same or set(data.shapes) != {shape}:
        raise ValueError("records on different grids, which only Python takes, as lists")
    arrays: dict[str, Array | None] = {"x": data.x.reshape(len(data), *shape, -1), "xi": None}
    for axis, xi in enumerate(first or ()):
        arrays[of_axis("xi", axis)] = xi
    if data.functions and data.y is not None:
        arrays["y"] = data.y.reshape(len(data), *shape, -1)
    return arrays
