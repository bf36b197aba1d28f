"""A model as a table for notebooks and pages: its spec, and what it holds."""

from __future__ import annotations

import html
from typing import Any

from derive import typeset
from derive.spec import shown


def rows(model: Any) -> list[tuple[str, str]]:
    """(what, HTML) of a ``Continuum``: the rows of its spec, then its own."""
    sizes = (
        f"{typeset.inline(name)} {' × '.join(str(n) for n in field.slabs[0].coefficients.shape)}"
        for name, field in model.fields.items()
    )
    found = [("level", html.escape(model.level or "base")), *shown.rows(model.spec)]
    found = [(what, value) for what, value in found if what != "domain"]  # a model knows it where its spec does not
    if model.units.domain is not None:
        found.append(("domain", html.escape(model.units.describe(model.spec))))
    found.append(("coefficients", f"{model.size:,}: {', '.join(sizes)}"))
    if model.names:
        found.append(("classes", html.escape(", ".join(model.names))))
    if model.history:
        found.append(("trained", f"{len(model.history)} epochs, loss {model.history[-1]['loss']:.4g}"))
    return found


def table(model: Any) -> str:
    """A ``Continuum`` as HTML."""
    return shown.table(f"Continuum {model.base.name}", model.base.summary, rows(model))
