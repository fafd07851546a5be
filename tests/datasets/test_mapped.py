"""Images mapped from the disk: what the system is asked to read is just what a batch needs."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from cnncli.datasets import _mapped

ASKED: list[tuple[int, ...]] = []


class Recorder(mmap.mmap):
    """Notes what advice it gets."""

    def madvise(self, *advice: int) -> None:
        ASKED.append(advice)
        super().madvise(*advice)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A hundred images of 5,000 bytes, which count as too large for the memory."""
    np.save(tmp_path / "images.npy", np.arange(500_000, dtype=np.uint32).astype(np.uint8).reshape(100, 50, 100, 1))
    monkeypatch.setattr(mmap, "mmap", Recorder)
    monkeypatch.setattr(_mapped, "SHARE", 0)
    ASKED.clear()
    return _mapped.open_mapped(tmp_path / "images.npy")


def pages(first: int, last: int) -> set[int]:
    """Those of some images that follow each other, behind the 128 bytes of the file's header."""
    begin, end = 128 + 5000 * first, 128 + 5000 * (last + 1)
    return set(range(begin // mmap.PAGESIZE, -(-end // mmap.PAGESIZE)))


def asked() -> set[int]:
    found: set[int] = set()
    for advice, begin, length in ASKED:
        assert advice == mmap.MADV_WILLNEED
        assert begin % mmap.PAGESIZE == 0
        found |= set(range(begin // mmap.PAGESIZE, -(-(begin + length) // mmap.PAGESIZE)))
    return found


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        ([0], [(0, 0)]),
        ([99, 3], [(3, 3), (99, 99)]),
        ([7, 5, 6, 40], [(5, 7), (40, 40)]),
        ([8, 8, 9, 9], [(8, 9)]),
        (list(range(100)), [(0, 99)]),
    ],
)
def test_the_pages_of_a_batch(images: np.ndarray, wanted: list[int], runs: list[tuple[int, int]]) -> None:
    assert ASKED == [(mmap.MADV_RANDOM,)]
    ASKED.clear()
    _mapped.fetch(images, np.array(wanted))
    assert len(ASKED) == len(runs)
    assert asked() == set.union(*(pages(*run) for run in runs))


def test_a_part_of_an_array(images: np.ndarray) -> None:
    ASKED.clear()
    _mapped.fetch(images[10:90], np.array([2]))
    assert asked() == pages(12, 12)


def test_what_needs_no_advice(images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    _mapped.fetch(images, np.arange(0))
    _mapped.fetch(np.array(images), np.array([1]))
    monkeypatch.setattr(_mapped, "SHARE", 0.5)
    _mapped.fetch(_mapped.open_mapped(tmp_path / "images.npy"), np.array([1]))
    assert ASKED == []
