"""The declaration of a model as frozen values: resolved and checked, without anything derived and without SymPy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from derive.errors import SpecError, advice
from derive.spec import shown
from derive.spec.basis import BasisSpec, of_axis
from derive.spec.comparison import Comparison, comparison
from derive.spec.operator import Operator, operator
from derive.spec.slab import Slab
from derive.spec.symmetry import SymmetrySpec
from derive.spec.tableau import TableauSpec
from derive.spec.training import Training
from derive.spec.units import PLAIN, UnitsSpec

# Generated modules contain these names: what is no name is not written there, whoever made the file it came from.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")


@dataclass(frozen=True)
class Penalty:
    """weight · ‖field‖² in the norm "L2", or "H1", which adds the squared L2 norms of the derivatives."""

    field: str
    norm: str
    weight: Fraction


@dataclass(frozen=True)
class Shares:
    """levels: ℓ, ascending; width: ε of the step (1 + exp((ℓ − y)/ε))⁻¹ at each, the same for all."""

    levels: tuple[Fraction, ...]
    width: Fraction


ClassWeights = str | tuple[Fraction, ...]  # "balanced", or a number a class; () where all classes weigh the same


@dataclass(frozen=True)
class Spec:
    """A resolved declaration. entry: the state basis that records are projected into; slabs: in order of depth.

    pre_activations: g, how many u the rate has for every channel.  learned: (name, start) of the rate's parameters
    that training changes, a number a channel.  local: whether the equation has V.  normalise: ε, where the rate takes
    u/√(ε + mean of u² over the channels) in place of u, at every ξ; None where it takes u.  symmetries: that W has; the
    bases of other fields are invariant under them already.  reach: r of W(ξ, ξ′, δ) = κ(ξ − ξ′, δ), which is zero for
    |ξ − ξ′| > r; None for a W that is any function.  exchange: "symmetric" or "antisymmetric", of W in ξ and ξ′.

    tolerance: of adaptive steps, then ``steps`` is one for each depth element, where they start; None for fixed ones.
    cuts: depths, increasing, that fixed steps do not cross, beside the breakpoints of the fields.
    Of a domain with several axes the width bases are products; symmetries and reach hold along every axis, and periodic
    has a word for each.
    inputs: channels of the records, which a lift takes to those of the state; None without a lift.  lift_width,
    readout_width: the bases along ξ of the lift and of a readout at every point; None for those that are constant.
    outputs: numbers or classes that functionals with a ``readout`` basis make of the final state; without one, channels
    of the output function, made at every point; None when the output is the final state.  maximum: β of the smooth
    maxima of the final state's channels, which functionals may have beside them; None without.  shares: of the domain
    where these channels are above levels, in place of maxima; None without.  loss_weight: of l2,
    one function of ξ that is nowhere negative; None for 1.  class_weights: of the loss cross-entropy, what a record of
    each class counts; "balanced" makes the classes of the records at hand count alike.  levels: (name, Spec) of the
    ladder.  units: what the numbers of records mean; of no meaning for what is derived.
    """

    name: str
    summary: str
    rate: str
    activation: str
    spacing: Fraction
    channels: int
    parameters: tuple[tuple[str, Fraction], ...]
    pre_activations: int
    learned: tuple[tuple[str, Fraction], ...]
    local: bool
    normalise: Fraction | None
    symmetries: tuple[SymmetrySpec, ...]
    reach: Fraction | None
    periodic: tuple[bool, ...]
    interpolant: str
    smoothing: Fraction | None
    inputs: int | None
    lift_width: BasisSpec | None
    entry: BasisSpec
    slabs: tuple[Slab, ...]
    tableau: TableauSpec
    steps: int
    tolerance: Fraction | None
    outputs: int | None
    readout: BasisSpec | None
    readout_width: BasisSpec | None
    maximum: Fraction | None
    loss: str
    loss_weight: BasisSpec | None
    class_weights: ClassWeights
    penalties: tuple[Penalty, ...]
    training: Training
    precision: str
    levels: tuple[tuple[str, Spec], ...] = ()
    exchange: str | None = None
    cuts: tuple[Fraction, ...] = ()
    shares: Shares | None = None
    units: UnitsSpec = PLAIN

    def _repr_html_(self) -> str:
        return shown.table(self.name, self.summary, shown.rows(self))

    @property
    def functional(self) -> bool:
        """Whether the output is numbers or classes, and not a function."""
        return self.readout is not None

    @property
    def beside(self) -> int:
        """How many numbers of every channel functionals have beside their integrals: a maximum, or shares."""
        return len(self.shares.levels) if self.shares is not None else int(self.maximum is not None)

    @property
    def record_channels(self) -> int:
        """Channels of the records."""
        return self.channels if self.inputs is None else self.inputs

    @property
    def entry_channels(self) -> int:
        """Coefficients a function of the entry basis that prepared records have: with a lift ψ_i x and ψ_i, all i."""
        if self.inputs is None:
            return self.channels
        return (1 if self.lift_width is None else self.lift_width.size) * (self.inputs + 1)

    @property
    def output_channels(self) -> int:
        """Channels of the output, where that is a function."""
        return self.channels if self.outputs is None else self.outputs

    @property
    def dimension(self) -> int:
        """How many axes the domain has: 1, or 2 and 3 for squares and cubes."""
        return len(self.entry.axes or (self.entry,))

    def along_axes(self, role: str) -> tuple[str, ...]:
        """The names that a role has along the axes of the domain."""
        return tuple(of_axis(role, axis) for axis in range(self.dimension))

    @property
    def comparison(self) -> Comparison:
        """What the loss compares."""
        return comparison(self.loss)

    @property
    def operator(self) -> Operator:
        """What kind of function W is."""
        return operator(self.dimension, self.reach, self.symmetries, self.exchange)

    @property
    def solver(self) -> str:
        """The tableau and its steps, in a few words."""
        return f"{self.tableau.name} {'× ' + str(self.steps) if self.tolerance is None else f'to {self.tolerance}'}"

    def level(self, name: str) -> Spec:
        """The Spec of a level. Raises SpecError naming the levels there are."""
        found = dict(self.levels).get(name) if isinstance(name, str) else None
        if found is None:
            known = [n for n, _ in self.levels]
            cause = "a typing error, or a level that the spec does not declare"
            raise SpecError(
                f"level {name!r}",
                f"levels of {self.name}: {', '.join(known) or 'none'}",
                *advice(name, known, cause, "declare it under [levels], or use one of the above"),
                "levels",
            )
        return found
