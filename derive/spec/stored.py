"""The stored form of a spec, which model files and manifests hold, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any, get_args, get_type_hints

from derive.errors import ExpressionError, SpecError
from derive.exact import surd
from derive.exact.surd import Exact, Surd
from derive.spec.model import NAME, PARAMETER, ClassWeights, Spec
from derive.spec.training import OPTIONS, Training
from derive.spec.units import PLAIN

STORED = {"loss_weight": "weight"}  # what fields are called in files
# Fields of a Spec that files leave out where nothing uses them.
LATER = {"exchange": None, "cuts": (), "shares": None, "units": asdict(PLAIN)}


def to_dict(spec: Spec) -> dict[str, Any]:
    """The Spec as JSON-able data; exact numbers become strings. ``from_dict`` is its inverse."""
    found: dict[str, Any] = _plain(asdict(spec))
    for own in (found, *(level for _, level in found["levels"])):
        own["training"] = _lean(own["training"])
        for name, default in LATER.items():  # as they were before these came
            if own[name] == _plain(default):
                del own[name]
        if len(set(own["periodic"])) == 1:  # alike along all axes, as it was when there was one word for all
            own["periodic"] = own["periodic"][0]
    return found


def training_to_dict(training: Training) -> dict[str, Any]:
    """Options of training as JSON-able data."""
    return _lean(_plain(asdict(training)))


def _lean(training: dict[str, Any]) -> dict[str, Any]:
    """Without the options that came later than TRAINING and are not used: files stay what they were."""
    return {name: value for name, value in training.items() if name in TRAINING or value != OPTIONS[name].default}


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction | Surd):
        return str(value)
    if isinstance(value, dict):
        return {STORED.get(key, key): _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def from_dict(data: Mapping[str, Any]) -> Spec:
    """The Spec that ``to_dict`` wrote. Raises SpecError when something is missing or of another type."""
    try:
        found: Spec = _typed(Spec, data)
        _check_names(found)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, ExpressionError) as error:
        raise SpecError(
            f"a stored spec that does not read ({error})",
            "what `to_dict` writes",
            "another version, or an edited file",
            "generate or train again with this version",
        ) from None
    return found


def _check_names(spec: Spec) -> None:
    names = [(NAME, spec.name), *((PARAMETER, name) for name, _ in (*spec.parameters, *spec.learned))]
    for pattern, name in names:
        if not pattern.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no name")


def _typed(kind: Any, value: Any) -> Any:
    if kind == Exact:
        return surd.parse(value) if "sqrt" in value else Fraction(value)
    if kind == ClassWeights:
        return value if value == "balanced" else _typed(tuple[Fraction, ...], value)
    if value is None:
        if type(None) in get_args(kind):
            return None
        raise ValueError("a value is missing")
    options = [k for k in get_args(kind) if k is not type(None)]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        known = fields(kind)
        if kind is Training:  # one stored before an option came trains as it did
            known = tuple(f for f in known if f.name in value)
        if kind is Spec:
            value = {**_plain(LATER), **value}
        if kind is Spec and isinstance(value["periodic"], bool):
            value = {**value, "periodic": [value["periodic"]] * len(value["entry"]["axes"] or [value["entry"]])}
        return kind(**{f.name: _typed(hints[f.name], value[STORED.get(f.name, f.name)]) for f in known})
    if type(None) in get_args(kind):
        return _typed(options[0], value)
    if getattr(kind, "__origin__", None) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError("a list was expected")
        if options[-1] is Ellipsis:
            return tuple(_typed(options[0], v) for v in value)
        return tuple(_typed(k, v) for k, v in zip(options, value, strict=True))
    if kind is Fraction:
        return Fraction(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


# Digests hold the options of training as they were when the first ones were made, whatever has come since.
TRAINING = {
    "optimiser": "adam", "epochs": 300, "learning_rate": 0.01, "schedule": "cosine", "clip": None, "averaging": 0.0,
    "batch": None, "validation": 0.0, "patience": None, "seed": 0, "weight_decay": 0.0, "thin": 1.0, "jitter": 0.0,
    "warp": 0.0,
}  # fmt: skip


def digest(spec: Spec) -> str:
    """sha256 of all that enters the derivation of this representation; not of names, units, training or precision."""
    bare = replace(
        spec,
        name="",
        summary="",
        levels=(),
        precision="",
        class_weights=(),
        penalties=(),
        units=PLAIN,
    )
    content = {**to_dict(bare), "training": TRAINING}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
