"""Tables and kernels of one discretisation: the one door to ``derive``.

A representation is looked for in generated modules (beside ``numerics``, where CONTINUA_GENERATED points, in
``./continua_generated``, in the user's cache) and derived only when nobody has it yet.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np

import derive
from derive.errors import RepresentationError
from derive.spec import WIDTH, BasisSpec, Spec, of_axis
from derive.spec import digest as digest_of
from derive.spec.levels import between
from derive.spec.table_names import FORMAT, parts
from numerics import checks as doors
from numerics import files
from numerics.functions.basis import Basis
from numerics.functions.field import Pair
from numerics.kernels import threads as device

__all__ = ["Representation", "SlabTables", "assemble", "between", "folders", "manifest", "of", "transfer"]

Arrays = dict[str, np.ndarray]
UNSEEN = 1e-15  # eigenvalues below this fraction of the largest are rounding errors
MARK = re.compile(r"[0-9a-f]{64}")  # of kernels
LISTED = ("functions", "representations", "tables")  # in every manifest


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

    def pieces(self, role: str) -> Basis:
        """The run-time basis of a role, along one axis: "entry", "state", "weight_out", "state_2" …"""
        return _pieces(self.tables, role)

    def axes(self, role: str) -> tuple[Basis, ...]:
        """The run-time bases of a role along every axis."""
        return tuple(self.pieces(of_axis(role, axis)) for axis in range(self.dimension))

    def pair(self, role: str) -> Pair:
        """The functions of both widths that symmetries leave of W along an axis: role is "weight_pair", or with _2."""
        suffix = role.removeprefix("weight_pair")
        return Pair(
            self.pieces(f"weight_out{suffix}"), self.pieces(f"weight_in{suffix}"),
            self.tables[role], self.tables[f"{role}/values"],
        )  # fmt: skip


@dataclass(frozen=True)
class Representation:
    """One discretisation: the resolved spec with the tables and kernels that belong to it.

    readout: G, Gram matrix and run-time basis of a functional readout, weights and β of its smooth maxima; for
    functions, what a weighted loss needs.
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

    def readout_factors(self, name: str) -> tuple[np.ndarray, ...]:
        """A table of the readout along every axis."""
        return tuple(self.readout[of_axis(name, axis)] for axis in range(self.spec.dimension))

    @cached_property
    def readout_gram(self) -> np.ndarray:
        """⟨ζ_i, χ_j⟩ of a functional readout's functions and the final state's."""
        return kron(self.readout_factors("G"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies hold the tables, as model files do; kernels are found where they are used."""
        return restored, (self.spec, self.entry, self.arrays)

    @cached_property
    def roots(self) -> tuple[np.ndarray, ...]:
        """Lᵀ along every axis, with L Lᵀ the Gram matrix of the state's functions in the norm of the loss: L2, with its

        weight, or H1. Where a weight vanishes it does not see some functions: their part of L is zero.
        """
        if self.spec.weight is not None:
            values, vectors = np.linalg.eigh(self.readout["M"])
            return (np.sqrt(np.where(values > UNSEEN * values[-1], values, 0.0))[:, None] * vectors.T,)
        slab = self.slabs[-1]
        grams = slab.factors("M")
        if self.spec.loss == "h1":
            grams = (grams[0] + slab.tables["stiffness/state"],)
        return tuple(np.linalg.cholesky(gram).T for gram in grams)

    @cached_property
    def root(self) -> np.ndarray:
        """Lᵀ on the whole domain: coefficients → coordinates in which the norm of the loss is Euclidean."""
        return kron(self.roots)

    @cached_property
    def comparison(self) -> np.ndarray:
        """y's coefficients → those coordinates, channel by channel: what is compared where there is no readout."""
        return np.kron(self.root, np.eye(self.spec.channels))

    @cached_property
    def orthonormal(self) -> tuple[np.ndarray, ...]:
        """L⁻ᵀ along every axis: its columns are functions that are orthonormal in the norm of the loss, or zero."""
        return tuple(np.linalg.pinv(root, rcond=np.sqrt(UNSEEN) / 2) for root in self.roots)

    def readout_pieces(self, role: str = "readout") -> Basis:
        """The run-time basis of a functional readout; or the one function of a loss's "weight"."""
        return _pieces(self.readout, role)


@dataclass(frozen=True, eq=False)
class Printed:
    """The functions of a closed-form basis: (cell, x) → (size, len(x)). Pickles hold the name, and no code."""

    name: str
    constants: np.ndarray

    @cached_property
    def function(self) -> Callable[..., np.ndarray]:
        return printed_function(self.name)

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


def of(spec: Spec, base: Spec | None = None) -> Representation:
    """The representation of a spec; derived, with one line saying so, if no generated module has it.

    base: the spec whose levels the spec is one of; deriving writes the whole ladder at once.
    """
    return _of(replace(spec, levels=()), base or spec)


@lru_cache(maxsize=64)
def _of(spec: Spec, base: Spec) -> Representation:
    digest = digest_of(spec)
    found = find(digest)
    if found is None:
        found = _derive(digest, base if digest in _digests(base) else spec)
    folder, entry = found
    entry = dict(entry)
    names = entry.pop("tables")
    contents = _stored(folder, sorted(set(names.values())))
    return assemble(spec, entry, {role: contents[name] for role, name in names.items()})


def restored(spec: Spec, entry: dict[str, Any], arrays: Arrays, base: Spec | None = None) -> Representation:
    """The representation that a model file holds, with the tables there.

    Where another version's derivation printed kernels that this one does not, the spec is derived anew: the spec is
    what a representation is, and fields are coefficients in the bases that it declares. A warning says so.
    """
    if not _printed_here(entry):
        own = of(spec, base)
        if not _printed_here(entry):
            doors.warn(
                f"the model of {spec.name} was written by a version with other kernels; this version's take their "
                "place, whose results may differ in the last digits. Save the model again to keep these"
            )
            return own
    found = assemble(spec, entry, arrays)
    check_tables(found.digest, arrays)
    return found


def _printed_here(entry: dict[str, Any]) -> bool:
    """Whether generated modules hold the kernels of a manifest's entry. Raises ValueError for marks that are none."""
    marks = {("signature", slab["signature"]) for slab in entry["slabs"]} | {("loss", entry["loss"])}
    wrong = [mark for _, mark in marks if not (isinstance(mark, str) and MARK.fullmatch(mark))]
    if wrong:
        raise ValueError(f"kernels called {wrong[0]!r}")
    return all(_find_module(mark, kind) is not None for kind, mark in marks)


def assemble(spec: Spec, entry: dict[str, Any], arrays: Arrays) -> Representation:
    """A representation from a manifest's entry and its tables by role, which may come from a model file.

    Kernels are always found by signature among generated modules: no code comes from a model.
    """
    slabs = []
    for k, slab in enumerate(entry["slabs"]):
        prefix = f"{k}/"
        if slab["plan"] not in ("formed", "factors"):
            raise ValueError(f"the plan {slab['plan']!r}")
        module, suffix = _module(slab["signature"], "signature")
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
    module = _module(entry["loss"], "loss")[0]
    constants = arrays["constants/loss"]
    return Representation(spec, str(entry["digest"]), tuple(slabs), readout, constants, module, arrays, entry)


def pieces_of(basis: Any) -> Basis:
    """The run-time form of a basis of the derivation that needs no printed function."""
    from derive.spaces import run_time

    return Basis.from_arrays(run_time.arrays(basis))


def check_tables(digest: str, arrays: Arrays) -> None:
    """Compare a model's tables with those generated here, if there are any. Raises RepresentationError."""
    found = find(digest)
    if found is None:
        return
    folder, entry = found
    listed = manifest(folder)["tables"]
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


def transfer(source: str, target: str, base: Spec) -> np.ndarray:
    """P of (13) between two bases of a spec's ladder, by the names that the manifest gives them."""
    folder, name = _transfer(source, target, base)
    return _stored(folder, [name])[name]


def nested(source: str, target: str, base: Spec) -> bool:
    """Whether the derivation has shown that the target's space contains the source's: P is then a prolongation."""
    folder, name = _transfer(source, target, base)
    return bool(manifest(folder)["tables"][name].get("nested", False))


def _transfer(source: str, target: str, base: Spec) -> tuple[Path, str]:
    """Where it is; derived where all levels are known, but from other ladders, which lie between other levels."""
    name = f"transfer/{source}/{target}"
    for attempt in range(2):
        for folder in folders():
            if name in manifest(folder)["tables"]:
                return folder, name
        if attempt == 0:
            _derive(digest_of(replace(base, levels=())), base)
    raise RepresentationError(
        f"no projection between the bases {source} and {target}",
        "levels of one spec, generated together",
        "the modules were generated before the level was declared",
        "run `continua generate` on the spec",
    )


def combination(basis: BasisSpec, rows: np.ndarray) -> BasisSpec:
    """The declaration of the functions Σ_j rows_ij g_j of a width basis g; rows (r, size) are taken as they are."""
    from derive import registry

    exact = tuple(tuple(Fraction(repr(float(v))) for v in row) for row in rows)
    family = registry.entry("bases", "combination")
    return BasisSpec("combination", **family.resolve({"of": basis, "rows": exact}, WIDTH))


def layer(spec: Spec, length: Fraction) -> tuple[str, str] | None:
    """The kind and the activation of the discrete layer that one Euler step is; None where it is none."""
    from derive import equation

    return equation.layer(spec, length)


def warn(representation: Representation) -> None:
    """Warn of what the declaration's stages do not see (section 4); why needs the derivation."""
    from derive.spaces import stages

    if stages.blind(representation.spec, iter(slab.tables for slab in representation.slabs)):
        with contextlib.suppress(ImportError):  # without SymPy the model works, and nothing says why it is warned of
            for found in stages.check(representation.spec):
                doors.warn(found)


# --- where modules live -------------------------------------------------------------------------------------


_of_this_process: list[Path] = []  # folders for modules that no cache could take


def roots() -> list[Path]:
    """The folders that may hold generated modules, in the order of search; the user's cache is the last."""
    found = [Path(__file__).resolve().parents[2] / "generated"]
    given = os.environ.get("CONTINUA_GENERATED")
    for path in (given, "continua_generated") if given else ("continua_generated",):
        with contextlib.suppress(OSError):  # a working directory that was deleted
            found.append(Path(path).resolve())
    return [*found, *_of_this_process, _cache()]


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("neural-continua")) / "kernels" / _edition()


@cache
def _edition() -> str:
    """Twelve digits for the derivation's own sources: what another edition cached is not used."""
    sources = Path(derive.__file__).parent
    content = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        content.update(path.relative_to(sources).as_posix().encode() + path.read_bytes())
    return content.hexdigest()[:12]


def folders() -> Iterator[Path]:
    """Every folder with a manifest that this version reads, in the order of search; read only as far as it goes.

    What is damaged in the cache is removed, to be derived again; elsewhere it is somebody's to repair.
    """
    *_, cached = found = roots()
    for root in found:
        for path in sorted(root.glob("*/manifest.json")) if root.is_dir() else ():
            folder = path.parent
            if folder.name.startswith("."):
                continue
            if root == cached and not _whole(folder):
                _discard(folder)
            elif manifest(folder).get("format") == FORMAT:
                yield folder


def _whole(folder: Path) -> bool:
    """Whether a cached folder holds what was written: its name ends in the digest of its files."""
    try:
        stamp = tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.iterdir()) if p.is_file())
    except OSError:
        return False
    return _has_digest(folder, stamp)


@cache
def _has_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> bool:
    try:
        contents = {name: (folder / name).read_bytes() for name, *_ in stamp}
    except OSError:
        return False
    return folder.name.endswith(f"-{_digest_of(contents)}")


def _digest_of(contents: Mapping[str, bytes]) -> str:
    """Twelve digits for a folder's files."""
    found = hashlib.sha256()
    for name, content in sorted(contents.items()):
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:12]


def _discard(folder: Path) -> None:
    """Remove a folder, out of everybody's sight first; where it cannot be removed it is not used."""
    aside = files.beside(folder)
    with contextlib.suppress(OSError):
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


@cache
def _manifest(path: Path, _stamp: float) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or (found.get("format") == FORMAT and not found.keys() >= set(LISTED)):
            raise ValueError(f"not a table of {', '.join(LISTED)}")
    except (OSError, ValueError, RecursionError) as error:
        raise RepresentationError(
            f"{path}: {error}",
            "the manifest that `continua generate` writes",
            "the file was cut short or edited",
            "delete its folder, or run `continua generate` again",
        ) from error
    return found


def manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    return _manifest(path, path.stat().st_mtime)


def find(digest: str) -> tuple[Path, dict[str, Any]] | None:
    """The folder and the manifest's entry that hold a representation, or None."""
    for folder in folders():
        for entry in manifest(folder)["representations"].values():
            if entry["digest"] == digest:
                return folder, entry
    return None


def _module(mark: str, kind: str) -> tuple[Path, str]:
    """The module and suffix of the kernels with a mark: a slab's "signature", or a representation's "loss"."""
    found = _find_module(mark, kind)
    if found is None:
        raise RepresentationError(
            f"kernels of {kind} {mark[:12]}", "modules that were generated together with the tables",
            "a folder of generated modules that was moved or deleted", "run `continua generate` on the spec",
        )  # fmt: skip
    return found


def _find_module(mark: str, kind: str) -> tuple[Path, str] | None:
    for folder in folders():
        for entry in manifest(folder)["representations"].values():
            for part in entry["slabs"] if kind == "signature" else [entry]:
                if part[kind] == mark:
                    return folder / "cpu.py", part.get("kernels", "")
    return None


def printed_function(name: str) -> Callable[..., np.ndarray]:
    """The function of a closed-form basis, from the generated module that holds it."""
    for folder in folders():
        if name in manifest(folder)["functions"]:
            return getattr(device.load_module(folder / "cpu.py"), name)  # type: ignore[no-any-return]
    raise RepresentationError(
        f"the closed-form basis {name}",
        "a basis of a generated spec",
        "its generated module was deleted",
        "run `continua generate` on the spec again",
    )


def _digests(base: Spec) -> set[str]:
    return {digest_of(replace(base, levels=())), *(digest_of(s) for _, s in base.levels)}


def _derive(digest: str, spec: Spec) -> tuple[Path, dict[str, Any]]:
    """Derive a spec with its levels and keep the result in the user's cache."""
    try:
        from derive.generate import generate
    except ImportError as error:
        raise RepresentationError(
            f"no kernels for {spec.name} on this machine, and {error}", "generated modules, or SymPy and python-flint",
            "the model comes from another machine, or the package was updated since",
            "install sympy and python-flint, or copy the folder that `continua generate` writes, ./continua_generated",
        ) from error  # fmt: skip
    print(f"deriving {spec.name} (no generated module has this representation)", file=sys.stderr)
    contents = generate(spec)
    name = f"{spec.name}-{_digest_of(contents)}"
    try:
        write_folder(_cache() / name, contents)
    except OSError:  # a read-only home, a full disk: the modules live as long as the process
        write_folder(_folder_of_this_process() / name, contents)
    found = find(digest)
    if found is None:
        raise RepresentationError(
            f"a derivation of {spec.name} without the representation {digest[:12]}",
            "a spec whose levels name only what differs",
            "the spec changed while it was derived",
            "run the command again",
        )
    return found


def _folder_of_this_process() -> Path:
    """A folder that is searched by this process, and removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="continua-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _of_this_process.append(folder)
    return folder


def write_folder(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of generated files at once: a temporary folder beside it, then a rename.

    The folder's name ends in its files' digest: one that is there already, and whole, is kept; another one, or what
    was left of one, is replaced. What killed writers of the same folder left is removed. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.beside(target)
    try:
        temporary.mkdir()
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        try:
            temporary.rename(target)
        except OSError:
            if not _whole(target):
                _discard(target)
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    files.remove_strays(target)


def _stored(folder: Path, names: Sequence[str]) -> Arrays:
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
    listed = manifest(folder)["tables"]
    for key, array in arrays.items():
        if _sum(array) != listed.get(key, {}).get("sha256"):
            raise RepresentationError(
                f"table {key} of {folder.name} differs from its manifest",
                "tables as `continua generate` wrote them",
                "the file was edited or damaged",
                "run `continua generate` again",
            )
