"""What the file of a model holds: a header that JSON can hold, and arrays; and what makes a model of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import CheckpointError, ContinuumError
from derive.spec import Spec, digest, from_dict, to_dict
from numerics.datasets.labels import Label
from numerics.functions.field import Field
from numerics.model.baselines import Baselines
from numerics.model.layout import zero_fields
from numerics.model.units import Units
from numerics.representation import find
from numerics.representation.tables import Representation

Arrays = dict[str, np.ndarray]
Place = str | list[Any]  # the name of an entry, or that with the shape of its leading block

LABELS = (str, int, float, bool)  # what classes can be, all of one kind


@dataclass(frozen=True, eq=False)
class Contents:
    """The parts of a model that its file keeps; see ``Continuum``."""

    base: Spec
    level: str | None
    representation: Representation
    fields: Mapping[str, Field]
    history: tuple[dict[str, Any], ...]
    training: dict[str, Any] | None
    classes: tuple[Label, ...]
    units: Units
    baselines: Baselines | None

    def entries(self) -> tuple[dict[str, Any], Arrays]:
        """The header, and the arrays by their names in the file."""
        training = self.training or {}
        arrays = {f"training/{key}": a for key, a in training.items() if isinstance(a, np.ndarray)}
        scalars = {key: value for key, value in training.items() if not isinstance(value, np.ndarray)}
        fields = {
            f"fields/{name}/{k}": slab.coefficients
            for name, field in self.fields.items()
            for k, slab in enumerate(field.slabs)
        }
        places = _places(self.representation.arrays)
        tables = {f"tables/{role}": self.representation.arrays[role] for role, place in places.items() if place == role}
        header = {
            "spec": to_dict(self.base),
            "level": self.level,
            "representation": self.representation.entry,
            "tables": places,
            "classes": list(self.classes),
            "history": [dict(row) for row in self.history],
            "training": None if self.training is None else scalars,
        }
        if self.units != Units.declared(self.base):  # otherwise the spec says them
            header["units"] = self.units.to_dict()
        simple = {} if self.baselines is None else vars(self.baselines)
        return header, {**fields, **tables, **arrays, **{f"baselines/{name}": a for name, a in simple.items()}}

    @classmethod
    def of(cls, header: Mapping[str, Any], arrays: Arrays, path: str | Path) -> Contents:
        """The parts again. Raises CheckpointError, naming the entry, for what is not as ``entries`` writes it."""
        try:
            return cls._checked(header, arrays, path)
        except CheckpointError:
            raise
        except ContinuumError as error:
            raise CheckpointError(error.given, error.allowed, error.cause, error.fix, str(path)) from error
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise _incomplete(path, f"a header or entry that does not fit: {error!r}") from error

    @classmethod
    def _checked(cls, header: Mapping[str, Any], arrays: Arrays, path: str | Path) -> Contents:
        base = from_dict(header["spec"])
        level, entry = header["level"], header["representation"]
        spec = replace(base.level(level) if level else base, levels=())
        _same_digest(digest(spec), entry["digest"], path)
        _check_header(header, spec, path)
        stored = _under("tables/", arrays)
        tables = {role: _table(stored, place) for role, place in header["tables"].items()}
        rep = find.restored(spec, entry, tables, base)
        training, moments = header["training"], _under("training/", arrays)
        for key, array in moments.items():
            counted = array.dtype.kind in "iu" and array.ndim == 0
            if not counted and (array.dtype != np.float64 or not np.isfinite(array).all()):
                raise _incomplete(path, f"training/{key}: neither a count nor finite float64 numbers")
        fields = _filled(zero_fields(rep), _under("fields/", arrays), path)
        size = sum(slab.coefficients.size for field in fields.values() for slab in field.slabs)
        if "vector" in moments and moments["vector"].shape != (size,):
            raise _incomplete(path, f"training/vector: {moments['vector'].shape}, but the model has {size} coordinates")
        return cls(
            base=base,
            level=level,
            representation=rep,
            fields=fields,
            history=tuple(header["history"]),
            training=None if training is None else {**training, **moments},
            classes=tuple(header["classes"]),
            units=Units.from_dict(header["units"], spec) if "units" in header else Units.declared(spec),
            baselines=_baselines(_under("baselines/", arrays), spec, path),
        )


def _places(arrays: Arrays) -> dict[str, Place]:
    """Where every table is stored: under its own role, or as a leading block of a larger one, bit for bit.

    What small levels have of their own is then what they do not share: functions that come first in a larger basis,
    as polynomials and waves do, have the first rows and columns of its tables.
    """
    found: dict[str, Place] = {}
    kept: list[str] = []
    for role in sorted(arrays, key=lambda role: -arrays[role].size):
        a = arrays[role]
        whole = next((name for name in kept if _leads(a, arrays[name])), None)
        if whole is None:
            kept.append(role)
        found[role] = role if whole is None else whole if a.shape == arrays[whole].shape else [whole, list(a.shape)]
    return {role: found[role] for role in arrays}


def _leads(block: np.ndarray, whole: np.ndarray) -> bool:
    """Whether an array is a leading block of another one."""
    if block is whole:
        return True
    if block.dtype != whole.dtype or block.ndim != whole.ndim or any(n > m for n, m in zip(block.shape, whole.shape)):
        return False
    if block.size and block.flat[0] != whole.flat[0]:  # most differ there
        return False
    return block.tobytes() == _block(whole, block.shape).tobytes()


def _block(whole: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    return np.ascontiguousarray(whole[tuple(slice(n) for n in shape)]).reshape(shape)


def _table(stored: Arrays, place: Place) -> np.ndarray:
    """A table at its place."""
    if isinstance(place, str):
        return stored[place]
    name, shape = place
    return _block(stored[name], shape)


def _check_header(header: Mapping[str, Any], spec: Spec, path: str | Path) -> None:
    """Classes, history and slabs as ``entries`` writes them."""
    classes, history = header["classes"], header["history"]
    named = isinstance(classes, list) and any(all(type(name) is kind for name in classes) for kind in LABELS)
    if not named or len(set(classes)) != len(classes) or (classes and len(classes) != spec.outputs):
        raise _incomplete(path, f"classes {classes!r} of a model with {spec.outputs} outputs")
    if not isinstance(history, list) or not all(isinstance(row, dict) and "loss" in row for row in history):
        raise _incomplete(path, f"a history of {history!r}")
    ends = [(slab["start"], slab["stop"]) for slab in header["representation"]["slabs"]]
    if ends != [(str(slab.start), str(slab.stop)) for slab in spec.slabs]:
        raise _incomplete(path, f"slabs at {ends}, but the spec has others")


def _baselines(arrays: Arrays, spec: Spec, path: str | Path) -> Baselines | None:
    """The baselines of a model that was trained with some."""
    found = Baselines(**arrays) if arrays else None
    if found is not None and not (found.fit(spec) and all(np.isfinite(a).all() for a in arrays.values())):
        raise _incomplete(path, f"baselines of shapes {[a.shape for a in arrays.values()]}")
    return found


def _filled(fields: dict[str, Field], arrays: Arrays, path: str | Path) -> dict[str, Field]:
    """Fields with stored coefficients, which must be those of this representation, all of them, and finite."""
    wanted = {
        f"{name}/{k}": slab.coefficients.shape for name, field in fields.items() for k, slab in enumerate(field.slabs)
    }
    for key in sorted(wanted.keys() | arrays.keys()):
        if key not in wanted or key not in arrays or arrays[key].shape != wanted[key]:
            found = arrays[key].shape if key in arrays else "missing"
            raise _incomplete(path, f"fields/{key}: {found}, but the spec says {wanted.get(key, 'no such entry')}")
        if arrays[key].dtype != np.float64 or not np.isfinite(arrays[key]).all():
            raise _incomplete(path, f"fields/{key}: coefficients that are not finite float64 numbers")
    return {
        name: field.with_coefficients(arrays[f"{name}/{k}"] for k in range(len(field.slabs)))
        for name, field in fields.items()
    }


def _same_digest(spec: str, stored: str, path: str | Path) -> None:
    if spec != stored:
        raise CheckpointError(
            f"tables of the representation {stored[:12]} with a spec that is {spec[:12]}",
            "a spec and tables that belong together",
            "the file was put together by hand, or written by another version",
            "train again, or use the version that wrote it",
            str(path),
        )


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}


def _incomplete(path: str | Path, given: str) -> CheckpointError:
    return CheckpointError(
        given,
        "the entries that `Continuum.save` writes",
        "the file was put together by hand, or written by another version",
        "train again, or use the version that wrote it",
        str(path),
    )
