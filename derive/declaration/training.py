"""[training]: the options of the table in ``derive.spec.training``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from derive.declaration.reader import Reader
from derive.errors import advice
from derive.spec import OPTIONS, Option, Training


def read_training(reader: Reader, data: Mapping[str, Any]) -> Training:
    """The options that are declared, over their defaults."""
    table = reader.table(data, "training", {})
    return Training(**{key: _option(reader, OPTIONS[key], table) for key in table})


def check_strategy(reader: Reader, training: Training, levels: Sequence[str]) -> None:
    """Refuse levels of a strategy that there are not, and a strategy without levels."""
    known = ("base", *levels)
    for name in training.strategy_levels or ():
        if name not in known:
            reader.fail(
                "training.strategy_levels", f"{name!r}", ", ".join(known),
                *advice(name, known, "a level that [levels] does not declare", "declare it, or leave it out"),
            )  # fmt: skip
    if training.strategy != "direct" and not levels:
        reader.fail(
            "training.strategy", f"{training.strategy!r} without levels", "levels to train on, from coarse to fine",
            "[levels] is missing", 'declare levels, or write strategy = "direct"',
        )  # fmt: skip


def _option(reader: Reader, option: Option, table: Mapping[str, Any]) -> Any:
    """A value of [training]."""
    key, value = option.name, table[option.name]
    if option.kind is int:
        return reader.integer(table, key, "training", int(option.low))
    if option.kind is str:
        return reader.choice(value, option.choices, f"training.{key}")
    if option.kind is tuple:
        if not isinstance(value, list | tuple) or not option.takes(tuple(value)):
            reader.fail(f"training.{key}", f"{value!r}", option.allowed, "one name alone, or one twice", "use [ ]")
        return tuple(value)
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
