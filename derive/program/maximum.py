"""The smooth maximum of a function over ξ, a readout: m(y) = (1/β) log(½ ∫ exp(β y(ξ)) dξ), at a quadrature's nodes.

m(y) = V(S) with S = Σ_q ω_q g(y_q), where the weights ω_q add up to 1; g and V are written below, everything else is
derived. β → 0 gives the mean, β → ∞ the maximum. A constant that is added to y is added to m, so that exponentials are
taken of y − max y: they do not overflow, and S is at least the weight of one node. The shares ω_q ∂m/∂y_q are quotients
by the same S, so that they add up to 1 also where y is so large that m itself is rounded by more than 1/β.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from derive.errors import DerivationError
from derive.program.scalar import Node, tree

TERM, VALUE = "exp(beta*y)", "log(S)/beta"


@dataclass(frozen=True)
class Maximum:
    """term: g in beta and y, which is y_q less a constant.  value: V in beta and S, to which the constant is added.

    slope: ∂m/∂y_q over ω_q, in beta, y and S.
    """

    term: Node
    value: Node
    slope: Node


@cache
def derive() -> Maximum:
    """V, g and ∂m/∂y_q = ω_q V′(S) g′(y_q) by the chain rule; raises DerivationError for a V, g without the shift."""
    import sympy as sp

    from derive.exact.expression import parse

    (beta, total), y = sp.symbols("beta S", positive=True), sp.Symbol("y", real=True)
    term = parse(TERM, {"beta": beta, "y": y})
    value = parse(VALUE, {"beta": beta, "S": total})
    a, share, other = sp.symbols("a omega z", real=True)
    moved = share * term.subs(y, y + a) + (1 - share) * term.subs(y, other + a)
    rise = sp.diff(value.subs(total, moved), a)
    if sp.expand(sp.numer(sp.together(rise - 1))) != 0:
        raise DerivationError(
            f"a smooth maximum that rises by {rise} a with its function's rise a", "1", "another V or g",
            "use functions whose V(Σ ω g(y + a)) is V(Σ ω g(y)) + a",
        )  # fmt: skip
    slope = sp.diff(value, total) * sp.diff(term, y)
    return Maximum(tree(term), tree(value), tree(slope))
