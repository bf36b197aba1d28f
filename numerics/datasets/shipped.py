"""Records that installed packages ship: the series of sktime, the digits of scikit-learn."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from derive.errors import DataError
from numerics.datasets.given import from_given, records
from numerics.datasets.record import Records

Array = np.ndarray
TRAINING_DIGITS = 898  # of 1,797, in their order: the halves of scikit-learn's own example
INK = 16.0  # the darkest pixel


def package(name: str) -> Path:
    """The folder of an installed package, without importing it (sktime takes seconds)."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise DataError(
            f"the package {name} is not installed", "the extra `data`", "the package was installed without it",
            'pip install "neural-continua[data]"',
        )  # fmt: skip
    return Path(found.origin).parent


def sklearn_digits(shape: tuple[int, ...]) -> dict[str, Records]:
    """Digits whose 64 pixels, from 0 to 1, have a shape."""
    package("sklearn")
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    whole = records((pixels / INK).reshape(-1, *shape), None, digits, [str(digit) for digit in range(10)])
    order = np.arange(len(whole))
    return {"train": whole.take(order[:TRAINING_DIGITS]), "test": whole.take(order[TRAINING_DIGITS:])}


def sktime_parts(name: str) -> dict[str, Records]:
    """Both parts of a series, as its archive writes its name."""
    folder = package("sktime") / "datasets" / "data" / name
    return {part: _series(folder / f"{name}_{part.upper()}.ts") for part in ("train", "test")}


def _series(path: Path) -> Records:
    """Records from a .ts file: a header, then a line a record, its channels and its label separated by colons."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read: {error.strerror}", "an sktime that ships its data",
            "another version of sktime", 'pip install --upgrade "neural-continua[data]"',
        ) from error  # fmt: skip
    header: dict[str, list[str]] = {}
    x, labels = [], []
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("@"):
            key, *values = line[1:].split()
            header[key.lower()] = values
        elif not line.startswith("#"):
            *channels, label = line.split(":")
            x.append(np.array([channel.split(",") for channel in channels], dtype=np.float64).T)
            labels.append(label.strip())
    y, classes = _labels(labels, header)
    return from_given(x, None, y, classes, path.name)


def _labels(labels: list[str], header: Mapping[str, list[str]]) -> tuple[Array, list[str]]:
    """Numbers for a regression, else names in the header's order."""
    if header.get("targetlabel", ["false"])[0] == "true":
        return np.array(labels, dtype=np.float64), []
    return np.array(labels), header["classlabel"][1:]
