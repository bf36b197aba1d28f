"""``benchmarks/gpu.sh`` goes through all of its parts, on Numba's simulator: nothing in it is untried but a device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import ROOT


@pytest.mark.slow
def test_every_part_runs(tmp_path: Path) -> None:
    environment = {**os.environ, "DRY": "1", "PYTHON": sys.executable, "CONTINUA_THREADS": "1"}
    command = ["sh", "benchmarks/gpu.sh", str(tmp_path / "gpu.txt")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = (tmp_path / "gpu.txt").read_text(encoding="utf-8")
    assert done.returncode == 0, said + done.stderr
    for line in ("the simulator", "1 cases, 0 wrong", "equal bits twice", "gradient", "cuda: ", "after training"):
        assert line in said, line


def test_times_of_the_parts_fit_nine_minutes() -> None:
    text = (ROOT / "benchmarks" / "gpu.sh").read_text(encoding="utf-8")
    limits = [int(line.split()[1]) for line in text.splitlines() if line.strip().startswith("part ")]
    ceilings, cases, watched, unwatched, times, training = limits
    assert ceilings + cases + max(4 * watched, unwatched) + times + training <= 540


def test_a_part_that_fails_is_recorded_with_its_status_and_a_dry_run_keeps_the_record(tmp_path: Path) -> None:
    refusing, record = tmp_path / "python", ROOT / "benchmarks" / "records" / "gpu.txt"
    refusing.write_text("#!/bin/sh\nexit 7\n", encoding="utf-8")
    refusing.chmod(0o700)
    before = record.read_bytes() if record.exists() else None
    environment = {**os.environ, "DRY": "1", "PYTHON": str(refusing), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["sh", "benchmarks/gpu.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "failed or out of time (7)" in done.stdout and "benchmarks.gpu times" in done.stderr
    assert (record.read_bytes() if record.exists() else None) == before and list(tmp_path.iterdir()) == [refusing]
