"""Run studies and print their numbers.

    python -m benchmarks.studies [NAME …] [--long] [--record FOLDER] [--notebook]

Without names all of them; --long: with the seeds and sizes of the record, which --record writes, a file a study;
--notebook: executes the studies' notebooks instead. Exits with 1 where a number lies outside its window.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("CONTINUA_THREADS", "2")

from benchmarks import studies
from benchmarks.studies import _notebooks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *studies.names()], metavar="NAME")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--notebook", action="store_true")
    given = parser.parse_args()
    wrong = 0
    for name in given.names or studies.names():
        if given.notebook:
            _notebooks.execute(name)
            continue
        found, began = studies.module(name), time.perf_counter()
        numbers = found.study(given.long)
        text = studies.table(found.TITLE, numbers)
        print(f"{text}{time.perf_counter() - began:.0f} s\n", flush=True)
        wrong += sum(not number.holds for number in numbers)
        if given.record:
            given.record.mkdir(parents=True, exist_ok=True)
            (given.record / f"{name}.txt").write_text(text, encoding="utf-8")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
