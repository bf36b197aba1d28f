"""Files of other kinds: tables, series, sound. Each gives the Records that plain arrays give."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derive.errors import DataError
from numerics import progress
from numerics.datasets import Records, read, records
from tests.builders import refused, same_records

Array = np.ndarray
X = np.round(np.random.default_rng(2).standard_normal((4, 5)), 6)
NAMES = np.array(["oak", "ash", "oak", "elm"])


def lines(header: str, *columns: Any, separator: str = ",") -> str:
    return "\n".join([header, *(separator.join(map(str, row)) for row in zip(*columns))]) + "\n"


# --- .csv ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_with_a_row_a_record(separator: str, end: str, mark: str, tmp_path: Path) -> None:
    header = separator.join(["kind", *(f"s{k}" for k in range(5))])
    text = mark + lines(header, NAMES, *X.T, separator=separator) + "\n\n"
    (tmp_path / "a.csv").write_bytes(text.replace("\n", end).encode())
    assert same_records(read(tmp_path / "a.csv", label="kind"), records(X, y=NAMES))
    (tmp_path / "b.CSV").write_bytes(text.replace(f"{separator}s", f"{separator}0.").encode())
    assert same_records(read(tmp_path / "b.CSV", label="kind"), records(X, xi=[0.0, 0.1, 0.2, 0.3, 0.4], y=NAMES))


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=4),
       numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_keeps_every_number_and_every_name(tmp_path: Path, texts: list[str], numbers: list[float]) -> None:
    """As Python's own writer has them."""
    import csv

    count = min(len(texts), len(numbers))
    names = [f"a{text.strip()}" for text in texts[:count]]
    with open(tmp_path / "a.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["kind", "s"], *zip(names, numbers)])
    found = read(tmp_path / "a.csv", label="kind")
    assert np.array_equal(found.x.ravel(), numbers[:count])
    assert found.y is not None and [found.classes[k] for k in found.y] == [name.strip() for name in names]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["1", "2", "1", "10"], np.array([1, 2, 1, 10])),
        (["-1", "0", "1", "2"], np.array([-1, 0, 1, 2])),
        (["007", "008", "007", "010"], np.array(["007", "008", "007", "010"])),
        (["0.5", "1e3", "2", "-1"], np.array([0.5, 1000.0, 2.0, -1.0])),
        (["1", "2", "x", "3"], np.array(["1", "2", "x", "3"])),
        (["NA", "None", "nan", "null"], np.array(["NA", "None", "nan", "null"])),  # names of classes here
        (["True", "False", "True", "True"], np.array(["True", "False", "True", "True"])),
        (['"a, b"', '"c ""d"""', "e", "é"], np.array(["a, b", 'c "d"', "e", "é"])),
    ],
)
def test_labels_of_csv_are_what_is_written(written: list[str], expected: Array, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines("s0,s1,kind", X[:, 0], X[:, 1], written), encoding="utf-8")
    assert same_records(read(tmp_path / "a.csv", label="kind"), records(X[:, :2], y=expected))


def test_csv_with_several_targets_and_a_row_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(lines("s0,s1,u,v", *X[:, :2].T, X[:, 2], [1, 2, 3, 4]))
    assert same_records(read(path, label=["u", "v"]), records(X[:, :2], y=np.column_stack([X[:, 2], [1, 2, 3, 4]])))
    ids, t = ["q", "q", "01", "q"], [2.5, 0.5, 7.0, 1.0]
    path.write_text(lines("id,t,a,b,kind", ids, t, *X[:, :2].T, ["u", "u", "v", "u"]))
    expected = records([X[[1, 3, 0], :2], X[[2], :2]], xi=[[0.5, 1.0, 2.5], [7.0]], y=["u", "v"])
    assert same_records(read(path, label="kind", id="id", time="t"), expected)
    path.write_text(lines("name,s0,s1", ["a", "b", "c", "d"], *X[:, :2].T))
    assert same_records(read(path, id="name"), records(X[:, :2]))  # a name for every row


def test_empty_cells_are_missing_samples(tmp_path: Path) -> None:
    x = X[:, :2].copy()
    x[0, 0] = x[2, 1] = x[3, 0] = np.nan
    for empty in ("", " ", "NA", "nan"):
        text = lines("s0,s1", *x.T).replace("nan", empty)
        (tmp_path / "a.csv").write_text(text)
        assert same_records(read(tmp_path / "a.csv"), records(x))


def test_row_numbers_that_pandas_wrote_are_left_out(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"s{k}" for k in range(5)]).assign(kind=NAMES)
    frame.to_csv(tmp_path / "a.csv")
    assert same_records(read(tmp_path / "a.csv", label="kind"), records(X, y=NAMES))
    frame.set_axis([3.0, 1.0, 4.0, 1.5]).to_csv(tmp_path / "a.csv")  # an index that is no row numbers
    refused(lambda: read(tmp_path / "a.csv", label="kind"), "a column without a name")


BAD_CSV = {
    "empty": ("", {}, "an empty file"),
    "names alone": ("kind,s\n", {}, "no rows"),
    "no names": (lines("0.5,0.25", *X[:, :2].T), {}, "a first line of numbers that do not increase"),
    "no names, and a label": (lines("1,2", *X[:, :2].T), {"label": "kind"}, "a table without names in its first line"),
    "a name twice": ("s,s\n1,2\n", {}, "two columns named 's'"),
    "a typing error": (lines("kind,s", NAMES, X[:, 0]), {"label": "kin"}, "did you mean 'kind'?"),
    "a label that is not named": (lines("kind,s", NAMES, X[:, 0]), {}, "--label kind"),
    "names of records": (lines("plant no.,s", ["p1", "p2", "p3", "p4"], X[:, 0]), {}, "--id 'plant no.' if it names"),
    "a label of numbers": (lines("label,s", [0, 1, 0, 1], X[:, 0]), {}, "--label label"),
    "a row a sample": (lines("id,time,s", [0, 0, 1, 1], [0, 1, 0, 1], X[:, 0]), {}, "--id COLUMN --time COLUMN"),
    "a word": ("s0,s1\n1,2\n3,x\n", {}, "'x' in line 3, in the column 's1' of numbers"),
    "a decimal comma": ("s0;s1\n1;2\n3;4,5\n", {}, "a decimal comma"),
    "decimal commas": ("s0;s1\n1,5;2\n3;4,5\n", {}, "write numbers as 0.25"),
    "decimal commas between commas": ("s0,s1\n1,5,2,5\n", {}, "4 values in line 2"),
    "a line cut short": ("s0,s1\n1,2\n3\n", {}, "1 values in line 3"),
    "an open quotation mark": ('kind,s\n"a,1\n', {"label": "kind"}, "an open quotation mark"),
    "an infinity": ("s0,s1\n1,inf\n", {}, "x = inf"),
    "a missing label": ("kind,s\na,1\n,2\n", {"label": "kind"}, "a missing target"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_bad_csv(case: str, tmp_path: Path) -> None:
    text, options, words = BAD_CSV[case]
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert refused(lambda: read(path, **options), words).where.startswith(str(path))


def test_csv_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("kind,s\nBäume,1\n".encode("latin-1"))
    refused(lambda: read(tmp_path / "a.csv", label="kind"), "save it in UTF-8")
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04\xff\x00")
    refused(lambda: read(tmp_path / "a.csv"), "another encoding or kind of file")


# --- .parquet, .arff ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["pyarrow", "polars"])
def test_parquet(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    monkeypatch.setattr("numerics.datasets.formats.parquet.READERS", (backend,))
    path = tmp_path / "a.parquet"
    frame = pandas.DataFrame(X, columns=[f"{k / 2}" for k in range(5)]).assign(kind=pandas.Categorical(NAMES))
    frame.set_axis(list("abcd")).to_parquet(path)
    assert same_records(read(path, label="kind"), records(X, xi=np.arange(5) / 2, y=NAMES))
    nested = polars.DataFrame({"a": X.tolist(), "b": (2 * X).tolist(), "kind": polars.Series(NAMES)})
    nested.write_parquet(path)
    assert same_records(read(path, label="kind"), records(np.stack([X, 2 * X], axis=2), y=NAMES))
    moments = np.datetime64("2026-01-01") + np.array([0, 60, 0, 30], "m8[ms]") * 1000
    polars.DataFrame({"id": [4, 4, 2, 2], "t": moments, "s": X[:, 0]}).write_parquet(path)
    assert same_records(read(path, id="id", time="t"), records(X[:, 0].reshape(2, 2), xi=[[0, 60], [0, 30]]))
    path.write_bytes(path.read_bytes()[:-20])
    refused(lambda: read(path), f"{backend} cannot read", "write it again")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(lambda: read(path), 'pip install "neural-continua[data]"')


def test_a_long_table_says_that_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    (tmp_path / "long.csv").write_text("0,1,y\n" + "1,2,3\n" * 20_000)
    read(tmp_path / "long.csv", label="y")
    assert "reading long.csv … " in capsys.readouterr().err


ARFF = """% a remark
@RELATION trees
@ATTRIBUTE s0 NUMERIC
@ATTRIBUTE s1 real
@ATTRIBUTE target {oak,elm,ash}
@DATA
1,2,elm
3.5,-4,oak
"""


def test_arff(tmp_path: Path) -> None:
    path = tmp_path / "a.arff"
    path.write_text(ARFF)
    expected = records([[1.0, 2.0], [3.5, -4.0]], y=["elm", "oak"], classes=["oak", "elm", "ash"])
    assert same_records(read(path), expected) and same_records(read(path, label="target"), expected)
    path.write_text(ARFF.replace("s1 real", "site {1,2,-4}"))
    refused(lambda: read(path), "--label site")
    path.write_text(ARFF.replace("-4,oak", "-4,?"))
    refused(lambda: read(path), "a missing target")
    path.write_text(ARFF.replace("-4,oak", "?,oak"))
    gap = records([[1.0, 2.0], [3.5, np.nan]], y=["elm", "oak"], classes=["oak", "elm", "ash"])
    assert same_records(read(path), gap)
    path.write_text(ARFF.replace("NUMERIC", "string"))
    refused(lambda: read(path), "the .ts file of the same records")
    for text in ("", "x,y\n1,2\n", ARFF.replace("-4,oak", "-4,yew")):
        path.write_text(text)
        refused(lambda: read(path), "SciPy cannot read")


# --- .ts -------------------------------------------------------------------------------------------------------


def series(*rows: str, classes: str = "true oak ash", more: str = "") -> str:
    return "\n".join(["# a remark", "@problemName trees", more, f"@classLabel {classes}", "", "@data", *rows]) + "\n"


TIMED = "@timeStamps true"
SERIES: dict[str, tuple[str, Callable[[], Records]]] = {
    "one channel": (series("1,2,3:ash", "4,5,6 : oak"),
                    lambda: records([[1, 2, 3], [4, 5, 6]], y=["ash", "oak"], classes=["oak", "ash"])),
    "two channels of other lengths": (
        series("1,2:3,4:ash", "5:6:ash"),
        lambda: records([[[1, 3], [2, 4]], [[5, 6]]], y=["ash", "ash"], classes=["oak", "ash"]),
    ),
    "missing samples": (series("1,?:?,4:ash"),
                        lambda: records([[[1, np.nan], [np.nan, 4]]], y=["ash"], classes=["oak", "ash"])),
    "without labels": (series("1,2:3,4", classes="false"), lambda: records([[[1, 3], [2, 4]]])),
    "unknown labels": (series("1,2:?", "3,4:?"), lambda: records([[1, 2], [3, 4]])),
    "numbers": (series("1,2:0.5", classes="false", more="@targetLabel true"), lambda: records([[1, 2]], y=[0.5])),
    "times": (series("(0,1),(1.5,2):(0,3),(1.5,4):oak", more=TIMED),
              lambda: records([[[1, 3], [2, 4]]], xi=[[0, 1.5]], y=["oak"], classes=["oak", "ash"])),
    "dates": (series("(2026-01-01 00:00:00,1),(2026-01-01 00:01:30,2):oak", more=TIMED),
              lambda: records([[1, 2]], xi=[[0, 90]], y=["oak"], classes=["oak", "ash"])),
}  # fmt: skip


@pytest.mark.parametrize("kind", SERIES)
def test_series(kind: str, tmp_path: Path) -> None:
    text, expected = SERIES[kind]
    (tmp_path / "a.ts").write_text(text)
    assert same_records(read(tmp_path / "a.ts"), expected())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line @data"),
        ("@data\n", "no lines behind @data"),
        (series("1,2,3"), "in line 7"),
        (series("1,2:3:ash"), "all channels of a record at the same points"),
        (series("1,x:ash"), "in line 7"),
        (series("1,2:yew"), "the class 'yew'"),
        (series("1,2:oak", "1,2:?"), "a missing target"),
        (series("1,2:oak", classes="false", more="@targetLabel true"), "the target 'oak'"),
        (series("(1.1.2026,1):oak", more=TIMED), "ISO 8601"),
        (series("(0,1):(1,1):oak", more=TIMED), "all channels of a record at the same points"),
        (series("(0,1),(1,2)", more=TIMED), "a label behind the last colon"),
    ],
)
def test_bad_series(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text(text)
    refused(lambda: read(tmp_path / "a.ts"), words)


# --- .wav ------------------------------------------------------------------------------------------------------


def sound(path: Path, samples: Array, rate: int, width: int) -> None:
    """As Python's own writer has it: samples (points, channels), in bytes of a width."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(samples.shape[1])
        stream.setsampwidth(width)
        stream.setframerate(rate)
        wide = samples.astype("<i4").tobytes()
        cut = [wide[k : k + width] for k in range(0, len(wide), 4)]
        stream.writeframes(b"".join(cut))


def test_a_folder_of_sounds(tmp_path: Path) -> None:
    counts = np.array([[0, 100], [-30, 7], [20, -128]])
    for name, rate, width in (("up/b.wav", 8000, 2), ("up/a.WAV", 16000, 3), ("down/c.wav", 8000, 4)):
        sound(tmp_path / name, counts << 8 * (width - 2), rate, width)
    sound(tmp_path / "down" / "d.wav", counts + 128, 100, 1)
    sound(tmp_path / "_noise_" / "e.wav", counts, 8000, 2)
    (tmp_path / "README.md").write_text("sounds")
    (tmp_path / "up" / ".hidden.wav").write_text("")
    found = read(tmp_path)
    times, fine = np.arange(3) / 8000, np.arange(3) / 16000
    x = counts / 2.0**15
    slow = np.arange(3) / 100
    y = ["down", "down", "up", "up"]
    assert same_records(found, records([x, counts / 128, x, x], xi=[times, slow, fine, times], y=y))
    assert same_records(read(tmp_path / "up"), records([x, x], xi=[fine, times]))


def test_bad_sounds(tmp_path: Path) -> None:
    refused(lambda: read(tmp_path), "a folder without .wav files")
    sound(tmp_path / "up" / "a.wav", np.ones((3, 1)), 8000, 2)
    sound(tmp_path / "b.wav", np.ones((3, 1)), 8000, 2)
    refused(lambda: read(tmp_path), "b.wav beside folders such as up")
    (tmp_path / "b.wav").unlink()
    (tmp_path / "up" / "b.wav").write_bytes(b"RIFF and no more")
    assert refused(lambda: read(tmp_path), "SciPy cannot read", "ffmpeg").where.endswith(str(Path("up", "b.wav")))


# --- all of them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet", "a.arff", "a.ts", "folder"])
def test_files_that_are_not_there(name: str, tmp_path: Path) -> None:
    refused(lambda: read(tmp_path / name), "no such file")


@pytest.mark.parametrize("name", ["a.npz", "a.ts", "folder"])
def test_columns_are_named_of_tables_alone(name: str, tmp_path: Path) -> None:
    for option in ("label", "id", "time"):
        refused(lambda: read(tmp_path / name, **{option: "kind"}), ".csv, .parquet, .arff", "leave them out")


def test_text_columns_of_archives_say_how_they_are_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=NAMES.astype(object))
    error = refused(lambda: read(tmp_path / "a.npz"), "y: an array of Python objects", "y.astype(str)")
    assert "different lengths" not in error.cause


@given(content=st.binary(max_size=200), kind=st.sampled_from([".csv", ".ts", ".arff", ".parquet", ".wav"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    if kind == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"a{kind}"
    path.write_bytes(content)
    try:
        read(tmp_path if kind == ".wav" else path)
    except DataError:
        pass
    finally:
        path.unlink()
