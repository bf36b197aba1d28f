"""Bases, of an interval and of a whole domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from derive import registry
from derive.declaration.reader import LARGEST, Reader
from derive.errors import DerivationError
from derive.spec import WIDTH, BasisSpec, SymmetrySpec, product
from derive.spec.basis import Interval

LARGEST_PRODUCT = 4096  # functions on a square or a cube


def read_basis(reader: Reader, value: Any, path: str, interval: Interval, periodic: bool) -> BasisSpec:
    """A basis on an interval, completed by its family. path: its key, for messages."""
    if not isinstance(value, Mapping):
        reader.fail(
            path, f"{value!r}", '{ family = "legendre", size = 20 }', "a family's name alone", "write a table"
        )
    family = reader.choice(reader.need(value, "family", path), registry.names("bases"), f"{path}.family")
    entry = registry.entry("bases", family)
    reader.known(value, ("family", *entry.PARAMETERS), path)
    given: dict[str, Any] = {}
    for key in ("size", "cells", "degree"):
        if key in value:
            given[key] = reader.integer(value, key, path, 0 if key == "degree" else 1)
    if "breakpoints" in value:
        given["breakpoints"] = reader.points(value["breakpoints"], f"{path}.breakpoints")
    if "of" in value:
        given["of"] = read_basis(reader, value["of"], f"{path}.of", interval, periodic)
    if "rows" in value:
        rows = value["rows"]
        if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) for row in rows):
            reader.fail(f"{path}.rows", f"{rows!r}", 'lists such as [["1", "1/2"]]', "one list", "use [[ ]]")
        given["rows"] = tuple(tuple(reader.exact(v, f"{path}.rows") for v in row) for row in rows)
    if "functions" in value:
        given["functions"] = reader.functions(value["functions"], path, "functions", {"xi", "delta"})
    try:
        resolved = BasisSpec(family, **entry.resolve(given, interval))
    except ValueError as error:
        reader.fail(
            path, str(dict(value)), f"a {family} basis: {entry.SUMMARY}", str(error), "change these numbers"
        )
    if resolved.size > LARGEST["size"]:
        reader.fail(path, f"{resolved.size} functions", f"at most {LARGEST['size']}", "an extra digit", "use fewer")
    if family == "fourier" and path.startswith("weight.kernel"):
        reader.fail(path, "a Fourier basis for κ on [−reach, reach]", "hat, bspline, legendre, p0, …",
                    "κ is not periodic there",
                    'use another family, or symmetry = "translation" instead of reach')  # fmt: skip
    if family == "fourier" and interval == WIDTH and not periodic:
        reader.fail(
            path,
            "a Fourier basis on a domain that is not periodic",
            "equation.periodic = true",
            "on an interval its coefficients fall only like 1/k",
            "declare periodic = true, or use legendre",
        )
    return resolved


def read_product(
    reader: Reader, value: Any, path: str, interval: Interval, periodic: Sequence[bool]
) -> BasisSpec:
    """A basis of the whole domain: one for every axis, { axes = [ … ] }, or the same along all of them.

    periodic: whether the domain is, along every axis.
    """
    dimension = len(periodic)
    if not isinstance(value, Mapping) or "axes" not in value:
        axes = [read_basis(reader, value, path, interval, closed) for closed in periodic]
    else:
        reader.known(value, ("axes",), path)
        given = value["axes"]
        if not isinstance(given, list | tuple) or len(given) != dimension:
            reader.fail(
                f"{path}.axes", f"{given!r}", f"a list of {dimension} bases, one an axis of the domain",
                "another equation.dimension", "write a basis for every axis, or one for all of them",
            )  # fmt: skip
        axes = [
            read_basis(reader, one, f"{path}.axes[{k}]", interval, closed)
            for k, (one, closed) in enumerate(zip(given, periodic))
        ]
    found = product(axes)
    if found.size > LARGEST_PRODUCT:
        reader.fail(path, f"{found.size} functions", f"at most {LARGEST_PRODUCT}", "sizes of one axis", "use fewer")
    return found


def read_width(
    reader: Reader, table: Mapping[str, Any], key: str, equation: Mapping[str, Any]
) -> BasisSpec | None:
    """The basis of a lift or readout along ξ: what the symmetries leave of it."""
    if "width" not in table:
        return None
    path = f"{key}.width"
    found = read_product(reader, table["width"], path, WIDTH, equation["periodic"])
    if not equation["symmetries"]:
        return found
    try:
        return left_alone(equation["symmetries"], found, path)
    except DerivationError as error:
        reader.fail(path, error.given, error.allowed, error.cause, error.fix)


def left_alone(
    symmetries: Sequence[SymmetrySpec], declared: BasisSpec, role: str, interval: Any = WIDTH
) -> BasisSpec:
    """The functions of a basis that symmetries along every axis leave alone."""
    from derive.spaces import symmetry

    parts = declared.axes or (declared,)
    return product([symmetry.invariant_basis(symmetries, part, role, interval) for part in parts])


def discontinuous(basis: BasisSpec) -> bool:
    """Whether a basis is known, without building it, to be discontinuous."""
    if basis.of is not None:
        return discontinuous(basis.of)
    return (basis.cells or 1) > 1 and getattr(registry.entry("bases", basis.family), "JUMPS", False)
