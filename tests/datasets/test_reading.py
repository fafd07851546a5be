"""Reading image files: by any number of threads the same, from the cache the same, and what is left out."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels, write_classes, write_image

from cnncli.datasets import _cache, _reading
from cnncli.datasets._images import decode_image
from cnncli.datasets._reading import Reading
from cnncli.datasets.base import Dataset, open_data
from cnncli.errors import DataError


def part(root: Path, reading: Reading) -> Dataset:
    return open_data(root, reading).part("train")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """Reading with a cache that thinks everything worth it."""
    monkeypatch.setattr(_cache, "WORTH", 0)
    monkeypatch.setattr(_cache, "KEEP_FREE", 0)
    return Reading(cache=tmp_path / "cache")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that have been decoded."""
    names: list[str] = []

    def decode(source: str, **options: object) -> np.ndarray:
        names.append(source)
        return decode_image(source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("cnncli.datasets._file_set.decode_image", decode)
    return names


@pytest.fixture
def worth_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the images are."""
    monkeypatch.setattr(_reading, "WORTH", 0)


@pytest.mark.usefixtures("worth_a_thread")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_workers_change_no_bit(workers: int, deep: bool, tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 40, "b": 33})
    if deep:
        write_image(tmp_path / "b" / "5.png", pixels(9, 7, dtype=np.uint16))
    (tmp_path / "b" / "7.png").write_bytes(b"text")
    (tmp_path / "a" / "9.png").write_bytes(b"")
    alone, many = (part(tmp_path, Reading(n, skip=True, max_bad=2)).load((8, 8), 1, mode="crop") for n in (0, workers))
    np.testing.assert_array_equal(alone.images, many.images)
    np.testing.assert_array_equal(alone.labels, many.labels)
    assert list(alone.names) == list(many.names)
    assert alone.skipped == many.skipped
    assert len(alone.skipped) == 2


@pytest.mark.usefixtures("worth_a_thread")
def test_threads_end_with_an_error() -> None:
    def fail(item: int) -> int:
        if item == 7:
            raise KeyboardInterrupt
        return item

    found: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(Reading(2).in_order(fail, range(1000)))
    assert found == [0, 1, 2, 3, 4, 5, 6]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


@pytest.mark.parametrize(("seconds", "threads"), [(0.0, 1), (0.002, 3)])
def test_only_slow_images_are_worth_threads(seconds: float, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "WORTH", 0.001)

    def make(item: int) -> str:
        time.sleep(seconds)
        return threading.current_thread().name

    names = list(Reading(2).in_order(make, range(30)))
    assert len(set(names)) <= threads
    assert (len(set(names)) > 1) == (threads > 1)
    assert set(names[: _reading.PROBES]) == {threading.current_thread().name}


def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"a": 5, "b": 5})
    whole = part(root, Reading()).load()
    (root / "a" / "2.png").write_bytes(b"just text")
    images = part(root, Reading(skip=True, max_bad=0.1)).load()
    (lost,) = images.skipped
    assert (Path(lost.name).name, lost.label) == ("2.png", "a")
    assert lost.reason.endswith("2.png: not an image (looks like text)")
    kept = np.delete(np.arange(10), 1)
    np.testing.assert_array_equal(images.images, whole.images[kept])
    np.testing.assert_array_equal(images.labels, whole.labels[kept])
    assert list(images.names) == [whole.names[i] for i in kept]


@pytest.mark.parametrize("max_bad", [0, 1, 0.19])
def test_the_budget(max_bad: float, tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"a": 5, "b": 5})
    for name in ("a/2.png", "b/3.png"):
        (root / name).write_bytes(b"just text")
    with pytest.raises(
        DataError, match=r"2 of 10 images cannot be read, data\.max_bad allows (0|1|19 %):\n.*2\.png: .*"
    ):
        part(root, Reading(skip=True, max_bad=max_bad)).load()
    assert len(part(root, Reading(skip=True, max_bad=2)).load()) == 8


def test_decoded_once(cached: Reading, decoded: list[str], tmp_path: Path) -> None:
    root = write_classes(tmp_path / "data", {"a": 5, "b": 5})
    (root / "a" / "2.png").write_bytes(b"just text")
    write_image(root / "b" / "3.png", pixels(6, 5, dtype=np.uint16))
    reading = replace(cached, skip=True, max_bad=1)
    fresh = part(root, replace(reading, cache=None)).load()
    del decoded[:]
    first, second = part(root, reading).load(), part(root, reading).load()
    assert len(decoded) == 10
    for images in (first, second):
        assert isinstance(images.images, np.memmap)
        assert not images.images.flags.writeable
        np.testing.assert_array_equal(images.images, fresh.images)
        assert (images.images.dtype, images.skipped) == (np.uint16, fresh.skipped)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    # what is wanted otherwise is another entry
    part(root, reading).load((6, 6), 1)
    part(root, reading).load(indices=np.arange(4))
    assert len(decoded) == 24


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def _rewrite(path: Path) -> None:
    """Other contents of the same length and time, as `cp --preserve` leaves them."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [_touch, _rewrite])
def test_changed_files_are_decoded_anew(
    change: Callable[[Path], None], cached: Reading, decoded: list[str], tmp_path: Path
) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    part(root, cached).load()
    change(root / "b" / "1.png")
    part(root, cached).load()
    assert len(decoded) == 8


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_damaged_entries_are_made_again(damage: bytes | None, cached: Reading, tmp_path: Path) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    wanted = np.array(part(root, cached).load().images)
    (entry,) = (tmp_path / "cache").glob("*.npy")
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    np.testing.assert_array_equal(part(root, cached).load().images, wanted)


def test_full_disk(cached: Reading, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})

    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    said: list[str] = []
    images = part(root, replace(cached, warn=said.append)).load()
    np.testing.assert_array_equal(images.images, part(root, Reading()).load().images)
    assert said == [f"{tmp_path / 'cache'}: decoded images are not kept there: No space left on device"]
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.setattr(_cache, "KEEP_FREE", 2**62)
    part(root, replace(cached, warn=said.append)).load()
    assert len(said) == 2


def test_a_folder_that_cannot_be_made(cached: Reading, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    assert len(part(root, replace(cached, cache=tmp_path / "file" / "x", warn=said.append)).load()) == 4
    assert len(said) == 1


def test_interrupted_decoding_leaves_nothing(cached: Reading, tmp_path: Path) -> None:
    def stop(done: int, images: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    with pytest.raises(KeyboardInterrupt):
        part(root, replace(cached, progress=stop)).load()
    assert not list((tmp_path / "cache").iterdir())


def test_old_entries_go(cached: Reading, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    for name in ("old.npy", "old.json", ".x.1.tmp", "notes.txt"):
        (tmp_path / "cache" / name).touch()
        os.utime(tmp_path / "cache" / name, (0, 0))
    (tmp_path / "cache" / "new.npy").touch()
    part(write_classes(tmp_path / "data", {"a": 2, "b": 2}), cached).load()
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    assert {"new.npy", "notes.txt"} < names
    assert not names & {"old.npy", "old.json", ".x.1.tmp"}


def test_small_sets_are_not_cached(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "data", {"a": 2, "b": 2})
    part(root, Reading(cache=tmp_path / "cache")).load()
    assert not (tmp_path / "cache").exists()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CNN_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert _cache.default_folder() == tmp_path / ".cache" / "cnncli"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _cache.default_folder() == tmp_path / "xdg" / "cnncli"
    monkeypatch.setenv("CNN_CACHE", str(tmp_path / "own"))
    assert _cache.default_folder() == tmp_path / "own"
