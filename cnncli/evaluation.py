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


def divide(count: int, group: ProcessGroup) -> tuple[slice, list[int]]:
    """Which of so many this process takes, and how many each: one after another, the first at least one."""
    each = -(-count // group.size)
    ends = [min(each * (rank + 1), count) for rank in range(group.size)]
    counts = np.diff([0, *ends]).tolist()
    return slice(ends[group.rank] - counts[group.rank], ends[group.rank]), counts


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
    own, counts = divide(len(images), group)
    for number in range(group.most(-(-counts[group.rank] // network.batch_size))):
        poll()
        first = own.start + number * network.batch_size
        if first >= own.stop:
            continue
        batch = slice(first, min(first + network.batch_size, own.stop))
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
    group: ProcessGroup = ALONE,
) -> tuple[np.ndarray, np.ndarray]:
    """Means of scores and losses over several views of each image (see `cnncli.views`), which fill the batches."""
    own, counts = divide(len(images), group)
    scores = np.empty((len(images), network.loss.y.shape[1]), network.dtype)
    losses = np.zeros(len(images))
    for first in range(own.start, own.stop, network.batch_size):
        some = slice(first, min(first + network.batch_size, own.stop))
        seen = views(images[some], names)
        count = seen.shape[1]
        each = predict(
            network,
            preprocessing,
            seen.reshape(-1, *seen.shape[2:]),
            None if labels is None else labels[some].repeat(count),
        )
        for means, values in zip((scores, losses), each, strict=True):
            means[some] = values.reshape(len(seen), count, *values.shape[1:]).mean(axis=1, dtype=np.float64)
    group.gather(scores, counts)
    group.gather(losses, counts)
    return scores, losses
