"""Files that are whole or absent, whatever stops the writer: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO


def differs(path: Path, content: bytes) -> bool:
    """Whether a file is missing or holds something else."""
    return not path.is_file() or path.read_bytes() != content


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write a file whole, only if its content changes; whether it did. Removes what killed writers left of it."""
    changed = differs(path, content)
    if changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    else:
        remove_strays(final(path))
    return changed


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file: beside its place, flushed to the disk, then renamed; its folder has to exist.

    What killed writers of the same file left behind is removed. Raises OSError, and then leaves everything as it was.
    """
    with whole(path) as stream:
        stream.write(content)


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[IO[bytes]]:
    """A stream to a file that takes its place when all is written, as ``write_whole`` does at once."""
    target = final(path)
    temporary = beside(target)
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(target.parent)
    remove_strays(target)


def write_together(folder: Path, files: Mapping[str, bytes], last: str) -> list[str]:
    """Bring the files of a folder up to date, as one; the names of those that changed.

    All are on the disk before the first takes its place. last: the file without which nobody reads the others. It is
    taken away first and comes last, so that a kill leaves the old files, the new ones, or none that are read.
    Raises OSError; a disk that is full leaves everything as it was.
    """
    targets = {name: final(folder / name) for name in files}
    changed = [name for name, content in files.items() if differs(folder / name, content)]
    ready = {name: beside(targets[name]) for name in changed}
    try:
        for name, temporary in ready.items():
            temporary.parent.mkdir(parents=True, exist_ok=True)
            _write_new(temporary, files[name])
        if last in changed:
            targets[last].unlink(missing_ok=True)
        for name in sorted(changed, key=last.__eq__):
            os.replace(ready[name], targets[name])
    finally:
        for temporary in ready.values():
            temporary.unlink(missing_ok=True)
    if changed:
        _flush_folder(folder)
    for target in targets.values():
        remove_strays(target)
    return changed


def _write_new(path: Path, content: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def final(path: str | Path) -> Path:
    """Where a file goes, through symbolic links. Raises OSError for what a rename would put out of existence."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder, not a file", str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "this is a device or a pipe, not a file", str(path))
    return target


def beside(target: Path) -> Path:
    """A new name for what is written before it becomes the target; its writer's number is in it."""
    return target.with_name(f"{_prefix(target)}{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _prefix(target: Path) -> str:
    """Says whose temporary file it is, for which target and on which machine."""
    short = [hashlib.sha256(os.fsencode(text)).hexdigest()[:8] for text in (target.name, socket.gethostname())]
    return f".continua-{short[0]}-{short[1]}-"


def remove_strays(target: Path) -> None:
    """Remove temporary files and folders for this target, of processes of this machine that are no more."""
    if os.name != "posix":  # elsewhere signal 0 would not only ask
        return
    pattern = re.compile(re.escape(_prefix(target)) + r"(\d+)-[0-9a-f]+\.tmp")
    with contextlib.suppress(OSError):  # somebody else's folder; the file itself is written
        for path in list(target.parent.iterdir()):
            found = pattern.fullmatch(path.name)
            if not found or _alive(int(found[1])):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where folders can be flushed."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- output -------------------------------------------------------------------------------------------------
