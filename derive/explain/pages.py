"""The derivation of a spec for people: as text, as a page, as LaTeX."""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Iterator
from typing import Any

from derive.derived import derive
from derive.explain import derivation
from derive.spec import Spec

STYLE = """
body { font: 16px/1.55 Georgia, serif; color: #1d2330; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { font-family: system-ui, sans-serif; } h2 { margin-top: 2.5rem; } math { font-size: 1.1rem; }
pre { background: #f3f5f9; padding: .7rem 1rem; overflow-x: auto; font-size: .9rem; }
table { border-collapse: collapse; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #d8dce4; text-align: left; }
"""
PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage{amsmath,fontspec,geometry,longtable,fvextra}
% run with xelatex or lualatex: text and tables are Unicode
\setmainfont{DejaVu Serif}[Scale=0.9]
\setmonofont{DejaVu Sans Mono}[Scale=0.8]
\begin{document}
"""


def text(spec: Spec, matrices: bool = False) -> str:
    """The derivation as Markdown, in the order of an argument; with ``matrices`` every exact table as well.

    Raises ExpressionError and DerivationError.
    """
    return derivation.text(spec, derive(spec), matrices)


def html(spec: Spec, matrices: bool = False) -> str:
    """The derivation as one page that needs no network: formulas are MathML, which browsers typeset."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(
        derivation.text(spec, derive(spec), matrices, _mathml)
    )  # fmt: skip
    title = escaping.escape(spec.name)
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>' + (
        f"<style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )


def latex(spec: Spec, matrices: bool = False) -> str:
    """The derivation as a LaTeX document, for xelatex or lualatex."""
    lines = derivation.text(spec, derive(spec), matrices, _latex_formula).split("\n")
    return PREAMBLE + "\n".join(_latex(lines)) + "\n\\end{document}\n"


# --- formats ------------------------------------------------------------------------------------------------


def _mathml(expression: Any) -> list[str]:
    from sympy import mathml

    content = mathml(_primed(expression), printer="presentation")
    return [f'<math display="block">{content}</math>', ""]


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
    """Our own Markdown as LaTeX: headings, bold, tables, formulas of steps, and indented blocks as they are."""
    block: list[str] = []
    inside = False
    for line in [*lines, ""]:
        kind = "verbatim" if line.startswith("    ") else "table" if line.startswith("|") else ""
        if block and not (kind and kind == ("table" if block[0].startswith("|") else "verbatim")):
            yield from _latex_block(block)
            block = []
        if kind and not inside:
            block.append(line)
            continue
        inside = line == r"\[" or (inside and line != r"\]")
        heading = re.fullmatch(r"(#+) (.*)", line)
        if heading:
            level = ("section", "section", "subsection", "subsubsection")[len(heading[1]) - 1]
            yield rf"\{level}*{{{_escaped(heading[2])}}}"
        elif inside or line == r"\]" or not line:
            yield line
        else:
            yield re.sub(r"\*\*(.*?)\*\*", r"\\textbf{\1}", _escaped(line))


def _latex_block(block: list[str]) -> Iterator[str]:
    if not block[0].startswith("|"):
        yield from (r"\begin{Verbatim}[breaklines]", *(line[4:] for line in block), r"\end{Verbatim}")
        return
    rows = [[_escaped(cell.strip()) for cell in line.strip("|").split("|")] for line in block]
    yield rf"\begin{{longtable}}{{{'l' * len(rows[0])}}}"
    for row in (rows[0], *rows[2:]):
        yield " & ".join(row) + r" \\"
    yield r"\end{longtable}"


def _escaped(line: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", line.replace("\\", r"\textbackslash ")).replace("^", r"\^{}")
