"""The series of the UCR and UEA archives: a header, then a line a record, its channels and its label behind colons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DataError
from numerics.datasets.given import from_given
from numerics.datasets.labels import NUMBER
from numerics.datasets.points import coordinates, in_units
from numerics.datasets.record import Records, refusal

Array = np.ndarray
PAIR = re.compile(r"\(([^(),]*),([^(),]*)\)")  # a sample with its time
MISSING = "?"


def read(path: Path) -> Records:
    """Records, with names of classes in the header's order, or numbers where it has targets. Raises DataError."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()  # of remarks in other encodings
    header: dict[str, list[str]] = {}
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("@"):
            key, *values = line[1:].split() or [""]
            header[key.lower()] = values
        elif line and not line.startswith("#"):
            rows.append((number, line))
    if "data" not in header or not rows:
        raise refusal(
            "no line @data" if "data" not in header else "no lines behind @data", "a .ts file as archives have it",
            "another kind of file, or one cut short", "write or copy it again",
        )  # fmt: skip
    labelled, timed = any(_says(header, key) for key in ("classlabel", "targetlabel")), _says(header, "timestamps")
    x: list[Array] = []
    xi: list[Array | None] = []
    labels: list[str] = []
    for number, row in rows:
        channels, label = _split(row, labelled, timed, number)
        samples, points = _samples(channels, timed, number)
        x.append(samples)
        xi.append(points)
        labels.append(label)
    y, classes = _targets(labels, header) if labelled else (None, [])
    return from_given(x, xi if timed else None, y, classes, "")


def _says(header: Mapping[str, Sequence[str]], key: str) -> bool:
    return header.get(key, ["false"])[:1] in (["true"], ["True"], ["TRUE"])


def _split(line: str, labelled: bool, timed: bool, number: int) -> tuple[list[str], str]:
    """The channels of a line, and its label."""
    parts = re.split(r"(?<=\))\s*:", line) if timed else line.split(":")
    channels, label = (parts[:-1], parts[-1].strip()) if labelled else (parts, "")
    if not channels or (labelled and (not label or label.startswith("("))):
        raise _wrong(f"{line[:40]!r}", "channels, and a label behind the last colon", "a line cut short", number)
    return channels, label


def _samples(channels: Sequence[str], timed: bool, number: int) -> tuple[Array, Array | None]:
    """The samples of a line (points, channels), and their points where it has times."""
    times: list[list[str]] = []
    cells = [channel.split(",") for channel in channels]
    if timed:
        pairs = [PAIR.findall(channel) for channel in channels]
        times = [[time.strip() for time, _ in own] for own in pairs]
        cells = [[value for _, value in own] for own in pairs]
    if len({len(own) for own in cells}) > 1 or any(own != times[0] for own in times):
        raise _wrong(
            f"channels with {', '.join(str(len(own)) for own in cells)} samples, or at other times",
            "all channels of a record at the same points", "channels that were sampled apart from each other", number,
        )  # fmt: skip
    try:
        values = np.array([[np.nan if v.strip() == MISSING else float(v) for v in own] for own in cells]).T
    except ValueError as error:
        raise _wrong(str(error), "numbers between commas, ? where one is missing", "a damaged file", number) from None
    found = coordinates(times[0]) if timed else None
    if timed and found is None:
        raise _wrong(
            f"times such as {', '.join(times[0][:1]) or 'none'}", "(time, value), times as numbers or in ISO 8601",
            "times in another form", number,
        )  # fmt: skip
    return values, None if found is None else in_units(found)


def _targets(labels: Sequence[str], header: Mapping[str, list[str]]) -> tuple[Any, list[str]]:
    """Numbers for a regression, else names in the header's order; None where all are unknown."""
    if all(label == MISSING for label in labels):
        return None, []
    known = [None if label == MISSING else label for label in labels]
    if not _says(header, "targetlabel"):
        return known, header["classlabel"][1:]
    wrong = next((label for label in known if label is not None and not NUMBER.fullmatch(label)), None)
    if wrong is not None:
        raise refusal(f"the target {wrong!r}", "numbers, as @targetlabel says", "names of classes", "write @classLabel")
    return [None if label is None else float(label) for label in known], []


def _wrong(given: str, allowed: str, cause: str, line: int) -> DataError:
    return refusal(f"{given}, in line {line}", allowed, cause, "write the line again")
