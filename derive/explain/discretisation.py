"""The bases and the semi-discrete form, sections 3 and 4 of a derivation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from derive.exact.matrix import ExactMatrix
from derive.explain.markdown import shown, table
from derive.galerkin import SemiDiscrete
from derive.program.layout import factors
from derive.spaces.products import continuous
from derive.spec import BasisSpec, Spec, of_axis

ROLES = {
    "entry": "χ⁰, the state that enters",
    "state": "χ, the state",
    "weight_out": "φ, the weight in ξ",
    "weight_in": "φ̃",  # and what the kind of W says
    "weight_depth": "θ, the weight in δ",
    "bias_width": "ψ, the bias in ξ",
    "bias_depth": "ϑ, the bias in δ",
}
MEANINGS = {
    "Phi": "Φ_qi = φ_i(ξ_q)",
    "Psi": "Ψ_qi = ψ_i(ξ_q)",
    "C": "C_jl = ⟨φ̃_j, χ_l⟩",
    "X": "X_qj = χ_j(ξ_q)",
    "A": "A = (Xᵀ diag(ω) X)⁻¹ Xᵀ diag(ω)",
}
WAVES = {"Phi": "cosines and sines at the nodes", "C": "cosines and sines of χ_l"}
WIDTHS = ("weight_out", "weight_in")


def family(basis: BasisSpec) -> str:
    """A basis in a few words."""
    if basis.axes is not None:
        return " ⊗ ".join(map(family, basis.axes))
    details = [
        f"{key} {value}" for key, value in (("cells", basis.cells), ("degree", basis.degree)) if value is not None
    ]
    if basis.functions:
        details.append("functions " + ", ".join(basis.functions))
    return basis.family + (f" ({', '.join(details)})" if details else "")


def _roles(spec: Spec, k: int) -> Iterator[tuple[str, BasisSpec]]:
    slab = spec.slabs[k]
    entry = spec.slabs[k - 1].state if k else spec.entry
    if entry != slab.state:
        yield "entry", entry
    for role in ROLES:
        if role != "entry" and (role in spec.operator.roles or role not in WIDTHS):
            yield role, getattr(slab, role)


def _role(spec: Spec, role: str) -> str:
    return spec.operator.inner_words if role == "weight_in" else ROLES[role]


def bases_of(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    """Section 3."""
    yield from ("## 3. The bases, (3)", "")
    if spec.dimension > 1:
        domain, point = ("square [−1, 1]²", "ξ₁, ξ₂") if spec.dimension == 2 else ("cube [−1, 1]³", "ξ₁, ξ₂, ξ₃")
        yield from (
            f"ξ = ({point}) is a point of the {domain}, and integrals are over it. Every basis in ξ holds the "
            "products of functions along the axes, the index of the last axis running first.", "",
        )  # fmt: skip
    yield from shown(
        "h = Σ_j h_j(δ) χ_j(ξ)",
        spec.operator.formula,
        "b = Σ_ik β_ik ψ_i(ξ) ϑ_k(δ)",
        *(["V = Σ_ik v_ik ψ_i(ξ) ϑ_k(δ)"] if spec.local else []),
    )
    for k, form in enumerate(forms):
        yield from (f"Slab {k + 1}, δ from {form.start} to {form.stop}:", "")
        rows = [
            (_role(spec, role), family(basis), str(basis.size), _smoothness(form, role, basis))
            for role, basis in _roles(spec, k)
        ]
        yield from table(("basis", "family", "functions", "at breakpoints"), rows)
    if spec.channels * spec.pre_activations > 1:
        wide = "c" if spec.pre_activations == 1 else f"{spec.pre_activations}c"
        both = "every w_ijk and v_ik is" if spec.local else "every w_ijk is"
        yield from (
            f"There are c = {spec.channels} channels: {both} a {wide} × c matrix, every β_ik a vector of {wide}.",
            "",
        )
    if spec.operator.paired:
        yield from _left(spec, forms)
    elif spec.symmetries:
        names = " and ".join(map(str, spec.symmetries))
        yield from (f"Symmetry (6): {names}; φ̃ and ψ hold the functions that do not change.", "")
    if spec.inputs is not None:
        count = "one channel" if spec.inputs == 1 else f"{spec.inputs} channels"
        where = "one matrix at every point"
        if spec.lift_width is not None:
            where = f"P in {family(spec.lift_width)}, {spec.lift_width.size} functions, projected on the state's basis"
        yield from (f"The records have {count}; h(ξ, 0) = P (x(ξ), 1), {where}.", "")
    yield from (f"The fields have {coefficients(spec, forms)} coefficients in all.", "")


def _left(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    yield from (f"{spec.operator.left} Kernels apply w block by block.", "")
    for k, form in enumerate(forms):
        for axis, weight in enumerate(form.weights):
            whole = math.prod(form.bases[of_axis(role, axis)].size for role in ("weight_out", "weight_in"))
            shapes: dict[str, int] = {}
            for rows, columns in weight.blocks:
                shape = f"{len(rows)} × {len(columns)}"
                shapes[shape] = shapes.get(shape, 0) + 1
            blocks = ", ".join(f"{count} of {shape}" for shape, count in shapes.items())
            where = f"Slab {k + 1}" if spec.dimension == 1 else f"Slab {k + 1}, axis {axis + 1}"
            yield from (f"{where}: {weight.size} of {whole} coefficients a depth function; blocks: {blocks}.", "")
        if spec.dimension > 1:
            yield from ("W has the products of what every axis leaves.", "")


def _smoothness(form: SemiDiscrete, role: str, declared: BasisSpec) -> str:
    axes = range(len(declared.axes or (declared,)))
    found = [form.bases[of_axis(role, axis)] for axis in axes]
    if all(basis.cells == 1 for basis in found):
        return "one cell"
    return "continuous" if all(continuous(basis) for basis in found) else "with jumps"


def coefficients(spec: Spec, forms: Sequence[SemiDiscrete]) -> int:
    """How many coefficients all fields have."""
    wide, c = spec.pre_activations * spec.channels, spec.channels
    total = len(spec.learned) * c + (0 if spec.inputs is None else c * spec.entry_channels)
    for s, form in zip(spec.slabs, forms):
        sizes = [weight.size for weight in form.weights] or [s.weight_out.size, s.weight_in.size]
        pairs = math.prod(sizes)
        total += pairs * s.weight_depth.size * wide * c
        total += s.bias_width.size * s.bias_depth.size * wide * (1 + c if spec.local else 1)
    if spec.outputs is not None:
        if spec.readout is None:
            total += (1 if spec.readout_width is None else spec.readout_width.size) * spec.outputs * (c + 1)
        else:
            total += spec.outputs * ((spec.readout.size + spec.beside) * c + 1)
    return total


def semidiscrete(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    """Section 4: the equations at the nodes, and their tables."""
    yield from ("## 4. The semi-discrete form, (4) and (5)", "")
    yield from (
        "Insert (3) into (1), take the integral over ξ′ exactly and look at the nodes ξ_q; project ρ at the nodes back "
        "to the state's basis in the discrete L2 inner product, so that A X = 1.", "",
    )  # fmt: skip
    local = "(v_ik (X h)_q + β_ik)" if spec.local else "β_ik"
    yield from shown(
        f"u_q = Σ_k θ_k(δ) {spec.operator.applied} + Σ_k ϑ_k(δ) Ψ_qi {local}        (4)",
        "ḣ = A ρ(u, X h)                                                  (5)",
    )
    if spec.dimension > 1:
        yield from (
            "Φ, C, X and A are Kronecker products of tables along the axes, and are applied one axis at a time.", "",
        )  # fmt: skip
    for k, form in enumerate(forms):
        rows = [
            (
                meaning if spec.dimension == 1 or name == "Psi" else f"{meaning}, along axis {axis + 1}",
                " × ".join(map(str, form.stored(part).shape)),
                form.structures[part],
                _exactness(form.stored(part)),
            )
            for name in MEANINGS
            for axis, part in enumerate(factors(name, form.structures))
            if (meaning := _meaning(spec, name, bool(form.orders[axis].waves)))
        ]
        points = math.prod(points.shape[0] for points in form.nodes)
        left = "exact" if form.aliasing < 1e-30 else f"off by {form.aliasing:.1e}"
        yield from (f"Slab {k + 1}: {points} nodes; the rule's mass matrix of the state is {left}.", "")
        yield from table(("table", "rows × columns", "structure", "entries"), rows)
        if "w_waves" in form.tables:
            yield from (
                "C_qjl = ∫ φ̃_j(ξ_q − ξ′) χ_l(ξ′) dξ′ commutes with shifts between nodes and is held in frequencies: "
                "the cosines and sines of h, a block [[a, b], [−b, a]] for each, and back to the nodes. a and b are "
                f"w_waves ({' × '.join(map(str, form.tables['w_waves'].shape))}) times the coefficients of κ.", "",
            )  # fmt: skip
        if form.entry:
            yield from ("The state enters in another basis: its first stage uses C and X of that basis.", "")
    yield from (f"Samples become coefficients by the interpolant '{spec.interpolant}'.", "")


def _meaning(spec: Spec, name: str, waves: bool) -> str | None:
    """What a table along an axis holds; waves: whether W is in frequencies there. None for one that is 1."""
    if waves and name in WAVES:
        return WAVES[name]
    return spec.operator.meanings.get(name, MEANINGS[name])


def _exactness(table: ExactMatrix) -> str:
    return "rational" if table.rational else "algebraic or transcendental, enclosed"
