"""A reproducible sample of mutations, made by cosmic-ray's operators, over the lines of ``derive`` and ``numerics``.

Files take part by their lines of code (systematic sampling), so that no file dominates; inside a file the places are
drawn by a generator of its own, so that a change in one file leaves the sample of the others alone. At most one
mutation a line.

Left out: annotations, what is raised or printed and how an object is shown (no result depends on these), decorators
of dataclasses and caches (speed and protection against assignment), `__all__`, and `|` (sets, dictionaries and types:
its replacements end every import with a TypeError, which shows nothing).
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant, first_difference
from tests.mutants.plans import checks

SEED = "mutants 1"
SAMPLES = 120
FOLDERS = ("derive", "numerics")
SILENT = {"__repr__", "__str__", "_repr_html_"}
MESSAGES = {"print", "echo", "Step", "Text", "style", "_failed", "_broken", "_misfit", "_outside", "_not_finite"}


def sample(root: Path, count: int = SAMPLES, seed: str = SEED) -> list[Mutant]:
    """``count`` mutants of the tree at ``root``, the same for equal trees and seeds, in the order of their files."""
    found: dict[str, Mutant] = {}
    owed = 0  # by files with fewer places than they should give: the next one gives them
    for path, quota in _quotas(root, count, seed):
        text = (root / path).read_text(encoding="utf-8")
        wanted = len(found) + quota + owed
        for mutant in _of_file(path, text, random.Random(f"{seed}|{path}")):
            found.setdefault(mutant.name, mutant)
            if len(found) == wanted:
                break
        owed = wanted - len(found)
    return list(found.values())


def _quotas(root: Path, count: int, seed: str) -> Iterator[tuple[str, int]]:
    """How many mutants each file gets: those of ``count`` equally spaced lines of code that lie in it."""
    paths = sorted(p for folder in FOLDERS for p in (root / folder).rglob("*.py"))
    lengths = [_lines_of_code(p.read_text(encoding="utf-8")) for p in paths]
    spacing = sum(lengths) / count
    offset = random.Random(seed).random() * spacing
    taken, passed = 0, 0
    for path, length in zip(paths, lengths):
        passed += length
        quota = sum(1 for k in range(taken, count) if offset + k * spacing < passed)
        if quota:
            yield path.relative_to(root).as_posix(), quota
        taken += quota


def _lines_of_code(text: str) -> int:
    """Lines that hold a statement's own text: no docstrings, comments or empty lines."""
    tree = ast.parse(text)
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom) and not _docstring(node):
            own = range(node.lineno, (node.body[0].lineno if hasattr(node, "body") else node.end_lineno + 1))
            lines.update(own)
    return len(lines)


def _docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _of_file(path: str, text: str, generator: random.Random) -> Iterator[Mutant]:
    """Mutants of a file in random order, each on a line of its own."""
    from cosmic_ray.ast import ast_nodes, get_ast

    lines: dict[int, list[Any]] = {}
    for node in ast_nodes(get_ast(text)):
        if node.type in ("operator", "keyword", "number", "name", "comparison", "not_test", "for_stmt", "decorator",
                         "factor", "arith_expr", "term", "and_test", "or_test", "except_clause", "if_stmt",
                         "while_stmt", "power", "test") and not _left_out(node):  # fmt: skip
            lines.setdefault(node.start_pos[0], []).append(node)
    order = sorted(lines)
    generator.shuffle(order)
    for line in order:
        mutated = _mutated(text, lines[line], generator)
        if mutated is not None:
            number, before, after = first_difference(text, mutated)
            name = f"{path}: {before} → {after}"
            yield Mutant("sampled", name, path, number, before, after, mutated, checks(path))


def _mutated(text: str, nodes: list[Any], generator: random.Random) -> str | None:
    """The file with one of the mutations that a line's nodes allow; None where none changes the program."""
    from cosmic_ray.mutating import mutate_code

    choices: dict[tuple[Any, str], list[tuple[str, Any, int]]] = {}
    for node in nodes:
        for name, operator in _operators():
            for index, _ in enumerate(operator.mutation_positions(node)):
                family = name.partition("_")[0]
                choices.setdefault((node.start_pos, family), []).append((name, node, index))
    keys = list(choices)
    generator.shuffle(keys)
    for key in keys:
        name, node, index = generator.choice(choices[key])
        operator = dict(_operators())[name]
        mutated = mutate_code(text, operator, _occurrence(operator, node, index))
        if mutated is not None and _differs(text, mutated):
            return str(mutated)
    return None


@cache
def _operators() -> tuple[tuple[str, Any], ...]:
    from cosmic_ray.plugins import get_operator, operator_names

    classes = {name: get_operator(name) for name in sorted(operator_names())}
    return tuple((n, c()) for n, c in classes.items() if not c.arguments() and "BitOr" not in n)


def _occurrence(operator: Any, wanted: Any, index: int) -> int:
    """How often the operator applies in the file before the given node's position ``index``."""
    from cosmic_ray.ast import ast_nodes

    passed = 0
    for node in ast_nodes(wanted.get_root_node()):
        if node is wanted:
            return passed + index
        passed += sum(1 for _ in operator.mutation_positions(node))
    raise AssertionError("a node outside its own tree")


def _differs(text: str, mutated: str) -> bool:
    try:
        return ast.dump(ast.parse(text)) != ast.dump(ast.parse(mutated))
    except SyntaxError:
        return False


def _left_out(node: Any) -> bool:
    """Whether a node belongs to what no result depends on."""
    if node.type == "if_stmt" and "TYPE_CHECKING" in _names(node.children[1]):
        return True
    child, parent = node, node.parent
    while parent is not None:
        kind = parent.type
        if kind in ("raise_stmt", "assert_stmt", "annassign") and not (
            kind == "annassign" and _is_value(child, parent)
        ):
            return True
        if kind == "decorator" or (node.type == "decorator" and _names(node) & {"dataclass", "cache", "lru_cache"}):
            return True
        if kind == "param" and child is parent.annotation:
            return True
        if kind == "funcdef" and (child is parent.annotation or parent.name.value in SILENT):
            return True
        if kind == "atom_expr" and _called(parent) & MESSAGES:
            return True
        if kind == "atom_expr" and any(name.endswith("Error") for name in _called(parent)):
            return True
        if kind == "if_stmt" and "TYPE_CHECKING" in _names(parent.children[1]):
            return True
        if kind == "expr_stmt" and parent.children[0].type == "name" and parent.children[0].value == "__all__":
            return True
        child, parent = parent, parent.parent
    return False


def _is_value(child: Any, parent: Any) -> bool:
    """Whether a child of ``: type = value`` is the value."""
    return len(parent.children) > 3 and child is parent.children[3]


def _names(node: Any) -> set[str]:
    if node.type == "name":
        return {node.value}
    return {n for child in getattr(node, "children", ()) for n in _names(child)}


def _called(node: Any) -> set[str]:
    """The names of what an ``atom_expr`` calls: f(…) and a.f(…)."""
    found = set()
    for part, after in zip(node.children, node.children[1:]):
        if after.type == "trailer" and after.children[0].value == "(":
            found |= {part.value} if part.type == "name" else {n.value for n in part.children if n.type == "name"}
    return found
