"""A checkpoint is read whole and verified, or refused in one line."""

import errno
import json
import os
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnncli.checkpoint import decode, load, save
from cnncli.errors import CheckpointError, CnnError, IOFailure, MissingError, OutputError

ARRAYS: dict[str, np.ndarray] = {
    "conv2d_1.weight": np.arange(150, dtype=np.float32).reshape(6, 1, 5, 5),
    "optimizer:step": np.array(3, np.int64),
    "empty": np.zeros((0, 4), np.int32),
    "Größe": np.linspace(0, 1, 7),
    "seen": np.arange(5, dtype=np.uint8),
}
META = {"epoch": 3, "classes": ["0", "ß"], "history": [{"loss": 0.1 + 0.2, "accuracy": None}]}
PATH = Path("somewhere/last.npz")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "a.npz"
    save(path, ARRAYS, META)
    return path.read_bytes()


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path, ARRAYS, META)
    loaded = load(path)
    assert list(loaded.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array, strict=True)
        assert loaded.arrays[name].flags.aligned
    assert loaded.meta == META
    assert loaded.path == path


def test_numpy_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path, ARRAYS, META)
    with np.load(path, allow_pickle=False) as opened:
        assert opened.files == ["meta", *ARRAYS]
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(opened[name], array, strict=True)
        text = opened["meta"].tobytes()
    assert text.startswith(b'{"format":1,')
    assert json.loads(text)["arrays"]["seen"]["sha256"] == sha256(bytes(range(5))).hexdigest()
    with zipfile.ZipFile(path) as opened_zip:
        assert opened_zip.testzip() is None


def test_equal_content_gives_equal_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "another name.npz"
    save(path, {name: np.array(array, order="F") for name, array in ARRAYS.items()}, dict(META))
    os.utime(path, (0, 0))
    assert path.read_bytes() == data


def test_arrays_need_not_be_contiguous(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    save(tmp_path / "a.npz", {"a": array.T, "b": array[:, ::2], "c": array[..., 1]}, {})
    arrays = load(tmp_path / "a.npz").arrays
    np.testing.assert_array_equal(arrays["a"], array.T)
    np.testing.assert_array_equal(arrays["b"], array[:, ::2])
    np.testing.assert_array_equal(arrays["c"], array[..., 1])


def test_empty_and_non_finite(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", {"a": np.array([np.nan, -np.inf])}, {"loss": float("inf")})
    loaded = load(tmp_path / "a.npz")
    assert np.isnan(loaded.arrays["a"][0])
    assert loaded.meta == {"loss": float("inf")}
    save(tmp_path / "a.npz", {}, {})
    assert load(tmp_path / "a.npz").arrays == {}


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.zeros(3, np.float16)},
        {"a": np.zeros(3, ">f4")},
        {"a": np.zeros(3, bool)},
        {"a": np.array([None])},
        {"a": np.zeros((1,) * 9)},
        {"a/b": np.zeros(1)},
        {"a\\b": np.zeros(1)},
        {"meta": np.zeros(1)},
        {"": np.zeros(1)},
        {"a\n": np.zeros(1)},
        {"a" * 201: np.zeros(1)},
        {str(number): np.zeros(0) for number in range(4096)},
        {"a": np.broadcast_to(np.float32(0), (2**15, 2**15))},
    ],
)
def test_what_the_format_does_not_allow_is_not_written(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="array"):
        save(tmp_path / "a.npz", arrays, {})
    assert list(tmp_path.iterdir()) == []


def test_too_much_meta_data_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="meta data"):
        save(tmp_path / "a.npz", {}, {"text": "a" * 2**24})


def test_limits_are_within_the_format(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {str(number): np.zeros(0, np.uint8) for number in range(4094)}
    arrays["n" * 200] = np.zeros((1,) * 8)
    save(tmp_path / "a.npz", arrays, {})
    assert len(load(tmp_path / "a.npz").arrays) == 4095
    with np.load(tmp_path / "a.npz") as opened:
        assert len(opened.files) == 4096


# Damage by accident.


def test_every_truncation(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(CheckpointError, match=r"^somewhere/last.npz: cut short$"):
            decode(data[:length], PATH)


def test_every_bit(data: bytes) -> None:
    decode(data, PATH)
    flipped = bytearray(data)
    assert len(data) * 8 > 20_000
    for position in range(len(data)):
        for bit in range(8):
            flipped[position] ^= 1 << bit
            with pytest.raises(CheckpointError):
                decode(bytes(flipped), PATH)
            flipped[position] = data[position]


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: b"\0" + data, lambda data: data * 2])
def test_bytes_added(data: bytes, change: Any) -> None:
    with pytest.raises(CheckpointError):
        decode(change(data), PATH)


# Files of other kinds.


def test_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "a.npz", tmp_path / "no" / "a.npz", tmp_path / "file" / "a.npz"):
        with pytest.raises(MissingError, match=r"a\.npz: no such checkpoint"):
            load(path)


def test_other_files_are_not_checkpoints(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", meta=np.zeros(3))
    np.savez_compressed(tmp_path / "compressed.npz", a=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("PK\3\4 hello")
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    for path in tmp_path.iterdir():
        with pytest.raises(CheckpointError, match="not a checkpoint of cnncli"):
            load(path)


def test_a_file_too_large_is_not_read(tmp_path: Path, data: bytes) -> None:
    with (tmp_path / "large.npz").open("wb") as file:
        file.write(data)
        file.truncate(2**32)
    with pytest.raises(CheckpointError, match="larger than 4 GiB"):
        load(tmp_path / "large.npz")


def test_an_empty_file_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "a.npz").touch()
    with pytest.raises(CheckpointError, match=r"a\.npz: cut short"):
        load(tmp_path / "a.npz")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "a.npz").touch()
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(IOFailure, match="cannot be read: Input/output error"):
        load(tmp_path / "a.npz")


# Writing where it is not possible.


@pytest.mark.parametrize(("code", "error"), [("ENOSPC", IOFailure), ("EROFS", OutputError), ("EACCES", OutputError)])
def test_failed_save_keeps_the_old_file(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, code: str, error: type[CnnError]
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(data)

    def fail(*_: Any) -> None:
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(error, match=f"a.npz.*{code}"):
        save(path, {}, {})
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]
