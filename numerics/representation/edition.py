"""The edition of the derivation: twelve digits for all code that can change a byte of a generated module.

Counted are the sources that printing modules imports, followed from file to file, and the entries of the registry; of
each the code alone. Comments, docstrings, layout and what errors say do not count, nor what only explains.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import derive
from derive.registry import KINDS
from numerics import files

FIRST = "derive.modules"  # prints what runs a representation
SOURCES = Path(derive.__path__[0])
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
PASSED_OVER = ("ctx", "kind", "type_comment")


@cache
def edition(kept: Path) -> str:
    """Of the derivation that is installed here. Reading code takes a while; the folder ``kept`` remembers it."""
    paths = sorted(SOURCES.rglob("*.py"))
    place = kept / _digest(f"{path.relative_to(SOURCES)} {path.read_bytes()!r}" for path in paths)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found = place.read_text(encoding="ascii")
        if re.fullmatch("[0-9a-f]{12}", found):
            return found
    found = _own()
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        files.write_whole(place, found.encode())
    return found


@cache
def _own() -> str:
    return edition_of(SOURCES)


def edition_of(sources: Path) -> str:
    """Of the derivation in a folder: the same for every version of Python."""
    found = counted(sources)
    return _digest(f"{name} {found[name]}" for name in sorted(found))


def counted(sources: Path) -> dict[str, str]:
    """The modules that count, and the code of each."""
    waiting, found = [FIRST, *(f"derive.{kind}" for kind in KINDS)], dict[str, str]()
    waiting += [f"derive.{kind}.{path.stem}" for kind in KINDS for path in (sources / kind).glob("[!_]*.py")]
    while waiting:
        name = waiting.pop()
        path = _file(sources, name)
        if name in found or path is None:
            continue
        found[name], imported = _read(path.read_bytes())
        waiting += imported
    return found


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _file(sources: Path, name: str) -> Path | None:
    """Where a module of ``derive`` is written, if it is one."""
    first, *parts = name.split(".")
    place = sources.joinpath(*parts)
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py")) if first == "derive" else ()
    return next((path for path in candidates if path.is_file()), None)


@cache
def _read(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The code of a file, and what it imports."""
    tree, text = ast.parse(content), list[str]()
    _text(tree, text)
    return "".join(text), tuple(_imported(tree))


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports, anywhere in it: names that may be modules, with the packages around them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _text(node: Any, out: list[str]) -> None:
    """Write a syntax tree in one line, without docstrings and without what is raised."""
    if isinstance(node, list):
        for part in node:
            _text(part, out)
    elif not isinstance(node, ast.AST):
        out.append(f"{type(node).__name__} {node!r},")
    elif isinstance(node, ast.Raise):
        out.append("Raise,")
    else:
        out.append(f"{type(node).__name__}(")
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, DOCUMENTED):
                value = value[ast.get_docstring(node, clean=False) is not None :]
            if name not in PASSED_OVER and value is not None and value != []:
                out.append(f"{name}=")
                _text(value, out)
        out.append(")")
