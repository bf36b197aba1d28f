"""What there is of each kind: one file an entry, found by sorted discovery. Listing imports nothing."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

from derive.errors import SpecError, advice

KINDS = ("rates", "activations", "losses", "bases", "tableaux")


@cache
def names(kind: str) -> tuple[str, ...]:
    """The entries of a kind, sorted; a file's underscores read as hyphens."""
    folder = Path(__file__).parent / kind
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules([str(folder)]) if m.name[0] != "_"))


def entry(kind: str, name: str) -> ModuleType:
    """The module of an entry. Raises SpecError for a name, or a kind, that is none."""
    known = names(kind) if kind in KINDS else KINDS
    if kind not in KINDS or name not in known:
        raise SpecError(f"{name!r} of {kind!r}", ", ".join(known), *advice(name if kind in KINDS else kind, known))
    return importlib.import_module(f"derive.{kind}.{name.replace('-', '_')}")
