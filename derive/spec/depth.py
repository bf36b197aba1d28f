"""The steps along the depth: how the elements of all slabs share them."""

from __future__ import annotations

from fractions import Fraction

from derive.errors import SpecError
from derive.spec.model import Spec
from derive.spec.slab import Slab


def depth_elements(slab: Slab) -> tuple[Fraction, ...]:
    """The union of the depth breakpoints of weight and bias: fields are smooth in δ between them."""
    ends = slab.start, slab.stop
    return tuple(sorted({*slab.weight_depth.cuts(ends), *slab.bias_depth.cuts(ends)}))


def step_elements(spec: Spec) -> tuple[tuple[Fraction, ...], ...]:
    """Slab by slab the breakpoints that no step crosses: those of the depth elements, and the declared cuts."""
    own = ({cut for cut in spec.cuts if slab.start < cut < slab.stop} for slab in spec.slabs)
    return tuple(tuple(sorted({*depth_elements(slab), *cuts})) for slab, cuts in zip(spec.slabs, own))


def step_lengths(spec: Spec) -> tuple[tuple[tuple[Fraction, Fraction], ...], ...]:
    """(start, length) of every step, slab by slab: each element of ``step_elements`` gets the same number of them.

    Raises SpecError when ``steps`` cannot be shared equally.
    """
    share = steps_an_element(spec)
    return tuple(
        tuple((a + (b - a) * Fraction(k, share), (b - a) / share) for a, b in zip(e, e[1:]) for k in range(share))
        for e in step_elements(spec)
    )


def steps_an_element(spec: Spec) -> int:
    """How many steps every element of ``step_elements`` gets. Raises SpecError where ``steps`` is no multiple."""
    count = sum(len(e) - 1 for e in step_elements(spec))
    if spec.steps % count:
        below, above = spec.steps // count * count, (spec.steps // count + 1) * count
        raise SpecError(
            f"steps = {spec.steps} over {count} depth elements",
            f"a multiple of {count}",
            "every element between the depth breakpoints of weight and bias, and cuts, gets as many steps",
            f"use steps = {above}" + (f" or {below}" if below else "") + ", or change the depth bases",
            "integration.steps",
        )
    return spec.steps // count
