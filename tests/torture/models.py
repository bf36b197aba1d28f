"""Damaged, cut, mixed and edited model files for ``numerics.model.checkpoint.load``.

What must hold for every one: it is refused with CheckpointError or another ContinuumError, or it gives the model that
was saved, bit for bit (a flip in a byte of the archive that says nothing); never another model or another exception.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import ContinuumError
from tests.torture import known
from tests.torture.harness import FROM_FILES, ROOT, Check, Outcome, Section, complaint, generator, shortened, watch

LIMIT = 5.0  # seconds
FILE = "model.npz"
HEADER = "model.json"

# --- model.json as other versions might write it, and as an editor might leave it ---------------------------


def sealed(document: dict[str, Any]) -> bytes:
    """The header with the seal that belongs to it, by the description of the format."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"seal":"{hashlib.sha256(text.encode()).hexdigest()}"}}'.encode()


def having(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    """A header with other values and the right seal; None leaves a key out."""

    def edit(document: dict[str, Any]) -> bytes:
        return sealed({k: v for k, v in {**document, **changes}.items() if v is not None or k in ("level", "training")})

    return edit


def in_spec(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda document: sealed({**document, "spec": {**document["spec"], **changes}})


def in_slab(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    def edit(document: dict[str, Any]) -> bytes:
        first, *rest = document["representation"]["slabs"]
        return sealed(
            {**document, "representation": {**document["representation"], "slabs": [{**first, **changes}, *rest]}}
        )

    return edit


def text(old: str, new: str) -> Callable[[dict[str, Any]], bytes]:
    """A header with another text and the old seal."""
    return lambda document: (
        json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace(old, new, 1).encode()
    )


VERSIONS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "format 0": having(format=0),
    "format 2": having(format=2),
    "format 1.0": having(format=1.0),
    "format '1'": having(format="1"),
    "format true": having(format=True),
    "format [1]": having(format=[1]),
    "no format": having(format=None),
    "format 10^400": having(format=10**400),
    "without a seal": lambda document: json.dumps(document).encode(),
    "another activation, the old seal": text('"activation":"gelu"', '"activation":"relu"'),
    "another activation": in_spec(activation="relu"),
    "another rate": in_spec(rate="mlp"),
    "another tableau": in_spec(tableau={"name": "euler", "a": [["0"]], "b": ["1"], "c": ["0"], "order": 1}),
    "more steps": in_spec(steps=8),
    "another spacing": in_spec(spacing="1/8"),
    "a spacing by zero": in_spec(spacing="1/0"),
    "a loss of its own": in_spec(loss="l2"),
    "an interpolant": in_spec(interpolant="constant"),
    "a rate that is run": in_spec(rate="__import__('os').system('touch canary')"),
    "a spec as text": having(spec="gunpoint"),
    "a spec as a list": having(spec=[]),
    "another level": having(level="fine"),
    "no such level": having(level="nowhere"),
    "a level of 3": having(level=3),
    "no representation": having(representation=None),
    "another representation": having(representation={"slabs": [], "digest": "0" * 64, "loss": "0" * 64}),
    "kernels of nobody": in_slab(signature="0" * 64),
    "kernels of a path": in_slab(signature="../../canary"),
    "kernels of a number": in_slab(signature=1),
    "another start": in_slab(start="1/4"),
    "a start by zero": in_slab(start="1/0"),
    "no plan": in_slab(plan=None),
    "another plan": in_slab(plan="canary"),
    "no tables": having(tables=None),
    "tables of other roles": having(tables={}),
    "classes as text": having(classes="ab"),
    "classes of two types": having(classes=[1, "2"]),
    "classes as lists": having(classes=[[1], [2]]),
    "classes as one": having(classes=["left"]),
    "classes as three": having(classes=["left", "right", "up"]),
    "no classes": having(classes=None),
    "history as text": having(history="ab"),
    "history of numbers": having(history=[1, 2]),
    "history of lists": having(history=[[]]),
    "no history": having(history=None),
    "training as a list": having(training=[]),
    "training as text": having(training="adam"),
    "sums as a list": having(sha256=[]),
    "no sums": having(sha256={}),
    "NaN": lambda document: sealed({**document, "history": [{"loss": float("nan")}]}),
    "a key twice": lambda document: sealed(document).replace(b'{"format":1', b'{"format":2,"format":1', 1),
    "nesting": lambda document: b"[" * 100_000,
    "a list": lambda document: b"[]",
    "a number of 5000 digits": lambda document: b'{"format":' + b"9" * 5000 + b"}",
    "nothing": lambda document: b"",
    "UTF-16": lambda document: json.dumps(document).encode("utf-16"),
    "no UTF-8": lambda document: b'{"format":"\xff"}',
}

# --- entries exchanged --------------------------------------------------------------------------------------

FLIPS, CUTS, SWAPS = 2_000, 500, 50
COUNT = FLIPS + CUTS + SWAPS + len(VERSIONS)


def contents(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(entries: dict[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    """An archive of these entries, every checksum of the archive's own right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice
        for name, data in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, data)
    return stream.getvalue()


def relisted(entries: dict[str, bytes]) -> dict[str, bytes]:
    """Entries with a header that lists what they now are."""
    document = json.loads(entries[HEADER])
    document.pop("seal")
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in entries.items() if name != HEADER}
    return {HEADER: sealed({**document, "sha256": sums}), **{n: d for n, d in entries.items() if n != HEADER}}


def swapped(number: int, content: bytes, other: bytes) -> tuple[str, bytes]:
    """A file of the parts of two models, or of other files."""
    random_ = generator("models, swaps", number)
    mine, theirs = contents(content), contents(other)
    names = [name for name in mine if name != HEADER]
    fields = [name for name in names if name.startswith("fields/")]
    one, two = random_.sample(names, 2)
    field = random_.choice(fields)
    kinds: list[tuple[str, Callable[[], bytes]]] = [
        (f"{one} and {two} exchanged", lambda: packed({**mine, one: mine[two], two: mine[one]})),
        (f"{field} of another model", lambda: packed({**mine, field: theirs[field]})),
        ("the header of another model", lambda: packed({**mine, HEADER: theirs[HEADER]})),
        ("all but the header of another model", lambda: packed({**theirs, HEADER: mine[HEADER]})),
        (f"without {one}", lambda: packed({n: d for n, d in mine.items() if n != one})),
        (f"{one} under another name", lambda: packed({(f"{n}x" if n == one else n): d for n, d in mine.items()})),
        (f"{one} twice", lambda: packed([*mine.items(), (one, mine[two])])),
        ("two headers", lambda: packed([(HEADER, theirs[HEADER]), *mine.items()])),
        (f"{one} cut and listed so", lambda: packed(relisted({**mine, one: mine[one][:-9]}))),
        (f"{one} as text and listed so", lambda: packed(relisted({**mine, one: b"canary"}))),
        (f"{one} as {two} and listed so", lambda: _other_shape(mine, one, two)),
        (f"without {one} and listed so", lambda: packed(relisted({n: d for n, d in mine.items() if n != one}))),
        (f"{field} with an axis less and listed so", lambda: _array(mine, field, lambda a: a.ravel()[1:])),
        (f"{field} as objects and listed so", lambda: _array(mine, field, lambda a: a.astype(object))),
        (f"{field} in single precision and listed so", lambda: _array(mine, field, lambda a: a.astype(np.float32))),
        (f"{field} with an infinity and listed so", lambda: _array(mine, field, lambda a: a * np.inf)),
        ("another directory", lambda: content[: -len(other) // 50] + other[-len(other) // 50 :]),
        ("half of either", lambda: content[: len(content) // 2] + other[len(other) // 2 :]),
        ("records", lambda: packed({"x.npy": mine[field]})),
        ("a spec", (ROOT / "specs" / "gunpoint.toml").read_bytes),
        ("tables", (ROOT / "generated" / "gunpoint" / "tables.npz").read_bytes),
    ]
    label, make = kinds[number % len(kinds)]
    return label, make()


def _other_shape(entries: dict[str, bytes], one: str, two: str) -> bytes:
    """One entry is another, which has another shape: equal shapes would make a model that somebody might have saved."""
    shapes = [np.load(io.BytesIO(entries[name])).shape for name in (one, two)]
    return packed(relisted({**entries, one: entries[two] if shapes[0] != shapes[1] else b""}))


def _array(entries: dict[str, bytes], name: str, change: Callable[[Any], Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, change(np.load(io.BytesIO(entries[name]))), allow_pickle=True)
    return packed(relisted({**entries, name: stream.getvalue()}))


def flipped(number: int, content: bytes) -> tuple[str, bytes]:
    """One bit: anywhere, or, every second time, in the header, in the directory or near the start of an entry."""
    random_ = generator("models, flips", number)
    changed = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        starts = [info.header_offset for info in archive.infolist()]
        directory = archive.start_dir
    place = random_.choice((
        random_.randrange(len(content)),
        random_.choice((
            random_.randrange(starts[1]),
            random_.randrange(directory, len(content)),
            min(random_.choice(starts) + random_.randrange(200), len(content) - 1),
        )),
    ))  # fmt: skip
    changed[place] ^= 1 << random_.randrange(8)
    return f"byte {place}", bytes(changed)


def cut(number: int, content: bytes) -> tuple[str, bytes]:
    random_ = generator("models, cuts", number)
    length = random_.choice(
        (random_.randrange(len(content)), len(content) - 1 - random_.randrange(3000), random_.randrange(300))
    )
    return f"{length} bytes", content[:length]


def edited(number: int, content: bytes) -> tuple[str, bytes]:
    name = list(VERSIONS)[number]
    entries = contents(content)
    document = json.loads(entries[HEADER])
    document.pop("seal")
    return name, packed({**entries, HEADER: VERSIONS[name](document)})


# --- the check ----------------------------------------------------------------------------------------------


def made(folder: Path, seed: int) -> bytes:
    """The file of a small model, trained for a few epochs."""
    from numerics import Continuum, fit
    from numerics.datasets import records

    x = np.sin(np.outer(np.arange(1, 9), np.linspace(-1, 1, 20)))
    model = Continuum.from_spec(ROOT / "specs" / "gunpoint.toml", seed=seed)
    model = fit(model, records(x, y=np.array(["left", "right"])[np.arange(8) % 2]), epochs=4)
    model.save(folder / FILE)
    return (folder / FILE).read_bytes()


def prepare(folder: Path) -> Check:
    """Loads from a file, and saves what was loaded: equal models are equal bytes."""
    from numerics.model import checkpoint

    other, content = made(folder, 1), made(folder, 0)
    x = np.sin(np.outer(np.arange(1, 4), np.linspace(-1, 1, 30)))
    outputs = checkpoint.load(FILE)(x).tobytes()
    parts: list[tuple[int, Callable[[int], tuple[str, bytes]]]] = [
        (len(VERSIONS), lambda number: edited(number, content)),
        (SWAPS, lambda number: swapped(number, content, other)),
        (CUTS, lambda number: cut(number, content)),
        (FLIPS, lambda number: flipped(number, content)),
    ]

    def given(number: int) -> tuple[str, bytes]:
        for count, make in parts:
            if number < count:
                return make(number)
            number -= count
        raise IndexError(number)

    def check(number: int) -> Outcome:
        label, damaged = given(number)
        (folder / FILE).write_bytes(damaged)
        seen = watch(lambda: checkpoint.load(FILE), LIMIT, FROM_FILES)
        problem = complaint(seen, LIMIT, ContinuumError)
        if not problem and seen.error is None:
            problem = differs(seen.value)
            if problem.endswith("saved otherwise") and "as baselines/" in label:  # no output needs these
                problem = ""
        if os.listdir(folder) != [FILE]:
            problem = f"a file appeared: {os.listdir(folder)}"
        return Outcome(shortened(label), problem, seen.seconds)

    def differs(model: Any) -> str:
        """What is not as it was saved; "" for the same model."""
        try:
            same = model(x).tobytes() == outputs
            model.save(folder / FILE)
        except Exception as error:
            return f"loaded, and cannot be used: {type(error).__name__}: {shortened(str(error), 100)}"
        if not same:
            return "another model: other outputs"
        return "" if (folder / FILE).read_bytes() == content else "another model: the same outputs, saved otherwise"

    return check


SAMPLE = (*range(len(VERSIONS) + SWAPS + 10), *range(COUNT - 40, COUNT))

SECTION = Section(
    "models",
    COUNT,
    prepare,
    (__file__,),
    sample=SAMPLE,
    known=known.numbered(known.MODELS, list(VERSIONS)),
)
