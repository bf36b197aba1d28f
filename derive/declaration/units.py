"""What [input] and [readout] say of units: the domain of the points, their names, scales, and missing samples."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from derive.declaration.reader import Reader
from derive.spec import comparison
from derive.spec.units import MISSING, SCALES, UnitsSpec

LONGEST = 24  # letters of a unit's name


def read_units(reader: Reader, data: Mapping[str, Any], dimension: int, loss: str, interpolant: str) -> UnitsSpec:
    """The units of a declaration with so many axes."""
    table, readout = reader.table(data, "input", {}), reader.table(data, "readout", {})
    found = UnitsSpec(
        domain=_domain(reader, table, dimension) if "domain" in table else None,
        names=_names(reader, table, dimension),
        scale=reader.choice(table.get("scale", "none"), SCALES, "input.scale"),
        outputs=reader.choice(readout.get("scale", "none"), SCALES, "readout.scale"),
        missing=reader.choice(table.get("missing", "refused"), MISSING, "input.missing"),
    )
    if found.outputs != "none" and comparison(loss).scores:
        reader.fail("readout.scale", f"a scale of targets for {loss}", "a scale for a loss of numbers or functions",
                    "classes and probabilities have no units", "leave readout.scale out")  # fmt: skip
    if found.missing != "refused" and (dimension > 1 or interpolant != "linear"):
        reader.fail("input.missing", f"missing samples of {interpolant} records on {dimension} axes",
                    'linear records on an interval', "a grid or a cell without its value has no interpolant",
                    "fill the values in, and leave input.missing out")  # fmt: skip
    return found


def _domain(reader: Reader, table: Mapping[str, Any], dimension: int) -> tuple[tuple[Fraction, Fraction], ...]:
    """A pair of ends an axis; of an interval the pair alone."""
    value, path = table["domain"], "input.domain"
    pairs = [value] if dimension == 1 else value
    shape = '["0", "10"]' if dimension == 1 else f'{dimension} pairs, [["0", "10"], …]'
    allowed = f"where the domain begins and ends, in the units of the points: {shape}"
    if not isinstance(pairs, list | tuple) or len(pairs) != dimension:
        reader.fail(path, f"{value!r}", allowed, "one axis too many or too few", "give every axis a pair")
    found = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            reader.fail(path, f"{pair!r}", allowed, "a length in place of both ends", "give both ends")
        start, stop = (reader.exact(end, path) for end in pair)
        if start >= stop:
            reader.fail(path, f"a domain from {start} to {stop}", allowed, "its ends exchanged",
                        f'write ["{stop}", "{start}"]' if start > stop else "give it a length")  # fmt: skip
        found.append((start, stop))
    return tuple(found)


def _names(reader: Reader, table: Mapping[str, Any], dimension: int) -> tuple[str, ...]:
    """What the units of the points are called, along every axis."""
    if "unit" not in table:
        return ()
    value = table["unit"]
    names = [value] * dimension if isinstance(value, str) else value
    good = isinstance(names, list | tuple) and len(names) == dimension and all(isinstance(n, str) for n in names)
    if not good or not all(n.isprintable() and n.strip() and len(n) <= LONGEST for n in names):
        several = f", or {dimension} of them" if dimension > 1 else ""
        reader.fail("input.unit", f"{value!r}", f'a name such as "s"{several}, at most {LONGEST} letters',
                    "a number, or an axis left out", 'write unit = "s"')  # fmt: skip
    return tuple(names)
