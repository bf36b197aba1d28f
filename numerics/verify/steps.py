"""Adaptive steps against the NumPy network: the error that every step is estimated to make, and the next length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, reduce

import numpy as np

from derive.errors import TrainingError
from derive.spec import depth_elements
from numerics.model.continuum import Continuum
from numerics.verify import rules
from numerics.verify.references import formulas
from numerics.verify.references.formulas import Array
from numerics.verify.subject import Subject

SECTION = "steps"
STRICTER = 1e-4  # than what is declared, so that there are several steps
SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
LAST = 0.6  # of what is left of an element: longer steps divide it


@dataclass(frozen=True)
class _Estimate:
    """Steps of one slab by both methods of a tableau, in NumPy. error: the largest one, in units of the tolerance."""

    subject: Subject
    k: int
    tolerance: float

    def __call__(self, h: Array, start: float, length: float, inside: float) -> tuple[float, Array]:
        """(error, state after the step). inside: a depth of the element."""
        tableau = self.subject.spec.tableau
        assert tableau.embedded is not None
        a = np.array([[float(v) for v in row] for row in tableau.a])
        b, other, c = (np.array([float(v) for v in row]) for row in (tableau.b, tableau.embedded, tableau.c))
        slopes = self.subject.reference.slopes(self.subject.fields, self.k)
        theta, vartheta = (values(start + c * length, inside) for values in self.depth)
        k: list[Array] = []
        for i in range(len(b)):
            stage = h + length * sum((x * m for x, m in zip(a[i], k)), 0 * h)
            k.append(slopes.between(theta[i], vartheta[i], stage))
        after = h + length * sum(x * m for x, m in zip(b, k))
        gap = length * sum((x - y) * m for x, y, m in zip(b, other, k))
        size = np.maximum(self.norm(h), self.norm(after))
        return float(np.max(self.norm(gap) / (self.tolerance * (1 + size)))), np.asarray(after)

    @cached_property
    def depth(self) -> Sequence[rules.Inside]:
        slab = self.subject.spec.slabs[self.k]
        return [rules.inside(declared, slab) for declared in (slab.weight_depth, slab.bias_depth)]

    @cached_property
    def mass(self) -> Array:
        slab, d = self.subject.spec.slabs[self.k], self.subject.spec.dimension
        return reduce(np.kron, [formulas.gram(formulas.functions(slab.along(axis).state)) for axis in range(d)])

    def norm(self, h: Array) -> Array:
        return np.asarray(np.sqrt(np.einsum("icr,ij,jcr->r", h, self.mass, h)))


def control(subject: Subject) -> None:
    """No record's estimated error is above the tolerance, and lengths follow from errors where rates are smooth."""
    declared = subject.tolerance
    if declared is None or any(form.entry for form in subject.reference.forms):
        return
    tolerance = float(declared) * STRICTER
    try:
        found = _found(subject, tolerance)
    except TrainingError as refused:
        text = f"none at {tolerance:.0e}: {refused.cause}"
        subject.add(SECTION, "adaptive steps", "", text, None, "docs/integrators.md")
        return
    h, worst, strange, count = subject.reference.lifted(subject.fields, subject.states), 0.0, 0, 0
    order = 0
    length = 0.0
    for k, steps in enumerate(found):
        estimate = _Estimate(subject, k, tolerance)
        ends = [float(b) for b in depth_elements(subject.spec.slabs[k])]
        for start, own in steps:
            stop = min(end for end in ends if end > start + 1e-12)
            inside = start + own / 2
            if not order:
                order = _order(estimate, h, start, own)
            if length:  # what the step before asks for
                rest = stop - start
                trial = length if length < LAST * rest else rest if length >= rest else rest / 2
                same = abs(own - trial) <= 1e-6 * trial
                shorter = own < trial and estimate(h, start, trial, start + trial / 2)[0] > 1
                strange += not (same or shorter)
            error, h = estimate(h, start, own, inside)
            worst, count = max(worst, error), count + 1
            length = own * float(np.clip(SAFETY * max(error, 1e-10) ** (-1 / order), SHRINK, GROW))
    name = f"the largest estimated error of {count} adaptive steps, of what is tolerated"
    subject.at_most(SECTION, name, worst, 1 + 1e-6, "docs/integrators.md")
    if subject.smoothness == "analytic":
        text = f"{strange} of {count}"
        subject.add(SECTION, "steps whose length does not follow from the error before", f"0 of {count}", text,
                    strange == 0, "docs/integrators.md")  # fmt: skip


def _found(subject: Subject, tolerance: float) -> list[list[tuple[float, float]]]:
    model = subject.bare()
    elements = sum(len(depth_elements(slab)) - 1 for slab in subject.spec.slabs)
    spec = replace(model.spec, tolerance=Fraction(tolerance), steps=elements, cuts=())
    stored = replace(model.representation, spec=spec)
    adaptive = Continuum(spec, None, model.fields, stored=stored)
    return adaptive.solver.find_steps(subject.states.reshape(-1, subject.states.shape[-1]))


def _order(estimate: _Estimate, h: Array, start: float, length: float) -> int:
    """Of the estimated error in the step's length, from halving it."""
    errors = [estimate(h, start, length / share, start + length / 16)[0] for share in (4, 8)]
    return round(float(np.log2(errors[0] / errors[1])))
