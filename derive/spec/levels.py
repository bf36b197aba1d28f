"""The levels of a spec and what lies between them: which representations belong together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from derive.errors import SpecError
from derive.spec.basis import BasisSpec
from derive.spec.depth import step_lengths
from derive.spec.model import Spec
from derive.spec.slab import Slab
from derive.spec.stored import digest


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
    names = "entry", "tableau", "steps", "cuts", "tolerance"
    solver: dict[str, Any] = {name: getattr(source, name) for name in names}
    mixed = replace(target, slabs=slabs, levels=(), **solver)
    try:
        same = step_lengths(mixed) == step_lengths(source)
    except SpecError:  # the steps do not divide the target's elements
        return None
    return mixed if same else None


def _rule(source: Slab, target: Slab) -> tuple[BasisSpec, ...] | None:
    own = (source.weight_out, source.bias_width)
    return None if own == (target.weight_out, target.bias_width) else own
