"""What the sections share: cases by number, a watch over the product while it works, progress, and the record.

A case is its number: the same number is the same input on every machine. Progress is kept in ``.torture/NAME.json``, so
that a later start goes on where the earlier one stopped; an edited section starts again, and so does one whose progress
is deleted. A case that was being run when the process died twice is a failure.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRESS = ROOT / ".torture"
CANARY = "canary"
LISTED = 20  # failures of one kind in the record
SAVE_EVERY = 5.0  # seconds
HANGING = 300.0  # seconds after which a case that cannot be interrupted is ended with its process

# Times every limit: pytest's samples run on machines that do other work too, and only have to end.
PATIENCE = {"factor": 1.0}


@dataclass(frozen=True)
class Outcome:
    """One case. label: its input, shortened; problem: "kind: details" of what did not hold, or "".

    seconds: how long the product worked on it.
    """

    label: str
    problem: str
    seconds: float


Check = Callable[[int], Outcome]


@dataclass(frozen=True)
class Section:
    """Cases 0 … count − 1 of one kind of input.

    prepare: an empty folder, which is also the working directory → the check of a case. sources: the files that the
    cases are in. sample: the numbers that pytest runs. known: number → why the product still fails there, for numbers
    of the sample.
    """

    name: str
    count: int
    prepare: Callable[[Path], Check]
    sources: tuple[str, ...]
    sample: tuple[int, ...]
    known: Mapping[int, str] = field(default_factory=dict)


def generator(name: str, number: int) -> random.Random:
    """The random numbers of one case; a seed that is text means the same to every version of Python."""
    return random.Random(f"{name} {number}")


def shortened(value: object, length: int = 160) -> str:
    """One printable line for a label or a message, without the places of this machine."""
    text = str(value) if isinstance(value, str) else repr(value)
    text = text.replace(str(ROOT) + os.sep, "").replace(tempfile.gettempdir() + os.sep, "")
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: 4 * length])
    return text if len(text) <= length else f"{text[: length - 1]}…"


# --- the watch ----------------------------------------------------------------------------------------------

NOTICED = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir", "os.chmod",
           "subprocess.Popen", "socket.connect", "socket.bind", "pickle.find_class", "shutil.rmtree")  # fmt: skip

# What a file of records or a model may never cause; to read a model evaluates type hints, and may derive kernels.
FROM_FILES = ("pickle", "os.system", "os.exec", "os.posix_spawn", "subprocess", "socket", "import")


@dataclass(frozen=True)
class Seen:
    """What a call did: its value or its exception, its seconds, and what the watch noticed."""

    value: Any
    error: BaseException | None
    seconds: float
    noticed: tuple[str, ...]

    @property
    def slow(self) -> bool:
        return isinstance(self.error, Slow)


class Slow(BaseException):
    """Raised inside a call that takes too long; nothing in the product catches it."""


class Stopped(BaseException):
    """Raised by Ctrl-C and SIGTERM while sections run; the product makes an ending of its own of KeyboardInterrupt."""


class Watch:
    """Python's own audit events, noticed between ``begin`` and ``end``. A hook can never be removed, only be idle."""

    def __init__(self) -> None:
        self.active = False
        self.found: list[str] = []
        self.hooked = False

    def begin(self) -> None:
        if not self.hooked:
            sys.addaudithook(self._hook)
            self.hooked = True
        self.found.clear()
        self.active = True

    def end(self) -> tuple[str, ...]:
        self.active = False
        return tuple(self.found)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "exec":
            # Modules that are imported late run the code of a file; eval and exec of a text have none.
            filename = str(getattr(arguments[0], "co_filename", ""))
            if filename.startswith("<") and not filename.startswith("<frozen") and not _written_by_itself():
                self.found.append(f"exec {filename}")
        elif event == "open":
            path, mode, flags = (*arguments, None, None, None)[:3]
            writes = (isinstance(mode, str) and bool(set(mode) & set("wxa+"))) or (
                isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            )
            if (writes and "__pycache__" not in str(path)) or CANARY in str(path):
                self.found.append(f"open {shortened(str(path), 60)}")
        elif event in NOTICED or (event == "import" and CANARY in str(arguments[0])):
            # Python writes compiled modules beside the sources and renames them.
            if "__pycache__" not in str(arguments):
                self.found.append(f"{event} {shortened(repr(arguments), 60)}")


# These write functions for themselves, from texts of their own, when they first multiply monomials or sum a series.
GENERATORS = ("sympy/polys/monomials.py", "mpmath/libmp/libhyper.py")


def _written_by_itself() -> bool:
    """Whether the text that is executed is a library's own: while a module is imported, or in GENERATORS."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_stack(None)]
    imports = any(name.startswith("<frozen importlib") for name in frames)
    return imports or any(name.replace(os.sep, "/").endswith(GENERATORS) for name in frames[:4])


_watch = Watch()


def watch(call: Callable[[], Any], limit: float, events: tuple[str, ...] = ("",)) -> Seen:
    """Run a call, at most somewhat over ``limit`` seconds of processor time, and say what happened.

    events: what they start with that may not happen; all that the watch notices, if nothing else is said.
    """
    value: Any = None
    error: BaseException | None = None
    limit *= PATIENCE["factor"]
    _watch.begin()
    wall, processor = time.perf_counter(), time.process_time()
    try:
        with _interrupted(1.25 * limit + 0.25):
            value = call()
    except (KeyboardInterrupt, Stopped):
        raise
    except BaseException as caught:  # whatever it is: the section judges
        error = caught
    finally:
        noticed = tuple(event for event in _watch.end() if event.startswith(events))
    # The smaller one: other work on the machine does not count, nor do several threads count twice.
    seconds = min(time.perf_counter() - wall, time.process_time() - processor)
    return Seen(value, error, seconds, noticed)


@contextlib.contextmanager
def _interrupted(seconds: float) -> Iterator[None]:
    """Raises Slow after seconds of processor time, again and again, as it may be swallowed by a destructor."""
    if not hasattr(signal, "SIGPROF") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def raise_slow(*_: object) -> None:
        raise Slow

    before = signal.signal(signal.SIGPROF, raise_slow)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def complaint(seen: Seen, limit: float, allowed: type[BaseException] | tuple[type[BaseException], ...]) -> str:
    """What holds for every call: only allowed exceptions, in time, and nothing noticed. "" where it does."""
    if seen.noticed:
        return f"executed, opened or written: {', '.join(seen.noticed[:3])}"
    if seen.slow:
        return f"slow, {_place(seen.error)}: stopped after {seen.seconds:.1f} s"
    if seen.error is not None and not isinstance(seen.error, allowed):
        message = shortened(str(seen.error), 120)
        return f"{type(seen.error).__name__} in {_place(seen.error)}: {message}"
    if seen.seconds > limit * PATIENCE["factor"]:
        return f"slow, finished: {seen.seconds:.1f} s"
    return ""


def _place(error: BaseException | None) -> str:
    """File and function of the product in which an exception was last seen."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    own = [frame for frame in frames if Path(frame.filename).parts[:-1] and _inside(frame.filename)]
    if not own:
        return "no file of the product"
    return f"{Path(own[-1].filename).relative_to(ROOT).as_posix()}, {own[-1].name}"


def _inside(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(ROOT / "derive") or path.is_relative_to(ROOT / "numerics")


# --- progress -----------------------------------------------------------------------------------------------


@dataclass
class Progress:
    """Where a section stands. kinds: how many failures of each kind; failures: (number, label, problem) of some.

    suspects: number → how often the process died in that case.
    """

    edition: str
    done: int = 0
    failed: int = 0
    slowest: tuple[float, int, str] = (0.0, -1, "")
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    suspects: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, outcome: Outcome) -> None:
        self.done = number + 1
        if outcome.seconds > self.slowest[0]:
            self.slowest = (round(outcome.seconds, 3), number, outcome.label)
        if outcome.problem:
            kind = outcome.problem.partition(":")[0]
            self.failed += 1
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if self.kinds[kind] <= LISTED:
                self.failures.append((number, outcome.label, outcome.problem))


def _edition(section: Section) -> str:
    return hashlib.sha256(b"".join(Path(source).read_bytes() for source in section.sources)).hexdigest()[:12]


def load(section: Section) -> Progress:
    """The progress of this edition of a section; none where there is none."""
    path = PROGRESS / f"{section.name}.json"
    edition = _edition(section)
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = Progress(**json.loads(path.read_text(encoding="utf-8")))
        if found.edition == edition:
            return found
    return Progress(edition)


def _save(section: Section, progress: Progress) -> None:
    PROGRESS.mkdir(exist_ok=True)
    (PROGRESS / ".gitignore").write_text("*\n")
    beside = PROGRESS / f"{section.name}.json.tmp"
    beside.write_text(json.dumps(vars(progress), indent=1), encoding="utf-8")
    beside.replace(PROGRESS / f"{section.name}.json")


@contextlib.contextmanager
def _marked(section: Section, progress: Progress) -> Iterator[Callable[[int], None]]:
    """A file that holds the number of the case at work, and outlives the process only if that dies."""
    PROGRESS.mkdir(exist_ok=True)
    path = PROGRESS / f"{section.name}.at"
    if path.exists() and path.read_text().strip():
        suspect = path.read_text().strip()
        progress.suspects[suspect] = progress.suspects.get(suspect, 0) + 1
        _save(section, progress)
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield lambda number: void(os.pwrite(handle, f"{number:<12}".encode(), 0))
    finally:
        os.close(handle)
        path.unlink()


def void(_: object) -> None:
    """Drops a value."""


def run(section: Section, seconds: float) -> Progress:
    """Run a section's cases from where they stand, for so many seconds at most; the progress is kept."""
    stop = time.monotonic() + seconds
    progress = load(section)
    if progress.done >= section.count:
        return progress
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, _marked(section, progress) as mark:
        os.chdir(folder)
        began = saved = time.monotonic()
        try:
            check = section.prepare(Path(folder))
            faulthandler.dump_traceback_later(HANGING, exit=True)
            for number in range(progress.done, section.count):
                if time.monotonic() > stop:
                    break
                mark(number)
                killed = progress.suspects.get(str(number), 0) > 1
                progress.add(number, Outcome("", "killed the process: twice", 0.0) if killed else check(number))
                if time.monotonic() > saved + SAVE_EVERY:
                    faulthandler.dump_traceback_later(HANGING, exit=True)
                    progress.seconds += time.monotonic() - saved
                    saved = time.monotonic()
                    _save(section, progress)
        finally:
            faulthandler.cancel_dump_traceback_later()
            os.chdir(here)
            progress.seconds += time.monotonic() - max(saved, began)
            _save(section, progress)
    return progress


def record(section: Section, progress: Progress) -> str:
    """The plain-text record of a section."""
    slowest, number, label = progress.slowest
    lines = [
        section.name,
        f"  cases    {progress.done:,} of {section.count:,}",
        f"  failed   {progress.failed:,}",
        f"  slowest  {slowest:.3f} s, seed {number}: {label}",
    ]
    for kind, count in sorted(progress.kinds.items(), key=lambda item: (-item[1], item[0])):
        of_kind = [f for f in progress.failures if f[2].partition(":")[0] == kind]
        lines.append(f"  {count:,} × {kind}" + (f", the first {len(of_kind)}:" if len(of_kind) < count else ":"))
        for seed, what, problem in of_kind:
            details = problem.partition(":")[2].strip()
            lines.append(f"    seed {seed}  {what}" + (f"  →  {details}" if details else ""))
    return "\n".join(lines) + "\n"


def combined(before: str, parts: Mapping[str, str], names: Sequence[str]) -> str:
    """A record of all sections: these parts, and those of the record before for sections that did not run now."""
    kept = {part.partition("\n")[0]: part.rstrip("\n") + "\n" for part in before.split("\n\n") if part.strip()}
    found = {**kept, **parts}
    return "\n".join(found[name] for name in names if name in found)
