"""Equation × bases → the semi-discrete form (4), (5), its stages in depth (7), and the structure of its tables.

Everything here is exact (``ExactMatrix``); rounding happens once, when ``emit.tables`` writes float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Literal

from derive import tableau
from derive.equation import Equation
from derive.errors import DerivationError
from derive.exact.matrix import identity, kron, single, stack
from derive.spaces import basis as bases
from derive.spaces import convolution, symmetry, transfer
from derive.spaces import products as inner_product
from derive.spaces.basis import WIDTH
from derive.spec import BasisSpec, Slab, Spec, of_axis, step_lengths
from derive.tableau import Table

if TYPE_CHECKING:
    from derive.spaces.basis import Basis
    from derive.spaces.convolution import Waves
    from derive.spaces.products import ExactMatrix, Rule
    from derive.spaces.symmetry import Admissible

Structure = Literal["identity", "diagonal", "banded", "dense", "blocks"]


Blocks = tuple[tuple[int, int, int, int, int], ...]


@dataclass(frozen=True)
class Layout:
    """How kernels store learned tables in blocks.

    blocks: "w", "V" → (first row, last, first column, last, start of its numbers) of every block.
    rows, columns: the functions of φ and φ̃ in the order of the blocks of w; None: as they are.
    entries, values: N (w = N z) as (m, start, row in the block, column in it, columns of the block) and numbers.
    waves: of κ in frequencies what stands in place of the tables Φ and C, and "numbers", from κ's coefficients to z.
    """

    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    rows: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None
    entries: tuple[tuple[int, int, int, int, int], ...] = ()
    values: tuple[Fraction, ...] = ()
    waves: Mapping[str, ExactMatrix] = field(default_factory=dict)

    @classmethod
    def of(cls, weight: Admissible) -> Layout:
        """Block after block, each with its rows and columns side by side."""
        rows: list[int] = []
        columns: list[int] = []
        found, start = [], 0
        place: dict[int, tuple[int, int, int]] = {}  # row of w → start, row in its block, columns
        for own_rows, own_columns in weight.blocks:
            first = len(rows), len(columns)
            rows += own_rows
            columns += own_columns
            found.append((first[0], len(rows), first[1], len(columns), start))
            place |= {i: (start, k, len(own_columns)) for k, i in enumerate(own_rows)}
            start += len(own_rows) * len(own_columns)
        within = {j: k for _, own in weight.blocks for k, j in enumerate(own)}
        entries = tuple((m, place[i][0], place[i][1], within[j], place[i][2]) for m, i, j, _ in weight.entries)
        values = tuple(value for *_, value in weight.entries)
        return cls({"w": tuple(found)}, tuple(rows), tuple(columns), entries, values)

    @classmethod
    def stencil(cls, nodes: int, size: int) -> Layout:
        """One block for all nodes: the coefficients of κ, applied to each node's own rows of C."""
        blocks = tuple((q, q + 1, q * size, (q + 1) * size, 0) for q in range(nodes))
        entries = tuple((m, 0, 0, m, size) for m in range(size))
        return cls({"w": blocks}, entries=entries, values=(Fraction(1),) * size)

    @classmethod
    def frequencies(cls, waves: Waves) -> Layout:
        """A block a frequency, (a) or [[a, b], [−b, a]]."""
        size, blocks, start = waves.forward.shape[0], [], 0
        entries: list[tuple[int, int, int, int, int]] = []
        values: list[Fraction] = []
        for first in (0, *range(1, size, 2)):
            width = min(2, size - first) if first else 1
            blocks.append((first, first + width, first, first + width, start))
            for i, j in product(range(width), range(width)):
                entries.append((first + (i != j), start, i, j, width))
                values.append(Fraction(-1 if i > j else 1))
            start += width * width
        tables = {"Phi": waves.inverse, "C": waves.forward, "numbers": waves.numbers}
        return cls({"w": tuple(blocks)}, entries=tuple(entries), values=tuple(values), waves=tables)

    def ordered(self, name: str, table: ExactMatrix) -> ExactMatrix:
        """A table as kernels see it: Φ and C with the functions in the order of the blocks, or in frequencies."""
        if name in self.waves:
            return self.waves[name]
        if name == "Phi" and self.rows is not None:
            return table.chosen(columns=self.rows)
        if name in ("C", "C_entry") and self.columns is not None:
            return table.chosen(rows=self.columns)
        return table

    @classmethod
    def of_axes(cls, axes: Sequence[Layout], sizes: Sequence[tuple[int, int]]) -> Layout:
        """The layout of products of what each axis has; of one axis, its own. sizes: rows and columns of w, an axis.

        Products of two blocks have their rows and columns apart: a block of the last axis for every number in a block
        of the others. Numbers, rows and columns of the last axis run first.
        """
        whole = axes[0]
        for layout, (own_rows, own_columns) in zip(axes[1:], sizes[1:]):
            if not layout.entries:
                break
            count, second = layout.numbers, layout.functions
            blocks = tuple(
                (r * own_rows + a, r * own_rows + b, c * own_columns + d, c * own_columns + e, number * count + start)
                for first, last, left, right, origin in whole.blocks["w"]
                for number, (r, c) in enumerate(product(range(first, last), range(left, right)), origin)
                for a, b, d, e, start in layout.blocks["w"]
            )
            entries = tuple(
                (m * second + n, (start + row * width + column) * count + origin, k, l, size)
                for m, start, row, column, width in whole.entries
                for n, origin, k, l, size in layout.entries
            )
            values = tuple(x * y for x in whole.values for y in layout.values)
            waves = {}
            if whole.waves or layout.waves:
                waves["numbers"] = kron([one.waves.get("numbers", identity(one.functions)) for one in (whole, layout)])
            whole = cls({"w": blocks}, entries=entries, values=values, waves=waves)
        return whole

    @property
    def numbers(self) -> int:
        """How many numbers the blocks of w hold."""
        return max(start + (b - a) * (d - c) for a, b, c, d, start in self.blocks["w"])

    @property
    def functions(self) -> int:
        """How many coefficients the blocks of w are made of."""
        return max(m for m, *_ in self.entries) + 1


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
    axes = [_axis(spec, slab.along(k), entry.along(k), changes) for k in range(spec.dimension)]
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
        chosen[name] = bases.build(declared, depth)
        tables[f"gram/{name}"] = inner_product.gram(chosen[name], chosen[name])
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


MOST_NUMBERS = 1 << 20
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


def _axis(spec: Spec, slab: Slab, entry: BasisSpec, changes: bool) -> Axis:
    """What an axis has by itself. changes: whether the slab's state arrives in another basis."""
    chosen = {
        "entry": bases.build(entry, WIDTH),
        "state": bases.build(slab.state, WIDTH),
        "weight_out": bases.build(slab.weight_out, WIDTH),
        "weight_in": bases.build(slab.weight_in, spec.inner_width),
        "bias_width": bases.build(slab.bias_width, WIDTH),
    }
    state = chosen["state"]
    rule = quadrature(spec, slab, chosen)
    nodes = rule.points.shape[0]
    tables = {f"gram/{name}": inner_product.gram(b, b) for name, b in chosen.items()}
    mass = tables["gram/state"]
    x = inner_product.evaluate(state, rule)
    weighted = x.T.scaled(columns=rule.weights)
    mass_rule = weighted @ x
    if state.kind == "closed-form":
        _check_seen(mass, mass_rule, nodes)
    aliasing = (mass_rule - mass).largest()
    # The rule's mass equals the exact one whenever the rule is exact; the exact one keeps its zeros.
    mass_h = mass if aliasing < 1e-30 else mass_rule
    tables |= {
        "M": mass,
        "M_h": mass_h,
        "Phi": (
            identity(nodes)
            if spec.reach is not None
            else inner_product.evaluate(chosen["weight_out"], rule)
        ),
        "Psi": inner_product.evaluate(chosen["bias_width"], rule),
        "C": _coupling(spec, chosen["weight_in"], state, rule),
        "X": x,
        "A": mass_h.solve(weighted),
    }
    weight = None
    layout = Layout()
    if spec.reach is not None:
        layout = _convolution(spec, chosen, tables["C"], rule, changes)
    elif spec.symmetries:
        weight = symmetry.admissible(spec.symmetries, chosen["weight_out"], chosen["weight_in"])
        check_any(weight, spec)
        layout = Layout.of(weight)
        tables["gram/weight_pair"] = weight.gram(tables["gram/weight_out"], tables["gram/weight_in"])
    if changes:
        tables["P_entry"] = transfer.transfer(state, chosen["entry"])
        if spec.tableau.explicit:
            tables["C_entry"] = _coupling(spec, chosen["weight_in"], chosen["entry"], rule)
            tables["X_entry"] = inner_product.evaluate(chosen["entry"], rule)
    return Axis(chosen, tables, rule.points, aliasing, weight, layout)


def _convolution(spec: Spec, chosen: dict[str, Basis], table: ExactMatrix, rule: Rule, changes: bool) -> Layout:
    """κ in frequencies, where that is possible and costs fewer multiplications; else its stencil at every node.

    The products of all axes' numbers are held whole: of large squares and cubes they are too many.
    """
    kernel, state = chosen["weight_in"], chosen["state"]
    stencil, wide = Layout.stencil(rule.points.shape[0], kernel.size), spec.pre_activations * spec.channels
    found = None if changes else convolution.waves(table, kernel, state, rule, spec.periodic)
    if found is None or math.prod(found.numbers.shape) ** spec.dimension > MOST_NUMBERS:
        return stencil
    entries = int(table.nonzero().sum()) if structure(table) == "banded" else math.prod(table.shape)
    cost = entries * spec.channels + table.shape[0] * spec.channels * wide
    return Layout.frequencies(found) if found.cost(spec.channels, wide) < cost else stencil


def _coupling(spec: Spec, inner: Basis, state: Basis, rule: Rule) -> ExactMatrix:
    """C: what w is applied to, C h. Of κ(ξ − ξ′) the couplings of every node, one below the other."""
    if spec.reach is None:
        return inner_product.gram(inner, state)
    return convolution.couplings(inner, state, rule, spec.periodic)


def check_any(weight: Admissible, spec: Spec) -> None:
    """Raise DerivationError where symmetries leave nothing of w."""
    if not weight.size:
        raise DerivationError(
            f"no weight on these bases that {' and '.join(map(str, spec.symmetries))} leaves alone",
            "bases with functions that move alike", "width_out and width_in are of different kinds",
            "use equal bases for both", "equation.symmetry",
        )  # fmt: skip


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


def quadrature(spec: Spec, slab: Slab, chosen: dict[str, Basis]) -> Rule:
    """The rule of section 3: Gauss–Legendre on the cells of the union of breakpoints; equally spaced for Fourier.

    A nodal state brings its own points. The default makes A exact on products of χ with φ and ψ, and takes at least
    ⌈3n/2⌉ points for a spectral state (one cell) of size n.
    """
    state = chosen["state"]
    if state.nodes is not None and slab.quadrature is None:
        return state.nodes
    if state.kind == "fourier":
        count = slab.quadrature or -(-3 * state.size // 2)
        if count < state.size:
            raise _too_few(count, state.size)
        return inner_product.uniform_rule(count)
    involved = [state, *(bases.build(b, WIDTH) for b in slab.rule or (slab.weight_out, slab.bias_width))]
    union = tuple(sorted({b for basis in involved for b in basis.breakpoints}))
    cells = len(union) - 1
    if slab.quadrature is not None:
        if slab.quadrature % cells or slab.quadrature < state.size:
            raise DerivationError(
                f"quadrature = {slab.quadrature} points over {cells} cells for a state of size {state.size}",
                f"a multiple of {cells}, at least {state.size}",
                "every cell of the union of the breakpoints gets the same number of points",
                f"use quadrature = {cells * -(-max(state.size, slab.quadrature) // cells)}, or leave it out",
                "state.quadrature",
            )
        per_cell = slab.quadrature // cells
    else:
        per_cell = _points_per_cell(involved, cells)
    return inner_product.gauss_rule(union, per_cell)


def weights(spec: Spec, slab: Slab, chosen: dict[str, Basis]) -> ExactMatrix:
    """The weights of a slab's rule on the whole domain, with sum 1, in a column."""
    rules = [
        quadrature(spec, slab.along(axis), {"state": chosen[of_axis("state", axis)]}) for axis in range(spec.dimension)
    ]
    half = single(Fraction(1, 2))
    return kron([rule.weights @ half for rule in rules])


SEEN = 1e-3  # of a function's squared norm, that a rule has to see of it


def _check_seen(mass: ExactMatrix, mass_rule: ExactMatrix, nodes: int) -> None:
    """Raise DerivationError where a function of the state lies between the nodes: A would divide by nothing."""
    whole, found = (table.to_float().diagonal() for table in (mass, mass_rule))
    for j in range(len(whole)):
        if found[j] < SEEN * whole[j]:
            raise DerivationError(
                f"function {j + 1} of the state, which {nodes} quadrature points do not see",
                "functions that are not all but zero at the points", "a narrow peak between them",
                "put breakpoints around the peak, or raise quadrature", "state.quadrature",
            )  # fmt: skip


def _points_per_cell(involved: list[Basis], cells: int) -> int:
    # A closed-form or trigonometric function counts like a polynomial with twice as many functions.
    degrees = [b.degree if b.degree is not None else 2 * b.size for b in involved]
    state = involved[0]
    exact = -(-(degrees[0] + max(degrees) + 1) // 2)
    spectral = len(state.breakpoints) == 2 and state.size > 1
    return max(exact, math.ceil(math.ceil(1.5 * state.size) / cells)) if spectral else exact


def _too_few(count: int, size: int) -> DerivationError:
    return DerivationError(
        f"quadrature = {count} for a state of {size} functions",
        f"at least {size} points; the default is {-(-3 * size // 2)}",
        "with fewer points than functions the projection A has no unique value",
        "leave quadrature out, or raise it",
        "state.quadrature",
    )


def stage_rows(
    spec: Spec, depth: Basis, steps: tuple[tuple[Fraction, Fraction], ...]
) -> tuple[ExactMatrix, tuple[tuple[int, ...], ...]]:
    """Θ_sk = θ_k(δ_s) at all stages: its distinct rows, and which row each (step, stage) uses.

    At a breakpoint the value is the limit from inside the step (section 4).
    """
    found: dict[tuple[str, ...], int] = {}
    rows: list[ExactMatrix] = []
    index = []
    for start, length in steps:
        stages = []
        for c in spec.tableau.c:
            row = inner_product.evaluate_at(depth, start + c * length, (start, start + length))
            key = tuple(str(entry) for entry in row.entries())
            if key not in found:
                found[key] = len(rows)
                rows.append(row)
            stages.append(found[key])
        index.append(tuple(stages))
    return stack(rows), tuple(index)


def structure(table: ExactMatrix) -> Structure:
    """What the pattern of exact zeros and ones says: identity, diagonal, banded (rows are short runs) or dense."""
    pattern = table.nonzero()
    rows, columns = pattern.shape
    if rows == columns and not (pattern & ~_eye(rows)).any():
        return "identity" if table.is_identity() else "diagonal"
    runs = [int(r.nonzero()[0][-1] - r.nonzero()[0][0] + 1) if r.any() else 0 for r in pattern]
    # A run of at most a quarter of the row beats a dense product on every size that we measured.
    return "banded" if 4 * max(runs, default=0) <= columns else "dense"


def _eye(n: int):  # type: ignore[no-untyped-def]
    import numpy as np

    return np.eye(n, dtype=bool)
