"""Records from arrays, from files good and bad, and from the packages that ship real ones."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derive.errors import DataError
from numerics import datasets
from numerics.datasets import read, records, write
from tests.builders import refused, same_records

RAGGED = [np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0]), np.array([6.0])]


# --- arrays -------------------------------------------------------------------------------------------------


def test_rectangular_records() -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    found = records(x, xi=np.linspace(-1, 1, 4), y=[0, 1])
    assert (len(found), found.channels) == (2, 3)
    assert np.array_equal(found.lengths, [4, 4])
    assert all(np.array_equal(a, b) for a, b in zip(found.samples(), x))
    assert all(np.array_equal(p, np.linspace(-1, 1, 4)) for p in found.points())
    assert found.y is not None and found.y.dtype.kind == "i"
    assert records(x[:, :, 0]).channels == 1
    assert records(x[:, :, 0]).points() == [None, None]
    assert repr(found) == "Records(2 records, 4 points, 3 channels, y int64 (2,))"


def test_ragged_records_with_points_of_their_own() -> None:
    xi = [[-1, 0, 1], [-0.5, 0.5], [0.25]]
    found = records(RAGGED, xi=xi, y=[0.5, -1.0, 2.0])
    assert np.array_equal(found.offsets, [0, 3, 5, 6])
    assert [s.shape for s in found.samples()] == [(3, 1), (2, 1), (1, 1)]
    assert [list(p) for p in found.points() if p is not None] == xi
    assert found.y is not None and found.y.dtype == np.float64
    assert repr(found).startswith("Records(3 records, 1 to 3 points")


def test_a_row_of_points_for_every_record() -> None:
    xi = np.array([[-1.0, 0.0, 1.0], [-0.5, 0.0, 0.5]])
    found = records(np.ones((2, 3)), xi=xi)
    assert all(np.array_equal(a, b) for a, b in zip(found.points(), xi))


def test_class_names_are_numbered_and_kept() -> None:
    found = records(np.ones((3, 2)), y=["walk", "run", "walk"])
    assert found.classes == ("run", "walk")
    assert np.array_equal(found.y, [1, 0, 1])
    ordered = records(np.ones((2, 2)), y=np.array(["b", "b"]), classes=["b", "a"])
    assert np.array_equal(ordered.y, [0, 0])
    assert np.array_equal(records(np.ones((2, 2)), y=np.array([True, False])).y, [1, 0])


def test_function_targets() -> None:
    y = np.arange(12.0).reshape(2, 3, 2)
    found = records(np.ones((2, 3)), y=y)
    assert found.functions
    assert all(np.array_equal(a, b) for a, b in zip(found.targets(), y))
    ragged = records(RAGGED, y=[2 * r for r in RAGGED])
    assert [t.shape for t in ragged.targets()] == [(3, 1), (2, 1), (1, 1)]
    assert np.array_equal(ragged.targets()[1][:, 0], [8, 10])
    assert np.array_equal(records(np.ones((2, 3)), y=found.y).y, found.y)  # as Records hold them
    grid = np.ones((2, 3, 3, 1))
    on_grids = records(grid, y=grid + 1)
    assert np.array_equal(records(grid, y=on_grids.y).y, on_grids.y)
    flat = records(np.ones((2, 3)), y=y[:, :, 0])  # as numbers, or as functions of one channel
    assert not flat.functions
    assert np.array_equal(flat.targets()[1][:, 0], y[1, :, 0])
    for given_y in (None, np.zeros(2), np.zeros((2, 5))):
        with pytest.raises(DataError, match="samples × points × channels"):
            records(np.ones((2, 3)), y=given_y).targets()


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6), data=st.data())
def test_taking_records(lengths: list[int], data) -> None:
    generator = np.random.default_rng(0)
    x = [generator.standard_normal((n, 2)) for n in lengths]
    xi = [np.sort(generator.uniform(-1, 1, n)) for n in lengths]
    y = [generator.standard_normal((n, 3)) for n in lengths]
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    functions = records(x, xi=xi, y=y).take(chosen)
    numbers = records(x, xi=xi, y=np.arange(len(x), dtype=float)).take(np.array(chosen))
    for position, index in enumerate(chosen):
        assert np.array_equal(functions.samples()[position], x[index])
        assert np.array_equal(functions.points()[position], xi[index])
        assert np.array_equal(functions.targets()[position], y[index])
        assert numbers.y is not None and numbers.y[position] == index


BAD_ARRAYS = {
    "one record without an axis": ((np.ones(3),), "x[None]"),
    "a flat list": (([1.0, 2.0],), "x of shape ()"),
    "text": (([["a", "b"]],), "x of type <U1"),
    "complex": ((np.ones((2, 2), complex),), "x of type complex128"),
    "no records": (([],), "no records"),
    "an empty record": (([[1.0], []],), "record 1"),
    "nothing in it": ((np.ones((2, 0)),), "no samples"),
    "an infinity": (([[1.0], [1.0, np.inf]],), "in record 1"),
    "channels that differ": (([np.ones((3, 2)), np.ones((3, 1))],), "records with 1, 2 channels"),
    "points of other records": ((np.ones((2, 3)), np.linspace(-1, 1, 4)), "xi of shape (4,) for 2 records"),
    "a point too few": ((RAGGED, [[-1, 0, 1], [0.5], [0.25]]), "xi of shape (1,) for 2 samples"),
    "unsorted points": ((np.ones((2, 2)), [[-1, 1], [1, -1]]), "record 1"),
    "targets too many": ((np.ones((2, 3)), None, [1, 2, 3]), "y of shape (3,) for 2 records"),
    "targets for every sample of rows": ((np.ones((2, 3)), None, np.ones(6)), "y of shape (6,)"),
    "a missing target": ((np.ones((2, 3)), None, [1.0, np.nan]), "record 1"),
    "targets elsewhere": ((RAGGED, None, [[1.0], [1.0, 2.0], [3.0]]), "rows of different lengths"),
    "an unknown class": ((np.ones((2, 3)), None, ["a", "c"], ["a", "b"]), "the class 'c'"),
    "classes from one": ((np.ones((2, 3)), None, [1, 2], ["a", "b"]), "from 1 to 2, with 2 classes"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays(case: str) -> None:
    arguments, message = BAD_ARRAYS[case]
    with pytest.raises(DataError) as caught:
        records(**dict(zip(("x", "xi", "y", "classes"), arguments)))
    assert message in str(caught.value)


# --- files --------------------------------------------------------------------------------------------------


@given(
    lengths=st.one_of(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.just([4, 4, 4])),
    channels=st.integers(1, 3),
    target=st.sampled_from(["none", "classes", "names", "numbers", "functions"]),
    points=st.sampled_from(["none", "shared", "own"]),
    seed=st.integers(0, 99),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_come_back(tmp_path: Path, lengths, channels: int, target: str, points: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = [generator.standard_normal((n, channels)) for n in lengths]
    own = {n: np.sort(generator.uniform(-1, 1, n)) for n in range(1, 7)}
    xi = [own[n] if points == "shared" else np.sort(generator.uniform(-1, 1, n)) for n in lengths]
    y = {
        "none": None,
        "classes": generator.integers(0, 3, len(x)),
        "names": np.array(["b", "ä"])[generator.integers(0, 2, len(x))],
        "numbers": generator.standard_normal((len(x), 2)),
        "functions": [generator.standard_normal((n, 2)) for n in lengths],
    }[target]
    given_records = records(x, xi=None if points == "none" else xi, y=y)
    write(tmp_path / "data.npz", given_records)
    assert same_records(read(tmp_path / "data.npz"), given_records)


@pytest.mark.parametrize("ragged", [False, True], ids=["equal", "ragged"])
@pytest.mark.parametrize("shared", [False, True], ids=["own points", "shared points"])
def test_targets_at_points_of_their_own_come_back(tmp_path: Path, ragged: bool, shared: bool) -> None:
    generator = np.random.default_rng(0)
    lengths = [3, 5, 4] if ragged else [4] * 3
    own = {n: np.sort(generator.uniform(-1, 1, n)) for n in lengths}
    y = [generator.standard_normal((n, 2)) for n in lengths]
    y_xi = [own[n] if shared else np.sort(generator.uniform(-1, 1, n)) for n in lengths]
    data = records(generator.standard_normal((3, 6)), y=y, y_xi=y_xi)
    write(tmp_path / "data.npz", data)
    found = read(tmp_path / "data.npz")
    assert same_records(found, data) and same_records(found.elsewhere, data.elsewhere)


def test_targets_on_grids_of_their_own_are_no_file(tmp_path: Path) -> None:
    x, y = np.zeros((2, 3, 3, 1)), np.zeros((2, 4, 4, 1))
    data = records(x, y=y, y_xi=(np.linspace(-1, 1, 4),) * 2)
    refused(lambda: write(tmp_path / "data.npz", data), "grids of their own")
    assert not list(tmp_path.iterdir())


def test_files_look_as_documented(tmp_path: Path) -> None:
    xi = np.linspace(-1, 1, 3)
    write(tmp_path / "a.npz", records(np.ones((2, 3)), xi=xi, y=["u", "v"]))
    write(tmp_path / "b.npz", records(RAGGED, y=[r[:, None] for r in RAGGED]))
    with np.load(tmp_path / "a.npz") as stored:
        assert {k: stored[k].shape for k in stored.files} == {"x": (2, 3), "xi": (3,), "y": (2,), "classes": (2,)}
    with np.load(tmp_path / "b.npz") as stored:
        assert {k: stored[k].shape for k in stored.files} == {"x": (6, 1), "y": (6, 1), "offsets": (4,)}


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.npz"
    old = records(np.ones((2, 3)))
    write(path, old)

    def full(*_args, **_arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DataError, match="No space left"):
        write(path, records(np.zeros((2, 3))))
    monkeypatch.undo()
    assert same_records(read(path), old)
    assert [p.name for p in tmp_path.iterdir()] == ["data.npz"]
    with pytest.raises(DataError, match="a folder that exists"):
        write(tmp_path / "nowhere" / "data.npz", old)


def archive(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{k: np.asarray(v) for k, v in arrays.items()})
    return stream.getvalue()


def entry(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as found:
        found.writestr(name, content)
    return stream.getvalue()


def single(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


class Bomb:
    """Unpickling it would leave a mark."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


X = np.ones((2, 3))
GOOD = archive(x=X, y=[0, 1])
HUGE = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}".ljust(127) + b"\n"

BAD_FILES = {
    "empty": (b"", "0 bytes that are not an .npz archive"),
    "text": (b"x,y\n1,2\n", "not an .npz archive"),
    "npy instead of npz": (single(X), "not an .npz archive"),
    "pickle": (pickle.dumps(Bomb()), "not an .npz archive"),
    "truncated": (GOOD[: len(GOOD) // 2], "cut short"),
    "a flipped sample": (flipped(GOOD, GOOD.index(b"\x93NUMPY") + 140), "cannot be read"),
    "not an array inside": (entry("x.npy", b"1 2 3"), "cannot be read"),
    "an array cut short": (entry("x.npy", single(X)[:-4]), "cannot be read"),
    "an impossible size": (entry("x.npy", HUGE), "cannot be read"),
    "objects": (archive(x=np.array([[1], [1, 2]], dtype=object)), "an array of Python objects"),
    "a pickle inside": (archive(x=np.array([Bomb()], dtype=object)), "an array of Python objects"),
    "no x": (archive(y=[0, 1]), "but no x"),
    "no arrays": (entry("x/", b""), "an array named"),
    "a typing error": (archive(X=X), "name it 'x'"),
    "other arrays": (archive(x=X, W0=X), "an array named 'W0'"),
    "one axis": (archive(x=[1.0, 2.0]), "x of shape (2,)"),
    "six axes": (archive(x=np.ones((1, 2, 3, 4, 5, 6))), "x of shape (1, 2, 3, 4, 5, 6)"),
    "text for x": (archive(x=[["a"]]), "x of type <U1"),
    "no records": (archive(x=np.ones((0, 3))), "no records"),
    "no points": (archive(x=np.ones((3, 0))), "no samples"),
    "inf": (archive(x=[[1.0, -np.inf]]), "x = -inf at position 1, channel 0"),
    "nan in xi": (archive(x=X, xi=[-1, np.nan, 1]), "xi = nan at position 1"),
    "points unsorted": (archive(x=X, xi=[0, -1, 1]), "xi = -1.0 after 0.0"),
    "points twice": (archive(x=X, xi=[[-1, 0, 1], [-1, -1, 1]]), "record 1"),
    "points too many": (archive(x=X, xi=[-1, 0, 0.5, 1]), "xi of shape (4,)"),
    "targets too few": (archive(x=X, y=[1]), "y of shape (1,)"),
    "targets too deep": (archive(x=X, y=np.ones((2, 1, 1, 1))), "y of shape (2, 1, 1, 1)"),
    "one target": (archive(x=X, y=1.0), "y of shape ()"),
    "nan target": (archive(x=X, y=[0.5, np.nan]), "record 1"),
    "complex target": (archive(x=X, y=[1j, 2]), "y of type complex128"),
    "classes as numbers": (archive(x=X, y=[0, 1], classes=[3, 4]), "classes of type int64"),
    "classes too few": (archive(x=X, y=[0, 2], classes=["a", "b"]), "with 2 classes"),
    "offsets as lengths": (archive(x=np.ones(5), offsets=[2, 3]), "write np.append(0, np.cumsum(lengths))"),
    "offsets that go back": (archive(x=np.ones(5), offsets=[0, 3, 2, 5]), "increasing whole numbers from 0 to 5"),
    "offsets too far": (archive(x=np.ones(5), offsets=[0, 9]), "increasing whole numbers from 0 to 5"),
    "offsets with fractions": (archive(x=np.ones(5), offsets=[0.0, 2.5, 5.0]), "offsets of type float64"),
    "offsets with an axis": (archive(x=np.ones(5), offsets=[[0, 5]]), "shape (1, 2)"),
    "an empty record": (archive(x=np.ones(5), offsets=[0, 5, 5]), "record 1"),
    "offsets and rows": (archive(x=np.ones((2, 3, 1)), offsets=[0, 2]), "with offsets"),
    "ragged points": (archive(x=np.ones(5), offsets=[0, 2, 5], xi=[-1, 1]), "xi of shape (2,) for 5 samples"),
    "ragged points in one row": (archive(x=np.ones(5), offsets=[0, 2, 5], xi=[-1, -0.5, 0, -1, 1]), "record 1"),
    "ragged targets": (archive(x=np.ones(5), offsets=[0, 2, 5], y=[1, 2, 3]), "y of shape (3,) for 2 records"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = BAD_FILES[case]
    path = tmp_path / "records.npz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)
    assert caught.value.where.startswith(str(path))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", ["table.txt", "array.npy", "cut.npz", "frame.feather", "empty.npz"])
def test_files_of_other_kinds_are_told_how_to_become_ours(name: str, tmp_path: Path) -> None:
    """The fix is followed where it is code, and gives the file."""
    table = np.round(np.random.default_rng(0).standard_normal((4, 6)), 3)
    path = tmp_path / name
    content = {"table.txt": "\n".join(",".join(map(str, row)) for row in table).encode(), "array.npy": single(table),
               "cut.npz": GOOD[:-40], "frame.feather": b"ARROW1\x15\x04\0\xff", "empty.npz": b""}[name]  # fmt: skip
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert "continua data" not in caught.value.fix
    if name in ("cut.npz", "empty.npz"):
        assert "cut short" in caught.value.cause
        return
    assert path.with_suffix(".npz").name in caught.value.fix and "cut short" not in caught.value.cause
    if name == "frame.feather":
        return
    statements = caught.value.fix.removeprefix("in Python: ").rpartition(", w")[0]
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        exec(statements, {"np": np})
        found = read(path.with_suffix(".npz").name)
    finally:
        os.chdir(here)
    assert np.array_equal(np.stack(found.samples())[:, :, 0], table[:, 1:] if name == "table.txt" else table)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nothing.npz")
    with pytest.raises(DataError, match="a folder"):
        read(tmp_path)


@given(position=st.integers(0, len(GOOD) - 1), cut=st.integers(0, len(GOOD)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_alters_a_value(tmp_path: Path, position: int, cut: int) -> None:
    path = tmp_path / "records.npz"
    path.write_bytes(GOOD)
    whole = read(path)
    for content in (flipped(GOOD, position), GOOD[:cut]):
        path.write_bytes(content)
        try:
            found = read(path)
            assert np.array_equal(found.x, whole.x)
            assert found.y is None or np.array_equal(found.y, whole.y)  # an entry may vanish with the directory
        except DataError as error:
            assert error.where.startswith(str(path))


# --- real records -------------------------------------------------------------------------------------------

PUBLISHED = {  # records to train, to test, points, channels, classes
    "gunpoint": (50, 150, (150, 150), 1, 2),
    "arrowhead": (36, 175, (251, 251), 1, 3),
    "italypowerdemand": (67, 1029, (24, 24), 1, 2),
    "osuleaf": (200, 242, (427, 427), 1, 6),
    "japanesevowels": (270, 370, (7, 29), 12, 9),
    "basicmotions": (40, 40, (100, 100), 6, 4),
    "tecator": (172, 43, (100, 100), 1, 0),
    "digits": (898, 899, (64, 64), 1, 10),
}


def installed(name: str) -> None:
    package = "sklearn" if name == "digits" else "sktime"
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} belongs to the extra `data`")


@pytest.mark.parametrize("name", PUBLISHED)
def test_real_records_are_split_as_published(name: str, tmp_path: Path) -> None:
    installed(name)
    train, test = datasets.load(name.upper())
    count, other, span, channels, classes = PUBLISHED[name]
    assert (len(train), len(test)) == (count, other)
    lengths = np.concatenate([train.lengths, test.lengths])
    assert (lengths.min(), lengths.max()) == span
    assert train.channels == test.channels == channels
    assert len(train.classes) == classes and train.classes == test.classes
    assert train.y is not None
    if classes:
        assert set(np.unique(train.y)) == set(range(classes))
    write(tmp_path / "train.npz", train)
    assert same_records(read(tmp_path / "train.npz"), train)


@pytest.mark.parametrize("name", ["GunPoint", "JapaneseVowels", "Tecator"])
def test_series_are_those_of_sktimes_own_reader(name: str) -> None:
    data_io = pytest.importorskip("sktime.datasets")
    folder = Path(data_io.__file__).parent / "data" / name
    train, _ = datasets.load(name)
    frame, labels = data_io.load_from_tsfile(str(folder / f"{name}_TRAIN.ts"))
    for n in (0, 1, len(train) - 1):
        columns = [np.asarray(series) for series in frame.iloc[n]]
        assert np.array_equal(train.samples()[n], np.array(columns).T)
    assert train.y is not None
    known = [train.classes[k] for k in train.y] if train.classes else [str(v) for v in train.y]
    assert known == [str(v) if train.classes else str(float(v)) for v in labels]


def test_digits_are_those_of_scikit_learn_in_order() -> None:
    installed("digits")
    from sklearn.datasets import load_digits

    train, test = datasets.load("digits")
    whole = load_digits()
    assert np.array_equal(np.stack([*train.samples(), *test.samples()])[:, :, 0] * 16, whole.data)
    assert np.array_equal(np.append(train.y, test.y), whole.target)


def test_what_load_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="did you mean 'gunpoint'"):
        datasets.load("gunpoimt")
    with pytest.raises(DataError, match="write your own"):
        datasets.load("zzz")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in set(datasets.names()) - {"burgers", "vorticity"}:  # which are computed
        with pytest.raises(DataError) as caught:
            datasets.load(name)
        assert 'pip install "neural-continua[data]"' in str(caught.value)


def test_a_version_without_the_series_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("numerics.datasets.shipped.package", lambda name: tmp_path)
    with pytest.raises(DataError, match=r"GunPoint_TRAIN.ts cannot be read"):
        datasets.load("GunPoint")
