"""Symmetries of the equation: shifts, reflections, maps of one's own, and the fields that they leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from derive.declaration.bases import left_alone
from derive.declaration.reader import LARGEST, Reader
from derive.errors import DerivationError, advice
from derive.spec import WIDTH, BasisSpec, Piece, Slab, SymmetrySpec
from derive.spec.operator import Operator


def read_symmetries(reader: Reader, table: Mapping[str, Any], periodic: bool) -> tuple[SymmetrySpec, ...]:
    """The symmetries of [equation], one or a list of them."""
    given = table.get("symmetry", [])
    listed = given if isinstance(given, list | tuple) else [given]
    return tuple(read_symmetry(reader, one, periodic) for one in listed)


def read_symmetry(reader: Reader, given: Any, periodic: bool) -> SymmetrySpec:
    """One symmetry; maps that are shifts or the reflection are told by these names."""
    path, keys = "equation.symmetry", set(given) if isinstance(given, Mapping) else set()
    if given not in ("translation", "reflection") and keys != {"shift"} and "map" not in keys:
        reader.fail(path, f"{given!r}",
                    '"translation", "reflection", { shift = "1/4" }, { map = "-xi" }, or a list of them',
                    *advice(given, ("translation", "reflection"), fix='write symmetry = "translation"'))  # fmt: skip
    if "map" in keys:
        found = _map(reader, given, path)
        shift = SymmetrySpec("shift", found.own[0].offset)
        return next((k for k in (SymmetrySpec("reflection"), *[shift] * periodic) if k.pieces == found.own), found)
    if given != "reflection" and not periodic:
        reader.fail(path, f"{given!r} on an interval with ends", "periodic = true for shifts",
                    "the key periodic was left out", "write periodic = true in [equation]")  # fmt: skip
    if keys:
        return _few_cells(reader, SymmetrySpec("shift", reader.exact(given["shift"], f"{path}.shift")), path)
    return SymmetrySpec(given)


def _map(reader: Reader, given: Mapping[str, Any], path: str) -> SymmetrySpec:
    """{ map = [expressions in xi], breakpoints = […] }: ξ or −ξ and a number on every piece, which fill [−1, 1]."""
    from derive.spaces import symmetry

    reader.known(given, ("map", "breakpoints"), path)
    cuts = reader.points(given["breakpoints"], f"{path}.breakpoints") if "breakpoints" in given else WIDTH
    listed = isinstance(given["map"], list | tuple)
    texts = reader.functions(given["map"] if listed else [given["map"]], path, "map", {"xi"})
    if len(texts) != len(cuts) - 1 or cuts != tuple(sorted({*cuts, *WIDTH})) or (cuts[0], cuts[-1]) != WIDTH:
        reader.fail(path, f"{len(texts)} pieces, breakpoints {', '.join(map(str, cuts))}",
                    "one expression between every two breakpoints, which increase from -1 to 1",
                    "a breakpoint left out, or the ends",
                    'write map = ["xi + 1", "xi - 1"], breakpoints = ["-1", "0", "1"]')  # fmt: skip
    pieces: list[Piece] = []
    for text, a, b in zip(texts, cuts, cuts[1:]):
        piece = symmetry.piece(text, a, b)
        if piece is None:
            reader.fail(path, f"{text} on [{a}, {b}]", "xi or -xi plus an exact number: a map that keeps all lengths",
                        "a slope other than 1 and -1 changes the measure, and (6) holds for integrals over it",
                        'write "xi + 1/2" or "1/2 - xi", piece by piece')  # fmt: skip
        last = pieces[-1] if pieces else None
        if last and (last.sign, last.offset) == (piece.sign, piece.offset):
            pieces[-1] = replace(last, stop=b)
        else:
            pieces.append(piece)
    images = sorted(piece.image for piece in pieces)
    if [a for a, _ in images] + [WIDTH[1]] != [WIDTH[0]] + [b for _, b in images]:
        reader.fail(path, f"pieces that land on {', '.join(f'[{a}, {b}]' for a, b in images)}",
                    "pieces that fill [-1, 1], every part once", "no bijection: a number that moves a piece too far",
                    "change it so that the images lie side by side")  # fmt: skip
    return _few_cells(reader, SymmetrySpec("map", own=tuple(pieces)), path)


def _few_cells(reader: Reader, found: SymmetrySpec, path: str) -> SymmetrySpec:
    if found.cells > LARGEST["cells"]:
        reader.fail(path, f"{found}, which permutes {found.cells} equal cells", f"at most {LARGEST['cells']} cells",
                    "a number with an extra digit", 'use simpler fractions, or "translation"')  # fmt: skip
    return found


def invariant_slabs(
    reader: Reader, symmetries: tuple[SymmetrySpec, ...], entry: BasisSpec, slabs: tuple[Slab, ...], kind: Operator
) -> tuple[Slab, ...]:
    """The slabs with bias bases that the symmetries leave alone; the others must be closed under them."""
    if not symmetries:
        return slabs
    from derive.spaces import symmetry
    from derive.spaces.basis import build

    if kind.refused is not None:
        reader.fail("equation.symmetry", f"{kind.refused}, with equation.reach",
                    "a reflection, or shifts, of κ(ξ − ξ′)",
                    "a map that moves parts apart changes their distance ξ − ξ′",
                    "remove reach and declare width_out and width_in, or remove the map")  # fmt: skip
    try:
        for declared in (entry, *(slab.state for slab in slabs)):
            for axis in range(kind.dimension):
                symmetry.check_closed(symmetries, build(declared.along(axis)), "state.basis")
        found = tuple(replace(s, bias_width=left_alone(symmetries, s.bias_width, "bias.width")) for s in slabs)
        if not kind.kept:
            return found
        path = f"weight.{kind.keys[-1]}"
        return tuple(replace(s, weight_in=left_alone(kind.kept, s.weight_in, path, kind.inner)) for s in found)
    except DerivationError as error:
        reader.fail(error.where, error.given, error.allowed, error.cause, error.fix)
