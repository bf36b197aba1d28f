"""The derivation of a spec as Markdown: ``derivation.md``, in the order of an argument.

Formulas are printed from the objects that the other stages derived, by ``notation``; what is fixed notation is
written out here. No SymPy printer is involved, so that the bytes are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from derive import equation as equations
from derive.derived import Derived
from derive.equation import Equation
from derive.exact import finite
from derive.exact.matrix import ExactMatrix
from derive.explain.depth import adjoint_of, depth
from derive.explain.discretisation import bases_of, family, semidiscrete
from derive.explain.levels import levels_of
from derive.explain.markdown import Typeset, index_of, shown, steps_of, unicode
from derive.explain.notation import formula, number
from derive.galerkin import SemiDiscrete
from derive.program import loss
from derive.spec import Spec


def text(spec: Spec, derived: Sequence[Derived], matrices: bool = False, typeset: Typeset | None = None) -> str:
    """The whole derivation as Markdown. derived: the base first, then its levels; pairs between them are left out.

    matrices: also every exact table of the base, rational entries as fractions, others as nearest doubles.
    typeset: SymPy formula → lines, for the formulas of derivation steps; Unicode unless given.
    """
    typeset = typeset or unicode
    base, *others = derived
    equation = equations.derive(spec)
    lines = [
        f"# The continuum '{spec.name}'", "",
        *([spec.summary, ""] if spec.summary else []),
        *_continuum(equation, typeset),
        *_rate(spec, equation, typeset),
        *bases_of(spec, base.forms),
        *semidiscrete(spec, base.forms),
        *depth(spec, equation, base.forms),
        *adjoint_of(spec, base.forms, typeset),
        *_loss(spec),
        *levels_of(base, [level for level in others if "+" not in level.name]),
        *(_matrices(base.forms) if matrices else []),
    ]  # fmt: skip
    return "\n".join(lines).rstrip("\n") + "\n"


def _continuum(equation: Equation, typeset: Typeset) -> Iterator[str]:
    yield from ("## 1. From layers to a continuum", "")
    yield from steps_of(equation.steps[: len(equations.from_layers())], typeset)


def _rate(spec: Spec, equation: Equation, typeset: Typeset) -> Iterator[str]:
    import sympy as sp

    yield from ("## 2. The rate", "")
    facts = [f"Rate {spec.rate}", *[f"activation {spec.activation}"] * equation.activated]
    facts += [*[f"Δ = {spec.spacing}"] * equation.spaced, *(f"{name} = {number(v)}" for name, v in spec.parameters)]
    yield from (f"{', '.join(facts)}.", "")
    if spec.learned:
        starts = ", ".join(f"{name} from {number(value)}" for name, value in spec.learned)
        yield from (f"Learned, a number for every channel: {starts}.", "")
    if spec.normalise is not None:
        yield from ("ρ takes û in place of u, normalised over the c channels at every ξ.", "")
        yield from shown(f"û = u/√(S + ε),  S = (1/c) Σ u²,  ε = {spec.normalise}")
    yield from steps_of(equation.steps[len(equations.from_layers()) :], typeset)
    names = list(equation.slopes)
    yield from (f"**Its derivatives**, by {', by '.join(names[:-1])} and by {names[-1]}.", "")
    slopes = {name: finite.plain(slope) for name, slope in equation.slopes.items()}
    yield from shown(*(f"∂ρ/∂{index_of(name)} = {formula(slope)}" for name, slope in slopes.items()))
    if equation.rho.has(sp.Piecewise):
        yield from ("At a kink the derivative is the one from the left.", "")


def _loss(spec: Spec) -> Iterator[str]:
    derived = loss.derive(spec.loss)
    yield from (f"## 7. The loss: {spec.loss}", "")
    if spec.loss_weight is not None:
        factors = [(one.functions or (one.family,))[0] for one in spec.loss_weight.axes or (spec.loss_weight,)]
        omega = factors[0] if len(factors) == 1 else " · ".join(f"({f})(ξ{i})" for f, i in zip(factors, "₁₂₃"))
        yield from (f"With the weight ω = {omega}: ∫ ω |y − y*|² dξ, exact; M is ⟨ω χ_i, χ_j⟩ here.", "")
    if spec.outputs is not None and spec.readout is not None:
        yield from (
            f"The readout has {spec.outputs} outputs, R in {family(spec.readout)}, {spec.readout.size} functions.",
            "",
        )
        if not spec.beside:
            yield from shown("z_k = ∫ R_k(ξ) y(ξ) dξ + a_k,  y(ξ) = h(ξ, 1)")
            source = "λ(ξ, 1) = Σ_k (∂L/∂z_k) R_k(ξ)"
        elif spec.shares is not None:
            yield from shown(
                "z_k = ∫ R_k(ξ) y(ξ) dξ + Σ_lc Q_klc s_lc + a_k,  y(ξ) = h(ξ, 1)",
                "s_lc = ½ ∫ g((y_c(ξ) − ℓ_l)/ε) dξ,  g(t) = 1/(1 + exp(−t)), at the nodes of the last state",
                f"ℓ = {', '.join(map(str, spec.shares.levels))};  ε = {spec.shares.width}",
            )
            source = "λ_c(ξ, 1) = Σ_k (∂L/∂z_k) (R_kc(ξ) + Σ_l Q_klc g′((y_c(ξ) − ℓ_l)/ε)/(2ε))"
        else:
            yield from shown(
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
            width = f"{family(spec.readout_width)}, {spec.readout_width.size} functions"
            yield from (f"R and a are in {width}; y is projected on the state's basis, exactly.", "")
        source = "λ(ξ, 1) = Σ_k (∂L/∂z_k) e_k(ξ)"
    sums = [f"{name} = Σ_k {formula(term)}" for name, term in derived.sums]
    value = f"L = {formula(derived.value)},  the mean over the records"
    yield from shown(*sums, value, f"∂L/∂z_k = {formula(derived.source)}", source)
    if derived.shift:
        yield from (
            "L does not change when a constant is added to every z_k, so max z is taken off first.",
            "",
        )
    for penalty in spec.penalties:
        yield from shown(f"L += {penalty.weight} ‖{penalty.field}‖² in {penalty.norm}")


def _matrices(forms: Sequence[SemiDiscrete]) -> Iterator[str]:
    yield from ("## The exact tables", "")
    for k, form in enumerate(forms):
        for name, table in sorted(form.tables.items()):
            yield from (f"Slab {k + 1}, {name}, {table.shape[0]} × {table.shape[1]}:", "")
            yield from shown(*_rows(table))


def _rows(table: ExactMatrix) -> Iterator[str]:
    columns = table.shape[1]
    entries: list[Any] = list(table.entries()) if table.rational else [repr(float(x)) for x in table.to_float().ravel()]
    for start in range(0, len(entries), columns):
        yield "  ".join(str(e) for e in entries[start : start + columns])
