"""Published sets of records, one a file whose ``parts()`` gives "train", "test" and what else there is.

A new set is a file here and its name in NAMES. A file is imported when its set is asked for; nothing is downloaded.
"""

from __future__ import annotations

import importlib

from derive.errors import DataError, advice
from numerics.datasets.record import Records

NAMES = (
    "gunpoint", "arrowhead", "italypowerdemand", "osuleaf", "japanesevowels", "basicmotions", "tecator",
    "digits", "digits2d", "burgers", "vorticity",
)  # fmt: skip


def names() -> tuple[str, ...]:
    """The data sets that ``load`` knows."""
    return NAMES


def summaries() -> dict[str, str]:
    """What each data set is, in one line."""
    found = {name: importlib.import_module(f"{__name__}.{name}").__doc__ or "" for name in NAMES}
    return {name: " ".join(text.partition("\n\n")[0].split()).removesuffix(".") for name, text in found.items()}


def parts(name: str) -> dict[str, Records]:
    """"train" and "test" of a data set, and of the solved ones the test records at other points too; see ``load``."""
    wanted = str(name).lower()
    if wanted not in NAMES:
        raise DataError(
            f"data set {name!r}", ", ".join(NAMES),
            *advice(name, NAMES, "a typing error", "choose one of these, or write your own .npz"),
        )  # fmt: skip
    found: dict[str, Records] = importlib.import_module(f"{__name__}.{wanted}").parts()
    return found


def load(name: str) -> tuple[Records, Records]:
    """(train, test) of a real data set, with the published split; upper and lower case are the same.

    The series are those of the UCR and UEA archives that sktime ships: GunPoint, ArrowHead, ItalyPowerDemand,
    OSULeaf (classes, one channel), JapaneseVowels (12 channels, 7 to 29 points), BasicMotions (6 channels), and
    Tecator (a number to predict). Digits are scikit-learn's: 64 pixels in [0, 1], row by row; the first 898
    train, the last 899 test; digits2d are the same as functions on a square, 8 × 8 × 1. Burgers and vorticity
    are solutions of Burgers' and of Navier and Stokes' equations, made here. Raises DataError for an unknown name or a
    missing package.
    """
    found = parts(name)
    return found["train"], found["test"]
