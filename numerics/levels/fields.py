"""Fields in the bases of another representation: their L2 projections (13), and which spaces contain which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from derive.errors import RepresentationError
from numerics.functions.arrays import along
from numerics.functions.field import Field
from numerics.model.continuum import Continuum
from numerics.model.layout import zero_fields
from numerics.representation import find
from numerics.representation.tables import Representation


def transfer_fields(model: Continuum, rep: Representation) -> dict[str, Field]:
    """The fields' projections into another representation's bases."""
    if len(rep.slabs) != len(model.representation.slabs):
        raise RepresentationError(
            f"{len(model.representation.slabs)} slabs in depth, projected onto {len(rep.slabs)}",
            "the same number of slabs on both levels",
            "the level declares another list of slabs",
            "keep the slabs and change the bases inside them",
        )
    empty = zero_fields(rep)
    fields = {}
    for name, field in model.fields.items():
        slabs = []
        for k, (old, new) in enumerate(zip(field.slabs, empty[name].slabs)):
            if bool(old.bases) != bool(new.bases):  # on one level constant, on the other varying
                slabs.append(new.constant(old.coefficients) if new.bases else replace(new, coefficients=old.mean()))
                continue
            values = old.coefficients
            for axis, keys in changes(model, rep, name, k):
                values = along(find.transfer(*keys, model.base), values, axis)
            slabs.append(replace(new, coefficients=np.ascontiguousarray(values)))
        fields[name] = replace(empty[name], slabs=tuple(slabs))
    return fields


def contained(model: Continuum, rep: Representation, name: str) -> bool:
    """Whether the spaces of a field in another representation contain the model's, as the derivation has shown."""
    slabs = range(len(model.fields[name].slabs))
    if model.fields[name].axes and not zero_fields(rep)[name].axes:
        return False  # a varying field, where the other level has a constant
    return all(find.nested(*keys, model.base) for k in slabs for _, keys in changes(model, rep, name, k))


def changes(
    model: Continuum, rep: Representation, name: str, k: int
) -> Iterator[tuple[int, tuple[str, str]]]:
    """The axes of a field's slab k along which its bases differ from another representation's, and their keys."""
    spec = model.spec
    bias = (*spec.along_axes("bias_width"), "bias_depth")
    roles = {"W": (*spec.operator.axes, "weight_depth"), "b": bias, "V": bias}
    roles |= {field: spec.along_axes("lift" if field == "P" else "readout") for field in ("P", "R", "a")}
    for axis, role in enumerate(roles.get(name, ()) if model.fields[name].slabs[k].bases else ()):
        old, new = (r.entry["bases"][f"{role}/{k}"] for r in (model.representation, rep))
        if old != new:
            yield axis, (old, new)
