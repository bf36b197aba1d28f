"""The entries of ``manifest.json``: what runs which representation, with which tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from derive.derived import Derived, choose_plan
from derive.emit import tables
from derive.emit.cpu import Cpu
from derive.emit.loops import Printed, of_slab
from derive.program import build as programs
from derive.program import flops
from derive.program.build import Program
from derive.spec import Spec, digest, to_dict
from derive.spec.table_names import basis_key, directions, pair_key, pairs

LINE = 160  # characters of a line in the manifest, enough for a table's shape, norm and checksum


@dataclass
class Signatures:
    """What a spec's representations have in common: kernels by signature, each printed once.

    suffixes: signature → what its kernels' names end in.  programs, kernels: by suffix, a program a plan, and its text.
    """

    suffixes: dict[str, str] = field(default_factory=dict)
    programs: dict[str, tuple[Program, ...]] = field(default_factory=dict)
    kernels: dict[str, tuple[Printed, ...]] = field(default_factory=dict)

    def suffix(self, mark: str, chains: tuple[Program, ...]) -> str:
        found = self.suffixes.setdefault(mark, str(len(self.suffixes) + 1))
        if found not in self.programs:
            self.programs[found], self.kernels[found] = chains, of_slab(chains, found, Cpu)
        return found


def written(manifest: dict[str, Any]) -> str:
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


def entry(one: Derived, stored: tables.Store, signatures: Signatures) -> dict[str, Any]:
    """The manifest's entry of one representation; stores its tables and any kernels not printed yet."""
    slabs, counted = [], []
    own: dict[str, np.ndarray] = {}
    for k, (form, chains) in enumerate(zip(one.forms, one.programs)):
        mark = programs.signature(chains)
        suffix = signatures.suffix(mark, chains)
        found = tables.slab_arrays(form)
        for kernel in signatures.kernels[suffix]:
            found[f"constants/{kernel.name.removesuffix('_' + suffix)}"] = tables.nearest(kernel.constants)
        own |= {f"{k}/{key}": value for key, value in found.items()}
        plan = choose_plan(form, one.spec.channels)
        counted.append(flops.of_slab(next(p for p in chains if p.plan == plan), found, one.spec.channels))
        slabs.append(
            {
                "start": str(form.start),
                "stop": str(form.stop),
                "signature": mark,
                "kernels": suffix,
                "structures": form.structures,
                "entry": form.entry,
                "plan": plan,
                "aliasing": f"{form.aliasing:.1e}",
            }
        )
    readout = tables.readout_arrays(one.spec, one.forms[0], one.forms[-1])
    own |= {f"readout/{key}": value for key, value in readout.items()}
    counted.append((0, _of_heads(one.spec)))
    return {
        "digest": digest(one.spec),
        "flops": [sum(numbers) for numbers in zip(*counted)],
        "spec": to_dict(replace(one.spec, levels=())),
        "slabs": slabs,
        "bases": {role: basis_key(basis, interval) for role, basis, interval in directions(one.spec)}
        | {role: pair_key(slab, one.spec) for role, slab in pairs(one.spec)},
        "tables": stored.file(one.name, own),
    }


def _of_heads(spec: Spec) -> int:
    """The operations that lift and readout take of a record, with their adjoints."""
    last = spec.slabs[-1].state.size
    features = (last + spec.beside) * spec.channels
    outputs = spec.outputs if spec.functional and spec.outputs else spec.output_channels * last
    lift = 0 if spec.inputs is None else spec.entry.size * flops.of_product(spec.channels, spec.entry_channels)
    return flops.of_product(outputs, features) + lift
