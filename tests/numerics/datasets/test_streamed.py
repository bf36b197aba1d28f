"""Records in mapped files, Zarr and Dask arrays: what is read part by part is what would be read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from derive.errors import DataError
from numerics import stores
from numerics.datasets import Records, read, record, records, source
from numerics.datasets.streamed import Streamed, streamable

N, POINTS = 30, 12
GENERATOR = np.random.default_rng(3)
X = GENERATOR.standard_normal((N, POINTS))
XI = np.sort(GENERATOR.uniform(-1, 1, (N, POINTS)), axis=1)


@pytest.fixture(autouse=True)
def _small_parts() -> Any:
    """Eight records of POINTS numbers at once."""
    with mock.patch.object(record, "AT_ONCE", 8 * POINTS + 5):
        yield


def mapped(array: np.ndarray, folder: Path) -> np.ndarray:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def zarr_array(array: np.ndarray, folder: Path) -> Any:
    zarr = pytest.importorskip("zarr")
    made = zarr.create_array(str(folder / f"{len(list(folder.iterdir()))}.zarr"), shape=array.shape, dtype=array.dtype,
                             chunks=(7, *array.shape[1:]))  # fmt: skip
    made[...] = array
    return made


def dask_array(array: np.ndarray, folder: Path) -> Any:
    return pytest.importorskip("dask.array").from_array(array, chunks=(7, *array.shape[1:]))


KINDS: dict[str, Callable[[np.ndarray, Path], Any]] = {"mapped": mapped, "zarr": zarr_array, "dask": dask_array}
CASES: dict[str, dict[str, Any]] = {
    "samples alone": {"x": X},
    "classes": {"x": X.astype(np.float32), "y": np.arange(N) % 3},
    "names, points that all share": {"x": X, "xi": XI[0], "y": np.array(["b", "a"] * (N // 2))},
    "functions, points of every record": {"x": X[:, :, None], "xi": XI, "y": np.tanh(X)[:, :, None]},
    "functions of one channel": {"x": X, "y": np.round(X).astype(np.int64)},
    "numbers": {"x": np.stack([X, -X], axis=2), "y": X[:, :2]},
    "single points": {"x": X[:, :1], "y": X[:, 0]},
    "squares": {"x": X.reshape(N, 3, 4, 1), "xi": (np.linspace(-1, 1, 3), np.linspace(-1, 1, 4)), "y": X[:, 0]},
}


def joined(data: Any, name: str) -> np.ndarray | None:
    found = list(data.pieces(name))
    return np.concatenate(found) if found else None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_what_is_read_part_by_part_is_what_would_be_read_whole(case: str, kind: str, tmp_path: Path) -> None:
    given = CASES[case]
    there = {name: KINDS[kind](a, tmp_path) if isinstance(a, np.ndarray) and a.dtype.kind in "if" else a
             for name, a in given.items()}  # fmt: skip
    whole, found = records(**given), source(**there)
    assert isinstance(found, Streamed) and len(found) == N and found.cuts == whole.cuts
    assert found.classes == whole.classes and (found.y is None) == (whole.y is None)
    for name in ("x", "offsets", "xi", "y"):
        wanted, held = getattr(whole, name), joined(found, name)
        assert (wanted is None) == (held is None)
        if wanted is not None and held is not None:
            assert wanted.dtype == held.dtype
            np.testing.assert_array_equal(held, wanted)
    chosen = np.array([29, 3, 3, 11])
    some, others = records(found.take(chosen)), whole.take(chosen)
    np.testing.assert_array_equal(some.x, others.x)
    np.testing.assert_array_equal(found.take(chosen).take([2, 0]).whole().x, whole.take([3, 29]).x)
    if others.y is not None and some.y is not None:
        np.testing.assert_array_equal(some.y, others.y)


def test_only_large_arrays_are_read_part_by_part(tmp_path: Path) -> None:
    assert isinstance(source(X), Records) and isinstance(source(list(X)), Records)
    data = source(mapped(X, tmp_path))
    assert source(data) is data and "read part by part" in repr(data)
    assert isinstance(records(data), Records) and isinstance(records(mapped(X, tmp_path)), Records)
    assert not streamable(X) and not streamable(mapped(X, tmp_path) + 1)


def test_errors_name_the_record_among_all(tmp_path: Path) -> None:
    spoilt = X.copy()
    spoilt[21, 4] = np.inf
    with pytest.raises(DataError, match="x = inf at position 4") as found:
        list(source(mapped(spoilt, tmp_path)).pieces("x"))
    assert found.value.where == "record 21"
    xi = XI.copy()
    xi[17, 3] = np.inf
    with pytest.raises(DataError) as found:
        list(source(mapped(X, tmp_path), xi=mapped(xi, tmp_path)).pieces("xi"))
    assert found.value.where == "record 17"
    y = np.ones(N)
    y[9] = np.inf
    with pytest.raises(DataError, match="y = inf") as found:
        source(mapped(X, tmp_path), y=y)
    assert found.value.where == "record 9"
    for wrong in (np.ones(N - 1), np.ones((N + 1, POINTS)), 3.0):
        with pytest.raises(DataError, match="for 30 records"):
            source(mapped(X, tmp_path), y=wrong)
    with pytest.raises(DataError, match="a single record"):
        source(mapped(X[0], tmp_path))


def test_a_part_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    array = zarr_array(X, tmp_path)
    piece = next(path for path in tmp_path.rglob("c/2/*") if path.is_file())
    piece.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="records 8 to 16 that cannot be read"):
        list(source(array).pieces("x"))


def test_folders_of_arrays_and_zarr_groups_are_read_part_by_part(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    y = np.arange(N) % 2
    for name, array in (("x", X), ("y", y), ("xi", XI[0])):
        (tmp_path / "arrays").mkdir(exist_ok=True)
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
        group = zarr.open_group(str(tmp_path / "group.zarr"), mode="a")
        group.create_array(name, shape=array.shape, dtype=array.dtype)[...] = array
    whole = records(X, xi=XI[0], y=y)
    for name in ("arrays", "group.zarr"):
        found = read(tmp_path / name)
        assert isinstance(found, Streamed)
        np.testing.assert_array_equal(found.whole().x, whole.x)
        np.testing.assert_array_equal(found.whole().xi, whole.xi)
        np.testing.assert_array_equal(found.y, whole.y)
    np.save(tmp_path / "arrays" / "z.npy", y)
    with pytest.raises(DataError, match="an array named 'z'"):
        read(tmp_path / "arrays")
    (tmp_path / "arrays" / "z.npy").write_bytes(b"\x93NUMPY and no more")
    with pytest.raises(DataError, match=r"z\.npy, which cannot be read"):
        read(tmp_path / "arrays")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="a folder"):
        read(tmp_path / "empty")
    (tmp_path / "group.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="a Zarr group that cannot be read"):
        read(tmp_path / "group.zarr")


def test_without_zarr_the_error_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    with mock.patch.dict("sys.modules", {"zarr": None}), pytest.raises(DataError, match="scaling"):
        read(tmp_path)


def test_parts_hold_as_many_records_as_a_power_of_two_and_cover_all() -> None:
    for count, each in ((1, 1), (30, 12), (7, 10**9), (1000, 1), (64, 13)):
        found = record.cuts(count, each)
        assert [n for cut in found for n in range(cut.start, cut.stop)] == list(range(count))
        size = found[0].stop
        assert size == count or (size & (size - 1) == 0 and size * each <= max(record.AT_ONCE, each))


def test_room_in_a_file_leaves_none_behind(tmp_path: Path) -> None:
    with mock.patch("tempfile.tempdir", str(tmp_path)):
        found = stores.room(3, 5, mapped=True)
        found[:, 2] = [1, 2, 3]
        assert isinstance(found, np.memmap) and found.shape == (3, 5) and found[:, 2].tolist() == [1, 2, 3]
        assert not list(tmp_path.iterdir())
        with (
            mock.patch("numerics.stores._reserve", side_effect=OSError(28, "No space left on device")),
            pytest.raises(DataError, match="TMPDIR"),
        ):
            stores.room(3, 5, mapped=True)
        assert not list(tmp_path.iterdir())
