"""Commands that write, and what must hold however they end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.harness import shortened
from tests.torture.processes import Ended
from tests.torture.workshop import Workshop, digest, listing, must, strays

Case = Callable[[Workshop], str]
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
