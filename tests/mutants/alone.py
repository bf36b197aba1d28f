"""``python -m tests.mutants.alone [--name TEXT]``: plant each fault of ``faults_verify`` and let ``verify`` look for it.

In a copy of the tree as it is, with kernels as plain Python, a process for each fault; a minute or two in all. With
``--spec`` (in such a copy): verify one small spec, and say what fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import harness

COPIED = ("continua.py", "derive", "generated", "numerics", "specs", "tests")
LIMIT = 300.0  # seconds for one spec


def main() -> int:
    """0 if the specs hold without faults, and as many faults as wanted are found."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.alone", description=__doc__)
    parser.add_argument("--name", default="", help="faults whose name contains this")
    parser.add_argument("--least", type=int, default=34, help="how many have to be found")
    parser.add_argument("--spec", help="a declaration as JSON")
    given = parser.parse_args()
    if given.spec is not None:
        return _verify(json.loads(given.spec))
    from tests.mutants.faults_verify import HIDDEN

    chosen = [(fault, json.dumps(spec)) for fault, spec in HIDDEN if given.name in fault.name]
    found, clean = 0, {spec: _run("", "", spec) for spec in dict.fromkeys(spec for _, spec in chosen)}
    for spec, said in clean.items():
        if said:
            print(f"WITHOUT A FAULT: {said}\n    {spec}", flush=True)
    for fault, spec in chosen:
        began = time.monotonic()
        said = _run(fault.path, fault.mutant(harness.ROOT).text, spec)
        found += bool(said)
        took = time.monotonic() - began
        print(f"{'found ' if said else 'MISSED'} {took:6.1f} s  {fault.name}\n{' ' * 18}{said[:160]}", flush=True)
    print(f"{found} of {len(chosen)} found")
    return 0 if found >= min(given.least, len(chosen)) and not any(clean.values()) else 1


def _run(path: str, text: str, spec: str) -> str:
    """What fails on a spec in a copy of the tree in which a file has another text; "" for nothing."""
    with tempfile.TemporaryDirectory(dir=harness.ROOT.parent, prefix=".alone-") as folder:
        tree = Path(folder)
        for name in COPIED:
            _linked(harness.ROOT / name, tree / name)
        if path:
            (tree / path).unlink()
            (tree / path).write_text(text, encoding="utf-8")
        code, output = harness.run(["-m", "tests.mutants.alone", "--spec", spec], tree, LIMIT, compiled=False)
    if code is None:
        return f"over {LIMIT:.0f} s"
    said = output.strip().splitlines() or [""]
    return "" if code == 0 else said[-1] or f"ended with {code}"


def _linked(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        os.link(source, target)


def _verify(declared: dict[str, object]) -> int:
    """Measure property by property; the first that fails, or that cannot be measured, ends it."""
    from derive.spec import load_spec
    from numerics.verify import PROPERTIES
    from numerics.verify.subject import Subject

    subject = Subject.of(load_spec(declared))
    for what, measure in PROPERTIES:
        if what == "regeneration":  # that bytes differ says nothing about numbers
            continue
        measure(subject)
        wrong = [f"{f.name}: {f.measured}, not {f.expected}" for f in subject.findings if f.passed is False]
        if wrong:
            print("; ".join(wrong))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
