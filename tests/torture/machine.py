"""Machines that fail: full disks, locked folders, damaged caches, signals, pipes that close, clocks, locales.

What must hold: a command works, or ends with one readable block and exit code 2, 130 for Ctrl-C and SIGTERM; never with
a traceback. Files that exist stay as they are, none is there in part, and the same command where nothing fails leaves
no other file. What a machine does not allow (mounting, giving up root's rights) is left out there, as its label says.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture import commands, interrupting, known, refusing
from tests.torture.commands import (
    NOT_HERE,
    QUICK,
    WRITERS,
    Case,
    Writer,
    predicted,
    readable,
    right,
    same_model,
    unharmed,
)
from tests.torture.harness import Check, Outcome, Section
from tests.torture.workshop import Workshop, opened

CASES: dict[str, Case] = dict(interrupting.CASES)  # which come first

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
    (commands.__file__, refusing.__file__, interrupting.__file__, __file__),
    sample=tuple(list(CASES).index(name) for name in SAMPLE),
    known=known.numbered(known.MACHINE, list(CASES)),
)
