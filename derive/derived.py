"""From a spec to all that a kernel or a page is printed from: its representations, their forms and their programs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from derive import equation as equations
from derive.galerkin import SemiDiscrete, semidiscrete
from derive.program import build as programs
from derive.program.build import Program
from derive.program.stage import Plan
from derive.spaces.basis import Basis, build
from derive.spec import Spec
from derive.spec.levels import representations


@dataclass(frozen=True)
class Derived:
    """One representation, derived: its slabs' forms and programs (one a plan)."""

    name: str
    spec: Spec
    forms: tuple[SemiDiscrete, ...]
    programs: tuple[tuple[Program, ...], ...]


def derive(spec: Spec) -> list[Derived]:
    """Derive a spec's base, its levels and the mixed representations between them."""
    specs = representations(spec)
    equation = equations.derive(spec)  # levels represent one model
    forms = _share_structures({name: semidiscrete(s, equation) for name, s in specs.items()})
    built: dict[str, tuple[Program, ...]] = {}

    def chains(form: SemiDiscrete) -> tuple[Program, ...]:
        implicit = form.groups is not None
        key = f"{sorted(form.structures.items())} {form.entry} {implicit}"
        if key not in built:
            plans = programs.plans(form.structures)
            built[key] = tuple(programs.build(equation, form.structures, form.entry, plan, implicit) for plan in plans)
        return built[key]

    return [Derived(name, specs[name], slabs, tuple(map(chains, slabs))) for name, slabs in forms.items()]


def _share_structures(forms: dict[str, tuple[SemiDiscrete, ...]]) -> dict[str, tuple[SemiDiscrete, ...]]:
    """Whether a table is worth treating as banded depends on its size; one answer for all levels, one kernel."""

    def dense(form: SemiDiscrete, k: int, table: str) -> bool:
        peers = [slabs[k] for slabs in forms.values() if len(slabs) > k]
        return form.structures[table] == "banded" and any(p.structures[table] == "dense" for p in peers)

    return {
        name: tuple(
            replace(form, structures={t: "dense" if dense(form, k, t) else tag for t, tag in form.structures.items()})
            for k, form in enumerate(slabs)
        )
        for name, slabs in forms.items()
    }


def choose_plan(form: SemiDiscrete, channels: int) -> Plan:
    """Form the stage operators unless their factors cost clearly less a record and stage (multiplications)."""
    if "formed" not in programs.plans(form.structures):
        return "factors"
    nodes, state = form.tables["X"].shape
    out, in_ = form.tables["Phi"].shape[1], form.tables["C"].shape[0]
    formed = channels * nodes * channels * state
    factors = channels * in_ * state + channels * out * channels * in_ + channels * nodes * out
    # Three small products cost more than one of the same size; the ratio was measured on the demo's sizes.
    return "formed" if formed <= 1.5 * factors else "factors"


def closed_bases(one: Derived) -> list[Basis]:
    """The bases of a representation whose functions have to be printed."""
    found = [basis for form in one.forms for basis in form.bases.values()]
    spec = one.spec
    others = (spec.readout, spec.loss_weight, spec.lift_width, spec.readout_width)
    found += [build(part) for basis in others if basis is not None for part in basis.axes or (basis,)]
    return [basis for basis in found if basis.kind == "closed-form"]
