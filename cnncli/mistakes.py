"""What a network gets wrong: pairs of classes that it confuses, images it is most wrong about, labels to be doubted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    """So many images of class `true` are taken for class `predicted`."""

    true: int
    predicted: int
    images: int


def confused_pairs(confusion: np.ndarray, count: int) -> list[Pair]:
    """The most frequent confusions, the most frequent first, of equal ones the first classes.

    Parameters
    ----------
    confusion : ndarray of int, shape (classes, classes)
        Rows are true classes.
    count : int
        How many at most.
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = (np.unravel_index(place, wrong.shape) for place in order)
    return [Pair(int(true), int(guess), int(wrong[true, guess])) for true, guess in pairs if wrong[true, guess]]


def worst(scores: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Numbers of the images whose wrong answer the network is surest of, the surest first.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
    labels : ndarray of int, shape (images,)
    count : int
        How many at most.
    """
    wrong = np.flatnonzero(scores.argmax(axis=1) != labels)
    return wrong[np.argsort(-scores[wrong].max(axis=1), kind="stable")[:count]]


def suspects(scores: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Numbers of the images whose label may be wrong, the likeliest first.

    An image counts as one of another class if its probability for it reaches the mean that images labelled so have for
    it. Of several such classes the likeliest counts, and its lead over the label's own decides the order.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
        Probabilities, better of a network that was not trained on these images.
    labels : ndarray of int, shape (images,)
    count : int
        How many at most.

    References
    ----------
    Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70 (2021), section
    3.1 (equation 2) and 3.2 (ranking by normalised margin).
    """
    images = np.arange(len(labels))
    own = scores[images, labels]
    sums = np.bincount(labels, own, minlength=scores.shape[1])
    numbers = np.bincount(labels, minlength=scores.shape[1])
    usual = np.where(numbers > 0, sums / np.maximum(numbers, 1), np.inf)
    confident = np.where(scores >= usual, scores, -1.0)
    likeliest = confident.argmax(axis=1)
    doubted = np.flatnonzero((confident[images, likeliest] >= 0) & (likeliest != labels))
    lead = scores[doubted, likeliest[doubted]] - own[doubted]
    return doubted[np.argsort(-lead, kind="stable")[:count]]
