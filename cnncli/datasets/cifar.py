"""CIFAR-10 and CIFAR-100 in their binary version: records of one or two bytes of labels and 3,072 of pixels.

A record has the class (CIFAR-100: the coarse class, then the fine one, which is taken), then 32 rows of 32 red pixels,
as many green and as many blue ones. A folder as the archives have it holds ``data_batch_1.bin`` ... and
``test_batch.bin``, or ``train.bin`` and ``test.bin``; names of the classes are read from ``batches.meta.txt`` or
``fine_label_names.txt`` beside them, and are numbers where there is no such file. A single file is a part by itself.
Which of the two it is shows in the length and the labels.

References
----------
Krizhevsky: Learning multiple layers of features from tiny images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnncli.datasets._arrays import gather
from cnncli.datasets._files import failure, fill, natural_key, open_regular, shown
from cnncli.datasets._fit import Mode
from cnncli.datasets._names import Names
from cnncli.datasets.base import PARTS, Dataset
from cnncli.errors import DataError

SIDE = 32
PIXELS = 3 * SIDE * SIDE
AT_ONCE = 1024  # images in memory that may not be wanted
# by the number of bytes before the pixels: how many classes each of them can tell, and where the last one's names are
_KINDS = {1: ((10,), "batches.meta.txt"), 2: ((20, 100), "fine_label_names.txt")}


@dataclass(frozen=True, eq=False)
class Cifar(Dataset):
    """Some of CIFAR's binary files.

    Attributes
    ----------
    batches : tuple of (Path, int)
        The files, and how many images are in each.
    prefix : int
        Bytes before the pixels of an image.
    named : bool
        Whether the names of the classes are known.
    """

    batches: tuple[tuple[Path, int], ...] = field(kw_only=True)
    prefix: int = field(kw_only=True)
    named: bool = field(kw_only=True)

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if path.is_file():
            if path.suffix.lower() != ".bin" or not (prefix := _prefix(path)):
                return None
            return {_part(path) or "train": _open(path, [path], prefix)}
        files: dict[str, list[Path]] = {}
        for file in sorted(path.glob("*.bin"), key=lambda file: natural_key(file.name)):
            if part := _part(file):
                files.setdefault(part, []).append(file)
        if not files:
            return None
        prefixes = {prefix: file for batch in files.values() for file in batch if (prefix := _checked_prefix(file))}
        if len(prefixes) > 1:
            raise DataError(f"{shown(path)}: files of CIFAR-10 and of CIFAR-100 in one folder")
        return {part: _open(path, batch, next(iter(prefixes))) for part, batch in files.items()}

    @property
    def numbered(self) -> bool:
        return not self.named

    @property
    def size(self) -> tuple[int, int]:
        return SIDE, SIDE

    @property
    def channels(self) -> int:
        return 3

    @property
    def names(self) -> Sequence[str]:
        return Names(self._name, range(len(self)))

    def read(
        self, indices: np.ndarray, size: tuple[int, int] | None, channels: int | None, mode: Mode
    ) -> tuple[np.ndarray, dict[int, str]]:
        pieces = (
            records[:, self.prefix :].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
            for path, count in self.batches
            for records in _pieces(path, count, self.prefix)
        )
        return gather(self.path, pieces, indices, size or self.size, channels or self.channels, mode), {}

    def _name(self, index: int) -> str:
        for path, count in self.batches:
            if index < count:
                return f"{path}[{index}]"
            index -= count
        raise IndexError(index)


def _part(file: Path) -> str | None:
    """The part that a file's name says it is of."""
    stem = file.stem.lower()
    return "train" if stem.startswith("data_batch") else PARTS.get(stem.removesuffix("_batch"))


def _prefix(path: Path) -> int | None:
    """How many bytes of labels each record has; None if the file is no CIFAR."""
    length = path.stat().st_size
    for prefix, (limits, _) in _KINDS.items():
        if length and length % (prefix + PIXELS) == 0:
            labels = _labels(path, length // (prefix + PIXELS), prefix)
            if all((labels[:, i] < limit).all() for i, limit in enumerate(limits)):
                return prefix
    return None


def _checked_prefix(path: Path) -> int:
    """`_prefix` of a file that calls itself CIFAR's; DataError where it is none."""
    if prefix := _prefix(path):
        return prefix
    length = path.stat().st_size
    lengths = [1 + PIXELS, 2 + PIXELS]
    if length and any(length % record == 0 for record in lengths):
        raise DataError(f"{shown(path)}: labels beyond CIFAR-10's 0..9 and CIFAR-100's 0..99")
    raise DataError(
        f"{shown(path)}: truncated, or not CIFAR's: {length} bytes are no whole number of records "
        f"of {lengths[0]} (CIFAR-10) or {lengths[1]} bytes (CIFAR-100)"
    )


def _open(path: Path, files: list[Path], prefix: int) -> Cifar:
    batches = tuple((file, file.stat().st_size // (prefix + PIXELS)) for file in files)
    labels = np.concatenate([_labels(file, count, prefix)[:, -1] for file, count in batches]).astype(np.int32)
    limits, names = _KINDS[prefix]
    classes = _class_names(files[0].with_name(names), limits[-1])
    numbers = tuple(map(str, range(limits[-1])))
    return Cifar(path, classes or numbers, labels, batches=batches, prefix=prefix, named=classes is not None)


def _class_names(path: Path, count: int) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    with open_regular(path) as file:
        lines = file.read(2**16).decode("utf-8", "replace").splitlines()
    names = tuple(shown(line.strip()) for line in lines if line.strip())
    if len(names) != count or len(set(names)) != count:
        raise DataError(f"{shown(path)}: {len(set(names))} different names of classes; {count} expected, one a line")
    return names


def _labels(path: Path, count: int, prefix: int) -> np.ndarray:
    """The bytes before the pixels, (images, prefix)."""
    return np.concatenate([records[:, :prefix].copy() for records in _pieces(path, count, prefix)])


def _pieces(path: Path, count: int, prefix: int) -> Iterator[np.ndarray]:
    """All records in order, as bytes, some at a time."""
    try:
        with open_regular(path) as file:
            for first in range(0, count, AT_ONCE):
                records = np.empty((min(AT_ONCE, count - first), prefix + PIXELS), np.uint8)
                found, _ = fill(file, records)
                if found < records.nbytes:
                    raise DataError(f"{shown(path)}: has become shorter while it was read")
                yield records
    except OSError as error:
        raise failure(path, error) from None
