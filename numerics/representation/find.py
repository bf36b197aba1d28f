"""The one door to ``derive``: finds the representation of a spec among generated modules, or derives it.

What else needs the derivation at run time is asked here: transfers between bases, new bases, warnings.
"""

from __future__ import annotations

import contextlib
import copyreg
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import RepresentationError
from derive.spec import WIDTH, BasisSpec, Spec, digest
from derive.spec.levels import between as between
from numerics import checks, progress
from numerics.functions.basis import Basis
from numerics.representation import folders
from numerics.representation.tables import Arrays, Representation, assemble, check_tables, stored


def representation(spec: Spec, base: Spec | None = None) -> Representation:
    """The representation of a spec; derived, with one line saying so, if no generated module has it.

    base: the spec whose levels the spec is one of; deriving writes the whole ladder at once.
    """
    return _representation(replace(spec, levels=()), base or spec)


@lru_cache(maxsize=64)
def _representation(spec: Spec, base: Spec) -> Representation:
    own = digest(spec)
    found = folders.entry_of(own)
    if found is None:
        found = _derive(own, base if own in _digests(base) else spec)
    folder, entry = found
    entry = dict(entry)
    names = entry.pop("tables")
    contents = stored(folder, sorted(set(names.values())))
    return assemble(spec, entry, {role: contents[name] for role, name in names.items()})


def restored(spec: Spec, entry: dict[str, Any], arrays: Arrays, base: Spec | None = None) -> Representation:
    """The representation that a model file holds, with the tables there.

    Where another version's derivation printed kernels that this one does not, the spec is derived anew: the spec is
    what a representation is, and fields are coefficients in the bases that it declares. A warning says so.
    """
    if not _printed_here(entry):
        own = representation(spec, base)
        if not _printed_here(entry):
            checks.warn(
                f"the model of {spec.name} was written by a version with other kernels; this version's take their "
                "place, whose results may differ in the last digits. Save the model again to keep these"
            )
            return own
    found = assemble(spec, entry, arrays)
    check_tables(found.digest, arrays)
    return found


def _reduced(found: Representation) -> tuple[Any, ...]:
    """Pickles and copies hold the tables, as model files do; kernels are found where they are used."""
    return restored, (found.spec, found.entry, found.arrays)


copyreg.pickle(Representation, _reduced)


def _printed_here(entry: dict[str, Any]) -> bool:
    """Whether generated modules hold the kernels of a manifest's entry. Raises ValueError for marks that are none."""
    marks = {("signature", slab["signature"]) for slab in entry["slabs"]} | {("loss", entry["loss"])}
    wrong = [mark for _, mark in marks if not (isinstance(mark, str) and folders.MARK.fullmatch(mark))]
    if wrong:
        raise ValueError(f"kernels called {wrong[0]!r}")
    return all(folders.find_module(mark, kind) is not None for kind, mark in marks)


def run_time_basis(basis: Any) -> Basis:
    """The run-time form of a basis of the derivation that needs no printed function."""
    from derive.spaces import run_time

    return Basis.from_arrays(run_time.arrays(basis))


def transfer(source: str, target: str, base: Spec) -> np.ndarray:
    """P of (13) between two bases of a spec's ladder, by the names that the manifest gives them."""
    folder, name = _transfer(source, target, base)
    return stored(folder, [name])[name]


def nested(source: str, target: str, base: Spec) -> bool:
    """Whether the derivation has shown that the target's space contains the source's: P is then a prolongation."""
    folder, name = _transfer(source, target, base)
    return bool(folders.manifest(folder)["tables"][name].get("nested", False))


def _transfer(source: str, target: str, base: Spec) -> tuple[Path, str]:
    """Where it is; derived where all levels are known, but from other ladders, which lie between other levels."""
    name = f"transfer/{source}/{target}"
    for attempt in range(2):
        for folder in folders.readable():
            if name in folders.manifest(folder)["tables"]:
                return folder, name
        if attempt == 0:
            _derive(digest(replace(base, levels=())), base)
    raise RepresentationError(
        f"no projection between the bases {source} and {target}",
        "levels of one spec, generated together",
        "the modules were generated before the level was declared",
        "run `continua generate` on the spec",
    )


def combination(basis: BasisSpec, rows: np.ndarray) -> BasisSpec:
    """The declaration of the functions Σ_j rows_ij g_j of a width basis g; rows (r, size) are taken as they are."""
    from derive import registry

    exact = tuple(tuple(Fraction(repr(float(v))) for v in row) for row in rows)
    family = registry.entry("bases", "combination")
    return BasisSpec("combination", **family.resolve({"of": basis, "rows": exact}, WIDTH))


def ways(basis: BasisSpec) -> tuple[str, ...]:
    """Out of "cells", "degree" and "size" what may grow of a width basis along an axis, so that its space grows."""
    from derive.spaces import richer as richers

    return richers.ways(basis)


def richer(basis: BasisSpec, way: str, cuts: Sequence[Fraction] | None = None) -> BasisSpec:
    """A width basis whose space contains a given one's; see ``derive.spaces.richer``."""
    from derive.spaces import richer as richers

    return richers.richer(basis, way, cuts)


def layer(spec: Spec, length: Fraction) -> tuple[str, str] | None:
    """The kind and the activation of the discrete layer that one Euler step is; None where it is none."""
    from derive import equation

    return equation.layer(spec, length)


def warn(found: Representation) -> None:
    """Warn of what the declaration's stages do not see (section 4); why needs the derivation."""
    from derive.spaces import stages

    if stages.blind(found.spec, iter(slab.tables for slab in found.slabs)):
        with contextlib.suppress(ImportError):  # without SymPy the model works, and nothing says why it is warned of
            for unseen in stages.check(found.spec):
                checks.warn(unseen)


def _digests(base: Spec) -> set[str]:
    return {digest(replace(base, levels=())), *(digest(s) for _, s in base.levels)}


def _derive(wanted: str, spec: Spec) -> tuple[Path, dict[str, Any]]:
    """Derive a spec with its levels and keep what runs it in the user's cache; nobody reads the derivation there."""
    with progress.taking(f"deriving {spec.name!r}"):
        try:
            from derive.derived import derive
            from derive.modules import modules
        except ImportError as error:
            raise RepresentationError(
                f"no kernels for {spec.name} on this machine, and {error}",
                "generated modules, or SymPy and python-flint",
                "the model comes from another machine, or the package was updated since",
                "install sympy and python-flint, or copy the folder that `continua generate` writes, "
                "./continua_generated",
            ) from error
        folders.keep(spec.name, modules(spec, derive(spec)))
    found = folders.entry_of(wanted)
    if found is None:
        raise RepresentationError(
            f"a derivation of {spec.name} without the representation {wanted[:12]}",
            "a spec whose levels name only what differs",
            "the spec changed while it was derived",
            "run the command again",
        )
    return found
