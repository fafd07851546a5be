"""Scores of images, batch after batch, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnncli import metrics
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.process_group import ALONE, ProcessGroup
from cnncli.views import views


@dataclass(frozen=True)
class Evaluation:
    """What a network makes of a labelled set.

    Attributes
    ----------
    scores : ndarray, shape (images, classes)
        Probabilities, or the outputs under a squared error.
    labels : ndarray of int32, shape (images,)
    losses : ndarray of float64, shape (images,)
    confusion : ndarray of int64, shape (classes, classes)
        Rows are the true classes, columns the predicted ones.
    """

    scores: np.ndarray
    labels: np.ndarray
    losses: np.ndarray
    confusion: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, losses: np.ndarray, labels: np.ndarray) -> Evaluation:
        """What scores and losses come to."""
        confusion = metrics.confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
        return cls(scores, labels, losses, confusion)

    @property
    def right(self) -> np.ndarray:
        """Which images are named correctly, bool."""
        right: np.ndarray = self.scores.argmax(axis=1) == self.labels
        return right

    @property
    def accuracy(self) -> float:
        return metrics.accuracy(self.confusion)

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson)."""
        return metrics.wilson_interval(int(np.trace(self.confusion)), len(self.labels))

    def top(self, k: int) -> float:
        """Share of images whose class is among the k with the highest scores."""
        return float(metrics.in_top_k(self.scores, self.labels, min(k, self.scores.shape[1])).mean())


def predict(
    network: Network,
    preprocessing: Preprocessing,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    poll: Callable[[], None] = lambda: None,
    group: ProcessGroup = ALONE,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all images and, where labels are given, losses.

    Every image is computed on its own lane, so neither its neighbours nor the batch size change a bit of its scores.

    Parameters
    ----------
    network : Network
    preprocessing : Preprocessing
    images : ndarray, shape (N, height, width, channels)
    labels : ndarray of int, optional
    poll : callable
        Called between batches; it may raise to stop.
    group : ProcessGroup
        Who share the work; each gets all scores, and calls `poll` as often as the others.

    Returns
    -------
    scores : ndarray, shape (N, classes)
    losses : ndarray of float64, shape (N,)
    """
    classes = network.loss.y.shape[1]
    scores = np.empty((len(images), classes), network.dtype)
    losses = np.zeros(len(images))
    order = np.arange(len(images))
    network.loss.target, network.loss.shares = network.target if labels is not None else None, None
    ends = [len(images) * (rank + 1) // group.size for rank in range(group.size)]
    counts = np.diff([0, *ends]).tolist()
    start, stop = ends[group.rank] - counts[group.rank], ends[group.rank]
    for number in range(group.most(-(-(stop - start) // network.batch_size))):
        poll()
        first = start + number * network.batch_size
        batch = slice(first, min(first + network.batch_size, stop))
        if first >= stop:
            continue
        preprocessing.fill(network, images, order[batch])
        if labels is not None:
            network.set_targets(labels[batch])
        else:
            network.set_batch(len(order[batch]))
        network.forward()
        scores[batch] = network.scores()
        losses[batch] = network.loss.losses[: network.n]
    network.loss.target = network.target
    group.gather(scores, counts)
    group.gather(losses, counts)
    return scores, losses


def evaluate(
    network: Network,
    preprocessing: Preprocessing,
    images: np.ndarray,
    labels: np.ndarray,
    poll: Callable[[], None] = lambda: None,
    group: ProcessGroup = ALONE,
) -> Evaluation:
    """Scores, losses and the confusion matrix of labelled images; see `predict`."""
    return Evaluation.of(*predict(network, preprocessing, images, labels, poll, group), labels)


def predict_views(
    network: Network,
    preprocessing: Preprocessing,
    images: np.ndarray,
    labels: np.ndarray | None,
    names: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Means of scores and losses over several views of each image (see `cnncli.views`), which fill the batches."""
    scores: list[np.ndarray] = []
    losses: list[np.ndarray] = []
    for first in range(0, len(images), network.batch_size):
        some = slice(first, first + network.batch_size)
        seen = views(images[some], names)
        count = seen.shape[1]
        each = predict(
            network,
            preprocessing,
            seen.reshape(-1, *seen.shape[2:]),
            None if labels is None else labels[some].repeat(count),
        )
        for means, values in zip((scores, losses), each, strict=True):
            shape = (len(seen), count, *values.shape[1:])
            means.append(values.reshape(shape).mean(axis=1, dtype=np.float64).astype(values.dtype))
    return np.concatenate(scores), np.concatenate(losses)
