"""The tests' own rooms: what several files need is in ``builders`` and ``oracles``, and no test file knows another."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
SHARED = ("tests.builders", "tests.oracles")
PROGRAMS = ("tests.mutants", "tests.torture")  # run by themselves


def imported(path: Path) -> set[str]:
    """The modules of ``tests`` that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name == "tests" or name.startswith("tests.")}


def test_test_files_import_what_they_share_and_nothing_of_each_other() -> None:
    wrong = []
    for path in sorted(TESTS.rglob("*.py")):
        own = ".".join(("tests", *path.relative_to(TESTS).parts[:-1]))
        if own.startswith(PROGRAMS):
            continue
        wrong += [f"{path.relative_to(TESTS)}: {name}" for name in imported(path) if not name.startswith(SHARED)]
    assert wrong == []


def test_oracles_are_no_tests() -> None:
    assert not list((TESTS / "oracles").glob("test_*.py"))


def test_tests_lie_as_the_rooms_that_they_test() -> None:
    """Each file under the name of a room or beside the rooms, and no name twice."""
    for package in ("derive", "numerics"):
        for path in (TESTS / package).rglob("test_*.py"):
            assert (TESTS.parent / path.parent.relative_to(TESTS)).is_dir(), path
    names = [path.name for path in TESTS.rglob("test_*.py")]
    assert len(set(names)) == len(names)
