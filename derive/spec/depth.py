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


def step_lengths(spec: Spec) -> tuple[tuple[tuple[Fraction, Fraction], ...], ...]:
    """(start, length) of every step, slab by slab: each depth element gets the same whole number of them.

    Raises SpecError when ``steps`` cannot be shared equally.
    """
    elements = [depth_elements(slab) for slab in spec.slabs]
    share = steps_an_element(spec)
    return tuple(
        tuple((a + (b - a) * Fraction(k, share), (b - a) / share) for a, b in zip(e, e[1:]) for k in range(share))
        for e in elements
    )


def steps_an_element(spec: Spec) -> int:
    """How many steps every depth element gets. Raises SpecError when ``steps`` cannot be shared equally."""
    count = sum(len(depth_elements(slab)) - 1 for slab in spec.slabs)
    if spec.steps % count:
        below, above = spec.steps // count * count, (spec.steps // count + 1) * count
        raise SpecError(
            f"steps = {spec.steps} over {count} depth elements",
            f"a multiple of {count}",
            "every element of the union of the depth breakpoints of weight and bias gets the same number of steps",
            f"use steps = {above}" + (f" or {below}" if below else "") + ", or change the depth bases",
            "integration.steps",
        )
    return spec.steps // count
