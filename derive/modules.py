"""From a spec to what runs it: its kernels as text, its tables, and the manifest of what belongs together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from derive.derived import Derived, closed_bases
from derive.emit import cpu, cuda, loops, manifest, tables
from derive.program import loss as losses
from derive.spec import Spec, digest, shown, table_names, to_dict

LOSS, SHARES = ("loss", "curvature"), ("share", "share_adjoint")  # common kernels that have constants


def modules(spec: Spec, derived: Sequence[Derived]) -> dict[str, bytes]:
    """The files that a run needs: name → content. Equal specs give equal bytes, everywhere."""
    stored = tables.Store()
    signatures = manifest.Signatures()
    entries: dict[str, Any] = {}
    loss = losses.derive(spec.loss)
    common = loops.of_module(loss, cpu.Cpu)
    wanted = LOSS if spec.shares is None else (*LOSS, *SHARES)
    numbered = [kernel for kernel in common if kernel.name in wanted]
    mark = hashlib.sha256("\n".join(kernel.text() for kernel in numbered).encode()).hexdigest()
    for one in derived:
        entries[one.name] = manifest.entry(one, stored, signatures)
        entries[one.name]["loss"] = mark
        entries[one.name]["tables"] |= {f"constants/{name}": f"constants/{name}" for name in wanted}
    transfers, nested = tables.transfer_arrays({one.name: one.spec for one in derived})
    arrays = stored.arrays | transfers
    arrays |= {f"constants/{kernel.name}": tables.nearest(kernel.constants) for kernel in numbered}
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
