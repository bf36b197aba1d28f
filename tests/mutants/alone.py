"""``python -m tests.mutants.alone [--held-out] [--name TEXT]``: plant each fault of ``faults_verify``, run ``verify``.

In a copy of the tree as it is, with kernels as plain Python, a process for each fault; some minutes in all. A row that
fails without the fault finds none. With ``--spec`` (in such a copy): verify one small spec, and say what fails.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import harness

COPIED = ("continua.py", "derive", "generated", "numerics", "specs", "tests")
LIMIT = 300.0  # seconds for one spec
FAILS = "FAILS "


def main() -> int:
    """0 if the specs hold without faults, and as many faults as wanted are found."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.alone", description=__doc__)
    parser.add_argument("--name", default="", help="faults whose name contains this")
    parser.add_argument("--least", type=int, default=34, help="how many have to be found")
    parser.add_argument("--held-out", action="store_true", help="the second list")
    parser.add_argument("--spec", help="a declaration as JSON")
    given = parser.parse_args()
    if given.spec is not None:
        return _verify(json.loads(given.spec))
    from tests.mutants.faults_verify import HELD_OUT, HIDDEN

    listed = HELD_OUT if given.held_out else HIDDEN
    chosen = [(fault, json.dumps(spec)) for fault, spec in listed if given.name in fault.name]
    clean = {spec: _run("", "", spec) for spec in dict.fromkeys(spec for _, spec in chosen)}
    for spec, rows in clean.items():
        if rows:
            print(f"without a fault: {'; '.join(rows)}\n    {spec}", flush=True)
    found = 0
    for fault, spec in chosen:
        began = time.monotonic()
        rows = [row for row in _run(fault.path, fault.mutant(harness.ROOT).text, spec) if row not in clean[spec]]
        found += bool(rows)
        took = time.monotonic() - began
        print(f"{'found ' if rows else 'MISSED'} {took:5.1f} s  {fault.name}", flush=True)
        for row in rows:
            print(f"{' ' * 17}{row[:150]}", flush=True)
    print(f"{found} of {len(chosen)} found")
    return 0 if found >= min(given.least, len(chosen)) else 1


def _run(path: str, text: str, spec: str) -> list[str]:
    """The rows that fail on a spec in a copy of the tree in which a file has another text."""
    harness.PLACE.mkdir(exist_ok=True)
    (harness.PLACE / ".gitignore").write_text("*\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=harness.PLACE, prefix="alone-") as folder:
        tree = Path(folder)
        for name in COPIED:
            _copy(harness.ROOT / name, tree / name)
        if path:
            (tree / path).unlink()
            (tree / path).write_text(text, encoding="utf-8")
        code, output = harness.run(["-m", "tests.mutants.alone", "--spec", spec], tree, LIMIT, compiled=False)
    if code is None:
        return [f"over {LIMIT:.0f} s"]
    lines = output.strip().splitlines() or [f"ended with {code}"]
    found = [line.removeprefix(FAILS) for line in lines if line.startswith(FAILS)]
    return found if found or not code else lines[-1:]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _verify(declared: dict[str, object]) -> int:
    """1 if a property fails; that bytes differ says nothing about numbers."""
    from derive.declaration import load_spec
    from numerics.verify import verify

    wrong = [f.name for f in verify(load_spec(declared)) if f.passed is False and "byte-equal" not in f.name]
    for name in wrong:
        print(f"{FAILS}{name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
