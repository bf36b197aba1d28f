"""Before and behind the equation, as data: the lift h = P (x, 1), the readout z = R y + a, maxima and shares of y."""

from __future__ import annotations

from derive.program import maximum, operations, share
from derive.program.kernels import Kernel
from derive.program.operations import Contract, Cotangents, Duplicate, Sums
from derive.program.scalar import Node, product, total


def heads() -> tuple[Kernel, ...]:
    """The kernels that every module holds, with their adjoints."""
    return (*lift(), *readout(), *maxima(), *shares())


def lift() -> tuple[Kernel, Kernel]:
    """h = P (x, 1), at every function of the basis from the coefficients of the records and of 1."""
    body = (Contract("h", "lift", "x", "dense", learned=True, groups=True),)
    title = "h = P (x, 1): at every function of the basis, from the coefficients of the records and of 1."
    back = "The adjoint of: h = P (x, 1). bar_x is set; the gradient of P is added to."
    return (
        Kernel("lift", title, ("x", "lift", "constants"), ("h",), body, "h", (("records", "h.shape[1]"),)),
        Kernel("lift_adjoint", back, ("bar_h", "x", "lift", "constants"), ("bar_x", "bar_lift"),
               operations.adjoint(body, Cotangents()), "x", (("records", "x.shape[1]"),)),
    )  # fmt: skip


def readout() -> tuple[Kernel, Kernel]:
    """z_k = ∫ R_k(ξ) y(ξ) dξ + a_k."""
    body = (Contract("z", "operator", "y", "dense", learned=True, offset="constant"),)
    title = "z_k = ∫ R_k(ξ) y(ξ) dξ + a_k: the rows of ``operator`` are the fields R against the state basis."
    back = "The adjoint of: z = R y + a. bar_y is set; the gradients of R and a are added to."
    given, gradients = ("bar_z", "y", "operator", "constants"), ("bar_y", "bar_operator", "bar_constant")
    return (
        Kernel("readout", title, ("y", "operator", "constant", "constants"), ("z",), body, "y",
               (("records", "y.shape[1]"),)),
        Kernel("readout_adjoint", back, given, gradients, operations.adjoint(body, Cotangents()), "y",
               (("records", "y.shape[1]"),)),
    )  # fmt: skip


def maxima() -> tuple[Kernel, Kernel]:
    """The smooth maxima m_c of y at the nodes, written below y; see ``maximum``."""
    form, omega, top = maximum.derive(), Node("symbol", value="omega"), Node("symbol", value="top")
    sums = Sums(
        (("y", "at_nodes"),), (("S", product([omega, form.term])),), True, "m rises by a constant that is added to y",
        nodes=(("omega", "weights"),), value=("maxima", total([top, form.value])), slope=product([omega, form.slope]),
    )  # fmt: skip
    title = "Below y its smooth maxima (1/β) log Σ_q ω_q exp(β y(ξ_q)), one a channel; at_nodes = y(ξ_q)."
    back = "The adjoint of: smooth maxima. bar_y is set; at_nodes becomes m̄ ∂m/∂y_q, the share of node q of m̄."
    return _beside("maximum", (title, back), ("sharpness",), sums, (("beta", "sharpness[0]"),))


def shares() -> tuple[Kernel, Kernel]:
    """The shares s_lc of the domain where y_c is above the level ℓ_l, written below y; see ``share``."""
    form, omega = share.derive(), Node("symbol", value="omega")
    sums = Sums(
        (("y", "at_nodes"),), (("S", product([omega, form.term])),), True, nodes=(("omega", "weights"),),
        value=("shares", Node("symbol", value="S")), slope=product([omega, form.slope]),
        several=(("level", "levels"),),
    )  # fmt: skip
    title = "Below y its shares Σ_q ω_q g(y(ξ_q)), level by level one a channel, g a step there; at_nodes = y(ξ_q)."
    back = "The adjoint of: shares. bar_y is set; at_nodes becomes Σ_l s̄_l ∂s_l/∂y_q."
    return _beside("share", (title, back), ("levels", "softness"), sums, (("epsilon", "softness[0]"),))


def _beside(
    name: str, titles: tuple[str, str], given: tuple[str, ...], sums: Sums, numbers: tuple[tuple[str, str], ...]
) -> tuple[Kernel, Kernel]:
    """A kernel that writes below y what sums over its values at nodes are, and its adjoint.

    given: arrays, beside the nodes' functions and weights; numbers: symbols of the sums that are read from them.
    """
    body = (Contract("at_nodes", "X", "y", "dense"), Duplicate("features", "y"), sums)
    rule = ("X", "weights", *given, "constants")

    def sizes(y: str, features: str) -> tuple[tuple[str, str], ...]:
        state, several = f"{y}.shape[0]", sums.several
        below = f"{features}.shape[0] - {state}"
        channels = f"({below})//{several[0][1]}.shape[0]" if several else below
        return (("state", state), ("channels", channels), *numbers, ("records", f"{y}.shape[1]"))

    return (
        Kernel(name, titles[0], ("y", *rule), ("at_nodes", "features"), body, "y", sizes("y", "features")),
        Kernel(f"{name}_adjoint", titles[1], ("bar_features", *rule), ("at_nodes", "bar_y"),
               operations.adjoint(body, Cotangents()), "bar_y", sizes("bar_y", "bar_features")),
    )  # fmt: skip
