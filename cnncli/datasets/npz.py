"""Arrays in an .npz file: ``train_images``, ``train_labels``, ``test_images``, ``test_labels``.

``val_`` or ``validation_`` arrays make a part for validation; ``x_train``, ``y_train``, ... are read as well;
``images`` and ``labels`` alone are one part. Images are (images, height, width) or (images, height, width, channels),
of type uint8, uint16 or float in 0..1; labels are integers. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from cnncli.datasets import _arrays
from cnncli.datasets._files import DEFLATE_LIMIT, check_memory, failure, fill, open_regular, shown
from cnncli.datasets._fit import Mode, fit_all
from cnncli.datasets._names import Names
from cnncli.datasets.base import PARTS, Dataset
from cnncli.errors import CnnError, DataError

LISTED = 12  # names in a message
_TYPES = ("u1", "u2", "f2", "f4", "f8")
_ZIP = b"PK\x03\x04"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, eq=False)
class Npz(Dataset):
    """Two arrays of an .npz file.

    Attributes
    ----------
    key : str
        Name of the array of images.
    stored : tuple of int
        (images, height, width, channels) as the header says.
    """

    key: str = field(kw_only=True)
    stored: tuple[int, int, int, int] = field(kw_only=True)

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if not path.is_file():
            return None
        with open_regular(path) as file:
            if file.read(4) != _ZIP:
                return None
        named = path.suffix.lower() == ".npz"
        if not named and not zipfile.is_zipfile(path):
            return None
        with _archive(path) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            if not keys and not named:
                return None  # an archive of something else
            pairs = _pairs(keys)
            lacking = [key for pair in pairs.values() for key in pair if key not in keys]
            if lacking or not pairs:
                wanted = ", ".join(lacking) or "train_images and train_labels"
                raise DataError(f"{shown(path)}: no array {wanted}; found: {_some(keys)}")
            return {part: _open(path, archive, *pair) for part, pair in pairs.items()}

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
        return Names(lambda index: f"{self.path}:{self.key}[{index}]", range(len(self)))

    def read(
        self, indices: np.ndarray, size: tuple[int, int] | None, channels: int | None, mode: Mode
    ) -> tuple[np.ndarray, dict[int, str]]:
        with _archive(self.path) as archive:
            images = _read(self.path, archive, self.key).reshape(self.stored)[indices]
        if images.dtype.kind == "f":
            # written so that NaN is wrong, too
            wrong = ~((images >= 0) & (images <= 1)).all(axis=(1, 2, 3))
            if wrong.any():
                first = int(np.argmax(wrong))
                low, high = images[first].min(), images[first].max()
                raise DataError(
                    f"{shown(self.names[int(indices[first])])}: values from {low:g} to {high:g}; "
                    f"floats must be in 0..1 ({int(wrong.sum())} such images)"
                )
        wanted = (len(indices), *(size or self.size), channels or self.channels)
        check_memory(self.path, math.prod(wanted) * images.itemsize)
        native = np.float32 if images.dtype.kind == "f" else images.dtype.newbyteorder("=")
        return fit_all(images.astype(native, copy=False), size, channels, mode), {}


def _pairs(keys: list[str]) -> dict[str, tuple[str, str]]:
    """(images, labels) array names of each part, as soon as one of the two is there."""
    spellings = {(f"{word}_images", f"{word}_labels"): part for word, part in PARTS.items()}
    spellings |= {(f"x_{word}", f"y_{word}"): part for word, part in PARTS.items()}
    found = {part: pair for pair, part in spellings.items() if not set(pair).isdisjoint(keys)}
    return found or ({"train": ("images", "labels")} if not {"images", "labels"}.isdisjoint(keys) else {})


def _open(path: Path, archive: zipfile.ZipFile, images: str, labels: str) -> Npz:
    where = f"{path}:{images}"
    with _member(path, archive, images) as (_, shape, _, dtype):
        if f"{dtype.kind}{dtype.itemsize}" not in _TYPES:
            raise DataError(f"{shown(where)}: images of type {dtype}; expected uint8, uint16 or floats in 0..1")
        stored = _arrays.image_shape(where, shape)
    where = f"{path}:{labels}"
    values = _read(path, archive, labels)
    if values.dtype.kind not in "iu":
        raise DataError(f"{shown(where)}: labels of type {values.dtype}; expected whole numbers")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{shown(where)}: labels of shape {values.shape}; expected one number for each image")
    classes, values = _arrays.numbered_classes(where, values, stored[0])
    return Npz(path, classes, values, key=images, stored=stored)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except CnnError:
        raise
    except OSError as error:
        raise failure(path, error) from None
    # zipfile and numpy's header reader raise what their parsing stumbled over: BadZipFile, NotImplementedError,
    # RuntimeError (encrypted), ValueError, EOFError, tokenize.TokenError, ...
    except Exception as error:
        raise DataError(f"{shown(path)}: damaged .npz file: {shown(error)[:200] or type(error).__name__}") from None


@contextmanager
def _member(
    path: Path, archive: zipfile.ZipFile, key: str
) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype]]:
    """An array's stream, shape, order (True for Fortran's) and type, once its size has been checked."""
    name = f"{shown(path)}:{key}"
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise DataError(f"{name}: .npy format {version}; 1.0 and 2.0 are read")
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.hasobject or dtype.fields is not None:
            raise DataError(f"{name}: pickled or structured data ({dtype}); only plain arrays of numbers are read")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise DataError(f"{name}: impossible shape {shape}")
        expected, found = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
        if expected != found:
            raise DataError(f"{name}: shape {shape} of {dtype} makes {expected} bytes, found {found}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{name}: compressed as numpy never does (zip method {info.compress_type})")
        packed = min(info.compress_size, path.stat().st_size)
        if expected > DEFLATE_LIMIT * packed:
            raise DataError(f"{name}: expected {expected} bytes, found at most {DEFLATE_LIMIT * packed}")
        yield stream, shape, fortran, dtype


def _read(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with _member(path, archive, key) as (stream, shape, fortran, dtype):
        check_memory(path, math.prod(shape) * dtype.itemsize)
        flat = np.empty(math.prod(shape), dtype)
        found, reason = fill(stream, flat)
        # the second condition also makes zipfile compare its checksum
        if found < flat.nbytes or stream.read(1):
            raise DataError(f"{shown(path)}:{key}: expected {flat.nbytes} bytes, found {found} {reason}".rstrip())
    return flat.reshape(shape, order="F" if fortran else "C")


def _some(names: Collection[str]) -> str:
    """Some names of many."""
    listed = ", ".join(sorted(names)[:LISTED])
    return shown(f"{listed}, and {len(names) - LISTED:,} more" if len(names) > LISTED else listed) or "none"
