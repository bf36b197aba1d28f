"""Formulas as MathML, which browsers typeset by themselves: the site needs no script and no network for them."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(typeset(node, as_block=False))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    identity = f' id="{escape(node["ids"][0])}"' if node["ids"] else ""
    number = f'<span class="eqno">({node["number"]})</span>' if node["number"] else ""
    writer.body.append(f'<div class="formula"{identity}>{typeset(node, as_block=True)}{number}</div>\n')
    raise nodes.SkipNode


def typeset(node: nodes.Element, as_block: bool) -> str:
    """MathML of a formula in TeX; what is not understood is a warning, and stays as it is written."""
    try:
        return str(latex2mathml.tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        log.warning("%s in %s", error, node.astext(), location=node)
        return escape(node.astext())
