"""From a spec to every file of its folder, and what changes in them from one spec to another."""

from __future__ import annotations

import difflib

from derive.derived import derive
from derive.explain import derivation
from derive.modules import modules
from derive.spec import Spec


def generate(spec: Spec) -> dict[str, bytes]:
    """Every file of ``generated/<name>/``: name → content. Equal specs give equal bytes, everywhere."""
    derived = derive(spec)
    return {**modules(spec, derived), "derivation.md": derivation.text(spec, derived).encode()}


def diff(first: Spec, second: Spec) -> str:
    """What changes in the mathematics and in the kernels from one spec to another, as unified diffs."""
    parts = []
    files = [generate(spec) for spec in (first, second)]
    for name, what in (("derivation.md", "The mathematics"), ("cpu.py", "The kernels")):
        old, new = (content[name].decode().splitlines() for content in files)
        found = list(difflib.unified_diff(old, new, first.name, second.name, lineterm="", n=2))
        parts += [f"# {what}", "", *(found or ["Nothing changes."]), ""]
    return "\n".join(parts)
