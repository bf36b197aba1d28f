"""Files that are written whole or not at all, alone and several together."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derive.errors import CheckpointError
from numerics import datasets, files
from numerics.model.file_format import write
from numerics.representation import folders

# --- all files that are written whole -----------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from numerics import files
from numerics import datasets
from numerics.representation import folders
os.replace = os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
path = Path(sys.argv[2])
{"file": lambda: files.write_if_changed(path, b"new"),
 "records": lambda: datasets.write(path, datasets.records(np.zeros((1, 2)))),
 "folder": lambda: folders.write_folder(path, {"manifest.json": b"{}"})}[sys.argv[1]]()
"""


@pytest.mark.first(1)
@pytest.mark.parametrize("kind", ["file", "records", "folder"])
def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "target"
    found = subprocess.run([sys.executable, "-c", KILLED, kind, str(path)], check=False)
    assert found.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1 and not path.exists()
    if kind == "file":
        files.write_if_changed(path, b"new")
    elif kind == "records":
        datasets.write(path, datasets.records(np.zeros((1, 2))))
    else:
        folders.write_folder(path, {"manifest.json": b"{}"})
    assert list(tmp_path.iterdir()) == [path]


def test_strays_go_even_if_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_whole(path, b"content")
    name = files.beside(path).name.split("-")
    stray = path.with_name("-".join([*name[:3], str(2**22 + 1), name[4]]))
    stray.touch()
    assert not files.write_if_changed(path, b"content")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="a device or a pipe"):
        write(path, {"spec": {}}, {"fields/W/0": np.eye(3)})
    with pytest.raises(OSError, match="a device or a pipe"):
        files.write_whole(path, b"content")
    assert path.is_fifo() and list(tmp_path.iterdir()) == [path]


# --- files that belong together -----------------------------------------------------------------------------

TOGETHER = """
import os, signal, sys
from pathlib import Path
from numerics import files
moves, stop = [os.replace, os.unlink], int(sys.argv[2])
def counting(call):
    def one(*given, **named):
        global stop
        stop -= 1
        if stop < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    return one
os.replace, os.unlink = map(counting, moves)
Path.unlink = lambda self, missing_ok=False: os.path.exists(self) and os.unlink(self)
files.write_together(Path(sys.argv[1]), {"a": b"new", "index": b"new", "b": b"new"}, "index")
"""


@pytest.mark.first(1)
@pytest.mark.parametrize("stop", range(5))
def test_files_that_belong_together_are_never_mixed(tmp_path: Path, stop: int) -> None:
    folder = tmp_path / "folder"
    old, new = (dict.fromkeys(("a", "b", "index"), content) for content in (b"old", b"new"))
    assert files.write_together(folder, old, "index") == ["a", "b", "index"]
    found = subprocess.run([sys.executable, "-c", TOGETHER, str(folder), str(stop)], check=False)
    assert found.returncode == (0 if stop == 4 else -signal.SIGKILL)
    held = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".tmp"}
    assert held in (old, new) or "index" not in held
    files.write_together(folder, new, "index")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == new
    assert files.write_together(folder, new, "index") == []


def test_a_full_disk_leaves_files_that_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_together(tmp_path, {"a": b"old", "index": b"old"}, "index")
    calls = iter([None])

    def full(_: int) -> None:
        if next(calls, "full"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_together(tmp_path, {"a": b"new", "index": b"new"}, "index")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old", "index": b"old"}
