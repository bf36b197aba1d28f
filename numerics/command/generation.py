"""Derivations and generated folders, for the commands that write them."""

from __future__ import annotations

import configparser
import importlib
import os
from pathlib import Path
from typing import Any

from derive.errors import GenerationError, SpecError
from numerics import files
from numerics.command import console


def generate_all(specs: tuple[str, ...], root: Path, write: bool) -> list[str]:
    """Derive specs and bring their folders up to date; the names of the files that differ, as folder/file."""
    from derive.declaration import load_spec

    derive_files = derivation("derive.generate").generate
    changed = []
    read = [load_spec(spec) for spec in specs]
    names = [spec.name for spec in read]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"two specs called {twice[0]!r}", "a name of its own for every spec",
            "their modules would go to the same folder", "rename one of them",
        )  # fmt: skip
    with console.steps() as progress:
        task = progress.add_task("generating", total=len(read))
        for path_given, spec in zip(specs, read):
            progress.update(task, description=f"generating {spec.name}")
            with console.about(path_given):
                derived = derive_files(spec)
            folder = root / spec.name
            if write:
                names = files.write_together(folder, derived, "manifest.json")
            else:
                names = [name for name, content in derived.items() if files.differs(folder / name, content)]
            changed += [f"{spec.name}/{name}" for name in names]
            progress.advance(task)
    return changed


def derivation(module: str) -> Any:
    """A module of ``derive`` that needs SymPy. Raises GenerationError where that does not import."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise GenerationError(
            str(error), "SymPy and python-flint", "an incomplete or damaged installation",
            "`pip install sympy python-flint`; `continua doctor` says what else is missing",
        ) from error  # fmt: skip


def generated_root(specs: tuple[str, ...]) -> Path:
    """Where CONTINUA_GENERATED points; else ``generated/`` for the checkout's specs, ``./continua_generated``."""
    if os.environ.get("CONTINUA_GENERATED"):
        return Path(os.environ["CONTINUA_GENERATED"])
    home = Path(__file__).resolve().parents[2]
    setup = configparser.ConfigParser()
    setup.read(home / "setup.cfg", encoding="utf-8")
    ours = setup.get("metadata", "name", fallback="") == "neural-continua" and (home / "generated").is_dir()
    if ours and all(home in Path(spec).resolve().parents for spec in specs):
        return home / "generated"
    return Path("continua_generated")
