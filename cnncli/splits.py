"""Division of a training set into one part for training and one for validation: a share of it, or one of k folds.

Both are stratified: each class is divided like the whole. Where images belong to groups (frames of a film, pictures of
one patient), a group lies wholly on one side, and the classes are divided as evenly as the groups allow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnncli import random
from cnncli.errors import DataError


def split(
    labels: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
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
    groups : ndarray of int, shape (images,), optional
        Numbers of groups, from 0 on, that are not to be divided; see `_deal`.

    Returns
    -------
    train, validation : ndarray of int64
        Indices in ascending order; together all of them, each once.

    Raises
    ------
    DataError
        So few images that none would be left for validation.
    """
    if groups is not None:
        return _parts(_deal(labels, groups, (1 - fraction, fraction), seed) == 1, groups)
    counts = np.bincount(labels)
    shares = fraction * counts
    taken = np.minimum(shares.astype(np.int64), np.maximum(counts - 1, 0))
    by_remainder = np.argsort(taken - shares, kind="stable")
    spare = by_remainder[taken[by_remainder] + 1 < counts[by_remainder]]
    taken[spare[: max(0, round(fraction * len(labels)) - int(taken.sum()))]] += 1
    if not taken.any():
        raise DataError(f"a share of {fraction:g} of {len(labels)} images leaves none for validation")
    order = _by_class(labels, seed)
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[order]]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order] = rank < taken[labels[order]]
    return _parts(chosen)


def fold(
    labels: np.ndarray, k: int, index: int, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide into k parts of equal size and set one of them aside for validation (k-fold cross-validation).

    Parameters, results and errors are those of `split`; with the same seed, each image is set aside by one `index` out
    of 0 to k - 1.
    """
    if groups is not None:
        return _parts(_deal(labels, groups, (1 / k,) * k, seed) == index, groups)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[_by_class(labels, seed)[index::k]] = True
    return _parts(chosen)


def group_names(names: Sequence[str], rule: str) -> list[tuple[str, ...]]:
    """What the group of each image is called, by the names of the images.

    Parameters
    ----------
    names : sequence of str
        Paths, or ``file[index]``.
    rule : str
        ``folder``, or a regular expression: images are of one group if its brackets match the same (or all of it, where
        it has none).

    Raises
    ------
    DataError
        It does not match a name.
    """
    pattern = re.compile(rule)
    found: list[tuple[str, ...]] = []
    missed: list[str] = []
    for name in names:
        match = pattern.search(name)
        if rule == "folder":
            found.append((os.path.dirname(name),))
        elif match:
            found.append(tuple(part or "" for part in match.groups()) or (match[0],))
        else:
            missed.append(name)
    if missed:
        raise DataError(f"data.group: {rule!r} does not match {len(missed):,} of the names, such as {missed[0]}")
    return found


def group_numbers(groups: Sequence[Any], rule: str) -> np.ndarray:
    """The number of each image's group, from 0 on in the order of the groups' names; DataError if there is but one."""
    numbers = {group: i for i, group in enumerate(sorted(set(groups)))}
    if len(numbers) == 1:
        raise DataError(f"data.group: {rule} puts all images into one group, which cannot be divided")
    return np.array([numbers[group] for group in groups])


def _by_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the images, class after class, in random order within their class."""
    return np.lexsort((random.bits(seed, random.SPLIT, np.arange(len(labels), dtype=np.uint64)), labels))


def _deal(labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """The part of each image: groups are dealt out, the largest first, each to the part that lacks its images most.

    A part lacks of a class what its share of it comes to, less what it has. With classes weighed by the inverse square
    of their size, the choice is the one that leaves the smallest sum of squares of what is lacking, in shares. Groups
    of the same size come in random order.
    """
    sizes = np.bincount(labels)
    table = np.zeros((int(groups.max()) + 1, len(sizes)))
    np.add.at(table, (groups, labels), 1)
    table /= np.maximum(sizes, 1)
    lacking = np.outer(shares, sizes > 0).astype(np.float64)
    part = np.empty(len(table), np.int64)
    keys = random.bits(seed, random.SPLIT, np.arange(len(table), dtype=np.uint64))
    for group in np.lexsort((keys, -np.bincount(groups))):
        part[group] = np.argmax(lacking @ table[group])
        lacking[part[group]] -= table[group]
    return part[groups]


def _parts(chosen: np.ndarray, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    if not chosen.any() or chosen.all():
        side = "training" if chosen.all() else "validation"
        grouped = "" if groups is None else f" in {groups.max() + 1:,} groups"
        raise DataError(f"this division of {len(chosen):,} images{grouped} leaves none for {side}")
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
