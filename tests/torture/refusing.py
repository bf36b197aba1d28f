"""Machines that refuse: full disks, files that may not grow, locked folders, inputs that cannot be read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture.commands import (
    FILES,
    NOT_HERE,
    WRITERS,
    Case,
    Writer,
    network,
    predicted,
    prepared,
    readable,
    right,
    same_model,
    unharmed,
)
from tests.torture.workshop import KERNELS, Workshop, make_open, strays

CASES: dict[str, Case] = {}

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
