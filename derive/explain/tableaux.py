"""A tableau for people: its entries, its order conditions, its stability."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from derive import registry, tableau
from derive.declaration import Reader, read_tableau
from derive.explain.notation import number, quotient
from derive.spec import TableauSpec


def named_tableau(name: str) -> TableauSpec:
    """A tableau of the registry, exact."""
    return read_tableau(Reader("the registry"), {"tableau": name})


def _written(value: Any) -> str:
    """A fraction, or where that is long its decimals."""
    return number(value) if len(str(value)) <= 14 else f"{float(value):.10g}…".replace("-", "−")


def tableau_text(name: str) -> str:
    """A tableau with its order conditions up to one order more than it has, and its stability, as text."""
    found = named_tableau(name)
    stages = len(found.b)
    width = max(len(_written(v)) for row in (*found.a, found.b, found.c) for v in row) + 2
    lines = [f"{name}: {registry.entry('tableaux', name).SUMMARY}", ""]
    for c, row in zip(found.c, found.a):
        lines.append(f"{_written(c):>{width}} │" + "".join(f"{_written(v):>{width}}" for v in row))
    lines.append(" " * width + " ┼" + "─" * (width * stages))
    lines += [" " * width + " │" + "".join(f"{_written(v):>{width}}" for v in found.b), ""]
    reached = tableau.order(found.a, found.b)
    lines.append(f"Order {reached}. Its conditions, with those of the next order:")
    for condition in tableau.conditions(min(reached + 1, tableau.HIGHEST_ORDER)):
        left = condition.left(found.a, found.b)
        mark = "" if left == condition.right else f", not {condition.right}"
        lines.append(f"  {condition.name} = {_written(left)}{mark}")
    lines += [
        "",
        f"Stability function R(z) = {quotient(tableau.stability_function(found), _written)}",
        _interval(found),
    ]
    return "\n".join(lines) + "\n"


def _interval(found: TableauSpec) -> str:
    """The longest step that keeps |R| ≤ 1 on the negative axis, to a thousandth."""
    if not found.explicit and tableau.stable(found, Fraction(-1), Fraction(10**9)):
        return "|R(−s/Δ)| ≤ 1 for steps of any length"
    k, stride = 0, 64
    while stride:  # first in strides, then the last of them in halves
        if k < 20_000 and tableau.stable(found, Fraction(-1), Fraction(k + stride, 1000)):
            k += stride
        else:
            stride //= 2
    return f"|R(−s/Δ)| ≤ 1 for s ≤ {k / 1000:g} Δ: the longest steps of the rate mlp"
