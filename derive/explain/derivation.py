"""The derivation of a spec as Markdown: ``derivation.md``, in the order of an argument.

Formulas are printed from the objects that the other stages derived, by ``notation``; what is fixed notation is
written out here. No SymPy printer is involved, so that the bytes are the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

from derive import adjoint, tableau
from derive import equation as equations
from derive.equation import Equation, Step
from derive.exact import finite
from derive.exact.matrix import ExactMatrix
from derive.exact.surd import Exact
from derive.explain.notation import SUBSCRIPTS, formula, number, quotient
from derive.galerkin import SemiDiscrete
from derive.ladder import directions
from derive.program import loss
from derive.program.layout import factors
from derive.spaces import basis as bases
from derive.spaces import transfer
from derive.spec import BasisSpec, Spec, of_axis, step_lengths

if TYPE_CHECKING:
    from derive.derived import Derived

ROLES = {
    "entry": "χ⁰, the state that enters",
    "state": "χ, the state",
    "weight_out": "φ, the weight in ξ",
    "weight_in": "φ̃, the weight in ξ′",
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


Typeset = Callable[[Any], list[str]]


def text(spec: Spec, derived: Sequence[Derived], matrices: bool = False, typeset: Typeset | None = None) -> str:
    """The whole derivation as Markdown. derived: the base first, then its levels; pairs between them are left out.

    matrices: also every exact table of the base, rational entries as fractions, others as nearest doubles.
    typeset: SymPy formula → lines, for the formulas of derivation steps; Unicode unless given.
    """
    typeset = typeset or _unicode
    base, *others = derived
    equation = equations.derive(spec)
    lines = [
        f"# The continuum '{spec.name}'", "",
        *([spec.summary, ""] if spec.summary else []),
        *_continuum(equation, typeset),
        *_rate(spec, equation, typeset),
        *_bases(spec, base.forms),
        *_semidiscrete(spec, base.forms),
        *_depth(spec, equation, base.forms),
        *_adjoint(spec, base.forms, typeset),
        *_loss(spec),
        *_levels(base, [level for level in others if "+" not in level.name]),
        *(_matrices(base.forms) if matrices else []),
    ]  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


# --- pieces of Markdown -------------------------------------------------------------------------------------


def _shown(*formulas: str) -> list[str]:
    """Formulas as an indented block, which Markdown leaves alone."""
    return [*(f"    {f}" for f in formulas), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |" for line in lines] + [""]


def _unicode(expression: Any) -> list[str]:
    return _shown(formula(expression))


def _steps(steps: Iterable[Step], typeset: Typeset) -> Iterator[str]:
    for step in steps:
        yield from (f"**{step.title}.** {step.prose}", "")
        yield from typeset(adjoint.abbreviated(step.formula))


def _index(k: int) -> str:
    return str(k).translate(SUBSCRIPTS)


def _index_of(name: str) -> str:
    """u₁ for u1."""
    return name.translate(SUBSCRIPTS) if name[-1].isdigit() else name


# --- the sections -------------------------------------------------------------------------------------------


def _continuum(equation: Equation, typeset: Typeset) -> Iterator[str]:
    yield from ("## 1. From layers to a continuum", "")
    yield from _steps(equation.steps[: len(equations.from_layers())], typeset)


def _rate(spec: Spec, equation: Equation, typeset: Typeset) -> Iterator[str]:
    import sympy as sp

    yield from ("## 2. The rate", "")
    constants = [f"Δ = {spec.spacing}", *(f"{name} = {number(value)}" for name, value in spec.parameters)]
    yield from (f"Rate {spec.rate}, activation {spec.activation}, {', '.join(constants)}.", "")
    if spec.learned:
        starts = ", ".join(f"{name} from {number(value)}" for name, value in spec.learned)
        yield from (f"Learned, a number for every channel: {starts}.", "")
    if spec.normalise is not None:
        yield from ("ρ takes û in place of u, normalised over the c channels at every ξ.", "")
        yield from _shown(f"û = u/√(S + ε),  S = (1/c) Σ u²,  ε = {spec.normalise}")
    yield from _steps(equation.steps[len(equations.from_layers()) :], typeset)
    names = list(equation.slopes)
    yield from (f"**Its derivatives**, by {', by '.join(names[:-1])} and by {names[-1]}.", "")
    slopes = {name: finite.plain(slope) for name, slope in equation.slopes.items()}
    yield from _shown(*(f"∂ρ/∂{_index_of(name)} = {formula(slope)}" for name, slope in slopes.items()))
    if equation.rho.has(sp.Piecewise):
        yield from ("At a kink the derivative is the one from the left.", "")


def _family(basis: BasisSpec) -> str:
    if basis.axes is not None:
        return " ⊗ ".join(map(_family, basis.axes))
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
        if role != "entry" and not (role == "weight_out" and spec.reach is not None):
            yield role, getattr(slab, role)


def _role(spec: Spec, role: str) -> str:
    return "φ̃, κ in s = ξ − ξ′" if role == "weight_in" and spec.reach is not None else ROLES[role]


def _bases(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    yield from ("## 3. The bases, (3)", "")
    if spec.dimension > 1:
        domain, point = ("square [−1, 1]²", "ξ₁, ξ₂") if spec.dimension == 2 else ("cube [−1, 1]³", "ξ₁, ξ₂, ξ₃")
        yield from (
            f"ξ = ({point}) is a point of the {domain}, and integrals are over it. Every basis in ξ holds the "
            "products of functions along the axes, the index of the last axis running first.", "",
        )  # fmt: skip
    yield from _shown(
        "h = Σ_j h_j(δ) χ_j(ξ)",
        "W = Σ_ijk w_ijk φ_i(ξ) φ̃_j(ξ′) θ_k(δ)" if spec.reach is None else
        f"W = κ(ξ − ξ′, δ),  κ(s, δ) = Σ_jk w_jk φ̃_j(s) θ_k(δ),  zero for |s| > {spec.reach}",
        "b = Σ_ik β_ik ψ_i(ξ) ϑ_k(δ)",
        *(["V = Σ_ik v_ik ψ_i(ξ) ϑ_k(δ)"] if spec.local else []),
    )
    for k, form in enumerate(forms):
        yield from (f"Slab {k + 1}, δ from {form.start} to {form.stop}:", "")
        rows = [
            (_role(spec, role), _family(basis), str(basis.size), _smoothness(form, role, basis))
            for role, basis in _roles(spec, k)
        ]
        yield from _table(("basis", "family", "functions", "at breakpoints"), rows)
    if spec.channels * spec.pre_activations > 1:
        wide = "c" if spec.pre_activations == 1 else f"{spec.pre_activations}c"
        both = "every w_ijk and v_ik is" if spec.local else "every w_ijk is"
        yield from (
            f"There are c = {spec.channels} channels: {both} a {wide} × c matrix, every β_ik a vector of {wide}.",
            "",
        )
    if "weight_pair" in spec.weight_axes:
        yield from _symmetry(spec, forms)
    elif spec.symmetries:
        names = " and ".join(map(str, spec.symmetries))
        yield from (f"Symmetry (6): {names}; φ̃ and ψ hold the functions that do not change.", "")
    if spec.inputs is not None:
        count = "one channel" if spec.inputs == 1 else f"{spec.inputs} channels"
        where = "one matrix at every point"
        if spec.lift_width is not None:
            where = f"P in {_family(spec.lift_width)}, {spec.lift_width.size} functions, projected on the state's basis"
        yield from (f"The records have {count}; h(ξ, 0) = P (x(ξ), 1), {where}.", "")
    yield from (f"The fields have {_coefficients(spec, forms)} coefficients in all.", "")


def _symmetry(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    names = " and ".join(map(str, spec.symmetries))
    yield from (
        f"**Symmetry (6): {names}.** Of w the null space of its equations is left, w = N z, and ψ holds the functions "
        "that do not change. Kernels apply w block by block.", "",
    )  # fmt: skip
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
    return "continuous" if all(basis.continuous for basis in found) else "with jumps"


def _coefficients(spec: Spec, forms: Sequence[SemiDiscrete]) -> int:
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
            total += spec.outputs * ((spec.readout.size + (spec.maximum is not None)) * c + 1)
    return total


def _semidiscrete(spec: Spec, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    yield from ("## 4. The semi-discrete form, (4) and (5)", "")
    yield from (
        "Insert (3) into (1), take the integral over ξ′ exactly and look at the nodes ξ_q; project ρ at the nodes back "
        "to the state's basis in the discrete L2 inner product, so that A X = 1.", "",
    )  # fmt: skip
    local = "(v_ik (X h)_q + β_ik)" if spec.local else "β_ik"
    product = "Φ_qi w_ijk (C h)_j" if spec.reach is None else "w_jk (C h)_qj      "
    yield from _shown(
        f"u_q = Σ_k θ_k(δ) {product} + Σ_k ϑ_k(δ) Ψ_qi {local}        (4)",
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
        yield from _table(("table", "rows × columns", "structure", "entries"), rows)
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
    """What a table along an axis holds; waves: whether κ is in frequencies there. None for stencils' Φ, which is 1."""
    if spec.reach is None or name not in ("Phi", "C"):
        return MEANINGS[name]
    if waves:
        return "cosines and sines of χ_l" if name == "C" else "cosines and sines at the nodes"
    return "C_qjl = ∫ φ̃_j(ξ_q − ξ′) χ_l(ξ′) dξ′" if name == "C" else None


def _exactness(table: ExactMatrix) -> str:
    return "rational" if table.rational else "algebraic or transcendental, enclosed"


def _depth(spec: Spec, equation: Equation, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    method = spec.tableau
    yield from (f"## 5. Integration in depth, (7): {method.name}", "")
    rows = [[number(c), *map(number, row)] for c, row in zip(method.c, method.a)]
    rows.append(["b̄", *map(number, method.b)])
    if method.embedded is not None:
        rows.append([f"order {method.embedded_order}", *map(number, method.embedded)])
    yield from _table(["c", *(f"a·{_index(j + 1)}" for j in range(len(method.b)))], rows)
    yield from (
        f"It claims order {method.order}. Besides c = Σ a these conditions hold, one for each rooted tree:",
        "",
    )
    conditions = tableau.conditions(method.order)
    yield from _table(("condition", "left", "right"), [
        (c.name, number(c.left(method.a, method.b)), number(c.right)) for c in conditions
    ])  # fmt: skip
    yield from ("Its stability function is", "")
    yield from _shown("R(z) = " + quotient(tableau.stability_function(method)))
    if spec.tolerance is not None:
        yield from (
            "The steps are found while the model runs: the difference of the two rows of weights estimates the error "
            f"of a step, which may be {spec.tolerance} (1 + ‖h‖) for every record; (10) is then taken on those steps. "
            "Below are the steps that are tried first.", "",
        )  # fmt: skip
    lengths = [[length for _, length in steps] for steps in step_lengths(spec)]
    for k, (form, slab) in enumerate(zip(forms, lengths)):
        yield from _steps_of_slab(k, form, slab)
    kappa = Fraction(int(equation.kappa.p), int(equation.kappa.q)) if equation.kappa is not None else None
    if kappa:
        yield from (
            f"The linear part, κ = {number(kappa)}, is eliminated: k_j = m_j + κ H_j with m_j = A r(u(H_j)).",
            "",
        )
        longest = max(length for slab in lengths for length in slab)
        above, below = (tableau.value(p, kappa * longest) for p in tableau.stability_function(method))
        yield from (f"For the longest step R(κ s) = {number(above / below)}.", "")
    else:
        yield from ("There is no constant linear part to eliminate: k_j = m_j = A ρ(u(H_j), X H_j).", "")
    if not method.explicit:
        groups = ", ".join(" and ".join(str(i + 1) for i in range(*group)) for group in method.groups)
        yield from (
            f"Stages that are solved for together: {groups}. They are found by Newton's method; its corrections, "
            "solutions of (1 − γ J) dH = residual, by GMRES from products with J alone, the tangent of (4), (5).",
            "",
        )  # fmt: skip
    for length, rows_of_step in _distinct(lengths, forms):
        yield from (f"A step of length s = {length}:", "")
        yield from _shown(*_forward_rows(rows_of_step))


def _steps_of_slab(k: int, form: SemiDiscrete, lengths: Sequence[Fraction]) -> Iterator[str]:
    different = sorted(set(lengths))
    operators = form.tables["theta"].shape[0]
    stages = sum(len(row) for row in form.operator_index)
    yield from (
        f"Slab {k + 1}: {len(lengths)} steps of length {', '.join(map(str, different))}; {stages} stages share "
        f"{operators} stage operators E = Φ (Σ_k Θ_sk w_k) C.", "",
    )  # fmt: skip


def _distinct(
    lengths: Sequence[Sequence[Fraction]], forms: Sequence[SemiDiscrete]
) -> list[tuple[Fraction, tableau.Table]]:
    """One combination for each length of step, longest first."""
    found = {length: table for slab, form in zip(lengths, forms) for length, table in zip(slab, form.combine)}
    return sorted(found.items(), reverse=True)


def _linear(pairs: Iterable[tuple[Exact, str]]) -> str:
    """Σ coefficient symbol, in the order given."""
    result = ""
    for coefficient, symbol in pairs:
        if coefficient == 0:
            continue
        size = -coefficient if coefficient < 0 else coefficient
        factor = "" if size == 1 else f"{size} " if str(size).isdecimal() else f"({number(size)}) "
        sign = ("−" if coefficient < 0 else "") if not result else (" − " if coefficient < 0 else " + ")
        result += f"{sign}{factor}{symbol}"
    return result or "0"


def _forward_rows(rows: tableau.Table) -> list[str]:
    stages = len(rows) - 1
    targets = [*(f"H{_index(i + 1)}" for i in range(stages)), "hₙ₊₁"]
    sources = ["hₙ", *(f"m{_index(j + 1)}" for j in range(stages))]
    return [f"{target} = {_linear(zip(row, sources))}" for target, row in zip(targets, rows)]


def _reverse_rows(rows: tableau.Table) -> list[str]:
    """The reverse sweep, last stage first."""
    stages = len(rows) - 1
    multipliers = [*(f"H̄{_index(i + 1)}" for i in range(stages)), "h̄ₙ₊₁"]
    order = range(stages, -1, -1)
    lines = []
    for j in range(stages - 1, -1, -1):
        lines.append(f"m̄{_index(j + 1)} = {_linear((rows[i][j + 1], multipliers[i]) for i in order)}")
    lines.append(f"h̄ₙ = {_linear((rows[i][0], multipliers[i]) for i in order)}")
    return lines


def _adjoint(spec: Spec, forms: Sequence[SemiDiscrete], typeset: Typeset) -> Iterator[str]:
    yield from ("## 6. The adjoint", "", "### Of the continuum, (8) and (9)", "")
    yield from _steps(adjoint.continuous().steps, typeset)
    if not spec.local:
        yield from ("The local field V is zero here.", "")
    if spec.channels > 1:
        yield from (
            "With channels the products are matrix products, and what multiplies λ is transposed.",
            "",
        )
    yield from ("### Of the discrete equations, (10) and (11)", "")
    yield from _steps(adjoint.classical(len(spec.tableau.b), spec.tableau.explicit), typeset)
    yield from (
        "With the linear part eliminated the same Lagrangian gives the sweep that the kernels run. H̄ᵢ is what (11) "
        "returns for m̄ᵢ; it gives the exact gradient of the discrete loss.", "",
    )  # fmt: skip
    if not spec.tableau.explicit:
        yield from (
            "Within a group of stages these are linear equations for the m̄ᵢ, the transposes of Newton's; they are "
            "solved by GMRES, which needs (11) alone.", "",
        )  # fmt: skip
    lengths = [[length for _, length in steps] for steps in step_lengths(spec)]
    for length, rows in _distinct(lengths, forms):
        yield from (f"A step of length s = {length}, backwards:", "")
        yield from _shown(*_reverse_rows(adjoint.discrete(rows)))
    yield from _shown(
        "v = Aᵀ m̄,  p = (∂ρ/∂u)ᵀ v                                       (11)",
        *(["    with (∂ρ/∂u)ᵀ v = ∂û/∂u q + 2u (1/c) Σ (∂û/∂S q),  q = ∂ρ/∂û v"] if spec.normalise is not None else []),
        "dL/dw_ijk += Σ_q Φ_qi θ_k p_q (C h)_jᵀ,  dL/dβ_ik += Σ_q Ψ_qi ϑ_k p_q",
        *(["dL/dv_ik += Σ_q Ψ_qi ϑ_k p_q (X h)_qᵀ"] if spec.local else []),
        "H̄ = Σ_k θ_k Cᵀ w_kᵀ Φᵀ p + Xᵀ (∂r/∂h)ᵀ v" + (" + Xᵀ Σ_ik ϑ_k Ψ_qi v_ikᵀ p" if spec.local else ""),
    )


def _loss(spec: Spec) -> Iterator[str]:
    derived = loss.derive(spec.loss)
    yield from (f"## 7. The loss: {spec.loss}", "")
    if spec.weight is not None:
        functions = spec.weight.functions or (spec.weight.family,)
        yield from (f"With the weight ω = {functions[0]}: ∫ ω |y − y*|² dξ, exact; M is ⟨ω χ_i, χ_j⟩ here.", "")
    if spec.outputs is not None and spec.readout is not None:
        yield from (
            f"The readout has {spec.outputs} outputs, R in {_family(spec.readout)}, {spec.readout.size} functions.",
            "",
        )
        if spec.maximum is None:
            yield from _shown("z_k = ∫ R_k(ξ) y(ξ) dξ + a_k,  y(ξ) = h(ξ, 1)")
            source = "λ(ξ, 1) = Σ_k (∂L/∂z_k) R_k(ξ)"
        else:
            yield from _shown(
                "z_k = ∫ R_k(ξ) y(ξ) dξ + Σ_c Q_kc m_c + a_k,  y(ξ) = h(ξ, 1)",
                f"m_c = (1/β) log(½ ∫ exp(β y_c(ξ)) dξ),  β = {spec.maximum}, at the nodes of the last state",
            )
            source = "λ_c(ξ, 1) = Σ_k (∂L/∂z_k) (R_kc(ξ) + Q_kc exp(β (y_c(ξ) − m_c))/2)"
    else:
        last = "h(ξ, 1)" if spec.outputs is None else "R h(ξ, 1) + a"
        yield from (
            f"z_k are the coordinates of y(ξ) = {last} in an L2-orthonormal basis e_k, t_k those of the target.",
            "",
        )
        if spec.readout_width is not None:
            width = f"{_family(spec.readout_width)}, {spec.readout_width.size} functions"
            yield from (f"R and a are in {width}; y is projected on the state's basis, exactly.", "")
        source = "λ(ξ, 1) = Σ_k (∂L/∂z_k) e_k(ξ)"
    sums = [f"{name} = Σ_k {formula(term)}" for name, term in derived.sums]
    value = f"L = {formula(derived.value)},  the mean over the records"
    yield from _shown(*sums, value, f"∂L/∂z_k = {formula(derived.source)}", source)
    if derived.shift:
        yield from (
            "L does not change when a constant is added to every z_k, so max z is taken off first.",
            "",
        )
    for penalty in spec.penalties:
        yield from _shown(f"L += {penalty.weight} ‖{penalty.field}‖² in {penalty.norm}")


def _levels(base: Derived, levels: Sequence[Derived]) -> Iterator[str]:
    if not levels:
        return
    yield from (
        "## 8. The levels",
        "",
        "A field moves from one basis to another by its L2 projection, axis by axis:",
        "",
    )
    yield from _shown("P = M′⁻¹ B,  B_ij = ⟨φ′_i, φ_j⟩,  on W: P_ξ ⊗ P_ξ′ ⊗ P_δ        (13)")
    for level in levels:
        yield from (f"### {level.name}", "")
        yield from (
            f"{_coefficients(level.spec, level.forms)} coefficients, where the base has "
            f"{_coefficients(base.spec, base.forms)}.",
            "",
        )
        rows = list(_changes(base.spec, level.spec))
        yield from (_table(("field and slab", "from", "to", "P"), rows) if rows else ("Its fields are the base's.", ""))
        changed = _solver_changes(base, level)
        if changed:
            yield from (
                f"The solver changes: {', '.join(changed)}. Outputs move by the discretisation error.",
                "",
            )
        elif all(row[3].startswith("prolongation") for row in rows):
            yield from ("The solver is the base's and every field is kept exactly, so outputs stay.", "")
        else:
            yield from (
                "The solver is the base's: outputs move only by what the projection takes off the fields.",
                "",
            )


def _changes(spec: Spec, level: Spec) -> Iterator[tuple[str, str, str, str]]:
    target = {role: (basis, interval) for role, basis, interval in directions(level)}
    for role, basis, interval in directions(spec):
        if role not in target or target[role] == (basis, interval):
            continue
        if target[role][1] != interval:
            yield role, _sized(basis), _sized(target[role][0]), "none: the slabs differ"
            continue
        old, new = bases.build(basis, interval), bases.build(*target[role])
        kind = "prolongation" if transfer.contains(new, old) else "projection"
        yield role, _sized(basis), _sized(target[role][0]), f"{kind}, {new.size} × {old.size}"


def _sized(basis: BasisSpec) -> str:
    return f"{_family(basis)}, {basis.size}"


def _solver_changes(base: Derived, level: Derived) -> list[str]:
    old, new = base.spec, level.spec
    changed = []
    if [old.entry, *(s.state for s in old.slabs)] != [new.entry, *(s.state for s in new.slabs)]:
        changed.append("the state's basis")
    if _nodes(base) != _nodes(level):
        changed.append("the quadrature")
    if old.tableau != new.tableau:
        changed.append(f"the tableau, to {new.tableau.name}")
    if old.tolerance != new.tolerance:
        changed.append(f"the steps, to {new.solver}")
    elif [*chain(*step_lengths(old))] != [*chain(*step_lengths(new))]:
        changed.append(f"{old.steps} steps become {new.steps}" if old.steps != new.steps else "the steps' lengths")
    return changed


def _nodes(derived: Derived) -> list[list[float]]:
    return [points.to_float().ravel().tolist() for form in derived.forms for points in form.nodes]


def _matrices(forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    yield from ("## The exact tables", "")
    for k, form in enumerate(forms):
        for name, table in sorted(form.tables.items()):
            yield from (f"Slab {k + 1}, {name}, {table.shape[0]} × {table.shape[1]}:", "")
            yield from _shown(*_rows(table))


def _rows(table: ExactMatrix) -> Iterator[str]:
    columns = table.shape[1]
    entries: list[Any] = list(table.entries()) if table.rational else [repr(float(x)) for x in table.to_float().ravel()]
    for start in range(0, len(entries), columns):
        yield "  ".join(str(e) for e in entries[start : start + columns])
