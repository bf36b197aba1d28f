"""Richer solvers of one model, as declarations: a state of more functions along an axis, or shorter steps."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from derive.errors import SpecError
from derive.spec import BasisSpec, Spec, product, step_lengths


def with_state(spec: Spec, axis: int, basis: BasisSpec) -> Spec:
    """The spec with another basis of all states along an axis; their quadrature is the default one."""
    state = product([basis if k == axis else spec.entry.along(k) for k in range(spec.dimension)])
    return replace(spec, entry=state, slabs=tuple(replace(s, state=state, quadrature=None) for s in spec.slabs))


def step_ends(spec: Spec) -> tuple[Fraction, ...]:
    """Where steps begin and end, (steps + 1) depths."""
    return *(start for slab in step_lengths(spec) for start, _ in slab), Fraction(1)


def with_steps(spec: Spec, ends: Sequence[Fraction]) -> Spec:
    """The spec with steps between these ends; no cuts where the elements of the fields share them equally."""
    steps = len(ends) - 1
    with contextlib.suppress(SpecError):
        plain = replace(spec, steps=steps, cuts=())
        if step_ends(plain) == tuple(ends):
            return plain
    return replace(spec, steps=steps, cuts=tuple(ends[1:-1]))


def halved(
    cuts: Sequence[Fraction], errors: Sequence[float], drop: float, wanted: float, most: int
) -> tuple[Fraction, ...]:  # fmt: skip
    """Breakpoints with the cells of the largest errors halved until what theory leaves of all is ``wanted``.

    errors: of the cells between ``cuts``. drop: what halving leaves of an error, equally shared by the halves. most:
    halvings of a cell, beyond which its error is not known well enough.
    """
    left = float(sum(errors))
    heap = [(-float(e), a, b, most) for e, a, b in zip(errors, cuts, cuts[1:])]
    heapq.heapify(heap)
    found = set(cuts)
    while left > wanted and heap:
        error, a, b, times = heapq.heappop(heap)
        middle = (a + b) / 2
        found.add(middle)
        left += (1 - drop) * error
        if times > 1:
            heapq.heappush(heap, (error * drop / 2, a, middle, times - 1))
            heapq.heappush(heap, (error * drop / 2, middle, b, times - 1))
    return tuple(sorted(found))
