"""``continua verify`` on random declarations of an untouched product: every row that fails is a false alarm, or a find.

    python benchmarks/false_alarms.py --count 200 --seconds 3600 --out .torture/alarms.jsonl

Declaration k is drawn by ``numerics.testing.specs`` from the seed k. The record has a line for each, with the
declaration itself, since another version of Hypothesis draws others: seconds, rows that failed and rows that were not
reached, with what was expected and measured. A later start goes on where an earlier one stopped; ``--again K`` measures
declaration K of the record anew and prints all its rows. ``--plain`` takes the kernels' text as Python runs it, without
compilation, and fewer records: what it says of orders is the same. Exits 1 if a row failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from derive.declaration import load_spec
from derive.errors import ContinuumError
from numerics import verify
from numerics.kernels.bound import plain_kernels
from numerics.kernels.cpu import Bound
from numerics.testing import specs
from numerics.verify import subject

DRAWN = 10  # by Hypothesis for a number, whose first ones are simple; the last is taken


def declaration(number: int) -> dict[str, Any]:
    """The declaration of a number."""
    found: list[dict[str, Any]] = []

    @seed(number)
    @settings(max_examples=DRAWN, database=None, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(specs())
    def take(declared: dict[str, Any]) -> None:
        found.append(declared)

    take()
    return found[-1]


def measured(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds, and the rows that failed or were not reached; a spec that cannot be derived is a failure."""
    start = time.perf_counter()
    try:
        rows = verify.verify(load_spec(declared))
    except ContinuumError as error:
        said = " ".join(str(error).split())
        return {"seconds": round(time.perf_counter() - start, 1), "failed": [["no model", "one", said]], "open": []}
    said_of = [[row.name, row.expected, row.measured] for row in rows]
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "failed": [said for said, row in zip(said_of, rows) if row.passed is False],
        "open": [said for said, row in zip(said_of, rows) if row.passed is None and "not reached" in row.measured],
    }


def without_compilation() -> None:
    """Kernels as Python runs them, from now on, with fewer copies of the records."""
    Bound.__init__.__defaults__ = (*Bound.__init__.__defaults__[:-1], plain_kernels)  # type: ignore[misc,index]
    subject.COPIES = 6  # two tiles


def summary(lines: list[dict[str, Any]]) -> str:
    """What the record says, in a few lines."""
    seconds = sorted(line["seconds"] for line in lines)
    failed = [line for line in lines if line["failed"]]
    opened = sum(bool(line["open"]) for line in lines)
    said = [
        f"{len(lines)} declarations, {len(failed)} with a row that fails, {opened} with a row that is not reached; "
        f"{seconds[len(seconds) // 2]} s in the middle, {seconds[-1]} s at most"
    ]
    said += [f"  {line['number']}: {name}: expected {expected}, measured {found}"
             for line in failed for name, expected, found in line["failed"]]  # fmt: skip
    return "\n".join(said)


def main() -> int:
    """Measure what the record lacks, for so many seconds, and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="declarations, in all")
    parser.add_argument("--seconds", type=float, default=3600, help="after which no further one is begun")
    parser.add_argument("--out", type=Path, default=Path(".torture/alarms.jsonl"), help="the record")
    parser.add_argument("--again", type=int, help="a number of the record to measure anew, its rows printed")
    parser.add_argument("--plain", action="store_true", help="without compilation")
    options = parser.parse_args()
    if options.plain:
        without_compilation()
    lines = [json.loads(text) for text in options.out.read_text().splitlines()] if options.out.exists() else []
    if options.again is not None:
        (declared,) = (line["declared"] for line in lines if line["number"] == options.again)
        for row in verify.verify(load_spec(declared)):
            print(f"{verify.VERDICTS[row.passed]:6} {row.name}: expected {row.expected}, measured {row.measured}")
        return 0
    options.out.parent.mkdir(parents=True, exist_ok=True)
    stop = time.monotonic() + options.seconds
    for number in sorted(set(range(options.count)) - {line["number"] for line in lines}):
        if time.monotonic() > stop:
            break
        declared = declaration(number)
        lines.append({"number": number, **measured(declared), "declared": declared})
        with options.out.open("a", encoding="utf-8") as record:
            record.write(json.dumps(lines[-1]) + "\n")
    if lines:
        print(summary(lines))
    return int(any(line["failed"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
