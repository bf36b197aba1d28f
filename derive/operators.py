"""The kinds of W in the semi-discrete form: what each makes of one axis of the domain.

``derive.spec.operator`` says what they are. One that leaves less than all of w has a function in ``admissible``; one
whose C is of every node a class of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, singledispatch

from derive.errors import DerivationError
from derive.exact.matrix import ExactMatrix, identity
from derive.exact.structure import structure
from derive.layout import Layout
from derive.spaces import convolution, symmetry
from derive.spaces.basis import Basis
from derive.spaces.products import evaluate, gram
from derive.spaces.rules import Rule
from derive.spaces.symmetry import Admissible
from derive.spec import Spec
from derive.spec.operator import Exchanged, Invariant, Operator

MOST_NUMBERS = 1 << 20  # of κ in frequencies: the products of all axes' are held whole


@singledispatch
def admissible(kind: Operator, out: Basis, inner: Basis) -> Admissible | None:
    """What a kind leaves of w on bases of both widths, where that is less than all of it.

    Raises DerivationError where it is nothing.
    """
    return None


@admissible.register
def _(kind: Invariant, out: Basis, inner: Basis) -> Admissible | None:
    """w = N z, where N spans what the symmetries leave."""
    found = symmetry.admissible(kind.symmetries, out, inner)
    if not found.size:
        raise DerivationError(
            f"no weight on these bases that {' and '.join(map(str, kind.symmetries))} leaves alone",
            "bases with functions that move alike", "width_out and width_in are of different kinds",
            "use equal bases for both", "equation.symmetry",
        )  # fmt: skip
    return found


@admissible.register
def _(kind: Exchanged, out: Basis, inner: Basis) -> Admissible | None:
    """w_ij = ±w_ji."""
    if out is not inner:
        raise DerivationError(
            f"an {kind.exchange} W on two bases", "one basis for both widths", "width_out and width_in differ",
            "give them the same basis", "weight.width_in",
        )  # fmt: skip
    pairs = [(i, j) for i in range(out.size) for j in range(i if kind.sign > 0 else i + 1, out.size)]
    entries = [{(i, j, Fraction(1)), (j, i, Fraction(kind.sign))} for i, j in pairs]
    return Admissible(len(pairs), tuple((m, *one) for m, both in enumerate(entries) for one in sorted(both)))


@dataclass(frozen=True)
class WeightAxis:
    """W along one axis: u_q = Φ w C h.

    bases: of a slab, by role; rule: of its nodes; periodic: whether the domain closes to a circle there.
    """

    spec: Spec
    bases: Mapping[str, Basis]
    rule: Rule
    periodic: bool

    def phi(self) -> ExactMatrix:
        """Φ, from the functions of w's rows to the nodes."""
        return evaluate(self.bases["weight_out"], self.rule)

    def coupling(self, state: Basis) -> ExactMatrix:
        """C: what w is applied to is C h."""
        inner = self.bases["weight_in"]
        return gram(inner, state)

    @cached_property
    def admissible(self) -> Admissible | None:
        """What is left of w, where that is less than all of it. Raises DerivationError where it is nothing."""
        return admissible(self.spec.operator, self.bases["weight_out"], self.bases["weight_in"])

    def layout(self, coupling: ExactMatrix, changes: bool) -> Layout:
        """How w is stored. coupling: C of the slab's state; changes: whether the state arrives in another basis."""
        return Layout() if self.admissible is None else Layout.of(self.admissible)


class ConvolutionAxis(WeightAxis):
    """κ(ξ − ξ′): C holds the couplings of every node, one below the other, and Φ is the identity."""

    def phi(self) -> ExactMatrix:
        return identity(self.rule.points.shape[0])

    def coupling(self, state: Basis) -> ExactMatrix:
        return convolution.couplings(self.bases["weight_in"], state, self.rule, self.periodic)

    def layout(self, coupling: ExactMatrix, changes: bool) -> Layout:
        """κ in frequencies, where that is possible and costs fewer multiplications; else its stencil at every node."""
        spec, kernel, state = self.spec, self.bases["weight_in"], self.bases["state"]
        stencil, wide = Layout.stencil(self.rule.points.shape[0], kernel.size), spec.pre_activations * spec.channels
        found = None if changes else convolution.waves(coupling, kernel, state, self.rule, self.periodic)
        if found is None or math.prod(found.numbers.shape) ** spec.dimension > MOST_NUMBERS:
            return stencil
        entries = int(coupling.nonzero().sum()) if structure(coupling) == "banded" else math.prod(coupling.shape)
        cost = entries * spec.channels + coupling.shape[0] * spec.channels * wide
        return Layout.frequencies(found) if found.cost(spec.channels, wide) < cost else stencil


def on_axis(spec: Spec, bases: Mapping[str, Basis], rule: Rule, periodic: bool) -> WeightAxis:
    """A spec's W along one axis."""
    found = ConvolutionAxis if spec.operator.by_node else WeightAxis
    return found(spec, bases, rule, periodic)
