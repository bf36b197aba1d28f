"""A declared loss → its value and its adjoint source, derived; the terminal condition of equation 8.

A loss is V(S₁, S₂, …) with S_i = Σ_k g_i(z_k, t_k) over the components of the readout z and the target t; a user's
loss is the sum of one expression g(z, t). On a function the components are coordinates in an L2-orthonormal basis, so
that Σ (z − t)² = ∫ |y − y*|² dξ exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derive import registry
from derive.errors import DerivationError
from derive.program.kernels import Kernel
from derive.program.operations import Sums
from derive.program.scalar import Node, substitute, tree


@dataclass(frozen=True)
class Loss:
    """sums: (name, g_i) in the symbols zk, tk; value: V in the sums' names; source: ∂L/∂z_k in zk, tk and the sums.

    shift: whether z may be replaced by z − max z (checked), which keeps exponentials from overflowing.
    """

    name: str
    sums: tuple[tuple[str, Node], ...]
    value: Node
    source: Node
    shift: bool

    def kernel(self) -> Kernel:
        """L of every record and, its adjoint for L̄ = 1 in the same pass, ∂L/∂z."""
        # the sums get names that none of a kernel's own can meet
        names = {name: Node("symbol", value=f"sum_{name}") for name, _ in self.sums}
        sums = Sums(
            rows=(("zk", "z"), ("tk", "target")), sums=tuple((f"sum_{name}", term) for name, term in self.sums),
            channels=False, shift="L is unchanged when a constant is added to every output" if self.shift else "",
            value=("value", substitute(self.value, names)), each=("source", substitute(self.source, names)),
        )  # fmt: skip
        title = f"L of every record ({self.name}) and source = ∂L/∂z, from its derivation."
        given, sizes = ("z", "target", "constants"), (("records", "z.shape[1]"),)
        return Kernel("loss", title, given, ("value", "source"), (sums,), "z", sizes)


def derive(name: str) -> Loss:
    """The loss of ``losses/<name>.py``, or of a user's g(z, t), with ∂L/∂z_k = Σ_i ∂V/∂S_i ∂g_i/∂z by the chain rule.

    At a kink the derivative is the one from the left, and at a root's zero it is 0, as for activations: relative-l2 has
    the derivative 0 at a record that is met exactly.
    """
    import sympy as sp

    from derive.exact import finite
    from derive.exact.expression import parse
    from derive.kinks import derivative, with_cases

    named = name in registry.names("losses")
    entry = registry.entry("losses", name) if named else None
    texts, total = (entry.SUMS, entry.VALUE) if entry else ({"sum": name}, "sum")
    z, t = sp.symbols("zk tk", real=True)
    sums = {key: finite.rewritten(parse(text, {"z": z, "t": t})) for key, text in sorted(texts.items())}
    symbols = {key: sp.Symbol(key, real=True) for key in sums}
    value = parse(total, symbols)
    source = sum(derivative(value, symbols[key]) * derivative(with_cases(g), z) for key, g in sums.items())
    shift = bool(entry and entry.SHIFT_INVARIANT)
    if shift:
        _check_shift(name, value, sums, symbols, z, t)
    return Loss(name, tuple((key, tree(g)) for key, g in sums.items()), tree(value), tree(source), shift)


def _check_shift(name: str, value: Any, sums: dict[str, Any], symbols: dict[str, Any], z: Any, t: Any) -> None:
    """V is the same for z and z + a when the targets sum to one: shown on two components."""
    import sympy as sp

    a, first, second, p = sp.symbols("a z1 z2 p", real=True)
    parts = {
        symbols[key]: g.subs({z: first + a, t: p}, simultaneous=True)
        + g.subs({z: second + a, t: 1 - p}, simultaneous=True)
        for key, g in sums.items()
    }
    slope = sp.simplify(sp.diff(value.subs(parts, simultaneous=True), a))
    if slope != 0:
        raise DerivationError(
            f"the loss {name}, declared to be unchanged when a constant is added to every output",
            "a loss whose derivative along (1, …, 1) is zero",
            f"that derivative is {slope}",
            "set SHIFT_INVARIANT = False in its file",
        )
