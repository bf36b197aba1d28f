"""From a spec to what runs it: its kernels as text, its tables, and the manifest of what belongs together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from derive.derived import Derived, closed_bases
from derive.emit import cpu, cuda, loops, manifest, tables
from derive.program import loss as losses
from derive.spec import Spec, digest, shown, table_names, to_dict


def modules(spec: Spec, derived: Sequence[Derived]) -> dict[str, bytes]:
    """The files that a run needs: name → content. Equal specs give equal bytes, everywhere."""
    stored = tables.Store()
    signatures = manifest.Signatures()
    entries: dict[str, Any] = {}
    loss = losses.derive(spec.loss)
    common = loops.of_module(loss, cpu.Cpu)
    mark = hashlib.sha256(common[-1].text().encode()).hexdigest()
    for one in derived:
        entries[one.name] = manifest.entry(one, stored, signatures)
        entries[one.name]["loss"] = mark
        entries[one.name]["tables"]["constants/loss"] = "constants/loss"
    transfers, nested = tables.transfer_arrays({one.name: one.spec for one in derived})
    arrays = stored.arrays | transfers
    arrays["constants/loss"] = tables.nearest(common[-1].constants)
    functions = {k.name: k for k in (cpu.closed_form(b) for one in derived for b in closed_bases(one))}
    kernels = [*functions.values(), *(k for found in signatures.kernels.values() for k in found), *common]
    title = f"Kernels of the continuum '{spec.name}'; specification {digest(spec)[:12]}."
    activated, spaced = shown.uses(spec)
    facts = [f"rate {spec.rate}", *[f"f = {spec.activation}"] * activated, *[f"Δ = {spec.spacing}"] * spaced]
    formula = (
        f"∂h/∂δ = ρ(u, h),  {',  '.join(facts)};  "
        f"u = ∫ W h dξ′{' + V h' if spec.local else ''} + b"
        f"{', normalised over the channels' if spec.normalise is not None else ''}   (1), (2)"
    )
    contents = {
        "format": table_names.FORMAT,
        "name": spec.name,
        "summary": spec.summary,
        "spec": to_dict(spec),
        "representations": entries,
        "functions": sorted(functions),
        "tables": {
            key: tables.describe(arrays[key]) | ({"nested": True} if key in nested else {}) for key in sorted(arrays)
        },
    }
    return {
        "cpu.py": cpu.module(title, formula, kernels).encode(),
        "cuda.py": cuda.module(title, formula, signatures.programs, loss).encode(),
        "tables.npz": tables.pack(arrays),
        "manifest.json": manifest.written(contents).encode(),
    }
