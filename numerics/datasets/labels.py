"""Labels of classes: which class a label names, what training data call the classes, and texts that are numbers.

Records keep targets as they were given; a loss decides what they mean. For classes a label is found among the names
that the training data had, as it is written or by its value, so that 1, 1.0 and "1" are one class; only where names
are no numbers do numbers count the classes. For losses of numbers a text is the number that it says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from derive.errors import DataError

Array = np.ndarray
Label = str | int | float | bool

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
SHOWN = 12  # names in a message


def text(label: Any) -> str:
    """A label as names are written: 1.0 is "1"."""
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label)) if whole else str(label)


def value(label: Any) -> float | None:
    """The number that a label is or says; None for other texts."""
    if isinstance(label, str) and not NUMBER.fullmatch(label):
        return None
    return float(label)


def listed(labels: Sequence[Any]) -> str:
    """Labels in a message."""
    more = [] if len(labels) <= SHOWN else ["…"]
    return ", ".join([*map(text, labels[:SHOWN]), *more])


@dataclass(frozen=True)
class Names:
    """Labels of the classes 0, 1, …"""

    labels: Sequence[Label]

    @cached_property
    def texts(self) -> Mapping[str, int]:
        """Classes by what is written."""
        return {text(label): k for k, label in enumerate(self.labels)}

    @cached_property
    def values(self) -> Mapping[float, int]:
        """Classes by their numbers; empty where a name is none, or two are one number."""
        own = [(value(label), k) for k, label in enumerate(self.labels) if label != filler(k)]
        found = {number: k for number, k in own if number is not None}
        return found if len(found) == len(own) else {}

    def find(self, label: Any) -> int | None:
        """The class that a label names, as it is written or by its value; None for no class."""
        if text(label) in self.texts:
            return self.texts[text(label)]
        number = value(label)
        return None if number is None else self.values.get(number)


def filler(k: int) -> str:
    """The name of an output that the data have no name for."""
    return f"class {k}"


def column(labels: Sequence[Label]) -> Array:
    """Labels as an array of their type."""
    whole = [label for label in labels if type(label) is int]
    large = len(whole) == len(labels) and min(whole, default=-1) >= 0 and max(whole) >= 1 << 63
    return np.array(labels, dtype=np.uint64 if large else None)  # which else would be rounded


def indices(y: Array, own: Sequence[Label], known: Sequence[Label], outputs: int, trained: bool = False) -> Array:
    """The class of every record (n,), from 0 to outputs − 1, as a model counts them.

    y: labels (n,) or (n, 1), or one-hot (n, outputs), whose places are positions and no names; where the records name
    classes of their own, positions in these.
    known: the names that a model has, of all its outputs, or (): trained without any, its classes are 0, 1, ….
    Raises DataError naming the record.
    """
    marked = places(y, outputs)
    if marked is not None:
        return marked
    y = single(y, outputs)
    counted = tuple(range(outputs)) if trained else ()
    names = Names(known or (counted if not own or Names(own).values else ()))
    distinct = np.unique(y)
    given = [own[k] for k in distinct.tolist()] if own else distinct.tolist()
    found = [names.find(label) for label in given]
    if None not in found:
        return np.array(found, dtype=np.int64)[np.searchsorted(distinct, y)]
    if names.values or (own and names.labels):
        first = found.index(None)
        raise _unknown(given[first], names.labels, int(np.flatnonzero(y == distinct[first])[0]))
    if not own and not names.labels and new(distinct, outputs):
        return np.searchsorted(distinct, y).astype(np.int64)
    if own and y.max() >= outputs:
        raise _too_many(own, outputs)
    return _in_range(y, outputs)


def new(distinct: Array, outputs: int) -> bool:
    """Whether sorted labels can only be the names of all classes: as many whole numbers, but not those from 0."""
    if distinct.dtype.kind == "b" or len(distinct) != outputs:
        return False
    whole = bool((distinct == np.floor(distinct)).all())
    return whole and not (distinct[0] == 0 and distinct[-1] == outputs - 1)


def learned(y: Array, own: Sequence[Label], outputs: int, trained: bool) -> tuple[Label, ...]:
    """What a model without names calls its outputs after training on these targets; () for 0, 1, … as whole numbers.

    See ``indices``. Raises DataError for more names than outputs.
    """
    if own:
        if trained and Names(own).values:
            return ()
        if len(own) > outputs:
            raise _too_many(own, outputs)
        return (*own, *(filler(k) for k in range(len(own), outputs)))
    y = single(y, outputs)
    if y.dtype.kind == "b":
        return (False, True) if outputs == 2 else ()
    distinct = np.unique(y)
    named = not trained and new(distinct, outputs)
    if y.dtype.kind == "f":
        return tuple(map(float, distinct if named else range(outputs)))
    return tuple(map(int, distinct)) if named else ()


def single(y: Array, outputs: int) -> Array:
    """Labels (n,): one column as it is, of one-hot rows the place of the one. Raises DataError for other shapes."""
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    marked = places(y, outputs)
    if marked is not None:
        return marked
    if y.ndim != 1:
        raise DataError(
            f"classes of shape {y.shape}", f"one label a record (n,), or one-hot rows (n, {outputs})",
            "shares of classes, numbers or functions, with a loss of classes",
            "give one label a record, or declare a loss of numbers; kullback-leibler takes shares",
        )  # fmt: skip
    return y


def places(y: Array, outputs: int) -> Array | None:
    """Where the ones of one-hot rows (n, outputs) are, (n,): rows with a single one beside zeros. None for others."""
    if y.ndim != 2 or y.shape[1] != outputs or outputs == 1:
        return None
    hot = bool(((y == 0) | (y == 1)).all() and (np.count_nonzero(y, axis=1) == 1).all())
    return np.argmax(y, axis=1) if hot else None


def _in_range(y: Array, outputs: int) -> Array:
    """Positions as they are. Raises DataError for others."""
    y = y.astype(np.int64) if y.dtype.kind == "b" else y
    wrong = np.flatnonzero((y != np.floor(y)) | (y < 0) | (y >= outputs))
    if len(wrong):
        label = y[wrong[0]].item()
        between = label != int(label)
        raise DataError(
            f"the class {text(label)}", f"whole numbers from 0 to {outputs - 1}, or names, one a record",
            "numbers of a regression, with a loss of classes" if between
            else "classes that are counted from 1, or others than readout.outputs declares",
            'declare loss.kind = "l2"' if between
            else "change readout.outputs, or give the classes names: y as texts, or classes=[…] with positions",
            f"record {wrong[0]}",
        )  # fmt: skip
    return y.astype(np.int64)


def _too_many(own: Sequence[Label], outputs: int) -> DataError:
    return DataError(
        f"{len(own)} classes: {listed(own)}", f"{outputs}, as readout.outputs declares",
        "the data belong to another spec", "leave out the names that no record has, or change readout.outputs",
    )  # fmt: skip


def _unknown(label: Any, known: Sequence[Label], record: int) -> DataError:
    number = not isinstance(label, str)
    return DataError(
        f"the class {label if number else repr(label)}", f"the classes of the training data: {listed(known)}",
        "positions of classes that are numbers themselves, or records of another problem" if number
        else "records of another problem",
        "give the classes' own numbers, or train a model that knows this one" if number
        else "rename the class, or train a model that knows it", f"record {record}",
    )  # fmt: skip


def as_numbers(y: Array, own: Sequence[Label] = ()) -> Array:
    """Targets as float64, for losses of numbers: texts are the numbers that they say.

    own: names of classes, y then being positions in them. Raises DataError naming the record for any other text.
    """
    if not own and y.dtype.kind != "U":
        return y.astype(np.float64)
    said = list(own) if own else np.unique(y).tolist()
    where = y if own else np.searchsorted(said, y)
    found = np.array([np.nan if (number := value(label)) is None else number for label in said])
    wrong = np.argwhere(~np.isfinite(found[where]))
    if len(wrong):
        label = said[int(where[tuple(wrong[0])])]
        raise DataError(
            f"y = {label!r} for a loss of numbers", "finite numbers, or texts such as \"2.5\" that say them",
            "names of classes with a loss of numbers, a decimal comma, or a missing value",
            'declare loss.kind = "cross-entropy" for classes; else convert y to float64', f"record {wrong[0][0]}",
        )  # fmt: skip
    return np.asarray(found[where])
