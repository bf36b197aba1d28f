"""Exact tables → the float64 arrays of ``tables.npz``: rounded once, to the nearest double."""

from __future__ import annotations

import hashlib
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from derive.emit import cpu
from derive.errors import DerivationError
from derive.exact.matrix import ExactMatrix, kron
from derive.exact.surd import Surd
from derive.galerkin import SemiDiscrete
from derive.operators import admissible
from derive.spaces import expressions, quadrature, run_time, transfer
from derive.spaces.basis import Basis, build
from derive.spaces.products import continuous, gram, stiffness
from derive.spec import CONSTANT, WIDTH, BasisSpec, Slab, Spec, of_axis
from derive.spec.table_names import basis_key, directions, pair_key, pairs, parts

Arrays = dict[str, np.ndarray]

LARGE, SPARSE = 4096, 4  # entries of a table that may be stored by its numbers, and how many zeros there are for each


def slab_arrays(form: SemiDiscrete) -> Arrays:
    """One slab's tables, stage indices, quadrature nodes and run-time bases."""
    layout = form.layout
    arrays = {name: form.stored(name).to_float() for name in form.tables}
    for name, tag in form.structures.items():
        if tag == "banded":
            arrays[f"{name}_runs"] = runs(form.stored(name).nonzero())
    for name, blocks in layout.blocks.items():
        arrays[f"{name}_blocks"] = np.array(blocks, dtype=np.int64)
    if layout.entries:
        arrays["w_entries"] = np.array(layout.entries, dtype=np.int64)
        arrays["w_values"] = nearest(layout.values)
    for axis, weight in enumerate(form.weights):
        pair = of_axis("weight_pair", axis)
        arrays[pair] = np.array([(m, i, j) for m, i, j, _ in weight.entries], dtype=np.int64)
        arrays[f"{pair}/values"] = nearest([value for *_, value in weight.entries])
        arrays |= _pair_stiffness(form, axis)
    for axis, points in enumerate(form.nodes):
        arrays[of_axis("nodes", axis)] = points.to_float().ravel()
    arrays["operator_index"] = np.array(form.operator_index, dtype=np.int64)
    arrays["bias_index"] = np.array(form.bias_index, dtype=np.int64)
    arrays["combine"] = nearest(form.combine)
    arrays["kappa"] = np.array(float(form.kappa))
    if form.groups is not None:
        arrays["groups"] = np.array(form.groups, dtype=np.int64)
    for name, basis in form.bases.items():
        arrays |= {f"pieces/{name}/{key}": value for key, value in run_time_basis(basis).items()}
        arrays |= _stiffness(basis, f"stiffness/{name}")
    for role in ("entry", "state"):
        one = [transfer.transfer(form.bases[of_axis(role, a)], build(CONSTANT)) for a in range(form.dimension)]
        arrays[f"one/{role}"] = kron(one).to_float().ravel()
    return arrays


def _pair_stiffness(form: SemiDiscrete, axis: int) -> Arrays:
    """⟨∂Ω_m, ∂Ω_n⟩ of the functions of both widths that symmetries leave, the derivatives by both added."""
    out, inner = (form.bases[of_axis(role, axis)] for role in ("weight_out", "weight_in"))
    if not (_stiffness(out, "") and _stiffness(inner, "")):
        return {}
    weight, masses = form.weights[axis], (gram(out, out), gram(inner, inner))
    first = weight.gram(stiffness(out), masses[1]).to_float()
    second = weight.gram(masses[0], stiffness(inner)).to_float()
    return {f"stiffness/{of_axis('weight_pair', axis)}": first + second}


def _stiffness(basis: Basis, name: str) -> Arrays:
    """⟨χ_i′, χ_j′⟩ where it exists: the functions are continuous, their derivatives square-integrable."""
    if not continuous(basis):
        return {}
    try:
        return {name: stiffness(basis).to_float()}
    except DerivationError:
        if basis.kind != "closed-form":
            raise
        return {}  # such as sqrt(1 + ξ): an H1 norm of a field in this basis is refused where it is asked for


def run_time_basis(basis: Basis) -> Arrays:
    """A basis as the run time sees it; a closed-form one names its printed function and holds its constants."""
    found = run_time.arrays(basis)
    if basis.kind == "closed-form":
        kernel = cpu.closed_form(basis)
        found |= {"function": np.array(kernel.name), "constants": nearest(kernel.constants)}
    return found


def readout_arrays(spec: Spec, first: SemiDiscrete, last: SemiDiscrete) -> Arrays:
    """Functional readout, along every axis: G = ⟨ζ_i, χ_j⟩, the Gram matrix of ζ, and ζ itself; of smooth maxima β,
    of shares their levels and width, and the weights of the last slab's rule, with sum 1.

    When the output is a function and the loss has a weight ω: M = ⟨ω χ_i, χ_j⟩ and ω itself, along every axis. Of a
    lift, or a readout at every point, that varies along ξ: see ``_varying``.
    """
    arrays = _readout_arrays(spec, last)
    for role, declared, form, name in (
        ("lift", spec.lift_width, first, "entry"), ("readout", spec.readout_width, last, "state")
    ):  # fmt: skip
        if declared is not None:
            arrays |= _varying(role, declared, [form.bases[part] for part in spec.along_axes(name)])
    return arrays


def _varying(role: str, declared: BasisSpec, states: Sequence[Basis]) -> Arrays:
    """ψ itself and its Gram matrix, along every axis; on the whole domain (ψ's size, n, n) of h → the projection of

    ψ_i h, and (n, ψ's size) those of ψ_i.
    """
    arrays: Arrays = {}
    products: list[list[ExactMatrix]] = []
    ones: list[ExactMatrix] = []
    for axis, state in enumerate(states):
        psi, own = build(declared.along(axis), WIDTH), of_axis(role, axis)
        products.append(transfer.products(psi, state))
        ones.append(transfer.transfer(state, psi))
        arrays |= _own_arrays(own, psi)
    whole = [kron(parts).to_float() for parts in itertools.product(*products)]
    return arrays | {f"products/{role}": np.stack(whole), f"one/{role}": kron(ones).to_float()}


def _own_arrays(role: str, basis: Basis) -> Arrays:
    """A basis as the run time sees it, its Gram matrix, and its stiffness where that exists."""
    arrays = {f"pieces/{role}/{key}": value for key, value in run_time_basis(basis).items()}
    arrays[f"gram/{role}"] = gram(basis, basis).to_float()
    return arrays | _stiffness(basis, f"stiffness/{role}")


def _readout_arrays(spec: Spec, last: SemiDiscrete) -> Arrays:
    arrays: Arrays = {}
    if spec.loss_weight is not None:
        for axis in range(spec.dimension):
            weight, state = build(spec.loss_weight.along(axis), WIDTH), last.bases[of_axis("state", axis)]
            role = of_axis("weight", axis)
            arrays |= {f"pieces/{role}/{key}": value for key, value in run_time_basis(weight).items()}
            arrays[of_axis("M", axis)] = gram(expressions.weighted(weight, state), state).to_float()
        return arrays
    if spec.readout is None:
        return {}
    for axis, role in enumerate(spec.along_axes("readout")):
        zeta, state = build(spec.readout.along(axis), WIDTH), last.bases[of_axis("state", axis)]
        arrays[of_axis("G", axis)] = gram(zeta, state).to_float()
        arrays |= _own_arrays(role, zeta)
    if spec.beside:
        weights = quadrature.weights(spec, spec.slabs[-1], last.bases)
        arrays["weights"] = weights.to_float().ravel()
    if spec.maximum is not None:
        arrays["sharpness"] = nearest([spec.maximum])
    if spec.shares is not None:
        arrays |= {"levels": nearest(spec.shares.levels), "softness": nearest([spec.shares.width])}
    return arrays


def runs(pattern: np.ndarray) -> np.ndarray:
    """(rows, 2): first nonzero column of every row and one past its last; (0, 0) for an empty row."""
    table = np.zeros((len(pattern), 2), dtype=np.int64)
    for row, entries in enumerate(pattern):
        columns = np.flatnonzero(entries)
        if len(columns):
            table[row] = columns[0], columns[-1] + 1
    return table


def nearest(values: Any) -> np.ndarray:
    """Exact numbers, nested in sequences → float64 (Python rounds a fraction to the nearest double)."""

    def convert(value: Any) -> Any:
        return float(value) if isinstance(value, Fraction | Surd | int) else [convert(v) for v in value]

    return np.array(convert(values), dtype=np.float64)


def transfer_arrays(specs: Mapping[str, Spec]) -> tuple[Arrays, set[str]]:
    """The projections (13) between every two of the representations, axis by axis and slab by slab; and the names of

    those that are prolongations: the new space contains the old one.
    """
    arrays: Arrays = {}
    nested: set[str] = set()
    for source in specs.values():
        old = {role: (basis, interval) for role, basis, interval in directions(source)}
        for target in specs.values():
            for role, basis, interval in directions(target):
                if role not in old or old[role] == (basis, interval) or old[role][1] != interval:
                    continue
                name = f"transfer/{basis_key(*old[role])}/{basis_key(basis, interval)}"
                if name not in arrays:
                    spaces = build(basis, interval), build(*old[role])
                    p = transfer.transfer(*spaces)
                    arrays[name] = p.to_float()
                    nested |= {name} if transfer.contains(*spaces, p) else set()
    _add_pair_transfers(specs, arrays, nested)
    return arrays, nested


def _add_pair_transfers(specs: Mapping[str, Spec], arrays: Arrays, nested: set[str]) -> None:
    """The same for the functions of both widths that a kind leaves of W."""
    for source in specs.values():
        old = {role: (pair_key(slab, source), slab) for role, slab in pairs(source)}
        for target in specs.values():
            for role, slab in pairs(target):
                if role not in old or old[role][0] == pair_key(slab, target):
                    continue
                name = f"transfer/{old[role][0]}/{pair_key(slab, target)}"
                if name not in arrays:
                    p, contained = transfer.pair_transfer(_pair(target, slab), _pair(source, old[role][1]))
                    arrays[name] = p.to_float()
                    nested |= {name} if contained else set()


def _pair(spec: Spec, slab: Slab) -> transfer.Pair:
    """What is left of W on the bases of a slab of one axis."""
    out, inner = build(slab.weight_out), build(slab.weight_in, spec.operator.inner)
    left = admissible(spec.operator, out, inner)
    assert left is not None
    return transfer.Pair(out, inner, left)


@dataclass
class Store:
    """The tables of a ladder's representations, each content once."""

    arrays: Arrays = field(default_factory=dict)
    _names: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def file(self, name: str, own: Arrays) -> dict[str, str]:
        """Store a representation's tables by role; role → the name under which ``arrays`` holds the table."""
        found = {}
        for role, array in sorted(own.items()):
            content = (str(array.dtype), array.shape, array.tobytes())
            found[role] = self._names.setdefault(content, f"{name}/{role}")
            self.arrays.setdefault(found[role], array)
        return found


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """tables.npz as bytes: sorted names and fixed dates, so that equal tables are equal files.

    A large table of mostly zeros is stored as its shape, the places of the others in it, row by row, and their values.
    """
    buffer = io.BytesIO()
    entries: dict[str, Any] = {}
    for name in sorted(arrays):
        table = arrays[name]
        places = np.flatnonzero(table)
        if table.size >= LARGE and SPARSE * len(places) <= table.size and table.size < 2**31:
            shape, values = np.array(table.shape, dtype=np.int64), table.ravel()[places]
            entries |= dict(zip(parts(name), (shape, places.astype(np.int32), values)))
        else:
            entries[name] = table
    np.savez(buffer, **entries)
    return buffer.getvalue()


def describe(array: np.ndarray) -> dict[str, Any]:
    """Shape, Euclidean norm and sha256 of a table, for the manifest."""
    entry: dict[str, Any] = {"shape": list(array.shape), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}
    if array.dtype == np.float64:
        entry["norm"] = math.sqrt(math.fsum((array[array != 0] ** 2).tolist()))
    return entry
