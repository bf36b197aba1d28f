"""Networks in files: an .npz with W0, b0, W1, b1, … (W: out × in), and words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.archive import located, read_arrays
from numerics.networks.layers import Layers, layers

Array = np.ndarray
WORDS = ("activation", "kind", "last", "ends")  # entries of a file beside the arrays


def read(path: str | Path) -> Layers:
    """A network from an .npz with W0, b0, W1, b1, … (W: out × in) and ``activation``, perhaps ``kind`` and ``last``."""
    with located(str(path)):
        arrays = read_arrays(path, _check_entries)
        words: dict[str, Any] = {key: _word(arrays[key], key) for key in WORDS if key in arrays}
        if "length" in arrays:
            words["length"] = _whole(arrays["length"])
        count = (len(arrays) - len(words)) // 2
        return layers([arrays[f"W{k}"] for k in range(count)], [arrays[f"b{k}"] for k in range(count)], **words)


def _word(array: Array, name: str) -> str:
    if array.ndim or array.dtype.kind != "U":
        raise DataError(f"{name} of type {array.dtype}", "a text", "a number, or a list", f"write {name} as a text")
    return str(array)


def _whole(array: Array) -> int:
    if array.ndim or array.dtype.kind not in "iu":
        raise DataError(f"length of type {array.dtype}", "a whole number", "a text, or a list", "write length = 128")
    return int(array)


def _check_entries(names: Sequence[str]) -> None:
    count = sum(key.startswith("W") for key in names)
    needed = {*(f"{letter}{k}" for k in range(max(count, 1)) for letter in "Wb"), "activation"}
    odd = sorted(needed - set(names)) + sorted(set(names) - needed - {*WORDS, "length"})
    if odd:
        raise DataError(f"the entries {', '.join(sorted(names)) or 'none'}", "W0, b0, W1, b1, … and activation",
                      f"{odd[0]} is left out or unknown", "write all of them with numpy.savez")  # fmt: skip


def arrays(network: Layers) -> dict[str, Array]:
    """The entries of the .npz that ``read`` reads."""
    words: dict[str, Any] = {"activation": network.activation, "kind": network.kind, "last": network.last}
    if network.length is not None:
        words |= {"ends": network.ends, "length": network.length}
    found = {key: np.array(value) for key, value in words.items()}
    for k, (w, b) in enumerate(zip(network.weights, network.biases)):
        found |= {f"W{k}": w, f"b{k}": b}
    return found
