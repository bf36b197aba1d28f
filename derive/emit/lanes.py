"""How the threads of a block share loops: rows by threadIdx.y, records by threadIdx.x."""

from __future__ import annotations

from collections.abc import Callable

from derive.emit.scalar import Lines, indent

SYNC = "cuda.syncthreads()"
RECORDS = "for r in range(column, count, columns):"
BY_ROWS = "row, {}, rows"  # how threads share rows


def by_rows(body: Lines, high: str = "state", low: str = "row") -> Lines:
    return [f"for a in range({low}, {high}, rows):", f"    {RECORDS}", *indent(body, 2)]


def by_all(name: str, count: str, body: Lines) -> Lines:
    """The body for every index, shared by all threads of a block."""
    return [f"for {name} in range(row*columns + column, {count}, rows*columns):", *indent(body)]


def in_register(target: str, loop: str, term: str, sign: str = "", start: str = "constants[0]") -> Lines:
    """target = start + Σ term over a loop, in a register."""
    return [f"total = {start}", loop, f"    total += {term}", f"{target} {sign}= total"]


def channel_loops(
    structure: str, table: str, transposed: bool, out: Callable[[str], str], operand: Callable[[str], str],
    other: str | None, accumulate: bool, lanes: str, channels: str,
) -> Lines:  # fmt: skip
    """out = T operand (Tᵀ when transposed) channel by channel; out, operand: row → element.

    other: the loop over the second index, if there is one. lanes: how the threads share the rows. channels: how many.
    """
    rows, columns = (f"{table}.shape[{k}]" for k in ((1, 0) if transposed else (0, 1)))
    row, given = (f"{index}*{channels} + c" if channels else index for index in ("a", "b"))
    sign = "+" * accumulate
    if structure == "diagonal":
        body = [f"{out(row)} {sign}= {table}[a, a]*{operand(row)}"]
    else:
        reach = f"{table}_columns" if transposed else f"{table}_runs"
        inner = f"{reach}[a, 0], {reach}[a, 1]" if structure == "banded" else columns
        term = f"{table}[b, a]*{operand(given)}" if transposed else f"{table}[a, b]*{operand(given)}"
        body = in_register(out(row), f"for b in range({inner}):", term, sign)
    body = [other, *indent(body)] if other else body
    loops = [f"for a in range({lanes.format(rows)}):", *indent(body)]
    return [f"for c in range({channels}):", *indent(loops)] if channels else loops
