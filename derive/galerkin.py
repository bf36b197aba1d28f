"""Equation × bases → the semi-discrete form (4), (5), its stages in depth (7), and the structure of its tables.

Everything here is exact (``ExactMatrix``); rounding happens once, when ``emit.tables`` writes float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from derive import operators, tableau
from derive.equation import Equation
from derive.exact.matrix import ExactMatrix, kron
from derive.exact.structure import Structure, structure
from derive.layout import Blocks, Layout
from derive.spaces import quadrature
from derive.spaces.basis import Basis, build
from derive.spaces.products import evaluate, gram
from derive.spaces.stages import stage_rows
from derive.spaces.symmetry import Admissible
from derive.spaces.transfer import transfer
from derive.spec import WIDTH, BasisSpec, Slab, Spec, of_axis, step_lengths
from derive.tableau import Table


@dataclass(frozen=True)
class SemiDiscrete:
    """One slab of the semi-discrete form, exact.

    On a square or a cube all width bases and rules are products. Their tables are then Kronecker products, of which
    the factors are held, an axis each: "C", "C_2", "C_3" (``of_axis``); Psi and what belongs to an entry basis are
    held as a whole.

    bases: "state", "entry", "weight_out", "weight_in", "weight_depth", "bias_width", "bias_depth".
    tables: M, M_h (state mass, by integrals and by the rule), Phi, Psi, C, X, A, theta (stage rows of the weight's
    depth basis, distinct), vartheta (the bias's), and the Gram matrices "gram/<basis>"; with another entry basis
    also C_entry, X_entry and P_entry, for a first stage that sees the state as it arrives:
    A r(u, X_entry h) + κ P_entry h, the linear part by the exact projection. The stages of an implicit tableau see the
    projected state alone.
    structures: of Phi, Psi, C, X, A.  operator_index, bias_index: (steps, stages), the row of theta, vartheta.
    combine: (steps, stages + 1, stages + 1), equation 7 with the linear part eliminated.
    groups: the stages [start, stop) that are solved for together; None where all are explicit.
    kappa: κ.  nodes: the quadrature points ξ_q of every axis.  aliasing: largest entry of |M_h − M|, what rules leave.
    weights: what symmetries leave of w along every axis, or none; of W = κ(ξ − ξ′), C has a row for every node and
    function of κ, and Φ is the identity.  orders: in which every axis has its functions.  layout: how w and V are
    stored in blocks, where they are.
    """

    start: Fraction
    stop: Fraction
    bases: dict[str, Basis]
    tables: dict[str, ExactMatrix]
    structures: dict[str, Structure]
    entry: bool
    operator_index: tuple[tuple[int, ...], ...]
    bias_index: tuple[tuple[int, ...], ...]
    combine: tuple[Table, ...]
    groups: tuple[tuple[int, int], ...] | None
    kappa: Fraction
    nodes: tuple[ExactMatrix, ...]
    aliasing: float
    weights: tuple[Admissible, ...]
    orders: tuple[Layout, ...]
    layout: Layout

    @property
    def dimension(self) -> int:
        """How many axes the domain has."""
        return len(self.nodes)

    def stored(self, name: str) -> ExactMatrix:
        """A table as kernels see it."""
        for axis, order in enumerate(self.orders):
            for role in ("Phi", "C"):
                if name == of_axis(role, axis):
                    return order.ordered(role, self.tables[name])
        return self.tables[name]


@dataclass(frozen=True)
class Axis:
    """What one axis of the domain has by itself; see ``SemiDiscrete``."""

    bases: dict[str, Basis]
    tables: dict[str, ExactMatrix]
    nodes: ExactMatrix
    aliasing: float
    weight: Admissible | None
    layout: Layout

    def ordered(self, name: str) -> ExactMatrix:
        """A table with its functions in the order of the blocks."""
        return self.layout.ordered(name, self.tables[name])


def semidiscrete(spec: Spec, equation: Equation) -> tuple[SemiDiscrete, ...]:
    """Every slab's semi-discrete form, in the order of depth. Raises DerivationError."""
    forms = []
    entry = spec.entry
    for slab, steps in zip(spec.slabs, step_lengths(spec)):
        forms.append(_slab(spec, equation, slab, entry, steps))
        entry = slab.state
    return tuple(forms)


def _slab(
    spec: Spec, equation: Equation, slab: Slab, entry: BasisSpec, steps: tuple[tuple[Fraction, Fraction], ...]
) -> SemiDiscrete:
    changes = entry != slab.state
    axes = [
        _axis(spec, slab.along(k), entry.along(k), changes, periodic) for k, periodic in enumerate(spec.periodic)
    ]
    chosen = {of_axis(name, k): basis for k, axis in enumerate(axes) for name, basis in axis.bases.items()}
    tables = {
        of_axis(name, k): table
        for k, axis in enumerate(axes)
        for name, table in axis.tables.items()
        if name not in HELD_WHOLE
    }
    tables |= {
        name: kron([axis.ordered(name) for axis in axes])
        for name in HELD_WHOLE
        if name in axes[0].tables
    }
    depth = (slab.start, slab.stop)
    for name, declared in (("weight_depth", slab.weight_depth), ("bias_depth", slab.bias_depth)):
        chosen[name] = build(declared, depth)
        tables[f"gram/{name}"] = gram(chosen[name], chosen[name])
    sizes = [(axis.ordered("Phi").shape[1], axis.ordered("C").shape[0]) for axis in axes]
    layout = Layout.of_axes([axis.layout for axis in axes], sizes)
    blocks = dict(layout.blocks)
    if spec.local:
        tables["Psi_V"], blocks["V"] = local_blocks(tables["Psi"])
    waves: dict[str, Structure] = {}
    if layout.waves:
        tables["w_waves"], waves["w_waves"] = layout.waves["numbers"], "dense"
    tables["theta"], operator_index = stage_rows(spec, chosen["weight_depth"], steps)
    tables["vartheta"], bias_index = stage_rows(spec, chosen["bias_depth"], steps)
    kappa = Fraction(int(equation.kappa.p), int(equation.kappa.q)) if equation.kappa else Fraction(0)
    return SemiDiscrete(
        start=slab.start,
        stop=slab.stop,
        bases=chosen,
        tables=tables,
        structures=_structures(axes, tables["Psi"]) | dict.fromkeys(blocks, "blocks") | waves,
        entry=changes,
        operator_index=operator_index,
        bias_index=bias_index,
        combine=tuple(tableau.combination(spec.tableau, kappa, length) for _, length in steps),
        groups=None if spec.tableau.explicit else spec.tableau.groups,
        kappa=kappa,
        nodes=tuple(axis.nodes for axis in axes),
        aliasing=max(axis.aliasing for axis in axes),
        weights=tuple(axis.weight for axis in axes if axis.weight is not None),
        orders=tuple(axis.layout for axis in axes),
        layout=replace(layout, blocks=blocks),
    )


HELD_WHOLE = ("Psi", "P_entry", "C_entry", "X_entry")  # small, or read once: their products are formed


def _structures(axes: Sequence[Axis], psi: ExactMatrix) -> dict[str, Structure]:
    """Of the tables that a stage applies. On several axes a table is the identity only where all its factors are."""
    found: dict[str, Structure] = {"Psi": structure(psi)}
    for name in ("Phi", "C", "X", "A"):
        own = [structure(axis.ordered(name)) for axis in axes]
        if len(own) > 1 and set(own) != {"identity"}:
            own = ["diagonal" if tag == "identity" else tag for tag in own]
        found |= {of_axis(name, k): tag for k, tag in enumerate(own)}
    return found


def _axis(spec: Spec, slab: Slab, entry: BasisSpec, changes: bool, periodic: bool) -> Axis:
    """What an axis has by itself. changes: whether the slab's state arrives in another basis."""
    chosen = {
        "entry": build(entry, WIDTH),
        "state": build(slab.state, WIDTH),
        "weight_out": build(slab.weight_out, WIDTH),
        "weight_in": build(slab.weight_in, spec.operator.inner),
        "bias_width": build(slab.bias_width, WIDTH),
    }
    state = chosen["state"]
    rule = quadrature.rule(spec, slab, chosen)
    w = operators.on_axis(spec, chosen, rule, periodic)
    tables = {f"gram/{name}": gram(b, b) for name, b in chosen.items()}
    mass = tables["gram/state"]
    x = evaluate(state, rule)
    weighted = x.T.scaled(columns=rule.weights)
    mass_rule = weighted @ x
    if state.kind == "closed-form":
        quadrature.check_seen(mass, mass_rule, rule.points.shape[0])
    aliasing = (mass_rule - mass).largest()
    # The rule's mass equals the exact one whenever the rule is exact; the exact one keeps its zeros.
    mass_h = mass if aliasing < 1e-30 else mass_rule
    tables |= {
        "M": mass,
        "M_h": mass_h,
        "Phi": w.phi(),
        "Psi": evaluate(chosen["bias_width"], rule),
        "C": w.coupling(state),
        "X": x,
        "A": mass_h.solve(weighted),
    }
    weight, layout = w.admissible, w.layout(tables["C"], changes)
    if weight is not None:
        tables["gram/weight_pair"] = weight.gram(tables["gram/weight_out"], tables["gram/weight_in"])
    if changes:
        tables["P_entry"] = transfer(state, chosen["entry"])
        if spec.tableau.explicit:
            tables["C_entry"] = w.coupling(chosen["entry"])
            tables["X_entry"] = evaluate(chosen["entry"], rule)
    return Axis(chosen, tables, rule.points, aliasing, weight, layout)


def local_blocks(psi: ExactMatrix) -> tuple[ExactMatrix, Blocks]:
    """The different rows of Ψ, each of which makes one matrix V_s, and the block of every node."""
    nodes, size = psi.shape
    known: dict[tuple[str, ...], int] = {}
    first: list[int] = []
    blocks = []
    texts = [str(entry) for entry in psi.entries()]
    for q in range(nodes):
        key = tuple(texts[q * size : (q + 1) * size])
        if key not in known:
            known[key] = len(first)
            first.append(q)
        blocks.append((q, q + 1, q, q + 1, known[key]))
    return psi.chosen(rows=first), tuple(blocks)
