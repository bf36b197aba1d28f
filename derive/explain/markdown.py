"""Parts of Markdown: formulas, tables, steps of a derivation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from derive import adjoint
from derive.equation import Step
from derive.explain.notation import SUBSCRIPTS, formula

Typeset = Callable[[Any], list[str]]


def shown(*formulas: str) -> list[str]:
    """Formulas as an indented block, which Markdown leaves alone."""
    return [*(f"    {f}" for f in formulas), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table with a head."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |" for line in lines] + [""]


def unicode(expression: Any) -> list[str]:
    """A formula in a block of its own."""
    return shown(formula(expression))


def steps_of(steps: Iterable[Step], typeset: Typeset) -> Iterator[str]:
    """Steps with their prose and their formulas."""
    for step in steps:
        yield from (f"**{step.title}.** {step.prose}", "")
        yield from typeset(adjoint.abbreviated(step.formula))


def index(k: int) -> str:
    """A number as a subscript."""
    return str(k).translate(SUBSCRIPTS)


def index_of(name: str) -> str:
    """u₁ for u1."""
    return name.translate(SUBSCRIPTS) if name[-1].isdigit() else name
