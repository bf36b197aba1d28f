"""Containers of other packages: each gives the Records that plain arrays give, or a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.datasets import Records, labels, records
from tests.builders import refused, same_records

Array = np.ndarray
GENERATOR = np.random.default_rng(5)
X = GENERATOR.standard_normal((4, 6, 3))  # (records, points, channels)
T = np.array([0.0, 0.1, 0.25, 0.5, 2.0, 9.0])  # in units of one's own
RAGGED = [X[n, : 6 - n] for n in range(4)]
NAMES = np.array(["oak", "ash", "oak", "elm"])


# --- arrays of other packages -------------------------------------------------------------------------------


class Tensor:
    """As PyTorch's: with a history, on a device, read by DLPack alone."""

    def __init__(self, values: Array, place: str = "cuda", history: bool = True) -> None:
        self.values, self.place, self.history = values, place, history

    def detach(self) -> Tensor:
        return Tensor(self.values, self.place, False)

    def cpu(self) -> Tensor:
        return Tensor(self.values, "cpu", self.history)

    def __dlpack__(self, **options: Any) -> Any:
        if self.history or self.place != "cpu":
            raise BufferError("Can't export tensors that require gradient")
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Interface:
    """Read by ``__array_interface__`` alone."""

    def __init__(self, values: Array) -> None:
        self.values, self.__array_interface__ = values, values.__array_interface__


class Method:
    """Read by ``__array__`` alone, and by none where it raises."""

    def __init__(self, values: Array | None) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.values is None:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return np.array(self.values, dtype=dtype)


@pytest.mark.parametrize("kind", [Tensor, Interface, Method])
def test_arrays_of_other_packages(kind: Any) -> None:
    y = np.array([3, 1, 3, 2])
    expected = records(X, xi=T, y=y)
    assert same_records(records(kind(X), xi=kind(T), y=kind(y)), expected)
    assert same_records(records([kind(x) for x in X], xi=[kind(T)] * 4, y=kind(y)), expected)
    assert same_records(records([kind(x) for x in RAGGED], y=[kind(x) for x in RAGGED]), records(RAGGED, y=RAGGED))
    assert same_records(records(kind(X.swapaxes(1, 2)), xi=kind(T), layout="channels_first"), records(X, xi=T))


def test_arrays_that_numpy_cannot_read() -> None:
    refused(lambda: records(Method(None)), "BFloat16", "float32")
    refused(lambda: records([Method(None)]), "BFloat16")


# --- where the channels are -----------------------------------------------------------------------------------


def test_channels_first() -> None:
    first = X.swapaxes(1, 2)
    assert same_records(records(first, xi=T, y=first, layout="channels_first"), records(X, xi=T, y=X))
    assert same_records(records([x.T for x in RAGGED], layout="channels_first"), records(RAGGED))
    assert same_records(records(first.tolist(), layout="channels_first"), records(X))
    assert same_records(records(X[:, :, 0], layout="channels_first"), records(X[:, :, 0]))
    image = GENERATOR.standard_normal((2, 3, 4, 5))
    assert same_records(records(image, layout="channels_first"), records(np.moveaxis(image, 1, -1)))
    for wrong in ("channels first", "NCL", 1):
        refused(lambda: records(X, layout=wrong), "'channels_last' or 'channels_first'")


@pytest.mark.parametrize(
    "call",
    [
        lambda x, layout: records(x, xi=T, layout=layout),
        lambda x, layout: records(x, xi=[T] * 4, layout=layout),
        lambda x, layout: records([part[:, : 6 - n] for n, part in enumerate(x)], layout=layout),
        lambda x, layout: records(x.swapaxes(1, 2), y=x[:, :2], layout=layout),
    ],
)
def test_a_shape_that_fits_when_swapped_says_so(call: Callable[..., Records]) -> None:
    error = refused(lambda: call(X.swapaxes(1, 2), "channels_last"), "they fit when swapped")
    assert error.fix == "give layout='channels_first' to records"


def test_the_other_layout_is_named_too() -> None:
    refused(lambda: records(X, xi=T, layout="channels_first"), "give layout='channels_last'")


# --- the index of a series gives its points -------------------------------------------------------------------

BEGUN = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # the clocks of Europe are put forward half an hour later
MOMENTS = [BEGUN + timedelta(seconds=float(t)) for t in 3600 * T]
INDICES: dict[str, tuple[Any, Array | None]] = {  # an index, and the points that it gives
    "row numbers": (range(6), None),
    "of a part": (np.arange(6) + 40, None),
    "small": (np.arange(6, dtype=np.uint8), None),
    "names": (list("abcdef"), None),
    "whole numbers": (np.arange(6) * 5 - 10, np.arange(6.0) * 5 - 10),
    "every second row": (range(0, 12, 2), np.arange(6.0) * 2),
    "real numbers": (T, T),
    "equally spaced": (np.arange(6) * 0.25 + 3, np.arange(6) * 0.25 + 3),
    "single precision": (T.astype(np.float32), T.astype(np.float32)),
    "texts of numbers": ([str(t) for t in T], T),
    "texts of row numbers": ([str(k) for k in range(6)], None),
    "fractions": ([Fraction(k, 4) for k in range(6)], np.arange(6) / 4),
    "durations": (np.array(1000 * T, dtype="m8[ms]"), T),
    "durations of Python": ([timedelta(seconds=t) for t in T], T),
    "times": (np.datetime64("2026-01-01T12:00:00.123") + np.array(1000 * T, dtype="m8[ms]"), T),
    "days": (np.datetime64("2026-01-31") + np.array([0, 1, 2, 5, 6, 9]), 86400.0 * np.array([0, 1, 2, 5, 6, 9])),
    "times in a zone": (MOMENTS, 3600 * T),
    "texts of times": ([str(moment.replace(tzinfo=None)) for moment in MOMENTS], 3600 * T),
    "texts of times in a zone": ([moment.isoformat() for moment in MOMENTS], 3600 * T),
}


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_gives_the_points(kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    index, points = INDICES[kind]
    index = pandas.Index(index)
    series = [pandas.Series(x, index=index) for x in X[:, :, 0]]
    expected = records(X[:, :, 0], xi=points)
    assert same_records(records(series), expected)
    assert same_records(records(pandas.Series(series)), expected)
    assert same_records(records(pandas.DataFrame(X[:, :, 0], columns=index)), expected)
    assert same_records(records([pandas.DataFrame(x, index=index) for x in X]), records(X, xi=points))
    assert same_records(records(series, xi=T / 2), records(X[:, :, 0], xi=T / 2))  # points that are given count


def test_indices_of_pandas_own_kinds() -> None:
    pandas = pytest.importorskip("pandas")
    moments = pandas.DatetimeIndex(MOMENTS)
    for index in (moments, moments.tz_convert("Europe/Berlin"), moments.tz_localize(None)):
        assert same_records(records([pandas.Series(X[0, :, 0], index=index)]), records(X[:1, :, 0], xi=3600 * T))
        assert same_records(records(pandas.DataFrame(X[:, :, 0], columns=index)), records(X[:, :, 0], xi=3600 * T))
    months = pandas.period_range("2026-01", periods=6, freq="M")
    days = 86400.0 * np.array([0, 31, 59, 90, 120, 151])
    assert same_records(records([pandas.Series(X[0, :, 0], index=months)]), records(X[:1, :, 0], xi=days))


def test_times_count_from_each_records_own_first() -> None:
    pandas = pytest.importorskip("pandas")
    series = []
    for n, x in enumerate(RAGGED):
        series.append(pandas.Series(x[:, 0], index=pandas.to_timedelta(T[: len(x)] + n, unit="s")))
    assert np.allclose(records(series).xi, np.concatenate([T[: len(x)] + n for n, x in enumerate(RAGGED)]))
    zero = pandas.Timestamp("2026-01-01")
    dated = [s.set_axis(zero + s.index) for s in series]
    assert np.allclose(records(dated).xi, np.concatenate([T[: len(x)] for x in RAGGED]))


def test_an_index_that_would_be_lost_or_misread_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    for index in ([0, 1, 2, 3, 5, 8], [5, 4, 3, 2, 1, 0], [0, 0, 1, 2, 3, 4]):
        refused(lambda: records([pandas.Series(X[0, :, 0], index=index)]), "not equally spaced", "record 0")
    columns = pandas.Index([0, 1, 2, 3, 5, 8]).astype(str)
    refused(lambda: records(pandas.DataFrame(X[:, :, 0], columns=columns)), "not equally spaced")
    for index in (pandas.interval_range(0, 6), [0, "a", 1, 2, 3, 4], [True] * 6):
        refused(lambda: records([pandas.Series(X[0, :, 0], index=index)]), "an index of", "record 0")
    refused(lambda: records([pandas.Series(X[0, :, 0], index=T), X[1, :, 0]]), "beside others without", "record 1")
    gap = pandas.to_datetime(["2026-01-01", None, *["2026-01-02"] * 4])
    refused(lambda: records([pandas.Series(X[0, :, 0], index=gap)]), "xi = nan", "record 0")


def test_points_as_times_and_durations() -> None:
    pandas = pytest.importorskip("pandas")
    moments = np.datetime64("2026-01-01") + np.array(1000 * T, dtype="m8[ms]")
    for xi in (moments, moments - moments[0], pandas.DatetimeIndex(moments), pandas.Series(moments), list(moments)):
        assert same_records(records(X, xi=xi), records(X, xi=T))
        assert same_records(records(X, xi=[xi] * 4), records(X, xi=T))
    assert same_records(records(X, xi=pandas.DataFrame([T] * 4)), records(X, xi=T))
    assert same_records(records(X, xi=np.tile(moments, (4, 1))), records(X, xi=T))


# --- tables and panels ----------------------------------------------------------------------------------------


def frames() -> dict[str, Callable[[dict[str, Any]], Any]]:
    pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    return {
        "pandas": pandas.DataFrame,
        "pandas on Arrow": lambda columns: pandas.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
        "polars": polars.DataFrame,
        "PyArrow": arrow.table,
    }


@pytest.mark.parametrize("package", ["pandas", "pandas on Arrow", "polars", "PyArrow"])
def test_a_row_a_record(package: str) -> None:
    frame = frames()[package]
    plain = {f"s{k}": X[:, k, 0] for k in range(6)}
    assert same_records(records(frame(plain)), records(X[:, :, 0]))
    assert same_records(records(frame({str(t): X[:, k, 0] for k, t in enumerate(T)})), records(X[:, :, 0], xi=T))
    with_label = frame({**plain, "kind": NAMES})
    assert same_records(records(frame(plain), y=with_label["kind"]), records(X[:, :, 0], y=NAMES))
    whole = np.arange(8).reshape(4, 2)
    assert same_records(records(frame({"a": whole[:, 0], "b": whole[:, 1]})), records(whole))
    error = refused(lambda: records(with_label), "a column 'kind' of text, such as 'oak'")
    assert "y=table['kind']" in error.fix and "decimal" not in error.cause
    two = frame({"first": X[:, 0, 0], "second": X[:, 1, 0]})
    assert same_records(records(X, y=two), records(X, y=X[:, :2, 0]))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": [0, 1]}, "a column 'label' that would be taken for a sample"),
        ({"Y": [0.5, 1.5]}, "a target beside the samples"),
        ({"id": [0, 1]}, "from_long(table, id, time)"),
        ({"Time": [0.0, 1.0]}, "from_long(table, id, time)"),
        ({"when": np.array(["2026-01-01"] * 2, "M8[s]")}, "a column 'when' of times"),
        ({"good": [True, False]}, "a column 'good' of truth values"),
        ({"gap": [None, None]}, "a column 'gap' of missing values alone"),
        ({"comma": ["0,5", "1"]}, "decimal commas"),
        ({"text": ["0.5", "1"]}, "numbers as texts"),
        ({"0": [1, 2], "1": [1, 2], "weight": [70, 80]}, "a column 'weight' that would be taken for a sample"),
        ({"s": [[1, 2], [3, 4]]}, "'a' of single values beside columns whose cells hold series"),
    ],
)
def test_columns_that_are_no_samples(columns: dict[str, Any], words: str) -> None:
    pandas = pytest.importorskip("pandas")
    own = {} if "0" in columns else {"a": [1.0, 2.0]}
    refused(lambda: records(pandas.DataFrame({**own, **columns})), words)


def test_frames_that_cannot_be_read() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    twice = pandas.DataFrame(np.ones((2, 2)), columns=["a", "a"])
    refused(lambda: records(twice), "two columns 'a'")
    refused(lambda: records(polars.LazyFrame({"a": [1.0]})), ".collect()")
    refused(lambda: records(pandas.DataFrame({("a", 0): [1.0], ("a", 1): [2.0]})), "2 levels in its columns")
    index = pandas.MultiIndex.from_product([[0], [0], [0, 1]])
    refused(lambda: records(pandas.DataFrame({"a": [1.0, 2.0]}, index=index)), "3 levels in its index")
    refused(lambda: records([pandas.DataFrame()]), "without columns")
    refused(lambda: records(polars.DataFrame({"a": [None, [1.0]]})), "a cell without samples", "record 0")
    refused(lambda: records(pandas.DataFrame({"a": [1j]})), "complex numbers")
    refused(lambda: records(X, y=pandas.DataFrame()), "y of shape (0, 0)")
    refused(lambda: records("data.csv"), "numerics.datasets.read")


def test_cells_that_hold_series() -> None:
    """sktime's nested frames; lists in cells, as polars and Arrow have them."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {f"c{k}": [part[:, k] for part in RAGGED] for k in range(3)}
    nested = pandas.DataFrame({name: list(map(pandas.Series, parts)) for name, parts in columns.items()})
    expected = records(RAGGED)
    assert same_records(records(nested), expected)
    lists = {name: [part.tolist() for part in parts] for name, parts in columns.items()}
    assert same_records(records(polars.DataFrame(lists)), expected)
    equal = polars.DataFrame({f"c{k}": X[:, :, k] for k in range(3)})  # arrays of one length
    assert same_records(records(equal), records(X))
    assert same_records(records(polars.Series(columns["c0"])), records([part[:, 0] for part in RAGGED]))
    other = {**columns, "c0": columns["c0"][::-1]}
    refused(lambda: records(pandas.DataFrame(other)), "all channels of a record at the same points", "record 0")


def test_rows_under_an_index_of_two_levels() -> None:
    """sktime's multi-index panels: the records in the order of their first rows, and sorted by time."""
    pandas = pytest.importorskip("pandas")
    ids = np.concatenate([[name] * len(part) for name, part in zip("dbca", RAGGED)])
    for times, points in ((T, [T[: len(part)] for part in RAGGED]), (range(6), None)):
        own = np.concatenate([list(times)[: len(part)] for part in RAGGED])
        index = pandas.MultiIndex.from_arrays([ids, own])
        frame = pandas.DataFrame(np.concatenate(RAGGED), columns=list("xyz"), index=index)
        assert same_records(records(frame), records(RAGGED, xi=points))
        backwards = frame.iloc[::-1]
        assert same_records(records(backwards), records(RAGGED[::-1], xi=None if points is None else points[::-1]))


@pytest.mark.slow
def test_panels_of_sktime() -> None:
    convert = pytest.importorskip("sktime.datatypes").convert
    pandas = pytest.importorskip("pandas")
    panel = convert(X.swapaxes(1, 2), "numpy3D", "pd-multiindex")
    assert same_records(records(panel), records(X))
    for kind in ("df-list", "nested_univ"):
        assert same_records(records(convert(panel, "pd-multiindex", kind)), records(X))
    assert isinstance(panel.index, pandas.MultiIndex)


# --- labels keep their names ------------------------------------------------------------------------------------


def columns_of_names() -> dict[str, Any]:
    pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    return {
        "string": pandas.Series(NAMES, dtype="string"),
        "string on Arrow": pandas.Series(NAMES, dtype=pandas.ArrowDtype(arrow.string())),
        "categories": pandas.Series(NAMES, dtype="category"),
        "polars": polars.Series(NAMES),
        "polars' categories": polars.Series(NAMES.tolist(), dtype=polars.Categorical),
        "Arrow": arrow.array(NAMES),
        "Arrow in chunks": arrow.chunked_array([NAMES[:1], NAMES[1:]]),
        "Arrow's dictionary": arrow.array(NAMES).dictionary_encode(),
        "bytes": polars.Series([name.encode() for name in NAMES]),
        "a frame": polars.DataFrame({"kind": NAMES}),
    }


def test_columns_of_names() -> None:
    for kind, y in columns_of_names().items():
        assert same_records(records(X, y=y), records(X, y=NAMES)), kind


def test_categories_in_an_order_of_their_own_keep_it() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    order = ["oak", "elm", "ash", "yew"]
    for y in (polars.Series(NAMES.tolist(), dtype=polars.Enum(order)), pandas.Categorical(NAMES, categories=order)):
        assert same_records(records(X, y=y), records(X, y=NAMES, classes=order))


def test_columns_of_whole_numbers_and_truth_values() -> None:
    pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    for bits in (8, 16, 32, 64):
        for sign in ("int", "uint"):
            y = np.array([3, 1, 3, 100], dtype=f"{sign}{bits}")
            title = f"{'U' if sign == 'uint' else ''}Int{bits}"
            for column in (pandas.Series(y, dtype=title), polars.Series(y), arrow.array(y)):
                found = records(X, y=column).y
                assert found is not None and found.dtype == y.dtype and np.array_equal(found, y)
    truth = np.array([True, False, True, True])
    for column in (pandas.Series(truth, dtype="boolean"), polars.Series(truth), arrow.array(truth)):
        found = records(X, y=column).y
        assert found is not None and found.dtype == bool and np.array_equal(found, truth)


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=2, max_size=4, unique=True))
def test_whole_numbers_of_any_size_come_back(classes: list[int]) -> None:
    if min(classes) < 0 and max(classes) >= 2**63:
        return  # no type of NumPy's holds both
    y = np.array(classes, dtype=np.uint64 if max(classes) >= 2**63 else np.int64)
    data = records(np.ones((len(y), 3)), y=y)
    assert data.y is not None
    known = labels.learned(data.y, data.classes, len(y), trained=False)
    places = labels.indices(data.y, data.classes, known, len(y))
    assert np.array_equal(labels.column(known or range(len(y)))[places], y)


def test_gaps_are_named_by_record() -> None:
    pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    names = ["oak", None, "elm", "ash"]
    texts = pandas.Series(names), arrow.array(names)
    for y in (*texts, polars.Series(names), polars.Series(names, dtype=polars.Categorical),
              pandas.Series([1, None, 2, 3], dtype="Int64"), polars.Series([1, None, 2, 3])):  # fmt: skip
        assert refused(lambda: records(X, y=y), "a missing target").where == "record 1"
