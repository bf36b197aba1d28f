"""Records that installed packages ship: the series of sktime, the digits of scikit-learn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from derive.errors import DataError
from numerics.datasets.formats import ts
from numerics.datasets.given import records
from numerics.datasets.record import Records

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
    whole = records((pixels / INK).reshape(-1, *shape), y=digits, classes=[str(digit) for digit in range(10)])
    order = np.arange(len(whole))
    return {"train": whole.take(order[:TRAINING_DIGITS]), "test": whole.take(order[TRAINING_DIGITS:])}


def sktime_parts(name: str) -> dict[str, Records]:
    """Both parts of a series, as its archive writes its name."""
    folder = package("sktime") / "datasets" / "data" / name
    paths = {part: folder / f"{name}_{part.upper()}.ts" for part in ("train", "test")}
    try:
        return {part: ts.read(path) for part, path in paths.items()}
    except OSError as error:
        raise DataError(
            f"{Path(str(error.filename)).name} cannot be read: {error.strerror}", "an sktime that ships its data",
            "another version of sktime", 'pip install --upgrade "neural-continua[data]"',
        ) from error  # fmt: skip
