"""The parts of a run's data: found and compared by their headers, decoded on demand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cnncli import splits
from cnncli.datasets._decoded import Images, Skipped
from cnncli.datasets._reading import Reading
from cnncli.datasets.base import Dataset, Source, open_data
from cnncli.errors import DataError, SpecError
from cnncli.sections import Column, Fold
from cnncli.spec import DataSpec
from cnncli.texts import shape_text

if TYPE_CHECKING:
    from cnncli.datasets._fit import Mode

Division = tuple[np.ndarray, np.ndarray]


def evaluation_part(data: DataSpec, reading: Reading | None = None, source: Source | None = None) -> Dataset | None:
    """The part that a config's network is tested on, if there is one: named in the config, or beside the training set.

    `source` is what holds the training set, where that is open already.
    """
    if data.test:
        return open_data(data.test, reading).part("test")
    source = source or (open_data(data.train, reading) if data.train else None)
    return source.beside("test") if source else None


@dataclass(frozen=True)
class Parts:
    """The data of a run as far as headers tell.

    Attributes
    ----------
    train : Dataset
    validation : Dataset, float, Fold or None
        A set of its own, or a part of `train`.
    test : Dataset or None
    classes : tuple of str
    size : (height, width)
    channels : int
    fit : str
        How images of another size are brought to `size`.
    format : str
        Of the training set.
    group : str, Column or None
        Which images of `train` are not to be divided, see `DataSpec`.
    skipped : list of (str, Skipped)
        What could not be read so far, with the part it belongs to.
    """

    train: Dataset
    validation: Dataset | float | Fold | None
    test: Dataset | None
    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    fit: Mode
    format: str
    group: str | Column | None = None
    skipped: list[tuple[str, Skipped]] = field(default_factory=list)

    @classmethod
    def open(cls, data: DataSpec, reading: Reading | None = None) -> Parts:
        """Find the parts that a config names, and what they have in common; `reading` says how to decode them.

        Raises
        ------
        SpecError, DataError, MissingError
            No training set is named, or a part cannot be used.
        """
        if data.train is None:
            raise SpecError("the config names no data: add `data: {train: PATH}`, or say data.train=PATH after it")
        reading = with_policy(data, reading)
        source = open_data(data.train, reading)
        train = source.part("train")
        validation: Dataset | float | Fold | None = None
        if isinstance(data.validation, str):
            validation = open_data(data.validation, reading).part("validation")
        else:
            validation = data.validation or data.fold or source.beside("validation")
        test = evaluation_part(data, reading, source)
        classes = train.class_names(data.classes)
        if data.image:
            size, channels, fit = data.image.size, data.image.channels, data.image.fit
        else:
            size, channels, fit = train.one_size(), train.channels, "resize"
        return cls(train, validation, test, classes, size, channels, fit, source.format, data.group)

    @property
    def text(self) -> str:
        """What was found, on one line."""
        counts = [f"{len(self.train):,} images for training"]
        if isinstance(self.validation, float):
            counts[0] += f" ({100 * self.validation:g} % of them for validation)"
        elif isinstance(self.validation, Fold):
            counts[0] += f" (part {self.validation.index} of {self.validation.k} of them for validation)"
        elif self.validation is not None:
            counts.append(f"{len(self.validation):,} for validation")
        if self.test is not None:
            counts.append(f"{len(self.test):,} for testing")
        own = shape_text(self.train.size) if self.train.size else "several sizes"
        change = "" if self.train.size == self.size else f", {self.fit} from {own}"
        colours = "grey" if self.channels == 1 else "colour"
        kind = self.format.replace("_", " ")
        return f"{kind}, {', '.join(counts)}; {len(self.classes)} classes, {shape_text(self.size)} {colours}{change}"

    def load(self, seed: int) -> tuple[Images, Images | None]:
        """Decode the images for training and for validation."""
        return self.load_divided(self.division(seed))

    def load_divided(self, division: Division | None) -> tuple[Images, Images | None]:
        """Decode the images for training and for validation; see `division`."""
        if division:
            return self._load("train", self.train, division[0]), self._load("validation", self.train, division[1])
        assert not isinstance(self.validation, (float, Fold))
        train = self._load("train", self.train)
        return train, None if self.validation is None else self._load("validation", self.validation)

    def division(self, seed: int) -> Division | None:
        """Indices of the images for training and for validation, where both are parts of one set."""
        validation = self.validation
        if not isinstance(validation, (float, Fold)):
            return None
        labels, groups = self.train.labels_in(self.classes), self._groups()
        if isinstance(validation, Fold):
            kept, aside = splits.fold(labels, validation.k, validation.index, seed, groups)
        else:
            kept, aside = splits.split(labels, validation, seed, groups)
        if len(lost := np.setdiff1d(labels[aside], labels[kept])):
            names = ", ".join(self.classes[label] for label in lost[:12])
            raise DataError(f"{self.train.path}: all images of {names} would be set aside for validation")
        return kept, aside

    def _groups(self) -> np.ndarray | None:
        """The number of each training image's group, where there are groups."""
        if self.group is None:
            return None
        if isinstance(self.group, Column):
            name = self.group.column
            return splits.group_numbers(self.train.column(name), f"column {name!r}")
        return splits.group_numbers(splits.group_names(self.train.names, self.group), repr(self.group))

    def load_test(self) -> Images | None:
        """Decode the test images, if there are any."""
        return None if self.test is None else self._load("test", self.test)

    def _load(self, name: str, part: Dataset, indices: np.ndarray | None = None) -> Images:
        images = part.load(self.size, self.channels, self.classes, indices, self.fit)
        self.skipped.extend((name, image) for image in images.skipped)
        return images


def with_policy(data: DataSpec, reading: Reading | None) -> Reading:
    """How to read, with what a config says about images that cannot be read."""
    return replace(reading or Reading(), skip=data.on_error == "skip", max_bad=data.max_bad)
