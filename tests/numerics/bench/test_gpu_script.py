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
