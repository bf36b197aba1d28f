"""Tables with a row a sample: whatever the order of their rows, the records that plain arrays give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.datasets import from_long, records
from tests.builders import refused, same_records

Array = np.ndarray


def table(lengths: list[int], names: list[Any], seed: int = 0) -> tuple[dict[str, Array], list[Array], list[Array]]:
    """Columns of records that lie behind each other, their samples (points, 2) and their times."""
    generator = np.random.default_rng(seed)
    x = [generator.standard_normal((n, 2)) for n in lengths]
    t = [np.sort(generator.uniform(-5, 50, n)) for n in lengths]
    flat = np.concatenate(x)
    ids = np.repeat(np.array(names, dtype=object), lengths)
    return {"who": ids, "t": np.concatenate(t), "a": flat[:, 0], "b": flat[:, 1]}, x, t


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=st.integers(0, 99), kind=st.integers(0, 2))
def test_rows_in_any_order(lengths: list[int], seed: int, kind: int) -> None:
    """A loop over the records in the order of their first rows, each sorted by time."""
    names: list[Any] = [[f"n{-k}" for k in range(len(lengths))], [7 - k for k in range(len(lengths))],
                        [0.5 - k for k in range(len(lengths))]][kind]  # fmt: skip
    columns, x, t = table(lengths, names, seed)
    order = np.random.default_rng(seed).permutation(sum(lengths))
    shuffled = {name: column[order] for name, column in columns.items()}
    kinds = np.array(["oak", "ash"])[[k % 2 for k in range(len(lengths))]]
    shuffled["kind"] = np.repeat(kinds, lengths)[order]
    first = list(dict.fromkeys(shuffled["who"].tolist()))
    places = [names.index(name) for name in first]
    expected = records([x[k] for k in places], xi=[t[k] for k in places], y=kinds[places])
    assert same_records(from_long(shuffled, "who", "t", label="kind"), expected)
    one = from_long(shuffled, id="who", time="t", channels="b", label="kind")
    assert same_records(one, records([x[k][:, 1] for k in places], xi=[t[k] for k in places], y=kinds[places]))
    untimed = from_long({name: columns[name] for name in ("who", "a", "b")}, "who")
    assert same_records(untimed, records(x))
    alone = {name: columns[name][: lengths[0]] for name in ("t", "a", "b")}
    assert same_records(from_long(alone, time="t"), records(x[:1], xi=t[:1]))


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_frames(package: str) -> None:
    frame = getattr(pytest.importorskip(package), "table" if package == "pyarrow" else "DataFrame")
    columns, x, t = table([3, 2, 4], ["p", "q", "r"])
    moments = np.datetime64("2026-01-01") + (1000 * columns["t"]).astype("m8[ms]")
    columns["who"] = columns["who"].astype(str)
    frames = frame({**columns, "kind": np.repeat([3, 1, 3], [3, 2, 4])})
    assert same_records(from_long(frames, "who", "t", label="kind"), records(x, xi=t, y=np.array([3, 1, 3])))
    dated = from_long(frame({**columns, "t": moments}), "who", "t")
    since = [np.array((1000 * part).astype("m8[ms]") - (1000 * part[:1]).astype("m8[ms]"), float) / 1000 for part in t]
    assert np.allclose(dated.xi, np.concatenate(since), atol=1e-12)
    said = from_long({**columns, "t": moments.astype(str)}, "who", "t")
    assert np.allclose(said.xi, np.concatenate(since), atol=1e-12)


def test_whole_numbers_are_points_where_a_column_of_time_is_named() -> None:
    columns, x, _ = table([3, 2], ["p", "q"])
    columns["t"] = np.array([0, 1, 2, 0, 1])
    assert same_records(from_long(columns, "who", "t"), records(x, xi=[[0, 1, 2], [0, 1]]))


def test_targets_of_long_tables() -> None:
    columns, x, t = table([3, 2], ["p", "q"])
    numbers = {**columns, "u": np.repeat([0.5, 1.5], [3, 2]), "v": np.repeat([2, 3], [3, 2])}
    assert same_records(from_long(numbers, "who", "t", ["a", "b"], "u"), records(x, xi=t, y=np.array([0.5, 1.5])))
    two = from_long(numbers, "who", "t", ["a", "b"], ["u", "v"])
    assert same_records(two, records(x, xi=t, y=np.array([[0.5, 2.0], [1.5, 3.0]])))
    functions = from_long({**columns, "f": columns["a"] ** 2}, "who", "t", ["a", "b"], "f")
    assert same_records(functions, records(x, xi=t, y=[part[:, :1] ** 2 for part in x]))
    assert functions.functions
    named = from_long({**columns, "k": np.repeat(["u", "v"], [3, 2])}, "who", "t", label="k", classes=["v", "u"])
    assert named.classes == ("v", "u") and named.y is not None and named.y.tolist() == [1, 0]


COLUMNS, _, _ = table([3, 2], ["p", "q"])
LABELS = np.array(["u", "u", "u", "v", "v"], dtype=object)
BAD: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "a typing error": ({}, {"id": "woh"}, ("no column 'woh'", "did you mean 'who'?")),
    "a list for a name": ({}, {"id": ["who"]}, ("no column ['who']",)),
    "an index": ({}, {"time": "seconds"}, ("no column 'seconds'", "reset_index")),
    "no such channel": ({}, {"channels": ["a", "zeta"]}, ("no column 'zeta'",)),
    "two roles": ({}, {"time": "who"}, ("'who' in two roles",)),
    "no channels": ({}, {"label": ["a", "b"]}, ("without channels",)),
    "a label among channels": ({"k": LABELS}, {}, ("a column 'k' of text, such as 'u'", "label='k'")),
    "truth values": ({"k": np.ones(5, bool)}, {}, ("a column 'k' of type bool",)),
    "nothing measured": ({"k": np.full(5, None)}, {}, ("a column 'k' of missing values alone",)),
    "a record without a name": ({"who": np.array(["p", None, "p", "q", "q"], dtype=object)}, {}, ("in row 1", "'who'")),
    "a missing time": ({"t": np.array([0, 1, np.nan, 0, 1])}, {}, ("no time in row 2",)),
    "a date of another form": ({"t": np.array(["2026-01-01", *["1.2.2026"] * 4])}, {}, ("'1.2.2026' in row 1", "ISO")),
    "a time twice": ({"t": np.array([0, 1, 1, 0, 1])}, {}, ("two rows at 1 in the record 'p'", "record 0")),
    "two labels": (
        {"k": np.array(["u", "u", "u", "v", "w"])}, {"label": "k"}, ("'v' and 'w' in the column 'k' of the record 'q'",)
    ),
    "labels of some rows": (
        {"k": np.array(["u", None, None, "v", None], dtype=object)}, {"label": "k"}, ("'u' and no value", "fill the")
    ),
    "a record without a label": (
        {"k": np.array(["u", "u", "u", None, None], dtype=object)}, {"label": "k"}, ("a missing target", "record 1")
    ),
    "an infinity": ({"a": np.array([0, 1, 2, 3, np.inf])}, {}, ("x = inf at position", "record 1")),
    "columns of other lengths": ({"k": np.ones(4)}, {}, ("k (4,)", "equal lengths")),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str) -> None:
    columns, options, words = BAD[case]
    refused(lambda: from_long({**COLUMNS, **columns}, **{"id": "who", "time": "t", **options}), *words)


def test_arrays_are_no_tables() -> None:
    refused(lambda: from_long({"who": np.array([]), "t": np.array([]), "a": np.array([])}, "who", "t"), "without rows")
    refused(lambda: from_long(np.ones((3, 2)), "who"), "a table of type ndarray", "records(x, y, xi)")
