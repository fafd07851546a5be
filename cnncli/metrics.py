"""How good predictions are: pure functions of labels, scores and confusion matrices.

A confusion matrix counts images, [true class, predicted class]; matrices of parts of a data set add up to that of the
whole, and accuracy, precision, recall and F1 all follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """Per class, arrays of shape (classes,).

    Attributes
    ----------
    images : ndarray of int64
        Images of the class.
    precision : ndarray of float64
        Share of the images predicted as the class that are of it; 0 where none is predicted.
    recall : ndarray of float64
        Share of the images of the class that are predicted as it; 0 where there is none.
    f1 : ndarray of float64
        Harmonic mean of both; 0 where both are 0.
    """

    images: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count every pair of true and predicted class.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape (images,)
        Class numbers from 0 to classes - 1.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (classes, classes)
        Rows are true classes, columns predicted ones.
    """
    pairs = np.asarray(labels, np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> float:
    """Share of images on the diagonal of a confusion matrix; 0 where there is no image."""
    return float(np.trace(confusion) / max(confusion.sum(), 1))


def class_scores(confusion: np.ndarray) -> ClassScores:
    """Precision, recall and F1 = 2 hits / (images + predictions) of every class."""
    hits, images, predictions = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassScores(
        images=images,
        precision=hits / np.maximum(predictions, 1),
        recall=hits / np.maximum(images, 1),
        f1=2 * hits / np.maximum(images + predictions, 1),
    )


class Average(NamedTuple):
    """Precision, recall and F1 over all classes."""

    precision: float
    recall: float
    f1: float


def macro(scores: ClassScores) -> Average:
    """Means over the classes, each counting alike."""
    return Average(*(float(each.mean()) for each in (scores.precision, scores.recall, scores.f1)))


def weighted(scores: ClassScores) -> Average:
    """Means over the classes, each counting by its images; 0 where there is no image."""
    total = max(int(scores.images.sum()), 1)
    return Average(*(float(scores.images @ each / total) for each in (scores.precision, scores.recall, scores.f1)))


def in_top_k(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether the true class is among the k classes of largest score.

    Of equal scores the class of lower number counts as larger, as for `numpy.argmax`; a score that is not a number is
    never among the largest.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
        Probabilities, or anything that orders the classes.
    labels : ndarray of int, shape (images,)
        True classes.
    k : int
        How many guesses are allowed.

    Returns
    -------
    ndarray of bool, shape (images,)
    """
    label = np.asarray(labels)[:, None]
    own = np.take_along_axis(scores, label, axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < label))
    return (before.sum(axis=1) < k) & ~np.isnan(own[:, 0])


def wilson_interval(hits: int, images: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Interval that holds the true accuracy with 95 % confidence (z = 1.96), given hits out of images.

    Unlike the normal approximation it stays within 0 and 1 and is sound near both.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not images:
        return 0.0, 1.0
    share, spread = hits / images, z * z / images
    middle = share + spread / 2
    half = z * sqrt((share * (1 - share) + spread / 4) / images)
    # Rounding must not push the ends past 0 and 1, which they reach exactly when all miss or all hit.
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
