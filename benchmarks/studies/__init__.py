"""Studies: claims of the texts that this project grew from, each put to the test by a module that can be run again.

A module is a study: its ``TITLE`` says what is asked, ``study(long)`` computes its numbers from seeds, in its short
form in less than 90 seconds on two cores. Every number has a window that it must lie in; a claim that does not hold has
a number that says so. The notebook of the same name shows and explains them.
"""

from __future__ import annotations

import importlib
import pkgutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Number:
    """A number of a study, with the window that it must lie in.

    spread: the standard deviation over seeds, None for one that chance does not change.
    """

    what: str
    value: float
    low: float
    high: float
    spread: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the number lies in its window."""
        return self.low <= self.value <= self.high


def mean(what: str, values: Sequence[float], low: float, high: float) -> Number:
    """A number that is a mean over seeds, with their standard deviation."""
    return Number(what, statistics.fmean(values), low, high, statistics.stdev(values))


def names() -> list[str]:
    """All studies."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))


def module(name: str) -> ModuleType:
    """The module of a study."""
    return importlib.import_module(f"{__name__}.{name}")


def table(title: str, numbers: Sequence[Number]) -> str:
    """The numbers with their windows, line by line."""
    width = max(len(number.what) for number in numbers)
    lines = [title, "", f"{'':{width}s}  {'value':>10s}  {'spread':>8s}  window"]
    for number in numbers:
        spread = "" if number.spread is None else f"{number.spread:.2g}"
        verdict = "" if number.holds else "  OUTSIDE"
        window = f"{number.low:.4g} to {number.high:.4g}"
        lines.append(f"{number.what:{width}s}  {number.value:10.4g}  {spread:>8s}  {window}{verdict}")
    return "\n".join(lines) + "\n"
