"""The derivation of a spec for people: as text, as a page, as LaTeX."""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from derive import typeset
from derive.derived import derive
from derive.explain import derivation
from derive.spec import Spec

STYLE = """
body { font: 16px/1.55 Georgia, serif; color: #1d2330; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { font-family: system-ui, sans-serif; } h2 { margin-top: 2.5rem; } p { overflow-wrap: anywhere; }
pre { background: #f3f5f9; padding: .7rem 1rem; overflow-x: auto; font-size: .9rem; }
.box { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #d8dce4; text-align: left; }
"""
PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage{amsmath,fontspec,geometry,longtable,fvextra}
% run with xelatex or lualatex: text and tables are Unicode
\setmainfont{DejaVu Serif}[Scale=0.9]
\setmonofont{DejaVu Sans Mono}[Scale=0.8]
\begin{document}
"""
NUMBERS = re.compile(r"[-\d./e+]+(  [-\d./e+]+)*")  # a row of an exact table


@dataclass(frozen=True)
class Derivation:
    """The derivation of a spec: text when it is printed, a typeset page in a notebook. matrices: see ``text``."""

    spec: Spec
    matrices: bool = False

    def __str__(self) -> str:
        return text(self.spec, self.matrices)

    def _repr_html_(self) -> str:
        return f"<style>{typeset.STYLE}</style>\n{_body(self.spec, self.matrices)}"


def text(spec: Spec, matrices: bool = False) -> str:
    """The derivation as Markdown, in the order of an argument; with ``matrices`` every exact table as well.

    Raises ExpressionError and DerivationError.
    """
    return derivation.text(spec, derive(spec), matrices)


def html(spec: Spec, matrices: bool = False) -> str:
    """The derivation as one page that needs no network: formulas are MathML, which browsers typeset."""
    title = escaping.escape(spec.name)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}{typeset.STYLE}</style></head>\n"
        f"<body>\n{_body(spec, matrices)}\n</body></html>\n"
    )


def latex(spec: Spec, matrices: bool = False) -> str:
    """The derivation as a LaTeX document, for xelatex or lualatex."""
    lines = derivation.text(spec, derive(spec), matrices, _latex_formula).split("\n")
    return PREAMBLE + "\n".join(_latex(lines)) + "\n\\end{document}\n"


# --- what both formats read -----------------------------------------------------------------------------------


def _kind(line: str) -> str:
    return "verbatim" if line.startswith("    ") else "table" if line.startswith("|") else ""


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Our own Markdown in blocks: ("verbatim", lines without their indent), ("table", lines), ("", one line)."""
    block: list[str] = []
    inside = False  # of a displayed formula of LaTeX
    for line in [*lines, ""]:
        kind = "" if inside else _kind(line)
        if block and kind != _kind(block[0]):
            yield _kind(block[0]), [b.removeprefix("    ") for b in block]
            block = []
        inside = line == r"\[" or (inside and line != r"\]")
        if kind:
            block.append(line)
        else:
            yield "", [line]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- formats ------------------------------------------------------------------------------------------------


def _body(spec: Spec, matrices: bool) -> str:
    return "\n".join(_html(derivation.text(spec, derive(spec), matrices).split("\n")))


def _html(lines: list[str]) -> Iterator[str]:
    for kind, block in _blocks(lines):
        if kind == "table":
            yield '<div class="box"><table>'
            for tag, line in (("th", block[0]), *(("td", line) for line in block[2:])):
                yield "<tr>" + "".join(f"<{tag}>{typeset.prose(c)}</{tag}>" for c in _cells(line)) + "</tr>"
            yield "</table></div>"
        elif kind and all(map(NUMBERS.fullmatch, block)):
            yield "<pre>" + escaping.escape("\n".join(block)) + "</pre>"
        elif kind:
            yield from map(typeset.formula, block)
        elif heading := re.fullmatch(r"(#+) (.*)", block[0]):
            yield f"<h{len(heading[1])}>{typeset.prose(heading[2])}</h{len(heading[1])}>"
        elif block[0]:
            yield f"<p>{typeset.prose(block[0])}</p>"


def _latex_formula(expression: Any) -> list[str]:
    from sympy import latex as write

    content = write(_primed(expression)).replace("ξ′", r"\xi'")
    return [r"\[", content, r"\]", ""]


def _primed(expression: Any) -> Any:
    """ξ′ for the symbol xi', which SymPy's printers leave as it is."""
    import sympy as sp

    names = {s: sp.Symbol(s.name.replace("xi'", "ξ′"), **s.assumptions0) for s in expression.atoms(sp.Symbol)}
    return expression.xreplace({s: new for s, new in names.items() if s.name != new.name})


def _latex(lines: list[str]) -> Iterator[str]:
    """Headings, bold, tables, formulas of steps, and indented blocks as they are."""
    inside = False
    for kind, block in _blocks(lines):
        if kind:
            yield from _latex_block(kind, block)
            continue
        (line,) = block
        inside = line == r"\[" or (inside and line != r"\]")
        heading = re.fullmatch(r"(#+) (.*)", line)
        if heading:
            level = ("section", "section", "subsection", "subsubsection")[len(heading[1]) - 1]
            yield rf"\{level}*{{{_escaped(heading[2])}}}"
        elif inside or line == r"\]" or not line:
            yield line
        else:
            yield re.sub(r"\*\*(.*?)\*\*", r"\\textbf{\1}", _escaped(line))


def _latex_block(kind: str, block: list[str]) -> Iterator[str]:
    if kind == "verbatim":
        yield from (r"\begin{Verbatim}[breaklines]", *block, r"\end{Verbatim}")
        return
    rows = [list(map(_escaped, _cells(line))) for line in block]
    yield rf"\begin{{longtable}}{{{'l' * len(rows[0])}}}"
    for row in (rows[0], *rows[2:]):
        yield " & ".join(row) + r" \\"
    yield r"\end{longtable}"


def _escaped(line: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", line.replace("\\", r"\textbackslash ")).replace("^", r"\^{}")
