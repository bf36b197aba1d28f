"""The share of the domain where a function is above a level ℓ, a readout: s(y) = ½ ∫ g(y(ξ)) dξ, by a quadrature.

g is a smooth step from 0 to 1, which is ½ at ℓ and most of whose rise lies within a few widths ε of it; ε → 0 gives the
share itself. The sum over the nodes has weights that add up to 1, so that a share is between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive.program.scalar import Node, tree

TERM = "sigmoid((y - level)/epsilon)"


@dataclass(frozen=True)
class Share:
    """term: g in y, level and epsilon.  slope: ∂g/∂y."""

    term: Node
    slope: Node


@cache
def derive() -> Share:
    """g, and ∂s/∂y_q = ω_q g′(y_q) without its weight."""
    import sympy as sp

    from derive.exact import finite
    from derive.exact.expression import parse

    y, level, epsilon = sp.Symbol("y", real=True), sp.Symbol("level", real=True), sp.Symbol("epsilon", positive=True)
    term = finite.rewritten(parse(TERM, {"y": y, "level": level, "epsilon": epsilon}))
    return Share(tree(term), tree(sp.diff(term, y)))
