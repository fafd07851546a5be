"""What a data set is: one or more parts, known from headers and names at once, and from pixels on demand.

`open_data` asks each format of this folder in turn whether a path is one of its own; a new format is one more file.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cnncli import registry
from cnncli.datasets._decoded import Images, Skipped
from cnncli.datasets._files import failure, listing, shown
from cnncli.datasets._names import Names
from cnncli.datasets._reading import Reading
from cnncli.errors import DataError, MissingError

if TYPE_CHECKING:
    from cnncli.datasets._fit import Mode

# what a part is called in names of folders, files and arrays
PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}
_ORDER = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Dataset(ABC):
    """One part of a data set, as far as it is known without decoding a pixel.

    Attributes
    ----------
    path : Path
        The file or folder that holds it.
    classes : tuple of str
        Names of the classes in the order of their labels; ``0``, ``1``, ... where labels are mere numbers.
    labels : ndarray of int32, shape (images,)
        Positions in `classes`.
    reading : Reading
        How images are decoded, and what becomes of those that cannot be.
    """

    path: Path
    classes: tuple[str, ...]
    labels: np.ndarray
    reading: Reading = field(default=Reading(), kw_only=True)

    last_resort: ClassVar[bool] = False  # accepts so much that all other formats are asked first

    @classmethod
    @abstractmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        """The parts (``train``, ``validation``, ``test``) at `path`, or None if this is another format.

        A set that is not divided is one part, called ``train`` if its name does not say otherwise.
        """

    @property
    def numbered(self) -> bool:
        """Whether labels are numbers: names, where a config gives some, are given to them in order."""
        return False

    @property
    @abstractmethod
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the images, None if it differs between them."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels; 3 where grey and colour are mixed."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """A path, or ``file[index]``, for each image."""

    def column(self, name: str) -> Sequence[str]:
        """What a column of the list says of each image; DataError if there is no list, or no such column."""
        raise DataError(f"{shown(self.path)}: no CSV or TSV list, so there is no column {name!r}")

    @abstractmethod
    def read(
        self, indices: np.ndarray, size: tuple[int, int] | None, channels: int | None, mode: Mode
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Pixels of some images as `Images` has them, in the given size and channels or else their own.

        Returns
        -------
        images : ndarray
        problems : dict of int to str
            What is wrong with those that cannot be read and are not among `images`, by their place in `indices`.
        """

    def __len__(self) -> int:
        return len(self.labels)

    def one_size(self) -> tuple[int, int]:
        """The size of all images; DataError if they differ."""
        assert self.size
        return self.size

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width), None if sizes differ."""
        return None if self.size is None else (self.channels, *self.size)

    def load(
        self,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        classes: Sequence[str] | None = None,
        indices: np.ndarray | None = None,
        mode: Mode = "resize",
    ) -> Images:
        """Decode images.

        Parameters
        ----------
        size : (height, width), optional
            Images of another size are resized to it. Without it all must have one size.
        channels : {1, 3}, optional
            Grey or RGB. Without it the images' own, 3 where grey and colour are mixed.
        classes : sequence of str, optional
            Labels become positions in these; those of the training set, for a test set. The set's own by default.
        indices : ndarray of int, optional
            Which images, in which order; all by default.
        mode : {"resize", "crop", "pad", "letterbox"}
            How images of another size are brought to `size`.

        Raises
        ------
        DataError
            Unreadable images (all of them are named, up to 20) that are not to be skipped, or more than may be; sizes
            that differ, a class that is not in `classes`.
        """
        classes = self.classes if classes is None else tuple(classes)
        labels = self.labels_in(classes)
        indices = np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64)
        images, problems = self.read(indices, None if size is None else (size[0], size[1]), channels, mode)
        skipped = tuple(
            Skipped(self.names[int(indices[place])], classes[labels[indices[place]]], problems[place])
            for place in sorted(problems)
        )
        if skipped:
            self.reading.check(skipped, len(indices), shown(self.path))
            indices = np.delete(indices, list(problems))
        return Images(images, labels[indices], Names(self.names.__getitem__, indices), classes, skipped)

    def class_names(self, declared: int | Sequence[str] | None) -> tuple[str, ...]:
        """Names of the classes of a training set: its own, or what a config declares, once they agree.

        Parameters
        ----------
        declared : int or sequence of str, optional
            The number of classes, or their names in order.
        """
        if declared is None:
            names = self.classes
        elif not isinstance(declared, int):
            names = tuple(declared)
        elif self.numbered:
            names = tuple(map(str, range(declared)))
        elif declared == len(self.classes):
            names = self.classes
        else:
            raise DataError(
                f"{shown(self.path)}: the config says {declared} classes, "
                f"found {len(self.classes)}: {_few(self.classes)}"
            )
        if len(names) < 2:
            raise DataError(f"{shown(self.path)}: only one class ({_few(names)}); a classifier needs two or more")
        self.labels_in(names)
        return names

    def labels_in(self, classes: Sequence[str]) -> np.ndarray:
        """Labels as positions in `classes`, int32; DataError if one of them is not there.

        Classes are matched by name. Only numbers that meet names, none of them a number itself, count in order.
        """
        if tuple(classes) == self.classes:
            return self.labels
        in_order = self.numbered and not any(name.isdecimal() for name in classes)
        position = {str(i) if in_order else name: i for i, name in enumerate(classes)}
        table = np.array([position.get(name, -1) for name in self.classes], dtype=np.int32)
        labels = table[self.labels]
        unknown, first = np.unique(np.where(labels < 0, self.labels, -1), return_index=True)
        names = self.names
        problems = [
            f"{shown(names[index])}: {'label' if self.numbered else 'class'} {shown(self.classes[label])} "
            f"is not among the {len(classes)} classes {_few(classes)}"
            for label, index in zip(unknown.tolist(), first.tolist(), strict=True)
            if label >= 0
        ]
        if problems:
            raise DataError(listing(problems, "unknown classes"))
        return labels


@dataclass(frozen=True)
class Source:
    """What a path holds.

    Attributes
    ----------
    path : Path
    format : str
        Name of the format: ``idx``, ``image_folder``, ``npz``, ...
    parts : dict of str to Dataset
        Some of ``train``, ``validation``, ``test``; a set that is not divided is one part.
    """

    path: Path
    format: str
    parts: dict[str, Dataset]

    @property
    def train(self) -> Dataset | None:
        """The part for training, if there is one."""
        return self.parts.get("train")

    def part(self, name: str) -> Dataset:
        """The part called `name`, or the only one there is; but what calls itself a test part is not trained on."""
        if name in self.parts:
            return self.parts[name]
        if len(self.parts) > 1 or name == "train":
            raise DataError(f"{shown(self.path)}: no {name} part, only {' and '.join(self.parts)}")
        return next(iter(self.parts.values()))

    def beside(self, name: str) -> Dataset | None:
        """The part called `name` of this set, or of the set in the folder above that this is the training part of."""
        if len(self.parts) > 1 or name in self.parts or self.train is None:
            return self.parts.get(name)
        if self.path.is_dir() and PARTS.get(self.path.name.lower()) != "train":
            return None
        try:
            around = type(self.train).find(self.path.parent) or {}
        except OSError as error:
            raise failure(error.filename or self.path.parent, error) from None
        if "train" not in around or around["train"].path != self.train.path or name not in around:
            return None
        return replace(around[name], reading=self.train.reading)


def open_data(path: str | Path, reading: Reading | None = None) -> Source:
    """Find out which data set a path holds, from names and headers; `reading` says how its images will be decoded.

    Raises
    ------
    MissingError
        Nothing is there, or a set's file of labels is not.
    DataError
        No format fits, or the one that does finds the set faulty.
    """
    path = Path(os.path.abspath(path))
    if "\0" in str(path):
        raise MissingError(f"{shown(path)}: no file or folder can have this name")
    formats: dict[str, type[Dataset]] = {name: registry.get("datasets", name) for name in registry.names("datasets")}
    try:
        path.stat()
        for name, format_ in sorted(formats.items(), key=lambda item: item[1].last_resort):
            if parts := format_.find(path):
                how = reading or Reading()
                return Source(path, name, {part: replace(parts[part], reading=how) for part in _ORDER if part in parts})
        empty = path.is_dir() and not any(path.iterdir())
    except OSError as error:
        raise failure(error.filename or path, error) from None
    found = "an empty folder" if empty else "no data set is recognised here"
    raise DataError(
        f"{shown(path)}: {found}; expected class folders of images (or a .zip or .tar of them), a .csv list of "
        "images, IDX files named as MNIST's, CIFAR's binary files, or .npz"
    )


def _few(names: Sequence[str]) -> str:
    """The first names of a list that may be long."""
    return shown(", ".join(names) if len(names) <= 12 else f"{', '.join(names[:10])}, ... {names[-1]}")
