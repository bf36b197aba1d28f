"""Three hundred files of records for ``continua evaluate``, ``continua predict`` and training.

What must hold for every one: it works, with finite results, or is refused with DataError (TrainingError where finite
records give a state that is not), which names the record where one record is to blame; nothing is unpickled; a small
file takes no more than a bounded memory, and every door less than 5 seconds.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError, TrainingError
from tests.torture import known, record_files
from tests.torture.harness import (
    FROM_FILES,
    ROOT,
    Check,
    Outcome,
    Section,
    complaint,
    generator,
    shortened,
    watch,
)
from tests.torture.record_files import (
    COUNT_OF_RECORDS,
    GIB,
    INF,
    LITERAL,
    NAMES,
    NAN,
    OFFSETS,
    POINTS,
    RAGGED,
    ROWS,
    XI,
    Arrays,
    Case,
    X,
    Y,
    archive,
    changed,
)

COUNT = 300
LIMIT = 5.0  # seconds
MEMORY = 1 << 29  # bytes more than before, for files of a few megabytes
FILE = "records.npz"

# --- random files -------------------------------------------------------------------------------------------


def base(random_: random.Random) -> Arrays:
    """Good records of some kind."""
    if random_.random() < 0.3:
        found = dict(RAGGED)
        if random_.random() < 0.5:
            found["xi"] = np.concatenate([np.linspace(-1, 1, n) for n in np.diff(OFFSETS)])
    else:
        found = {"x": random_.choice((X, X[:, :, None])), "y": Y}
        if random_.random() < 0.6:
            found["xi"] = random_.choice((XI, ROWS))
    if random_.random() < 0.4:
        found |= {"y": NAMES[Y], "classes": NAMES}
    return found


def twisted(random_: random.Random, arrays: Arrays) -> str:
    """Change one array to something else; what was done."""
    name = random_.choice(sorted(arrays))
    array = np.asarray(arrays[name])
    kinds: dict[str, Callable[[], Any]] = {
        "an axis more": lambda: array[None],
        "an axis less": lambda: array.ravel(),
        "transposed": lambda: array.T,
        "the first": lambda: array[:1],
        "without the last": lambda: array[:-1],
        "nothing": lambda: array[:0],
        "backwards": lambda: array[::-1],
        "doubled": lambda: np.concatenate([array, array]) if array.ndim else array,
        "text": lambda: array.astype(str),
        "bytes": lambda: np.char.encode(array.astype(str), "utf-8"),
        "complex": lambda: array * 1j if array.dtype.kind in "iuf" else array,
        "truth": lambda: array.astype(bool),
        "small integers": lambda: array.astype(np.int8) if array.dtype.kind in "iuf" else array,
        "half precision": lambda: array.astype(np.float16) if array.dtype.kind in "iuf" else array,
        "objects": lambda: array.astype(object),
        "huge": lambda: array * 1e200 if array.dtype.kind in "iuf" else array,
        "a number": lambda: array.ravel()[0] if array.size else array,
        "days": lambda: np.arange(len(array)).astype("M8[D]") if array.ndim else array,
    }
    kind = random_.choice(sorted(kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays[name] = kinds[kind]()
    return f"{name} as {kind}"


def random_case(number: int) -> Case:
    random_ = generator("data", number)
    arrays = base(random_)
    kind = random_.randrange(4)
    if kind == 0:
        record = random_.randrange(COUNT_OF_RECORDS)
        ragged = "offsets" in arrays
        row = (
            int(OFFSETS[record]) + random_.randrange(int(np.diff(OFFSETS)[record]))
            if ragged
            else (record, random_.randrange(POINTS))
        )
        value = random_.choice((NAN, INF, -INF))
        arrays["x"] = changed(arrays["x"], row, value)
        return Case(f"x = {value} in record {record}", archive(random_.random() < 0.3, **arrays), True, record,
                    bool(np.isnan(value)))  # fmt: skip
    if kind == 1:
        done = [twisted(random_, arrays) for _ in range(random_.choice((1, 1, 2, 3)))]
        return Case(", ".join(done), archive(**arrays), False)
    content = bytearray(archive(random_.random() < 0.3, **arrays))
    if kind == 2:
        for _ in range(random_.choice((1, 1, 3, 30))):
            # Half of the damage goes to the directory, which is at the end.
            place = random_.randrange(len(content)) if random_.random() < 0.5 else -1 - random_.randrange(350)
            content[place] ^= 1 << random_.randrange(8)
        return Case("flipped bits", bytes(content), False)
    first = random_.randrange(len(content))
    last = random_.choice((len(content), min(len(content), first + random_.randrange(200))))
    content[first:last] = random_.randbytes(random_.choice((0, 0, 10, 300)))
    return Case(f"bytes {first} to {last} replaced", bytes(content), False)


# --- the check ----------------------------------------------------------------------------------------------


def peak(reset: bool = False) -> int:
    """The most memory that this process has had since a reset, in bytes; 0 where the system does not say."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((1024 * int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM")), 0)


def prepare(folder: Path) -> Check:
    """Reads, scores, predicts and trains, with a classifier of two classes with names."""
    from click.testing import CliRunner

    from numerics import Continuum, datasets, fit
    from numerics.command.main import main

    runner = CliRunner()
    (folder / FILE).write_bytes(archive(x=X, y=NAMES[Y]))
    model = fit(Continuum.from_spec(ROOT / "specs" / "gunpoint.toml", seed=0), datasets.read(folder / FILE), epochs=2)
    model.save(folder / "model.npz")

    def command(name: str, *more: str) -> str:
        result = runner.invoke(main, [name, "model.npz", "--data", FILE, *more])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if result.exit_code == 2:
            kind = next((k for k in (DataError, TrainingError) if result.stderr.startswith(k.__name__)), Exception)
            raise kind(result.stderr, "", "", "")
        if result.exit_code:
            raise SystemExit(result.exit_code)
        return result.stdout

    doors: dict[str, Callable[[], Any]] = {
        "read": lambda: datasets.read(FILE),
        "evaluate": lambda: command("evaluate", "--json"),
        "predict": lambda: command("predict", "--json"),
        "fit": lambda: fit(model, datasets.read(FILE), epochs=1).history[-1],
    }
    # Imports and compilation are no case's time; ragged records, and single ones, have kernels of their own.
    for arrays in ({**RAGGED}, {"x": X[:1], "y": NAMES[Y][:1]}, {"x": X, "y": NAMES[Y]}):
        (folder / FILE).write_bytes(archive(**arrays))
        for door in doors.values():
            with contextlib.suppress(DataError, TrainingError):
                door()

    def check(number: int) -> Outcome:
        case = LITERAL[number] if number < len(LITERAL) else random_case(number)
        content = case.content
        (folder / FILE).write_bytes(content)
        problem, slowest, refused = "", 0.0, False
        for name, door in doors.items():
            before = peak(reset=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # overflows that end in an error, or in nothing
                seen = watch(door, LIMIT, FROM_FILES)
            used = peak() - before
            slowest = max(slowest, seen.seconds)
            problem = complaint(seen, LIMIT, (DataError, TrainingError)) or unnamed(case, name, seen.value, seen.error)
            if not problem and used > MEMORY:
                problem = f"memory: {used / GIB:.1f} GiB for a file of {len(content):,} bytes"
            refused = refused or (name == "read" and seen.error is not None)
            del seen
            if used > MEMORY // 8:
                gc.collect()  # what an exception's frames still hold
            if problem:
                problem += f" ({name})"
                break
            if refused and name == "evaluate":
                break  # the other doors read by the same function
        if sorted(os.listdir(folder)) != sorted((FILE, "model.npz")):
            problem = f"a file appeared: {os.listdir(folder)}"
        return Outcome(shortened(case.label), problem, slowest)

    return check


def unnamed(case: Case, door: str, value: Any, error: BaseException | None) -> str:
    """What does not hold although nothing unexpected was raised: a bad file taken, or a record not named."""
    if error is None:
        if case.refused and door != "predict" and not (door == "read" and (case.record is None or case.read)):
            return "taken: it cannot be right"
        numbers = json.dumps(value) if isinstance(value, dict) else str(value)
        return (
            "not finite: " + shortened(numbers, 80)
            if {"NaN", "Infinity"} & set(numbers.replace(",", " ").split())
            else ""
        )
    if case.record is not None and f"record {case.record}" not in str(error):
        return f"the record is not named: {shortened(str(error), 120)}"
    return ""


LABELS = [case.label for case in LITERAL]

SECTION = Section(
    "data",
    COUNT,
    prepare,
    (record_files.__file__, __file__),
    sample=known.sample(LABELS, 8),
    known=known.numbered(known.DATA, LABELS),
)
