"""Notebooks of studies: executed in place, and stamped with what was executed, so that a change of it shows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAMP = "executed"  # a notebook's metadata: the digest of what its outputs came from


def notebook(name: str) -> Path:
    """The notebook of a study."""
    (path,) = (ROOT / "notebooks").glob(f"[0-9]*_{name}.ipynb")
    return path


def digest(name: str) -> str:
    """Of the code in a study's notebook, and of the study's own files."""
    own = ROOT / "benchmarks" / "studies"
    files = sorted((own / name).rglob("*.py")) or [own / f"{name}.py"]
    code = ["".join(cell["source"]) for cell in _read(name)["cells"] if cell["cell_type"] == "code"]
    written = [*code, *(file.read_text(encoding="utf-8") for file in files)]
    return hashlib.sha256("\0".join(written).encode()).hexdigest()[:16]


def stamped(name: str) -> str | None:
    """The digest of what a notebook's outputs came from."""
    found: str | None = _read(name)["metadata"].get(STAMP)
    return found


def execute(name: str) -> None:
    """Run a study's notebook; its outputs and its stamp are new. Raises CalledProcessError where a cell fails."""
    command = [sys.executable, "-m", "jupyter", "execute", "--inplace", notebook(name).name]
    subprocess.run(command, cwd=notebook(name).parent, check=True)
    content = _read(name)
    content["metadata"][STAMP] = digest(name)
    for cell in content["cells"]:
        cell["metadata"].pop("execution", None)  # when it ran
        if "outputs" in cell:  # progress depends on what had been compiled
            cell["outputs"] = [shown for shown in cell["outputs"] if shown.get("name") != "stderr"]
    notebook(name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(notebook(name).read_text(encoding="utf-8"))
    return content
