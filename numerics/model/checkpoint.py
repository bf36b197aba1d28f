"""A model is one file: an .npz without pickles that says what it is and notices any damage.

``model.json`` holds the format's version, what the model is (the resolved spec with its levels, the level, the
history, ...) and the sha256 of every other entry, and is sealed by a sha256 of its own. Entries are stored, not
compressed, with fixed times, so that equal models are equal bytes. No code is ever loaded from a model file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from derive import spec as declaration
from derive.errors import CheckpointError, ContinuumError
from numerics import files
from numerics.checks import instance
from numerics.representation import find

if TYPE_CHECKING:
    from derive.spec import Spec
    from numerics.functions.field import Field
    from numerics.model.continuum import Continuum

Arrays = dict[str, np.ndarray]

VERSION = 1
HEADER = "model.json"
LABELS = (str, int, float, bool)  # what classes can be, all of one kind
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold; a real one would change equal models' bytes
UNUSABLE = (OSError, TypeError, ValueError)  # what paths raise, the latter two where they are none
# What zipfile raises on damaged archives, beside BadZipFile: a flipped bit can ask for passwords or other methods.
DAMAGE = (
    zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError, KeyError, struct.error,
    OverflowError, IndexError, OSError, MemoryError,
)  # fmt: skip


# --- models -------------------------------------------------------------------------------------------------


def save(model: Continuum, path: str | Path) -> None:
    """Write a model to one file, whole or not at all. Raises CheckpointError if it cannot be written."""
    from numerics.model.continuum import Continuum

    instance(model, Continuum, "give a model, then the path")
    training = model.training or {}
    arrays = {f"training/{key}": a for key, a in training.items() if isinstance(a, np.ndarray)}
    scalars = {key: value for key, value in training.items() if not isinstance(value, np.ndarray)}
    fields = {
        f"fields/{name}/{k}": slab.coefficients
        for name, field in model.fields.items()
        for k, slab in enumerate(field.slabs)
    }
    first: dict[int, str] = {}  # a table in several roles is stored once
    names = {role: first.setdefault(id(a), role) for role, a in model.representation.arrays.items()}
    tables = {f"tables/{name}": model.representation.arrays[name] for name in first.values()}
    header = {
        "spec": declaration.to_dict(model.base),
        "level": model.level,
        "representation": model.representation.entry,
        "tables": names,
        "classes": list(model.classes),
        "history": [dict(row) for row in model.history],
        "training": None if model.training is None else scalars,
    }
    write(path, header, {**fields, **tables, **arrays})


def load(path: str | Path) -> Continuum:
    """The model in a file. Raises CheckpointError, naming the entry, for anything that is not as it was written."""
    from numerics.model.continuum import Continuum, zero_fields

    header, arrays = read(path)
    try:
        base = declaration.from_dict(header["spec"])
        level, entry = header["level"], header["representation"]
        spec = replace(base.level(level) if level else base, levels=())
        _same_digest(declaration.digest(spec), entry["digest"], path)
        _check_header(header, spec, path)
        stored = _under("tables/", arrays)
        tables = {role: stored[name] for role, name in header["tables"].items()}
        rep = find.restored(spec, entry, tables, base)
        training, moments = header["training"], _under("training/", arrays)
        for key, array in moments.items():
            counted = array.dtype.kind in "iu" and array.ndim == 0
            if not counted and (array.dtype != np.float64 or not np.isfinite(array).all()):
                raise _incomplete(path, f"training/{key}: neither a count nor finite float64 numbers")
        return Continuum(
            base=base,
            level=level,
            fields=_filled(zero_fields(rep), _under("fields/", arrays), path),
            history=tuple(header["history"]),
            training=None if training is None else {**training, **moments},
            classes=tuple(header["classes"]),
            stored=rep,
        )
    except CheckpointError:
        raise
    except ContinuumError as error:
        raise CheckpointError(error.given, error.allowed, error.cause, error.fix, str(path)) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _incomplete(path, f"a header or entry that does not fit: {error!r}") from error


def _check_header(header: Mapping[str, Any], spec: Spec, path: str | Path) -> None:
    """Classes, history and slabs as ``save`` writes them."""
    classes, history = header["classes"], header["history"]
    named = isinstance(classes, list) and any(all(type(name) is kind for name in classes) for kind in LABELS)
    if not named or len(set(classes)) != len(classes) or (classes and len(classes) != spec.outputs):
        raise _incomplete(path, f"classes {classes!r} of a model with {spec.outputs} outputs")
    if not isinstance(history, list) or not all(isinstance(row, dict) and "loss" in row for row in history):
        raise _incomplete(path, f"a history of {history!r}")
    ends = [(slab["start"], slab["stop"]) for slab in header["representation"]["slabs"]]
    if ends != [(str(slab.start), str(slab.stop)) for slab in spec.slabs]:
        raise _incomplete(path, f"slabs at {ends}, but the spec has others")


def _filled(fields: dict[str, Field], arrays: Arrays, path: str | Path) -> dict[str, Field]:
    """Fields with stored coefficients, which must be those of this representation, all of them, and finite."""
    wanted = {
        f"{name}/{k}": slab.coefficients.shape for name, field in fields.items() for k, slab in enumerate(field.slabs)
    }
    for key in sorted(wanted.keys() | arrays.keys()):
        if key not in wanted or key not in arrays or arrays[key].shape != wanted[key]:
            found = arrays[key].shape if key in arrays else "missing"
            raise _incomplete(path, f"fields/{key}: {found}, but the spec says {wanted.get(key, 'no such entry')}")
        if arrays[key].dtype != np.float64 or not np.isfinite(arrays[key]).all():
            raise _incomplete(path, f"fields/{key}: coefficients that are not finite float64 numbers")
    return {
        name: field.with_coefficients(arrays[f"{name}/{k}"] for k in range(len(field.slabs)))
        for name, field in fields.items()
    }


def _same_digest(spec: str, stored: str, path: str | Path) -> None:
    if spec != stored:
        raise CheckpointError(
            f"tables of the representation {stored[:12]} with a spec that is {spec[:12]}",
            "a spec and tables that belong together",
            "the file was put together by hand, or written by another version",
            "train again, or use the version that wrote it",
            str(path),
        )


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}


def _incomplete(path: str | Path, given: str) -> CheckpointError:
    return CheckpointError(
        given,
        "the entries that `Continuum.save` writes",
        "the file was put together by hand, or written by another version",
        "train again, or use the version that wrote it",
        str(path),
    )


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
