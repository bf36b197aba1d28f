"""Richer solvers of one model, as declarations: a state of more functions along an axis, or shorter steps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction

from derive.spec import BasisSpec, Spec, product, step_elements, step_lengths


def with_state(spec: Spec, axis: int, basis: BasisSpec) -> Spec:
    """The spec with another basis of all states along an axis; their quadrature is the default one."""
    state = product([basis if k == axis else spec.entry.along(k) for k in range(spec.dimension)])
    return replace(spec, entry=state, slabs=tuple(replace(s, state=state, quadrature=None) for s in spec.slabs))


def with_halved(spec: Spec, chosen: Collection[int]) -> Spec:
    """The spec with the chosen ones of all its steps halved; where those are not all, every step is between cuts."""
    taken = [step for slab in step_lengths(spec) for step in slab]
    if len(chosen) == len(taken):
        return replace(spec, steps=2 * spec.steps)
    cuts = {start for start, _ in taken} | {taken[n][0] + taken[n][1] / 2 for n in chosen}
    found = replace(spec, cuts=tuple(sorted(cuts - {Fraction(0)})))
    return replace(found, steps=sum(len(ends) - 1 for ends in step_elements(found)))
