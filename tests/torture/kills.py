"""``kill -9`` at any moment of ``fit``, ``refine``, ``project`` and ``generate``, and what is found afterwards.

What must hold: a model file is absent, the one before, or complete; ``fit`` loses at most one save interval, and going
on gives the model of a run that was never killed, bit for bit; a generated module is the old one, the new one, or
without the manifest that makes it one; ``generate --check`` tells the truth; the same command again repairs
everything, and leaves no temporary file in the folder or in the cache.

A moment is a share of the time that the command takes, or the n-th time that it changes a file: the same number is the
same share, or the same change.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from derive.errors import CheckpointError
from numerics.model import file_format
from tests.torture import known, processes
from tests.torture.harness import Check, Outcome, Section, generator
from tests.torture.processes import Ended
from tests.torture.workshop import FITS, Workshop, digest, fitted, listing, must, opened, strays

COUNT = 300
INTERVALS = {name: float(options[options.index("--save-every") + 1]) for name, options in FITS.items()}
BATCHES = {"every step": 1, "batches": 3, "curvature": 1}  # of an epoch: 9 of 12 records are trained on, 4 at a time
REAL = 5  # every so many cases the command is a process of its own, imports and all
IMPORTS = 0.8  # seconds that these take, about


@dataclass(frozen=True)
class Undisturbed:
    """What a command does when nobody kills it: its seconds, its changes of files, and what it leaves."""

    seconds: float
    operations: int
    result: Any


Run = Callable[..., Ended]


@dataclass(frozen=True)
class Killing:
    """The moment of a case."""

    label: str
    arguments: dict[str, Any]
    real: bool


def moment(number: int, whole: Undisturbed) -> Killing:
    """When case ``number`` kills: by turns a time and a change of a file."""
    random_ = generator("kills", number)
    share = random_.random()
    if number % REAL == 0:
        seconds = whole.seconds + IMPORTS
        return Killing(f"{share:.3f} of a process of its own", {"after": share * seconds}, True)
    if number % 2:
        operation = random_.randrange(whole.operations)
        return Killing(f"before change {operation} of {whole.operations}", {"operation": operation}, False)
    return Killing(f"{share:.3f} of its time", {"after": share * 1.05 * whole.seconds}, False)


def killed(workshop: Workshop, killing: Killing, *args: str | Path, folder: Path, **others: Any) -> Ended:
    if killing.real:
        return workshop.server.real(*args, folder=folder, after=killing.arguments["after"])
    return workshop.server.run(*args, folder=folder, **killing.arguments, **others)


def unexpected(ended: Ended) -> str:
    """A command that was killed ends by that, or was ready before; "" if so."""
    return "" if ended.status in (0, -9) else f"ended otherwise: status {ended.status}, {ended.err[-200:]}"


def repaired(ended: Ended) -> str:
    return "" if ended.status == 0 else f"the next start fails: status {ended.status}, {ended.err[-300:]}"


# --- fit ----------------------------------------------------------------------------------------------------


class Fits:
    """Runs from the start, runs that go on from a checkpoint, and a model that is trained on in its own file."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.whole: dict[tuple[str, str], Undisturbed] = {}
        self.halves: dict[str, bytes] = {}

    def half(self, name: str) -> bytes:
        """A checkpoint somewhere in the middle of a run; how often it was saved changes nothing in it."""
        if name in self.halves:
            return self.halves[name]
        out = self.workshop.new() / "model.npz"
        options = (*FITS[name][:-1], "0")
        ended = must(fitted(self.workshop, self.workshop.spec, out, options))
        out.unlink()
        fitted(self.workshop, self.workshop.spec, out, options, operation=ended.operations // 2)
        self.halves[name] = out.read_bytes()
        return self.halves[name]

    def begin(self, name: str, kind: str) -> Path:
        """The model file with which a case starts; absent for a run from the start."""
        content = self.half(name) if kind == "resumed" else self.workshop.model.read_bytes()
        out = self.workshop.new() / "model.npz"
        if kind != "from the start":
            out.write_bytes(content)
        return out

    def arguments(self, name: str, kind: str, out: Path) -> tuple[str | Path, ...]:
        spec = out if kind == "trained on" else self.workshop.spec
        going_on = ("--resume",) if kind == "resumed" else ()
        return ("fit", spec, "--data", self.workshop.data, "--out", out, *FITS[name], *going_on)

    def undisturbed(self, name: str, kind: str) -> Undisturbed:
        if (name, kind) not in self.whole:
            out = self.begin(name, kind)
            arguments = self.arguments(name, kind, out)
            ended = must(self.workshop.server.run(*arguments, folder=out.parent))
            self.whole[name, kind] = Undisturbed(ended.seconds, ended.operations, digest(out))
        return self.whole[name, kind]

    def case(self, number: int) -> tuple[str, str, float]:
        """(label, problem, seconds) of one case."""
        names, kinds = list(FITS), ("from the start", "resumed", "trained on")
        name, kind = names[number % 3], kinds[number // 3 % 3]
        whole = self.undisturbed(name, kind)
        killing = moment(number, whole)
        out = self.begin(name, kind)
        before = out.read_bytes() if out.exists() else b""
        log = self.workshop.folder / "steps"
        log.write_bytes(bytes(processes.STEPS * processes.STEP.size))
        arguments = self.arguments(name, kind, out)
        ended = killed(self.workshop, killing, *arguments, folder=out.parent, steps=str(log))
        label = f"fit, {name}, {kind}: killed at {killing.label}"
        problem = unexpected(ended) or self.left(out, before, name, log)
        return label, problem or self.again(out, before, name, kind, whole), ended.seconds

    def left(self, out: Path, before: bytes, name: str, log: Path) -> str:
        """What is wrong with what a killed run left."""
        if out.exists() and out.read_bytes() != before:
            try:
                file_format.read(out)
            except CheckpointError as error:
                return f"no complete model: {error.given}"
            saved = position(out, BATCHES[name])
        elif before and not out.exists():
            return "the model before is gone"
        else:
            saved = -1
        return lost(log, saved, name)

    def again(self, out: Path, before: bytes, name: str, kind: str, whole: Undisturbed) -> str:
        """What is wrong after the next start, which goes on where there is something to go on with."""
        started = out.exists() and (kind == "resumed" or out.read_bytes() != before)
        arguments = self.arguments(name, kind, out)
        if started and "--resume" not in arguments:
            arguments = (*arguments, "--resume")
        ended = self.workshop.server.run(*arguments, folder=out.parent)
        if ended.status:
            return repaired(ended)
        if digest(out) != whole.result:
            return "another model: not that of a run that was never killed"
        return leftovers(self.workshop, out.parent, {"model.npz"})


def position(path: Path, batches: int) -> int:
    """The steps of the run in a model file."""
    training = file_format.read(path)[0]["training"]
    return int(training["epoch"]) * batches + int(training["batch"])


def lost(log: Path, saved: int, name: str) -> str:
    """Whether the file lacks more than one interval; saved: its steps, −1 if the run never wrote it.

    A step whose save was left is in the file, or less than an interval behind the last that is.
    """
    ready, found = processes.steps(log)
    placed = [(epoch * BATCHES[name] + batch, entered, left) for epoch, batch, entered, left in found]
    behind = [step for step in placed if step[2] and step[0] > saved]
    if not behind:
        return ""
    since = min((left or entered for place, entered, left in placed if place == saved), default=ready)
    late = behind[-1][1] - since
    if late >= INTERVALS[name]:
        return f"lost: {behind[-1][0] - max(saved, 0)} steps, {late:.3f} s after the last save"
    return ""


def leftovers(workshop: Workshop, folder: Path, expected: set[str]) -> str:
    """Files that nobody asked for, in the output folder or in the cache."""
    found = set(listing(folder)) - expected
    if found:
        return f"left behind: {', '.join(sorted(found))}"
    return f"left in the cache: {strays(workshop.cache)}" if strays(workshop.cache) else ""


# --- refine and project -------------------------------------------------------------------------------------


LEVELS = {"refine": "fine", "project": "pocket"}


class Moves:
    """Moves between levels, to a new file and over another model."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.whole = {verb: self.undisturbed(verb) for verb in LEVELS}

    def arguments(self, verb: str, out: Path) -> tuple[str | Path, ...]:
        level = LEVELS[verb]
        return (verb, self.workshop.model, "--level", level, "--data", self.workshop.data, "--out", out)

    def undisturbed(self, verb: str) -> Undisturbed:
        out = self.workshop.new() / "moved.npz"
        ended = must(self.workshop.server.run(*self.arguments(verb, out), folder=out.parent))
        return Undisturbed(ended.seconds, ended.operations, out.read_bytes())

    def case(self, number: int) -> tuple[str, str, float]:
        verb = list(LEVELS)[number % 2]
        whole = self.whole[verb]
        killing = moment(number // 2, whole)
        out = self.workshop.new() / "moved.npz"
        other = number // 4 % 2 == 1
        if other:
            shutil.copy(self.workshop.model, out)
        before = out.read_bytes() if other else None
        ended = killed(self.workshop, killing, *self.arguments(verb, out), folder=out.parent)
        label = f"{verb}, {'over another' if other else 'to a new'} file: killed at {killing.label}"
        content = out.read_bytes() if out.exists() else None
        problem = unexpected(ended)
        if not problem and content not in (before, whole.result):
            problem = "neither the file before nor the whole one"
        if not problem:
            next_ = self.workshop.server.run(*self.arguments(verb, out), folder=out.parent)
            problem = repaired(next_)
            if not problem and out.read_bytes() != whole.result:
                problem = "another model: after the next start"
        return label, problem or leftovers(self.workshop, out.parent, {"moved.npz"}), ended.seconds


# --- generate -----------------------------------------------------------------------------------------------


class Modules:
    """A module that is written for the first time, over that of another spec, or again."""

    STATES = ("nothing", "another module", "the same module")

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.old = self.made(workshop.other)[1]
        ended, self.new = self.made(workshop.spec)
        self.whole = Undisturbed(ended.seconds, ended.operations, None)

    def arguments(self, into: Path) -> tuple[str | Path, ...]:
        return ("generate", self.workshop.spec, "--into", into)

    def made(self, spec: Path) -> tuple[Ended, dict[str, bytes]]:
        into = self.workshop.new() / "into"
        ended = must(self.workshop.server.run("generate", spec, "--into", into, folder=into.parent))
        return ended, listing(into / "tiny")

    def case(self, number: int) -> tuple[str, str, float]:
        state = self.STATES[number % 3]
        before = {"nothing": {}, "another module": self.old, "the same module": self.new}[state]
        into = self.workshop.new() / "into"
        if before:
            (into / "tiny").mkdir(parents=True)
            for name, content in before.items():
                (into / "tiny" / name).write_bytes(content)
        killing = moment(number // 3, self.whole)
        ended = killed(self.workshop, killing, *self.arguments(into), folder=into.parent)
        problem = unexpected(ended) or self.left(into, before) or self.again(into)
        return f"generate, over {state}: killed at {killing.label}", problem, ended.seconds

    def left(self, into: Path, before: dict[str, bytes]) -> str:
        found = {n: c for n, c in listing(into / "tiny").items() if n in self.new} if into.exists() else {}
        cut = [name for name, content in found.items() if content not in (before.get(name), self.new[name])]
        if cut:
            return f"a file that is cut: {cut[0]}"
        code = {n: c for n, c in found.items() if n != "derivation.md"}
        whole = [{n: c for n, c in each.items() if n != "derivation.md"} for each in (before, self.new)]
        if code not in whole and "manifest.json" in found:
            new = [name for name, content in code.items() if content == self.new[name]]
            return f"a mixed module: {', '.join(new)} new, the others old"
        check = self.workshop.server.run(*self.arguments(into), "--check", folder=into.parent)
        stale = found != self.new
        if check.status != int(stale):
            return f"--check says otherwise: status {check.status}, but the module is {'stale' if stale else 'whole'}"
        return ""

    def again(self, into: Path) -> str:
        ended = self.workshop.server.run(*self.arguments(into), folder=into.parent)
        if ended.status:
            return repaired(ended)
        if {n: c for n, c in listing(into / "tiny").items() if n in self.new} != self.new:
            return "not repaired: by the next start"
        check = self.workshop.server.run(*self.arguments(into), "--check", folder=into.parent)
        if check.status:
            return f"--check says otherwise: status {check.status} after the next start"
        return leftovers(self.workshop, into.parent, {f"into/tiny/{name}" for name in self.new})


# --- the section --------------------------------------------------------------------------------------------

PATTERN = ("fit", "fit", "fit", "generate", "move", "fit", "generate", "move", "fit", "fit")


def prepare(folder: Path) -> Check:
    """Undisturbed runs are made when they are first needed."""
    workshop = opened()
    made: dict[str, Any] = {}
    kinds: dict[str, Callable[[Workshop], Any]] = {"fit": Fits, "generate": Modules, "move": Moves}

    def check(number: int) -> Outcome:
        kind = PATTERN[number % len(PATTERN)]
        if kind not in made:
            made[kind] = kinds[kind](workshop)
        label, problem, seconds = made[kind].case(place(number))
        return Outcome(label, problem, seconds)

    return check


def place(number: int) -> int:
    """How many cases of its kind come before a case."""
    rounds, rest = divmod(number, len(PATTERN))
    kind = PATTERN[rest]
    return rounds * PATTERN.count(kind) + PATTERN[:rest].count(kind)


SECTION = Section(
    "kills",
    COUNT,
    prepare,
    (__file__,),
    sample=(14, 19, 173),
    known=known.KILLS,
)
