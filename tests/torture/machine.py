"""Machines that fail: full disks, locked folders, damaged caches, signals, pipes that close, clocks, locales.

What must hold: a command works, or ends with one readable block and exit code 2, 130 for Ctrl-C and SIGTERM; never with
a traceback. Files that exist stay as they are, none is there in part, and the same command where nothing fails leaves
no other file. What a machine does not allow (mounting, giving up root's rights) is left out there, as its label says.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import known
from tests.torture.harness import Check, Outcome, Section, generator, shortened
from tests.torture.processes import Command, Ended
from tests.torture.workshop import KERNELS, Workshop, digest, listing, make_open, must, opened, strays

Case = Callable[[Workshop], str]
CASES: dict[str, Case] = {}
NOT_HERE = "not possible here"

BLOCK = ("given", "allowed", "cause", "fix")


def readable(ended: Ended, *statuses: int) -> str:
    """What is wrong with how a command ended; "" for one of these exit codes, said in a way that people can read."""
    said = ended.err + ended.out
    for sign in ("Traceback (most recent call last)", "Exception ignored", "Segmentation", "Fatal Python error"):
        if sign in said:
            return f"traceback: status {ended.status}, {said.strip().splitlines()[-1][:200]}"
    if ended.status not in statuses:
        return f"status {ended.status}: {shortened(said[-300:], 300)}"
    block = all(f"\n  {word} " in ended.err for word in BLOCK) or "\nError: " in ended.err
    return f"no readable block: {said[-200:]!r}" if ended.status == 2 and not block else ""


# --- the commands that write --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """A command that writes below a folder. target: what it writes there; old: what is there before, and may not be.

    where: whether the folder is the working directory.
    """

    name: str
    arguments: Callable[[Workshop, Path], tuple[Any, ...]]
    target: str
    old: Callable[[Workshop], bytes] | None = None

    def run(self, shop: Workshop, folder: Path, **others: Any) -> Ended:
        return shop.server.run(*self.arguments(shop, folder), folder=shop.new("work"), **others)


def network(shop: Workshop) -> Path:
    """A discrete network's file; large enough that the disk ends within what it becomes."""
    path = shop.folder / "network.npz"
    if not path.exists():
        random_ = np.random.default_rng(0)
        shapes = ((40, 10), (40, 40), (2, 40))
        layers = {f"W{k}": random_.normal(size=shape) / 10 for k, shape in enumerate(shapes)}
        np.savez(path, **layers, **{f"b{k}": np.zeros(rows) for k, (rows, _) in enumerate(shapes)}, activation="tanh")
    return path


def imported(shop: Workshop) -> Path:
    """The model that the network is."""
    path = shop.folder / "imported.npz"
    if not path.exists():
        must(shop.server.run("import", network(shop), "--out", path, folder=shop.new("work")))
    return path


def some(shop: Workshop) -> bytes:
    return b"what was there before"


def trained(shop: Workshop) -> bytes:
    return shop.model.read_bytes()


QUICK = ("--epochs", "8", "--save-every", "0")
WRITERS = {
    writer.name: writer
    for writer in (
        Writer("fit", lambda s, f: ("fit", s.spec, "--data", s.data, "--out", f / "m.npz", *QUICK), "m.npz"),
        Writer(
            "fit again",
            lambda s, f: ("fit", f / "m.npz", "--data", s.data, "--out", f / "m.npz", *QUICK),
            "m.npz",
            trained,
        ),
        Writer("refine", lambda s, f: ("refine", s.model, "--level", "fine", "--out", f / "m.npz"), "m.npz", trained),
        Writer(
            "project", lambda s, f: ("project", s.model, "--level", "pocket", "--out", f / "m.npz"), "m.npz", trained
        ),
        Writer("export", lambda s, f: ("export", imported(s), "--out", f / "n.npz"), "n.npz", some),
        Writer("import", lambda s, f: ("import", network(s), "--out", f / "m.npz"), "m.npz", some),
        Writer("predict", lambda s, f: ("predict", s.model, "--data", s.data, "--out", f / "p.npz"), "p.npz", some),
        Writer("plot", lambda s, f: ("plot", s.model, "--data", s.data, "--out", f / "m.html"), "m.html", some),
        Writer("generate", lambda s, f: ("generate", s.spec, "--into", f), "tiny/cpu.py", some),
        Writer("data", lambda s, f: ("data", "digits", "--out", f), "train.npz", some),
        Writer("derive", lambda s, f: ("derive", "--tableau", "rk4", "--plot", f / "t.png"), "t.png", some),
        Writer("new", lambda s, f: ("new", f / "waves"), "waves.toml"),
    )
}
FILES = tuple(name for name in WRITERS if name not in ("generate", "data", "new"))


def unharmed(folder: Path, before: dict[str, bytes]) -> str:
    """Whether files in a folder changed, or others appeared. Whole files of a set that is not complete may."""
    after = listing(folder)
    changed = [name for name, content in before.items() if after.get(name) != content]
    if changed:
        return f"changed: {changed[0]}"
    return f"left behind: {strays(folder)}" if strays(folder) else ""


def prepared(shop: Workshop, writer: Writer, folder: Path) -> dict[str, bytes]:
    """A folder with what was there before the command."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if writer.old is not None:
        path = folder / writer.target
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(writer.old(shop))
    return listing(folder)


# --- disks --------------------------------------------------------------------------------------------------


def full_disk(writer: Writer, room: int) -> Case:
    """A disk with so many bytes left, of which a file system gives whole blocks."""

    def case(shop: Workshop) -> str:
        if not shop.server.mounts:
            return NOT_HERE
        folder = shop.folder / "full"
        seen = shop.server.inside(folder)
        before = prepared(shop, writer, seen)
        filler = seen / "filler"
        fill(filler, room)
        ended = writer.run(shop, folder)
        filler_size = filler.stat().st_size
        filler.unlink()
        problem = readable(ended, 2) or unharmed(seen, before)
        if not problem and filler_size == 0:
            problem = "the disk was not full: the case shows nothing"
        if not problem:
            problem = readable(writer.run(shop, folder), 0) or unharmed(seen, {})
        prepared(shop, WRITERS["fit"], seen)
        return problem

    return case


def fill(path: Path, room: int) -> None:
    """Write until the disk is full, then give some of it back."""
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
        stream.truncate(max(stream.tell() - room, 0))


def short_files(writer: Writer, size: int) -> Case:
    """A file that cannot grow beyond a size: the disk ends in the middle of it."""

    def case(shop: Workshop) -> str:
        folder = shop.new("out")
        before = prepared(shop, writer, folder)
        ended = writer.run(shop, folder, faults=(("limit_files", size),))
        problem = readable(ended, 2) or unharmed(folder, before)
        return problem or readable(writer.run(shop, folder), 0) or unharmed(folder, {})

    return case


def full_cache(shop: Workshop) -> str:
    """Derived modules that fit neither into the cache nor, in part, onto its disk: the run goes on without it."""
    if not shop.server.mounts:
        return NOT_HERE
    fill(shop.server.inside(shop.folder / "full") / "filler", 16384)
    environment = {"XDG_CACHE_HOME": str(shop.folder / "full")}
    ended = shop.server.run(
        "predict", shop.model, "--data", shop.data, folder=shop.new("work"), environment=environment
    )
    left = strays(shop.server.inside(shop.folder / "full"))
    prepared(shop, WRITERS["fit"], shop.server.inside(shop.folder / "full"))
    return readable(ended, 0) or (f"left behind: {left}" if left else "")


def demo_on_full_disk(shop: Workshop) -> str:
    """The long demonstration with one seed, which writes models, records and pages at its end."""
    if not shop.server.mounts:
        return NOT_HERE
    seen = shop.server.inside(shop.folder / "full")
    fill(seen / "filler", 8192)
    environment = {"CONTINUA_GENERATED": str(shop.new("generated"))}
    demo = "numerics.command.demo"
    faults = (("set_attribute", demo, "SEEDS", [0]), ("set_attribute", demo, "FOLDS", 2))
    ended = shop.server.run(
        "demo", "--out", shop.folder / "full" / "demo", folder=shop.new("work"), environment=environment, faults=faults
    )
    left = strays(seen)
    prepared(shop, WRITERS["fit"], seen)
    return readable(ended, 2) or (f"left behind: {left}" if left else "")


for name in WRITERS:
    room = 0 if name in ("new", "derive", "predict") else 4096
    CASES[f"full disk, {name}"] = full_disk(WRITERS[name], room)
for name in ("fit", "fit again", "refine", "export", "generate", "data", "plot"):
    CASES[f"files of 3 kB, {name}"] = short_files(WRITERS[name], 3000)
CASES["full disk, cache"] = full_cache
CASES["full disk, demo"] = demo_on_full_disk


# --- permissions --------------------------------------------------------------------------------------------

OBEDIENT = (("obey",),)


def denied(shop: Workshop) -> bool:
    """Whether a child may not write what is locked; where it may, these cases show nothing."""
    locked = shop.folder / "locked-up"
    locked.mkdir(exist_ok=True)
    locked.chmod(0o555)
    ended = shop.server.run("new", locked / "probe", folder=shop.new("work"), faults=OBEDIENT)
    return ended.status == 2 and not (locked / "probe.toml").exists()


def locked_folder(writer: Writer) -> Case:
    """An output folder that may be read only."""

    def case(shop: Workshop) -> str:
        if not denied(shop):
            return NOT_HERE
        folder = shop.new("out")
        before = prepared(shop, writer, folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        ended = writer.run(shop, folder, faults=OBEDIENT)
        make_open(folder)
        return readable(ended, 2) or unharmed(folder, before)

    return case


def read_only_disk(writer: Writer) -> Case:
    """An output folder on a disk that is mounted to be read."""
    return lambda shop: readable(writer.run(shop, shop.folder / "locked"), 2) if shop.server.mounts else NOT_HERE


def folder_as_output(writer: Writer) -> Case:
    """--out names a folder that exists."""

    def case(shop: Workshop) -> str:
        folder = shop.new("out")
        (folder / writer.target / "below").mkdir(parents=True)
        ended = writer.run(shop, folder)
        return readable(ended, 2) or unharmed(folder, {})

    return case


def pipe_as_output(writer: Writer) -> Case:
    """--out names a pipe: a rename would put it, or a device, out of existence."""

    def case(shop: Workshop) -> str:
        folder = shop.new("out")
        os.mkfifo(folder / writer.target)
        ended = writer.run(shop, folder)
        kept = (folder / writer.target).is_fifo()
        return readable(ended, 2) or ("" if kept else "changed: the pipe is gone") or unharmed(folder, {})

    return case


def unreadable(verb: str, arguments: Callable[[Workshop, Path], tuple[Any, ...]], original: str) -> Case:
    """An input that may not be read. original: which file of the workshop it is a copy of."""

    def case(shop: Workshop) -> str:
        if not denied(shop):
            return NOT_HERE
        folder = shop.new("out")
        source = network(shop) if original == "network" else getattr(shop, original)
        path = folder / f"secret{source.suffix}"
        shutil.copy(source, path)
        path.chmod(0)
        before = set(os.listdir(folder))
        ended = shop.server.run(verb, *arguments(shop, path), folder=shop.new("work"), faults=OBEDIENT)
        return readable(ended, 2) or ("" if set(os.listdir(folder)) == before else "left behind: a file")

    return case


def out_of(path: Path) -> Path:
    return path.with_name("out.npz")


INPUTS: dict[str, tuple[str, Callable[[Workshop, Path], tuple[Any, ...]], str]] = {
    "spec of check": ("check", lambda s, p: (p,), "spec"),
    "spec of fit": ("fit", lambda s, p: (p, "--data", s.data, "--out", out_of(p)), "spec"),
    "data of fit": ("fit", lambda s, p: (s.spec, "--data", p, "--out", out_of(p)), "data"),
    "data of predict": ("predict", lambda s, p: (s.model, "--data", p), "data"),
    "model of predict": ("predict", lambda s, p: (p, "--data", s.data), "model"),
    "model of show": ("show", lambda s, p: (p,), "model"),
    "model of fit": ("fit", lambda s, p: (p, "--data", s.data, "--out", out_of(p)), "model"),
    "model of refine": ("refine", lambda s, p: (p, "--level", "fine", "--out", out_of(p)), "model"),
    "network of import": ("import", lambda s, p: (p, "--out", out_of(p)), "network"),
    "levels of import": ("import", lambda s, p: (network(s), "--levels", p, "--out", out_of(p)), "spec"),
    "points of predict": ("predict", lambda s, p: (s.model, "--data", s.data, "--at", p), "data"),
}


def locked_home(shop: Workshop) -> str:
    """No cache and no home to make one in: the model is trained all the same, and the same."""
    if not denied(shop):
        return NOT_HERE
    locked, temporary = str(shop.folder / "locked-up"), shop.new("temporary")
    environment = {"HOME": locked, "XDG_CACHE_HOME": f"{locked}/cache", "TMPDIR": str(temporary)}
    ended = WRITERS["fit"].run(shop, shop.new("out"), environment=environment, faults=OBEDIENT)
    left = [path.name for path in temporary.iterdir()]
    problem = readable(ended, 0) or same_model(shop, shop.folder / "out" / "m.npz")
    return problem or (f"left behind: {left[0]}" if left else "")


def locked_cache(warm: bool) -> Case:
    """A cache that may only be read, with the module in it or not."""

    def case(shop: Workshop) -> str:
        if not denied(shop):
            return NOT_HERE
        folder, environment = shop.copied()
        if not warm:
            shutil.rmtree(folder / KERNELS.parent)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        temporary = shop.new("temporary")
        environment["TMPDIR"] = str(temporary)
        ended = predicted(shop, environment=environment, faults=OBEDIENT)
        make_open(folder)
        left = [path.name for path in temporary.iterdir()]
        return right(shop, ended) or (f"left behind: {left[0]}" if left else "")

    return case


for name in WRITERS:
    CASES[f"locked folder, {name}"] = locked_folder(WRITERS[name])
    CASES[f"read-only disk, {name}"] = read_only_disk(WRITERS[name])
for name in FILES:
    CASES[f"a folder as output, {name}"] = folder_as_output(WRITERS[name])
for name in ("predict", "export", "refine", "fit"):
    CASES[f"a pipe as output, {name}"] = pipe_as_output(WRITERS[name])
for name, given in INPUTS.items():
    CASES[f"unreadable, {name}"] = unreadable(*given)
CASES["locked home"] = locked_home
CASES["locked cache, warm"] = locked_cache(True)
CASES["locked cache, cold"] = locked_cache(False)


# --- outputs that must be right -----------------------------------------------------------------------------

_right: dict[str, str] = {}


def predicted(shop: Workshop, **others: Any) -> Ended:
    return shop.server.run("predict", shop.model, "--data", shop.data, folder=shop.new("work"), **others)


def right(shop: Workshop, ended: Ended) -> str:
    """Whether predictions ended well, with the numbers of a machine where nothing fails."""
    if "predict" not in _right:
        _right["predict"] = must(predicted(shop)).out
    other = ended.out != _right["predict"]
    return readable(ended, 0) or ("other numbers: than where nothing fails" if other else "")


def same_model(shop: Workshop, path: Path) -> str:
    """Whether a model is that of the same run where nothing fails."""
    if "fit" not in _right:
        folder = shop.new("reference")
        must(WRITERS["fit"].run(shop, folder))
        _right["fit"] = digest(folder / "m.npz")
    return "" if digest(path) == _right["fit"] else "another model: than where nothing fails"


# --- several at once ----------------------------------------------------------------------------------------


def generating(count: int) -> Case:
    """Processes that generate the same spec into the same folder."""

    def case(shop: Workshop) -> str:
        into = shop.new("out")
        commands = [
            Command(("generate", str(shop.spec), "--into", str(into)), str(shop.new(f"work{n}"))) for n in range(count)
        ]
        problems = [readable(ended, 0) for ended in shop.server.together(*commands)]
        check = shop.server.run("generate", shop.spec, "--into", into, "--check", folder=shop.new("work"))
        return "".join(problems) or readable(check, 0) or unharmed(into, {})

    return case


def compiling(count: int) -> Case:
    """Processes that derive and compile the same spec into the same empty cache."""

    def case(shop: Workshop) -> str:
        environment = shop.cold()
        make_open(shop.folder / "cold")
        folders = [shop.new(f"work{n}") for n in range(count)]
        commands = [
            Command(tuple(map(str, WRITERS["fit"].arguments(shop, folder))), str(folder), environment)
            for folder in folders
        ]
        found = [readable(ended, 0) for ended in shop.server.together(*commands)]
        found += [same_model(shop, folder / "m.npz") for folder in folders] if not any(found) else []
        modules = list((shop.folder / "cold" / KERNELS).glob("*/*"))
        found.append("" if len(modules) == 1 else f"left in the cache: {[path.name for path in modules]}")
        return (
            "".join(found)
            or unharmed(shop.folder / "cold", {})
            or right(shop, predicted(shop, environment=environment))
        )

    return case


def killed_cold(operation: int) -> Case:
    """A process that dies while it derives into an empty cache, or compiles; the next one leaves nothing of it."""

    def case(shop: Workshop) -> str:
        environment = shop.cold()
        folder = shop.new("out")
        WRITERS["fit"].run(shop, folder, environment=environment, operation=operation)
        problem = readable(WRITERS["fit"].run(shop, shop.new("out"), environment=environment), 0)
        return problem or same_model(shop, folder / "m.npz") or unharmed(shop.folder / "cold", {})

    return case


for operation in (3, 7, 14, 22, 28, 34):
    CASES[f"killed with an empty cache, before change {operation}"] = killed_cold(operation)
for count in (2, 4):
    CASES[f"{count} processes generate"] = generating(count)
    CASES[f"{count} processes derive and compile"] = compiling(count)


# --- a damaged cache ----------------------------------------------------------------------------------------


def cut(path: Path, random_: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random_.randrange(1, len(content))])


def flip(path: Path, random_: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(8):
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
    path.write_bytes(content)


def garble(path: Path, random_: random.Random) -> None:
    path.write_bytes(random_.randbytes(3000))


def empty(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def remove(path: Path, _: random.Random) -> None:
    path.unlink()


def supplant(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {"cut": cut, "flipped": flip, "random bytes": garble, "empty": empty, "gone": remove, "a folder": supplant}
CACHED = {"cpu.py": "cpu.py", "tables.npz": "tables.npz", "manifest.json": "manifest.json",
          "index": "*.nbi", "machine code": "*.nbc"}  # fmt: skip


def damaged(pattern: str, damage: Callable[[Path, random.Random], None], name: str) -> Case:
    """A cache with damaged files, whose times are kept."""

    def case(shop: Workshop) -> str:
        folder, environment = shop.copied()
        random_ = generator("machine", sum(map(ord, name)))
        paths = list((folder / KERNELS).parent.glob(f"*/{pattern}" if "nb" in pattern else f"*/*/*/{pattern}"))
        if not paths:
            raise RuntimeError(f"no {pattern} in the cache")
        for path in sorted(paths):
            times = path.stat()
            damage(path, random_)
            if path.is_file():
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        first = right(shop, predicted(shop, environment=environment))
        return first or right(shop, predicted(shop, environment=environment)) or unharmed(folder, {})

    return case


for what, pattern in CACHED.items():
    for name, damage in DAMAGES.items():
        CASES[f"damaged cache, {what}: {name}"] = damaged(pattern, damage, f"{what} {name}")


# --- signals ------------------------------------------------------------------------------------------------

SIGNALLED = ("fit", "fit again", "refine", "project", "generate", "predict")
MOMENTS = 4


def signalled(writer: Writer, number: int, share: float) -> Case:
    """A signal after a share of the time that the command takes."""

    def case(shop: Workshop) -> str:
        folder = shop.new("out")
        prepared(shop, writer, folder)
        whole = must(writer.run(shop, folder))
        wanted = {name: facts(folder / name) for name in listing(folder)}
        before = {name: facts(folder / name) for name in prepared(shop, writer, folder)}
        ended = writer.run(shop, folder, after=share * whole.seconds, number=number)
        problem = readable(ended, 0, 130, -number)  # the last before the command begins, or in the interpreter's end
        after = {name: facts(folder / name) for name in listing(folder)}
        in_part = [
            name
            for name, found in after.items()
            if found not in (before.get(name), wanted.get(name)) and not (found and writer.name.startswith("fit"))
        ]
        if not problem and in_part:
            problem = f"neither the file before nor the whole one: {in_part[0]}"
        prepared_again = writer.name.startswith("fit") and not problem
        if prepared_again:
            prepared(shop, writer, folder)
        return problem or readable(writer.run(shop, folder), 0) or unharmed(folder, {})

    return case


def facts(path: Path) -> object:
    """What a file holds: of a model, what does not depend on the clock; None for one that is damaged."""
    if path.name != "m.npz":
        return path.read_bytes()
    from derive.errors import CheckpointError

    try:
        return digest(path)
    except CheckpointError:
        return None


for name in SIGNALLED:
    for number in (signal.SIGINT, signal.SIGTERM):
        for turn in range(MOMENTS):
            share = (turn + generator("signals", len(CASES)).random()) / MOMENTS
            CASES[f"{number.name} at {share:.3f} of {name}"] = signalled(WRITERS[name], number, share)


# --- pipes, clocks, folders and locales ---------------------------------------------------------------------

READERS: dict[str, Callable[[Workshop], tuple[Any, ...]]] = {
    "show": lambda s: ("show", s.model),
    "show as JSON": lambda s: ("show", s.model, "--json"),
    "list": lambda s: ("list", "bases"),
    "derive": lambda s: ("derive", s.spec),
    "check": lambda s: ("check", s.spec),
    "predict": lambda s: ("predict", s.model, "--data", s.data),
    "evaluate": lambda s: ("evaluate", s.model, "--data", s.data),
    "help": lambda s: ("--help",),
    "version": lambda s: ("--version",),
    "generate": lambda s: ("generate", s.spec, "--into", s.folder / "work" / "into"),
}


def nobody_reads(arguments: Callable[[Workshop], tuple[Any, ...]]) -> Case:
    """``continua … | head -0``: ends quietly."""

    def case(shop: Workshop) -> str:
        ended = shop.server.run(*arguments(shop), folder=shop.new("work"), out="closed")
        return readable(ended, 0, 1) or (f"says: {ended.err[:200]!r}" if ended.err.strip() else "")

    return case


def full_output(arguments: Callable[[Workshop], tuple[Any, ...]]) -> Case:
    """``continua … > /dev/full``."""
    return lambda shop: readable(shop.server.run(*arguments(shop), folder=shop.new("work"), out="full"), 2)


for name, arguments in READERS.items():
    CASES[f"closed pipe, {name}"] = nobody_reads(arguments)
    CASES[f"full output, {name}"] = full_output(arguments)


def clock(writer: Writer) -> Case:
    """A clock that goes backwards, and a cache from the future."""

    def case(shop: Workshop) -> str:
        folder, environment = shop.copied()
        for path in folder.rglob("*.json"):
            os.utime(path, (4e9, 4e9))
        out = shop.new("out")
        ended = writer.run(shop, out, environment=environment, faults=(("turn_clock",),))
        return readable(ended, 0) or (same_model(shop, out / "m.npz") if writer.name == "fit" else "")

    return case


for name in ("fit", "refine", "generate", "plot"):
    CASES[f"clock backwards, {name}"] = clock(WRITERS[name])


def no_tmpdir(shop: Workshop) -> str:
    """TMPDIR names no folder, and a cache that cannot be written."""
    environment = {"TMPDIR": str(shop.folder / "nowhere"), "XDG_CACHE_HOME": str(shop.folder / "locked")}
    return right(shop, predicted(shop, environment=environment)) if shop.server.mounts else NOT_HERE


def nowhere_at_all(shop: Workshop) -> str:
    """No cache that can be written, and no temporary folder either."""
    if not shop.server.mounts:
        return NOT_HERE
    environment = {"XDG_CACHE_HOME": str(shop.folder / "locked")}
    return readable(predicted(shop, environment=environment, faults=(("no_temporary_folder",),)), 2)


CASES["TMPDIR missing"] = no_tmpdir
CASES["no cache, no temporary folder"] = nowhere_at_all


def deleted(arguments: Callable[[Workshop], tuple[Any, ...]], *statuses: int) -> Case:
    """The working directory was deleted."""
    return lambda shop: readable(
        shop.server.run(*arguments(shop), folder=shop.new("gone"), faults=(("remove_folder",),)), *statuses
    )


for name in ("fit", "refine", "generate", "predict", "plot"):
    CASES[f"deleted working directory, {name}"] = deleted(
        lambda shop, writer=WRITERS[name]: writer.arguments(shop, shop.new("out")), 0
    )
for name in ("show", "check", "derive", "list"):
    CASES[f"deleted working directory, {name}"] = deleted(READERS[name], 0)
CASES["deleted working directory, new"] = deleted(lambda shop: ("new", "waves"), 2)
CASES["deleted working directory, a name"] = deleted(lambda shop: ("check", "tiny.toml"), 2)
CASES["deleted working directory, generate here"] = deleted(lambda shop: ("generate", shop.spec), 2)
CASES["deleted working directory, plot here"] = deleted(lambda shop: ("plot", shop.model), 2)

LOCALES = {
    "LC_ALL=C": {"LC_ALL": "C"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII, strictly": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"},
}
UNICODE = "Größe 模型"


def locale(environment: dict[str, str], verb: str) -> Case:
    """Names that the locale cannot write, and output with letters that it lacks."""

    def case(shop: Workshop) -> str:
        folder = shop.new("work")
        for source in (shop.spec, shop.data, shop.model):
            shutil.copy(source, folder / f"{UNICODE}{source.suffix if source != shop.data else '.data.npz'}")
        spec, data, model = (f"{UNICODE}{end}" for end in (".toml", ".data.npz", ".npz"))
        arguments = {
            "check": ("check", spec),
            "a missing file": ("check", f"{UNICODE}!.toml"),
            "derive": ("derive", spec),
            "show": ("show", model),
            "refine": ("refine", model, "--level", "fine", "--data", data, "--out", f"{UNICODE}2.npz"),
            "fit": ("fit", spec, "--data", data, "--out", f"{UNICODE}3.npz", *QUICK),
            "predict": ("predict", model, "--data", data, "--out", f"{UNICODE}4.npz"),
            "generate": ("generate", spec, "--into", UNICODE),
        }[verb]
        ended = shop.server.real(*arguments, folder=folder, environment=environment)
        return readable(ended, 2 if verb == "a missing file" else 0) or unharmed(folder, {})

    return case


for name, environment in LOCALES.items():
    for verb in ("check", "a missing file", "derive", "show", "refine", "fit", "predict", "generate"):
        CASES[f"{name}, {verb}"] = locale(environment, verb)


# --- the section --------------------------------------------------------------------------------------------


def prepare(folder: Path) -> Check:
    """Cases by number, in the order of CASES."""
    shop = opened()
    names = list(CASES)

    def check(number: int) -> Outcome:
        name = names[number]
        began = time.perf_counter()
        problem = CASES[name](shop)
        left_out = problem == NOT_HERE
        label = f"{name} ({NOT_HERE})" if left_out else name
        return Outcome(label, "" if left_out else problem, time.perf_counter() - began)

    return check


SAMPLE = (
    "full disk, fit again", "full disk, generate", "locked folder, export", "locked cache, warm",
    "damaged cache, tables.npz: cut", "closed pipe, show", "a pipe as output, predict", "unreadable, model of predict",
    "deleted working directory, predict", "full disk, derive", "damaged cache, index: cut",
)  # fmt: skip

SECTION = Section(
    "machine",
    len(CASES),
    prepare,
    __file__,
    sample=tuple(list(CASES).index(name) for name in SAMPLE),
    known=known.numbered(known.MACHINE, list(CASES)),
)
