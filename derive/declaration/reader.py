"""What every table of a declaration is read with: keys, numbers, choices, and refusals that name the key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any, NoReturn

from derive.declaration.keys import TABLES
from derive.errors import ExpressionError, SpecError, advice
from derive.exact import expression, surd
from derive.exact.surd import Exact

LARGEST = {"size": 2048, "cells": 2048, "degree": 64, "steps": 100_000, "outputs": 100_000, "channels": 4096,
           "levels": 64, "dimension": 3}  # fmt: skip
NAMES = "letters, digits, - and _, a letter first, at most 64"


class Reader:
    """Reads one declaration; ``prefix`` is the path in front of its keys (a level's)."""

    def __init__(self, where: str, prefix: str = "") -> None:
        self.where = where
        self.prefix = prefix

    def fail(self, path: str, given: str, allowed: str, cause: str, fix: str) -> NoReturn:
        """Refuse what a key holds."""
        place = f"{self.where}, {self.prefix}{path}".rstrip(", .")
        raise SpecError(_short(given), allowed, cause, fix, place)

    def table(self, data: Mapping[str, Any], key: str, default: Any = None) -> Mapping[str, Any]:
        """A sub-table with only known keys."""
        value = data.get(key, default)
        if not isinstance(value, Mapping):
            self.fail(
                key, f"{value!r}", f"a table [{key}]", "a value where a table is meant", f"write [{key}] above its keys"
            )
        if key in TABLES:
            self.known(value, TABLES[key], key)
        return value

    def known(self, table: Mapping[str, Any], allowed: Collection[str], path: str) -> None:
        """Refuse keys that a table does not have, with the table that has them, or the name that was meant."""
        for key in table:
            if key not in allowed:
                homes = [name for name, keys in TABLES.items() if name and key in keys]
                cause = f"a key of [{homes[0]}]" if homes else "a typing error, or a key of another table"
                fix = f"write it in [{homes[0]}]" if homes else "correct or remove it"
                self.fail(
                    f"{path}.{key}".lstrip("."),
                    f"the key {key!r}",
                    f"{', '.join(allowed)}",
                    *((cause, fix) if homes else advice(key, allowed, cause, fix)),
                )

    def integer(self, table: Mapping[str, Any], key: str, path: str, low: int, default: Any = None) -> Any:
        """A whole number from ``low`` to what is ``LARGEST`` for its key; the default where the key is left out."""
        value = table.get(key, default)
        if value is None and key not in table and default is None:
            return None
        high = LARGEST.get(key, 10**9)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(
                f"{path}.{key}",
                f"{value!r}",
                f"a whole number from {low} to {high}",
                "a quoted number, a fraction, or a size out of range",
                f"write {key} = {min(max(low, 4), high)}",
            )
        return value

    def exact(self, value: Any, path: str) -> Fraction:
        """An exact number."""
        if isinstance(value, Fraction):  # from Python, or a tableau's file
            return value
        try:
            return expression.parse_rational(value)
        except ExpressionError as error:
            self.fail(path, error.given, error.allowed, error.cause, error.fix)

    def entry(self, value: Any, path: str) -> Exact:
        """An entry of a tableau, which may hold a square root."""
        if not isinstance(value, str) or "sqrt" not in value:
            return self.exact(value, path)
        try:
            return surd.parse(value)
        except ExpressionError as error:
            self.fail(path, error.given, error.allowed, error.cause, error.fix)

    def choice(self, value: Any, allowed: Collection[str], path: str) -> str:
        """One of some names."""
        if not isinstance(value, str) or value not in allowed:
            self.fail(
                path,
                f"{value!r}",
                ", ".join(allowed),
                *advice(value, allowed, "a name that does not exist", "use one of the above"),
            )
        return str(value)

    def need(self, table: Mapping[str, Any], key: str, path: str) -> Any:
        """The value of a key that must be there."""
        if key not in table:
            self.fail(f"{path}.{key}".lstrip("."), "nothing", f"the key {key}", "it was left out", f"add {key}")
        return table[key]

    def points(self, value: Any, path: str) -> tuple[Fraction, ...]:
        """Breakpoints, two at least."""
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= LARGEST["cells"] + 1:
            self.fail(path, f"{value!r}", 'a list such as ["-1", "0", "1"]', "one number", "list them all")
        return tuple(self.exact(p, path) for p in value)

    def functions(self, value: Any, path: str, key: str, names: set[str]) -> tuple[str, ...]:
        """Expressions in some names, a list of them."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= LARGEST["size"]:
            self.fail(f"{path}.{key}", f"{value!r}", 'a list such as ["1", "xi"]', "one text alone", "use [ ]")
        for k, text in enumerate(value):
            try:
                expression.check(text, names)
            except ExpressionError as error:
                self.fail(f"{path}.{key}[{k}]", error.given, error.allowed, error.cause, error.fix)
        return tuple(str(v) for v in value)


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "…"
