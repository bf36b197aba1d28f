"""The names under which the tables of a representation are stored: what writes them and what reads them agree here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from derive.spec.basis import WIDTH, BasisSpec, Interval, of_axis
from derive.spec.model import Spec
from derive.spec.slab import Slab

FORMAT = 9  # of the manifest, tables.npz and the arrays that kernels are given; raised when one of them changes


def parts(name: str) -> tuple[str, str, str]:
    """The entries of tables.npz that hold a table of mostly zeros: its shape, places in it and their values."""
    return f"{name}/shape", f"{name}/places", f"{name}/values"


def basis_key(basis: BasisSpec, interval: Interval) -> str:
    """Twelve digits that name a basis on an interval; transfers are filed under pairs of them."""
    content = json.dumps([repr(basis), str(interval[0]), str(interval[1])])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def pair_key(slab: Slab, spec: Spec) -> str:
    """Twelve digits that name the functions of both widths that are left of W; of a slab of one axis."""
    content = json.dumps([repr(slab.weight_out), repr(slab.weight_in), *spec.operator.left_by])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def pairs(spec: Spec) -> Iterator[tuple[str, Slab]]:
    """(role and slab, slab along one axis) of every W whose two widths are one direction."""
    if spec.operator.paired:
        for k, slab in enumerate(spec.slabs):
            for axis, role in enumerate(spec.operator.axes):
                yield f"{role}/{k}", slab.along(axis)


def directions(spec: Spec) -> Iterator[tuple[str, BasisSpec, Interval]]:
    """Every basis of a spec that a transfer may start from or end in: (role and slab, basis, interval)."""
    for role, basis in (("lift", spec.lift_width), ("readout", spec.readout or spec.readout_width)):
        if basis is not None:
            yield from ((f"{of_axis(role, axis)}/0", basis.along(axis), WIDTH) for axis in range(spec.dimension))
    for k, slab in enumerate(spec.slabs):
        for axis in range(spec.dimension):
            for role, interval in (("weight_out", WIDTH), ("bias_width", WIDTH), ("weight_in", spec.operator.inner)):
                yield f"{of_axis(role, axis)}/{k}", getattr(slab, role).along(axis), interval
        for role in ("weight_depth", "bias_depth"):
            yield f"{role}/{k}", getattr(slab, role), (slab.start, slab.stop)
