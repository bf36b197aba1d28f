"""[training]: the options of the table in ``derive.spec.training``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from derive.declaration.reader import Reader
from derive.spec import OPTIONS, Option, Training


def read_training(reader: Reader, data: Mapping[str, Any]) -> Training:
    """The options that are declared, over their defaults."""
    table = reader.table(data, "training", {})
    return Training(**{key: _option(reader, OPTIONS[key], table) for key in table})


def _option(reader: Reader, option: Option, table: Mapping[str, Any]) -> Any:
    """A value of [training]."""
    key, value = option.name, table[option.name]
    if option.kind is int:
        return reader.integer(table, key, "training", int(option.low))
    if option.kind is str:
        return reader.choice(value, option.choices, f"training.{key}")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not option.declared(value):
        most = option.high if option.largest is None else option.largest
        reader.fail(
            f"training.{key}",
            f"{value!r}",
            f"a number up to {most:g}, {'above 0' if option.above else 'not negative'}",
            "a sign or quotes",
            f"write {key} = {option.example}",
        )
    return float(value)
