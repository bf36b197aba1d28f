"""Model files: whole or not there, equal bytes for equal content, and no damage that goes unnoticed."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from derive.declaration import load_spec
from derive.errors import CheckpointError, ContinuumWarning
from numerics.model import file_format
from numerics.model.checkpoint import load, save
from numerics.model.continuum import Continuum
from numerics.model.file_format import check_writable, pack, read, write

HEADER = {"spec": {"name": "δ-model", "spacing": "1/2"}, "level": None, "history": [{"loss": 0.1, "epoch": 1}]}
ARRAYS = {
    "fields/W/0": np.random.default_rng(0).standard_normal((3, 4)),
    "fields/b/0": np.random.default_rng(1).standard_normal((3, 4)),
    "tables/kind": np.array("polynomial"),
    "training/count": np.array(7),
}


def equal(found, header, arrays) -> bool:
    same = found[0] == header and found[1].keys() == arrays.keys()
    return same and all(
        a.dtype == found[1][k].dtype and a.shape == found[1][k].shape and np.array_equal(a, found[1][k], equal_nan=True)
        if a.dtype.kind in "fc"
        else np.array_equal(a, found[1][k])
        for k, a in arrays.items()
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "model.npz", HEADER, ARRAYS)
    return tmp_path / "model.npz"


def forge(path: Path, document: dict, entries: dict[str, bytes], **listed: str) -> Path:
    """A file by the format's description alone, for content that ``write`` would refuse."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()} | listed
    text = json.dumps({"format": 1, **document, "sha256": sums}, separators=(",", ":"))
    text = f'{text[:-1]},"seal":"{hashlib.sha256(text.encode()).hexdigest()}"}}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"model.json": text.encode(), **entries}.items():
            archive.writestr(name, data)
    return path


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(path: Path, entries: dict[str, bytes]) -> Path:
    """The archive with other members, each with a correct checksum of its own."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


# --- content ------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text("abcWR/0123_-", min_size=1, max_size=12).filter(lambda key: not key.endswith("/"))
KINDS = st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_, np.dtype("U3"), np.complex128])
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@pytest.mark.slow
@given(st.dictionaries(st.text("xyz", min_size=1), JSON, max_size=3), st.data())
def test_any_content_comes_back_and_equal_content_is_equal_bytes(tmp_path_factory, header, data) -> None:
    shape = data.draw(SHAPES)
    given_ = data.draw(st.dictionaries(KEYS, KINDS.flatmap(lambda kind: arrays_of.arrays(kind, shape)), max_size=4))
    path = tmp_path_factory.mktemp("any") / "m.npz"
    write(path, header, given_)
    assert equal(read(path), header, given_)
    strided = {key: np.array(a, order="F") for key, a in given_.items()}
    assert pack(header, strided) == path.read_bytes()


def test_numpy_reads_the_arrays_without_pickles(path: Path) -> None:
    with np.load(path, allow_pickle=False) as stored:
        assert np.array_equal(stored["fields/W/0"], ARRAYS["fields/W/0"])
        assert json.loads(stored["model.json"])["spec"] == HEADER["spec"]


def test_order_of_the_header_is_kept(path: Path) -> None:
    assert list(read(path)[0]["history"][0]) == ["loss", "epoch"]
    assert list(read(path)[0]) == list(HEADER)


@pytest.mark.slow
def test_bytes_do_not_depend_on_time_process_or_hash_seed(path: Path) -> None:
    program = f"import numpy as np\nfrom numerics.model.file_format import pack\nimport sys\nHEADER = {HEADER!r}\n"
    program += "A = {'b': np.arange(3.0), 'a': np.eye(2)}\nsys.stdout.buffer.write(pack(HEADER, A))"
    expected = pack(HEADER, {"b": np.arange(3.0), "a": np.eye(2)})
    elsewhere = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=elsewhere)
    assert found.stdout == expected


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Python objects"):
        write(tmp_path / "m.npz", {}, {"a": np.array([{}], dtype=object)})
    for bad in ({"loss": float("nan")}, {"f": len}, {"text": "\ud800"}):
        with pytest.raises(CheckpointError, match="JSON"):
            write(tmp_path / "m.npz", bad, {})
    assert not list(tmp_path.iterdir())


# --- damage -------------------------------------------------------------------------------------------------


def refused_or_same(path: Path, content: bytes) -> bool:
    """Whether changed bytes are refused; if they are accepted, the content must be what it was."""
    path.write_bytes(content)
    try:
        found = read(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return True
    assert equal(found, HEADER, ARRAYS)
    return False


@pytest.mark.slow
def test_a_flipped_bit_in_any_byte_is_refused_or_without_effect(path: Path) -> None:
    content = path.read_bytes()
    generator = np.random.default_rng(2)
    refused = 0
    for place, bit in enumerate(generator.integers(0, 8, len(content))):
        changed = bytearray(content)
        changed[place] ^= 1 << int(bit)
        refused += refused_or_same(path, bytes(changed))
    assert refused > 0.7 * len(content)  # the rest are times and attributes that nobody reads


@given(st.data())
def test_bytes_overwritten_removed_or_added_anywhere(tmp_path_factory, data) -> None:
    content = pack(HEADER, ARRAYS)
    first = data.draw(st.integers(0, len(content)))
    last = data.draw(st.integers(first, min(len(content), first + 300)))
    changed = content[:first] + data.draw(st.binary(max_size=100)) + content[last:]
    refused_or_same(tmp_path_factory.mktemp("cut") / "m.npz", changed)


def test_every_truncation_is_refused(path: Path) -> None:
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        assert refused_or_same(path, content[:length])
    assert refused_or_same(path, content[:-1])


def test_swapped_entries_are_named(path: Path) -> None:
    entries = entries_of(path)
    one, other = "fields/W/0.npy", "fields/b/0.npy"
    entries[one], entries[other] = entries[other], entries[one]
    with pytest.raises(CheckpointError, match=r"fields/W/0\.npy differs"):
        read(rebuilt(path, entries))


def test_missing_and_added_entries_are_named(path: Path) -> None:
    entries = entries_of(path)
    kept = {name: data for name, data in entries.items() if name != "fields/b/0.npy"}
    with pytest.raises(CheckpointError, match=r"fields/b/0\.npy"):
        read(rebuilt(path, kept))
    with pytest.raises(CheckpointError, match=r"entry extra\.npy is not listed"):
        read(rebuilt(path, {**entries, "extra.npy": entries["fields/b/0.npy"]}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_there_twice_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fields/W/0.npy", b"another")
    with pytest.raises(CheckpointError, match="there 2 times"):
        read(path)


def test_an_edited_header_breaks_its_seal(path: Path) -> None:
    entries = entries_of(path)
    entries["model.json"] = entries["model.json"].replace(b'"1/2"', b'"1/3"')
    with pytest.raises(CheckpointError, match="seal"):
        read(rebuilt(path, entries))


def test_compressed_entries_are_refused(path: Path) -> None:
    entries = entries_of(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match="compressed"):
        read(path)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch pickle-was-run",)


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    for data in (stream.getvalue(), pickle.dumps(Bomb())):
        with pytest.raises(CheckpointError, match=r"evil\.npy"):
            read(forge(tmp_path / "m.npz", {}, {"evil.npy": data}))
    assert not Path("pickle-was-run").exists()


def test_forged_files_of_the_described_format_are_read(tmp_path: Path) -> None:
    """The format is what its description says: a writer of the test's own is understood."""
    stream = io.BytesIO()
    np.save(stream, np.arange(4))
    header, arrays = read(forge(tmp_path / "m.npz", {"level": "fine"}, {"a/b.npy": stream.getvalue()}))
    assert header == {"level": "fine"} and np.array_equal(arrays["a/b"], np.arange(4))
    with pytest.raises(CheckpointError, match=r"a/b\.npy differs"):
        read(forge(tmp_path / "m.npz", {}, {"a/b.npy": stream.getvalue()}, **{"a/b.npy": "0" * 64}))


# --- other files --------------------------------------------------------------------------------------------


def test_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_format, "VERSION", 2)
    write(tmp_path / "m.npz", HEADER, ARRAYS)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format 2"):
        read(tmp_path / "m.npz")


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.eye(2))
    np.save(tmp_path / "array.npy", np.eye(2))
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("not a model")
    rebuilt(tmp_path / "json.npz", {"model.json": b"[" * 100_000})
    rebuilt(tmp_path / "list.npz", {"model.json": b"[]"})
    with pytest.raises(CheckpointError, match=r"without model\.json"):
        read(tmp_path / "data.npz")
    for name in ("array.npy", "empty.npz", "text.npz", "json.npz", "list.npz"):
        with pytest.raises(CheckpointError, match=name):
            read(tmp_path / name)


def test_paths_that_cannot_be_read_or_written(tmp_path: Path, path: Path) -> None:
    for bad in (tmp_path, tmp_path / "missing.npz", path / "below-a-file.npz", tmp_path / ("long" * 100)):
        with pytest.raises(CheckpointError):
            read(bad)
    for bad in (tmp_path, path / "below-a-file.npz", tmp_path / ("long" * 100)):
        for attempt in (lambda p: write(p, HEADER, ARRAYS), check_writable):
            with pytest.raises(CheckpointError):
                attempt(bad)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_without_permission(path: Path) -> None:
    path.parent.chmod(0o555)
    try:
        with pytest.raises(CheckpointError, match="Permission denied"):
            write(path, HEADER, ARRAYS)
        with pytest.raises(CheckpointError, match="Permission denied"):
            check_writable(path)
    finally:
        path.parent.chmod(0o755)
    path.chmod(0)
    with pytest.raises(CheckpointError, match="Permission denied"):
        read(path)


# --- writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(CheckpointError, match="No space left"):
        write(path, {"other": 1}, {})
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(path: Path) -> None:
    before = path.read_bytes()
    program = (
        "import os, signal, sys\nfrom numerics.model import file_format\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "file_format.write(sys.argv[1], {'other': 1}, {})"
    )
    found = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert found.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    (stray,) = set(path.parent.iterdir()) - {path}
    mine = path.with_name(stray.name.replace(stray.name.split("-")[3], str(os.getpid())))
    mine.touch()  # as a writer that is still at work has it
    write(path, HEADER, ARRAYS)
    assert set(path.parent.iterdir()) == {path, mine}


def test_folders_are_made_links_followed_and_the_umask_kept(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "m.npz", HEADER, ARRAYS)
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "a" / "b" / "m.npz")
    old = os.umask(0o027)
    try:
        write(link, {"other": 1}, {})
    finally:
        os.umask(old)
    assert link.is_symlink() and read(tmp_path / "a" / "b" / "m.npz")[0] == {"other": 1}
    assert (tmp_path / "a" / "b" / "m.npz").stat().st_mode & 0o777 == 0o640


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


# --- models -------------------------------------------------------------------------------------------------

SMALL, ONCE = {"family": "legendre", "size": 3}, {"family": "p0", "cells": 1}
SPEC = {
    "name": "stored",
    "equation": {"rate": "residual", "activation": "tanh", "spacing": "1/2"},
    "state": {"basis": {"family": "legendre", "size": 4}},
    "weight": {"width_out": SMALL, "width_in": SMALL, "depth": ONCE},
    "bias": {"width": SMALL, "depth": ONCE},
    "integration": {"tableau": "heun", "steps": 2},
    "readout": {"outputs": 2, "basis": SMALL},
    "loss": {"kind": "cross-entropy"},
    "levels": {"wide": {"weight": {"width_out": {"family": "legendre", "size": 4}}}},
}


@pytest.fixture(scope="module")
def model() -> Continuum:
    made = Continuum.from_spec(load_spec(SPEC), seed=3, level="wide")
    rows = ({"level": "wide", "epoch": 1, "loss": 0.25},)
    training = {"epoch": 1, "best_loss": None, "vector": made.coordinates}
    return made.replace(history=rows, training=training, classes=("left", "right"))


def test_a_model_comes_back_as_it_was(model: Continuum, tmp_path: Path) -> None:
    save(model, tmp_path / "m.npz")
    found = load(tmp_path / "m.npz")
    x = np.random.default_rng(0).standard_normal((5, 9))
    assert np.array_equal(found(x), model(x))
    assert np.array_equal(found.coordinates, model.coordinates)
    assert (found.base, found.level, found.history, found.classes) == (
        model.base, model.level, model.history, model.classes,
    )  # fmt: skip
    assert found.training is not None and found.training.keys() == model.training.keys()
    assert np.array_equal(found.training["vector"], model.training["vector"])
    save(found, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()


def test_a_model_without_training_stays_without(model: Continuum, tmp_path: Path) -> None:
    model.replace(training=None).save(tmp_path / "m.npz")
    assert load(tmp_path / "m.npz").training is None


def altered(model: Continuum, path: Path, **changes: object) -> Path:
    """A file with correct sums whose header or entries are not what ``save`` writes; None leaves a key out."""
    save(model, path)
    header, arrays = read(path)
    for key, value in changes.items():
        (header if key in header else arrays).update({key: value})
    write(
        path,
        {key: value for key, value in header.items() if value is not None or key in ("level", "training")},
        {key: value for key, value in arrays.items() if value is not None},
    )
    return path


def test_files_put_together_by_hand_are_refused(model: Continuum, tmp_path: Path) -> None:
    w = model.fields["W"].slabs[0].coefficients
    cases = [
        ({"fields/W/0": w[:2]}, "fields/W/0"),
        ({"fields/W/0": None}, "fields/W/0: missing"),
        ({"fields/V/0": w}, "fields/V/0"),
        ({"fields/W/0": w * np.nan}, "not finite"),
        ({"fields/W/0": w.astype(np.float32)}, "float64"),
        ({"history": None}, "history"),
        ({"spec": {"name": "x"}}, str(tmp_path)),
        ({"level": None}, "tables of the representation"),
        ({"level": "narrow"}, str(tmp_path)),
    ]
    for changes, said in cases:
        with pytest.raises(CheckpointError, match=said):
            load(altered(model, tmp_path / "m.npz", **changes))


def test_models_of_versions_with_other_kernels_run_with_those_of_their_spec(model: Continuum, tmp_path: Path) -> None:
    """Their fields are coefficients in the bases of the spec; tables for the other kernels count for nothing."""
    save(model, tmp_path / "m.npz")
    entry = read(tmp_path / "m.npz")[0]["representation"]
    slabs = [{**slab, "signature": "0" * 64} for slab in entry["slabs"]]
    older = {"representation": {**entry, "slabs": slabs, "loss": "1" * 64}, "tables/constants/loss": np.zeros(0)}
    x = np.sin(np.outer(np.arange(1, 4), np.linspace(-1, 1, 30)))
    with pytest.warns(ContinuumWarning, match="a version with other kernels"):
        found = load(altered(model, tmp_path / "m.npz", **older))
    assert np.array_equal(found(x), model(x)) and found.history == model.history
    for signature in ("../../canary", 1):
        slabs = [{**slab, "signature": signature} for slab in entry["slabs"]]
        with pytest.raises(CheckpointError, match="kernels called"):
            load(altered(model, tmp_path / "m.npz", representation={**entry, "slabs": slabs}))
