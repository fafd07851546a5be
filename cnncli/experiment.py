"""A run put together: data opened and split, network built, trainer ready; and its whole state as a checkpoint."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from cnncli import __version__, _fast
from cnncli.augmenter import Augmenter
from cnncli.changes import changes
from cnncli.checkpoint import Checkpoint
from cnncli.datasets._files import shown
from cnncli.datasets._reading import Reading
from cnncli.errors import CheckpointError, DataError
from cnncli.fields import show
from cnncli.fingerprint import fingerprint, label_fingerprint
from cnncli.graph import Graph
from cnncli.model import FORMAT, check_shapes
from cnncli.network import Network
from cnncli.parts import Parts
from cnncli.preprocessing import Preprocessing, configured
from cnncli.process_group import ALONE, ProcessGroup
from cnncli.progress import Progress
from cnncli.sampling import Sampler, class_weights
from cnncli.sharding import Shard
from cnncli.spec import RunSpec, from_resolved, resolved, trace
from cnncli.training import Trainer
from cnncli.transfer import Start, Transfer, normalized_as
from cnncli.workspace import lanes_for

ASIDE = "split:validation"  # the tensor of a checkpoint that says which images of the training set were set aside


class Experiment:
    """One run in memory.

    Parameters
    ----------
    spec : RunSpec
    threads : int
    fused : bool
        As for `Network`: whether its arrays may share memory, so that they cannot be read after a pass.
    reading : Reading, optional
        How images are decoded.
    found : callable
        Told what the data are, before they are decoded.
    start : Start, optional
        A trained network whose weights are the start; the pixels are then normalised as it knows them.
    group : ProcessGroup
        Who train together.

    Raises
    ------
    CnnError
        Data or config cannot be used; nothing has been written.
    """

    def __init__(
        self,
        spec: RunSpec,
        threads: int,
        *,
        fused: bool = True,
        start: Start | None = None,
        reading: Reading | None = None,
        found: Callable[[Parts], None] = lambda _: None,
        group: ProcessGroup = ALONE,
    ) -> None:
        self.parts = Parts.open(spec.data, reading)
        if start:
            spec = normalized_as(spec, start.trained.preprocessing, self.parts.channels)
        self.spec = spec
        self.classes = self.parts.classes
        shape = (self.parts.channels, *self.parts.size)
        self._check_labels(trace(spec, shape, None)[-1].out_shape[0])
        trace(spec, shape, len(self.classes))
        self.graph = Graph(spec.model, shape, spec.loss)
        self.transfer = Transfer(start, self.graph, self.classes) if start else None
        self.division = self.parts.division(spec.train.seed)
        found(self.parts)
        shard = Shard(spec.train.batch_size, lanes_for(spec.train.batch_size), group, spec.train.reduce == "exact")
        with group.first_alone():  # what it has decoded and kept on the disk need not be decoded again
            train, validation = self.parts.load_divided(self.division)
        self.preprocessing = group.share(
            None
            if group.rank
            else configured(spec.data, self.parts.size, self.parts.channels, self.parts.fit, train.images)
        )
        self.network = Network(
            self.graph, spec.train.batch_size, training=True, threads=threads, seed=spec.train.seed, fused=fused,
            shard=shard,
        )  # fmt: skip
        self.network.initialize(spec.train.seed)
        if self.transfer:
            self.transfer.apply(self.network)
        self._from = self.transfer.record() if self.transfer else None
        known = {"training": train, "validation": validation}
        self._fingerprints: dict[str, str] = group.share(
            {} if group.rank else {name: fingerprint(images) for name, images in known.items() if images is not None}
        )
        self.trainer = Trainer(
            self.network, spec.optimizer, spec.schedule, self.preprocessing, train, validation, spec.train,
            augmenter(spec, train.images) if spec.data.augment else None,
            Sampler(train.labels, spec.train.seed, spec.data.sample),
            class_weights(weights, self.classes, train.labels) if (weights := spec.train.class_weights) else None,
        )  # fmt: skip

    def _check_labels(self, outputs: int) -> None:
        """Where labels are numbers and nothing says how many classes there are, one that is wrong makes many."""
        train = self.parts.train
        if self.spec.data.classes is None and train.numbered and outputs < len(self.classes):
            index = int(train.labels.argmax())
            raise DataError(
                f"{shown(train.names[index])}: label {self.classes[-1]}, but the network has {outputs} outputs, for "
                f"labels from 0 to {outputs - 1}; is it wrong, or does the network need {len(self.classes)} outputs?"
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """Every tensor that a checkpoint holds, by name."""
        aside = {} if self.division is None else {ASIDE: self.division[1].astype(np.int32)}
        return self.trainer.arrays() | aside

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
            "fingerprints": self._fingerprints,
            "kernels": self.network.kernels.variant,
        } | ({"from": self._from} if self._from else {})

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
        told = _told(before, config)
        if fixed := [line for line in told if not line.startswith(CHANGEABLE)]:
            raise CheckpointError(f"{stored.path}: cannot be gone on with, as the config differs: {'; '.join(fixed)}")
        check_shapes(stored.path, stored.arrays, {name: a.shape for name, a in self.trainer.arrays().items()})
        if different := self._different_data(stored):
            advice = f"{stored.path} cannot be gone on with; --from {stored.path} begins a new run with its weights"
            raise CheckpointError(f"the data have changed: {different}; {advice}")
        self.trainer.load(stored.arrays)
        self.trainer.progress = Progress(**meta["progress"])
        self._from = meta.get("from")
        return told

    def _different_data(self, stored: Checkpoint) -> str:
        """What is not as it was when a checkpoint was written, if anything; older ones tell less."""
        meta, count, classes = stored.meta, len(self.trainer.train), list(self.classes)
        if meta["classes"] != classes or meta["train_images"] != count:
            then = f"{meta['train_images']} training images of {len(meta['classes'])} classes"
            return f"{then} then, {count} of {len(classes)} now"
        if self.division and not np.array_equal(stored.arrays.get(ASIDE, self.division[1]), self.division[1]):
            return "other images would be set aside for validation now"
        if Preprocessing.from_dict(meta["preprocessing"]) != self.preprocessing:
            return "the images' size, channels, mean or deviation"
        if "train_labels" in meta and meta["train_labels"] != label_fingerprint(self.trainer.train):
            return "the training images have other labels or another order now"
        known = meta.get("fingerprints", {})
        changed = [name for name, found in self._fingerprints.items() if known.get(name, found) != found]
        return f"the {' and '.join(changed)} images, their labels or their order" if changed else ""


def augmenter(spec: RunSpec, images: np.ndarray) -> Augmenter:
    """What a config does to its training images."""
    return Augmenter(spec.data.augment, images, spec.data.fill, spec.train.seed, _fast.kernels("float32"))


# What a resumed run may say differently: what comes of other data is compared itself.
CHANGEABLE = (
    "data",
    "optimizer.",
    "schedule",
    "train.epochs",
    "train.save_every",
    "train.workers",
    "train.tensorboard",
    "train.reduce",
    "train.report",
    "train.early_stopping",
)


def _told(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two configs, each as ``key: old then, new now``; a network is the same or it is not."""
    lines = [
        "model differs"
        if change.key.startswith("model")
        else f"{change.key}: {show(change.before)} then, {show(change.now)} now"
        for change in changes(before, now)
    ]
    return list(dict.fromkeys(lines))


def environment(threads: int, processes: int = 1) -> dict[str, Any]:
    """What a run's results may depend on besides its config."""
    return {
        "cnncli": __version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "kernels": _fast.variant(),
        "threads": threads,
        "processes": processes,
        "argv": sys.argv[1:],
    }
