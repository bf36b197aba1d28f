"""Tables and kernels of one discretisation: what ``find`` gives, and how it is put together from a manifest's entry.

Arrays come from a folder of generated modules or from a model file; both are checked by their sums.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import eigh

from derive.errors import RepresentationError
from derive.spec import Spec, of_axis
from derive.spec.table_names import parts
from numerics.functions.basis import Basis
from numerics.functions.field import Pair
from numerics.representation import folders

Arrays = dict[str, np.ndarray]
UNSEEN = 1e-15  # eigenvalues below this fraction of the largest are rounding errors


@dataclass(frozen=True)
class SlabTables:
    """One slab's tables (float64), its kernels' module and suffix, and the plan that its sizes suggest.

    signature: what the kernels compute; tables: see ``derive.galerkin.SemiDiscrete``.
    """

    start: float
    stop: float
    signature: str
    plan: str
    entry: bool
    structures: dict[str, str]
    tables: Arrays
    module: Path
    suffix: str

    @property
    def dimension(self) -> int:
        """How many axes the domain has."""
        return sum(of_axis("X", axis) in self.tables for axis in range(3))

    @property
    def formable(self) -> bool:
        """Whether stage operators can be formed: blocks and Kronecker products are applied as they are."""
        return self.dimension == 1 and "blocks" not in self.structures.values()

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many functions states and weights have on the whole domain, and how many nodes there are."""
        (nodes, state), (_, outer), (inner, _) = map(self._shape, ("X", "Phi", "C"))
        entry = self.tables["P_entry"].shape[1] if self.entry else state
        return {"state": state, "entry": entry, "node": nodes, "weight_out": outer, "weight_in": inner}

    def _shape(self, name: str) -> tuple[int, int]:
        """Of a table on the whole domain."""
        rows, columns = zip(*(factor.shape for factor in self.factors(name)))
        return math.prod(rows), math.prod(columns)

    def factors(self, name: str) -> tuple[np.ndarray, ...]:
        """A table along every axis; on the whole domain it is their Kronecker product."""
        return tuple(self.tables[of_axis(name, axis)] for axis in range(self.dimension))

    @cached_property
    def roots(self) -> tuple[np.ndarray, ...]:
        """Lᵀ of the mass matrix LLᵀ along every axis: coefficients of the state → coordinates orthonormal in L2."""
        return tuple(np.linalg.cholesky(mass).T for mass in self.factors("M"))

    def basis(self, role: str) -> Basis:
        """The run-time basis of a role, along one axis: "entry", "state", "weight_out", "state_2" …"""
        return _pieces(self.tables, role)

    def axes(self, role: str) -> tuple[Basis, ...]:
        """The run-time bases of a role along every axis."""
        return tuple(self.basis(of_axis(role, axis)) for axis in range(self.dimension))

    def pair(self, role: str) -> Pair:
        """The functions of both widths that symmetries leave of W along an axis: role is "weight_pair", or with _2."""
        suffix = role.removeprefix("weight_pair")
        return Pair(
            self.basis(f"weight_out{suffix}"), self.basis(f"weight_in{suffix}"),
            self.tables[role], self.tables[f"{role}/values"],
        )  # fmt: skip


@dataclass(frozen=True)
class Representation:
    """One discretisation: the resolved spec with the tables and kernels that belong to it.

    readout: G, Gram matrix and run-time basis of a functional readout, for maxima and shares beside it weights at
    nodes, with β, or levels and their width; for functions, what a weighted loss needs.
    loss_constants, module: of the loss and readout kernels.
    """

    spec: Spec
    digest: str
    slabs: tuple[SlabTables, ...]
    readout: Arrays
    loss_constants: np.ndarray
    module: Path
    arrays: Arrays
    entry: dict[str, Any]

    @property
    def flops(self) -> tuple[int, int]:
        """Floating-point operations of a gradient: for every change of weights, for every record.

        Zeros in model files that were written before they were counted.
        """
        weights, record = self.entry.get("flops", (0, 0))
        return weights, record

    def readout_factors(self, name: str) -> tuple[np.ndarray, ...]:
        """A table of the readout along every axis."""
        return tuple(self.readout[of_axis(name, axis)] for axis in range(self.spec.dimension))

    @cached_property
    def readout_gram(self) -> np.ndarray:
        """⟨ζ_i, χ_j⟩ of a functional readout's functions and the final state's."""
        return kron(self.readout_factors("G"))

    @cached_property
    def _modes(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """For H1: along every axis ‖∂φ‖² (n,) of functions φ, and their coefficients (n, n), orthonormal in L2, whose

        slopes are orthogonal. Of their products φψ … over the axes the H1 norm is the sum 1 + ‖∂φ‖² + ‖∂ψ‖² + …
        """
        slab = self.slabs[-1]
        return tuple(eigh(s, m) for s, m in zip(slab.factors("stiffness/state"), slab.factors("M")))

    @cached_property
    def roots(self) -> tuple[np.ndarray, ...]:
        """Lᵀ along every axis: coefficients of the state → coordinates in functions that are orthonormal in L2, with

        the weight of the loss if it has one. Where that vanishes it does not see some functions: their part of L is 0.
        """
        if self.spec.comparison.distance == "H1":
            return tuple(vectors.T @ mass for (_, vectors), mass in zip(self._modes, self.slabs[-1].factors("M")))
        if self.spec.loss_weight is None:
            return tuple(np.linalg.cholesky(mass).T for mass in self.slabs[-1].factors("M"))
        found = map(np.linalg.eigh, self.readout_factors("M"))
        return tuple(np.sqrt(np.where(w > UNSEEN * w[-1], w, 0.0))[:, None] * vectors.T for w, vectors in found)

    @cached_property
    def met(self) -> dict[tuple[str, int, bytes], np.ndarray]:
        """By role, axis and points: projections that ``numerics.model.prepared`` needed before."""
        return {}

    @cached_property
    def norms(self) -> np.ndarray | None:
        """Squared norms (n,) of these functions' products over the axes, in the loss's norm; None where all are 1."""
        if self.spec.comparison.distance != "H1":
            return None
        return 1 + reduce(np.add.outer, [slopes for slopes, _ in self._modes]).ravel()

    @cached_property
    def root(self) -> np.ndarray:
        """Coefficients → coordinates in which the norm of the loss is Euclidean, on the whole domain."""
        found = kron(self.roots)
        return found if self.norms is None else np.sqrt(self.norms)[:, None] * found

    @cached_property
    def comparison(self) -> np.ndarray:
        """y's coefficients → those coordinates, channel by channel: what is compared where there is no readout."""
        return np.kron(self.root, np.eye(self.spec.channels))

    @cached_property
    def orthonormal(self) -> tuple[np.ndarray, ...]:
        """The inverse of ``roots``: the columns are the coefficients of those functions, or zero."""
        if self.spec.comparison.distance == "H1":
            return tuple(vectors for _, vectors in self._modes)
        return tuple(np.linalg.pinv(root, rcond=np.sqrt(UNSEEN) / 2) for root in self.roots)

    def readout_basis(self, role: str = "readout") -> Basis:
        """The run-time basis of a functional readout; or the one function of a loss's "weight" along an axis."""
        return _pieces(self.readout, role)


@dataclass(frozen=True, eq=False)
class Printed:
    """The functions of a closed-form basis: (cell, x) → (size, len(x)). Pickles hold the name, and no code."""

    name: str
    constants: np.ndarray

    @cached_property
    def function(self) -> Callable[..., np.ndarray]:
        return folders.printed_function(self.name)

    def __call__(self, cell: int, x: np.ndarray) -> np.ndarray:
        return self.function(cell, x, self.constants)

    def __reduce__(self) -> tuple[Any, ...]:
        return Printed, (self.name, self.constants)


def kron(factors: Sequence[np.ndarray]) -> np.ndarray:
    """The Kronecker product of matrices, the index of the last one running first."""
    return reduce(np.kron, factors)


def _pieces(tables: Arrays, role: str) -> Basis:
    prefix = f"pieces/{role}/"
    arrays = {key.removeprefix(prefix): a for key, a in tables.items() if key.startswith(prefix)}
    if "function" not in arrays:
        return Basis.from_arrays(arrays)
    function = Printed(str(arrays["function"]), arrays["constants"])
    return Basis.from_arrays(arrays, function, tables.get(f"gram/{role}"))


def assemble(spec: Spec, entry: dict[str, Any], arrays: Arrays) -> Representation:
    """A representation from a manifest's entry and its tables by role, which may come from a model file.

    Kernels are always found by signature among generated modules: no code comes from a model.
    """
    slabs = []
    for k, slab in enumerate(entry["slabs"]):
        prefix = f"{k}/"
        if slab["plan"] not in ("formed", "factors"):
            raise ValueError(f"the plan {slab['plan']!r}")
        module, suffix = folders.module(slab["signature"], "signature")
        slabs.append(
            SlabTables(
                start=_number(slab["start"]),
                stop=_number(slab["stop"]),
                signature=slab["signature"],
                plan=slab["plan"],
                entry=slab["entry"],
                structures=slab["structures"],
                tables={key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)},
                module=module,
                suffix=suffix,
            )
        )
    readout = {key.removeprefix("readout/"): a for key, a in arrays.items() if key.startswith("readout/")}
    module = folders.module(entry["loss"], "loss")[0]
    constants = arrays["constants/loss"]
    return Representation(spec, str(entry["digest"]), tuple(slabs), readout, constants, module, arrays, entry)


def stored(folder: Path, names: Sequence[str]) -> Arrays:
    """Tables of a folder, checked. Raises RepresentationError for damage."""
    try:
        with np.load(folder / "tables.npz", allow_pickle=False) as stored:
            arrays = {name: _table(stored, name) for name in names}
    except Exception as error:  # damaged archives and array headers fail in more ways than can be listed
        raise RepresentationError(
            f"{folder / 'tables.npz'}, which cannot be read: {error}",
            "tables as `continua generate` wrote them",
            "the file was cut short, edited or damaged",
            "run `continua generate` again",
        ) from error
    _verify(folder, arrays)
    return arrays


def _table(stored: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name in stored:
        return np.asarray(stored[name])
    shape, places, values = (stored[part] for part in parts(name))
    table = np.zeros(int(np.prod(shape)), values.dtype)
    table[places] = values
    return table.reshape(shape)


def _verify(folder: Path, arrays: Arrays) -> None:
    listed = folders.manifest(folder)["tables"]
    for key, array in arrays.items():
        if _sum(array) != listed.get(key, {}).get("sha256"):
            raise RepresentationError(
                f"table {key} of {folder.name} differs from its manifest",
                "tables as `continua generate` wrote them",
                "the file was edited or damaged",
                "run `continua generate` again",
            )


def check_tables(digest: str, arrays: Arrays) -> None:
    """Compare a model's tables with those generated here, if there are any. Raises RepresentationError."""
    found = folders.entry_of(digest)
    if found is None:
        return
    folder, entry = found
    listed = folders.manifest(folder)["tables"]
    for role, name in entry["tables"].items():
        if role not in arrays or _sum(arrays[role]) != listed[name]["sha256"]:
            raise RepresentationError(
                f"the table {role} of a model, which differs from that of {folder.name}",
                "the tables that its spec has", "a file put together by hand, or an older version's",
                "train again, or use the version that wrote it",
            )  # fmt: skip


def _sum(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _number(text: str) -> float:
    numerator, _, denominator = text.partition("/")
    return int(numerator) / int(denominator or 1)
