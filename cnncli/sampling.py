"""Which images an epoch shows, in which order (a function of the seed and the epoch alone), and what a class counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from cnncli import random
from cnncli.errors import SpecError
from cnncli.registry import suggest
from cnncli.sections import ClassWeights


class Sampler:
    """The order of the images of each epoch, as long as there are images.

    Parameters
    ----------
    labels : ndarray of int, shape (images,)
    seed : int
    mode : {"all", "balanced"}
        Each image once; or each class equally often (but for the remainder of the division, which goes to other classes
        in each epoch): of a large class another part in each epoch, the images of a small one several times, each as
        often as the others but for one.
    """

    def __init__(self, labels: np.ndarray, seed: int, mode: Literal["all", "balanced"] = "all") -> None:
        self._labels, self._seed, self._mode = labels, seed, mode
        self._classes = np.unique(labels)

    def order(self, epoch: int) -> np.ndarray:
        """The images of an epoch, counted from 0.

        Returns
        -------
        ndarray of int64, shape (images,)
            Where image i of N comes again, it is i + N, then i + 2 N, and so on, so that augmentation can tell the
            copies apart; `% N` gives the images themselves.
        """
        count = len(self._labels)
        order = random.permutation(self._seed, random.SHUFFLE, epoch, count)
        if self._mode == "all":
            return order
        share, remainder = divmod(count, len(self._classes))
        copies = []
        for place, label in enumerate(self._classes):
            members = order[self._labels[order] == label]
            wanted = np.arange(share + ((place - epoch) % len(self._classes) < remainder))
            copies.append(members[wanted % len(members)] + wanted // len(members) * count)
        drawn = np.concatenate(copies)
        shuffled: np.ndarray = drawn[random.permutation(self._seed, random.stream("sample.balanced"), epoch, count)]
        return shuffled


def class_weights(weights: ClassWeights, classes: Sequence[str], labels: np.ndarray) -> np.ndarray:
    """Factor on the losses of each class's images.

    Parameters
    ----------
    weights : ClassWeights
        "balanced" weights are N / (C n) for the n of N images that show one of C classes: their mean over all images
        is 1, and each class counts as much as the others.
    classes : sequence of str
    labels : ndarray of int, shape (images,)
        Of the training set.

    Raises
    ------
    SpecError
        A class that there is not.
    """
    if weights.given is None:
        counts = np.bincount(labels, minlength=len(classes))
        present = counts > 0
        return np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 1.0)
    for name in weights.given:
        if name not in classes:
            raise SpecError(f"train.class_weights: no class is called {name!r}; {suggest(name, classes)}")
    return np.array([weights.given.get(name, 1.0) for name in classes])
