"""Tables and modules that lie in folders: damaged, of another kind, being written, shared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from derive.errors import CheckpointError, RepresentationError
from derive.spec.table_names import FORMAT
from numerics import files
from numerics.model.checkpoint import load
from numerics.model.continuum import Continuum
from numerics.model.file_format import read, write
from numerics.representation import folders, tables
from tests.builders import SPECS

# --- the cache ----------------------------------------------------------------------------------------------


def damages() -> dict[str, Any]:
    return {
        "cut": lambda p: p.write_bytes(p.read_bytes()[:100]),
        "edited": lambda p: p.write_bytes(p.read_bytes().replace(b"0", b"1", 1)),
        "empty": lambda p: p.write_bytes(b""),
        "gone": lambda p: p.unlink(),
        "a folder": lambda p: (p.unlink(), p.mkdir()),
    }


@pytest.mark.parametrize("file", ["cpu.py", "tables.npz", "manifest.json"])
@pytest.mark.parametrize("damage", list(damages()))
def test_what_is_damaged_in_the_cache_is_derived_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, damage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    contents = {"cpu.py": b"x = 0\n", "tables.npz": b"0" * 200, "manifest.json": b'{"format": 0}' + b" " * 200}
    target = folders.cache() / f"small-{folders.digest_of(contents)}"
    folders.write_folder(target, contents)
    inode = target.stat().st_ino
    assert folders.whole(target)
    folders.write_folder(target, contents)
    assert target.stat().st_ino == inode  # kept, with what was compiled for it
    damages()[damage](target / file)
    assert target not in list(folders.readable())
    folders.write_folder(target, contents)
    assert folders.whole(target) and list(target.parent.iterdir()) == [target]


def test_damaged_tables_of_a_generated_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"tables": {}}')
    for content in (b"", b"PK\x03\x04", b"no archive"):
        (tmp_path / "tables.npz").write_bytes(content)
        with pytest.raises(RepresentationError, match="cannot be read"):
            tables.stored(tmp_path, ["base/0/A"])


def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    for content in ("[]", "{", f'{{"format": {FORMAT}}}', "[" * 100_000):
        path = tmp_path / "manifest.json"
        path.write_text(content)
        with pytest.raises(RepresentationError, match="the manifest that"):
            folders._manifest(path, float(len(content)))


def test_what_another_machine_is_writing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Process numbers of one machine say nothing about another's: only strays of this one, for this file, go."""
    import socket

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(os, "getpid", lambda: ended.pid)
    mine, other_file = files.beside(tmp_path / "a.npz"), files.beside(tmp_path / "b.npz")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "another")
        elsewhere = files.beside(tmp_path / "a.npz")
    for path in (mine, other_file, elsewhere):
        path.write_bytes(b"")
    files.remove_strays(tmp_path / "a.npz")
    assert sorted(tmp_path.iterdir()) == sorted((other_file, elsewhere))


@pytest.mark.parametrize("role", ["0/C", "0/combine", "readout/G"])
def test_tables_of_a_spec_are_those_that_were_generated(tmp_path: Path, role: str) -> None:
    """A file may be whole, its sums right, and hold another table than its spec has."""
    path = tmp_path / "model.npz"
    Continuum.from_spec(SPECS / "gunpoint.toml").save(path)
    header, arrays = read(path)
    place = header["tables"][role]
    name = f"tables/{place if isinstance(place, str) else place[0]}"
    write(path, header, arrays)
    load(path)
    write(path, header, arrays | {name: arrays[name] * (1 + 1e-15)})
    with pytest.raises((CheckpointError, RepresentationError), match=r"the table .* of a model, which differs"):
        load(path)


def test_a_pocket_s_file_is_smaller_and_its_tables_are_blocks_of_others(tmp_path: Path) -> None:
    """Twenty Legendre polynomials are the first of forty: their tables are leading blocks of the state's."""
    sizes = {}
    for level in ("fine", None, "pocket"):
        path = tmp_path / f"{level}.npz"
        model = Continuum.from_spec(SPECS / "gunpoint.toml", level=level)
        model.save(path)
        sizes[level] = path.stat().st_size, model.size
        for role, table in load(path).representation.arrays.items():
            assert table.tobytes() == model.representation.arrays[role].tobytes() and table.flags.c_contiguous
    header, arrays = read(path)
    assert header["tables"]["0/C"] == ["0/M", [14, 40]] and "tables/0/C" not in arrays
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)


NOWHERE = (["0/M", [1, 2, 3]], ["0/M", [14, "40"]], ["0/M", [14, 39]], ["0/M"], ["none", [1]], 3)


@pytest.mark.parametrize("place", NOWHERE)
def test_places_of_tables_that_are_none_are_refused(tmp_path: Path, place: object) -> None:
    path = tmp_path / "model.npz"
    Continuum.from_spec(SPECS / "gunpoint.toml", level="pocket").save(path)
    header, arrays = read(path)
    write(path, {**header, "tables": {**header["tables"], "0/C": place}}, arrays)
    with pytest.raises((CheckpointError, RepresentationError)):
        load(path)


def test_what_a_running_process_is_writing_stays(tmp_path: Path) -> None:
    here = files.beside(tmp_path / "a.npz")
    here.write_bytes(b"")
    files.remove_strays(tmp_path / "a.npz")
    assert here.is_file()
