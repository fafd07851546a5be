"""IDX, the format of MNIST: big-endian arrays, one file of images and one of labels, plain or gzipped.

A file is the bytes 0, 0, a code of the element type and the number of dimensions, then each dimension as an unsigned
32-bit number, then the elements. Files are found by MNIST's names, ``train-images-idx3-ubyte``,
``t10k-labels-idx1-ubyte.gz`` and so on, which may have a prefix (``emnist-letters-train-...``); whether one is
gzipped is seen from its content.

References
----------
LeCun, Cortes, Burges: The MNIST database of handwritten digits, section "File formats".
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import numpy as np

from cnncli.datasets import _arrays
from cnncli.datasets._files import DEFLATE_LIMIT, check_memory, failure, fill, open_regular, shown
from cnncli.datasets._fit import Mode
from cnncli.datasets._names import Names
from cnncli.datasets.base import PARTS, Dataset
from cnncli.errors import DataError, MissingError

_NAME = re.compile(
    r"(?P<prefix>(?:.*[-_.])?)(?P<part>train|t10k|test|validation|valid|val)[-_](?P<kind>images|labels)"
    r"[-_.]idx[1-4][-_.]ubyte(?:\.gz)?",
    re.IGNORECASE,
)
_GZIP = b"\x1f\x8b"
_TYPES: dict[int, np.dtype] = {0x08: np.dtype("u1"), 0x0C: np.dtype(">i4")}
_IMAGES, _LABELS = (0x08,), (0x08, 0x0C)
AT_ONCE = 1024  # images that are decoded before those that are wanted are kept


@dataclass(frozen=True, eq=False)
class Idx(Dataset):
    """A pair of IDX files.

    Attributes
    ----------
    stored : tuple of int
        (images, height, width, channels) as the header says.
    """

    stored: tuple[int, int, int, int] = field(kw_only=True)

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if path.is_dir():
            pairs = _pairs(path)
            prefixes = sorted({prefix for prefix, _ in pairs})
            if len(prefixes) > 1:
                sets = ", ".join(shown(prefix) or "(no prefix)" for prefix in prefixes)
                raise DataError(f"{shown(path)}: several IDX sets ({sets}); name one's file of training images instead")
            return {part: _open(path, files) for (_, part), files in pairs.items()}
        name = _NAME.fullmatch(path.name)
        if name is None:
            return None
        if name["kind"].lower() == "labels":
            raise DataError(f"{shown(path)}: a file of labels; name the file of images that it belongs to")
        part = PARTS[name["part"].lower()]
        files = _pairs(path.parent).get((name["prefix"], part), {})
        return {part: _open(path.parent, {**files, "images": path})}

    @property
    def numbered(self) -> bool:
        return True

    @property
    def size(self) -> tuple[int, int]:
        return self.stored[1], self.stored[2]

    @property
    def channels(self) -> int:
        return self.stored[3]

    @property
    def names(self) -> Sequence[str]:
        return Names(lambda index: f"{self.path}[{index}]", range(len(self)))

    def read(
        self, indices: np.ndarray, size: tuple[int, int] | None, channels: int | None, mode: Mode
    ) -> tuple[np.ndarray, dict[int, str]]:
        pieces = (piece.reshape(-1, *self.stored[1:]) for piece in _pieces(self.path, _IMAGES, AT_ONCE))
        found = _arrays.gather(self.path, pieces, indices, size or self.size, channels or self.channels, mode)
        return found, {}


def _pairs(folder: Path) -> dict[tuple[str, str], dict[str, Path]]:
    """Files by (prefix, part), then by kind; of a plain and a gzipped file of one name the plain one."""
    pairs: dict[tuple[str, str], dict[str, Path]] = {}
    for file in sorted(folder.iterdir()):
        if (name := _NAME.fullmatch(file.name)) and file.is_file():
            pairs.setdefault((name["prefix"], PARTS[name["part"].lower()]), {}).setdefault(name["kind"].lower(), file)
    return pairs


def _open(folder: Path, files: dict[str, Path]) -> Idx:
    for kind, other in (("images", "labels"), ("labels", "images")):
        if kind not in files:
            raise MissingError(f"{shown(folder)}: {shown(files[other].name)} has no file of {kind} beside it")
    with _opened(files["images"], _IMAGES) as (_, _, shape):
        stored = _arrays.image_shape(files["images"], shape)
    labels = np.concatenate(list(_pieces(files["labels"], _LABELS, 2**20)))
    if labels.ndim != 1:
        raise DataError(f"{shown(files['labels'])}: labels of shape {labels.shape}; expected one dimension")
    classes, labels = _arrays.numbered_classes(files["labels"], labels, stored[0])
    return Idx(files["images"], classes, labels, stored=stored)


@contextmanager
def _opened(path: Path, codes: tuple[int, ...]) -> Iterator[tuple[BinaryIO, np.dtype, tuple[int, ...]]]:
    """The elements' stream, their type and the shape, once the header has been checked against the file's size."""
    name = shown(path)
    try:
        with open_regular(path) as raw:
            length = os.fstat(raw.fileno()).st_size
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            head = stream.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
                raise DataError(f"{name}: no IDX file: it begins with {head.hex(' ') or 'nothing'}, not with 00 00 08")
            if head[2] not in codes:
                raise DataError(f"{name}: elements of IDX type 0x{head[2]:02x}; images must be unsigned bytes (0x08)")
            rank = head[3]
            dimensions = stream.read(4 * rank)
            if len(dimensions) < 4 * rank:
                found = 4 + len(dimensions)
                raise DataError(f"{name}: truncated: a header of {4 + 4 * rank} bytes expected, found {found}")
            shape = tuple(int(n) for n in np.frombuffer(dimensions, ">u4"))
            # in Python's integers, which do not overflow
            expected = math.prod(shape) * _TYPES[head[2]].itemsize
            if packed and expected > DEFLATE_LIMIT * length:
                _wrong_length(name, shape, expected, f"at most {DEFLATE_LIMIT * length}", f"{length} bytes compressed")
            if not packed and expected != length - stream.tell():
                _wrong_length(name, shape, expected, length - stream.tell())
            yield stream, _TYPES[head[2]], shape
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: damaged gzip file: {shown(error)}") from None
    except OSError as error:
        raise failure(path, error) from None


def _pieces(path: Path, codes: tuple[int, ...], at_once: int) -> Iterator[np.ndarray]:
    """All elements in order, at most `at_once` entries of the first dimension at a time."""
    with _opened(path, codes) as (stream, dtype, shape):
        expected, found = math.prod(shape) * dtype.itemsize, 0
        check_memory(path, expected)
        for first in range(0, max(shape[0], 1), at_once):
            piece = np.empty((min(at_once, shape[0] - first), *shape[1:]), dtype)
            count, reason = fill(stream, piece)
            found += count
            if count < piece.nbytes:
                _wrong_length(shown(path), shape, expected, found, reason)
            yield piece
        # also what makes gzip compare its checksum
        if stream.read(1):
            _wrong_length(shown(path), shape, expected, f"more than {expected}")


def _wrong_length(name: str, shape: tuple[int, ...], expected: int, found: object, reason: str = "") -> NoReturn:
    dimensions, cause = " x ".join(map(str, shape)), f" ({reason})" if reason else ""
    raise DataError(
        f"{name}: truncated or damaged: expected {expected} bytes ({dimensions} elements), found {found}{cause}"
    )
