"""What works on this machine, and why not: ``continua doctor``."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from numerics.kernels import cache, launch, threads
from numerics.representation import folders

NEEDED = ("numpy", "scipy", "numba", "sympy", "python-flint", "click", "rich", "platformdirs", "matplotlib")
OPTIONAL = {"sktime": "data", "scikit-learn": "data", "numba-cuda": "cuda"}
MODULES = {"python-flint": "flint"}
OWN = ("derive", "numerics", "generated")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. state: "ok", "missing" (something optional is not there) or "broken"."""

    what: str
    state: str
    says: str


def examine() -> list[Finding]:
    """Everything that is looked at, in order."""
    machine = f"{platform.machine()}, {platform.system()}"
    found = [Finding("Python", "ok", f"{platform.python_version()} on {machine}")]
    found += [_version(name) for name in NEEDED]
    found += [_optional(name, extra) for name, extra in OPTIONAL.items()]
    found += [_shadowed(name) for name in OWN]
    found += [_modules(), _kernel_cache(), _numba_cache(), _threads(), _cuda()]
    return found


def _version(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
        importlib.import_module(MODULES.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "broken", f"not installed; `pip install {name}`")
    except Exception as error:  # whatever a damaged installation raises
        return Finding(name, "broken", f"version {version} does not import: {error}; install it again")
    return Finding(name, "ok", version)


def _optional(name: str, extra: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", f"not installed; `pip install 'neural-continua[{extra}]'`")


def _shadowed(name: str) -> Finding:
    """Whether a package's name is also owned, or hidden, by another distribution."""
    home = Path(__file__).resolve().parents[2]
    spec = importlib.util.find_spec(name)
    where = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent.parent
    if where != home:
        place = "nowhere" if where is None else str(where)
        return Finding(f"package {name}", "broken", f"imported from {place} and not from {home}; remove it")
    owners = importlib.metadata.packages_distributions().get(name, [])
    others = sorted(set(owners) - {"neural-continua"})
    if others:
        return Finding(f"package {name}", "broken", f"also installed by {', '.join(others)}; uninstall it")
    return Finding(f"package {name}", "ok", "this project's own")


def _modules() -> Finding:
    found = list(folders.readable())
    own = folders.cache()
    cached = sum(folder.parent == own for folder in found)
    names = [folder.name for folder in found if folder.parent != own]
    if cached:
        names.append(f"{cached} in {own}")
    if not names:
        return Finding("generated modules", "missing", "none found; `continua generate` writes them")
    return Finding("generated modules", "ok", ", ".join(names))


def _kernel_cache() -> Finding:
    return _writable("cache of derivations", folders.cache(), "derived again by every process")


def _numba_cache() -> Finding:
    return _writable("cache of compiled code", cache.folder(), "compiled again by every process")


def _writable(what: str, folder: Path, otherwise: str) -> Finding:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Finding(what, "ok", f"{folder} is writable")
    except OSError as error:
        return Finding(what, "missing", f"{folder}: {error.strerror}; kernels work, but are {otherwise}")


def _threads() -> Finding:
    source = "CONTINUA_THREADS" if os.environ.get("CONTINUA_THREADS") else "the processors of this process"
    return Finding("threads", "ok", f"{threads.threads()}, from {source}")


def _cuda() -> Finding:
    lack = launch.missing()
    return Finding("CUDA", "ok", "a device answers") if lack is None else Finding("CUDA", "missing", "; ".join(lack))


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing is broken; optional things may be missing."""
    return all(finding.state != "broken" for finding in findings) and sys.version_info >= (3, 11)
