"""The sizes of a declared basis, from any of size, cells, degree and breakpoints that determine them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from derive.exact.series import Interval
from derive.spec import uniform


def resolve_elements(given: Mapping[str, Any], interval: Interval, shared: int, lowest: int) -> dict[str, Any]:
    """Size, cells and degree of cells that hold degree + 1 functions each, ``shared`` of them with the next cell.

    One cell unless cells or breakpoints say otherwise; the degree, ``lowest`` at least, follows from the size if one is
    given, and is 2 where nothing tells it.
    """
    cells = {"cells": given.get("cells"), "breakpoints": given.get("breakpoints")}
    if cells == {"cells": None, "breakpoints": None}:
        cells["cells"] = 1
    found = resolve_cells(cells, interval, 0)
    degree = given.get("degree")
    if degree is None and given.get("size") is None and cells != {"cells": 1, "breakpoints": None}:
        degree = 2
    if degree is None:
        size = count(given, "size")
        degree, rest = divmod(size - shared, found["cells"])
        degree -= 1 - shared
        if rest or degree < lowest:
            example = found["cells"] * (max(degree, lowest) + 1 - shared) + shared
            raise ValueError(f"size = {size} over {found['cells']} cells; {example} would do")
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < lowest:
        raise ValueError(f"degree = {degree!r}: a whole number from {lowest} is needed")
    size = found["cells"] * (degree + 1 - shared) + shared
    if count(given, "size", default=size) != size:
        raise ValueError(f"size = {given['size']}, but {found['cells']} cells of degree {degree} have {size} functions")
    return {**found, "size": size, "degree": degree}


def resolve_cells(given: Mapping[str, Any], interval: Interval, extra: int) -> dict[str, Any]:
    """Size, cells and breakpoints of a piecewise basis with size = cells + extra, from any of them that determine it.

    Breakpoints that cut equal cells are dropped, so that equal bases have equal declarations.
    """
    counts = {}
    if given.get("cells") is not None:
        counts["cells"] = count(given, "cells")
    if given.get("size") is not None:
        counts["size"] = count(given, "size") - extra
    breakpoints = given.get("breakpoints")
    if breakpoints is not None:
        breakpoints = check_breakpoints(breakpoints, interval)
        counts["breakpoints"] = len(breakpoints) - 1
    if not counts:
        raise ValueError("the number of cells is missing: give size, cells or breakpoints")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{key} mean {value} cells" for key, value in counts.items())
        raise ValueError(f"{listed}; size must be cells + {extra}" if extra else f"{listed}; they must agree")
    cells = next(iter(counts.values()))
    if cells < 1:
        raise ValueError(f"size = {cells + extra}: at least {extra + 1} functions are needed for one cell")
    if breakpoints == uniform(interval, cells):
        breakpoints = None
    return {"size": cells + extra, "cells": cells, "degree": None, "breakpoints": breakpoints, "functions": ()}


def check_breakpoints(breakpoints: Iterable[Fraction], interval: Interval) -> tuple[Fraction, ...]:
    """The breakpoints as a tuple, if they increase from one end of the interval to the other."""
    found = tuple(Fraction(b) for b in breakpoints)
    if len(found) < 2 or found[0] != interval[0] or found[-1] != interval[1]:
        raise ValueError(f"breakpoints must start at {interval[0]} and end at {interval[1]}")
    for left, right in zip(found, found[1:]):
        if left >= right:
            raise ValueError(f"breakpoints must increase: {right} follows {left}")
    return found


def count(given: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A positive whole number from a declaration; ``ValueError`` where it is missing and has no default."""
    if given.get(key) is None:
        if default is None:
            raise ValueError(f"{key} is missing")
        return default
    value = given[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} = {value!r}: a positive whole number is needed")
    return value
