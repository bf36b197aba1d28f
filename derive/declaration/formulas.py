"""Formulas: the name of a registry's entry, or an expression of the grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from derive import registry
from derive.declaration.reader import Reader
from derive.errors import ExpressionError, SpecError
from derive.exact import expression
from derive.suggestion import nearest

FORMULAS = {"rates": "equation.rate", "activations": "equation.activation", "losses": "loss.kind"}


def read_formula(
    reader: Reader, value: Any, kind: str, names: set[str], path: str, numbers: Mapping[str, Fraction] | None = None
) -> str:
    """A registry name, or an expression that passes the grammar; numbers: what some of its names are."""
    known = registry.names(kind)
    if isinstance(value, str) and value in known:
        return value
    place = f"{reader.where}, {reader.prefix}{path}"
    try:
        expression.check(value, names, place, ("f",) if kind == "rates" else (), numbers)
    except ExpressionError as error:
        if isinstance(value, str) and re.fullmatch(r"\s*[A-Za-z][\w. -]*", value):  # a name, and no formula
            _elsewhere(reader, value, kind, path)
            reader.choice(value, known, path)
        raise SpecError(error.given, error.allowed, error.cause, error.fix, place) from None
    return str(value)


def _elsewhere(reader: Reader, value: str, kind: str, path: str) -> None:
    """Refuse a name that belongs under another key."""
    if nearest(value, registry.names(kind)) is not None:
        return
    for other, key in FORMULAS.items():
        found = nearest(value, registry.names(other))
        if other != kind and found is not None:
            reader.fail(path, f"{value!r}", ", ".join(registry.names(kind)), f"{found!r} belongs to {key}",
                        f'write it there: {key.rpartition(".")[2]} = "{found}"')  # fmt: skip
