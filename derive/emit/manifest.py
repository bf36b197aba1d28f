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
from derive.program import PLANS, Plan, Program
from derive.spec import Spec

FORMAT = 1


@dataclass(frozen=True)
class Derived:
    """One representation, derived: its slabs' forms and programs (one a plan)."""

    name: str
    spec: Spec
    forms: tuple[SemiDiscrete, ...]
    programs: tuple[tuple[Program, ...], ...]


def derive(name: str, spec: Spec) -> Derived:
    """Derive one representation of a spec."""
    equation = equations.derive(spec)
    forms = semidiscrete(spec, equation)
    chains = tuple(
        tuple(programs.build(equation, form.structures, form.entry, plan) for plan in PLANS) for form in forms
    )
    return Derived(name, spec, forms, chains)


def choose_plan(form: SemiDiscrete, channels: int) -> Plan:
    """Form the stage operators unless their factors cost clearly less a record and stage (multiplications)."""
    nodes, state = form.tables["X"].shape
    out, in_ = form.tables["Phi"].shape[1], form.tables["C"].shape[0]
    formed = channels * nodes * channels * state
    factors = channels * in_ * state + channels * out * channels * in_ + channels * nodes * out
    # Three small products cost more than one of the same size; the ratio was measured on the demo's sizes.
    return "formed" if formed <= 1.5 * factors else "factors"


def generate(spec: Spec) -> dict[str, bytes]:
    """Every file of ``generated/<name>/``: name → content. Equal specs give equal bytes, everywhere."""
    from derive.emit import cuda, derivation

    specs = ladder.representations(spec)
    derived = [derive(name, s) for name, s in specs.items()]
    arrays: dict[str, np.ndarray] = {}
    suffixes: dict[str, str] = {}
    printed: dict[str, tuple[Program, ...]] = {}
    entries: dict[str, Any] = {}
    loss = losses.derive(spec.loss)
    mark = hashlib.sha256(cpu.loss(loss).text().encode()).hexdigest()
    for one in derived:
        entries[one.name] = _entry(one, arrays, suffixes, printed)
        entries[one.name]["loss"] = mark
    arrays |= tables.transfer_arrays(specs)
    arrays["constants/loss"] = tables.nearest(cpu.loss(loss).constants)
    functions = {k.name: k for k in (cpu.closed_form(b) for one in derived for b in closed_bases(one))}
    kernels = [*functions.values(), *(k for s, p in printed.items() for k in cpu.kernels(p, s))]
    kernels += [*cpu.readout(), cpu.loss(loss)]
    title = f"Kernels of the continuum '{spec.name}'; specification {declaration.digest(spec)[:12]}."
    formula = (
        f"∂h/∂δ = ρ(u, h),  rate {spec.rate},  f = {spec.activation},  Δ = {spec.spacing};  "
        "u = ∫ W h dξ′ + b   (1), (2)"
    )
    manifest = {
        "format": FORMAT,
        "name": spec.name,
        "summary": spec.summary,
        "spec": declaration.to_dict(spec),
        "representations": entries,
        "functions": sorted(functions),
        "tables": {key: tables.describe(arrays[key]) for key in sorted(arrays)},
    }
    return {
        "cpu.py": cpu.module(title, formula, kernels).encode(),
        "cuda.py": cuda.module(title, formula, printed, loss).encode(),
        "tables.npz": tables.pack(arrays),
        "manifest.json": _written(manifest).encode(),
        "derivation.md": derivation.text(spec, derived).encode(),
    }


def _written(manifest: dict[str, Any]) -> str:
    """JSON with one line a table and a representation, so that a change of basis reads as a short diff."""

    def line(value: Any) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    parts = []
    for key in sorted(manifest):
        value = manifest[key]
        if key in ("tables", "representations"):
            rows = ",\n".join(f"  {line(name)}: {line(value[name])}" for name in sorted(value))
            parts.append(f" {line(key)}: {{\n{rows}\n }}")
        else:
            parts.append(f" {line(key)}: {line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def closed_bases(one: Derived) -> list[Basis]:
    """The bases of a representation whose functions have to be printed."""
    found = [basis for form in one.forms for basis in form.bases.values()]
    if one.spec.readout is not None:
        found.append(bases.build(one.spec.readout))
    return [basis for basis in found if basis.kind == "closed-form"]


def _entry(
    one: Derived, arrays: dict[str, np.ndarray], suffixes: dict[str, str], printed: dict[str, tuple[Program, ...]]
) -> dict[str, Any]:
    """The manifest's entry of one representation; fills in its arrays and any kernels not printed yet."""
    digest = declaration.digest(one.spec)
    slabs = []
    for k, (form, chains) in enumerate(zip(one.forms, one.programs)):
        mark = programs.signature(chains)
        suffix = suffixes.setdefault(mark, str(len(suffixes) + 1))
        printed.setdefault(suffix, chains)
        found = tables.slab_arrays(form)
        for kernel in cpu.kernels(chains, suffix):
            found[f"constants/{kernel.name.removesuffix('_' + suffix)}"] = tables.nearest(kernel.constants)
        arrays |= {f"{digest[:12]}/{k}/{key}": value for key, value in found.items()}
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
    last = one.forms[-1].bases["state"]
    arrays |= {f"{digest[:12]}/readout/{key}": v for key, v in tables.readout_arrays(one.spec, last).items()}
    return {
        "digest": digest,
        "spec": declaration.to_dict(replace(one.spec, levels=())),
        "slabs": slabs,
        "bases": {role: ladder.basis_key(basis, interval) for role, basis, interval in ladder.directions(one.spec)},
    }


