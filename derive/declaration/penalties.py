"""The penalties of a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from derive.declaration.bases import discontinuous
from derive.declaration.reader import Reader
from derive.spec import BasisSpec, Penalty, Slab


def read_penalties(
    reader: Reader, table: Mapping[str, Any],
    equation: Mapping[str, Any],
    slabs: tuple[Slab, ...],
    readout: BasisSpec | None,
) -> tuple[Penalty, ...]:
    """The penalties of a loss, field by field, in the norms that these have."""
    given = table.get("penalty", {})
    if not isinstance(given, Mapping):
        reader.fail("loss.penalty", f"{given!r}", '{ W = "1/10000" }', "a number alone", "name the field")
    fields = ("W", "b", *["V"] * equation["local"], *["R"] * (readout is not None))
    if "V" in given and "V" not in fields:
        reader.fail("loss.penalty.V", "a penalty on V, which this equation does not have", ", ".join(fields),
                    "local = true was left out", "write local = true in [equation], or remove it")  # fmt: skip
    reader.known(given, fields, "loss.penalty")
    found = []
    for field, value in given.items():
        norms = value if isinstance(value, Mapping) else {"L2": value}
        reader.known(norms, ("L2", "H1"), f"loss.penalty.{field}")
        for norm, number in norms.items():
            weight = reader.exact(number, f"loss.penalty.{field}")
            if weight < 0:
                reader.fail(
                    f"loss.penalty.{field}", f"{weight}", "a number that is not negative", "a sign", "drop the sign"
                )
            if norm == "H1":
                _check_smooth(reader, field, slabs, readout)
            found.append(Penalty(field, norm, weight))
    return tuple(found)


def _check_smooth(reader: Reader, field: str, slabs: tuple[Slab, ...], readout: BasisSpec | None) -> None:
    """H1 norms need continuous bases in every direction."""
    chosen: dict[str, dict[str, list[BasisSpec | None]]] = {
        "W": {
            "the widths of weight": [basis for s in slabs for basis in (s.weight_out, s.weight_in)],
            "weight.depth": [s.weight_depth for s in slabs],
        },
        "b": {"bias.width": [s.bias_width for s in slabs], "bias.depth": [s.bias_depth for s in slabs]},
        "R": {"readout.basis": [readout]},
    }
    chosen["V"] = chosen["b"]  # they share their bases
    for path, found in chosen[field].items():
        for basis in (part for whole in found if whole is not None for part in whole.axes or (whole,)):
            if discontinuous(basis):
                reader.fail(
                    f"loss.penalty.{field}",
                    f"an H1 norm of {field}, whose {path} is {basis.family} on {basis.cells} cells",
                    "continuous bases in every direction, or the L2 norm",
                    "a field that jumps has no H1 norm",
                    f"use hat, bspline or legendre for {path}",
                )
