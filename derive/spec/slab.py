"""A slab: a part of the depth with bases of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from derive.spec.basis import BasisSpec


@dataclass(frozen=True)
class Slab:
    """A part [start, stop] of the depth with bases of its own (section 3).

    weight_out, weight_in: of W in ξ and ξ′; where W is κ(ξ − ξ′), the constant, and the basis of κ on [−reach, reach].
    quadrature: points along every axis, None for the default. rule: the bases that decide the rule beside the state's,
    where these are not the slab's own (fields on another level's solver).
    """

    start: Fraction
    stop: Fraction
    state: BasisSpec
    weight_out: BasisSpec
    weight_in: BasisSpec
    weight_depth: BasisSpec
    bias_width: BasisSpec
    bias_depth: BasisSpec
    quadrature: int | None = None
    rule: tuple[BasisSpec, ...] | None = None

    def along(self, axis: int) -> Slab:
        """The slab that one axis of the domain has by itself."""
        roles = ("state", "weight_out", "weight_in", "bias_width")
        rule = None if self.rule is None else tuple(basis.along(axis) for basis in self.rule)
        return replace(self, rule=rule, **{role: getattr(self, role).along(axis) for role in roles})
