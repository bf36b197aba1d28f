"""Where generated modules live: the folders that are searched, what is found in them, and how one is written whole.

Looked for are a spec's digest, or the mark of what kernels compute, in this order: beside ``numerics``, where
CONTINUA_GENERATED points, in ``./continua_generated``, in the user's cache, one folder an edition of the derivation.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache as memo
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from derive.errors import RepresentationError, SpecError, advice
from derive.spec.table_names import FORMAT
from numerics import files
from numerics.representation.edition import edition

MARK = re.compile(r"[0-9a-f]{64}")  # of kernels
LISTED = ("functions", "representations", "tables")  # in every manifest

_of_this_process: list[Path] = []  # folders for modules that no cache could take
_found: dict[tuple[str, str], Path] = {}  # digests and marks → the folder where each was found last


def roots() -> list[Path]:
    """The folders that may hold generated modules, in the order of search; the user's cache is the last."""
    found = [Path(__file__).resolve().parents[2] / "generated"]
    given = os.environ.get("CONTINUA_GENERATED")
    for path in (given, "continua_generated") if given else ("continua_generated",):
        with contextlib.suppress(OSError):  # a working directory that was deleted
            found.append(Path(path).resolve())
    return [*found, *_of_this_process, cache()]


def cache() -> Path:
    """The user's cache of this edition's modules."""
    import platformdirs

    home = Path(platformdirs.user_cache_dir("neural-continua"))
    return home / "kernels" / edition(home / "editions")


def readable(sought: tuple[str, str] | None = None) -> Iterator[Path]:
    """Every folder with a manifest that this version reads, in the order of search; read only as far as it goes.

    sought: a kind and a mark, without which folders are passed by unread: caches have hundreds of folders.
    What is damaged in the cache is removed, to be derived again; elsewhere it is somebody's to repair.
    """
    *_, cached = found = roots()
    for root in found:
        for folder in _folders(root):
            if (sought is None or _may_hold(folder, sought)) and _reads(folder, root == cached):
                yield folder


def _folders(root: Path) -> list[Path]:
    """The folders of a root that have a manifest, by their names."""
    try:
        names = sorted(name for name in os.listdir(root) if not name.startswith("."))
    except OSError:
        return []
    return [root / name for name in names if os.path.exists(os.path.join(root, name, "manifest.json"))]


def _may_hold(folder: Path, sought: tuple[str, str]) -> bool:
    """Whether a manifest has a mark, or is damaged and has to be looked at."""
    try:
        return sought in _marks(folder, (folder / "manifest.json").stat().st_mtime)
    except (OSError, RepresentationError, AttributeError, KeyError, TypeError):
        return True


@memo
def _marks(folder: Path, _stamp: float) -> frozenset[tuple[str, str]]:
    """The kinds and marks in a manifest: digests of representations, signatures of slabs, losses."""
    found = manifest(folder)
    entries = found["representations"].values() if found.get("format") == FORMAT else ()
    of_entries = {(kind, e[key]) for e in entries for kind, key in (("representation", "digest"), ("loss", "loss"))}
    return frozenset(of_entries | {("signature", slab["signature"]) for e in entries for slab in e["slabs"]})


def _reads(folder: Path, cached: bool) -> bool:
    if cached and not whole(folder):
        _discard(folder)
        return False
    return manifest(folder).get("format") == FORMAT


def _found_before(sought: tuple[str, str]) -> Iterator[Path]:
    """Where a digest or mark was found last, while it would still be found there: caches have hundreds of folders."""
    folder = _found.get(sought)
    if folder is None or folder.parent not in (searched := roots()) or not (folder / "manifest.json").is_file():
        return
    if _reads(folder, folder.parent == searched[-1]):
        yield folder


def whole(folder: Path) -> bool:
    """Whether a cached folder holds what was written: its name ends in the digest of its files."""
    try:
        with os.scandir(folder) as entries:
            stats = sorted((entry.name, entry.stat()) for entry in entries if entry.is_file())
        stamp = tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
    except OSError:
        return False
    return _has_digest(folder, stamp)


@memo
def _has_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> bool:
    try:
        contents = {name: (folder / name).read_bytes() for name, *_ in stamp}
    except OSError:
        return False
    return folder.name.endswith(f"-{digest_of(contents)}")


def digest_of(contents: Mapping[str, bytes]) -> str:
    """Twelve digits for a folder's files."""
    found = hashlib.sha256()
    for name, content in sorted(contents.items()):
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:12]


def _discard(folder: Path) -> None:
    """Remove a folder, out of everybody's sight first; where it cannot be removed it is not used."""
    aside = files.beside(folder)
    with contextlib.suppress(OSError):
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


@memo
def _manifest(path: Path, _stamp: float) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or (found.get("format") == FORMAT and not found.keys() >= set(LISTED)):
            raise ValueError(f"not a table of {', '.join(LISTED)}")
    except (OSError, ValueError, RecursionError) as error:
        raise RepresentationError(
            f"{path}: {error}",
            "the manifest that `continua generate` writes",
            "the file was cut short or edited",
            "delete its folder, or run `continua generate` again",
        ) from error
    return found


def manifest(folder: Path) -> dict[str, Any]:
    """What a folder says that it holds. Raises RepresentationError for damage."""
    path = folder / "manifest.json"
    return _manifest(path, path.stat().st_mtime)


def declared(name: str) -> dict[str, Any]:
    """The declaration of a generated spec. Raises SpecError for one that another version generated, or nobody."""
    for folder in readable():
        if manifest(folder)["name"] == name:
            spec: dict[str, Any] = manifest(folder)["spec"]
            return spec
    others = {str(manifest(folder).get("name")): folder for root in roots()[:-1] for folder in _folders(root)}
    if name in others:
        raise SpecError(
            f"{name}, generated in format {manifest(others[name]).get('format')!r}", f"format {FORMAT}",
            "another version of neural-continua wrote its modules", "run `continua generate` on its TOML file again",
            str(others[name]),
        )  # fmt: skip
    names = sorted(others)
    raise SpecError(
        f"{name!r}, which is no file", f"a TOML file's path, or a generated spec: {', '.join(names) or 'none here'}",
        *advice(name, names, "a typing error, or another folder", "give the path; `continua new NAME` writes one"),
    )  # fmt: skip


def entry_of(digest: str) -> tuple[Path, dict[str, Any]] | None:
    """The folder and the manifest's entry that hold a representation, or None."""
    sought = ("representation", digest)
    for folder in chain(_found_before(sought), readable(sought)):
        for entry in manifest(folder)["representations"].values():
            if entry["digest"] == digest:
                _found[sought] = folder
                return folder, entry
    return None


def module(mark: str, kind: str) -> tuple[Path, str]:
    """The module and suffix of the kernels with a mark: a slab's "signature", or a representation's "loss"."""
    found = find_module(mark, kind)
    if found is None:
        raise RepresentationError(
            f"kernels of {kind} {mark[:12]}", "modules that were generated together with the tables",
            "a folder of generated modules that was moved or deleted", "run `continua generate` on the spec",
        )  # fmt: skip
    return found


def find_module(mark: str, kind: str) -> tuple[Path, str] | None:
    """As ``module``; None where there is none."""
    sought = (kind, mark)
    for folder in chain(_found_before(sought), readable(sought)):
        for entry in manifest(folder)["representations"].values():
            for part in entry["slabs"] if kind == "signature" else [entry]:
                if part[kind] == mark:
                    _found[sought] = folder
                    return folder / "cpu.py", part.get("kernels", "")
    return None


def printed_function(name: str) -> Callable[..., np.ndarray]:
    """The function of a closed-form basis, from the generated module that holds it."""
    for folder in readable():
        if name in manifest(folder)["functions"]:
            return getattr(load_module(folder / "cpu.py"), name)  # type: ignore[no-any-return]
    raise RepresentationError(
        f"the closed-form basis {name}",
        "a basis of a generated spec",
        "its generated module was deleted",
        "run `continua generate` on the spec again",
    )


@memo
def load_module(path: Path) -> ModuleType:
    """A generated module, loaded from its file (never from a model)."""
    name = "continua_" + "_".join(path.with_suffix("").parts[-3:]).replace("-", "_").replace("+", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RepresentationError(
            f"no module at {path}",
            "a folder written by `continua generate`",
            "files were moved or deleted",
            "run `continua generate` again",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def keep(name: str, contents: Mapping[str, bytes]) -> None:
    """Write modules into the user's cache; where nothing can be written there they live as long as the process."""
    name = f"{name}-{digest_of(contents)}"
    try:
        write_folder(cache() / name, contents)
    except OSError:  # a read-only home, a full disk
        write_folder(_folder_of_this_process() / name, contents)


def _folder_of_this_process() -> Path:
    """A folder that is searched by this process, and removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="continua-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _of_this_process.append(folder)
    return folder


def write_folder(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of generated files at once: a temporary folder beside it, then a rename.

    The folder's name ends in its files' digest: one that is there already, and whole, is kept; another one, or what
    was left of one, is replaced. What killed writers of the same folder left is removed. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.beside(target)
    try:
        temporary.mkdir()
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        try:
            temporary.rename(target)
        except OSError:
            if not whole(target):
                _discard(target)
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files.remove_strays(target)
