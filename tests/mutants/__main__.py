"""``python -m tests.mutants [--only sampled|listed] [--seconds N] [--out FILE]``: plant faults, see which tests fail.

Resumable: what is done is in .mutants/done.jsonl, for the tree in .mutants/base; remove .mutants to start anew.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from pathlib import Path

from tests.mutants import harness, record
from tests.mutants.faults import DERIVE, NUMERICS
from tests.mutants.faults_generated import GENERATED
from tests.mutants.mutant import Mutant


def collect(root: Path) -> list[Mutant]:
    """Every mutant of a tree: the listed ones in the sources, then the others, mixed: a part says much."""
    from tests.mutants.sampling import SEED, sample

    others = [*sample(root), *(f.mutant(root) for f in GENERATED)]
    random.Random(SEED).shuffle(others)
    return [*(f.mutant(root) for f in (*NUMERICS, *DERIVE)), *others]


def main() -> int:
    """0 if every listed fault is caught, and nine tenths of the sampled ones that are not equivalent."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", choices=("sampled", "listed"), help="one part")
    parser.add_argument("--seconds", type=float, default=90 * 60, help="stop starting mutants after this time")
    parser.add_argument("--out", type=Path, help="the record to write")
    parser.add_argument("--name", default="", help="mutants whose name contains this")
    parser.add_argument("--again", nargs="*", metavar="TEST", help="survivors once more, with these tests of HEAD")
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    commit = harness.freeze()
    if given.again is not None:
        _forget_survivors(given.again)
    mutants = collect(harness.BASE)
    chosen = [m for m in mutants if given.only in (None, m.part) and given.name in m.name]
    try:
        harness.run_all(chosen, harness.baseline(chosen, until), until)
    finally:
        for tree in harness.PLACE.glob("tree*"):
            shutil.rmtree(tree, ignore_errors=True)
    rows = {row["name"]: row for row in harness.lines(harness.PROGRESS)}
    if given.out:
        record.write(given.out, mutants, rows, commit, harness.newer())
    return _verdict(chosen, rows)


def _forget_survivors(tests: list[str]) -> None:
    """They, and what only took too long, are run again; tests: files to take from HEAD into the frozen tree."""
    rows = list(harness.lines(harness.PROGRESS))
    kept = [row for row in rows if row["outcome"] == "caught" and not row["by"].startswith("over ")]
    if tests:
        harness.unpack("HEAD", tests)
    harness.PROGRESS.unlink(missing_ok=True)
    for row in kept:
        harness.note(harness.PROGRESS, row)


def _verdict(chosen: list[Mutant], rows: dict[str, dict[str, object]]) -> int:
    done = [m for m in chosen if m.name in rows]
    alive = [m for m in done if rows[m.name]["outcome"] != "caught"]
    same = record.equivalent(done)
    sampled = [m for m in done if m.part == "sampled" and m.name not in same]
    missed = [m for m in sampled if m in alive]
    wrong = any(m.part == "listed" for m in alive) or 10 * len(missed) > len(sampled)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
