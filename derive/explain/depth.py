"""The integration in depth and the adjoint, sections 5 and 6 of a derivation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from derive import adjoint, tableau
from derive.equation import Equation
from derive.exact.surd import Exact
from derive.explain.markdown import Typeset, index, shown, steps_of, table
from derive.explain.notation import number, quotient
from derive.galerkin import SemiDiscrete
from derive.spec import Spec, step_lengths


def depth(spec: Spec, equation: Equation, forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    """Section 5: the tableau with its order conditions, and the steps."""
    method = spec.tableau
    yield from (f"## 5. Integration in depth, (7): {method.name}", "")
    rows = [[number(c), *map(number, row)] for c, row in zip(method.c, method.a)]
    rows.append(["b̄", *map(number, method.b)])
    if method.embedded is not None:
        rows.append([f"order {method.embedded_order}", *map(number, method.embedded)])
    yield from table(["c", *(f"a·{index(j + 1)}" for j in range(len(method.b)))], rows)
    yield from (
        f"It claims order {method.order}. Besides c = Σ a these conditions hold, one for each rooted tree:",
        "",
    )
    conditions = tableau.conditions(method.order)
    yield from table(("condition", "left", "right"), [
        (c.name, number(c.left(method.a, method.b)), number(c.right)) for c in conditions
    ])  # fmt: skip
    yield from ("Its stability function is", "")
    yield from shown("R(z) = " + quotient(tableau.stability_function(method)))
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
        yield from shown(*_forward_rows(rows_of_step))


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
    targets = [*(f"H{index(i + 1)}" for i in range(stages)), "hₙ₊₁"]
    sources = ["hₙ", *(f"m{index(j + 1)}" for j in range(stages))]
    return [f"{target} = {_linear(zip(row, sources))}" for target, row in zip(targets, rows)]


def _reverse_rows(rows: tableau.Table) -> list[str]:
    """The reverse sweep, last stage first."""
    stages = len(rows) - 1
    multipliers = [*(f"H̄{index(i + 1)}" for i in range(stages)), "h̄ₙ₊₁"]
    order = range(stages, -1, -1)
    lines = []
    for j in range(stages - 1, -1, -1):
        lines.append(f"m̄{index(j + 1)} = {_linear((rows[i][j + 1], multipliers[i]) for i in order)}")
    lines.append(f"h̄ₙ = {_linear((rows[i][0], multipliers[i]) for i in order)}")
    return lines


def adjoint_of(spec: Spec, forms: Sequence[SemiDiscrete], typeset: Typeset) -> Iterator[str]:
    """Section 6: of the continuum and of the discrete equations."""
    yield from ("## 6. The adjoint", "", "### Of the continuum, (8) and (9)", "")
    yield from steps_of(adjoint.continuous().steps, typeset)
    if not spec.local:
        yield from ("The local field V is zero here.", "")
    if spec.channels > 1:
        yield from (
            "With channels the products are matrix products, and what multiplies λ is transposed.",
            "",
        )
    yield from ("### Of the discrete equations, (10) and (11)", "")
    yield from steps_of(adjoint.classical(len(spec.tableau.b), spec.tableau.explicit), typeset)
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
        yield from shown(*_reverse_rows(adjoint.discrete(rows)))
    yield from shown(
        "v = Aᵀ m̄,  p = (∂ρ/∂u)ᵀ v                                       (11)",
        *(["    with (∂ρ/∂u)ᵀ v = ∂û/∂u q + 2u (1/c) Σ (∂û/∂S q),  q = ∂ρ/∂û v"] if spec.normalise is not None else []),
        "dL/dw_ijk += Σ_q Φ_qi θ_k p_q (C h)_jᵀ,  dL/dβ_ik += Σ_q Ψ_qi ϑ_k p_q",
        *(["dL/dv_ik += Σ_q Ψ_qi ϑ_k p_q (X h)_qᵀ"] if spec.local else []),
        "H̄ = Σ_k θ_k Cᵀ w_kᵀ Φᵀ p + Xᵀ (∂r/∂h)ᵀ v" + (" + Xᵀ Σ_ik ϑ_k Ψ_qi v_ikᵀ p" if spec.local else ""),
    )
