"""No two files of the sources import each other in any way: not in a function, and not for a type alone."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("derive", "numerics")
Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Name → file of every module; a package is its ``__init__``."""
    found = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(source: str, name: str, package: bool, known: Mapping[str, object]) -> set[str]:
    """What a module's text imports anywhere in it, of the modules that there are."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: len(name.split(".")) - node.level + package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names}
    return {module for module in found if module in known} - {name}


def graph() -> Graph:
    """Who imports whom."""
    known = modules()
    return {
        name: imported(path.read_text(encoding="utf-8"), name, path.name == "__init__.py", known)
        for name, path in known.items()
    }


def circles(arrows: Graph) -> list[list[str]]:
    """What is left when all that imports nothing of the rest, or that nothing of the rest imports, is taken away."""
    left = {name: set(others) for name, others in arrows.items()}
    while True:
        wanted = set().union(*left.values()) if left else set()
        ends = {name for name, others in left.items() if not others or name not in wanted}
        if not ends:
            return [[name, *sorted(others)] for name, others in sorted(left.items())]
        left = {name: others - ends for name, others in left.items() if name not in ends}


def test_no_two_files_import_each_other() -> None:
    arrows = graph()
    assert len(arrows) > 200 and sum(map(len, arrows.values())) > 500
    assert circles(arrows) == []


@pytest.mark.slow
def test_a_circle_would_be_seen() -> None:
    """One more arrow, in a function or for a type, from a file to one that stands on it."""
    known = modules()
    late = "def f():\n    from derive.declaration import bases\n"
    typed = "if TYPE_CHECKING:\n    from .spec import Spec\n"
    assert imported(late, "derive.spec.model", False, known) == {"derive.declaration.bases"}
    assert imported(typed, "derive.errors", False, known) == {"derive.spec"}
    assert imported("from . import basis", "derive.spec", True, known) == {"derive.spec.basis"}
    arrows = graph()
    arrows["derive.spec.model"] |= {"derive.declaration.bases"}
    found = [line[0] for line in circles(arrows)]
    assert "derive.spec.model" in found and "derive.declaration.bases" in found and "derive.errors" not in found
