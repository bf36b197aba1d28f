"""Processes that start at once, are killed or get signals, and what the cache holds after damage."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from tests.torture import refusing
from tests.torture.commands import (
    WRITERS,
    Case,
    Writer,
    predicted,
    prepared,
    readable,
    right,
    same_model,
    unharmed,
)
from tests.torture.harness import generator
from tests.torture.processes import Command
from tests.torture.workshop import KERNELS, Workshop, digest, listing, make_open, must

CASES: dict[str, Case] = dict(refusing.CASES)  # which come first

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
