"""Division of a training set into one part for training and one for validation."""

from __future__ import annotations

import numpy as np

from cnncli import random
from cnncli.errors import DataError


def split(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Set a share of each class aside for validation, at random.

    Of all images ``round(fraction * len(labels))`` are taken: from each class the whole part of its share, then one
    more from those with the largest remainders, but never a class's last image. Which images of a class these are
    depends on `seed` and their index alone.

    Parameters
    ----------
    labels : ndarray of int, shape (images,)
    fraction : float
        Between 0 and 1, both excluded.
    seed : int

    Returns
    -------
    train, validation : ndarray of int64
        Indices in ascending order; together all of them, each once.

    Raises
    ------
    DataError
        So few images that none would be left for validation.
    """
    counts = np.bincount(labels)
    shares = fraction * counts
    taken = np.minimum(shares.astype(np.int64), np.maximum(counts - 1, 0))
    by_remainder = np.argsort(taken - shares, kind="stable")
    spare = by_remainder[taken[by_remainder] + 1 < counts[by_remainder]]
    taken[spare[: max(0, round(fraction * len(labels)) - int(taken.sum()))]] += 1
    if not taken.any():
        raise DataError(f"a share of {fraction:g} of {len(labels)} images leaves none for validation")
    # images in random order within their class, class after class; the first of each class are taken
    order = np.lexsort((random.bits(seed, random.SPLIT, np.arange(len(labels), dtype=np.uint64)), labels))
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[order]]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order] = rank < taken[labels[order]]
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
