"""The whole of a spec's generated folder, as file names and contents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derive import bases, ladder
from derive import equation as equations
from derive import loss as losses
from derive import program as programs
from derive import spec as declaration
from derive.bases import Basis
from derive.emit import cpu, tables
from derive.galerkin import SemiDiscrete, semidiscrete
from derive.program import Plan, Program
from derive.spec import Spec

LINE = 160  # characters of a line in the manifest, enough for a table's shape, norm and checksum


@dataclass(frozen=True)
class Derived:
    """One representation, derived: its slabs' forms and programs (one a plan)."""

    name: str
    spec: Spec
    forms: tuple[SemiDiscrete, ...]
    programs: tuple[tuple[Program, ...], ...]


def derive(spec: Spec) -> list[Derived]:
    """Derive a spec's base, its levels and the mixed representations between them."""
    specs = ladder.representations(spec)
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


def generate(spec: Spec) -> dict[str, bytes]:
    """Every file of ``generated/<name>/``: name → content. Equal specs give equal bytes, everywhere."""
    from derive.emit import cuda, derivation

    derived = derive(spec)
    stored = tables.Store()
    suffixes: dict[str, str] = {}
    printed: dict[str, tuple[Program, ...]] = {}
    entries: dict[str, Any] = {}
    loss = losses.derive(spec.loss)
    mark = hashlib.sha256(cpu.loss(loss).text().encode()).hexdigest()
    for one in derived:
        entries[one.name] = _entry(one, stored, suffixes, printed)
        entries[one.name]["loss"] = mark
        entries[one.name]["tables"]["constants/loss"] = "constants/loss"
    transfers, nested = tables.transfer_arrays({one.name: one.spec for one in derived})
    arrays = stored.arrays | transfers
    arrays["constants/loss"] = tables.nearest(cpu.loss(loss).constants)
    functions = {k.name: k for k in (cpu.closed_form(b) for one in derived for b in closed_bases(one))}
    kernels = [*functions.values(), *(k for s, p in printed.items() for k in cpu.kernels(p, s))]
    kernels += [*cpu.readout(), cpu.loss(loss)]
    title = f"Kernels of the continuum '{spec.name}'; specification {declaration.digest(spec)[:12]}."
    formula = (
        f"∂h/∂δ = ρ(u, h),  rate {spec.rate},  f = {spec.activation},  Δ = {spec.spacing};  "
        f"u = ∫ W h dξ′{' + V h' if spec.local else ''} + b"
        f"{', normalised over the channels' if spec.normalise is not None else ''}   (1), (2)"
    )
    manifest = {
        "format": ladder.FORMAT,
        "name": spec.name,
        "summary": spec.summary,
        "spec": declaration.to_dict(spec),
        "representations": entries,
        "functions": sorted(functions),
        "tables": {
            key: tables.describe(arrays[key]) | ({"nested": True} if key in nested else {}) for key in sorted(arrays)
        },
    }
    return {
        "cpu.py": cpu.module(title, formula, kernels).encode(),
        "cuda.py": cuda.module(title, formula, printed, loss).encode(),
        "tables.npz": tables.pack(arrays),
        "manifest.json": _written(manifest).encode(),
        "derivation.md": derivation.text(spec, derived).encode(),
    }


def _written(manifest: dict[str, Any]) -> str:
    """JSON with what fits a line on one, so that a change of basis reads as a short diff."""

    def text(value: Any, indent: int) -> str:
        line = json.dumps(value, sort_keys=True, ensure_ascii=False)
        if indent + len(line) <= LINE or not isinstance(value, dict | list) or not value:
            return line
        inner = " " * (indent + 1)
        if isinstance(value, list):
            parts, ends = [text(v, indent + 1) for v in value], "[]"
        else:
            parts, ends = [f"{json.dumps(k)}: {text(value[k], indent + 1)}" for k in sorted(value)], "{}"
        body = f",\n{inner}".join(parts)
        return f"{ends[0]}\n{inner}{body}\n{' ' * indent}{ends[1]}"

    return text(manifest, 0) + "\n"


def closed_bases(one: Derived) -> list[Basis]:
    """The bases of a representation whose functions have to be printed."""
    found = [basis for form in one.forms for basis in form.bases.values()]
    spec = one.spec
    others = (spec.readout, spec.weight, spec.lift_width, spec.readout_width)
    found += [bases.build(part) for basis in others if basis is not None for part in basis.axes or (basis,)]
    return [basis for basis in found if basis.kind == "closed-form"]


def _entry(
    one: Derived, stored: tables.Store, suffixes: dict[str, str], printed: dict[str, tuple[Program, ...]]
) -> dict[str, Any]:
    """The manifest's entry of one representation; stores its tables and any kernels not printed yet."""
    slabs = []
    own: dict[str, np.ndarray] = {}
    for k, (form, chains) in enumerate(zip(one.forms, one.programs)):
        mark = programs.signature(chains)
        suffix = suffixes.setdefault(mark, str(len(suffixes) + 1))
        printed.setdefault(suffix, chains)
        found = tables.slab_arrays(form)
        for kernel in cpu.kernels(chains, suffix):
            found[f"constants/{kernel.name.removesuffix('_' + suffix)}"] = tables.nearest(kernel.constants)
        own |= {f"{k}/{key}": value for key, value in found.items()}
        slabs.append(
            {
                "start": str(form.start),
                "stop": str(form.stop),
                "signature": mark,
                "kernels": suffix,
                "structures": form.structures,
                "entry": form.entry,
                "plan": choose_plan(form, one.spec.channels),
                "aliasing": f"{form.aliasing:.1e}",
            }
        )
    readout = tables.readout_arrays(one.spec, one.forms[0], one.forms[-1])
    own |= {f"readout/{key}": value for key, value in readout.items()}
    return {
        "digest": declaration.digest(one.spec),
        "spec": declaration.to_dict(replace(one.spec, levels=())),
        "slabs": slabs,
        "bases": {role: ladder.basis_key(basis, interval) for role, basis, interval in ladder.directions(one.spec)}
        | {role: ladder.pair_key(slab, one.spec) for role, slab in ladder.pairs(one.spec)},
        "tables": stored.file(one.name, own),
    }
