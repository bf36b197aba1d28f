"""``python -m tests.torture [--only NAME] [--seconds N] [--out FILE]``: the sections in full, and their record."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

MEMORY = 12 << 30  # bytes of address space: a bomb that gets through ends in MemoryError and not in swapping


def stop_running(*_: object) -> None:
    from tests.torture.harness import Stopped

    raise Stopped


def main() -> int:
    """0 if everything held so far, 1 if something failed."""
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # one core, before Numba is imported
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ["XDG_CACHE_HOME"] = str(
        Path(__file__).resolve().parents[2] / ".torture" / "cache"
    )  # kernels that damaged models ask for
    from tests.torture import harness
    from tests.torture.sections import SECTIONS

    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--only", choices=[section.name for section in SECTIONS], help="one section")
    parser.add_argument("--seconds", type=float, default=3600, help="at most, in all (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a file for the record, which is also printed; other sections' stay")
    given = parser.parse_args()

    with contextlib.suppress(ValueError, OSError):  # where the limit is lower already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_running)
    chosen = [section for section in SECTIONS if given.only in (None, section.name)]
    stop = time.monotonic() + given.seconds
    try:
        for position, section in enumerate(chosen):
            # What a section leaves of its share goes to the later ones.
            harness.run(section, (stop - time.monotonic()) / (len(chosen) - position))
    except harness.Stopped:
        print("interrupted; start again to go on", file=sys.stderr)
    found = [(section, harness.load(section)) for section in chosen]
    parts = {section.name: harness.record(section, progress) for section, progress in found}
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        before = given.out.read_text(encoding="utf-8") if given.out.exists() else ""
        whole = harness.combined(before, parts, [section.name for section in SECTIONS])
        given.out.write_text(whole, encoding="utf-8")
    print("\n".join(parts.values()), end="")
    return int(any(progress.failed for _, progress in found))


if __name__ == "__main__":
    sys.exit(main())
