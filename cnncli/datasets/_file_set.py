"""Data sets whose images are files of their own, on disk or in an archive."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import sha256
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from PIL import __version__ as PIL_VERSION

from cnncli.datasets import _cache
from cnncli.datasets._files import check_memory, listing, shown
from cnncli.datasets._fit import Mode, Size
from cnncli.datasets._images import Content, decode_image, look_at_each, probe_image
from cnncli.datasets._reading import AT_ONCE
from cnncli.datasets.base import PARTS, Dataset
from cnncli.errors import CnnError, DataError, IOFailure, OutputError

# to pass over these as if they were text files would lose images without a word
OTHER_IMAGES = {".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".tga", ".ico", ".svg", ".dng", ".exr"}
# made by file managers and archivers
CLUTTER = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
FOLDERS = {word: part for word, part in PARTS.items() if word != "t10k"}  # above class folders

Stamp = tuple[str, int, int, int]
Result = TypeVar("Result")

_AS_ON_DISK = ("utf-8", "surrogateescape")


@dataclass(frozen=True, eq=False)
class FileSet(Dataset):
    """Labelled image files.

    Attributes
    ----------
    files : tuple of str
        What each image is called: its path, or where it is in an archive.
    """

    files: tuple[str, ...] = field(kw_only=True)

    @abstractmethod
    def contents(self, indices: Sequence[int]) -> Iterator[tuple[int, Content]]:
        """What there is to decode for each place in `indices`, in the order that is read fastest."""

    @property
    def size(self) -> Size | None:
        sizes = self._headers[0]
        return next(iter(sizes)) if len(sizes) == 1 else None

    @property
    def channels(self) -> int:
        return self._headers[1]

    @property
    def names(self) -> Sequence[str]:
        return self.files

    def one_size(self) -> Size:
        sizes = sorted(self._headers[0].items(), key=lambda item: -item[1][0])
        if len(sizes) > 1:
            (usual, (_, first)), (other, (_, second)) = sizes[:2]
            raise DataError(
                f"{shown(self.path)}: sizes differ: {shown(self.files[first])} is {_by(usual)} (height x width), "
                f"{shown(self.files[second])} is {_by(other)}; say what all are brought to, and how (fit: resize, "
                f"crop, letterbox or pad), for example "
                f"`data: {{image: {{size: [{usual[0]}, {usual[1]}], channels: {self.channels}, fit: crop}}}}`"
            )
        return sizes[0][0]

    def read(
        self, indices: np.ndarray, size: Size | None, channels: int | None, mode: Mode
    ) -> tuple[np.ndarray, dict[int, str]]:
        fixed, channels = size or self.one_size(), channels or self.channels
        shape = (len(indices), *fixed, channels)
        decode = partial(decode_image, size=size, channels=channels, mode=mode)
        if (folder := self.reading.cache) is not None and (key := self._cache_key(indices, size, shape, mode)):
            if entry := _cache.load(folder, key):
                return entry
            try:
                return _cache.store(folder, key, lambda allocate: self._fill(allocate, indices, shape, decode))
            except (OSError, IOFailure, OutputError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                self.reading.warn(f"{folder}: decoded images are not kept there: {reason}")
        check_memory(self.path, int(np.prod(shape, dtype=float)))
        return self._fill(np.empty, indices, shape, decode)

    def stamps(self, indices: Sequence[int]) -> Iterator[Stamp]:
        """What tells whether the files have changed: name, size, times of modification and of change of each."""
        for index in indices:
            yield stamp(self.files[index])

    def _cache_key(self, indices: np.ndarray, size: Size | None, shape: tuple[int, ...], mode: Mode) -> str | None:
        """The name of the cached images; None if decoding them is not worth it."""
        digest = sha256(repr((_cache.VERSION, PIL_VERSION, size, shape, mode, str(self.path))).encode(*_AS_ON_DISK))
        volume = int(np.prod(shape, dtype=object))
        for name, length, *times in self.stamps(indices.tolist()):
            volume += max(length, 0)
            digest.update(repr((name, length, *times)).encode(*_AS_ON_DISK))
        return digest.hexdigest()[:40] if volume >= _cache.WORTH else None

    def _fill(
        self, allocate: Callable[..., Any], indices: np.ndarray, shape: tuple[int, ...], decode: Callable[..., Any]
    ) -> tuple[np.ndarray, dict[int, str]]:
        """All images that can be read, in an array of `allocate`, and what is wrong with the others."""
        images = allocate(shape, np.uint8)
        problems: dict[int, str] = {}
        for done, (place, image) in enumerate(self._each(decode, indices), start=1):
            if isinstance(image, CnnError):
                problems[place] = str(image)
            elif image.shape[:2] != shape[1:3]:
                name = shown(self.files[indices[place]])
                problems[place] = f"{name}: {_by(image.shape[:2])}, its header says {_by(shape[1:3])}"
            else:
                # one image of 16 bits makes all of them 16 bits; 255 * 257 = 65535
                if image.dtype == np.uint16 and images.dtype == np.uint8:
                    images = np.multiply(images, np.uint16(257), out=allocate(shape, np.uint16))
                images[place] = image if image.dtype == images.dtype else image * np.uint16(257)
            self.reading.progress(done, len(indices))
        if problems:
            readable = [place for place in range(len(indices)) if place not in problems]
            for target, place in enumerate(readable):
                images[target] = images[place]
            images = images[: len(readable)]
        return images, problems

    @cached_property
    def _headers(self) -> tuple[dict[Size, tuple[int, int]], int]:
        """By size how many images there are and the first of them, and the largest number of channels."""
        sizes: dict[Size, tuple[int, int]] = {}
        most, problems = 1, {}
        for index, found in self._each(probe_image, range(len(self))):
            if isinstance(found, CnnError):
                problems[index] = str(found)
                continue
            size, channels = found
            count, first = sizes.get(size, (0, index))
            sizes[size] = count + 1, min(first, index)
            most = max(most, channels)
        if problems and not (self.reading.skip and sizes):  # what is skipped is counted when the images are decoded
            raise DataError(listing([problems[index] for index in sorted(problems)], "unreadable images"))
        return sizes, most

    def _each(
        self, look: Callable[..., Result], indices: Sequence[int] | np.ndarray
    ) -> Iterator[tuple[int, Result | CnnError]]:
        """What `look` finds in each file, by the workers."""

        def looked(batch: Sequence[tuple[int, Content]]) -> list[tuple[int, Result | CnnError]]:
            files = ((self.files[indices[place]], content) for place, content in batch)
            return [(place, found) for (place, _), found in zip(batch, look_at_each(look, files), strict=True)]

        wanted = indices.tolist() if isinstance(indices, np.ndarray) else indices
        for batch in self.reading.in_order(looked, _batches(self.contents(wanted))):
            yield from batch


def stamp(path: str) -> Stamp:
    """A file's name, size, and times of modification and of change; of one that is not there, -1."""
    try:
        found = os.stat(path)
    except OSError:
        return path, -1, -1, -1
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch


def _by(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]}"
