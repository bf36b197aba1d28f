"""A spec's levels and what lies between them: which representations belong together. Needs no SymPy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace

from derive.errors import SpecError
from derive.spaces.basis import WIDTH, Interval
from derive.spec import BasisSpec, Slab, Spec, digest, of_axis, step_lengths

FORMAT = 6  # of the manifest, tables.npz and the arrays that kernels are given; raised when one of them changes


def parts(name: str) -> tuple[str, str, str]:
    """The entries of tables.npz that hold a table of mostly zeros: its shape, places in it and their values."""
    return f"{name}/shape", f"{name}/places", f"{name}/values"


def representations(spec: Spec) -> dict[str, Spec]:
    """The base and its levels, and for each pair that differs in fields *and* solver the mixed one between them."""
    named = {"base": replace(spec, levels=()), **dict(spec.levels)}
    found = dict(named)
    known = {digest(s) for s in found.values()}
    for first, source in named.items():
        for second, target in named.items():
            mixed = between(source, target)
            if mixed is not None and digest(mixed) not in known:
                known.add(digest(mixed))
                found[f"{first}+{second}"] = mixed
    return found


def between(source: Spec, target: Spec) -> Spec | None:
    """The target's fields on the source's solver: what separates the fields part of a change from the solver part.

    None when the two cannot be combined: depth elements of the target that would move the source's steps.
    """
    if len(source.slabs) != len(target.slabs):
        return None
    slabs = tuple(
        replace(t, state=s.state, quadrature=s.quadrature, rule=s.rule or _rule(s, t))
        for s, t in zip(source.slabs, target.slabs)
    )
    solver = {"entry": source.entry, "tableau": source.tableau, "steps": source.steps, "tolerance": source.tolerance}
    mixed = replace(target, slabs=slabs, levels=(), **solver)  # type: ignore[arg-type]
    try:
        same = step_lengths(mixed) == step_lengths(source)
    except SpecError:  # the steps do not divide the target's elements
        return None
    return mixed if same else None


def _rule(source: Slab, target: Slab) -> tuple[BasisSpec, ...] | None:
    own = (source.weight_out, source.bias_width)
    return None if own == (target.weight_out, target.bias_width) else own


def basis_key(basis: BasisSpec, interval: Interval) -> str:
    """Twelve digits that name a basis on an interval; transfers are filed under pairs of them."""
    content = json.dumps([repr(basis), str(interval[0]), str(interval[1])])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def pair_key(slab: Slab, spec: Spec) -> str:
    """Twelve digits that name the functions of both widths that the symmetries leave of W; of a slab of one axis."""
    content = json.dumps([repr(slab.weight_out), repr(slab.weight_in), *map(str, spec.symmetries)])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def pairs(spec: Spec) -> Iterator[tuple[str, Slab]]:
    """(role and slab, slab along one axis) of every W whose two widths are one direction."""
    if "weight_pair" in spec.weight_axes:
        for k, slab in enumerate(spec.slabs):
            for axis, role in enumerate(spec.weight_axes):
                yield f"{role}/{k}", slab.along(axis)


def directions(spec: Spec) -> Iterator[tuple[str, BasisSpec, Interval]]:
    """Every basis of a spec that a transfer may start from or end in: (role and slab, basis, interval)."""
    for role, basis in (("lift", spec.lift_width), ("readout", spec.readout or spec.readout_width)):
        if basis is not None:
            yield from ((f"{of_axis(role, axis)}/0", basis.along(axis), WIDTH) for axis in range(spec.dimension))
    for k, slab in enumerate(spec.slabs):
        for axis in range(spec.dimension):
            for role, interval in (("weight_out", WIDTH), ("bias_width", WIDTH), ("weight_in", spec.inner_width)):
                yield f"{of_axis(role, axis)}/{k}", getattr(slab, role).along(axis), interval
        for role in ("weight_depth", "bias_depth"):
            yield f"{role}/{k}", getattr(slab, role), (slab.start, slab.stop)
