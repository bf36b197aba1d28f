"""[state], [weight] and [bias]: the bases of every slab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from derive.declaration.bases import read_basis, read_product
from derive.declaration.keys import TABLES
from derive.declaration.reader import Reader
from derive.spec import CONSTANT, WIDTH, BasisSpec, Slab, product
from derive.spec.basis import Interval
from derive.spec.operator import Operator


def read_slabs(
    reader: Reader, data: Mapping[str, Any], periodic: Sequence[bool], kind: Operator
) -> tuple[BasisSpec, tuple[Slab, ...]]:
    """The basis of the state that records are projected into, and the slabs. kind: what W is."""
    state, weight, bias = (reader.table(data, key) for key in ("state", "weight", "bias"))
    keys = (*kind.keys, "depth")
    for key in weight:
        if key not in keys:
            has, change = kind.otherwise
            reader.fail(
                f"weight.{key}", f"{key} {has}",
                f"weight.{', weight.'.join(keys)}", "W(ξ, ξ′) has two widths, κ(ξ − ξ′) with a reach has a kernel",
                f"remove weight.{key}, or {change}",
            )  # fmt: skip
    given = {f"weight.{k}": reader.need(weight, k, "weight") for k in keys}
    given |= {f"bias.{k}": reader.need(bias, k, "bias") for k in TABLES["bias"]}
    states = reader.need(state, "basis", "state")
    lengths = {path: len(v) for path, v in given.items() if isinstance(v, list | tuple)}
    if isinstance(states, list | tuple):
        lengths["state.basis, less the input's,"] = len(states) - 1
    counts = set(lengths.values()) or {1}
    if len(counts) > 1 or not 1 <= min(counts) <= 1000:
        reader.fail(
            "",
            "lists of bases of different lengths: " + ", ".join(f"{p} {n}" for p, n in lengths.items()),
            "lists with one basis a slab; state.basis has one more, the input's",
            "a slab left out",
            "give every list the same slabs, or one basis for all",
        )
    count = min(counts)

    def one(path: str, value: Any, k: int, interval: Interval) -> BasisSpec:
        listed = isinstance(value, list | tuple)
        chosen, place = (value[k], f"{path}[{k}]") if listed else (value, path)
        if path.endswith("depth"):
            return read_basis(reader, chosen, place, interval, False)
        return read_product(reader, chosen, place, interval, periodic)

    quadrature = reader.integer(state, "quadrature", "state", 1)
    intervals = {f"weight.{kind.keys[-1]}": kind.inner}
    found = []
    for k in range(count):
        depth = (Fraction(k, count), Fraction(k + 1, count))
        places = {path: depth if path.endswith("depth") else intervals.get(path, WIDTH) for path in given}
        parts = {path: one(path, v, k, places[path]) for path, v in given.items()}
        widths = {role: parts[f"weight.{key}"] for role, key in zip(kind.roles, kind.keys)}
        found.append(
            Slab(
                *depth,
                one("state.basis", states, k + 1, WIDTH),
                widths.get("weight_out", product([CONSTANT] * kind.dimension)),
                widths["weight_in"],
                parts["weight.depth"],
                parts["bias.width"],
                parts["bias.depth"],
                quadrature,
            )
        )
    return one("state.basis", states, 0, WIDTH), tuple(found)
