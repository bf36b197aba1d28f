"""From a spec to what runs it: its kernels as text, its tables, and the manifest of what belongs together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from derive import loss as losses
from derive.derived import Derived, closed_bases
from derive.emit import cpu, cuda, manifest, tables
from derive.program import Program
from derive.spec import Spec, digest, table_names, to_dict


def modules(spec: Spec, derived: Sequence[Derived]) -> dict[str, bytes]:
    """The files that a run needs: name → content. Equal specs give equal bytes, everywhere."""
    stored = tables.Store()
    suffixes: dict[str, str] = {}
    printed: dict[str, tuple[Program, ...]] = {}
    entries: dict[str, Any] = {}
    loss = losses.derive(spec.loss)
    mark = hashlib.sha256(cpu.loss(loss).text().encode()).hexdigest()
    for one in derived:
        entries[one.name] = manifest.entry(one, stored, suffixes, printed)
        entries[one.name]["loss"] = mark
        entries[one.name]["tables"]["constants/loss"] = "constants/loss"
    transfers, nested = tables.transfer_arrays({one.name: one.spec for one in derived})
    arrays = stored.arrays | transfers
    arrays["constants/loss"] = tables.nearest(cpu.loss(loss).constants)
    functions = {k.name: k for k in (cpu.closed_form(b) for one in derived for b in closed_bases(one))}
    kernels = [*functions.values(), *(k for s, p in printed.items() for k in cpu.kernels(p, s))]
    kernels += [*cpu.readout(), cpu.loss(loss)]
    title = f"Kernels of the continuum '{spec.name}'; specification {digest(spec)[:12]}."
    formula = (
        f"∂h/∂δ = ρ(u, h),  rate {spec.rate},  f = {spec.activation},  Δ = {spec.spacing};  "
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
        "cuda.py": cuda.module(title, formula, printed, loss).encode(),
        "tables.npz": tables.pack(arrays),
        "manifest.json": manifest.written(contents).encode(),
    }
