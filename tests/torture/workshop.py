"""A small spec with its records, models and a warm compile cache, for the sections that mistreat processes."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from numerics.model import file_format
from tests.torture.processes import Ended, Server, fresh

SPEC = """
name = "tiny"
[equation]
rate = "residual"
activation = "tanh"
spacing = "1/2"
channels = 1
[state]
basis = { family = "legendre", size = 4 }
[weight]
width_out = { family = "legendre", size = 3 }
width_in = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }
[bias]
width = { family = "legendre", size = 3 }
depth = { family = "p0", cells = 1 }
[integration]
tableau = "euler"
steps = 2
[readout]
outputs = 2
basis = { family = "legendre", size = 3 }
[loss]
kind = "cross-entropy"
[training]
optimiser = "adam"
learning_rate = 0.01
[levels]
fine = { weight = { depth = { family = "p0", cells = 2 } } }
pocket = { weight = { width_out = { family = "legendre", size = 2 }, width_in = { family = "legendre", size = 2 } } }
"""
OTHER = SPEC.replace("tanh", "softplus").replace("euler", "heun")  # the same name, and nothing else in the module
KERNELS = Path("neural-continua", "kernels")


@dataclass(frozen=True)
class Workshop:
    """folder: of this machine's, that everybody may enter; spec, other, data, model: files that stay as they are."""

    folder: Path
    server: Server
    spec: Path
    other: Path
    data: Path
    model: Path
    cache: Path

    def new(self, name: str = "case") -> Path:
        """An empty folder for a case."""
        return fresh(self.folder / name)

    def cold(self, name: str = "cold") -> dict[str, str]:
        """An environment with an empty cache."""
        return {"XDG_CACHE_HOME": str(self.new(name))}

    def copied(self, name: str = "copied") -> tuple[Path, dict[str, str]]:
        """A copy of the cache, compiled kernels and all, and the environment that uses it."""
        folder = self.new(name)
        shutil.copytree(self.cache, folder, dirs_exist_ok=True)
        return folder, {"XDG_CACHE_HOME": str(folder)}


@cache
def opened() -> Workshop:
    """The process's workshop, which goes with it. Compiles the kernels where the user's cache lacks them."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    folder.chmod(0o755)
    for name in ("full", "locked"):
        fresh(folder / name)
    paths = {name: folder / f"{name}.toml" for name in ("spec", "other")}
    paths["spec"].write_text(SPEC)
    paths["other"].write_text(OTHER)
    x = np.sin(np.outer(np.arange(1, 13), np.linspace(-1, 1, 10)))
    np.savez(folder / "data.npz", x=x, y=np.arange(12) % 2)
    kept = Path(os.environ.get("XDG_CACHE_HOME", folder / "kept"))
    environment = {"XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder), "NUMBA_CACHE_DIR": ""}
    server = Server(environment, folder)
    others = {"data": folder / "data.npz", "model": folder / "model.npz", "cache": folder / "cache"}
    found = Workshop(folder, server, **paths, **others)
    atexit.register(close, found)
    compiled(found, kept)
    return found


def close(workshop: Workshop) -> None:
    workshop.server.close()
    shutil.rmtree(workshop.folder, ignore_errors=True)


def compiled(workshop: Workshop, kept: Path) -> None:
    """Makes the model, and the kernels of all that the cases do, in a cache that others use too; copies the cache.

    Machine code is found again by what the kernels' texts say.
    """
    environment = {"XDG_CACHE_HOME": str(kept)}
    must(fitted(workshop, workshop.spec, workshop.model, FITS["every step"], environment=environment))
    work = workshop.new()
    for verb, level in (("refine", "fine"), ("project", "pocket")):
        arguments = (verb, workshop.model, "--level", level, "--data", workshop.data, "--out", work / f"{level}.npz")
        must(workshop.server.run(*arguments, folder=work, environment=environment))
    for path in (kept / KERNELS).glob("*/tiny-*/manifest.json"):
        if path.parents[1].name == edition():
            place = workshop.cache / path.parent.relative_to(kept)
            shutil.copytree(path.parent, place, dirs_exist_ok=True)
    code = fresh(workshop.cache / KERNELS.parent / "code")
    for path in (kept / KERNELS.parent / "code").glob("*.nb[ci]"):  # others write there, and rename what they wrote
        shutil.copy(path, code / path.name)
    make_open(workshop.cache)


def make_open(folder: Path) -> None:
    """Anyone may write in a folder and below."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def edition() -> str:
    from numerics.representation import folders

    return folders.cache().name


FITS = {
    "every step": ("--epochs", "60", "--save-every", "0"),
    "batches": ("--epochs", "40", "--batch", "4", "--validation", "0.25", "--save-every", "0.02"),
    "curvature": ("--epochs", "30", "--optimiser", "lbfgs", "--save-every", "0.01"),
}


def fitted(workshop: Workshop, spec: Path, out: Path, options: tuple[str, ...], **others: object) -> Ended:
    """One run of ``fit``."""
    arguments = ("fit", spec, "--data", workshop.data, "--out", out, *options)
    return workshop.server.run(*arguments, folder=workshop.new("run"), **others)


def must(ended: Ended) -> Ended:
    """What a section stands on has to work."""
    if ended.status:
        raise RuntimeError(f"status {ended.status}: {ended.err}{ended.out}")
    return ended


def digest(path: Path) -> str:
    """What a model is, without the seconds that it took. Raises CheckpointError for what is no complete model."""
    header, arrays = file_format.read(path)
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in header.pop("history")]
    training = {k: v for k, v in (header.pop("training") or {}).items() if k != "seconds"}
    found = hashlib.sha256(json.dumps([header, history, training], sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(name.encode() + str(arrays[name].shape).encode() + arrays[name].tobytes())
    return found.hexdigest()


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, less the compiled ones that Python and Numba keep."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def strays(folder: Path) -> str:
    """A file or folder below that only a writer at work may have; "" for none."""
    found = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.name.startswith(".") or ".tmp" in path.name
    ]
    return ", ".join(found)
