"""Arrays and classes in the forms in which users hand them over, and what is neither."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

Y = np.array([0, 1, 0, 1, 1, 0])


def read_only(a: np.ndarray) -> np.ndarray:
    found = a.copy()
    found.flags.writeable = False
    return found


SAME: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "Fortran order": np.asfortranarray,
    "every other one": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards twice": lambda a: a[..., ::-1].copy()[..., ::-1],
    "read-only": read_only,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "longdouble": lambda a: a.astype(np.longdouble),
    "mask without masked": lambda a: np.ma.masked_array(a, np.zeros(a.shape, bool)),
    "objects that are numbers": lambda a: a.astype(object),
    "exact": lambda a: np.vectorize(Fraction, otypes=[object])(a.astype(float)),
}
REFUSED: dict[str, Callable[[np.ndarray], Any]] = {
    "complex": lambda a: a + 1j,
    "complex list": lambda a: (a + 0j).tolist(),
    "text": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S"),
    "masked": lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 1),
    "dates": lambda a: a.astype("M8[s]"),
    "a structure": lambda a: np.zeros(a.shape, [("a", float)]),
    "nothings": lambda a: np.full(a.shape, None),
    "NaN": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.nan, a),
    "infinity": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.inf, a),
    "beyond float64": lambda a: [10**400] * len(a),
    "an axis too many": lambda a: a[None, None],
    "ragged": lambda a: [[1.0], [[1.0, 2.0]]],
    "deeply ragged": lambda a: [[[1.0], [1.0, 2.0]]] * len(a),
    "a word": lambda a: "abc",
    "a table": lambda a: {"a": 1},
    "a set": lambda a: set(a.ravel().tolist()),
    "a generator": lambda a: (v for v in a),
    "a path": lambda a: Path("x.npz"),
}


CLASSES: dict[str, Any] = {
    "list": Y.tolist(), "numbers": Y.astype(float), "truth": Y > 0, "float16": Y.astype(np.float16),
    "uint8": Y.astype("u1"), "other byte order": Y.astype(">i8"), "names": ["b" if y else "a" for y in Y],
    "bytes": np.where(Y, b"b", b"a"), "from one": Y + 1, "signs": 2 * Y - 1.0, "one column": Y[:, None],
    "names in a column": np.where(Y, "b", "a")[:, None], "one-hot": np.eye(2, dtype=int)[Y], "one-hot list":
    np.eye(2)[Y].tolist(), "one-hot truth": np.eye(2)[Y] > 0, "objects": Y.astype(object), "objects of text":
    np.where(Y, "b", "a").astype(object), "objects of truth": (Y > 0).astype(object), "numpy's whole numbers":
    [np.int8(y) for y in Y], "text of numbers": Y.astype(str), "text of fractions": Y.astype(float).astype(str),
}  # fmt: skip
NO_CLASSES: dict[str, Any] = {
    "none": None, "one too few": Y[:-1], "two columns": np.stack([Y, Y], 1), "between": Y + 0.5,
    "negative": np.arange(6) % 3 - 1, "one too many": np.arange(6) % 3 + 1, "all of one": np.full(6, 2),
    "shares": np.stack([Y, 1 - Y], 1) / 2 + 0.25, "a gap": np.where(Y, "a", None),
    "a gap in numbers": np.where(Y, 1, None), "texts and numbers": np.array(["a", 1, "a", 1, 1, 1], object),
    "NaN": np.where(Y, np.nan, 0.0), "complex": Y + 0j, "objects": np.array([None] * 6),
    "a word": "abc", "one": 1, "empty": [], "a table": {}, "ragged": [[1], [1, 2], [1], [1], [1], [1]],
    "masked": np.ma.masked_array(Y, Y > 0), "masked rows": [np.ma.masked_array([y], [True]) for y in Y],
    "dates": Y.astype("M8[s]"), "too large": [10**30] * 6, "mixed names": [0, "a", 1, 0, 1, 0], "a set": {0, 1},
}  # fmt: skip
