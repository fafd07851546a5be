"""A run put together: data opened and split, network built, trainer ready; and its whole state as a checkpoint."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnncli import __version__, _fast
from cnncli.augmenter import Augmenter
from cnncli.checkpoint import Checkpoint
from cnncli.datasets.base import Dataset, Images, Source, open_data
from cnncli.errors import CheckpointError, DataError, SpecError
from cnncli.fields import show
from cnncli.graph import Graph
from cnncli.model import FORMAT, check_shapes
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing, statistics
from cnncli.progress import Progress
from cnncli.spec import DataSpec, Normalize, RunSpec, from_resolved, resolved, trace
from cnncli.splits import split
from cnncli.training import Trainer


def evaluation_part(data: DataSpec, source: Source | None = None) -> Dataset | None:
    """The part that a config's network is tested on, if there is one: named in the config, or beside the training set.

    `source` is what holds the training set, where that is open already.
    """
    if data.test:
        return open_data(data.test).part("test")
    source = source or (open_data(data.train) if data.train else None)
    return source.beside("test") if source else None


@dataclass(frozen=True)
class Parts:
    """The data of a run as far as headers tell.

    Attributes
    ----------
    train : Dataset
    validation : Dataset, float or None
        A set of its own, or a share of `train`.
    test : Dataset or None
    classes : tuple of str
    size : (height, width)
    channels : int
    """

    train: Dataset
    validation: Dataset | float | None
    test: Dataset | None
    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int

    @classmethod
    def open(cls, data: DataSpec) -> Parts:
        """Find the parts that a config names, and what they have in common.

        Raises
        ------
        SpecError, DataError, MissingError
            No training set is named, or a part cannot be used.
        """
        if data.train is None:
            raise SpecError("the config names no data: add `data: {train: PATH}`, or say data.train=PATH after it")
        source = open_data(data.train)
        train = source.part("train")
        validation: Dataset | float | None = None
        if isinstance(data.validation, str):
            validation = open_data(data.validation).part("validation")
        else:
            validation = data.validation or source.beside("validation")
        test = evaluation_part(data, source)
        size = data.image.size if data.image else train.size
        if size is None:
            raise DataError(
                f"{data.train}: the images differ in size; say what they are resized to: "
                "data: {image: {size: [height, width], channels: 1 or 3}}"
            )
        channels = data.image.channels if data.image else train.channels
        return cls(train, validation, test, train.class_names(data.classes), size, channels)

    def load(self, seed: int) -> tuple[Images, Images | None]:
        """Decode the images for training and for validation."""
        if isinstance(self.validation, float):
            labels = self.train.labels_in(self.classes)
            kept, aside = split(labels, self.validation, seed)
            return self._load(self.train, kept), self._load(self.train, aside)
        return self._load(self.train), None if self.validation is None else self._load(self.validation)

    def load_test(self) -> Images | None:
        """Decode the test images, if there are any."""
        return None if self.test is None else self._load(self.test)

    def _load(self, part: Dataset, indices: np.ndarray | None = None) -> Images:
        return part.load(self.size, self.channels, self.classes, indices)


class Experiment:
    """One run in memory.

    Parameters
    ----------
    spec : RunSpec
    threads : int
    fused : bool
        As for `Network`: whether its arrays may share memory, so that they cannot be read after a pass.

    Raises
    ------
    CnnError
        Data or config cannot be used; nothing has been written.
    """

    def __init__(self, spec: RunSpec, threads: int, *, fused: bool = True) -> None:
        self.spec = spec
        self.parts = Parts.open(spec.data)
        self.classes = self.parts.classes
        shape = (self.parts.channels, *self.parts.size)
        trace(spec, shape, len(self.classes))
        self.graph = Graph(spec.model, shape, spec.loss)
        train, validation = self.parts.load(spec.train.seed)
        self.preprocessing = _preprocessing(spec.data, self.parts, train)
        self.network = Network(
            self.graph, spec.train.batch_size, training=True, threads=threads, seed=spec.train.seed, fused=fused
        )
        self.network.initialize(spec.train.seed)
        self.trainer = Trainer(
            self.network, spec.optimizer, spec.schedule, self.preprocessing, train, validation, spec.train,
            augmenter(spec, train.images) if spec.data.augment else None,
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Every tensor that a checkpoint holds, by name."""
        return self.trainer.arrays()

    def meta(self) -> dict[str, Any]:
        """Everything else that a checkpoint holds."""
        return {
            "format": FORMAT,
            "cnncli": __version__,
            "config": resolved(self.spec),
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_dict(),
            "progress": self.trainer.progress.to_dict(),
            "train_images": len(self.trainer.train),
            "kernels": self.network.kernels.variant,
        }

    def restore(self, stored: Checkpoint) -> list[str]:
        """Go on from where a checkpoint of this run stands.

        Returns
        -------
        list of str
            What the config says differently now, a line each; it applies from here on.

        Raises
        ------
        CheckpointError
            It belongs to another network or other data, or was trained in a way that cannot be gone on with.
        """
        meta, config = stored.meta, resolved(self.spec)
        check_shapes(stored.path, stored.arrays, self.graph.stored_shapes())
        before = resolved(from_resolved(stored.meta["config"], str(stored.path)))  # with options that are newer than it
        changes = _changes(before, config)
        if fixed := [change for change in changes if not change.startswith(CHANGEABLE)]:
            raise CheckpointError(f"{stored.path}: cannot be gone on with, as the config differs: {'; '.join(fixed)}")
        check_shapes(stored.path, stored.arrays, {name: a.shape for name, a in self.trainer.arrays().items()})
        if meta["classes"] != list(self.classes) or meta["train_images"] != len(self.trainer.train):
            raise CheckpointError(
                f"{stored.path}: the data have changed since: {meta['train_images']} training images of "
                f"{len(meta['classes'])} classes then, {len(self.trainer.train)} of {len(self.classes)} now"
            )
        if meta["preprocessing"] != self.preprocessing.to_dict():
            raise CheckpointError(f"{stored.path}: the images' size, channels, mean or deviation have changed since")
        self.trainer.load(stored.arrays)
        self.trainer.progress = Progress(**meta["progress"])
        return changes


def augmenter(spec: RunSpec, images: np.ndarray) -> Augmenter:
    """What a config does to its training images."""
    return Augmenter(spec.data.augment, images, spec.data.fill, spec.train.seed, _fast.kernels("float32"))


# What a resumed run may say differently: what comes of other data is compared itself.
CHANGEABLE = ("data", "optimizer.", "schedule", "train.epochs", "train.save_every", "train.early_stopping")

CHOICES = ("loss", "optimizer", "schedule")  # one key, the name, with its options


def _changes(old: Any, new: Any, path: str = "") -> list[str]:
    """The entries of two configs that differ, each as ``key: old then, new now``."""
    if old == new:
        return []
    if path == "model":
        return ["model differs"]
    if path in CHOICES and old.keys() != new.keys():
        old, new = next(iter(old)), next(iter(new))
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [line for k in keys for line in _changes(old.get(k), new.get(k), f"{path}.{k}" if path else k)]
    return [f"{path}: {show(old)} then, {show(new)} now"]


def _preprocessing(data: DataSpec, parts: Parts, train: Images) -> Preprocessing:
    channels = parts.channels
    if data.normalize == "auto":
        mean, std = statistics(train.images)
    elif isinstance(data.normalize, Normalize):
        mean, std = _per_channel(data.normalize.mean, channels), _per_channel(data.normalize.std, channels)
    else:
        mean, std = (0.0,) * channels, (1.0,) * channels
    return Preprocessing(parts.size, channels, mean, std)


def _per_channel(value: float | tuple[float, ...], channels: int) -> tuple[float, ...]:
    values = tuple(map(float, value)) if isinstance(value, tuple) else (float(value),) * channels
    if len(values) != channels:
        raise SpecError(f"data.normalize: {len(values)} numbers for images of {channels} channels")
    return values


def environment(threads: int) -> dict[str, Any]:
    """What a run's results may depend on besides its config."""
    return {
        "cnncli": __version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "kernels": _fast.variant(),
        "threads": threads,
        "argv": sys.argv[1:],
    }
