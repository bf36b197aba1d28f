"""Running mutants: copies of a frozen tree, one for each worker, and one line of JSON for each mutant that is done.

Copies are made of hard links, so that they cost nothing; a file that changes is a new one. The frozen tree is warm:
its kernels are compiled, and what a mutant compiles is gone with its copy.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Check, Mutant

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".mutants"
PLUGIN = Path(__file__).with_name("plugin")
BASE, PROGRESS, BASELINE = PLACE / "base", PLACE / "done.jsonl", PLACE / "baseline.jsonl"
NEWER = PLACE / "newer"  # tests that were taken from a later commit
WORKERS = 2
QUIET = ("-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", "-p", "no_shrinking")
MEMORY = 12 << 30  # bytes of address space
LEAST, MOST = 150.0, 500.0  # processor seconds that a check may take: three times what it takes without a fault
PATIENCE = 4  # as many times longer by the clock: other work shares the machine, and what only waits never ends
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
MAIN = "from numerics.command.main import main; main()"
HERE = "import derive.spec, numerics, generated; print(derive.spec.__file__, numerics.__file__, generated.__file__)"


@dataclass(frozen=True)
class Seen:
    """How a check ended. by: the test, property or file that found the fault, "" where nothing did."""

    failed: bool
    by: str
    seconds: float


class BaselineError(Exception):
    """A check that fails, or runs nothing, without any fault."""


# --- trees --------------------------------------------------------------------------------------------------


def freeze() -> str:
    """The commit that is tested; unpacked at the first run, and kept until the folder is removed."""
    PLACE.mkdir(exist_ok=True)
    (PLACE / ".gitignore").write_text("*\n", encoding="utf-8")
    marker = PLACE / "commit"
    if not marker.is_file():
        unpack("HEAD", ())
        marker.write_text(_git("rev-parse", "HEAD").decode().strip(), encoding="utf-8")
    return marker.read_text(encoding="utf-8")


def unpack(commit: str, paths: Sequence[str]) -> None:
    """Files of a commit into the frozen tree, with the commit's date."""
    BASE.mkdir(parents=True, exist_ok=True)
    if paths:
        NEWER.write_text("\n".join(sorted({*newer(), *paths})), encoding="utf-8")
    archive = _git("archive", "--format=tar", commit, *paths)
    subprocess.run(["tar", "-x", "-C", str(BASE)], input=archive, check=True)


def newer() -> list[str]:
    return NEWER.read_text(encoding="utf-8").split() if NEWER.is_file() else []


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def fresh_copy(worker: int) -> Path:
    """The frozen tree once more, made of hard links."""
    tree = PLACE / f"tree{worker}"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(BASE, tree, copy_function=os.link, symlinks=True)
    return tree


def plant(tree: Path, mutant: Mutant) -> None:
    """The fault, in a file of its own: the frozen tree keeps the old one."""
    target = tree / mutant.path
    if not target.is_file():
        raise FileNotFoundError(target)
    target.unlink()
    target.write_text(mutant.text, encoding="utf-8")


# --- checks -------------------------------------------------------------------------------------------------


def perform(check: Check, tree: Path, limit: float) -> Seen:
    """Run a check in a tree; a check that ends in time with nothing to say has not failed."""
    if check.kind == "tests":
        command = ["-m", "pytest", *QUIET, *check.arguments]
    elif check.kind == "bytes":
        specs = sorted(p.relative_to(tree).as_posix() for p in (tree / "specs").glob("*.toml"))
        command = ["-c", MAIN, "generate", "--check", *(check.arguments or specs)]
    else:
        command = ["-c", MAIN, "verify", *check.arguments, "--json"]
    began = time.monotonic()
    code, output = run(command, tree, limit, check.compiled)
    seconds = time.monotonic() - began
    if code is None:
        return Seen(True, f"over {limit:.0f} s", seconds)
    if check.kind == "tests":
        return Seen(*_judge_tests(code, output), seconds)
    if check.kind == "bytes":
        return Seen(code != 0, "generate --check" if code else "", seconds)
    return Seen(*_judge_verify(code, output), seconds)


def _judge_tests(code: int, output: str) -> tuple[bool, str]:
    if code == 0:
        return False, ""
    named = FAILED.search(output)
    if code in (4, 5) and not named:
        raise BaselineError(output[-2000:])
    return True, named.group(1) if named else f"pytest ended with {code}"


def _judge_verify(code: int, output: str) -> tuple[bool, str]:
    """Numerical properties only: that bytes differ is the other check's."""
    try:
        findings, _ = json.JSONDecoder().raw_decode(output, output.index("["))  # blank lines of a bar may follow
    except ValueError:
        said = " ".join(output.split())
        return code != 0, f"verify ended with {code}: {said[-100:]}" if code else ""
    wrong = [f["name"] for f in findings if f["passed"] is False and "byte-equal" not in f["name"]]
    return bool(wrong), "; ".join(wrong)


def run(command: Sequence[str], tree: Path, limit: float, compiled: bool) -> tuple[int | None, str]:
    """Python in a tree: its exit status (None: out of time) and its output. The tree's packages are the ones found.

    limit: processor seconds of each of its processes.
    """
    environment = {
        **os.environ, "PYTHONPATH": f"{tree}:{PLUGIN}", "PYTHONDONTWRITEBYTECODE": "" if tree == BASE else "1",
        "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(tree / ".pytest_cache" / "continua"), "NUMBA_DISABLE_JIT": "0" if compiled else "1",
    }  # fmt: skip
    process = subprocess.Popen(
        ["nice", sys.executable, *command], cwd=tree, env=environment, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=lambda: _bound(limit),
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=PATIENCE * limit)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, ""
        raise
    return (None if process.returncode == -signal.SIGXCPU else process.returncode), output


def _bound(seconds: float) -> None:
    """Memory and processor time; what catches the signal that its time is over is killed a little later."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 10))


# --- without a fault ----------------------------------------------------------------------------------------


def baseline(mutants: Sequence[Mutant], until: float) -> dict[str, float]:
    """Seconds that every check takes in the frozen tree. Raises BaselineError where one fails there."""
    code, output = run(["-c", HERE], BASE, 60, True)
    if code or any(not path.startswith(str(BASE)) for path in output.split()):
        raise BaselineError(f"not the copy's packages: {output}")
    known = {line["key"]: line["seconds"] for line in lines(BASELINE)}
    wanted = {check.key: check for mutant in mutants for check in mutant.checks}
    failing: list[str] = []

    def measure(key: str) -> None:
        if key in known or time.monotonic() > until:
            return
        seen = perform(wanted[key], BASE, 1200)
        if seen.failed:
            failing.append(f"{key}: {seen.by}")
            return
        known[key] = seen.seconds
        note(BASELINE, {"key": key, "seconds": round(seen.seconds, 1)})

    # compiled ones first: they fill the cache
    order = sorted(wanted, key=lambda key: (not wanted[key].compiled, key))
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(measure, order))
    if failing:
        raise BaselineError("\n".join(failing))
    return known


# --- all of them --------------------------------------------------------------------------------------------

_writing = threading.Lock()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The finished lines of a file of JSON lines."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # cut short by a kill
                continue


def note(path: Path, row: dict[str, Any]) -> None:
    with _writing, path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def run_all(mutants: Sequence[Mutant], known: dict[str, float], until: float) -> None:
    """All mutants that are not done, with a few workers, until a time of the monotonic clock."""
    done = {row["name"] for row in lines(PROGRESS)}
    waiting = iter([m for m in mutants if m.name not in done])

    def work(worker: int) -> None:
        while time.monotonic() < until:
            with _writing:
                mutant = next(waiting, None)
            if mutant is None:
                return
            row = examine(mutant, worker, known)
            note(PROGRESS, row)
            print(f"{row['outcome']:8} {row['seconds']:6.1f} s  {mutant.name[:110]}  [{row['by'][:80]}]", flush=True)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(1, WORKERS + 1)))


def examine(mutant: Mutant, worker: int, known: dict[str, float]) -> dict[str, Any]:
    """One mutant's line: what found it, after how long."""
    tree = fresh_copy(worker)
    plant(tree, mutant)
    began = time.monotonic()
    found: dict[str, str] = {}
    for check in mutant.checks:
        usual = known.get(check.key, MOST)
        limit = min(max(LEAST, 3 * usual), max(MOST, 1.5 * usual))
        seen = perform(check, tree, limit)
        if seen.failed:
            found.setdefault(check.kind, seen.by)
            if not mutant.every:
                break
    shutil.rmtree(tree, ignore_errors=True)
    first = next(iter(found.values()), "")
    return {
        "part": mutant.part, "name": mutant.name, "path": mutant.path, "line": mutant.line, "before": mutant.before,
        "after": mutant.after, "outcome": "caught" if found else "survived", "by": first, "all": found,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
