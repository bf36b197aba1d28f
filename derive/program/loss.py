"""A declared loss → its value, its adjoint source and its curvature, derived; the terminal condition of equation 8.

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
from derive.program.scalar import symbols as read_in


@dataclass(frozen=True)
class Loss:
    """sums: (name, g_i) in the symbols zk, tk; value: V in the sums' names; source: ∂L/∂z_k in zk, tk and the sums.

    curvature: Σ_l ∂²L/∂z_k∂z_l v_l in zk, tk, vk, the sums and ``turns``, of which each is (name, Σ's term ∂g_i/∂z v).
    shift: whether z may be replaced by z − max z (checked), which keeps exponentials from overflowing.
    """

    name: str
    sums: tuple[tuple[str, Node], ...]
    value: Node
    source: Node
    turns: tuple[tuple[str, Node], ...]
    curvature: Node
    shift: bool

    def kernel(self) -> Kernel:
        """L of every record and, its adjoint for L̄ = 1 in the same pass, ∂L/∂z."""
        value, source = (substitute(e, self._names) for e in (self.value, self.source))
        sums = self._over(self.sums, (), value=("value", value), each=("source", source))
        title = f"L of every record ({self.name}) and source = ∂L/∂z, from its derivation."
        given, sizes = ("z", "target", "constants"), (("records", "z.shape[1]"),)
        return Kernel("loss", title, given, ("value", "source"), (sums,), "z", sizes)

    def curvature_kernel(self) -> Kernel:
        """∂²L/∂z² v of every record, for a direction v of the outputs."""
        read = read_in(self.curvature)
        needed = tuple((name, term) for name, term in (*self.sums, *self.turns) if name in read)
        curved = ("curved", substitute(self.curvature, self._names))
        sums = self._over(needed, (("vk", "direction"),), each=curved)
        title = f"curved = ∂²L/∂z² v of every record ({self.name}), v the direction, from its derivation."
        given, sizes = ("z", "target", "direction", "constants"), (("records", "z.shape[1]"),)
        return Kernel("curvature", title, given, ("curved",), (sums,), "z", sizes)

    @property
    def _names(self) -> dict[str, Node]:
        """Of the sums in kernels: names that none of a kernel's own can meet."""
        return {name: Node("symbol", value=f"sum_{name}") for name, _ in (*self.sums, *self.turns)}

    def _over(self, sums: tuple[tuple[str, Node], ...], rows: tuple[tuple[str, str], ...], **found: Any) -> Sums:
        return Sums(
            rows=(("zk", "z"), ("tk", "target"), *rows), sums=tuple((f"sum_{name}", term) for name, term in sums),
            channels=False, shift="L is unchanged when a constant is added to every output" if self.shift else "",
            **found,
        )  # fmt: skip


def derive(name: str) -> Loss:
    """The loss of ``losses/<name>.py``, or of a user's g(z, t), with ∂L/∂z_k = Σ_i ∂V/∂S_i ∂g_i/∂z by the chain rule,

    and the same rule once more, along v: a sum S_i turns by Σ_l ∂g_i/∂z(z_l, t_l) v_l.

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
    z, t, v = sp.symbols("zk tk vk", real=True)
    sums = {key: finite.rewritten(parse(text, {"z": z, "t": t})) for key, text in sorted(texts.items())}
    symbols = {key: sp.Symbol(key, real=True) for key in sums}
    value = parse(total, symbols)
    slopes = {key: derivative(with_cases(g), z) for key, g in sums.items()}
    source = sum(derivative(value, symbols[key]) * slope for key, slope in slopes.items())
    turned = {key: sp.Symbol(f"turn_{key}", real=True) for key, slope in slopes.items() if slope != 0}
    curvature = derivative(source, z) * v
    curvature += sum(derivative(source, symbols[key]) * turn for key, turn in turned.items())
    turns = tuple((turn.name, tree(slopes[key] * v)) for key, turn in turned.items())
    shift = bool(entry and entry.SHIFT_INVARIANT)
    if shift:
        _check_shift(name, value, sums, symbols, z, t)
    terms = tuple((key, tree(g)) for key, g in sums.items())
    return Loss(name, terms, tree(value), tree(source), turns, tree(curvature), shift)


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
