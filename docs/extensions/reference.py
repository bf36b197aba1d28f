"""What the site says about the declaration and the public names, taken from where the program itself has it.

Directives: ``keys TABLE`` (of a declaration; no table: the tables themselves), ``options`` of training,
``entries KIND`` of the registry, and ``public``, all that ``import continua`` gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import continua
from derive import registry
from derive.declaration.keys import TABLES
from derive.spec import OPTIONS

ARGUMENT = re.compile(r"\w+(, \w+)*: ")
FITTED = re.compile(r"(?<![`\w])(\w+_)(?![`\w])")


class Keys(SphinxDirective):
    """A table of the declaration: its keys, and what each says."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        table = TABLES[self.arguments[0] if self.arguments else ""]
        return [grid(("key", "says"), (15, 85), ((code(key), text(says)) for key, says in table.items()))]


class Options(SphinxDirective):
    """The options of training."""

    def run(self) -> list[nodes.Node]:
        rows = (
            (code(o.name), code("none" if o.default is None else str(o.default)), text(o.help), text(o.allowed))
            for o in OPTIONS.values()
        )
        return [grid(("option", "default", "what it does", "takes"), (15, 12, 43, 30), rows)]


class Entries(SphinxDirective):
    """What is registered of a kind."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        found = ((name, registry.entry(kind, name).SUMMARY) for name in registry.names(kind))
        return [grid(("name", "is"), (20, 80), ((code(name), text(summary)) for name, summary in found))]


class Public(SphinxDirective):
    """Every public name with its docstring, by autodoc."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in sorted(continua.PUBLIC, key=str.lower):
            found = getattr(continua, name)
            if inspect.ismodule(found):
                functions = (n for n in found.__all__ if inspect.isfunction(getattr(found, n)))
                lines += [f".. py:module:: continua.{name}", ""]
                lines += [line for n in functions for line in (f".. autofunction:: {found.__name__}.{n}", "")]
            elif inspect.isclass(found):
                lines += [f".. autoclass:: continua.{name}", "   :members:", "   :special-members: __call__", ""]
            else:
                lines += [f".. autofunction:: continua.{name}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def paragraphs(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Give what a docstring says of each argument a paragraph of its own: "x, y: what they are" begins one.

    Names such as model_ are code, where they would be links.
    """
    lines[:] = [part for line in lines for part in ([""] * bool(ARGUMENT.match(line)) + [FITTED.sub(r"``\1``", line)])]


def not_ours(app: Sphinx, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn makes of every estimator: set_fit_request and its like."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def text(words: str) -> nodes.Node:
    return nodes.paragraph("", words)


def code(words: str) -> nodes.Node:
    return nodes.paragraph("", "", nodes.literal(words, words))


def grid(head: tuple[str, ...], widths: tuple[int, ...], rows: Iterable[tuple[nodes.Node, ...]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(head))
    group += nodes.thead("", row(map(text, head)))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group)


def row(cells: Iterable[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    for name, directive in (("keys", Keys), ("options", Options), ("entries", Entries), ("public", Public)):
        app.add_directive(name, directive)
    app.connect("autodoc-process-docstring", paragraphs)
    app.connect("autodoc-skip-member", not_ours)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
