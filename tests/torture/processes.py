"""The product as processes that can be killed, starved and locked out.

``python -m tests.torture.processes`` is a server: it imports the product once, and forks a child for every command, so
that a case does not pay for an interpreter. No kernel runs in it, hence there are no threads to fork; a child ends as
an interpreter does. ``Server`` is its client. Some cases start real processes beside it, as forks skip the imports.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture import harness
from tests.torture.harness import ROOT, void

LIMIT = 240.0  # seconds after which a command hangs
PROGRAM = "from numerics.command.main import main; main(prog_name='continua')"
STEP = struct.Struct("<iidd")  # epoch, batch, entered and left the save of a step


@dataclass(frozen=True)
class Command:
    """One command line, and what happens to its process.

    after, number: seconds until a signal, and which; operation: SIGKILL before the n-th change of a file instead.
    out: where standard output goes, a file's path, "full" (/dev/full) or "closed" (a pipe that nobody reads). faults:
    names of FAULTS with their arguments. steps: a file that learns of every step and save of ``fit``.
    """

    args: tuple[str, ...]
    folder: str
    environment: dict[str, str] = field(default_factory=dict)
    after: float | None = None
    number: int = int(signal.SIGKILL)
    operation: int | None = None
    out: str = ""
    faults: tuple[tuple[Any, ...], ...] = ()
    steps: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command ended. status: its exit code, or minus the signal that killed it; operations: changes of files."""

    status: int
    out: str
    err: str
    seconds: float
    operations: int


# --- the client ---------------------------------------------------------------------------------------------


class Server:
    """Runs commands one at a time, or some side by side. environment: of all of them."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CONTINUA_")},
            "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT),
            **environment,
        }  # fmt: skip
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.processes", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            cwd=ROOT,
        )
        self.mounts: bool = self._answer()["mounts"]

    def close(self) -> None:
        """Ends the server, and with it its mounts."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()

    def run(self, *args: str | Path, folder: Path, **others: Any) -> Ended:
        """One command in a folder; see Command for the others."""
        return self.together(Command(tuple(map(str, args)), str(folder), **others))[0]

    def together(self, *commands: Command) -> list[Ended]:
        """Commands side by side, all started before any is waited for."""
        assert self.process.stdin is not None
        limit = LIMIT * harness.PATIENCE["factor"]
        request = {"limit": limit, "commands": [vars(command) for command in commands]}
        self.process.stdin.write((json.dumps(request) + "\n").encode())
        self.process.stdin.flush()
        return [Ended(**found) for found in self._answer()["ended"]]

    def real(
        self,
        *args: str | Path,
        folder: Path,
        environment: dict[str, str] | None = None,
        after: float | None = None,
        number: int = int(signal.SIGKILL),
    ) -> Ended:
        """One command in an interpreter of its own: imports and all."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**self.environment, **(environment or {})},
        )
        if after is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
            process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT * harness.PATIENCE["factor"])
        texts = out.decode(errors="replace"), err.decode(errors="replace")
        return Ended(process.returncode, *texts, time.perf_counter() - began, 0)

    def inside(self, path: Path) -> Path:
        """A path on the server's own mounts as others see it."""
        return Path(f"/proc/{self.process.pid}/root{path}")

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server of processes has ended")
        return json.loads(line)  # type: ignore[no-any-return]


def steps(path: Path) -> tuple[float, list[tuple[int, int, float, float]]]:
    """When a run was ready to save, 0 if never, and its steps: epoch, batch, when its save began and when it ended.

    A save that did not end has 0 there.
    """
    content = path.read_bytes()
    found = list(STEP.iter_unpack(content[: len(content) // STEP.size * STEP.size]))
    return found[0][2], [step for step in found[1:] if step[2]]


STEPS = 4096  # a file has room for


# --- faults: what a child does to itself before it starts ---------------------------------------------------


def obey() -> None:
    """Gives up root's capabilities, so that the permissions of files hold for it as for anybody else."""
    import ctypes

    if os.getuid() == 0 and sys.platform == "linux":
        version_3, words = 0x20080522, 2
        header = (ctypes.c_uint32 * 2)(version_3, 0)
        ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * (3 * words))())


def limit_files(size: int) -> None:
    """No file may grow beyond so many bytes: a write fails in the middle."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def turn_clock() -> None:
    """Every look at the clock says an hour earlier than the one before."""
    start, looks = time.time(), [0]

    def earlier() -> float:
        looks[0] += 1
        return start - 3600.0 * looks[0]

    time.time = earlier


def set_attribute(module: str, name: str, value: Any) -> None:
    """Another value in a module, to make a long command short."""
    setattr(__import__(module, fromlist=["_"]), name, value)


def remove_folder() -> None:
    """The working directory is gone."""
    os.rmdir(os.getcwd())


def no_temporary_folder() -> None:
    """No folder for temporary files can be used."""
    tempfile._candidate_tempdir_list = lambda: ["/proc/none"]  # type: ignore[attr-defined]
    tempfile.tempdir = None


FAULTS: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (obey, limit_files, turn_clock, set_attribute, remove_folder, no_temporary_folder)
}


# --- the server ---------------------------------------------------------------------------------------------

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")


class Operations:
    """Counts a process's changes of files in shared memory, and kills it before one of them."""

    def __init__(self) -> None:
        self.shared = mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        return int.from_bytes(self.shared[:8], "little")

    def begin(self, stop: int | None) -> None:
        """stop: the number, from 0, of the change that never happens."""
        self.shared[:8] = bytes(8)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if (writes and not str(arguments[0]).startswith("/dev/")) or event in CHANGES:
                if self.count == stop:
                    os.kill(os.getpid(), signal.SIGKILL)
                self.shared[:8] = (self.count + 1).to_bytes(8, "little")

        sys.addaudithook(hook)


def observe(path: str) -> None:
    """Writes down every step of ``fit`` when its save begins and ends; memory that is shared outlives a kill."""
    from numerics import fit  # noqa: F401  (the function; its module is needed)

    saver = sys.modules["numerics.training.resume"].Saver  # type: ignore[attr-defined]
    made, called = saver.__init__, saver.__call__
    with open(path, "r+b") as stream:
        shared = mmap.mmap(stream.fileno(), 0)
    at = [1]

    def init(self: Any, *args: Any) -> None:
        before = time.monotonic()
        made(self, *args)
        STEP.pack_into(shared, 0, 0, 0, before, 0.0)

    def call(self: Any, run: Any, now: bool = False) -> None:
        place = at[0] * STEP.size
        at[0] += 1
        entered = time.monotonic()
        STEP.pack_into(shared, place, run.epoch, run.batch, entered, 0.0)
        called(self, run, now)
        STEP.pack_into(shared, place, run.epoch, run.batch, entered, time.monotonic())

    saver.__init__, saver.__call__ = init, call


def child(command: Command, operations: Operations) -> None:
    """Becomes the command, in a fork; the caller returns to the end of the interpreter with its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(command.folder)
    os.environ.update(command.environment)
    if command.out == "closed":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        path = {"full": "/dev/full", "": f"{command.folder}.out"}.get(command.out, command.out)
        writing = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(writing, 1)
    os.dup2(os.open(f"{command.folder}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if command.steps:
        observe(command.steps)
    for name, *arguments in command.faults:
        FAULTS[name](*arguments)
    operations.begin(command.operation)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def warm() -> None:
    """Imports what the commands import when they run, and lets Numba read its tables; no kernel of the product."""
    import numba
    import numpy as np

    from derive import generate
    from derive.explain import pages as explain
    from numerics import datasets
    from numerics.command import demo, describe, main, report
    from numerics.levels import projection, refinement
    from numerics.representation import folders

    void((explain, generate, main, datasets, demo, describe, projection, refinement, report))
    numba.njit(lambda x: x + x)(np.zeros(2))
    folders.cache()


def mounted(folder: str) -> bool:
    """Gives this process folders of its own: ``full``, a disk of 4 MiB, and ``locked``, one that is read-only."""
    import ctypes

    new_namespace = 0x00020000
    if sys.platform != "linux" or ctypes.CDLL(None, use_errno=True).unshare(new_namespace):
        return False
    calls = (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "none", f"{folder}/full"],
        ["mount", "-t", "tmpfs", "-o", "ro", "none", f"{folder}/locked"],
    )
    return all(subprocess.run(call, check=False, capture_output=True).returncode == 0 for call in calls)


def fork(command: Command, operations: Operations) -> int | None:
    """The child's number, in the server; None in the child."""
    number = os.fork()
    if number:
        return number
    try:
        child(command, operations)
    except BaseException as error:
        os.write(2, f"the child could not be prepared: {error!r}".encode())
        os._exit(99)
    return None


def wait(commands: list[Command], numbers: list[int], limit: float) -> list[tuple[int, float]]:
    """Statuses and seconds of children that run side by side, each given its signal when it is due."""
    began = time.perf_counter()
    found: dict[int, tuple[int, float]] = {}
    signalled: set[int] = set()
    while len(found) < len(numbers):
        now = time.perf_counter() - began
        for command, number in zip(commands, numbers):
            if number in found:
                continue
            if command.after is not None and now >= command.after and number not in signalled:
                os.kill(number, command.number)
                signalled.add(number)
            if now > limit:
                os.kill(number, signal.SIGKILL)
            ended, status = os.waitpid(number, os.WNOHANG)
            if ended:
                found[number] = os.waitstatus_to_exitcode(status), now
        time.sleep(0.0005)
    return [found[number] for number in numbers]


def text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def serve(folder: str) -> list[str] | None:
    """Answers requests until there are no more; in a child, the arguments with which to go on."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def answer(found: dict[str, Any]) -> None:
        answers.write((json.dumps(found) + "\n").encode())
        answers.flush()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the client ends, and with it the requests
    mounts = mounted(folder)
    warm()
    operations = [Operations() for _ in range(4)]
    answer({"mounts": mounts})
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        commands = [Command(**given) for given in request["commands"]]
        for command in commands:
            for end in ("out", "err"):
                Path(f"{command.folder}.{end}").unlink(missing_ok=True)
        numbers = []
        for command, counted in zip(commands, operations):
            number = fork(command, counted)
            if number is None:
                return list(command.args)
            numbers.append(number)
        ended = wait(commands, numbers, request["limit"])
        answer({"ended": [
            vars(Ended(status, text(f"{c.folder}.out"), text(f"{c.folder}.err"), seconds, counted.count))
            for c, counted, (status, seconds) in zip(commands, operations, ended)
        ]})  # fmt: skip
    return None


def fresh(folder: Path, files: Iterable[tuple[str, bytes]] = ()) -> Path:
    """An empty folder, or one with these files, anyone's to write to."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    for name, content in files:
        (folder / name).write_bytes(content)
    return folder


if __name__ == "__main__":
    given = serve(sys.argv[1])
    if given is not None:
        from numerics.command.main import main

        sys.argv = ["continua", *given]
        main(prog_name="continua")
