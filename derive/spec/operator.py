"""The kinds of W: any function of ξ and ξ′, one that symmetries leave alone or an exchange of ξ and ξ′, or κ(ξ − ξ′).

A kind answers for what is declared of it, for the axes of its coefficients and for its words; ``spec.operator`` is the
one of a model. What needs more than a declaration goes by the kind as well: ``derive.operators`` says what is left of w
and how it is applied, ``numerics.functions.random`` what a random one is. A new kind is a class here, chosen in
``operator``, and a function in each of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from derive.spec.basis import COORDINATES, WIDTH, Interval, of_axis
from derive.spec.slab import Slab
from derive.spec.symmetry import SymmetrySpec

OFFSETS = ("s", "t", "r")  # what κ is a function of
ANY: Mapping[str, Any] = {"reach": None, "symmetries": (), "exchange": None}  # of a W that is any function


@dataclass(frozen=True)
class Operator:
    """A W that is any function: ∫ W(ξ, ξ′, δ) h(ξ′) dξ′. dimension: how many axes the domain has.

    keys: of [weight], beside depth, in the order of ``roles``.  roles: the bases of the widths that it has.  own: those
    of its coefficients' axes, on a domain of one axis.  by_node: whether C holds the couplings of every node, one below
    the other, and Φ is the identity.  symbol, applied, inner_words: how it is written.  meanings: of its tables, where
    they are not what the name says; None for one that is the identity.  otherwise: what a key of another kind means,
    and how to have that.  narrower: what W is, where it is not any function; "" where it is.
    """

    dimension: int

    keys: ClassVar[tuple[str, ...]] = ("width_out", "width_in")
    roles: ClassVar[tuple[str, ...]] = ("weight_out", "weight_in")
    own: ClassVar[tuple[str, ...]] = ("weight_out", "weight_in")
    by_node: ClassVar[bool] = False
    symbol: ClassVar[str] = "W(ξ, ξ′, δ)"
    applied: ClassVar[str] = "Φ_qi w_ijk (C h)_j"
    inner_words: ClassVar[str] = "φ̃, the weight in ξ′"
    meanings: ClassVar[Mapping[str, str | None]] = {}
    otherwise: ClassVar[tuple[str, str]] = ("without equation.reach", "write equation.reach")
    narrower: ClassVar[str] = ""

    @property
    def axes(self) -> tuple[str, ...]:
        """The roles of the axes of W's coefficients, before that of the depth."""
        return tuple(of_axis(role, axis) for role in self.own for axis in range(self.dimension))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of what W is a function of, before the depth."""
        own = COORDINATES[: self.dimension]
        return (*own, *(f"{name}_" for name in own))

    @property
    def paired(self) -> bool:
        """Whether both widths are one direction of the coefficients."""
        return self.own == ("weight_pair",)

    @property
    def inner(self) -> Interval:
        """Where the functions of ``weight_in`` live."""
        return WIDTH

    @property
    def formula(self) -> str:
        """W in its bases."""
        return "W = Σ_ijk w_ijk φ_i(ξ) φ̃_j(ξ′) θ_k(δ)"

    @property
    def left_by(self) -> tuple[str, ...]:
        """Names of what leaves less than all of w, where both widths are one direction."""
        return ()

    @property
    def left(self) -> str:
        """What that is, in the derivation."""
        return ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else there is to say of it, a line each."""
        return ()

    @property
    def refused(self) -> SymmetrySpec | None:
        """A declared symmetry that a W of this kind cannot have."""
        return None

    @property
    def kept(self) -> tuple[SymmetrySpec, ...]:
        """The symmetries that ``weight_in`` itself must have."""
        return ()

    def numbers(self, slab: Slab, nodes: int, channels: int, stages: int) -> int:
        """About how many numbers the largest table of a slab of one axis holds."""
        applied = nodes * slab.state.size * min(stages, slab.weight_depth.size * 4)
        return channels**2 * max(applied, slab.weight_out.size * slab.weight_in.size * slab.weight_depth.size)


@dataclass(frozen=True)
class Invariant(Operator):
    """A W that the symmetries leave alone (6): its coefficients are w = N z."""

    symmetries: tuple[SymmetrySpec, ...]

    own: ClassVar[tuple[str, ...]] = ("weight_pair",)
    narrower: ClassVar[str] = "left alone by symmetries"

    @property
    def left_by(self) -> tuple[str, ...]:
        return tuple(map(str, self.symmetries))

    @property
    def left(self) -> str:
        return (
            f"**Symmetry (6): {' and '.join(self.left_by)}.** Of w the null space of its equations is left, w = N z, "
            "and ψ holds the functions that do not change."
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        return _left_alone(self.symmetries)


@dataclass(frozen=True)
class Convolution(Operator):
    """W = κ(ξ − ξ′, δ), zero for |ξ − ξ′| > reach. κ moves with every shift; a reflection leaves the even ones."""

    reach: Fraction
    symmetries: tuple[SymmetrySpec, ...]

    keys: ClassVar[tuple[str, ...]] = ("kernel",)
    roles: ClassVar[tuple[str, ...]] = ("weight_in",)
    own: ClassVar[tuple[str, ...]] = ("weight_in",)
    by_node: ClassVar[bool] = True
    symbol: ClassVar[str] = "κ(ξ − ξ′, δ)"
    applied: ClassVar[str] = "w_jk (C h)_qj      "
    inner_words: ClassVar[str] = "φ̃, κ in s = ξ − ξ′"
    meanings: ClassVar[Mapping[str, str | None]] = {"Phi": None, "C": "C_qjl = ∫ φ̃_j(ξ_q − ξ′) χ_l(ξ′) dξ′"}
    otherwise: ClassVar[tuple[str, str]] = ("with equation.reach", "remove equation.reach")
    narrower: ClassVar[str] = "κ(ξ − ξ′)"

    @property
    def arguments(self) -> tuple[str, ...]:
        return OFFSETS[: self.dimension]

    @property
    def inner(self) -> Interval:
        return -self.reach, self.reach

    @property
    def formula(self) -> str:
        return f"W = κ(ξ − ξ′, δ),  κ(s, δ) = Σ_jk w_jk φ̃_j(s) θ_k(δ),  zero for |s| > {self.reach}"

    @property
    def remarks(self) -> tuple[str, ...]:
        return f"κ is zero beyond ±{self.reach}", *_left_alone(self.symmetries)

    @property
    def refused(self) -> SymmetrySpec | None:
        return next((one for one in self.symmetries if one.kind == "map"), None)

    @property
    def kept(self) -> tuple[SymmetrySpec, ...]:
        return tuple(one for one in self.symmetries if one.kind == "reflection")

    def numbers(self, slab: Slab, nodes: int, channels: int, stages: int) -> int:
        return nodes * slab.weight_in.size * (slab.state.size + channels)


@dataclass(frozen=True)
class Exchanged(Operator):
    """W(ξ′, ξ, δ) = ±W(ξ, ξ′, δ), on equal bases of both widths: w is a symmetric or an antisymmetric matrix."""

    exchange: str  # "symmetric" or "antisymmetric"

    own: ClassVar[tuple[str, ...]] = ("weight_pair",)

    @property
    def sign(self) -> int:
        return 1 if self.exchange == "symmetric" else -1

    @property
    def narrower(self) -> str:  # type: ignore[override]
        return self.exchange

    @property
    def left_by(self) -> tuple[str, ...]:
        return (self.exchange,)

    @property
    def left(self) -> str:
        return f"**W(ξ′, ξ, δ) = {'−' * (self.sign < 0)}W(ξ, ξ′, δ).** Of w the {self.exchange} part is left, w = N z."

    @property
    def remarks(self) -> tuple[str, ...]:
        return (f"W is {self.exchange}: W(ξ′, ξ, δ) = {'−' * (self.sign < 0)}W(ξ, ξ′, δ)",)


def _left_alone(symmetries: tuple[SymmetrySpec, ...]) -> tuple[str, ...]:
    return (f"W is left alone by {' and '.join(map(str, symmetries))}",) if symmetries else ()


def operator(
    dimension: int, reach: Fraction | None, symmetries: tuple[SymmetrySpec, ...], exchange: str | None = None
) -> Operator:
    """The kind of W that a declaration has."""
    if exchange is not None:
        return Exchanged(dimension, exchange)
    if reach is not None:
        return Convolution(dimension, reach, symmetries)
    return Invariant(dimension, symmetries) if symmetries else Operator(dimension)
