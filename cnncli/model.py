"""A trained network with everything needed to use it: class names, preprocessing, weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli import checkpoint, runs, runtime
from cnncli.errors import CheckpointError, CnnError, DataError
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.process_group import ALONE, ProcessGroup
from cnncli.spec import RunSpec, from_resolved

if TYPE_CHECKING:
    from cnncli.evaluation import Evaluation

FORMAT = 1  # of the meta data and the names of arrays; later versions read all earlier ones
BATCH = 64
MANY, ROOM = 512, 2**25  # images at once where there are many, as far as their largest map fits so many bytes


@dataclass(frozen=True)
class Answer:
    """What a network says about one image.

    Attributes
    ----------
    label : str
        The class with the highest score.
    probability : float
        Its score.
    scores : ndarray, shape (classes,)
    """

    label: str
    probability: float
    scores: np.ndarray


class Model:
    """A trained network.

    Attributes
    ----------
    path : Path
        The checkpoint.
    spec : RunSpec
        The resolved config it was trained with.
    classes : tuple of str
    preprocessing : Preprocessing
    temperature : float
        Of a calibrated network; 0 for others.
    meta : dict
        Everything else the checkpoint tells: progress, history, versions.
    """

    def __init__(self, stored: checkpoint.Checkpoint, threads: int | None = None) -> None:
        self.path = stored.path
        self.meta: dict[str, Any] = stored.meta
        self.threads = runtime.threads(threads)
        try:
            self.spec: RunSpec = from_resolved(stored.meta["config"], source=str(stored.path))
            self.classes: tuple[str, ...] = tuple(stored.meta["classes"])
            self.preprocessing = Preprocessing.from_dict(stored.meta["preprocessing"])
            self.graph = Graph(self.spec.model, self.preprocessing.shape, self.spec.loss)
            self.temperature = float(stored.meta.get("temperature", 0.0))
            if not 0 <= self.temperature < np.inf:
                raise ValueError(f"temperature {self.temperature}")
            self.spec.loss.plan(self.graph.shapes[self.graph.output], len(self.classes))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{stored.path}: not a checkpoint of a network ({error})") from error
        except CnnError as error:
            raise CheckpointError(f"{stored.path}: written by another version of cnncli ({error})") from error
        self._arrays = stored.arrays
        self._networks: dict[int, Network] = {}

    @classmethod
    def load(cls, path: str | Path | None, threads: int | None = None) -> Model:
        """Load a checkpoint, a run folder's best one, or the newest run's best one; see `cnncli.load`."""
        return cls(checkpoint.load(runs.resolve_checkpoint(None if path is None else Path(path))), threads)

    def network(self, batch_size: int) -> Network:
        """The network for batches of a size, with the weights in it; kept for the next call."""
        if batch_size not in self._networks:
            self._networks[batch_size] = Network.for_use(self.graph, self.arrays, batch_size, self.threads)
        return self._networks[batch_size]

    def limit_threads(self, threads: int) -> None:
        """Use no more threads than so many from now on, of those there are."""
        self.threads = min(threads, self.threads)
        for network in self._networks.values():
            network.limit_threads(threads)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Parameters and state by name, as the checkpoint holds them."""
        shapes = self.graph.stored_shapes()
        check_shapes(self.path, self._arrays, shapes)
        return {name: self._arrays[name] for name in shapes}

    def tensor(self, name: str) -> np.ndarray | None:
        """Any tensor of the checkpoint, also one that the network does not need."""
        return self._arrays.get(name)

    @cached_property
    def at_once(self) -> int:
        """Images that are computed at once where there are many: of small ones more, so that threads wake less often.

        The batch size changes no bit of a score.
        """
        largest = max(int(np.prod(shape)) for shape in self.graph.shapes.values())
        return min(max(ROOM // (4 * largest) // 32 * 32, BATCH), MANY)

    @cached_property
    def probabilities(self) -> bool:
        """Whether scores are probabilities."""
        return self.spec.loss.probabilities

    def scores(self, images: np.ndarray, views: Sequence[str] = ()) -> np.ndarray:
        """Scores of decoded images.

        Parameters
        ----------
        images : ndarray, shape (N, height, width, channels) in the network's own size
        views : sequence of str
            Views of each image to average over; see `cnncli.views`.

        Returns
        -------
        ndarray, shape (N, classes)
        """
        size = 8 if len(images) <= 8 and not views else BATCH if len(images) <= BATCH else self.at_once
        return self._answers(self.network(size), images, None, views)[0]

    def evaluate(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int = BATCH,
        views: Sequence[str] = (),
        group: ProcessGroup = ALONE,
    ) -> Evaluation:
        """Scores, losses and the confusion matrix of labelled images; see `scores`.

        A group's processes share the work. With a temperature or views the loss of a network that gives probabilities
        is -log of the label's.
        """
        from cnncli.evaluation import Evaluation
        from cnncli.temperature_scaling import TINY

        scores, losses = self._answers(self.network(batch_size), images, labels, views, group)
        if self.probabilities and (views or self.temperature):
            losses = -np.log(np.maximum(scores[np.arange(len(labels)), labels], TINY, dtype=np.float64))
        return Evaluation.of(scores, losses, labels)

    def _answers(
        self,
        network: Network,
        images: np.ndarray,
        labels: np.ndarray | None,
        views: Sequence[str],
        group: ProcessGroup = ALONE,
    ) -> tuple[np.ndarray, np.ndarray]:
        from cnncli.evaluation import predict, predict_views

        if views:
            scores, losses = predict_views(network, self.preprocessing, images, labels, views, group)
        else:
            scores, losses = predict(network, self.preprocessing, images, labels, group=group)
        if self.temperature:
            from cnncli.temperature_scaling import tempered

            scores = tempered(scores, self.temperature)
        return scores, losses

    def save_temperature(self, temperature: float) -> None:
        """Write a temperature into the checkpoint; from then on it divides the outputs before softmax."""
        self.meta["temperature"] = self.temperature = temperature
        checkpoint.save(self.path, self._arrays, self.meta)

    def decode(self, sources: Sequence[str | Path | bytes]) -> np.ndarray:
        """Image files (or their contents) as the network wants them, uint8 or, if one has 16 bits, uint16.

        Raises
        ------
        DataError
            If one cannot be read.
        """
        return stack([self.preprocessing.decode(source) for source in sources])

    def predict(self, images: np.ndarray | Sequence[str | os.PathLike[str] | bytes]) -> list[Answer]:
        """Classify images.

        Parameters
        ----------
        images : array or sequence
            (N, height, width[, channels]) of uint8, uint16 or floats in 0..1, or files, or contents of files. Images of
            another size are brought to it as in training.

        Returns
        -------
        list of Answer
        """
        if isinstance(images, np.ndarray):
            pixels = self._fitted(images)
        else:
            pixels = self.decode([image if isinstance(image, bytes) else os.fspath(image) for image in images])
        return self.answers(self.scores(pixels))

    def answers(self, scores: np.ndarray) -> list[Answer]:
        """Scores with the name of the class that has the highest one."""
        best = scores.argmax(axis=1)
        return [Answer(self.classes[k], float(row[k]), row) for k, row in zip(best, scores, strict=True)]

    def _fitted(self, images: np.ndarray) -> np.ndarray:
        if images.ndim == 3:
            images = images[..., np.newaxis]
        if images.ndim != 4:
            raise DataError(f"images must have the shape (N, height, width[, channels]), found {images.shape}")
        if images.dtype.kind == "f":
            images = images.astype(np.float32, copy=False)
            if not ((images >= 0) & (images <= 1)).all():
                raise DataError("floating point images must lie in 0..1")
        elif images.dtype not in (np.uint8, np.uint16):
            raise DataError(f"images must be uint8, uint16 or floats in 0..1, found {images.dtype}")
        return self.preprocessing.fitted(images)


def stack(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size as one array; 8 bits become 16 where one image has 16."""
    if any(image.dtype == np.uint16 for image in images):
        images = [image if image.dtype == np.uint16 else image.astype(np.uint16) * np.uint16(257) for image in images]
    return np.stack(images)


def check_shapes(path: Path, stored: dict[str, np.ndarray], wanted: dict[str, tuple[int, ...]]) -> None:
    """Make sure that a checkpoint holds the tensors of a network.

    Raises
    ------
    CheckpointError
        If one is missing or has another shape.
    """
    for name, shape in wanted.items():
        if name not in stored:
            raise CheckpointError(f"{path}: belongs to another network: it has no {name}")
        if stored[name].shape != shape:
            raise CheckpointError(
                f"{path}: belongs to another network: {name} is {list(stored[name].shape)}, "
                f"this network's is {list(shape)}"
            )
