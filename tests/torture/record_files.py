"""Files of records that somebody thought of: good ones, and all kinds of bad ones."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.torture.harness import (
    CANARY,
    ROOT,
)

Array = np.ndarray
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A file. made: its bytes, or what makes them; refused: it cannot be right; record: the one to be named, if any.

    read: whether it is read all the same, and refused by a model, which knows the domain and what may be missing.
    """

    label: str
    made: bytes | Callable[[], bytes]
    refused: bool = True
    record: int | None = None
    read: bool = False

    @property
    def content(self) -> bytes:
        return self.made if isinstance(self.made, bytes) else self.made()


class Bomb:
    """Unpickling it would leave a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (CANARY, "w")


# --- making files -------------------------------------------------------------------------------------------


def archive(compressed: bool = False, **arrays: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save: Callable[..., None] = np.savez_compressed if compressed else np.savez
        save(stream, **{name: np.asarray(array) for name, array in arrays.items()})
    return stream.getvalue()


def entries(*, method: int = zipfile.ZIP_STORED, **contents: bytes) -> bytes:
    """An archive of entries x.npy, y.npy, … with any bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, content in contents.items():
            made.writestr(f"{name}.npy", content)
    return stream.getvalue()


def many(count: int) -> bytes:
    """An archive of x and so many empty entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("x.npy", npy(X))
        for k in range(count):
            made.writestr(f"x{k}.npy", b"")
    return stream.getvalue()


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def header(text: str, body: bytes = b"", version: bytes = b"\x01\0") -> bytes:
    """An .npy with a header of one's own."""
    encoded = text.encode("latin-1").ljust(117) + b"\n"
    size = len(encoded).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + encoded + body


def described(descr: str, shape: str, body: bytes = b"") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", body)


def zeros(
    name: str, descr: str, shape: tuple[int, ...], size: int, method: int = zipfile.ZIP_DEFLATED
) -> Callable[[], bytes]:
    """Makes a small archive with an entry that unfolds to so many bytes of zeros, and a good x beside it."""

    def make() -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as made:
            if name != "x":
                made.writestr("x.npy", npy(X))
            with made.open(f"{name}.npy", "w", force_zip64=True) as entry:
                entry.write(described(repr(descr), repr(shape)))
                block = bytes(1 << 24)
                for start in range(0, size, len(block)):
                    entry.write(block[: size - start])
        return stream.getvalue()

    return make


def changed(array: Array, place: Any, value: Any) -> Array:
    found = array.copy()
    found[place] = value
    return found


def patched(content: bytes, old: bytes, new: bytes) -> bytes:
    if old not in content:
        raise ValueError(f"{old!r} is not there")
    return content.replace(old, new)


COUNT_OF_RECORDS, POINTS = 6, 20
X = np.sin(np.outer(np.arange(1, COUNT_OF_RECORDS + 1), np.linspace(-1, 1, POINTS)))
XI = np.linspace(-1, 1, POINTS)
ROWS = np.tile(XI, (COUNT_OF_RECORDS, 1))
Y = np.arange(COUNT_OF_RECORDS) % 2
NAMES = np.array(["left", "right"])
OFFSETS = np.array([0, 5, 12, 20, 40, 60, 120])
RAGGED: Arrays = {"x": X.reshape(-1, 1), "offsets": OFFSETS, "y": Y}
GOOD = archive(x=X, xi=XI, y=Y)
NAN, INF = np.nan, np.inf
GIB = 1 << 30
WIDER = bool(np.finfo(np.longdouble).max > np.finfo(float).max)  # not on every machine

# --- files that somebody thought of -------------------------------------------------------------------------

LITERAL = [
    Case("as it is", GOOD, False),
    Case("names", archive(x=X, y=NAMES[Y]), False),
    Case("names and classes", archive(x=X, y=NAMES[Y], classes=NAMES), False),
    Case("classes in another order", archive(x=X, y=Y, classes=NAMES[::-1]), False),
    Case("ragged", archive(**RAGGED), False),
    Case("compressed", archive(True, x=X, y=Y), False),
    Case("without y", archive(x=X), False),
    # other kinds of files
    Case("empty", b""),
    Case("a nul", b"\0"),
    Case("text", b"x,y\n1,2\n"),
    Case("JSON", b'{"x": [[1, 2]]}'),
    Case("npy", npy(X)),
    Case("a pickle", pickle.dumps(Bomb())),
    Case("a pickle of arrays", pickle.dumps({"x": X, "y": Y})),
    Case("gzip", b"\x1f\x8b\x08\0" + bytes(100)),
    Case("an empty archive", b"PK\x05\x06" + bytes(18)),
    Case("only a directory's end", GOOD[-22:]),
    Case("without a directory", GOOD[:-22]),
    Case("half", GOOD[: len(GOOD) // 2]),
    Case("one byte less", GOOD[:-1]),
    Case("something in front", b"#!/bin/sh\n" * 10 + GOOD, False),
    Case("something behind", GOOD + bytes(30), False),
    Case("twice", GOOD + GOOD, False),
    Case("a spec", (ROOT / "specs" / "gunpoint.toml").read_bytes()),
    # pickles inside
    Case("an array of objects", archive(x=np.array([[1.0], [1, 2]], dtype=object))),
    Case("a canary as x", entries(x=npy(np.array([Bomb()], dtype=object)))),
    Case("a canary as y", entries(x=npy(X), y=npy(np.array([Bomb()] * 6, dtype=object)))),
    Case("a canary as classes", entries(x=npy(X), y=npy(Y), classes=npy(np.array([Bomb()], dtype=object)))),
    Case("a canary as offsets", entries(x=npy(X), offsets=npy(np.array([Bomb()], dtype=object)))),
    Case("a canary as another array", entries(x=npy(X), canary=npy(np.array([Bomb()], dtype=object)))),
    Case("a bare pickle as x", entries(x=pickle.dumps(Bomb()))),
    Case("a header with an object inside", entries(x=described("[('a', '<f8'), ('b', '|O')]", "(2,)",
        pickle.dumps(Bomb())))),
    Case("an object type", entries(x=described("'|O'", "(1,)", pickle.dumps([Bomb()])))),
    # archives
    Case("no arrays", entries()),
    Case("no x", archive(y=Y)),
    Case("another name", archive(X=X, y=Y)),
    Case("a network", archive(W0=X, b0=X[0])),
    Case("a path upwards", patched(GOOD, b"xi.npy", b"../npy")),
    Case("x without an ending", patched(patched(GOOD, b"y.npy", b"y.np/"), b"xi.npy", b"xi.np/")),
    Case("text as x", entries(x=b"1 2 3")),
    Case("nothing as x", entries(x=b"")),
    Case("half an array", entries(x=npy(X)[:-100])),
    Case("more than an array", entries(x=npy(X) + bytes(100), y=npy(Y)), False),
    Case("bzip2", entries(method=zipfile.ZIP_BZIP2, x=npy(X), y=npy(Y)), False),
    Case("lzma", entries(method=zipfile.ZIP_LZMA, x=npy(X), y=npy(Y)), False),
    Case("an unknown method", patched(GOOD, b"PK\x01\x02\x2d\x03\x2d\0\0\0\0\0",
        b"PK\x01\x02\x2d\x03\x2d\0\0\0\x63\0")),
    Case("a password", patched(GOOD, b"PK\x01\x02\x2d\x03\x2d\0\0\0", b"PK\x01\x02\x2d\x03\x2d\0\1\0")),
    Case("another checksum", patched(GOOD, X[0].tobytes(), X[1].tobytes())),
    # headers
    Case("no header", entries(x=header(""))),
    Case("a header that is run", entries(x=header("__import__('canary')"))),
    Case("a header of brackets", entries(x=header("(" * 5000))),
    Case("a header of minus signs", entries(x=header("-" * 9000 + "1"))),
    Case("a long header", entries(x=header("{" + " " * 60_000 + "}"))),
    Case("a header of many digits", entries(x=described("'<f8'", f"({'9' * 5000},)"))),
    Case("a future version", entries(x=header("{}", version=b"\x09\0"))),
    Case("a negative size", entries(x=described("'<f8'", "(-1,)"))),
    Case("a size of True", entries(x=described("'<f8'", "(True, 2)", bytes(16)))),
    Case("a size that overflows", entries(x=described("'<f8'", "(2**62, 8)"))),
    Case("a size that overflows to zero", entries(x=described("'<f8'", "(4611686018427387904, 4)"))),
    Case("a size beyond memory", entries(x=described("'<f8'", "(99999999999999, 1)"))),
    Case("a size of four gibibytes", entries(x=described("'<f8'", f"(4, {GIB // 8})", bytes(64)))),
    Case("a type without a size", entries(x=described("'<f'", "(2, 2)"))),
    Case("a type that is none", entries(x=described("'canary'", "(2, 2)"))),
    Case("letters of four gibibytes", entries(x=npy(X), classes=described("'<U1000000000'", "(1,)"))),
    Case("columns first", archive(x=np.asfortranarray(X), y=Y), False),
    Case("the other end first", archive(x=X.astype(">f8"), y=Y.astype(">i4")), False),
    # bombs
    Case("zeros as x", zeros("x", "<f8", (6, GIB // 256), GIB * 6 // 32)),
    Case("zeros as x, twice as many", zeros("x", "<f8", (6, GIB // 32), GIB * 6 // 4)),
    Case("zeros as y", zeros("y", "<i8", (GIB // 8,), GIB)),
    Case("zeros as xi", zeros("xi", "<f8", (6, GIB // 8 // 6), GIB // 8 // 6 * 48)),
    Case("zeros as offsets", zeros("offsets", "<i8", (GIB // 8,), GIB)),
    Case("nothing as classes", zeros("classes", "<U1000000", (256,), 1_024_000_000)),
    Case("zeros by bzip2", zeros("x", "<f8", (6, GIB // 64), GIB * 6 // 8, zipfile.ZIP_BZIP2)),
    Case("zeros behind x", zeros("x", "<f8", (6, 20), GIB * 6 // 4)),
    Case("twenty thousand entries", lambda: many(20_000)),
    # shapes
    *(Case(f"x of shape {shape}", archive(x=np.ones(shape), y=Y))
      for shape in ((), (0,), (3,), (0, 3), (3, 0), (1, 2, 3, 4), (6, 20, 0), (6, 0, 1), (6, 20, 2), (6, 20, 5000),
          (1,) * 32)),
    Case("one point a record", archive(x=np.ones((6, 1)), y=Y), False),
    Case("one point with its place", archive(x=np.ones((6, 1)), xi=[0.5], y=Y), False),
    Case("100,000 points", archive(x=np.ones((2, 100_000)), y=[0, 1]), False),
    Case("20,000 records", archive(x=np.ones((20_000, 2)), y=np.arange(20_000) % 2), False),
    Case("a single record", archive(x=X[:1], y=Y[:1]), False),
    # numbers
    *(Case(f"x = {value} in record 3", archive(x=changed(X, (3, 7), value), y=Y),
        True, 3, bool(np.isnan(value))) for value in (NAN, INF, -INF)),
    Case("x = nan in the last point", archive(x=changed(X, (5, 19), NAN), y=Y), True, 5, read=True),
    Case("x = nan in a ragged record", archive(**{**RAGGED, "x": changed(RAGGED["x"], 25, NAN)}), True, 3, read=True),
    Case("x = 1e308", archive(x=np.full((6, 20), 1e308), y=Y), False),
    Case("x = ±1e308", archive(x=1e308 * (-1.0) ** np.arange(120).reshape(6, 20), y=Y), False),
    Case("x = 1e150", archive(x=np.full((6, 20), 1e150), y=Y), False),
    Case("x = 1e-320", archive(x=np.full((6, 20), 1e-320), y=Y), False),
    Case("x beyond a double", archive(x=np.full((6, 20), np.finfo(np.longdouble).max), y=Y),
        WIDER, 0 if WIDER else None),
    *(Case(f"x of type {kind}", archive(x=np.ones((6, 20)).astype(kind), y=Y), False)
      for kind in ("f2", "f4", "g", "i1", "u8", "i8", ">i2")),
    *(Case(f"x of type {kind}", archive(x=np.ones((6, 20)).astype(kind), y=Y))
      for kind in ("?", "c16", "U3", "S3", "M8[s]", "m8[s]", "V8")),
    Case("x of records", archive(x=np.zeros((6, 20), [("a", "f8"), ("b", "i4")]), y=Y)),
    # points
    Case("points of another number", archive(x=X, xi=XI[1:], y=Y)),
    Case("one point", archive(x=X, xi=0.5, y=Y)),
    Case("no points", archive(x=X, xi=np.zeros(0), y=Y)),
    Case("no rows of points", archive(x=X, xi=np.zeros((0, 20)), y=Y)),
    Case("points as text", archive(x=X, xi=np.array(["a"] * 20), y=Y)),
    Case("points as days", archive(x=X, xi=np.arange(20).astype("M8[D]"), y=Y)),
    Case("complex points", archive(x=X, xi=XI * 1j, y=Y)),
    Case("points of three axes", archive(x=X, xi=ROWS[None], y=Y)),
    Case("points in a column", archive(x=X, xi=XI[:, None], y=Y)),
    Case("points backwards", archive(x=X, xi=XI[::-1], y=Y), True, 0),
    Case("points backwards in record 4", archive(x=X, xi=changed(ROWS, 4, XI[::-1]), y=Y), True, 4),
    Case("a point twice in record 2", archive(x=X, xi=changed(ROWS, (2, 7), ROWS[2, 6]), y=Y), True, 2),
    Case("a point of nan in record 1", archive(x=X, xi=changed(ROWS, (1, 7), NAN), y=Y), True, 1),
    Case("a point outside in record 5", archive(x=X, xi=changed(ROWS, (5, 19), 1.0000001), y=Y), True, 5, read=True),
    Case("points from 0 to 1000", archive(x=X, xi=np.linspace(0, 1000, 20), y=Y), True, 0, read=True),
    Case("points that almost agree", archive(x=X, xi=np.cumsum(np.full(20, 5e-324)), y=Y), False),
    Case("points of single precision", archive(x=X, xi=XI.astype("f4"), y=Y), False),
    Case("a ragged point twice",
        archive(**RAGGED, xi=changed(np.concatenate([np.linspace(-1, 1, n) for n in np.diff(OFFSETS)]),
                                                             6, -1.0)), True, 1),
    # offsets
    *(Case(f"offsets {shown}", archive(**{**RAGGED, "offsets": offsets})) for shown, offsets in (
        ("that go back", [0, 5, 3, 20, 40, 60, 120]), ("too far", [0, 5, 12, 20, 40, 60, 121]), ("too short",
            [0, 5, 12]),
        ("below zero", [-1, 5, 12, 20, 40, 60, 120]), ("as lengths", np.diff(OFFSETS)), ("as fractions", OFFSETS / 1.0),
        ("without entries", np.zeros(0, int)), ("with one entry", [0]), ("as a number", 0), ("with two axes",
            OFFSETS[None]),
        ("as text", OFFSETS.astype(str)), ("beyond 64 bits", np.array([0, 2**64 - 1, 120], dtype=np.uint64)))),
    Case("offsets with an empty record", archive(**{**RAGGED, "offsets": [0, 5, 5, 20, 40, 60, 120]}), True, 1),
    Case("offsets with rows", archive(x=X, offsets=OFFSETS, y=Y), True),
    # targets
    *(Case(f"y of shape {np.shape(y)}", archive(x=X, y=y)) for y in (0, [], [0, 1], np.zeros((6, 1, 1, 1)),
        np.zeros((20, 6)),
                                                                     np.zeros((6, 20, 3)), np.zeros((6, 0)))),
    *(Case(f"y {shown}", archive(x=X, y=y)) for shown, y in (
        ("complex", Y * 1j), ("as days", Y.astype("M8[D]")), ("of records", np.zeros(6, [("a", "f8")])),
        ("of void", np.zeros(6, "V4")), ("below zero", Y - 1), ("from one", Y + 1), ("of 4e18", Y + 2**62),
        ("beyond 64 bits", np.array([2**63, 2**63 + 1] * 3, np.uint64)), ("of halves", Y + 0.5), ("of 1e300",
            Y * 1e300))),
    *(Case(f"y = {value} in record 2", archive(x=X, y=changed(Y.astype(float), 2, value)),
        True, 2) for value in (NAN, INF)),
    Case("y as whole fractions", archive(x=X, y=Y.astype(float)), False),
    Case("y in a column", archive(x=X, y=Y[:, None]), False),
    Case("y as truth", archive(x=X, y=Y == 1), False),
    Case("names as bytes", archive(x=X, y=NAMES[Y].astype("S5")), False),
    Case("names as bytes that are no letters", archive(x=X, y=np.array([b"left", b"\xff\xfe"])[Y])),
    Case("classes as bytes that are no letters", archive(x=X, y=Y, classes=np.array([b"left", b"\xff\xfe"]))),
    Case("letters that are none", entries(x=npy(X), y=described("'<U1'", "(6,)", b"\0\0\x11\0" * 6))),
    Case("names of two axes", archive(x=X, y=NAMES[np.c_[Y, Y]])),
    Case("names that nobody knows", archive(x=X, y=np.array(["up", "down"])[Y])),
    Case("a name that nobody knows", archive(x=X, y=np.array([*NAMES[Y][:5], "up"]))),
    Case("a name that is not among the classes", archive(x=X, y=np.array([*NAMES[Y][:5], "up"]), classes=NAMES),
        True, 5),
    Case("a name of a million letters", archive(True, x=X, y=np.array([*NAMES[Y][:5], "up" * 500_000]))),
    Case("a name with a line", archive(x=X, y=np.array([*NAMES[Y][:5], "a\nb"]))),
    Case("empty names", archive(x=X, y=np.array([""] * 6))),
    Case("classes missing", archive(x=X, y=Y, classes=NAMES[:1])),
    Case("classes twice", archive(x=X, y=Y, classes=["left", "left"])),
    Case("classes as numbers", archive(x=X, y=Y, classes=[1, 2])),
    Case("classes as one name", archive(x=X, y=Y, classes="left")),
    Case("classes of two axes", archive(x=X, y=Y, classes=NAMES[None])),
    Case("no classes", archive(x=X, y=Y, classes=np.zeros(0, "U1")), False),
    Case("classes without y", archive(x=X, classes=NAMES), False),
]  # fmt: skip
